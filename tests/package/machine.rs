//! The machines that the other tests rely on.

use crate::support::debian::{Architecture, Machine, Suite};

#[test]
fn a_machine_boots_keeps_its_files_over_a_power_cut_and_shuts_down() {
    let mut machine = Machine::new(Suite::Bookworm, Architecture::Amd64);
    machine.boot();
    machine.sh("echo kept >/root/file").succeeded();
    assert_eq!(machine.property("dbus.service", "ActiveState"), "active");
    machine.cut_power();
    machine.boot();
    machine.run(&["cat", "/root/file"]).succeeded().says("kept");
    machine.shut_down();
    machine.run(&["cat", "/root/file"]).succeeded().says("kept");
    machine.sh("exit 3").exited(3);
}

#[test]
fn a_gateways_programs_run_in_a_root_of_their_own() {
    let machine = Machine::new(Suite::Bookworm, Architecture::Arm64);
    machine.run(&["dpkg", "--print-architecture"]).succeeded().says("arm64");
}
