//! The times of shifts in central: its views give the contract's figures to the last digit, and its rows are
//! what the gateway computed, whatever else writes to them.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDateTime};
use cu_agent::model::{Day, ShiftTimes, TimesSum, hours_e4};
use cu_agent::sync::postgres::{MIGRATIONS, Migration};
use serde_json::Value;

use crate::support::{
    agent::Agent,
    central::Feeder,
    folder::Folder,
    golden::machine_of,
    hand::every_value,
    planned::{self, PlannedCase},
    postgres::Database,
};

/// A value of a case, as SQL.
fn sql(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

fn moment(text: &Value) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text.as_str().unwrap(), "%Y-%m-%d %H:%M:%S%.f").unwrap()
}

const HELD: [&str; 15] = [
    "numero",
    "poste",
    "debut_poste",
    "fin_poste",
    "jusqua",
    "ouverture_ms",
    "requis_ms",
    "fonctionnement_ms",
    "arret_ms",
    "attente_ms",
    "demarrage_ms",
    "fin_ms",
    "pieces",
    "pieces_rebut",
    "cadence_nominale",
];

/// The parts and days of a case as rows; a machine is `CASE/FOLDER`.
fn insert(case: &PlannedCase, script: &mut String) {
    let name = &case.name;
    let rows = |kind: &str| case.expected[kind].as_array().unwrap().clone();
    let nom = |row: &Value| sql(&format!("{name}/{}", row["dossier"].as_str().unwrap()).into());
    let centre = |row: &Value| format!("(SELECT id FROM centre_usinage WHERE nom = {})", nom(row));
    let mut totals = BTreeMap::new();
    for row in rows("jours") {
        let day: Day = row["date_production"].as_str().unwrap().parse().unwrap();
        let begin = day.and_time(chrono::NaiveTime::MIN) + case.day_start;
        let total = moment(&row["connu_jusqua"]) - begin;
        totals.insert((nom(&row), day.to_string()), total.num_milliseconds());
        script.push_str(&format!(
            "INSERT INTO centre_usinage (nom, type_cu) VALUES ({}, 'PVC') ON CONFLICT DO NOTHING;
             INSERT INTO session_production (centre_usinage_id, date_production, pieces_hors_requis)
             VALUES ({}, {}, {});",
            nom(&row),
            centre(&row),
            sql(&row["date_production"]),
            row["pieces_hors_requis"]
        ));
    }
    for row in rows("postes") {
        let values: Vec<String> = HELD.iter().map(|column| sql(&row[column])).collect();
        let day = row["date_production"].as_str().unwrap().to_owned();
        script.push_str(&format!(
            "INSERT INTO temps_poste (centre_usinage_id, date_production, {}, total_ms)
             VALUES ({}, '{day}', {}, {});",
            HELD.join(", "),
            centre(&row),
            values.join(", "),
            totals[&(nom(&row), day.clone())]
        ));
    }
}

/// The rows of a view, with every value as text, by machine and the columns of `key`.
pub fn shown(db: &Database<'_>, view: &str, key: &[&str]) -> BTreeMap<Vec<String>, Value> {
    let rows = db.psql(&format!(
        "SELECT coalesce(jsonb_agg((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each_text(to_jsonb(v)) e)), '[]')
         FROM {view} v"
    ));
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    let key_of = |row: &Value| {
        let of = |column: &&str| row[column].as_str().unwrap().to_owned();
        [&["nom"], key].concat().iter().map(of).collect()
    };
    rows.into_iter().map(|row| (key_of(&row), row)).collect()
}

/// As `jsonb_each_text` writes it.
fn text(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value.clone(),
        other => other.to_string().into(),
    }
}

pub const VIEWS: [(&str, &str, &[&str]); 4] = [
    ("postes", "v_trs_poste", &["date_production", "numero"]),
    ("jours", "v_trs_jour", &["date_production"]),
    ("semaines", "v_trs_semaine", &["semaine"]),
    ("mois", "v_trs_mois", &["mois"]),
];

