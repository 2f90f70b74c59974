//! The rules of the map in `docs/architecture.md`, read from the source text: which room may name
//! which crate, which way imports point, what stays pure.

use std::{fs, path::Path};

use super::tree;

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

    /// Every path that the code names: imports written out, and paths in the code itself.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut rest = self.code.as_str();
        while let Some(begin) = next_import(rest) {
            paths.extend(written_paths(&rest[..begin]));
            let import = &rest[begin + "use ".len()..];
            let end = import.find(';').expect("an import ends");
            flatten(&import[..end], "", &mut paths);
            rest = &import[end..];
        }
        paths.extend(written_paths(rest));
        paths
    }

    /// The rooms of this crate that the code names, by import or by path.
    fn imports(&self) -> Vec<String> {
        let paths = self.paths();
        let of_crate = paths.iter().filter_map(|path| path.strip_prefix("crate::"));
        of_crate.map(|path| path.split("::").next().unwrap().to_owned()).collect()
    }
}

/// Where the next `use …;` begins.
fn next_import(code: &str) -> Option<usize> {
    code.match_indices("use ").map(|(at, _)| at).find(|at| {
        let line = code[..*at].rsplit('\n').next().unwrap().trim();
        line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')'))
    })
}

/// `a::{b, c::{d, e}}` → `a::b`, `a::c::d`, `a::c::e`.
fn flatten(tree: &str, before: &str, paths: &mut Vec<String>) {
    let tree = tree.trim().trim_start_matches("::");
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        if !path.is_empty() {
            paths.push(format!("{before}{path}"));
        }
        return;
    };
    let before = format!("{before}{}", tree[..open].trim());
    let inside = &tree[open + 1..tree.rfind('}').expect("a list ends")];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                flatten(&inside[start..at], &before, paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    flatten(&inside[start..], &before, paths);
}

/// Paths of at least two steps in code that is no import, such as `crate::model::Stamp`.
fn written_paths(code: &str) -> Vec<String> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .map(|word| word.trim_matches(':'))
        .filter(|word| word.contains("::"))
        .map(str::to_owned)
        .collect()
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
    tree::sources()
        .iter()
        .filter(|file| !tree::is_of_tests(file))
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let whole = fs::read_to_string(file).unwrap();
            Source { code: without_comments_and_tests(&whole), path, whole }
        })
        .collect()
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
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| !allowed(&source.path)) {
        for path in source.paths() {
            if path.split("::").next() == Some(krate) {
                offences.push(format!("  src/{}: {path}", source.path));
            }
        }
    }
    offences
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
fn only_the_http_client_names_ureq() {
    let offences = named_outside("ureq", |path| path.starts_with("http_client"));
    assert_none("requests over HTTP are made by http_client", &offences);
}

#[test]
fn only_the_sftp_source_names_russh() {
    let offences = named_outside("russh", |path| path.starts_with("source/sftp/"));
    assert_none("SSH is spoken by source::sftp", &offences);
}

#[test]
fn only_the_workbook_names_the_compressor() {
    let offences = named_outside("miniz_oxide", |path| path.starts_with("workbook"));
    assert_none("spreadsheets are written by workbook", &offences);
}

#[test]
fn only_the_loader_of_authorities_reads_certificates() {
    for krate in ["webpki_roots", "rustls"] {
        let offences: Vec<String> = named_outside(krate, |path| path == "tls.rs")
            .into_iter()
            .filter(|offence| krate != "rustls" || offence.contains("PemObject"))
            .collect();
        assert_none("authorities are loaded in tls", &offences);
    }
}

#[test]
fn only_one_file_names_sd_notify() {
    let offences = named_outside("sd_notify", |path| path == "agent/systemd.rs");
    assert_none("systemd is notified in agent::systemd", &offences);
}

