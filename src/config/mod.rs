//! What is written in TOML, environment and credentials, turned once into resolved, typed values.
//! Behind this room nothing validates configuration again. Secrets never leave [`Secret`] as text
//! except where a server is logged in to.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use chrono::TimeDelta;

use crate::{
    calendar::Calendars,
    model::{FedMachine, Language, Limits, Machine, WaitStamp},
};

mod alarms;
mod anomalies;
mod calendar;
/// Why it cannot be used.
mod error;
/// What people are told of the keys.
mod explained;
mod folders;
/// What central gives to all gateways.
mod from_central;
/// `kind = "ftp"`.
mod ftp;
/// Which server an SFTP source trusts.
mod host_key;
/// Central's servers.
mod hosts;
/// What a key is: name, default, accepted values.
mod key;
/// The table of keys.
mod keys;
/// From the text to [`Config`].
mod load;
mod memory;
/// The configuration's calendars and the plant's together.
mod plant;
/// Key by key, with every mistake and its line.
mod reader;
mod report;
/// Where passwords come from.
mod secrets;
/// `kind = "sftp"`.
mod sftp;
#[cfg(test)]
mod tests;
/// Values as people write them.
mod units;
mod update;
/// The environment variables of the replaced service.
mod variables;
mod window;
/// What of it changed.
mod written;

pub use alarms::{AlarmLimits, Alarms, WorkingHours};
pub use calendar::KnownMachines;
pub use error::ConfigError;
pub use explained::{Explained, Shown, Topic};
pub use from_central::{CentralSettings, FromCentral, SettingsConfig};
pub use host_key::HostKeyFingerprint;
pub use hosts::{Host, Hosts, host_and_port};
pub use keys::{HEAD, topics};
pub use load::{
    Loaded, load, load_with_settings, load_without_secrets, parse, parse_with_settings,
};
pub use memory::default_max_file_bytes;
pub use plant::{Planning, parse_calendars, parse_plant_calendar};
pub use reader::Mistake;
pub use report::ReportConfig;
pub use update::{SignerKey, StopRule, Trust, UpdateConfig};
pub use variables::ignored_variables;
pub use window::Window;

/// A password. It has no `Display`, and its `Debug` prints stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the log-in call only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Everything the agent needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    pub agent: Agent,
    pub schedule: Schedule,
    pub sources: Vec<SourceConfig>,
    /// `None`: collect and buffer only.
    pub central: Option<CentralConfig>,
    pub analysis: Analysis,
    pub anomalies: Limits,
    /// When machines are planned to work.
    pub calendars: Calendars,
    pub status: Status,
    /// `None`: no field updates.
    pub update: Option<UpdateConfig>,
    /// `None`: no settings from central.
    pub settings: Option<SettingsConfig>,
    pub from_central: FromCentral,
    /// `None`: nobody is told.
    pub alarms: Option<Alarms>,
    /// `None`: no weekly reports.
    pub report: Option<ReportConfig>,
    /// Where passwords and tokens were read from.
    pub secret_files: Vec<SecretFile>,
    /// Of each key's value as it is written, to notice a change: see [`written`].
    pub digests: BTreeMap<String, String>,
}

/// A file that the configuration names for a password, a token or a private key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretFile {
    pub path: PathBuf,
    /// The credential of systemd's that the service may get instead.
    pub credential: Option<&'static str>,
}

impl Config {
    /// Whether the source is configured and gives `folder` to a machine.
    pub fn maps(&self, source: &str, folder: &str) -> bool {
        let of_name = |one: &&SourceConfig| one.name == source;
        self.sources.iter().find(of_name).is_some_and(|one| one.folders.contains_key(folder))
    }

    /// What central is to know of each machine, in order of their names.
    pub fn fed_machines(&self) -> Vec<FedMachine> {
        let mut fed: BTreeMap<&str, FedMachine> = BTreeMap::new();
        for source in &self.sources {
            for (folder, machine) in &source.folders {
                let one = fed.entry(&machine.nom).or_insert_with(|| FedMachine {
                    machine: machine.clone(),
                    description: None,
                    folders: Vec::new(),
                });
                one.folders.push(folder.clone());
                let described = source.descriptions.get(&machine.nom);
                one.description = one.description.take().or_else(|| described.cloned());
            }
        }
        fed.into_values().collect()
    }
}

#[derive(Clone, Debug)]
pub struct Agent {
    pub id: String,
    pub state_dir: PathBuf,
    pub log_level: log::LevelFilter,
    /// Of everything that people read.
    pub language: Language,
    /// Most bytes the buffer may take on disk; at the cap reading stops and syncing goes on.
    pub max_buffer_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub poll: Duration,
    pub file_quiet: Duration,
}

