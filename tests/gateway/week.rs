//! What the service keeps resident after a week of polls, on the emulated gateway: vsftpd and central over
//! TLS, alarms and heartbeat, the page, an outage of central now and then. `benches/memory.rs` does the same on
//! this machine's processor.
//!
//! A week is polls, not time. A poll is known by its log-in to the FTP server, which costs the gateway nothing.

use std::{
    env,
    time::{Duration, Instant},
};

use chrono::NaiveDate;

use crate::{
    field::{Field, HOST, PATIENCE},
    life::MOST_RESIDENT_KB,
    package,
    support::{
        generate::{CENTRES, Dirt, file_name, log_of_day},
        measure::Memory,
        sftp::OpenSsh,
        wait,
        webhook::{Manner, Webhook},
        weeks::{POLLS_A_DAY, POLLS_A_WEEK, Weeks},
    },
};

#[test]
fn after_a_week_of_polls_the_service_has_at_most_8_mib_resident_and_central_every_piece() {
    let this = package::this();
    let mut field = Field::secured(9);
    field.board.switch_on(&[&this]);
    field.board.wait_for_shell();
    field.board.plug_in();
    let webhook = Webhook::start(Manner::Well);
    field.install(&this);
    field.configure_as(&busy(&field.config(HOST), &webhook));
    field.restart();
    field.wait_until_active();
    let process = field.process();

    println!("{:<58} {:>9} {:>9} {:>9} {:>9}", "KiB", "resident", "own", "of files", "peak");
    let mut log_ins = field.server.log_ins();
    for _ in 0..3 {
        wait_for_poll(&field, &mut log_ins);
    }
    tell("after the first polls, nothing there yet", &field, &process);

    let begun = Instant::now();
    let most_polls = number("POLLS", POLLS_A_WEEK);
    let mut weeks = Weeks::new(field.server.root());
    for polls in 1..=most_polls {
        let happening = weeks.before_a_poll();
        if let Some(answers) = happening.central_answers {
            field.central_answers(answers);
        }
        if !happening.pages.is_empty() {
            open(&field, &happening.pages);
        }
        wait_for_poll(&field, &mut log_ins);
        if polls % 1_000 == 0 || polls == most_polls {
            let days = polls as f64 / POLLS_A_DAY as f64;
            tell(&format!("after {polls} polls, {days:.1} days"), &field, &process);
        }
    }
    println!("{:.2} s a poll", begun.elapsed().as_secs_f64() / most_polls as f64);
    field.central_answers(true);
    let all = weeks.pieces.to_string();
    field.wait("central has every piece, and nothing waits", || {
        field.database.try_psql("SELECT count(*) FROM piece_production") == Ok(all.clone())
            && field.status()["pending_sessions"] == 0
    });
    let left = tell("central has every piece of it", &field, &process);

    let metrics = open(&field, &["/metrics".to_owned()]);
    let (cycles, read) =
        (sample(&metrics, "cu_agent_cycles_total"), sample(&metrics, "cu_agent_files_read_total"));
    println!("{} pieces, {cycles} polls, {read} readings of {} growths", all, weeks.growths);
    assert!(cycles >= most_polls, "{cycles} polls by the agent's own count");
    // Two growths may come to one reading where this machine is slow.
    assert!(2 * read >= weeks.growths, "{read} readings of {} growths", weeks.growths);
    assert_eq!(field.process(), process, "the same process all the time");
    assert!(left.resident <= MOST_RESIDENT_KB, "{left:?}");
    assert!(left.peak < 2 * MOST_RESIDENT_KB, "{left:?}");
}

/// At rest with an SFTP source, whose log-in stays open: docs/performance.md.
const MOST_RESIDENT_SFTP_KB: u64 = 9 * 1024;
/// Of which nothing comes new.
const QUIET_POLLS: usize = 60;

