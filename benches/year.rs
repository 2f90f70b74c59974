//! A year in the buffer: 40 machines and 300 days, read once and kept under target/ for the next run,
//! beside 10 days of the same machines: what grows with history and what does not. The agent is the
//! real process; `make bench-year`, `MACHINES=` and `DAYS=` for other sizes.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cu_agent::buffer::Buffer;
use rusqlite::Connection;
use support::{
    agent::Agent,
    generate::file_name,
    http,
    process::Running,
    wait,
    year::{Year, confirm_all},
};

const FEW_DAYS: usize = 10;
/// Of each question, the median.
const TIMES: usize = 5;
/// For what may take minutes on a slow machine.
const LONG: Duration = Duration::from_secs(3600);

/// What one buffer costs, in the order of the table.
type Figures = Vec<(&'static str, String)>;

fn main() {
    let number = |name: &str, default: usize| {
        std::env::var(name)
            .ok()
            .filter(|text| !text.is_empty())
            .map_or(default, |text| text.parse().unwrap())
    };
    let (machines, days) = (number("MACHINES", 40), number("DAYS", 300));
    let few = figures(Year::of(machines, FEW_DAYS.min(days)));
    let all = figures(Year::of(machines, days));
    println!(
        "{:<44} {:>16} {:>16}",
        format!("{machines} machines"),
        format!("{FEW_DAYS} days"),
        format!("{days} days")
    );
    for ((what, few), (_, all)) in few.iter().zip(&all) {
        println!("{what:<44} {few:>16} {all:>16}");
    }
}

fn home(year: &Year) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    root.join(target).join("year").join(format!("{}x{}", year.machines, year.days))
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn s(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[TIMES / 2]
}

/// The buffer of a year, built where it is not there yet; how long that took the last time.
fn built(year: &Year) -> (PathBuf, Duration, u64) {
    let home = home(year);
    let (logs, buffer, told) = (home.join("logs"), home.join("buffer.db"), home.join("built"));
    if !told.exists() {
        fs::remove_dir_all(&home).ok();
        fs::create_dir_all(&logs).unwrap();
        let bytes = year.write(&logs);
        let mut agent = year.agent(&logs);
        let begun = Instant::now();
        agent.start(&["once"]).output(LONG).succeeded();
        let took = begun.elapsed();
        // All of them are over: the next look closes them.
        agent.set("schedule.file_quiet", "0s");
        agent.start(&["once"]).output(LONG).succeeded();
        confirm_all(&agent);
        fs::copy(agent.buffer(), &buffer).unwrap();
        fs::write(&told, format!("{} {bytes}", took.as_millis())).unwrap();
    }
    let told = fs::read_to_string(told).unwrap();
    let (took, bytes) = told.split_once(' ').unwrap();
    (home, Duration::from_millis(took.parse().unwrap()), bytes.parse().unwrap())
}

fn figures(year: Year) -> Figures {
    let (home, import, log_bytes) = built(&year);
    let logs = home.join("logs");
    let mut agent = year.agent(&logs);
    fs::create_dir_all(agent.state_dir()).unwrap();
    fs::copy(home.join("buffer.db"), agent.buffer()).unwrap();
    // It may have been kept by an earlier version, which is not what is measured.
    let buffer =
        Buffer::open(&agent.state_dir(), "a year", "2026-11-28 10:00:00".parse().unwrap()).unwrap();
    let earlier = (1..buffer.schema_version().unwrap())
        .map(|version| agent.buffer().with_extension(format!("db.schema-{version}")));
    earlier.for_each(|copy| drop(fs::remove_file(copy)));
    drop(buffer);
    agent.set("status.listen", "127.0.0.1:0");
    agent.set("schedule.poll", "100ms");
    let mut rows = Figures::new();
    sizes(&agent, &year, &mut rows);
    rows.push(("LOG bytes", mb(log_bytes)));
    rows.push(("reading it all, first time", s(import)));
    rows.push((
        "  MB of LOG a second",
        format!("{:.2}", log_bytes as f64 / 1e6 / import.as_secs_f64()),
    ));
    commands(&agent, &year, &mut rows);
    served(&agent, &year, &logs, &mut rows);
    replays(&agent, &year, &mut rows);
    retention(&mut agent, &mut rows);
    read_on(&mut agent, &year, &mut rows);
    rows
}

fn count(buffer: &Connection, question: &str) -> u64 {
    buffer.query_row(question, [], |row| row.get(0)).unwrap()
}

fn sizes(agent: &Agent, year: &Year, rows: &mut Figures) {
    let buffer = Connection::open(agent.buffer()).unwrap();
    let sessions = count(&buffer, "SELECT count(*) FROM session");
    assert_eq!(sessions, year.sessions() as u64);
    let details: u64 = ["piece", "wait", "stop", "job", "anomaly", "finding"]
        .iter()
        .map(|table| count(&buffer, &format!("SELECT count(*) FROM {table}")))
        .sum();
    let raw = count(&buffer, "SELECT coalesce(sum(length(bytes)), 0) FROM raw_chunk");
    let bytes = fs::metadata(agent.buffer()).unwrap().len();
    rows.push(("sessions", sessions.to_string()));
    rows.push(("detail rows", details.to_string()));
    rows.push(("size on disk", mb(bytes)));
    rows.push(("  of it raw bytes, compressed", mb(raw)));
    rows.push(("  a session", format!("{} B", bytes / sessions)));
}

fn commands(agent: &Agent, year: &Year, rows: &mut Figures) {
    let last = *year.days().last().unwrap();
    let day = last.to_string();
    let month = (last - chrono::Days::new(30)).to_string();
    let nom = &year.names()[0].1;
    let mut command = |what, arguments: &[&str]| {
        let took = median(|| drop(agent.start(arguments).output(LONG).succeeded()));
        rows.push((what, ms(took)));
    };
    command("cu-agent --version, the process alone", &["--version"]);
    command("status", &["status"]);
    command("sessions of a day", &["sessions", "--date", &day]);
    command("sessions of a machine", &["sessions", "--machine", nom]);
    let file = agent.dir().join("report.html");
    let file = file.to_str().unwrap();
    command(
        "report of a day, one machine",
        &["report", "-o", file, "--from", &day, "--to", &day, "--machine", nom],
    );
    command("report of a day", &["report", "-o", file, "--from", &day, "--to", &day]);
    command(
        "report of 30 days, one machine",
        &["report", "-o", file, "--from", &month, "--to", &day, "--machine", nom],
    );
    command("report of 30 days", &["report", "-o", file, "--from", &month, "--to", &day]);
}

/// What each thread of a process has had of the processors.
fn threads(id: u32) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let of_task = |task: std::io::Result<fs::DirEntry>| {
        let task = task.ok()?;
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = text.split_whitespace().next()?.parse().ok()?;
        Some((task.file_name().into_string().ok()?, nanos))
    };
    tasks.filter_map(of_task).collect()
}

