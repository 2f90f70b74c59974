//! Dropbear, as many routers have it, with OpenSSH's program for SFTP. Nothing is locked in.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    accounts::{HOME, PROGRAMS, with_accounts},
    keys::{KeyPair, ssh_keygen},
    server::SftpServer,
};
use crate::support::ftp::{Daemon, Options, packages};

#[derive(Debug)]
pub struct Dropbear(SftpServer);

impl Dropbear {
    /// Accepts the password.
    pub fn start() -> Self {
        let daemon = Daemon::prepare(&Options::default());
        let folder = packages::unpacked("dropbear-bin", &["libtomcrypt1", "libtommath1"]);
        let libraries = packages::library_path(&folder);
        let key = host_key(&folder, &libraries, &daemon);
        let sftp = format!("cd {HOME} && exec {PROGRAMS}/sftp-server");
        let words = [
            &folder.join("usr/sbin/dropbear").display().to_string(),
            // In the foreground, with its log on stderr, without a pid file.
            "-F",
            "-E",
            "-P",
            "",
            "-r",
            &key.private.display().to_string(),
            "-p",
            &format!("127.0.0.1:{}", daemon.port()),
            "-c",
            &sftp,
        ];
        let command =
            with_accounts(&daemon, None, &[&sftp_program()], words.map(str::to_owned).into());
        let server = SftpServer::new(daemon, vec![key]);
        Self(server.run(command, libraries))
    }
}

/// A host key in dropbear's own format.
fn host_key(folder: &Path, libraries: &str, daemon: &Daemon) -> KeyPair {
    let private = daemon.path("host_key");
    let public = daemon.path("host_key.pub");
    let output = Command::new(folder.join("usr/bin/dropbearkey"))
        .env("LD_LIBRARY_PATH", libraries)
        .args(["-t", "ed25519", "-f"])
        .arg(&private)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said.lines().find(|line| line.starts_with("ssh-ed25519")).unwrap();
    std::fs::write(&public, line).unwrap();
    let shown = ssh_keygen(&["-l", "-E", "sha256", "-f", public.to_str().unwrap()]);
    let words: Vec<&str> = line.split(' ').take(2).collect();
    let fingerprint = shown.split_whitespace().nth(1).unwrap().to_owned();
    KeyPair { private, public: words.join(" "), fingerprint }
}

fn sftp_program() -> PathBuf {
    const INSTALLED: &str = "/usr/lib/openssh/sftp-server";
    if Path::new(INSTALLED).exists() {
        return INSTALLED.into();
    }
    packages::unpacked("openssh-sftp-server", &[]).join("usr/lib/openssh/sftp-server")
}

impl Deref for Dropbear {
    type Target = SftpServer;

    fn deref(&self) -> &SftpServer {
        &self.0
    }
}

impl DerefMut for Dropbear {
    fn deref_mut(&mut self) -> &mut SftpServer {
        &mut self.0
    }
}
