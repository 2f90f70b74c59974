//! What stands with each machine so that no question goes through the whole history: its files, bytes,
//! lines, events and sessions in one row, kept by triggers (`0004_tallies.sql`).
//!
//! What must never happen here: a tally that differs from what a count of the rows gives.

use super::{Buffer, BufferError, error::During};

/// The schema from which on machines have tallies.
const SINCE_VERSION: usize = 4;

/// What the tallies of the machines have to be, counted from the rows.
const COUNTED: &str = "SELECT m.id, m.nom, m.type_cu, coalesce(f.files, 0) AS total_files,
        coalesce(f.bytes, 0) AS total_bytes, coalesce(f.lines, 0) AS total_lines,
        coalesce(f.events, 0) AS total_events, coalesce(s.sessions, 0) AS total_sessions,
        f.last_read_at AS last_read_at
    FROM main.machine m LEFT JOIN (
        SELECT machine_id, count(*) AS files, sum(consumed_bytes) AS bytes, sum(lines) AS lines,
            sum(events) AS events, max(last_read_at) AS last_read_at
        FROM log_file GROUP BY 1) f ON f.machine_id = m.id
    LEFT JOIN (SELECT machine_id, count(*) AS sessions FROM session GROUP BY 1) s
        ON s.machine_id = m.id";

/// The same of the rejects.
const COUNTED_REJECTS: &str = "SELECT reason, sum(lines) AS lines FROM reject GROUP BY reason";

impl Buffer {
    /// A buffer of an earlier version that is only looked at has none: they are counted once, into
    /// tables of this connection alone, which stand in front of the buffer's own.
    pub(super) fn count_where_it_has_none(&self, version: usize) -> Result<(), BufferError> {
        if version >= SINCE_VERSION {
            return Ok(());
        }
        self.connection
            .execute_batch(&format!(
                "PRAGMA temp_store = MEMORY;
                 CREATE TEMP TABLE machine AS {COUNTED};
                 CREATE TEMP TABLE reject_tally AS {COUNTED_REJECTS};"
            ))
            .during("count what it holds", &self.path)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, types::Value};

    use super::*;
    use crate::{
        buffer::{FileState, FileTally, times::now},
        failpoints::Step,
        model::{Machine, WallTime},
    };

    type Rows = Vec<Vec<Value>>;

    fn rows(connection: &Connection, sql: &str) -> Rows {
        let mut select = connection.prepare(sql).unwrap();
        let columns = select.column_count();
        select
            .query_map([], |row| (0..columns).map(|column| row.get(column)).collect())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    /// The tallies as they stand and as they have to be.
    fn both(connection: &Connection) -> [(Rows, Rows); 2] {
        let kept = "SELECT id, nom, type_cu, total_files, total_bytes, total_lines, total_events,
            total_sessions, last_read_at FROM main.machine ORDER BY id";
        let rejects = "SELECT reason, lines FROM main.reject_tally ORDER BY reason";
        [
            (rows(connection, kept), rows(connection, &format!("{COUNTED} ORDER BY 1"))),
            (rows(connection, rejects), rows(connection, COUNTED_REJECTS)),
        ]
    }

    fn assert_true(buffer: &Buffer, when: &str) {
        for (kept, counted) in both(&buffer.connection) {
            assert_eq!(kept, counted, "{when}");
        }
    }

    const REASONS: [&str; 3] = ["torn", "malformed", "long_line"];

    /// One of the things that happen to files and sessions, by the code that does them; what has no
    /// code of its own (a file's row is never deleted) by hand.
    fn happen(buffer: &mut Buffer, dice: &mut fastrand::Rng, moment: usize) {
        let now: WallTime =
            format!("2026-01-02 03:{:02}:{:02}", moment / 60, moment % 60).parse().unwrap();
        let nom = format!("CU{}", dice.u8(0..3));
        let name = format!("{}.LOG", dice.u8(0..4));
        let kind = dice.u8(0..8);
        let undone = dice.u8(0..5) == 0;
        let day = format!("2025-06-{:02}", dice.u8(1..6));
        let batch = buffer.batch().unwrap();
        let machine = batch.machine(&Machine { nom: nom.clone(), type_cu: nom.clone() }).unwrap();
        let newest = {
            let known = rows(
                &batch.transaction,
                &format!(
                    "SELECT id FROM log_file WHERE folder = '{nom}' AND name = '{name}'
                     ORDER BY generation DESC LIMIT 1"
                ),
            );
            known.first().map(|row| match row[0] {
                Value::Integer(id) => id,
                _ => unreachable!("an id"),
            })
        };
        let by_hand = |sql: &str| batch.transaction.execute(sql, []).unwrap();
        match (kind, newest) {
            (0, _) | (_, None) => {
                batch.new_generation("s", &nom, &name, machine, now).unwrap();
            }
            (1..=3, Some(id)) => {
                let mut file = batch.new_generation("s", &nom, "other", machine, now).unwrap();
                file.id = id;
                file.consumed_bytes = dice.u64(0..5000);
                file.state =
                    [FileState::Growing, FileState::Closed, FileState::Refused][dice.usize(0..3)];
                batch.save_progress(&file, dice.bool().then_some(now)).unwrap();
                let mut rejects = Vec::new();
                for reason in REASONS {
                    if dice.bool() {
                        rejects.push((reason, dice.u64(1..9), 1, String::new()));
                    }
                }
                let (lines, events) = (dice.u64(0..90), dice.u64(0..90));
                let tally = FileTally { lines, events, rejects, unknown: Vec::new() };
                batch.add_tally(id, &tally).unwrap();
            }
            (4, Some(id)) => batch.reset_tally(id).unwrap(),
            (5, Some(id)) => {
                by_hand(&format!("DELETE FROM reject WHERE file_id = {id}"));
                // As the last reading of the machine it would have to be forgotten, too.
                by_hand(&format!("DELETE FROM log_file WHERE id = {id} AND last_read_at IS NULL"));
            }
            (6, Some(_)) => {
                by_hand(&format!(
                    "INSERT INTO session (machine_id, day, revision, analysis_version, log_sources,
                         events, total_pieces, total_waits, total_stops, total_jobs, window_ms,
                         wait_ms, stop_ms, effective_ms, raw_wait_ms, raw_stop_ms)
                     VALUES ({machine}, '{day}', 1, 1, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                     ON CONFLICT DO UPDATE SET revision = revision + 1"
                ));
            }
            (_, Some(_)) => {
                by_hand(&format!(
                    "DELETE FROM session WHERE machine_id = {machine} AND day = '{day}'"
                ));
            }
        }
        if !undone {
            batch.commit(Step::Keep).unwrap();
        }
    }

    #[test]
    fn tallies_are_what_a_count_gives_after_any_history() {
        for seed in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let mut buffer = Buffer::open(dir.path(), "first", now()).unwrap();
            let mut dice = fastrand::Rng::with_seed(seed);
            for moment in 0..150 {
                happen(&mut buffer, &mut dice, moment);
                assert_true(&buffer, &format!("seed {seed}, after {moment}"));
            }
        }
    }

