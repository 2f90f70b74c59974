//! Each command's help, output and exit code on the real binary.

use std::fs;

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Vsftpd},
    golden,
    net::free_port,
    postgres::Database,
    process::cu_agent,
    rows::{assert_same, buffer_sessions, central_sessions, truth},
};

const COMMANDS: [&str; 8] =
    ["run", "once", "check", "status", "sessions", "import", "replay", "health"];

const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";

fn agent_with_one_session() -> (Agent, Folder) {
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", PIECE);
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    (agent, folder)
}

#[test]
fn help_lists_every_command_and_each_has_its_own_help() {
    let help = cu_agent(&["--help"]).succeeded().says("--config").says("/etc/cu-agent/config.toml");
    for command in COMMANDS.iter().chain(&["central"]) {
        assert!(
            help.stdout.lines().any(|line| line.trim_start().starts_with(command)),
            "{command} is not listed\n{help}"
        );
        let own = cu_agent(&[command, "--help"]).succeeded();
        assert!(own.stdout.contains(&format!("cu-agent {command}")), "usage of {command}\n{own}");
        assert!(own.stderr.is_empty(), "{own}");
    }
    cu_agent(&["central", "migrate", "--help"]).succeeded().says("--print");
    cu_agent(&["status", "--help"]).succeeded().says("--json");
    cu_agent(&["sessions", "--help"]).succeeded().says("--machine").says("--date").says("--json");
    cu_agent(&["import", "--help"]).succeeded().says("--machine");
}

#[test]
fn help_tells_the_exit_codes() {
    let help = cu_agent(&["--help"]).succeeded();
    for (code, meaning) in
        [("0", "done"), ("1", "failed"), ("2", "configuration or usage"), ("3", "done in part")]
    {
        let told = help.stdout.lines().any(|line| {
            let behind = line.trim_start().strip_prefix(code);
            behind.is_some_and(|behind| behind.trim_start().starts_with(meaning))
        });
        assert!(told, "{code} {meaning}\n{help}");
    }
}

#[test]
fn version_is_the_packages() {
    cu_agent(&["--version"]).succeeded().says(env!("CARGO_PKG_VERSION"));
}

#[test]
fn unknown_commands_and_options_are_usage_errors() {
    cu_agent(&["collecter"]).exited(2).says("collecter");
    cu_agent(&["once", "--vite"]).exited(2).says("--vite");
    cu_agent(&[]).exited(2).says("Usage");
}

#[test]
fn a_missing_configuration_is_named_with_the_mend() {
    cu_agent(&["--config", "/nonexistent/cu.toml", "once"])
        .exited(2)
        .says("/nonexistent/cu.toml")
        .says("config.toml.example");
}

#[test]
fn once_collects_and_syncs_everything_and_ends() {
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    assert_same("central", &central_sessions(&database), &truth(&case));
}

#[test]
fn once_ends_with_3_where_something_is_buffered_and_not_yet_synced() {
    let folder = Folder::of_case(&golden::case("edge/stops"));
    let database = Database::fresh();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.set("central.port", i64::from(free_port()));
    agent.once().exited(3);
    assert_eq!(agent.status_number("pending_sessions"), 1);
}

#[test]
fn once_without_central_collects_and_ends_with_0() {
    let (agent, _folder) = agent_with_one_session();
    assert_eq!(agent.status_number("sessions"), 1);
    let status = agent.status_json();
    assert!(status["central"]["state"].is_string(), "{status:#}");
}

#[test]
fn check_says_one_line_for_each_part_and_ends_with_0_where_all_is_well() {
    let server = Vsftpd::start(Options::default());
    Folder::served_by(&server).make_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database);
    // The first run brings central's tables up to date; check only looks.
    agent.once().succeeded();
    let check = agent.command(&["check"]).succeeded();
    for part in ["configuration", "source cu", "central", "buffer", "clock"] {
        assert!(check.stdout.contains(part), "a line about {part}\n{check}");
    }
}

#[test]
fn check_names_what_is_wrong_with_the_mend_and_goes_on_with_the_rest() {
    let server = Vsftpd::start(Options::default());
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(&server).central(&database);
    let wrong = agent.secret("wrong.password", "sesame-ouvre-toi");
    agent.set("source.0.password_file", wrong.to_str().unwrap());
    agent.set("central.database", "nulle_part");
    let check = agent.command(&["check"]).exited(1).does_not_say("sesame");
    for word in ["password_file", "nulle_part", "buffer", "clock"] {
        assert!(check.stdout.contains(word), "{word} is told\n{check}");
    }
}

