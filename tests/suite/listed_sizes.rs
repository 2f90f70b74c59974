//! What a listing says of a size is a claim: it may lag, be counted otherwise, or be absurd. Against a
//! scripted FTP server.

use std::collections::BTreeSet;

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Script, ScriptedFtp},
    rows::buffer_sessions,
    wait,
};

const FOLDER: &str = "DEM12 (PVC)";
const TODAY: &str = "20250603.LOG";
const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";
const NEXT_PIECE: &[u8] = b"20250603 05:01:00|@StukUitgevoerd: 2 A\n";

fn agent_on(server: &ScriptedFtp) -> Agent {
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.map_folders(0, &[(FOLDER, "DEM12")]);
    agent.set("schedule.poll", "100ms");
    agent
}

fn wait_for_pieces(agent: &Agent, pieces: u32) {
    wait::until("the pieces are there", wait::PATIENCE, || {
        let sessions = if agent.buffer().exists() { buffer_sessions(agent) } else { Vec::new() };
        sessions.iter().any(|session| session.total_pieces == pieces)
    });
}

fn append(server: &ScriptedFtp, bytes: &[u8]) {
    let mut script = server.script();
    let files = script.tree.get_mut(FOLDER.as_bytes()).unwrap();
    files.get_mut(TODAY.as_bytes()).unwrap().extend_from_slice(bytes);
}

#[test]
fn lines_behind_a_listed_size_that_stands_still_arrive() {
    let frozen = format!("type=file;size={};modify=20250603051112; {TODAY}\r\n", PIECE.len());
    let script = Script::default().file(FOLDER, TODAY, PIECE);
    let server = ScriptedFtp::start(script.listing("MLSD", frozen.as_bytes()));
    let agent = agent_on(&server);
    let running = agent.run();
    wait_for_pieces(&agent, 1);
    append(&server, NEXT_PIECE);
    wait_for_pieces(&agent, 2);
    // What was found there stays found: nothing is read from the beginning for it.
    running.wait_for_nth_line("cycle:", running.log().matches("cycle:").count() + 3);
    let offsets: BTreeSet<String> =
        server.commands().into_iter().filter(|line| line.starts_with("REST ")).collect();
    assert_eq!(offsets.len(), 0, "files of less than an overlap are read from 0: {offsets:?}");
    running.terminate().0.succeeded();
    assert_eq!(buffer_sessions(&agent)[0].total_pieces, 2);
}

#[test]
fn an_absurd_size_costs_its_file_only() {
    let listing = "type=file;size=576460752303423488;modify=20250602120000; 20250602.LOG\r\n\
        type=file;size=18446744073709551615;modify=99999999999999; 20250601.LOG\r\n\
        type=file;size=39;modify=20250603120000; 20250603.LOG\r\n";
    let mut script = Script::default().listing("MLSD", listing.as_bytes());
    for name in ["20250601.LOG", "20250602.LOG", TODAY] {
        script = script.file(FOLDER, name, PIECE);
    }
    let server = ScriptedFtp::start(script);
    let logs = Folder::of_three_machines();
    logs.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    let mut agent = agent_on(&server);
    agent.add_directory("voisin", logs.path());
    agent.map_folders(1, &[("SU12 (HYBRIDE)", "SU12")]);
    for _ in 0..2 {
        agent.once().does_not_say("out of range").does_not_say("cannot note progress");
        let machines: Vec<String> =
            buffer_sessions(&agent).into_iter().map(|session| session.dossier).collect();
        assert_eq!(machines, ["DEM12", "SU12"], "the others were read");
        // What no file can have is no size: that file is read by what comes of it.
        assert_eq!(agent.status_number("refused_files"), 1);
    }
    assert!(server.commands().contains(&"RETR 20250601.LOG".to_owned()));
    agent.command(&["status"]).says("20250602.LOG").says("max_file_size");
}

#[test]
fn a_size_that_is_counted_otherwise_is_resolved_by_one_more_look() {
    let old = b"20250602 05:00:00|@StukUitgevoerd: 1 A\n";
    let script = Script::default().file(FOLDER, "20250602.LOG", old).file(FOLDER, TODAY, PIECE);
    let server = ScriptedFtp::start(Script { listed_sizes_lie_by: 100, ..script });
    let agent = agent_on(&server);
    let running = agent.run();
    running.wait_for_nth_line("cycle:", 6);
    let read = |name: &str| {
        server.commands().iter().filter(|line| **line == format!("RETR {name}")).count()
    };
    assert_eq!(read("20250602.LOG"), 2, "once for its bytes, once for what might be missing");
    assert!(read(TODAY) > 2, "the newest is asked further");
    append(&server, NEXT_PIECE);
    wait::until("the line behind arrives", wait::PATIENCE, || {
        buffer_sessions(&agent).iter().any(|session| session.total_pieces == 2)
    });
    running.terminate().0.succeeded();
}

#[test]
fn a_file_that_was_sent_short_is_completed_although_its_listing_does_not_change() {
    let whole = [PIECE, NEXT_PIECE].concat();
    let script = Script::default().file(FOLDER, "20250603.LOG", &whole);
    // A later file, so that it is not the newest that comes short.
    let later = b"20250604 05:00:00|@StukUitgevoerd: 1 A\n";
    let script = script.file(FOLDER, "20250604.LOG", later);
    let short = (PIECE.len(), "226 done\r\n".to_owned());
    let server = ScriptedFtp::start(Script { cut: Some(short), ..script });
    let agent = agent_on(&server);
    let running = agent.run();
    running.wait_for_nth_line("cycle:", 1);
    server.script().cut = None;
    wait_for_pieces(&agent, 2);
    running.terminate().0.succeeded();
}

#[test]
fn a_size_that_changes_at_every_listing_is_told_once_and_not_read_from_the_start_for_ever() {
    let script = Script::default().file(FOLDER, TODAY, PIECE);
    let server = ScriptedFtp::start(script);
    let agent = agent_on(&server);
    let running = agent.run();
    for round in 0..12 {
        // Up and down, always more than there is.
        server.script().listed_sizes_lie_by = if round % 2 == 0 { 500 } else { 300 + round };
        let seen = running.log().matches("cycle:").count();
        running.wait_for_nth_line("cycle:", seen + 2);
    }
    let told = running.log().matches("keeps changing").count();
    assert_eq!(told, 1, "{}", running.log());
    running.terminate().0.succeeded();
    assert_eq!(buffer_sessions(&agent)[0].total_pieces, 1);
}
