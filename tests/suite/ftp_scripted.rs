//! FTP against the scripted server: old, strange and hostile ones.

use cu_agent::{
    config::{FtpConfig, FtpMode, NameEncoding},
    source::{
        Source, SourceError,
        ftp::{FtpSource, Listing},
    },
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
fn ftp_the_address_in_a_pasv_answer_is_never_connected_to() {
    // The last one would answer, were it asked: nothing but the control connection's host is.
    for host in ["0,0,0,0", "10,255,255,1", "192,168,1,1", "203,0,113,9", "127,0,0,2"] {
        let mut script = one_log().answer("EPSV", "500 what?");
        script.pasv_host = host.into();
        let (server, mut source) = start(script);
        assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG], "{host}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{host}");
        assert_eq!(server.count("PASV"), 2, "{host}");
    }
}

#[test]
fn ftp_a_refused_epsv_is_learnt_once() {
    for refusal in ["500 what?", "502 not here", "522 use (1)", "501 no", "229 without a port"] {
        let (server, mut source) = start(one_log().answer("EPSV", refusal));
        for _ in 0..4 {
            assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{refusal}");
        }
        assert_eq!((server.count("EPSV"), server.count("PASV")), (1, 4), "{refusal}");
    }
}

#[test]
fn ftp_an_epsv_port_that_cannot_be_reached_leads_to_pasv() {
    let (server, mut source) = start(one_log().answer("EPSV", "229 there (|||1|)"));
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    assert_eq!((server.count("EPSV"), server.count("PASV")), (1, 2));
}

#[test]
fn ftp_each_form_of_listing_gives_the_same_files() {
    let table = [
        ("MLSD", one_log(), Some(68)),
        ("LIST of Unix", one_log().without_mlsd(), Some(68)),
        ("LIST of DOS", Script { dos_style: true, ..one_log().without_mlsd() }, Some(68)),
        ("NLST", one_log().nlst_only(), Some(68)),
        ("NLST with paths", Script { whole_paths: true, ..one_log().nlst_only() }, Some(68)),
        ("NLST without SIZE", one_log().nlst_only().answer("SIZE", "500 what?"), None),
        ("NLST without MDTM", one_log().nlst_only().answer("MDTM", "500 what?"), Some(68)),
        // FEAT promises what is then refused.
        ("MLSD refused", one_log().answer("MLSD", "500 what?"), Some(68)),
        ("LIST in no known format", one_log().without_mlsd().listing("LIST", b"??\r\n"), Some(68)),
    ];
    for (form, script, size) in table {
        let (server, mut source) = start(script.folder("SU12 (HYBRIDE)"));
        let mut folders = source.folders().unwrap();
        folders.sort();
        let expected =
            if form.contains("no known") { vec![] } else { vec![FOLDER, "SU12 (HYBRIDE)"] };
        if !expected.is_empty() {
            assert_eq!(folders, expected, "{form}");
        }
        for _ in 0..2 {
            let entries = source.list(FOLDER).unwrap().entries;
            assert_eq!(entries.len(), 1, "{form}");
            assert_eq!((entries[0].name.as_str(), entries[0].size), (LOG, size), "{form}");
        }
        assert!(source.list("SU12 (HYBRIDE)").unwrap().entries.is_empty(), "{form}");
        assert_eq!(read(&mut source, FOLDER, LOG, 60).unwrap(), BYTES[60..], "{form}");
        assert_eq!(server.connections(), 1, "{form}");
        assert!(server.count("MLSD") <= 4 && server.count("LIST") <= 4, "{form}");
    }
}

#[test]
fn ftp_an_empty_folder_answered_with_550_is_empty_and_a_missing_one_is_missing() {
    for script in [one_log(), one_log().without_mlsd(), one_log().nlst_only()] {
        let script = Script { empty_is_refused: true, ..script.folder("SU12 (HYBRIDE)") };
        let (server, mut source) = start(script);
        assert!(source.list("SU12 (HYBRIDE)").unwrap().entries.is_empty());
        let error = source.list("DEMALU (ALU)").unwrap_err();
        assert!(matches!(error, SourceError::FolderMissing { .. }), "{error}");
        assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG]);
        assert_eq!(server.connections(), 1);
    }
    let refused = "550 Permission denied";
    let script = one_log().answer("MLSD", refused).answer("LIST", refused).answer("NLST", refused);
    let (_server, mut source) = start(script);
    let error = source.list(FOLDER).unwrap_err();
    assert!(matches!(error, SourceError::List { .. }), "{error}");
}

