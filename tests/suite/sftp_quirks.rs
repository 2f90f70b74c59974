//! SFTP when connections break, drip, keep silent, and when several oddities meet: every call is over within
//! its bounds, a removal is asked for once, and the files are read exactly in the end.

use std::time::{Duration, Instant};

use cu_agent::source::{Source, SourceError};

use crate::support::{
    ftp::reading::{chain, names, read},
    sftp::scripted_source::{BYTES, FOLDER, LOG, LONGEST_CALL, SILENCE, hasty, one_log, start},
    sftp::{Deed, File, Form, Listing, Op, Script, ScriptedSftp, Strike, When, status},
    source_contract,
};

fn is_there(server: &ScriptedSftp) -> bool {
    server.script().tree[FOLDER.as_bytes()].contains_key(LOG.as_bytes())
}

#[test]
fn sftp_a_removal_counts_only_when_the_server_says_done_and_is_asked_for_once() {
    let refused = |code| Deed::Status(code, Some(b"no".to_vec()));
    let late = Deed::Late(SILENCE * 4);
    let table = [
        (refused(status::PERMISSION_DENIED), true),
        (refused(status::NO_SUCH_FILE), true),
        (refused(status::FAILURE), true),
        (refused(status::EOF), true),
        (Deed::Status(31, None), true),
        (Deed::DoneBut(status::FAILURE), false),
        (Deed::Packet(103, vec![0, 0, 0, 1, b'x']), true),
        (Deed::WrongId(1), false),
        (Deed::Silence, false),
        (Deed::Hang, true),
        (Deed::Chatter, true),
        (late, false),
        (Deed::CloseChannel, true),
        (Deed::EofChannel, true),
        (Deed::Cut, false),
        (Deed::CutBefore, true),
    ];
    for (deed, is_left) in table {
        let (server, mut source) = hasty(one_log());
        source.list(FOLDER).unwrap();
        server.script().rules =
            Script::default().rule(Op::Remove, When::Always, deed.clone()).rules;
        let began = Instant::now();
        let error = source.delete(FOLDER, LOG).expect_err(&format!("{deed:?}"));
        assert!(began.elapsed() < LONGEST_CALL, "{deed:?}: {:?}", began.elapsed());
        assert_eq!(server.count(Op::Remove), 1, "{deed:?}: {}", chain(&error));
        assert_eq!(is_there(&server), is_left, "{deed:?}");
        server.script().rules.clear();
        // What comes late is the answer to nothing.
        let found = source.list(FOLDER).unwrap();
        assert_eq!(!found.entries.is_empty(), is_left, "{deed:?}");
        assert_eq!(source.delete(FOLDER, LOG).is_ok(), is_left, "{deed:?}");
    }
}

#[test]
fn sftp_an_answer_that_came_before_its_question_is_never_taken_for_it() {
    // OK for the removal to come, sent with the answer before it.
    for op in [Op::Stat, Op::Readdir, Op::Close, Op::Open, Op::Read] {
        let refused = Deed::Status(status::PERMISSION_DENIED, None);
        let script = one_log().rule(op, When::Always, Deed::Foretold);
        let (server, mut source) = hasty(script.rule(Op::Remove, When::Always, refused));
        // Each may fail: an answer too many is against the rules.
        let _ = source.list(FOLDER);
        let _ = read(&mut source, FOLDER, LOG, 0);
        source.delete(FOLDER, LOG).unwrap_err();
        assert!(is_there(&server), "{op:?}");
    }
}