/// What the views show of `machine(folder)` is what the case says, and nothing else.
pub fn assert_shown(
    db: &Database<'_>,
    case: &PlannedCase,
    machine: impl Fn(&str) -> String,
    seen: &mut BTreeMap<&str, usize>,
) {
    for (kind, view, key) in VIEWS {
        let shown = shown(db, view, key);
        for row in case.expected[kind].as_array().unwrap() {
            // A day without a part has no rows.
            if row.get("postes").is_some_and(|parts| parts == 0) {
                continue;
            }
            let nom = machine(row["dossier"].as_str().unwrap());
            let mut of = vec![nom];
            of.extend(key.iter().map(|column| match &row[column] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }));
            let found = shown.get(&of).unwrap_or_else(|| panic!("{view} lacks {of:?}"));
            for (column, value) in row.as_object().unwrap() {
                let expected = match column.as_str() {
                    "dossier" | "machine" => continue,
                    "connu_jusqua" if found["jusqua"].is_null() => continue,
                    "connu_jusqua" => {
                        assert_eq!(moment(value), at(&found["jusqua"]), "{view} {of:?}");
                        continue;
                    }
                    "debut_poste" | "fin_poste" => {
                        assert_eq!(moment(value), at(&found[column]), "{view} {of:?}");
                        continue;
                    }
                    "jusqua" if !value.is_null() => {
                        assert_eq!(moment(value), at(&found[column]), "{view} {of:?}");
                        continue;
                    }
                    _ => text(value),
                };
                assert_eq!(found[column], expected, "{view} {of:?} {column}");
            }
            *seen.entry(view).or_default() += 1;
        }
    }
}

/// A moment as JSON of the server has it.
fn at(value: &Value) -> NaiveDateTime {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn the_views_give_every_case_of_planned_time_to_the_last_digit() {
    let db = Database::fresh();
    Feeder::new(&db);
    let cases = planned::cases();
    let mut script = String::new();
    cases.iter().for_each(|case| insert(case, &mut script));
    db.psql(&script);
    let mut seen = BTreeMap::new();
    for case in &cases {
        assert_shown(&db, case, |folder| format!("{}/{folder}", case.name), &mut seen);
    }
    for (_, view, _) in VIEWS {
        assert_eq!(u64::try_from(seen[view]).unwrap(), db.count(view), "{view} shows more");
    }
    // The day's TRS is shown in its place, and nothing else bears that name.
    let differ = db.psql(
        "SELECT s.nom, s.date_production FROM v_production_jour s
         LEFT JOIN v_trs_jour j USING (centre_usinage_id, date_production)
         WHERE ROW(s.taux_disponibilite, s.taux_performance, s.taux_qualite, s.taux_trs)
               IS DISTINCT FROM ROW(j.taux_do, j.taux_tp, j.taux_tq, j.trs)",
    );
    assert_eq!(differ, "");
}

/// A part, and the nominal rate of its day.
type Row = (ShiftTimes, Option<u32>);

fn part(number: u32, rng: &mut fastrand::Rng) -> ShiftTimes {
    // Of lengths of which halves of a hundredth of a percent are parts.
    let unit = [1, 125, 20_000, 7_200_000][rng.usize(..4)];
    let mut of = |most: i64| unit * rng.i64(0..=(most / unit).max(1));
    let (running_ms, stop_ms, wait_ms) = (of(7_200_000), of(60_000), of(20_000));
    let (start_ms, end_ms) = (of(3_600_000), of(400));
    let required_ms = running_ms + stop_ms + wait_ms + start_ms + end_ms;
    ShiftTimes {
        number,
        shift: "matin".into(),
        opening_ms: required_ms + of(20_000),
        required_ms,
        running_ms,
        stop_ms,
        wait_ms,
        start_ms,
        end_ms,
        pieces: rng.u32(0..200),
        rejects: rng.u32(0..40),
        ..ShiftTimes::default()
    }
}

/// What a view must show of some parts of as many days.
fn told<'r>(rows: impl Iterator<Item = &'r Row>, days: i64) -> String {
    let sums = rows.map(|(times, nominal)| TimesSum::of(times, *nominal));
    let sum = sums.reduce(|one, other| one.plus(&other)).unwrap();
    let e4 = |value: i64| format!("{}.{:04}", value / 10_000, value % 10_000);
    let e2 = |value: Option<i64>| {
        value.map_or(String::new(), |value| format!("{}.{:02}", value / 100, value % 100))
    };
    let rates = sum.rates(days * 86_400_000);
    [
        e4(hours_e4(sum.required_ms)),
        e4(hours_e4(sum.wait_ms)),
        sum.net_e4().map_or(String::new(), e4),
        sum.useful_e4().map_or(String::new(), e4),
        e2(rates.availability_e2),
        e2(rates.performance_e2),
        e2(rates.quality_e2),
        e2(rates.trs_e2),
        e2(rates.trg_e2),
        e2(rates.tre_e2),
    ]
    .join("|")
}

