//! The size of the buffer's pages. Each poll of machines at work changes a row or two in a score of
//! places, and a commit writes every page that it touched: the smaller the pages, the less the card
//! wears. SQLite's own 4096 bytes write twice as much a day.
//!
//! What must never happen here: a moment at which no whole buffer stands in its place.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use rusqlite::OpenFlags;

use super::{
    BufferError,
    error::During,
    place,
    versions::{known_version, sync_directory, version_of},
};
use crate::failpoints::{Step, durably};

/// Of a buffer that is made by this version. `make bench-wear` and `make bench-year` compare others.
pub(super) const PAGE_BYTES: u32 = 1024;

/// A buffer of larger pages up to this size is rewritten at the next start; of a larger one that
/// would cost the card more than months of small pages spare it.
const RENEWED_UP_TO_BYTES: u64 = 32 << 20;

/// Gives a buffer of an earlier version pages of [`PAGE_BYTES`]. Where it cannot be done now, because
/// somebody looks at the buffer or the disk is full, the larger pages serve as well.
pub(super) fn renew(path: &Path) {
    if !path.exists() {
        return;
    }
    if let Err(error) = renewed(path) {
        log::debug!("the page size was not changed to {PAGE_BYTES} bytes this time: {error}");
    }
}

fn renewed(path: &Path) -> Result<(), BufferError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = place::connect(path, flags)?;
    // A process that reads it is not waited for.
    connection.busy_timeout(Duration::ZERO).during("open it", path)?;
    let (page_bytes, pages): (u32, u64) = connection
        .query_row(
            "SELECT page_size, page_count FROM pragma_page_size, pragma_page_count",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during("measure it", path)?;
    let is_small = pages > 0 && u64::from(page_bytes) * pages <= RENEWED_UP_TO_BYTES;
    let version = version_of(&connection).during("read its version", path)?;
    if page_bytes == PAGE_BYTES || !is_small || version == 0 || version > known_version() {
        return Ok(());
    }
    // Its write-ahead log goes into it, so that the new file is not given the old one's.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))
        .during("close its write-ahead log", path)?;
    if mode != "delete" {
        return Ok(());
    }
    let failed = |source: io::Error| BufferError::Copy { path: path.to_owned(), source };
    let part = path.with_extension("db.renewing");
    if place::is_there(&part) {
        durably(Step::CopyBuffer, || fs::remove_file(&part)).map_err(failed)?;
    }
    connection.pragma_update(None, "page_size", PAGE_BYTES).during("configure it", path)?;
    let to = part.to_string_lossy();
    durably(Step::CopyBuffer, || place::make_empty(&part)).map_err(failed)?;
    durably(Step::CopyBuffer, || connection.execute("VACUUM INTO ?1", [&*to]))
        .during("write it with smaller pages", path)?;
    drop(connection);
    File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
    durably(Step::MigrateBuffer, || fs::rename(&part, path)).map_err(failed)?;
    sync_directory(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::{
        buffer::{Buffer, times::now},
        model::Machine,
    };

    fn page_bytes(path: &Path) -> u32 {
        let connection = Connection::open(path).unwrap();
        connection.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap()
    }

    /// A buffer with a machine in it and pages of 4096 bytes.
    fn of_large_pages(dir: &Path) -> Buffer {
        let mut buffer = Buffer::open(dir, "first", now()).unwrap();
        let batch = buffer.batch().unwrap();
        batch.machine(&Machine { nom: "DEM12".into(), type_cu: "DEM12".into() }).unwrap();
        batch.commit(Step::Keep).unwrap();
        buffer.connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
        buffer.connection.pragma_update(None, "page_size", 4096).unwrap();
        buffer.connection.execute("VACUUM", []).unwrap();
        buffer.connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        assert_eq!(page_bytes(buffer.path()), 4096);
        buffer
    }

    #[test]
    fn a_new_buffer_has_small_pages_and_one_of_large_pages_gets_them_at_its_next_start() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(page_bytes(Buffer::open(dir.path(), "a", now()).unwrap().path()), PAGE_BYTES);

        let dir = tempfile::tempdir().unwrap();
        drop(of_large_pages(dir.path()));
        let again = Buffer::open(dir.path(), "second", now()).unwrap();
        assert_eq!(page_bytes(again.path()), PAGE_BYTES);
        assert_eq!(again.buffer_id(), "first");
        assert_eq!(again.files().machine_id("DEM12").unwrap(), Some(1));
        again.check().unwrap();
    }

    #[test]
    fn a_buffer_that_somebody_looks_at_keeps_its_large_pages_for_now() {
        let dir = tempfile::tempdir().unwrap();
        let buffer = of_large_pages(dir.path());
        let path = buffer.path().to_owned();
        assert_eq!(buffer.files().machine_id("DEM12").unwrap(), Some(1));
        renew(&path);
        assert_eq!(page_bytes(&path), 4096);
        assert_eq!(buffer.files().machine_id("DEM12").unwrap(), Some(1));
        drop(buffer);
        renew(&path);
        assert_eq!(page_bytes(&path), PAGE_BYTES);
    }
}
