//! FTP over a line of 50 ms there and back: the first morning of 60 files by `once`, over one connection and
//! several, beside rclone with four; and quiet polls of three folders. Prints a table; `make bench-far-line`, as root.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::{
    config::FtpConfig,
    source::{Source, ftp::FtpSource},
};
use support::{
    agent::Agent,
    ftp::{Daemon, Options, Vsftpd},
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
};

const DAYS: usize = 20;
const THERE_AND_BACK: Duration = Duration::from_millis(50);
/// Where the line leads.
const HOST: &str = "10.9.0.1";
const INSIDE: &str = "FAR_LINE_INSIDE";

fn main() {
    if env::var_os(INSIDE).is_none() {
        // All of it in a network of its own, whose packets nobody else sees.
        let own = env::current_exe().unwrap();
        let error = Command::new("unshare").arg("--net").arg(own).env(INSIDE, "1").exec();
        panic!("unshare: {error} (are we root?)");
    }
    let _line = DistantLine::start();
    let options = Options { extra: vec!["listen_address=0.0.0.0".into()], ..Options::default() };
    let daemon = Vsftpd::start(options);
    let from = NaiveDate::from_ymd_opt(2025, 5, 5).unwrap();
    for centre in &CENTRES {
        for day in working_days(from, DAYS) {
            let log = log_of_day(centre, day, 1, Dirt::None);
            daemon.put(format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    println!("50 ms there and back, vsftpd                         time     of the line");
    let theirs = time(|| rclone(&daemon));
    print("60 files by rclone, four connections", theirs);
    for connections in [1, 2, 4, 8] {
        let mut agent = Agent::on_ftp(&daemon).with("source.0.connections", connections);
        agent.set("source.0.host", HOST);
        let took = time(|| drop(agent.once().succeeded()));
        let ratio = took.as_secs_f64() / theirs.as_secs_f64();
        print(&format!("by `once`, `connections = {connections}`: {ratio:.2} of that"), took);
    }
    for keep_connection in [false, true] {
        let name = if keep_connection { ", on a kept connection" } else { ", with its log-in" };
        quiet_polls(&daemon, keep_connection, name);
    }
}

fn quiet_polls(daemon: &Daemon, keep_connection: bool, name: &str) {
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answers);
    let config = FtpConfig { host: HOST.into(), keep_connection, ..daemon.config() };
    let mut source = FtpSource::new(config).settled_after(Duration::ZERO).on_answer(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    for _ in 0..4 {
        poll(&mut source);
    }
    let before = answers.load(Ordering::SeqCst);
    let took = time(|| poll(&mut source));
    print(&format!("a quiet poll of three folders{name}"), took);
    println!("  commands answered: {}", answers.load(Ordering::SeqCst) - before);
    source.close();
}

fn poll(source: &mut FtpSource) {
    assert_eq!(source.folders().unwrap().len(), CENTRES.len());
    for centre in &CENTRES {
        assert_eq!(source.list(centre.folder).unwrap().entries.len(), DAYS);
    }
    source.release();
}

fn rclone(daemon: &Daemon) {
    let folder = tempfile::tempdir().unwrap();
    let obscured = Command::new("rclone").args(["obscure", daemon.password()]).output().unwrap();
    let obscured = String::from_utf8(obscured.stdout).unwrap();
    let remote = format!(
        ":ftp,host={HOST},port={},user={},pass={}:",
        daemon.port(),
        daemon.user(),
        obscured.trim()
    );
    let status = Command::new("rclone")
        .args(["copy", "--transfers", "4", "--config", "/dev/null", &remote])
        .arg(folder.path())
        .status();
    assert!(status.unwrap().success());
    let folders = fs::read_dir(folder.path()).unwrap();
    let files = folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count());
    assert_eq!(files.sum::<usize>(), DAYS * CENTRES.len());
}

fn time(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

fn print(name: &str, took: Duration) {
    let trips = took.as_secs_f64() / THERE_AND_BACK.as_secs_f64();
    println!("{name:<50} {:>6.2} s {trips:>6.0} round trips", took.as_secs_f64());
}

/// Ends with the benchmark.
struct DistantLine(Child);

impl DistantLine {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/distant_line.py");
        let one_way = (THERE_AND_BACK / 2).as_secs_f64().to_string();
        let mut child = Command::new("python3")
            .args([script, &one_way])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "ready");
        Self(child)
    }
}

impl Drop for DistantLine {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
