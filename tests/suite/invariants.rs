//! Invariants 1 to 4 of `docs/architecture.md`, each by its number, on the real binary.

use std::time::Duration;

use fastrand::Rng;

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Script, ScriptedFtp, Vsftpd},
    golden::{self, Expected},
    postgres::Database,
    rows::{assert_same, buffer_sessions, central_rows, central_sessions, truth},
    wait,
};

const LOG: &str = "DEM12 (PVC)/20250603.LOG";

fn piece(minute: u32, number: u32) -> String {
    format!("20250603 05:{minute:02}:00|@StukUitgevoerd: {number}\n")
}

/// Details of the pieces of the only session.
fn pieces(sessions: &[Expected]) -> Vec<&str> {
    let [session] = sessions else { panic!("one session, not {}", sessions.len()) };
    session.pieces.iter().map(|(_, details)| details.as_str()).collect()
}

// 1. One transaction holds raw chunk, progress and results: after any crash the buffer is at some
//    earlier moment of the same history, and goes on from there.

#[test]
fn invariant_1_after_any_kill_the_buffer_is_at_an_earlier_moment_and_goes_on_from_there() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    let mut rng = Rng::with_seed(20_250_603);
    let mut written = vec![0; case.files.len()];
    let mut seen = vec![0; truth.len()];
    for kill in 0..40 {
        for (file, written) in case.files.iter().zip(&mut written) {
            // Cut anywhere, also within a line.
            let take = rng.usize(0..=file.bytes.len() / 12).min(file.bytes.len() - *written);
            let name = format!("{}/{}", file.folder, file.name);
            folder.append(&name, &file.bytes[*written..*written + take]);
            *written += take;
        }
        let running = agent.start(if rng.bool() { &["run"] } else { &["once"] });
        wait::any_moment(Duration::from_micros(rng.u64(0..120_000)));
        running.kill();
        if kill % 4 == 0 {
            earlier_moment_of(&truth, &agent, &mut seen);
        }
    }
    for (file, written) in case.files.iter().zip(written) {
        folder.append(&format!("{}/{}", file.folder, file.name), &file.bytes[written..]);
    }
    agent.once().succeeded();
    assert_same("the buffer after all kills", &buffer_sessions(&agent), &truth);
    assert_same("central after all kills", &central_sessions(&database), &truth);
}

/// Each session of the buffer is a beginning of the true one, and no shorter than it was.
fn earlier_moment_of(truth: &[Expected], agent: &Agent, seen: &mut [usize]) {
    if !agent.buffer().exists() {
        return;
    }
    let connection = rusqlite::Connection::open(agent.buffer()).unwrap();
    let verdict: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    drop(connection);
    for session in buffer_sessions(agent) {
        let at = truth
            .iter()
            .position(|true_one| {
                (&true_one.dossier, &true_one.date_production)
                    == (&session.dossier, &session.date_production)
            })
            .expect("no session that the files do not hold");
        let count = session.pieces.len();
        assert_eq!(session.pieces, truth[at].pieces[..count], "a beginning of the true session");
        assert!(count >= seen[at], "{count} pieces where {} were committed", seen[at]);
        seen[at] = count;
    }
}

// 2. Reading is incremental and checked.

#[test]
fn invariant_2_nothing_is_taken_behind_the_last_line_end_of_a_growing_file() {
    let server = Vsftpd::start(Options::default());
    let folder = Folder::served_by(&server);
    let agent = Agent::on_ftp(&server).with("schedule.file_quiet", "1h");
    server.put(LOG, format!("{}20250603 05:01:00|@StukUitgev", piece(0, 1)).as_bytes());
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1"]);
    folder.append(LOG, b"oerd: 2\r");
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1"]);
    folder.append(LOG, b"\n");
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1", "2"]);
}

