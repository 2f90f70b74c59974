//! `config.toml.example`: made of the table of keys, accepted by the agent as it stands, and complete.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use cu_agent::{
    config::{self, Shown, Topic},
    model::Limits,
};

pub const EXAMPLE: &str = "config.toml.example";

const WIDTH: usize = 108;

/// What `config.toml.example` must be; `manual.rs` compares it, or writes it.
pub fn example() -> String {
    let mut text = String::new();
    for (number, paragraph) in config::HEAD.iter().enumerate() {
        text += if number == 0 { "" } else { "#\n" };
        comment(&mut text, "", paragraph);
    }
    for topic in config::topics() {
        section(&mut text, &topic);
    }
    text
}

fn section(text: &mut String, topic: &Topic) {
    // A table within a table is indented.
    let indent = if topic.header.contains('.') { "  " } else { "" };
    *text += if indent.is_empty() { "\n" } else { "" };
    comment(text, indent, topic.about);
    if !topic.header.is_empty() {
        writeln!(text, "{indent}{}", topic.header).unwrap();
    }
    for key in &topic.keys {
        let name = key.name;
        match &key.shown {
            Shown::InSample => comment(text, indent, &format!("{name}: {}", key.about)),
            Shown::On(_) | Shown::Off(_) => comment(text, indent, &key.about),
        }
        match &key.shown {
            Shown::On(value) => writeln!(text, "{indent}{name} = {value}").unwrap(),
            Shown::Off(value) => writeln!(text, "{indent}# {name} = {value}").unwrap(),
            Shown::InSample => {}
        }
    }
    for line in topic.sample.lines() {
        writeln!(text, "{indent}{line}").unwrap();
    }
}

fn comment(text: &mut String, indent: &str, prose: &str) {
    for line in wrapped(prose, WIDTH - indent.len()) {
        writeln!(text, "{indent}# {line}").unwrap();
    }
}

/// Lines of at most `width` characters where words allow it.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                *line += " ";
                *line += word;
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn text() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE))
        .expect("config.toml.example stands at the top of the repository")
}

/// The passwords that are in files on a real gateway.
fn environment(name: &str) -> Option<String> {
    matches!(name, "FTP_PASS" | "POSTGRES_PASSWORD" | "ALARMS_TOKEN" | "REPORT_TOKEN")
        .then(|| "secret".to_owned())
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
    let credentials = tempfile::tempdir().unwrap();
    for name in ["sftp-key", "sftp-key-passphrase"] {
        fs::write(credentials.path().join(name), "secret").unwrap();
    }
    let environment = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => credentials.path().to_str().map(str::to_owned),
        name => environment(name),
    };
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
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

/// The agent itself is asked which keys it reads, by section: an unknown one is refused with the list.
fn keys_that_are_read() -> BTreeMap<String, BTreeSet<String>> {
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
        kind = "sftp"
        unknown = 1
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
        [[calendar]]
        unknown = 1
          [[calendar.shift]]
          unknown = 1
        [status]
        unknown = 1
        [update]
        unknown = 1
        [settings]
        unknown = 1
        [alarms]
        unknown = 1
        [report]
        unknown = 1
    "#;
    let refusal = config::parse(Path::new("x"), text, &|_| None).expect_err("unknown keys");
    let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in refusal.to_string().lines() {
        let Some((key, list)) = line.split_once(": unknown key; accepted here: ") else { continue };
        let key = key.rsplit(": ").next().unwrap();
        let section = key.trim_end_matches("unknown").trim_end_matches('.');
        let section =
            section.replace("[1]", "").replace("[2]", "").replace("[3]", "").replace(".\"a\"", "");
        sections.entry(section).or_default().extend(list.split(", ").map(str::to_owned));
    }
    sections
}

#[test]
fn every_key_that_is_read_is_in_the_table_and_every_key_of_the_table_is_read() {
    let mut explained: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for topic in config::topics().iter().filter(|topic| !topic.header.is_empty()) {
        let section = topic.header.trim_matches(['#', ' ', '[', ']']);
        // The sections are keys of what they are in.
        let (of, name) = section.rsplit_once('.').unwrap_or(("", section));
        explained.entry(of.to_owned()).or_default().insert(name.to_owned());
        let names = topic.keys.iter().map(|key| key.name.to_owned());
        explained.entry(section.to_owned()).or_default().extend(names);
    }
    assert_eq!(keys_that_are_read(), explained);
}

#[test]
fn every_key_is_explained_by_a_sentence_of_its_own_or_of_what_is_above_it() {
    for topic in config::topics() {
        let mut is_explained = !topic.about.is_empty();
        for key in &topic.keys {
            is_explained |= !key.about.is_empty();
            assert!(is_explained, "{} {}", topic.header, key.name);
            let is_in_sample = matches!(key.shown, Shown::InSample);
            assert!(!(is_in_sample && key.about.is_empty()), "{} {}", topic.header, key.name);
        }
    }
}
