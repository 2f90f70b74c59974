//! What the fleet costs central: CPU seconds of all of PostgreSQL's processes, its own counters, and
//! who holds a connection. Asked over one connection that stays open, so that asking costs little.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use postgres::{Client, Config, NoTls};

use super::support::{
    postgres::{Database, PASSWORD},
    wait,
};

/// How long the whole fleet may take; a run of hours is no benchmark.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);
const TABLES: &str = "'agent_edge', 'cu_agent_machine', 'centre_usinage', 'session_production', \
     'piece_production', 'periode_attente', 'periode_arret', 'job_profil', 'anomalie'";

pub struct Central {
    client: Client,
    postmaster: u32,
    /// This benchmark's own questions, which are none of the fleet's.
    asked: u32,
}

/// When agents were done, in seconds, and the connections that they used.
pub struct Contacts {
    pub first: f64,
    pub half: f64,
    pub last: f64,
    pub most: i64,
    pub mean: f64,
}

#[derive(Default)]
pub struct InUse {
    pub most: i64,
    sum: i64,
    samples: i64,
}

impl InUse {
    fn note(&mut self, connections: i64) {
        self.most = self.most.max(connections);
        self.sum += connections;
        self.samples += 1;
    }

    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.samples.max(1) as f64
    }
}

/// Counters since the server began.
pub struct Totals {
    pub wall: f64,
    pub cpu: f64,
    pub transactions: f64,
    pub sessions: f64,
    pub inserted: f64,
    pub updated: f64,
    pub hot: f64,
    pub wal_mb: f64,
}

impl Totals {
    pub fn since(self, before: &Self) -> Self {
        Self {
            wall: self.wall - before.wall,
            cpu: self.cpu - before.cpu,
            transactions: self.transactions - before.transactions,
            sessions: self.sessions - before.sessions,
            inserted: self.inserted - before.inserted,
            updated: self.updated - before.updated,
            hot: self.hot - before.hot,
            wal_mb: self.wal_mb - before.wal_mb,
        }
    }
}

pub struct Size {
    pub table: String,
    pub kb: i64,
    pub dead: i64,
    pub wasted_percent: f64,
}

impl Central {
    pub fn watch(database: &Database<'_>) -> Self {
        let mut client = Config::new()
            .host("127.0.0.1")
            .port(database.cluster.port)
            .user("postgres")
            .password(PASSWORD)
            .dbname(&database.name)
            .application_name("bench")
            .connect(NoTls)
            .unwrap();
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let postmaster = stat(u32::try_from(pid).unwrap()).unwrap()[1].parse().unwrap();
        Self { client, postmaster, asked: 0 }
    }

    /// User and system time of the server and of all that it started, ended ones included.
    pub fn cpu_seconds(&self) -> f64 {
        loop {
            let before = cpu_of(self.postmaster);
            let processes = fs::read_dir("/proc").unwrap().flatten();
            let children: f64 = processes
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .filter(|id| stat(*id).is_some_and(|s| s[1].parse() == Ok(self.postmaster)))
                .map(|id| cpu_of(id).0)
                .sum();
            let after = cpu_of(self.postmaster);
            // One that ended meanwhile would count twice or not at all.
            if before.1 == after.1 {
                return after.0 + after.1 + children;
            }
        }
    }

    pub fn checkpoint(&mut self) {
        self.client.batch_execute("CHECKPOINT").unwrap();
    }

    pub fn deadlocks(&mut self) -> i64 {
        let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        self.client.query_one(sql, &[]).unwrap().get(0)
    }

    fn connections(&mut self) -> i64 {
        self.asked += 1;
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE backend_type = 'client backend' AND usename <> 'postgres'";
        self.client.query_one(sql, &[]).unwrap().get(0)
    }

