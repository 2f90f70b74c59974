//! FTP against servers that are odd, alone and several oddities at once: the files are read exactly,
//! or an error says what is wrong; never a wrong byte, never a silently empty folder.

use std::time::{Duration, Instant};

use cu_agent::{
    config::{FtpConfig, FtpTls},
    source::{Source, SourceError, ftp::FtpSource},
};

use crate::support::ftp::{
    Begin, Quirks, Script, ScriptedFtp,
    certificates::authority,
    reading::{chain, names, read},
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";
const BYTES: &[u8] = b"20250603 05:08:54|@StukUitgevoerd: 1\n20250603 05:09:54|@MachineStop\n";

fn one_log() -> Script {
    Script::default().file(FOLDER, LOG, BYTES).file(FOLDER, "20250604.LOG", b"x")
}

fn said(context: &str, error: &SourceError) -> ! {
    panic!("{context}: {}", chain(error))
}

fn is_read_exactly(context: &str, script: Script) {
    let server = ScriptedFtp::start(script);
    let began = Instant::now();
    let mut source = FtpSource::new(server.config());
    for _ in 0..2 {
        assert_eq!(
            source.folders().unwrap_or_else(|error| said(context, &error)),
            [FOLDER],
            "{context}"
        );
        let found = source.list(FOLDER).unwrap_or_else(|error| said(context, &error));
        assert_eq!(found.unread.count, 0, "{context}: {found:?}");
        let size =
            found.entries.iter().find(|entry| entry.name == LOG).and_then(|entry| entry.size);
        assert_eq!(size, Some(BYTES.len() as u64), "{context}");
        assert_eq!(names(found.entries), [LOG, "20250604.LOG"], "{context}");
        assert_eq!(
            read(&mut source, FOLDER, LOG, 0).unwrap_or_else(|error| said(context, &error)),
            BYTES,
            "{context}"
        );
        assert_eq!(
            read(&mut source, FOLDER, LOG, 9).unwrap_or_else(|error| said(context, &error)),
            BYTES[9..],
            "{context}"
        );
    }
    source.describe().unwrap_or_else(|error| said(context, &error));
    assert!(began.elapsed() < Duration::from_secs(5), "{context}: {:?}", began.elapsed());
}

#[test]
fn ftp_what_servers_of_the_field_do_is_understood() {
    let list = |quirks: Quirks| Quirks { no_mlsd: true, ..quirks };
    let none = Quirks::default;
    let table = [
        Quirks { mark: true, ..none() },
        Quirks { waits: true, ..none() },
        Quirks { inner_digits: true, ..none() },
        Quirks { user_code: Some(230), ..none() },
        Quirks { user_code: Some(232), ..none() },
        Quirks { pasv: Some("227 Entering Passive Mode {}".into()), ..none() },
        Quirks { pasv: Some("227 Passive ( {} )".into()), ..none() },
        Quirks { bare: true, ..none() },
        Quirks { begin: Begin::DataFirst, ..none() },
        Quirks { begin: Begin::Unannounced, ..none() },
        Quirks { one_transfer: true, ..none() },
        Quirks { reset: true, ..none() },
        Quirks { twice: true, ..none() },
        Quirks { blanks: (1, 0), ..none() },
        Quirks { paths: true, ..none() },
        Quirks { empty_mlsd: true, ..none() },
        list(Quirks { blanks: (1, 3), ..none() }),
        list(Quirks { year_last: true, ..none() }),
        list(Quirks { year_last: true, blanks: (1, 0), ..none() }),
        list(Quirks { french: true, mark: true, ..none() }),
        list(Quirks { paths: true, french: true, year_last: true, ..none() }),
    ];
    for quirks in table {
        is_read_exactly(&format!("{quirks:?}"), Script { quirks, ..one_log() });
    }
}

#[test]
fn ftp_several_oddities_at_once_lead_to_the_files_exactly() {
    // The same each time, so that a change is judged by what it changed; SEED= begins elsewhere.
    let first = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    for seed in first..first + 120 {
        let quirks = Quirks::drawn(&mut fastrand::Rng::with_seed(seed));
        is_read_exactly(&format!("seed {seed}: {quirks:?}"), Script { quirks, ..one_log() });
    }
}

#[test]
fn ftp_a_refusal_that_does_not_plainly_say_no_files_is_a_failure_after_every_way_was_tried() {
    let refusals = [
        "450 TLS session of data connection has not resumed",
        "550 Access is denied",
        "550 no",
        "451 local error",
    ];
    for refusal in refusals {
        let mut script = one_log();
        let server = ScriptedFtp::start(script.clone());
        for (place, verb) in ["MLSD", "LIST", "NLST"].into_iter().enumerate() {
            script = script.answer(verb, refusal);
            *server.script() = script.clone();
            let listed = FtpSource::new(server.config()).list(FOLDER);
            match listed {
                Ok(found) if place < 2 => assert_eq!(found.entries.len(), 2, "{refusal} {verb}"),
                Err(error) if place == 2 => {
                    assert!(chain(&error).contains(refusal), "{}", chain(&error));
                }
                other => panic!("{refusal} {verb}: {other:?}"),
            }
        }
    }
    // An empty answer beside refusals is no empty folder either.
    let script = one_log().listing("MLSD", b"").answer("LIST", "550 no").answer("NLST", "550 no");
    let server = ScriptedFtp::start(script);
    FtpSource::new(server.config()).list(FOLDER).unwrap_err();
}

#[test]
fn ftp_a_line_that_names_a_log_and_is_not_readable_leads_to_another_way_or_is_counted() {
    let odd = b"type=file;size=68; 20250604.LOG\r\n???;;20250603.LOG\r\n";
    let server = ScriptedFtp::start(one_log().listing("MLSD", odd));
    let found = FtpSource::new(server.config()).list(FOLDER).unwrap();
    assert_eq!((found.entries.len(), found.unread.count), (2, 0));
    // NLST completes what LIST has.
    let odd = b"-rw-r--r-- 1 cu cu 1 Jun  3  2025 20250604.LOG\r\n??? 20250603.LOG\r\n";
    let script = Script { quirks: Quirks { no_mlsd: true, ..Quirks::default() }, ..one_log() };
    let server = ScriptedFtp::start(script.listing("LIST", odd));
    let found = FtpSource::new(server.config()).list(FOLDER).unwrap();
    assert_eq!((found.entries.len(), found.unread.count), (2, 0));
    server.script().answers.insert("NLST".into(), "502 no".into());
    let found = FtpSource::new(server.config()).list(FOLDER).unwrap();
    assert_eq!((found.entries.len(), found.unread.count), (1, 1));
    assert_eq!(found.unread.sample.as_deref(), Some("??? 20250603.LOG"));
    // A name that is never used is counted too.
    let hostile = b"type=file;size=1; 20250604.LOG\r\ntype=file;size=1; a\x1b[2J.LOG\r\n";
    let server = ScriptedFtp::start(one_log().listing("MLSD", hostile));
    let found = FtpSource::new(server.config()).list(FOLDER).unwrap();
    assert_eq!((found.entries.len(), found.unread.count), (1, 1));
    assert_eq!(found.unread.sample.as_deref(), Some("a [2J.LOG"));
}

#[test]
fn ftp_an_answer_of_another_command_ends_the_connection_and_is_never_believed() {
    for (verb, answer) in [
        ("SIZE", "226 late"),
        ("SIZE", "213 5\r\n213 6"),
        ("TYPE", "213 68"),
        ("CWD", "226 done\r\n250 there"),
        ("RETR", "213 5"),
    ] {
        let server = ScriptedFtp::start(one_log().answer(verb, answer));
        let mut source = FtpSource::new(server.config());
        let outcome = read(&mut source, FOLDER, LOG, 0).map(drop);
        let sized = source.size(FOLDER, LOG);
        let deleted = source.delete(FOLDER, LOG);
        assert!(outcome.is_err() || sized.is_err() || answer.contains('\n'), "{verb} {answer}");
        server.script().answers.clear();
        assert_eq!(deleted.is_ok(), server.count("DELE") == 1, "{verb} {answer}");
    }
    // A "done" too many is not that of a deletion.
    let script = one_log().answer("DELE", "550 no").answer("CWD", "250 a\r\n250 b");
    let server = ScriptedFtp::start(script);
    FtpSource::new(server.config()).delete(FOLDER, LOG).unwrap_err();
}

#[test]
fn ftp_another_server_on_the_port_is_told_by_its_name() {
    let table = [
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "an SSH server answers there"),
        ("HTTP/1.1 400 Bad Request\r\n", "a web server answers there"),
        ("\u{15}\u{3}\u{1}\r\n", "set `tls` to \"implicit\""),
        ("220 box ESMTP Postfix\r\n", "a mail server answers there"),
        ("hello\r\n", "not an FTP server"),
    ];
    for (greeting, expected) in table {
        let server = ScriptedFtp::start(Script { greeting: greeting.into(), ..one_log() });
        let error = chain(&FtpSource::new(server.config()).folders().unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("password_file"), "{error}");
        if greeting.starts_with('\u{15}') {
            continue;
        }
        let config =
            FtpConfig { tls: FtpTls::Implicit, ca_file: Some(authority()), ..server.config() };
        let error = chain(&FtpSource::new(config).folders().unwrap_err());
        assert!(error.contains("does not speak TLS"), "{error}");
    }
}

