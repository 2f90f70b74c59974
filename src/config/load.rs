//! From the written configuration to [`Config`]: each section's keys (`keys/`) into its typed fields, and
//! what holds between keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    Agent, Analysis, CentralConfig, CentralTls, Config, EventNames, FtpConfig, FtpTls, Schedule,
    SourceConfig, SourceKind, Status,
    alarms::alarms,
    anomalies::anomalies,
    calendar::{KnownMachines, calendars},
    folders::{Folders, folders},
    hosts::Hosts,
    key::Key,
    keys::{AgentKeys, AnalysisKeys, CentralKeys, EventKeys, ScheduleKeys, SourceKeys, StatusKeys},
    memory,
    reader::{Document, Mistake, Section},
    secrets::{PasswordPlaces, Secrets},
    update::update,
    variables::{ignored_variables, value},
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
    #[error("the calendar is not usable:\n{}", listed(.0))]
    Calendar(Vec<Mistake>),
}

impl ConfigError {
    /// What is wrong with it, on one line.
    pub fn on_one_line(&self) -> String {
        match self {
            Self::Read { .. } => self.to_string(),
            Self::Mistakes(mistakes) | Self::Calendar(mistakes) => {
                mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        }
    }
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

    let (mut agent, mut status) = (root.section("agent"), root.section_or_empty("status"));
    let language = loader.language(agent.as_mut(), &mut status);
    let agent = loader.agent(agent, language);
    let schedule = schedule(root.section_or_empty("schedule"));
    let sources = loader.sources(&mut root);
    let central = loader.central(root.section("central"));
    let analysis = analysis(root.section_or_empty("analysis"));
    let anomalies = anomalies(root.section_or_empty("anomalies"));
    let machines = sources.iter().flat_map(|source| source.folders.values());
    let machines: BTreeSet<&str> = machines.map(|machine| machine.nom.as_str()).collect();
    let known = KnownMachines {
        has: &|nom| machines.contains(nom),
        otherwise: "is no machine (nom) of [source.folders]",
    };
    let calendars = calendars(&mut root, Some(&known));
    let status = self::status(status, language);
    let update = update(root.section("update"), &loader.base);
    let alarms = alarms(root.section("alarms"), &mut loader.secrets, &loader.base);
    root.finish();

    let mistakes = document.take_mistakes();
    let mut warnings = loader.secrets.warnings;
    let limits = sources.iter().map(|source| (source.name.as_str(), source.max_file_bytes));
    warnings.extend(limits.filter_map(|(name, bytes)| memory::warning(name, bytes)));
    let (Some(agent), true) = (agent, mistakes.is_empty()) else {
        return Err(ConfigError::Mistakes(mistakes));
    };
    let config = Config {
        agent,
        schedule,
        sources,
        central,
        analysis,
        anomalies,
        calendars,
        status,
        alarms,
        update,
    };
    warnings.extend(ignored_variables(&config, env));
    Ok(Loaded { config, warnings })
}

struct Loader<'t, 'e> {
    secrets: Secrets<'e>,
    document: Rc<Document<'t>>,
    /// Directory of the configuration file: relative paths start there.
    base: PathBuf,
    env: &'e dyn Fn(&str) -> Option<String>,
}

impl Loader<'_, '_> {
    /// The one language of everything that people read, if one is configured: the agent's, or that of
    /// `[status]`, which earlier releases had for the page and for alarms.
    fn language(
        &mut self,
        agent: Option<&mut Section<'_>>,
        status: &mut Section<'_>,
    ) -> Option<Language> {
        let language = agent.and_then(|section| section.optional(&AgentKeys::LANGUAGE));
        let Some(retired) = status.retired(&StatusKeys::LANGUAGE) else { return language };
        let what = match language {
            Some(_) => "is ignored, because agent.language applies to everything that people read",
            None => "is replaced by agent.language and now applies to everything that people read",
        };
        let mend = match (language, retired.value) {
            (None, Some(Language::French)) => r#"set language = "fr" in [agent] instead"#,
            (None, Some(Language::English)) => r#"set language = "en" in [agent] instead"#,
            _ => "remove it",
        };
        let place = status.place(&retired.span);
        self.secrets.warnings.push(format!("{place}: status.language {what}; {mend}"));
        language.or(retired.value)
    }

    fn agent(&mut self, section: Option<Section<'_>>, language: Option<Language>) -> Option<Agent> {
        let Some(mut section) = section else {
            self.document.report(
                self.document.place(None),
                "agent".into(),
                r#"section is missing; give [agent] with id = "…""#.into(),
            );
            return None;
        };
        let id = section.required(&AgentKeys::ID);
        let state_dir = self.base.join(section.value(&AgentKeys::STATE_DIR));
        let log_level = section.value(&AgentKeys::LOG_LEVEL);
        let max_buffer_bytes = section.value(&AgentKeys::MAX_BUFFER_SIZE);
        section.finish();
        let language = language.unwrap_or_default();
        Some(Agent { id: id?, state_dir, log_level, language, max_buffer_bytes })
    }

