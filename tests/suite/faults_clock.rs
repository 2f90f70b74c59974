//! The gateway's clock: never set, jumping, stepping back. Nothing is closed or deleted by it,
//! nothing stops, and what it does break, TLS, says so.

use std::{process::Command, time::Duration};

use chrono::{Days, NaiveDate};

use crate::support::{
    agent::Agent,
    certificate::Certificate,
    clock::{Wrong, WrongClock, YEAR},
    folder::Folder,
    ftp::{Options, Vsftpd, certificates::authority},
    postgres::{self, Cluster, Database},
    rows::{assert_same, central_sessions},
    truth, wait,
};

/// The server's own date; the server's clock is right.
fn server_day() -> NaiveDate {
    let output = Command::new("date").args(["-u", "+%Y%m%d"]).output().unwrap();
    NaiveDate::parse_from_str(String::from_utf8(output.stdout).unwrap().trim(), "%Y%m%d").unwrap()
}

fn name(day: NaiveDate) -> String {
    format!("DEM12 (PVC)/{}.LOG", day.format("%Y%m%d"))
}

fn piece(day: NaiveDate, number: u32) -> Vec<u8> {
    let (hour, minute) = (5 + number / 60, number % 60);
    let day = day.format("%Y%m%d");
    format!("{day} {hour:02}:{minute:02}:00|@StukUitgevoerd: {number}\n").into_bytes()
}

/// States of the files in the buffer by name.
fn state(agent: &Agent, day: NaiveDate) -> String {
    let name = format!("{}.LOG", day.format("%Y%m%d"));
    rusqlite::Connection::open(agent.buffer())
        .unwrap()
        .query_row("SELECT state FROM log_file WHERE name = ?1", [name], |row| row.get(0))
        .unwrap()
}

struct Gateway {
    folder: Folder,
    agent: Agent,
    clock: WrongClock,
}

fn gateway(database: &Database<'_>, wrong: Wrong) -> Gateway {
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path()).central(database);
    agent.set("source.0.delete", "after-sync");
    let clock = WrongClock::given_to(&mut agent, wrong);
    Gateway { folder, agent, clock }
}

const CLOCKS: [Wrong; 4] =
    [Wrong::NeverSet, Wrong::By(3 * YEAR), Wrong::By(-3 * YEAR), Wrong::By(40 * YEAR)];

#[test]
fn a_wrong_clock_at_the_start_closes_nothing_of_today_and_everything_arrives() {
    let today = server_day();
    let yesterday = today - Days::new(3);
    for wrong in CLOCKS {
        let database = Database::fresh();
        let Gateway { folder, mut agent, clock: _clock } = gateway(&database, wrong);
        agent.set("schedule.file_quiet", "0s");
        folder.put(&name(yesterday), &piece(yesterday, 1));
        folder.put(&name(today), &piece(today, 1));
        for _ in 0..3 {
            agent.once().succeeded();
        }
        assert!(folder.exists(&name(today)), "{wrong:?}: today's file is not over");
        assert_eq!(state(&agent, today), "growing", "{wrong:?}");
        // What is over by the server's dates leaves all the same.
        assert!(!folder.exists(&name(yesterday)), "{wrong:?}");
        folder.append(&name(today), &piece(today, 2));
        agent.once().succeeded();
        let files = [piece(yesterday, 1), piece(today, 1), piece(today, 2)].concat();
        let truth = truth::of_machine("DEM12", &[files]);
        assert_same(&format!("{wrong:?}"), &central_sessions(&database), &truth);
    }
}