#[test]
fn check_writes_nothing() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    agent.command(&["check"]).succeeded();
    assert!(!agent.buffer().exists());
}

#[test]
fn status_shows_machines_backlog_and_link_to_people_and_numbers_to_programs() {
    let (agent, _folder) = agent_with_one_session();
    agent.command(&["status"]).succeeded().says("DEM12");
    let status = agent.status_json();
    for key in ["sessions", "pending_sessions", "refused_files"] {
        assert!(status[key].is_i64(), "{key} is a number: {status:#}");
    }
    assert_eq!(status["sessions"], 1);
}

#[test]
fn status_before_the_first_reading_is_no_error() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    agent.command(&["status"]).succeeded();
    assert_eq!(agent.status_number("sessions"), 0);
}

#[test]
fn sessions_are_a_table_for_people_and_a_list_for_programs() {
    let case = golden::case("clean");
    let folder = Folder::of_case(&case);
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    let table = agent.command(&["sessions", "--wide"]).succeeded();
    for session in truth(&case) {
        let line = table
            .stdout
            .lines()
            .find(|line| line.contains(&session.dossier) && line.contains(&session.date_production))
            .unwrap_or_else(|| panic!("no line for {}\n{table}", session.dossier));
        assert!(line.contains(&session.total_pieces.to_string()), "{line}");
        assert!(line.contains(&session.taux_occupation), "{line}");
    }
    assert!(agent.sessions_json().is_array());
}

#[test]
fn sessions_are_narrowed_by_machine_and_by_date() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    let list = |arguments: &[&str]| {
        let output = agent.command(arguments).succeeded();
        let list: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).unwrap();
        list.iter()
            .map(|session| {
                let text = |key: &str| session[key].as_str().unwrap().to_owned();
                (text("machine"), text("date_production"))
            })
            .collect::<Vec<_>>()
    };
    let machine = list(&["sessions", "--machine", "SU12", "--json"]);
    let days = ["2025-05-26", "2025-05-27"].map(|day| ("SU12".to_owned(), day.to_owned()));
    assert_eq!(machine, days);
    let day = list(&["sessions", "--date", "2025-05-26", "--json"]);
    assert_eq!(day.len(), 3);
    let both = list(&["sessions", "--machine", "DEM12", "--date", "2025-05-27", "--json"]);
    assert_eq!(both, [("DEM12".to_owned(), "2025-05-27".to_owned())]);
    agent.command(&["sessions", "--date", "hier"]).exited(2).says("hier");
}

#[test]
fn import_takes_files_from_a_stick_for_the_named_machine() {
    let case = golden::case("edge/two-files-one-day");
    let folder = Folder::of_three_machines();
    let stick = Folder::of_case(&case);
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    let first = stick.file("DEM12 (PVC)/20250603.LOG");
    let second = stick.file("DEM12 (PVC)/20250603_B.LOG");
    let import =
        ["import", "--machine", "DEM12", first.to_str().unwrap(), second.to_str().unwrap()];
    agent.command(&import).succeeded();
    assert_same("imported", &buffer_sessions(&agent), &truth(&case));
    // Again, and then the same files from the source: nothing doubles.
    agent.command(&import).succeeded();
    for file in &case.files {
        folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
    }
    agent.once().succeeded();
    assert_same("imported and collected", &buffer_sessions(&agent), &truth(&case));
    assert_same("synced", &central_sessions(&database), &truth(&case));
}

#[test]
fn import_takes_a_whole_folder() {
    let case = golden::case("clean");
    let folder = Folder::of_three_machines();
    let stick = Folder::of_case(&case);
    let agent = Agent::on_directory(folder.path());
    let path = stick.file("SU12 (HYBRIDE)");
    agent.command(&["import", "--machine", "SU12", path.to_str().unwrap()]).succeeded();
    let wanted: Vec<_> =
        truth(&case).into_iter().filter(|session| session.dossier == "SU12").collect();
    assert_same("imported", &buffer_sessions(&agent), &wanted);
}

