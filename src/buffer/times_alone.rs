//! Planned days without a session, as deliveries see them: what waits for central and what it confirmed.
//!
//! What must never happen here: a day that is forgotten before central has confirmed that it holds no rows of it.

use rusqlite::params;

use super::{BufferError, Outbox, OutboxMut, SessionReader, error::During, shift_times::times_of};
use crate::{
    failpoints::Step,
    model::{Day, DayTimes, Machine},
};

/// A planned day without a session, as central is to hold it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimesAlone {
    pub machine_id: i64,
    pub machine: Machine,
    pub day: Day,
    pub revision: i64,
    pub synced_revision: i64,
    /// `None`: central is to hold no rows any more.
    pub times: Option<DayTimes>,
}

impl SessionReader<'_> {
    /// Planned days without a session whose times wait for central.
    pub fn pending_planned_days(&self) -> Result<u64, BufferError> {
        if !self.has_times()? {
            return Ok(0);
        }
        self.buffer
            .connection
            .prepare_cached("SELECT count(*) FROM times_alone WHERE revision > synced_revision")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .during("count planned days that wait", &self.buffer.path)
    }
}

impl Outbox<'_> {
    /// At most `most` planned days without a session that wait for central, oldest first.
    pub fn times_alone(&self, most: usize) -> Result<Vec<TimesAlone>, BufferError> {
        self.times_alone_where("a.revision > a.synced_revision", most)
    }

    /// All planned days without a session that central confirmed, to be compared.
    pub fn confirmed_times_alone(&self) -> Result<Vec<TimesAlone>, BufferError> {
        self.times_alone_where("a.revision = a.synced_revision", usize::MAX >> 1)
    }

    fn times_alone_where(
        &self,
        condition: &str,
        most: usize,
    ) -> Result<Vec<TimesAlone>, BufferError> {
        let read = || -> rusqlite::Result<Vec<TimesAlone>> {
            let connection = &self.buffer.connection;
            let mut select = connection.prepare_cached(&format!(
                "SELECT a.machine_id, m.nom, m.type_cu, a.day, a.revision, a.synced_revision
                 FROM times_alone a JOIN machine m ON m.id = a.machine_id
                 WHERE {condition} ORDER BY a.day, m.nom LIMIT ?1"
            ))?;
            let days = select.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
                Ok(TimesAlone {
                    machine_id: row.get(0)?,
                    machine: Machine { nom: row.get(1)?, type_cu: row.get(2)? },
                    day: row.get(3)?,
                    revision: row.get(4)?,
                    synced_revision: row.get(5)?,
                    times: None,
                })
            })?;
            days.map(|one| {
                let one = one?;
                let times = times_of(connection, one.machine_id, one.day, None)?;
                Ok(TimesAlone { times, ..one })
            })
            .collect()
        };
        read().during("look up planned days", &self.buffer.path)
    }
}

impl OutboxMut<'_> {
    /// Notes that central holds these days as they are here, and forgets those that are to have no rows.
    pub fn mark_times_alone(&mut self, confirmed: &[TimesAlone]) -> Result<(), BufferError> {
        if confirmed.is_empty() {
            return Ok(());
        }
        self.buffer.change(Step::NoteSynced, "record what central confirmed", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE times_alone SET synced_revision = ?3 WHERE machine_id = ?1 AND day = ?2",
            )?;
            let mut forget = transaction.prepare_cached(
                "DELETE FROM times_alone WHERE machine_id = ?1 AND day = ?2 AND revision = ?3",
            )?;
            for TimesAlone { machine_id, day, revision, times, .. } in confirmed {
                let statement = if times.is_some() { &mut update } else { &mut forget };
                statement.execute(params![machine_id, day, revision])?;
            }
            Ok(())
        })
    }

    /// Makes planned days wait again that central turned out not to hold.
    pub fn unconfirm_times_alone(&mut self, lost: &[TimesAlone]) -> Result<(), BufferError> {
        if lost.is_empty() {
            return Ok(());
        }
        self.buffer.change(Step::Unconfirm, "record what central lost", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE times_alone SET synced_revision = 0 WHERE machine_id = ?1 AND day = ?2",
            )?;
            for TimesAlone { machine_id, day, .. } in lost {
                update.execute(params![machine_id, day])?;
            }
            Ok(())
        })
    }
}
