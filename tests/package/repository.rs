//! A plant with an apt repository of its own: installed and upgraded from it as any other package.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    gateway::{CONFIG, Gateway, state_of_package},
    packages::{self, PREVIOUS, THIS},
    support::debian::{Machine, Suite},
};

/// A version that is never installed.
const NEXT: &str = "9.0";
const REPOSITORY: &str = "/srv/repository";

#[test]
fn a_gateway_is_installed_and_upgraded_from_a_signed_repository() {
    let mut gateway = Gateway::bare(Suite::Bookworm, 4);
    let keys = tempfile::tempdir().unwrap();
    publish(&gateway.machine, keys.path(), PREVIOUS);
    gateway.machine.take(&keys.path().join("public.gpg"), "/etc/apt/keyrings/plant.gpg");
    gateway.machine.write("/etc/apt/sources.list", "");
    gateway.machine.write(
        "/etc/apt/sources.list.d/plant.sources",
        &format!(
            "Types: deb\nURIs: file:{REPOSITORY}\nSuites: ./\nSigned-By: /etc/apt/keyrings/plant.gpg\n"
        ),
    );
    update(&gateway.machine).succeeded().does_not_say("W:");
    gateway.machine.run(&["apt-get", "install", "--yes", "cu-agent"]).succeeded();
    assert_eq!(state_of_package(&gateway.machine), format!("install ok installed {PREVIOUS}"));
    gateway.fill_in();
    gateway.machine.run(&["systemctl", "restart", "cu-agent"]).succeeded();
    gateway.day();
    gateway.wait_until_equal();
    gateway.central_answers(false);
    gateway.day();
    gateway.wait_for_backlog(3);

    let edited = gateway.machine.read(CONFIG);
    let before = gateway.process();
    publish(&gateway.machine, keys.path(), THIS);
    update(&gateway.machine).succeeded().does_not_say("W:");
    gateway.machine.run(&["apt-get", "upgrade", "--yes"]).succeeded();
    assert_eq!(state_of_package(&gateway.machine), format!("install ok installed {THIS}"));
    gateway.wait_for_another_process(&before);
    assert_eq!(gateway.machine.read(CONFIG), edited);
    gateway.central_answers(true);
    gateway.wait_until_equal();

    // What was changed behind the signature is not taken.
    publish(&gateway.machine, keys.path(), NEXT);
    update(&gateway.machine).succeeded();
    let package = packages::of_this_build(NEXT);
    let package = format!("{REPOSITORY}/{}", package.file_name().unwrap().to_str().unwrap());
    let mut bytes = fs::read(gateway.machine.path(&package)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(gateway.machine.path(&package), bytes).unwrap();
    gateway.machine.run(&["apt-get", "upgrade", "--yes"]).exited(100).says("Hash Sum mismatch");
    assert_eq!(state_of_package(&gateway.machine), format!("install ok installed {THIS}"));
    assert!(gateway.is_active());
}

fn update(machine: &Machine) -> crate::support::process::Output {
    machine.run(&["apt-get", "update"])
}

/// Adds a version to the repository in the machine, as `docs/updating.md` tells a plant to.
fn publish(machine: &Machine, keys: &Path, version: &str) {
    let package = packages::of_this_build(version);
    machine.take(
        &package,
        &format!("{REPOSITORY}/{}", package.file_name().unwrap().to_str().unwrap()),
    );
    let script = "set -e
        if [ ! -e $KEYS/public.gpg ]; then
            gpg --quiet --batch --passphrase '' --quick-generate-key plant@example.com
            gpg --export >$KEYS/public.gpg
        fi
        dpkg-scanpackages --multiversion . >Packages
        {
            echo 'Origin: plant'
            echo \"Date: $(date --utc --rfc-email)\"
            echo 'SHA256:'
            echo \" $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages\"
        } >Release
        gpg --quiet --batch --yes --clearsign --output InRelease Release";
    // gpg leaves an agent running: it ends with the process namespace.
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script])
        .current_dir(machine.path(REPOSITORY))
        .env("KEYS", keys)
        .env("GNUPGHOME", keys)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
