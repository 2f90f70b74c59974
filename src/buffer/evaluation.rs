//! What is remarkable about a day, beside its session: its anomalies, what they were found by, and the
//! digest that later days are compared with.
//!
//! A day is judged by earlier ones. Where one of those changes afterwards, the day is marked stale in
//! the same transaction, and stays so until it was judged again: whatever order the files come in, the
//! anomalies end up the same.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use super::{
    Batch, BufferError, Files, SessionReader,
    details::all,
    error::During,
    figures::{FIGURES, read_figures, with_rows},
    files::IS_COMPLETE,
};
use crate::{
    analyse::{DayEnds, LineDefects},
    model::{Anomaly, Day, DayDigest, PlannedDigest, Session, ShortText, Stamp},
};

/// What was made of a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayEvaluation {
    pub digest: DayDigest,
    pub defects: LineDefects,
    /// What the TRS is measured by; `None`: it has none.
    pub nominal_per_hour: Option<u32>,
    pub rejects: u32,
    pub ends: DayEnds,
    pub anomalies: Vec<Anomaly>,
}

/// A day as the buffer holds it, to be evaluated again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredDay {
    pub session: Session,
    pub defects: LineDefects,
    pub ends: DayEnds,
}

const DIGEST: &str = "d.stops, d.micro_stops_ms, d.short_stops_ms, d.long_stops_ms,
    d.longest_stop_ms, d.longest_silence_ms, d.start_loss_ms, d.end_loss_ms, d.torn_lines,
    d.malformed_lines, d.unknown_events, d.nominal_per_hour, d.rejects";

/// For [`read_ends`]; a buffer that is only looked at may be too old to have them.
const ENDS: &str = "s.last_event_ms, d.open_stop_ms, coalesce(d.reject_ms, '')";

