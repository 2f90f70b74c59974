//! A start with a year of three machines in the buffer, and `status` beside it: from exec to the first
//! new lines kept, and how long a command takes that only looks. Prints one table; `make bench-start`.
//!
//! The limit of each figure is measured in the same run, start by start in turn: a process that does
//! nothing (`cu-agent --version`), and what curl needs for the same folders and the same new bytes.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cu_agent::config::FtpTls;
use support::{
    agent::Agent,
    build::Build,
    folder::Folder,
    ftp::{Options, Vsftpd, certificates::authority},
    generate::file_name,
    wait,
    year::{Year, confirm_all, copy_buffer},
};

const STARTS: usize = 20;
const YEAR_DAYS: usize = 300;

fn main() {
    let year = Year::of(3, YEAR_DAYS);
    let folder = Folder::empty();
    let bytes = year.write(folder.path());
    let filled = year.agent(folder.path());
    filled.start(&["once"]).output(10 * wait::PATIENCE).succeeded();
    confirm_all(&filled);
    assert_eq!(filled.status_number("sessions"), year.sessions() as i64);
    let buffer_bytes = filled.buffer().metadata().unwrap().len();
    println!(
        "{} days of {} machines: {:.1} MB of LOG files, a buffer of {:.1} MB",
        year.days,
        year.machines,
        bytes as f64 / 1e6,
        buffer_bytes as f64 / 1e6
    );
    println!("median and least of {STARTS}, ms{:>38}", "wall");
    for build in Build::all() {
        println!("{}", build.name);
        from_a_folder(&year, &filled, &folder, &build);
        for tls in [FtpTls::None, FtpTls::Explicit] {
            from_a_server(&year, &filled, tls, &build);
        }
        commands(&filled, &build);
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("  {what:<60} {:>8.1} {:>8.1}", ms(times[times.len() / 2]), ms(times[0]));
}

/// The agent of a start: a copy of the year, a day that goes on, and nobody else's clock.
fn prepare(agent: &mut Agent, filled: &Agent, build: &Build) {
    copy_buffer(filled, agent);
    agent.set("schedule.poll", "1h");
    agent.set("status.listen", "127.0.0.1:0");
    build.give_to(agent);
}

/// New lines of the machine's next day, as many as a machine writes in five minutes.
fn lines_of(year: &Year, start: usize) -> Vec<u8> {
    let day = Year { days: YEAR_DAYS + 1, ..*year }.days()[YEAR_DAYS];
    let log = year.log(0, day);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    lines[start * 5..(start + 1) * 5].concat()
}

fn name_of_next_day(year: &Year) -> String {
    file_name(Year { days: YEAR_DAYS + 1, ..*year }.days()[YEAR_DAYS])
}

/// From exec to the line of the log that tells what was kept; then SIGTERM.
fn first_reading(agent: &Agent, file: &str) -> Duration {
    let begun = Instant::now();
    let running = agent.run();
    running.wait_for_line(&format!("{file}: "));
    let took = begun.elapsed();
    running.terminate().0.succeeded();
    took
}

fn from_a_folder(year: &Year, filled: &Agent, folder: &Folder, build: &Build) {
    let mut agent = year.agent(folder.path());
    prepare(&mut agent, filled, build);
    let file = format!("{}/{}", year.names()[0].0, name_of_next_day(year));
    let mut times = Vec::new();
    for start in 0..STARTS {
        folder.append(&file, &lines_of(year, start));
        times.push(first_reading(&agent, &file));
    }
    folder.remove(&file);
    print("run: exec to the first new lines kept, from a folder", times);
}

fn from_a_server(year: &Year, filled: &Agent, tls: FtpTls, build: &Build) {
    let server = Vsftpd::start(Options { tls, ..Options::default() });
    for (machine, (folder, _)) in year.names().iter().enumerate() {
        for day in year.days() {
            server.put(format!("{folder}/{}", file_name(day)), &year.log(machine, day));
        }
    }
    let mut agent = year.agent_on_ftp(&server);
    if tls == FtpTls::Explicit {
        agent.set("source.0.tls", "explicit");
        agent.set("source.0.ca_file", authority().to_str().unwrap());
    }
    prepare(&mut agent, filled, build);
    // The files have other times than those of the folder: they are compared once.
    agent.once().succeeded();
    let folder = &year.names()[0].0;
    let file = format!("{folder}/{}", name_of_next_day(year));
    let (mut times, mut limits, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..STARTS {
        written.extend_from_slice(&lines_of(year, start));
        server.put(&file, &written);
        times.push(first_reading(&agent, &file));
        limits.push(curl(&server, year, &file, tls));
    }
    let over = if tls == FtpTls::None { "FTP" } else { "FTPS" };
    print(&format!("run: exec to the first new lines kept, from vsftpd over {over}"), times);
    print(&format!("limit: curl lists the folders and gets them, {over}"), limits);
}

/// One curl for everything, on one connection.
fn curl(server: &Vsftpd, year: &Year, file: &str, tls: FtpTls) -> Duration {
    let begun = Instant::now();
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--globoff"]);
    command.arg("--user").arg(format!("{}:{}", server.user(), server.password()));
    if tls == FtpTls::Explicit {
        command.args(["--ssl-reqd", "--cacert"]).arg(authority());
    }
    let url =
        |path: &str| format!("ftp://127.0.0.1:{}/{}", server.port(), path.replace(' ', "%20"));
    for (folder, _) in year.names() {
        command.arg(url(&format!("{folder}/")));
    }
    command.arg(url(file));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let took = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

/// Commands that only look, with nobody else at work and beside a service.
fn commands(filled: &Agent, build: &Build) {
    let mut agent = Agent::on_directory(filled.dir());
    prepare(&mut agent, filled, build);
    let timed = |arguments: &[&str]| {
        let begun = Instant::now();
        let mut running = agent.start(arguments);
        while running.is_running() {
            wait::any_moment(Duration::from_micros(200));
        }
        let took = begun.elapsed();
        running.output(wait::PATIENCE).succeeded();
        took
    };
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        times[0].push(timed(&["status"]));
        times[1].push(timed(&["status", "--json"]));
        times[2].push(timed(&["--version"]));
    }
    let [status, json, version] = times;
    print("status", status);
    print("status --json", json);
    print("limit: --version, a process that looks at nothing", version);
}
