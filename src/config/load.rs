//! From the written configuration to [`Config`]: every key, its default, and what is accepted.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use chrono::TimeDelta;

use super::{
    Agent, Analysis, CentralConfig, CentralTls, Config, DeletePolicy, EventNames, FtpConfig,
    FtpMode, FtpTls, NameEncoding, Schedule, SourceConfig, SourceKind, Status, WaitStamp,
    anomalies::anomalies,
    folders::machines,
    memory::{self, DEFAULT_MAX_FILE_BYTES},
    reader::{Document, Mistake, Section},
    secrets::{PasswordPlaces, Secrets},
    units::{parse_bytes, parse_duration, parse_fingerprint, parse_time_of_day},
    update::update,
};
use crate::model::Language;

/// The configuration and what a person should know of it although it can be used.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}; write it from config.toml.example")]
    Read { path: PathBuf, source: io::Error },
    #[error("the configuration is not usable:\n{}", listed(.0))]
    Mistakes(Vec<Mistake>),
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

/// Reads and checks the file at `path`; `env` looks up an environment variable.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(path, &text, env)
}

/// Checks the text of a configuration file; `path` names it in refusals and anchors relative paths.
pub fn parse(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    let document = Document::new(path.to_owned(), text);
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut loader =
        Loader { secrets: Secrets::new(env), document: Rc::clone(&document), base, env };
    let mut root = document.root();

    let agent = loader.agent(root.section("agent"));
    let schedule = schedule(root.section("schedule"));
    let mut first_ftp = true;
    let sections = root.sections("source");
    if sections.is_empty() {
        root.missing("source", "at least one [[source]]");
    }
    let sources: Vec<_> =
        sections.into_iter().filter_map(|section| loader.source(section, &mut first_ftp)).collect();
    loader.one_folder_a_machine(&sources);
    let central = loader.central(root.section("central"));
    let analysis = analysis(root.section("analysis"));
    let anomalies = anomalies(root.section("anomalies"));
    let status = status(root.section("status"));
    let update = update(root.section("update"), &loader.base);
    let alarms = loader.alarms(root.section("alarms"));
    root.finish();

    let mistakes = document.take_mistakes();
    let mut warnings = loader.secrets.warnings;
    let limits = sources.iter().map(|source| (source.name.as_str(), source.max_file_bytes));
    warnings.extend(limits.filter_map(|(name, bytes)| memory::warning(name, bytes)));
    match (agent, mistakes.is_empty()) {
        (Some(agent), true) => Ok(Loaded {
            config: Config {
                agent,
                schedule,
                sources,
                central,
                analysis,
                anomalies,
                status,
                alarms,
                update,
            },
            warnings,
        }),
        _ => Err(ConfigError::Mistakes(mistakes)),
    }
}

pub(super) struct Loader<'t, 'e> {
    pub(super) secrets: Secrets<'e>,
    document: Rc<Document<'t>>,
    /// Directory of the configuration file: relative paths start there.
    pub(super) base: PathBuf,
    env: &'e dyn Fn(&str) -> Option<String>,
}

const DURATION: &str = r#"a duration such as "30s", "5m" or "2h""#;
pub(super) const BYTES: &str = r#"a size such as "256MiB" or "2GiB""#;

pub(super) fn not_empty(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn duration_between(text: &str, least: Duration, most: Duration) -> Option<Duration> {
    parse_duration(text).filter(|value| (least..=most).contains(value))
}

fn timeout(section: &mut Section<'_>, key: &'static str, default_s: u64) -> Duration {
    section
        .parsed(key, r#"a duration from "1s" to "10m""#, |text| {
            duration_between(text, Duration::from_secs(1), Duration::from_secs(600))
        })
        .unwrap_or(Duration::from_secs(default_s))
}