impl Batch<'_> {
    /// The digests of a machine's days from `first` to `last`, both included.
    pub fn digests(
        &self,
        machine_id: i64,
        first: Day,
        last: Day,
    ) -> Result<Vec<DayDigest>, BufferError> {
        self.transaction
            .prepare_cached(&format!(
                "SELECT s.day, s.total_pieces, s.window_ms, s.effective_ms, s.wait_ms, {DIGEST}, d.required
                 FROM session s JOIN day_digest d ON d.session_id = s.id
                 WHERE s.machine_id = ?1 AND s.day BETWEEN ?2 AND ?3"
            ))
            .and_then(|mut select| {
                select.query_map(params![machine_id, first, last], read_digest)?.collect()
            })
            .during("look up digests", self.path)
    }

    /// A machine's day with everything that it is judged by.
    pub fn stored_day(&self, machine_id: i64, day: Day) -> Result<Option<StoredDay>, BufferError> {
        let read = || -> rusqlite::Result<Option<StoredDay>> {
            let found = self
                .transaction
                .prepare_cached(&format!(
                    "SELECT s.id, coalesce(d.torn_lines, 0), coalesce(d.malformed_lines, 0),
                         coalesce(d.unknown_events, ''), {ENDS}, {FIGURES}
                     FROM session s LEFT JOIN day_digest d ON d.session_id = s.id
                     WHERE s.machine_id = ?1 AND s.day = ?2"
                ))?
                .query_row(params![machine_id, day], |row| {
                    let defects = LineDefects {
                        torn_lines: row.get(1)?,
                        malformed_lines: row.get(2)?,
                        unknown: unknown_of(row.get_ref(3)?.as_str()?),
                    };
                    let figures = read_figures(row, 7)?;
                    Ok((row.get::<_, i64>(0)?, defects, read_ends(row, 4)?, figures))
                })
                .optional()?;
            let Some((id, defects, ends, figures)) = found else { return Ok(None) };
            let session = with_rows(&self.transaction, id, figures)?;
            Ok(Some(StoredDay { session, defects, ends }))
        };
        read().during("read a day", self.path)
    }

    /// Keeps what a stored day turned out to be; whether the session changed by it.
    pub fn put_judged(
        &self,
        machine_id: i64,
        judged: &DayEvaluation,
        analysis_version: i64,
    ) -> Result<bool, BufferError> {
        let put = || -> rusqlite::Result<bool> {
            let (id, revision): (i64, i64) = self
                .transaction
                .prepare_cached(
                    "SELECT id, revision FROM session WHERE machine_id = ?1 AND day = ?2",
                )?
                .query_row(params![machine_id, judged.digest.day], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
            let rows = self.put_details(id, revision + 1, false, &judged.anomalies)?
                + self.put_digest(id, judged)?;
            let revision = revision + i64::from(rows > 0);
            self.transaction
                .prepare_cached(
                    "UPDATE session SET revision = ?2, total_findings = ?3, analysis_version = ?4
                     WHERE id = ?1",
                )?
                .execute(params![id, revision, judged.anomalies.len() as u64, analysis_version])?;
            Ok(rows > 0)
        };
        put().during("store the evaluation of a day", self.path)
    }

    /// Writes the digest where it changed, and counts 1 where central has to know.
    pub(super) fn put_digest(
        &self,
        session_id: i64,
        judged: &DayEvaluation,
    ) -> rusqlite::Result<usize> {
        let known = self
            .transaction
            .prepare_cached(&format!(
                "SELECT s.day, s.total_pieces, s.window_ms, s.effective_ms, s.wait_ms, {DIGEST},
                     d.required, {ENDS}
                 FROM session s JOIN day_digest d ON d.session_id = s.id
                 WHERE s.id = ?1 AND NOT d.is_stale"
            ))?
            .query_row([session_id], |row| {
                let defects = LineDefects {
                    torn_lines: row.get(13)?,
                    malformed_lines: row.get(14)?,
                    unknown: unknown_of(row.get_ref(15)?.as_str()?),
                };
                let trs: (Option<u32>, u32) = (row.get(16)?, row.get(17)?);
                Ok((read_digest(row)?, defects, trs, read_ends(row, 19)?))
            })
            .optional()?;
        let trs = (judged.nominal_per_hour, judged.rejects);
        let digest = &judged.digest;
        if let Some((known_digest, defects, known_trs, ends)) = &known
            && known_digest == digest
            && *defects == judged.defects
            && *known_trs == trs
            && (ends.open_stop, &ends.rejects) == (judged.ends.open_stop, &judged.ends.rejects)
        {
            return Ok(0);
        }
        let before: Option<(Option<u32>, u32)> = self
            .transaction
            .prepare_cached(
                "SELECT nominal_per_hour, rejects FROM day_digest WHERE session_id = ?1",
            )?
            .query_row([session_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO day_digest (session_id, stops, micro_stops_ms,
                     short_stops_ms, long_stops_ms, longest_stop_ms, longest_silence_ms,
                     start_loss_ms, end_loss_ms, torn_lines, malformed_lines, unknown_events,
                     nominal_per_hour, rejects, open_stop_ms, reject_ms, required)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            )?
            .execute(params![
                session_id,
                digest.stops,
                digest.micro_stops_ms,
                digest.short_stops_ms,
                digest.long_stops_ms,
                digest.longest_stop_ms,
                digest.longest_silence_ms,
                digest.start_loss_ms,
                digest.end_loss_ms,
                judged.defects.torn_lines,
                judged.defects.malformed_lines,
                lines_of(&judged.defects.unknown),
                judged.nominal_per_hour,
                judged.rejects,
                judged.ends.open_stop.map(|at| at.0),
                stamps_text(&judged.ends.rejects),
                digest.planned.map(|planned| line_of_numbers(&planned)),
            ])?;
        // Without a nominal rhythm central holds neither it nor the rejects.
        let told = |(nominal, rejects): (Option<u32>, u32)| nominal.map(|rhythm| (rhythm, rejects));
        Ok(usize::from(before.and_then(told) != told(trs)))
    }

    /// Marks the machine's days behind `day`, up to `last`, as judged by what has changed.
    pub fn mark_stale(&self, machine_id: i64, day: Day, last: Day) -> Result<(), BufferError> {
        self.transaction
            .prepare_cached(
                "UPDATE day_digest SET is_stale = 1 WHERE session_id IN (
                     SELECT id FROM session WHERE machine_id = ?1 AND day > ?2 AND day <= ?3)",
            )
            .and_then(|mut update| update.execute(params![machine_id, day, last]))
            .during("mark days as stale", self.path)
            .map(|_| ())
    }

    /// Marks one day to be evaluated again.
    pub fn mark_day_stale(&self, machine_id: i64, day: Day) -> Result<(), BufferError> {
        self.transaction
            .prepare_cached(
                "UPDATE day_digest SET is_stale = 1 WHERE session_id = (
                     SELECT id FROM session WHERE machine_id = ?1 AND day = ?2)",
            )
            .and_then(|mut update| update.execute(params![machine_id, day]))
            .during("mark days as stale", self.path)
            .map(|_| ())
    }

    /// Whether a file can get no more. One that was handed over never does.
    pub fn is_complete(&self, file_id: i64) -> Result<bool, BufferError> {
        self.transaction
            .prepare_cached(&format!("SELECT {IS_COMPLETE} FROM log_file f WHERE f.id = ?1"))
            .and_then(|mut select| select.query_row([file_id], |row| row.get(0)))
            .during("look up a file", self.path)
    }

    /// At most `most` stale days, each with its machine, oldest first.
    pub fn stale_days(&self, most: usize) -> Result<Vec<(i64, Day)>, BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT s.machine_id, s.day FROM day_digest d JOIN session s ON s.id = d.session_id
                 WHERE d.is_stale ORDER BY s.machine_id, s.day LIMIT ?1",
            )
            .and_then(|mut select| {
                select.query_map([most as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .during("look up stale days", self.path)
    }

    pub fn machine_nom(&self, machine_id: i64) -> Result<String, BufferError> {
        self.transaction
            .query_row("SELECT nom FROM machine WHERE id = ?1", [machine_id], |row| row.get(0))
            .during("look up a machine", self.path)
    }
}

impl Files<'_> {
    pub fn has_stale_days(&self) -> Result<bool, BufferError> {
        self.buffer
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM day_digest WHERE is_stale)")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .during("look up stale days", &self.buffer.path)
    }
}

