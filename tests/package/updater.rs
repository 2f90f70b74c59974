//! The package and the unit that updates it: maintainer scripts run inside that unit, and must not
//! end it.

use std::time::Duration;

use crate::{
    gateway::{booted, install, state_of_package},
    packages::{self, PREVIOUS, THIS},
    support::{debian::Suite, wait},
};

const UNIT: &str = "cu-agent-update.service";

#[test]
fn the_unit_that_installs_a_package_lives_through_the_installation() {
    let machine = booted(Suite::Bookworm);
    install(&machine, &packages::of_this_build(PREVIOUS)).succeeded();
    let next = packages::of_this_build(THIS);
    machine.take(&next, "/root/next.deb");
    // In the place of the shipped unit: what dpkg is run by is not what this is about.
    machine.write(
        &format!("/etc/systemd/system/{UNIT}"),
        "[Service]\nType=oneshot\nEnvironment=DEBIAN_FRONTEND=noninteractive\n\
         ExecStart=/usr/bin/dpkg --install /root/next.deb\n\
         ExecStart=/bin/touch /root/lived-through-it\n",
    );
    machine.run(&["systemctl", "daemon-reload"]).succeeded();
    machine.run(&["systemctl", "start", "--no-block", UNIT]).succeeded();
    wait::until("the unit has ended", Duration::from_secs(120), || {
        let state = machine.property(UNIT, "ActiveState");
        state == "failed" || state == "inactive" && machine.path("/root/lived-through-it").exists()
    });
    assert_eq!(machine.property(UNIT, "Result"), "success", "{}", machine.journal_of(UNIT));
    assert_eq!(state_of_package(&machine), format!("install ok installed {THIS}"));
}
