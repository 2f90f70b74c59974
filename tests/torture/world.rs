//! Servers (FTP and SFTP), machines and agent of one torture, what was done to them, and which losses they must
//! survive: of a line, one of the three places that may hold it (server, buffer, central) is always
//! left alone. So central is only damaged where buffer or server still know, and the buffer only
//! after central was found equal.

use std::{
    collections::BTreeMap,
    fmt::Write,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::config::CentralConfig;

use crate::support::{
    agent::{Agent, FOLDERS},
    damage,
    ftp::{Options, Vsftpd},
    net::Proxy,
    plant::Plant,
    postgres::{Cluster, Database, Options as ClusterOptions},
    process::Running,
    rows::{assert_same, central_sessions},
    sftp::OpenSsh,
    truth, wait,
};

const DATABASE: &str = "production";
const BACKUP: &str = "sauvegarde";
/// SIGTERM is obeyed within this.
const END_LIMIT: Duration = Duration::from_secs(5);

pub struct World {
    pub plant: Mutex<Plant>,
    pub cluster: Mutex<Cluster>,
    seed: u64,
    parts: Mutex<Option<Parts>>,
}

pub struct Parts {
    /// The first machine writes to this one, the others to the next.
    pub ftp: Vsftpd,
    pub sftp: OpenSsh,
    pub proxy: Proxy,
    pub agent: Agent,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let (ftp, sftp) = (Vsftpd::start(Options::default()), OpenSsh::start(&[]));
        let [first, others @ ..] = FOLDERS.map(|(folder, nom, _)| (folder, nom));
        ftp.make_folder(first.0);
        others.iter().for_each(|(folder, _)| sftp.make_folder(folder));
        let cluster = Cluster::start_new(&ClusterOptions::default());
        cluster.try_psql("postgres", &format!("CREATE DATABASE {DATABASE}")).unwrap();
        let proxy = Proxy::to(cluster.port);
        let mut agent = Agent::on_ftp(&ftp);
        agent.add_sftp("cu-sftp", &sftp);
        agent.map_folders(0, &[first]);
        agent.map_folders(1, &others);
        let database = Database { cluster: &cluster, name: DATABASE.into() };
        agent.set_central(&CentralConfig { port: proxy.port, ..database.config() });
        agent.set("source.0.delete", "after-sync");
        agent.set("source.1.delete", "after-sync");
        agent.set("schedule.file_quiet", "2s");
        Self {
            plant: Mutex::new(Plant::on_servers([ftp.root(), sftp.root(), sftp.root()], seed)),
            cluster: Mutex::new(cluster),
            seed,
            parts: Mutex::new(Some(Parts { ftp, sftp, proxy, agent })),
        }
    }

    /// What is done to the world from now on; only one may do it.
    pub fn history(&self) -> History<'_> {
        let parts = self.parts.lock().unwrap().take().expect("there is one history");
        let told_by_files_since = self.plant.lock().unwrap().today();
        History {
            world: self,
            parts,
            running: None,
            log: String::new(),
            told_by_files_since,
            has_backup: false,
            begun: Instant::now(),
            done: String::new(),
            counts: BTreeMap::new(),
            checks: 0,
            rows: 0,
        }
    }
}

pub struct History<'w> {
    pub world: &'w World,
    parts: Parts,
    running: Option<Running>,
    /// The log of agents that ended.
    log: String,
    /// Days before this one may be known to nobody but central.
    told_by_files_since: NaiveDate,
    has_backup: bool,
    begun: Instant,
    done: String,
    counts: BTreeMap<&'static str, usize>,
    checks: usize,
    rows: usize,
}

impl Deref for History<'_> {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl DerefMut for History<'_> {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }
}

impl<'w> History<'w> {
    pub fn note(&mut self, what: &'static str) {
        writeln!(self.done, "{:8.3} s  {what}", self.begun.elapsed().as_secs_f64()).unwrap();
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn plant(&self) -> MutexGuard<'w, Plant> {
        self.world.plant.lock().unwrap()
    }

    fn sql(&self, database: &str, script: &str) -> Result<String, String> {
        self.world.cluster.lock().unwrap().try_psql(database, script)
    }

    pub fn heal_links(&self) {
        self.proxy.refuse(false);
        self.proxy.black_hole(false);
        self.proxy.mute(false);
        self.proxy.limit(0);
        self.proxy.delay(Duration::ZERO, Duration::ZERO);
    }

    pub fn keep_agent_running(&mut self) {
        match &mut self.running {
            Some(running) => {
                assert!(running.is_running(), "the agent ended by itself:\n{}", running.log());
            }
            None => self.running = Some(self.agent.run()),
        }
    }

    pub fn kill_agent(&mut self) {
        if let Some(running) = self.running.take() {
            self.log = running.log();
            running.kill();
        }
    }

