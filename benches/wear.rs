//! What a working day costs the card: bytes that the agent writes while three machines write 15 hours
//! of LOG lines, polled as every 5 minutes, as every 30 seconds, and with nothing new. The day is
//! driven as fast as the agent follows; after each poll everything that waits in memory is written, as
//! the kernel does between two real ones. As root; `make bench-wear`, `WEAR="5min 30s idle"` for some.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant, SystemTime},
};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use support::{
    agent::Agent,
    card::{Card, in_own_namespace, process_bytes},
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    http,
    planned::two_shifts,
    postgres::Database,
    process::OTHER_BINARY,
    wait,
};

/// Days that the buffer holds before the one that is measured.
const EARLIER_DAYS: usize = 20;
const WORK: TimeDelta = TimeDelta::hours(15);
const CARD_MIB: u64 = 256;

/// What a day cost.
#[derive(Default)]
struct Cost {
    polls: u64,
    log_bytes: u64,
    process_bytes: u64,
    device_bytes: u64,
    /// With the end of the service, which empties the write-ahead log.
    device_bytes_to_end: u64,
    wall: Duration,
}

fn main() -> ExitCode {
    in_own_namespace(|| {
        let wanted = std::env::var("WEAR").unwrap_or_else(|_| "5min 30s idle".into());
        println!(
            "{:<38} {:>6} {:>10} {:>13} {:>12} {:>14} {:>9} {:>8}",
            "",
            "polls",
            "LOG bytes",
            "process bytes",
            "card bytes",
            "with the end",
            "a poll",
            "wall s"
        );
        for what in wanted.split_whitespace() {
            match what {
                "5min" => work("polled every 5 minutes", TimeDelta::minutes(5)),
                "30s" => work("polled every 30 seconds", TimeDelta::seconds(30)),
                "idle" => {
                    idle("nothing new", false);
                    idle("nothing new, 18 looks at the page", true);
                }
                other => panic!("WEAR={other}: only 5min, 30s and idle are known"),
            }
        }
    })
}

fn print(what: &str, cost: &Cost) {
    println!(
        "{what:<38} {:>6} {:>10} {:>13} {:>12} {:>14} {:>9} {:>8.1}",
        cost.polls,
        cost.log_bytes,
        cost.process_bytes,
        cost.device_bytes,
        cost.device_bytes_to_end,
        cost.device_bytes / cost.polls.max(1),
        cost.wall.as_secs_f64(),
    );
}

fn work(what: &str, every: TimeDelta) {
    let day = Simulated::day();
    let limit = plain(&day, every);
    print(&format!("plain file, fdatasync, {}", &what[7..]), &limit);
    print(&format!("{what}, planned"), &polled(&day, every, true));
    let cost = polled(&day, every, false);
    print(what, &cost);
    println!(
        "{:<38} {:>6} {:>10} {:>13} {:>12.1} {:>14}",
        "  against the plain file; the LOG's bytes",
        "",
        "",
        "",
        cost.device_bytes as f64 / limit.device_bytes as f64,
        format!("{:.1} times", cost.device_bytes as f64 / cost.log_bytes as f64),
    );
}

/// The lines of the three machines on the day that is measured.
struct Simulated {
    day: NaiveDate,
    /// Of each machine: its LOG, and the moment of each line with where it ends.
    machines: Vec<(Vec<u8>, Vec<Line>)>,
}

type Line = (NaiveDateTime, usize);

impl Simulated {
    fn day() -> Self {
        let day = *days().last().unwrap();
        let machines = CENTRES.iter().map(|centre| {
            let log = log_of_day(centre, day, 1, Dirt::None);
            let mut at = 0;
            let lines = log.split_inclusive(|byte| *byte == b'\n').map(|line| {
                at += line.len();
                let time = std::str::from_utf8(&line[..17]).unwrap();
                (NaiveDateTime::parse_from_str(time, "%Y%m%d %H:%M:%S").unwrap(), at)
            });
            let lines = lines.collect();
            (log, lines)
        });
        Self { day, machines: machines.collect() }
    }

    fn begin(&self) -> NaiveDateTime {
        self.day.and_time(NaiveTime::from_hms_opt(5, 0, 0).unwrap())
    }

    /// The moments of the polls; the last one finds whatever is left.
    fn polls(&self, every: TimeDelta) -> Vec<NaiveDateTime> {
        let count = i32::try_from(WORK.num_seconds() / every.num_seconds()).unwrap();
        (1..=count).map(|number| self.begin() + every * number).collect()
    }

