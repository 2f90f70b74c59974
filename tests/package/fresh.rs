//! A fresh installation: enabled, and waiting politely for its configuration.

use crate::{
    gateway::{Gateway, booted, install, state_of_package},
    packages::{self, THIS},
    support::{debian::Suite, wait},
};

#[test]
fn a_fresh_installation_is_enabled_and_waits_and_says_what_to_edit() {
    waits_for_its_configuration(Suite::Bookworm);
}

#[test]
fn on_debian_13_a_fresh_installation_waits_and_says_what_to_edit_too() {
    waits_for_its_configuration(Suite::Trixie);
}

fn waits_for_its_configuration(suite: Suite) {
    let machine = booted(suite);
    install(&machine, &packages::of_this_build(THIS))
        .succeeded()
        .says("edit /etc/cu-agent/config.toml, then run systemctl restart cu-agent")
        .does_not_say("Job for");
    assert_eq!(state_of_package(&machine), format!("install ok installed {THIS}"));
    machine.run(&["systemctl", "is-enabled", "cu-agent"]).succeeded().says("enabled");

    let status = machine.run(&["systemctl", "status", "--no-pager", "cu-agent"]).stdout;
    assert!(status.contains("waiting for a usable /etc/cu-agent/config.toml"), "{status}");
    let journal = machine.journal_of("cu-agent");
    for place in ["agent.id", "source[1].host", "source[1].user", "folders", "central.host"] {
        assert!(journal.contains(place), "{place} is not named\n{journal}");
    }
    assert_eq!(journal.matches("the configuration is not usable").count(), 1, "{journal}");

    // No restart is under way or planned: it is at rest until somebody acts.
    assert_eq!(machine.property("cu-agent", "NRestarts"), "0");
    assert_eq!(machine.property("cu-agent", "SubState"), "failed");
    assert_eq!(machine.property("cu-agent", "ExecMainStatus"), "2");
}

#[test]
fn what_is_installed_belongs_to_whom_it_should() {
    let machine = booted(Suite::Bookworm);
    install(&machine, &packages::of_this_build(THIS)).succeeded();
    let listed = machine
        .sh("stat --format '%a %U:%G %n' /etc/cu-agent /etc/cu-agent/* /usr/bin/cu-agent")
        .succeeded();
    let expected = "755 root:cu-agent /etc/cu-agent\n\
         640 root:cu-agent /etc/cu-agent/central.password\n\
         640 root:cu-agent /etc/cu-agent/config.toml\n\
         640 root:cu-agent /etc/cu-agent/ftp.password\n\
         755 root:root /usr/bin/cu-agent\n";
    assert_eq!(listed.stdout, expected);
    machine.run(&["getent", "passwd", "cu-agent"]).succeeded().says(":/var/lib/cu-agent:");
    machine.sh("runuser -u nobody -- cat /etc/cu-agent/config.toml").exited(1);
}

#[test]
fn filled_in_it_works_at_the_next_start_and_check_says_so_before() {
    let mut gateway = Gateway::bare(Suite::Bookworm, 1);
    gateway.install(THIS).succeeded();
    gateway.fill_in();
    gateway.day();
    gateway.agent(&["check"]).succeeded().says("all 3 mapped folders exist");
    gateway.machine.run(&["systemctl", "restart", "cu-agent"]).succeeded();
    gateway.wait_until_equal();
    wait::until("its status line is good", wait::PATIENCE, || {
        let status = gateway.machine.property("cu-agent", "StatusText");
        status.contains("all sources answer") && status.contains("central answers")
    });
}

#[test]
fn without_a_running_systemd_it_is_installed_and_enabled_for_the_next_boot() {
    let mut machine = booted(Suite::Bookworm);
    machine.shut_down();
    install(&machine, &packages::of_this_build(THIS)).succeeded();
    assert!(
        machine.path("/etc/systemd/system/multi-user.target.wants/cu-agent.service").is_symlink()
    );
    machine.boot();
    assert_eq!(machine.property("cu-agent", "ExecMainStatus"), "2", "it was started by the boot");
}