#[test]
fn import_refuses_a_machine_nobody_knows_and_a_path_that_is_not_there() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    let output = agent.command(&["import", "--machine", "DEM13", folder.path().to_str().unwrap()]);
    output.exited(2).says("DEM13").says("DEM12");
    let output = agent.command(&["import", "--machine", "DEM12", "/nonexistent.LOG"]);
    assert_ne!(output.code, 0, "{output}");
    output.says("/nonexistent.LOG");
    agent.command(&["import", "/nonexistent.LOG"]).exited(2).says("--machine");
}

#[test]
fn replay_computes_the_same_sessions_from_the_raw_bytes() {
    let case = golden::case("dirty");
    let folder = Folder::of_case(&case);
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    for file in &case.files {
        folder.remove(&format!("{}/{}", file.folder, file.name));
    }
    agent.command(&["replay"]).succeeded();
    assert_same("replayed", &buffer_sessions(&agent), &truth(&case));
}

#[test]
fn replay_follows_a_changed_analysis() {
    let folder = Folder::of_case(&golden::case("edge/over-midnight"));
    let mut agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    assert_eq!(buffer_sessions(&agent).len(), 2);
    agent.set("analysis.day_start", "05:00");
    agent.command(&["replay"]).succeeded();
    let sessions = buffer_sessions(&agent);
    let with_pieces: Vec<_> = sessions.iter().filter(|s| s.total_pieces > 0).collect();
    assert_eq!(with_pieces.len(), 1, "the night belongs to the day it began in");
    assert_eq!(with_pieces[0].total_pieces, 4);
}

fn central_tables(database: &Database<'_>) -> bool {
    database.psql("SELECT to_regclass('cu_agent_migration') IS NOT NULL").trim() == "t"
}

#[test]
fn central_migrate_brings_the_tables_and_says_so() {
    let (mut agent, _folder) = agent_with_one_session();
    let database = Database::fresh();
    agent.set_central(&database.config());
    agent.command(&["central", "migrate"]).succeeded();
    assert!(central_tables(&database));
    agent.command(&["central", "migrate"]).succeeded();
}

#[test]
fn central_migrate_print_is_a_script_for_an_administrators_psql() {
    let (mut agent, _folder) = agent_with_one_session();
    let database = Database::fresh();
    agent.set_central(&database.config());
    let script = agent.command(&["central", "migrate", "--print"]).succeeded();
    assert!(!central_tables(&database), "printing changes nothing");
    database.psql(&script.stdout);
    assert!(central_tables(&database));
    agent.once().succeeded();
    assert_eq!(central_sessions(&database).len(), 1);
}

#[test]
fn the_variables_of_the_replaced_service_win_over_the_file() {
    let server = Vsftpd::start(Options::default());
    server.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    Folder::served_by(&server).make_three_machines();
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(&server).central(&database);
    agent.set("source.0.host", "wrong.invalid");
    agent.set("source.0.user", "wrong");
    agent.set("source.0.password_file", "/nonexistent");
    for key in ["host", "database", "user"] {
        agent.set(&format!("central.{key}"), "wrong.invalid");
    }
    agent.set("central.port", 1);
    agent.set("central.password_file", "/nonexistent");
    let central = database.config();
    let variables = [
        ("FTP_HOST", "127.0.0.1".to_owned()),
        ("FTP_USER", server.user().to_owned()),
        ("FTP_PASS", server.password().to_owned()),
        ("POSTGRES_HOST", central.host.to_string()),
        ("POSTGRES_PORT", central.port.to_string()),
        ("POSTGRES_DB", central.database.clone()),
        ("POSTGRES_USER", central.user.clone()),
        ("POSTGRES_PASSWORD", central.password.expose().to_owned()),
    ];
    for (name, value) in &variables {
        agent.set_environment(name, value);
    }
    agent.once().succeeded();
    assert_eq!(central_sessions(&database).len(), 1);
}

#[test]
fn systemd_credentials_are_read_where_present() {
    let server = Vsftpd::start(Options::default());
    Folder::served_by(&server).make_three_machines();
    server.put("SU12 (HYBRIDE)/20250603.LOG", PIECE);
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(&server).central(&database);
    agent.unset("source.0.password_file");
    agent.unset("central.password_file");
    agent.secret("ftp-password", server.password());
    agent.secret("central-password", database.config().password.expose());
    let directory = agent.dir().to_str().unwrap().to_owned();
    agent.set_environment("CREDENTIALS_DIRECTORY", &directory);
    agent.once().succeeded();
    assert_eq!(central_sessions(&database).len(), 1);
}