#[test]
fn sftp_a_file_that_changes_between_two_steps_is_given_as_it_is_or_as_it_was() {
    let other = b"20250603 06:00:00|@StukUitgevoerd: 2\n";
    let strikes = [
        Strike::Append(other.to_vec()),
        Strike::Truncate(10),
        Strike::Rewrite(other.to_vec()),
        Strike::Replace(other.to_vec()),
        Strike::Delete,
        Strike::RenameTo(b"old.LOG".to_vec()),
    ];
    for op in [Op::Open, Op::Fstat, Op::Read, Op::Close] {
        for strike in &strikes {
            let deed = Deed::Strike(strike.clone());
            let (server, mut source) = start(one_log().rule(op, When::Nth(1), deed));
            let what = format!("{op:?} {strike:?}");
            let (appended, cut) = ([BYTES, other].concat(), &BYTES[..10]);
            match read(&mut source, FOLDER, LOG, 0) {
                Ok(bytes) => {
                    let known: [&[u8]; 4] = [BYTES, &appended, cut, other];
                    assert!(known.contains(&bytes.as_slice()), "{what}: {bytes:?}");
                }
                Err(error) => assert!(
                    op == Op::Open && matches!(error, SourceError::FileRefused { .. }),
                    "{what}: {}",
                    chain(&error)
                ),
            }
            assert_eq!(server.connections(), 1, "{what}");
        }
    }
}

#[test]
fn sftp_a_channel_or_connection_that_ended_between_two_calls_is_not_noticed() {
    let (server, mut source) = start(one_log());
    for round in 1..=4 {
        assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG]);
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
        assert_eq!(server.connections(), round);
        if round % 2 == 0 { server.end_connections() } else { server.close_channels() }
    }
    // Nor by a removal, which is asked for once.
    source.delete(FOLDER, LOG).unwrap();
    assert_eq!((server.count(Op::Remove), is_there(&server)), (1, false));
    // A given back connection is closed on both sides.
    source.close();
    server.end_connections();
    assert!(source.list(FOLDER).unwrap().entries.is_empty());
}

#[test]
fn sftp_narrow_windows_small_packets_and_new_keys_in_mid_transfer_change_nothing() {
    let big: Vec<u8> = (0..150_000_u32).flat_map(u32::to_le_bytes).collect();
    let table = [
        ("a small window", Script { window: 64, ..Script::default() }),
        ("small packets", Script { window: 300, packet: 100, ..Script::default() }),
        ("new keys", Script { rekey_after: Some(60_000), ..Script::default() }),
        ("questions", Script { is_curious: true, ..Script::default() }),
    ];
    for (what, script) in table {
        let (server, mut source) = start(script.file(FOLDER, LOG, &big));
        for _ in 0..2 {
            source.list(FOLDER).unwrap();
            let bytes = read(&mut source, FOLDER, LOG, 5);
            let bytes = bytes.unwrap_or_else(|error| panic!("{what}: {}", chain(&error)));
            assert!(bytes == big[5..], "{what}");
        }
        assert_eq!(server.connections(), 1, "{what}");
    }
}

#[test]
fn sftp_lines_before_the_version_and_banners_are_passed_over_or_refused_within_bounds() {
    let lines = b"Welcome to the plant\r\nunauthorised use is forbidden\r\n";
    let (_server, mut source) = start(Script {
        lines_before: lines.to_vec(),
        banner: Some("Welcome\r\n".repeat(50)),
        ..one_log()
    });
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    let endless = Script { lines_before: b"Welcome\r\n".repeat(120_000), ..one_log() };
    let one_line = Script { lines_before: vec![b'x'; 1 << 20], ..one_log() };
    let banner = Script { banner: Some("x".repeat(1 << 20)), ..one_log() };
    for script in [endless, one_line, banner] {
        let (server, mut source) = hasty(script);
        let began = Instant::now();
        if let Ok(found) = source.list(FOLDER) {
            assert_eq!(names(found.entries), [LOG]);
        }
        assert!(began.elapsed() < LONGEST_CALL, "{:?}", began.elapsed());
        *server.script() = one_log();
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    }
}

