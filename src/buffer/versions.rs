//! The schema and its versions: migrations forward, and the way back. Before a migration the buffer is
//! copied beside itself; an older agent that finds a newer buffer goes on from the copy of its own
//! schema, and the newer buffer is kept for anyone who wants to look.
//!
//! What must never happen here: a migration without a durable copy of what was there; a moment at
//! which no buffer stands in its place; a LOG deleted from its source while the copy, which may not
//! know it, can still become the buffer again ([`Buffer::may_go_back`]).

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::{Buffer, BufferError, SetAside, damage::check, error::During, place};
use crate::{
    failpoints::{Step, durably},
    model::Day,
};

/// Every released schema; a migration that stands here is never edited again.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../../migrations/sqlite/0001_buffer.sql")),
    M::up(include_str!("../../migrations/sqlite/0002_findings.sql")),
    M::up(include_str!("../../migrations/sqlite/0003_alarms.sql")),
    M::up(include_str!("../../migrations/sqlite/0004_tallies.sql")),
    M::up(include_str!("../../migrations/sqlite/0005_digests.sql")),
    M::up(include_str!("../../migrations/sqlite/0006_times.sql")),
    M::up(include_str!("../../migrations/sqlite/0007_required_digest.sql")),
];

/// Room beside the copy and the migrated buffer for everything else that is going on.
const SPARE_BYTES: u64 = 8 << 20;

/// The migrations of this build.
fn migrations() -> Vec<M<'static>> {
    let mut all = MIGRATIONS.to_vec();
    all.extend(crate::failpoints::trial::migration().map(M::up));
    all
}

/// The schema that this build writes.
pub fn known_version() -> usize {
    migrations().len()
}

/// A buffer of this schema as it was before it was migrated.
fn copy_of(path: &Path, version: usize) -> PathBuf {
    path.with_extension(format!("db.schema-{version}"))
}

pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the buffer to this build's schema, with a copy of it made first.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), BufferError> {
    let version = version_of(connection).during("read its version", path)?;
    let migrations = Migrations::new(migrations());
    if version > 0 && version < known_version() {
        copy(connection, path, version)?;
    }
    durably(Step::MigrateBuffer, || migrations.to_latest(connection))
        .map_err(|source| BufferError::Migrate { path: path.to_owned(), source })
}

