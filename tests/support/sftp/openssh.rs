//! OpenSSH's server, unpacked or installed, set up as `atmoz/sftp` does: nothing but SFTP, locked in a home
//! that belongs to root.

use std::{
    env, fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
};

use super::{
    accounts::{HOME, with_accounts},
    keys::KeyPair,
    server::SftpServer,
};
use crate::support::ftp::{Daemon, Options, packages};

/// Logged of every connection; the first of each start finds out whether the server listens.
const CONNECTION: &str = "Connection from 127.0.0.1";

#[derive(Debug)]
pub struct OpenSsh(SftpServer);

impl OpenSsh {
    /// Accepts the password, and the keys that [`OpenSsh::authorise`] lists. `options` are lines of
    /// `sshd_config`; they win over the usual ones.
    pub fn start(options: &[&str]) -> Self {
        let daemon = Daemon::prepare(&Options::default());
        let server = SftpServer::new(daemon, KeyPair::of_host("host"));
        let mut server = Self(server);
        server.authorise(&[]);
        server.write_options(options);
        let file = server.path("sshd_config").display().to_string();
        let root = other_debian();
        let program = if root.is_some() { INSTALLED.to_owned() } else { program() };
        let command = vec![program, "-D".into(), "-e".into(), "-f".into(), file];
        let command = with_accounts(&server, root.as_deref(), &[], command);
        server.0 = server.0.run(command, String::new());
        server.wait_for_logged(CONNECTION, 1);
        server
    }

    /// Other options from the next start on.
    pub fn write_options(&self, options: &[&str]) {
        let mut lines: Vec<String> = options.iter().map(|&line| line.to_owned()).collect();
        lines.extend(
            [
                "ListenAddress 127.0.0.1",
                "PidFile none",
                "UsePAM no",
                "UseDNS no",
                "StrictModes no",
                "PasswordAuthentication yes",
                "KbdInteractiveAuthentication no",
                "ForceCommand internal-sftp",
                "Subsystem sftp internal-sftp",
                "LogLevel DEBUG1",
            ]
            .map(str::to_owned),
        );
        lines.push(format!("Port {}", self.port()));
        lines.push(format!("ChrootDirectory {HOME}"));
        lines.push(format!("AuthorizedKeysFile {}", self.path("authorized_keys").display()));
        let keys = self.host_keys().iter();
        lines.extend(keys.map(|key| format!("HostKey {}", key.private.display())));
        fs::write(self.path("sshd_config"), lines.join("\n") + "\n").unwrap();
    }

    /// Restarts with other options.
    pub fn restart_with(&mut self, options: &[&str]) {
        self.write_options(options);
        let before = self.connections();
        self.restart();
        self.wait_for_logged(CONNECTION, before + 1);
    }

    /// Restarts with other host keys, as a server that was set up again.
    pub fn restart_with_keys(&mut self, keys: Vec<KeyPair>, options: &[&str]) {
        self.0.set_host_keys(keys);
        self.restart_with(options);
    }

    /// The user may log in with these keys, and with no others.
    pub fn authorise(&self, keys: &[&KeyPair]) {
        let lines: Vec<String> = keys.iter().map(|key| format!("{} test\n", key.public)).collect();
        fs::write(self.path("authorized_keys"), lines.concat()).unwrap();
    }

    /// Connections that came so far, those included that find out whether it listens.
    pub fn connections(&self) -> usize {
        self.logged(CONNECTION)
    }

    /// Connections that got as far as a log-in.
    pub fn log_ins(&self) -> usize {
        self.logged("Accepted ")
    }

    /// Requests that named a user, any user.
    pub fn named_users(&self) -> usize {
        self.logged("userauth-request for user")
    }
}

const INSTALLED: &str = "/usr/sbin/sshd";

/// The folder of another Debian whose OpenSSH is tried in place of this machine's; tests/openssh.sh sets it.
fn other_debian() -> Option<PathBuf> {
    env::var_os("CU_TEST_OPENSSH_ROOT").map(PathBuf::from)
}

fn program() -> String {
    if Path::new(INSTALLED).exists() {
        return INSTALLED.to_owned();
    }
    packages::unpacked("openssh-server", &[]).join("usr/sbin/sshd").display().to_string()
}

impl Deref for OpenSsh {
    type Target = SftpServer;

    fn deref(&self) -> &SftpServer {
        &self.0
    }
}

impl DerefMut for OpenSsh {
    fn deref_mut(&mut self) -> &mut SftpServer {
        &mut self.0
    }
}
