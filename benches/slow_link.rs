//! Central behind a line of 100 ms there and back and 64 kB a second each way, with TLS: 60 sessions
//! that wait, beside what the same rows take as `COPY` writes them; then days that grow by five pieces on
//! the open connection. Once without a calendar, once with the times of two shifts a day. Bytes are those of the TCP connection, without its own headers. Prints two
//! tables; `make bench-slow-link`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::sync::postgres::Central;
use support::{
    agent::Agent,
    certificate::Certificate,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    net::Proxy,
    planned::two_shifts,
    postgres::{Cluster, Database, Options},
    wait,
};

const DAYS: usize = 20;
const SESSIONS: usize = 3 * DAYS;
const ONE_WAY: Duration = Duration::from_millis(50);
const BYTES_A_SECOND: u64 = 64_000;
const GROWTHS: usize = 6;
/// More growths, each of which the gateway's own row goes along with: it is due once a minute.
const GROWTHS_WITH_ROW: usize = 2;
const ROW_IS_DUE: Duration = Duration::from_secs(61);

/// The columns that an agent fills, of each table; keys that central makes itself are not the rows' own.
const ROWS: [(&str, &str); 7] = [
    (
        "session_production",
        "date_production, heure_premiere_piece, heure_derniere_piece,
         heure_premier_machine_start, heure_dernier_machine_stop, total_pieces,
         duree_production_totale, temps_attente, temps_arret_volontaire, temps_production_effectif,
         taux_occupation, taux_attente, taux_arret_volontaire, temps_attente_brut, temps_arret_brut,
         fichier_log_source, revision, evenements",
    ),
    ("piece_production", "numero_piece, timestamp_production, details"),
    ("periode_attente", "numero, timestamp_debut, timestamp_fin, duree_secondes"),
    ("periode_arret", "numero, timestamp_debut, timestamp_fin, duree_secondes"),
    ("job_profil", "numero, reference, longueur, couleur, timestamp_debut"),
    (
        "temps_poste",
        "numero, poste, debut_poste, fin_poste, jusqua, ouverture_ms, requis_ms, fonctionnement_ms,
         arret_ms, attente_ms, demarrage_ms, fin_ms, pieces, pieces_rebut, cadence_nominale",
    ),
    ("anomalie", "numero, code, gravite, timestamp_debut, timestamp_fin, valeur, attendu, texte"),
];

/// What passed a line.
#[derive(Clone, Copy)]
struct Passed {
    up: u64,
    down: u64,
    round_trips: u64,
}

impl Passed {
    fn so_far(proxy: &Proxy) -> Self {
        Self { up: proxy.bytes_up(), down: proxy.bytes_down(), round_trips: proxy.round_trips() }
    }

    fn since(self, before: Self) -> Self {
        Self {
            up: self.up - before.up,
            down: self.down - before.down,
            round_trips: self.round_trips - before.round_trips,
        }
    }

    fn bytes(self) -> u64 {
        self.up + self.down
    }
}

fn main() {
    for planned in [false, true] {
        println!(
            "{}",
            if planned { "with the times of two shifts a day" } else { "without a calendar" }
        );
        measure(planned);
        println!();
    }
}

fn measure(planned: bool) {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "IP:127.0.0.1", false);
    let cluster = Cluster::start_new(&Options {
        certificate: Some(certificate.clone()),
        ..Options::default()
    });
    let database = cluster.database();
    Central::connect(&database.config(), "bench").unwrap().migrate().unwrap();
    let machines = folder.path().join("machines");
    let from = NaiveDate::from_ymd_opt(2025, 5, 5).unwrap();
    for centre in &CENTRES {
        fs::create_dir_all(machines.join(centre.folder)).unwrap();
        for day in working_days(from, DAYS) {
            let file = machines.join(centre.folder).join(file_name(day));
            fs::write(file, log_of_day(centre, day, 1, Dirt::None)).unwrap();
        }
    }
    let proxy = Proxy::to(cluster.port);
    let mut agent = Agent::on_directory(&machines).central(&database);
    if planned {
        agent.set("calendar", two_shifts());
    }
    agent.set("central.port", i64::from(proxy.port));
    agent.set("central.tls", "verify-full");
    agent.set("central.ca_file", certificate.ca_file.to_str().unwrap());
    proxy.refuse(true);
    agent.once().exited(3);
    assert_eq!(database.count("session_production"), 0);

    proxy.refuse(false);
    proxy.delay(ONE_WAY, ONE_WAY);
    proxy.limit(BYTES_A_SECOND);
    let before = Passed::so_far(&proxy);
    let begun = Instant::now();
    agent.once().succeeded();
    let wall = begun.elapsed();
    let passed = Passed::so_far(&proxy).since(before);
    print_backlog(&database, wall, passed);
    grow(&agent, &database, &proxy, &machines.join(CENTRES[0].folder).join("20250530.LOG"));
}

