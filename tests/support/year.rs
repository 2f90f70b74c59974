//! A year of some machines, as files and as the buffer that an agent makes of them: what start,
//! status, page and polls are measured with.
//!
//! The agent reads the files as it reads any; nothing is put into the buffer by hand but, where it is
//! asked for, that central has confirmed it all.

use std::{fs, path::Path};

use chrono::NaiveDate;

use super::{
    agent::Agent,
    ftp::Vsftpd,
    generate::{CENTRES, Centre, Dirt, file_name, log_of_day, working_days},
};

/// Machines and working days; the files of machine 0, 1, 2 are those of the three machines of the spec.
#[derive(Clone, Copy, Debug)]
pub struct Year {
    pub machines: usize,
    pub days: usize,
    pub from: NaiveDate,
}

impl Year {
    /// From the second of January of 2025 on.
    pub fn of(machines: usize, days: usize) -> Self {
        Self { machines, days, from: NaiveDate::from_ymd_opt(2025, 1, 2).unwrap() }
    }

    pub fn days(&self) -> Vec<NaiveDate> {
        working_days(self.from, self.days)
    }

    pub fn sessions(&self) -> usize {
        self.machines * self.days
    }

    /// Folder and `nom` of each machine.
    pub fn names(&self) -> Vec<(String, String)> {
        let name = |machine: usize| match CENTRES.get(machine) {
            Some(centre) => (centre.folder.to_owned(), centre.nom.to_owned()),
            None => (format!("CU{:02}", machine + 1), format!("CU{:02}", machine + 1)),
        };
        (0..self.machines).map(name).collect()
    }

    /// Every file of every machine, in folders under `root`; how many bytes that is.
    pub fn write(&self, root: &Path) -> u64 {
        let mut bytes = 0;
        for (machine, (folder, _)) in self.names().iter().enumerate() {
            fs::create_dir_all(root.join(folder)).unwrap();
            for day in self.days() {
                let log = self.log(machine, day);
                bytes += log.len() as u64;
                fs::write(root.join(folder).join(file_name(day)), log).unwrap();
            }
        }
        bytes
    }

    /// What one machine writes on one day.
    pub fn log(&self, machine: usize, day: NaiveDate) -> Vec<u8> {
        let centre: &Centre = &CENTRES[machine % CENTRES.len()];
        log_of_day(centre, day, 1 + (machine / CENTRES.len()) as u64, Dirt::None)
    }

    /// An agent on `root` with these machines; it has read nothing yet.
    pub fn agent(&self, root: &Path) -> Agent {
        self.mapped(Agent::on_directory(root))
    }

    /// The same on an FTP server.
    pub fn agent_on_ftp(&self, server: &Vsftpd) -> Agent {
        self.mapped(Agent::on_ftp(server))
    }

    fn mapped(&self, mut agent: Agent) -> Agent {
        let names = self.names();
        let mapping: Vec<(&str, &str)> =
            names.iter().map(|(folder, nom)| (folder.as_str(), nom.as_str())).collect();
        agent.map_folders(0, &mapping);
        agent
    }
}

/// Every session of the agent's buffer counts as delivered, as after a year with central at hand. No
/// process may be at work on it.
pub fn confirm_all(agent: &Agent) {
    let buffer = rusqlite::Connection::open(agent.buffer()).unwrap();
    buffer.execute("UPDATE session SET synced_revision = revision", []).unwrap();
}

/// The buffer of `from` becomes that of `to`, which has none yet. No process may be at work on it.
pub fn copy_buffer(from: &Agent, to: &Agent) {
    fs::create_dir_all(to.state_dir()).unwrap();
    // A process that was killed left a write-ahead log.
    rusqlite::Connection::open(from.buffer())
        .and_then(|buffer| buffer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
        .unwrap();
    fs::copy(from.buffer(), to.buffer()).unwrap();
}
