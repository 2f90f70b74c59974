//! Anomalies and TRS through the whole program: computed with the session, kept in the buffer,
//! delivered with it, the same whatever order the files came in.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::support::{
    agent::Agent,
    folder::Folder,
    generate::{CENTRES, Dirt, Flaw, file_name, flawed_log_of_day, log_of_day, working_days},
    postgres::Database,
};

const SEED: u64 = 3;
const DAYS: usize = 25;

/// Days of DEM12, most of them ordinary, as `folder/file` and bytes.
fn logs() -> Vec<(String, Vec<u8>)> {
    let centre = &CENTRES[0];
    // The last one is there so that the one before it is over.
    let mut days = working_days(NaiveDate::from_ymd_opt(2025, 3, 3).unwrap(), DAYS + 2);
    // A working day of which there is no LOG.
    days.remove(21);
    let log = |(at, day): (usize, &NaiveDate)| {
        let bytes = match at {
            2 => flawed_log_of_day(centre, *day, SEED, Flaw::TornLine),
            4 | 5 => flawed_log_of_day(centre, *day, SEED, Flaw::UnknownEvent),
            22 => flawed_log_of_day(centre, *day, SEED, Flaw::ManyStops),
            24 => flawed_log_of_day(centre, *day, SEED, Flaw::LongStop),
            _ => log_of_day(centre, *day, SEED, Dirt::None),
        };
        (format!("{}/{}", centre.folder, file_name(*day)), bytes)
    };
    days.iter().enumerate().map(log).collect()
}

fn folder_with_logs() -> Folder {
    let folder = Folder::of_three_machines();
    for (name, bytes) in logs() {
        folder.put(&name, &bytes);
    }
    folder
}

/// Every anomaly of the buffer with its machine and day.
fn anomalies(agent: &Agent) -> Vec<Value> {
    let sessions = agent.sessions_json();
    let of_session = |session: &Value| {
        let (nom, day) = (session["machine"].clone(), session["date_production"].clone());
        let anomalies = session["anomalies"].as_array().unwrap().clone();
        anomalies.into_iter().map(move |mut anomaly| {
            anomaly["nom"] = nom.clone();
            anomaly["jour"] = day.clone();
            anomaly
        })
    };
    sessions.as_array().unwrap().iter().flat_map(of_session).collect()
}

fn codes(anomalies: &[Value]) -> Vec<(&str, &str)> {
    anomalies
        .iter()
        .map(|one| (one["jour"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect()
}

/// As central holds them: a narrow blank is not in every encoding that a database may have.
fn for_central(anomalies: &[Value]) -> Vec<Value> {
    let mut anomalies = anomalies.to_vec();
    for anomaly in &mut anomalies {
        anomaly["texte"] = anomaly["texte"].as_str().unwrap().replace('\u{202f}', "\u{a0}").into();
    }
    anomalies
}

/// What central holds, in the shape of the buffer's.
fn in_central(database: &Database<'_>) -> Vec<Value> {
    let text = database.psql(
        "SELECT coalesce(json_agg(json_build_object(
             'nom', nom, 'jour', date_production, 'code', code, 'gravite', gravite,
             'timestamp_debut', to_char(timestamp_debut, 'YYYY-MM-DD HH24:MI:SS.MS'),
             'timestamp_fin', to_char(timestamp_fin, 'YYYY-MM-DD HH24:MI:SS.MS'),
             'valeur', valeur::text, 'attendu', attendu::text, 'texte', texte)
             ORDER BY nom, date_production, numero), '[]') FROM v_anomalie",
    );
    serde_json::from_str(text.trim()).unwrap()
}

#[test]
fn central_holds_the_anomalies_that_the_buffer_shows() {
    let database = Database::fresh();
    let folder = folder_with_logs();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let held = anomalies(&agent);
    let told = codes(&held);
    for expected in [
        ("2025-03-05", "torn_line"),
        ("2025-03-07", "unknown_event"),
        ("2025-04-02", "missing_working_day"),
        ("2025-04-03", "stop_count"),
        ("2025-04-07", "stop_of_the_month"),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not told: {told:?}");
    }
    assert!(!told.contains(&("2025-03-10", "unknown_event")), "a word is news once: {told:?}");
    assert_eq!(in_central(&database), for_central(&held));
    let table = agent.command(&["sessions", "--anomalies", "--last", "100"]).succeeded();
    let unknown = "Événement inconnu «\u{a0}GereedschapWissel\u{a0}»";
    assert!(table.stdout.contains(unknown), "{table}");

    // Rows lost by hand come back; nothing else is written.
    database.psql("DELETE FROM anomalie WHERE code <> 'torn_line'");
    agent.once().succeeded();
    assert_eq!(in_central(&database), for_central(&held));
}

