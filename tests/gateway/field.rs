//! A gateway in its plant: the board with the package, machines that write on an FTP server, and a central
//! behind a line that may break. Servers are this machine's, which the gateway sees as 10.0.2.2.

use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use cu_agent::config::FtpTls;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    board::Board,
    support::{
        agent::FOLDERS,
        certificate::Certificate,
        ftp::{Options, Vsftpd},
        golden::Expected,
        net::Proxy,
        plant::Plant,
        postgres::{self, Cluster, Database, PASSWORD},
        process::Output,
        rows::{assert_same, central_sessions, sessions_of},
        truth, wait,
    },
};

/// Of what the service does by itself: an emulated processor is slow, and so is this machine at times.
pub const PATIENCE: Duration = Duration::from_secs(400);

/// The host's loopback, as qemu's user network shows it on a network of the plant.
pub const HOST: &str = "10.0.2.2";

pub const STATE: &str = "/var/lib/cu-agent";

/// The authority of a secured field, on the gateway.
const CA_FILE: &str = "/etc/cu-agent/plant-ca.pem";

pub struct Field {
    pub board: Board,
    pub plant: Mutex<Plant>,
    pub database: Database<'static>,
    /// Between the gateway and central.
    pub line: Proxy,
    pub server: Vsftpd,
    security: Option<Security>,
}

/// What both servers show, and where it lies.
struct Security {
    certificate: Certificate,
    _folder: TempDir,
}

impl Field {
    /// Switched off, nothing installed; both servers in the clear.
    pub fn new(seed: u64) -> Self {
        Self::of(seed, Database::fresh(), Vsftpd::start(Options::default()), None)
    }

