//! What dashboards and the plant's REST API wait for: each view of central for a month of 40 machines and
//! of one, each panel of `grafana/` for a month of all machines, and the API's own questions, over three years with ten million pieces. `make bench-views`;
//! `MACHINES=`, `DAYS=` and `PIECES=` (of a session) for other sizes.
//!
//! Cold: the server was restarted, and the kernel asked to drop its files. Warm: the median of five.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{collections::BTreeMap, time::Instant};

use serde_json::Value;
use support::{
    central::Feeder,
    grafana::{self, Choice, Chosen},
    postgres::{Cluster, Database, Options},
    years::{Question, Years, of_api, of_views},
};

const TIMES: usize = 5;

struct Cost {
    ms: f64,
    /// Blocks of 8 KiB, found in the server's memory or not.
    blocks: u64,
    rows: u64,
}

fn main() {
    let number = |name: &str, default: u32| {
        std::env::var(name)
            .ok()
            .filter(|text| !text.is_empty())
            .map_or(default, |text| text.parse().unwrap())
    };
    let years = Years {
        machines: number("MACHINES", 40),
        days: number("DAYS", 900),
        pieces: number("PIECES", 278),
        is_scattered: number("SCATTERED", 0) == 1,
    };
    let settings = ["fsync=off", "max_wal_size=8GB", "checkpoint_timeout=1h", "autovacuum=off"];
    let options = Options { settings: settings.map(str::to_owned).to_vec(), ..Options::default() };
    let mut cluster = Cluster::start_new(&options);
    let name = cluster.database().name;
    let database = Database { cluster: &cluster, name: name.clone() };
    drop(Feeder::new(&database));
    let begun = Instant::now();
    years.fill(&database);
    println!(
        "{} sessions, {} pieces, {} on disk, made in {:.0} s",
        database.count("session_production"),
        database.count("piece_production"),
        database.psql("SELECT pg_size_pretty(pg_database_size(current_database()))"),
        begun.elapsed().as_secs_f64(),
    );
    println!("{:<46} {:>9} {:>9} {:>8} {:>8}", "", "cold, ms", "warm, ms", "blocks", "rows");
    let fleet = Question { name: "v_parc".into(), sql: "SELECT * FROM v_parc".into() };
    for question in of_views().into_iter().chain([fleet]).chain(of_panels()).chain(of_api()) {
        cluster.stop();
        cluster.leave_the_page_cache();
        cluster.start();
        let cold = cost(&cluster, &name, &question);
        let mut warm: Vec<Cost> = (0..TIMES).map(|_| cost(&cluster, &name, &question)).collect();
        warm.sort_by(|one, other| one.ms.total_cmp(&other.ms));
        let Cost { ms, blocks, rows } = &warm[TIMES / 2];
        println!("{:<46} {:>9.1} {ms:>9.1} {blocks:>8} {rows:>8}", question.name, cold.ms);
        if std::env::var("PLANS").is_ok_and(|text| !text.is_empty()) {
            let plan = format!("EXPLAIN (ANALYZE, BUFFERS) {}", question.sql);
            println!("{}", cluster.try_psql(&name, &plan).unwrap());
        }
    }
}

/// Each panel for the month that the questions of views are of.
fn of_panels() -> Vec<Question> {
    let choice = Choice {
        from: "2025-02-28T23:00:00Z".parse().unwrap(),
        to: "2025-03-31T21:59:59Z".parse().unwrap(),
        variables: BTreeMap::from([
            ("machine", Chosen::All("SELECT nom FROM centre_usinage".into())),
            ("passerelle", Chosen::All("SELECT agent_id FROM v_parc".into())),
            ("fuseau", Chosen::One("Europe/Paris".into())),
        ]),
    };
    let panels = grafana::questions().into_iter();
    panels.map(|panel| Question { sql: choice.expand(&panel.sql), name: panel.name }).collect()
}

/// Planning and execution.
fn cost(cluster: &Cluster, database: &str, question: &Question) -> Cost {
    let explained = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {}", question.sql);
    let text = cluster.try_psql(database, &explained).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let (told, plan) = (&told[0], &told[0]["Plan"]);
    let blocks = |kind: &str| plan[format!("Shared {kind} Blocks")].as_u64().unwrap();
    Cost {
        ms: told["Planning Time"].as_f64().unwrap() + told["Execution Time"].as_f64().unwrap(),
        blocks: blocks("Hit") + blocks("Read"),
        rows: plan["Actual Rows"].as_f64().unwrap() as u64,
    }
}
