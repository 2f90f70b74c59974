//! The gateway's memory: one SQLite file that holds the bytes read, how far each file was read, the
//! sessions computed from them, and what central is known to hold. The only rooms that name rusqlite.
//!
//! Order of writes: raw bytes, progress and results of a batch of files become durable in **one**
//! transaction ([`Batch::commit`]), so that after any crash the buffer is at some earlier moment of
//! the same history and goes on from there. Nothing here may be reported as kept before its commit
//! returned, and nothing unsynced may ever be thrown away.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

mod alarms;
mod calendar;
mod capacity;
mod damage;
mod dates;
mod details;
mod error;
mod evaluation;
mod figures;
mod files;
mod generations;
mod holder;
mod invariants;
mod link;
mod lock;
mod outbox;
mod overview;
mod page_size;
mod place;
mod raw;
mod refusal;
mod report;
mod security;
mod sessions;
mod shift_times;
mod startable;
mod tallies;
mod times;
mod times_alone;
mod turns;
mod versions;
mod views;

pub use alarms::AlarmCounts;
pub use capacity::Evicted;
pub use damage::SetAside;
pub use dates::DatedFile;
pub use error::BufferError;
pub use evaluation::{DayEvaluation, StoredDay};
pub use files::{FileProgress, FileState, FileTally, HeldFile, IMPORTED, OTHER_NAMES, QuietMark};
pub use holder::{Holder, LockHolder, Task};
pub use link::{ChangedTexts, LinkState};
pub use lock::StateLock;
pub use outbox::{Pending, Synced, Waiting};
pub use overview::{HeaderFilter, SessionHeader};
pub use raw::{Chunk, ChunkMark, TAIL_BYTES, tail_hash};
pub use refusal::Refusal;
pub use report::{
    AsideReport, DayRange, FileReport, LineTotals, MachineReport, SessionFilter, StoredSession,
    Totals,
};
pub use sessions::Changed;
pub use shift_times::{TimesBasis, TimesByMachine};
pub use startable::expect_startable;
pub use times_alone::TimesAlone;
pub use versions::known_version;
pub use views::{
    AlarmLog, AlarmLogMut, Files, Links, LinksMut, Outbox, OutboxMut, PlantView, PlantViewMut,
    Reports, SecurityNotes, SecurityNotesMut, SessionReader,
};

use crate::{
    failpoints::{Step, durably},
    model::WallTime,
};
use error::During;
use invariants::{Unsaved, commits_are_durable};
use turns::{Turn, Turns};

/// The buffer's file name inside the state directory.
pub const FILE_NAME: &str = "buffer.db";

/// An open buffer: one connection, used by one thread.
pub struct Buffer {
    connection: Connection,
    path: PathBuf,
    buffer_id: String,
    /// A newer buffer that made way for the copy of this schema.
    went_back: Option<SetAside>,
    /// Every page was looked at when it was opened.
    is_checked: bool,
    turns: Turns,
    number: ConnectionNumber,
}

/// Tells the connections of a process apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ConnectionNumber(u64);

impl ConnectionNumber {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// How far the history of a buffer had come, see [`Buffer::moment`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Both counts are of this connection.
    connection: ConnectionNumber,
    changes_of_others: i64,
    own_changes: u64,
}

impl Buffer {
    /// Opens the buffer in `state_dir`, making or migrating it where needed. The caller holds the
    /// [`StateLock`]. `new_id` names the buffer if it is made now; `now` is only noted.
    pub fn open(state_dir: &Path, new_id: &str, now: WallTime) -> Result<Self, BufferError> {
        lock::make_directory(state_dir)?;
        let path = state_dir.join(FILE_NAME);
        let went_back = versions::go_back(&path)?;
        page_size::renew(&path);
        place::prepare(&path)?;
        let connection = place::connect(&path, WRITING)?;
        let mut buffer = Self {
            connection,
            path,
            buffer_id: String::new(),
            went_back,
            is_checked: false,
            turns: Turns::default(),
            number: ConnectionNumber::next(),
        };
        buffer.check_version()?;
        buffer.configure()?;
        versions::migrate(&mut buffer.connection, &buffer.path)?;
        buffer.buffer_id = buffer.identity(new_id, now)?;
        Ok(buffer)
    }

    /// A second connection of the same process, for another thread.
    pub fn reopen(&self) -> Result<Self, BufferError> {
        let connection = place::connect(&self.path, WRITING)?;
        let buffer = Self {
            connection,
            path: self.path.clone(),
            buffer_id: self.buffer_id.clone(),
            went_back: None,
            is_checked: self.is_checked,
            turns: self.turns.clone(),
            number: ConnectionNumber::next(),
        };
        buffer.configure()?;
        Ok(buffer)
    }

