//! Machine folders with LOG files: a directory of a test's own, for directory sources, or the root
//! that an FTP server shows.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{agent::FOLDERS, ftp::Vsftpd, golden::Case};

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

    /// What an FTP server shows. The tests write there as the machines do.
    pub fn served_by(server: &Vsftpd) -> Self {
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

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.file(from), self.file(to)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }
}