fn copy(connection: &Connection, path: &Path, version: usize) -> Result<(), BufferError> {
    let failed = |source: io::Error| BufferError::Copy { path: path.to_owned(), source };
    let pages: (u64, u64) = connection
        .query_row(
            "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during("measure it", path)?;
    // The copy, and at worst every page once more in the write-ahead log.
    let needed_bytes = pages.0 * pages.1 * 2 + SPARE_BYTES;
    let directory = path.parent().unwrap_or(Path::new("."));
    let figures = rustix::fs::statvfs(directory).map_err(|error| failed(error.into()))?;
    let free_bytes = figures.f_bavail * figures.f_frsize;
    if free_bytes < needed_bytes {
        return Err(BufferError::NoRoomToMigrate {
            path: path.to_owned(),
            needed_bytes,
            free_bytes,
        });
    }
    let part = path.with_extension("db.copying");
    if place::is_there(&part) {
        durably(Step::CopyBuffer, || fs::remove_file(&part)).map_err(failed)?;
    }
    let to = part.to_string_lossy();
    durably(Step::CopyBuffer, || place::make_empty(&part)).map_err(failed)?;
    durably(Step::CopyBuffer, || connection.execute("VACUUM INTO ?1", [&*to]))
        .during("copy it before its schema changes", path)?;
    let file = File::open(&part).and_then(|file| file.sync_all());
    file.map_err(failed)?;
    durably(Step::CopyBuffer, || fs::rename(&part, copy_of(path, version))).map_err(failed)?;
    sync_directory(path).map_err(failed)
}

/// Where a newer agent has migrated the buffer and left a copy of a schema that this one knows, the
/// copy becomes the buffer. Without one the newer buffer stays, and is refused when it is opened.
pub(super) fn go_back(path: &Path) -> Result<Option<SetAside>, BufferError> {
    // Nothing there, or nothing that is opened: told when it is.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let Ok(connection) = place::connect(path, flags) else { return Ok(None) };
    // What cannot be read is damaged, and found to be so when it is opened.
    let Ok(version) = version_of(&connection) else { return Ok(None) };
    let known = known_version();
    let Some(copy) = (version > known).then(|| newest_copy(path, known)).flatten() else {
        return Ok(None);
    };
    let failed = |source: io::Error| BufferError::GoBack { path: path.to_owned(), source };
    connection.busy_timeout(super::BUSY_TIMEOUT).during("open it", path)?;
    // Its write-ahead log goes into it, so that the copy is not given another buffer's.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))
        .during("close its write-ahead log", path)?;
    if mode != "delete" {
        return Err(failed(io::Error::other("it is in use by another program")));
    }
    drop(connection);
    let kept_as = path.with_extension(format!("db.newer-{version}"));
    let is_kept = |kept: &Path| {
        let inode = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
        inode(kept).is_some() && inode(kept) == inode(path)
    };
    if !is_kept(&kept_as) {
        if place::is_there(&kept_as) {
            durably(Step::KeepNewerBuffer, || fs::remove_file(&kept_as)).map_err(failed)?;
        }
        durably(Step::KeepNewerBuffer, || fs::hard_link(path, &kept_as)).map_err(failed)?;
        sync_directory(path).map_err(failed)?;
    }
    durably(Step::GoBackToCopy, || fs::rename(&copy, path)).map_err(failed)?;
    sync_directory(path).map_err(failed)?;
    let reason = BufferError::Newer { path: path.to_owned(), version, known };
    Ok(Some(SetAside { kept_as, reason, goes_on_from_copy: true }))
}

/// The newest sound copy of a schema up to `known`.
fn newest_copy(path: &Path, known: usize) -> Option<PathBuf> {
    (1..=known).rev().map(|version| copy_of(path, version)).find(|copy| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        place::is_there(copy)
            && place::connect(copy, flags).is_ok_and(|connection| check(&connection, copy).is_ok())
    })
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn days(connection: &Connection) -> rusqlite::Result<BTreeSet<Day>> {
    connection
        .prepare("SELECT DISTINCT day FROM session")?
        .query_map([], |row| row.get(0))?
        .collect()
}

impl Buffer {
    fn copies(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.path.clone();
        (1..known_version())
            .map(move |version| copy_of(&path, version))
            .filter(|copy| copy.exists())
    }

    /// Whether an older agent would go on from a copy that does not know what was read since.
    pub fn may_go_back(&self) -> bool {
        self.copies().next().is_some()
    }

    /// Drops the copies once a day is in the buffer that they do not know: the migrated schema has
    /// then carried a day's work. By days and not by the clock, which may be wrong.
    pub fn drop_proven_copies(&mut self) -> Result<(), BufferError> {
        for copy in self.copies() {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
            let known = place::connect(&copy, flags)
                .and_then(|open| days(&open).during("look up its days", &copy));
            let own = days(&self.connection).during("look up its days", &self.path)?;
            // A copy that cannot be read is of no use to anybody.
            if known.is_ok_and(|known| own.is_subset(&known)) {
                continue;
            }
            durably(Step::DropCopy, || fs::remove_file(&copy))
                .map_err(|source| BufferError::Copy { path: copy.clone(), source })?;
        }
        Ok(())
    }

    /// The schema of the file, which is this build's once it was opened to be written.
    pub fn schema_version(&self) -> Result<usize, BufferError> {
        version_of(&self.connection).during("read its version", &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::times::now;

    #[test]
    fn every_migration_applies_to_an_empty_file() {
        Migrations::new(migrations()).validate().unwrap();
    }

    #[test]
    fn a_newer_buffer_with_a_copy_of_this_schema_is_kept_and_the_copy_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = Buffer::open(dir.path(), "first", now()).unwrap();
        let path = buffer.path().to_owned();
        copy(&buffer.connection, &path, known_version()).unwrap();
        buffer.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(buffer);
        let (again, aside) = Buffer::open_or_rebuild(dir.path(), "second", now()).unwrap();
        assert_eq!(again.buffer_id(), "first");
        assert_eq!(again.schema_version().unwrap(), known_version());
        let aside = aside.unwrap();
        assert!(aside.goes_on_from_copy);
        let kept = Connection::open(aside.kept_as).unwrap();
        assert_eq!(version_of(&kept).unwrap(), 99);
        drop(again);
        assert!(Buffer::open_or_rebuild(dir.path(), "third", now()).unwrap().1.is_none());
    }

    #[test]
    fn a_damaged_copy_does_not_become_the_buffer() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = Buffer::open(dir.path(), "first", now()).unwrap();
        let path = buffer.path().to_owned();
        fs::write(copy_of(&path, known_version()), "ceci n'est pas une base").unwrap();
        buffer.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(buffer);
        let refusal = Buffer::open_or_rebuild(dir.path(), "second", now()).map(|_| ());
        assert!(matches!(refusal, Err(BufferError::Newer { version: 99, .. })));
    }
}
