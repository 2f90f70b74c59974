//! FTP servers that break, lie and lack what others have: the real binary reads on, and in the end
//! every row in central is what the files say.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{
    agent::Agent,
    ftp::{Options, Script, ScriptedFtp, Strike, Vsftpd},
    golden::{self, Case, Expected},
    postgres::Database,
    rows::{assert_same, central_sessions, truth},
    truth,
};

const FIRST: &str = "20250526.LOG";

fn served(case: &Case) -> Script {
    case.files
        .iter()
        .fold(Script::default(), |script, file| script.file(&file.folder, &file.name, &file.bytes))
}

fn agent_on(server: &ScriptedFtp, database: &Database<'_>) -> Agent {
    let mut agent = Agent::new().central(database);
    let key = agent.add_ftp("cu", &server.config());
    agent.set(&format!("{key}.read_timeout"), "1s");
    agent.set("schedule.file_quiet", "0s");
    agent
}

/// The truth without the days of the files named `name`.
fn without(truth: &[Expected], name: &str) -> Vec<Expected> {
    let day = |session: &Expected| session.date_production.replace('-', "");
    truth.iter().filter(|session| !name.starts_with(&day(session))).cloned().collect()
}

type Damage = fn(Script) -> Script;

#[test]
fn a_broken_transfer_is_never_taken_for_whole_and_is_made_up_for() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let table: &[(&str, Damage)] = &[
        ("426 in mid-RETR", |s| Script { cut: Some((3000, "426 cut".into())), ..s }),
        ("426 before the first byte", |s| Script { cut: Some((0, "426 cut".into())), ..s }),
        ("421 in mid-RETR", |s| Script { cut: Some((5000, "421 closing".into())), ..s }),
        ("the wire cut in mid-RETR", |s| Script { cut: Some((4000, String::new())), ..s }),
        ("226 is never said", |s| Script { cut: Some((usize::MAX, String::new())), ..s }),
        ("451 after all bytes", |s| Script { cut: Some((usize::MAX, "451 disk".into())), ..s }),
        ("421 as greeting", |s| Script { greeting: "421 full\r\n".into(), ..s }),
        ("RETR is never answered", |s| Script { silent_at: Some("RETR".into()), ..s }),
        ("no data connection", |s| s.answer("EPSV", "425 no").answer("PASV", "425 no")),
    ];
    for (what, damage) in table {
        let server = ScriptedFtp::start(damage(served(&case)));
        let database = Database::fresh();
        let agent = agent_on(&server, &database);
        let output = agent.once();
        assert_ne!(output.code, 0, "{what} is told\n{output}");
        for session in central_sessions(&database) {
            let whole = truth.iter().find(|whole| {
                (&whole.dossier, &whole.date_production)
                    == (&session.dossier, &session.date_production)
            });
            let begins = whole.is_some_and(|whole| whole.pieces.starts_with(&session.pieces));
            assert!(begins, "{what}: only what the files hold");
        }
        *server.script() = served(&case);
        agent.once().succeeded();
        assert_same(what, &central_sessions(&database), &truth);
    }
}

#[test]
fn a_file_that_the_server_refuses_stops_no_other() {
    let case = golden::case("clean");
    let truth = truth(&case);
    for answer in ["450 locked by the machine", "550 no access", "426 closed"] {
        let refused = format!("RETR {FIRST}");
        let server = ScriptedFtp::start(served(&case).answer(&refused, answer));
        let database = Database::fresh();
        let agent = agent_on(&server, &database);
        agent.once().exited(3).says(FIRST).says(answer);
        assert_same(answer, &central_sessions(&database), &without(&truth, FIRST));
        server.script().answers.clear();
        agent.once().succeeded();
        assert_same(answer, &central_sessions(&database), &truth);
    }
}

#[test]
fn a_421_at_any_command_costs_time_and_nothing_else() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let server = ScriptedFtp::start(served(&case));
    let database = Database::fresh();
    let agent = agent_on(&server, &database);
    for number in 1..=40 {
        server.script().hang_up_at = Some(number);
        agent.once();
    }
    server.script().hang_up_at = None;
    agent.once().succeeded();
    assert_same("after 40 times 421", &central_sessions(&database), &truth);
}