/// Room, and the rooms of this crate that it may import.
const MAY_IMPORT: [(&str, &[&str]); 30] = [
    ("model", &[]),
    ("monitor", &[]),
    ("failpoints", &[]),
    ("retry", &["model"]),
    ("peers", &["model"]),
    ("security", &["model", "text"]),
    ("tls", &["peers"]),
    ("http_client", &["tls"]),
    ("parse", &["model"]),
    ("calendar", &["model"]),
    ("analyse", &["model", "parse", "calendar"]),
    ("config", &["model", "calendar"]),
    ("logging", &["model", "config", "text"]),
    ("source", &["model", "config", "monitor", "peers", "tls"]),
    ("buffer", &["model", "config", "monitor", "failpoints", "parse", "analyse"]),
    ("sync", &["model", "config", "retry", "logging", "failpoints", "tls"]),
    (
        "collect",
        &[
            "model",
            "config",
            "retry",
            "logging",
            "failpoints",
            "source",
            "parse",
            "calendar",
            "analyse",
            "calendar",
            "buffer",
            "status",
        ],
    ),
    ("deliver", &["model", "config", "retry", "logging", "failpoints", "buffer", "sync"]),
    ("text", &["model"]),
    ("render", &["model", "text"]),
    ("report", &["model", "analyse", "text", "render"]),
    ("workbook", &["model", "text"]),
    ("status", &["model", "config", "monitor", "buffer", "analyse", "text", "render"]),
    ("web", &["model", "config", "logging", "buffer", "status"]),
    (
        "alarms",
        &[
            "model",
            "calendar",
            "config",
            "retry",
            "logging",
            "failpoints",
            "text",
            "buffer",
            "status",
            "tls",
            "http_client",
        ],
    ),
    (
        "weekly",
        &["model", "config", "retry", "logging", "failpoints", "tls", "http_client", "status"],
    ),
    ("update", &["model", "config", "retry", "logging", "failpoints", "tls", "http_client"]),
    ("settings", &["model", "config", "logging", "failpoints", "update"]),
    (
        "agent",
        &[
            "model",
            "config",
            "retry",
            "monitor",
            "logging",
            "failpoints",
            "peers",
            "security",
            "source",
            "parse",
            "analyse",
            "buffer",
            "sync",
            "collect",
            "deliver",
            "status",
            "web",
            "alarms",
            "weekly",
            "update",
            "settings",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "calendar",
            "config",
            "retry",
            "logging",
            "failpoints",
            "source",
            "parse",
            "analyse",
            "buffer",
            "sync",
            "collect",
            "status",
            "web",
            "alarms",
            "weekly",
            "update",
            "settings",
            "agent",
            "text",
            "render",
            "report",
            "text",
            "workbook",
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

/// A view of the buffer that changes it or serves one purpose, and the rooms that may borrow it.
const MAY_BORROW: [(&str, &[&str]); 12] = [
    ("batch()", &["collect"]),
    ("files()", &["collect"]),
    ("outbox()", &["deliver"]),
    ("outbox_mut()", &["deliver"]),
    ("links_mut()", &["agent", "deliver"]),
    ("plant_mut()", &["deliver"]),
    ("alarm_log()", &["alarms", "status"]),
    ("alarm_log_mut()", &["alarms"]),
    ("reports()", &["alarms", "cli", "status"]),
    ("sessions()", &["cli", "status", "web"]),
    ("security()", &["deliver"]),
    ("security_mut()", &["agent", "deliver"]),
];

#[test]
fn each_room_borrows_its_own_views_of_the_buffer() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "buffer") {
        let code: String = source.code.split_whitespace().collect();
        for (view, rooms) in MAY_BORROW {
            if code.contains(&format!("buffer.{view}")) && !rooms.contains(&source.room()) {
                offences.push(format!("  src/{}: borrows {view}", source.path));
            }
        }
    }
    assert_none("a view of the buffer serves one purpose", &offences);
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
    // Durations are plain data; reading a clock is not.
    let banned_modules = [
        "fs",
        "net",
        "env",
        "io",
        "process",
        "thread",
        "os",
        "sync",
        "time::SystemTime",
        "time::Instant",
    ];
    // thiserror is a derive: what it writes is std only. compact_str is a string. maud writes HTML
    // into one. serde says how a type looks outside, and reads and writes nothing itself.
    let allowed_crates = [
        "std",
        "core",
        "alloc",
        "chrono",
        "encoding_rs",
        "memchr",
        "compact_str",
        "serde",
        "thiserror",
        "maud",
    ];
    // Of clippy only the names of its lints are written.
    let own = ["crate", "self", "super", "Self", "clippy"];
    let mut offences = Vec::new();
    for source in sources() {
        if ![
            "parse", "analyse", "calendar", "retry", "security", "model", "text", "render",
            "report",
        ]
        .contains(&source.room())
        {
            continue;
        }
        for path in source.paths() {
            let root = path.split("::").next().unwrap();
            let behind = &path[root.len()..];
            let is_own = own.contains(&root)
                || root.starts_with(char::is_uppercase)
                || source.code.contains(&format!("mod {root};"))
                || source.code.contains(&format!("macro_rules! {root} "))
                // A name that an import above brought in, such as `fmt::Result`.
                || source.paths().iter().any(|other| other.ends_with(&format!("::{root}")))
                || PRIMITIVES.contains(&root);
            let is_banned = banned_modules.iter().any(|module| {
                behind == format!("::{module}") || behind.starts_with(&format!("::{module}::"))
            });
            let reads_clock = ["Utc::now", "Local::now", "SystemTime::now", "Instant::now"]
                .iter()
                .any(|call| path.ends_with(call));
            if (!is_own && !allowed_crates.contains(&root))
                || (root == "std" && is_banned)
                || reads_clock
            {
                offences.push(format!("  src/{}: {path}", source.path));
            }
        }
        for word in ["println", "eprintln", "dbg"] {
            if source.code.lines().any(|line| holds(line, word)) {
                offences.push(format!("  src/{}: {word}!", source.path));
            }
        }
    }
    assert_none(
        "parse, analyse, calendar, retry, model, text, render and report are pure",
        &offences,
    );
}

const PRIMITIVES: [&str; 17] = [
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32",
    "f64", "char", "str", "bool",
];

#[test]
fn only_the_room_of_texts_chooses_between_languages() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.room() != "text") {
        for line in source.code.lines() {
            let is_choice = ["Language::French", "Language::English"].iter().any(|language| {
                line.contains(&format!("{language} =>")) || line.contains(&format!("== {language}"))
            });
            if is_choice {
                offences.push(format!("  src/{}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none("French or English is chosen in `text`", &offences);
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
    let code = "use chrono::NaiveDate;\nuse rusqlite;\n\
                pub(crate) use crate::{\n    model::{A, B as C},\n    sync::{plan::X, postgres::Central},\n};\n\
                fn f() { ::postgres::Client::connect(crate::buffer::open()); \"pub mod log\" }\n";
    let source = Source { path: "x/y.rs".into(), code: code.into(), whole: String::new() };
    assert_eq!(
        source.paths(),
        [
            "chrono::NaiveDate",
            "rusqlite",
            "crate::model::A",
            "crate::model::B",
            "crate::sync::plan::X",
            "crate::sync::postgres::Central",
            "postgres::Client::connect",
            "crate::buffer::open",
        ]
    );
    assert_eq!(source.imports(), ["model", "model", "sync", "sync", "buffer"]);
    assert_eq!(source.room(), "x");
}
