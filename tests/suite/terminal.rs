//! What people see at a terminal: tables that fit it, colours, the log's time, advice that fits the case.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    process::Command,
};

use chrono::{DateTime, Days, NaiveDate};
use unicode_width::UnicodeWidthStr;

use crate::support::{agent::Agent, folder::Folder, process};

const LOG: &str = "DEM12 (PVC)/20250603.LOG";

/// Names as people and hostile hands give them.
const NAMES: [&str; 6] = [
    "Centre d'usinage DEM12 du hall 3, ligne PVC",
    "数控机床加工中心十二号线东区三号车间甲班",
    "Pe\u{301}rc\u{327}euse e\u{301}te\u{301}",
    "SU12",
    "\u{1F3ED} usine \u{1F1EB}\u{1F1F7}",
    "ＤＥＭ１２",
];

/// `days` days of each machine of `names`, from 2025-06-02 on.
fn with_days(names: &[&str], days: u64) -> (Agent, Folder) {
    let folder = Folder::empty();
    let folders: Vec<String> = (0..names.len()).map(|number| format!("F{number}")).collect();
    let first = NaiveDate::from_ymd_opt(2025, 6, 2).unwrap();
    for (number, name) in folders.iter().enumerate() {
        for day in 0..days {
            let date = (first + Days::new(day)).format("%Y%m%d").to_string();
            let mut log = String::new();
            for piece in 0..1_200 / (number + 1) {
                let (hour, minute, second) = (5 + piece / 60 % 10, piece % 60, piece / 600);
                log += &format!(
                    "{date} {hour:02}:{minute:02}:{second:02}|@StukUitgevoerd: {piece} A\n"
                );
            }
            folder.put(&format!("{name}/{date}.LOG"), log.as_bytes());
        }
    }
    let mut agent = Agent::new();
    agent.add_directory("cu", folder.path());
    let mapping: Vec<(&str, &str)> =
        folders.iter().map(String::as_str).zip(names.iter().copied()).collect();
    agent.map_folders(0, &mapping);
    agent.once().succeeded();
    (agent, folder)
}

/// The column at which each row's first time of day stands.
fn columns_of_times(table: &str) -> Vec<usize> {
    let rows = table.lines().filter(|line| line.starts_with("2025-"));
    rows.filter_map(|row| Some(row[..row.find(" 05:")?].width())).collect()
}

fn days_of(table: &str) -> Vec<&str> {
    table.lines().filter(|line| line.starts_with("2025-")).map(|line| &line[..10]).collect()
}

#[test]
fn sessions_fit_80_columns_and_stand_in_line_whatever_the_machines_are_called() {
    let (agent, _folder) = with_days(&NAMES, 2);
    let table = agent.command(&["sessions", "--anomalies"]).succeeded().stdout;
    for line in table.lines() {
        assert!(line.width() <= 80, "{} columns: {line}\n{table}", line.width());
    }
    let columns = columns_of_times(&table);
    assert_eq!(columns.len(), 12, "{table}");
    assert!(columns.iter().all(|column| *column == columns[0]), "{columns:?}\n{table}");
    assert!(table.contains("1,200") && table.contains(" h "), "{table}");
    assert!(table.contains("Cent") && table.contains("PVC"), "both ends of a name\n{table}");
    let days = days_of(table.split("\n\n").next().unwrap());
    assert!(days.len() == 12 && days.is_sorted(), "the newest is last\n{table}");
    let wide = agent.command(&["sessions", "--wide"]).succeeded().stdout;
    assert!(wide.contains(NAMES[0]) && wide.contains("window h"), "{wide}");
    let columns = columns_of_times(&wide);
    assert!(columns.iter().all(|column| *column == columns[0]), "{columns:?}\n{wide}");
}