#[test]
fn ftp_malformed_facts_cost_the_fact_and_hostile_names_cost_the_line() {
    let listing = b"type=file;size=many;modify=yesterday; a.LOG\r\n\
        ;;;=\r\n\
        garbage\r\n\
        type=file;size=1; ../../etc/passwd\r\n\
        type=file;size=1; ..\r\n\
        type=file;size=1; /etc/passwd\r\n\
        type=file;size=1; b\\c.LOG\r\n\
        type=file;size=1; d\rDELE e.LOG\r\n\
        type=file;size=1; f\0.LOG\r\n\
        type=file;size=2; -rf.LOG\r\n";
    let mut listing = listing.to_vec();
    listing.extend(b"type=file; ".iter().chain(&[b'x'; 300]).chain(b"\r\n"));
    let (_server, mut source) = start(one_log().listing("MLSD", &listing));
    let entries = source.list(FOLDER).unwrap().entries;
    let sizes: Vec<_> = entries.iter().map(|entry| entry.size).collect();
    assert_eq!(sizes, [None, Some(2)]);
    assert_eq!(names(entries), ["-rf.LOG", "a.LOG"]);
}

#[test]
fn ftp_a_name_that_would_be_a_path_or_a_second_command_is_never_sent() {
    let (server, mut source) = start(one_log());
    source.list(FOLDER).unwrap();
    let before = server.commands().len();
    let long = "x".repeat(256);
    for name in ["../a", "a/b", "a\\b", "a\r\nDELE b", "a\nDELE b", "a\0", "..", ".", "", &long] {
        let bad = |error: SourceError| {
            assert!(matches!(error, SourceError::BadName { .. }), "{name:?}: {error}");
            assert!(error.concerns_one_file());
        };
        bad(source.list(name).unwrap_err());
        bad(read(&mut source, FOLDER, name, 0).unwrap_err());
        bad(read(&mut source, name, LOG, 0).unwrap_err());
        bad(source.size(FOLDER, name).unwrap_err());
        bad(source.delete(FOLDER, name).unwrap_err());
    }
    let latin1 = FtpConfig { encoding: NameEncoding::Latin1, ..server.config() };
    let error = FtpSource::new(latin1).delete(FOLDER, "Łódź.LOG").unwrap_err();
    assert!(matches!(error, SourceError::BadName { .. }), "{error}");
    assert_eq!(server.commands().len(), before);
}

#[test]
fn ftp_a_leading_dash_is_a_name_and_never_an_option() {
    let script = Script::default().file("-R", "-la.LOG", BYTES).without_mlsd();
    let (server, mut source) = start(script);
    assert_eq!(names(source.list("-R").unwrap().entries), ["-la.LOG"]);
    assert_eq!(read(&mut source, "-R", "-la.LOG", 0).unwrap(), BYTES);
    let commands = server.commands();
    assert!(
        commands.contains(&"CWD /-R".to_owned()) && commands.contains(&"RETR -la.LOG".to_owned())
    );
    assert!(commands.iter().all(|line| !line.starts_with("LIST ") && !line.starts_with("MLSD ")));
}

#[test]
fn ftp_latin1_names_travel_byte_for_byte() {
    let script = Script::default().file(b"D\xE9coupe", b"\xE9t\xE9 \x80\xA4.LOG", BYTES);
    for script in [script.clone(), script.clone().without_mlsd(), script.nlst_only()] {
        let server = ScriptedFtp::start(script);
        let config = FtpConfig { encoding: NameEncoding::Latin1, ..server.config() };
        let mut source = FtpSource::new(config);
        assert_eq!(source.folders().unwrap(), ["Découpe"]);
        let found = names(source.list("Découpe").unwrap().entries);
        assert_eq!(found, ["été \u{80}¤.LOG"]);
        assert_eq!(read(&mut source, "Découpe", &found[0], 1).unwrap(), BYTES[1..]);
        source.delete("Découpe", &found[0]).unwrap();
        assert!(server.commands().contains(&"DELE été \u{80}¤.LOG".to_owned()));
    }
}

#[test]
fn ftp_a_server_without_rest_says_so_and_gives_the_whole_file() {
    for refusal in ["502 not here", "500 what?", "501 bad", "504 no", "554 no"] {
        let (server, mut source) = start(one_log().answer("REST", refusal));
        let error = read(&mut source, FOLDER, LOG, 5).unwrap_err();
        assert!(matches!(error, SourceError::ResumeRefused { .. }), "{refusal}: {error}");
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES, "{refusal}");
        assert_eq!(server.connections(), 1, "{refusal}");
    }
    // RETR refused while REST works is about the file.
    let (_server, mut source) = start(one_log().answer("RETR", "501 no"));
    let error = read(&mut source, FOLDER, LOG, 5).unwrap_err();
    assert!(matches!(error, SourceError::FileRefused { .. }), "{error}");
}

