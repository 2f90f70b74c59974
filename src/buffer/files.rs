//! How far each LOG file was read, what its lines were, and in which state it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::NaiveDateTime;
use rusqlite::{OptionalExtension, Row, params, types::Type};

use super::{Batch, BufferError, Files, Refusal, error::During};
use crate::{
    model::{Day, ShortText, WallTime},
    parse::NAMES_LIMIT,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileState {
    /// May still get more.
    Growing,
    /// Complete; may be deleted from its source once everything is in central.
    Closed,
    /// Gone from its source by the agent's own hand.
    Deleted,
    /// A later generation of the same name took its place on the source.
    Replaced,
    /// Not read, with the reason.
    Refused,
}

impl FileState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Closed => "closed",
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Refused => "refused",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Growing, Self::Closed, Self::Deleted, Self::Replaced, Self::Refused]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// The source of files that were handed over by hand and not found on a source.
pub const IMPORTED: &str = "import";

/// SQL for whether the file `f` can get no more. One that was handed over never does; the word is [`IMPORTED`].
pub(super) const IS_COMPLETE: &str = "(f.state <> 'growing' OR f.source = 'import')";

/// Since when a file did not change, on the computer's running time of one boot. A wall clock that
/// jumps does not touch it; after a reboot the count starts again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuietMark {
    /// Shared: the files of a folder are mostly of one boot.
    pub boot: Arc<str>,
    pub since_s: u64,
}

/// The newest generation of a file's name, as the buffer knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileProgress {
    pub id: i64,
    pub machine_id: i64,
    pub name: ShortText,
    pub generation: i64,
    pub state: FileState,
    pub refusal: Option<Refusal>,
    pub size_bytes: Option<u64>,
    pub modified: Option<NaiveDateTime>,
    pub consumed_bytes: u64,
    pub tail_hash: Option<[u8; 32]>,
    pub open_line_at: Option<u64>,
    pub in_long_line: bool,
    pub quiet: Option<QuietMark>,
}

/// What the lines of a reading were; adds up over the readings of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileTally {
    pub lines: u64,
    pub events: u64,
    /// Reason, lines, first line (counted within this reading, from 1), sample.
    pub rejects: Vec<(&'static str, u64, u64, String)>,
    /// Name, events.
    pub unknown: Vec<(String, u64)>,
}

/// A count as SQLite keeps it. What a server claims is bounded where it comes in (`Entry::bounded`); this
/// is the last net below: no number may make a row that cannot be written.
pub(super) fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The name that unknown events beyond [`NAMES_LIMIT`] of a file are counted under.
pub const OTHER_NAMES: &str = "…others";

const COLUMNS: &str = "id, machine_id, name, generation, state, refusal, size_bytes, modified,
    consumed_bytes, tail_hash, open_line_at, in_long_line, quiet_boot, quiet_since_s";

fn progress(row: &Row<'_>) -> rusqlite::Result<FileProgress> {
    let state: String = row.get(4)?;
    let state = FileState::parse(&state).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(4, Type::Text, format!("state {state:?}").into())
    })?;
    let (boot, since_s): (Option<Arc<str>>, Option<u64>) = (row.get(12)?, row.get(13)?);
    Ok(FileProgress {
        id: row.get(0)?,
        machine_id: row.get(1)?,
        name: row.get_ref(2)?.as_str()?.into(),
        generation: row.get(3)?,
        state,
        refusal: row.get(5)?,
        size_bytes: row.get(6)?,
        modified: row.get(7)?,
        consumed_bytes: row.get(8)?,
        tail_hash: row.get(9)?,
        open_line_at: row.get(10)?,
        in_long_line: row.get(11)?,
        quiet: boot.zip(since_s).map(|(boot, since_s)| QuietMark { boot, since_s }),
    })
}

/// One text for the boot of all files that stand behind one another and are of the same.
fn share(last: &mut Option<Arc<str>>, file: &mut FileProgress) {
    let Some(mark) = &mut file.quiet else { return };
    match last {
        Some(boot) if *boot == mark.boot => mark.boot = Arc::clone(boot),
        _ => *last = Some(Arc::clone(&mark.boot)),
    }
}

