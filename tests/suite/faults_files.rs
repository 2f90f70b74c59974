//! What machines and people do to LOG files, on a real vsftpd: central ends up with every line once.

use crate::support::{
    agent::Agent,
    folder::Folder,
    ftp::{Options, Vsftpd},
    generate::{CENTRES, Dirt, log_of_day, working_days},
    golden::{self, Expected},
    plant::Plant,
    postgres::Database,
    rows::{assert_same, buffer_sessions, central_sessions, truth},
    truth,
};

const LOG: &str = "DEM12 (PVC)/20250603.LOG";

fn piece(day: u32, minute: u32, number: u32) -> String {
    let (hour, minute) = (5 + minute / 60, minute % 60);
    format!("202506{day:02} {hour:02}:{minute:02}:00|@StukUitgevoerd: {number}\n")
}

fn served() -> (Vsftpd, Folder) {
    let server = Vsftpd::start(Options::default());
    for centre in CENTRES {
        server.make_folder(centre.folder);
    }
    let folder = Folder::served_by(&server);
    (server, folder)
}

/// An agent that closes at once what is over, and deletes what is in central.
fn deleting_agent(server: &Vsftpd, database: &Database<'_>) -> Agent {
    let mut agent = Agent::on_ftp(server).central(database);
    agent.set("schedule.file_quiet", "0s");
    agent.set("source.0.delete", "after-sync");
    agent
}

fn numbers(sessions: &[Expected]) -> Vec<&str> {
    sessions.iter().flat_map(|s| &s.pieces).map(|(_, details)| details.as_str()).collect()
}

