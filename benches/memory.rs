//! What the agent keeps resident: a service that polls for weeks as in the field (vsftpd and PostgreSQL
//! over TLS, alarms, the page opened now and then, central away and back), a day a hundred times the
//! usual, and the same work by other builds. Prints one table a build; `make bench-memory`.
//!
//! Weeks are polls, not time: the service polls every few milliseconds while three files grow by what
//! a machine writes between two polls of five minutes. Every piece must be in central in the end.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env, fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    thread,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::config::{CentralConfig, FtpTls};
use support::{
    agent::Agent,
    build::Build,
    certificate::Certificate,
    folder::Folder,
    ftp::{Options, Vsftpd, certificates::authority},
    generate::{CENTRES, Centre, Dirt, file_name, log_of_day, working_days},
    http,
    measure::{Memory, forget_peak, memory, taken},
    net::Proxy,
    postgres::{self, Cluster, Database},
    process::Running,
    wait,
    webhook::{Manner, Webhook},
    weeks::{POLLS_A_WEEK, Weeks},
    year::{Year, copy_buffer},
};

/// A day of so many times the pieces of an ordinary one.
const TIMES_THE_USUAL: u64 = 100;

fn main() {
    let (week, polls) = (number("WEEK", POLLS_A_WEEK), number("CYCLES", 10_000));
    let rounds = number("ROUNDS", 5);
    let builds = Build::all();
    // They rest most of the time, so they poll side by side.
    let runs: Vec<(&Build, Over, usize)> = builds
        .iter()
        .flat_map(|build| [(build, Over::Ftps, week), (build, Over::Folder, polls)])
        .filter(|(_, _, polls)| *polls > 0)
        .collect();
    let tables: Vec<Vec<String>> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for &(build, over, polls) in &runs {
            threads.push(scope.spawn(move || weeks(build, polls, over)));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ((build, over, _), table) in runs.iter().zip(tables) {
        let from = if *over == Over::Ftps { "vsftpd over TLS" } else { "a folder" };
        println!(
            "\n{:<60} {:>9} {:>9} {:>9} {:>9}",
            build.name, "resident", "own", "of files", "peak"
        );
        println!("from {from}, {} bytes of program, KiB", build.bytes());
        table.iter().for_each(|line| println!("{line}"));
    }
    if rounds > 0 {
        same_work(&builds, rounds);
    }
}

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).ok().filter(|text| !text.is_empty()).map_or(default, |n| n.parse().unwrap())
}

/// A line of the table.
fn line(what: &str, running: &Running) -> String {
    let Memory { resident, anonymous, of_files, peak } = memory(running.id()).unwrap();
    format!("  {what:<58} {resident:>9} {anonymous:>9} {of_files:>9} {peak:>9}")
}

/// Where the machines write.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    /// vsftpd, explicit TLS.
    Ftps,
    /// A folder: many more polls in the same time.
    Folder,
}

/// Everything that a service in the field has to do with.
struct Field<'c> {
    weeks: Weeks,
    database: Database<'c>,
    line: Proxy,
    agent: Agent,
    _kept: (Option<Vsftpd>, Folder, Webhook),
}