    /// What 0004 and later ones made, taken back.
    const BACK_TO_SCHEMA_3: &str = "DROP VIEW times; DROP TRIGGER day_over; DROP TABLE shift_times;
        DROP TABLE times_alone; DROP TABLE calendar;
        ALTER TABLE machine DROP COLUMN times_basis;
        ALTER TABLE session DROP COLUMN pieces_outside;
        ALTER TABLE day_digest DROP COLUMN open_stop_ms;
        ALTER TABLE session DROP COLUMN last_event_ms;
        ALTER TABLE day_digest DROP COLUMN reject_ms;
        ALTER TABLE session DROP COLUMN synced_digest;
        DROP TRIGGER tally_file; DROP TRIGGER tally_reading;
        DROP TRIGGER tally_file_gone; DROP TRIGGER tally_session; DROP TRIGGER tally_session_gone;
        DROP TRIGGER tally_reject; DROP TRIGGER tally_rejected_again;
        DROP TRIGGER tally_reject_gone; DROP TRIGGER file_keeps_machine;
        DROP TRIGGER session_keeps_machine; DROP TABLE reject_tally;
        DROP INDEX log_file_growing; DROP INDEX log_file_refused; DROP INDEX session_refused;
        DROP INDEX session_pending;
        CREATE INDEX session_pending ON session (day) WHERE revision > synced_revision;
        ALTER TABLE machine DROP COLUMN total_files; ALTER TABLE machine DROP COLUMN total_bytes;
        ALTER TABLE machine DROP COLUMN total_lines; ALTER TABLE machine DROP COLUMN total_events;
        ALTER TABLE machine DROP COLUMN total_sessions;
        ALTER TABLE machine DROP COLUMN last_read_at; PRAGMA user_version = 3;";

    #[test]
    fn a_buffer_of_the_version_before_is_counted_at_each_look_and_once_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "first", now()).unwrap();
        let mut dice = fastrand::Rng::with_seed(7);
        for moment in 0..200 {
            happen(&mut buffer, &mut dice, moment);
        }
        let [(before, _), (rejects, _)] = both(&buffer.connection);
        assert!(before.len() == 3 && rejects.len() == 3, "{before:?} {rejects:?}");
        let answers = |buffer: &Buffer| {
            (
                buffer.reports().totals().unwrap(),
                buffer.reports().line_totals().unwrap(),
                buffer.reports().machines().unwrap(),
                buffer.reports().remarkable_files(5).unwrap(),
            )
        };
        let answered = answers(&buffer);
        buffer.connection.execute_batch(BACK_TO_SCHEMA_3).unwrap();
        drop(buffer);
        let look = Buffer::open_read_only(dir.path()).unwrap().unwrap();
        assert_eq!(look.schema_version().unwrap(), 3);
        assert_eq!(answers(&look), answered, "only looked at");
        drop(look);
        let again = Buffer::open(dir.path(), "second", now()).unwrap();
        assert_eq!(answers(&again), answered, "migrated");
        assert_true(&again, "migrated");
        assert_eq!(both(&again.connection)[0].0, before);
    }

    #[test]
    fn a_file_cannot_be_given_to_another_machine_behind_the_tallies() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "first", now()).unwrap();
        let batch = buffer.batch().unwrap();
        let [one, other] = ["A", "B"]
            .map(|nom| batch.machine(&Machine { nom: nom.into(), type_cu: nom.into() }).unwrap());
        batch.new_generation("s", "f", "n", one, now()).unwrap();
        batch.commit(Step::Keep).unwrap();
        let refused =
            buffer.connection.execute("UPDATE log_file SET machine_id = ?1", [other]).unwrap_err();
        assert!(refused.to_string().contains("stays with its machine"), "{refused}");
        assert_true(&buffer, "after the refusal");
    }
}
