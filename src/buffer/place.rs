//! The files of the state directory as things on a disk: each is an ordinary file of the agent's own,
//! under one name, for its user and its group to read.
//!
//! What must never happen here: a link followed; a pipe or a device opened, which could wait for ever;
//! a file of another user, or one that has a second name elsewhere, read or written.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};
use rustix::{fs::StatVfsMountFlags, process::geteuid};

use super::{BufferError, error::During};
use crate::failpoints::{Step, durably};

/// The group reads along; nobody else does.
pub(super) const MODE: u32 = 0o640;

/// Opens a database that stands at `path` and is the agent's own.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, BufferError> {
    for file in of_database(path) {
        check(&file)?;
    }
    // SQLite refuses a link in any step of the path; the way to the directory is its owner's affair.
    let directory = path.parent().and_then(|directory| directory.canonicalize().ok());
    let resolved = match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    };
    Connection::open_with_flags(resolved, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)
        .during("open it", path)
}

/// Opens a database on a disk that nothing can be written to and on which no process left a write-ahead log:
/// SQLite itself would make a file beside it, even to read.
pub(super) fn connect_unchanging(path: &Path) -> Result<Connection, BufferError> {
    check(path)?;
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut uri = "file:".to_owned();
    for byte in absolute.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri += &format!("%{byte:02X}"),
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri + "?immutable=1", flags).during("open it", path)
}

/// Whether the disk that holds `directory` may not be written, whoever asks.
pub(super) fn is_read_only(directory: &Path) -> bool {
    let figures = rustix::fs::statvfs(directory);
    if figures.is_ok_and(|figures| figures.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return true;
    }
    // Newer kernels leave a failed file system writable by name.
    let device = fs::metadata(directory).map(|found| found.dev());
    let mounts = fs::read_to_string("/proc/self/mountinfo");
    matches!((device, mounts), (Ok(device), Ok(mounts)) if has_failed(&mounts, device))
}

/// Whether the kernel takes no more writes to the file system of `device`, by its list of mounts.
fn has_failed(mounts: &str, device: u64) -> bool {
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    mounts.lines().filter(|line| line.split(' ').nth(2) == Some(&device)).any(|line| {
        let options = line.split_once(" - ").and_then(|(_, behind)| behind.split(' ').nth(2));
        options
            .is_some_and(|all| all.split(',').any(|one| matches!(one, "emergency_ro" | "shutdown")))
    })
}

/// Makes an empty database where there is none yet, and gives all of them their mode, whatever the
/// process' umask is.
pub(super) fn prepare(path: &Path) -> Result<(), BufferError> {
    let failed = |source| {
        BufferError::of_file(path, source, |path, source| BufferError::Lock { path, source })
    };
    if check(path)?.is_none() {
        durably(Step::MigrateBuffer, || make_empty(path)).map_err(failed)?;
    }
    for file in of_database(path) {
        let is_open = |found: &Metadata| found.mode() & 0o777 != MODE;
        if check(&file)?.as_ref().is_some_and(is_open) {
            // Of a file that is somebody else's the mode is too.
            if let Err(error) = fs::set_permissions(&file, fs::Permissions::from_mode(MODE)) {
                log::debug!("cannot change the mode of {}: {error}", file.display());
            }
        }
    }
    Ok(())
}

/// The database and what SQLite puts beside it.
fn of_database(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// A new file without content, for SQLite to fill.
pub(super) fn make_empty(path: &Path) -> io::Result<()> {
    let file = File::options().write(true).create_new(true).mode(MODE).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(MODE))
}

/// Whether something has this name, be it a link to nowhere.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// What stands at `path`, `None` where nothing does, and an error where it is not the agent's own.
pub(super) fn check(path: &Path) -> Result<Option<Metadata>, BufferError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BufferError::Lock { path: path.to_owned(), source }),
    };
    match foreign(path, &found) {
        Some(what) => Err(BufferError::Foreign { path: path.to_owned(), what }),
        None => Ok(Some(found)),
    }
}

/// Why a file is not the agent's own, in words; `None` where it is.
pub(super) fn foreign(path: &Path, found: &Metadata) -> Option<String> {
    let kind = found.file_type();
    let what = if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_dir() {
        "a directory"
    } else if !kind.is_file() {
        "a device"
    } else if found.nlink() > 1 + kept_links(path, found) {
        "a file with a second name (a hard link) elsewhere"
    } else {
        let directory = path.parent().and_then(|directory| fs::metadata(directory).ok());
        let of_directory = directory.map(|directory| directory.uid());
        let owner = found.uid();
        let is_own = owner == geteuid().as_raw() || owner == 0 || Some(owner) == of_directory;
        return (!is_own).then(|| format!("a file owned by another user (uid {owner})"));
    };
    Some(what.to_owned())
}

