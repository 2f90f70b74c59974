//! What the real servers have in common: a folder with the files they serve, a port, an account, and
//! a process that can be stopped and started again.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use cu_agent::config::{FtpConfig, FtpMode, FtpTls, NameEncoding, Secret};
use tempfile::TempDir;

use super::{account, certificates::Certificate, supervised::Supervised};
use crate::support::{net::free_port, wait};

/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    pub tls: FtpTls,
    pub certificate: Certificate,
    /// Data connections must resume the TLS session of the control connection.
    pub require_ssl_reuse: bool,
    /// Nothing newer than TLS 1.2.
    pub only_tls12: bool,
    /// Nothing newer than TLS 1.1.
    pub only_tls11: bool,
    /// Lines added to the configuration file, or arguments where a server has no such file.
    pub extra: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: FtpTls::None,
            certificate: Certificate::Good,
            require_ssl_reuse: false,
            only_tls12: false,
            only_tls11: false,
            extra: Vec::new(),
        }
    }
}

/// A real server; dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Daemon {
    folder: TempDir,
    root: PathBuf,
    port: u16,
    tls: FtpTls,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    running: Option<Supervised>,
}

impl Daemon {
    /// A folder and a port; nothing runs yet.
    pub fn prepare(options: &Options) -> Self {
        let folder = tempfile::Builder::new().prefix("cu-ftp-").tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let environment = Vec::new();
        let daemon = Self {
            root: folder.path().join("root"),
            folder,
            port: free_port(),
            tls: options.tls,
            command: Vec::new(),
            environment,
            running: None,
        };
        fs::create_dir(&daemon.root).unwrap();
        fs::create_dir(daemon.path("empty")).unwrap();
        daemon.own(&daemon.root);
        let newest = match options {
            Options { only_tls11: true, .. } => "MaxProtocol = TLSv1.1\nMinProtocol = TLSv1\n",
            Options { only_tls12: true, .. } => "MaxProtocol = TLSv1.2\n",
            _ => "",
        };
        // What today's OpenSSL refuses to be a server with, unless it is told that nothing matters.
        let is_weak = options.only_tls11 || options.certificate == Certificate::ShortKey;
        let level = if is_weak { "CipherString = DEFAULT:@SECLEVEL=0\n" } else { "" };
        if !newest.is_empty() || is_weak {
            let rules = "openssl_conf = o\n[o]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\n";
            fs::write(daemon.path("openssl.cnf"), format!("{rules}{newest}{level}")).unwrap();
        }
        daemon
    }

    /// Starts the server for the first time.
    pub fn run(mut self, command: Vec<String>, library_path: String) -> Self {
        self.command = command;
        if !library_path.is_empty() {
            self.environment.push(("LD_LIBRARY_PATH".into(), library_path));
        }
        let rules = self.path("openssl.cnf");
        if rules.exists() {
            self.environment.push(("OPENSSL_CONF".into(), rules.display().to_string()));
        }
        self.restart();
        self
    }

    /// A file of the server's own, beside what it serves.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the server serves as its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn user(&self) -> &str {
        account::USER
    }

    pub fn password(&self) -> &str {
        account::PASSWORD
    }

    /// Writes a file below the root as if the machine had, with its folders.
    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.root.join(path);
        let folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        for made in folder.ancestors().take_while(|made| *made != self.root) {
            self.own(made);
        }
        fs::write(&path, bytes).unwrap();
        self.own(&path);
    }

    pub fn make_folder(&self, name: impl AsRef<Path>) {
        let path = self.root().join(name);
        fs::create_dir_all(&path).unwrap();
        self.own(&path);
    }

    fn own(&self, path: &Path) {
        let (user, group) = account::user_and_group_id();
        chown(path, Some(user), Some(group)).unwrap();
    }

    /// Kills the server with all its sessions.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Sends a signal to the processes of all sessions, by the signal's name.
    pub fn signal_sessions(&self, name: &str) {
        let Some(running) = &self.running else { return };
        let sessions = running.sessions();
        assert!(!sessions.is_empty(), "{} has no session", self.command[0]);
        // One that has just ended by itself is as good as ended; another is there to be signalled.
        let signalled = sessions.iter().filter(|process| {
            let kill = Command::new("kill").arg(format!("-{name}")).arg(process).status();
            kill.unwrap().success()
        });
        assert!(signalled.count() > 0, "all sessions of {} ended by themselves", self.command[0]);
    }

    /// Starts the server on the same port and folder; kills it before where it runs.
    pub fn restart(&mut self) {
        self.running = None;
        let log = self.path("server.log");
        self.running = Some(Supervised::start(&self.command, &self.environment, &log));
        wait::until_or_else(
            START_LIMIT,
            || TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            || {
                let said = fs::read_to_string(&log).unwrap_or_default();
                format!("{} listens; it said: {said}", self.command[0])
            },
        );
    }

    /// How to reach this server as its user.
    pub fn config(&self) -> FtpConfig {
        FtpConfig { tls: self.tls, ..plain_config(self.port) }
    }
}

/// A configuration for a server on the loopback, in the clear, with short waits.
pub fn plain_config(port: u16) -> FtpConfig {
    FtpConfig {
        host: "127.0.0.1".into(),
        port,
        user: account::USER.into(),
        password: Secret::new(account::PASSWORD),
        tls: FtpTls::None,
        ca_file: None,
        fingerprint: None,
        encoding: NameEncoding::Utf8,
        mode: FtpMode::Passive,
        keep_connection: false,
        connections: 1,
        root: None,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(10),
    }
}
