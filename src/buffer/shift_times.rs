//! Where the required time of each shift went, day by day. A day's rows travel with its session, as a part
//! of its header; those of a planned day without a session travel alone.
//!
//! What must never happen here: rows that change without a revision that grows, so that central is not
//! told; a day that travels twice.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Batch, BufferError, Files, SessionReader, error::During, files::IS_COMPLETE};
use crate::model::{Day, DayTimes, ShiftTimes, Stamp};

/// By what the times of a machine's days were computed; empty: without a calendar, or not yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimesBasis {
    pub machine_id: i64,
    pub nom: String,
    pub basis: Vec<u8>,
}

/// Of each machine (`nom`) its days that have times, oldest first.
pub type TimesByMachine = BTreeMap<String, Vec<DayTimes>>;

/// The schema from which on there are times.
const SCHEMA_WITH_TIMES: usize = 6;

const COLUMNS: &str = "number, shift, planned_from_ms, planned_to_ms, is_running, opening_ms,
    required_ms, running_ms, stop_ms, wait_ms, start_ms, end_ms, pieces, rejects, known_until_ms,
    is_day_over, nominal_per_hour";

/// What the rows of a day have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct OfDay {
    known_until: Stamp,
    is_over: bool,
    nominal_per_hour: Option<u32>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<(ShiftTimes, OfDay)> {
    let times = ShiftTimes {
        number: row.get(0)?,
        shift: row.get(1)?,
        planned_from: Stamp(row.get(2)?),
        planned_to: Stamp(row.get(3)?),
        is_running: row.get(4)?,
        opening_ms: row.get(5)?,
        required_ms: row.get(6)?,
        running_ms: row.get(7)?,
        stop_ms: row.get(8)?,
        wait_ms: row.get(9)?,
        start_ms: row.get(10)?,
        end_ms: row.get(11)?,
        pieces: row.get(12)?,
        rejects: row.get(13)?,
    };
    let of_day = OfDay {
        known_until: Stamp(row.get(14)?),
        is_over: row.get(15)?,
        nominal_per_hour: row.get(16)?,
    };
    Ok((times, of_day))
}

fn rows_of(
    connection: &Connection,
    machine_id: i64,
    day: Day,
) -> rusqlite::Result<Vec<(ShiftTimes, OfDay)>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM shift_times WHERE machine_id = ?1 AND day = ?2 ORDER BY number"
        ))?
        .query_map(params![machine_id, day], read)?
        .collect()
}

fn day_of(
    day: Day,
    rows: Vec<(ShiftTimes, OfDay)>,
    pieces_outside: Option<u32>,
) -> Option<DayTimes> {
    let &(_, OfDay { known_until, is_over, nominal_per_hour }) = rows.first()?;
    Some(DayTimes {
        day,
        known_until,
        is_over,
        nominal_per_hour,
        parts: rows.into_iter().map(|(times, _)| times).collect(),
        pieces_outside: pieces_outside.unwrap_or(0),
    })
}

/// The times of a machine's day; `None`: there are none.
pub(super) fn times_of(
    connection: &Connection,
    machine_id: i64,
    day: Day,
    pieces_outside: Option<u32>,
) -> rusqlite::Result<Option<DayTimes>> {
    Ok(day_of(day, rows_of(connection, machine_id, day)?, pieces_outside))
}