#[test]
fn a_dialogue_cut_after_any_number_of_bytes_leaves_nothing_that_is_not_made_up_for() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let server = ScriptedFtp::start(served(&case));
    let database = Database::fresh();
    let agent = agent_on(&server, &database);
    for limit in (0..1500).step_by(37) {
        server.script().control_bytes = Some(limit);
        agent.once();
    }
    server.script().control_bytes = None;
    agent.once().succeeded();
    assert_same("after all cuts", &central_sessions(&database), &truth);
}

#[test]
fn what_a_server_lacks_costs_nothing_of_a_growing_file() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let table: &[(&str, Damage)] = &[
        ("REST refused", |s| s.answer("REST", "502 not here")),
        ("SIZE missing", |s| s.answer("SIZE", "500 what?")),
        ("MDTM missing", |s| s.answer("MDTM", "500 what?")),
        ("LIST only", Script::without_mlsd),
        ("LIST in DOS style", |s| Script { dos_style: true, ..s.without_mlsd() }),
        ("NLST only", Script::nlst_only),
        ("NLST only, and bare names", |s| {
            s.nlst_only().answer("SIZE", "500 what?").answer("MDTM", "500 what?")
        }),
        ("NLST with whole paths, no REST", |s| {
            Script { whole_paths: true, ..s.nlst_only() }.answer("REST", "502 no")
        }),
        ("sizes that lie", |s| Script { listed_sizes_lie_by: 1_000_000, ..s }),
    ];
    for (what, lack) in table {
        let mut half = case.clone();
        for file in &mut half.files {
            file.bytes.truncate(file.bytes.len() / 2);
        }
        let server = ScriptedFtp::start(lack(served(&half)));
        let database = Database::fresh();
        let mut agent = agent_on(&server, &database);
        agent.set("schedule.file_quiet", "1h");
        agent.once().succeeded();
        agent.once().succeeded();
        *server.script() = lack(served(&case));
        agent.once().succeeded();
        assert_same(what, &central_sessions(&database), &truth);
    }
}

#[test]
fn deletion_waits_for_the_comparison_on_every_kind_of_server() {
    let case = golden::case("clean");
    let table: &[(&str, Damage)] = &[
        ("as it should be", |s| s),
        ("SIZE and MDTM missing", |s| s.answer("SIZE", "500 what?").answer("MDTM", "500 what?")),
        ("NLST only", Script::nlst_only),
        ("sizes that lie", |s| Script { listed_sizes_lie_by: 7, ..s }),
    ];
    for (what, lack) in table {
        let server = ScriptedFtp::start(lack(served(&case)));
        let database = Database::fresh();
        let mut agent = agent_on(&server, &database);
        agent.set("source.0.delete", "after-sync");
        agent.once().succeeded();
        agent.once().succeeded();
        // The machines go on, and the day before leaves.
        let last = "20250527.LOG";
        let mut written = Vec::new();
        for file in case.files.iter().filter(|file| file.name == last) {
            let more = b"20250527 23:30:00|@StukUitgevoerd: tard\n";
            append(&server, &file.folder, &file.name, more);
            written.push((&file.folder, more));
        }
        agent.once().succeeded();
        let script = server.script();
        let left: Vec<&[u8]> =
            script.tree.values().flat_map(|files| files.keys()).map(Vec::as_slice).collect();
        assert_eq!(left, [last.as_bytes(); 3], "{what}: the day before left, today's did not");
        drop(script);
        let mut files: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for file in &case.files {
            files.entry(golden::machine_of(&file.folder)).or_default().push(file.bytes.clone());
        }
        for (folder, more) in written {
            files.get_mut(golden::machine_of(folder)).unwrap().push(more.to_vec());
        }
        let truth: Vec<_> =
            files.iter().flat_map(|(nom, files)| truth::of_machine(nom, files)).collect();
        assert_same(what, &central_sessions(&database), &truth);
    }
}

fn append(server: &ScriptedFtp, folder: &str, name: &str, more: &[u8]) {
    let mut script = server.script();
    let files = script.tree.get_mut(folder.as_bytes()).unwrap();
    files.get_mut(name.as_bytes()).unwrap().extend(more);
}

