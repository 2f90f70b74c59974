//! SFTP against the scripted server: what is odd in an answer leads to the files exactly or to an error
//! that says what is wrong; never to a wrong byte or a silently shorter folder.

use std::time::{Duration, Instant};

use cu_agent::{
    config::{NameEncoding, SftpConfig},
    source::{Source, SourceError, sftp::SftpSource},
};

use crate::support::{
    ftp::reading::{chain, names, read},
    sftp::scripted_source::{BYTES, FOLDER, LOG, LONGEST_CALL, hasty, one_log, start},
    sftp::{Body, Deed, Form, Listing, LogIn, Op, Script, ScriptedSftp, When, frame, kind, status},
};

/// More than is asked for at once in the beginning.
fn big() -> Vec<u8> {
    (0..75_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn one_status(code: u32, message: &[u8]) -> Deed {
    Deed::Status(code, Some(message.to_vec()))
}

#[test]
fn sftp_each_form_of_listing_gives_the_same_files() {
    let all = Form::default();
    let none = Form { size: false, permissions: false, times: false, ..all };
    let form = |form| Listing { form, ..Listing::default() };
    let each = |per_answer| Listing { per_answer, ..Listing::default() };
    let table = [
        ("as usual", Listing::default()),
        ("one name in an answer", each(1)),
        ("two names in an answer", each(2)),
        ("all names in one answer", each(usize::MAX)),
        ("without . and ..", Listing { dots: false, ..Listing::default() }),
        ("without permissions", form(Form { permissions: false, ..all })),
        ("without any attribute", form(none)),
        ("with extended attributes", form(Form { extended: 3, ..all })),
        ("with flags that mean nothing", form(Form { unknown_flags: 0x0fff_fff0, ..all })),
    ];
    let many: Vec<String> = (0..300).map(|number| format!("20250603_{number:03}.LOG")).collect();
    let script =
        many.iter().fold(Script::default(), |script, name| script.file(FOLDER, name, BYTES));
    for (what, listing) in table {
        let has_size = listing.form.size;
        let (server, mut source) = start(Script { listing, ..script.clone() });
        for _ in 0..2 {
            assert_eq!(source.folders().unwrap(), [FOLDER], "{what}");
            let found = source.list(FOLDER).unwrap();
            assert_eq!(found.unread.count, 0, "{what}");
            let size = has_size.then_some(BYTES.len() as u64);
            assert!(found.entries.iter().all(|entry| entry.size == size), "{what}");
            assert_eq!(names(found.entries), many, "{what}");
        }
        assert_eq!(server.connections(), 1, "{what}");
    }
}

#[test]
fn sftp_a_listing_without_an_end_is_an_error_within_its_bounds() {
    for per_answer in [1, 1_500] {
        let listing = Listing { endless: true, per_answer, ..Listing::default() };
        let server = ScriptedSftp::start(Script { listing, ..one_log() });
        let read_timeout = Duration::from_secs(1);
        let mut source = SftpSource::new(SftpConfig { read_timeout, ..server.config() });
        let began = Instant::now();
        let error = chain(&source.list(FOLDER).unwrap_err());
        assert!(error.contains("too many") || error.contains("not complete"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
}

#[test]
fn sftp_a_count_that_does_not_match_the_names_is_no_listing() {
    for count_off in [-1, 1, 1_000_000] {
        let listing = Listing { count_off, ..Listing::default() };
        let (server, mut source) = start(Script { listing, ..one_log() });
        let found = source.list(FOLDER);
        assert!(found.is_err(), "{count_off}: {found:?}");
        server.script().listing = Listing::default();
        assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG], "{count_off}");
    }
}

#[test]
fn sftp_an_end_in_the_first_answer_is_an_empty_folder() {
    let script = one_log().rule(Op::Readdir, When::Always, Deed::Status(status::EOF, None));
    let (_server, mut source) = start(script);
    assert!(source.list(FOLDER).unwrap().entries.is_empty());
    let (_server, mut source) = start(Script::default().folder("SU12"));
    assert!(source.list("SU12").unwrap().entries.is_empty());
    let error = source.list("DEMALU").unwrap_err();
    assert!(matches!(error, SourceError::FolderMissing { .. }), "{error}");
}

#[test]
fn sftp_names_that_are_paths_or_hold_control_characters_are_counted_and_never_used() {
    let long = [&[b'x'; 300][..], b".LOG"].concat();
    let hostile: [&[u8]; 7] = [
        b"../../etc/a.LOG",
        b"/etc/b.LOG",
        b"c\\d.LOG",
        b"e\nf.LOG",
        b"g\0.LOG",
        b"h\x1b[2J.LOG",
        &long,
    ];
    let extra = hostile.iter().map(|name| name.to_vec()).chain([b"i\xff.LOG".to_vec(), vec![]]);
    let listing = Listing { extra: extra.collect(), ..Listing::default() };
    let (server, mut source) = start(Script { listing, ..one_log() });
    let found = source.list(FOLDER).unwrap();
    assert_eq!(found.unread.count, hostile.len() as u64, "{found:?}");
    assert!(!found.unread.sample.unwrap().contains(char::is_control));
    assert_eq!(names(found.entries), [LOG, "i\u{f7ff}.LOG"]);
    // Answered after everything that was sent before it, answers that nobody waits for included.
    source.size(FOLDER, LOG).unwrap();
    let before = server.counts().requests.len();
    for name in ["../a", "a/b", "a\\b", "a\nb", "a\0", "..", ".", "", &"x".repeat(256)] {
        let bad = |error: SourceError| {
            assert!(matches!(error, SourceError::BadName { .. }), "{name:?}: {error}");
        };
        bad(source.list(name).unwrap_err());
        bad(read(&mut source, FOLDER, name, 0).unwrap_err());
        bad(read(&mut source, name, LOG, 0).unwrap_err());
        bad(source.size(FOLDER, name).unwrap_err());
        bad(source.delete(FOLDER, name).unwrap_err());
    }
    assert_eq!(server.counts().requests.len(), before);
}

#[test]
fn sftp_names_travel_byte_for_byte_in_latin1_and_in_damaged_utf8() {
    let script = Script::default().file(b"D\xE9coupe", b"\xE9t\xE9 \x80.LOG", BYTES);
    for encoding in [NameEncoding::Latin1, NameEncoding::Utf8] {
        let server = ScriptedSftp::start(script.clone());
        let mut source = SftpSource::new(SftpConfig { encoding, ..server.config() });
        let folder = source.folders().unwrap().remove(0);
        let name = names(source.list(&folder).unwrap().entries).remove(0);
        if encoding == NameEncoding::Latin1 {
            assert_eq!((folder.as_str(), name.as_str()), ("Découpe", "été \u{80}.LOG"));
        }
        assert_eq!(read(&mut source, &folder, &name, 1).unwrap(), BYTES[1..]);
        source.delete(&folder, &name).unwrap();
        let removed = server.counts().removed;
        assert_eq!(removed[0].1, b"\xE9t\xE9 \x80.LOG");
    }
}

#[test]
fn sftp_a_link_among_the_logs_is_named_and_neither_read_nor_listed_as_a_file() {
    let (server, mut source) = start(one_log().file(FOLDER, "20250604.LOG", b"x"));
    let folder = FOLDER.as_bytes();
    let set_mode = |mode| {
        let mut script = server.script();
        let file = script.tree.get_mut(folder).unwrap().get_mut(&b"20250604.LOG"[..]).unwrap();
        file.mode = mode;
    };
    set_mode(0o120_777);
    let found = source.list(FOLDER).unwrap();
    assert_eq!((found.unread.count, names(found.entries)), (1, vec![LOG.to_owned()]));
    assert!(found.unread.sample.unwrap().contains("20250604.LOG"));
    // Pipes and devices are no files.
    set_mode(0o010_644);
    assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG]);
}

#[test]
fn sftp_claims_beyond_belief_are_bounded_and_change_nothing_of_what_is_read() {
    let usual = Listing::default();
    for (sizes_lie_by, time) in
        [(1_000_000, None), (1 << 63, Some(0)), (u64::MAX, Some(u32::MAX)), (0, Some(1 << 31))]
    {
        let listing = Listing { sizes_lie_by, time, ..usual.clone() };
        let (_server, mut source) = start(Script { listing, ..one_log() });
        let entry = source.list(FOLDER).unwrap().entries.remove(0).bounded();
        assert!(entry.size.unwrap() <= i64::MAX as u64);
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(68));
    }
    let script = Script { stat_sizes_lie_by: 9, ..one_log() };
    let (_server, mut source) = start(script);
    assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(77));
    assert_eq!(read(&mut source, FOLDER, LOG, 60).unwrap(), BYTES[60..]);
    let stat_form = Form { size: false, times: false, ..Form::default() };
    let (_server, mut source) = start(Script { stat_form, ..one_log() });
    assert_eq!(source.size(FOLDER, LOG).unwrap(), None);
    assert_eq!(source.modified(FOLDER, LOG).unwrap(), None);
    assert_eq!(read(&mut source, FOLDER, LOG, 60).unwrap(), BYTES[60..]);
}

