//! From the written configuration to [`Config`]: each section's keys (`keys/`) into its typed fields, and
//! what holds between keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    Agent, Analysis, CentralConfig, CentralTls, Config, ConfigError, EventNames, Schedule,
    SourceConfig, SourceKind, Status,
    alarms::alarms,
    anomalies::anomalies,
    calendar::{KnownMachines, calendars},
    error::not_utf8,
    folders::{Folders, folders},
    from_central::{CentralSettings, settings},
    ftp::{Variables, ftp},
    hosts::Hosts,
    keys::{
        AgentKeys, AnalysisKeys, CentralKeys, EventKeys, Kind, ScheduleKeys, SourceKeys,
        StatusKeys, keys_of_others,
    },
    memory,
    reader::{Document, Section, behind},
    report::report,
    secrets::{PasswordPlaces, Secrets},
    sftp::{Credentials, sftp},
    update::update,
    variables::{ignored_variables, overridden, value},
};
use crate::model::Language;

/// The configuration and what a person should know of it although it can be used.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<String>,
}

/// Reads and checks the file at `path`; `env` looks up an environment variable.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, ConfigError> {
    parse(path, &text_of(path)?, env)
}

/// As [`load`], for a process that logs in nowhere: passwords that the environment or a credential may hold,
/// and the secrets of SFTP sources, are not asked for and may be empty.
pub fn load_without_secrets(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    let env = |name: &str| match name {
        "FTP_PASS" | "POSTGRES_PASSWORD" => Some(String::new()),
        "CREDENTIALS_DIRECTORY" => None,
        _ => env(name),
    };
    parse_with(path, &text_of(path)?, &env, Secrets::not_needed(&env))
}

/// As [`load`], with central's settings laid over the file.
pub fn load_with_settings(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    settings: &CentralSettings<'_>,
) -> Result<Loaded, ConfigError> {
    parse_with_settings(path, &text_of(path)?, env, settings)
}

/// As [`parse`], with central's settings laid over the text.
pub fn parse_with_settings(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    settings: &CentralSettings<'_>,
) -> Result<Loaded, ConfigError> {
    let padded = behind(text, settings.text);
    let settings = Some((settings.serial, padded.as_str()));
    let document = Document::with_settings(path.to_owned(), text, settings);
    parse_document(path, &document, env, Secrets::new(env))
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let bytes =
        fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))
}

/// Checks the text of a configuration file; `path` names it in refusals and anchors relative paths.
pub fn parse(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    parse_with(path, text, env, Secrets::new(env))
}

fn parse_with(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: Secrets<'_>,
) -> Result<Loaded, ConfigError> {
    parse_document(path, &Document::new(path.to_owned(), text), env, secrets)
}