    pub fn terminate_agent(&mut self) {
        if let Some(running) = self.running.take() {
            let (output, took) = running.terminate();
            assert!([0, -15].contains(&output.code), "ended by SIGTERM:\n{output}");
            assert!(took < END_LIMIT, "SIGTERM took {took:?}:\n{output}");
            self.log = output.stderr;
        }
    }

    /// A process on a buffer that another one holds is sent away.
    pub fn second_process(&mut self) {
        self.keep_agent_running();
        if let Some(running) = &self.running {
            running.wait_for_line("started");
            self.parts.agent.once().exited(1).says(&running.id().to_string());
        }
    }

    /// Rows are only deleted where the buffer or the server still knows them.
    pub fn damage_central(&mut self, script: fn(&str) -> String) {
        // A migration may be under way, or the session be written at this moment: then nothing is done.
        self.sql(DATABASE, &script(&self.told_by_files_since.to_string())).ok();
    }

    pub fn refuse_sessions(&mut self) {
        let cluster = self.world.cluster.lock().unwrap();
        let database = Database { cluster: &cluster, name: DATABASE.into() };
        if database.try_psql("SELECT count(*) FROM session_production").is_ok() {
            damage::refuse_sessions(&database);
            wait::any_moment(Duration::from_millis(700));
            damage::take_sessions_again(&database);
        }
    }

    pub fn set_read_only(&mut self, on: bool) {
        let script = format!("ALTER DATABASE {DATABASE} SET default_transaction_read_only = {on}");
        self.sql("postgres", &script).unwrap();
        self.proxy.cut();
    }

    /// Copies central with nobody connected to it.
    pub fn back_up_central(&mut self) {
        self.proxy.refuse(true);
        self.proxy.cut();
        self.sql(
            "postgres",
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'"
            ),
        )
        .unwrap();
        let database = &format!(
            "DROP DATABASE IF EXISTS {BACKUP} WITH (FORCE);
             CREATE DATABASE {BACKUP} TEMPLATE {DATABASE}"
        );
        let mut last = Ok(String::new());
        wait::until("nobody is connected to central", wait::PATIENCE, || {
            last = self.sql("postgres", database);
            last.is_ok()
        });
        self.has_backup = true;
        self.proxy.refuse(false);
    }

    pub fn restore_central(&mut self) {
        if !self.has_backup {
            return;
        }
        for step in [
            format!("DROP DATABASE {DATABASE} WITH (FORCE)"),
            format!("CREATE DATABASE {DATABASE} TEMPLATE {BACKUP}"),
        ] {
            self.sql("postgres", &step).unwrap();
        }
    }

    /// Does something to the buffer of an agent that is down, after central was found equal.
    pub fn lose_from_buffer(&mut self, lose: impl FnOnce(&mut Agent)) {
        self.check();
        // Leave something in the write-ahead log.
        self.keep_agent_running();
        wait::any_moment(Duration::from_millis(1_500));
        self.kill_agent();
        lose(&mut self.parts.agent);
        // What left the server before is known to central alone from now on.
        self.told_by_files_since = self.plant().today();
        self.has_backup = false;
    }

    /// The machines finish their day, and every row is compared.
    pub fn check(&mut self) {
        self.note("checked");
        self.heal_links();
        self.kill_agent();
        let truth = {
            let mut plant = self.world.plant.lock().unwrap();
            plant.next_day();
            let truth = plant.truth();
            // Nobody writes until the agent has read everything.
            let cluster = self.world.cluster.lock().unwrap();
            let database = Database { cluster: &cluster, name: DATABASE.into() };
            let deadline = Instant::now() + wait::PATIENCE;
            loop {
                let output = self.parts.agent.once();
                self.log = output.to_string();
                let held = database
                    .try_psql("SELECT count(*) FROM cu_agent_machine")
                    .map_or_else(|_| Vec::new(), |_| central_sessions(&database));
                if held == truth {
                    break;
                }
                if Instant::now() > deadline {
                    assert_same(&format!("central, SEED={}", self.world.seed), &held, &truth);
                }
            }
            truth
        };
        self.checks += 1;
        self.rows += truth::rows(&truth);
    }

    /// The last comparison, and a sentence about it all.
    pub fn finish(mut self) -> String {
        self.world.plant.lock().unwrap().finish();
        self.check();
        let faults: usize = self.counts.values().sum();
        let kinds: Vec<_> =
            self.counts.iter().map(|(what, count)| format!("  {count:5} {what}")).collect();
        format!(
            "{faults} faults, {} comparisons, {} rows compared, all right\n{}",
            self.checks,
            self.rows,
            kinds.join("\n")
        )
    }
}

impl Drop for History<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let running = self.running.as_ref().map_or(String::new(), Running::log);
            println!("\nSEED={}\n{}", self.world.seed, self.done);
            println!("log of the agent that ended last:\n{}", self.log);
            println!("log of the agent that runs:\n{running}");
        }
    }
}