#[test]
fn invariant_2_a_growing_file_is_resumed_where_the_last_reading_ended() {
    let server = Vsftpd::start(Options::default());
    let folder = Folder::served_by(&server);
    let agent = Agent::on_ftp(&server);
    let mut log: String = (0..50).map(|minute| piece(minute, minute + 1)).collect();
    server.put(LOG, log.as_bytes());
    agent.once();
    for minute in 50..54 {
        log += &piece(minute, minute + 1);
        folder.append(LOG, piece(minute, minute + 1).as_bytes());
        agent.once();
    }
    let numbers: Vec<String> = (1..=54).map(|number| number.to_string()).collect();
    assert_eq!(pieces(&buffer_sessions(&agent)), numbers);
}

/// An agent on a scripted server that holds a log of 50 pieces.
fn scripted(script: Script) -> (Agent, ScriptedFtp) {
    let log: String = (0..50).map(|minute| piece(minute, minute + 1)).collect();
    let server = ScriptedFtp::start(script.file("DEM12 (PVC)", "20250603.LOG", log.as_bytes()));
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.map_folders(0, &[("DEM12 (PVC)", "DEM12")]);
    (agent, server)
}

/// The machine appends two more pieces; returns the size before.
fn grow(server: &ScriptedFtp) -> usize {
    let mut script = server.script();
    let folder = script.tree.get_mut(&b"DEM12 (PVC)"[..]).unwrap();
    let file = folder.get_mut(&b"20250603.LOG"[..]).unwrap();
    let before = file.len();
    file.extend_from_slice((piece(50, 51) + &piece(51, 52)).as_bytes());
    before
}

#[test]
fn invariant_2_a_resumed_reading_asks_for_the_end_of_the_file_only() {
    let (agent, server) = scripted(Script::default());
    agent.once().succeeded();
    let asked_before = server.commands().len();
    let size_before = grow(&server);
    agent.once().succeeded();
    let commands = server.commands().split_off(asked_before);
    let offsets: Vec<usize> = commands
        .iter()
        .filter_map(|line| line.strip_prefix("REST ")?.trim().parse().ok())
        .collect();
    let [offset] = offsets.as_slice() else { panic!("one REST: {commands:?}") };
    assert!(*offset <= size_before, "with an overlap: {offset} of {size_before}");
    assert!(size_before - offset <= 1024, "the overlap is short: {offset} of {size_before}");
    assert_eq!(pieces(&buffer_sessions(&agent)).len(), 52);
}

#[test]
fn invariant_2_a_server_that_cannot_resume_is_read_from_the_beginning_and_nothing_doubles() {
    let (agent, server) = scripted(Script::default().answer("REST", "502 not here"));
    agent.once().succeeded();
    grow(&server);
    agent.once().succeeded();
    let numbers: Vec<String> = (1..=52).map(|number| number.to_string()).collect();
    assert_eq!(pieces(&buffer_sessions(&agent)), numbers);
}

#[test]
fn invariant_2_a_transfer_that_breaks_off_is_not_taken_for_the_whole_file() {
    let (agent, server) =
        scripted(Script { cut: Some((1000, "426 gone".into())), ..Script::default() });
    let output = agent.once();
    assert_ne!(output.code, 0, "{output}");
    server.script().cut = None;
    agent.once().succeeded();
    assert_eq!(pieces(&buffer_sessions(&agent)).len(), 50);
}

#[test]
fn invariant_2_a_file_rewritten_with_another_beginning_is_read_anew() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    folder.put(LOG, (piece(0, 1) + &piece(1, 2)).as_bytes());
    agent.once();
    // Longer than before, other bytes where the last reading ended: not a continuation.
    folder.put(LOG, (piece(2, 3) + &piece(3, 4) + &piece(4, 5)).as_bytes());
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1", "2", "3", "4", "5"]);
}

