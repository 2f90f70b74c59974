//! Questions that people ask the buffer: what is there, what waits, what was refused.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{OptionalExtension, params};

use super::{
    BufferError, Files, QuietMark, Reports, SessionReader,
    details::all,
    error::During,
    figures::{FIGURES, read_figures, with_rows},
    shift_times::times_of,
    times::noted,
};
use crate::model::{Anomaly, Day, DayTimes, Session, Stamp, WallTime};

/// Figures of the buffer as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    pub sessions: u64,
    pub pending_sessions: u64,
    pub set_aside_sessions: u64,
    pub oldest_pending_day: Option<Day>,
    /// Planned days without a session whose times wait for central.
    pub pending_planned_days: u64,
    pub files: u64,
    pub refused_files: u64,
    pub raw_bytes: u64,
}

/// Lines of the files that the buffer knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LineTotals {
    pub lines: u64,
    pub events: u64,
    /// By reason.
    pub rejects: BTreeMap<String, u64>,
}

/// A machine at a glance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MachineReport {
    pub nom: String,
    pub sessions: u64,
    pub pending_sessions: u64,
    pub last_day: Option<Day>,
    pub last_read_at: Option<WallTime>,
}

/// A file that a person may want to look at: refused, or with lines that were not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileReport {
    pub source: String,
    pub folder: String,
    pub name: String,
    pub state: String,
    pub refusal: Option<String>,
    pub lines: u64,
    pub events: u64,
    /// Reason, lines, first line, sample.
    pub rejects: Vec<(String, u64, u64, String)>,
    /// Name, events.
    pub unknown: Vec<(String, u64)>,
}

/// Sessions of a machine that central was not made equal in for one reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsideReport {
    pub nom: String,
    pub reason: String,
    pub sessions: u64,
    pub first_day: Day,
    pub last_day: Day,
    pub since: Option<WallTime>,
}

/// Which sessions to show.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionFilter {
    pub machine: Option<String>,
    pub day: Option<Day>,
}

/// Which days of which machines to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DayRange<'f> {
    pub machine: Option<&'f str>,
    pub from: Option<Day>,
    pub to: Option<Day>,
}

impl<'f> From<&'f SessionFilter> for DayRange<'f> {
    fn from(filter: &'f SessionFilter) -> Self {
        Self { machine: filter.machine.as_deref(), from: filter.day, to: filter.day }
    }
}

/// Session (`None`: a planned day without one), machine, its name, day.
type DayKey = (Option<i64>, i64, String, Day);

/// A session with where it stands towards central.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSession {
    pub nom: String,
    pub day: Day,
    pub revision: i64,
    pub synced_revision: i64,
    pub refusal: Option<String>,
    pub log_sources: String,
    pub session: Session,
    pub anomalies: Vec<Anomaly>,
    /// What the TRS is measured by; `None`: it has none.
    pub nominal_per_hour: Option<u32>,
    pub rejects: u32,
    /// Where its required time went; `None`: nothing is planned, or the machine has no calendar.
    pub times: Option<DayTimes>,
    /// Pieces outside required time; `None`: the machine has no calendar.
    pub pieces_outside: Option<u32>,
}

impl Files<'_> {
    /// Events that were found in a file so far.
    pub fn events_of(&self, file_id: i64) -> Result<u64, BufferError> {
        self.buffer
            .connection
            .query_row("SELECT events FROM log_file WHERE id = ?1", [file_id], |row| row.get(0))
            .during("count a file's events", &self.buffer.path)
    }
}

