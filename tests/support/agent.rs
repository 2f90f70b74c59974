//! An agent of a test: a state folder and a configuration. Every command on it is a process of its
//! own, see [`super::process`].

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use cu_agent::config::{CentralConfig, FtpConfig};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    ftp::Vsftpd,
    postgres::Database,
    process::{self, Output, Running},
    sftp::{ScriptedSftp, SftpServer, scripted},
    wait,
};

/// Folder on the server, `nom`, `type_cu`: the three machines of the golden cases.
pub const FOLDERS: [(&str, &str, &str); 3] = [
    ("DEM12 (PVC)", "DEM12", "DEM12"),
    ("DEMALU (ALU)", "DEMALU", "DEMALU"),
    ("SU12 (HYBRIDE)", "SU12", "SU12"),
];

/// A state folder with a configuration, and the means to run the binary on them.
pub struct Agent {
    dir: TempDir,
    config: toml::Table,
    environment: BTreeMap<String, String>,
    namespace: Option<PathBuf>,
}

impl Agent {
    /// An agent without a source: add one.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("cu-agent-test-").tempdir().unwrap();
        let mut agent =
            Self { dir, config: toml::Table::new(), environment: BTreeMap::new(), namespace: None };
        let state_dir = agent.state_dir();
        agent.set("agent.id", "essai");
        agent.set("agent.state_dir", state_dir.to_str().unwrap());
        agent.set("agent.log_level", "info");
        agent.set("schedule.poll", "1s");
        agent.set("status.listen", "");
        agent
    }

    /// An agent on a directory source with the three machines of the golden cases.
    pub fn on_directory(path: &Path) -> Self {
        // A mapped folder that is missing is a failure of its own: tests of that add the source.
        for (folder, ..) in FOLDERS {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        let mut agent = Self::new();
        agent.add_directory("cu", path);
        agent
    }

    /// An agent on an FTP server with the three machines of the golden cases.
    pub fn on_ftp(server: &Vsftpd) -> Self {
        let mut agent = Self::new();
        agent.add_ftp("cu", &server.config());
        agent
    }

    /// An agent on an SFTP server with the three machines of the golden cases.
    pub fn on_sftp(server: &SftpServer) -> Self {
        let mut agent = Self::new();
        agent.add_sftp("cu", server);
        agent
    }

    /// Adds a source of kind `directory`; returns its key, for [`Agent::set`].
    pub fn add_directory(&mut self, name: &str, path: &Path) -> String {
        let key = self.add_source(name);
        self.set(&format!("{key}.kind"), "directory");
        self.set(&format!("{key}.path"), path.to_str().unwrap());
        key
    }

    /// Adds a source of kind `ftp`, in the clear; returns its key, for [`Agent::set`].
    pub fn add_ftp(&mut self, name: &str, ftp: &FtpConfig) -> String {
        let key = self.add_source(name);
        let password_file = self.secret(&format!("{name}.password"), ftp.password.expose());
        self.set(&format!("{key}.kind"), "ftp");
        self.set(&format!("{key}.host"), ftp.host.as_str());
        self.set(&format!("{key}.port"), i64::from(ftp.port));
        self.set(&format!("{key}.user"), ftp.user.as_str());
        self.set(&format!("{key}.password_file"), password_file.to_str().unwrap());
        key
    }

    /// Adds a source of kind `sftp` with the server's password and all its host keys; returns its key, for
    /// [`Agent::set`].
    pub fn add_sftp(&mut self, name: &str, server: &SftpServer) -> String {
        let pins = server.host_keys().iter().map(|key| key.fingerprint.clone()).collect();
        self.add_sftp_at(name, server.port(), (server.user(), server.password()), pins)
    }

    /// The same on a scripted server.
    pub fn add_scripted_sftp(&mut self, name: &str, server: &ScriptedSftp) -> String {
        let config = server.config();
        let password = config.password.as_ref().unwrap().expose();
        self.add_sftp_at(name, config.port, (&config.user, password), vec![scripted::pin()])
    }

    fn add_sftp_at(
        &mut self,
        name: &str,
        port: u16,
        (user, password): (&str, &str),
        pins: Vec<String>,
    ) -> String {
        let key = self.add_source(name);
        let password_file = self.secret(&format!("{name}.password"), password);
        self.set(&format!("{key}.kind"), "sftp");
        self.set(&format!("{key}.host"), "127.0.0.1");
        self.set(&format!("{key}.port"), i64::from(port));
        self.set(&format!("{key}.user"), user);
        self.set(&format!("{key}.password_file"), password_file.to_str().unwrap());
        self.set(&format!("{key}.host_key"), pins);
        key
    }

    fn add_source(&mut self, name: &str) -> String {
        let mut folders = toml::Table::new();
        for (folder, nom, type_cu) in FOLDERS {
            folders.insert(folder.into(), machine(nom, type_cu));
        }
        let sources = self
            .config
            .entry("source")
            .or_insert_with(|| toml::Value::Array(Vec::new()))
            .as_array_mut()
            .unwrap();
        let mut source = toml::Table::new();
        source.insert("name".into(), name.into());
        source.insert("folders".into(), folders.into());
        sources.push(source.into());
        format!("source.{}", sources.len() - 1)
    }

    /// Replaces the folders of source `number` (0 is the first).
    pub fn map_folders(&mut self, number: usize, mapping: &[(&str, &str)]) {
        let table: toml::Table =
            mapping.iter().map(|(folder, nom)| ((*folder).into(), machine(nom, nom))).collect();
        self.set(&format!("source.{number}.folders"), table);
    }

    /// Syncs to `database`.
    pub fn central(mut self, database: &Database<'_>) -> Self {
        self.set_central(&database.config());
        self
    }

    pub fn set_central(&mut self, central: &CentralConfig) {
        let password_file = self.secret("central.password", central.password.expose());
        self.set("central.host", central.host.to_string());
        self.set("central.port", i64::from(central.port));
        self.set("central.database", central.database.as_str());
        self.set("central.user", central.user.as_str());
        self.set("central.password_file", password_file.to_str().unwrap());
        self.set("central.tls", "disable");
    }

    /// Sets one key of the configuration by its dotted path; a number steps into a list.
    pub fn set(&mut self, path: &str, value: impl Into<toml::Value>) {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        self.table_at(parents).insert(key.into(), value.into());
    }

    /// Like [`Agent::set`], for building in one expression.
    pub fn with(mut self, path: &str, value: impl Into<toml::Value>) -> Self {
        self.set(path, value);
        self
    }

    /// A text of the configuration, by its dotted path.
    pub fn text(&mut self, path: &str) -> String {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        self.table_at(parents)[key].as_str().unwrap().to_owned()
    }

    /// Takes a key, or a whole table, out of the configuration.
    pub fn unset(&mut self, path: &str) {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        self.table_at(parents).remove(key);
    }

    fn table_at(&mut self, path: &str) -> &mut toml::Table {
        let mut table = &mut self.config;
        let mut steps = path.split('.').filter(|step| !step.is_empty()).peekable();
        while let Some(step) = steps.next() {
            let value = table.entry(step).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let value = match steps.peek().and_then(|next| next.parse::<usize>().ok()) {
                Some(index) => {
                    steps.next();
                    &mut value.as_array_mut().unwrap()[index]
                }
                None => value,
            };
            table = value.as_table_mut().unwrap();
        }
        table
    }

    /// Writes a file that only its owner reads, and returns its path.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Gives the binary an environment variable.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.insert(name.into(), value.into());
    }

    /// From its next start on the agent's network is this one.
    pub fn set_namespace(&mut self, file: PathBuf) {
        self.namespace = Some(file);
    }

    /// The folder that holds configuration, secrets and state.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    /// The SQLite file.
    pub fn buffer(&self) -> PathBuf {
        self.state_dir().join("buffer.db")
    }

    /// Throws the buffer away, as the loss of the SD card does.
    pub fn lose_buffer(&self) {
        match fs::remove_dir_all(self.state_dir()) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => panic!("cannot remove the state folder: {e}"),
        }
    }

    /// Collects everything, syncs everything, and returns when that is done.
    pub fn once(&self) -> Output {
        self.command(&["once"])
    }

    /// Runs `cu-agent --config … ARGUMENTS` to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.start(arguments).output(wait::PATIENCE)
    }

    /// Starts the service.
    pub fn run(&self) -> Running {
        self.start(&["run"])
    }

    /// Starts `cu-agent --config … ARGUMENTS`.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let config = self.config_file();
        let text = self.config.to_string();
        // Another process of this agent may be reading it just now.
        if fs::read_to_string(&config).ok().as_ref() != Some(&text) {
            fs::write(&config, text).unwrap();
        }
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend_from_slice(arguments);
        process::start_in(self.namespace.as_deref(), &all, &self.environment)
    }

    pub fn status_json(&self) -> Value {
        let output = self.command(&["status", "--json"]);
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|e| panic!("status --json is no JSON: {e}\n{output}"))
    }

    /// One figure of `status --json`, such as `sessions`.
    pub fn status_number(&self, key: &str) -> i64 {
        let status = self.status_json();
        status[key].as_i64().unwrap_or_else(|| panic!("no number {key:?} in {status:#}"))
    }

    pub fn sessions_json(&self) -> Value {
        let output = self.command(&["sessions", "--json"]).succeeded();
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|e| panic!("sessions --json is no JSON: {e}\n{output}"))
    }
}

fn machine(nom: &str, type_cu: &str) -> toml::Value {
    let mut table = toml::Table::new();
    table.insert("nom".into(), nom.into());
    table.insert("type_cu".into(), type_cu.into());
    table.into()
}