    /// Looks every half second until every agent's sessions are there.
    pub fn watch_until_done(&mut self, begun: Instant, agents: usize, sessions: usize) -> Contacts {
        let mut done: BTreeMap<String, f64> = BTreeMap::new();
        let mut in_use = InUse::default();
        let mut told = Instant::now();
        while done.len() < agents {
            assert!(begun.elapsed() < PATIENCE, "{} of {agents} agents are done", done.len());
            wait::any_moment(Duration::from_millis(500));
            in_use.note(self.connections());
            let sql = "SELECT agent_id, count(*) FROM session_production GROUP BY 1";
            let now = begun.elapsed().as_secs_f64();
            let mut held = 0;
            for row in self.client.query(sql, &[]).unwrap() {
                held += row.get::<_, i64>(1);
                if row.get::<_, i64>(1) >= i64::try_from(sessions).unwrap() {
                    done.entry(row.get(0)).or_insert(now);
                }
            }
            if told.elapsed() > Duration::from_secs(30) {
                told = Instant::now();
                println!("  … after {now:.0} s {held} sessions, {} agents done", done.len());
            }
        }
        let mut times: Vec<f64> = done.into_values().collect();
        times.sort_by(f64::total_cmp);
        Contacts {
            first: times[0],
            half: times[times.len() / 2],
            last: times[times.len() - 1],
            most: in_use.most,
            mean: in_use.mean(),
        }
    }

    pub fn sample_for(&mut self, time: Duration, in_use: &mut InUse) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            in_use.note(self.connections());
            wait::any_moment(
                Duration::from_millis(500).min(until.saturating_duration_since(Instant::now())),
            );
        }
    }

    pub fn let_pass(&mut self, time: Duration) {
        self.sample_for(time, &mut InUse::default());
    }

    pub fn totals(&mut self) -> Totals {
        // Backends report what they did when they are idle, and at most once a second.
        self.let_pass(Duration::from_secs(2));
        let row = self
            .client
            .query_one(
                "SELECT extract(epoch FROM clock_timestamp())::float8,
                        d.xact_commit::float8 + d.xact_rollback, d.sessions::float8,
                        t.ins::float8, t.upd::float8, t.hot::float8,
                        (pg_current_wal_lsn() - '0/0')::float8 / 1e6
                 FROM pg_stat_database d,
                      (SELECT sum(n_tup_ins) AS ins, sum(n_tup_upd) AS upd, sum(n_tup_hot_upd) AS hot
                       FROM pg_stat_user_tables) t
                 WHERE d.datname = current_database()",
                &[],
            )
            .unwrap();
        Totals {
            wall: row.get(0),
            cpu: self.cpu_seconds(),
            transactions: row.get::<_, f64>(1) - f64::from(self.asked),
            sessions: row.get(2),
            inserted: row.get(3),
            updated: row.get(4),
            hot: row.get(5),
            wal_mb: row.get(6),
        }
    }

    pub fn sizes(&mut self) -> Vec<Size> {
        let sql = format!(
            "SELECT c.relname::text, pg_total_relation_size(c.oid) / 1024, t.dead_tuple_count,
                    t.dead_tuple_percent + t.free_percent
             FROM pg_class c CROSS JOIN LATERAL pgstattuple(c.oid) t
             WHERE c.relkind = 'r' AND (c.relname IN ({TABLES}) OR c.relname LIKE 'piece_production_2025%')
             ORDER BY 1"
        );
        let rows = self.client.query(&sql, &[]).unwrap();
        rows.iter()
            .map(|row| Size {
                table: row.get(0),
                kb: row.get(1),
                dead: row.get(2),
                wasted_percent: row.get(3),
            })
            .collect()
    }
}

/// Fields of a process from its state on: 0 is the state, 1 the parent.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let behind = text.rsplit_once(") ")?.1;
    Some(behind.split(' ').map(str::to_owned).collect())
}

/// CPU seconds of a process, and of its children that have ended; nothing where it is gone.
pub fn cpu_of(id: u32) -> (f64, f64) {
    /// Of Linux' figures for programs, whatever its own clock.
    const TICKS_A_SECOND: f64 = 100.0;
    let Some(stat) = stat(id) else { return (0.0, 0.0) };
    let field = |number: usize| stat[number].parse::<f64>().unwrap();
    ((field(11) + field(12)) / TICKS_A_SECOND, (field(13) + field(14)) / TICKS_A_SECOND)
}
