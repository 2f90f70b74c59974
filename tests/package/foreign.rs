//! The gateways' own package, in a Debian of their processor.

use std::path::{Path, PathBuf};

use crate::{
    gateway::{install, state_of_package},
    packages::{PREVIOUS, THIS, wrapped},
    support::{
        debian::{Architecture, Machine, foreign_programs_run},
        folder::Folder,
        golden,
    },
};

/// The binary that `make cross` built.
fn built() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let binary = target.join("cross/aarch64/cu-agent");
    assert!(binary.exists(), "{} is missing: make cross TARGETS=aarch64", binary.display());
    binary
}

#[test]
fn a_gateways_package_is_installed_works_is_upgraded_and_purged_on_its_processor() {
    if !foreign_programs_run() {
        eprintln!("SKIPPED: this machine runs no arm64 programs (qemu-user-static, binfmt_misc)");
        return;
    }
    let machine = Machine::new(Architecture::Arm64);
    let binary = built();
    install(&machine, &wrapped(&binary, "arm64", PREVIOUS)).succeeded();
    assert_eq!(state_of_package(&machine), format!("install ok installed {PREVIOUS}"));
    machine.run(&["cu-agent", "--version"]).succeeded().says(&format!("cu-agent {THIS}"));
    machine.run(&["cu-agent", "check"]).exited(2).says("agent.id").says("source[1].host");

    // Its job on a golden case, from a folder.
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    let copied = std::process::Command::new("cp")
        .args(["--recursive"])
        .arg(folder.path())
        .arg(machine.path("/srv/logs"))
        .status()
        .unwrap();
    assert!(copied.success());
    let config = "[agent]\nid = \"pi\"\nstate_dir = \"/var/lib/cu-agent\"\n\
        [[source]]\nname = \"cu\"\nkind = \"directory\"\npath = \"/srv/logs\"\n\
        [source.folders]\n\"DEM12 (PVC)\" = { nom = \"DEM12\" }\n\
        \"DEMALU (ALU)\" = { nom = \"DEMALU\" }\n\"SU12 (HYBRIDE)\" = { nom = \"SU12\" }\n\
        [status]\nlisten = \"\"\n";
    machine.write("/etc/cu-agent/config.toml", config);
    machine.sh("install -d -o cu-agent -g cu-agent -m 750 /var/lib/cu-agent && chmod -R a+rX /srv/logs")
        .succeeded();
    let agent = |command: &str| {
        machine.run(&[
            "setpriv",
            "--reuid",
            "cu-agent",
            "--regid",
            "cu-agent",
            "--init-groups",
            "cu-agent",
            command,
        ])
    };
    agent("check").succeeded().says("all 3 mapped folders exist");
    agent("once").succeeded();
    let before = agent("sessions").succeeded().stdout;
    assert_eq!(before.lines().count(), 1 + case.expected.len(), "{before}");

    install(&machine, &wrapped(&binary, "arm64", THIS)).succeeded();
    assert_eq!(state_of_package(&machine), format!("install ok installed {THIS}"));
    assert_eq!(machine.read("/etc/cu-agent/config.toml"), config);
    assert_eq!(agent("sessions").succeeded().stdout, before);

    machine.run(&["dpkg", "--purge", "cu-agent"]).succeeded();
    assert_eq!(state_of_package(&machine), "", "dpkg still knows it");
    for gone in ["/etc/cu-agent", "/var/lib/cu-agent", "/usr/bin/cu-agent"] {
        assert!(!machine.path(gone).exists(), "{gone} is still there");
    }
}
