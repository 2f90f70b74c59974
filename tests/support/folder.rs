//! A directory laid out like the FTP server, for directory sources: machine folders with LOG files.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::golden::Case;

/// Machine folders in a temporary directory.
pub struct Folder(TempDir);

impl Folder {
    pub fn empty() -> Self {
        Self(tempfile::Builder::new().prefix("cu-agent-logs-").tempdir().unwrap())
    }

    /// With the machine folders of the golden cases, all empty.
    pub fn of_three_machines() -> Self {
        let folder = Self::empty();
        for (name, _, _) in super::agent::FOLDERS {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        folder
    }

    /// With the files of a golden case.
    pub fn of_case(case: &Case) -> Self {
        let folder = Self::of_three_machines();
        for file in &case.files {
            folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
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

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.file(from), self.file(to)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }
}