/// Names that the way back to an older version gives a buffer, see `versions::go_back`.
fn kept_links(path: &Path, found: &Metadata) -> u64 {
    if found.nlink() < 2 {
        return 0;
    }
    let newer = |path: &PathBuf| path.to_string_lossy().contains(".db.newer-");
    let same = |path: &PathBuf| {
        fs::symlink_metadata(path)
            .is_ok_and(|other| (other.dev(), other.ino()) == (found.dev(), found.ino()))
    };
    let entries = path.parent().and_then(|directory| fs::read_dir(directory).ok());
    let entries = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let links = entries.filter(|other| other != path && newer(other) && same(other));
    links.count() as u64
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::buffer::{Buffer, FILE_NAME, LockHolder, StateLock, Task, times::now};

    /// Puts something that is not the agent's own at a path.
    type Plant = fn(&Path);

    const PLANTS: [(&str, Plant); 5] = [
        ("a symbolic link", |path| {
            let target = path.parent().unwrap().parent().unwrap().join("target");
            fs::write(&target, "untouched").unwrap();
            symlink(target, path).unwrap();
        }),
        ("a named pipe", |path| {
            mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }),
        ("a hard link", |path| {
            let target = path.parent().unwrap().parent().unwrap().join("target");
            fs::write(&target, "untouched").unwrap();
            fs::hard_link(target, path).unwrap();
        }),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
    ];

    #[test]
    fn what_is_not_an_ordinary_file_of_the_agents_is_neither_followed_nor_waited_for() {
        for (what, plant) in PLANTS {
            for name in [FILE_NAME, "buffer.db-wal", "buffer.db-shm", "cu-agent.lock"] {
                let dir = tempfile::tempdir().unwrap();
                let state_dir = dir.path().join("state");
                fs::create_dir(&state_dir).unwrap();
                if name != FILE_NAME {
                    drop(Buffer::open(&state_dir, "first", now()).unwrap());
                }
                let path = state_dir.join(name);
                fs::remove_file(&path).ok();
                plant(&path);
                let refusals: Vec<BufferError> = if name == "cu-agent.lock" {
                    vec![
                        StateLock::take(&state_dir, LockHolder::this(Task::Once, now()))
                            .unwrap_err(),
                        StateLock::look(&state_dir).unwrap_err(),
                    ]
                } else {
                    let open = Buffer::open_or_rebuild(&state_dir, "second", now()).map(|_| ());
                    let look = Buffer::open_read_only(&state_dir).map(|_| ());
                    let attach = Buffer::attach(&state_dir).map(|_| ());
                    vec![open.unwrap_err(), look.unwrap_err(), attach.unwrap_err()]
                };
                for refusal in refusals {
                    let text = refusal.to_string();
                    let said = what == "a hard link" && text.contains("a second name")
                        || text.contains(what);
                    assert!(said && text.contains(name), "{what} at {name}: {text}");
                }
                let target = dir.path().join("target");
                if target.exists() {
                    assert_eq!(fs::read(&target).unwrap(), b"untouched", "{what} at {name}");
                }
            }
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        drop(Buffer::open(dir.path(), "first", now()).unwrap());
        std::os::unix::fs::chown(dir.path().join(FILE_NAME), Some(1234), None).unwrap();
        let refusal = Buffer::open_read_only(dir.path()).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains("another user (uid 1234)"), "{refusal}");
        // Its own directory's user may have made it.
        std::os::unix::fs::chown(dir.path(), Some(1234), None).unwrap();
        assert!(Buffer::open_read_only(dir.path()).unwrap().is_some());
    }

    #[test]
    fn a_file_system_that_the_kernel_gave_up_is_told_from_the_others() {
        let mounts = "24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
                      61 24 7:0 / /var/lib/a\\040b rw,relatime - ext4 /dev/loop0 rw,abort,emergency_ro\n\
                      62 24 7:1 / /srv rw shared:2 master:3 - ext4 /dev/emergency_ro rw\n\
                      63 24 7:2 / /mnt rw - ext4 /dev/loop2 rw,shutdown\n";
        for (major, minor, expected) in
            [(254, 0, false), (7, 0, true), (7, 1, false), (7, 2, true), (7, 3, false)]
        {
            let device = rustix::fs::makedev(major, minor);
            assert_eq!(has_failed(mounts, device), expected, "{major}:{minor}");
        }
    }

    #[test]
    fn lock_and_buffer_are_for_the_user_and_the_group_whatever_the_umask() {
        for umask in [0o000, 0o077] {
            let before = rustix::process::umask(Mode::from_raw_mode(umask));
            let dir = tempfile::tempdir().unwrap();
            let buffer = Buffer::open(dir.path(), "first", now()).unwrap();
            buffer.reopen().unwrap().reports().totals().unwrap();
            let _lock = StateLock::take(dir.path(), LockHolder::this(Task::Once, now())).unwrap();
            let names: Vec<(String, u32)> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap())
                .map(|entry| {
                    let mode = entry.metadata().unwrap().mode() & 0o777;
                    (entry.file_name().into_string().unwrap(), mode)
                })
                .collect();
            rustix::process::umask(before);
            assert_eq!(names.len(), 4, "{names:?}");
            assert!(names.iter().all(|(_, mode)| *mode == MODE), "{umask:o}: {names:?}");
        }
    }
}
