//! Counts the instructions of the hot paths under callgrind and compares them with those kept in
//! `benches/instructions.txt`: `make bench-guard`. A path that rose by more than 5 % fails, unless the
//! same change keeps its new count, with a reason: `make bench-guard-update REASON="…"`.
//!
//! A path runs twice, each time in a process of its own, with some rounds and with a few more. The
//! difference is what the rounds cost, and holds nothing of start, preparation and end.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot count must stop")]

#[path = "../../tests/support/generate/mod.rs"]
mod generate;
mod kept;
mod paths;

use std::{
    env, fs,
    process::{Command, ExitCode, Stdio},
    thread,
};

use kept::{Change, Count, Kept, TOLERANCE_PERCENT};
use paths::HotPath;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
const MEND: &str = "make bench-guard-update REASON=\"why it may\"";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--path", name, rounds] => {
            let path = paths::ALL.iter().find(|path| path.name == name).unwrap();
            let (work, unit) = (path.run)(rounds.parse().unwrap());
            println!("{work} {unit}");
            ExitCode::SUCCESS
        }
        ["--update", reason] => update(reason),
        [] => compare(),
        _ => panic!("usage: guard [--update REASON], not {arguments:?}"),
    }
}

fn compare() -> ExitCode {
    let kept = Kept::parse(&fs::read_to_string(FILE).unwrap())
        .unwrap_or_else(|error| panic!("{FILE}: {error}"));
    println!("kept: {}", kept.reason);
    println!("{:<18} {:>13} {:>13} {:>8} {:>13}  of", "path", "kept", "now", "change", "each");
    let counts = counts();
    let (mut rose, mut fell, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for now in &counts {
        let (before, change) = kept.compare(now);
        let shown = |count: &Count| (count.instructions.to_string(), percent(count, now));
        let (was, by) = before.map_or(("-".into(), "-".into()), shown);
        println!(
            "{:<18} {was:>13} {:>13} {by:>8} {:>13.2}  {} {}",
            now.path,
            now.instructions,
            now.instructions as f64 / now.work as f64,
            now.work,
            now.unit,
        );
        match change {
            Change::Same => {}
            Change::Rose => rose.push(now.path.as_str()),
            Change::Fell => fell.push(now.path.as_str()),
            Change::Unknown => unknown.push(now.path.as_str()),
        }
    }
    let is_gone = |kept: &&Count| !counts.iter().any(|now| now.path == kept.path);
    unknown.extend(kept.counts.iter().filter(is_gone).map(|kept| kept.path.as_str()));
    if !fell.is_empty() {
        println!("fell by more than {TOLERANCE_PERCENT} %: {}; keep it: {MEND}", fell.join(", "));
    }
    if rose.is_empty() && unknown.is_empty() {
        return ExitCode::SUCCESS;
    }
    if !rose.is_empty() {
        println!("FAILED: more than {TOLERANCE_PERCENT} % dearer: {}", rose.join(", "));
    }
    if !unknown.is_empty() {
        println!("FAILED: not kept, gone, or other work than what is kept: {}", unknown.join(", "));
    }
    println!("Mend it, or keep the new counts in the same change: {MEND}");
    let toolchain = toolchain();
    if toolchain != kept.toolchain {
        println!(
            "Perhaps it is the tools: kept with {}\n  and counted with {toolchain}",
            kept.toolchain
        );
    }
    ExitCode::FAILURE
}

fn update(reason: &str) -> ExitCode {
    let kept = Kept {
        toolchain: toolchain(),
        reason: reason.split_whitespace().collect::<Vec<_>>().join(" "),
        counts: counts(),
    };
    let text = kept.text();
    assert_eq!(Kept::parse(&text).as_ref(), Ok(&kept), "say why: REASON=\"…\"");
    fs::write(FILE, &text).unwrap();
    println!("{text}");
    ExitCode::SUCCESS
}

fn percent(kept: &Count, now: &Count) -> String {
    let change = now.instructions as f64 / kept.instructions as f64 - 1.0;
    format!("{:+.2} %", change * 100.0)
}

fn counts() -> Vec<Count> {
    paths::ALL.iter().map(count).collect()
}

/// Both processes at once: gateways and the machines that build for them have two processors.
fn count(path: &HotPath) -> Count {
    let (few, many) = path.rounds;
    let (less, more) = thread::scope(|scope| {
        let less = scope.spawn(|| run(path, few));
        let more = run(path, many);
        (less.join().unwrap(), more)
    });
    let (_, work, unit) = more.clone();
    let instructions = (more.0 - less.0) / u64::from(many - few);
    Count { path: path.name.to_owned(), instructions, work, unit }
}

/// Instructions of a whole process, and what one of its rounds does.
fn run(path: &HotPath, rounds: u32) -> (u64, u64, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind");
    command.arg(format!("--callgrind-out-file={}", folder.path().join("out").display()));
    command.arg(env::current_exe().unwrap());
    command.args(["--path", path.name, &rounds.to_string()]);
    // What the caller's environment holds must not count.
    command.env_clear().env("TZ", "UTC").env("PATH", env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("valgrind: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.name);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, instructions) = collected.unwrap_or_else(|| panic!("no count: {said}"));
    let work = String::from_utf8(output.stdout).unwrap();
    let (work, unit) = work.trim().split_once(' ').unwrap();
    (instructions.trim().parse().unwrap(), work.parse().unwrap(), unit.to_owned())
}

/// What counts depend on beside the code.
fn toolchain() -> String {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    format!("{}, {}, {}", version(&rustc), version("valgrind"), env::consts::ARCH)
}