impl Batch<'_> {
    /// Makes a day's stored times equal to `times` (`None`: the machine has no calendar) and writes only
    /// rows that differ; whether any did.
    pub fn put_times(
        &self,
        machine_id: i64,
        day: Day,
        times: Option<&DayTimes>,
    ) -> Result<bool, BufferError> {
        let put = || -> rusqlite::Result<bool> {
            let rows = self.put_rows(machine_id, day, times)?;
            let outside = times.map(|times| times.pieces_outside);
            let session: Option<(i64, Option<u32>)> = self
                .transaction
                .prepare_cached(
                    "SELECT id, pieces_outside FROM session WHERE machine_id = ?1 AND day = ?2",
                )?
                .query_row(params![machine_id, day], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((id, known_outside)) = session else {
                return self.note_alone(machine_id, day, rows);
            };
            self.transaction
                .prepare_cached("DELETE FROM times_alone WHERE machine_id = ?1 AND day = ?2")?
                .execute(params![machine_id, day])?;
            if rows == 0 && known_outside == outside {
                return Ok(false);
            }
            self.transaction
                .prepare_cached(
                    "UPDATE session SET revision = revision + 1, pieces_outside = ?2 WHERE id = ?1",
                )?
                .execute(params![id, outside])?;
            Ok(true)
        };
        put().during("store the times of a day", self.path)
    }

    /// How many rows were written or removed.
    fn put_rows(
        &self,
        machine_id: i64,
        day: Day,
        times: Option<&DayTimes>,
    ) -> rusqlite::Result<usize> {
        let known: BTreeMap<u32, (ShiftTimes, OfDay)> =
            rows_of(&self.transaction, machine_id, day)?
                .into_iter()
                .map(|row| (row.0.number, row))
                .collect();
        let mut insert = self.transaction.prepare_cached(&format!(
            "INSERT OR REPLACE INTO shift_times (machine_id, day, {COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                 ?18, ?19)"
        ))?;
        let mut written = 0;
        let mut kept = BTreeSet::new();
        for part in times.iter().flat_map(|times| &times.parts) {
            let DayTimes { known_until, is_over, nominal_per_hour, .. } = *times.expect("a part");
            kept.insert(part.number);
            let of_day = OfDay { known_until, is_over, nominal_per_hour };
            let is_known = |(row, of): &(ShiftTimes, OfDay)| row == part && *of == of_day;
            if known.get(&part.number).is_some_and(is_known) {
                continue;
            }
            written += insert.execute(params![
                machine_id,
                day,
                part.number,
                part.shift,
                part.planned_from.0,
                part.planned_to.0,
                part.is_running,
                part.opening_ms,
                part.required_ms,
                part.running_ms,
                part.stop_ms,
                part.wait_ms,
                part.start_ms,
                part.end_ms,
                part.pieces,
                part.rejects,
                known_until.0,
                is_over,
                nominal_per_hour,
            ])?;
        }
        for number in known.keys().filter(|number| !kept.contains(number)) {
            written += self
                .transaction
                .prepare_cached(
                    "DELETE FROM shift_times WHERE machine_id = ?1 AND day = ?2 AND number = ?3",
                )?
                .execute(params![machine_id, day, number])?;
        }
        Ok(written)
    }

    /// A day without a session of which `rows` changed waits for central.
    fn note_alone(&self, machine_id: i64, day: Day, rows: usize) -> rusqlite::Result<bool> {
        if rows == 0 {
            return Ok(false);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO times_alone (machine_id, day, revision) VALUES (?1, ?2, 1)
                 ON CONFLICT (machine_id, day) DO UPDATE SET revision = revision + 1",
            )?
            .execute(params![machine_id, day])?;
        Ok(true)
    }

    /// The days from `first` to `last`, both included, of which an event of the machine is known.
    pub fn known_days(
        &self,
        machine_id: i64,
        first: Day,
        last: Day,
    ) -> Result<BTreeSet<Day>, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT day FROM session
                 WHERE machine_id = ?1 AND day BETWEEN ?2 AND ?3 AND events > 0",
            )
            .and_then(|mut select| {
                select.query_map(params![machine_id, first, last], |row| row.get(0))?.collect()
            })
            .during("look up known days", self.path)
    }

    /// Whether every LOG that feeds a day is closed or deleted. One that was imported is closed.
    pub fn is_day_closed(&self, machine_id: i64, day: Day) -> Result<bool, BufferError> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT NOT EXISTS (SELECT 1 FROM session s
                     JOIN file_session fs ON fs.session_id = s.id
                     JOIN log_file f ON f.id = fs.file_id
                 WHERE s.machine_id = ?1 AND s.day = ?2 AND NOT {IS_COMPLETE})"
            ))
            .and_then(|mut select| select.query_row(params![machine_id, day], |row| row.get(0)))
            .during("look up a day's files", self.path)
    }

    /// Every day of a machine of which there are times, or a session that pieces were counted for.
    pub fn days_with_times(&self, machine_id: i64) -> Result<BTreeSet<Day>, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT day FROM shift_times WHERE machine_id = ?1
                 UNION SELECT day FROM session WHERE machine_id = ?1 AND pieces_outside IS NOT NULL",
            )
            .and_then(|mut select| {
                select.query_map([machine_id], |row| row.get(0))?.collect()
            })
            .during("look up days with times", self.path)
    }

    /// By what the times of the machine's days were computed; empty: by no calendar.
    pub fn times_basis(&self, machine_id: i64) -> Result<Vec<u8>, BufferError> {
        let basis: Option<Vec<u8>> = self
            .transaction
            .prepare_cached("SELECT times_basis FROM machine WHERE id = ?1")
            .and_then(|mut select| select.query_row([machine_id], |row| row.get(0)))
            .during("look up a calendar", self.path)?;
        Ok(basis.unwrap_or_default())
    }

    /// Notes by what the times of all days of a machine were computed.
    pub fn set_times_basis(&self, machine_id: i64, basis: &[u8]) -> Result<(), BufferError> {
        self.transaction
            .execute(
                "UPDATE machine SET times_basis = ?2 WHERE id = ?1",
                params![machine_id, basis],
            )
            .during("note a calendar", self.path)
            .map(|_| ())
    }
}

impl Files<'_> {
    /// By what the times of each machine's days were computed.
    pub fn times_bases(&self) -> Result<Vec<TimesBasis>, BufferError> {
        self.buffer
            .connection
            .prepare_cached("SELECT id, nom, times_basis FROM machine ORDER BY id")
            .and_then(|mut select| {
                let read = |row: &Row<'_>| {
                    let basis: Option<Vec<u8>> = row.get(2)?;
                    let (machine_id, nom) = (row.get(0)?, row.get(1)?);
                    Ok(TimesBasis { machine_id, nom, basis: basis.unwrap_or_default() })
                };
                select.query_map([], read)?.collect()
            })
            .during("look up machines", &self.buffer.path)
    }
}