impl Loader<'_, '_> {
    fn agent(&mut self, section: Option<Section<'_>>) -> Option<Agent> {
        let Some(mut section) = section else {
            self.document.report(
                self.document.place(None),
                "agent".into(),
                r#"section is missing; give [agent] with id = "…""#.into(),
            );
            return None;
        };
        let id = section.required(
            "id",
            r#"a name of 1 to 100 characters that no other gateway has, such as "ligne-1""#,
            |text| not_empty(text).filter(|id| id.chars().count() <= 100),
        );
        let state_dir = section
            .parsed("state_dir", "a directory", not_empty)
            .map_or_else(|| PathBuf::from("/var/lib/cu-agent"), |dir| self.base.join(dir));
        let log_level = section
            .choice(
                "log_level",
                &[
                    ("error", log::LevelFilter::Error),
                    ("warn", log::LevelFilter::Warn),
                    ("info", log::LevelFilter::Info),
                    ("debug", log::LevelFilter::Debug),
                    ("trace", log::LevelFilter::Trace),
                ],
            )
            .unwrap_or(log::LevelFilter::Info);
        let language = section
            .choice("language", &[("fr", Language::French), ("en", Language::English)])
            .unwrap_or_default();
        let max_buffer_bytes = section
            .bytes("max_buffer_size", r#"a size of at least "1MiB""#, |text| {
                parse_bytes(text).filter(|bytes| *bytes >= 1 << 20)
            })
            .unwrap_or(2 << 30);
        section.finish();
        Some(Agent { id: id?, state_dir, log_level, language, max_buffer_bytes })
    }

    fn source(&mut self, mut section: Section<'_>, first_ftp: &mut bool) -> Option<SourceConfig> {
        let name = section.required("name", r#"a name for the log, such as "cu""#, not_empty);
        if !section.has("kind") {
            section.missing("kind", r#""ftp" or "directory""#);
        }
        let is_ftp = section.choice("kind", &[("ftp", true), ("directory", false)]);
        let delete = section
            .choice(
                "delete",
                &[("never", DeletePolicy::Never), ("after-sync", DeletePolicy::AfterSync)],
            )
            .unwrap_or(DeletePolicy::Never);
        let delete_newest = section
            .choice(
                "delete_newest",
                &[("never", DeletePolicy::Never), ("after-sync", DeletePolicy::AfterSync)],
            )
            .unwrap_or(DeletePolicy::Never);
        let max_file_bytes =
            section.bytes("max_file_size", BYTES, parse_bytes).unwrap_or(DEFAULT_MAX_FILE_BYTES);
        let kind = match is_ftp {
            Some(true) => {
                let is_first = std::mem::replace(first_ftp, false);
                self.ftp(&mut section, is_first).map(SourceKind::Ftp)
            }
            Some(false) => {
                let accepted = "the directory that holds the machine folders";
                let path = section.required("path", accepted, not_empty);
                path.map(|path| SourceKind::Directory(self.base.join(path)))
            }
            None => return None,
        };
        let (folders, nominals) = machines(section.section("folders"), &section);
        section.finish();
        let (name, kind) = (name?, kind?);
        Some(SourceConfig { name, kind, delete, delete_newest, max_file_bytes, folders, nominals })
    }

    fn ftp(&mut self, section: &mut Section<'_>, is_first: bool) -> Option<FtpConfig> {
        let from_env = |name: &str| if is_first { (self.env)(name) } else { None };
        let host = overridden(
            section,
            "host",
            "the FTP server's name or address (or FTP_HOST)",
            from_env("FTP_HOST"),
        );
        let user = overridden(section, "user", "the FTP user (or FTP_USER)", from_env("FTP_USER"));
        let tls = section
            .choice(
                "tls",
                &[
                    ("none", FtpTls::None),
                    ("explicit", FtpTls::Explicit),
                    ("implicit", FtpTls::Implicit),
                ],
            )
            .unwrap_or(FtpTls::None);
        let default_port = if tls == FtpTls::Implicit { 990 } else { 21 };
        let port = section.port("port").unwrap_or(default_port);
        let password = self.secrets.password(
            section,
            &self.base,
            &PasswordPlaces {
                variable: is_first.then_some("FTP_PASS"),
                credential: is_first.then_some("ftp-password"),
            },
        );
        let ca_file = section.parsed("ca_file", "a PEM file", not_empty);
        let fingerprint = section.parsed(
            "fingerprint",
            "the certificate's SHA-256 as 64 hexadecimal digits",
            parse_fingerprint,
        );
        let encoding = section
            .choice("encoding", &[("utf-8", NameEncoding::Utf8), ("latin-1", NameEncoding::Latin1)])
            .unwrap_or(NameEncoding::Latin1);
        let mode = section
            .choice("mode", &[("passive", FtpMode::Passive), ("active", FtpMode::Active)])
            .unwrap_or(FtpMode::Passive);
        let root = section.parsed("root", "a directory on the server", not_empty);
        Some(FtpConfig {
            connect_timeout: timeout(section, "connect_timeout", 10),
            read_timeout: timeout(section, "read_timeout", 30),
            host: host?,
            port,
            user: user?,
            password: password?,
            tls,
            ca_file: ca_file.map(|file| self.base.join(file)),
            fingerprint,
            encoding,
            mode,
            root,
        })
    }

    fn central(&mut self, section: Option<Section<'_>>) -> Option<CentralConfig> {
        let mut section = match section {
            Some(section) => section,
            None if (self.env)("POSTGRES_HOST").is_some() => self.document.empty("central"),
            None => return None,
        };
        let mut required = |key, variable, what| {
            let accepted = format!("{what} (or {variable})");
            overridden(&mut section, key, &accepted, (self.env)(variable))
        };
        let host = required("host", "POSTGRES_HOST", "central PostgreSQL's name or address");
        let database = required("database", "POSTGRES_DB", "the database's name");
        let user = required("user", "POSTGRES_USER", "the role to log in with");
        let written_port = section.port("port");
        let port = match (self.env)("POSTGRES_PORT") {
            None => written_port.unwrap_or(5432),
            Some(text) => text.parse().ok().filter(|port| *port > 0).unwrap_or_else(|| {
                self.document.report(
                    "environment".into(),
                    "POSTGRES_PORT".into(),
                    format!("{text:?} is not accepted; give a port from 1 to 65535"),
                );
                5432
            }),
        };
        let password = self.secrets.password(
            &mut section,
            &self.base,
            &PasswordPlaces {
                variable: Some("POSTGRES_PASSWORD"),
                credential: Some("central-password"),
            },
        );
        let tls = section
            .choice(
                "tls",
                &[
                    ("disable", CentralTls::Disable),
                    ("require", CentralTls::Require),
                    ("verify-full", CentralTls::VerifyFull),
                ],
            )
            .unwrap_or(CentralTls::VerifyFull);
        // A server that was not verified could be anyone.
        let only_scram = section
            .choice("require_auth", &[("scram-sha-256", true), ("any", false)])
            .unwrap_or(tls != CentralTls::VerifyFull);
        let ca_file = section.parsed("ca_file", "a PEM file", not_empty);
        let connect_timeout = timeout(&mut section, "connect_timeout", 10);
        let statement_timeout = timeout(&mut section, "statement_timeout", 60);
        section.finish();
        Some(CentralConfig {
            host: host?,
            port,
            database: database?,
            user: user?,
            password: password?,
            tls,
            only_scram,
            ca_file: ca_file.map(|file| self.base.join(file)),
            connect_timeout,
            statement_timeout,
        })
    }

    /// A machine fed by two folders would have its files mixed up without anyone noticing.
    fn one_folder_a_machine(&self, sources: &[SourceConfig]) {
        let mut seen: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        let mut names: BTreeMap<&str, ()> = BTreeMap::new();
        for source in sources {
            if names.insert(&source.name, ()).is_some() {
                self.document.report(
                    self.document.place(None),
                    "source.name".into(),
                    format!("{:?} is given to two sources; give each its own", source.name),
                );
            }
            for (folder, machine) in &source.folders {
                if let Some((other_source, other_folder)) =
                    seen.insert(&machine.nom, (&source.name, folder))
                {
                    self.document.report(
                        self.document.place(None),
                        "source.folders".into(),
                        format!(
                            "nom {:?} is given to two folders, {other_folder:?} of source {other_source:?} \
                             and {folder:?} of source {:?}; give each machine one folder",
                            machine.nom, source.name
                        ),
                    );
                }
            }
        }
    }
}

/// The environment's value where it has one, else the file's, which is then required.
fn overridden(
    section: &mut Section<'_>,
    key: &'static str,
    accepted: &str,
    from_env: Option<String>,
) -> Option<String> {
    match from_env {
        Some(value) => {
            section.string(key, accepted);
            Some(value)
        }
        None => section.required(key, accepted, not_empty),
    }
}

fn schedule(section: Option<Section<'_>>) -> Schedule {
    let (poll, file_quiet) = (Duration::from_secs(300), Duration::from_secs(1800));
    let Some(mut section) = section else { return Schedule { poll, file_quiet } };
    let poll = section
        .parsed("poll", r#"a duration from "100ms" to "24h", such as "5m""#, |text| {
            duration_between(text, Duration::from_millis(100), Duration::from_secs(86_400))
        })
        .unwrap_or(poll);
    let file_quiet = section.parsed("file_quiet", DURATION, parse_duration).unwrap_or(file_quiet);
    section.finish();
    Schedule { poll, file_quiet }
}

