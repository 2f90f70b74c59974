//! Debian 12 upgraded to 13 under a gateway at work, as its release notes tell: `apt-get full-upgrade`.

use std::{fs, path::Path, time::Duration};

use crate::{
    gateway::{CONFIG, Gateway, state_of_package},
    packages::THIS,
    support::debian::{Architecture, Machine, Suite, cache},
};

const ARCHIVES: &str = "/var/cache/apt/archives";

/// Of one step of apt's, under an emulator too.
const STEP: Duration = Duration::from_secs(3_000);

#[test]
#[ignore = "long: make test-package-all"]
fn a_gateway_with_a_backlog_is_upgraded_to_debian_13_and_goes_on_and_nothing_is_lost() {
    let mut gateway = Gateway::with(Suite::Bookworm, 6, THIS);
    assert_eq!(of(&gateway.machine), "12");
    gateway.day();
    gateway.wait_until_equal();
    gateway.central_answers(false);
    gateway.day();
    gateway.wait_for_backlog(3);
    let edited = gateway.machine.read(CONFIG);

    full_upgrade(&gateway.machine, Architecture::Amd64);
    assert_eq!(of(&gateway.machine), "13");
    assert_eq!(state_of_package(&gateway.machine), format!("install ok installed {THIS}"));
    assert_eq!(gateway.machine.read(CONFIG), edited);
    // At work all the time: it reads the next day, and nothing had to start it again.
    assert!(gateway.is_active());
    assert_eq!(gateway.machine.property("cu-agent", "NRestarts"), "0");
    gateway.day();
    gateway.wait_for_backlog(6);

    gateway.machine.shut_down();
    gateway.machine.boot();
    gateway.machine.run(&["systemctl", "show", "--property", "Version"]).succeeded().says("=257");
    gateway.machine.run(&["systemctl", "is-enabled", "cu-agent"]).succeeded().says("enabled");
    gateway.wait_for_backlog(6);
    gateway.central_answers(true);
    gateway.wait_until_equal();
}

/// The number of its release.
pub fn of(machine: &Machine) -> String {
    machine.sh(". /etc/os-release && echo $VERSION_ID").succeeded().stdout.trim().to_owned()
}

/// So that apt reaches its servers: as this machine is connected now, not as it was when the root was made.
pub fn connect(machine: &Machine) {
    machine.write("/etc/resolv.conf", &fs::read_to_string("/etc/resolv.conf").unwrap());
    machine.write("/etc/apt/apt.conf.d/test", "APT::Sandbox::User \"root\";\n");
    // Not what this is about, and half of the time.
    machine.write("/etc/dpkg/dpkg.cfg.d/test", "force-unsafe-io\n");
}

/// Makes a Debian 12 a Debian 13. What apt fetches is kept for the next time.
pub fn full_upgrade(machine: &Machine, architecture: Architecture) {
    connect(machine);
    let sources = machine.read("/etc/apt/sources.list");
    assert!(sources.contains(Suite::Bookworm.name()), "{sources}");
    let of_13 = sources.replace(Suite::Bookworm.name(), Suite::Trixie.name());
    machine.write("/etc/apt/sources.list", &of_13);
    let kept = cache().join(format!("archives-{}", architecture.name()));
    fs::create_dir_all(&kept).unwrap();
    copy_packages(&kept, &machine.path(ARCHIVES));
    let apt = |arguments: &[&str]| {
        let options = ["--yes", "--quiet", "-o", "Dpkg::Options::=--force-confold"];
        let command = [&["apt-get"], &options[..], arguments].concat();
        machine.run_within(STEP, &command).succeeded()
    };
    apt(&["update"]);
    apt(&["full-upgrade", "--download-only"]);
    copy_packages(&machine.path(ARCHIVES), &kept);
    apt(&["full-upgrade"]);
    apt(&["autoremove"]);
}

/// Those that are not there yet.
fn copy_packages(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        let copy = to.join(file.file_name().unwrap());
        if file.extension().is_some_and(|end| end == "deb") && !copy.exists() {
            fs::copy(&file, &copy).unwrap();
        }
    }
}