#[test]
fn sftp_a_refused_folder_is_an_error_with_the_servers_word_and_no_lost_connection() {
    let hostile = b"no \xff\x1b]0;x\x07\n again";
    for code in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 77, u32::MAX] {
        for message in [Some(hostile.to_vec()), Some(Vec::new()), None] {
            let deed = Deed::Status(code, message.clone());
            let (server, mut source) = start(one_log().rule(Op::Opendir, When::Always, deed));
            let error = source.list(FOLDER).unwrap_err();
            let said = chain(&error);
            assert!(error.concerns_one_file(), "{code}: {said}");
            assert_eq!(
                matches!(error, SourceError::FolderMissing { .. }),
                code == status::NO_SUCH_FILE
            );
            assert!(!said.contains(char::is_control), "{said:?}");
            assert!(message.is_none_or(|text| text.is_empty()) || said.contains("again"), "{said}");
            server.script().rules.clear();
            assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG], "{code}");
            assert_eq!(server.connections(), 1, "{code}");
        }
    }
}

/// What comes of a reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Exact,
    /// About this file alone; the connection stays.
    Refused,
    /// Broken off.
    Failed,
}

fn read_deeds() -> Vec<(Op, Deed, Outcome)> {
    use Outcome::{Exact, Failed, Refused};
    let data = |bytes: &[u8]| Deed::Packet(kind::DATA, Body::default().string(bytes).0);
    let ok = one_status(status::OK, b"fine");
    let handle = |length| Deed::Packet(kind::HANDLE, Body::default().string(&vec![7; length]).0);
    vec![
        (Op::Open, one_status(status::PERMISSION_DENIED, b"no"), Refused),
        (Op::Open, Deed::Status(status::FAILURE, None), Refused),
        (Op::Open, ok.clone(), Refused),
        (Op::Open, data(b"x"), Failed),
        (Op::Open, handle(1000), Failed),
        (Op::Open, Deed::Packet(kind::HANDLE, vec![0, 0]), Failed),
        (Op::Fstat, one_status(status::UNSUPPORTED, b"no"), Exact),
        (Op::Fstat, Deed::Packet(kind::ATTRS, vec![0; 4]), Exact),
        (Op::Read, Deed::Short(32_767), Exact),
        (Op::Read, Deed::Short(1_000), Exact),
        (Op::Read, Deed::Overtaken, Exact),
        (Op::Read, Deed::Long(1), Failed),
        (Op::Read, Deed::Long(100_000), Failed),
        (Op::Read, one_status(status::FAILURE, b"disk"), Refused),
        (Op::Read, one_status(status::PERMISSION_DENIED, b"no"), Refused),
        (Op::Read, one_status(77, b"\xff"), Refused),
        (Op::Read, ok, Failed),
        (Op::Read, data(b""), Failed),
        (Op::Read, Deed::Twice, Failed),
        (Op::Read, Deed::WrongId(1_000_000), Failed),
        (Op::Read, handle(4), Failed),
        (Op::Read, Deed::Packet(99, vec![1, 2, 3]), Failed),
        (Op::Read, Deed::Raw(vec![0; 4]), Failed),
        (Op::Read, Deed::Raw(vec![0xff; 9]), Failed),
        (Op::Read, Deed::Raw(b"SSH_MSG_GARBAGE is no packet".to_vec()), Failed),
        (Op::Read, Deed::Raw(frame(kind::STATUS, b"\0")), Failed),
        (Op::Read, Deed::Silence, Failed),
        (Op::Read, Deed::Hang, Failed),
        (Op::Read, Deed::Chatter, Failed),
        (Op::Read, Deed::Drip, Failed),
        (Op::Read, Deed::CloseChannel, Failed),
        (Op::Read, Deed::EofChannel, Failed),
        (Op::Read, Deed::Cut, Failed),
    ]
}

