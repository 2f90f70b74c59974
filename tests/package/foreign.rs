//! The gateways' own packages, in Debians of their processors.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    gateway::{install, state_of_package},
    packages::{PREVIOUS, THIS, wrapped},
    release::{self, full_upgrade},
    support::{
        debian::{Architecture, Machine, Suite, programs_run},
        folder::Folder,
        golden::{self, Case},
        net::Proxy,
        postgres::{Database, PASSWORD},
        process::Output,
        rows::{assert_same, central_sessions, truth},
    },
};

const CONFIG: &str = "/etc/cu-agent/config.toml";

/// A Debian of another processor with the package and a golden case in a folder of its own; central on this
/// machine.
struct Gateway {
    architecture: Architecture,
    machine: Machine,
    case: Case,
    config: String,
    database: Database<'static>,
    line: Proxy,
}

impl Gateway {
    /// With [`PREVIOUS`], configured; `None` if this machine does not run such programs.
    fn new(suite: Suite, architecture: Architecture) -> Option<Self> {
        if !programs_run(architecture) {
            let name = architecture.name();
            eprintln!("SKIPPED: no {name} programs run here (qemu-user-static, binfmt_misc)");
            return None;
        }
        let machine = Machine::new(suite, architecture);
        let database = Database::fresh();
        let line = Proxy::to(database.cluster.port);
        let central = database.config();
        let config = format!(
            "[agent]\nid = \"pi\"\nstate_dir = \"/var/lib/cu-agent\"\n\
             [[source]]\nname = \"cu\"\nkind = \"directory\"\npath = \"/srv/logs\"\n\
             [source.folders]\n\"DEM12 (PVC)\" = {{ nom = \"DEM12\" }}\n\
             \"DEMALU (ALU)\" = {{ nom = \"DEMALU\" }}\n\"SU12 (HYBRIDE)\" = {{ nom = \"SU12\" }}\n\
             [central]\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"{}\"\nuser = \"{}\"\n\
             password_file = \"/etc/cu-agent/central.password\"\ntls = \"disable\"\n\
             [status]\nlisten = \"\"\n",
            line.port, central.database, central.user,
        );
        let case = golden::case("clean");
        let gateway = Self { architecture, machine, case, config, database, line };
        gateway.install(PREVIOUS).succeeded();
        gateway
            .machine
            .run(&["cu-agent", "--version"])
            .succeeded()
            .says(&format!("cu-agent {THIS}"));
        gateway
            .machine
            .run(&["cu-agent", "check"])
            .exited(2)
            .says("agent.id")
            .says("source[1].host");
        gateway.configure();
        Some(gateway)
    }

    fn configure(&self) {
        let folder = Folder::of_case(&self.case);
        let logs = self.machine.path("/srv/logs");
        let copied = Command::new("cp").arg("--recursive").arg(folder.path()).arg(logs).status();
        assert!(copied.unwrap().success());
        self.machine.write(CONFIG, &self.config);
        self.machine.write("/etc/cu-agent/central.password", &format!("{PASSWORD}\n"));
        self.machine
            .sh("install -d -o cu-agent -g cu-agent -m 750 /var/lib/cu-agent && chmod -R a+rX /srv/logs")
            .succeeded();
    }

    /// Installs the binary that `make cross` built under a version.
    #[track_caller]
    fn install(&self, version: &str) -> Output {
        let of = if self.architecture == Architecture::Arm64 { "aarch64" } else { "armv6" };
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
        let binary = target.join("cross").join(of).join("cu-agent");
        assert!(binary.exists(), "{} is missing: make cross TARGETS={of}", binary.display());
        install(&self.machine, &wrapped(&binary, self.architecture.name(), version))
    }

    fn agent(&self, command: &str) -> Output {
        let as_user = ["setpriv", "--reuid", "cu-agent", "--regid", "cu-agent", "--init-groups"];
        self.machine.run(&[&as_user[..], &["cu-agent", command]].concat())
    }

