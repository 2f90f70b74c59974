//! Each source on its own: what one server does holds up no other source.

use std::{
    io::Write,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    agent::{Agent, FOLDERS},
    folder::Folder,
    ftp::{Quirks, Script, ScriptedFtp},
    rows::buffer_sessions,
    wait,
};

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";
const LOG: &str = "20250603.LOG";

/// Longest time from a line on the disk to the line in the buffer, at a poll of 200 ms.
const USUAL: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug)]
enum Hold {
    /// The connection is accepted, and nothing is said.
    Silent,
    /// The greeting comes byte by byte and never ends.
    GreetingDrips,
    Login,
    List,
    Transfer,
}

/// A server that greets with a byte now and then, or never; it ends with the test.
fn drip(every: Option<Duration>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            match every {
                None => held.push(stream),
                Some(every) => drop(thread::spawn(move || {
                    while stream.write_all(b"2").is_ok() {
                        thread::park_timeout(every);
                    }
                })),
            }
        }
    });
    port
}

fn silent_at(verb: &str) -> ScriptedFtp {
    let script = Script { silent_at: Some(verb.into()), ..Script::default() };
    ScriptedFtp::start(script.file("Scie", LOG, PIECE))
}

#[test]
fn whatever_a_server_holds_up_the_lines_of_another_source_arrive_as_usual_and_the_end_comes() {
    let holds = [Hold::Silent, Hold::GreetingDrips, Hold::Login, Hold::List, Hold::Transfer];
    thread::scope(|scope| {
        for hold in holds {
            scope.spawn(move || held_by(hold));
        }
    });
}

fn held_by(hold: Hold) {
    let server = match hold {
        Hold::Silent | Hold::GreetingDrips => None,
        Hold::Login => Some(silent_at("PASS")),
        Hold::List => Some(silent_at("MLSD")),
        Hold::Transfer => Some(silent_at("RETR")),
    };
    let every = Duration::from_millis(fastrand::u64(20..200));
    let port = match (&server, hold) {
        (Some(server), _) => server.port(),
        (None, Hold::GreetingDrips) => drip(Some(every)),
        (None, _) => drip(None),
    };
    let folder = Folder::of_three_machines();
    let mut agent = Agent::new();
    let ftp = ScriptedFtp::start(Script::default()).config();
    let key = agent.add_ftp("a-held", &ftp);
    agent.map_folders(0, &[("Scie", "SCIE")]);
    agent.set(&format!("{key}.port"), i64::from(port));
    agent.add_directory("b-well", folder.path());
    agent.set("schedule.poll", "200ms");
    let running = agent.run();
    let lines = 4_u32;
    for number in 1..=lines {
        thread::park_timeout(Duration::from_millis(fastrand::u64(0..600)));
        let put = Instant::now();
        let line = format!("20250603 05:0{number}:00|@StukUitgevoerd: {number} A\n");
        folder.append(&format!("{}/{LOG}", FOLDERS[0].0), line.as_bytes());
        wait::until(&format!("{hold:?}: the line arrives"), wait::PATIENCE, || {
            agent.buffer().exists()
                && buffer_sessions(&agent).iter().any(|session| session.total_pieces == number)
        });
        let took = put.elapsed();
        assert!(took < USUAL, "{hold:?}: line {number} took {took:?}");
    }
    let (output, took) = running.terminate();
    output.succeeded();
    assert!(took < Duration::from_secs(5), "{hold:?}: the end took {took:?}");
}

#[test]
fn a_listing_or_file_that_drips_in_mid_data_is_given_up_and_holds_up_no_other_source() {
    thread::scope(|scope| {
        for at in ["LISTED", "SENT"] {
            scope.spawn(move || held_in_mid_data(at));
        }
    });
}

fn held_in_mid_data(at: &str) {
    /// So many that the half that drips takes far longer than anybody waits.
    const ALL: usize = 10_000;
    let all = u32::try_from(ALL).unwrap();
    let quirks = Quirks { drip: Some(at.into()), ..Quirks::default() };
    let script = Script::default().file("Scie", LOG, &PIECE.repeat(ALL));
    let server = ScriptedFtp::start(Script { quirks, ..script });
    let folder = Folder::of_three_machines();
    let mut agent = Agent::new();
    let key = agent.add_ftp("a-held", &server.config());
    agent.map_folders(0, &[("Scie", "SCIE")]);
    agent.set(&format!("{key}.read_timeout"), "1s");
    agent.set(&format!("{key}.connect_timeout"), "1s");
    agent.add_directory("b-well", folder.path());
    agent.set("schedule.poll", "200ms");
    let begun = Instant::now();
    let running = agent.run();
    let pieces_of = |nom: &str| {
        let sessions = if agent.buffer().exists() { buffer_sessions(&agent) } else { Vec::new() };
        let of_it = sessions.iter().filter(|session| session.dossier == nom);
        of_it.map(|session| session.total_pieces).sum::<u32>()
    };
    for number in 1..=3 {
        let put = Instant::now();
        let line = format!("20250603 05:0{number}:00|@StukUitgevoerd: {number} A\n");
        folder.append(&format!("{}/{LOG}", FOLDERS[0].0), line.as_bytes());
        wait::until(&format!("{at}: the line arrives"), wait::PATIENCE, || {
            pieces_of(FOLDERS[0].1) >= number
        });
        assert!(put.elapsed() < USUAL, "{at}: line {number} took {:?}", put.elapsed());
    }
    // Two silences allowed make a window in which too little came.
    running.wait_for_line("fewer than 800 bytes per second");
    running.wait_for_nth_line("a-held: cycle:", 2);
    assert!(begun.elapsed() < Duration::from_secs(15), "{at}: {:?}", begun.elapsed());
    assert!(pieces_of("SCIE") < all, "{at}");
    server.script().quirks.drip = None;
    wait::until(&format!("{at}: what was held arrives"), wait::PATIENCE, || {
        pieces_of("SCIE") == all
    });
    running.terminate().0.succeeded();
}

#[test]
fn a_folder_that_ends_the_connection_keeps_no_other_folder_from_being_read() {
    let script = FOLDERS
        .iter()
        .fold(Script::default(), |script, (folder, ..)| script.file(folder, LOG, PIECE))
        .unlisted(FOLDERS[0].0, "421 service closing");
    let server = ScriptedFtp::start(script);
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.set("schedule.poll", "200ms");
    let running = agent.run();
    wait::until("the other two are read", wait::PATIENCE, || {
        agent.buffer().exists() && agent.status_number("sessions") == 2
    });
    running.terminate().0.succeeded();
}

#[test]
fn once_that_is_ended_while_a_server_keeps_silent_ends_within_5_seconds() {
    let server = silent_at("MLSD");
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.map_folders(0, &[("Scie", "SCIE")]);
    let running = agent.start(&["once"]);
    wait::until("it waits for the listing", wait::PATIENCE, || server.count("(silence)") > 0);
    let (output, took) = running.terminate();
    output.exited(1);
    assert!(took < Duration::from_secs(5), "{took:?}");
}