fn analysis(section: Option<Section<'_>>) -> Analysis {
    let default = Analysis {
        day_start: TimeDelta::zero(),
        wait_stamp: WaitStamp::Start,
        events: EventNames::default(),
    };
    let Some(mut section) = section else { return default };
    let day_start = section
        .parsed("day_start", r#"a time of day such as "05:00""#, parse_time_of_day)
        .unwrap_or(default.day_start);
    let wait_stamp = section
        .choice("wait_stamp", &[("start", WaitStamp::Start), ("end", WaitStamp::End)])
        .unwrap_or(default.wait_stamp);
    let mut events = default.events;
    if let Some(mut names) = section.section("events") {
        let mut word = |key, slot: &mut String| {
            let accepted = "a word of latin-1 characters without a colon";
            if let Some(name) = names.parsed(key, accepted, event_name) {
                *slot = name;
            }
        };
        word("piece", &mut events.piece);
        word("wait", &mut events.wait);
        word("stop", &mut events.stop);
        word("start", &mut events.start);
        word("job", &mut events.job);
        let mut words =
            [&events.piece, &events.wait, &events.stop, &events.start, &events.job].to_vec();
        words.sort();
        words.dedup();
        if words.len() < 5 {
            names.complain("two events have the same name; give each its own".into());
        }
        names.finish();
    }
    section.finish();
    Analysis { day_start, wait_stamp, events }
}

pub(super) fn event_name(text: &str) -> Option<String> {
    not_empty(text)
        .filter(|name| name.chars().all(|c| ('\u{1}'..='\u{ff}').contains(&c) && c != ':'))
}

fn status(section: Option<Section<'_>>) -> Status {
    let listen = Some(([127, 0, 0, 1], 9780).into());
    let Some(mut section) = section else {
        return Status { listen, language: None, names: Vec::new() };
    };
    let accepted = r#"an address and port such as "127.0.0.1:9780", or "" for none"#;
    let listen = section
        .parsed("listen", accepted, |text| match text {
            "" => Some(None),
            _ => text.parse().ok().map(Some),
        })
        .unwrap_or(listen);
    let language = section
        .choice(
            "language",
            &[("auto", None), ("fr", Some(Language::French)), ("en", Some(Language::English))],
        )
        .flatten();
    let accepted = "names of this computer with blanks between, without a port";
    let names = section.parsed("names", accepted, host_names).unwrap_or_default();
    section.finish();
    Status { listen, language, names }
}

fn host_names(text: &str) -> Option<Vec<String>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let names = text.split_whitespace().map(str::to_ascii_lowercase);
    names.map(|name| name.chars().all(is_name).then_some(name)).collect()
}
