//! A gateway's years: upgraded, taken back, removed, put back, purged, with data on its way.

use crate::{
    gateway::{CONFIG, Gateway, booted, install, state_of_package},
    packages::{self, PREVIOUS, THIS},
    support::debian::Suite,
};

const BUFFER: &str = "/var/lib/cu-agent/buffer.db";
const UPDATERS: &str = "/var/lib/cu-agent-update";

#[test]
fn upgrade_downgrade_removal_and_reinstallation_lose_nothing_and_purging_takes_all() {
    life(Suite::Bookworm);
}

#[test]
fn on_debian_13_they_lose_nothing_and_purging_takes_all_too() {
    life(Suite::Trixie);
}

fn life(suite: Suite) {
    let mut gateway = Gateway::with(suite, 2, PREVIOUS);
    gateway.day();
    gateway.wait_until_equal();

    // An upgrade while central is away: what waits is in the buffer.
    gateway.central_answers(false);
    gateway.day();
    gateway.wait_for_backlog(3);
    let edited = gateway.machine.read(CONFIG);
    let before = gateway.process();
    gateway.install(THIS).succeeded();
    gateway.wait_for_another_process(&before);
    assert_eq!(state_of_package(&gateway.machine), format!("install ok installed {THIS}"));
    assert_eq!(gateway.machine.read(CONFIG), edited);
    gateway.wait_for_backlog(3);
    gateway.day();
    gateway.wait_for_backlog(6);
    gateway.central_answers(true);
    gateway.wait_until_equal();

    // Back to the version before.
    gateway.central_answers(false);
    gateway.day();
    gateway.wait_for_backlog(3);
    let before = gateway.process();
    gateway.install(PREVIOUS).succeeded().says("downgrading");
    gateway.wait_for_another_process(&before);
    assert_eq!(state_of_package(&gateway.machine), format!("install ok installed {PREVIOUS}"));
    assert_eq!(gateway.machine.read(CONFIG), edited);
    gateway.wait_for_backlog(3);

    // Removed: the program is gone, the configuration and what waits are not.
    gateway.machine.run(&["dpkg", "--remove", "cu-agent"]).succeeded();
    assert_eq!(state_of_package(&gateway.machine), format!("deinstall ok config-files {PREVIOUS}"));
    gateway.machine.sh("pgrep -u cu-agent").exited(1);
    assert!(!gateway.machine.path("/usr/bin/cu-agent").exists());
    assert!(!gateway.machine.path("/usr/lib/systemd/system/cu-agent.service").exists());
    assert_eq!(gateway.machine.read(CONFIG), edited);
    assert!(gateway.machine.path(BUFFER).exists());

    // Put back: at work again with what waited, and nothing to be done by hand.
    gateway.day();
    gateway.install(THIS).succeeded().does_not_say("waits for its configuration");
    gateway.wait_for_backlog(6);
    gateway.central_answers(true);
    gateway.wait_until_equal();
    assert_eq!(gateway.machine.read(CONFIG), edited);

    gateway.machine.write(&format!("{UPDATERS}/result.json"), "{}");
    gateway.machine.run(&["dpkg", "--purge", "cu-agent"]).succeeded().does_not_say("warning");
    assert_eq!(state_of_package(&gateway.machine), "", "dpkg still knows it");
    for gone in ["/etc/cu-agent", "/var/lib/cu-agent", UPDATERS, "/usr/bin/cu-agent"] {
        assert!(!gateway.machine.path(gone).exists(), "{gone} is still there");
    }
    let wanted = "/etc/systemd/system/multi-user.target.wants/cu-agent.service";
    assert!(!gateway.machine.path(wanted).is_symlink(), "{wanted} is still there");
}

#[test]
fn what_an_administrator_switched_off_stays_off_over_an_upgrade() {
    let machine = booted(Suite::Bookworm);
    install(&machine, &packages::of_this_build(PREVIOUS)).succeeded();
    machine.run(&["systemctl", "disable", "--now", "cu-agent"]).succeeded();
    install(&machine, &packages::of_this_build(THIS)).succeeded();
    machine.run(&["systemctl", "is-enabled", "cu-agent"]).exited(1).says("disabled");
    assert_eq!(machine.property("cu-agent", "ActiveEnterTimestampMonotonic"), "0");
}

#[test]
fn what_an_administrator_opened_or_closed_stays_so_over_an_upgrade() {
    let machine = booted(Suite::Bookworm);
    install(&machine, &packages::of_this_build(PREVIOUS)).succeeded();
    machine
        .sh("chmod 600 /etc/cu-agent/central.password && chgrp root /etc/cu-agent/central.password
            echo secret >/etc/cu-agent/central.password && rm /etc/cu-agent/ftp.password")
        .succeeded();
    install(&machine, &packages::of_this_build(THIS)).succeeded();
    machine
        .run(&["stat", "--format", "%a %U:%G", "/etc/cu-agent/central.password"])
        .succeeded()
        .says("600 root:root");
    assert_eq!(machine.read("/etc/cu-agent/central.password"), "secret\n");
    assert!(!machine.path("/etc/cu-agent/ftp.password").exists(), "a deleted file came back");
}
