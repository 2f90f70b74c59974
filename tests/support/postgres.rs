//! A real PostgreSQL of the tests: one cluster for the test process, a fresh database for each test;
//! clusters of their own for tests that stop or kill the server; PgBouncer in front where asked for.
//!
//! Every server dies with the test process, however that dies: a supervising shell holds the read
//! end of a pipe from it and kills the server when the pipe closes.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{certificate::Certificate, net::free_port, wait};
use cu_agent::config::{CentralConfig, CentralTls, Secret};

/// The superuser's password, over TCP.
pub const PASSWORD: &str = "s'up er\"ü";

pub fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

/// A command that runs as user `postgres` where the tests run as root, which the servers refuse.
pub fn as_postgres(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups", program]);
    command
}

/// Names the folder of another release's server programs, see `tests/postgres/run.sh`.
const OTHER_SERVER: &str = "CU_AGENT_TEST_POSTGRES";

/// Where Debian keeps the newest server and its clients.
fn debian_programs() -> Option<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").ok()?;
    let bins = entries.flatten().map(|entry| entry.path().join("bin"));
    bins.filter(|bin| bin.join("postgres").exists()).max()
}

fn program_in(folder: Option<PathBuf>, name: &str) -> String {
    let path = folder.map(|folder| folder.join(name)).filter(|path| path.exists());
    path.map_or_else(|| name.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn server_program(name: &str) -> String {
    let other = std::env::var_os(OTHER_SERVER).map(PathBuf::from);
    program_in(other.or_else(debian_programs), name)
}

/// Other releases come without clients: these are Debian's always.
pub fn client_program(name: &str) -> String {
    program_in(debian_programs(), name)
}

/// The major of what `program --version` prints, such as 15.
fn major_of(program: &str) -> u32 {
    let printed = run(Command::new(program).arg("--version"));
    let digits = |word: &str| word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    printed.split_whitespace().find_map(digits).unwrap_or_else(|| panic!("no major in {printed:?}"))
}

/// Of the servers of this run.
pub fn server_major() -> u32 {
    static MAJOR: OnceLock<u32> = OnceLock::new();
    *MAJOR.get_or_init(|| major_of(&server_program("postgres")))
}

/// Other releases come without the server's translations.
pub fn servers_speak_french() -> bool {
    std::env::var_os(OTHER_SERVER).is_none()
}

/// Debian's `pg_dump` and `pg_basebackup` serve their own major and older ones.
pub fn clients_know_the_server() -> bool {
    server_major() <= major_of(&client_program("pg_dump"))
}

pub fn run(command: &mut Command) -> String {
    let out = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

pub fn own(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("-R").arg("postgres:postgres").arg(path));
    }
}

/// A folder that the server's user owns.
pub fn server_folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("cu-pg-").tempdir().unwrap().keep();
    own(&folder);
    folder
}

/// Whether a process works in `folder`; one that has ended and is not waited for does not.
fn is_worked_in(folder: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .map(|process| process.path().join("cwd"))
        .any(|cwd| fs::read_link(cwd).is_ok_and(|cwd| cwd == folder))
}

/// A server process with its supervising shell.
pub struct Supervised(Child);