    fn sources(&mut self, root: &mut Section<'_>) -> Vec<SourceConfig> {
        let sections = root.sections("source");
        if sections.is_empty() {
            root.missing("source", "at least one [[source]]");
        }
        let mut first_ftp = true;
        let sources: Vec<_> = sections
            .into_iter()
            .enumerate()
            .filter_map(|(at, section)| self.source(section, at == 0, &mut first_ftp))
            .collect();
        self.one_folder_a_machine(&sources);
        self.one_machine_an_old_name(&sources);
        sources
    }

    fn source(
        &mut self,
        mut section: Section<'_>,
        is_first: bool,
        first_ftp: &mut bool,
    ) -> Option<SourceConfig> {
        let name = section.required(&SourceKeys::NAME);
        let is_ftp = section.required(&SourceKeys::IS_FTP);
        let delete = section.value(&SourceKeys::DELETE);
        let delete_newest = section.value(&SourceKeys::DELETE_NEWEST);
        let max_file_bytes = section.value(&SourceKeys::MAX_FILE_SIZE);
        let kind = if is_ftp? {
            let variables = match (is_first, std::mem::replace(first_ftp, false)) {
                (true, _) => Variables::Win,
                (false, true) => Variables::FillGaps,
                (false, false) => Variables::AreOthers,
            };
            self.ftp(&mut section, variables).map(SourceKind::Ftp)
        } else {
            let path = section.required(&SourceKeys::PATH);
            path.map(|path| SourceKind::Directory(self.base.join(path)))
        };
        let Folders { machines, nominals, costs, old_names, descriptions } =
            folders(section.section("folders"), &section);
        section.finish();
        let (name, kind) = (name?, kind?);
        Some(SourceConfig {
            name,
            kind,
            delete,
            delete_newest,
            max_file_bytes,
            folders: machines,
            nominals,
            costs,
            descriptions,
            old_names,
        })
    }

    fn ftp(&mut self, section: &mut Section<'_>, variables: Variables) -> Option<FtpConfig> {
        let applies = |section: &Section<'_>, key: &Key<String>| match variables {
            Variables::Win => true,
            Variables::FillGaps => !section.has(key.name),
            Variables::AreOthers => false,
        };
        let from_env = |section: &Section<'_>, key: &Key<String>, name: &str| {
            applies(section, key).then(|| value(self.env, name)).flatten()
        };
        let host = from_env(section, &SourceKeys::HOST, "FTP_HOST");
        let host = overridden(section, &SourceKeys::HOST, host);
        let user = from_env(section, &SourceKeys::USER, "FTP_USER");
        let user = overridden(section, &SourceKeys::USER, user);
        let takes_password = applies(section, &SourceKeys::PASSWORD_FILE);
        let tls = section.value(&SourceKeys::TLS);
        let default_port = if tls == FtpTls::Implicit { 990 } else { 21 };
        let port = section.optional(&SourceKeys::PORT).unwrap_or(default_port);
        let places = PasswordPlaces {
            variable: takes_password.then_some("FTP_PASS"),
            credential: (variables != Variables::AreOthers).then_some("ftp-password"),
        };
        let password =
            self.secrets.password(section, &SourceKeys::PASSWORD_FILE, &self.base, &places);
        let ca_file = section.optional(&SourceKeys::CA_FILE);
        Some(FtpConfig {
            ca_file: ca_file.map(|file| self.base.join(file)),
            fingerprint: section.optional(&SourceKeys::FINGERPRINT),
            encoding: section.value(&SourceKeys::ENCODING),
            mode: section.value(&SourceKeys::MODE),
            root: section.optional(&SourceKeys::ROOT),
            connect_timeout: section.value(&SourceKeys::CONNECT_TIMEOUT),
            read_timeout: section.value(&SourceKeys::READ_TIMEOUT),
            host: host?,
            port,
            user: user?,
            password: password?,
            tls,
        })
    }

    fn central(&mut self, section: Option<Section<'_>>) -> Option<CentralConfig> {
        let mut section = match section {
            Some(section) => section,
            None if value(self.env, "POSTGRES_HOST").is_some() => self.document.empty("central"),
            None => return None,
        };
        let mut required = |key, variable| overridden(&mut section, key, value(self.env, variable));
        let database = required(&CentralKeys::DATABASE, "POSTGRES_DB");
        let user = required(&CentralKeys::USER, "POSTGRES_USER");
        let host = self.central_hosts(&mut section);
        let port = self.central_port(section.value(&CentralKeys::PORT));
        let places = PasswordPlaces {
            variable: Some("POSTGRES_PASSWORD"),
            credential: Some("central-password"),
        };
        let key = &CentralKeys::PASSWORD_FILE;
        let password = self.secrets.password(&mut section, key, &self.base, &places);
        let tls = section.value(&CentralKeys::TLS);
        // A server that was not verified could be anyone.
        let only_scram =
            section.optional(&CentralKeys::ONLY_SCRAM).unwrap_or(tls != CentralTls::VerifyFull);
        let ca_file = section.optional(&CentralKeys::CA_FILE).map(|file| self.base.join(file));
        let connect_timeout = section.value(&CentralKeys::CONNECT_TIMEOUT);
        let statement_timeout = section.value(&CentralKeys::STATEMENT_TIMEOUT);
        section.finish();
        Some(CentralConfig {
            host: host?,
            port,
            database: database?,
            user: user?,
            password: password?,
            tls,
            only_scram,
            ca_file,
            connect_timeout,
            statement_timeout,
        })
    }

    fn central_hosts(&self, section: &mut Section<'_>) -> Option<Hosts> {
        let key = &CentralKeys::HOST;
        let Some(text) = value(self.env, "POSTGRES_HOST") else { return section.required(key) };
        section.ignored(key);
        let hosts = text.parse().ok();
        if hosts.is_none() {
            self.document.report(
                "environment".into(),
                "POSTGRES_HOST".into(),
                format!("{text:?} is not accepted; give {}", key.accepted()),
            );
        }
        hosts
    }

    fn central_port(&self, written: u16) -> u16 {
        let Some(text) = value(self.env, "POSTGRES_PORT") else { return written };
        text.parse().ok().filter(|port| *port > 0).unwrap_or_else(|| {
            self.document.report(
                "environment".into(),
                "POSTGRES_PORT".into(),
                format!("{text:?} is not accepted; give {}", CentralKeys::PORT.accepted()),
            );
            written
        })
    }

    /// A name in central becomes one machine's, and no machine loses its own.
    fn one_machine_an_old_name(&self, sources: &[SourceConfig]) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for source in sources {
            for (nom, old_names) in &source.old_names {
                for old in old_names {
                    let is_in_use = sources
                        .iter()
                        .any(|source| source.folders.values().any(|machine| machine.nom == *old));
                    let other = seen.insert(old, nom).filter(|other| other != nom);
                    let problem = match other {
                        Some(other) => {
                            format!("{old:?} is an old name of {other:?} and of {nom:?}")
                        }
                        None if is_in_use && old != nom => {
                            format!("{old:?}, an old name of {nom:?}, is the nom of another folder")
                        }
                        None => continue,
                    };
                    self.document.report(
                        self.document.place(None),
                        "source.folders".into(),
                        format!("{problem}; give it to one machine only"),
                    );
                }
            }
        }
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

