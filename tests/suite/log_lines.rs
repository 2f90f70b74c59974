//! What the log tells an operator, and how often: one line an event, with machine and file.

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Vsftpd},
    golden,
    postgres::{self, Cluster, Database},
    rows::buffer_sessions,
    wait,
};

const LOG: &str = "DEM12 (PVC)/20250603.LOG";
const PIECE: &str = "20250603 05:00:00|@StukUitgevoerd: 1\n";

fn lines_with<'t>(log: &'t str, words: &[&str]) -> Vec<&'t str> {
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

#[test]
fn one_line_a_file_with_events_rejects_bytes_and_milliseconds() {
    let case = golden::case("edge/torn-line");
    let folder = Folder::of_case(&case);
    let agent = Agent::on_directory(folder.path());
    let output = agent.once().succeeded();
    let lines = lines_with(&output.stderr, &[LOG, "event"]);
    let [line] = lines.as_slice() else { panic!("one line for the file\n{output}") };
    for word in ["DEM12", "reject", "bytes", " ms"] {
        assert!(line.contains(word), "{word:?} is told: {line}");
    }
    assert!(line.contains("4 events"), "{line}");
}

#[test]
fn one_line_a_cycle_with_files_success_rate_and_files_a_minute() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    let output = agent.once().succeeded();
    let lines = lines_with(&output.stderr, &["cycle: 6 of 6 files", "100 %", "files per minute"]);
    assert_eq!(lines.len(), 1, "{output}");
}

#[test]
fn a_cycle_without_news_leaves_no_line_a_file() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    let output = agent.once().succeeded();
    assert_eq!(lines_with(&output.stderr, &[".LOG"]), Vec::<&str>::new(), "{output}");
}

#[test]
fn an_unmapped_and_a_missing_folder_are_told_once_and_not_at_every_poll() {
    let folder = Folder::empty();
    folder.put(LOG, PIECE.as_bytes());
    folder.put("Ancienne scie/20250603.LOG", PIECE.as_bytes());
    let mut agent = Agent::new();
    agent.add_directory("cu", folder.path());
    let running = agent.run();
    for number in 2..4 {
        folder.append(LOG, format!("20250603 05:0{number}:00|@StukUitgevoerd: 2\n").as_bytes());
        wait::until("the line is read", wait::PATIENCE, || {
            buffer_sessions(&agent).first().is_some_and(|session| session.total_pieces == number)
        });
    }
    let (output, _) = running.terminate();
    assert_eq!(lines_with(&output.stderr, &["Ancienne scie"]).len(), 1, "{output}");
    assert_eq!(lines_with(&output.stderr, &["DEMALU (ALU)"]).len(), 1, "{output}");
}

#[test]
fn an_outage_is_one_line_when_it_begins_and_one_when_it_ends_with_what_was_sent() {
    let folder = Folder::of_three_machines();
    folder.put(LOG, PIECE.as_bytes());
    let mut cluster = Cluster::start_new(&postgres::Options::default());
    let mut agent = Agent::on_directory(folder.path());
    agent.set_central(&cluster.database().config());
    agent.once().succeeded();
    cluster.stop();
    let running = agent.run();
    folder.append(LOG, b"20250603 05:01:00|@StukUitgevoerd: 2\n");
    let down = running.wait_for_line("WARN");
    assert!(down.contains("central"), "{down}");
    wait::until("the session waits", wait::PATIENCE, || {
        agent.status_number("pending_sessions") == 1
    });
    cluster.start();
    wait::until("the session is sent", wait::PATIENCE, || {
        agent.status_number("pending_sessions") == 0
    });
    let (output, _) = running.terminate();
    let about_the_link: Vec<_> = lines_with(&output.stderr, &["central"]);
    let warnings = about_the_link.iter().filter(|line| line.contains("WARN")).count();
    assert_eq!(warnings, 1, "one line for the outage\n{output}");
    let back = lines_with(&output.stderr, &["central", "1 session"]);
    assert_eq!(back.len(), 1, "one line when it comes back, with what was sent\n{output}");
}

#[test]
fn passwords_stand_in_no_line_of_the_most_talkative_log_and_in_no_output() {
    let server = Vsftpd::start(Options::default());
    server.put(LOG, PIECE.as_bytes());
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(&server).central(&database);
    agent.set("agent.log_level", "trace");
    for command in [&["check"][..], &["once"], &["status"], &["status", "--json"], &["sessions"]] {
        let output = agent.command(command);
        for password in [server.password(), database.config().password.expose()] {
            assert!(password.len() > 4, "a password that cannot be met by chance");
            assert!(!output.stdout.contains(password), "{command:?}\n{output}");
            assert!(!output.stderr.contains(password), "{command:?}\n{output}");
        }
    }
}

#[test]
fn a_log_that_is_no_terminal_has_no_escape_codes_and_no_carriage_returns() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    let output = agent.once().succeeded();
    assert!(!output.stderr.contains(['\u{1b}', '\r']), "{output}");
}