const DEM12: &str = "DEM12 (PVC)";

/// Twenty pieces of a day in June 2026.
fn june(day: u32, hour: u32) -> Vec<u8> {
    let line =
        |n| format!("202606{day:02} {hour:02}:{n:02}:00|@StukUitgevoerd: {day}-{hour}-{n}\n");
    (0..20).map(line).collect::<String>().into_bytes()
}

/// The server lists DEM12's files with these times.
fn list_with(server: &ScriptedFtp, times: &[(&str, &str)]) {
    let mut script = server.script();
    let mut listing = format!("type=dir;modify=20260601000000; {DEM12}\r\n");
    for (name, time) in times {
        if let Some(bytes) = script.tree[DEM12.as_bytes()].get(name.as_bytes()) {
            let size = bytes.len();
            listing += &format!("type=file;size={size};modify={time}; {name}\r\n");
        }
    }
    script.listings.insert("MLSD".into(), listing.into_bytes());
}

fn deleting_agent_of_dem12(server: &ScriptedFtp, database: &Database<'_>) -> Agent {
    let mut agent = agent_on(server, database);
    agent.map_folders(0, &[(DEM12, "DEM12")]);
    agent.set("source.0.delete", "after-sync");
    agent
}

#[test]
fn a_file_dated_a_day_ahead_deletes_nothing_that_a_machine_still_writes() {
    let names = ["20260610.LOG", "20260611.LOG", "20260612.LOG"];
    let mut days: Vec<Vec<u8>> = (10..13).map(|day| june(day, 8)).collect();
    let script = names
        .iter()
        .zip(&days)
        .fold(Script::default(), |script, (name, bytes)| script.file(DEM12, name, bytes));
    let server = ScriptedFtp::start(script);
    let database = Database::fresh();
    let agent = deleting_agent_of_dem12(&server, &database);
    let at_noon =
        [(names[0], "20260610220000"), (names[1], "20260613120100"), (names[2], "20260612114000")];
    let mut said = String::new();
    // Over lunch.
    for _ in 0..5 {
        list_with(&server, &at_noon);
        said += &agent.once().succeeded().stderr;
    }
    assert!(server.script().tree[DEM12.as_bytes()].contains_key(names[2].as_bytes()));
    let dated_ahead = "DEM12 (PVC)/20260611.LOG";
    assert!(said.contains(&format!("{dated_ahead} has an implausible date")), "{said}");
    agent.command(&["check"]).says(&format!("{dated_ahead} has an implausible date"));
    agent.command(&["status"]).says(&format!("{dated_ahead}: the server dates it"));
    let status = agent.status_json();
    assert_eq!(status["implausible_dates"][0]["file"], dated_ahead);
    assert_eq!(status["implausible_dates"].as_array().unwrap().len(), 1);
    // The machine goes on in the file that it holds open: the days before leave.
    append(&server, DEM12, names[2], &june(12, 13));
    days[2].extend(june(12, 13));
    let after_lunch = [at_noon[0], at_noon[1], (names[2], "20260612132000")];
    list_with(&server, &after_lunch);
    agent.once().succeeded();
    let left: Vec<_> = server.script().tree[DEM12.as_bytes()].keys().cloned().collect();
    assert_eq!(left, [names[2].as_bytes()], "ordinary days leave, today's stays");
    assert_same("central", &central_sessions(&database), &truth::of_machine("DEM12", &days));
}

