//! Versions that work, and versions that do not, on a real Debian with systemd.

use std::io::Read;

use serde_json::Value;

use crate::gateway::{Build, Gateway};

/// Somebody works with the package manager: a program that holds its lock until it is ended.
fn hold_dpkg(gateway: &Gateway) -> std::process::Child {
    let script = "open F, '>>/var/lib/dpkg/lock-frontend'; \
        my $lock = pack('ssx4qqlx4', F_WRLCK, 0, 0, 0, 0); \
        fcntl(F, F_SETLK, $lock) or die; $| = 1; \
        print \"held\\n\"; sleep 600";
    let mut other = gateway.machine.start(&["perl", "-MFcntl", "-e", script]);
    let mut held = [0; 4];
    other.stdout.as_mut().unwrap().read_exact(&mut held).unwrap();
    assert_eq!(&held, b"held");
    other
}

#[test]
fn a_version_that_works_stays_and_one_that_does_not_is_put_back_with_the_buffer_as_it_was() {
    let gateway = Gateway::new();
    let told = |version: &str, result: &str| {
        let last = gateway.result();
        assert_eq!(last["result"], result, "{last:#}\n{}", gateway.story());
        assert_eq!(last["version"], version, "{last:#}");
        last["detail"].as_str().unwrap().to_owned()
    };

    let schema = gateway.status()["schema"].as_u64().unwrap();

    gateway.offer(Build::Sound, "0.2.0");
    gateway.update().succeeded();
    gateway.works_with("0.2.0");
    told("0.2.0", "installed");
    assert_eq!(gateway.updater_files(), ["cu-agent_0.2.0_amd64.deb"]);

    for (build, version, why) in [
        (Build::Crashes, "0.3.0", "not active"),
        (Build::Fails, "0.4.0", "not active"),
        (Build::NewSchemaCrashes, "0.5.0", "not active"),
    ] {
        gateway.offer(build, version);
        gateway.update().exited(1);
        gateway.works_with("0.2.0");
        let detail = told(version, "rolled-back");
        assert!(detail.contains(why), "{detail}");
        assert_eq!(gateway.status()["schema"], schema, "{build:?}: the buffer is as it was");
        // And never again: the next run says so, and what happened stays the last word.
        let before = gateway.machine.property("cu-agent", "InvocationID");
        gateway.update().succeeded();
        let again = gateway.machine.run(&["cu-agent", "update", "apply", "--now"]);
        again.exited(3).says("failed verification and was rolled back");
        assert_eq!(gateway.machine.property("cu-agent", "InvocationID"), before);
        told(version, "rolled-back");
    }
    // The migrated buffer is kept for who wants to look.
    assert!(gateway.buffer_files().contains(&format!("buffer.db.newer-{}", schema + 1)));

    gateway.offer(Build::NewSchema, "0.6.0");
    gateway.update().succeeded();
    gateway.works_with("0.6.0");
    told("0.6.0", "installed");
    assert_eq!(gateway.status()["schema"], schema + 1);
    // Also by hand the way back is open.
    let old = gateway.publisher.file("cu-agent_0.2.0_amd64.deb");
    gateway.machine.take(&old, "/root/old.deb");
    gateway.machine.run(&["dpkg", "--force-confold", "--install", "/root/old.deb"]).succeeded();
    gateway.works_with("0.2.0");
    assert_eq!(gateway.status()["schema"], schema);

    let output = gateway.machine.run(&["cu-agent", "update", "status"]).succeeded();
    output.says("0.6.0 installed").says("0.3.0, 0.4.0, 0.5.0");
    let output = gateway.machine.run(&["cu-agent", "update", "status", "--json"]).succeeded();
    let status: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(status["pending"], Value::Null);
}

#[test]
fn a_withdrawn_version_is_left_for_an_older_one_that_is_verified_like_any_other() {
    let gateway = Gateway::new();
    gateway.offer(Build::Sound, "0.2.0");
    gateway.update().succeeded();
    gateway.works_with("0.2.0");
    // Signed by mistake: the number, and a version that crashes in the place of the one to go to.
    gateway.offer(Build::Sound, "99.0.0");
    gateway.update().succeeded();
    gateway.works_with("99.0.0");
    gateway.offer(Build::Crashes, "0.3.0");
    gateway.publisher.publish("0.3.0", &["--withdraw", "99.0.0"]);
    gateway.update().exited(1);
    gateway.works_with("99.0.0");
    assert_eq!(gateway.result()["result"], "rolled-back");
    gateway.publisher.publish("0.2.0", &[]);
    gateway.update().succeeded();
    gateway.works_with("0.2.0");
    assert_eq!(gateway.result()["result"], "installed");
    // And from there on as ever.
    gateway.offer(Build::Sound, "0.4.0");
    gateway.update().succeeded();
    gateway.works_with("0.4.0");
}

#[test]
fn while_another_program_installs_packages_the_update_is_put_off() {
    let gateway = Gateway::new();
    gateway.offer(Build::Sound, "0.2.0");
    let other = hold_dpkg(&gateway);
    gateway.update().exited(1);
    gateway.works_with("0.1.0");
    let last = gateway.result();
    assert_eq!(last["result"], "failed", "{last:#}");
    assert!(last["detail"].as_str().unwrap().contains("in use by another program"), "{last:#}");
    gateway.machine.run(&["pkill", "-x", "perl"]).succeeded();
    drop(other);
    gateway.update().succeeded();
    gateway.works_with("0.2.0");
}
