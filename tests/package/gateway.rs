//! A gateway as an installer leaves it: a booted Debian with the package, its configuration filled
//! in, an FTP server with three machines and a central to go with it.

use std::{path::Path, time::Duration};

use serde_json::Value;

use crate::{
    packages,
    support::{
        agent::FOLDERS,
        debian::{Architecture, Machine, Suite},
        folder::Folder,
        ftp::{Options, Vsftpd},
        net::Proxy,
        plant::Plant,
        postgres::{Database, PASSWORD},
        process::Output,
        rows::{assert_same, central_sessions},
        wait,
    },
};

pub const CONFIG: &str = "/etc/cu-agent/config.toml";
const FTP_PASSWORD: &str = "/etc/cu-agent/ftp.password";
const CENTRAL_PASSWORD: &str = "/etc/cu-agent/central.password";

/// From a start of the service to what a test waits for.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Gateway {
    pub machine: Machine,
    pub plant: Plant,
    pub database: Database<'static>,
    /// Between the gateway and central.
    line: Proxy,
    server: Vsftpd,
}

impl Gateway {
    /// Booted, and nothing installed yet.
    pub fn bare(suite: Suite, seed: u64) -> Self {
        let database = Database::fresh();
        let line = Proxy::to(database.cluster.port);
        let server = Vsftpd::start(Options::default());
        let folder = Folder::served_by(&server);
        folder.make_three_machines();
        let plant = Plant::new(folder.path(), seed);
        Self { machine: booted(suite), plant, database, line, server }
    }

    /// With a version of the package, configured, at work.
    pub fn with(suite: Suite, seed: u64, version: &str) -> Self {
        let gateway = Self::bare(suite, seed);
        gateway.install(version).succeeded();
        gateway.fill_in();
        gateway.machine.run(&["systemctl", "restart", "cu-agent"]).succeeded();
        gateway
    }

    pub fn install(&self, version: &str) -> Output {
        install(&self.machine, &packages::of_this_build(version))
    }

    /// The installed configuration, its empty places filled in as `docs/install.md` tells.
    pub fn fill_in(&self) {
        let central = self.database.config();
        let mut section = String::new();
        let mut filled = String::new();
        for line in self.machine.read(CONFIG).lines() {
            if line.starts_with('[') {
                section = line.to_owned();
            }
            let with = match (section.as_str(), line) {
                ("[agent]", "id = \"\"") => "id = \"essai\"".to_owned(),
                ("[schedule]", "poll = \"5m\"") => "poll = \"1s\"".to_owned(),
                ("[[source]]", "host = \"\"") => "host = \"127.0.0.1\"".to_owned(),
                ("[[source]]", "port = 21") => format!("port = {}", self.server.port()),
                ("[[source]]", "user = \"\"") => format!("user = \"{}\"", self.server.user()),
                ("[central]", "host = \"\"") => "host = \"127.0.0.1\"".to_owned(),
                ("[central]", "port = 5432") => format!("port = {}", self.line.port),
                ("[central]", "database = \"production\"") => {
                    format!("database = \"{}\"", central.database)
                }
                ("[central]", "user = \"cu_agent\"") => format!("user = \"{}\"", central.user),
                ("[central]", "tls = \"verify-full\"") => "tls = \"disable\"".to_owned(),
                // Two machines with a page must not meet on one port of the loopback.
                ("[status]", _) if line.starts_with("listen = ") => "listen = \"\"".to_owned(),
                _ => {
                    let machine = FOLDERS
                        .iter()
                        .find(|(name, _, _)| line.starts_with(&format!("  # \"{name}\"")));
                    machine.map_or_else(|| line.to_owned(), |_| line.replacen("# ", "", 1))
                }
            };
            filled += &with;
            filled.push('\n');
        }
        self.machine.write(CONFIG, &filled);
        self.machine.write(FTP_PASSWORD, &format!("{}\n", self.server.password()));
        self.machine.write(CENTRAL_PASSWORD, &format!("{PASSWORD}\n"));
    }

    /// A command of the agent's, as `docs/install.md` has it run by hand.
    pub fn agent(&self, arguments: &[&str]) -> Output {
        let mut command = vec!["runuser", "-u", "cu-agent", "--", "cu-agent"];
        command.extend_from_slice(arguments);
        self.machine.run(&command)
    }

    pub fn status(&self) -> Value {
        let output = self.agent(&["status", "--json"]);
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{output}"))
    }

    /// The machines write for a day and go home.
    pub fn day(&mut self) {
        for _ in 0..30 {
            self.plant.write();
        }
        self.plant.next_day();
    }

    /// Waits until the buffer holds every session of the plant and so many of them wait.
    #[track_caller]
    pub fn wait_for_backlog(&self, waiting: usize) {
        let sessions = self.plant.truth().len();
        wait::until(&format!("{sessions} sessions, {waiting} waiting"), PATIENCE, || {
            let status = self.status();
            status["sessions"] == sessions && status["pending_sessions"] == waiting
        });
    }

    /// Waits until central holds every row that the machines wrote.
    #[track_caller]
    pub fn wait_until_equal(&mut self) {
        self.plant.finish();
        let truth = self.plant.truth();
        let pieces: usize = truth.iter().map(|session| session.pieces.len()).sum();
        assert!(pieces > 0, "the machines wrote nothing");
        wait::until("central has all pieces", PATIENCE, || {
            self.database.try_psql("SELECT count(*) FROM piece_production")
                == Ok(pieces.to_string())
                && self.status()["pending_sessions"] == 0
        });
        assert_same("in central", &central_sessions(&self.database), &truth);
    }

    /// The line to central breaks, and stays broken or comes back.
    pub fn central_answers(&self, yes: bool) {
        self.line.refuse(!yes);
        self.line.cut();
    }

    pub fn process(&self) -> String {
        self.machine.property("cu-agent", "MainPID")
    }

    /// The service runs, under a process that it had not `before`.
    #[track_caller]
    pub fn wait_for_another_process(&self, before: &str) {
        wait::until("the service was started anew", PATIENCE, || {
            let now = self.process();
            now != before && now != "0" && self.is_active()
        });
    }

    pub fn is_active(&self) -> bool {
        self.machine.property("cu-agent", "ActiveState") == "active"
    }
}

pub fn booted(suite: Suite) -> Machine {
    let mut machine = Machine::new(suite, Architecture::Amd64);
    machine.boot();
    machine
}

/// `dpkg --install`.
pub fn install(machine: &Machine, package: &Path) -> Output {
    let inside = format!("/root/{}", package.file_name().unwrap().to_str().unwrap());
    machine.take(package, &inside);
    machine.run(&["dpkg", "--install", &inside])
}

/// What dpkg says of the package, such as `ok installed`; empty where it knows nothing.
pub fn state_of_package(machine: &Machine) -> String {
    let answer =
        machine.run(&["dpkg-query", "--show", "--showformat=${Status} ${Version}", "cu-agent"]);
    answer.stdout.trim().to_owned()
}