#[test]
fn a_deletion_that_is_confirmed_and_not_done_is_told_once_and_tried_again_slowly() {
    let names = ["20260610.LOG", "20260611.LOG"];
    let days = [june(10, 8), june(11, 8)];
    let script = Script::default()
        .file(DEM12, names[0], &days[0])
        .file(DEM12, names[1], &days[1])
        .answer("DELE", "250 done");
    let server = ScriptedFtp::start(script);
    let database = Database::fresh();
    let mut agent = deleting_agent_of_dem12(&server, &database);
    agent.set("schedule.poll", "100ms");
    list_with(&server, &[(names[0], "20260610220000"), (names[1], "20260611080000")]);
    let mut hour = 8;
    let mut bytes = days[1].clone();
    let running = agent.run();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while server.count("DELE") == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing is deleted\n{}", running.log());
        let polls = running.log().matches("cycle:").count();
        running.wait_for_nth_line("cycle:", polls + 2);
        hour = if hour == 22 { 8 } else { hour + 1 };
        append(&server, DEM12, names[1], &june(11, hour));
        bytes.extend(june(11, hour));
        let time = format!("20260611{hour:02}3000");
        list_with(&server, &[(names[0], "20260610220000"), (names[1], &time)]);
    }
    let told = "is still there although the server confirmed its deletion";
    running.wait_for_line(told);
    let polls = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", polls + 5);
    assert_eq!(server.count("DELE"), 1, "it is not asked for at every poll");
    let log = running.terminate().0.stderr;
    assert_eq!(log.matches(told).count(), 1, "{log}");
    assert_eq!(log.matches("20260610.LOG deleted").count(), 1, "{log}");
    let reads = log.matches("20260610.LOG: ").count();
    assert_eq!(reads, 1, "it is not read as another file\n{log}");
    // Another process does not ask at once either.
    agent.once();
    agent.once();
    assert_eq!(server.count("DELE"), 1);
    let truth = truth::of_machine("DEM12", &[days[0].clone(), bytes]);
    assert_same("central", &central_sessions(&database), &truth);
}

#[test]
fn a_file_that_changes_between_listing_and_reading_is_read_as_what_it_is() {
    let case = golden::case("clean");
    let (folder, name) = (&case.files[0].folder, &case.files[0].name);
    let nom = "DEM12";
    let whole = case.files[0].bytes.clone();
    let later: &[u8] = b"20250526 23:10:00|@StukUitgevoerd: tard\n20250526 23:11:00|@Stuk";
    let rest: &[u8] = b"Uitgevoerd: plus tard\n";
    let other: &[u8] = b"20250526 23:20:00|@StukUitgevoerd: autre\n";
    let shorter = whole[..whole.len() / 3].to_vec();
    let grown = [&whole[..], later].concat();
    // What strikes, and which files the machine has written in the end.
    let table: [(&str, Strike, Vec<Vec<u8>>); 5] = [
        ("deleted", Strike::Delete, vec![]),
        ("shortened", Strike::Rewrite(shorter.clone()), vec![shorter]),
        ("rewritten", Strike::Rewrite(other.to_vec()), vec![other.to_vec()]),
        ("renamed", Strike::RenameTo(b"ancien.LOG".to_vec()), vec![whole.clone()]),
        ("grows while it is read", Strike::Grow(later.to_vec(), 20), vec![grown]),
    ];
    for (what, strike, mut files) in table {
        let script = Script::default().file(folder, name, &whole);
        let server = ScriptedFtp::start(script);
        server.script().strikes.insert(name.clone().into_bytes(), strike);
        let database = Database::fresh();
        let mut agent = agent_on(&server, &database);
        agent.set("schedule.file_quiet", "1h");
        agent.once();
        agent.once();
        assert_same(what, &central_sessions(&database), &truth::of_machine(nom, &cut(&files)));
        // The machine goes on writing.
        for bytes in server.script().tree.get_mut(folder.as_bytes()).unwrap().values_mut() {
            bytes.extend(rest);
        }
        files.iter_mut().for_each(|bytes| bytes.extend(rest));
        agent.once();
        assert_same(what, &central_sessions(&database), &truth::of_machine(nom, &files));
    }
}

/// Without a last line that has no end yet.
fn cut(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let whole = |bytes: &Vec<u8>| bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    files.iter().map(|bytes| bytes[..whole(bytes)].to_vec()).collect()
}

