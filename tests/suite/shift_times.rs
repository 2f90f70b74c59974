//! Where the required time went, as the buffer holds it: the golden cases through the real binary, whatever
//! way the LOGs and the calendar came.

use std::fs;

use chrono::TimeDelta;
use cu_agent::{
    analyse::Options,
    buffer::Buffer,
    config::parse_calendars,
    model::{Day, DayTimes},
    parse::Text,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    agent::Agent,
    folder::Folder,
    golden::machine_of,
    planned::{self, PlannedCase, planned_days},
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

/// A calendar of one or two tables, of which the machine's may be either, with its day start.
fn calendar_at_random(rng: &mut fastrand::Rng) -> String {
    let shifts: &[&[(&str, &str, &str)]] = &[
        &[("matin", "05:00-13:00", "09:00-09:20"), ("après-midi", "13:00-21:00", "17:00-17:30")],
        &[("jour", "08:00-17:00", "12:00-13:00"), ("nuit", "21:30-05:30", "01:00-01:20")],
        &[("longue", "06:00-06:00", "23:50-00:10")],
        &[("nuit", "22:00-06:00", "02:00-02:30")],
        &[],
    ];
    let days = ["mon-fri", "mon-sun", "sat sun", "fri-mon", "tue thu"];
    let mut text = String::from("[[calendar]]\n");
    if rng.bool() {
        text.push_str("holidays = \"fr\"\n");
    }
    if rng.bool() {
        text.push_str(
            "closed = [\"2025-06-03/2025-06-04\"]\nopen = [\"2025-06-04 10:00-02:00\"]\n",
        );
    }
    for (name, time, pause) in *rng.choice(shifts).unwrap() {
        let days = rng.choice(days).unwrap();
        text += &format!(
            "[[calendar.shift]]\nname = \"{name}\"\ndays = \"{days}\"\ntime = \"{time}\"\n\
             breaks = [\"{pause}\"]\n"
        );
    }
    text
}

/// Lines of some days, a few of them far away, over one to three files in the order of their times.
fn lines_at_random(rng: &mut fastrand::Rng) -> Vec<(String, Vec<u8>)> {
    let names = ["StukUitgevoerd|D|", "MachineStop|", "MachineStart|", "Melding|x", "Afgekeurd|"];
    let mut moments: Vec<chrono::NaiveDateTime> = Vec::new();
    for _ in 0..rng.usize(1..7) {
        let offset = match rng.u8(0..10) {
            0 => 45,
            1 => 11_000,
            _ => rng.i64(0..14),
        };
        let day = "2025-05-30".parse::<Day>().unwrap() + TimeDelta::days(offset);
        let midnight = day.and_hms_opt(0, 0, 0).unwrap();
        let seconds = |rng: &mut fastrand::Rng| TimeDelta::seconds(rng.i64(0..86_400));
        moments.extend((0..rng.usize(1..30)).map(|_| midnight + seconds(rng)));
    }
    moments.sort_unstable();
    let mut files = vec![Vec::new(); rng.usize(1..4)];
    for at in moments {
        let name = match rng.u8(0..8) {
            0 => format!("MachineWait|{} sec", rng.u32(0..9000)),
            1..=3 => names[0].to_owned(),
            _ => names[rng.usize(0..names.len())].to_owned(),
        };
        let file = rng.usize(0..files.len());
        files[file].extend(format!("{}|@{name}\r\n", at.format("%Y%m%d %H:%M:%S")).into_bytes());
    }
    let named = files.into_iter().enumerate();
    named.map(|(at, bytes)| (format!("DEM12 (PVC)/{at}.LOG"), bytes)).collect()
}

#[test]
fn whatever_lines_and_calendars_come_the_times_are_those_of_all_that_is_known() {
    let mut compared = 0;
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = Folder::of_three_machines();
        let mut agent = Agent::on_directory(folder.path());
        let start = *rng.choice(&[0, 5, 22]).unwrap();
        agent.set("analysis.day_start", format!("{start:02}:00"));
        agent.set("source.0.folders.DEM12 (PVC).nominal_per_hour", 7);
        agent.set("source.0.folders.DEM12 (PVC).reject_event", "Afgekeurd");
        let files = lines_at_random(&mut rng);
        let mut rest: Vec<(&str, Vec<&[u8]>)> = files
            .iter()
            .map(|(name, bytes)| (&**name, bytes.split_inclusive(|b| *b == b'\n').collect()))
            .collect();
        let mut calendar = String::new();
        while !rest.is_empty() {
            if calendar.is_empty() || rng.u8(0..4) == 0 {
                calendar = calendar_at_random(&mut rng);
                let written: toml::Table = toml::from_str(&calendar).unwrap();
                agent.set("calendar", written["calendar"].clone());
            }
            let at = rng.usize(0..rest.len());
            let (name, lines) = &mut rest[at];
            let some = rng.usize(0..=lines.len());
            folder.append(name, &lines.drain(..some).flatten().copied().collect::<Vec<u8>>());
            if lines.is_empty() {
                rest.swap_remove(at);
            }
            match rng.u8(0..6) {
                0 => drop(agent.command(&["replay"]).succeeded()),
                _ => drop(agent.once().succeeded()),
            }
        }
        agent.once().succeeded();
        let options = Options { day_start: TimeDelta::hours(start), ..Options::default() };
        let calendars = parse_calendars("central", &calendar).unwrap();
        let texts: Vec<Text<'_>> = files.iter().map(|(_, bytes)| Text::new(bytes)).collect();
        let of_machine = calendars.of("DEM12").unwrap();
        let expected = planned_days(of_machine, options, Some("Afgekeurd"), false, Some(7), &texts);
        let buffer = Buffer::open_read_only(&agent.state_dir()).unwrap().unwrap();
        let (first, last) = ("0001-01-01".parse().unwrap(), "9999-12-31".parse().unwrap());
        let found = buffer.sessions().day_times("DEM12", first, last).unwrap();
        let planned: Vec<DayTimes> =
            expected.into_iter().filter(|day| !day.parts.is_empty()).collect();
        assert_eq!(found.len(), planned.len(), "seed {seed}: {found:#?}\n{planned:#?}\n{calendar}");
        for (found, planned) in found.iter().zip(&planned) {
            assert_eq!(found, planned, "seed {seed}\n{calendar}");
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} days");
}
