//! The plant's calendar as central last told it: kept for outages and restarts. Written only when central
//! told something new.
//!
//! What must never happen here: a text that cannot be used in the place of one that could.

use rusqlite::{OptionalExtension, params};

use super::{Buffer, BufferError, PlantView, PlantViewMut, error::During, times::noted, versions};
use crate::{
    failpoints::Step,
    model::{KeptCalendar, PlantCalendar, RefusedCalendar, WallTime},
};

/// The buffer's schema that has the table; one that is only read may be older.
const SCHEMA: usize = 6;

impl PlantView<'_> {
    /// What central last said of its newest version; empty: nothing.
    pub fn mark(&self) -> Result<String, BufferError> {
        Ok(self.ask("SELECT mark FROM calendar", |row| row.get(0))?.unwrap_or_default())
    }

    pub fn kept(&self) -> Result<KeptCalendar, BufferError> {
        let kept = self.ask(
            "SELECT mark, version, text, written_by, written_at, fetched_at, refused_version, refusal
             FROM calendar",
            |row| {
                let version: Option<i64> = row.get(1)?;
                let good = match (version, row.get(2)?) {
                    (Some(version), Some(text)) => Some(PlantCalendar {
                        version,
                        text,
                        written_by: row.get::<_, Option<_>>(3)?.unwrap_or_default(),
                        written_at: row.get::<_, Option<_>>(4)?.unwrap_or_default(),
                    }),
                    _ => None,
                };
                let refused: Option<i64> = row.get(6)?;
                let why: Option<String> = row.get(7)?;
                let refused = refused.zip(why).map(|(version, why)| RefusedCalendar { version, why });
                Ok(KeptCalendar { mark: row.get(0)?, good, since: noted(row, 5)?, refused })
            },
        )?;
        Ok(kept.unwrap_or_default())
    }

    fn ask<T>(
        &self,
        sql: &str,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, BufferError> {
        let Buffer { connection, path, .. } = self.buffer;
        let ask = || {
            if versions::version_of(connection)? < SCHEMA {
                return Ok(None);
            }
            connection.prepare_cached(sql)?.query_row([], read).optional()
        };
        ask().during("read the plant's calendar", path)
    }
}

impl PlantViewMut<'_> {
    /// Keeps a version that can be used, and forgets the one before.
    pub fn keep(
        &mut self,
        mark: &str,
        calendar: &PlantCalendar,
        now: WallTime,
    ) -> Result<(), BufferError> {
        let PlantCalendar { version, text, written_by, written_at } = calendar;
        self.buffer.change(Step::NoteLink, "keep the plant's calendar", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO calendar
                     (id, mark, version, text, written_by, written_at, fetched_at)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
                params![mark, version, text, written_by, written_at, now],
            )
        })?;
        Ok(())
    }

    /// Notes that central's newest version cannot be used. The one before stays.
    pub fn refuse(&mut self, mark: &str, refused: &RefusedCalendar) -> Result<(), BufferError> {
        let RefusedCalendar { version, why } = refused;
        self.buffer.change(Step::NoteLink, "refuse the plant's calendar", |transaction| {
            transaction.execute(
                "INSERT INTO calendar (id, mark, refused_version, refusal) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET mark = excluded.mark,
                     refused_version = excluded.refused_version, refusal = excluded.refusal",
                params![mark, version, why],
            )
        })?;
        Ok(())
    }

    /// Central has none any more.
    pub fn forget(&mut self) -> Result<(), BufferError> {
        self.buffer.change(Step::NoteLink, "forget the plant's calendar", |transaction| {
            transaction.execute("DELETE FROM calendar", [])
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::times::now;

    #[test]
    fn the_last_one_that_could_be_used_stays_until_another_one_can_or_central_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "id", now()).unwrap();
        assert_eq!(buffer.plant().kept().unwrap(), KeptCalendar::default());
        let one = |version| PlantCalendar {
            version,
            text: "# après-midi\r\n".into(),
            written_by: "anna".into(),
            written_at: "2026-11-28 10:00:00".into(),
        };
        let refused = RefusedCalendar { version: 1, why: "no".into() };
        buffer.plant_mut().refuse("1:a", &refused).unwrap();
        let kept = buffer.plant().kept().unwrap();
        assert_eq!((kept.good, kept.refused), (None, Some(refused.clone())));
        buffer.plant_mut().keep("2:b", &one(2), now()).unwrap();
        let refused = RefusedCalendar { version: 3, ..refused };
        buffer.plant_mut().refuse("3:c", &refused).unwrap();
        let kept = KeptCalendar {
            mark: "3:c".into(),
            good: Some(one(2)),
            since: Some(now()),
            refused: Some(refused),
        };
        assert_eq!(buffer.reopen().unwrap().plant().kept().unwrap(), kept);
        buffer.plant_mut().keep("1:a", &one(1), now()).unwrap();
        let kept = buffer.plant().kept().unwrap();
        assert_eq!((kept.good, kept.refused), (Some(one(1)), None));
        buffer.plant_mut().forget().unwrap();
        assert_eq!(buffer.plant().mark().unwrap(), "");
    }
}
