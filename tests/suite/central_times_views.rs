//! Central's views of planned time: they give the contract's figures to the last digit.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDateTime};
use cu_agent::model::{Day, ShiftTimes, TimesSum, hours_e4};
use serde_json::Value;

use crate::support::{
    central::Feeder,
    planned::{self, PlannedCase},
    postgres::Database,
    seed::seed,
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
    let seed = seed();
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
