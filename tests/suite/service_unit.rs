//! `systemd/cu-agent.service`, judged by systemd's own tools.

use std::{fs, path::PathBuf, process::Command};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/cu-agent.service");
/// What `systemd-analyze security` may say at most: 10 is a service that may do anything.
const MOST_EXPOSURE: f64 = 1.0;
const MOST_EXPOSURE_OF_UPDATES: f64 = 4.5;

fn unit() -> String {
    fs::read_to_string(UNIT).unwrap()
}

fn analyze(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .expect("tests/install-test-tools.sh installs systemd");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_unit_exposes_no_more_than_1_of_10() {
    let (done, text) = analyze(&["security", "--offline=true", "--no-pager", UNIT]);
    assert!(done, "{text}");
    let overall = text.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let level = overall.split(": ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(level.parse::<f64>().unwrap() <= MOST_EXPOSURE, "{text}");
}

#[test]
fn the_unit_has_no_mistake_that_systemd_knows() {
    // The program of this build in the place of the installed one, which need not be here.
    let installed = "ExecStart=/usr/bin/cu-agent ";
    assert!(unit().contains(installed));
    let built = format!("ExecStart={} ", env!("CARGO_BIN_EXE_cu-agent"));
    let dir = tempfile::tempdir().unwrap();
    let copy: PathBuf = dir.path().join("cu-agent.service");
    fs::write(&copy, unit().replace(installed, &built)).unwrap();
    let (done, text) = analyze(&["verify", "--man=no", copy.to_str().unwrap()]);
    assert!(done, "{text}");
    let about_it: Vec<_> = text.lines().filter(|line| line.contains("cu-agent")).collect();
    assert_eq!(about_it, Vec::<&str>::new());
}

#[test]
fn the_units_of_field_updates_have_no_mistake_and_take_away_what_installing_does_not_need() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cu-agent-update.service", "cu-agent-update.timer"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/");
        fs::copy(format!("{folder}{name}"), dir.path().join(name)).unwrap();
    }
    let timer = dir.path().join("cu-agent-update.timer");
    let (done, text) = analyze(&["verify", "--man=no", timer.to_str().unwrap()]);
    assert!(done, "{text}");
    let about_it: Vec<_> = text.lines().filter(|line| line.contains("cu-agent")).collect();
    assert_eq!(about_it, Vec::<&str>::new());
    let service = dir.path().join("cu-agent-update.service");
    let question = ["security", "--offline=true", "--no-pager", service.to_str().unwrap()];
    let (done, text) = analyze(&question);
    assert!(done, "{text}");
    let overall = text.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let level = overall.split(": ").nth(1).unwrap().split(' ').next().unwrap();
    // Root that writes everywhere is 9.6 before anything is taken away.
    assert!(level.parse::<f64>().unwrap() <= MOST_EXPOSURE_OF_UPDATES, "{text}");
}

#[test]
fn the_units_of_weekly_reports_have_no_mistake_and_expose_as_little_as_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/");
    let service = fs::read_to_string(format!("{folder}cu-agent-report.service")).unwrap();
    let installed = "ExecStart=/usr/bin/cu-agent ";
    let built = format!("ExecStart={} ", env!("CARGO_BIN_EXE_cu-agent"));
    assert!(service.contains(installed) && service.contains("weekly-report\n"));
    let copy = dir.path().join("cu-agent-report.service");
    fs::write(&copy, service.replace(installed, &built)).unwrap();
    let timer = dir.path().join("cu-agent-report.timer");
    fs::copy(format!("{folder}cu-agent-report.timer"), &timer).unwrap();
    let (done, text) = analyze(&["verify", "--man=no", timer.to_str().unwrap()]);
    assert!(done, "{text}");
    let about_it: Vec<_> = text.lines().filter(|line| line.contains("cu-agent")).collect();
    assert_eq!(about_it, Vec::<&str>::new());
    let question = ["security", "--offline=true", "--no-pager", copy.to_str().unwrap()];
    let (done, text) = analyze(&question);
    assert!(done, "{text}");
    let overall = text.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let level = overall.split(": ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(level.parse::<f64>().unwrap() <= MOST_EXPOSURE, "{text}");
    let timer = fs::read_to_string(timer).unwrap();
    for line in ["OnCalendar=Mon 06:00\n", "Persistent=true\n", "RandomizedDelaySec="] {
        assert!(timer.contains(line), "{line}");
    }
    // Exit::Unusable.
    assert!(service.contains("RestartPreventExitStatus=2\n"));
}

#[test]
fn the_unit_and_the_agent_agree_on_their_words() {
    let unit = unit();
    let code =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/agent/clock.rs")).unwrap();
    let loading = ["load.rs", "ftp.rs", "sftp.rs"].map(|file| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/");
        fs::read_to_string(format!("{folder}{file}")).unwrap()
    });
    let loading = loading.concat();
    assert!(unit.contains("Environment=CU_AGENT_BOOT_ID=%b"));
    assert!(code.contains("\"CU_AGENT_BOOT_ID\""));
    for credential in ["ftp-password", "central-password", "sftp-key", "sftp-key-passphrase"] {
        assert!(unit.contains(&format!("LoadCredential={credential}:")));
        assert!(loading.contains(&format!("\"{credential}\"")));
    }
    // Exit::Unusable.
    assert!(unit.contains("RestartPreventExitStatus=2\n"));
}
