//! Machine folders with LOG files: a directory of a test's own, for directory sources, or the root
//! that a server shows.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use chrono::NaiveDateTime;
use tempfile::TempDir;

use super::{agent::FOLDERS, ftp::Daemon, golden::Case};

/// Machine folders below one root.
pub struct Folder {
    root: PathBuf,
    /// Where the root is the test's own: removed with it.
    _own: Option<TempDir>,
}

impl Folder {
    pub fn empty() -> Self {
        let own = tempfile::Builder::new().prefix("cu-agent-logs-").tempdir().unwrap();
        Self { root: own.path().to_owned(), _own: Some(own) }
    }

    /// What a server shows. The tests write there as the machines do.
    pub fn served_by(server: &Daemon) -> Self {
        Self { root: server.root().to_owned(), _own: None }
    }

    /// With the machine folders of the golden cases, all empty.
    pub fn of_three_machines() -> Self {
        let folder = Self::empty();
        folder.make_three_machines();
        folder
    }

    pub fn make_three_machines(&self) {
        for (name, _, _) in FOLDERS {
            fs::create_dir_all(self.file(name)).unwrap();
        }
    }

    /// With the files of a golden case.
    pub fn of_case(case: &Case) -> Self {
        let folder = Self::of_three_machines();
        folder.put_case(case);
        folder
    }

    pub fn put_case(&self, case: &Case) {
        for file in &case.files {
            self.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
        }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes `folder/file`, anew where it exists.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Appends as a machine does.
    pub fn append(&self, name: &str, bytes: &[u8]) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Sets the time that the server shows for a file, such as `2025-06-03 22:00:00`.
    pub fn date(&self, name: &str, time: &str) {
        let at = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").unwrap();
        let seconds = u64::try_from(at.and_utc().timestamp()).unwrap();
        let file = OpenOptions::new().write(true).open(self.file(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    pub fn exists(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.file(from), self.file(to)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }
}
