//! A gateway that is only asked: what it would do with what a publisher offers, and what it remembers.

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    publisher::{Publisher, architecture},
    support::{agent::Agent, folder::Folder, process::Output},
};

/// A gateway as far as it takes to refuse: an agent, and a package database that knows of version
/// 0.2.0. The machine's own package manager is not asked.
pub struct Gateway {
    pub agent: Agent,
    pub logs: Folder,
}

impl Gateway {
    pub fn of(publisher: &Publisher) -> Self {
        let logs = Folder::of_three_machines();
        let mut agent = Agent::on_directory(logs.path());
        let dpkg = agent.dir().join("dpkg");
        fs::create_dir_all(dpkg.join("info")).unwrap();
        fs::create_dir_all(dpkg.join("updates")).unwrap();
        let status = format!(
            "Package: cu-agent\nStatus: install ok installed\nVersion: 0.2.0\nArchitecture: {}\n\
             Maintainer: a test <test@example.org>\nDescription: a test\n",
            architecture()
        );
        fs::write(dpkg.join("status"), status).unwrap();
        fs::write(dpkg.join("available"), "").unwrap();
        agent.set_environment("DPKG_ADMINDIR", dpkg.to_str().unwrap());
        agent.set("update.manifest_url", publisher.url());
        agent.set("update.public_key", publisher.public_key());
        agent.set("update.ca_file", publisher.ca_file.to_str().unwrap());
        agent.set("update.window", "any");
        let directory = agent.dir().join("updates");
        agent.set("update.directory", directory.to_str().unwrap());
        Self { agent, logs }
    }

    pub fn directory(&self) -> PathBuf {
        self.agent.dir().join("updates")
    }

    pub fn cached(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.directory().join("cache")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub fn status(&self) -> Value {
        let output = self.agent.command(&["update", "status", "--json"]).succeeded();
        serde_json::from_str(&output.stdout).unwrap()
    }

    pub fn check(&self) -> Output {
        self.agent.command(&["update", "check"])
    }

    /// `check` and `apply` say the same, in one line, and nothing was installed.
    #[track_caller]
    pub fn refuses(&self, exit: i32, words: &[&str]) {
        for command in [&["update", "check"][..], &["update", "apply"]] {
            let output = self.agent.command(command).exited(exit);
            for word in words {
                assert!(
                    output.stdout.contains(word),
                    "{command:?} does not say {word:?}\n{output}"
                );
            }
            assert_eq!(output.stdout.lines().count(), 1, "one line\n{output}");
        }
        self.is_as_it_was();
    }

    #[track_caller]
    pub fn is_as_it_was(&self) {
        let dpkg = fs::read_to_string(self.agent.dir().join("dpkg/status")).unwrap();
        assert!(dpkg.contains("Status: install ok installed\nVersion: 0.2.0\n"), "{dpkg}");
        assert_eq!(self.status()["pending"], Value::Null);
    }
}

/// 0.2.0 is installed and to go back to, 0.3.0 is offered.
pub fn offered() -> (Publisher, Gateway) {
    let publisher = Publisher::new();
    publisher.pack("0.2.0", 1000);
    publisher.pack("0.3.0", 50_000);
    publisher.publish("0.3.0", &[]);
    let gateway = Gateway::of(&publisher);
    (publisher, gateway)
}

/// A window that does not hold the present time, by the clock that the agent reads.
pub fn shut_window() -> String {
    let output = Command::new("date").args(["-d", "+3 hours", "+%H:00"]).output().unwrap();
    let from = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let output = Command::new("date").args(["-d", "+5 hours", "+%H:00"]).output().unwrap();
    format!("{from}-{}", String::from_utf8(output.stdout).unwrap().trim())
}
