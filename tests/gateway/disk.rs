//! The gateway's card: what was written and what is safe are two things, as on a real one.
//!
//! Writes are volatile until the guest flushes. A power cut leaves of the volatile ones any subset, each
//! whole, torn at a sector, or not at all; what was flushed stays. (Killing an emulator over an ordinary
//! file would keep every write that the guest ever sent: the host's page cache has them.) Sectors that were
//! not being written keep their content; cards that lose those too are not emulated.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use fastrand::Rng;

const SECTOR: usize = 512;

pub struct Disk {
    path: PathBuf,
    safe: File,
    /// In the order of their arrival.
    volatile: Vec<Write>,
    /// The newest volatile write of a sector, and where in it.
    newest: HashMap<u64, (usize, usize)>,
}

struct Write {
    offset: u64,
    bytes: Vec<u8>,
}

/// What a cut did to the writes that were not flushed.
#[derive(Debug, Default)]
pub struct Cut {
    pub lost: usize,
    pub torn: usize,
    pub kept: usize,
}

impl Disk {
    /// A throw-away copy of `image` at `path`.
    pub fn copy(image: &Path, path: PathBuf) -> Self {
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([image, &path])
            .status()
            .unwrap();
        assert!(copied.success(), "a copy of {}", image.display());
        let safe = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, safe, volatile: Vec::new(), newest: HashMap::new() }
    }

    pub fn bytes(&self) -> u64 {
        self.safe.metadata().unwrap().len()
    }

    /// The file with what is safe.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn read(&self, offset: u64, bytes: &mut [u8]) {
        self.safe.read_exact_at(bytes, offset).unwrap();
        for (sector, part) in (offset / SECTOR as u64..).zip(bytes.chunks_mut(SECTOR)) {
            if let Some((write, at)) = self.newest.get(&sector) {
                let length = part.len();
                part.copy_from_slice(&self.volatile[*write].bytes[*at..*at + length]);
            }
        }
    }

    /// Whole sectors: virtio knows nothing smaller.
    pub fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        assert!(offset.is_multiple_of(SECTOR as u64) && bytes.len().is_multiple_of(SECTOR));
        for (sector, at) in (offset / SECTOR as u64..).zip((0..bytes.len()).step_by(SECTOR)) {
            self.newest.insert(sector, (self.volatile.len(), at));
        }
        self.volatile.push(Write { offset, bytes });
    }

    /// Writes that a power cut may lose.
    pub fn volatile_writes(&self) -> usize {
        self.volatile.len()
    }

    /// Everything written so far is safe from now on.
    pub fn flush(&mut self) {
        for write in self.volatile.drain(..) {
            self.safe.write_all_at(&write.bytes, write.offset).unwrap();
        }
        self.newest.clear();
    }

    /// The power is gone. One time in three nothing volatile is left, else any part of it.
    pub fn cut(&mut self, rng: &mut Rng) -> Cut {
        let mut cut = Cut::default();
        let loses_all = rng.u8(..3) == 0;
        for write in self.volatile.drain(..) {
            let sectors = write.bytes.len() / SECTOR;
            let kept = match rng.u8(..8) {
                _ if loses_all => 0,
                0..=3 => 0,
                4 => rng.usize(..=sectors),
                _ => sectors,
            };
            match kept {
                0 => cut.lost += 1,
                part if part < sectors => cut.torn += 1,
                _ => cut.kept += 1,
            }
            self.safe.write_all_at(&write.bytes[..kept * SECTOR], write.offset).unwrap();
        }
        self.newest.clear();
        cut
    }
}

#[test]
fn a_card_keeps_what_was_flushed_and_any_part_of_what_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    std::fs::write(&image, [0; 8 * SECTOR]).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut disk = Disk::copy(&image, dir.path().join("card"));
        disk.write(0, vec![1; 2 * SECTOR]);
        disk.flush();
        disk.write(SECTOR as u64, vec![2; 2 * SECTOR]);
        disk.write(4 * SECTOR as u64, vec![3; SECTOR]);
        let mut bytes = [0; 5 * SECTOR];
        disk.read(0, &mut bytes);
        let sectors = |bytes: &[u8]| bytes.chunks(SECTOR).map(|s| s[0]).collect::<Vec<_>>();
        assert_eq!(sectors(&bytes), [1, 2, 2, 0, 3], "reading sees every write");
        disk.cut(&mut Rng::with_seed(seed));
        disk.read(0, &mut bytes);
        assert_eq!(bytes[0], 1, "what was flushed stays");
        seen.insert(sectors(&bytes));
    }
    let all = [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 3],
        [1, 2, 0, 0, 0],
        [1, 2, 0, 0, 3],
        [1, 2, 2, 0, 0],
        [1, 2, 2, 0, 3],
    ];
    assert_eq!(seen, all.map(Vec::from).into(), "every mixture comes");
}