#[test]
fn the_views_round_as_the_gateway_does_whatever_the_nominal_rates_of_a_sum() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let db = Database::fresh();
    Feeder::new(&db);
    let mut rows: BTreeMap<(u32, Day), Vec<Row>> = BTreeMap::new();
    let mut script = String::new();
    for machine in 1..=6 {
        script.push_str(&format!(
            "INSERT INTO centre_usinage VALUES ({machine}, 'CU{machine}', 'PVC');"
        ));
        // Rates without a common factor, as after changes of a program; on one machine none is set for a while.
        let nominals = [Some(1), Some(3), Some(7), Some(64), Some(97), Some(2_147_483_647)];
        for n in 0..45 {
            let day = Day::from_ymd_opt(2024, 12, 20).unwrap() + chrono::TimeDelta::days(n);
            let mut nominal = nominals[rng.usize(..machine as usize)];
            if machine == 5 && rng.u8(..9) == 0 {
                nominal = None;
            }
            let parts =
                (1..=rng.u32(1..4)).map(|number| (part(number, &mut rng), nominal)).collect();
            rows.insert((machine, day), parts);
        }
    }
    for ((machine, day), parts) in &rows {
        for (times, nominal) in parts {
            let nominal = nominal.map_or("NULL".into(), |nominal| nominal.to_string());
            let ShiftTimes { number, opening_ms, required_ms, running_ms, stop_ms, .. } = times;
            let ShiftTimes { wait_ms, start_ms, end_ms, pieces, rejects, .. } = times;
            script.push_str(&format!(
                "INSERT INTO temps_poste VALUES ({machine}, '{day}', {number}, 'matin', '{day}', '{day}',
                 NULL, {opening_ms}, {required_ms}, {running_ms}, {stop_ms}, {wait_ms}, {start_ms},
                 {end_ms}, {pieces}, {rejects}, {nominal});"
            ));
        }
    }
    db.psql(&script);
    let mut expected = [String::new(), String::new(), String::new()];
    let mut periods: BTreeMap<(usize, u32, String), Vec<&Vec<Row>>> = BTreeMap::new();
    for ((machine, day), parts) in &rows {
        let week = day.iso_week();
        let names = [
            day.to_string(),
            format!("{}-W{:02}", week.year(), week.week()),
            day.format("%Y-%m").to_string(),
        ];
        for (kind, name) in names.into_iter().enumerate() {
            periods.entry((kind, *machine, name)).or_default().push(parts);
        }
    }
    for ((kind, machine, name), days) in periods {
        let count = i64::try_from(days.len()).unwrap();
        let told = told(days.into_iter().flatten(), count);
        expected[kind].push_str(&format!("CU{machine}|{name}|{told}\n"));
    }
    let views =
        [("v_trs_jour", "date_production"), ("v_trs_semaine", "semaine"), ("v_trs_mois", "mois")];
    for ((view, period), expected) in views.into_iter().zip(expected) {
        let found = db.psql(&format!(
            "SELECT nom, {period}, temps_requis, temps_attente, temps_net, temps_utile, taux_do, taux_tp,
                 taux_tq, trs, trg, tre FROM {view} ORDER BY nom, {period}"
        ));
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{view}, seed {seed}");
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{view}, seed {seed}");
    }
}

/// An agent of the case's machines on its LOGs and calendar.
fn agent_of(case: &PlannedCase, folder: &Folder, db: &Database<'_>) -> Agent {
    for name in case.folders() {
        std::fs::create_dir_all(folder.file(name)).unwrap();
    }
    let mut agent = Agent::on_directory(folder.path()).central(db);
    case.configure_machines(&mut agent);
    case.configure_calendar(&mut agent);
    agent
}

fn put(case: &PlannedCase, folder: &Folder) {
    for file in &case.files {
        folder.put(&format!("{}/{}", file.folder, file.name), &file.bytes);
    }
}

/// The case with its LOGs in place, delivered.
fn delivered(name: &str, folder: &Folder, db: &Database<'_>) -> Agent {
    let case = PlannedCase::named(name);
    let agent = agent_of(&case, folder, db);
    put(&case, folder);
    agent.once().succeeded();
    agent
}

/// Which version of each row of the tables of sessions is there.
fn versions(db: &Database<'_>) -> BTreeMap<String, String> {
    let rows = db.psql(
        "SELECT 't ' || date_production || ' ' || numero || '|' || xmin FROM temps_poste
         UNION ALL SELECT 's ' || date_production || '|' || xmin FROM session_production
         UNION ALL SELECT 'p ' || id || '|' || xmin FROM piece_production",
    );
    let pair = |row: &str| row.split_once('|').map(|(row, xmin)| (row.to_owned(), xmin.to_owned()));
    rows.lines().filter_map(pair).collect()
}

fn changed(before: &BTreeMap<String, String>, db: &Database<'_>) -> Vec<String> {
    let now = versions(db).into_iter();
    now.filter(|(row, xmin)| before.get(row) != Some(xmin)).map(|(row, _)| row).collect()
}

