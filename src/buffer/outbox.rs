//! What central is known to hold and what waits for it. There is no queue: a session waits when its
//! revision is ahead of the one that central confirmed, so an outage of weeks costs one row a session.

use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    BufferError, Outbox, OutboxMut,
    details::visit_and_keep_changed,
    error::During,
    figures::{FIGURES, read_figures},
    shift_times::times_of,
};
use crate::failpoints::Step;
use crate::model::{
    ContentDigest, Day, Delivery, DetailCounts, DetailRow, Language, LocalSession, Machine,
    SessionSum, WallTime,
};

/// A session that waits for central, or that is compared with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    pub id: i64,
    pub session: LocalSession,
    /// Why central's copy was not made equal the last time.
    pub refusal: Option<String>,
}

/// A session that central holds as it was at a revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synced {
    pub id: i64,
    pub revision: i64,
    /// Of the values at that revision.
    pub content: Option<ContentDigest>,
}

/// What waits for central, in two figures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Waiting {
    pub sessions: u64,
    pub oldest_day: Option<Day>,
}

const COLUMNS: &str = "s.id, m.nom, m.type_cu, s.day, s.revision, s.synced_revision, s.events,
    s.total_pieces, s.total_waits, s.total_stops, s.total_jobs, s.total_findings, s.refusal,
    s.synced_digest";

fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        id: row.get(0)?,
        session: LocalSession {
            machine: Machine { nom: row.get(1)?, type_cu: row.get(2)? },
            day: row.get(3)?,
            revision: row.get(4)?,
            synced_revision: row.get(5)?,
            events: row.get(6)?,
            counts: DetailCounts {
                pieces: row.get(7)?,
                waits: row.get(8)?,
                stops: row.get(9)?,
                jobs: row.get(10)?,
                anomalies: row.get(11)?,
            },
            confirmed: row.get_ref(13)?.as_blob_or_null()?.and_then(ContentDigest::from_bytes),
            content: None,
        },
        refusal: row.get(12)?,
    })
}

/// Whether the session is, or was, at `revision`; one that is gone may have been at any.
fn had_revision(connection: &Connection, session_id: i64, revision: i64) -> bool {
    let newest: rusqlite::Result<i64> =
        connection.query_row("SELECT revision FROM session WHERE id = ?1", [session_id], |row| {
            row.get(0)
        });
    newest.map_or(true, |newest| revision <= newest)
}

