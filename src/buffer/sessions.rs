//! Sessions as computed: a recomputation writes only what changed, and every changed row carries
//! the session's revision of that change.

use rusqlite::{OptionalExtension, params};

use super::{
    Batch, BufferError,
    error::During,
    evaluation::DayEvaluation,
    figures::{FIGURES, read_figures},
};
use crate::model::{Day, Figures, Session, Stamp};

/// What a recomputation did to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed {
    New,
    Updated,
    Same,
}

impl Batch<'_> {
    /// Files that hold events of a (machine, day) so far: id and `folder/name`.
    pub fn files_of_day(
        &self,
        machine_id: i64,
        day: Day,
    ) -> Result<Vec<(i64, String)>, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT f.id, f.folder || '/' || f.name
                 FROM session s JOIN file_session fs ON fs.session_id = s.id
                 JOIN log_file f ON f.id = fs.file_id
                 WHERE s.machine_id = ?1 AND s.day = ?2 ORDER BY f.folder, f.name, f.generation",
            )
            .and_then(|mut select| {
                select
                    .query_map(params![machine_id, day], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .during("look up a day's files", self.path)
    }

    /// Bytes of all files that hold events of a (machine, day) so far.
    pub fn bytes_of_day(&self, machine_id: i64, day: Day) -> Result<u64, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT coalesce(sum(f.consumed_bytes), 0)
                 FROM session s JOIN file_session fs ON fs.session_id = s.id
                 JOIN log_file f ON f.id = fs.file_id
                 WHERE s.machine_id = ?1 AND s.day = ?2",
            )
            .and_then(|mut select| select.query_row(params![machine_id, day], |row| row.get(0)))
            .during("look up a day's files", self.path)
    }

    /// Whether a file holds events of a (machine, day) so far.
    pub fn feeds(&self, file_id: i64, machine_id: i64, day: Day) -> Result<bool, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM session s
                     JOIN file_session fs ON fs.session_id = s.id AND fs.file_id = ?1
                 WHERE s.machine_id = ?2 AND s.day = ?3)",
            )
            .and_then(|mut select| {
                select.query_row(params![file_id, machine_id, day], |row| row.get(0))
            })
            .during("look up a day's files", self.path)
    }

    /// The events of a stored session some of whose files gave up their raw bytes, so that it can
    /// not be recomputed in full; `None` where all bytes are held.
    pub fn events_beyond_raw(&self, machine_id: i64, day: Day) -> Result<Option<u64>, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT s.events FROM session s
                 WHERE s.machine_id = ?1 AND s.day = ?2 AND EXISTS (
                     SELECT 1 FROM file_session fs JOIN log_file f ON f.id = fs.file_id
                     WHERE fs.session_id = s.id AND f.consumed_bytes > 0
                         AND NOT EXISTS (SELECT 1 FROM raw_chunk c WHERE c.file_id = f.id))",
            )
            .and_then(|mut select| {
                select.query_row(params![machine_id, day], |row| row.get(0)).optional()
            })
            .during("look up a day's raw bytes", self.path)
    }

    /// Makes the stored session equal to `session`, which was computed from `file_ids`.
    pub fn put_session(
        &self,
        machine_id: i64,
        session: &Session,
        judged: &DayEvaluation,
        file_ids: &[i64],
        log_sources: &str,
        analysis_version: i64,
    ) -> Result<Changed, BufferError> {
        let day = judged.digest.day;
        debug_assert!(
            self.events_beyond_raw(machine_id, day)?
                .is_none_or(|events| events <= session.figures.events),
            "invariant 6: a session is never replaced by less"
        );
        let put = || -> rusqlite::Result<Changed> {
            let known = self.known_session(machine_id, day)?;
            let (id, revision, header_same) = match &known {
                Some(known) => {
                    let same = known.figures == session.figures && known.log_sources == log_sources;
                    (known.id, known.revision + 1, same)
                }
                None => {
                    self.transaction
                        .prepare_cached(
                            "INSERT INTO session (machine_id, day, revision, analysis_version,
                                 log_sources, events, total_pieces, total_waits, total_stops,
                                 total_jobs, window_ms, wait_ms, stop_ms, effective_ms,
                                 raw_wait_ms, raw_stop_ms)
                             VALUES (?1, ?2, 0, ?3, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
                        )?
                        .execute(params![machine_id, day, analysis_version])?;
                    (self.transaction.last_insert_rowid(), 1, false)
                }
            };
            for file_id in file_ids {
                self.transaction
                    .prepare_cached(
                        "INSERT OR IGNORE INTO file_session (file_id, session_id) VALUES (?1, ?2)",
                    )?
                    .execute(params![file_id, id])?;
            }
            let fresh = known.is_none();
            debug_assert!(
                known.as_ref().is_none_or(|known| known.revision < revision),
                "invariant 4: a change carries a later revision"
            );
            let rows = self.put_details(id, revision, fresh, &session.pieces)?
                + self.put_details(id, revision, fresh, &session.waits)?
                + self.put_details(id, revision, fresh, &session.stops)?
                + self.put_details(id, revision, fresh, &session.jobs)?
                + self.put_details(id, revision, fresh, &session.log_defects)?
                + self.put_details(id, revision, fresh, &judged.anomalies)?
                + self.put_digest(id, judged)?;
            if header_same && rows == 0 {
                if known.is_some_and(|known| known.analysis_version != analysis_version) {
                    self.transaction.execute(
                        "UPDATE session SET analysis_version = ?2, last_event_ms = ?3
                         WHERE id = ?1",
                        params![id, analysis_version, judged.ends.last_event.map(|at| at.0)],
                    )?;
                }
                return Ok(Changed::Same);
            }
            self.put_header(id, revision, session, judged, log_sources, analysis_version)?;
            Ok(if fresh { Changed::New } else { Changed::Updated })
        };
        put().during("store a session", self.path)
    }

    fn known_session(&self, machine_id: i64, day: Day) -> rusqlite::Result<Option<Known>> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT id, revision, log_sources, analysis_version, {FIGURES}
                 FROM session WHERE machine_id = ?1 AND day = ?2"
            ))?
            .query_row(params![machine_id, day], |row| {
                Ok(Known {
                    id: row.get(0)?,
                    revision: row.get(1)?,
                    log_sources: row.get(2)?,
                    analysis_version: row.get(3)?,
                    figures: read_figures(row, 4)?,
                })
            })
            .optional()
    }

    fn put_header(
        &self,
        id: i64,
        revision: i64,
        session: &Session,
        judged: &DayEvaluation,
        log_sources: &str,
        analysis_version: i64,
    ) -> rusqlite::Result<()> {
        let figures = &session.figures;
        let ms = |stamp: Option<Stamp>| stamp.map(|stamp| stamp.0);
        self.transaction
            .prepare_cached(
                "UPDATE session SET revision = ?2, analysis_version = ?3, log_sources = ?4,
                     events = ?5, first_piece_ms = ?6, last_piece_ms = ?7, first_start_ms = ?8,
                     last_stop_ms = ?9, total_pieces = ?10, window_ms = ?11, wait_ms = ?12,
                     stop_ms = ?13, effective_ms = ?14, raw_wait_ms = ?15, raw_stop_ms = ?16,
                     total_waits = ?17, total_stops = ?18, total_jobs = ?19,
                     total_findings = ?20, last_event_ms = ?21
                 WHERE id = ?1",
            )?
            .execute(params![
                id,
                revision,
                analysis_version,
                log_sources,
                figures.events,
                ms(figures.first_piece),
                ms(figures.last_piece),
                ms(figures.first_start),
                ms(figures.last_stop),
                figures.total_pieces,
                figures.window_ms,
                figures.wait_ms,
                figures.stop_ms,
                figures.effective_ms,
                figures.raw_wait_ms,
                figures.raw_stop_ms,
                session.waits.len() as u64,
                session.stops.len() as u64,
                session.jobs.len() as u64,
                judged.anomalies.len() as u64,
                ms(judged.ends.last_event),
            ])?;
        Ok(())
    }
}

struct Known {
    id: i64,
    revision: i64,
    log_sources: String,
    analysis_version: i64,
    figures: Figures,
}
