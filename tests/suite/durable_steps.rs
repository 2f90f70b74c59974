//! Everything that lasts once it is done has a step in `src/failpoints/mod.rs`, and with it a named point at
//! which `tests/crash_points` ends the process. A durable action without one fails here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cu_agent::failpoints::Step;

use super::tree;

/// What makes something last, and the places that may call it outside [`durably`] with the reason.
///
/// [`durably`]: cu_agent::failpoints::durably
const ACTIONS: [(&str, &[(&str, &str)]); 21] = [
    (".commit()", &[]),
    (".to_latest(", &[]),
    ("connection.execute(", &[]),
    (
        ".execute_batch(",
        &[("buffer/tallies.rs", "tables in the memory of a connection that may only look")],
    ),
    ("central.deliver(", &[]),
    ("central.ensure_centres(", &[]),
    ("central.settle(", &[]),
    ("central.name_sessions(", &[]),
    ("central.adopt(", &[]),
    ("central.told_foreign_writes(", &[]),
    ("central.write_gateway_row(", &[]),
    ("central.add_security_events(", &[]),
    ("source.delete(", &[("collect/pace.rs", "passes the call on to the source, timed")]),
    (
        "COMMIT",
        &[
            ("sync/postgres/schema.rs", "run as MigrateCentral, printed for an administrator"),
            ("sync/postgres/fitness.rs", "printed for an administrator, never run"),
            ("sync/postgres/mod.rs", "ends the transaction of an exchange, which has its step"),
            ("sync/postgres/settings.rs", "the name of an isolation level"),
            ("sync/postgres/old_names.rs", "run as MigrateCentral, printed for an administrator"),
        ],
    ),
    ("fs::rename(", &[]),
    ("fs::copy(", &[]),
    ("fs::hard_link(", &[]),
    ("fs::write(", &[]),
    (
        "fs::remove_file(",
        &[
            ("source/dir.rs", "is what source.delete is"),
            ("agent/health_service.rs", "a socket that nobody listens at holds nothing"),
        ],
    ),
    ("File::create(", &[("cli/mod.rs", "a report is written again on request")]),
    (
        "OpenOptions::new()",
        &[("buffer/lock.rs", "who holds the lock is only told, never decided by")],
    ),
];

/// The only rooms that may hold SQL which changes central; all of it is reached through the three calls
/// above, the migrations, and what people write by `central migrate`, `central calendar put` and `central settings put`,
/// one statement each, which is done or not.
const CENTRAL_WRITERS: [&str; 14] = [
    "calendar.rs",
    "claim.rs",
    "deliver.rs",
    "details.rs",
    "fitness.rs",
    "gateway_row.rs",
    "misplaced.rs",
    "plant_settings.rs",
    "schema.rs",
    "security.rs",
    "settle.rs",
    "states.rs",
    "times.rs",
    "writers.rs",
];

struct Source {
    path: String,
    /// Without the tests at its end.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = |path: PathBuf| {
        let whole = fs::read_to_string(&path).unwrap();
        let code = whole.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
        let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        Source { path, code }
    };
    tree::sources().into_iter().filter(|path| !tree::is_of_tests(path)).map(source).collect()
}

/// Where `action` stands in `code` outside a call of `durably`.
fn without_a_step<'c>(code: &'c str, action: &str) -> Vec<&'c str> {
    code.match_indices(action)
        .filter(|(at, _)| {
            let statement = code[..*at].rfind([';', '{', '}']).map_or(0, |end| end + 1);
            !code[statement..*at].contains("durably(")
        })
        .map(|(at, _)| code[..at].rsplit('\n').next().unwrap_or(""))
        .collect()
}

#[test]
fn every_durable_action_stands_between_two_named_points() {
    let mut offences = Vec::new();
    for source in sources() {
        for (action, allowed) in ACTIONS {
            if allowed.iter().any(|(path, _)| *path == source.path) {
                continue;
            }
            for line in without_a_step(&source.code, action) {
                offences.push(format!("  src/{}: {}{action}", source.path, line.trim()));
            }
        }
        let is_writer = CENTRAL_WRITERS.iter().any(|name| source.path.ends_with(name));
        if source.path.starts_with("sync/") && !is_writer {
            for word in ["INSERT INTO", "DELETE FROM", "TRUNCATE", "\nUPDATE "] {
                if source.code.contains(word) {
                    offences.push(format!("  src/{}: {word}", source.path));
                }
            }
        }
    }
    assert!(
        offences.is_empty(),
        "give each a step of its own in src/failpoints/mod.rs, and tests/crash_points a history that gets \
         there:\n{}",
        offences.join("\n")
    );
}

#[test]
fn every_step_is_used_and_has_a_name_of_its_own() {
    let code: String = sources()
        .into_iter()
        .filter(|source| source.path != "failpoints/mod.rs")
        .map(|source| source.code)
        .collect();
    let all = [&Step::ALL[..], &Step::OF_UPDATES, &Step::OF_REPORTS, &Step::OF_SETTINGS].concat();
    let mut names: Vec<&str> = all.iter().map(|step| step.as_str()).collect();
    for step in &all {
        assert!(code.contains(&format!("Step::{step:?}")), "{step:?} is a step of nothing");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
}

#[test]
fn a_durable_action_without_a_step_is_seen() {
    let bad = "fn f() {\n    let x = 1;\n    transaction.commit()?;\n}";
    let good = "fn f() {\n    durably(step, || transaction.commit())?;\n}";
    assert_eq!(without_a_step(bad, ".commit()"), ["    transaction"]);
    assert!(without_a_step(good, ".commit()").is_empty());
}
