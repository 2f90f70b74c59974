//! ProFTPD with its module for SFTP, unpacked.

use std::{
    fs,
    ops::{Deref, DerefMut},
};

use super::{
    keys::{KeyPair, ssh_keygen},
    server::SftpServer,
};
use crate::support::ftp::{Daemon, Options, ProFtpd};

#[derive(Debug)]
pub struct ProFtpdSftp(SftpServer);

impl ProFtpdSftp {
    /// Accepts the password, and `keys`.
    pub fn start(keys: &[&KeyPair]) -> Self {
        let host_keys = KeyPair::of_host("host");
        let daemon = Daemon::prepare(&Options::default());
        let path = |name: &str| daemon.path(name).display().to_string();
        let mut lines = vec![
            "LoadModule mod_sftp.c".to_owned(),
            "SFTPEngine on".to_owned(),
            "SFTPAuthMethods publickey password".to_owned(),
            format!("SFTPLog {}", path("server.log")),
            format!("SFTPAuthorizedUserKeys file:{}", path("authorized_keys")),
        ];
        lines.extend(host_keys.iter().map(|key| format!("SFTPHostKey {}", key.private.display())));
        // Its own format of such a file is RFC 4716's.
        let authorised: Vec<String> = keys
            .iter()
            .map(|key| ssh_keygen(&["-e", "-f", &format!("{}.pub", key.private.display())]))
            .collect();
        fs::write(daemon.path("authorized_keys"), authorised.concat()).unwrap();
        let (command, libraries) = ProFtpd::set_up(&daemon, Some(ProFtpd::crypto_modules()), lines);
        Self(SftpServer::new(daemon, host_keys).run(command, libraries))
    }
}

impl Deref for ProFtpdSftp {
    type Target = SftpServer;

    fn deref(&self) -> &SftpServer {
        &self.0
    }
}

impl DerefMut for ProFtpdSftp {
    fn deref_mut(&mut self) -> &mut SftpServer {
        &mut self.0
    }
}