impl Supervised {
    /// When the test process ends, the server gets the signal `end` and `remove` is deleted.
    pub fn start(mut command: Command, log: &Path, remove: &Path, end: &str) -> Self {
        let mut shell = Command::new("setsid");
        shell.args([
            "sh",
            "-c",
            "log=$1; remove=$2; end=$3; shift 3
             \"$@\" >>\"$log\" 2>&1 &
             cat >/dev/null
             kill $end $! 2>/dev/null; wait $!
             rm -rf \"$remove\"",
            "supervisor",
        ]);
        shell.arg(log).arg(remove).arg(end);
        shell.arg(command.get_program()).args(command.get_args());
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // Standard output would keep a pipe of the test runner open.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.stdin(Stdio::null());
        Self(shell.spawn().unwrap())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

/// How a private cluster is set up.
#[derive(Default, Clone)]
pub struct Options {
    /// `name=value`, as for `postgres -c`.
    pub settings: Vec<String>,
    /// Certificate and key that the server shows; `None`: no TLS.
    pub certificate: Option<Certificate>,
    /// A locale besides `C`, such as `fr_FR`, that the server may speak as `fr_FR.UTF-8`.
    pub locale: Option<&'static str>,
}

/// In a server's folder: the locales that it has besides those of the C library.
const LOCALES: &str = "locales";

/// In a server's folder: the settings of its OpenSSL, which would not load every certificate by itself.
const WEAK_TLS: &str = "openssl.cnf";
const WEAK: &str = "openssl_conf = conf\n[conf]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n\
                    [all]\nCipherString = DEFAULT@SECLEVEL=0\n";

/// A PostgreSQL server with its data.
pub struct Cluster {
    pub port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    servers: Vec<Supervised>,
}

impl Cluster {
    /// The cluster that all tests of the process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start_new(&Options::default()))
    }

    /// A cluster of one's own, started.
    pub fn start_new(options: &Options) -> Self {
        let folder = server_folder();
        let password_file = folder.join("password");
        fs::write(&password_file, PASSWORD).unwrap();
        own(&folder);
        run(as_postgres(&server_program("initdb"))
            .args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .arg("--pwfile")
            .arg(&password_file)
            .arg("-D")
            .arg(folder.join("data")));
        let mut settings = options.settings.clone();
        if let Some(certificate) = &options.certificate {
            certificate.install(&folder);
            fs::write(folder.join(WEAK_TLS), WEAK).unwrap();
            settings.push("ssl=on".into());
            settings.push(format!("ssl_cert_file={}", folder.join("server.crt").display()));
            settings.push(format!("ssl_key_file={}", folder.join("server.key").display()));
        }
        if let Some(locale) = options.locale {
            let compiled = folder.join(LOCALES).join(format!("{locale}.UTF-8"));
            fs::create_dir(folder.join(LOCALES)).unwrap();
            run(Command::new("localedef").args(["-i", locale, "-f", "UTF-8"]).arg(compiled));
        }
        let mut cluster = Self { port: free_port(), folder, settings, servers: Vec::new() };
        cluster.start();
        if server_major() < 15 {
            // As it is by default since then, and as `cu-agent check` asks for.
            cluster.psql("template1", "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        }
        cluster
    }

    /// Starts a server on the data in `folder`/data, which another program made.
    pub fn on_data_in(folder: PathBuf) -> Self {
        let mut cluster =
            Self { port: free_port(), folder, settings: Vec::new(), servers: Vec::new() };
        cluster.start();
        cluster
    }

    /// Starts the server on its port and waits until it takes log-ins.
    pub fn start(&mut self) {
        let mut command = as_postgres(&server_program("postgres"));
        let locales = self.folder.join(LOCALES);
        if locales.exists() {
            command.env("LOCPATH", locales);
        }
        let weak = self.folder.join(WEAK_TLS);
        if weak.exists() {
            command.env("OPENSSL_CONF", weak);
        }
        command.arg("-D").arg(self.folder.join("data"));
        for setting in [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.display()),
            "logging_collector=off".to_owned(),
        ]
        .iter()
        .chain(&self.settings)
        {
            command.arg("-c").arg(setting);
        }
        self.servers.push(Supervised::start(
            command,
            &self.folder.join("log"),
            &self.folder,
            "-QUIT",
        ));
        wait::until_or_else(
            wait::PATIENCE,
            || self.try_psql("postgres", "SELECT 1").is_ok(),
            || format!("the server takes log-ins; its log:\n{}", self.log()),
        );
    }

    /// Orderly stop, sessions broken off.
    pub fn stop(&self) {
        self.signal("-INT");
    }

    /// Stop as by a power cut.
    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// Asks the kernel to forget the files of the stopped server.
    pub fn leave_the_page_cache(&self) {
        run(Command::new("find")
            .arg(self.folder.join("data"))
            .args(["-type", "f", "-exec"])
            .args(["dd", "if={}", "iflag=nocache", "count=0", "status=none", ";"]));
    }

    fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        run(Command::new("kill").arg(signal).arg(pid.lines().next().unwrap()));
        wait::until("the server is gone", wait::PATIENCE, || !answers(self.port));
        // A backend outlives a killed server until it notices, and no other server starts before.
        let data = self.folder.join("data").canonicalize().unwrap();
        wait::until("its processes are gone", wait::PATIENCE, || !is_worked_in(&data));
    }

    /// Shows another certificate from now on.
    pub fn show(&self, certificate: &Certificate) {
        certificate.install(&self.folder);
        self.psql("postgres", "SELECT pg_reload_conf()");
        let text = fs::read_to_string(self.folder.join("server.crt")).unwrap();
        let line = text.lines().rev().nth(1).unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-starttls", "postgres", "-cipher", "DEFAULT@SECLEVEL=0"]);
        command.args(["-connect", &format!("127.0.0.1:{}", self.port)]);
        wait::until("the server shows it", wait::PATIENCE, || {
            let output = command.stdin(Stdio::null()).output().unwrap();
            String::from_utf8_lossy(&output.stdout).contains(line)
        });
    }

    /// A physical standby that follows this server, started.
    pub fn standby(&self) -> Self {
        let folder = server_folder();
        let data = folder.join("data");
        if clients_know_the_server() {
            let mut backup = as_postgres(&client_program("pg_basebackup"));
            backup.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
            backup.args(["-U", "postgres", "-c", "fast", "-X", "stream", "--no-sync", "-D"]);
            run(backup.arg(&data));
        } else {
            self.copy_running(&folder);
        }
        // Not by `-R`, whose words a server older than Debian's does not know.
        fs::write(data.join("standby.signal"), "").unwrap();
        let conninfo = format!(
            "\nprimary_conninfo = 'user=postgres host={} port={}'\n",
            self.folder.display(),
            self.port
        );
        let auto = data.join("postgresql.auto.conf");
        let written = fs::read_to_string(&auto).unwrap();
        fs::write(auto, written + &conninfo).unwrap();
        own(&folder);
        let settings = self.settings.clone();
        let mut standby = Self { port: free_port(), folder, settings, servers: Vec::new() };
        standby.start();
        standby
    }

    /// What `pg_basebackup` does, where it is older than the server.
    fn copy_running(&self, folder: &Path) {
        let label = folder.join("label");
        let copy = format!("cp -a '{}' '{}'", self.folder.join("data").display(), folder.display());
        self.psql(
            "postgres",
            &format!(
                "SELECT pg_backup_start('standby', true);
                 \\! {copy}
                 SELECT labelfile FROM pg_backup_stop(false) \\g '{}'",
                label.display()
            ),
        );
        let data = folder.join("data");
        fs::rename(label, data.join("backup_label")).unwrap();
        for own_of_the_running in ["postmaster.pid", "postmaster.opts"] {
            fs::remove_file(data.join(own_of_the_running)).ok();
        }
    }

    /// What `pg_dump` prints of a database, with `options`.
    pub fn dump(&self, database: &str, options: &[&str]) -> String {
        let mut command = Command::new(client_program("pg_dump"));
        command.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
        run(command.args(["-U", "postgres", "-d", database]).args(options))
    }

    /// How another server of this machine reaches it as superuser.
    pub fn conninfo(&self, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("host={folder} port={port} user=postgres dbname={database}")
    }

    /// Log-ins over TCP are asked for by `method` from now on.
    pub fn allow(&self, method: &str) {
        let file = self.folder.join("data/pg_hba.conf");
        fs::write(&file, format!("local all all trust\nhost all all all {method}\n")).unwrap();
        self.psql("postgres", "SELECT pg_reload_conf()");
    }

    /// Nobody may log in to `database` over TCP from now on.
    pub fn keep_out(&self, database: &str) {
        let file = self.folder.join("data/pg_hba.conf");
        let rules = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("host {database} all all reject\n{rules}")).unwrap();
        self.psql("postgres", "SELECT pg_reload_conf()");
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap()).into_owned()
    }

    fn psql_command(&self, database: &str) -> Command {
        let mut command = Command::new(client_program("psql"));
        command.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string()]);
        command.args(["-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtX"]);
        // The tests read and write the same whatever was set for the database or the server.
        command.env("PGCLIENTENCODING", "UTF8").env(
            "PGOPTIONS",
            "-c client_min_messages=warning -c DateStyle=ISO -c IntervalStyle=postgres \
             -c bytea_output=hex -c extra_float_digits=1 -c statement_timeout=0 -c lock_timeout=0 \
             -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off \
             -c default_transaction_isolation=read\\ committed -c row_security=on \
             -c standard_conforming_strings=on -c session_replication_role=origin \
             -c synchronous_commit=on -c default_table_access_method=heap -c temp_file_limit=-1",
        );
        command
    }

    /// Runs a script as `role`, with the settings that the role has; moments in UTC.
    pub fn try_psql_as(&self, role: &str, database: &str, script: &str) -> Result<String, String> {
        let mut command = Command::new(client_program("psql"));
        command.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string(), "-U", role]);
        command.args(["-d", database, "-v", "ON_ERROR_STOP=1", "-qAtX"]);
        feed(command.env("PGCLIENTENCODING", "UTF8").env("PGTZ", "UTC"), script)
    }

    /// Runs a script as superuser over the local socket; what it prints, or what went wrong.
    pub fn try_psql(&self, database: &str, script: &str) -> Result<String, String> {
        feed(&mut self.psql_command(database), script)
    }

    fn psql(&self, database: &str, script: &str) -> String {
        self.try_psql(database, script).unwrap_or_else(|error| panic!("{error}\nin: {script}"))
    }

    /// An empty database with a name of its own.
    pub fn database(&self) -> Database<'_> {
        self.database_with("")
    }

    /// As [`Self::database`], its texts in `encoding`.
    pub fn database_in(&self, encoding: &str) -> Database<'_> {
        self.database_with(&format!(
            "ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        ))
    }

    fn database_with(&self, options: &str) -> Database<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name} {options}"));
        Database { cluster: self, name }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.clear();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn feed(command: &mut Command, script: &str) -> Result<String, String> {
    command.args(["-f", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = script.to_owned();
    let writer = std::thread::spawn(move || {
        // psql may stop reading at the first error.
        stdin.write_all(text.as_bytes()).ok();
    });
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&out.stderr).into_owned())
    }
}

