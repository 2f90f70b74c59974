//! FTP when things break: cut, silent, refused and closing connections, at every place.

use std::time::{Duration, Instant};

use cu_agent::{
    config::FtpConfig,
    source::{Source, SourceError, ftp::FtpSource},
};

use crate::support::ftp::{
    Script, ScriptedFtp,
    reading::{chain, names, read},
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";
const BYTES: &[u8] = b"20250603 05:08:54|@StukUitgevoerd: 1\n20250603 05:09:54|@MachineStop\n";

fn one_log() -> Script {
    Script::default().file(FOLDER, LOG, BYTES)
}

fn start(script: Script) -> (ScriptedFtp, FtpSource) {
    let server = ScriptedFtp::start(script);
    let source = FtpSource::new(server.config());
    (server, source)
}

#[test]
fn ftp_a_transfer_that_was_cut_is_never_taken_for_whole() {
    let big: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let script = Script::default().file(FOLDER, LOG, &big);
    let answers = [
        "426 cut",
        "451 local error",
        "425 no",
        "552 odd",
        "550 gone",
        "426-a\r\n426 b",
        "426 cut\r\n226 closed",
        "",
    ];
    for answer in answers {
        for length in [0, 1, 65_536, 399_999, 400_000] {
            let (server, mut source) = start(script.clone());
            server.script().cut = Some((length, answer.to_owned()));
            let error = read(&mut source, FOLDER, LOG, 0).unwrap_err();
            assert!(matches!(error, SourceError::Transfer { .. }), "{answer} {length}: {error:?}");
            assert!(error.concerns_one_file());
            server.script().cut = None;
            assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), big, "{answer} {length}");
        }
    }
}

#[test]
fn ftp_a_refused_file_stops_no_other_and_costs_no_connection() {
    for answer in ["450 locked", "550 no", "553 no", "450-locked\r\n by the machine\r\n450 later"] {
        let script = one_log().file(FOLDER, "b.LOG", b"b").answer(&format!("RETR {LOG}"), answer);
        let (server, mut source) = start(script);
        let error = read(&mut source, FOLDER, LOG, 0).unwrap_err();
        assert!(matches!(error, SourceError::FileRefused { .. }), "{answer}: {error}");
        assert_eq!(read(&mut source, FOLDER, "b.LOG", 0).unwrap(), b"b", "{answer}");
        assert_eq!(server.connections(), 1, "{answer}");
    }
}

#[test]
fn ftp_a_421_between_two_calls_is_not_noticed_and_a_421_at_any_command_loses_nothing() {
    for number in 1..=20 {
        let (server, mut source) = start(one_log());
        source.list(FOLDER).unwrap();
        let spoken = server.commands().len();
        server.script().hang_up_at = Some(spoken + 1);
        // The new connection is cut at the same place, which is behind what one call needs.
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
        drop(source);
        server.script().hang_up_at = Some(number);
        let mut source = FtpSource::new(server.config());
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            match read(&mut source, FOLDER, LOG, 3) {
                Ok(bytes) => assert_eq!(bytes, BYTES[3..], "{number}"),
                Err(error) => {
                    assert!(!matches!(error, SourceError::Login { .. }), "{number}: {error}");
                    outcomes.push(error);
                }
            }
        }
        server.script().hang_up_at = None;
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{number} {outcomes:?}");
    }
}

#[test]
fn ftp_a_server_that_closed_an_idle_connection_is_not_noticed() {
    let (server, mut source) = start(Script { one_connection: true, ..one_log() });
    for round in 1..=3 {
        source.list(FOLDER).unwrap();
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
        assert_eq!(server.connections(), round);
        server.end_connections();
    }
}