impl Outbox<'_> {
    pub fn waiting(&self) -> Result<Waiting, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT count(*), min(day) FROM session WHERE revision > synced_revision",
            )
            .and_then(|mut select| {
                select.query_row([], |row| {
                    Ok(Waiting { sessions: row.get(0)?, oldest_day: row.get(1)? })
                })
            })
            .during("count what waits", &self.buffer.path)
    }

    /// What central is believed to hold.
    pub fn delivered(&self) -> Result<SessionSum, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT count(*), CAST(coalesce(sum(julianday(day) - julianday('2000-01-01')), 0) AS INTEGER)
                 FROM session WHERE synced_revision > 0",
            )
            .and_then(|mut select| {
                select.query_row([], |row| {
                    Ok(SessionSum { sessions: row.get(0)?, days: row.get(1)? })
                })
            })
            .during("count what was delivered", &self.buffer.path)
    }

    /// Machine and production day of every session.
    pub fn days(&self) -> Result<Vec<(String, Day)>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT m.nom, s.day FROM session s JOIN machine m ON m.id = s.machine_id",
            )
            .and_then(|mut select| {
                select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .during("list the sessions", &self.buffer.path)
    }

    /// Whether central has ever confirmed a session of this buffer.
    pub fn has_delivered(&self) -> Result<bool, BufferError> {
        self.buffer
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM session WHERE synced_revision > 0)")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .during("look up whether anything was delivered", &self.buffer.path)
    }

    /// At most `most` of the sessions that wait for central and for which `wanted` holds: the newest
    /// day of each machine first (people look at today), then oldest first. After weeks without
    /// central thousands wait; no more than one batch of them is ever in memory.
    pub fn pending(
        &self,
        most: usize,
        wanted: impl Fn(i64, i64) -> bool,
    ) -> Result<Vec<Pending>, BufferError> {
        let read = || -> rusqlite::Result<Vec<Pending>> {
            let mut ids = self.buffer.connection.prepare_cached(
                "SELECT s.id, s.revision FROM session s JOIN machine m ON m.id = s.machine_id
                 WHERE s.revision > s.synced_revision
                 ORDER BY s.day = (SELECT max(day) FROM session t
                     WHERE t.machine_id = s.machine_id) DESC, s.day, m.nom",
            )?;
            let mut one = self.buffer.connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM session s JOIN machine m ON m.id = s.machine_id
                 WHERE s.id = ?1"
            ))?;
            let mut rows = ids.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row.get(0)?;
                if found.len() == most {
                    break;
                }
                if wanted(id, row.get(1)?) {
                    found.push(one.query_row([id], pending)?);
                }
            }
            debug_assert!(found.len() <= most, "invariant 8: one batch in memory");
            Ok(found)
        };
        read().during("look up what waits", &self.buffer.path)
    }

    /// At most `most` of the sessions that central is believed to hold as they are here, newest
    /// first, to be compared; behind the session `after`, where one is given.
    pub fn confirmed(
        &self,
        most: usize,
        after: Option<&Pending>,
    ) -> Result<Vec<Pending>, BufferError> {
        let (day, id) = after.map(|after| (after.session.day, after.id)).unzip();
        self.buffer
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM session s JOIN machine m ON m.id = s.machine_id
                 WHERE s.revision = s.synced_revision AND (?1 IS NULL OR (s.day, s.id) < (?1, ?2))
                 ORDER BY s.day DESC, s.id DESC LIMIT ?3"
            ))
            .and_then(|mut select| {
                select.query_map(params![day, id, most as i64], pending)?.collect()
            })
            .during("look up what is confirmed", &self.buffer.path)
    }

    /// Where a walk through [`Outbox::confirmed`] may begin, anywhere: `dice` is in 0..1.
    pub fn any_confirmed(&self, dice: f64) -> Result<Option<Pending>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM session s JOIN machine m ON m.id = s.machine_id
                 WHERE s.revision = s.synced_revision ORDER BY s.day DESC, s.id DESC
                 LIMIT 1 OFFSET (SELECT CAST(count(*) * ?1 AS INTEGER) FROM session
                     WHERE revision = synced_revision)"
            ))
            .and_then(|mut select| select.query_row([dice], pending).optional())
            .during("look up what is confirmed", &self.buffer.path)
    }

    /// The session as it is now, with the detail rows that changed after `since_revision`. Shows every
    /// detail row on the way, kind by kind, in order of their number.
    pub fn delivery(
        &self,
        session_id: i64,
        since_revision: i64,
        visit: &mut dyn FnMut(DetailRow<'_>),
    ) -> Result<Delivery, BufferError> {
        let mut read = || -> rusqlite::Result<Delivery> {
            // One read transaction, so that header and rows are of the same moment.
            let view = self.buffer.connection.unchecked_transaction()?;
            let mut machine_id = 0;
            let mut delivery = view
                .prepare_cached(&format!(
                    "SELECT m.nom, m.type_cu, s.day, s.revision, s.log_sources, s.total_waits,
                         s.total_stops, s.total_jobs, s.total_findings, d.nominal_per_hour,
                         coalesce(d.rejects, 0), s.pieces_outside, s.machine_id, {FIGURES}
                     FROM session s JOIN machine m ON m.id = s.machine_id
                     LEFT JOIN day_digest d ON d.session_id = s.id WHERE s.id = ?1"
                ))?
                .query_row([session_id], |row| {
                    let figures = read_figures(row, 13)?;
                    machine_id = row.get(12)?;
                    Ok(Delivery {
                        machine: Machine { nom: row.get(0)?, type_cu: row.get(1)? },
                        day: row.get(2)?,
                        revision: row.get(3)?,
                        log_sources: row.get(4)?,
                        counts: DetailCounts {
                            pieces: figures.total_pieces,
                            waits: row.get(5)?,
                            stops: row.get(6)?,
                            jobs: row.get(7)?,
                            anomalies: row.get(8)?,
                        },
                        figures,
                        pieces: Vec::new(),
                        waits: Vec::new(),
                        stops: Vec::new(),
                        jobs: Vec::new(),
                        anomalies: Vec::new(),
                        language: Language::default(),
                        day_start: TimeDelta::zero(),
                        nominal_per_hour: row.get(9)?,
                        rejects: row.get(10)?,
                        pieces_outside: row.get(11)?,
                        times: None,
                    })
                })?;
            delivery.times = times_of(&view, machine_id, delivery.day, delivery.pieces_outside)?;
            delivery.pieces = visit_and_keep_changed(&view, session_id, since_revision, visit)?;
            delivery.waits = visit_and_keep_changed(&view, session_id, since_revision, visit)?;
            delivery.stops = visit_and_keep_changed(&view, session_id, since_revision, visit)?;
            delivery.jobs = visit_and_keep_changed(&view, session_id, since_revision, visit)?;
            delivery.anomalies = visit_and_keep_changed(&view, session_id, since_revision, visit)?;
            Ok(delivery)
        };
        read().during("read a session", &self.buffer.path)
    }
}

impl OutboxMut<'_> {
    /// Notes that central holds these sessions at these revisions. A session that changed in the
    /// meantime goes on waiting.
    pub fn mark_synced(&mut self, synced: &[Synced]) -> Result<(), BufferError> {
        self.buffer.change(Step::NoteSynced, "record what central confirmed", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE session SET synced_revision = ?2, synced_digest = ?3, refusal = NULL,
                     refused_at = NULL
                 WHERE id = ?1",
            )?;
            for Synced { id, revision, content } in synced {
                debug_assert!(
                    had_revision(transaction, *id, *revision),
                    "invariant 4: central confirms no revision that there never was"
                );
                update.execute(params![id, revision, content.map(ContentDigest::to_bytes)])?;
            }
            Ok(())
        })
    }

    /// Notes why sessions are not made equal for now. Writes nothing where that was known.
    pub fn set_aside(
        &mut self,
        refused: &[(&Pending, String)],
        now: WallTime,
    ) -> Result<(), BufferError> {
        let news: Vec<_> = refused
            .iter()
            .filter(|(pending, refusal)| pending.refusal.as_ref() != Some(refusal))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        self.buffer.change(Step::SetAside, "set a session aside", |transaction| {
            let mut update = transaction
                .prepare_cached("UPDATE session SET refusal = ?2, refused_at = ?3 WHERE id = ?1")?;
            for (pending, refusal) in news {
                update.execute(params![pending.id, refusal, now])?;
            }
            Ok(())
        })
    }

    /// Makes sessions wait again that central turned out not to hold.
    pub fn unconfirm(&mut self, session_ids: &[i64]) -> Result<(), BufferError> {
        self.buffer.change(Step::Unconfirm, "record what central lost", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE session SET synced_revision = 0, synced_digest = NULL WHERE id = ?1",
            )?;
            for session_id in session_ids {
                update.execute([session_id])?;
            }
            Ok(())
        })
    }
}