#[test]
fn invariant_2_a_file_rewritten_at_the_same_length_is_noticed_at_its_next_growth() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    folder.put(LOG, (piece(0, 1) + &piece(1, 2)).as_bytes());
    agent.once();
    folder.put(LOG, (piece(2, 3) + &piece(3, 4)).as_bytes());
    agent.once();
    folder.append(LOG, piece(4, 5).as_bytes());
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1", "2", "3", "4", "5"]);
}

#[test]
fn invariant_2_a_file_that_shrank_is_read_anew_and_costs_nothing_that_was_read() {
    let server = Vsftpd::start(Options::default());
    let folder = Folder::served_by(&server);
    let agent = Agent::on_ftp(&server);
    server.put(LOG, (piece(0, 1) + &piece(1, 2) + &piece(2, 3)).as_bytes());
    agent.once();
    server.put(LOG, piece(9, 4).as_bytes());
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1", "2", "3", "4"]);
    folder.append(LOG, piece(10, 5).as_bytes());
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1", "2", "3", "4", "5"]);
}

#[test]
fn invariant_2_a_file_rewritten_from_zero_with_the_same_first_lines_is_not_counted_twice() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    folder.put(LOG, (piece(0, 1) + &piece(1, 2)).as_bytes());
    agent.once();
    folder.put(LOG, piece(0, 1).as_bytes());
    agent.once();
    folder.put(LOG, (piece(0, 1) + &piece(1, 2) + &piece(2, 3)).as_bytes());
    agent.once();
    assert_eq!(pieces(&buffer_sessions(&agent)), ["1", "2", "3"]);
}

// 3. Reading the same bytes again, split, renamed, sent twice, in any order: same sessions.

#[test]
fn invariant_3_the_same_bytes_again_under_any_name_change_nothing() {
    let case = golden::case("dirty");
    let truth = truth(&case);
    let server = Vsftpd::start(Options::default());
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database);
    for (number, file) in case.files.iter().enumerate() {
        server.put(format!("{}/{}", file.folder, file.name), &file.bytes);
        server.put(format!("{}/copie {number}.log", file.folder), &file.bytes);
    }
    agent.once().succeeded();
    assert_same("each file twice", &central_sessions(&database), &truth);
    let before = revisions(&database);
    for (number, file) in case.files.iter().enumerate() {
        // Sent again over itself, and once more under a third name.
        server.put(format!("{}/{}", file.folder, file.name), &file.bytes);
        server.put(format!("{}/~{number}.Log", file.folder), &file.bytes);
    }
    agent.once().succeeded();
    assert_same("each file three times", &central_sessions(&database), &truth);
    let unchanged: Vec<_> = revisions(&database).into_iter().map(|(key, _)| key).collect();
    assert_eq!(unchanged, before.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
}

#[test]
fn invariant_3_the_order_in_which_files_arrive_changes_nothing() {
    let case = golden::case("dirty");
    let truth = truth(&case);
    for reversed in [false, true] {
        let folder = Folder::of_three_machines();
        let agent = Agent::on_directory(folder.path());
        let mut files = case.files.clone();
        if reversed {
            files.reverse();
        }
        for file in &files {
            folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
            agent.once().succeeded();
        }
        assert_same("one file a reading", &buffer_sessions(&agent), &truth);
    }
}

#[test]
fn invariant_3_a_buffer_that_was_lost_is_rebuilt_from_the_server_and_central_stays_equal() {
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    agent.lose_buffer();
    agent.once().succeeded();
    assert_same("central", &central_sessions(&database), &truth(&case));
    assert_same("the buffer", &buffer_sessions(&agent), &truth(&case));
    assert_eq!(agent.status_number("pending_sessions"), 0);
}

// 4. Sync is idempotent and self-correcting.

fn revisions(database: &Database<'_>) -> Vec<((String, String), Option<i64>)> {
    central_rows(database)
        .into_iter()
        .map(|row| ((row.session.dossier, row.session.date_production), row.revision))
        .collect()
}

