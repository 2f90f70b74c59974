//! SFTP beside OpenSSH's own client `sftp`, against one real sshd: 60 small files over a line of 100 ms there
//! and back, beside the round trips that cannot be done without; and one file of 100 MB without a delay.
//! In turns, medians; prints one table; `make bench-sftp`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot measure must stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use cu_agent::{
    config::SftpConfig,
    source::{Source, sftp::SftpSource},
};
use support::{
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    net::Proxy,
    sftp::{KeyPair, OpenSsh},
};

const DAYS: usize = 20;
const FILES: u32 = 3 * 20;
const ONE_WAY: Duration = Duration::from_millis(50);
const LARGE_BYTES: usize = 100_000_000;
const TURNS: usize = 5;
/// A file is opened, then read to its end: the second needs what the first answers. A folder likewise.
const NEEDED_A_FILE: u32 = 2;
const MOST_OF_NEEDED: f64 = 1.3;
const LEAST_OF_RATE: f64 = 0.7;

fn main() {
    let server = OpenSsh::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::of("bench", "ed25519");
    server.authorise(&[&key]);
    let from = NaiveDate::from_ymd_opt(2025, 5, 5).unwrap();
    for centre in &CENTRES {
        for day in working_days(from, DAYS) {
            let log = log_of_day(centre, day, 1, Dirt::None);
            server.put(format!("{}/{}", centre.folder, file_name(day)), &log);
        }
    }
    small_files(&server, &key, folder.path());
    large_file(&server, &key, folder.path());
}

/// Over a line of 100 ms: the agent's own count of round trips, and both clients' times.
fn small_files(server: &OpenSsh, key: &KeyPair, folder: &Path) {
    let line = Proxy::to(server.port());
    line.delay(ONE_WAY, ONE_WAY);
    let config = SftpConfig { port: line.port, ..server.config() };
    let commands: String = CENTRES
        .iter()
        .map(|centre| format!("cd \"/{}\"\nget *.LOG {}/\n", centre.folder, folder.display()))
        .collect();
    let mut source = SftpSource::new(config);
    // The log-in is another matter.
    source.describe().unwrap();
    let trips = line.round_trips();
    let begun = Instant::now();
    let mut files = 0;
    for centre in &CENTRES {
        let listing = source.list(centre.folder).unwrap();
        for entry in &listing.entries {
            read(&mut source, centre.folder, &entry.name);
            files += 1;
        }
    }
    assert_eq!(files, FILES);
    let took = begun.elapsed();
    let trips = line.round_trips() - trips;
    let needed = (FILES + u32::try_from(CENTRES.len()).unwrap()) * NEEDED_A_FILE;
    let bare = (ONE_WAY * 2) * needed;
    let ratio = took.as_secs_f64() / bare.as_secs_f64();
    let theirs = time(|| sftp((server, line.port), key, folder, &commands));
    println!("60 files of a day, 100 ms there and back");
    println!("  needed      {needed:>5} round trips {:>8.2} s", bare.as_secs_f64());
    println!("  cu-agent    {trips:>5}             {:>8.2} s", took.as_secs_f64());
    println!("  sftp, with its log-in          {:>8.2} s", theirs.as_secs_f64());
    println!("  ratio to what is needed {ratio:.2} (aim: at most {MOST_OF_NEEDED})\n");
}

fn large_file(server: &OpenSsh, key: &KeyPair, folder: &Path) {
    let line = "03/06/2025 06:00:00 StukKlaar : 000123456789 lorem ipsum dolor sit amet\r\n";
    server.put("large/20250603.LOG", &line.repeat(LARGE_BYTES / line.len()).into_bytes());
    let command = format!("get large/20250603.LOG {}/large\n", folder.display());
    let mut source = SftpSource::new(server.config());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(time(|| read(&mut source, "large", "20250603.LOG")));
        theirs.push(time(|| sftp((server, server.port()), key, folder, &command)));
    }
    let bytes = fs::metadata(folder.join("large")).unwrap().len();
    let (ours, theirs) = (median(ours), median(theirs));
    let rate = |took: Duration| f64::from(u32::try_from(bytes).unwrap()) / 1e6 / took.as_secs_f64();
    let ratio = rate(ours) / rate(theirs);
    println!("one file of {bytes} bytes, loopback, medians of {TURNS} turns");
    println!("  cu-agent    {:>8.1} MB/s", rate(ours));
    println!("  sftp        {:>8.1} MB/s", rate(theirs));
    println!("  ratio {ratio:.2} (aim: at least {LEAST_OF_RATE})");
}

fn read(source: &mut SftpSource, folder: &str, name: &str) {
    let mut transfer = source.open(folder, name, 0).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    while transfer.read(&mut buffer).unwrap() > 0 {}
    assert!(transfer.finish().unwrap() > 0);
}

/// OpenSSH's client does `commands` and ends.
fn sftp((server, port): (&OpenSsh, u16), key: &KeyPair, folder: &Path, commands: &str) {
    let batch = folder.join("batch");
    fs::write(&batch, commands).unwrap();
    let options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
    let mut command = Command::new("sftp");
    for option in options {
        command.args(["-o", option]);
    }
    let done = command
        .args(["-q", "-b", batch.to_str().unwrap(), "-P", &port.to_string(), "-i"])
        .arg(&key.private)
        .arg(format!("{}@127.0.0.1", server.user()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "sftp: {done}");
}

fn time(run: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