#[test]
fn a_file_rewritten_right_before_its_deletion_is_read_and_not_deleted_unread() {
    let case = golden::case("clean");
    let (folder, name) = (case.files[0].folder.clone(), case.files[0].name.clone());
    let whole = case.files[0].bytes.clone();
    // Same size, same time in the listing: only its bytes differ.
    let mut other = whole.clone();
    let at = memchr_of(&other, b"StukUitgevoerd: ");
    other[at + 16..at + 20].copy_from_slice(b"neuf");
    let next = "20250528.LOG";
    let mut next_day = b"20250528 05:00:00|@StukUitgevoerd: 1\n".to_vec();
    let script = Script::default().file(&folder, &name, &whole).file(&folder, next, &next_day);
    let server = ScriptedFtp::start(script);
    let database = Database::fresh();
    let mut agent = agent_on(&server, &database);
    agent.set("source.0.delete", "after-sync");
    agent.once();
    let strikes = name.clone().into_bytes();
    server.script().tree.get_mut(folder.as_bytes()).unwrap().insert(strikes, other.clone());
    let mut said = String::new();
    for n in 0..8 {
        // A new generation of the name waits for a LOG that is begun after it.
        let name = if n < 4 { next } else { "20250529.LOG" };
        let line = format!("{} 05:0{n}:00|@StukUitgevoerd: {n}\n", &name[..8]).into_bytes();
        server.script().tree.get_mut(folder.as_bytes()).unwrap().entry(name.into()).or_default();
        append(&server, &folder, name, &line);
        next_day.extend(line);
        said += &agent.once().stderr;
    }
    assert!(said.contains("changed at its source since it was read"), "{said}");
    let is_there = server.script().tree[folder.as_bytes()].contains_key(name.as_bytes());
    assert!(!is_there, "it left once it was read");
    let truth = truth::of_machine("DEM12", &[whole, other, next_day]);
    assert_same("both were read", &central_sessions(&database), &truth);
}

fn memchr_of(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

#[test]
fn a_deletion_whose_answer_is_lost_loses_nothing_and_is_not_sent_twice_in_a_row() {
    let case = golden::case("clean");
    let server = ScriptedFtp::start(served(&case));
    let database = Database::fresh();
    let mut agent = agent_on(&server, &database);
    agent.set("source.0.delete", "after-sync");
    agent.once().succeeded();
    server.script().silent_at = Some("DELE".into());
    agent.once();
    assert_eq!(server.count("DELE"), 1, "after silence the source is left alone for this time");
    server.script().silent_at = None;
    for _ in 0..3 {
        agent.once();
    }
    assert_same("in the end", &central_sessions(&database), &truth(&case));
}

#[test]
fn a_server_that_lets_nobody_delete_says_so_once_and_is_not_asked_for_the_file_at_every_poll() {
    let case = golden::case("clean");
    let server =
        Vsftpd::start(Options { extra: vec!["cmds_denied=DELE".into()], ..Options::default() });
    for file in &case.files {
        server.put(format!("{}/{}", file.folder, file.name), &file.bytes);
    }
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(&server).central(&database);
    agent.set("schedule.file_quiet", "0s");
    agent.set("source.0.delete", "after-sync");
    let running = agent.run();
    let first = running.wait_for_line("could not be deleted, retrying in an hour");
    assert!(first.contains("550 Permission denied"), "{first}");
    assert!(first.contains("set delete = \"never\""), "{first}");
    let polls = running.log().matches("cycle:").count();
    running.wait_for_nth_line("cycle:", polls + 3);
    let output = running.terminate().0;
    let log = &output.stderr;
    for file in &case.files {
        let of_file = format!("{}/{} could not be deleted", file.folder, file.name);
        assert!(log.matches(&of_file).count() <= 1, "{of_file} is said once\n{log}");
    }
    assert_same("nothing is missing", &central_sessions(&database), &truth(&case));
}

#[test]
fn a_silent_server_holds_up_a_cycle_no_longer_than_its_time_outs() {
    let case = golden::case("clean");
    for verb in ["USER", "FEAT", "CWD", "EPSV", "MLSD", "RETR"] {
        let server = ScriptedFtp::start(served(&case));
        server.script().silent_at = Some(verb.into());
        let database = Database::fresh();
        let agent = agent_on(&server, &database);
        let running = agent.start(&["once"]);
        let output = running.output(Duration::from_secs(20));
        assert_ne!(output.code, 0, "{verb}\n{output}");
    }
}