fn print_backlog(database: &Database<'_>, wall: Duration, passed: Passed) {
    let own = |format: &str| -> u64 {
        let scripts = ROWS.map(|(table, columns)| {
            format!("\\copy {table} ({columns}) TO PROGRAM 'wc -c >&2' WITH (FORMAT {format})")
        });
        let mut total = 0;
        for script in scripts {
            let script = script.replace('\n', " ").replace("wc -c >&2", "wc -c");
            total += database.psql(&script).trim().parse::<u64>().unwrap();
        }
        total
    };
    let (text, binary) = (own("text"), own("binary"));
    assert_eq!(database.count("session_production"), SESSIONS as u64);
    let rows: u64 = ROWS.iter().map(|(table, _)| database.count(table)).sum();
    let line = text as f64 / BYTES_A_SECOND as f64;
    println!(
        "{SESSIONS} sessions that wait, {rows} rows; 100 ms there and back, 64 kB a second, TLS"
    );
    println!("{:<58} {:>10} {:>8}", "", "bytes", "s");
    println!("{:<58} {text:>10} {line:>8.2}", "limit: the rows' own (COPY, text), the line full");
    println!("{:<58} {binary:>10}", "the same as binary COPY");
    println!(
        "{:<58} {:>10} {:>8.2}",
        "cu-agent once (aims: 15 s, 1.3 times the rows' own)",
        passed.bytes(),
        wall.as_secs_f64()
    );
    println!(
        "{:<58} {:>10.2}    up {}, down {}, round trips {}\n",
        "bytes, both directions, over the rows' own",
        passed.bytes() as f64 / text as f64,
        passed.up,
        passed.down,
        passed.round_trips
    );
}

/// The machine goes on with its last day, five pieces at a time: under a running service, and once more
/// for a process of its own.
fn grow(agent: &Agent, database: &Database<'_>, proxy: &Proxy, file: &Path) {
    let append = |growth: usize| {
        let mut log = OpenOptions::new().append(true).open(file).unwrap();
        for piece in 0..5 {
            let number = 900 + 5 * growth + piece;
            let at = format!("20250530 22:{growth:02}:{:02}", 10 * piece);
            writeln!(log, "{at}|@StukUitgevoerd: {number} B0{number}1 H{piece}").unwrap();
        }
    };
    let print = |what: &str, passed: Passed| {
        let Passed { up, down, round_trips } = passed;
        println!("{what:<58} {:>10} {up:>8} {down:>8} {round_trips:>12}", passed.bytes());
    };
    let pieces = || database.count("piece_production");
    let running = agent.run();
    // It opens its connection and compares what central holds.
    running.wait_for_line("cycle:");
    at_rest(proxy);
    println!(
        "{:<58} {:>10} {:>8} {:>8} {:>12}",
        "a day grew by 5 pieces", "bytes", "up", "down", "round trips"
    );
    for growth in 0..GROWTHS + GROWTHS_WITH_ROW {
        if growth >= GROWTHS {
            let last = Instant::now();
            wait::until("the row is due", 2 * ROW_IS_DUE, || last.elapsed() >= ROW_IS_DUE);
        }
        let (held, before) = (pieces(), Passed::so_far(proxy));
        append(growth);
        let deadline = Instant::now() + Duration::from_secs(60);
        while pieces() < held + 5 {
            assert!(Instant::now() < deadline, "the pieces do not come:\n{}", running.log());
            wait::any_moment(Duration::from_millis(20));
        }
        // What follows the rows (the answer, the gateway's own row) is part of the price.
        at_rest(proxy);
        let what = match growth {
            0 => "on a connection that has compared: short texts",
            1 => "again: the server keeps the texts from now on",
            _ if growth < GROWTHS => "again (aims: 4,000 bytes, 3 round trips)",
            GROWTHS => "a minute later, the gateway's row too: its text once more",
            _ => "a minute later, the gateway's row too (the same aims)",
        };
        print(what, Passed::so_far(proxy).since(before));
    }
    drop(running);
    let (held, before) = (pieces(), Passed::so_far(proxy));
    append(GROWTHS + GROWTHS_WITH_ROW);
    agent.once().succeeded();
    assert_eq!(pieces(), held + 5);
    print(
        "with a log-in, a comparison and the gateway's row: once",
        Passed::so_far(proxy).since(before),
    );
}

/// Waits until nothing passes any more.
fn at_rest(proxy: &Proxy) {
    let mut last = (Passed::so_far(proxy).bytes(), Instant::now());
    while last.1.elapsed() < Duration::from_millis(800) {
        wait::any_moment(Duration::from_millis(20));
        let bytes = Passed::so_far(proxy).bytes();
        if bytes != last.0 {
            last = (bytes, Instant::now());
        }
    }
}
