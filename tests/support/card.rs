//! A card of a test's own: an ext4 file system on a loop device, whose kernel counts every sector that
//! is written to it. As root.
//!
//! What must never happen: a mount or a loop device that outlives the process. Cards are mounted in a
//! mount namespace that ends with it, see [`in_own_namespace`].

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use tempfile::TempDir;

/// Set in the process that has its mounts to itself.
const INSIDE: &str = "CU_AGENT_OWN_MOUNTS";

/// Runs `work` in a process of this program whose mounts end with it, however it ends.
pub fn in_own_namespace(work: impl FnOnce()) -> ExitCode {
    if std::env::var_os(INSIDE).is_some() {
        work();
        return ExitCode::SUCCESS;
    }
    let own = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "setpriv", "--pdeathsig", "KILL"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .expect("unshare and setpriv are part of every Debian");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A mounted card. Dropped, it is unmounted, and its loop device goes with the mount.
pub struct Card {
    dir: TempDir,
    counters: PathBuf,
}

impl Card {
    /// Of `mib` MiB, formatted and quiet.
    pub fn of(mib: u64) -> Self {
        assert!(std::env::var_os(INSIDE).is_some(), "mounts are made in a namespace of their own");
        let dir = tempfile::Builder::new().prefix("cu-agent-card-").tempdir().unwrap();
        let image = dir.path().join("image");
        File::create(&image).and_then(|file| file.set_len(mib << 20)).unwrap();
        run(Command::new("mkfs.ext4")
            // Nothing is written later that could have been written now.
            .args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
            .arg(&image));
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&root));
        let device = fs::metadata(&root).unwrap().dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let counters = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        let card = Self { dir, counters };
        card.written_bytes();
        card
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Bytes written to the device so far, after everything that waits in memory.
    pub fn written_bytes(&self) -> u64 {
        self.sync();
        let text = fs::read_to_string(&self.counters).unwrap();
        let sectors = text.split_whitespace().nth(6).unwrap();
        sectors.parse::<u64>().unwrap() * 512
    }

    /// Everything that waits in memory is written, as the kernel does by itself within half a minute.
    pub fn sync(&self) {
        rustix::fs::syncfs(File::open(self.path()).unwrap()).unwrap();
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // With the namespace it goes in any case.
        Command::new("umount").arg("--lazy").arg(self.path()).status().ok();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}, as root: {said}");
}

/// Bytes that a process made dirty in files so far, by the kernel's own account.
pub fn process_bytes(id: u32) -> u64 {
    let path = Path::new("/proc").join(id.to_string()).join("io");
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
    line.parse().unwrap()
}