#[test]
fn files_that_grow_by_half_lines_are_renamed_rewritten_and_copied_back_give_every_line_once() {
    for seed in 1..=2 {
        let (server, _folder) = served();
        let database = Database::fresh();
        let agent = deleting_agent(&server, &database);
        let mut plant = Plant::new(server.root(), seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        for round in 0..60 {
            for _ in 0..rng.usize(1..20) {
                plant.write();
            }
            match rng.u8(..10) {
                0 => plant.rewrite(),
                1 => plant.rename(),
                2 => plant.copy_back(),
                3 => plant.next_day(),
                _ => {}
            }
            let output = agent.once();
            assert_eq!(output.code, 0, "seed {seed}, round {round}\n{output}");
        }
        plant.finish();
        for _ in 0..4 {
            agent.once().succeeded();
        }
        let truth = plant.truth();
        assert_same(&format!("seed {seed}"), &central_sessions(&database), &truth);
        assert_same(&format!("seed {seed}, buffer"), &buffer_sessions(&agent), &truth);
    }
}

#[test]
fn a_file_that_grows_over_midnight_feeds_both_days_and_leaves_when_both_are_in_central() {
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = deleting_agent(&server, &database);
    let before: String = (0..60).map(|n| piece(3, 1080 + n, n)).collect();
    server.put(LOG, before.as_bytes());
    folder.date(LOG, "2025-06-03 23:59:00");
    agent.once().succeeded();
    let after: String =
        (0..60).map(|n| format!("20250604 00:{n:02}:30|@StukUitgevoerd: {n}\n")).collect();
    folder.append(LOG, after.as_bytes());
    folder.date(LOG, "2025-06-04 00:59:30");
    agent.once().succeeded();
    agent.once().succeeded();
    assert!(folder.exists(LOG), "the later of its days is not over");
    let next = "DEM12 (PVC)/20250605.LOG";
    server.put(next, piece(5, 0, 1).as_bytes());
    folder.date(next, "2025-06-05 05:00:00");
    agent.once().succeeded();
    agent.once().succeeded();
    assert!(folder.exists(LOG), "one file alone shows the server's time");
    folder.append(next, piece(5, 1, 2).as_bytes());
    agent.once().succeeded();
    assert!(!folder.exists(LOG), "the machine goes on in the next one");
    assert!(folder.exists(next));
    let next_day = piece(5, 0, 1) + &piece(5, 1, 2);
    let files = [(before + &after).into_bytes(), next_day.into_bytes()];
    assert_same("in the end", &central_sessions(&database), &truth::of_machine("DEM12", &files));
}

#[test]
fn a_file_copied_back_after_its_deletion_changes_nothing_and_is_deleted_again() {
    let case = golden::case("clean");
    let truth = truth(&case);
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = deleting_agent(&server, &database);
    let mut written = String::new();
    for back in 0..3 {
        for file in &case.files {
            let name = format!("{}/{}", file.folder, file.name);
            // The first time as it was; then under another name too.
            server.put(&name, &file.bytes);
            folder.date(
                &name,
                &format!("{}-{}-{} 22:00:00", &file.name[..4], &file.name[4..6], &file.name[6..8]),
            );
            if back == 2 {
                server.put(format!("{}/copie de {}", file.folder, file.name), &file.bytes);
            }
        }
        let dem12 = "DEM12 (PVC)/20250526.LOG";
        // Read, closed, deleted, and missed by a listing, while the machine goes on.
        for minute in 0..4 {
            let line = format!("20250528 05:{back}{minute}:00|@StukUitgevoerd: {minute}\n");
            written += &line;
            server.put("DEM12 (PVC)/20250528.LOG", written.as_bytes());
            folder.date("DEM12 (PVC)/20250528.LOG", "2025-05-28 05:30:00");
            agent.once().succeeded();
        }
        let mut truth = truth.clone();
        truth.extend(truth::of_machine("DEM12", &[written.clone().into_bytes()]));
        let key = |one: &Expected| (one.dossier.clone(), one.date_production.clone());
        truth.sort_by_key(key);
        assert!(!folder.exists(dem12), "deleted, round {back}");
        assert_same("copied back", &central_sessions(&database), &truth);
    }
}

#[test]
fn a_name_begun_anew_after_its_deletion_adds_to_what_was_there() {
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = deleting_agent(&server, &database);
    let [first, second] = [piece(3, 0, 1) + &piece(3, 1, 2), piece(3, 2, 3)];
    let next = piece(4, 0, 1) + &piece(4, 1, 2);
    server.put(LOG, first.as_bytes());
    folder.date(LOG, "2025-06-03 22:00:00");
    server.put("DEM12 (PVC)/20250604.LOG", piece(4, 0, 1).as_bytes());
    folder.date("DEM12 (PVC)/20250604.LOG", "2025-06-04 05:00:00");
    for _ in 0..2 {
        agent.once().succeeded();
    }
    folder.append("DEM12 (PVC)/20250604.LOG", piece(4, 1, 2).as_bytes());
    agent.once().succeeded();
    assert!(!folder.exists(LOG));
    // The machine's clock was wrong, or it was asleep: it goes on with the day.
    server.put(LOG, second.as_bytes());
    agent.once().succeeded();
    let files = [(first + &second).into_bytes(), next.into_bytes()];
    assert_same("in the end", &central_sessions(&database), &truth::of_machine("DEM12", &files));
}

#[test]
fn two_files_of_one_day_are_one_session_and_leave_together() {
    let case = golden::case("edge/two-files-one-day");
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = deleting_agent(&server, &database);
    folder.put_case(&case);
    for file in &case.files {
        folder.date(&format!("{}/{}", file.folder, file.name), "2025-06-03 22:00:00");
    }
    let next = "DEM12 (PVC)/20250605.LOG";
    server.put(next, piece(5, 0, 1).as_bytes());
    for _ in 0..2 {
        agent.once().succeeded();
    }
    folder.append(next, piece(5, 1, 2).as_bytes());
    agent.once().succeeded();
    for file in &case.files {
        assert!(!folder.exists(&format!("{}/{}", file.folder, file.name)), "{}", file.name);
    }
    let mut wanted = truth(&case);
    let next_day = piece(5, 0, 1) + &piece(5, 1, 2);
    wanted.extend(truth::of_machine("DEM12", &[next_day.into_bytes()]));
    assert_same("two files", &central_sessions(&database), &wanted);
}

#[test]
fn forty_days_of_three_machines_that_arrive_at_once_are_all_there() {
    let (server, _folder) = served();
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database);
    let mut truth = Vec::new();
    for centre in CENTRES {
        let days = working_days(chrono::NaiveDate::from_ymd_opt(2025, 5, 1).unwrap(), 40);
        let mut files = Vec::new();
        for day in days {
            let bytes = log_of_day(&centre, day, 7, Dirt::None);
            server.put(format!("{}/{}.LOG", centre.folder, day.format("%Y%m%d")), &bytes);
            files.push(bytes);
        }
        truth.extend(truth::of_machine(centre.nom, &files));
    }
    agent.once().succeeded();
    assert_eq!(truth.len(), 120);
    assert_same("40 days", &central_sessions(&database), &truth);
}

