//! Pure-FTPd, unpacked: its package conflicts with vsftpd's. It knows explicit TLS only.

use std::{
    fs,
    ops::{Deref, DerefMut},
    process::Command,
};

use cu_agent::config::FtpTls;

use super::{
    account,
    daemon::{Daemon, Options},
    packages,
};

#[derive(Debug)]
pub struct PureFtpd(Daemon);

impl PureFtpd {
    pub fn start(options: Options) -> Self {
        let daemon = Daemon::prepare(&options);
        let (user, group) = account::user_and_group_id();
        let (name, password) = (account::USER, account::crypted_password());
        let root = daemon.root().display().to_string();
        let (accounts, database) = (daemon.path("passwd"), daemon.path("pdb"));
        // Written by hand: pure-pw's own hashes take seconds to check, by design.
        fs::write(&accounts, format!("{name}:{password}:{user}:{group}::{root}/./::::::::::::\n"))
            .unwrap();
        let common = packages::unpacked("pure-ftpd-common", &[]);
        let folder = packages::unpacked("pure-ftpd", &[]);
        // Debian moved pure-pw between the two packages.
        let pure_pw = [&folder, &common].map(|folder| folder.join("usr/bin/pure-pw"));
        let pure_pw = pure_pw.iter().find(|path| path.exists()).unwrap();
        let made = Command::new(pure_pw)
            .arg("mkdb")
            .arg(&database)
            .arg("-f")
            .arg(&accounts)
            .env("LD_LIBRARY_PATH", packages::library_path(&folder))
            .status();
        assert!(made.unwrap().success(), "pure-pw mkdb");
        let mut command = vec![folder.join("usr/sbin/pure-ftpd").display().to_string()];
        let mut add = |words: &[&str]| command.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["-E", "-H", "-A", "-4", "-u", "1"]);
        add(&["-l", &format!("puredb:{}", database.display())]);
        add(&["-S", &format!("127.0.0.1,{}", daemon.port())]);
        add(&["-g", &daemon.path("pid").display().to_string()]);
        if options.tls != FtpTls::None {
            assert_eq!(options.tls, FtpTls::Explicit, "Pure-FTPd knows explicit TLS only");
            add(&[
                "-Y",
                "3",
                "-2",
                &options.certificate.files().key_and_chain.display().to_string(),
            ]);
        }
        command.extend(options.extra);
        Self(daemon.run(command, packages::library_path(&folder)))
    }
}

impl Deref for PureFtpd {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for PureFtpd {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}