impl Files<'_> {
    /// The newest generation of every name known in a folder, by name.
    pub fn folder_progress(
        &self,
        source: &str,
        folder: &str,
    ) -> Result<BTreeMap<ShortText, FileProgress>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM log_file f WHERE source = ?1 AND folder = ?2
                 AND generation = (SELECT max(generation) FROM log_file g
                     WHERE g.source = f.source AND g.folder = f.folder AND g.name = f.name)"
            ))
            .and_then(|mut select| {
                let mut boot = None;
                let by_name = |row: &Row<'_>| {
                    let mut file = progress(row)?;
                    share(&mut boot, &mut file);
                    Ok((file.name.clone(), file))
                };
                select.query_map(params![source, folder], by_name)?.collect()
            })
            .during("read file progress", &self.buffer.path)
    }

    /// The newest generation of one name: what a folder held before is not gone through for it.
    pub fn file_progress(
        &self,
        source: &str,
        folder: &str,
        name: &str,
    ) -> Result<Option<FileProgress>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM log_file WHERE source = ?1 AND folder = ?2 AND name = ?3
                 ORDER BY generation DESC LIMIT 1"
            ))
            .and_then(|mut select| {
                select.query_row(params![source, folder, name], progress).optional()
            })
            .during("read file progress", &self.buffer.path)
    }

    /// Whether every session that the file feeds is in central as it is here, and there is one.
    pub fn is_confirmed(&self, file_id: i64) -> Result<bool, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT count(*) > 0 AND sum(s.synced_revision = s.revision) = count(*)
                 FROM file_session fs JOIN session s ON s.id = fs.session_id
                 WHERE fs.file_id = ?1",
            )
            .and_then(|mut select| {
                select
                    .query_row([file_id], |row| Ok(row.get::<_, Option<bool>>(0)?.unwrap_or(false)))
            })
            .during("look up what is confirmed", &self.buffer.path)
    }
}

impl Files<'_> {
    /// The machine's row, where it has one yet.
    pub fn machine_id(&self, nom: &str) -> Result<Option<i64>, BufferError> {
        self.buffer
            .connection
            .prepare_cached("SELECT id FROM machine WHERE nom = ?1")
            .and_then(|mut select| select.query_row([nom], |row| row.get(0)).optional())
            .during("look up a machine", &self.buffer.path)
    }

    /// The days of the sessions that the file feeds and that are in central as they are here.
    pub fn confirmed_days(&self, file_id: i64) -> Result<BTreeSet<Day>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT s.day FROM file_session fs JOIN session s ON s.id = fs.session_id
                 WHERE fs.file_id = ?1 AND s.synced_revision = s.revision",
            )
            .and_then(|mut select| select.query_map([file_id], |row| row.get(0))?.collect())
            .during("look up what is confirmed", &self.buffer.path)
    }
}

