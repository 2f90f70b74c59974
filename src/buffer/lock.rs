//! One process a state directory: an advisory lock that the kernel drops with the process, however
//! it ends, and lines in it that say who holds it (see [`super::holder`]).

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    thread,
    time::Duration,
};

use rustix::fs::OFlags;

use super::{
    BufferError, Holder, LockHolder,
    holder::{read, write},
    place,
};
use crate::model::Collected;

const FILE_NAME: &str = "cu-agent.lock";

/// Of what is read of it: three lines.
const MOST_BYTES: u64 = 64 << 10;

/// A look at the lock is over much sooner than all of these.
const PATIENCE_LOOKS: u32 = 20;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Held for as long as this value lives.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    holder: LockHolder,
}

impl StateLock {
    /// Takes the lock for `holder`, or says who has it.
    pub fn take(state_dir: &Path, holder: LockHolder) -> Result<Self, BufferError> {
        make_directory(state_dir)?;
        let path = state_dir.join(FILE_NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(place::MODE);
        let mut file = own(&path, &mut options)?;
        let mut looks = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // A process that only reads shares the lock, for an instant; one that works does not.
                Err(TryLockError::WouldBlock)
                    if looks < PATIENCE_LOOKS && file.try_lock_shared().is_ok() =>
                {
                    file.unlock()
                        .map_err(|source| BufferError::Lock { path: path.clone(), source })?;
                    looks += 1;
                }
                Err(TryLockError::WouldBlock) => {
                    let (holder, _) = said_by_holder(&file);
                    return Err(BufferError::Held { path: state_dir.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(BufferError::Lock { path, source }),
            }
            thread::sleep(LOOK_AGAIN_AFTER);
        }
        let mut note = || -> std::io::Result<()> {
            file.set_permissions(Permissions::from_mode(place::MODE))?;
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(write(&holder, None).as_bytes())
        };
        // A full disk must not keep the agent from starting: the lock itself is already held.
        if let Err(error) = note() {
            log::debug!("cannot record the holder in {}: {error}", path.display());
        }
        Ok(Self { file, holder })
    }
}

impl StateLock {
    /// Notes what was collected, for anyone who only looks; gone with the next taker.
    pub fn note(&self, collected: &Collected) {
        let mut file = &self.file;
        let text = write(&self.holder, Some(collected));
        // The first line stays as it is: a reader meanwhile learns who it is.
        let first = text.find('\n').map_or(0, |end| end + 1);
        let mut note = || -> std::io::Result<()> {
            file.set_len(first as u64)?;
            file.seek(SeekFrom::Start(first as u64))?;
            file.write_all(&text.as_bytes()[first..])
        };
        if let Err(error) = note() {
            log::debug!("cannot record the progress of the lock holder: {error}");
        }
    }

    /// Who holds the lock, and what it has collected; `None` if nobody does.
    pub fn holder(state_dir: &Path) -> Option<(Holder, Option<Collected>)> {
        Self::occupied(state_dir).ok().flatten()
    }

    /// Whether the lock is free, without taking it for longer than this takes.
    pub fn look(state_dir: &Path) -> Result<(), BufferError> {
        match Self::occupied(state_dir)? {
            Some((holder, _)) => Err(BufferError::Held { path: state_dir.to_owned(), holder }),
            None => Ok(()),
        }
    }

    fn occupied(state_dir: &Path) -> Result<Option<(Holder, Option<Collected>)>, BufferError> {
        let path = state_dir.join(FILE_NAME);
        if !place::is_there(&path) {
            return Ok(None);
        }
        let file = own(&path, OpenOptions::new().read(true))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(said_by_holder(&file))),
            Err(TryLockError::Error(source)) => Err(BufferError::Lock { path, source }),
        }
    }
}

/// The state directory, with what leads to it.
pub(super) fn make_directory(state_dir: &Path) -> Result<(), BufferError> {
    fs::create_dir_all(state_dir).map_err(|source| match source.kind() {
        ErrorKind::ReadOnlyFilesystem => BufferError::ReadOnly { path: state_dir.to_owned() },
        _ => BufferError::Directory { path: state_dir.to_owned(), source },
    })
}

/// Opens the lock, waiting for nobody, where it is an ordinary file of the agent's own.
fn own(path: &Path, options: &mut OpenOptions) -> Result<File, BufferError> {
    place::check(path)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let failed = |source| {
        BufferError::of_file(path, source, |path, source| BufferError::Lock { path, source })
    };
    let file = opened.map_err(failed)?;
    // What was opened, and not what stood there a moment before.
    let found = file.metadata().map_err(failed)?;
    match place::foreign(path, &found) {
        Some(what) => Err(BufferError::Foreign { path: path.to_owned(), what }),
        None => Ok(file),
    }
}

/// What the holder wrote. Its lines are short; a file of any size costs no more.
fn text_of(mut file: &File) -> String {
    let mut bytes = Vec::new();
    let begun = file.seek(SeekFrom::Start(0));
    // What cannot be read names nobody.
    if begun.is_ok() && file.take(MOST_BYTES).read_to_end(&mut bytes).is_err() {
        bytes.clear();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn said_by_holder(file: &File) -> (Holder, Option<Collected>) {
    let mut said = (Holder::Unnamed, None);
    for _ in 0..PATIENCE_LOOKS {
        said = read(&text_of(file));
        if said.0 != Holder::Unnamed {
            break;
        }
        // The process that took the lock a moment ago is about to say so.
        thread::sleep(LOOK_AGAIN_AFTER);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{Task, times::now};

    fn holder(task: Task) -> LockHolder {
        LockHolder { task, process: 17, since: Some(now()) }
    }

    #[test]
    fn a_holder_with_a_huge_or_hostile_lock_is_named_in_a_short_line() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path(), holder(Task::Run)).unwrap();
        lock.file.set_len(0).unwrap();
        (&lock.file).rewind().unwrap();
        (&lock.file).write_all("run\x1b[31m\u{202e}\n".as_bytes()).unwrap();
        lock.file.set_len(1 << 40).unwrap();
        let begun = std::time::Instant::now();
        let refusal = StateLock::take(dir.path(), holder(Task::Once)).unwrap_err().to_string();
        assert!(refusal.contains("in use by run [31m ") && refusal.len() < 500, "{refusal}");
        assert!(StateLock::holder(dir.path()).is_some());
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_second_taker_learns_who_holds_the_lock_and_a_dropped_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateLock::take(dir.path(), holder(Task::Run)).unwrap();
        let refusal = StateLock::take(dir.path(), holder(Task::Once)).unwrap_err().to_string();
        assert!(refusal.contains("in use by cu-agent run, process 17"), "{refusal}");
        assert_eq!(StateLock::holder(dir.path()), Some((Holder::Known(holder(Task::Run)), None)));
        let collected = |failed: &[&str]| Collected {
            version: "0.1.0".into(),
            failed_sources: failed.iter().map(|name| (*name).to_owned()).collect(),
        };
        first.note(&collected(&["cu", "stick", "a source of a long name"]));
        first.note(&collected(&["cu"]));
        let found = StateLock::holder(dir.path()).unwrap();
        assert_eq!(found, (Holder::Known(holder(Task::Run)), Some(collected(&["cu"]))));
        drop(first);
        assert_eq!(StateLock::holder(dir.path()), None);
        StateLock::take(dir.path(), holder(Task::Replay)).unwrap();
    }
}
