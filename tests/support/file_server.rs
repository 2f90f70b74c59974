//! A real server that machines write to and an agent reads, over the one protocol or the other: for tests
//! of what holds for both.

use std::{fs, ops::Deref};

use super::{
    agent::{Agent, FOLDERS},
    ftp::{Daemon, Options, Vsftpd},
    sftp::OpenSsh,
};

#[derive(Debug)]
pub enum FileServer {
    Ftp(Vsftpd),
    Sftp(OpenSsh),
}

impl FileServer {
    /// vsftpd, in the clear.
    pub fn ftp() -> Self {
        Self::Ftp(Vsftpd::start(Options::default()))
    }

    /// OpenSSH's server.
    pub fn sftp() -> Self {
        Self::Sftp(OpenSsh::start(&[]))
    }

    /// The golden cases' machine folders and nothing else. The root itself stays: a server may be locked in.
    pub fn empty(&self) {
        for entry in fs::read_dir(self.root()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        for (folder, ..) in FOLDERS {
            self.make_folder(folder);
        }
    }

    /// An agent on it with the three machines of the golden cases.
    pub fn agent(&self) -> Agent {
        match self {
            Self::Ftp(server) => Agent::on_ftp(server),
            Self::Sftp(server) => Agent::on_sftp(server),
        }
    }
}

impl Deref for FileServer {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        match self {
            Self::Ftp(server) => server,
            Self::Sftp(server) => server,
        }
    }
}
