//! What the service may do on a gateway, and what it may not, looked at from inside its own view of
//! the system.

use std::fs;

use crate::{
    gateway::Gateway,
    packages::THIS,
    support::{debian::Suite, wait},
};

#[test]
fn the_service_does_its_whole_job_and_nothing_beside_it() {
    is_confined(Suite::Bookworm);
}

#[test]
fn on_debian_13_it_does_its_whole_job_and_nothing_beside_it_too() {
    is_confined(Suite::Trixie);
}

fn is_confined(suite: Suite) {
    let mut gateway = Gateway::with(suite, 3, THIS);
    gateway.day();
    gateway.wait_until_equal();

    let machine = &gateway.machine;
    // The kernel's own record of its rights.
    let process = gateway.process();
    let rights = machine.run(&["cat", &format!("/proc/{process}/status")]).succeeded().stdout;
    for (right, value) in [
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        let has = rights.lines().find_map(|line| line.strip_prefix(&format!("{right}:")));
        assert_eq!(has.map(str::trim), Some(value), "{right}\n{rights}");
    }

    // Its view of the files: root itself cannot write there through it.
    let view = |path: &str| format!("/proc/{process}/root{path}");
    machine.sh(&format!("touch {}", view("/var/lib/cu-agent/probe"))).succeeded();
    for forbidden in ["/etc/probe", "/usr/bin/probe", "/var/lib/probe", "/etc/cu-agent/config.toml"]
    {
        machine.sh(&format!("touch {}", view(forbidden))).exited(1).says("Read-only file system");
    }
    // What it must not see is not there for it, and nothing but the agent can be run.
    machine.sh(&format!("touch {}", view("/root/probe"))).exited(1);
    machine.sh(&format!("test -e {}", view("/dev/mem"))).exited(1);
    machine.sh(&format!("test -e {}", view("/dev/kmsg"))).exited(1);
    machine.sh(&format!("nsenter --mount --target {process} /bin/true")).says("Permission denied");

    // The agent itself, told to do what it may not.
    let elsewhere = gateway
        .machine
        .read(crate::gateway::CONFIG)
        .replace("state_dir = \"/var/lib/cu-agent\"", "state_dir = \"/srv/cu-agent\"");
    gateway.machine.write(crate::gateway::CONFIG, &elsewhere);
    gateway.machine.run(&["mkdir", "-m", "777", "/srv/cu-agent"]).succeeded();
    gateway.machine.run(&["systemctl", "restart", "cu-agent"]);
    wait::until("the journal tells what it was refused", wait::PATIENCE, || {
        gateway.machine.journal_of("cu-agent").contains("/srv/cu-agent")
    });
    assert_eq!(fs::read_dir(gateway.machine.path("/srv/cu-agent")).unwrap().count(), 0);
}

#[test]
fn an_encrypted_password_serves_as_the_documents_say() {
    let mut gateway = Gateway::with(Suite::Bookworm, 5, THIS);
    gateway.machine.run(&["systemctl", "stop", "cu-agent"]).succeeded();
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md");
    let document = fs::read_to_string(document).unwrap();
    let block = document.split("```").find(|block| block.contains("systemd-creds")).unwrap();
    let mut drop_in = String::new();
    for line in block.lines().skip(1) {
        match line.strip_prefix("# ") {
            Some("systemctl edit cu-agent" | "systemctl restart cu-agent") => {}
            Some(command) => {
                gateway.machine.sh(command).succeeded();
            }
            None => drop_in += &format!("{line}\n"),
        }
    }
    gateway.machine.write("/etc/systemd/system/cu-agent.service.d/override.conf", &drop_in);
    assert_eq!(gateway.machine.read("/etc/cu-agent/central.password"), "", "gone in the clear");
    gateway.machine.run(&["systemctl", "daemon-reload"]).succeeded();
    gateway.machine.run(&["systemctl", "start", "cu-agent"]).succeeded();
    gateway.day();
    gateway.wait_until_equal();
}
