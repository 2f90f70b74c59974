//! A gateway that updates itself: a real Debian with systemd and the package, two days of three machines
//! in its buffer, and a publisher whose packages are this build under other versions, each sound or
//! broken in a way of its own.

use std::{fs, path::PathBuf, process::Command, rc::Rc, sync::LazyLock, time::Duration};

use serde_json::Value;

use crate::{
    publisher::{Publisher, run},
    support::{
        debian::{Architecture, Machine, Suite},
        golden,
        postgres::Database,
        process::Output,
        wait,
    },
};

pub const UNIT: &str = "cu-agent-update.service";
const CONFIG: &str = "/etc/cu-agent/config.toml";
const DROP_IN: &str = "/etc/systemd/system/cu-agent-update.service.d/test.conf";
/// The mark that src/failpoints/trial.rs leaves in a build for tests.
const MARK: &[u8; 32] = b"cu-agent trial: nothing         ";
/// An update: fetched, installed, proven or put back.
const UPDATE: Duration = Duration::from_secs(180);

/// What is odd about a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Build {
    Sound,
    Crashes,
    /// Cannot migrate the buffer.
    Fails,
    /// Migrates the buffer.
    NewSchema,
    /// Migrates the buffer, and then crashes.
    NewSchemaCrashes,
}

impl Build {
    fn word(self) -> &'static str {
        match self {
            Self::Sound => "nothing",
            Self::Crashes => "crashes",
            Self::Fails => "fails",
            Self::NewSchema => "ok",
            Self::NewSchemaCrashes => "ok then crashes",
        }
    }
}

pub struct Gateway {
    pub machine: Machine,
    pub publisher: Rc<Publisher>,
    /// What the buffer holds, as the first version told it.
    sessions: Value,
}

impl Gateway {
    /// At work with version 0.1.0.
    pub fn new() -> Self {
        Self::of(&Rc::new(Publisher::new()), "essai", None)
    }

