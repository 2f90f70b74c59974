//! What the SFTP servers have in common.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write,
    ops::{Deref, DerefMut},
    os::unix::fs::chown,
    path::Path,
    time::Duration,
};

use cu_agent::config::{NameEncoding, Secret, SftpConfig};

use super::keys::KeyPair;
use crate::support::{ftp::Daemon, wait};

/// A real server; dropped, it is killed and its folder removed. What it serves belongs to root, as
/// OpenSSH wants it, and every folder in there to the user.
#[derive(Debug)]
pub struct SftpServer {
    daemon: Daemon,
    host_keys: Vec<KeyPair>,
}

impl SftpServer {
    pub(super) fn new(daemon: Daemon, host_keys: Vec<KeyPair>) -> Self {
        chown(daemon.root(), Some(0), Some(0)).unwrap();
        Self { daemon, host_keys }
    }

    pub(super) fn run(self, command: Vec<String>, library_path: String) -> Self {
        Self { daemon: self.daemon.run(command, library_path), ..self }
    }

    /// The keys that it may show, of each kind one.
    pub fn host_keys(&self) -> &[KeyPair] {
        &self.host_keys
    }

    pub(super) fn set_host_keys(&mut self, host_keys: Vec<KeyPair>) {
        self.host_keys = host_keys;
    }

    /// Appends to a file as the machine does.
    pub fn append(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.root().join(path);
        OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// Whether a file is there.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.root().join(path).symlink_metadata().is_ok()
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("server.log")).unwrap_or_default()).into_owned()
    }

    /// Lines of the log so far that hold `text`.
    pub fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until the log has `count` lines with `text`: a server logs when it gets to it.
    #[track_caller]
    pub fn wait_for_logged(&self, text: &str, count: usize) {
        let what = format!("the server logged {text:?} {count} times");
        wait::until(&what, wait::PATIENCE, || self.logged(text) >= count);
    }

    /// Stops the processes of the sessions, as a server hangs; the listening one goes on.
    pub fn freeze(&self) {
        self.daemon.signal_sessions("STOP");
    }

    /// Ends all sessions, as a server does that has enough of them; it goes on listening.
    pub fn cut(&self) {
        self.daemon.signal_sessions("KILL");
    }

    /// How to reach this server as its user, with its password and all its host keys.
    pub fn config(&self) -> SftpConfig {
        SftpConfig {
            host: "127.0.0.1".into(),
            port: self.port(),
            user: self.user().into(),
            password: Some(Secret::new(self.password())),
            key: None,
            host_keys: self.host_keys.iter().map(KeyPair::pin).collect(),
            known_hosts: None,
            legacy_algorithms: false,
            encoding: NameEncoding::Utf8,
            root: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
        }
    }

    /// The golden cases' machine folders, empty.
    pub fn make_three_machines(&self) {
        for (folder, ..) in crate::support::agent::FOLDERS {
            self.make_folder(OsStr::new(folder));
        }
    }
}

impl Deref for SftpServer {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl DerefMut for SftpServer {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}
