//! A folder of 20,000 files: how much memory the first reading takes, and how much processor time a poll that
//! finds nothing new. From a folder and from vsftpd; prints one table; `make bench-many-files`.
//!
//! The limit is what `find` takes to print name, size and time of the same files.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chrono::{Days, NaiveDate};
use support::{
    agent::Agent,
    build::Build,
    costs::{cpu_of, cpu_of_children, peak_kib_of},
    ftp::{Options, Vsftpd},
    generate::CENTRES,
};

const DAYS: u64 = 400;
const FILES_A_DAY: u64 = 50;
const FILES: u64 = DAYS * FILES_A_DAY;
/// Polls that are measured, after the first ones.
const POLLS: usize = 40;
const FIRST_POLLS: usize = 5;
const LISTINGS: u32 = 20;

fn main() {
    let server = Vsftpd::start(Options::default());
    for centre in &CENTRES {
        server.make_folder(centre.folder);
    }
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    for number in 0..FILES {
        let day = (first + Days::new(number / FILES_A_DAY)).format("%Y%m%d");
        let minute = number % FILES_A_DAY;
        let line = format!("{day} 05:{minute:02}:00|@StukUitgevoerd: {minute}\n");
        server.put(format!("{}/{day}_{minute:02}.LOG", CENTRES[0].folder), line.as_bytes());
    }
    println!("{FILES} files{:>57} {:>14}", "us a file", "peak, KiB");
    print(
        "find, name, size and time of each",
        per_file(found(server.root()), LISTINGS.into()),
        None,
    );
    for build in Build::all() {
        for over_ftp in [false, true] {
            let mut agent =
                if over_ftp { Agent::on_ftp(&server) } else { Agent::on_directory(server.root()) };
            agent.set("schedule.poll", "100ms");
            agent.set("schedule.file_quiet", "0s");
            build.give_to(&mut agent);
            let running = agent.run();
            running.wait_for_nth_line("cycle:", FIRST_POLLS);
            let peak = peak_kib_of(running.id());
            let before = cpu_of(running.id());
            let line = running.wait_for_nth_line("cycle:", FIRST_POLLS + POLLS);
            assert!(line.contains("cycle: 0 of 20000 files read"), "{line}");
            let took = cpu_of(running.id()) - before;
            running.terminate().0.succeeded();
            let from = if over_ftp { "vsftpd" } else { "a folder" };
            let what = format!("a poll with nothing new, {from}, {}", build.name);
            print(&what, per_file(took, POLLS as u64), peak);
        }
    }
}

fn per_file(took: Duration, times: u64) -> f64 {
    took.as_secs_f64() * 1e6 / (times * FILES) as f64
}

fn print(what: &str, us_per_file: f64, peak_kib: Option<u64>) {
    let peak = peak_kib.map_or_else(String::new, |kib| kib.to_string());
    println!("  {what:<60} {us_per_file:>9.2} {peak:>14}");
}

/// Processor time of listing everything below `root` [`LISTINGS`] times.
fn found(root: &Path) -> Duration {
    let before = cpu_of_children();
    for _ in 0..LISTINGS {
        let mut find = Command::new("find");
        find.arg(root).args(["-name", "*.LOG", "-printf", "%f %s %T@\n"]).stdout(Stdio::null());
        assert!(find.status().unwrap().success());
    }
    cpu_of_children() - before
}
