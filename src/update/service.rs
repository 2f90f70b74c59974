//! The agent's service as systemd and the agent itself see it.

use std::{
    io::Read,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failpoints::{Step, durably},
    model::{LinkTold, StatusTold, printable},
};

/// The unit that the package brings.
const UNIT: &str = "cu-agent.service";
/// Where the package puts the program.
pub(super) const PROGRAM: &str = "/usr/bin/cu-agent";

/// What systemd says of the unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct UnitState {
    /// Started and ready.
    pub is_active: bool,
    /// Names one start.
    pub invocation: String,
    pub process: u64,
    /// In one word, for people.
    pub state: String,
}

/// `None` where there is no systemd to ask.
pub(super) fn unit() -> Option<UnitState> {
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

/// Restarts the unit, with a clean account of failed starts; how it goes is asked afterwards.
pub(super) fn restart() -> Result<(), std::io::Error> {
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

/// An answer that has not come by then is none: who owns the state directory may put a pipe there, or
/// a buffer without end.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A year of forty machines takes a hundredth of it.
const MOST_ANSWER_BYTES: u64 = 4 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Of names in an answer: more, or longer ones, are nobody's machines.
const MOST_NAMES: usize = 50;
const MOST_NAME_CHARS: usize = 100;

/// `cu-agent status --json` of `program`, run as the user that owns the state directory, so that root
/// opens no file that this user could have put there. `None` where it does not answer in time. What it
/// says is this user's claim, and worth no more than that.
pub(super) fn ask(program: &Path, config: &Path, state_dir: &Path) -> Option<StatusTold> {
    let owner = std::fs::metadata(state_dir).ok()?;
    let child = Command::new(program)
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
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    serde_json::from_slice(&answer(child, ANSWER_WITHIN)?).ok()
}

/// What the child wrote, where it ended well within `limit`. It is ended in any case.
fn answer(mut child: Child, limit: Duration) -> Option<Vec<u8>> {
    let deadline = Instant::now() + limit;
    let output = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // The child that is not read any more stops at its next write, and is ended below.
        output.take(MOST_ANSWER_BYTES + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= MOST_ANSWER_BYTES).then_some(bytes)
    });
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            _ => break false,
        }
    };
    child.kill().ok();
    child.wait().ok();
    // A process that this one started could hold the pipe open; it is not waited for.
    while !reader.is_finished() {
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
    reader.join().ok().flatten().filter(|_| ended)
}

/// Whether the program starts at all.
pub(super) fn says_its_version() -> bool {
    let output = Command::new(PROGRAM).arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Names that somebody else wrote: few, short and printable.
pub(super) fn names(list: impl IntoIterator<Item = String>) -> Vec<String> {
    let names = list.into_iter().map(|text| printable(&text, MOST_NAME_CHARS));
    names.take(MOST_NAMES).collect()
}

/// Sources that are not known to answer.
pub(super) fn silent_sources(status: StatusTold) -> Vec<String> {
    let silent = status.sources.into_iter().filter(|source| source.state != LinkTold::Up);
    names(silent.map(|source| source.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of(script: &str) -> Option<Vec<u8>> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdout(Stdio::piped());
        answer(shell.spawn().unwrap(), Duration::from_secs(2))
    }

    #[test]
    fn an_answer_is_bounded_in_time_and_size_and_a_failure_is_none() {
        assert_eq!(answer_of("printf '{}'"), Some(b"{}".to_vec()));
        let begun = Instant::now();
        assert_eq!(answer_of("printf '{}'; exit 1"), None);
        assert_eq!(answer_of("exec sleep 1000"), None, "one that hangs");
        assert_eq!(answer_of("exec yes"), None, "one that never ends");
        assert_eq!(answer_of("printf '{}'; sleep 5 &"), None, "a pipe that is kept open");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn names_of_an_answer_are_few_short_and_printable() {
        let mut all = vec!["a\x1b[31mb".to_owned(), "x".repeat(10_000)];
        all.extend((0..1000).map(|number| number.to_string()));
        let names = names(all);
        assert_eq!((names.len(), names[0].as_str()), (MOST_NAMES, "a [31mb"));
        assert_eq!(names[1].len(), MOST_NAME_CHARS);
    }
}
