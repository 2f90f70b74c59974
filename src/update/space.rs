//! Whether the disk has room for an update.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use super::{Obstacle, manifest::Package};

/// Room that an update leaves to everybody else.
pub(super) const SPARE_BYTES: u64 = 16 << 20;
/// A package unpacks to about twice its size, beside what it replaces.
const UNPACKED_TO_PACKED: u64 = 4;
/// What `st_blocks` counts, on every file system.
const BLOCK_BYTES: u64 = 512;

/// For the package itself, and for a copy of the buffer.
pub(super) fn room_to_install(
    package: &Package,
    state_dir: &Path,
    max_buffer_bytes: u64,
) -> Result<(), Obstacle> {
    let unpacked_bytes = package.size_bytes * UNPACKED_TO_PACKED + SPARE_BYTES;
    room(Path::new("/usr"), unpacked_bytes)?;
    match bytes_to_migrate(state_dir, max_buffer_bytes) {
        Some(needed_bytes) => room(state_dir, needed_bytes),
        None => Ok(()),
    }
}

/// Room for a copy of the buffer and its migration; `None` where there is no buffer. What the file takes
/// on disk counts, up to `max_buffer_bytes`: its length is its user's to choose.
fn bytes_to_migrate(state_dir: &Path, max_buffer_bytes: u64) -> Option<u64> {
    let buffer = fs::symlink_metadata(state_dir.join(crate::update::BUFFER_FILE)).ok()?;
    let on_disk_bytes = buffer.blocks().saturating_mul(BLOCK_BYTES).min(buffer.len());
    let buffer_bytes = on_disk_bytes.min(max_buffer_bytes);
    buffer.is_file().then(|| buffer_bytes.saturating_mul(2).saturating_add(SPARE_BYTES))
}

/// Whether so much is free where `path` is; what cannot be told is no obstacle.
pub(super) fn room(path: &Path, needed_bytes: u64) -> Result<(), Obstacle> {
    let Ok(figures) = rustix::fs::statvfs(path) else { return Ok(()) };
    let free_bytes = figures.f_bavail * figures.f_frsize;
    if free_bytes < needed_bytes {
        return Err(Obstacle::NoRoom { path: path.to_owned(), needed_bytes, free_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_asks_for_the_room_of_its_blocks_up_to_its_cap_whatever_its_length() {
        const CAP_BYTES: u64 = 1 << 40;
        let state = tempfile::tempdir().unwrap();
        let needed = |cap_bytes| bytes_to_migrate(state.path(), cap_bytes);
        assert_eq!(needed(CAP_BYTES), None, "no buffer");
        let path = state.path().join(crate::update::BUFFER_FILE);
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        let sound_bytes = needed(CAP_BYTES).unwrap();
        assert!(sound_bytes > SPARE_BYTES, "a copy takes room");
        // Terabytes of nothing ask for no more.
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 43).unwrap();
        assert!(needed(u64::MAX).unwrap() <= (2 << 20) + (64 << 10) + SPARE_BYTES);
        assert_eq!(needed(1 << 10), Some((2 << 10) + SPARE_BYTES), "the cap");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/proc/self/exe", &path).unwrap();
        assert_eq!(needed(CAP_BYTES), None, "a link");
    }
}