impl Reports<'_> {
    /// Machines of which central has confirmed a session.
    pub fn delivered_machines(&self) -> Result<Vec<String>, BufferError> {
        self.buffer.outbox().delivered_machines()
    }

    pub fn totals(&self) -> Result<Totals, BufferError> {
        let pending_planned_days = self.buffer.sessions().pending_planned_days()?;
        self.buffer
            .connection
            .query_row(
                // `+`: what is set aside is sought among what was refused, not among what waits.
                "SELECT coalesce(sum(total_sessions), 0),
                     (SELECT count(*) FROM session WHERE revision > synced_revision),
                     (SELECT count(*) FROM session
                         WHERE refusal IS NOT NULL AND +revision > +synced_revision),
                     (SELECT min(day) FROM session WHERE revision > synced_revision),
                     coalesce(sum(total_files), 0),
                     (SELECT count(*) FROM log_file WHERE state = 'refused'),
                     coalesce(sum(total_bytes), 0)
                 FROM machine",
                [],
                |row| {
                    Ok(Totals {
                        sessions: row.get(0)?,
                        pending_sessions: row.get(1)?,
                        set_aside_sessions: row.get(2)?,
                        oldest_pending_day: row.get(3)?,
                        pending_planned_days,
                        files: row.get(4)?,
                        refused_files: row.get(5)?,
                        raw_bytes: row.get(6)?,
                    })
                },
            )
            .during("count what it holds", &self.buffer.path)
    }

    pub fn line_totals(&self) -> Result<LineTotals, BufferError> {
        let read = || -> rusqlite::Result<LineTotals> {
            let (lines, events) = self.buffer.connection.query_row(
                "SELECT coalesce(sum(total_lines), 0), coalesce(sum(total_events), 0) FROM machine",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let rejects = self
                .buffer
                .connection
                .prepare("SELECT reason, lines FROM reject_tally")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            Ok(LineTotals { lines, events, rejects })
        };
        read().during("count its lines", &self.buffer.path)
    }

    pub fn machines(&self) -> Result<Vec<MachineReport>, BufferError> {
        self.buffer
            .connection
            .prepare(
                "SELECT m.nom, m.total_sessions, coalesce(p.pending, 0),
                     (SELECT max(day) FROM session s WHERE s.machine_id = m.id), m.last_read_at
                 FROM machine m LEFT JOIN (
                     SELECT machine_id, count(*) AS pending
                     FROM session INDEXED BY session_pending
                     WHERE revision > synced_revision GROUP BY 1
                 ) p ON p.machine_id = m.id ORDER BY m.nom",
            )
            .and_then(|mut select| {
                select
                    .query_map([], |row| {
                        Ok(MachineReport {
                            nom: row.get(0)?,
                            sessions: row.get(1)?,
                            pending_sessions: row.get(2)?,
                            last_day: row.get(3)?,
                            last_read_at: noted(row, 4)?,
                        })
                    })?
                    .collect()
            })
            .during("read its machines", &self.buffer.path)
    }

    /// Machines with a file that may still grow, and since when it does not.
    pub fn growing(&self) -> Result<Vec<(String, Option<QuietMark>)>, BufferError> {
        self.buffer
            .connection
            .prepare(
                "SELECT m.nom, f.quiet_boot, f.quiet_since_s
                 FROM log_file f JOIN machine m ON m.id = f.machine_id WHERE f.state = 'growing'",
            )
            .and_then(|mut select| {
                select
                    .query_map([], |row| {
                        let (boot, since_s): (Option<Arc<str>>, _) = (row.get(1)?, row.get(2)?);
                        let mark = boot.zip(since_s);
                        let mark = mark.map(|(boot, since_s)| QuietMark { boot, since_s });
                        Ok((row.get(0)?, mark))
                    })?
                    .collect()
            })
            .during("read which files grow", &self.buffer.path)
    }

    /// What is set aside, and why, at most `most` reasons.
    pub fn set_aside_sessions(&self, most: usize) -> Result<Vec<AsideReport>, BufferError> {
        self.buffer
            .connection
            .prepare(
                "SELECT m.nom, s.refusal, count(*), min(s.day), max(s.day), min(s.refused_at)
                 FROM session s JOIN machine m ON m.id = s.machine_id
                 WHERE s.refusal IS NOT NULL AND +s.revision > +s.synced_revision
                 GROUP BY 1, 2 ORDER BY 1, 4 LIMIT ?1",
            )
            .and_then(|mut select| {
                select
                    .query_map([most as i64], |row| {
                        Ok(AsideReport {
                            nom: row.get(0)?,
                            reason: row.get(1)?,
                            sessions: row.get(2)?,
                            first_day: row.get(3)?,
                            last_day: row.get(4)?,
                            since: noted(row, 5)?,
                        })
                    })?
                    .collect()
            })
            .during("look up quarantined sessions", &self.buffer.path)
    }

    /// Files that were refused or have lines that were not understood, newest first, at most `most`.
    pub fn remarkable_files(&self, most: usize) -> Result<Vec<FileReport>, BufferError> {
        let read = || -> rusqlite::Result<Vec<FileReport>> {
            let mut files = self.buffer.connection.prepare(
                // The newest of each kind, so that the unremarkable ones are not gone through.
                "SELECT id, source, folder, name, state, refusal, lines, events FROM log_file
                 WHERE id IN (
                     SELECT * FROM (SELECT id FROM log_file WHERE state = 'refused'
                         ORDER BY id DESC LIMIT ?1)
                     UNION SELECT * FROM (SELECT DISTINCT file_id FROM reject
                         ORDER BY file_id DESC LIMIT ?1)
                     UNION SELECT * FROM (SELECT DISTINCT file_id FROM unknown_event
                         ORDER BY file_id DESC LIMIT ?1))
                 ORDER BY id DESC LIMIT ?1",
            )?;
            let mut rejects = self.buffer.connection.prepare(
                "SELECT reason, lines, first_line, sample FROM reject WHERE file_id = ?1 ORDER BY 1",
            )?;
            let mut unknown = self.buffer.connection.prepare(
                "SELECT name, events FROM unknown_event WHERE file_id = ?1 ORDER BY 2 DESC, 1",
            )?;
            let rows = files.query_map(params![most as i64], |row| {
                let id: i64 = row.get(0)?;
                Ok(FileReport {
                    source: row.get(1)?,
                    folder: row.get(2)?,
                    name: row.get(3)?,
                    state: row.get(4)?,
                    refusal: row.get(5)?,
                    lines: row.get(6)?,
                    events: row.get(7)?,
                    rejects: rejects
                        .query_map([id], |row| {
                            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                        })?
                        .collect::<Result<_, _>>()?,
                    unknown: unknown
                        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
                        .collect::<Result<_, _>>()?,
                })
            })?;
            rows.collect()
        };
        read().during("read its files", &self.buffer.path)
    }
}