impl SessionReader<'_> {
    /// What is remarkable about a machine's day, as it was found when the day was last judged.
    pub fn anomalies(&self, nom: &str, day: Day) -> Result<Vec<Anomaly>, BufferError> {
        let read = || -> rusqlite::Result<Vec<Anomaly>> {
            let id: Option<i64> = self
                .buffer
                .connection
                .prepare_cached(
                    "SELECT s.id FROM session s JOIN machine m ON m.id = s.machine_id
                     WHERE m.nom = ?1 AND s.day = ?2",
                )?
                .query_row(params![nom, day], |row| row.get(0))
                .optional()?;
            id.map_or_else(|| Ok(Vec::new()), |id| all(&self.buffer.connection, id))
        };
        read().during("look up anomalies", &self.buffer.path)
    }

    /// A machine's day with all its rows and with what its lines left open.
    pub fn day_with_ends(
        &self,
        nom: &str,
        day: Day,
    ) -> Result<Option<(Session, DayEnds)>, BufferError> {
        let ends = if self.has_times()? { ENDS } else { "NULL, NULL, ''" };
        let connection = &self.buffer.connection;
        let read = || -> rusqlite::Result<Option<(Session, DayEnds)>> {
            let found = connection
                .prepare_cached(&format!(
                    "SELECT s.id, {ends}, {FIGURES}
                     FROM machine m JOIN session s ON s.machine_id = m.id AND s.day = ?2
                     LEFT JOIN day_digest d ON d.session_id = s.id WHERE m.nom = ?1"
                ))?
                .query_row(params![nom, day], |row| {
                    Ok((row.get::<_, i64>(0)?, read_ends(row, 1)?, read_figures(row, 4)?))
                })
                .optional()?;
            let with_rows = |(id, ends, figures)| Ok((with_rows(connection, id, figures)?, ends));
            found.map(with_rows).transpose()
        };
        read().during("read a day", &self.buffer.path)
    }

    /// The digests of a machine's days from `first` to `last`, both included; without what its calendar makes
    /// of them, which a buffer of an earlier version does not have.
    pub fn digests(&self, nom: &str, first: Day, last: Day) -> Result<Vec<DayDigest>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(&format!(
                "SELECT s.day, s.total_pieces, s.window_ms, s.effective_ms, s.wait_ms, {DIGEST}, NULL
                 FROM session s JOIN day_digest d ON d.session_id = s.id
                 JOIN machine m ON m.id = s.machine_id
                 WHERE m.nom = ?1 AND s.day BETWEEN ?2 AND ?3"
            ))
            .and_then(|mut select| {
                select.query_map(params![nom, first, last], read_digest)?.collect()
            })
            .during("look up digests", &self.buffer.path)
    }
}