#[test]
fn ftp_only_a_refused_password_says_check_the_password() {
    let table = [
        ("530 Login incorrect.", true),
        ("530 Sorry, too many connections", false),
        ("332 account?", false),
        ("451 database is down", false),
        ("500 what?", false),
        ("226 done", false),
        ("331 the password, please", false),
        ("334 challenge", false),
        ("535 wrong", true),
    ];
    for (answer, is_about_password) in table {
        let server = ScriptedFtp::start(one_log().answer("PASS", answer));
        let error = chain(&FtpSource::new(server.config()).folders().unwrap_err());
        assert_eq!(error.contains("password_file"), is_about_password, "{error}");
        assert!(error.contains(answer), "{error}");
    }
}

#[test]
fn ftp_a_password_answered_with_other_words_of_welcome_is_taken() {
    for answer in ["202 superfluous", "230-hello\r\n230 in", "230", "232 by certificate"] {
        is_read_exactly(answer, one_log().answer("PASS", answer));
    }
}

#[test]
fn ftp_the_address_in_an_answer_to_pasv_is_never_connected_to() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let pasv = format!("227 Passive (127,0,0,2,{},{})", port / 256, port % 256);
    let script = one_log().answer("EPSV", "502 no").answer("PASV", &pasv);
    let server = ScriptedFtp::start(script);
    let error = FtpSource::new(server.config()).list(FOLDER).unwrap_err();
    assert!(server.count("PASV") > 0, "{}", chain(&error));
    assert!(elsewhere.accept().is_err(), "another host was called: {}", chain(&error));
}