/// A database of one test.
pub struct Database<'a> {
    pub cluster: &'a Cluster,
    pub name: String,
}

impl Database<'static> {
    /// In the shared cluster.
    pub fn fresh() -> Self {
        Cluster::shared().database()
    }
}

impl Database<'_> {
    /// What the script prints, fields parted by `|`.
    pub fn psql(&self, script: &str) -> String {
        self.cluster.psql(&self.name, script)
    }

    pub fn try_psql(&self, script: &str) -> Result<String, String> {
        self.cluster.try_psql(&self.name, script)
    }

    /// The bytes that a client gets that speaks `encoding`.
    pub fn bytes_in(&self, encoding: &str, query: &str) -> Vec<u8> {
        let mut command = self.cluster.psql_command(&self.name);
        let out = command.env("PGCLIENTENCODING", encoding).args(["-c", query]).output().unwrap();
        assert!(out.status.success(), "{encoding}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    pub fn count(&self, table: &str) -> u64 {
        self.psql(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
    }

    /// The superuser's connection.
    pub fn config(&self) -> CentralConfig {
        self.config_as("postgres", PASSWORD)
    }

    pub fn config_as(&self, user: &str, password: &str) -> CentralConfig {
        CentralConfig {
            host: "127.0.0.1".parse().unwrap(),
            port: self.cluster.port,
            database: self.name.clone(),
            user: user.into(),
            password: Secret::new(password),
            tls: CentralTls::Disable,
            only_scram: true,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(20),
        }
    }

    /// A role that may log in and nothing else; its password is its name.
    pub fn role(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let role = format!("role{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.psql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'"));
        role
    }
}
