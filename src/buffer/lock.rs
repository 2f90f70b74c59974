//! One process a state directory: an advisory lock that the kernel drops with the process, however
//! it ends, and a line in it that says who holds it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Seek, SeekFrom, Write},
    path::Path,
    thread,
    time::Duration,
};

use super::BufferError;

const FILE_NAME: &str = "cu-agent.lock";

/// A look at the lock is over much sooner than all of these.
const PATIENCE_LOOKS: u32 = 20;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Held for as long as this value lives.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    who: String,
}

impl StateLock {
    /// Takes the lock for `who` (for example `cu-agent run, process 4711`), or says who has it.
    pub fn take(state_dir: &Path, who: &str) -> Result<Self, BufferError> {
        fs::create_dir_all(state_dir)
            .map_err(|source| BufferError::Directory { path: state_dir.to_owned(), source })?;
        let path = state_dir.join(FILE_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| BufferError::Lock { path: path.clone(), source })?;
        let mut looks = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Whoever only looks shares the lock, for an instant; whoever works does not.
                Err(TryLockError::WouldBlock)
                    if looks < PATIENCE_LOOKS && file.try_lock_shared().is_ok() =>
                {
                    file.unlock()
                        .map_err(|source| BufferError::Lock { path: path.clone(), source })?;
                    looks += 1;
                }
                Err(TryLockError::WouldBlock) => return Err(held(state_dir, &path)),
                Err(TryLockError::Error(source)) => return Err(BufferError::Lock { path, source }),
            }
            thread::sleep(LOOK_AGAIN_AFTER);
        }
        let mut note = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{who}")
        };
        // A full disk must not keep the agent from starting: the lock itself is already held.
        if let Err(error) = note() {
            log::debug!("cannot note the holder in {}: {error}", path.display());
        }
        Ok(Self { file, who: who.to_owned() })
    }
}

impl StateLock {
    /// Puts a second line behind the first, for whoever only looks; gone with the next taker.
    pub fn note(&self, line: &str) {
        let mut file = &self.file;
        let first = self.who.len() as u64 + 1;
        let mut note = || -> std::io::Result<()> {
            file.set_len(first)?;
            file.seek(SeekFrom::Start(first))?;
            writeln!(file, "{line}")
        };
        if let Err(error) = note() {
            log::debug!("cannot note what the holder of the lock has done: {error}");
        }
    }

    /// Who holds the lock, and what it noted; `None` where nobody does.
    pub fn holder(state_dir: &Path) -> Option<(String, String)> {
        match Self::look(state_dir) {
            Err(BufferError::Held { holder, .. }) => {
                let text = fs::read_to_string(state_dir.join(FILE_NAME)).unwrap_or_default();
                Some((holder, text.lines().nth(1).unwrap_or_default().to_owned()))
            }
            _ => None,
        }
    }

    /// Whether the lock is free, without taking it for longer than the look.
    pub fn look(state_dir: &Path) -> Result<(), BufferError> {
        let path = state_dir.join(FILE_NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(BufferError::Lock { path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(held(state_dir, &path)),
            Err(TryLockError::Error(source)) => Err(BufferError::Lock { path, source }),
        }
    }
}

fn held(state_dir: &Path, path: &Path) -> BufferError {
    let mut holder = String::new();
    for _ in 0..PATIENCE_LOOKS {
        holder = fs::read_to_string(path).unwrap_or_default();
        if !holder.trim().is_empty() {
            break;
        }
        // Whoever took the lock a moment ago is about to say so.
        thread::sleep(LOOK_AGAIN_AFTER);
    }
    let holder = match holder.lines().next().unwrap_or_default().trim() {
        "" => "another process".to_owned(),
        holder => holder.to_owned(),
    };
    BufferError::Held { path: state_dir.to_owned(), holder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_learns_who_holds_the_lock_and_a_dropped_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateLock::take(dir.path(), "cu-agent run, process 17").unwrap();
        let refusal = StateLock::take(dir.path(), "second").unwrap_err().to_string();
        assert!(refusal.contains("in use by cu-agent run, process 17"), "{refusal}");
        first.note("a long line of what it did");
        first.note("what it did");
        let holder = StateLock::holder(dir.path()).unwrap();
        assert_eq!(holder, ("cu-agent run, process 17".into(), "what it did".into()));
        drop(first);
        StateLock::take(dir.path(), "third").unwrap();
    }
}
