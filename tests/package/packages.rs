//! Packages of this build under any version, made by `packaging/deb.sh`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

/// The version of this source.
pub const THIS: &str = env!("CARGO_PKG_VERSION");
/// What a gateway had before.
pub const PREVIOUS: &str = "0.0.9";

/// A package of the program that these tests are built with, for this machine's processor.
pub fn of_this_build(version: &str) -> PathBuf {
    wrapped(Path::new(env!("CARGO_BIN_EXE_cu-agent")), "amd64", version)
}

/// A package of `binary`; each is made once for the process.
pub fn wrapped(binary: &Path, architecture: &str, version: &str) -> PathBuf {
    static MADE: Mutex<BTreeMap<(String, String), PathBuf>> = Mutex::new(BTreeMap::new());
    // A panic of another test leaves the list as good as it was.
    let mut made = MADE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let key = (architecture.to_owned(), version.to_owned());
    made.entry(key).or_insert_with(|| make(binary, architecture, version)).clone()
}

fn make(binary: &Path, architecture: &str, version: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/deb.sh");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    let output = Command::new(script)
        .arg(binary)
        .args([architecture, version])
        .arg(folder)
        .env("DEB_FAST", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}
