//! The updater ended at each of its steps, and with everything that it runs at any moment: the next
//! start of the unit finishes, and the gateway works.

use std::{
    fs,
    time::{Duration, Instant},
};

use cu_agent::failpoints::Step;

use crate::{
    gateway::{Build, Gateway, UNIT},
    support::{seed::seed, wait},
};

/// The updater ended itself by SIGABRT, at the point that it was given.
#[track_caller]
pub fn aborted(gateway: &Gateway, point: &str) {
    let how = gateway.ended_by();
    assert!(["signal", "core-dump"].contains(&how.as_str()), "{point}: {how}\n{}", gateway.story());
}

/// What has to be so that a step is reached at all.
pub fn prepare(gateway: &Gateway, step: Step) {
    let policy = gateway.machine.path("/usr/sbin/policy-rc.d");
    match step {
        // The package's script starts the service anew, where it may.
        Step::RestartService => {
            gateway.machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
            gateway.machine.run(&["chmod", "755", "/usr/sbin/policy-rc.d"]).succeeded();
        }
        // Something was interrupted.
        Step::ConfigurePackages => {
            gateway.crash_at("install-package:after:1");
            gateway.update().exited(1);
        }
        _ if policy.exists() => fs::remove_file(policy).unwrap(),
        _ => {}
    }
}

#[test]
fn killed_at_any_step_the_next_start_of_the_unit_finishes_the_update() {
    let gateway = Gateway::new();
    let mut number = 1;
    // What is fetched and is not the right file is thrown away: tests/update/refusals.rs.
    for step in Step::OF_UPDATES.into_iter().filter(|step| *step != Step::DropDownload) {
        for moment in ["before:1", "after:1"] {
            number += 1;
            let version = format!("0.{number}.0");
            gateway.offer(Build::Sound, &version);
            prepare(&gateway, step);
            let point = format!("{}:{moment}", step.as_str());
            gateway.crash_at(&point);
            gateway.update().exited(1);
            aborted(&gateway, &point);
            gateway.crash_no_more();
            gateway.update();
            assert_eq!(gateway.ended_by(), "success", "{point}\n{}", gateway.story());
            gateway.works_with(&version);
            assert_eq!(gateway.result()["result"], "installed", "{point}");
        }
    }
}

#[test]
fn killed_while_it_puts_the_former_version_back_the_next_start_of_the_unit_finishes_that() {
    let gateway = Gateway::new();
    let mut number = 1;
    for point in [
        // Each writing of the journal is two durable steps; the third one says what is put back.
        "note-update:before:5",
        "note-update:after:6",
        "install-package:before:2",
        "install-package:after:2",
        "note-update-result:before:1",
        "note-update-result:after:2",
        "note-update:before:8",
        "drop-updater:before:1",
    ] {
        number += 1;
        let version = format!("0.{number}.0");
        gateway.offer(Build::NewSchemaCrashes, &version);
        gateway.crash_at(point);
        gateway.update().exited(1);
        aborted(&gateway, point);
        gateway.crash_no_more();
        gateway.update();
        gateway.works_with("0.1.0");
        assert_eq!(gateway.result()["result"], "rolled-back", "{point}\n{}", gateway.story());
        assert_eq!(gateway.result()["version"], version.as_str(), "{point}");
    }
}

#[test]
fn killed_with_dpkg_at_any_moment_or_by_a_power_cut_the_gateway_comes_to_work() {
    let mut gateway = Gateway::new();
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    for number in 2..8 {
        let version = format!("0.{number}.0");
        gateway.offer(Build::Sound, &version);
        gateway.machine.run(&["systemctl", "start", "--no-block", UNIT]).succeeded();
        let journal = gateway.machine.path("/var/lib/cu-agent-update/journal.json");
        let begun = Instant::now();
        wait::until("dpkg is about to begin", wait::PATIENCE * 2, || {
            let has_failed = gateway.machine.property(UNIT, "ActiveState") != "activating";
            assert!(
                !(has_failed && begun.elapsed() > wait::PATIENCE),
                "{version}: {} {}\n{}",
                gateway.ended_by(),
                fs::read_to_string(&journal).unwrap_or_default(),
                gateway.story()
            );
            let is_begun = |text: String| text.contains(&format!("\"to\": \"{version}\""));
            fs::read_to_string(&journal).is_ok_and(is_begun)
        });
        wait::any_moment(Duration::from_millis(random.u64(0..4000)));
        if number % 4 == 0 {
            gateway.machine.cut_power();
            gateway.machine.boot();
        } else {
            gateway.machine.run(&["systemctl", "kill", "--signal=KILL", UNIT]);
        }
        wait::until("the unit has ended", wait::PATIENCE, || {
            gateway.machine.property(UNIT, "ActiveState") != "activating"
        });
        gateway.update();
        assert_eq!(gateway.ended_by(), "success", "{version}\n{}", gateway.story());
        gateway.works_with(&version);
    }
}
