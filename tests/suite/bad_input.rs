//! The table of bad input: what is wrong, where, and what it gets. Each row on the real binary.

use std::{fs, time::Duration};

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Script, ScriptedFtp, Vsftpd},
    golden,
    net::free_port,
    postgres::Database,
    process::Output,
    rows::{assert_same, buffer_sessions, central_sessions, truth},
    wait,
};

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";

/// A port of the loopback that nothing listens on.
fn closed_port() -> i64 {
    i64::from(free_port())
}

/// An agent on a good directory source and an FTP source that a test then breaks.
fn agent_on_good_folder_and_ftp(folder: &Folder, server: &Vsftpd) -> (Agent, String) {
    let mut agent = Agent::on_directory(folder.path());
    agent.map_folders(0, &[("DEM12 (PVC)", "DEM12")]);
    let ftp = agent.add_ftp("atelier", &server.config());
    agent.map_folders(1, &[("SU12 (HYBRIDE)", "SU12")]);
    (agent, ftp)
}

/// The broken source is told by `words`; what the good one holds arrives all the same.
fn the_rest_went_on(agent: &Agent, output: Output, words: &[&str]) {
    let output = output.exited(3);
    let told = words.iter().fold(output, |output, word| output.says(word));
    told.does_not_say("sesame");
    let machines: Vec<String> =
        buffer_sessions(agent).into_iter().map(|session| session.dossier).collect();
    assert_eq!(machines, ["DEM12"], "the good source was read");
}

#[test]
fn a_wrong_ftp_password_names_its_key_and_the_other_source_is_read() {
    let (folder, server) = (Folder::of_three_machines(), Vsftpd::start(Options::default()));
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let (mut agent, ftp) = agent_on_good_folder_and_ftp(&folder, &server);
    let wrong = agent.secret("wrong.password", "sesame-ouvre-toi");
    agent.set(&format!("{ftp}.password_file"), wrong.to_str().unwrap());
    the_rest_went_on(&agent, agent.once(), &["atelier", "password_file", server.user()]);
}

#[test]
fn a_wrong_ftp_port_names_its_key_and_the_other_source_is_read() {
    let (folder, server) = (Folder::of_three_machines(), Vsftpd::start(Options::default()));
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let (mut agent, ftp) = agent_on_good_folder_and_ftp(&folder, &server);
    let port = closed_port();
    agent.set(&format!("{ftp}.port"), port);
    the_rest_went_on(&agent, agent.once(), &["atelier", "port", &port.to_string()]);
}

#[test]
fn a_wrong_ftp_host_names_its_key_and_the_other_source_is_read() {
    let (folder, server) = (Folder::of_three_machines(), Vsftpd::start(Options::default()));
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let (mut agent, ftp) = agent_on_good_folder_and_ftp(&folder, &server);
    agent.set(&format!("{ftp}.host"), "machine.invalid");
    the_rest_went_on(&agent, agent.once(), &["atelier", "host", "machine.invalid"]);
}

#[test]
fn an_ftp_source_that_comes_back_is_read_without_a_restart() {
    let mut server = Vsftpd::start(Options::default());
    Folder::served_by(&server).make_three_machines();
    server.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    let agent = Agent::on_ftp(&server);
    server.stop();
    let running = agent.run();
    running.wait_for_line("127.0.0.1");
    server.restart();
    wait::until("the session arrives", wait::PATIENCE, || agent.status_number("sessions") == 1);
    let (output, _) = running.terminate();
    output.succeeded();
}

/// Central cannot be used: what is wrong is told with the key, collecting goes on, the exit code
/// tells that something waits.
fn central_is_told(break_it: impl FnOnce(&mut Agent), words: &[&str]) {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let database = Database::fresh();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    break_it(&mut agent);
    let output = agent.once().exited(3).does_not_say("sesame");
    words.iter().fold(output, |output, word| output.says(word));
    assert_eq!(agent.status_number("sessions"), 1);
    assert_eq!(agent.status_number("pending_sessions"), 1);
    // Put right, the backlog goes.
    agent.set_central(&database.config());
    agent.once().succeeded();
    assert_eq!(agent.status_number("pending_sessions"), 0);
    assert_eq!(central_sessions(&database).len(), 1);
}

