//! SFTP when things break, with real OpenSSH: restarts, cuts, silence, keys exchanged in mid-transfer; and
//! that one connection is enough.

use std::time::{Duration, Instant};

use cu_agent::{
    config::SftpConfig,
    source::{Source, SourceError, sftp::SftpSource},
};

use crate::support::{
    agent::Agent,
    ftp::reading::{chain, read},
    golden,
    postgres::Database,
    rows::{assert_same, central_sessions, truth},
    sftp::OpenSsh,
    wait,
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";
/// More than is on its way at once.
const BIG_BYTES: usize = 12 << 20;

fn with_big_file(options: &[&str]) -> (OpenSsh, Vec<u8>) {
    let server = OpenSsh::start(options);
    let big: Vec<u8> = (0..BIG_BYTES as u32 / 4).flat_map(u32::to_le_bytes).collect();
    server.put(format!("{FOLDER}/{LOG}"), &big);
    (server, big)
}

/// Begins to read the big file, lets `strike` happen, and reads on: the error, and how long it took.
fn struck(source: &mut SftpSource, strike: impl FnOnce()) -> (SourceError, Duration) {
    let mut transfer = source.open(FOLDER, LOG, 0).unwrap();
    let mut chunk = vec![0; 64 * 1024];
    assert!(transfer.read(&mut chunk).unwrap() > 0);
    strike();
    let began = Instant::now();
    let mut given = 0;
    loop {
        match transfer.read(&mut chunk) {
            Ok(0) => panic!("the file's end was reported after {given} bytes"),
            Ok(length) => given += length,
            Err(error) => return (error, began.elapsed()),
        }
    }
}

#[test]
fn sftp_keys_exchanged_in_mid_transfer_change_no_byte() {
    let (server, big) = with_big_file(&["RekeyLimit 1M"]);
    let mut source = SftpSource::new(server.config());
    assert!(read(&mut source, FOLDER, LOG, 0).unwrap() == big, "the bytes are others");
    server.wait_for_logged("SSH2_MSG_NEWKEYS received", 10);
    assert!(read(&mut source, FOLDER, LOG, 1 << 20).unwrap() == big[1 << 20..]);
    assert_eq!(server.log_ins(), 1);
}

#[test]
fn sftp_a_server_that_ends_in_mid_transfer_never_makes_a_file_whole_and_is_read_on_from() {
    let (mut server, big) = with_big_file(&[]);
    let mut source = SftpSource::new(server.config());
    let (error, _) = struck(&mut source, || server.cut());
    assert!(matches!(error, SourceError::Transfer { .. }), "cut: {error}");
    assert!(read(&mut source, FOLDER, LOG, 0).unwrap() == big, "after a cut");
    let (error, _) = struck(&mut source, || server.restart());
    assert!(matches!(error, SourceError::Transfer { .. }), "restart: {error}");
    assert!(read(&mut source, FOLDER, LOG, 0).unwrap() == big, "after a restart");
    let (error, _) = struck(&mut source, || server.stop());
    assert!(matches!(error, SourceError::Transfer { .. }), "stop: {error}");
    let error = source.list(FOLDER).unwrap_err();
    assert!(matches!(error, SourceError::Connect { .. }), "{error}");
}

#[test]
fn sftp_a_server_that_hangs_in_mid_transfer_ends_the_reading_within_its_time() {
    let (server, big) = with_big_file(&[]);
    let config = SftpConfig { read_timeout: Duration::from_millis(500), ..server.config() };
    let mut source = SftpSource::new(config);
    let (error, took) = struck(&mut source, || server.freeze());
    assert!(matches!(error, SourceError::Transfer { .. }), "{error}");
    assert!(chain(&error).contains("no answer"), "{}", chain(&error));
    assert!(took < Duration::from_secs(5), "{took:?}");
    // The hanging session is left alone; a new connection gets a new one.
    assert!(read(&mut source, FOLDER, LOG, 0).unwrap() == big);
}

#[test]
fn sftp_a_server_that_hangs_between_two_calls_costs_its_time_and_no_more() {
    let (server, _) = with_big_file(&[]);
    let config = SftpConfig { read_timeout: Duration::from_millis(500), ..server.config() };
    let mut source = SftpSource::new(config);
    source.list(FOLDER).unwrap();
    server.freeze();
    let began = Instant::now();
    // By the connection that hangs, and then by a new one.
    let listed = source.list(FOLDER).unwrap();
    assert_eq!(listed.entries.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn sftp_a_session_that_the_server_ended_between_two_calls_is_not_noticed() {
    let (server, _) = with_big_file(&[]);
    let mut source = SftpSource::new(server.config());
    for round in 1..=3 {
        source.list(FOLDER).unwrap();
        assert_eq!(read(&mut source, FOLDER, LOG, BIG_BYTES as u64 - 4).unwrap().len(), 4);
        server.wait_for_logged("Accepted ", round);
        assert_eq!(server.log_ins(), round);
        server.cut();
    }
    server.put(format!("{FOLDER}/other.LOG"), b"");
    source.delete(FOLDER, LOG).unwrap();
    assert!(!server.has(format!("{FOLDER}/{LOG}")));
}

#[test]
fn sftp_a_server_that_asks_whether_the_agent_lives_gets_an_answer_while_nothing_is_read() {
    let server = OpenSsh::start(&["ClientAliveInterval 1", "ClientAliveCountMax 2"]);
    server.put(format!("{FOLDER}/{LOG}"), b"line\n");
    let mut source = SftpSource::new(server.config());
    source.list(FOLDER).unwrap();
    // As the agent waits between two polls.
    server.wait_for_logged("for keepalive", 3);
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"line\n");
    assert_eq!(server.log_ins(), 1);
}

#[test]
fn sftp_one_session_is_enough_for_all_folders_and_is_kept_from_poll_to_poll() {
    let case = golden::case("clean");
    let server = OpenSsh::start(&["MaxSessions 1"]);
    server.make_three_machines();
    let database = Database::fresh();
    let mut agent = Agent::on_sftp(&server).central(&database);
    agent.set("schedule.poll", "1s");
    let running = agent.run();
    for file in &case.files {
        server.put(format!("{}/{}", file.folder, file.name), &file.bytes);
        let read = format!("{}/{}", file.folder, file.name);
        running.wait_for_line(&read);
    }
    let expected = truth(&case);
    wait::until("central holds the case", wait::PATIENCE, || {
        central_sessions(&database) == expected
    });
    running.terminate().0.succeeded();
    assert_same("clean", &central_sessions(&database), &expected);
    assert!(case.files.len() > 2, "several polls");
    assert_eq!(server.log_ins(), 1, "one connection for all");
}

#[test]
fn sftp_a_server_that_restarts_under_a_running_agent_costs_no_line() {
    let case = golden::case("clean");
    let mut server = OpenSsh::start(&[]);
    server.make_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_sftp(&server).central(&database);
    let running = agent.run();
    running.wait_for_line("link up");
    for part in [3, 2, 1] {
        for file in &case.files {
            let length = file.bytes.len() / part;
            server.put(format!("{}/{}", file.folder, file.name), &file.bytes[..length]);
        }
        server.restart();
    }
    let expected = truth(&case);
    wait::until("central holds the case", wait::PATIENCE, || {
        central_sessions(&database) == expected
    });
    running.terminate().0.succeeded();
}