/// What the threads that are still there have had since `before`.
fn since(before: &BTreeMap<String, u64>, id: u32) -> Duration {
    let now = threads(id);
    let spent = now.iter().filter_map(|(task, nanos)| Some(nanos - before.get(task)?));
    Duration::from_nanos(spent.sum())
}

/// A large buffer is looked through by a thread of its own while the others work: not what is measured.
fn wait_for_the_check(running: &Running) {
    let all = threads(running.id()).len();
    let begun = Instant::now();
    while threads(running.id()).len() >= all && begun.elapsed() < Duration::from_secs(60) {
        wait::any_moment(Duration::from_millis(50));
    }
}

/// What one of the next polls costs.
fn polls(running: &Running, times: usize) -> Duration {
    let seen = running.log().matches("cycle:").count();
    let before = threads(running.id());
    running.wait_for_nth_line("cycle:", seen + times);
    since(&before, running.id()) / u32::try_from(times).unwrap()
}

fn served(agent: &Agent, year: &Year, logs: &Path, rows: &mut Figures) {
    let begun = Instant::now();
    let running = agent.run();
    let page = running.page();
    running.wait_for_line("cycle:");
    rows.push(("start to the first poll's end", ms(begun.elapsed())));
    if fs::metadata(agent.buffer()).unwrap().len() > 32 << 20 {
        let begun = Instant::now();
        wait_for_the_check(&running);
        rows.push(("  looked through beside the work", s(begun.elapsed())));
    } else {
        rows.push(("  looked through beside the work", "before it".into()));
    }
    rows.push(("a poll with nothing new, CPU", ms(polls(&running, 10))));
    // The last day goes on by a line.
    let (folder, nom) = &year.names()[0];
    let last = *year.days().last().unwrap();
    let file = logs.join(folder).join(file_name(last));
    let whole = fs::read(&file).unwrap();
    let mut read = running.log().matches(".LOG: ").count();
    let mut growths = Vec::new();
    for number in 1..=TIMES {
        let mut grown = whole.clone();
        let line = format!("{} 23:59:0{number}|@MachineStart\n", last.format("%Y%m%d"));
        grown.extend(line.repeat(number).into_bytes());
        let part = logs.join("part");
        fs::write(&part, grown).unwrap();
        let before = threads(running.id());
        fs::rename(&part, &file).unwrap();
        read += 1;
        running.wait_for_nth_line(".LOG: ", read);
        growths.push(since(&before, running.id()));
    }
    fs::write(&file, whole).unwrap();
    growths.sort_unstable();
    rows.push(("a poll with one grown file, CPU", ms(growths[TIMES / 2])));
    let old = year.days()[year.days / 2];
    let mut get = |what, target: String| {
        // The first time: after that the page rests for twice as long as it took.
        let begun = Instant::now();
        http::get(page, &target).is(200);
        rows.push((what, ms(begun.elapsed())));
    };
    get("page of today", "/".into());
    get("page of the last day", format!("/day/{last}"));
    get("page of an old day", format!("/day/{old}"));
    get("page of a machine and day", format!("/machine/{nom}/{last}"));
    get("/metrics", "/metrics".into());
    running.terminate().0.succeeded();
}