#[test]
fn a_wrong_central_password_names_its_key_and_the_session_waits() {
    central_is_told(
        |agent| {
            let wrong = agent.secret("wrong.password", "sesame-ouvre-toi");
            agent.set("central.password_file", wrong.to_str().unwrap());
        },
        &["central", "password_file"],
    );
}

#[test]
fn a_wrong_central_port_names_its_key_and_the_session_waits() {
    central_is_told(|agent| agent.set("central.port", closed_port()), &["central", "port"]);
}

#[test]
fn a_wrong_central_host_names_its_key_and_the_session_waits() {
    central_is_told(|agent| agent.set("central.host", "central.invalid"), &["host", "invalid"]);
}

#[test]
fn a_wrong_central_database_names_its_key_and_the_session_waits() {
    central_is_told(
        |agent| agent.set("central.database", "nulle_part"),
        &["database", "nulle_part"],
    );
}

#[test]
fn a_wrong_central_user_names_its_key_and_the_session_waits() {
    central_is_told(|agent| agent.set("central.user", "personne"), &["user", "personne"]);
}

#[test]
fn a_central_without_tls_is_refused_where_tls_is_asked_for() {
    central_is_told(|agent| agent.set("central.tls", "verify-full"), &["central", "tls"]);
}

#[test]
fn a_central_that_stays_down_is_told_once_and_not_at_every_try() {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let database = Database::fresh();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    let port = closed_port();
    agent.set("central.port", port);
    let running = agent.run();
    let told = running.wait_for_line(&port.to_string());
    // Three more readings, each with its own try at most.
    for number in 4..7 {
        folder.append(
            "DEM12 (PVC)/20250603.LOG",
            format!("20250603 05:0{number}:00|@StukUitgevoerd: 1 A\n").as_bytes(),
        );
        wait::until("the line is read", wait::PATIENCE, || {
            let sessions = buffer_sessions(&agent);
            sessions.first().is_some_and(|session| session.total_pieces == number - 2)
        });
    }
    let log = running.log();
    let warned = log.lines().filter(|line| line.contains(&port.to_string())).count();
    assert_eq!(warned, 1, "one line when the link goes down: {told}\n{log}");
}

#[test]
fn a_missing_mapped_folder_is_a_warning_and_the_others_go_on() {
    let server = Vsftpd::start(Options::default());
    server.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    server.make_folder("DEM12 (PVC)");
    let agent = Agent::on_ftp(&server);
    let output = agent.once().exited(3).says("DEMALU (ALU)");
    assert!(
        output.stderr.lines().any(|line| line.contains("WARN") && line.contains("DEMALU (ALU)")),
        "a warning names the folder\n{output}"
    );
    assert_eq!(agent.status_number("sessions"), 1);
}

#[test]
fn a_folder_without_logs_and_a_folder_nobody_mapped_are_no_failure() {
    let server = Vsftpd::start(Options::default());
    Folder::served_by(&server).make_three_machines();
    server.put("Ancienne scie/20250603.LOG", PIECE);
    server.put("DEM12 (PVC)/lisez-moi.txt", PIECE);
    let agent = Agent::on_ftp(&server);
    agent.once().succeeded().says("Ancienne scie");
    assert_eq!(agent.status_number("sessions"), 0);
}

#[test]
fn an_empty_folder_that_the_server_answers_with_550_is_no_failure() {
    let script =
        Script::default().folder("DEM12 (PVC)").file("SU12 (HYBRIDE)", "20250603.LOG", PIECE);
    let server = ScriptedFtp::start(Script { empty_is_refused: true, ..script });
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.map_folders(0, &[("DEM12 (PVC)", "DEM12"), ("SU12 (HYBRIDE)", "SU12")]);
    agent.once().succeeded();
    assert_eq!(agent.status_number("sessions"), 1);
}

