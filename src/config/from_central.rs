//! `[settings]` and what it opens: settings that a plant signs once for all its gateways, laid over the
//! configuration file. Central's value counts, unless the file keeps its own by `settings.keep`.
//!
//! What must never happen here: a password, or a place that one is sent to, taken from central; a key by which
//! a LOG is deleted, a server is trusted or a port is opened.

use std::{ops::Range, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    UpdateConfig,
    keys::{
        AgentKeys, AlarmKeys, CentralKeys, Kind, ScheduleKeys, SettingsKeys, SourceKeys,
        THRESHOLDS, UpdateKeys, keys_of_others,
    },
    reader::{Document, Section},
    update::Trust,
};

/// `[settings]`: this gateway takes settings from central.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsConfig {
    pub trust: Trust,
    /// Longest time that new settings have to show that they work.
    pub trial: Duration,
}

/// What a plant signed, once its signature was checked.
#[derive(Clone, Copy, Debug)]
pub struct CentralSettings<'s> {
    pub serial: u64,
    /// TOML, as the configuration file.
    pub text: &'s str,
}

/// Which keys of the configuration are central's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FromCentral {
    /// `None`: nothing was laid over the file.
    pub serial: Option<u64>,
    /// Dotted, without doubles.
    pub taken: Vec<String>,
    /// Keys that the file keeps, or of a section that it does not have.
    pub left: Vec<String>,
}

/// By section, the keys that may come from central.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("agent", &[AgentKeys::LOG_LEVEL.name]),
    ("schedule", &[ScheduleKeys::POLL.name]),
    (
        SOURCE,
        &[
            SourceKeys::ROOT.name,
            SourceKeys::MODE.name,
            SourceKeys::KEEP_CONNECTION.name,
            SourceKeys::CONNECTIONS.name,
            SourceKeys::CONNECT_TIMEOUT.name,
            SourceKeys::READ_TIMEOUT.name,
        ],
    ),
    ("central", &[CentralKeys::CONNECT_TIMEOUT.name, CentralKeys::STATEMENT_TIMEOUT.name]),
    (
        "alarms",
        &[
            AlarmKeys::WORKING_HOURS.name,
            AlarmKeys::WORKING_DAYS.name,
            AlarmKeys::SILENT_AFTER.name,
            AlarmKeys::SOURCE_AFTER.name,
            AlarmKeys::CENTRAL_AFTER.name,
            AlarmKeys::DISK_FREE.name,
        ],
    ),
];
/// Its keys are for each `[[source]]`.
const SOURCE: &str = "source";
const ANOMALIES: &str = "anomalies";
/// Sections that need no key of the file's own.
const STAND_ALONE: [&str; 2] = ["schedule", ANOMALIES];

fn allowed(section: &str) -> Option<Vec<&'static str>> {
    if section == ANOMALIES {
        return Some(THRESHOLDS.iter().map(|row| row.key.name).collect());
    }
    ALLOWED.iter().find(|(name, _)| *name == section).map(|(_, keys)| keys.to_vec())
}

fn sections() -> String {
    let names = ALLOWED.iter().map(|(name, _)| *name);
    names.chain([ANOMALIES]).collect::<Vec<_>>().join(", ")
}

/// For `settings.keep`: keys that may come from central, or whole sections.
pub(super) fn keep(texts: &[&str]) -> Option<Vec<String>> {
    let is_known = |text: &str| match text.split_once('.') {
        None => allowed(text).is_some(),
        Some((section, key)) => allowed(section).is_some_and(|keys| keys.contains(&key)),
    };
    texts.iter().all(|text| is_known(text)).then(|| texts.iter().map(|t| (*t).into()).collect())
}

pub(super) fn settings(
    section: Option<Section<'_>>,
    update: Option<&UpdateConfig>,
    base: &std::path::Path,
) -> Option<SettingsConfig> {
    let mut section = section?;
    let public_key = section.optional(&SettingsKeys::PUBLIC_KEY);
    // Read from the table before settings are laid over it.
    section.optional(&SettingsKeys::KEEP);
    let trial = section.value(&SettingsKeys::TRIAL);
    section.finish();
    let of_package = || {
        let file = UpdateKeys::KEY_FILE.default_text().unwrap_or_default();
        Trust::KeySet(base.join(file))
    };
    let of_updates = || update.map_or_else(of_package, |update| update.trust.clone());
    Some(SettingsConfig { trust: public_key.map_or_else(of_updates, Trust::Key), trial })
}