impl SessionReader<'_> {
    /// Whether a machine had a calendar when its days were last computed.
    pub fn has_calendar(&self, nom: &str) -> Result<bool, BufferError> {
        if self.buffer.schema_version()? < SCHEMA_WITH_TIMES {
            return Ok(false);
        }
        self.buffer
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM machine WHERE nom = ?1 AND length(times_basis) > 0)",
            )
            .and_then(|mut select| select.query_row([nom], |row| row.get(0)))
            .during("look up a calendar", &self.buffer.path)
    }

    /// By day, the pieces outside required time, of each session of a machine with a calendar.
    pub fn pieces_outside(
        &self,
        nom: &str,
        first: Day,
        last: Day,
    ) -> Result<Vec<(Day, u32)>, BufferError> {
        if self.buffer.schema_version()? < SCHEMA_WITH_TIMES {
            return Ok(Vec::new());
        }
        self.buffer
            .connection
            .prepare_cached(
                "SELECT s.day, s.pieces_outside FROM machine m JOIN session s ON s.machine_id = m.id
                 WHERE m.nom = ?1 AND s.day BETWEEN ?2 AND ?3 AND s.pieces_outside IS NOT NULL
                 ORDER BY s.day",
            )
            .and_then(|mut select| {
                let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
                select.query_map(params![nom, first, last], read)?.collect()
            })
            .during("look up pieces outside planned time", &self.buffer.path)
    }

    /// The times of a machine's days from `first` to `last`, both included, oldest first. Days of which
    /// nothing is planned or known are not among them.
    pub fn day_times(
        &self,
        nom: &str,
        first: Day,
        last: Day,
    ) -> Result<Vec<DayTimes>, BufferError> {
        Ok(self.times_by_machine(Some(nom), first, last)?.remove(nom).unwrap_or_default())
    }

    /// The same of one machine (`nom`) or of all.
    pub fn times_by_machine(
        &self,
        machine: Option<&str>,
        first: Day,
        last: Day,
    ) -> Result<TimesByMachine, BufferError> {
        if !self.has_times()? {
            return Ok(TimesByMachine::new());
        }
        let read = || -> rusqlite::Result<TimesByMachine> {
            let mut select = self.buffer.connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, m.nom, t.day,
                     (SELECT pieces_outside FROM session s
                      WHERE s.machine_id = t.machine_id AND s.day = t.day)
                 FROM machine m
                 CROSS JOIN shift_times t ON t.machine_id = m.id AND t.day BETWEEN ?2 AND ?3
                 WHERE ?1 IS NULL OR m.nom = ?1 ORDER BY m.nom, t.day, t.number"
            ))?;
            let mut found = TimesByMachine::new();
            let mut rows = select.query(params![machine, first, last])?;
            while let Some(row) = rows.next()? {
                let (part, of_day) = read(row)?;
                let (nom, day, outside): (String, Day, Option<u32>) =
                    (row.get(17)?, row.get(18)?, row.get(19)?);
                let days = found.entry(nom).or_default();
                match days.last_mut().filter(|last| last.day == day) {
                    Some(last) => last.parts.push(part),
                    None => days.extend(day_of(day, vec![(part, of_day)], outside)),
                }
            }
            Ok(found)
        };
        read().during("look up times", &self.buffer.path)
    }

    /// The newest day of each machine that has one, with its times if it has any.
    pub fn newest_times(&self) -> Result<BTreeMap<String, (Day, Option<DayTimes>)>, BufferError> {
        let has_times = self.has_times()?;
        let outside = if has_times { "s.pieces_outside" } else { "NULL" };
        let read = || -> rusqlite::Result<BTreeMap<String, (Day, Option<DayTimes>)>> {
            let connection = &self.buffer.connection;
            let mut select = connection.prepare_cached(&format!(
                "SELECT m.id, m.nom, s.day, {outside} FROM machine m JOIN session s
                     ON s.machine_id = m.id
                     AND s.day = (SELECT max(day) FROM session n WHERE n.machine_id = m.id)"
            ))?;
            let mut found = BTreeMap::new();
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let (machine_id, nom, day): (i64, String, Day) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                let times = match has_times {
                    true => times_of(connection, machine_id, day, row.get(3)?)?,
                    false => None,
                };
                found.insert(nom, (day, times));
            }
            Ok(found)
        };
        read().during("look up times", &self.buffer.path)
    }

    /// The machines (`nom`) whose days were timed by a calendar.
    pub fn planned_machines(&self) -> Result<BTreeSet<String>, BufferError> {
        if !self.has_times()? {
            return Ok(BTreeSet::new());
        }
        self.buffer
            .connection
            .prepare_cached("SELECT nom FROM machine WHERE length(times_basis) > 0")
            .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
            .during("look up calendars", &self.buffer.path)
    }

    /// A buffer that is only looked at may be of a release that knew no times.
    pub(super) fn has_times(&self) -> Result<bool, BufferError> {
        Ok(self.buffer.schema_version()? >= SCHEMA_WITH_TIMES)
    }
}