#[test]
fn every_case_of_planned_time_travels_from_its_logs_to_the_views_to_the_last_digit() {
    for case in planned::cases() {
        let (db, folder) = (Database::fresh(), Folder::empty());
        let agent = agent_of(&case, &folder, &db);
        if case.is_closed() {
            let stick = Folder::empty();
            put(&case, &stick);
            for file in &case.files {
                let path = stick.file(&format!("{}/{}", file.folder, file.name));
                let machine = machine_of(&file.folder);
                agent
                    .command(&["import", "--machine", machine, path.to_str().unwrap()])
                    .succeeded();
            }
        } else {
            put(&case, &folder);
        }
        agent.once().succeeded();
        let mut seen = BTreeMap::new();
        assert_shown(&db, &case, |folder| machine_of(folder).to_owned(), &mut seen);
        for (_, view, _) in VIEWS {
            let shown = seen.get(view).copied().unwrap_or_default();
            assert_eq!(u64::try_from(shown).unwrap(), db.count(view), "{}: {view}", case.name);
        }
        // The header's rates are the day's.
        let differ = db.psql(
            "SELECT s.date_production FROM session_production s
             LEFT JOIN v_trs_jour j USING (centre_usinage_id, date_production)
             WHERE ROW(s.taux_performance, s.taux_qualite, s.taux_trs)
                   IS DISTINCT FROM ROW(j.taux_tp, j.taux_tq, j.trs)",
        );
        assert_eq!(differ, "", "{}", case.name);
        let before = versions(&db);
        agent.once().succeeded();
        assert_eq!(changed(&before, &db), Vec::<String>::new(), "{}: a quiet poll", case.name);
    }
}

#[test]
fn a_planned_day_without_a_log_has_rows_and_no_session_and_is_healed_alone() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let mut agent = delivered("planned-day-without-log", &folder, &db);
    let alone =
        "SELECT DISTINCT t.date_production FROM temps_poste t LEFT JOIN session_production s
         USING (centre_usinage_id, date_production) WHERE s.id IS NULL ORDER BY 1";
    let days = db.psql(alone);
    assert_ne!(days, "", "some day has no session");
    let held = every_value(&db);
    let hands = [
        format!("DELETE FROM temps_poste WHERE date_production IN ({alone})"),
        format!(
            "UPDATE temps_poste SET demarrage_ms = demarrage_ms - 1 WHERE date_production IN ({alone})"
        ),
        format!(
            "INSERT INTO temps_poste SELECT centre_usinage_id, date_production, numero + 7, poste,
                 debut_poste, fin_poste, jusqua, ouverture_ms, requis_ms, fonctionnement_ms, arret_ms,
                 attente_ms, demarrage_ms, fin_ms, pieces, pieces_rebut
             FROM temps_poste WHERE date_production IN ({alone})"
        ),
        "UPDATE temps_poste SET poste = poste || ' '".into(),
        "UPDATE temps_poste SET machine = NULL".into(),
        "UPDATE temps_poste SET centre_usinage_id = 77".into(),
        "UPDATE session_production SET pieces_hors_requis = 7".into(),
        "UPDATE session_production SET centre_usinage_id = NULL; DELETE FROM centre_usinage".into(),
        "TRUNCATE temps_poste".into(),
    ];
    for hand in hands {
        db.psql(&hand);
        assert_ne!(every_value(&db), held, "{hand}");
        agent.once().succeeded();
        assert_eq!(every_value(&db), held, "{hand}");
    }
    // What is not planned any more goes, and comes back.
    agent.unset("calendar");
    agent.once().succeeded();
    assert_eq!((db.count("temps_poste"), db.count("v_trs_jour")), (0, 0));
    assert_eq!(db.psql("SELECT DISTINCT pieces_hors_requis FROM session_production"), "");
    PlannedCase::named("planned-day-without-log").configure_calendar(&mut agent);
    agent.once().succeeded();
    assert_eq!(without_revisions(&every_value(&db)), without_revisions(&held));
}

#[test]
fn a_planned_day_that_central_does_not_take_is_said_to_wait() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let mut agent = delivered("planned-day-without-log", &folder, &db);
    assert_eq!(agent.status_number("pending_planned_days"), 0);
    db.psql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN RAISE 'not here' USING ERRCODE = 'check_violation'; END$$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON temps_poste FOR EACH ROW
             WHEN (NEW.demarrage_ms = NEW.requis_ms) EXECUTE FUNCTION refuse()",
    );
    agent.set("source.0.folders.DEM12 (PVC).nominal_per_hour", 5);
    agent.once().exited(3).says("planned days without a LOG wait");
    assert_eq!(agent.status_number("pending_planned_days"), 1);
    agent.command(&["status"]).says("1 planned days without a LOG wait for central");
    db.psql("DROP TRIGGER refuse ON temps_poste");
    agent.once().succeeded();
    assert_eq!(agent.status_number("pending_planned_days"), 0);
}

