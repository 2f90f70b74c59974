//! The whole chain: 60 files of 20 days from a real vsftpd into a real PostgreSQL, beside the limit
//! (the same files fetched, `psql \copy` of the same rows into the same tables), measured in turns in
//! one run. Files are fetched by `curl` and by the barest dialogue there is, and the faster counts: curl
//! 7.88 rests for a second between some of the transfers of one connection. Then a running agent that
//! finds nothing new. Prints one table; `make bench-e2e`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::sync::postgres::{Central, migration_script};
use support::{
    agent::Agent,
    costs::{cpu_of, cpu_of_children, peak_kib_of},
    ftp::{Options, Vsftpd},
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    net::Proxy,
    postgres::{Database, PASSWORD},
    wait,
};

const DAYS: usize = 20;
const SESSIONS: usize = 3 * DAYS;
const TURNS: usize = 7;
const WARM_CYCLES: u32 = 50;
const WARM_ONCES: u32 = 20;

/// Every table that a delivery fills, with its columns, in the order of their references.
const TABLES: [&str; 7] = [
    "centre_usinage",
    "session_production",
    "piece_production",
    "periode_attente",
    "periode_arret",
    "job_profil",
    "anomalie",
];

/// What one cold run cost.
#[derive(Clone, Copy, Default)]
struct Run {
    wall: Duration,
    cpu: Duration,
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
    let folder = tempfile::tempdir().unwrap();
    let rows = rows_of_a_first_run(&server, folder.path());
    println!("{SESSIONS} files, {log_bytes} bytes; {rows} rows; medians of {TURNS} turns\n");
    let limit = Limit::prepare(&server, folder.path());

    let mut limits: [Vec<Duration>; 4] = Default::default();
    let [mut cold, mut empty] = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        // In turns, so that whatever else the machine does meets all of them.
        limits[0].push(limit.curl());
        limits[3].push(fetch(&server));
        let [migration, copy] = limit.copy(rows);
        limits[1].push(copy);
        limits[2].push(migration);
        cold.push(run_cold(&server, true, rows, false));
        empty.push(run_cold(&server, false, rows, false));
    }
    let [curl, copy, migration, bare] = limits.map(median);
    let fetch = curl.min(bare);
    let (cold, empty) = (middle(cold), middle(empty));
    let counted = run_cold(&server, true, rows, true);
    println!("{:<58} {:>8}", "", "wall s");
    say("curl of the files, one process, one connection", curl);
    say("limit: the same files by bare FTP, or curl if faster", fetch);
    say("limit: psql \\copy of the rows, tables there", copy);
    say("limit, both", fetch + copy);
    say("limit: psql with the migrations", migration);
    say("limit, with making the tables", fetch + copy + migration);
    println!();
    println!(
        "{:<46} {:>8} {:>6} {:>7} {:>9} {:>13} {:>12} {:>8}",
        "the agent, cold",
        "wall s",
        "ratio",
        "CPU s",
        "peak MiB",
        "transactions",
        "round trips",
        "sent kB"
    );
    print("once, tables there (aim: ratio 2)", &cold, fetch + copy);
    print("once, makes the tables", &empty, fetch + copy + migration);
    println!(
        "to central: {} round trips with log-in, {} kB sent, {} transactions",
        counted.round_trips,
        counted.sent_bytes / 1000,
        counted.transactions
    );
    warm(&server, rows);
}

fn say(what: &str, wall: Duration) {
    println!("{what:<58} {:>8.3}", wall.as_secs_f64());
}

fn print(what: &str, run: &Run, limit: Duration) {
    println!(
        "{what:<58} {:>8.3} {:>6.2} {:>7.2} {:>9.1}",
        run.wall.as_secs_f64(),
        run.wall.as_secs_f64() / limit.as_secs_f64(),
        run.cpu.as_secs_f64(),
        run.peak_kib as f64 / 1024.0,
    );
}