    /// A connection to the buffer that another thread of this process opened and keeps; `None` if it is
    /// not there at the moment.
    pub fn attach(state_dir: &Path) -> Result<Option<Self>, BufferError> {
        let Some(opened) = Self::open_read_only(state_dir)? else { return Ok(None) };
        if opened.check_version()? < known_version() {
            return Ok(None);
        }
        let Self { path, buffer_id, .. } = opened;
        let connection = place::connect(&path, WRITING)?;
        let buffer = Self {
            connection,
            path,
            buffer_id,
            went_back: None,
            is_checked: false,
            turns: Turns::default(),
            number: ConnectionNumber::next(),
        };
        buffer.configure()?;
        Ok(Some(buffer))
    }

    /// Opens an existing buffer to read only; `None` if there is none yet.
    pub fn open_read_only(state_dir: &Path) -> Result<Option<Self>, BufferError> {
        let path = state_dir.join(FILE_NAME);
        if !place::is_there(&path) {
            return Ok(None);
        }
        let connection = to_read(&path)?;
        connection.busy_timeout(BUSY_TIMEOUT).during("open it", &path)?;
        let mut buffer = Self {
            connection,
            path,
            buffer_id: String::new(),
            went_back: None,
            is_checked: false,
            turns: Turns::default(),
            number: ConnectionNumber::next(),
        };
        // A buffer that another process is just making has no tables, or no name, yet.
        let version = buffer.check_version()?;
        if version == 0 {
            return Ok(None);
        }
        buffer.count_where_it_has_none(version)?;
        let name: Option<String> = buffer
            .connection
            .query_row("SELECT buffer_id FROM buffer", [], |row| row.get(0))
            .optional()
            .during("read its name", &buffer.path)?;
        Ok(name.map(|name| {
            buffer.buffer_id = name;
            buffer
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Random name of this buffer, made with the file.
    pub fn buffer_id(&self) -> &str {
        &self.buffer_id
    }

    /// Gives back what SQLite keeps in memory of the file's pages, before a rest: after a day of work it
    /// would be two megabytes a connection for as long as the process lives.
    pub fn release_memory(&self) {
        // A cache that stays is no harm.
        if let Err(error) = self.connection.pragma_query(None, "shrink_memory", |_| Ok(())) {
            log::debug!("cannot release the cache of {}: {error}", self.path.display());
        }
    }

    /// Bytes of the database and its write-ahead log on disk.
    pub fn size_bytes(&self) -> u64 {
        [self.path.clone(), self.path.with_extension("db-wal")]
            .iter()
            .filter_map(|file| fs::metadata(file).ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    /// An error if nothing can be written to the disk that holds the buffer.
    pub fn expect_writable_disk(&self) -> Result<(), BufferError> {
        match self.path.parent().filter(|directory| place::is_read_only(directory)) {
            Some(directory) => Err(BufferError::ReadOnly { path: directory.to_owned() }),
            None => Ok(()),
        }
    }

    /// While two moments of a connection are equal, nobody changed the buffer between them.
    pub fn moment(&self) -> Result<Moment, BufferError> {
        let changes_of_others = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .during("look whether it changed", &self.path)?;
        let own_changes = self.connection.total_changes();
        Ok(Moment { connection: self.number, changes_of_others, own_changes })
    }

    /// Begins the one transaction of a batch. Dropping it without commit undoes everything.
    pub fn batch(&mut self) -> Result<Batch<'_>, BufferError> {
        let turn = self.turns.take();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .during("begin a batch", &self.path)?;
        let (zstd, unsaved) = (raw::Zstd::default(), Unsaved::default());
        Ok(Batch { transaction, path: &self.path, zstd, unsaved, _turn: turn })
    }

    /// One small durable change outside a batch.
    fn change<T>(
        &mut self,
        step: Step,
        action: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, BufferError> {
        let _turn = self.turns.take();
        let run = || -> rusqlite::Result<T> {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&transaction)?;
            durably(step, || transaction.commit())?;
            Ok(value)
        };
        run().during(action, &self.path)
    }

    fn configure(&self) -> Result<(), BufferError> {
        let connection = &self.connection;
        let set = || -> rusqlite::Result<()> {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Counts for a file that has no page yet.
            connection.pragma_update(None, "page_size", page_size::PAGE_BYTES)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            connection.pragma_update(None, "cache_size", -2048)?;
            connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(())
        };
        set().during("configure it", &self.path)?;
        debug_assert!(commits_are_durable(connection), "invariant 1: a commit is on the disk");
        Ok(())
    }

    /// A buffer written by a newer version is refused, not guessed at.
    fn check_version(&self) -> Result<usize, BufferError> {
        let version =
            versions::version_of(&self.connection).during("read its version", &self.path)?;
        let known = known_version();
        if version > known {
            return Err(BufferError::Newer { path: self.path.clone(), version, known });
        }
        Ok(version)
    }

    fn identity(&self, new_id: &str, now: WallTime) -> Result<String, BufferError> {
        const NAME: &str = "INSERT INTO buffer (id, buffer_id, created_at) SELECT 1, ?1, ?2
             WHERE NOT EXISTS (SELECT 1 FROM buffer)";
        durably(Step::NameBuffer, || self.connection.execute(NAME, params![new_id, now]))
            .and_then(|_| {
                self.connection.query_row("SELECT buffer_id FROM buffer", [], |row| row.get(0))
            })
            .during("read its name", &self.path)
    }
}

/// A file that is missing is made by [`place::prepare`] alone.
const WRITING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A connection that only reads, also on a disk that cannot be written.
fn to_read(path: &Path) -> Result<Connection, BufferError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = place::connect(path, flags)?;
    let error = match versions::version_of(&connection).during("read its version", path) {
        Err(error) if error.is_read_only() => error,
        _ => return Ok(connection),
    };
    let log = fs::metadata(path.with_extension("db-wal"));
    if log.is_ok_and(|log| log.len() > 0) {
        return Err(error);
    }
    place::connect_unchanging(path)
}

/// Whether nothing can be written to the disk that holds the state directory.
pub fn is_on_read_only_disk(state_dir: &Path) -> bool {
    state_dir.ancestors().find(|path| path.exists()).is_some_and(place::is_read_only)
}

const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The one transaction of a batch of files.
pub struct Batch<'b> {
    transaction: Transaction<'b>,
    path: &'b Path,
    zstd: raw::Zstd,
    unsaved: Unsaved,
    /// Given back behind the transaction.
    _turn: Turn,
}

impl Batch<'_> {
    /// Makes everything of this batch durable.
    pub fn commit(self, step: Step) -> Result<(), BufferError> {
        let Self { transaction, path, unsaved, _turn, .. } = self;
        debug_assert!(unsaved.is_empty(), "invariant 1: raw bytes without their progress");
        // SQLite undoes a transaction by itself after some errors; what came then would stand alone.
        debug_assert!(!transaction.is_autocommit(), "invariant 1: a batch is one transaction");
        durably(step, || transaction.commit()).during("commit a batch", path)
    }

    /// The machine's row, made or brought up to date.
    pub fn machine(&self, machine: &crate::model::Machine) -> Result<i64, BufferError> {
        let find = || -> rusqlite::Result<i64> {
            let known: Option<(i64, String)> = self
                .transaction
                .prepare_cached("SELECT id, type_cu FROM machine WHERE nom = ?1")?
                .query_row([&machine.nom], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match known {
                Some((id, type_cu)) => {
                    if type_cu != machine.type_cu {
                        self.transaction.execute(
                            "UPDATE machine SET type_cu = ?2 WHERE id = ?1",
                            params![id, machine.type_cu],
                        )?;
                    }
                    Ok(id)
                }
                None => {
                    self.transaction.execute(
                        "INSERT INTO machine (nom, type_cu) VALUES (?1, ?2)",
                        params![machine.nom, machine.type_cu],
                    )?;
                    Ok(self.transaction.last_insert_rowid())
                }
            }
        };
        find().during("record a machine", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::{times::now, *};

    #[test]
    fn a_buffer_keeps_its_name_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = Buffer::open(dir.path(), "first", now()).unwrap();
        assert_eq!(first.buffer_id(), "first");
        drop(first);
        let again = Buffer::open(dir.path(), "second", now()).unwrap();
        assert_eq!(again.buffer_id(), "first");
        again.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(again);
        assert!(matches!(
            Buffer::open(dir.path(), "third", now()),
            Err(BufferError::Newer { version: 99, .. })
        ));
    }

    #[test]
    fn a_moment_lasts_until_somebody_changes_the_buffer() {
        let dir = tempfile::tempdir().unwrap();
        let mine = Buffer::open(dir.path(), "one", now()).unwrap();
        let of_another = mine.reopen().unwrap();
        let rename = |buffer: &Buffer, name: &str| {
            buffer.connection.execute("UPDATE buffer SET buffer_id = ?1", [name]).unwrap()
        };
        let before = mine.moment().unwrap();
        assert_eq!(mine.moment().unwrap(), before);
        rename(&mine, "two");
        let after_mine = mine.moment().unwrap();
        assert_ne!(after_mine, before);
        rename(&of_another, "three");
        let after_both = mine.moment().unwrap();
        assert_ne!(after_both, after_mine);
        assert_eq!(mine.moment().unwrap(), after_both);
        let fresh = [mine.reopen().unwrap(), mine.reopen().unwrap()];
        assert_ne!(fresh[0].moment().unwrap(), fresh[1].moment().unwrap(), "of two connections");
    }
}