#[test]
fn ftp_a_missing_size_comes_from_the_listing_and_type_is_set_before_size() {
    let (server, mut source) = start(one_log().answer("SIZE", "500 what?"));
    assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(68));
    assert_eq!(source.size(FOLDER, "other.LOG").unwrap(), None);
    assert_eq!(server.count("SIZE"), 1);
    let (_server, mut source) = start(Script { size_needs_type: true, ..one_log() });
    assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(68));
}

#[test]
fn ftp_one_connection_serves_all_folders_and_is_given_back() {
    let script = one_log().file("SU12 (HYBRIDE)", LOG, b"su").file("DEMALU (ALU)", LOG, b"alu");
    let (server, mut source) = start(Script { one_connection: true, ..script });
    source.folders().unwrap();
    for _ in 0..3 {
        for (folder, bytes) in
            [(FOLDER, BYTES), ("SU12 (HYBRIDE)", b"su"), ("DEMALU (ALU)", b"alu")]
        {
            assert_eq!(names(source.list(folder).unwrap().entries), [LOG]);
            assert_eq!(read(&mut source, folder, LOG, 0).unwrap(), bytes);
        }
    }
    assert_eq!((server.connections(), server.count("PASS"), server.count("FEAT")), (1, 1, 1));
    source.close();
    assert_eq!(server.count("QUIT"), 1);
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    assert_eq!((server.connections(), server.count("FEAT")), (2, 1));
}

#[test]
fn ftp_greetings_of_several_lines_are_understood() {
    let greeting = "220-Welcome\r\n220-to the machine\r\n  150 users at most\r\n220 ready\r\n";
    let (_server, mut source) = start(Script { greeting: greeting.into(), ..one_log() });
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    let (_server, mut source) = start(Script { greeting: "421 full\r\n".into(), ..one_log() });
    let error = source.folders().unwrap_err();
    assert!(chain(&error).contains("421 full"), "{}", chain(&error));
}

#[test]
fn ftp_a_listing_that_lies_about_sizes_changes_nothing_of_what_is_read() {
    let (_server, mut source) = start(Script { listed_sizes_lie_by: 1_000_000, ..one_log() });
    assert_eq!(source.list(FOLDER).unwrap().entries[0].size, Some(1_000_068));
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
    assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(68));
}

#[test]
fn ftp_a_password_repeated_by_the_server_is_blotted_out() {
    let server = ScriptedFtp::start(one_log());
    let password = server.config().password.expose().to_owned();
    let echo = format!("530 bad password {password}");
    server.script().answers.insert("PASS".into(), echo);
    let error = FtpSource::new(server.config()).folders().unwrap_err();
    let said = format!("{} {error:?}", chain(&error));
    assert!(said.contains("530 bad password ***") && !said.contains(&password), "{said}");
}

#[test]
fn ftp_active_mode_listens_where_the_control_connection_is() {
    let server = ScriptedFtp::start(one_log());
    let config = FtpConfig { mode: FtpMode::Active, ..server.config() };
    let mut source = FtpSource::new(config);
    assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG]);
    assert_eq!(read(&mut source, FOLDER, LOG, 9).unwrap(), BYTES[9..]);
    assert!(server.commands().iter().any(|line| line.starts_with("PORT 127,0,0,1,")));
    assert_eq!(server.count("PASV") + server.count("EPSV"), 0);
}

#[test]
fn ftp_a_root_without_pwd_is_left_by_the_way_up() {
    let script = one_log().file("SU12", LOG, b"su").answer("PWD", "502 not here");
    let (_server, mut source) = start(script);
    for _ in 0..2 {
        assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
        assert_eq!(read(&mut source, "SU12", LOG, 0).unwrap(), b"su");
        assert_eq!(source.folders().unwrap().len(), 2);
    }
}

#[test]
fn ftp_describe_tells_what_a_poor_server_lacks_and_what_is_done_instead() {
    let script = one_log().nlst_only().answer("REST", "502 no").answer("EPSV", "500 what?");
    let script =
        script.answer("SIZE", "500 what?").answer("MDTM", "502 no").answer("SYST", "215 Box");
    let (_server, mut source) = start(script);
    let abilities = source.describe().unwrap();
    assert_eq!(abilities.software, "scripted server ready [Box]");
    assert_eq!(abilities.listing, Listing::Nlst);
    let able = [abilities.resume, abilities.size, abilities.mdtm, abilities.epsv];
    assert_eq!(able, [false; 4]);
    assert_eq!(abilities.to_string(), "scripted server ready [Box]: NLST");
    let said = abilities.substitutes().join("\n");
    for lack in ["no MLSD or LIST", "no REST", "no SIZE", "no MDTM", "no EPSV", "no TLS"] {
        assert!(said.contains(lack), "{said}");
    }
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), BYTES);
}
