//! The rules of the map in `docs/architecture.md`, read from the source text: which room may name
//! which crate, which way imports point, what stays pure.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file by its path below `src`, without comments and without its unit tests.
struct Source {
    path: String,
    code: String,
    whole: String,
}

impl Source {
    /// First step of the path: `parse` for `parse.rs` and for `parse/lines.rs`.
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().expect("split yields one part")
    }

    /// The rooms of this crate that the code names, by import or by path.
    fn imports(&self) -> Vec<String> {
        let paths = self.code.match_indices("crate::");
        paths.flat_map(|(at, step)| imported_rooms(&self.code[at + step.len()..])).collect()
    }
}

fn holds(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_word)
            && !line[at + word.len()..].chars().next().is_some_and(is_word)
    })
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 5, "the sources are under {}", root.display());
    files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let whole = fs::read_to_string(file).unwrap();
            Source { code: without_comments_and_tests(&whole), path, whole }
        })
        .filter(|source| !source.path.ends_with("tests.rs"))
        .collect()
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn without_comments_and_tests(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| match line.trim_start() {
        comment if comment.starts_with("//") => "",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Panics with all offences of a rule at once.
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

fn named_outside(krate: &str, allowed: impl Fn(&str) -> bool) -> Vec<String> {
    sources()
        .iter()
        .filter(|source| !allowed(&source.path))
        .flat_map(|source| {
            source
                .code
                .lines()
                .filter(|line| names_crate(line, krate))
                .map(|line| format!("  src/{}: {}", source.path, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// True where `krate` begins a path (`krate::…`, `use krate;`), not where it is a module's name
/// (`sync::postgres`, `mod postgres`) or part of a text.
fn names_crate(line: &str, krate: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(krate).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + krate.len()..]);
        let is_path_step =
            before.trim_end_matches("::").ends_with(is_word) && before.ends_with("::");
        let begins_path = after.starts_with("::")
            || (before.trim_end().ends_with("use") && after.starts_with([';', ' ']))
            || (before.trim_end().ends_with("extern crate"));
        !before.ends_with(is_word) && !is_path_step && begins_path
    })
}

#[test]
fn only_the_ftp_source_names_suppaftp() {
    let offences = named_outside("suppaftp", |path| path.starts_with("source/ftp"));
    assert_none("suppaftp stays behind source::ftp", &offences);
}

#[test]
fn only_the_buffer_names_rusqlite() {
    for krate in ["rusqlite", "rusqlite_migration"] {
        let offences = named_outside(krate, |path| path.starts_with("buffer"));
        assert_none("rusqlite stays in the buffer", &offences);
    }
}

#[test]
fn only_the_central_client_names_postgres() {
    for krate in ["postgres", "tokio_postgres", "tokio_postgres_rustls", "postgres_types"] {
        // Inside sync a bare `postgres::` is the module; the crate is named only behind it.
        let offences = named_outside(krate, |path| {
            path.starts_with("sync/postgres") || (krate == "postgres" && path == "sync/mod.rs")
        });
        assert_none("postgres stays behind sync::postgres", &offences);
    }
}

#[test]
fn only_notify_and_update_name_ureq() {
    let offences =
        named_outside("ureq", |path| path.starts_with("notify") || path.starts_with("update"));
    assert_none("HTTP stays in notify and update", &offences);
}

/// Room, and the rooms of this crate that it may import.
const MAY_IMPORT: [(&str, &[&str]); 16] = [
    ("model", &[]),
    ("retry", &["model"]),
    ("parse", &["model"]),
    ("analyse", &["model", "parse"]),
    ("generate", &["model"]),
    ("config", &["model"]),
    ("journal", &["model", "config"]),
    ("source", &["model", "config"]),
    ("buffer", &["model", "config", "parse", "analyse"]),
    ("sync", &["model", "config", "retry", "journal"]),
    (
        "collect",
        &["model", "config", "retry", "journal", "source", "parse", "analyse", "buffer", "status"],
    ),
    ("status", &["model", "config", "journal", "buffer"]),
    ("notify", &["model", "config", "retry", "journal", "status"]),
    ("update", &["model", "config", "retry", "journal"]),
    (
        "agent",
        &[
            "model", "config", "retry", "journal", "source", "parse", "analyse", "buffer", "sync",
            "collect", "status", "notify", "update",
        ],
    ),
    (
        "cli",
        &[
            "model", "config", "retry", "journal", "source", "parse", "analyse", "buffer", "sync",
            "collect", "status", "notify", "update", "agent", "generate",
        ],
    ),
];

#[test]
fn imports_point_one_way() {
    let mut offences = Vec::new();
    for source in sources() {
        let room = source.room();
        if ["main", "lib"].contains(&room) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            offences.push(format!("  src/{}: room {room:?} is not on the map", source.path));
            continue;
        };
        for target in source.imports() {
            if target != room && !allowed.contains(&target.as_str()) {
                offences.push(format!("  src/{}: imports {target}", source.path));
            }
        }
    }
    assert_none("imports point main → cli → agent → stages → model", &offences);
}

/// `model::Stamp` → model; `{model::Stamp, config}` → model and config.
fn imported_rooms(path: &str) -> Vec<String> {
    let first = |text: &str| {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let Some(inside) = path.strip_prefix('{') else { return vec![first(path)] };
    let mut rooms = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                rooms.push(first(&inside[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                rooms.push(first(&inside[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

#[test]
fn source_buffer_and_sync_never_import_each_other() {
    let apart = ["source", "buffer", "sync"];
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| apart.contains(&source.room())) {
        for target in source.imports() {
            if target != source.room() && apart.contains(&target.as_str()) {
                offences.push(format!("  src/{}: imports {target}", source.path));
            }
        }
    }
    assert_none("the stages meet only in SQLite", &offences);
}

#[test]
fn the_pure_rooms_have_no_io_no_clock_and_no_log() {
    let banned = [
        "std::fs",
        "std::net",
        "std::env",
        "std::io",
        "std::process",
        "std::thread",
        "std::time",
        "std::os",
        "std::sync",
        "log::",
        "simplelog",
        "Local::now",
        "Utc::now",
        "println!",
        "eprintln!",
        "SystemTime",
        "Instant",
    ];
    let allowed_crates =
        ["std", "core", "alloc", "chrono", "encoding_rs", "memchr", "crate", "self", "super"];
    let mut offences = Vec::new();
    for source in sources() {
        if !["parse", "analyse", "retry", "model"].contains(&source.room()) {
            continue;
        }
        for line in source.code.lines() {
            if banned
                .iter()
                .any(|word| holds(line, word.trim_end_matches([':', '!'])) && line.contains(word))
            {
                offences.push(format!("  src/{}: {}", source.path, line.trim()));
            }
            let trimmed = line.trim();
            if let Some(path) = trimmed.strip_prefix("use ").or(trimmed.strip_prefix("pub use ")) {
                let root = path.split("::").next().unwrap().trim_end_matches(';');
                let is_own_module = source.code.contains(&format!("mod {root};"))
                    || root.starts_with(char::is_uppercase);
                if !allowed_crates.contains(&root) && !is_own_module {
                    offences.push(format!("  src/{}: {trimmed}", source.path));
                }
            }
        }
        // `use std::{fs, …}` in one statement.
        for (at, _) in source.code.match_indices("use std::{") {
            let list = &source.code[at..][..source.code[at..].find(';').unwrap_or(0)];
            for word in ["fs", "net", "env", "io", "process", "thread", "time", "os"] {
                if holds(list, word) {
                    offences.push(format!("  src/{}: use std::{{{word}}}", source.path));
                }
            }
        }
    }
    assert_none("parse, analyse, retry and model are pure", &offences);
}

#[test]
fn the_wall_clock_is_read_only_in_agent_and_cli() {
    let mut offences = Vec::new();
    for source in sources() {
        if ["agent", "cli", "main"].contains(&source.room()) {
            continue;
        }
        for call in ["Utc::now", "Local::now", "SystemTime::now"] {
            for line in source.code.lines().filter(|line| line.contains(call)) {
                offences.push(format!("  src/{}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("`now` is an argument", &offences);
}

#[test]
fn no_file_is_a_drawer_for_this_and_that() {
    let offences: Vec<String> = sources()
        .iter()
        .filter(|source| {
            source.path.split(['/', '.']).any(|step| {
                ["util", "utils", "helper", "helpers", "common", "misc"].contains(&step)
            })
        })
        .map(|source| format!("  src/{}", source.path))
        .collect();
    assert_none("a file is named after its noun", &offences);
}

#[test]
fn every_file_opens_with_what_it_owns_and_stays_short_enough_to_read() {
    let mut offences = Vec::new();
    for source in sources() {
        if source.path != "main.rs" && !source.whole.starts_with("//!") {
            offences.push(format!("  src/{}: no module documentation", source.path));
        }
        let lines = source.whole.lines().count();
        if lines > 500 {
            offences.push(format!("  src/{}: {lines} lines, look for a second noun", source.path));
        }
    }
    assert_none("one noun a file, told in its first line", &offences);
}

#[test]
fn the_rules_themselves_see_what_they_are_meant_to_see() {
    assert!(names_crate("use suppaftp::FtpStream;", "suppaftp"));
    assert!(names_crate("    let c = ::postgres::Client::connect();", "postgres"));
    assert!(names_crate("use rusqlite;", "rusqlite"));
    assert!(!names_crate("use crate::sync::postgres::Central;", "postgres"));
    assert!(!names_crate("pub mod postgres;", "postgres"));
    assert!(!names_crate("let x = \"postgres and more\";", "postgres"));
    assert_eq!(imported_rooms("{model::{A, B}, config};"), ["model", "config"]);
    assert_eq!(imported_rooms("model::Stamp;"), ["model"]);
}