#[test]
fn files_that_are_empty_or_all_noise_are_counted_and_shown_and_noise_is_no_success() {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", b"");
    folder.put("DEMALU (ALU)/20250603.LOG", &[0; 4096]);
    folder.put("SU12 (HYBRIDE)/20250603.LOG", b"no line\nof this\nis one\n");
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().exited(3).says("none of its lines could be read");
    assert_eq!(agent.status_number("sessions"), 0);
    assert_eq!(agent.status_number("refused_files"), 0);
    let status = agent.command(&["status"]).succeeded();
    let line = status
        .stdout
        .lines()
        .find(|line| line.contains("SU12 (HYBRIDE)/20250603.LOG"))
        .unwrap_or_else(|| panic!("status shows no line for the file\n{status}"));
    assert!(line.contains('3'), "three rejects are shown: {line}");
}

#[test]
fn a_file_above_max_file_size_is_refused_with_the_figure_and_others_go_on() {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", &PIECE.repeat(100));
    folder.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    let mut agent = Agent::on_directory(folder.path());
    agent.set("source.0.max_file_size", "2KiB");
    agent.once().exited(3).says("DEM12 (PVC)/20250603.LOG").says("max_file_size");
    assert_eq!(agent.status_number("sessions"), 1);
    assert_eq!(agent.status_number("refused_files"), 1);
    agent
        .command(&["status"])
        .says("DEM12 (PVC)/20250603.LOG")
        .says(&(PIECE.len() * 100).to_string());
    // A higher limit takes it in.
    agent.set("source.0.max_file_size", "1MiB");
    agent.once().succeeded();
    assert_eq!(agent.status_number("sessions"), 2);
    assert_eq!(agent.status_number("refused_files"), 0);
}

#[test]
fn a_line_of_100_mb_without_an_end_costs_bounded_memory_and_one_reject() {
    let folder = Folder::of_three_machines();
    let mut bytes = PIECE.to_vec();
    bytes.resize(100 << 20, b'x');
    folder.put("DEM12 (PVC)/20250603.LOG", &bytes);
    folder.append("DEM12 (PVC)/20250603.LOG", b"\n20250603 05:01:00|@StukUitgevoerd: 2 B\n");
    drop(bytes);
    let mut agent = Agent::on_directory(folder.path());
    agent.set("source.0.max_file_size", "256MiB");
    agent.command(&["check"]).says("may need").says("MiB of memory");
    let mut running = agent.start(&["once"]);
    let mut peak_kib = 0;
    while running.is_running() {
        // Gone between the question and the reading: the last figure stands.
        let status = fs::read_to_string(format!("/proc/{}/status", running.id()));
        let peak = status.ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        });
        peak_kib = peak.unwrap_or(peak_kib);
        std::thread::park_timeout(Duration::from_millis(2));
    }
    running.output(wait::PATIENCE).succeeded();
    let session = &buffer_sessions(&agent)[0];
    assert_eq!(session.pieces.len(), 2, "the lines around it count");
    assert!(peak_kib < 64 << 10, "peak memory {} MiB", peak_kib >> 10);
}

#[test]
fn texts_longer_than_centrals_columns_and_with_control_characters_never_stick() {
    let folder = Folder::of_three_machines();
    let long = "x".repeat(10_000);
    let log = format!(
        "20250603 05:00:00|@StukUitgevoerd: {long}\n\
         20250603 05:01:00|@StukUitgevoerd: a\u{0}b\u{1}c\u{7f}\n\
         20250603 05:02:00|@JobProfiel: R:{long} L:6000 C:{long}\n"
    );
    folder.put("DEM12 (PVC)/20250603.LOG", log.as_bytes());
    folder.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let sessions = central_sessions(&database);
    assert_same("central is the buffer", &sessions, &buffer_sessions(&agent));
    let session = &sessions[0];
    assert_eq!(session.pieces[0].1, long, "piece details are TEXT and kept whole");
    assert_eq!(session.pieces[1].1, "ab\u{1}c\u{7f}", "NUL bytes are removed, the rest is kept");
    let (_, reference, _, colour) = &session.jobs[0];
    assert_eq!((reference.len(), colour.len()), (50, 50), "cut at the column's width");
    assert_eq!(agent.status_number("pending_sessions"), 0);
}