    /// How much of a machine's LOG stands there at `moment`.
    fn length(&self, machine: usize, moment: NaiveDateTime) -> usize {
        let (log, lines) = &self.machines[machine];
        if moment >= self.begin() + WORK {
            return log.len();
        }
        lines.iter().take_while(|(at, _)| *at < moment).last().map_or(0, |(_, end)| *end)
    }

    fn bytes(&self) -> u64 {
        self.machines.iter().map(|(log, _)| log.len() as u64).sum()
    }

    fn rows(&self) -> i64 {
        let all: Vec<u8> = self.machines.iter().flat_map(|(log, _)| log.clone()).collect();
        rows_in(&all)
    }
}

fn days() -> Vec<NaiveDate> {
    working_days(NaiveDate::from_ymd_opt(2025, 5, 5).unwrap(), EARLIER_DAYS + 1)
}

/// Pieces and jobs: every line of theirs is a row of central.
fn rows_in(log: &[u8]) -> i64 {
    let count = |word: &str| memchr::memmem::find_iter(log, word.as_bytes()).count();
    i64::try_from(count("@StukUitgevoerd") + count("@JobProfiel")).unwrap()
}

/// The limit: the same lines, appended to one file and made durable at each poll.
fn plain(day: &Simulated, every: TimeDelta) -> Cost {
    let card = Card::of(CARD_MIB);
    let mut file = File::create(card.path().join("plain")).unwrap();
    let (device, begun) = (card.written_bytes(), Instant::now());
    let own = process_bytes(std::process::id());
    let mut lengths = [0; CENTRES.len()];
    let mut cost = Cost { log_bytes: day.bytes(), ..Cost::default() };
    for moment in day.polls(every) {
        let mut is_new = false;
        for (machine, length) in lengths.iter_mut().enumerate() {
            let grown = day.length(machine, moment);
            is_new |= grown > *length;
            file.write_all(&day.machines[machine].0[*length..grown]).unwrap();
            *length = grown;
        }
        if is_new {
            file.sync_data().unwrap();
        }
        card.sync();
        cost.polls += 1;
    }
    cost.process_bytes = process_bytes(std::process::id()) - own;
    cost.device_bytes = card.written_bytes() - device;
    cost.device_bytes_to_end = cost.device_bytes;
    cost.wall = begun.elapsed();
    cost
}

/// An agent with its state on a card, central at hand and the days before read and delivered.
struct Scene {
    logs: Folder,
    database: Database<'static>,
    agent: Agent,
    card: Card,
}

impl Scene {
    fn new(planned: bool) -> Self {
        let logs = Folder::of_three_machines();
        let all = days();
        for centre in &CENTRES {
            for day in &all[..EARLIER_DAYS] {
                let name = format!("{}/{}", centre.folder, file_name(*day));
                logs.put(&name, &log_of_day(centre, *day, 1, Dirt::None));
                logs.date(&name, &format!("{day} 22:00:00"));
            }
        }
        let (database, card) = (Database::fresh(), Card::of(CARD_MIB));
        let mut agent = Agent::on_directory(logs.path()).central(&database);
        agent.set("agent.state_dir", card.path().join("state").to_str().unwrap());
        if planned {
            agent.set("calendar", two_shifts());
        }
        agent.set("schedule.poll", "100ms");
        agent.set("status.listen", "127.0.0.1:0");
        as_service_user(&mut agent, &card, logs.path());
        agent.once().succeeded();
        Self { logs, database, agent, card }
    }

    /// A machine has written: the file is there at once, with the time that its server shows.
    fn write(&self, machine: usize, day: NaiveDate, log: &[u8], moment: NaiveDateTime) {
        let name = format!("{}/{}", CENTRES[machine].folder, file_name(day));
        let waiting = self.logs.file("waiting");
        fs::write(&waiting, log).unwrap();
        let at = Duration::from_secs(u64::try_from(moment.and_utc().timestamp()).unwrap());
        let file = OpenOptions::new().write(true).open(&waiting).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + at).unwrap();
        fs::rename(waiting, self.logs.file(&name)).unwrap();
    }
}

