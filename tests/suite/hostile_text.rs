//! What files, servers and central write is shown to people in many places, and is obeyed in none: no
//! sign that moves a cursor, colours a terminal, forges a line or turns the direction of writing.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use cu_agent::model::is_harmless;

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Script, ScriptedFtp},
    golden,
    http::get,
    postgres::Database,
    process::Output,
};

/// Sets a title, clears, rings, colours by a single sign, turns the writing, hides, deletes.
const HOSTILE: &str = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{7f}";
/// Signs below a blank are used in no name; some terminals obey this one too.
const FOLDER: &str = "DEM12 \u{9b}31m";
/// On the wire, as most controllers write: latin-1.
const WIRE_FOLDER: &[u8] = b"DEM12 \x9b31m";

#[track_caller]
fn assert_harmless(what: &str, text: &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let found = text.lines().find(|line| !line.chars().all(is_harmless));
    assert!(found.is_none(), "{what}: {found:?}");
}

#[track_caller]
fn assert_quiet(what: &str, output: &Output) {
    assert_harmless(what, &output.stdout);
    assert_harmless(what, &output.stderr);
    let forged = |line: &str| line.starts_with("[ERROR] forged") || line.starts_with("forged");
    assert!(!output.stderr.lines().chain(output.stdout.lines()).any(forged), "{what}: {output}");
}

/// A central that refuses everybody, in hostile words.
fn refusing_central() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut startup = [0; 1024];
            let _ = stream.read(&mut startup);
            let message = format!("no {HOSTILE}\n[ERROR] forged by central");
            let fields = format!("SFATAL\0VFATAL\0C28000\0M{message}\0D{HOSTILE}\nforged\0\0");
            let length = u32::try_from(fields.len() + 4).unwrap();
            let _ =
                stream.write_all(&[b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat());
        }
    });
    port
}

/// A server whose names, words and files are hostile.
fn hostile_server() -> ScriptedFtp {
    let log = format!(
        "20250603 05:00:00|@StukUitgevoerd: 1 {HOSTILE}\n\
         20250603 05:01:00|@JobProfiel: {HOSTILE}, 100.5, {HOSTILE}\n\
         20250603 05:02:00|@Unknown{HOSTILE}: 1\n\
         20250603 05:03:00|@StukUitgevoerd: 2 B\n\
         {HOSTILE} no line at all\n\
         20250603 0{HOSTILE}5:04:00|@MachineStop\n"
    );
    let greeting = format!("220-{HOSTILE}\r\n220 ready {HOSTILE}\r\n");
    let script = Script { greeting, ..Script::default() }
        .file(WIRE_FOLDER, "20250603.LOG", log.as_bytes())
        .file(WIRE_FOLDER, b"20250604\x1b[2J\x9b31m\x7f.LOG", log.as_bytes())
        .file(WIRE_FOLDER, "20250605.LOG", b"20250605 05:00:00|@StukUitgevoerd: 1\n")
        .folder(b"other \x1b[2J\x9b31m".as_slice())
        .answer("RETR 20250605.LOG", &format!("550 no {HOSTILE}"))
        .answer("SYST", &format!("215 UNIX {HOSTILE}"));
    ScriptedFtp::start(script)
}

#[test]
fn nothing_that_a_terminal_or_a_browser_obeys_comes_out_of_any_command_or_page() {
    let server = hostile_server();
    let mut agent = Agent::new();
    agent.add_ftp("cu", &server.config());
    agent.map_folders(0, &[(FOLDER, "DEM12\u{1b}[2J\u{202e}"), ("absent \u{1b}[2J", "SU12")]);
    agent.set("agent.log_level", "debug");
    agent.set("central.host", "127.0.0.1");
    agent.set("central.port", i64::from(refusing_central()));
    agent.set("central.database", "d");
    agent.set("central.user", "u");
    let password = agent.secret("central.password", "secret");
    agent.set("central.password_file", password.to_str().unwrap());
    agent.set("central.tls", "disable");
    let file = agent.dir().join("20250606\u{1b}[2J.LOG");
    std::fs::write(&file, "20250606 05:00:00|@StukUitgevoerd: 1 \u{1b}[2J\n").unwrap();

    let nom = "DEM12\u{1b}[2J\u{202e}";
    let commands: [&[&str]; 15] = [
        &["check"],
        &["once"],
        &["once"],
        &["import", "--machine", nom, file.to_str().unwrap()],
        &["status"],
        &["status", "--json"],
        &["sessions"],
        &["sessions", "--anomalies"],
        &["sessions", "--json"],
        &["report", "--from", "2025-06-01"],
        &["report", "--from", "2025-06-01", "--format", "csv"],
        &["report", "--from", "2025-06-01", "--format", "json"],
        &["replay"],
        &["health"],
        &["central", "migrate"],
    ];
    for command in commands {
        let output = agent.command(command);
        assert_quiet(&command.join(" "), &output);
        assert_ne!(output.stdout.len() + output.stderr.len(), 0, "{command:?}");
    }
    // What is shown was read: not silence, but the same text without its teeth.
    let sessions = agent.sessions_json();
    let pieces = sessions[0]["pieces"][0][1].as_str().unwrap();
    assert!(pieces.contains("\u{1b}[2J"), "JSON keeps the value, escaped: {pieces:?}");

    agent.set("status.listen", "127.0.0.1:0");
    let running = agent.run();
    running.wait_for_line("cycle:");
    let page = running.page();
    for path in [
        "/",
        "/day/2025-06-03",
        "/day/2025-06-03?lang=en",
        "/machine/DEM12%1B%5B2J%E2%80%AE",
        "/machine/a%E2%80%AEb",
        "/metrics",
        "/healthz",
        "/sessions.csv?from=2025-06-01&to=2025-06-30",
        "/sessions.csv?from=2025-06-01&to=2025-06-30&for=tableur",
        "/%E2%80%AE",
    ] {
        assert_harmless(path, &get(page, path).body);
    }
    assert_quiet("health", &agent.command(&["health"]));
    assert_quiet("run", &running.terminate().0);
}

#[test]
fn a_role_of_a_hostile_name_in_central_is_listed_by_check_as_harmless_text() {
    let (folder, database) = (Folder::of_case(&golden::case("clean")), Database::fresh());
    let role = format!("{HOSTILE}\nforged");
    database.psql(&format!("CREATE ROLE \"{role}\"; GRANT CREATE ON SCHEMA public TO \"{role}\""));
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let output = agent.command(&["check"]).succeeded().says("may create functions and tables");
    assert_quiet("check", &output);
    database.psql(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""));
}
