//! What the card is spared: a poll that found nothing writes nothing, and one that found something is
//! one commit of few pages.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::support::{
    agent::Agent,
    card::process_bytes,
    folder::Folder,
    generate::{CENTRES, Dirt, log_of_day},
    http,
    planned::two_shifts,
    postgres::Database,
    wait,
    webhook::{Manner, Webhook},
};

const DAY: &str = "20250603.LOG";

/// The three machines' LOGs of one day, the first `lines` lines of each.
fn put_lines(logs: &Folder, lines: usize) {
    let day = "2025-06-03".parse().unwrap();
    for centre in &CENTRES {
        let log = log_of_day(centre, day, 3, Dirt::None);
        let begin: Vec<u8> =
            log.split_inclusive(|byte| *byte == b'\n').take(lines).flatten().copied().collect();
        logs.put(&format!("{}/{DAY}", centre.folder), &begin);
    }
}

/// When each file of the state directory was last written, the shared memory of SQLite's readers and
/// the socket aside.
fn written(state_dir: &Path) -> BTreeMap<String, std::time::SystemTime> {
    let files = fs::read_dir(state_dir).unwrap().map(|entry| entry.unwrap());
    files
        .filter(|entry| entry.path().extension().is_none_or(|end| end != "db-shm"))
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, entry.metadata().unwrap().modified().unwrap())
        })
        .collect()
}

#[test]
fn a_poll_that_found_nothing_writes_nothing() {
    let (logs, database) = (Folder::of_three_machines(), Database::fresh());
    let webhook = Webhook::start(Manner::Well);
    put_lines(&logs, 300);
    let mut agent = Agent::on_directory(logs.path()).central(&database);
    agent.set("schedule.poll", "100ms");
    agent.set("status.listen", "127.0.0.1:0");
    agent.set("alarms.url", webhook.url("/alarms"));
    agent.set("alarms.heartbeat_url", webhook.url("/alive"));
    let mut running = agent.run();
    let page = running.page();
    wait::until("central has all", wait::PATIENCE, || {
        agent.buffer().exists()
            && agent.status_number("sessions") == 3
            && agent.status_number("pending_sessions") == 0
    });
    let look =
        Connection::open_with_flags(agent.buffer(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let version =
        || -> i64 { look.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap() };
    let polls = |more: usize| {
        let seen = running.log().matches("cycle:").count();
        running.wait_for_nth_line("cycle:", seen + more);
    };
    // What the last reading brought, its alarms and its confirmation are all noted.
    let kept = || (version(), written(&agent.state_dir()));
    let calm = || (process_bytes(running.id()), kept());
    wait::until("nothing is under way any more", wait::PATIENCE, || {
        let before = calm();
        polls(5);
        calm() == before
    });
    let before = calm();
    for _ in 0..10 {
        polls(2);
        http::get(page, "/").is(200);
        http::get(page, "/metrics").is(200);
    }
    assert_eq!(kept(), before.1, "version of the buffer, its files");
    // Twenty polls that write anything write twenty blocks. A few of the file system's own may be counted:
    // where the tests are root's, SQLite notes whose its files are whenever it opens them.
    let blocks = (process_bytes(running.id()) - before.0) / 4096;
    assert!(blocks < 5, "{blocks} blocks written");
    assert!(running.is_running());
    // The measure sees a write: a line more is kept.
    put_lines(&logs, 301);
    wait::until("the growth is kept", Duration::from_secs(30), || version() != before.1.0);
    assert!(process_bytes(running.id()) > before.0);
}

/// Commits in a write-ahead log and the pages that they wrote, since it last began anew.
fn commits(wal: &Path) -> (usize, usize) {
    let bytes = fs::read(wal).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let page_bytes = number(8) as usize;
    let salt = &bytes[16..24];
    let frames: Vec<usize> = (32..)
        .step_by(24 + page_bytes)
        .take_while(|at| at + 24 + page_bytes <= bytes.len() && &bytes[at + 8..at + 16] == salt)
        .collect();
    (frames.iter().filter(|at| number(**at + 4) != 0).count(), frames.len())
}

/// Commits, and pages in them, of a poll that finds nine new lines of three machines.
fn poll_at_work(calendar: bool) -> (usize, usize) {
    let logs = Folder::of_three_machines();
    put_lines(&logs, 300);
    let mut agent = Agent::on_directory(logs.path());
    if calendar {
        agent.set("calendar", two_shifts());
    }
    agent.once().succeeded();
    // Somebody looks on: what `once` commits stays in the write-ahead log.
    let look = Connection::open(agent.buffer()).unwrap();
    look.query_row("SELECT count(*) FROM session", [], |row| row.get::<_, i64>(0)).unwrap();
    let wal = agent.buffer().with_extension("db-wal");
    // Moves what was written so far out of the way.
    put_lines(&logs, 301);
    agent.once().succeeded();
    look.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
    put_lines(&logs, 310);
    agent.once().succeeded();
    assert_eq!(agent.status_number("sessions"), 3);
    let timed: i64 =
        look.query_row("SELECT count(*) FROM shift_times", [], |row| row.get(0)).unwrap();
    assert_eq!(timed > 0, calendar, "{timed} rows");
    commits(&wal)
}

#[test]
fn a_poll_of_three_machines_at_work_is_one_commit_of_few_pages() {
    let (commits, pages) = poll_at_work(false);
    assert_eq!(commits, 1, "{pages} pages");
    assert!(pages <= 60, "{pages} pages for nine lines of three machines");
    let (commits, with_times) = poll_at_work(true);
    assert_eq!(commits, 1, "{with_times} pages");
    assert!(with_times <= pages + 1, "{with_times} pages with planned time, {pages} without");
}