impl Batch<'_> {
    /// A new generation of `name`, with nothing read yet; the one before is marked as replaced.
    pub fn new_generation(
        &self,
        source: &str,
        folder: &str,
        name: &str,
        machine_id: i64,
        now: WallTime,
    ) -> Result<FileProgress, BufferError> {
        let insert = || -> rusqlite::Result<FileProgress> {
            self.transaction
                .prepare_cached(
                    "UPDATE log_file SET state = 'replaced'
                     WHERE source = ?1 AND folder = ?2 AND name = ?3 AND state <> 'deleted'",
                )?
                .execute(params![source, folder, name])?;
            self.transaction
                .prepare_cached(&format!(
                    "INSERT INTO log_file
                         (source, folder, name, machine_id, generation, state, first_read_at)
                     SELECT ?1, ?2, ?3, ?4, 1 + coalesce(max(generation), 0), 'growing', ?5
                     FROM log_file WHERE source = ?1 AND folder = ?2 AND name = ?3
                     RETURNING {COLUMNS}"
                ))?
                .query_row(params![source, folder, name, machine_id, now], progress)
        };
        insert().during("record a file", self.path)
    }

    /// Writes how far a file is read. `read_at` is set only where bytes were read.
    pub fn save_progress(
        &self,
        file: &FileProgress,
        read_at: Option<WallTime>,
    ) -> Result<(), BufferError> {
        self.unsaved.is_saved_by(file);
        let quiet = file.quiet.as_ref();
        self.transaction
            .prepare_cached(
                "UPDATE log_file SET size_bytes = ?2, modified = ?3, consumed_bytes = ?4,
                     tail_hash = ?5, open_line_at = ?6, in_long_line = ?7, quiet_boot = ?8,
                     quiet_since_s = ?9, last_read_at = coalesce(?10, last_read_at)
                 WHERE id = ?1",
            )
            .and_then(|mut update| {
                update.execute(params![
                    file.id,
                    file.size_bytes.map(bounded),
                    file.modified,
                    bounded(file.consumed_bytes),
                    file.tail_hash,
                    file.open_line_at.map(bounded),
                    file.in_long_line,
                    quiet.map(|mark| &*mark.boot),
                    quiet.map(|mark| bounded(mark.since_s)),
                    read_at,
                ])
            })
            .during("note progress", self.path)?;
        // By itself: the indexes of the few that grow or were refused would be written each time.
        self.transaction
            .prepare_cached(
                "UPDATE log_file SET state = ?2, refusal = ?3
                 WHERE id = ?1 AND (state, refusal) IS NOT (?2, ?3)",
            )
            .and_then(|mut update| {
                update.execute(params![file.id, file.state.as_str(), file.refusal])
            })
            .during("note progress", self.path)?;
        Ok(())
    }

    /// A listing misses a file that its source said to have deleted: what comes under its name from
    /// now on is another file, also where it looks the same.
    pub fn note_gone(&self, file_id: i64) -> Result<(), BufferError> {
        self.transaction
            .prepare_cached(
                "UPDATE log_file SET size_bytes = NULL WHERE id = ?1 AND state = 'deleted'",
            )
            .and_then(|mut update| update.execute([file_id]))
            .during("record that a file is gone", self.path)?;
        Ok(())
    }

    /// Adds what the lines of one more reading were.
    pub fn add_tally(&self, file_id: i64, tally: &FileTally) -> Result<(), BufferError> {
        let rejected: u64 = tally.rejects.iter().map(|(_, lines, _, _)| lines).sum();
        let add = || -> rusqlite::Result<()> {
            let lines_before: u64 = self
                .transaction
                .prepare_cached(
                    "UPDATE log_file SET lines = lines + ?2, events = events + ?3,
                         rejected = rejected + ?4 WHERE id = ?1 RETURNING lines - ?2",
                )?
                .query_row(
                    params![
                        file_id,
                        bounded(tally.lines),
                        bounded(tally.events),
                        bounded(rejected)
                    ],
                    |row| row.get(0),
                )?;
            for (reason, lines, first_line, sample) in &tally.rejects {
                self.transaction
                    .prepare_cached(
                        "INSERT INTO reject (file_id, reason, lines, first_line, sample)
                         VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT DO UPDATE SET lines = lines + excluded.lines",
                    )?
                    .execute(params![
                        file_id,
                        reason,
                        bounded(*lines),
                        bounded(lines_before.saturating_add(*first_line)),
                        sample
                    ])?;
            }
            let mut room = self.room_for_names(file_id, &tally.unknown)?;
            for (name, events) in &tally.unknown {
                let name: &str = match self.knows_name(file_id, name)? {
                    true => name,
                    false if room > 0 => {
                        room -= 1;
                        name
                    }
                    false => OTHER_NAMES,
                };
                self.transaction
                    .prepare_cached(
                        "INSERT INTO unknown_event (file_id, name, events) VALUES (?1, ?2, ?3)
                         ON CONFLICT DO UPDATE SET events = events + excluded.events",
                    )?
                    .execute(params![file_id, name, bounded(*events)])?;
            }
            Ok(())
        };
        add().during("count lines", self.path)
    }

    /// How many more names of unknown events may be told apart of a file.
    fn room_for_names(&self, file_id: i64, more: &[(String, u64)]) -> rusqlite::Result<usize> {
        if more.is_empty() {
            return Ok(0);
        }
        let known: usize = self
            .transaction
            .prepare_cached("SELECT count(*) FROM unknown_event WHERE file_id = ?1 AND name <> ?2")?
            .query_row(params![file_id, OTHER_NAMES], |row| row.get(0))?;
        Ok(NAMES_LIMIT.saturating_sub(known))
    }

    fn knows_name(&self, file_id: i64, name: &str) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM unknown_event WHERE file_id = ?1 AND name = ?2)",
            )?
            .query_row(params![file_id, name], |row| row.get(0))
    }

    /// Forgets the counts of a file, before they are counted again from its raw bytes.
    pub fn reset_tally(&self, file_id: i64) -> Result<(), BufferError> {
        let reset = || -> rusqlite::Result<()> {
            self.transaction.execute(
                "UPDATE log_file SET lines = 0, events = 0, rejected = 0 WHERE id = ?1",
                [file_id],
            )?;
            self.transaction.execute("DELETE FROM reject WHERE file_id = ?1", [file_id])?;
            self.transaction.execute("DELETE FROM unknown_event WHERE file_id = ?1", [file_id])?;
            Ok(())
        };
        reset().during("count lines", self.path)
    }
}