#[test]
fn ftp_what_a_server_says_reaches_an_error_without_signs_that_a_terminal_obeys() {
    let hostile = "\u{1b}]0;x\u{7}\u{202e}\u{85}\u{9b}31m\u{200b}\u{feff}\u{2028}";
    let at_log_in = one_log().answer("PASS", &format!("530 no {hostile}"));
    let at_listing = ["MLSD", "LIST", "NLST"]
        .iter()
        .fold(one_log(), |script, verb| script.answer(verb, &format!("550 no {hostile}")));
    let greeting = format!("hello {hostile}\r\n");
    for script in [at_log_in, at_listing, Script { greeting, ..one_log() }] {
        let server = ScriptedFtp::start(script);
        let error = chain(&FtpSource::new(server.config()).list(FOLDER).unwrap_err());
        let obeyed = |c: char| {
            c.is_control() || hostile.replace([']', '0', ';', 'x', '3', '1', 'm'], "").contains(c)
        };
        assert!(error.contains("no") || error.contains("hello"), "{error}");
        assert!(!error.contains(obeyed), "{error:?}");
    }
}

#[test]
fn ftp_implicit_tls_and_refused_pbsz_and_prot_never_end_in_clear_data_unnoticed() {
    let script = one_log().answer("PBSZ", "502 no").answer("PROT", "502 no");
    let server = ScriptedFtp::start(script);
    let config = FtpConfig { tls: FtpTls::Explicit, ca_file: Some(authority()), ..server.config() };
    let error = chain(&FtpSource::new(config).list(FOLDER).unwrap_err());
    assert!(error.contains("does not encrypt its data connections"), "{error}");
}