#[test]
fn ftp_silence_at_any_command_ends_within_the_time_allowed() {
    let verbs =
        ["USER", "PASS", "FEAT", "TYPE", "PWD", "CWD", "EPSV", "MLSD", "SIZE", "RETR", "DELE"];
    for verb in verbs {
        let server = ScriptedFtp::start(one_log());
        let config = FtpConfig { read_timeout: Duration::from_millis(150), ..server.config() };
        let mut source = FtpSource::new(config);
        server.script().silent_at = Some(verb.into());
        let began = Instant::now();
        let mut errors = 0;
        errors += u32::from(source.list(FOLDER).is_err());
        errors += u32::from(source.size(FOLDER, LOG).is_err());
        errors += u32::from(read(&mut source, FOLDER, LOG, 0).is_err());
        errors += u32::from(source.delete(FOLDER, LOG).is_err());
        assert!(errors > 0, "{verb}");
        assert!(began.elapsed() < Duration::from_secs(5), "{verb} took {:?}", began.elapsed());
        server.script().silent_at = None;
        if verb == "DELE" {
            assert_eq!(server.count("DELE"), 1, "a deletion is never sent twice");
        }
        source.list(FOLDER).unwrap_or_else(|error| panic!("{verb}: {}", chain(&error)));
    }
}

#[test]
fn ftp_a_silent_greeting_and_a_silent_data_connection_end_within_the_time_allowed() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let server = ScriptedFtp::start(one_log().answer("EPSV", &format!("229 there (|||{port}|)")));
    let short =
        |port| FtpConfig { port, read_timeout: Duration::from_millis(150), ..server.config() };
    let began = Instant::now();
    let error = FtpSource::new(short(port)).folders().unwrap_err();
    assert!(matches!(error, SourceError::Connect { .. }), "{error}");
    assert!(chain(&error).contains("no answer"), "{}", chain(&error));
    // Here the server says 150, and its data never come: it waits for another port.
    server.script().answers.insert("RETR".into(), "150 here it comes".into());
    let error = read(&mut FtpSource::new(short(server.port())), FOLDER, LOG, 0).unwrap_err();
    assert!(matches!(error, SourceError::Transfer { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn ftp_a_deletion_counts_only_when_the_server_says_done() {
    for answer in ["550 no", "450 locked", "226 what?", "150 what?", "500 what?"] {
        let (server, mut source) = start(one_log().answer("DELE", answer));
        let error = source.delete(FOLDER, LOG).unwrap_err();
        assert!(matches!(error, SourceError::FileRefused { .. }), "{answer}: {error}");
        server.script().answers.clear();
        source.delete(FOLDER, LOG).unwrap();
        assert!(source.list(FOLDER).unwrap().entries.is_empty());
    }
}

#[test]
fn ftp_a_dialogue_cut_at_every_byte_never_gives_a_wrong_answer_and_is_taken_up_again() {
    for limit in 0.. {
        let (server, mut source) = start(one_log());
        server.script().control_bytes = Some(limit);
        let mut errors = 0;
        match source.list(FOLDER) {
            Ok(found) => assert_eq!(names(found.entries), [LOG], "{limit}"),
            Err(_) => errors += 1,
        }
        match read(&mut source, FOLDER, LOG, 5) {
            Ok(bytes) => assert_eq!(bytes, BYTES[5..], "{limit}"),
            Err(_) => errors += 1,
        }
        let is_there = |server: &ScriptedFtp| {
            server.script().tree[FOLDER.as_bytes()].contains_key(LOG.as_bytes())
        };
        match source.delete(FOLDER, LOG) {
            Ok(()) => assert!(!is_there(&server), "{limit}"),
            Err(_) => errors += 1,
        }
        assert!(server.count("DELE") <= 1, "{limit}");
        let is_whole = errors == 0 && server.connections() == 1;
        server.script().control_bytes = None;
        let found =
            source.list(FOLDER).unwrap_or_else(|error| panic!("{limit}: {}", chain(&error)));
        assert_eq!(!found.entries.is_empty(), is_there(&server), "{limit}");
        if is_whole {
            // All calls went through one connection, so every byte of it was tried.
            assert!(limit > 300, "the dialogue has {limit} bytes");
            break;
        }
    }
}

#[test]
fn ftp_an_answer_too_many_is_never_taken_for_the_answer_to_the_next_command() {
    let (server, mut source) = start(one_log());
    server.script().cut = Some((9, "426 cut\r\n226 and closed\r\n250 fine".into()));
    read(&mut source, FOLDER, LOG, 0).unwrap_err();
    server.script().answers.insert("DELE".into(), "550 no".into());
    let error = source.delete(FOLDER, LOG).unwrap_err();
    assert!(matches!(error, SourceError::FileRefused { .. }), "{error}");
}