#[test]
fn dates_of_the_future_are_kept_and_end_no_other_file() {
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = deleting_agent(&server, &database);
    let today = piece(3, 0, 1);
    let future = "20991231 05:00:00|@StukUitgevoerd: loin\n";
    let within = format!("{}20991230 05:00:00|@StukUitgevoerd: avance\n", piece(2, 0, 1));
    for (name, text) in [
        (LOG, today.as_str()),
        ("DEM12 (PVC)/20991231.LOG", future),
        ("DEM12 (PVC)/20250602.LOG", &within),
    ] {
        server.put(name, text.as_bytes());
        folder.date(name, "2025-06-03 12:00:00");
    }
    for _ in 0..3 {
        agent.once().succeeded();
    }
    assert!(folder.exists(LOG), "today's file is not over by a file of the future");
    assert!(folder.exists("DEM12 (PVC)/20991231.LOG"));
    let more = piece(3, 1, 2);
    folder.append(LOG, more.as_bytes());
    agent.once().succeeded();
    let files = [(today + &more).into_bytes(), future.into(), within.into_bytes()];
    assert_same("in the end", &central_sessions(&database), &truth::of_machine("DEM12", &files));
}

#[test]
fn a_server_whose_times_move_by_an_hour_makes_no_file_new() {
    let case = golden::case("edge/clock-steps-back");
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database).with("schedule.file_quiet", "1h");
    folder.put_case(&case);
    let name = format!("{}/{}", case.files[0].folder, case.files[0].name);
    folder.date(&name, "2025-06-03 12:00:00");
    agent.once().succeeded();
    let versions = "SELECT string_agg(xmin::text, ',' ORDER BY id) FROM piece_production";
    let before = database.psql(versions);
    for time in ["2025-06-03 13:00:00", "2025-06-03 11:00:00", "2024-06-03 12:00:00"] {
        folder.date(&name, time);
        agent.once().succeeded();
    }
    assert_eq!(database.psql(versions), before, "no row was written again");
    let generations: i64 = rusqlite::Connection::open(agent.buffer())
        .unwrap()
        .query_row("SELECT max(generation) FROM log_file", [], |row| row.get(0))
        .unwrap();
    assert_eq!(generations, 1, "the same bytes are the same file");
    assert_same("in the end", &central_sessions(&database), &truth(&case));
}

#[test]
fn an_hour_that_the_clock_repeats_in_autumn_costs_no_line() {
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = Agent::on_ftp(&server).central(&database).with("schedule.file_quiet", "1h");
    let log = "DEM12 (PVC)/20251026.LOG";
    let line =
        |hour: u32, n: u32| format!("20251026 {hour:02}:{:02}:00|@StukUitgevoerd: {n}\n", n % 60);
    // 02:00 to 03:00 passes twice.
    let text: String = (0..60)
        .map(|n| line(2, n))
        .chain((60..120).map(|n| line(2, n)))
        .chain((120..180).map(|n| line(3, n)))
        .collect();
    server.put(log, b"");
    for part in text.as_bytes().chunks(1700) {
        folder.append(log, part);
        agent.once().succeeded();
    }
    let sessions = central_sessions(&database);
    assert_eq!(numbers(&sessions).len(), 180);
    assert_same("in the end", &sessions, &truth::of_machine("DEM12", &[text.into_bytes()]));
}

#[test]
fn vsftpd_whose_listing_has_no_times_deletes_what_is_over_and_nothing_of_today() {
    let (server, folder) = served();
    let database = Database::fresh();
    let agent = deleting_agent(&server, &database);
    // Times of the last months are listed without a year: they are asked for one by one.
    let now = std::process::Command::new("date").args(["-u", "+%Y%m%d"]).output().unwrap();
    let today = String::from_utf8(now.stdout).unwrap().trim().to_owned();
    let day = chrono::NaiveDate::parse_from_str(&today, "%Y%m%d").unwrap();
    let name = |day: chrono::NaiveDate| format!("DEM12 (PVC)/{}.LOG", day.format("%Y%m%d"));
    let line =
        |day: chrono::NaiveDate| format!("{} 05:00:00|@StukUitgevoerd: 1\n", day.format("%Y%m%d"));
    let old = day - chrono::Days::new(9);
    let far = day + chrono::Days::new(900);
    for day in [old, day, far] {
        server.put(name(day), line(day).as_bytes());
    }
    for _ in 0..3 {
        agent.once().succeeded();
    }
    assert!(!folder.exists(&name(old)), "nine days old and in central");
    assert!(folder.exists(&name(day)), "today, whatever a file of the future claims");
    assert!(folder.exists(&name(far)));
    let files = [old, day, far].map(|day| line(day).into_bytes());
    assert_same("in the end", &central_sessions(&database), &truth::of_machine("DEM12", &files));
}
