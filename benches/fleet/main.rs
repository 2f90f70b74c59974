//! A plant's whole fleet comes back after an outage, all at once: processes of the real binary, each
//! with its own buffer and its own three machines, against one PostgreSQL. Then they poll.
//!
//! Prints one table; beside what the fleet took stands what plain COPY takes for the same rows into
//! tables with the same indexes and keys. Asserts that every row is there once, never a time.
//! `make bench-fleet`; AGENTS= DAYS= MINUTES= POLL= MAX_CONNECTIONS= POOL= PARTED=1
//! TLS=1.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod limit;
mod load;
mod plant;

use std::{str::FromStr, time::Duration};

use load::{Central, Contacts};
use plant::Plant;
use support::{
    certificate::Certificate,
    pgbouncer::{PgBouncer, Pool},
    postgres::{Cluster, Database, Options},
};

/// A variable of the environment, or `default` where it is not set.
fn variable<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number"))
        }
        _ => default,
    }
}

fn main() {
    let agents: usize = variable("AGENTS", 200);
    let days: usize = variable("DAYS", 30);
    let minutes: u32 = variable("MINUTES", 10);
    let poll = Duration::from_secs(variable("POLL", 60));
    let max_connections: u32 = variable("MAX_CONNECTIONS", 100);
    let pool: u32 = variable("POOL", 0);

    let mut options = Options {
        settings: vec![format!("max_connections={max_connections}")],
        ..Options::default()
    };
    let certificates = tempfile::tempdir().unwrap();
    if variable("TLS", 0) == 1 {
        options.certificate = Some(Certificate::issue(certificates.path(), "IP:127.0.0.1", false));
    }
    let cluster = Cluster::start_new(&options);
    let database = cluster.database();
    let parted = variable("PARTED", 0) == 1;
    let role = plant::prepare(&database, parted);
    let bouncer = (pool > 0)
        .then(|| PgBouncer::with(&cluster, &[(&role, &role)], Pool::transactions(pool, 2_000)));
    let mut config = database.config_as(&role, &role);
    if let Some(bouncer) = &bouncer {
        config.port = bouncer.port;
    }

    let mut plant = Plant::build(agents, days, poll, &config, options.certificate.is_some());
    println!(
        "{agents} agents (processes of the binary) with 3 machines and {days} days each: {} sessions; \
         PostgreSQL with max_connections={max_connections}, else as installed; {}; {}; {}",
        plant.sessions(),
        match pool {
            0 => "no pooler".to_owned(),
            size => format!("PgBouncer by transaction, {size} connections to the server"),
        },
        if options.certificate.is_some() { "TLS" } else { "no TLS" },
        if parted { "pieces parted by month" } else { "pieces in one table" },
    );

    let mut central = Central::watch(&database);
    let (drain, contacts) = drain(&mut plant, &mut central);
    let rows = plant.assert_every_row_is_there_once(&database);
    assert_eq!(central.deadlocks(), 0, "deadlocks");
    let refused = cluster.log().matches("too many clients").count()
        + cluster.log().matches("remaining connection slots are reserved").count();
    println!("\n{:<46}{:>10}{:>12}{:>14}{:>14}", "", "wall s", "rows/s", "PostgreSQL", "agents");
    println!("{:<46}{:>10}{:>12}{:>14}{:>14}", "", "", "", "CPU s", "CPU s");
    line("the fleet drains", &drain, rows);
    let copy = limit::copy(&cluster, &database, &mut central);
    line("plain COPY, one connection (the limit)", &copy, rows);
    println!(
        "{:<46}{:>10.2}{:>12}{:>14.2}",
        "ratio",
        drain.wall / copy.wall,
        "",
        drain.central_cpu / copy.central_cpu
    );
    println!("\nrows of details and sessions               {rows}, each once; deadlocks 0");
    println!(
        "agents done after                          {:.1} s the first, {:.1} s half, {:.1} s the last",
        contacts.first, contacts.half, contacts.last
    );
    println!(
        "connections while draining                 {} at most, {:.1} on average; {refused} log-ins refused",
        contacts.most, contacts.mean
    );
    if minutes > 0 {
        steady(&mut plant, &mut central, &database, minutes, poll);
    }
}

/// What something took, in seconds.
struct Cost {
    wall: f64,
    central_cpu: f64,
    agents_cpu: f64,
}

fn line(what: &str, cost: &Cost, rows: u64) {
    println!(
        "{what:<46}{:>10.1}{:>12.0}{:>14.1}{:>14.1}",
        cost.wall,
        rows as f64 / cost.wall,
        cost.central_cpu,
        cost.agents_cpu
    );
}

fn drain(plant: &mut Plant, central: &mut Central) -> (Cost, Contacts) {
    central.checkpoint();
    let cpu_before = central.cpu_seconds();
    let begun = std::time::Instant::now();
    plant.start();
    let contacts = central.watch_until_done(begun, plant.agents(), plant.sessions_of_one());
    let cost = Cost {
        wall: contacts.last,
        central_cpu: central.cpu_seconds() - cpu_before,
        agents_cpu: plant.cpu_seconds(),
    };
    (cost, contacts)
}

fn steady(
    plant: &mut Plant,
    central: &mut Central,
    database: &Database<'_>,
    minutes: u32,
    poll: Duration,
) {
    plant.begin_day();
    central.let_pass(poll * 2);
    central.checkpoint();
    let sizes_before = central.sizes();
    let before = central.totals();
    let agents_before = plant.cpu_seconds();
    let mut in_use = load::InUse::default();
    for _ in 0..minutes {
        plant.grow();
        central.sample_for(poll, &mut in_use);
    }
    let spent = central.totals().since(&before);
    let agents_cpu = plant.cpu_seconds() - agents_before;
    let minutes_passed = spent.wall / 60.0;
    println!(
        "\nsteady: a poll every {} s, {minutes} polls, each machine grows by a minute's lines before each",
        poll.as_secs()
    );
    let per_minute = |figure: f64| figure / minutes_passed;
    println!("PostgreSQL CPU                             {:.2} s a minute", per_minute(spent.cpu));
    println!("agents CPU, all of them                    {:.2} s a minute", per_minute(agents_cpu));
    println!(
        "transactions                               {:.1} a second, {:.2} an agent and poll",
        spent.transactions / spent.wall,
        spent.transactions / f64::from(minutes) / plant.agents() as f64
    );
    println!(
        "log-ins                                    {:.0} a minute",
        per_minute(spent.sessions)
    );
    println!(
        "rows                                       {:.0} inserted, {:.0} updated ({:.1} % HOT) a minute",
        per_minute(spent.inserted),
        per_minute(spent.updated),
        100.0 * spent.hot / spent.updated.max(1.0)
    );
    println!(
        "WAL                                        {:.2} MB a minute",
        per_minute(spent.wal_mb)
    );
    println!(
        "connections                                {} at most, {:.1} on average",
        in_use.most,
        in_use.mean()
    );
    println!(
        "\n{:<24}{:>12}{:>12}{:>14}{:>14}",
        "table", "kB before", "kB after", "dead rows", "dead or free"
    );
    for (before, after) in sizes_before.iter().zip(central.sizes()) {
        println!(
            "{:<24}{:>12}{:>12}{:>14}{:>12.1} %",
            after.table, before.kb, after.kb, after.dead, after.wasted_percent
        );
    }
    plant.assert_the_day_is_there(database);
    assert_eq!(central.deadlocks(), 0, "deadlocks");
}
