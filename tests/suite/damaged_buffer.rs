//! A buffer damaged at random under every command that opens it: no command panics, hangs, or shows
//! figures out of pages that are not what was written as if nothing were the matter.

use std::{collections::BTreeSet, fs, path::Path};

use rusqlite::Connection;

use crate::support::{agent::Agent, folder::Folder, golden, process::Output};

/// `DAMAGE_SEEDS=500` tries more of them.
const SEEDS: u64 = 16;

/// What is done to the bytes of the file.
fn damage(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) -> &'static str {
    let length = bytes.len();
    match random.u32(0..5) {
        0 => {
            bytes.truncate(random.usize(1..length));
            "cut short"
        }
        1 => {
            let from = random.usize(0..length - 4096);
            bytes[from..from + 4096].fill(0);
            "zeroed"
        }
        2 => {
            let from = random.usize(0..length - 4096);
            random.fill(&mut bytes[from..from + 4096]);
            "overwritten"
        }
        3 => {
            // The schema's text stands in the first pages.
            for _ in 0..20 {
                bytes[random.usize(100..8192.min(length))] = random.u8(0x20..0x7f);
            }
            "another schema"
        }
        _ => {
            for _ in 0..40 {
                bytes[random.usize(0..length)] ^= 1 << random.u32(0..8);
            }
            "flipped bits"
        }
    }
}

/// Whether each page is where it belongs, by SQLite's own look.
fn sqlite_finds_it_sound(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let look = |connection: Connection| {
        connection.query_row("PRAGMA quick_check", [], |row| row.get::<_, String>(0))
    };
    Connection::open(file.path()).and_then(look).is_ok_and(|said| said == "ok")
}

fn tells_of_damage(output: &Output) -> bool {
    let said = format!("{}{}", output.stdout, output.stderr);
    ["damaged", "malformed", "not a database", "cannot be decompressed", "buffer", "disk I/O"]
        .iter()
        .any(|word| said.contains(word))
}

#[test]
fn a_buffer_damaged_at_random_makes_no_command_panic_hang_or_show_wrong_figures() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    let sound = fs::read(agent.buffer()).unwrap();
    let log = folder.file("DEM12 (PVC)/20250526.LOG");
    let import = ["import", "--machine", "DEM12", log.to_str().unwrap()];
    let shows: [&[&str]; 5] = [
        &["sessions"],
        &["sessions", "--json"],
        &["report", "--from", "2025-05-26", "--format", "csv"],
        &["report", "--from", "2025-05-26", "--format", "json"],
        &["report", "--from", "2025-05-26"],
    ];
    let right: Vec<String> =
        shows.iter().map(|command| agent.command(command).succeeded().stdout).collect();
    let works: [&[&str]; 5] = [&["status"], &["check"], &["replay"], &["once"], &import];
    let mut kinds = BTreeSet::new();
    let seeds = std::env::var("DAMAGE_SEEDS").map_or(SEEDS, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = sound.clone();
        let kind = damage(&mut bytes, &mut random);
        kinds.insert(kind);
        let lay = || {
            let _ = fs::remove_dir_all(agent.state_dir());
            fs::create_dir(agent.state_dir()).unwrap();
            fs::write(agent.buffer(), &bytes).unwrap();
        };
        lay();
        for (command, right) in shows.iter().zip(&right) {
            let output = agent.command(command);
            ends_in_words(seed, kind, command, &output);
            // Bytes changed inside a value are a value to SQLite: that alone no look can tell.
            if ["cut short", "zeroed"].contains(&kind) {
                let is_sound = sqlite_finds_it_sound(&bytes);
                assert!(output.code != 0 || is_sound, "{seed} {kind} {command:?}: {output}");
                assert!(output.code != 0 || &output.stdout == right, "{seed} {kind} {command:?}");
            }
        }
        for command in works {
            lay();
            let output = agent.command(command);
            ends_in_words(seed, kind, command, &output);
            let is_rebuilt = Path::new(&agent.buffer()).with_extension("db.damaged").exists();
            assert!(!is_rebuilt || tells_of_damage(&output), "{seed} {kind} {command:?}: {output}");
        }
        lay();
        agent.once();
        let sessions = agent.command(&["sessions"]);
        ends_in_words(seed, kind, &["sessions", "after once"], &sessions);
    }
    assert!(kinds.len() >= 4, "{kinds:?}");
}

/// It ended by itself, within the patience of the harness, with one of its own codes, and a failure
/// says what is the matter.
#[track_caller]
fn ends_in_words(seed: u64, kind: &str, command: &[&str], output: &Output) {
    let is_own = (0..=3).contains(&output.code);
    let panicked = output.stderr.contains("panicked");
    assert!(is_own && !panicked, "{seed} {kind} {command:?}: {output}");
    assert!(output.code == 0 || tells_of_damage(output), "{seed} {kind} {command:?}: {output}");
}