impl SessionReader<'_> {
    /// The pieces that a machine's `day` had up to and with the moment `until`; 0 without a session.
    pub fn pieces_until(&self, nom: &str, day: Day, until: Stamp) -> Result<u32, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT count(*) FROM piece WHERE at_ms <= ?3 AND session_id = (
                     SELECT s.id FROM session s JOIN machine m ON m.id = s.machine_id
                     WHERE m.nom = ?1 AND s.day = ?2)",
            )
            .and_then(|mut select| select.query_row(params![nom, day, until.0], |row| row.get(0)))
            .during("count pieces", &self.buffer.path)
    }

    /// Sessions in order of day and machine, handed to `show` one by one.
    pub fn each_session<E>(
        &self,
        filter: &SessionFilter,
        show: impl FnMut(StoredSession) -> Result<(), E>,
    ) -> Result<Result<(), E>, BufferError> {
        let keys = self.keys(filter.into(), false)?;
        self.hand_over(keys, show)
    }

    /// The same, and among them planned days without a session: of no piece, and with their times.
    pub fn each_day<E>(
        &self,
        filter: &SessionFilter,
        show: impl FnMut(StoredSession) -> Result<(), E>,
    ) -> Result<Result<(), E>, BufferError> {
        let keys = self.keys(filter.into(), true)?;
        self.hand_over(keys, show)
    }

    /// Of these the newest, at most `most`, in order of day and machine; how many earlier ones there are.
    pub fn newest_days<E>(
        &self,
        range: DayRange<'_>,
        most: usize,
        show: impl FnMut(StoredSession) -> Result<(), E>,
    ) -> Result<Result<usize, E>, BufferError> {
        let mut keys = self.keys(range, true)?;
        let earlier = keys.len().saturating_sub(most);
        keys.drain(..earlier);
        Ok(self.hand_over(keys, show)?.map(|()| earlier))
    }

    /// In order of day and machine; with the planned days that have no session if `has_days_alone`.
    fn keys(&self, range: DayRange<'_>, has_days_alone: bool) -> Result<Vec<DayKey>, BufferError> {
        // The first part of a day is there if any is.
        let alone = "UNION ALL
            SELECT NULL, m.id, m.nom, t.day FROM machine m CROSS JOIN shift_times t
                ON t.machine_id = m.id AND t.day BETWEEN coalesce(?2, '') AND coalesce(?3, '~')
                AND t.number = 1
            WHERE (?1 IS NULL OR m.nom = ?1) AND NOT EXISTS (
                SELECT 1 FROM session s WHERE s.machine_id = m.id AND s.day = t.day)";
        let more_days = if has_days_alone && self.has_times()? { alone } else { "" };
        self.buffer
            .connection
            // Machine by machine, each day sought in the index that sessions have anyway.
            .prepare(&format!(
                "SELECT s.id, m.id, m.nom, s.day FROM machine m
                 CROSS JOIN session s ON s.machine_id = m.id
                     AND s.day BETWEEN coalesce(?2, '') AND coalesce(?3, '~')
                 WHERE ?1 IS NULL OR m.nom = ?1 {more_days} ORDER BY 4, 3"
            ))
            .and_then(|mut select| {
                select
                    .query_map(params![range.machine, range.from, range.to], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .during("look up sessions", &self.buffer.path)
    }

    fn hand_over<E>(
        &self,
        keys: Vec<DayKey>,
        mut show: impl FnMut(StoredSession) -> Result<(), E>,
    ) -> Result<Result<(), E>, BufferError> {
        let has_times = self.has_times()?;
        for (session, machine_id, nom, day) in keys {
            let stored = match session {
                Some(id) => self.stored_session(id, has_times).optional(),
                None => self.day_alone(machine_id, nom, day),
            };
            let Some(stored) = stored.during("read a session", &self.buffer.path)? else {
                continue;
            };
            if let Err(stop) = show(stored) {
                return Ok(Err(stop));
            }
        }
        Ok(Ok(()))
    }

    /// A planned day that has no session.
    fn day_alone(
        &self,
        machine_id: i64,
        nom: String,
        day: Day,
    ) -> rusqlite::Result<Option<StoredSession>> {
        let view = self.buffer.connection.unchecked_transaction()?;
        let Some(times) = times_of(&view, machine_id, day, None)? else { return Ok(None) };
        let (revision, synced_revision) = view
            .prepare_cached(
                "SELECT revision, synced_revision FROM times_alone WHERE machine_id = ?1 AND day = ?2",
            )?
            .query_row(params![machine_id, day], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .unwrap_or_default();
        Ok(Some(StoredSession {
            nom,
            day,
            revision,
            synced_revision,
            refusal: None,
            log_sources: String::new(),
            session: Session::default(),
            anomalies: Vec::new(),
            nominal_per_hour: times.nominal_per_hour,
            rejects: 0,
            pieces_outside: Some(times.pieces_outside),
            times: Some(times),
        }))
    }

    fn stored_session(&self, id: i64, has_times: bool) -> rusqlite::Result<StoredSession> {
        let view = self.buffer.connection.unchecked_transaction()?;
        let outside = if has_times { "s.pieces_outside" } else { "NULL" };
        let (machine_id, mut stored) = view
            .prepare_cached(&format!(
                "SELECT m.nom, s.day, s.revision, s.synced_revision, s.refusal, s.log_sources,
                     d.nominal_per_hour, coalesce(d.rejects, 0), {outside}, m.id, {FIGURES}
                 FROM session s JOIN machine m ON m.id = s.machine_id
                 LEFT JOIN day_digest d ON d.session_id = s.id WHERE s.id = ?1"
            ))?
            .query_row([id], |row| {
                let machine_id: i64 = row.get(9)?;
                let stored = StoredSession {
                    nom: row.get(0)?,
                    day: row.get(1)?,
                    revision: row.get(2)?,
                    synced_revision: row.get(3)?,
                    refusal: row.get(4)?,
                    log_sources: row.get(5)?,
                    nominal_per_hour: row.get(6)?,
                    rejects: row.get(7)?,
                    pieces_outside: row.get(8)?,
                    times: None,
                    anomalies: Vec::new(),
                    session: Session { figures: read_figures(row, 10)?, ..Session::default() },
                };
                Ok((machine_id, stored))
            })?;
        stored.session = with_rows(&view, id, stored.session.figures)?;
        stored.anomalies = all(&view, id)?;
        if has_times {
            stored.times = times_of(&view, machine_id, stored.day, stored.pieces_outside)?;
        }
        Ok(stored)
    }
}