#[test]
fn anomalies_are_the_same_in_whatever_order_the_files_come() {
    let folder = folder_with_logs();
    let in_order = Agent::on_directory(folder.path());
    in_order.once().succeeded();
    let expected = anomalies(&in_order);
    assert!(expected.len() >= 5, "{expected:#?}");

    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    let mut logs = logs();
    logs.reverse();
    // The newest days first, five at a time, the last ones in the middle.
    logs.rotate_left(9);
    for some in logs.chunks(5) {
        for (name, bytes) in some {
            folder.put(name, bytes);
        }
        agent.once().succeeded();
    }
    assert_eq!(anomalies(&agent), expected);
    assert_eq!(in_central(&database), for_central(&expected));
    agent.command(&["replay"]).succeeded();
    assert_eq!(anomalies(&agent), expected);
}

#[test]
fn a_changed_threshold_is_felt_after_a_replay_here_and_in_central() {
    let database = Database::fresh();
    let folder = folder_with_logs();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let before = anomalies(&agent);
    agent.set("anomalies.torn_lines", 5);
    agent.command(&["replay"]).succeeded();
    agent.once().succeeded();
    let without: Vec<Value> =
        before.iter().filter(|one| one["code"] != "torn_line").cloned().collect();
    assert!(without.len() < before.len());
    assert_eq!(anomalies(&agent), without);
    assert_eq!(in_central(&database), for_central(&without));
}

#[test]
fn a_machine_with_a_nominal_rhythm_has_its_inputs_in_central_and_without_a_calendar_no_trs_there() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    // One hour, 31 pieces at one in two minutes, six minutes of a stop, two rejects.
    let mut log = String::new();
    for minute in (0..=60).step_by(2) {
        let (h, m) = (5 + minute / 60, minute % 60);
        if (50..54).contains(&minute) {
            log += &format!("20250603 05:{minute}:00|@StukAfgekeurd: {minute}\n");
        }
        if minute == 32 {
            log += "20250603 05:31:00|@MachineStop\n20250603 05:37:00|@MachineStart\n";
        }
        if !(31..37).contains(&minute) {
            log += &format!("20250603 {h:02}:{m:02}:00|@StukUitgevoerd: {minute}\n");
        }
    }
    folder.put("DEM12 (PVC)/20250603.LOG", log.as_bytes());
    folder.put("SU12 (HYBRIDE)/20250603.LOG", log.as_bytes());
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    let machine = "source.0.folders.DEM12 (PVC)";
    agent.set(&format!("{machine}.nominal_per_hour"), 40);
    agent.set(&format!("{machine}.reject_event"), "StukAfgekeurd");
    agent.once().succeeded();

    // 28 pieces of which 26 are good; 54 of 60 minutes productive.
    let sessions = agent.sessions_json();
    assert_eq!(sessions[0]["total_pieces"], 28);
    assert_eq!(sessions[0]["trs"], Value::Null, "no calendar");
    assert_eq!(sessions[0]["anomalies"], json!([]), "a known word is no news");
    let in_central = database.psql(
        "SELECT nom, cadence_nominale, rebuts, taux_disponibilite, taux_performance, taux_qualite,
             taux_trs FROM v_production_jour ORDER BY nom",
    );
    assert_eq!(in_central.trim(), "DEM12|40|2||||\nSU12||||||", "no calendar, no TRS");

    // Configured later, a replay gives the other machine its TRS, too.
    agent.set("source.0.folders.SU12 (HYBRIDE).nominal_per_hour", 28);
    agent.command(&["replay"]).succeeded();
    agent.once().succeeded();
    let in_central =
        database.psql("SELECT cadence_nominale, rebuts FROM v_production_jour WHERE nom = 'SU12'");
    assert_eq!(in_central.trim(), "28|0");
}