impl<'c> Field<'c> {
    fn new(build: &Build, cluster: &'c Cluster, certificate: &Certificate, over: Over) -> Self {
        let (mut agent, server, folder) = match over {
            Over::Ftps => {
                let server = Vsftpd::start(Options { tls: FtpTls::Explicit, ..Options::default() });
                let mut agent = Agent::on_ftp(&server);
                agent.set("source.0.tls", "explicit");
                agent.set("source.0.ca_file", authority().to_str().unwrap());
                (agent, Some(server), Folder::empty())
            }
            Over::Folder => {
                let folder = Folder::empty();
                (Agent::on_directory(folder.path()), None, folder)
            }
        };
        let root = server.as_ref().map_or(folder.path(), |server| server.root()).to_owned();
        for centre in &CENTRES {
            match &server {
                Some(server) => server.make_folder(centre.folder),
                None => fs::create_dir_all(root.join(centre.folder)).unwrap(),
            }
        }
        let database = cluster.database();
        let line = Proxy::to(cluster.port);
        agent.set("source.0.delete", "after-sync");
        agent.set_central(&CentralConfig { port: line.port, ..database.config() });
        agent.set("central.tls", "verify-full");
        agent.set("central.ca_file", certificate.ca_file.to_str().unwrap());
        let webhook = Webhook::start(Manner::Well);
        agent.set("alarms.url", webhook.url("/alarms"));
        agent.set("alarms.heartbeat_url", webhook.url("/heartbeat"));
        agent.set("schedule.poll", "100ms");
        agent.set("schedule.file_quiet", "1s");
        agent.set("status.listen", "127.0.0.1:0");
        build.give_to(&mut agent);
        Self { weeks: Weeks::new(&root), database, line, agent, _kept: (server, folder, webhook) }
    }

    fn wait_until_central_has_all(&self, running: &Running) {
        let all = self.weeks.pieces.to_string();
        let has_all = || self.database.psql("SELECT count(*) FROM piece_production") == all;
        let deadline = Instant::now() + 5 * wait::PATIENCE;
        while !has_all() {
            assert!(Instant::now() < deadline, "not all pieces:\n{}", running.log());
            wait::any_moment(Duration::from_millis(50));
        }
    }
}

/// What follows the poll that the log has told of when this is called.
fn next_polls(running: &Running, polls: usize) {
    let mut at = running.lines();
    for _ in 0..polls {
        at = running.wait_for_line_after("cycle: ", at);
    }
}

fn weeks(build: &Build, most_polls: usize, over: Over) -> Vec<String> {
    let mut out = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let certificate = Certificate::issue(folder.path(), "IP:127.0.0.1", false);
    let options =
        postgres::Options { certificate: Some(certificate.clone()), ..Default::default() };
    let cluster = Cluster::start_new(&options);
    let mut field = Field::new(build, &cluster, &certificate, over);
    let running = field.agent.run();
    let page = running.page();
    next_polls(&running, 2);
    out.push(line("after the first polls, nothing there yet", &running));

    let mut marks = vec![1_000, POLLS_A_WEEK, 5_000, 10_000, 20_000];
    marks.retain(|mark| *mark < most_polls);
    marks.push(most_polls);
    for polls in 1..=most_polls {
        let happening = field.weeks.before_a_poll();
        if let Some(answers) = happening.central_answers {
            field.line.refuse(!answers);
            field.line.cut();
        }
        for target in &happening.pages {
            http::get(page, target);
        }
        next_polls(&running, 1);
        if marks.contains(&polls) {
            let what = format!("after {polls} polls, {:.1} days", polls as f64 / 288.0);
            out.push(line(&what, &running));
        }
    }
    field.line.refuse(false);
    field.wait_until_central_has_all(&running);
    out.push(line("central has every piece of it", &running));
    huge_day(&mut field, &running, page, &mut out);
    running.terminate().0.succeeded();
    others_on_the_huge_day(&field.agent, &mut out);
    out
}

/// Far from the days before.
fn huge() -> (Centre, NaiveDate) {
    let usual = CENTRES[2];
    let pieces_of_20_days = usual.pieces_of_20_days * TIMES_THE_USUAL;
    (Centre { pieces_of_20_days, ..usual }, NaiveDate::from_ymd_opt(2027, 3, 3).unwrap())
}