#[test]
fn sftp_a_connection_cut_at_any_byte_never_gives_a_wrong_answer_and_is_taken_up_again() {
    let mut lengths = fastrand::Rng::with_seed(17);
    let mut limit = 0;
    loop {
        let (server, mut source) = start(one_log());
        server.script().wire_bytes = Some(limit);
        let mut errors = 0;
        let mut cut = |error: SourceError| {
            assert!(!matches!(error, SourceError::Login { .. }), "{limit}: {}", chain(&error));
            errors += 1;
        };
        match source.list(FOLDER) {
            Ok(found) => assert_eq!(names(found.entries), [LOG], "{limit}"),
            Err(error) => cut(error),
        }
        match read(&mut source, FOLDER, LOG, 5) {
            Ok(bytes) => assert_eq!(bytes, BYTES[5..], "{limit}"),
            Err(error) => cut(error),
        }
        match source.delete(FOLDER, LOG) {
            Ok(()) => assert!(!is_there(&server), "{limit}"),
            Err(error) => cut(error),
        }
        assert!(server.count(Op::Remove) <= 1, "{limit}");
        let is_whole = errors == 0 && server.connections() == 1;
        server.script().wire_bytes = None;
        let found =
            source.list(FOLDER).unwrap_or_else(|error| panic!("{limit}: {}", chain(&error)));
        assert_eq!(!found.entries.is_empty(), is_there(&server), "{limit}");
        if is_whole {
            // All calls went through one connection: each part of it was tried.
            assert!(limit > 1_500, "the dialogue has {limit} bytes");
            break;
        }
        limit += lengths.usize(20..90);
    }
}

#[test]
fn sftp_a_byte_now_and_then_holds_no_call_longer_than_its_bounds() {
    // From the greeting to behind the log-in.
    for after in [0, 10, 200, 500, 800, 1_000, 1_200, 1_400] {
        let (server, mut source) = hasty(Script { wire_drips_after: Some(after), ..one_log() });
        let at = after.to_string();
        let failures = source_contract::failures_within(LONGEST_CALL, &at, &mut source);
        assert!(failures > 0, "{after}");
        server.script().wire_drips_after = None;
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{after}");
    }
}

#[test]
fn sftp_silence_at_any_question_ends_within_the_time_allowed() {
    for op in [Op::Init, Op::Opendir, Op::Readdir, Op::Open, Op::Fstat, Op::Read, Op::Stat] {
        for deed in [Deed::Silence, Deed::Hang, Deed::Chatter] {
            let (server, mut source) = hasty(one_log());
            server.script().rules = Script::default().rule(op, When::Always, deed.clone()).rules;
            let began = Instant::now();
            let mut errors = 0;
            errors += u32::from(source.list(FOLDER).is_err());
            errors += u32::from(read(&mut source, FOLDER, LOG, 0).is_err());
            errors += u32::from(source.size(FOLDER, LOG).is_err());
            // A size that nobody says is none.
            assert!(errors > 0 || op == Op::Fstat, "{op:?} {deed:?}");
            assert!(began.elapsed() < LONGEST_CALL * 3, "{op:?} {deed:?} {:?}", began.elapsed());
            server.script().rules.clear();
            source.list(FOLDER).unwrap_or_else(|error| panic!("{op:?}: {}", chain(&error)));
        }
    }
}

#[test]
fn sftp_nothing_is_waited_for_behind_the_end_of_a_turn() {
    for op in [Op::Init, Op::Readdir] {
        let (server, mut source) = start(one_log().rule(op, When::Always, Deed::Hang));
        let began = Instant::now();
        source.allow_until(Some(began + Duration::from_millis(500)));
        source.list(FOLDER).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(3), "{op:?}: {:?}", began.elapsed());
        server.script().rules.clear();
        source.allow_until(None);
        assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG], "{op:?}");
    }
}

/// What is asked for before anything has come, less the part that shows the end.
const MOST_IN_ONE_ROUND: usize = 3 * 32 * 1024;