#[test]
fn what_is_told_of_a_day_that_grows_stays_and_the_rest_is_told_once_the_day_is_over() {
    let folder = folder_with_logs();
    let mut agent = Agent::on_directory(folder.path());
    agent.set("calendar", calendar());
    agent.once().succeeded();
    let day = NaiveDate::from_ymd_opt(2025, 4, 9).unwrap();
    let name = format!("{}/{}", CENTRES[0].folder, file_name(day));
    let log = flawed_log_of_day(&CENTRES[0], day, SEED, Flaw::Silence);
    let log =
        [&log[..], b"20250409 23:00:00|@MachineWait: 60 sec\n", b"20250409 23:00:01|@Onderhoud\n"];
    let log = log.concat();
    let of_day = |agent: &Agent| {
        let all = anomalies(agent);
        let of_day = all.into_iter().filter(|one| one["jour"] == "2025-04-09");
        of_day.map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let mut before = Vec::new();
    for some in lines.chunks(lines.len() / 6) {
        folder.append(&name, &some.concat());
        agent.once().succeeded();
        let now = of_day(&agent);
        assert!(before.iter().all(|code| now.contains(code)), "{before:?} became {now:?}");
        before = now;
    }
    assert_eq!(before, ["unknown_event"]);
    folder.append(
        &format!("{}/20250410.LOG", CENTRES[0].folder),
        b"20250410 05:01:00|@MachineStart\n",
    );
    agent.once().succeeded();
    let over = of_day(&agent);
    for code in ["unknown_event", "wait_outside_production", "longest_silence"] {
        assert!(over.iter().any(|one| one == code), "{code} is not told: {over:?}");
    }
    agent.command(&["replay"]).succeeded();
    assert_eq!(of_day(&agent), over);
}

/// One long shift with breaks, which the generated days keep more or less.
fn calendar() -> toml::Value {
    let text = r#"
        [[calendar]]
          [[calendar.shift]]
          name = "jour"
          days = "mon-fri"
          time = "05:00-22:00"
          breaks = ["12:00-12:30"]
    "#;
    text.parse::<toml::Table>().unwrap().remove("calendar").unwrap()
}

#[test]
fn a_calendar_that_comes_later_and_goes_again_leaves_the_anomalies_that_it_alone_gives() {
    let database = Database::fresh();
    let folder = folder_with_logs();
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let without = anomalies(&agent);
    agent.set("calendar", calendar());
    agent.once().succeeded();
    let with = anomalies(&agent);
    assert_ne!(with, without, "the days end hours before the shift does, now and then");
    assert_eq!(in_central(&database), for_central(&with));
    let fresh = Agent::on_directory(folder.path());
    let mut fresh = fresh;
    fresh.set("calendar", calendar());
    fresh.once().succeeded();
    assert_eq!(anomalies(&fresh), with, "as if it had been there from the beginning");
    agent.unset("calendar");
    agent.once().succeeded();
    assert_eq!(anomalies(&agent), without);
    assert_eq!(in_central(&database), for_central(&without));
}

/// What the version before the anomalies left: its schema, its rows.
const BACK_TO_SCHEMA_1: &str = "DROP VIEW times; DROP TRIGGER day_over; DROP TABLE shift_times;
    DROP TABLE times_alone; DROP TABLE calendar;
    ALTER TABLE machine DROP COLUMN times_basis;
    ALTER TABLE session DROP COLUMN pieces_outside;
    ALTER TABLE session DROP COLUMN last_event_ms;
    DROP TRIGGER tally_file; DROP TRIGGER tally_reading;
    DROP TRIGGER tally_file_gone; DROP TRIGGER tally_session; DROP TRIGGER tally_session_gone;
    DROP TRIGGER tally_reject; DROP TRIGGER tally_rejected_again; DROP TRIGGER tally_reject_gone;
    DROP TRIGGER file_keeps_machine; DROP TRIGGER session_keeps_machine; DROP TABLE reject_tally;
    DROP INDEX log_file_growing; DROP INDEX log_file_refused; DROP INDEX session_refused;
    DROP INDEX session_pending;
    CREATE INDEX session_pending ON session (day) WHERE revision > synced_revision;
    ALTER TABLE machine DROP COLUMN total_files; ALTER TABLE machine DROP COLUMN total_bytes;
    ALTER TABLE machine DROP COLUMN total_lines; ALTER TABLE machine DROP COLUMN total_events;
    ALTER TABLE machine DROP COLUMN total_sessions; ALTER TABLE machine DROP COLUMN last_read_at;
    DROP TABLE alarm_message; DROP TABLE alarm;
    DROP VIEW findings; DROP TABLE finding; DROP TABLE day_digest;
    ALTER TABLE session DROP COLUMN total_findings; ALTER TABLE session DROP COLUMN synced_digest;
    UPDATE session SET analysis_version = 1; PRAGMA user_version = 1;";

#[test]
fn a_buffer_of_the_version_before_gets_its_anomalies_at_the_first_start() {
    let database = Database::fresh();
    let folder = folder_with_logs();
    let agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let expected = anomalies(&agent);
    let buffer = rusqlite::Connection::open(agent.buffer()).unwrap();
    buffer.execute_batch(BACK_TO_SCHEMA_1).unwrap();
    database.psql("TRUNCATE anomalie");
    agent.once().succeeded();
    assert_eq!(anomalies(&agent), expected);
    assert_eq!(in_central(&database), for_central(&expected));
}

#[test]
fn days_whose_raw_bytes_made_room_are_judged_by_their_rows_and_only_once() {
    let folder = folder_with_logs();
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    let of_rows = |agent: &Agent| {
        let mut all = anomalies(agent);
        // These stand in no row.
        all.retain(|one| one["code"] != "torn_line" && one["code"] != "unknown_event");
        all
    };
    let expected = of_rows(&agent);
    let buffer = rusqlite::Connection::open(agent.buffer()).unwrap();
    buffer.execute_batch(BACK_TO_SCHEMA_1).unwrap();
    buffer.execute_batch("DELETE FROM raw_chunk").unwrap();
    agent.once().succeeded();
    assert_eq!(of_rows(&agent), expected);
    let outdated: i64 = buffer
        .query_row("SELECT count(*) FROM session WHERE analysis_version < 2", [], |row| row.get(0))
        .unwrap();
    assert_eq!(outdated, 0, "every start would compute them again");
}