fn without_revisions(values: &str) -> String {
    let parts = values.split("\"revision\": ");
    parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect()
}

#[test]
fn a_changed_calendar_sends_only_what_changed() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let mut agent = delivered("two-shifts-with-breaks", &folder, &db);
    let parts = db.count("temps_poste");
    assert!(parts >= 2, "{parts} parts");
    let before = versions(&db);
    let case = PlannedCase::named("two-shifts-with-breaks");
    // The second shift's break is another one; the first shift's rows are what they were.
    let mut calendar: toml::Table = toml::from_str(&case.calendar).unwrap();
    let shift = &mut calendar["calendar"][0]["shift"][1];
    shift["breaks"] = toml::Value::Array(vec!["17:00-17:25".into()]);
    agent.set("calendar", calendar["calendar"].clone());
    agent.once().succeeded();
    let written = changed(&before, &db);
    assert_eq!(written, ["s 2025-06-03", "t 2025-06-03 2"]);
    let held = every_value(&db);
    agent.command(&["replay"]).succeeded();
    let before = versions(&db);
    agent.once().succeeded();
    assert_eq!(changed(&before, &db), Vec::<String>::new());
    assert_eq!(every_value(&db), held);
}

#[test]
fn a_buffer_that_knows_less_of_a_day_never_writes_its_times_over_a_session_s() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let agent = delivered("holiday-and-extra-opening", &folder, &db);
    let of_day = "SELECT * FROM temps_poste WHERE date_production = '2025-05-31'";
    let held = db.psql(of_day);
    assert_ne!(held, "", "the day has times");
    // The buffer is lost, and the LOG of a day between others too: the day looks as if nothing was done.
    agent.lose_buffer();
    std::fs::remove_file(folder.file("DEM12 (PVC)/20250531.LOG")).unwrap();
    agent.once();
    agent.once();
    assert_eq!(db.psql(of_day), held);
}

#[test]
fn another_writer_of_times_is_named() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let agent = delivered("planned-day-without-log", &folder, &db);
    db.psql("SET application_name = 'tableur'; UPDATE temps_poste SET pieces = pieces + 1, date_maj = now()");
    let noted = db
        .psql("SELECT DISTINCT application, nom_table, operation, machine FROM cu_agent_ecriture");
    assert_eq!(noted, "tableur|temps_poste|UPDATE|DEM12");
    agent.once().succeeded().says("tableur");
    db.psql("UPDATE temps_poste SET date_maj = now()");
    assert_eq!(
        db.psql("SELECT count(*) FROM cu_agent_ecriture WHERE dite_le IS NULL"),
        "0",
        "nobody's business"
    );
}

#[test]
fn a_central_without_the_table_of_times_gets_sessions_and_later_their_times() {
    let (db, folder) = (Database::fresh(), Folder::empty());
    let role = db.role();
    db.psql(
        "CREATE TABLE cu_agent_migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL,
             checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
             applied_by TEXT NOT NULL DEFAULT current_user)",
    );
    for migration in MIGRATIONS.iter().filter(|migration| migration.version < 11) {
        let Migration { version, name, sql } = migration;
        db.psql(&format!(
            "{sql} INSERT INTO cu_agent_migration VALUES ({version}, '{name}', '{}')",
            migration.checksum()
        ));
    }
    db.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
    ));
    let case = PlannedCase::named("planned-day-without-log");
    let mut agent = agent_of(&case, &folder, &db);
    agent.set_central(&db.config_as(&role, &role));
    put(&case, &folder);
    agent.once().succeeded().says("migrations [11");
    assert!(db.count("session_production") >= 2);
    assert_eq!(agent.status_json()["in_central"]["lacks_times"], true);
    let before = versions_of_sessions(&db);
    agent.once().succeeded();
    assert_eq!(versions_of_sessions(&db), before, "nothing is sent twice");
    let script = agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
    db.psql(&script);
    agent.once().succeeded().does_not_say("were not applied");
    let mut seen = BTreeMap::new();
    assert_shown(&db, &case, |folder| machine_of(folder).to_owned(), &mut seen);
}

fn versions_of_sessions(db: &Database<'_>) -> String {
    db.psql("SELECT id, xmin FROM session_production ORDER BY id")
}