#[test]
fn a_result_of_an_update_that_cannot_be_read_is_said_and_hides_nothing_else() {
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path());
    agent.set("update.manifest_url", "https://127.0.0.1:1/manifest");
    agent.set("update.public_key", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3");
    let updates = agent.dir().join("updates");
    fs::create_dir(&updates).unwrap();
    agent.set("update.directory", updates.to_str().unwrap());
    for garbage in ["", "{", "[]", "\u{1b}[2J", r#"{"format": 7, "result": "installed"}"#] {
        fs::write(updates.join("result.json"), garbage).unwrap();
        let text = agent.command(&["update", "status"]).exited(1).stdout;
        assert!(text.contains("in progress  none\n"), "{text}");
        assert!(text.contains("last         not readable: "), "{text}");
        assert!(text.contains("\nwindow  "), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let json = agent.command(&["update", "status", "--json"]).exited(1).stdout;
        let told: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(told["last"], serde_json::Value::Null);
        assert!(told["last_error"].as_str().unwrap().contains("result.json"), "{json}");
    }
}

/// Shifts of one of three machines.
fn set_calendar(agent: &mut Agent) {
    let calendar = "[[calendar]]\nmachines = [\"DEM12\"]\nholidays = \"fr\"\nopen = [\"2025-06-07 22:00-02:00\"]\n\
        [[calendar.shift]]\nname = \"matin\"\ndays = \"mon-fri\"\ntime = \"05:00-13:00\"\nbreaks = [\"09:00-09:20\"]\n";
    let table: toml::Table = toml::from_str(calendar).unwrap();
    agent.set("calendar", table["calendar"].clone());
}

#[test]
fn calendar_prints_what_a_day_is_planned_as_and_why_nothing_is() {
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path());
    set_calendar(&mut agent);
    let on = |date: &str| agent.command(&["calendar", "--date", date]).succeeded();
    let tuesday = on("2025-06-03")
        .says("Tue, 2025-06-03, from 2025-06-03 00:00 to 2025-06-04 00:00")
        .says("DEM12: break in matin from 2025-06-03 09:00 to 2025-06-03 09:20")
        .says("SU12: has no calendar; [[calendar]] in config.toml.example shows how to write one");
    let row = tuesday.stdout.lines().find(|line| line.starts_with("DEM12 ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..3], ["DEM12", "1", "matin"]);
    assert!(
        row.contains("8 h 00") && row.contains("7 h 40") && row.contains("config.toml:"),
        "{row}"
    );
    on("2025-06-09").says("DEM12: nothing is planned: public holiday: Whit Monday (");
    on("2025-06-14").says("DEM12: nothing is planned: no shift on Sat (");
    on("2025-06-08").says("exceptionnel").says("2 h 00");
    let json = agent.command(&["calendar", "--date", "2025-06-03", "--machine", "DEM12", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&json.succeeded().stdout).unwrap();
    assert_eq!(told[0]["parts"][0]["required_ms"], 27_600_000);
    assert_eq!(told[0]["parts"][0]["required"][1][0], "2025-06-03 09:20:00");
    agent
        .command(&["calendar", "--machine", "DEM99"])
        .exited(2)
        .says("no machine is called DEM99; the machines are DEM12, DEMALU, SU12");
    agent.command(&["calendar", "--date", "2025-02-29"]).exited(2);
}

#[test]
fn a_calendar_that_contradicts_itself_is_refused_at_the_start_with_line_and_key() {
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path());
    set_calendar(&mut agent);
    agent.set("calendar.0.machines", vec!["DEM99"]);
    agent.set("calendar.0.shift.0.breaks", vec!["12:50-13:10"]);
    for command in ["once", "check", "calendar"] {
        agent
            .command(&[command])
            .exited(2)
            .says("config.toml:")
            .says(": calendar[1].machines: \"DEM99\" is no machine (nom) of [source.folders]")
            .says(": calendar[1].shift[1].breaks: a break that is outside its shift");
    }
}