fn replays(agent: &Agent, year: &Year, rows: &mut Figures) {
    let sessions = agent.status_number("sessions");
    let begun = Instant::now();
    agent.start(&["replay"]).output(LONG).succeeded();
    let took = begun.elapsed();
    rows.push(("replay of everything", s(took)));
    // There is no replay of less: what a machine's day has of it.
    rows.push(("  a day of a machine of it", ms(took / u32::try_from(year.sessions()).unwrap())));
    assert_eq!(agent.status_number("sessions"), sessions);
    assert_eq!(sessions, i64::try_from(year.sessions()).unwrap());
}

/// The cap is set to half of what is used: the next poll makes room, and the one after it reads on.
fn retention(agent: &mut Agent, rows: &mut Figures) {
    confirm_all(agent);
    let free = |agent: &Agent| {
        let buffer = Connection::open(agent.buffer()).unwrap();
        count(
            &buffer,
            "SELECT (page_count - freelist_count) * page_size
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        )
    };
    let used = free(agent);
    agent.set("agent.max_buffer_size", format!("{}B", used / 2));
    let begun = Instant::now();
    agent.start(&["once"]).output(LONG);
    let took = begun.elapsed();
    let size = fs::metadata(agent.buffer()).unwrap().len();
    rows.push(("retention: bytes used before", mb(used)));
    rows.push(("  a pass down to nine tenths of half", s(took)));
    rows.push(("  bytes used after it", mb(free(agent))));
    rows.push(("  file after it", mb(size)));
    assert!(free(agent) <= used / 2);
}

/// The days behind the year, a quarter of its length, are read where retention made room: the free
/// pages take them, and the file does not grow.
fn read_on(agent: &mut Agent, year: &Year, rows: &mut Figures) {
    let all = Year::of(year.machines, year.days + (year.days / 4).max(1)).days();
    let more = Year { days: all.len() - year.days, from: all[year.days], ..*year };
    assert_eq!(more.days(), all[year.days..]);
    let logs = agent.dir().join("more");
    more.write(&logs);
    agent.set("source.0.path", logs.to_str().unwrap());
    agent.set("agent.max_buffer_size", "100GiB");
    let look =
        |agent: &Agent, question: &str| count(&Connection::open(agent.buffer()).unwrap(), question);
    const SESSIONS: &str = "SELECT count(*) FROM session";
    const FREE: &str =
        "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size";
    let (sessions, free) = (look(agent, SESSIONS), look(agent, FREE));
    let size = fs::metadata(agent.buffer()).unwrap().len();
    agent.start(&["once"]).output(LONG).succeeded();
    assert_eq!(look(agent, SESSIONS), sessions + more.sessions() as u64);
    let (taken, grown) = (free - look(agent, FREE), fs::metadata(agent.buffer()).unwrap().len());
    rows.push(("  days read behind it", more.days.to_string()));
    rows.push(("    bytes of freed pages that took them", mb(taken)));
    rows.push(("    file after them", mb(grown)));
    assert_eq!(grown, size, "the file grew while pages were free");
}