#[test]
fn sftp_whatever_a_server_does_instead_of_answering_a_reading_no_wrong_byte_is_taken() {
    let big = big();
    for (op, deed, expected) in read_deeds() {
        for when in [When::Always, When::Nth(1), When::Nth(3)] {
            let (server, mut source) = hasty(Script::default().file(FOLDER, LOG, &big));
            source.list(FOLDER).unwrap();
            server.script().rules = Script::default().rule(op, when, deed.clone()).rules;
            let began = Instant::now();
            let what = format!("{op:?} {when:?} {deed:?}");
            match read(&mut source, FOLDER, LOG, 0) {
                Ok(bytes) => {
                    assert!(bytes == big, "{what}: {} bytes", bytes.len());
                    let is_met = op == Op::Read || when == When::Nth(1) || when == When::Always;
                    // What breaks a connection once is tried again where nothing was taken yet.
                    let is_repaired = op == Op::Open && when != When::Always;
                    assert!(!is_met || expected == Outcome::Exact || is_repaired, "{what}");
                }
                Err(error) => {
                    assert_ne!(expected, Outcome::Exact, "{what}: {}", chain(&error));
                    let is_refusal = matches!(error, SourceError::FileRefused { .. });
                    assert_eq!(is_refusal, expected == Outcome::Refused, "{what}: {error:?}");
                }
            }
            assert!(began.elapsed() < LONGEST_CALL, "{what}: {:?}", began.elapsed());
            server.script().rules.clear();
            assert!(read(&mut source, FOLDER, LOG, 9).unwrap() == big[9..], "{what}");
            let most = if expected == Outcome::Failed { 4 } else { 1 };
            assert!(server.connections() <= most, "{what}: {}", server.connections());
        }
    }
}