fn read_digest(row: &Row<'_>) -> rusqlite::Result<DayDigest> {
    Ok(DayDigest {
        day: row.get(0)?,
        pieces: row.get(1)?,
        window_ms: row.get(2)?,
        effective_ms: row.get(3)?,
        wait_ms: row.get(4)?,
        stops: row.get(5)?,
        micro_stops_ms: row.get(6)?,
        short_stops_ms: row.get(7)?,
        long_stops_ms: row.get(8)?,
        longest_stop_ms: row.get(9)?,
        longest_silence_ms: row.get(10)?,
        start_loss_ms: row.get(11)?,
        end_loss_ms: row.get(12)?,
        unknown_events: unknown_of(row.get_ref(15)?.as_str()?).into_keys().collect(),
        planned: row.get_ref(18)?.as_str_or_null()?.and_then(planned_of),
    })
}

/// The figures of required time in the order of their fields, with blanks between.
fn line_of_numbers(planned: &PlannedDigest) -> String {
    let PlannedDigest {
        pieces,
        window_ms,
        effective_ms,
        wait_ms,
        stops,
        stops_ms,
        longest_stop_ms,
        longest_silence_ms,
        before_ms,
        after_ms,
        overrun_ms,
    } = planned;
    format!(
        "{pieces} {window_ms} {effective_ms} {wait_ms} {stops} {stops_ms} {longest_stop_ms} \
         {longest_silence_ms} {before_ms} {after_ms} {overrun_ms}"
    )
}

/// `None` of what another version wrote.
fn planned_of(line: &str) -> Option<PlannedDigest> {
    let numbers: Vec<i64> =
        line.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let [pieces, window_ms, effective_ms, wait_ms, stops, stops_ms, rest @ ..] = numbers.as_slice()
    else {
        return None;
    };
    let [longest_stop_ms, longest_silence_ms, before_ms, after_ms, overrun_ms] = *rest else {
        return None;
    };
    Some(PlannedDigest {
        pieces: u32::try_from(*pieces).ok()?,
        window_ms: *window_ms,
        effective_ms: *effective_ms,
        wait_ms: *wait_ms,
        stops: u32::try_from(*stops).ok()?,
        stops_ms: *stops_ms,
        longest_stop_ms,
        longest_silence_ms,
        before_ms,
        after_ms,
        overrun_ms,
    })
}

/// The columns of [`ENDS`], which begin at `first`.
fn read_ends(row: &Row<'_>, first: usize) -> rusqlite::Result<DayEnds> {
    let stamp = |at: usize| row.get::<_, Option<i64>>(at).map(|ms| ms.map(Stamp));
    Ok(DayEnds {
        last_event: stamp(first)?,
        open_stop: stamp(first + 1)?,
        rejects: stamps_of(row.get_ref(first + 2)?.as_str()?),
    })
}

fn stamps_text(stamps: &[Stamp]) -> String {
    stamps.iter().map(|at| at.0.to_string()).collect::<Vec<_>>().join(" ")
}

fn stamps_of(text: &str) -> Vec<Stamp> {
    text.split_ascii_whitespace().filter_map(|ms| ms.parse().ok().map(Stamp)).collect()
}

/// Names hold no line end: control characters are shown as dots.
fn lines_of(unknown: &BTreeMap<ShortText, u32>) -> String {
    unknown.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join("\n")
}

fn unknown_of(lines: &str) -> BTreeMap<ShortText, u32> {
    let pair = |line: &str| {
        let (count, name) = line.split_once(' ')?;
        Some((name.into(), count.parse().ok()?))
    };
    lines.split('\n').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_come_back_as_they_went() {
        let names: BTreeMap<ShortText, u32> =
            [("Onderhoud", 3), ("Melding 7 · é", 1), ("", 2)].map(|(n, c)| (n.into(), c)).into();
        assert_eq!(unknown_of(&lines_of(&names)), names);
        assert_eq!(unknown_of(""), BTreeMap::new());
    }

    #[test]
    fn figures_of_required_time_come_back_as_they_went() {
        let planned = PlannedDigest {
            pieces: 1,
            window_ms: 2,
            effective_ms: 3,
            wait_ms: 4,
            stops: 5,
            stops_ms: 6,
            longest_stop_ms: 7,
            longest_silence_ms: 8,
            before_ms: 9,
            after_ms: 10,
            overrun_ms: 11,
        };
        assert_eq!(planned_of(&line_of_numbers(&planned)), Some(planned));
        assert_eq!(planned_of("1 2 3"), None);
    }
}