/// Which version of each row stands in central: PostgreSQL's own number of the transaction that
/// wrote it.
fn row_versions(database: &Database<'_>) -> String {
    let parts = [
        "session_production",
        "piece_production",
        "periode_attente",
        "periode_arret",
        "job_profil",
    ]
    .map(|table| format!("SELECT '{table}' t, id, xmin::text v FROM {table}"))
    .join(" UNION ALL ");
    database.psql(&format!("SELECT string_agg(t || id || v, ',' ORDER BY t, id) FROM ({parts}) x"))
}

#[test]
fn invariant_4_syncing_what_is_synced_writes_nothing() {
    let folder = Folder::of_case(&golden::case("clean"));
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let before = row_versions(&database);
    agent.once().succeeded();
    agent.once().succeeded();
    assert_eq!(row_versions(&database), before, "no row was written again");
}

#[test]
fn invariant_4_a_grown_day_writes_only_what_is_new() {
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    folder.put(LOG, (piece(0, 1) + &piece(1, 2)).as_bytes());
    agent.once();
    let versions = "SELECT string_agg(xmin::text, ',' ORDER BY numero_piece) \
                    FROM piece_production WHERE numero_piece <= 2";
    let before = database.psql(versions);
    folder.append(LOG, piece(2, 3).as_bytes());
    agent.once();
    assert_eq!(pieces(&central_sessions(&database)), ["1", "2", "3"]);
    assert_eq!(database.psql(versions), before, "the rows that central had were left alone");
}

#[test]
fn invariant_4_central_restored_from_an_older_backup_is_sent_what_it_lost() {
    let case = golden::case("clean");
    let (first, second): (Vec<_>, Vec<_>) =
        case.files.iter().partition(|file| file.name == "20250526.LOG");
    let folder = Folder::of_three_machines();
    for file in first {
        folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
    }
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    back_up(&database);
    for file in second {
        folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
    }
    folder.append("DEM12 (PVC)/20250526.LOG", b"20250526 23:00:00|@StukUitgevoerd: tard\n");
    agent.once().succeeded();
    let whole = central_sessions(&database);
    assert_eq!(whole.len(), 6);
    restore(&database);
    assert_eq!(central_sessions(&database).len(), 3, "the backup is older");
    agent.once().succeeded();
    assert_same("central after the restore", &central_sessions(&database), &whole);
}

fn back_up(database: &Database<'_>) {
    let name = &database.name;
    let copy = format!("CREATE DATABASE {name}_backup TEMPLATE {name}");
    database.cluster.try_psql("postgres", &copy).unwrap();
}

fn restore(database: &Database<'_>) {
    let name = &database.name;
    for step in [
        format!("DROP DATABASE {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} TEMPLATE {name}_backup"),
    ] {
        database.cluster.try_psql("postgres", &step).unwrap();
    }
}

#[test]
fn invariant_4_rows_deleted_by_hand_in_central_come_back() {
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    database.psql("DELETE FROM piece_production WHERE numero_piece % 7 = 0");
    database.psql("DELETE FROM periode_arret");
    agent.once().succeeded();
    assert_same("central after the repair", &central_sessions(&database), &truth(&case));
    database.psql(
        "DELETE FROM piece_production; DELETE FROM periode_attente; DELETE FROM periode_arret; \
         DELETE FROM job_profil; DELETE FROM session_production",
    );
    agent.once().succeeded();
    assert_same("central after the second repair", &central_sessions(&database), &truth(&case));
}

#[test]
fn invariant_4_a_line_that_arrives_late_moves_the_numbers_behind_it_in_central_too() {
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    folder.put(LOG, (piece(0, 1) + &piece(2, 3)).as_bytes());
    agent.once();
    // A line in between moves the numbers of those behind it.
    folder.append(LOG, piece(1, 2).as_bytes());
    agent.once();
    assert_eq!(pieces(&central_sessions(&database)), ["1", "2", "3"]);
    assert_same("central is the buffer", &central_sessions(&database), &buffer_sessions(&agent));
}
