//! Sessions by their headers, for pages and tables over many days: no details are read.
//!
//! The days have no index of their own, which every new day would have to write: they are sought
//! machine by machine in the index that sessions have anyway.

use rusqlite::params;

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
    /// Pieces outside required time; `None`: the machine has no calendar.
    pub pieces_outside: Option<u32>,
    /// Otherwise it is a planned day without any LOG.
    pub has_log: bool,
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
        let outside = if self.has_times()? { "s.pieces_outside" } else { "NULL" };
        let mut headers: Vec<SessionHeader> = self
            .buffer
            .connection
            .prepare(&format!(
                "SELECT m.nom, s.day, s.total_pieces, s.total_waits, s.total_stops, s.total_jobs,
                     s.total_findings, s.revision, s.synced_revision, s.refusal, s.log_sources,
                     {outside}, {FIGURES}
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
                            pieces_outside: row.get(11)?,
                            has_log: true,
                            figures: read_figures(row, 12)?,
                        })
                    })?
                    .collect()
            })
            .during("look up sessions", &self.buffer.path)?;
        headers.reverse();
        Ok(headers)
    }

    /// The same, and among them planned days without any LOG.
    pub fn day_headers(
        &self,
        filter: &HeaderFilter<'_>,
    ) -> Result<Vec<SessionHeader>, BufferError> {
        let mut headers = self.session_headers(filter)?;
        let is_cut = headers.len() >= filter.most;
        let mut alone = self.planned_alone(filter)?;
        if let Some(first) = headers.first().filter(|_| is_cut) {
            alone.retain(|header| header.day >= first.day);
        }
        if !alone.is_empty() {
            headers.append(&mut alone);
            headers.sort_by(|a, b| (a.day, &a.nom).cmp(&(b.day, &b.nom)));
            headers.drain(..headers.len().saturating_sub(filter.most));
        }
        Ok(headers)
    }

    fn planned_alone(&self, filter: &HeaderFilter<'_>) -> Result<Vec<SessionHeader>, BufferError> {
        if !self.has_times()? {
            return Ok(Vec::new());
        }
        self.buffer
            .connection
            .prepare_cached(
                // The first part of a day is there if any is.
                "SELECT m.nom, t.day, coalesce(a.revision, 0), coalesce(a.synced_revision, 0)
                 FROM machine m
                 CROSS JOIN shift_times t ON t.machine_id = m.id AND t.number = 1
                     AND t.day BETWEEN ?1 AND ?2
                 LEFT JOIN times_alone a ON a.machine_id = t.machine_id AND a.day = t.day
                 WHERE (?3 IS NULL OR m.nom = ?3) AND NOT EXISTS (
                     SELECT 1 FROM session s WHERE s.machine_id = m.id AND s.day = t.day)
                 ORDER BY t.day DESC LIMIT ?4",
            )
            .and_then(|mut select| {
                let most = i64::try_from(filter.most).unwrap_or(i64::MAX);
                select
                    .query_map(params![filter.from, filter.to, filter.machine, most], |row| {
                        Ok(SessionHeader {
                            nom: row.get(0)?,
                            day: row.get(1)?,
                            counts: DetailCounts::default(),
                            revision: row.get(2)?,
                            synced_revision: row.get(3)?,
                            refusal: None,
                            log_sources: String::new(),
                            pieces_outside: Some(0),
                            has_log: false,
                            figures: Figures::default(),
                        })
                    })?
                    .collect()
            })
            .during("look up planned days", &self.buffer.path)
    }

    /// The nearest days with sessions, or planned ones, before and after `day`.
    pub fn neighbours(
        &self,
        day: Day,
        machine: Option<&str>,
    ) -> Result<(Option<Day>, Option<Day>), BufferError> {
        let mut query = "SELECT max((SELECT max(day) FROM session s
                 WHERE s.machine_id = m.id AND s.day < ?1)),
             min((SELECT min(day) FROM session s WHERE s.machine_id = m.id AND s.day > ?1))
             FROM machine m WHERE ?2 IS NULL OR m.nom = ?2"
            .to_owned();
        if self.has_times()? {
            query = format!("{query} UNION ALL {}", query.replace("session", "shift_times"));
        }
        let read = || -> rusqlite::Result<(Option<Day>, Option<Day>)> {
            let mut select = self.buffer.connection.prepare(&query)?;
            let found =
                select.query_map(params![day, machine], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (mut before, mut after): (Option<Day>, Option<Day>) = (None, None);
            for one in found {
                let (earlier, later): (Option<Day>, Option<Day>) = one?;
                before = before.max(earlier);
                after = [after, later].into_iter().flatten().min();
            }
            Ok((before, after))
        };
        read().during("look up days", &self.buffer.path)
    }
}
