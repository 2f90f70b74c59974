//! Servers whose Debian packages conflict with one another: unpacked under `target/test-servers`, one
//! folder a package, never installed. `tests/install-test-tools.sh` may have done it before.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// What is kept from run to run of the tests.
pub fn cache() -> PathBuf {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-servers");
    fs::create_dir_all(&cache).unwrap();
    cache
}

/// Held while something in the cache or on the system is made; test processes run side by side.
pub fn lock() -> File {
    let file = File::create(cache().join("lock")).unwrap();
    file.lock().unwrap();
    file
}

/// The folder with the files of `package`, and of the libraries that came with it.
pub fn unpacked(package: &str, libraries: &[&str]) -> PathBuf {
    let _alone = lock();
    let folder = cache().join(package);
    let complete = cache().join(format!("{package}.complete"));
    if complete.exists() {
        return folder;
    }
    let partial = tempfile::tempdir_in(cache()).unwrap();
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["download", "-qq", package]).args(libraries).current_dir(partial.path());
        apt.output().unwrap()
    };
    let mut fetched = download();
    if !fetched.status.success() {
        // A fresh machine knows no packages yet.
        Command::new("apt-get").args(["update", "-qq"]).status().unwrap();
        fetched = download();
    }
    let said = String::from_utf8_lossy(&fetched.stderr);
    assert!(fetched.status.success(), "apt-get download {package}: {said}");
    fs::create_dir_all(&folder).unwrap();
    for archive in fs::read_dir(partial.path()).unwrap() {
        let archive = archive.unwrap().path();
        let unpacking = Command::new("dpkg").arg("-x").arg(&archive).arg(&folder).status();
        assert!(unpacking.unwrap().success(), "dpkg -x {}", archive.display());
    }
    File::create(complete).unwrap();
    folder
}

/// `LD_LIBRARY_PATH` for a server in `folder`.
pub fn library_path(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder.join("usr/lib")) else { return String::new() };
    let folders = entries.map(|entry| entry.unwrap().path().display().to_string());
    folders.collect::<Vec<_>>().join(":")
}