#[test]
fn a_table_of_sessions_has_the_newest_twenty_and_says_how_many_more_there_are() {
    let (agent, _folder) = with_days(&["DEM12"], 30);
    let table = |arguments: &[&str]| {
        agent.command(&[&["sessions"][..], arguments].concat()).succeeded().stdout
    };
    let all = table(&["--last", "30"]);
    assert_eq!(days_of(&all).len(), 30);
    assert!(!all.contains("not shown"), "{all}");
    let newest = table(&[]);
    assert_eq!(days_of(&newest), days_of(&all)[10..]);
    assert!(newest.contains("10 earlier sessions not shown; --last 30 shows all"), "{newest}");
    assert!(table(&["--last", "29"]).contains("1 earlier session not shown"));
    // Who asks for days gets all of them.
    assert_eq!(days_of(&table(&["--from", "2025-06-04"])), days_of(&all)[2..]);
    assert_eq!(days_of(&table(&["--to", "2025-06-28"])), days_of(&all)[..27]);
    let between = ["--from", "2025-06-04", "--to", "2025-06-08"];
    assert_eq!(days_of(&table(&between)), days_of(&all)[2..7]);
    assert_eq!(days_of(&table(&[&between[..], &["--last", "2"]].concat())), days_of(&all)[5..7]);
    assert_eq!(days_of(&table(&["--date", "2025-06-04"])), ["2025-06-04"]);
    let json = |arguments: &[&str]| -> usize {
        let all = [&["sessions", "--json"][..], arguments].concat();
        let output = agent.command(&all).succeeded();
        serde_json::from_str::<Vec<serde_json::Value>>(&output.stdout).unwrap().len()
    };
    assert_eq!((json(&[]), json(&between), json(&["--last", "3"])), (30, 5, 3));
    for (refused, says) in [
        (&["--last", "0"][..], "--last"),
        (&["--from", "2025-06-08", "--to", "2025-06-04"], "later than"),
        (&["--date", "2025-06-04", "--to", "2025-06-08"], "cannot be used with"),
        (&["--from", "hier"], "hier"),
    ] {
        agent.command(&[&["sessions"][..], refused].concat()).exited(2).says(says);
    }
}

#[test]
fn a_machine_that_is_none_is_told_with_those_that_there_are() {
    let (agent, _folder) = with_days(&["DEM12", "SU12"], 1);
    for command in [
        &["sessions", "--machine", "SU21"][..],
        &["sessions", "--json", "--machine", "SU21"],
        &["calendar", "--machine", "SU21"],
        &["import", "--machine", "SU21", "/nonexistent.LOG"],
    ] {
        let says = "no machine is called SU21; the machines are SU12, DEM12. Did you mean SU12?";
        agent.command(command).exited(2).says(says);
    }
}

/// What `cu-agent …` writes to a terminal.
fn on_terminal(agent: &Agent, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    // The configuration is written by a command.
    agent.command(&["status"]);
    let mut words = process::binary(&BTreeMap::new());
    words.push("--config".into());
    words.push(agent.config_file().to_str().unwrap().into());
    words.extend(arguments.iter().map(|word| (*word).to_owned()));
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let mut command = Command::new("script");
    command.args(["--quiet", "--command", &quoted.join(" "), "/dev/null"]);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(environment.iter().copied());
    let output = command.output().expect("script is part of every Debian");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn colours_are_for_a_terminal_and_for_who_wants_them() {
    let (mut agent, _folder) = with_days(&["DEM12"], 1);
    agent.set("source.0.path", "/nonexistent/stick");
    for (command, coloured) in [
        (&["check"][..], "\x1b[1;31mFAIL\x1b[0m"),
        (&["sessions"], "\x1b[33mwaiting\x1b[0m"),
        (&["status"], "\x1b[32mup\x1b[0m"),
    ] {
        let shown = on_terminal(&agent, command, &[]);
        assert!(shown.contains(coloured), "{command:?}: {shown:?}");
        for refused in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            let shown = on_terminal(&agent, command, &[refused]);
            assert!(
                !shown.contains('\x1b') && shown.len() > 20,
                "{command:?} {refused:?}: {shown:?}"
            );
        }
        let never = on_terminal(&agent, &[command, &["--color", "never"]].concat(), &[]);
        assert!(!never.contains('\x1b'), "{never:?}");
        // In a pipe there are none, unless somebody asks for them.
        assert!(!agent.command(command).stdout.contains('\x1b'));
        let always = agent.command(&[command, &["--color", "always"]].concat()).stdout;
        assert!(always.contains(coloured), "{always:?}");
    }
    assert!(!on_terminal(&agent, &["sessions", "--json"], &[]).contains('\x1b'));
}

