//! Sessions by their headers, for pages and tables over many days: no details are read.
//!
//! The days have no index of their own, which every new day would have to write: they are sought
//! machine by machine in the index that sessions have anyway.

use rusqlite::{OptionalExtension, params};

use super::{
    BufferError, SessionReader,
    error::During,
    figures::{FIGURES, read_figures},
};
use crate::model::{Day, DetailCounts, Figures};

/// A session without its details.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionHeader {
    pub nom: String,
    pub day: Day,
    pub figures: Figures,
    pub counts: DetailCounts,
    pub revision: i64,
    pub synced_revision: i64,
    pub refusal: Option<String>,
    pub log_sources: String,
}

/// Which headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderFilter<'f> {
    pub from: Day,
    pub to: Day,
    pub machine: Option<&'f str>,
    /// No more than this many, the newest.
    pub most: usize,
}

impl SessionReader<'_> {
    /// Headers in order of day and machine.
    pub fn session_headers(
        &self,
        filter: &HeaderFilter<'_>,
    ) -> Result<Vec<SessionHeader>, BufferError> {
        let mut headers: Vec<SessionHeader> = self
            .buffer
            .connection
            .prepare(&format!(
                "SELECT m.nom, s.day, s.total_pieces, s.total_waits, s.total_stops, s.total_jobs,
                     s.total_findings, s.revision, s.synced_revision, s.refusal, s.log_sources, {FIGURES}
                 FROM machine m
                 CROSS JOIN session s ON s.machine_id = m.id AND s.day BETWEEN ?1 AND ?2
                 WHERE ?3 IS NULL OR m.nom = ?3
                 ORDER BY s.day DESC, m.nom DESC LIMIT ?4"
            ))
            .and_then(|mut select| {
                let most = i64::try_from(filter.most).unwrap_or(i64::MAX);
                select
                    .query_map(params![filter.from, filter.to, filter.machine, most], |row| {
                        Ok(SessionHeader {
                            nom: row.get(0)?,
                            day: row.get(1)?,
                            counts: DetailCounts {
                                pieces: row.get(2)?,
                                waits: row.get(3)?,
                                stops: row.get(4)?,
                                jobs: row.get(5)?,
                                anomalies: row.get(6)?,
                            },
                            revision: row.get(7)?,
                            synced_revision: row.get(8)?,
                            refusal: row.get(9)?,
                            log_sources: row.get(10)?,
                            figures: read_figures(row, 11)?,
                        })
                    })?
                    .collect()
            })
            .during("look up sessions", &self.buffer.path)?;
        headers.reverse();
        Ok(headers)
    }

    /// The nearest days with sessions before and after `day`.
    pub fn neighbours(&self, day: Day) -> Result<(Option<Day>, Option<Day>), BufferError> {
        self.buffer
            .connection
            .query_row(
                "SELECT max((SELECT max(day) FROM session s
                         WHERE s.machine_id = m.id AND s.day < ?1)),
                     min((SELECT min(day) FROM session s WHERE s.machine_id = m.id AND s.day > ?1))
                 FROM machine m",
                [day],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map(Option::unwrap_or_default)
            .during("look up days", &self.buffer.path)
    }
}
