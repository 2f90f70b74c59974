//! `config.toml.example`: the agent takes it as it stands, and it explains every key.

use std::{collections::BTreeSet, path::Path};

use cu_agent::{config, model::Limits};

const EXAMPLE: &str = "config.toml.example";

fn text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE))
        .expect("config.toml.example stands at the top of the repository")
}

/// The passwords that stand in files of a real machine.
fn environment(name: &str) -> Option<String> {
    matches!(name, "FTP_PASS" | "POSTGRES_PASSWORD" | "ALARMS_TOKEN").then(|| "secret".to_owned())
}

#[test]
fn the_example_configuration_is_accepted_as_it_stands() {
    let loaded = config::parse(Path::new(EXAMPLE), &text(), &environment)
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(!loaded.config.sources.is_empty());
    assert!(loaded.config.central.is_some(), "the example shows central");
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn the_example_configuration_with_its_optional_keys_switched_on_is_accepted() {
    // `# key = value` and `# [section]` are options; prose is neither.
    let switched_on: String = text()
        .lines()
        .map(|line| {
            let option = line.trim_start().strip_prefix("# ").filter(|rest| {
                let rest = rest.trim_start();
                let (key, value) = rest.split_once(" = ").unwrap_or((rest, ""));
                let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    || key.starts_with('"') && key.ends_with('"');
                rest.starts_with('[') && rest.ends_with(']') || is_key && !value.is_empty()
            });
            format!("{}\n", option.unwrap_or(line))
        })
        .collect();
    let loaded = config::parse(Path::new(EXAMPLE), &switched_on, &environment)
        .unwrap_or_else(|error| panic!("{error}\n{switched_on}"));
    assert_eq!(loaded.config.anomalies, Limits::default(), "the example shows the defaults");
}

/// The agent itself is asked which keys it knows: an unknown one is refused with the list.
fn known_keys() -> BTreeSet<String> {
    let text = r#"
        unknown = 1
        [agent]
        unknown = 1
        [schedule]
        unknown = 1
        [[source]]
        kind = "ftp"
        unknown = 1
          [source.folders]
          "a" = { unknown = 1 }
        [[source]]
        kind = "directory"
        unknown = 1
        [central]
        unknown = 1
        [analysis]
        unknown = 1
          [analysis.events]
          unknown = 1
        [anomalies]
        unknown = 1
        [status]
        unknown = 1
        [update]
        unknown = 1
        [alarms]
        unknown = 1
    "#;
    let refusal = config::parse(Path::new("x"), text, &|_| None).expect_err("unknown keys");
    let message = refusal.to_string();
    let keys: BTreeSet<String> = message
        .lines()
        .filter_map(|line| line.split_once("accepted here: "))
        .flat_map(|(_, list)| list.split(", ").map(|key| key.trim().to_owned()))
        .collect();
    assert!(keys.len() > 25, "{message}");
    keys
}

#[test]
fn every_key_that_the_agent_knows_stands_in_the_example() {
    let text = text();
    let shown = |key: &str| {
        text.lines().any(|line| {
            let line = line.trim_start().trim_start_matches(['#', ' ']);
            line.starts_with(&format!("{key} ="))
                || line.starts_with(&format!("[{key}]"))
                || line.starts_with(&format!("[[{key}]]"))
                || line.starts_with('[') && line.contains(&format!(".{key}]"))
                || line.contains(&format!("{{ {key} ="))
                || line.contains(&format!(", {key} ="))
        })
    };
    let missing: Vec<String> = known_keys().into_iter().filter(|key| !shown(key)).collect();
    assert!(missing.is_empty(), "not explained in {EXAMPLE}: {missing:?}");
}

#[test]
fn every_key_of_the_example_is_explained_by_a_comment() {
    let text = text();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let unexplained: Vec<&str> = lines
        .iter()
        .enumerate()
        .filter(|(at, line)| {
            let is_key = line.split_once(" = ").is_some_and(|(key, _)| {
                !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            });
            // Above it, beside it, or above the group of keys that it stands in.
            let mut above = lines[..*at].iter().rev().take_while(|line| !line.is_empty());
            is_key && !line.contains(" # ") && !above.any(|line| line.starts_with('#'))
        })
        .map(|(_, line)| *line)
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}