#[test]
fn with_an_sftp_source_the_service_has_at_most_9_mib_resident_at_rest() {
    let this = package::this();
    let server = OpenSsh::start(&[]);
    let day = NaiveDate::from_ymd_opt(2025, 6, 3).unwrap();
    for centre in &CENTRES {
        let log = log_of_day(centre, day, 1, Dirt::None);
        server.put(format!("{}/{}", centre.folder, file_name(day)), &log);
    }
    let mut field = Field::new(10);
    field.board.switch_on(&[&this]);
    field.board.wait_for_shell();
    field.board.plug_in();
    field.install(&this);
    field.configure_as(&over_sftp(&field, &server));
    field.restart();
    field.wait_until_active();
    let process = field.process();
    field.wait("central has the sessions of the day", || {
        field.database.try_psql("SELECT count(*) FROM session_production")
            == Ok(CENTRES.len().to_string())
    });
    let polls =
        |field: &Field| sample(&open(field, &["/metrics".to_owned()]), "cu_agent_cycles_total");
    let begun = polls(&field);
    field.wait("quiet polls", || polls(&field) >= begun + QUIET_POLLS);
    println!("{:<58} {:>9} {:>9} {:>9} {:>9}", "KiB", "resident", "own", "of files", "peak");
    let rest = tell("over SFTP, at rest", &field, &process);
    assert_eq!(field.process(), process, "the same process all the time");
    assert_eq!(server.log_ins(), 1, "one log-in over all polls");
    assert!(rest.resident <= MOST_RESIDENT_SFTP_KB, "{rest:?}");
}

/// The field's configuration, with its machines on another server.
fn over_sftp(field: &Field, server: &OpenSsh) -> String {
    let keys: Vec<&str> = server.host_keys().iter().map(|key| key.fingerprint.as_str()).collect();
    let (ftp, sftp) = (
        format!("kind = \"ftp\"\nhost = \"{HOST}\"\nport = {}\n", field.server.port()),
        format!(
            "kind = \"sftp\"\nhost = \"{HOST}\"\nport = {}\nhost_key = {keys:?}\n",
            server.port()
        ),
    );
    let config = field.config(HOST);
    let changed = config.replacen(&ftp, &sftp, 1).replacen("tls = \"none\"\n[source", "[source", 1);
    assert!(changed.contains("sftp") && !changed.contains("tls = \"none\""), "{changed}");
    changed
}

/// Polls as often as the processor bears, and with everything on.
fn busy(config: &str, webhook: &Webhook) -> String {
    let url = |path| webhook.url(path).replace("127.0.0.1", HOST);
    let config = config.replacen(
        "poll = \"1s\"\nfile_quiet = \"2s\"",
        "poll = \"100ms\"\nfile_quiet = \"1s\"",
        1,
    );
    assert!(config.contains("100ms"), "{config}");
    format!(
        "{config}[alarms]\nurl = \"{}\"\nheartbeat_url = \"{}\"\n",
        url("/alarms"),
        url("/heartbeat")
    )
}

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).ok().filter(|text| !text.is_empty()).map_or(default, |n| n.parse().unwrap())
}

/// `log_ins`: those that were seen before.
fn wait_for_poll(field: &Field, log_ins: &mut usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = field.server.log_ins();
        if now > *log_ins {
            *log_ins = now;
            return;
        }
        if Instant::now() > deadline {
            panic!("no poll within {PATIENCE:?}\n{}", field.journal("--lines=60"));
        }
        wait::any_moment(Duration::from_millis(20));
    }
}

/// A line of the table.
fn tell(what: &str, field: &Field, process: &str) -> Memory {
    let status = field.board.sh(&format!("cat /proc/{process}/status")).succeeded();
    let memory = Memory::of_status(&status.stdout).unwrap_or_else(|| panic!("{status}"));
    let Memory { resident, anonymous, of_files, peak } = memory;
    println!("{what:<58} {resident:>9} {anonymous:>9} {of_files:>9} {peak:>9}");
    memory
}

/// The pages' text; the gateway has no curl.
fn open(field: &Field, pages: &[String]) -> String {
    let pages = pages.iter().map(|page| format!("'{page}'")).collect::<Vec<_>>().join(" ");
    let answers = field.board.sh(&format!(
        "for page in {pages}; do exec 4<>/dev/tcp/127.0.0.1/9780 && \
         printf 'GET %s HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' \"$page\" >&4 && cat <&4 || exit 1; done"
    ));
    answers.succeeded().says(" 200 ").stdout
}

fn sample(metrics: &str, name: &str) -> usize {
    let line = metrics
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().trim().parse().unwrap()
}