/// Puts what central gives into the file's own tables. What may not come from there is a mistake, with its line.
pub(super) fn lay_over<'t>(
    file: &mut DeTable<'t>,
    settings: DeTable<'t>,
    document: &Document<'_>,
) -> (Vec<String>, Vec<String>) {
    let kept = kept_by(file);
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for (section, values) in settings {
        let (name, span) = (section.get_ref().to_string(), section.span());
        let refuse = |key: &str, span: &Range<usize>, problem: String| {
            document.report(document.place(Some(span)), key.to_owned(), problem);
        };
        let Some(keys) = allowed(&name) else {
            let problem = format!("cannot come from central; accepted there: {}", sections());
            refuse(&name, &span, problem);
            continue;
        };
        let DeValue::Table(values) = values.into_inner() else {
            refuse(&name, &span, format!("is not accepted; give a table, [{name}]"));
            continue;
        };
        if STAND_ALONE.contains(&&*name) && !file.contains_key(&*name) {
            let empty = Spanned::new(span, DeValue::Table(DeTable::new()));
            file.insert(section, empty);
        }
        for (key, value) in values {
            let dotted = format!("{name}.{}", key.get_ref());
            if !keys.contains(&&**key.get_ref()) {
                let problem =
                    format!("cannot come from central; accepted there: {}", keys.join(", "));
                refuse(&dotted, &key.span(), problem);
            } else if kept.contains(&name) || kept.contains(&dotted) {
                left.push(dotted);
            } else {
                let mut is_taken = false;
                for table in tables(file, &name, key.get_ref()) {
                    table.remove(&**key.get_ref());
                    table.insert(key.clone(), value.clone());
                    is_taken = true;
                }
                if is_taken { taken.push(dotted) } else { left.push(dotted) }
            }
        }
    }
    (taken, left)
}

/// What `settings.keep` says; whether it may is seen where it is read.
fn kept_by(file: &DeTable<'_>) -> Vec<String> {
    let text = |value: &Spanned<DeValue<'_>>| value.get_ref().as_str().map(str::to_owned);
    let section = file.get("settings").and_then(|value| value.get_ref().as_table());
    match section.and_then(|section| section.get("keep")) {
        Some(value) => match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(text).collect(),
            _ => text(value).into_iter().collect(),
        },
        None => Vec::new(),
    }
}