#[test]
fn a_clock_that_jumps_under_a_running_agent_makes_no_file_quiet_and_stops_no_timer() {
    let today = server_day();
    let old = today - Days::new(9);
    let database = Database::fresh();
    let Gateway { folder, mut agent, clock } = gateway(&database, Wrong::NeverSet);
    agent.set("schedule.file_quiet", "1h");
    folder.put(&name(old), &piece(old, 1));
    folder.put(&name(today), &piece(today, 0));
    let running = agent.run();
    running.wait_for_line("central: link up");
    let mut written = vec![piece(old, 1), piece(today, 0)];
    let jumps = [
        Wrong::By(0),
        Wrong::By(3 * YEAR),
        Wrong::By(-2 * YEAR),
        Wrong::By(7200),
        Wrong::By(3600),
        Wrong::NeverSet,
        Wrong::By(0),
    ];
    for (number, wrong) in (1..).zip(jumps) {
        clock.set(wrong);
        folder.append(&name(today), &piece(today, number));
        written.push(piece(today, number));
        let pieces = number + 1;
        wait::until("the new line is in central", wait::PATIENCE, || {
            let sessions = central_sessions(&database);
            sessions.iter().any(|session| session.total_pieces == pieces)
        });
        // Two more polls have passed the jump.
        let cycles = running.log().matches("cycle:").count();
        running.wait_for_nth_line("cycle:", cycles + 2);
        for day in [old, today] {
            assert_eq!(
                state(&agent, day),
                "growing",
                "{wrong:?}: quiet for an hour only by a jump"
            );
            assert!(folder.exists(&name(day)), "{wrong:?}");
        }
    }
    running.terminate().0.succeeded();
    let truth = truth::of_machine("DEM12", &[written.concat()]);
    assert_same("after all jumps", &central_sessions(&database), &truth);
}

#[test]
fn quiet_time_passes_by_running_time_whatever_the_clock_says() {
    let today = server_day();
    let old = today - Days::new(9);
    let database = Database::fresh();
    let Gateway { folder, mut agent, clock } = gateway(&database, Wrong::NeverSet);
    agent.set("schedule.file_quiet", "2s");
    folder.put(&name(old), &piece(old, 1));
    folder.put(&name(today), &piece(today, 1));
    let running = agent.run();
    wait::until("the old file was read", wait::PATIENCE, || agent.buffer().exists());
    clock.set(Wrong::By(-3 * YEAR));
    wait::until("the old file has left", wait::PATIENCE, || !folder.exists(&name(old)));
    assert!(folder.exists(&name(today)));
    running.terminate().0.succeeded();
    let files = [piece(old, 1), piece(today, 1)].concat();
    assert_same("in the end", &central_sessions(&database), &truth::of_machine("DEM12", &[files]));
}

#[test]
fn an_unbelievable_clock_is_told_at_the_start_and_by_check() {
    let database = Database::fresh();
    let gateway = gateway(&database, Wrong::NeverSet);
    gateway
        .agent
        .once()
        .says("the gateway's clock says 1970-01-01")
        .says("the agent does not rely on it");
    gateway.agent.command(&["check"]).says("the gateway's clock says 1970-01-01");
}

#[test]
fn ftps_refused_by_the_clock_says_that_it_is_the_clock_and_works_once_it_is_set() {
    let tls = cu_agent::config::FtpTls::Explicit;
    let server = Vsftpd::start(Options { tls, ..Options::default() });
    let today = server_day();
    server.put(name(today), &piece(today, 1));
    server.make_folder("DEMALU (ALU)");
    server.make_folder("SU12 (HYBRIDE)");
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(&server).central(&database);
    agent.set("source.0.tls", "explicit");
    agent.set("source.0.ca_file", authority().to_str().unwrap());
    let clock = WrongClock::given_to(&mut agent, Wrong::NeverSet);
    agent.once().exited(1).says("this gateway's clock says 1970-01-01");
    clock.set(Wrong::By(0));
    agent.once().succeeded();
    let truth = truth::of_machine("DEM12", &[piece(today, 1)]);
    assert_same("once it is set", &central_sessions(&database), &truth);
}

#[test]
fn central_refused_by_the_clock_says_that_it_is_the_clock_and_is_sent_all_once_it_is_set() {
    let place = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(place.path(), "IP:127.0.0.1", false);
    let cluster = Cluster::start_new(&postgres::Options {
        certificate: Some(certificate.clone()),
        ..postgres::Options::default()
    });
    let database = cluster.database();
    let folder = Folder::of_three_machines();
    let today = server_day();
    folder.put(&name(today), &piece(today, 1));
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.set("central.tls", "verify-full");
    agent.set("central.ca_file", certificate.ca_file.to_str().unwrap());
    let clock = WrongClock::given_to(&mut agent, Wrong::NeverSet);
    agent.once().exited(3).says("the gateway's clock is probably wrong");
    assert_eq!(agent.status_number("pending_sessions"), 1);
    clock.set(Wrong::By(0));
    let output = agent.start(&["once"]).output(Duration::from_secs(60));
    output.succeeded();
    let truth = truth::of_machine("DEM12", &[piece(today, 1)]);
    assert_same("once it is set", &central_sessions(&database), &truth);
}
