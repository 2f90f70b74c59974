//! Where the required time went, as the buffer holds it: the golden cases through the real binary, whatever
//! way the LOGs and the calendar came.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    agent::Agent,
    folder::Folder,
    golden::machine_of,
    planned::{self, PlannedCase},
};

/// The rows of `shift_times` with central's names.
fn rows(agent: &Agent) -> Vec<Value> {
    let connection = Connection::open(agent.buffer()).unwrap();
    let mut select = connection
        .prepare(
            "SELECT m.nom, t.day, t.number, t.shift,
                 datetime(t.planned_from_ms / 1000, 'unixepoch'),
                 datetime(t.planned_to_ms / 1000, 'unixepoch'),
                 iif(t.is_day_over, NULL, datetime(t.known_until_ms / 1000, 'unixepoch')),
                 t.is_running, t.opening_ms, t.required_ms, t.running_ms, t.stop_ms, t.wait_ms,
                 t.start_ms, t.end_ms, t.pieces, t.rejects, t.nominal_per_hour
             FROM shift_times t JOIN machine m ON m.id = t.machine_id ORDER BY m.nom, t.day, t.number",
        )
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Value> {
        let text = |at: usize| row.get::<_, Option<String>>(at);
        let number = |at: usize| row.get::<_, Option<i64>>(at);
        Ok(json!({
            "machine": text(0)?, "date_production": text(1)?, "numero": number(2)?,
            "poste": text(3)?, "debut_poste": text(4)?, "fin_poste": text(5)?, "jusqua": text(6)?,
            "en_cours": number(7)? == Some(1), "ouverture_ms": number(8)?, "requis_ms": number(9)?,
            "fonctionnement_ms": number(10)?, "arret_ms": number(11)?, "attente_ms": number(12)?,
            "demarrage_ms": number(13)?, "fin_ms": number(14)?, "pieces": number(15)?,
            "pieces_rebut": number(16)?, "cadence_nominale": number(17)?,
        }))
    };
    select.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn expected(case: &PlannedCase) -> Vec<Value> {
    let mut all: Vec<Value> = case.expected["postes"].as_array().unwrap().clone();
    let key = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("machine"), text("date_production"), row["numero"].as_i64())
    };
    all.sort_by_key(key);
    all
}

fn assert_times(case: &PlannedCase, agent: &Agent, way: &str) {
    let (found, expected) = (rows(agent), expected(case));
    assert_eq!(found.len(), expected.len(), "{} {way}: {found:#?}", case.name);
    for (found, expected) in found.iter().zip(&expected) {
        for (key, value) in found.as_object().unwrap() {
            assert_eq!(value, &expected[key], "{} {way}: {key} of {expected}", case.name);
        }
    }
    let connection = Connection::open(agent.buffer()).unwrap();
    for day in case.expected["jours"].as_array().unwrap() {
        let outside: Option<Option<i64>> = connection
            .query_row(
                "SELECT s.pieces_outside FROM session s JOIN machine m ON m.id = s.machine_id
                 WHERE m.nom = ?1 AND s.day = ?2",
                [day["machine"].as_str(), day["date_production"].as_str()],
                |row| row.get(0),
            )
            .ok();
        if let Some(outside) = outside {
            assert_eq!(json!(outside), day["pieces_hors_requis"], "{} {way}: {day}", case.name);
        }
    }
}

/// Puts the files there bit by bit, in an order drawn at random, with looks between them.
fn arrive(case: &PlannedCase, folder: &Folder, agent: &Agent, rng: &mut fastrand::Rng) {
    let mut rest: Vec<(String, Vec<&[u8]>)> = case
        .files
        .iter()
        .map(|file| {
            let lines = file.bytes.split_inclusive(|byte| *byte == b'\n').collect();
            (format!("{}/{}", file.folder, file.name), lines)
        })
        .collect();
    while !rest.is_empty() {
        let at = rng.usize(0..rest.len());
        let (name, lines) = &mut rest[at];
        let some = if rng.bool() { lines.len() } else { rng.usize(0..=lines.len()) };
        let bytes: Vec<u8> = lines.drain(..some).flatten().copied().collect();
        if !bytes.is_empty() {
            folder.append(name, &bytes);
        }
        if lines.is_empty() {
            rest.swap_remove(at);
        }
        if rng.u8(0..3) == 0 {
            agent.once().succeeded();
        }
    }
    agent.once().succeeded();
}

fn agent_of(case: &PlannedCase, folder: &Folder) -> Agent {
    for name in case.folders() {
        fs::create_dir_all(folder.file(name)).unwrap();
    }
    let mut agent = Agent::on_directory(folder.path());
    case.configure_machines(&mut agent);
    agent
}

#[test]
fn the_times_of_every_case_are_those_of_the_contract_whatever_way_the_logs_come() {
    let mut rng = fastrand::Rng::with_seed(15);
    for case in planned::cases() {
        let folder = Folder::empty();
        let mut agent = agent_of(&case, &folder);
        let calendar_comes_later = rng.bool();
        if !calendar_comes_later {
            case.configure_calendar(&mut agent);
        }
        if case.is_closed() {
            let stick = Folder::empty();
            for file in &case.files {
                let name = format!("{}/{}", file.folder, file.name);
                stick.put(&name, &file.bytes);
                let path = stick.file(&name);
                let machine = machine_of(&file.folder);
                agent
                    .command(&["import", "--machine", machine, path.to_str().unwrap()])
                    .succeeded();
            }
        } else {
            arrive(&case, &folder, &agent, &mut rng);
        }
        if calendar_comes_later {
            assert_eq!(rows(&agent), Vec::<Value>::new(), "{}: no calendar, no times", case.name);
            case.configure_calendar(&mut agent);
            agent.once().succeeded();
        }
        assert_times(
            &case,
            &agent,
            if calendar_comes_later { "calendar later" } else { "at once" },
        );
    }
}

#[test]
fn a_calendar_that_is_taken_away_takes_its_times_along_and_one_that_comes_back_brings_them() {
    let case = PlannedCase::named("planned-day-without-log");
    let folder = Folder::empty();
    let mut agent = agent_of(&case, &folder);
    case.configure_calendar(&mut agent);
    arrive(&case, &folder, &agent, &mut fastrand::Rng::with_seed(1));
    let revisions = |agent: &Agent| -> Vec<i64> {
        let connection = Connection::open(agent.buffer()).unwrap();
        let mut select = connection.prepare("SELECT revision FROM session ORDER BY id").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let before = revisions(&agent);
    agent.once().succeeded();
    agent.command(&["replay"]).succeeded();
    assert_eq!(revisions(&agent), before, "nothing changed, nothing is written");
    agent.unset("calendar");
    agent.once().succeeded();
    assert_eq!(rows(&agent), Vec::<Value>::new());
    assert!(
        revisions(&agent).iter().zip(&before).all(|(now, before)| now > before),
        "told central"
    );
    case.configure_calendar(&mut agent);
    agent.once().succeeded();
    assert_times(&case, &agent, "come back");
}