    /// Central is away, and every session waits; what `sessions` prints of them.
    fn wait_in_the_buffer(&self) -> String {
        self.agent("check").says("all 3 mapped folders exist");
        self.line.refuse(true);
        self.agent("once").exited(3).says("central");
        let sessions = self.agent("sessions").succeeded().stdout;
        assert_eq!(sessions.lines().count(), 1 + self.case.expected.len(), "{sessions}");
        sessions
    }

    /// The version is installed, and neither what an administrator wrote nor what waits has changed.
    #[track_caller]
    fn holds(&self, version: &str, sessions: &str) {
        assert_eq!(state_of_package(&self.machine), format!("install ok installed {version}"));
        assert_eq!(self.machine.read(CONFIG), self.config);
        assert_eq!(self.agent("sessions").succeeded().stdout, sessions);
    }

    /// Central is back, and gets every row.
    #[track_caller]
    fn delivers(&self) {
        let before = self.database.try_psql("SELECT count(*) FROM session_production");
        assert!(before.is_err(), "central had its tables while it was away: {before:?}");
        self.line.refuse(false);
        self.agent("once").succeeded();
        assert_same("in central", &central_sessions(&self.database), &truth(&self.case));
    }
}

fn life(suite: Suite, architecture: Architecture) {
    let Some(gateway) = Gateway::new(suite, architecture) else { return };
    let sessions = gateway.wait_in_the_buffer();
    gateway.holds(PREVIOUS, &sessions);
    gateway.install(THIS).succeeded();
    gateway.holds(THIS, &sessions);
    gateway.install(PREVIOUS).succeeded().says("downgrading");
    gateway.holds(PREVIOUS, &sessions);

    gateway.machine.run(&["dpkg", "--remove", "cu-agent"]).succeeded();
    assert!(!gateway.machine.path("/usr/bin/cu-agent").exists());
    gateway.install(THIS).succeeded();
    gateway.holds(THIS, &sessions);
    gateway.delivers();

    gateway.machine.run(&["dpkg", "--purge", "cu-agent"]).succeeded().does_not_say("warning");
    assert_eq!(state_of_package(&gateway.machine), "", "dpkg still knows it");
    for gone in ["/etc/cu-agent", "/var/lib/cu-agent", "/usr/bin/cu-agent"] {
        assert!(!gateway.machine.path(gone).exists(), "{gone} is still there");
    }
}

/// Debian 12 becomes 13 while every session waits.
fn release_upgrade(architecture: Architecture) {
    let Some(gateway) = Gateway::new(Suite::Bookworm, architecture) else { return };
    let sessions = gateway.wait_in_the_buffer();
    full_upgrade(&gateway.machine, architecture);
    assert_eq!(release::of(&gateway.machine), "13");
    gateway.holds(PREVIOUS, &sessions);
    gateway.install(THIS).succeeded();
    gateway.holds(THIS, &sessions);
    gateway.delivers();
}

#[test]
fn a_gateways_package_is_installed_works_is_upgraded_and_purged_on_its_processor() {
    life(Suite::Bookworm, Architecture::Arm64);
}

#[test]
#[ignore = "long: make test-package-all"]
fn so_it_is_on_debian_13() {
    life(Suite::Trixie, Architecture::Arm64);
}

#[test]
#[ignore = "long: make test-package-all"]
fn so_it_is_on_32_bits() {
    life(Suite::Bookworm, Architecture::Armhf);
}

#[test]
#[ignore = "long: make test-package-all"]
fn so_it_is_on_32_bits_on_debian_13() {
    life(Suite::Trixie, Architecture::Armhf);
}

#[test]
#[ignore = "long: make test-package-all"]
fn what_waits_outlives_the_upgrade_to_debian_13_on_a_gateways_processor() {
    release_upgrade(Architecture::Arm64);
}

#[test]
#[ignore = "long: make test-package-all"]
fn what_waits_outlives_the_upgrade_to_debian_13_on_32_bits() {
    release_upgrade(Architecture::Armhf);
}