#[test]
fn sftp_sixty_small_files_take_two_round_trips_each_and_a_few() {
    let mut script = Script { round: Some(Duration::from_millis(25)), ..Script::default() };
    // From a line to a long day: some of more than one part of a reading.
    let mut random = fastrand::Rng::new();
    let files: Vec<Vec<u8>> =
        (0..60).map(|_| BYTES.repeat(random.usize(1..=MOST_IN_ONE_ROUND / BYTES.len()))).collect();
    for (number, file) in files.iter().enumerate() {
        script = script.file(FOLDER, format!("20250603_{number:02}.LOG"), file);
    }
    let (server, mut source) = start(script);
    source.folders().unwrap();
    assert_eq!(server.connections(), 1);
    server.forget_counts();
    let entries = source.list(FOLDER).unwrap().entries;
    assert_eq!(entries.len(), 60);
    for entry in entries {
        let number: usize = entry.name[9..11].parse().unwrap();
        let read = read(&mut source, FOLDER, &entry.name, 0).unwrap();
        assert!(read == files[number], "{}: {} bytes", entry.name, read.len());
    }
    let (rounds, bare) = (server.counts().rounds, 2 + 2 * 60);
    println!("{rounds} round trips, {bare} at least");
    assert!(rounds * 10 <= bare * 13, "{rounds} round trips where {bare} are needed");
    assert_eq!(server.connections(), 0, "the connection is kept");
}

/// Oddities that change nothing of what is true, some of them together.
fn drawn(random: &mut fastrand::Rng) -> Script {
    let mut some = || random.u8(..4) == 0;
    let (bare, banner, lines, narrow, keys) = (some(), some(), some(), some(), some());
    let (one_name, extended, links, questions) = (some(), some(), some(), some());
    let (overtaken, short, no_fstat, empty_handles) = (some(), some(), some(), some());
    let form = Form {
        permissions: !bare,
        times: !bare,
        extended: if extended { 2 } else { 0 },
        unknown_flags: if extended { 0x40 } else { 0 },
        ..Form::default()
    };
    let mut script = Script {
        banner: banner.then(|| "Welcome".to_owned()),
        lines_before: if lines { b"hello\r\n".to_vec() } else { Vec::new() },
        window: if narrow { 200 } else { 2 << 20 },
        rekey_after: keys.then_some(20_000),
        is_curious: questions,
        handle_bytes: if empty_handles { 0 } else { 8 },
        listing: Listing {
            per_answer: if one_name { 1 } else { 100 },
            dots: !one_name,
            form,
            ..Listing::default()
        },
        random: random.fork(),
        ..one_log().file(FOLDER, "20250604.LOG", &b"x".repeat(70_000))
    };
    if overtaken {
        script = script.rule(Op::Read, When::Chance(300), Deed::Overtaken);
        script = script.rule(Op::Readdir, When::Chance(300), Deed::Overtaken);
    }
    if short {
        script = script.rule(Op::Read, When::Chance(300), Deed::Short(1 + random.usize(..5_000)));
    }
    if no_fstat {
        script = script.rule(Op::Fstat, When::Always, Deed::Status(status::UNSUPPORTED, None));
    }
    if links {
        let link = File { mode: 0o120_777, ..File::new(b"") };
        script.tree.get_mut(FOLDER.as_bytes()).unwrap().insert(b"20250605.LOG".to_vec(), link);
    }
    script
}

fn expected<T>(context: &str, outcome: Result<T, SourceError>) -> T {
    outcome.unwrap_or_else(|error| panic!("{context}: {}", chain(&error)))
}

#[test]
fn sftp_several_oddities_at_once_lead_to_the_files_exactly() {
    // The same each time, so that a change is judged by what it changed; SEED= begins elsewhere.
    let first = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let draws = std::env::var("CU_TEST_DRAWS").map_or(40, |text| text.parse().unwrap());
    for seed in first..first + draws {
        let script = drawn(&mut fastrand::Rng::with_seed(seed));
        let context = format!("seed {seed}: {script:?}");
        let (server, mut source) = start(script);
        for _ in 0..2 {
            assert_eq!(expected(&context, source.folders()), [FOLDER], "{context}");
            let found = expected(&context, source.list(FOLDER));
            assert_eq!(names(found.entries), [LOG, "20250604.LOG"], "{context}");
            assert_eq!(expected(&context, read(&mut source, FOLDER, LOG, 9)), BYTES[9..]);
            let long = expected(&context, read(&mut source, FOLDER, "20250604.LOG", 0));
            assert!(long == b"x".repeat(70_000), "{context}: {} bytes", long.len());
        }
        expected(&context, source.describe());
        assert_eq!(server.connections(), 1, "{context}");
    }
}