/// The agent runs as somebody else than root, as in the field: root's SQLite gives each log that it
/// opens to its owner, which the file system writes down.
fn as_service_user(agent: &mut Agent, card: &Card, logs: &Path) {
    let root = card.path();
    fs::set_permissions(root.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    for folder in [&root, logs, agent.dir()] {
        let done = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder).status();
        assert!(done.unwrap().success(), "as root");
    }
    // A change of the user takes the signal away that ends the agent with the bench.
    let command = format!(
        "setpriv --reuid nobody --regid nogroup --clear-groups setpriv --pdeathsig KILL {}",
        env!("CARGO_BIN_EXE_cu-agent")
    );
    agent.set_environment(OTHER_BINARY, &command);
}

/// A line of the log that a file was read leaves.
const READ: &str = ".LOG: ";

/// `planned`: the machines have a calendar, so that the times of their shifts are kept, too.
fn polled(day: &Simulated, every: TimeDelta, planned: bool) -> Cost {
    let scene = Scene::new(planned);
    let mut central = central(&scene.database);
    let rows_before = rows(&mut central);
    let running = scene.agent.run();
    running.wait_for_nth_line("cycle:", 2);
    let (device, begun) = (scene.card.written_bytes(), Instant::now());
    let own = process_bytes(running.id());
    let mut lengths = [0; CENTRES.len()];
    let mut expected = rows_before;
    let mut read = running.log().matches(READ).count();
    let mut cost = Cost { log_bytes: day.bytes(), ..Cost::default() };
    for moment in day.polls(every) {
        for (machine, length) in lengths.iter_mut().enumerate() {
            let grown = day.length(machine, moment);
            if grown > *length {
                let log = &day.machines[machine].0;
                scene.write(machine, day.day, &log[..grown], moment);
                expected += rows_in(&log[*length..grown]);
                *length = grown;
                read += 1;
            }
        }
        if read > 0 {
            running.wait_for_nth_line(READ, read);
        }
        wait::until("central has the rows", wait::PATIENCE, || rows(&mut central) >= expected);
        scene.card.sync();
        cost.polls += 1;
    }
    assert_eq!(rows(&mut central), rows_before + day.rows());
    // Everything is confirmed, and a look or two found nothing more.
    let cycles = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", cycles + 2);
    cost.process_bytes = process_bytes(running.id()) - own;
    cost.device_bytes = scene.card.written_bytes() - device;
    cost.wall = begun.elapsed();
    assert_eq!(scene.agent.status_number("pending_sessions"), 0);
    let (output, _) = running.terminate();
    output.succeeded();
    cost.device_bytes_to_end = scene.card.written_bytes() - device;
    cost
}

fn central(database: &Database<'_>) -> postgres::Client {
    let central = database.config();
    postgres::Config::new()
        .host(&central.host.to_string())
        .port(central.port)
        .dbname(&central.database)
        .user(&central.user)
        .password(central.password.expose())
        .connect(postgres::NoTls)
        .unwrap()
}

fn rows(central: &mut postgres::Client) -> i64 {
    let question =
        "SELECT (SELECT count(*) FROM piece_production) + (SELECT count(*) FROM job_profil)";
    central.query_one(question, &[]).unwrap().get(0)
}

/// As many polls as a day has at 5 minutes, which find nothing; with `looks` somebody looks at the page
/// at every tenth.
fn idle(what: &str, looks: bool) {
    let scene = Scene::new(true);
    let running = scene.agent.run();
    let page = running.page();
    // The first looks leave times of access in the file system.
    http::get(page, "/").is(200);
    running.wait_for_nth_line("cycle:", 20);
    scene.card.sync();
    http::get(page, "/").is(200);
    running.wait_for_nth_line("cycle:", 40);
    let (device, begun) = (scene.card.written_bytes(), Instant::now());
    let own = process_bytes(running.id());
    let mut cost = Cost::default();
    let cycles = running.log().matches("cycle:").count();
    let polls = usize::try_from(WORK.num_seconds() / 300).unwrap();
    for number in 1..=polls {
        running.wait_for_nth_line("cycle:", cycles + number);
        if number % 10 == 0 && looks {
            http::get(page, "/").is(200);
        }
        scene.card.sync();
        cost.polls += 1;
    }
    cost.process_bytes = process_bytes(running.id()) - own;
    cost.device_bytes = scene.card.written_bytes() - device;
    cost.device_bytes_to_end = cost.device_bytes;
    cost.wall = begun.elapsed();
    print(what, &cost);
}