/// A file whose raw bytes are held, for recomputing sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldFile {
    pub id: i64,
    pub machine_id: i64,
    /// `folder/name`.
    pub label: String,
}

impl Files<'_> {
    /// Files of a folder that the source said to have deleted, and that no listing has missed yet.
    pub fn said_deleted(&self, source: &str, folder: &str) -> Result<BTreeSet<i64>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT id FROM log_file WHERE source = ?1 AND folder = ?2 AND state = 'deleted'
                 AND size_bytes IS NOT NULL",
            )
            .and_then(|mut select| {
                select.query_map(params![source, folder], |row| row.get(0))?.collect()
            })
            .during("look up deleted files", &self.buffer.path)
    }

    /// Whether every byte of the file up to where it was consumed is held here.
    pub fn is_whole(&self, file: &FileProgress) -> Result<bool, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(length_bytes) FILTER (WHERE bytes IS NOT NULL), 0) = ?2
                 FROM raw_chunk WHERE file_id = ?1",
            )
            .and_then(|mut select| {
                select.query_row(params![file.id, bounded(file.consumed_bytes)], |row| row.get(0))
            })
            .during("read raw bytes", &self.buffer.path)
    }

    /// Files whose raw bytes are held.
    pub fn held_files(&self) -> Result<Vec<HeldFile>, BufferError> {
        self.buffer
            .connection
            .prepare(
                "SELECT id, machine_id, folder || '/' || name FROM log_file f
                 WHERE EXISTS (SELECT 1 FROM raw_chunk c WHERE c.file_id = f.id) ORDER BY id",
            )
            .and_then(|mut select| {
                select
                    .query_map([], |row| {
                        Ok(HeldFile {
                            id: row.get(0)?,
                            machine_id: row.get(1)?,
                            label: row.get(2)?,
                        })
                    })?
                    .collect()
            })
            .during("look up held files", &self.buffer.path)
    }

    /// Whether a session was computed by an analysis older than `version`.
    pub fn has_sessions_before(&self, version: i64) -> Result<bool, BufferError> {
        self.buffer
            .connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM session WHERE analysis_version < ?1)",
                [version],
                |row| row.get(0),
            )
            .during("look up outdated sessions", &self.buffer.path)
    }
}

impl Files<'_> {
    pub fn machine_ids(&self) -> Result<Vec<i64>, BufferError> {
        self.buffer
            .connection
            .prepare("SELECT id FROM machine ORDER BY id")
            .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
            .during("look up its machines", &self.buffer.path)
    }
}

impl Batch<'_> {
    /// Every day of which a machine has a session.
    pub fn days_of_machine(&self, machine_id: i64) -> Result<Vec<Day>, BufferError> {
        self.transaction
            .prepare("SELECT day FROM session WHERE machine_id = ?1 ORDER BY day")
            .and_then(|mut select| select.query_map([machine_id], |row| row.get(0))?.collect())
            .during("look up a machine's days", self.path)
    }
}