fn parse_document(
    path: &Path,
    document: &Rc<Document<'_>>,
    env: &dyn Fn(&str) -> Option<String>,
    secrets: Secrets<'_>,
) -> Result<Loaded, ConfigError> {
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut loader = Loader { secrets, document: Rc::clone(document), base, env };
    let Some(mut root) = document.root() else {
        return Err(ConfigError::Mistakes(document.take_mistakes()));
    };

    let has_agent = root.has("agent");
    let (mut agent, mut status) = (root.section("agent"), root.section_or_empty("status"));
    let language = loader.language(agent.as_mut(), &mut status);
    if !has_agent {
        root.missing("agent", r#"[agent] with id = "…""#);
    }
    let agent = agent.and_then(|section| loader.agent(section, language));
    let schedule = schedule(root.section_or_empty("schedule"));
    let before = document.count_mistakes();
    let sources = loader.sources(&mut root);
    // A machine that could not be read there is not unknown as well.
    let are_all_known = document.count_mistakes() == before;
    let central = loader.central(root.section("central"));
    let analysis = analysis(root.section_or_empty("analysis"));
    let anomalies = anomalies(root.section_or_empty("anomalies"));
    let machines = sources.iter().flat_map(|source| source.folders.values());
    let machines: BTreeSet<&str> = machines.map(|machine| machine.nom.as_str()).collect();
    let known = KnownMachines {
        has: &|nom| machines.contains(nom),
        otherwise: "is no machine (nom) of [source.folders]",
    };
    let calendars = calendars(&mut root, are_all_known.then_some(&known));
    let status = self::status(status, language);
    let update = update(root.section("update"), &loader.base);
    let settings = settings(root.section("settings"), update.as_ref(), &loader.base);
    let alarms = alarms(root.section("alarms"), &mut loader.secrets, &loader.base);
    let state_dir = agent.as_ref().map(|agent| agent.state_dir.clone()).unwrap_or_default();
    let report = report(root.section("report"), &mut loader.secrets, &loader.base, &state_dir);
    root.finish();

    let mistakes = document.take_mistakes();
    let mut warnings = loader.secrets.warnings;
    let limits = sources.iter().map(|source| (source.name.as_str(), source.max_file_bytes));
    warnings.extend(limits.filter_map(|(name, bytes)| memory::warning(name, bytes)));
    let (Some(agent), true) = (agent, mistakes.is_empty()) else {
        return Err(ConfigError::Mistakes(mistakes));
    };
    let config = Config {
        path: path.to_owned(),
        agent,
        schedule,
        sources,
        central,
        analysis,
        anomalies,
        calendars,
        status,
        alarms,
        report,
        update,
        settings,
        from_central: document.take_from_central(),
        secret_files: loader.secrets.files,
        digests: document.digests(),
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

    fn agent(&mut self, mut section: Section<'_>, language: Option<Language>) -> Option<Agent> {
        let id = section.required(&AgentKeys::ID);
        let state_dir = self.base.join(section.value(&AgentKeys::STATE_DIR));
        let log_level = section.value(&AgentKeys::LOG_LEVEL);
        let max_buffer_bytes = section.value(&AgentKeys::MAX_BUFFER_SIZE);
        section.finish();
        let language = language.unwrap_or_default();
        Some(Agent { id: id?, state_dir, log_level, language, max_buffer_bytes })
    }

    fn sources(&mut self, root: &mut Section<'_>) -> Vec<SourceConfig> {
        let is_written = root.has("source");
        let sections = root.sections("source");
        if !is_written {
            root.missing("source", "at least one [[source]]");
        }
        let begun: Vec<_> = sections.into_iter().map(Begun::of).collect();
        let kinds: Vec<_> = begun.iter().map(|one| one.kind).collect();
        let sources: Vec<_> = begun
            .into_iter()
            .enumerate()
            .filter_map(|(at, one)| {
                self.source(one, &kinds[..at], kinds.contains(&Some(Kind::Ftp)))
            })
            .collect();
        self.one_folder_a_machine(&sources);
        self.one_machine_an_old_name(&sources);
        sources
    }

    /// `before`: the kinds of the sources above it.
    fn source(
        &mut self,
        Begun { mut section, name, kind }: Begun<'_>,
        before: &[Option<Kind>],
        has_ftp: bool,
    ) -> Option<SourceConfig> {
        let delete = section.value(&SourceKeys::DELETE);
        let delete_newest = section.value(&SourceKeys::DELETE_NEWEST);
        let max_file_bytes = section.value(&SourceKeys::MAX_FILE_SIZE);
        let is_first_of_kind = !before.contains(&kind);
        let of_others = keys_of_others(kind?);
        let kind = match kind? {
            Kind::Ftp => {
                let variables = match (before.is_empty(), is_first_of_kind) {
                    (true, _) => Variables::Win,
                    (false, true) => Variables::FillGaps,
                    (false, false) => Variables::AreOthers,
                };
                ftp(&mut section, &mut self.secrets, &self.base, self.env, variables)
                    .map(SourceKind::Ftp)
            }
            Kind::Sftp => {
                let credentials =
                    Credentials { password: is_first_of_kind && !has_ftp, key: is_first_of_kind };
                let config = sftp(&mut section, &mut self.secrets, &self.base, credentials);
                config.map(SourceKind::Sftp)
            }
            Kind::Directory => {
                let path = section.required(&SourceKeys::PATH);
                path.map(|path| SourceKind::Directory(self.base.join(path)))
            }
        };
        for (key, problem) in of_others {
            section.misplaced(key, &problem);
        }
        let Folders { machines, nominals, costs, objectives, old_names, descriptions } =
            folders(&mut section);
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
            objectives,
            descriptions,
            old_names,
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

/// A source of which only that is read which the others need to know.
struct Begun<'t> {
    section: Section<'t>,
    name: Option<String>,
    kind: Option<Kind>,
}

impl<'t> Begun<'t> {
    fn of(mut section: Section<'t>) -> Self {
        let name = section.required(&SourceKeys::NAME);
        let kind = section.required(&SourceKeys::KIND);
        Self { section, name, kind }
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