/// What the variables of the one FTP server of the replaced service are to a source. A server that is no
/// more must not take the place of one that the file names beside another kind of source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variables {
    /// The source is the first one: they win over the file.
    Win,
    /// It is the first FTP server behind sources of another kind: they give what the file leaves out.
    FillGaps,
    AreOthers,
}

/// The environment's value if it has one, else the file's, which is then required.
fn overridden(
    section: &mut Section<'_>,
    key: &Key<String>,
    from_env: Option<String>,
) -> Option<String> {
    match from_env {
        // Whatever the file says, even nothing, does not matter then.
        Some(value) => {
            section.ignored(key);
            Some(value)
        }
        None => section.required(key),
    }
}

fn schedule(mut section: Section<'_>) -> Schedule {
    let schedule = Schedule {
        poll: section.value(&ScheduleKeys::POLL),
        file_quiet: section.value(&ScheduleKeys::FILE_QUIET),
    };
    section.finish();
    schedule
}

fn analysis(mut section: Section<'_>) -> Analysis {
    let day_start = section.value(&AnalysisKeys::DAY_START);
    let wait_stamp = section.value(&AnalysisKeys::WAIT_STAMP);
    let events = events(section.section_or_empty("events"));
    section.finish();
    Analysis { day_start, wait_stamp, events }
}

fn events(mut section: Section<'_>) -> EventNames {
    let events = EventNames {
        piece: section.value(&EventKeys::PIECE),
        wait: section.value(&EventKeys::WAIT),
        stop: section.value(&EventKeys::STOP),
        start: section.value(&EventKeys::START),
        job: section.value(&EventKeys::JOB),
    };
    let EventNames { piece, wait, stop, start, job } = &events;
    if BTreeSet::from([piece, wait, stop, start, job]).len() < 5 {
        section.complain("two events have the same name; give each its own".into());
    }
    section.finish();
    events
}

impl Default for EventNames {
    fn default() -> Self {
        Self {
            piece: EventKeys::PIECE.default_value(),
            wait: EventKeys::WAIT.default_value(),
            stop: EventKeys::STOP.default_value(),
            start: EventKeys::START.default_value(),
            job: EventKeys::JOB.default_value(),
        }
    }
}

fn status(mut section: Section<'_>, language: Option<Language>) -> Status {
    let listen = section.value(&StatusKeys::LISTEN);
    let names = section.optional(&StatusKeys::NAMES).unwrap_or_default();
    section.finish();
    Status { listen, language, names }
}