#[test]
fn a_line_of_the_log_has_the_gateways_local_time_to_the_second() {
    let folder = Folder::of_three_machines();
    folder.put(LOG, b"20250603 05:00:00|@StukUitgevoerd: 1\n");
    for (zone, offset) in [("CET-1", "+01:00"), ("UTC0", "+00:00"), ("<-0330>3:30", "-03:30")] {
        let mut agent = Agent::on_directory(folder.path());
        agent.set_environment("TZ", zone);
        let log = agent.once().succeeded().stderr;
        let line = log.lines().find(|line| line.contains(LOG)).unwrap_or_else(|| panic!("{log}"));
        let (stamp, rest) = line.split_at("2026-11-29 06:12:04+01:00".len());
        assert!(rest.starts_with(" [INFO] "), "{line}");
        let at = DateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%S%:z").expect(line);
        assert!(stamp.ends_with(offset), "{zone}: {line}");
        #[allow(
            clippy::disallowed_methods,
            reason = "what the agent says is compared with the clock"
        )]
        let distance = (chrono::Utc::now() - at.to_utc()).num_minutes();
        assert!((0..5).contains(&distance), "{zone}: {line}");
    }
}

#[test]
fn a_directory_that_is_missing_is_told_by_its_path_and_never_by_host_and_port() {
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path());
    let file = agent.secret("file", "x");
    let loose = agent.dir().join("loose");
    symlink("/nonexistent/stick", &loose).unwrap();
    for (path, says) in [
        ("/nonexistent/stick", "is the stick plugged in, is the share mounted?"),
        (loose.to_str().unwrap(), "is the stick plugged in, is the share mounted?"),
        (file.to_str().unwrap(), "`path` has to name the directory"),
    ] {
        agent.set("source.0.path", path);
        for (command, code) in [("once", 1), ("check", 1), ("status", 0)] {
            let output = agent.command(&[command]).exited(code).says(path).says(says);
            let output = output.does_not_say("host").does_not_say("server");
            output.does_not_say("`port`").does_not_say(" port");
        }
    }
    agent.set("source.0.path", folder.path().to_str().unwrap());
    folder.put("DEM12 (PVC)/x.LOG", b"");
    fs::remove_dir(folder.file("SU12 (HYBRIDE)")).unwrap();
    fs::remove_file(folder.file("DEM12 (PVC)/x.LOG")).unwrap();
    let output = agent.once().says("SU12 (HYBRIDE)");
    output.does_not_say("host").does_not_say("server");
}

#[test]
fn a_configuration_that_is_no_text_is_one_mistake_with_its_place() {
    let agent = Agent::new();
    let path = agent.dir().join("mine.toml");
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        process::cu_agent(&["--config", path.to_str().unwrap(), "check"]).exited(2)
    };
    let latin1 = b"[agent]\nid = \"ligne-1\"\n# \xe9t\xe9\n";
    let output = check(latin1).says("mine.toml:3:3: not UTF-8: the byte E9 is 'é' in Latin-1");
    assert_eq!(output.stderr.lines().count(), 2, "{output}");
    let utf16: Vec<u8> = "\u{feff}[agent]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(&utf16).says("mine.toml:1:1: the file is in UTF-16; save it as UTF-8");
    let output =
        check(b"[agent]\nid = \"ligne-1\n[[source]]\n").says("mine.toml:2:").says("not TOML");
    assert_eq!(output.stderr.lines().count(), 2, "{output}");
    fs::remove_file(&path).unwrap();
    let named = |path: &str| process::cu_agent(&["--config", path, "check"]).exited(2);
    named(path.to_str().unwrap()).says("write it from config.toml.example");
    named(agent.dir().to_str().unwrap()).says("name the file in it with --config");
    if !rustix::process::geteuid().is_root() {
        check(b"");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        named(path.to_str().unwrap()).says("run this as root");
    }
}

#[test]
fn every_help_fits_a_terminal() {
    let mut words: Vec<Vec<&str>> = vec![vec![]];
    words.extend(
        ["run", "once", "check", "status", "sessions", "import", "replay"].map(|w| vec![w]),
    );
    words.extend(["report", "calendar", "health", "central", "update"].map(|w| vec![w]));
    words.push(vec!["central", "migrate"]);
    words.push(vec!["central", "calendar"]);
    words.push(vec!["update", "apply"]);
    for command in words {
        let help = process::cu_agent(&[&command[..], &["--help"]].concat()).succeeded().stdout;
        for line in help.lines() {
            assert!(line.width() <= 80, "{command:?}: {} columns: {line}", line.width());
        }
    }
}
