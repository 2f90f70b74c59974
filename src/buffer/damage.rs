//! A buffer whose content is not what was written: noticed, set aside for anyone who wants to look, and
//! begun again. What it held is still on the server or already in central, because a file leaves the
//! server only when both are so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{Buffer, BufferError, FILE_NAME, error::During, place};
use crate::{
    failpoints::{Step, durably},
    model::WallTime,
};

/// A command looks through a buffer up to this size before it works with it.
const COMMANDS_CHECK_BYTES: u64 = 32 << 20;

/// The service through one up to this size; through a larger one while it works. Three machines fill
/// it in five weeks: to look through a year of theirs would hold up the first reading by a tenth of a
/// second on a desktop's processor, and by more than a second where a card has to be read.
const SERVICE_CHECKS_BYTES: u64 = 4 << 20;

/// Only the newest damaged buffer is kept: they must not fill the card.
const DAMAGED_SUFFIX: &str = "damaged";

/// What was set aside, and why.
#[derive(Debug)]
pub struct SetAside {
    pub kept_as: PathBuf,
    pub reason: BufferError,
    /// The buffer is now the copy that a newer version made before it changed the schema; else it is
    /// a new one.
    pub goes_on_from_copy: bool,
}

impl Buffer {
    /// Opens the buffer like [`Buffer::open`]; a damaged one is set aside and a new one begun.
    pub fn open_or_rebuild(
        state_dir: &Path,
        new_id: &str,
        now: WallTime,
    ) -> Result<(Self, Option<SetAside>), BufferError> {
        open_sound(state_dir, new_id, now, COMMANDS_CHECK_BYTES)
    }

    /// The same for the service, which looks through all but a small one while it works, see
    /// [`Buffer::is_checked`].
    pub fn open_or_rebuild_soon(
        state_dir: &Path,
        new_id: &str,
        now: WallTime,
    ) -> Result<(Self, Option<SetAside>), BufferError> {
        open_sound(state_dir, new_id, now, SERVICE_CHECKS_BYTES)
    }

    /// Opens the buffer like [`Buffer::open_read_only`]; one up to the size that commands look through is
    /// looked through first, so that no figure is shown out of damaged pages.
    pub fn open_to_show(state_dir: &Path) -> Result<Option<Self>, BufferError> {
        let Some(mut buffer) = Self::open_read_only(state_dir)? else { return Ok(None) };
        if buffer.size_bytes() <= COMMANDS_CHECK_BYTES {
            buffer.check()?;
            buffer.is_checked = true;
        }
        Ok(Some(buffer))
    }

    /// Whether every page was looked at when it was opened.
    pub fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// Closes the buffer and moves it out of the way; returns where it is kept.
    pub fn quarantine(self) -> Result<PathBuf, BufferError> {
        let path = self.path.clone();
        drop(self);
        set_aside(&path)
    }

    /// Looks through every page; an error is the first damage found.
    pub fn check(&self) -> Result<(), BufferError> {
        check(&self.connection, &self.path)
    }

    /// Looks through the buffer on a connection of its own, while others work with it.
    pub fn check_beside(path: &Path) -> Result<(), BufferError> {
        check(&super::to_read(path)?, path)
    }
}

fn open_sound(
    state_dir: &Path,
    new_id: &str,
    now: WallTime,
    check_bytes: u64,
) -> Result<(Buffer, Option<SetAside>), BufferError> {
    let opened = Buffer::open(state_dir, new_id, now).and_then(|mut buffer| {
        if buffer.size_bytes() <= check_bytes {
            buffer.check()?;
            buffer.is_checked = true;
        }
        Ok(buffer)
    });
    match opened {
        Err(reason) if reason.is_damage() => {
            let kept_as = set_aside(&state_dir.join(FILE_NAME))?;
            let buffer = Buffer::open(state_dir, new_id, now)?;
            debug_assert_eq!(
                buffer.buffer_id, new_id,
                "invariant 11: what is rebuilt begins empty"
            );
            Ok((buffer, Some(SetAside { kept_as, reason, goes_on_from_copy: false })))
        }
        opened => opened.map(|mut buffer| {
            let went_back = buffer.went_back.take();
            (buffer, went_back)
        }),
    }
}

pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), BufferError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .during("check it", path)?;
    if found == "ok" {
        return Ok(());
    }
    Err(BufferError::Damaged { path: path.to_owned(), found })
}

/// Moves the database and its write-ahead log out of the way, in place of an earlier damaged one.
fn set_aside(path: &Path) -> Result<PathBuf, BufferError> {
    let failed = |source: io::Error| BufferError::SetAside { path: path.to_owned(), source };
    for extension in ["db-wal", "db-shm"] {
        let from = path.with_extension(extension);
        if place::is_there(&from) {
            let to = path.with_extension(format!("{extension}.{DAMAGED_SUFFIX}"));
            durably(Step::SetBufferAside, || fs::rename(&from, to)).map_err(failed)?;
        }
    }
    let kept_as = path.with_extension(format!("db.{DAMAGED_SUFFIX}"));
    durably(Step::SetBufferAside, || fs::rename(path, &kept_as)).map_err(failed)?;
    debug_assert!(!place::is_there(path), "invariant 11: nothing of the damaged buffer is left");
    Ok(kept_as)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;
    use crate::buffer::{TAIL_BYTES, tail_hash, times::now};

    fn filled(state_dir: &Path) -> PathBuf {
        let mut buffer = Buffer::open(state_dir, "first", now()).unwrap();
        let batch = buffer.batch().unwrap();
        let machine = crate::model::Machine { nom: "DEM12".into(), type_cu: "DEM12".into() };
        let machine_id = batch.machine(&machine).unwrap();
        for number in 0..50 {
            let name = format!("{number}.LOG");
            let mut file = batch.new_generation("cu", "DEM12", &name, machine_id, now()).unwrap();
            let mut bytes: Vec<u8> = (0..20_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
            bytes.push(b'\n');
            batch.append(file.id, 0, &bytes).unwrap();
            file.consumed_bytes = bytes.len() as u64;
            file.tail_hash = Some(tail_hash(&bytes[bytes.len() - TAIL_BYTES..]));
            batch.save_progress(&file, None).unwrap();
        }
        batch.commit(Step::Keep).unwrap();
        buffer.path().to_owned()
    }

    #[test]
    fn damage_of_each_kind_is_noticed_at_start_and_a_new_buffer_is_begun() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 4] = [
            ("all zero", |path| {
                let length = fs::metadata(path).unwrap().len();
                fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap();
            }),
            ("not a database", |path| fs::write(path, b"bonjour, bonjour, bonjour").unwrap()),
            ("cut short", |path| {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            }),
            ("zeroed pages", |path| {
                let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.seek(SeekFrom::Start(4096)).unwrap();
                file.write_all(&[0; 4096 * 8]).unwrap();
            }),
        ];
        for (kind, damage) in damages {
            let dir = tempfile::tempdir().unwrap();
            let path = filled(dir.path());
            damage(&path);
            let (buffer, aside) = Buffer::open_or_rebuild(dir.path(), "second", now()).unwrap();
            let aside = aside.unwrap_or_else(|| panic!("{kind}: damage is noticed"));
            assert!(aside.kept_as.exists(), "{kind}");
            assert_eq!(buffer.buffer_id(), "second", "{kind}");
            assert_eq!(buffer.reports().totals().unwrap().files, 0, "{kind}");
        }
    }

    #[test]
    fn a_sound_buffer_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let (buffer, aside) = Buffer::open_or_rebuild(dir.path(), "second", now()).unwrap();
        assert!(aside.is_none());
        assert_eq!(buffer.reports().totals().unwrap().files, 50);
    }

    #[test]
    fn the_service_looks_through_a_large_buffer_later_and_a_command_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = filled(dir.path());
        let is_checked = |service: bool| {
            let open = if service { Buffer::open_or_rebuild_soon } else { Buffer::open_or_rebuild };
            open(dir.path(), "second", now()).unwrap().0.is_checked()
        };
        assert!(is_checked(true) && is_checked(false), "{:?}", fs::metadata(&path));
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE filling AS SELECT zeroblob(5000000) AS bytes")
            .unwrap();
        drop(connection);
        assert!(!is_checked(true), "by the service");
        assert!(is_checked(false), "by a command");
    }
}
