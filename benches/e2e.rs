//! The whole chain, cold: 60 files of 20 days from a real vsftpd into an empty PostgreSQL, on
//! loopback and with central behind a line of 50 ms each way. Prints one table; `make bench-e2e`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::generate::{CENTRES, Dirt, file_name, log_of_day, working_days};
use support::{
    agent::Agent,
    ftp::{Options, Vsftpd},
    net::Proxy,
    postgres::Database,
    wait,
};

const DAYS: usize = 20;
const ONE_WAY: Duration = Duration::from_millis(50);

/// What one cold run cost.
struct Run {
    wall: Duration,
    peak_kib: u64,
    transactions: i64,
    round_trips: u64,
    sent_bytes: u64,
}

fn main() {
    let server = Vsftpd::start(Options::default());
    let from = NaiveDate::from_ymd_opt(2025, 5, 5).unwrap();
    let mut log_bytes = 0;
    for centre in &CENTRES {
        for day in working_days(from, DAYS) {
            let log = log_of_day(centre, day, 1, Dirt::None);
            log_bytes += log.len();
            server.put(format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    println!("{} files, {log_bytes} bytes", CENTRES.len() * DAYS);
    println!(
        "{:<34} {:>8} {:>10} {:>13} {:>12} {:>11} {:>10}",
        "", "wall s", "peak MiB", "transactions", "round trips", "a session", "sent kB"
    );
    let mut runs: Vec<Run> = (0..5).map(|_| cold(&server, Duration::ZERO)).collect();
    runs.sort_by_key(|run| run.wall);
    print("loopback (median of 5)", &runs[2]);
    print("loopback (best of 5)", &runs[0]);
    print("central 50 ms away each way", &cold(&server, ONE_WAY));
}

fn print(what: &str, run: &Run) {
    let sessions = CENTRES.len() * DAYS;
    println!(
        "{what:<34} {:>8.3} {:>10.1} {:>13} {:>12} {:>11.2} {:>10}",
        run.wall.as_secs_f64(),
        run.peak_kib as f64 / 1024.0,
        run.transactions,
        run.round_trips,
        run.round_trips as f64 / sessions as f64,
        run.sent_bytes / 1000,
    );
}

/// One run of `cu-agent once` with an empty buffer and an empty database.
fn cold(server: &Vsftpd, one_way: Duration) -> Run {
    let database = Database::fresh();
    let proxy = Proxy::to(database.cluster.port);
    proxy.delay(one_way, one_way);
    let mut agent = Agent::on_ftp(server).central(&database);
    agent.set("central.port", i64::from(proxy.port));
    let before = transactions(&database);
    let begun = Instant::now();
    let mut running = agent.start(&["once"]);
    let mut peak_kib = 0;
    while running.is_running() {
        peak_kib = peak_kib_of(running.id()).unwrap_or(peak_kib);
        wait::any_moment(Duration::from_millis(1));
    }
    let wall = begun.elapsed();
    running.output(wait::PATIENCE).succeeded();
    assert_eq!(
        database.psql("SELECT count(*) FROM session_production").trim(),
        (CENTRES.len() * DAYS).to_string()
    );
    Run {
        wall,
        peak_kib,
        transactions: transactions(&database) - before,
        round_trips: proxy.round_trips(),
        sent_bytes: proxy.bytes_up(),
    }
}

/// Peak resident memory so far; `None` where the process is gone already.
fn peak_kib_of(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Transactions that PostgreSQL committed in this database, this question included.
fn transactions(database: &Database<'_>) -> i64 {
    let text = database
        .psql("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()");
    text.trim().parse().unwrap()
}