/// The file's tables that a key of this section belongs into.
fn tables<'f, 't>(file: &'f mut DeTable<'t>, section: &str, key: &str) -> Vec<&'f mut DeTable<'t>> {
    let Some(value) = file.get_mut(section) else { return Vec::new() };
    match value.get_mut() {
        DeValue::Table(table) => vec![table],
        DeValue::Array(items) if section == SOURCE => items
            .iter_mut()
            .filter_map(|item| match item.get_mut() {
                DeValue::Table(table) => Some(table),
                _ => None,
            })
            .filter(|table| {
                let word = table.get(SourceKeys::KIND.name);
                let kind = word.and_then(|word| SourceKeys::KIND.read(word.get_ref()));
                kind.is_some_and(|kind: Kind| keys_of_others(kind).all(|(other, _)| other != key))
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, SourceKind, parse, parse_with_settings};

    const FILE: &str = r#"[agent]
id = "ligne-1"
[schedule]
poll = "5m"
[settings]
public_key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
keep = ["anomalies.torn_lines", "alarms"]
[alarms]
silent_after = "2h"
url = "https://alarmes.usine.lan"
[[source]]
name = "cle"
kind = "directory"
path = "/mnt"
folders = {"SU12" = {nom = "SU12", type_cu = "SU12"}}
[[source]]
name = "cu"
kind = "ftp"
host = "10.0.0.5"
user = "u"
folders = {"DEM12" = {nom = "DEM12", type_cu = "DEM12"}}
"#;

    fn laid(file: &str, text: &str) -> Result<Config, ConfigError> {
        let env = |name: &str| (name == "FTP_PASS").then(|| "x".to_owned());
        let settings = CentralSettings { serial: 7, text };
        parse_with_settings(Path::new("config.toml"), file, &env, &settings)
            .map(|loaded| loaded.config)
    }

    #[test]
    fn central_s_values_count_and_the_file_keeps_what_it_says() {
        let text = "[schedule]\npoll = \"1m\"\n[anomalies]\ntorn_lines = 9\noverlaps = 8\n\
            [alarms]\nsilent_after = \"3h\"\n[central]\nconnect_timeout = \"5s\"\n\
            [source]\nread_timeout = \"7s\"\n";
        let config = laid(FILE, text).unwrap();
        assert_eq!(config.schedule.poll, Duration::from_secs(60));
        assert_eq!(
            (config.anomalies.torn_lines, config.anomalies.overlaps),
            (
                parse(Path::new("x"), FILE, &|name| (name == "FTP_PASS").then(|| "x".into()))
                    .unwrap()
                    .config
                    .anomalies
                    .torn_lines,
                8
            )
        );
        let SourceKind::Ftp(ftp) = &config.sources[1].kind else { panic!("the second is ftp") };
        assert_eq!(ftp.read_timeout, Duration::from_secs(7));
        let FromCentral { serial, taken, left } = config.from_central;
        assert_eq!(serial, Some(7));
        assert_eq!(taken, ["anomalies.overlaps", "schedule.poll", "source.read_timeout"]);
        assert_eq!(
            left,
            ["alarms.silent_after", "anomalies.torn_lines", "central.connect_timeout"]
        );
        assert!(config.central.is_none(), "a section that the file does not have is not made");
    }

    #[test]
    fn what_may_not_come_from_central_or_has_a_wrong_value_is_named_with_its_line() {
        let refusals = [
            (
                "[schedule]\npoll = \"1y\"",
                "central settings 7:2: schedule.poll: \"1y\" is not accepted",
            ),
            (
                "[schedule]\n\nfile_quiet = \"1m\"",
                "7:3: schedule.file_quiet: cannot come from central",
            ),
            ("[source]\npassword_file = \"/etc/shadow\"", "source.password_file: cannot come from"),
            ("[source]\nhost = \"10.6.6.6\"", "7:2: source.host: cannot come from central"),
            ("[source]\ndelete = \"after-sync\"", "source.delete: cannot come from central"),
            ("[central]\nhost = \"evil\"", "central.host: cannot come from central"),
            ("[alarms]\nurl = \"https://evil\"", "alarms.url: cannot come from central"),
            ("[settings]\npublic_key = \"x\"", "7:1: settings: cannot come from central"),
            ("[update]\nmanifest_url = \"x\"", "update: cannot come from central"),
            ("[[source]]\nname = \"x\"", "source: is not accepted; give a table"),
            ("[schedule\n", "central settings 7:1: not TOML"),
        ];
        for (text, expected) in refusals {
            let refusal = laid(FILE, text).unwrap_err().to_string();
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
        let wrong = FILE.replace("\"alarms\"]", "\"central.password_file\"]");
        let refusal = laid(&wrong, "").unwrap_err().to_string();
        assert!(refusal.contains("config.toml:7: settings.keep"), "{refusal}");
    }

    #[test]
    fn each_key_that_may_come_from_central_is_one_of_the_configuration() {
        let topics = crate::config::topics();
        for (section, keys) in ALLOWED {
            let header =
                if section == SOURCE { "[[source]]".into() } else { format!("[{section}]") };
            let of_section: Vec<_> = topics
                .iter()
                .filter(|topic| topic.header.trim_start_matches("# ").starts_with(&header))
                .flat_map(|topic| topic.keys.iter().map(|key| key.name))
                .collect();
            for key in keys {
                assert!(of_section.contains(key), "{section}.{key}: {of_section:?}");
            }
        }
    }
}