fn median(mut walls: Vec<Duration>) -> Duration {
    walls.sort();
    walls[walls.len() / 2]
}

fn middle(mut runs: Vec<Run>) -> Run {
    runs.sort_by_key(|run| run.wall);
    runs[runs.len() / 2]
}

/// The rows of a first run as files for `\copy`, in `folder`; how many there are.
fn rows_of_a_first_run(server: &Vsftpd, folder: &Path) -> u64 {
    let database = Database::fresh();
    Agent::on_ftp(server).central(&database).once().succeeded();
    for table in TABLES {
        let text = database.psql(&format!("COPY (SELECT * FROM {table} ORDER BY 1, 2) TO STDOUT"));
        fs::write(folder.join(table), text + "\n").unwrap();
    }
    count(&database)
}

/// All rows that a run leaves.
fn count(database: &Database<'_>) -> u64 {
    assert_eq!(database.count("session_production"), SESSIONS as u64);
    TABLES.iter().map(|table| database.count(table)).sum()
}

/// `curl` and `psql` doing the least that has to be done.
struct Limit {
    curl: PathBuf,
    migrations: PathBuf,
    copies: PathBuf,
}

impl Limit {
    fn prepare(server: &Vsftpd, folder: &Path) -> Self {
        let mut urls = format!("silent\nuser = \"{}:{}\"\n", server.user(), server.password());
        for centre in &CENTRES {
            let days = fs::read_dir(server.root().join(centre.folder)).unwrap();
            for name in days.map(|day| day.unwrap().file_name().into_string().unwrap()) {
                let path = format!("{}/{name}", centre.folder).replace(' ', "%20");
                let path = path.replace('(', "%28").replace(')', "%29");
                urls += &format!(
                    "url = \"ftp://127.0.0.1:{}/{path}\"\noutput = \"{}\"\n",
                    server.port(),
                    folder.join("fetched").display()
                );
            }
        }
        let copies: String = TABLES
            .iter()
            .map(|table| format!("\\copy {table} FROM '{}'\n", folder.join(table).display()))
            .collect();
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            file
        };
        Self {
            curl: write("curl.conf", &urls),
            migrations: write("migrations.sql", &migration_script("postgres")),
            copies: write("copies.sql", &copies),
        }
    }

    fn curl(&self) -> Duration {
        let begun = Instant::now();
        done(Command::new("curl").arg("-K").arg(&self.curl));
        begun.elapsed()
    }

    /// Making the tables, and filling them.
    fn copy(&self, rows: u64) -> [Duration; 2] {
        let database = Database::fresh();
        let psql = |script: &Path| {
            let begun = Instant::now();
            // Over TCP with a password, as the agent comes.
            done(
                Command::new("psql")
                    .args(["-h", "127.0.0.1", "-p", &database.cluster.port.to_string()])
                    .args(["-U", "postgres", "-d", &database.name, "-v", "ON_ERROR_STOP=1", "-qX"])
                    .arg("-f")
                    .arg(script)
                    .env("PGPASSWORD", PASSWORD),
            );
            begun.elapsed()
        };
        let times = [psql(&self.migrations), psql(&self.copies)];
        assert_eq!(count(&database), rows);
        times
    }
}

/// All files over one connection, two commands each, and nothing done with them.
fn fetch(server: &Vsftpd) -> Duration {
    let begun = Instant::now();
    let mut control = BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).unwrap());
    control.get_ref().set_nodelay(true).unwrap();
    answer(&mut control);
    let ask = |control: &mut BufReader<TcpStream>, command: &str| {
        control.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        answer(control)
    };
    ask(&mut control, &format!("USER {}", server.user()));
    ask(&mut control, &format!("PASS {}", server.password()));
    ask(&mut control, "TYPE I");
    let mut files = 0;
    for centre in &CENTRES {
        ask(&mut control, &format!("CWD /{}", centre.folder));
        for day in fs::read_dir(server.root().join(centre.folder)).unwrap() {
            let passive = ask(&mut control, "EPSV");
            let port = passive.split('|').nth(3).unwrap().parse::<u16>().unwrap();
            let mut data = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let name = day.unwrap().file_name().into_string().unwrap();
            assert!(ask(&mut control, &format!("RETR {name}")).starts_with("150"));
            data.read_to_end(&mut Vec::new()).unwrap();
            files += usize::from(answer(&mut control).starts_with("226"));
        }
    }
    assert_eq!(files, SESSIONS);
    begun.elapsed()
}