#[test]
fn sftp_a_server_that_gives_a_few_bytes_at_a_time_is_read_exactly() {
    for most in [1, 7, 100] {
        let script = one_log().rule(Op::Read, When::Always, Deed::Short(most));
        let (_server, mut source) = start(script);
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{most}");
        assert_eq!(read(&mut source, FOLDER, LOG, 61).unwrap(), BYTES[61..], "{most}");
    }
}

#[test]
fn sftp_an_end_before_the_size_gives_the_beginning_and_nothing_else() {
    let big = big();
    for number in 1..6 {
        let early = Deed::Status(status::EOF, None);
        let script = Script::default().file(FOLDER, LOG, &big);
        let (_server, mut source) = start(script.rule(Op::Read, When::From(number), early));
        if let Ok(bytes) = read(&mut source, FOLDER, LOG, 0) {
            assert!(big.starts_with(&bytes), "{number}");
        }
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(300_000), "what is missing is shown");
    }
}

#[test]
fn sftp_data_without_an_end_cost_bounded_memory_and_end_with_their_reader() {
    let script = one_log().rule(Op::Read, When::Always, Deed::Endless);
    let (server, mut source) = start(script);
    let mut transfer = source.open(FOLDER, LOG, 0).unwrap();
    let mut chunk = vec![0; 64 * 1024];
    let mut read = 0;
    while read < 8 << 20 {
        read += transfer.read(&mut chunk).unwrap();
    }
    drop(transfer);
    let sent = server.counts().asked[&Op::Read] * 32 * 1024;
    assert!(sent < read + (4 << 20), "{sent} bytes were asked for, {read} were wanted");
    server.script().rules.clear();
    assert_eq!(crate::support::ftp::reading::read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
}

#[test]
fn sftp_handles_of_any_permitted_length_are_given_back_and_few_are_open_at_once() {
    for handle_bytes in [0, 1, 256] {
        let mut script = Script { handle_bytes, most_handles: 2, ..Script::default() };
        if handle_bytes < 4 {
            // Of one name, so one at a time.
            script.most_handles = 1;
        }
        for number in 0..120 {
            script = script.file(FOLDER, format!("20250603_{number:03}.LOG"), BYTES);
        }
        let (server, mut source) = start(script);
        for entry in source.list(FOLDER).unwrap().entries {
            assert_eq!(read(&mut source, FOLDER, &entry.name, 0).unwrap(), BYTES);
        }
        assert_eq!(server.connections(), 1, "{handle_bytes}");
        let (opened, closed) = (server.count(Op::Open), server.count(Op::Close));
        source.size(FOLDER, "20250603_000.LOG").unwrap();
        assert!(opened <= closed && server.counts().most_handles == 1, "{opened} {closed}");
    }
}

#[test]
fn sftp_a_handle_too_many_fails_for_its_file_alone() {
    let script = one_log().file(FOLDER, "b.LOG", b"b");
    let deed = one_status(status::FAILURE, b"too many open files");
    let (server, mut source) = start(script.rule(Op::Open, When::Nth(100), deed));
    let mut refused = 0;
    for _ in 0..110 {
        refused += u32::from(read(&mut source, FOLDER, LOG, 0).is_err());
    }
    assert_eq!((refused, server.connections()), (1, 1));
}

#[test]
fn sftp_only_version_3_and_later_is_spoken_and_an_older_one_is_named() {
    let version = |number| Deed::Raw(frame(kind::VERSION, &Body::default().u32(number).0));
    for number in [3, 4, 6] {
        let (_server, mut source) = start(one_log().rule(Op::Init, When::Always, version(number)));
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{number}");
    }
    let extended = Body::default().u32(3).string(b"posix-rename@openssh.com").string(b"1").0;
    let deed = Deed::Raw(frame(kind::VERSION, &extended));
    let (_server, mut source) = start(one_log().rule(Op::Init, When::Always, deed));
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    for number in [0, 2] {
        let (_server, mut source) = start(one_log().rule(Op::Init, When::Always, version(number)));
        let error = chain(&source.list(FOLDER).unwrap_err());
        assert!(error.contains(&format!("version {number}")), "{error}");
    }
    // Or something else altogether.
    for deed in [
        Deed::Silence,
        Deed::Hang,
        Deed::Drip,
        Deed::Chatter,
        Deed::CloseChannel,
        Deed::Cut,
        Deed::Raw(b"Last login: Tue Jun  3 on pts/0\r\n".to_vec()),
        Deed::Raw(frame(kind::STATUS, &Body::to(0).u32(0).0)),
        Deed::Raw(frame(kind::VERSION, b"\0")),
    ] {
        let (server, mut source) = hasty(one_log().rule(Op::Init, When::Always, deed.clone()));
        let began = Instant::now();
        source.list(FOLDER).unwrap_err();
        assert!(began.elapsed() < LONGEST_CALL, "{deed:?}: {:?}", began.elapsed());
        server.script().rules.clear();
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{deed:?}");
    }
}

#[test]
fn sftp_a_server_without_the_subsystem_or_a_channel_is_told_by_what_it_lacks() {
    let (_server, mut source) = start(Script { is_subsystem_refused: true, ..one_log() });
    let error = chain(&source.list(FOLDER).unwrap_err());
    assert!(error.contains("no SFTP"), "{error}");
    let (_server, mut source) = start(Script { most_channels: 0, ..one_log() });
    let error = chain(&source.list(FOLDER).unwrap_err());
    assert!(error.contains("no channel") && !error.contains("password_file"), "{error}");
    // One is enough.
    let (server, mut source) = start(Script { most_channels: 1, ..one_log() });
    for _ in 0..3 {
        source.list(FOLDER).unwrap();
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    }
    let counts = server.counts();
    assert_eq!((counts.connections, counts.log_ins, counts.channels), (1, 1, 1));
}

#[test]
fn sftp_a_log_in_ends_and_shows_no_password_however_it_is_answered() {
    for log_in in [LogIn::Refused, LogIn::PartialForEver, LogIn::Silent] {
        let (server, mut source) = hasty(Script { log_in, ..one_log() });
        let began = Instant::now();
        let error = source.list(FOLDER).unwrap_err();
        let said = format!("{} {error:?}", chain(&error));
        assert!(!said.contains(server.config().password.unwrap().expose()), "{said}");
        assert_eq!(matches!(error, SourceError::Login { .. }), log_in != LogIn::Silent, "{said}");
        assert!(began.elapsed() < LONGEST_CALL, "{log_in:?}: {:?}", began.elapsed());
        assert!(server.counts().log_ins <= 10, "{log_in:?}");
        server.script().log_in = LogIn::Usual;
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{log_in:?}");
    }
}

#[test]
fn sftp_another_key_than_the_configured_one_gets_no_user_name() {
    let server = ScriptedSftp::start(one_log());
    let mut config = server.config();
    config.host_keys[0].0[0] ^= 1;
    let error = SftpSource::new(config.clone()).list(FOLDER).unwrap_err();
    assert!(matches!(error, SourceError::HostKeyChanged { .. }), "{error}");
    config.host_keys.clear();
    let met = server.connections();
    let error = SftpSource::new(config.clone()).list(FOLDER).unwrap_err();
    assert!(matches!(error, SourceError::HostKeyUnknown { .. }), "{error}");
    assert_eq!((server.connections(), server.counts().log_ins), (met, 0));
    // `check` asks for the keys, and nothing else.
    let offered = SftpSource::new(config).offered_host_keys().unwrap();
    assert_eq!(offered.len(), 1);
    assert_eq!(offered[0].algorithm, "ssh-ed25519");
    assert_eq!((server.counts().log_ins, server.counts().channels), (0, 0));
}
