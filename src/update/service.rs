//! The agent's service as systemd and the agent itself see it.

use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::durable::{Step, durably};

/// The unit that the package brings.
const UNIT: &str = "cu-agent.service";
/// Where the package puts the program.
pub const PROGRAM: &str = "/usr/bin/cu-agent";

/// What systemd says of the unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnitState {
    /// Started and ready.
    pub is_active: bool,
    /// Names one start.
    pub invocation: String,
    pub process: u64,
    /// In one word, for people.
    pub state: String,
}

/// `None` where there is no systemd to ask.
pub fn unit() -> Option<UnitState> {
    let properties = "ActiveState,SubState,InvocationID,MainPID";
    let output = Command::new("systemctl")
        .args(["show", UNIT, "-p", properties])
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let of = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
    };
    Some(UnitState {
        is_active: of("ActiveState") == "active",
        invocation: of("InvocationID").to_owned(),
        process: of("MainPID").parse().unwrap_or(0),
        state: format!("{} ({})", of("ActiveState"), of("SubState")),
    })
}

/// Starts the unit anew, with a clean account of failed starts; how it goes is asked afterwards.
pub fn restart() -> Result<(), std::io::Error> {
    let commands: [&[&str]; 3] =
        [&["daemon-reload"], &["reset-failed", UNIT], &["restart", "--no-block", UNIT]];
    durably(Step::RestartService, || {
        for arguments in commands {
            // reset-failed fails where nothing had: what counts is the state afterwards.
            Command::new("systemctl").args(arguments).stdin(Stdio::null()).output()?;
        }
        Ok(())
    })
}

/// `cu-agent status --json` of `program`, run as the user that owns the state directory, so that root
/// opens no file that this user could have put there. `None` where it does not answer.
pub fn ask(program: &Path, config: &Path, state_dir: &Path) -> Option<Value> {
    let owner = std::fs::metadata(state_dir).ok()?;
    let output = Command::new(program)
        .arg("--config")
        .arg(config)
        .args(["status", "--json"])
        .uid(owner.uid())
        .gid(owner.gid())
        .current_dir("/")
        // It logs in nowhere, and a password that only the service is given must not be missed.
        .env("FTP_PASS", "")
        .env("POSTGRES_PASSWORD", "")
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())?
}

/// Whether the program starts at all.
pub fn says_its_version() -> bool {
    let output = Command::new(PROGRAM).arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Names in a list of `status --json`.
pub fn names(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Sources that are not known to answer.
pub fn silent_sources(status: &Value) -> Vec<String> {
    let sources = status["sources"].as_array().into_iter().flatten();
    sources
        .filter(|source| source["state"] != "up")
        .filter_map(|source| source["name"].as_str().map(str::to_owned))
        .collect()
}