    /// One of several that ask one publisher.
    pub fn of(publisher: &Rc<Publisher>, id: &str, central: Option<&Database<'_>>) -> Self {
        let publisher = Rc::clone(publisher);
        let first = pack(&publisher, Build::Sound, "0.1.0");
        let mut machine = Machine::new(Suite::Bookworm, Architecture::Amd64);
        for file in golden::case("clean").files {
            let path = machine.path(&format!("/srv/logs/{}/{}", file.folder, file.name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.bytes).unwrap();
        }
        machine.write("/etc/hosts", "127.0.0.1 localhost\n");
        machine.take(&publisher.ca_file, "/etc/update-ca.pem");
        machine.boot();
        // Tests say when.
        machine.run(&["systemctl", "mask", "cu-agent-update.timer"]).succeeded();
        machine.take(&first, "/root/first.deb");
        machine.run(&["dpkg", "--install", "/root/first.deb"]).succeeded();
        let shipped = machine.read(&format!("/usr/lib/systemd/system/{UNIT}"));
        assert!(shipped.contains("update apply'"));
        // The LOG files have just been written: to the agent their machines produce.
        let at_once = shipped.replace("update apply'", "update apply --now'");
        machine.write(&format!("/etc/systemd/system/{UNIT}"), &at_once);
        let mut text = config(&publisher, id);
        if let Some(database) = central {
            let config = database.config();
            machine.write("/etc/cu-agent/central.password", config.password.expose());
            machine.run(&["chown", "cu-agent:", "/etc/cu-agent/central.password"]).succeeded();
            machine.run(&["chmod", "600", "/etc/cu-agent/central.password"]).succeeded();
            text += &format!(
                "[central]\nhost = \"127.0.0.1\"\nport = {}\ndatabase = {:?}\nuser = {:?}\n\
                 password_file = \"/etc/cu-agent/central.password\"\ntls = \"disable\"\n",
                config.port, config.database, config.user
            );
        }
        machine.write(CONFIG, &text);
        machine.run(&["systemctl", "daemon-reload"]).succeeded();
        machine.run(&["systemctl", "restart", "cu-agent"]).succeeded();
        let mut gateway = Self { machine, publisher, sessions: Value::Null };
        let case = golden::case("clean").files.len();
        wait::until("the first version has collected", wait::PATIENCE, || {
            gateway.sessions().as_array().is_some_and(|sessions| sessions.len() == case)
        });
        gateway.sessions = gateway.sessions();
        gateway
    }

    /// Offers a version.
    pub fn offer(&self, build: Build, version: &str) {
        self.offer_to(build, version, &[]);
    }

    /// The same, with options of the manifest's.
    pub fn offer_to(&self, build: Build, version: &str, options: &[&str]) {
        pack(&self.publisher, build, version);
        self.publisher.publish(version, options);
    }

    /// Starts the unit and waits for its end, as the timer does.
    pub fn update(&self) -> Output {
        self.machine.run_within(UPDATE, &["systemctl", "start", UNIT])
    }

    /// Ends the updater at a named step of its next runs.
    pub fn crash_at(&self, point: &str) {
        self.machine.write(DROP_IN, &format!("[Service]\nEnvironment=CU_AGENT_CRASH_AT={point}\n"));
        self.machine.run(&["systemctl", "daemon-reload"]).succeeded();
    }

    pub fn crash_no_more(&self) {
        fs::remove_file(self.machine.path(DROP_IN)).unwrap();
        self.machine.run(&["systemctl", "daemon-reload"]).succeeded();
    }

    /// How the unit's last run ended.
    pub fn ended_by(&self) -> String {
        self.machine.property(UNIT, "Result")
    }

    pub fn agent(&self, arguments: &[&str]) -> Output {
        let command = ["setpriv", "--reuid=cu-agent", "--regid=cu-agent", "--clear-groups"];
        self.machine.run(&[&command[..], &["cu-agent"], arguments].concat())
    }

    /// What is in the buffer, whether central has it or not.
    pub fn sessions(&self) -> Value {
        let output = self.agent(&["sessions", "--json"]);
        let mut sessions: Value = serde_json::from_str(&output.stdout).unwrap_or(Value::Null);
        for session in sessions.as_array_mut().into_iter().flatten() {
            session.as_object_mut().unwrap().remove("synced_revision");
        }
        sessions
    }

    pub fn status(&self) -> Value {
        let output = self.agent(&["status", "--json"]).succeeded();
        serde_json::from_str(&output.stdout).unwrap()
    }

    pub fn result(&self) -> Value {
        let text = self.machine.read("/var/lib/cu-agent-update/result.json");
        serde_json::from_str(&text).unwrap()
    }

    /// Version and state of the package.
    pub fn installed(&self) -> String {
        let format = "--showformat=${db:Status-Status} ${Version}";
        self.machine.run(&["dpkg-query", "--show", format, "cu-agent"]).stdout.trim().to_owned()
    }

    pub fn buffer_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.machine.path("/var/lib/cu-agent")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub fn updater_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.machine.path("/var/lib/cu-agent-update/cache")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// `version` is installed and at work, with everything that was in the buffer.
    #[track_caller]
    pub fn works_with(&self, version: &str) {
        assert_eq!(self.installed(), format!("installed {version}"), "{}", self.story());
        wait::until("the service is up and has collected", wait::PATIENCE, || {
            let process = self.machine.property("cu-agent", "MainPID");
            let service = self.agent(&["status", "--json"]);
            let status: Value = serde_json::from_str(&service.stdout).unwrap_or(Value::Null);
            self.machine.property("cu-agent", "ActiveState") == "active"
                && status["service"]["process"].to_string() == process
                && status["service"]["collected"].is_object()
        });
        assert_eq!(self.sessions(), self.sessions, "what was in the buffer is in it");
        let kept = self.machine.path("/var/lib/cu-agent-update/updater");
        assert!(!kept.exists(), "nothing is under way any more\n{}", self.story());
    }

    /// What the units said.
    pub fn story(&self) -> String {
        let journal = "--no-pager --output=short-monotonic -u cu-agent -u cu-agent-update -n 60";
        self.machine.sh(&format!("journalctl {journal}")).stdout
    }
}

/// This build without its symbols, and where its mark is.
static PROGRAM: LazyLock<(Vec<u8>, usize)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cu-agent");
    run(Command::new("strip").arg("-o").arg(&file).arg(env!("CARGO_BIN_EXE_cu-agent")));
    let program = fs::read(file).unwrap();
    let at: Vec<usize> = memchr::memmem::find_iter(&program, MARK).collect();
    assert_eq!(at.len(), 1, "the mark of a build with crash-points");
    (program, at[0])
});

/// This build under another version, in the publisher's folder.
fn pack(publisher: &Publisher, build: Build, version: &str) -> PathBuf {
    let (program, at) = &*PROGRAM;
    let mut program = program.clone();
    let word = format!("{:<16}", build.word());
    program[at + 16..at + 32].copy_from_slice(word.as_bytes());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cu-agent");
    fs::write(&file, program).unwrap();
    run(Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/deb.sh"))
        .env("DEB_FAST", "1")
        .arg(&file)
        .args(["amd64", version])
        .arg(publisher.folder()));
    publisher.file(&format!("cu-agent_{version}_amd64.deb"))
}

fn config(publisher: &Publisher, id: &str) -> String {
    format!(
        r#"
[agent]
id = "{id}"
[schedule]
poll = "1s"
[[source]]
name = "cu"
kind = "directory"
path = "/srv/logs"
  [source.folders]
  "DEM12 (PVC)"    = {{ nom = "DEM12 {id}",  type_cu = "DEM12" }}
  "DEMALU (ALU)"   = {{ nom = "DEMALU {id}", type_cu = "DEMALU" }}
  "SU12 (HYBRIDE)" = {{ nom = "SU12 {id}",   type_cu = "SU12" }}
[status]
listen = ""
[update]
manifest_url = "{}"
public_key = "{}"
ca_file = "/etc/update-ca.pem"
window = "any"
prove_timeout = "12s"
"#,
        publisher.url(),
        publisher.public_key()
    )
}
