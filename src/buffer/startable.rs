//! Whether a service could begin on a state directory, tried without leaving anything there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use rustix::fs::{Access, Mode, OFlags, access, open};

use super::{BufferError, FILE_NAME, Holder, StateLock, place};

/// What a first transaction writes at least.
const PROBE_BYTES: usize = 64 << 10;

/// An error is what a start of the service would end with, or could not write. Who works there already, if
/// somebody does: that one holds the lock that a start would need.
pub fn expect_startable(state_dir: &Path) -> Result<Option<Holder>, BufferError> {
    if place::is_read_only(nearest(state_dir)) {
        return Err(BufferError::ReadOnly { path: state_dir.to_owned() });
    }
    let directory =
        |source: io::Error| BufferError::Directory { path: state_dir.to_owned(), source };
    let at = nearest(state_dir);
    let found = fs::metadata(at).map_err(directory)?;
    if !found.is_dir() {
        return Err(directory(io::ErrorKind::NotADirectory.into()));
    }
    if at != state_dir {
        let may_make = access(at, Access::WRITE_OK | Access::EXEC_OK);
        return may_make.map(|()| None).map_err(|error| directory(error.into()));
    }
    let holder = match StateLock::look(state_dir) {
        Ok(()) => None,
        Err(BufferError::Held { holder, .. }) => Some(holder),
        Err(error) => return Err(error),
    };
    write_probe(state_dir)
        .map_err(|source| BufferError::Write { path: state_dir.to_owned(), source })?;
    let database = ["", "-wal", "-shm"].map(|end| format!("{FILE_NAME}{end}"));
    for name in database.iter().map(String::as_str).chain(["cu-agent.lock"]) {
        let path = state_dir.join(name);
        if place::check(&path)?.is_some() {
            access(&path, Access::READ_OK | Access::WRITE_OK)
                .map_err(|error| BufferError::Lock { path, source: error.into() })?;
        }
    }
    Ok(holder)
}

/// The directory, or the nearest above it that something stands at.
fn nearest(state_dir: &Path) -> &Path {
    state_dir.ancestors().find(|path| fs::metadata(path).is_ok()).unwrap_or(state_dir)
}

/// Writes into a file that has no name and is gone with its handle. A file system that has none of these is
/// asked for its permission only.
fn write_probe(state_dir: &Path) -> io::Result<()> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match open(state_dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let mut file = File::from(file);
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_data()
        }
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            Ok(access(state_dir, Access::WRITE_OK | Access::EXEC_OK)?)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{LockHolder, Task, times::now};

    #[test]
    fn a_directory_is_tried_and_nothing_is_left_in_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(expect_startable(dir.path()).unwrap(), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let inner = dir.path().join("not/yet");
        assert_eq!(expect_startable(&inner).unwrap(), None);
        assert!(!inner.exists());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for refused in [file.clone(), file.join("state")] {
            let error = expect_startable(&refused).unwrap_err();
            assert!(matches!(error, BufferError::Directory { .. }), "{error}");
        }
        let lock = StateLock::take(dir.path(), LockHolder::this(Task::Run, now())).unwrap();
        assert!(expect_startable(dir.path()).unwrap().is_some_and(|holder| holder.is_service()));
        drop(lock);
    }
}