#[derive(Clone, Debug)]
pub struct SourceConfig {
    pub name: String,
    pub kind: SourceKind,
    pub delete: DeletePolicy,
    /// Whether a machine's newest LOG may go too.
    pub delete_newest: DeletePolicy,
    /// Of a file, and of all files of a machine's day together.
    pub max_file_bytes: u64,
    /// Folder name on the source -> machine.
    pub folders: BTreeMap<String, Machine>,
    /// Machine (`nom`) -> what its TRS is measured by, where it is set.
    pub nominals: BTreeMap<String, Nominal>,
    /// Machine (`nom`) -> the cents that an hour of its required time costs, where it is set.
    pub costs: BTreeMap<String, u32>,
    /// Machine (`nom`) -> the pieces that a production day is to give, where it is set.
    pub objectives: BTreeMap<String, u32>,
    /// Machine (`nom`) -> its `description` in central, where it is set.
    pub descriptions: BTreeMap<String, String>,
    /// By machine (`nom`), the names that it had in central before.
    pub old_names: BTreeMap<String, Vec<String>>,
}

/// What a machine's TRS is measured by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nominal {
    /// Pieces an hour that the machine can make.
    pub per_hour: u32,
    /// The event that tells of a rejected piece; without it quality is 1.
    pub reject_event: Option<String>,
}

#[derive(Clone, Debug)]
pub enum SourceKind {
    Ftp(FtpConfig),
    Sftp(SftpConfig),
    Directory(PathBuf),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeletePolicy {
    Never,
    AfterSync,
}

#[derive(Clone, Debug)]
pub struct FtpConfig {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub tls: FtpTls,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the server's certificate, for self-signed controllers; replaces the chain check.
    pub fingerprint: Option<[u8; 32]>,
    pub encoding: NameEncoding,
    pub mode: FtpMode,
    /// Stays logged in between polls.
    pub keep_connection: bool,
    /// So many connections read files that are new.
    pub connections: u32,
    /// Directory that holds the machine folders; `None` is the login directory.
    pub root: Option<String>,
    pub connect_timeout: Duration,
    /// Longest silence on either connection.
    pub read_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct SftpConfig {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// One of `password` and `key` at least; a server may ask for both.
    pub password: Option<Secret>,
    pub key: Option<PrivateKey>,
    /// The host keys that are trusted; those of `known_hosts` are trusted beside them. Without any, no
    /// connection is made.
    pub host_keys: Vec<HostKeyFingerprint>,
    /// A file in OpenSSH's format.
    pub known_hosts: Option<PathBuf>,
    /// Also algorithms that are no longer safe, for an old controller: ssh-rsa with SHA-1, CBC.
    pub legacy_algorithms: bool,
    pub encoding: NameEncoding,
    /// Directory that holds the machine folders; `None` is the login directory.
    pub root: Option<String>,
    pub connect_timeout: Duration,
    /// Longest silence on the connection.
    pub read_timeout: Duration,
}

/// A private key for the log-in, as its file holds it.
#[derive(Clone, Debug)]
pub struct PrivateKey {
    /// In OpenSSH's format; not yet decoded.
    pub text: Secret,
    /// Where the key is encrypted.
    pub passphrase: Option<Secret>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FtpTls {
    None,
    Explicit,
    Implicit,
}

/// How file names travel on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameEncoding {
    Utf8,
    Latin1,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FtpMode {
    Passive,
    Active,
}

#[derive(Clone, Debug)]
pub struct CentralConfig {
    pub host: Hosts,
    /// Of each host that has none of its own.
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Secret,
    pub tls: CentralTls,
    /// Only a server that asks for SCRAM is logged in to: none that asks for the password in clear text or
    /// by md5, or for none.
    pub only_scram: bool,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// Longest time one statement may take before it is given up.
    pub statement_timeout: Duration,
}

impl CentralConfig {
    /// Each server, as `host:port`.
    pub fn places(&self) -> impl Iterator<Item = String> {
        self.host.iter().map(|host| host_and_port(&host.name, host.port_or(self.port)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CentralTls {
    Disable,
    /// Encrypted, the server's certificate not checked.
    Require,
    VerifyFull,
}

#[derive(Clone, Debug)]
pub struct Analysis {
    /// How long after midnight a production day begins, below 24 h.
    pub day_start: TimeDelta,
    pub wait_stamp: WaitStamp,
    pub events: EventNames,
}

/// The words of the machine's maker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventNames {
    pub piece: String,
    pub wait: String,
    pub stop: String,
    pub start: String,
    pub job: String,
}

#[derive(Clone, Debug)]
pub struct Status {
    /// `None`: no page.
    pub listen: Option<std::net::SocketAddr>,
    /// [`Agent::language`] if it is configured; `None`: as the browser asks, French if it asks for neither.
    pub language: Option<Language>,
    /// Names that the page may be asked by besides addresses and the computer's own name.
    pub names: Vec<String>,
}