/// The last line of one answer.
fn answer(control: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(control.read_line(&mut line).unwrap() > 0, "the server hung up");
        if line.as_bytes().get(3) == Some(&b' ') {
            return line;
        }
    }
}

fn done(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// One run of `cu-agent once` with an empty buffer and empty tables, or no tables; `through_proxy` counts
/// what passes.
fn run_cold(server: &Vsftpd, has_tables: bool, rows: u64, through_proxy: bool) -> Run {
    let database = Database::fresh();
    if has_tables {
        Central::connect(&database.config(), "bench").unwrap().migrate().unwrap();
    }
    let proxy = Proxy::to(database.cluster.port);
    let mut agent = Agent::on_ftp(server).central(&database);
    if through_proxy {
        agent.set("central.port", i64::from(proxy.port));
    }
    let transactions_before = transactions(&database);
    let cpu_before = cpu_of_children();
    let begun = Instant::now();
    let mut running = agent.start(&["once"]);
    let mut peak_kib = 0;
    while running.is_running() {
        peak_kib = peak_kib_of(running.id()).unwrap_or(peak_kib);
        wait::any_moment(Duration::from_millis(1));
    }
    let wall = begun.elapsed();
    let cpu = cpu_of_children().saturating_sub(cpu_before);
    running.output(wait::PATIENCE).succeeded();
    let run = Run {
        wall,
        cpu,
        peak_kib,
        transactions: transactions(&database) - transactions_before,
        round_trips: proxy.round_trips(),
        sent_bytes: proxy.bytes_up(),
    };
    assert_eq!(count(&database), rows);
    run
}

/// Nothing new in three folders: a service that polls, and `once` as a whole.
fn warm(server: &Vsftpd, rows: u64) {
    let database = Database::fresh();
    let agent = Agent::on_ftp(server).central(&database);
    agent.once().succeeded();
    // A cycle is a log-in: the connection is given back in between.
    let running = agent.run();
    let cycles = |wanted: usize| {
        let deadline = Instant::now() + Duration::from_secs(300);
        while server.log_ins() < wanted {
            assert!(Instant::now() < deadline, "cycles do not come");
            wait::any_moment(Duration::from_millis(5));
        }
    };
    let begin = server.log_ins() + 5;
    cycles(begin);
    let before = cpu_of(running.id());
    cycles(begin + WARM_CYCLES as usize);
    let cycle = (cpu_of(running.id()) - before) / WARM_CYCLES;
    drop(running);
    let before = cpu_of_children();
    let begun = Instant::now();
    for _ in 0..WARM_ONCES {
        agent.once().succeeded();
    }
    let once_wall = begun.elapsed() / WARM_ONCES;
    let once_cpu = (cpu_of_children() - before) / WARM_ONCES;
    assert_eq!(count(&database), rows);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("\nthe agent, warm: nothing new in three folders");
    println!("{:<58} {:>8.2}", "CPU of a cycle of a running process, ms (aim: 5)", ms(cycle));
    println!("{:<58} {:>8.2}", "CPU of `once` as a whole, ms", ms(once_cpu));
    println!("{:<58} {:>8.2}", "wall of `once` as a whole, ms", ms(once_wall));
}

/// Transactions that PostgreSQL committed in this database, this question included.
fn transactions(database: &Database<'_>) -> i64 {
    let text = database
        .psql("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()");
    text.trim().parse().unwrap()
}