fn huge_day(field: &mut Field<'_>, running: &Running, page: SocketAddr, out: &mut Vec<String>) {
    let (centre, day) = huge();
    let log = log_of_day(&centre, day, 1, Dirt::None);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let (most, rest) = lines.split_at(lines.len() - 15);
    forget_peak(running.id());
    let before = field.weeks.pieces;
    field.weeks.write(&centre, day, &most.concat());
    field.wait_until_central_has_all(running);
    let pieces = field.weeks.pieces - before;
    let what = format!("a day of {:.1} MB, {pieces} pieces, in central", log.len() as f64 / 1e6);
    out.push(line(&what, running));
    forget_peak(running.id());
    for five in rest.chunks(5) {
        field.weeks.write(&centre, day, &five.concat());
        field.wait_until_central_has_all(running);
    }
    out.push(line("it grew by five lines three times", running));
    forget_peak(running.id());
    for target in [format!("/day/{day}"), format!("/machine/SU12/{day}")] {
        http::get(page, &target).is(200);
    }
    out.push(line("its pages", running));
    next_polls(running, 10);
    out.push(line("ten polls later", running));
}

/// Commands of their own process.
fn others_on_the_huge_day(agent: &Agent, out: &mut Vec<String>) {
    let day = huge().1.to_string();
    let html = agent.dir().join("report.html").display().to_string();
    let report = ["report", "--from", &day, "--to", &day, "-o", &html];
    for arguments in [report.as_slice(), &["status"], &["sessions", "--date", &day], &["replay"]] {
        let took = taken(|| agent.start(arguments));
        took.output.succeeded();
        let what = format!("cu-agent {} of it, a process of its own", arguments[0]);
        out.push(format!("  {what:<58} {:>39}", took.peak_kib));
    }
}

/// A year computed anew, and sixty files from FTP into an empty central, by each build in turn.
fn same_work(builds: &[Build], rounds: usize) {
    let year = Year::of(3, 300);
    let folder = tempfile::tempdir().unwrap();
    year.write(folder.path());
    let filled = year.agent(folder.path());
    filled.start(&["once"]).output(10 * wait::PATIENCE).succeeded();
    let server = Vsftpd::start(Options::default());
    for centre in &CENTRES {
        for day in working_days(year.from, 20) {
            let log = log_of_day(centre, day, 1, Dirt::None);
            server.put(format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    let mut all: Vec<[Vec<[u64; 4]>; 2]> = builds.iter().map(|_| Default::default()).collect();
    for _ in 0..rounds {
        for (build, figures) in builds.iter().zip(&mut all) {
            let mut agent = year.agent(folder.path());
            copy_buffer(&filled, &agent);
            build.give_to(&mut agent);
            figures[0].push(figures_of(&agent, "replay"));
            let database = Database::fresh();
            let mut agent = Agent::on_ftp(&server).central(&database);
            build.give_to(&mut agent);
            figures[1].push(figures_of(&agent, "once"));
            assert_eq!(database.count("session_production"), 60);
        }
    }
    println!(
        "\n{:<60} {:>9} {:>9} {:>9} {:>9}",
        format!("median of {rounds}, in turn"),
        "user ms",
        "system ms",
        "wall ms",
        "peak KiB"
    );
    let works = ["replay of 900 files", "60 files from FTP to an empty central"];
    for (at, work) in works.iter().enumerate() {
        for (build, figures) in builds.iter().zip(&all) {
            let median = |figure: usize| {
                let mut of_rounds: Vec<u64> = figures[at].iter().map(|f| f[figure]).collect();
                of_rounds.sort_unstable();
                of_rounds[of_rounds.len() / 2]
            };
            println!(
                "{:<60} {:>9} {:>9} {:>9} {:>9}",
                format!("{work}: {}", build.name),
                median(0),
                median(1),
                median(2),
                median(3)
            );
        }
    }
}

/// User, system and wall in ms, peak in KiB.
fn figures_of(agent: &Agent, command: &str) -> [u64; 4] {
    let took = taken(|| agent.start(&[command]));
    took.output.succeeded();
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    [ms(took.cpu.user), ms(took.cpu.system), ms(took.wall), took.peak_kib]
}