#[test]
fn the_years_1_and_9999_reach_central_or_are_set_aside_and_the_others_go_on() {
    let folder = Folder::of_three_machines();
    folder.put(
        "DEM12 (PVC)/20250603.LOG",
        b"00010101 00:00:00|@StukUitgevoerd: 1\n\
          99991231 23:00:00|@StukUitgevoerd: 2\n\
          99991231 23:59:59|@MachineWait: 7200 sec\n\
          20250603 05:00:00|@StukUitgevoerd: 3\n",
    );
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    let output = agent.once();
    assert!([0, 3].contains(&output.code), "{output}");
    let held = agent.status_number("pending_sessions");
    let sessions = central_sessions(&database);
    assert_eq!(sessions.len() as i64 + held, 3, "delivered or set aside");
    assert!(sessions.iter().any(|session| session.date_production == "2025-06-03"));
    if held > 0 {
        agent.command(&["status"]).says("quarantined");
    }
}

#[test]
fn a_source_name_longer_than_its_column_is_cut() {
    let folder = Folder::of_three_machines();
    for number in 0..12 {
        folder.put(&format!("DEM12 (PVC)/un nom de fichier bien long {number:02}.LOG"), PIECE);
    }
    let database = Database::fresh();
    Agent::on_directory(folder.path()).central(&database).once().succeeded();
    let length = database.psql("SELECT length(fichier_log_source) FROM session_production");
    assert_eq!(length.trim(), "255");
}

/// Refused at start: exit code 2, before anything is read or written.
fn refused(break_it: impl FnOnce(&mut Agent), words: &[&str]) {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let mut agent = Agent::on_directory(folder.path());
    break_it(&mut agent);
    for command in [&["once"][..], &["run"], &["check"]] {
        let output = agent.command(command).exited(2).says("config.toml");
        words.iter().fold(output, |output, word| output.says(word));
    }
    assert!(!agent.buffer().exists(), "nothing was written");
}

#[test]
fn two_folders_mapped_to_one_nom_are_refused_at_start() {
    refused(
        |agent| {
            agent.map_folders(0, &[("DEM12 (PVC)", "DEM12"), ("DEM12 bis", "DEM12")]);
        },
        &["DEM12 (PVC)", "DEM12 bis", "nom"],
    );
}

#[test]
fn a_source_without_a_folder_is_refused_at_start() {
    refused(|agent| agent.map_folders(0, &[]), &["folders"]);
}

#[test]
fn no_source_at_all_is_refused_at_start() {
    refused(|agent| agent.unset("source"), &["source"]);
}

#[test]
fn an_unknown_key_is_refused_by_name_with_what_is_accepted() {
    refused(|agent| agent.set("schedule.pol", "5m"), &["schedule.pol", "poll"]);
}

#[test]
fn a_bad_duration_is_refused_with_the_value_and_what_is_accepted() {
    refused(
        |agent| agent.set("schedule.poll", "five minutes"),
        &["schedule.poll", "five minutes", "24h"],
    );
}

#[test]
fn several_mistakes_are_told_at_once_each_with_its_line() {
    refused(
        |agent| {
            agent.set("schedule.poll", "soon");
            agent.set("agent.log_level", "loud");
            agent.set("source.0.delete", "sometimes");
        },
        &["soon", "loud", "sometimes", "after-sync", "config.toml:"],
    );
}

#[test]
fn a_password_file_that_others_can_read_is_a_warning() {
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    let file = agent.dir().join("central.password");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    agent.once().succeeded().says("central.password").says("chmod");
}

#[test]
fn one_bad_machine_does_not_keep_the_golden_days_of_the_others_back() {
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    folder.put("DEM12 (PVC)/99999999.LOG", &[b'x'; 3 << 20]);
    let database = Database::fresh();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.set("source.0.max_file_size", "1MiB");
    agent.once().exited(3).says("99999999.LOG");
    assert_same("central", &central_sessions(&database), &truth(&case));
}