    /// The same with TLS to both servers.
    pub fn secured(seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let certificate = Certificate::issue(folder.path(), &format!("IP:{HOST}"), false);
        certificate.install(folder.path());
        let options =
            postgres::Options { certificate: Some(certificate.clone()), ..Default::default() };
        // As the shared one it stays until the end of the process.
        let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start_new(&options)));
        let shown = |setting, name| format!("{setting}={}", folder.path().join(name).display());
        let extra =
            vec![shown("rsa_cert_file", "server.crt"), shown("rsa_private_key_file", "server.key")];
        let server = Vsftpd::start(Options { tls: FtpTls::Explicit, extra, ..Options::default() });
        let security = Security { certificate, _folder: folder };
        Self::of(seed, cluster.database(), server, Some(security))
    }

    fn of(
        seed: u64,
        database: Database<'static>,
        server: Vsftpd,
        security: Option<Security>,
    ) -> Self {
        let line = Proxy::to(database.cluster.port);
        for (folder, _, _) in FOLDERS {
            server.make_folder(folder);
        }
        let plant = Mutex::new(Plant::new(server.root(), seed));
        Self { board: Board::new(), plant, database, line, server, security }
    }

    pub fn config(&self, host_of_central: &str) -> String {
        let central = self.database.config();
        let ca_file = format!("ca_file = \"{CA_FILE}\"");
        let (ftp_tls, central_tls) = match self.security {
            Some(_) => {
                (format!("tls = \"explicit\"\n{ca_file}"), format!("\"verify-full\"\n{ca_file}"))
            }
            None => ("tls = \"none\"".to_owned(), "\"disable\"".to_owned()),
        };
        let mut text = format!(
            "[agent]\nid = \"emulated\"\n\
             [schedule]\npoll = \"1s\"\nfile_quiet = \"2s\"\n\
             [[source]]\nname = \"cu\"\nkind = \"ftp\"\nhost = \"{HOST}\"\nport = {}\nuser = \"{}\"\n\
             delete = \"after-sync\"\nread_timeout = \"10s\"\n{ftp_tls}\n[source.folders]\n",
            self.server.port(),
            self.server.user(),
        );
        for (folder, nom, type_cu) in FOLDERS {
            writeln!(text, "\"{folder}\" = {{ nom = \"{nom}\", type_cu = \"{type_cu}\" }}")
                .unwrap();
        }
        write!(
            text,
            "[central]\nhost = \"{host_of_central}\"\nport = {}\ndatabase = \"{}\"\nuser = \"{}\"\n\
             tls = {central_tls}\nconnect_timeout = \"5s\"\nstatement_timeout = \"10s\"\n",
            self.line.port, central.database, central.user,
        )
        .unwrap();
        text
    }

    pub fn configure(&self, host_of_central: &str) {
        self.configure_as(&self.config(host_of_central));
    }

    pub fn configure_as(&self, config: &str) {
        self.board
            .sh(&format!("cat >/etc/cu-agent/config.toml <<'CONFIG'\n{config}CONFIG"))
            .succeeded();
    }

    /// Installs the package from the stick and fills in its configuration, as `docs/install.md` tells.
    pub fn install(&self, package: &Path) {
        let name = package.file_name().unwrap().to_str().unwrap();
        self.board.sh(&format!("dpkg --install /run/stick/{name}")).succeeded();
        if let Some(security) = &self.security {
            let authority = fs::read_to_string(&security.certificate.ca_file).unwrap();
            self.board.sh(&format!("cat >{CA_FILE} <<'PEM'\n{authority}PEM")).succeeded();
        }
        self.configure(HOST);
        let passwords = [("ftp", self.server.password()), ("central", PASSWORD)];
        for (of, password) in passwords {
            let to = format!("/etc/cu-agent/{of}.password");
            self.board.sh(&format!("cat >{to} <<'PASSWORD'\n{password}\nPASSWORD")).succeeded();
        }
        self.restart();
    }

    pub fn restart(&self) {
        self.board.sh("systemctl restart cu-agent").succeeded();
    }

    /// A drop-in of the service, and what it needs to count.
    pub fn drop_in(&self, name: &str, lines: &str) {
        let file = format!("/etc/systemd/system/cu-agent.service.d/{name}.conf");
        self.board
            .sh(&format!(
                "mkdir -p $(dirname {file}) && cat >{file} <<'UNIT'\n[Service]\n{lines}\nUNIT\n\
                 systemctl daemon-reload"
            ))
            .succeeded();
    }

    pub fn take_drop_in_away(&self, name: &str) {
        self.board
            .sh(&format!(
                "rm /etc/systemd/system/cu-agent.service.d/{name}.conf && systemctl daemon-reload"
            ))
            .succeeded();
    }

    pub fn is_active(&self) -> bool {
        self.board.property("cu-agent", "ActiveState") == "active"
    }

    pub fn wait_until_active(&self) {
        self.wait("the service is active", || self.is_active());
    }

    /// Like [`wait::until`]; what the service says in vain is shown.
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            if Instant::now() > deadline {
                let status = self.board.sh("systemctl --no-pager --full status cu-agent");
                let journal = self.journal("--lines=60");
                panic!("not within {PATIENCE:?}: {what}\n{status}\n{journal}");
            }
            wait::any_moment(Duration::from_millis(200));
        }
    }

    pub fn process(&self) -> String {
        self.board.property("cu-agent", "MainPID")
    }

    pub fn journal(&self, arguments: &str) -> Output {
        self.board.sh(&format!("journalctl --no-pager --quiet -u cu-agent {arguments}"))
    }

    /// A command of the agent's, as the service's user.
    pub fn agent(&self, arguments: &str) -> Output {
        let password = |of| format!("cp /etc/cu-agent/{of}.password $d/{of}-password");
        self.board.sh(&format!(
            "d=$(mktemp -d) && {} && {} && chown -R cu-agent $d && \
             CREDENTIALS_DIRECTORY=$d runuser -u cu-agent -- cu-agent {arguments}; \
             code=$?; rm -r $d; exit $code",
            password("ftp"),
            password("central")
        ))
    }

    pub fn status(&self) -> Value {
        let output = self.agent("status --json");
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{output}"))
    }

    /// The machines write for a day and go home.
    pub fn day(&self) {
        let mut plant = self.plant.lock().unwrap();
        for _ in 0..60 {
            plant.write();
        }
        plant.next_day();
    }

    /// Central refuses the gateway, or takes it again.
    pub fn central_answers(&self, yes: bool) {
        self.line.refuse(!yes);
        self.line.cut();
    }

    /// Waits until central has everything, and compares every row with what the machines wrote; how many
    /// rows that is.
    #[track_caller]
    pub fn assert_becomes_equal(&self) -> usize {
        self.assert_becomes_equal_by(|| self.status())
    }

    /// The same if the agent is asked for its status in another way.
    #[track_caller]
    pub fn assert_becomes_equal_by(&self, status: impl Fn() -> Value) -> usize {
        let truth = self.finished();
        let pieces: usize = truth.iter().map(|session| session.pieces.len()).sum();
        self.wait("central has as many pieces as the machines made, and nothing waits", || {
            self.database.try_psql("SELECT count(*) FROM piece_production")
                == Ok(pieces.to_string())
                && status()["pending_sessions"] == 0
        });
        assert_same("in central", &central_sessions(&self.database), &truth);
        truth::rows(&truth)
    }

    /// The machines complete what they were writing.
    fn finished(&self) -> Vec<Expected> {
        let mut plant = self.plant.lock().unwrap();
        plant.finish();
        let truth = plant.truth();
        assert!(truth::rows(&truth) > 0, "the machines wrote nothing");
        truth
    }

    /// Every row of the buffer is what the machines wrote, the gateway is shut down, and its card is looked at:
    /// the file system and the buffer's pages.
    pub fn check_buffer_and_card(&mut self) {
        let output = self.agent("sessions --json").succeeded();
        let printed = serde_json::from_str(&output.stdout).unwrap();
        let truth = self.plant.lock().unwrap().truth();
        assert_same("in the buffer", &sessions_of(printed), &truth);
        self.board.shut_down();
        self.board.check_file_system();
        let dir = TempDir::new().unwrap();
        for name in ["buffer.db", "buffer.db-wal"] {
            self.board.take_from_card(&format!("{STATE}/{name}"), &dir.path().join(name));
        }
        let buffer = rusqlite::Connection::open(dir.path().join("buffer.db")).unwrap();
        let found: String =
            buffer.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "ok", "the buffer's integrity");
        let sessions: usize =
            buffer.query_row("SELECT count(*) FROM session", [], |row| row.get(0)).unwrap();
        assert_eq!(sessions, truth.len(), "the card holds the buffer that was looked at");
    }
}
