//! Every case of planned time through parse and analyse, compared to the last digit: the rows of a shift, and
//! the sums of a day, a week and a month.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use chrono::{Datelike, TimeDelta};
use cu_agent::{
    analyse::{self, DayTimes, Options, Part, parts_by_day},
    calendar::{Calendar, production_day},
    config::parse_calendars,
    model::{Day, Rates, Session, ShiftTimes, Stamp, TimesSum, hours_e4},
    parse::{Text, Words, parse},
};
use serde_json::{Value, json};

use crate::support::golden::{self, machine_of};

pub struct Case {
    calendar: String,
    pub day_start: TimeDelta,
    settings: toml::Table,
    pub expected: Value,
}

impl Case {
    pub fn read(root: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        let mut calendar = text("calendar.toml");
        let mut day_start = TimeDelta::zero();
        if let Some(written) = calendar.lines().find_map(|line| line.strip_prefix("day_start = ")) {
            let (hours, minutes) = written.trim_matches('"').split_once(':').unwrap();
            let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
            day_start = TimeDelta::minutes(minutes);
            calendar = calendar.replacen("day_start", "# day_start", 1);
        }
        Self {
            calendar,
            day_start,
            settings: toml::from_str(&text("case.toml")).unwrap(),
            expected: serde_json::from_str(&text("expected.json")).unwrap(),
        }
    }

    fn nominal(&self, machine: &str) -> Option<u32> {
        let nominal = self.settings["nominal"].get(machine)?.as_integer().unwrap();
        Some(nominal.try_into().unwrap())
    }
}

/// What is summed up, and what the sum is over.
struct Sum {
    sum: TimesSum,
    total_ms: i64,
    parts: usize,
    is_running: bool,
    outside: u32,
}

/// One day of a machine.
struct MachineDay {
    day: Day,
    known_until: Stamp,
    is_over: bool,
    total_ms: i64,
    times: DayTimes,
}

fn e4(value: i64) -> String {
    format!("{}.{:04}", value / 10_000, value % 10_000)
}

fn e2(value: Option<i64>) -> Value {
    value.map_or(Value::Null, |value| format!("{}.{:02}", value / 100, value % 100).into())
}

fn add(object: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("an object") };
    object.as_object_mut().unwrap().extend(more);
}

fn figures(sum: &TimesSum) -> Value {
    let hours = |ms| e4(hours_e4(ms));
    json!({
        "temps_ouverture": hours(sum.opening_ms),
        "temps_requis": hours(sum.required_ms),
        "temps_fonctionnement": hours(sum.running_ms),
        "temps_arret": hours(sum.stop_ms),
        "temps_attente": hours(sum.wait_ms),
        "temps_demarrage": hours(sum.start_ms),
        "temps_fin": hours(sum.end_ms),
        "pieces": sum.pieces,
        "pieces_rebut": sum.rejects,
        "temps_net": sum.net_e4().map(e4),
        "temps_utile": sum.useful_e4().map(e4),
    })
}

fn rates(rates: &Rates) -> Value {
    json!({
        "taux_do": e2(rates.availability_e2),
        "taux_tp": e2(rates.performance_e2),
        "taux_tq": e2(rates.quality_e2),
        "trs": e2(rates.trs_e2),
        "trg": e2(rates.trg_e2),
        "tre": e2(rates.tre_e2),
    })
}

/// The days of one folder, of which some may have no event.
fn days(case: &Case, calendar: &Calendar, texts: &[Text<'_>]) -> Vec<MachineDay> {
    let reject = case.settings.get("reject_event").map(|name| name.as_str().unwrap());
    let words = Words::default();
    let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
    let mut of_day: BTreeMap<Day, Vec<Part<'_, '_>>> = BTreeMap::new();
    for parsed in &parsed {
        for (day, part) in parts_by_day(&parsed.events, case.day_start) {
            of_day.entry(day).or_default().push(part);
        }
    }
    let known: BTreeSet<Day> = of_day.keys().copied().collect();
    let is_closed = case.settings["closed"].as_str() == Some("all");
    let options = Options { day_start: case.day_start, ..Options::default() };
    let mut all: BTreeSet<Day> = known.clone();
    all.extend(analyse::days_between(&known));
    all.into_iter()
        .map(|day| {
            let parts = of_day.get(&day).map_or(&[][..], Vec::as_slice);
            let ends = analyse::day_ends(parts, reject);
            let session = if parts.is_empty() {
                Session::default()
            } else {
                analyse::session_of_day(parts, &options)
            };
            let whole = production_day(day, case.day_start);
            let known_until =
                analyse::known_until(day, whole, &known, is_closed, ends.last_event).unwrap();
            let planned = calendar.parts(day, case.day_start);
            let times = analyse::shift_times(&planned, &session, &ends, known_until);
            let total_ms = known_until.0 - whole.from.0;
            MachineDay { day, known_until, is_over: known_until == whole.to, total_ms, times }
        })
        .collect()
}

fn sum_of<'d>(days: impl Iterator<Item = &'d MachineDay>, nominal: Option<u32>) -> Sum {
    let nothing = TimesSum::of(&ShiftTimes::default(), nominal);
    let mut all = Sum { sum: nothing, total_ms: 0, parts: 0, is_running: false, outside: 0 };
    for day in days {
        for times in &day.times.parts {
            all.sum = all.sum.plus(&TimesSum::of(times, nominal));
            all.is_running |= times.is_running;
        }
        all.parts += day.times.parts.len();
        all.outside += day.times.pieces_outside;
        all.total_ms += if day.times.parts.is_empty() { 0 } else { day.total_ms };
    }
    all
}

fn told(sum: &Sum) -> Value {
    let mut told = figures(&sum.sum);
    add(&mut told, rates(&sum.sum.rates(sum.total_ms)));
    let outside = sum.outside;
    add(
        &mut told,
        json!({"en_cours": sum.is_running, "postes": sum.parts, "pieces_hors_requis": outside}),
    );
    told
}

/// Everything that a case says of one folder.
fn found(case: &Case, folder: &str, texts: &[Text<'_>], found: &mut BTreeMap<&str, Vec<Value>>) {
    let machine = machine_of(folder);
    let calendars = parse_calendars("calendar.toml", &case.calendar).unwrap();
    let Some(calendar) = calendars.of(machine) else { return };
    let nominal = case.nominal(machine);
    let days = days(case, calendar, texts);
    let key = || json!({"dossier": folder, "machine": machine});
    for MachineDay { day, known_until, is_over, total_ms, times } in &days {
        for times in &times.parts {
            let sum = TimesSum::of(times, nominal);
            let mut row = key();
            add(
                &mut row,
                json!({
                    "date_production": day.to_string(),
                    "numero": times.number,
                    "poste": times.shift,
                    "debut_poste": times.planned_from.to_string(),
                    "fin_poste": times.planned_to.to_string(),
                    "en_cours": times.is_running,
                    "jusqua": (!is_over).then(|| known_until.to_string()),
                    "ouverture_ms": times.opening_ms,
                    "requis_ms": times.required_ms,
                    "fonctionnement_ms": times.running_ms,
                    "arret_ms": times.stop_ms,
                    "attente_ms": times.wait_ms,
                    "demarrage_ms": times.start_ms,
                    "fin_ms": times.end_ms,
                    "cadence_nominale": nominal,
                }),
            );
            add(&mut row, figures(&sum));
            add(&mut row, rates(&sum.rates(*total_ms)));
            found.entry("postes").or_default().push(row);
        }
    }
    for one in &days {
        if one.times == DayTimes::default() && !is_expected(case, folder, one.day) {
            continue;
        }
        let mut row = key();
        let known_until = one.known_until.to_string();
        add(&mut row, json!({"date_production": one.day.to_string(), "connu_jusqua": known_until}));
        add(&mut row, told(&sum_of([one].into_iter(), nominal)));
        found.entry("jours").or_default().push(row);
    }
    let mut periods = |kind: &'static str, name: &str, period: fn(Day) -> String| {
        let mut of_period: BTreeMap<String, Vec<&MachineDay>> = BTreeMap::new();
        for one in &days {
            of_period.entry(period(one.day)).or_default().push(one);
        }
        for (period, days) in of_period {
            let sum = sum_of(days.into_iter(), nominal);
            let mut row = key();
            add(&mut row, json!({name: period}));
            add(&mut row, told(&sum));
            found.entry(kind).or_default().push(row);
        }
    };
    periods("semaines", "semaine", |day| {
        let week = day.iso_week();
        format!("{}-W{:02}", week.year(), week.week())
    });
    periods("mois", "mois", |day| day.format("%Y-%m").to_string());
}

/// A day with events and without a part is told, one with neither is not.
fn is_expected(case: &Case, folder: &str, day: Day) -> bool {
    let days = case.expected["jours"].as_array().unwrap();
    days.iter().any(|one| one["dossier"] == folder && one["date_production"] == day.to_string())
}

#[test]
fn every_case_of_planned_time_equals_the_contract_to_the_last_digit() {
    let mut cases = 0;
    for entry in fs::read_dir(golden::root().join("calendar")).unwrap() {
        let root = entry.unwrap().path();
        let case = Case::read(&root);
        let mut all = BTreeMap::new();
        let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
        folders.retain(|path| path.is_dir());
        folders.sort();
        for folder in folders {
            let mut files: Vec<_> =
                fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
            files.sort();
            let bytes: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
            let texts: Vec<Text<'_>> = bytes.iter().map(|bytes| Text::new(bytes)).collect();
            let name = folder.file_name().unwrap().to_str().unwrap();
            found(&case, name, &texts, &mut all);
        }
        for kind in ["postes", "jours", "semaines", "mois"] {
            let found = all.remove(kind).unwrap_or_default();
            let expected = case.expected[kind].as_array().unwrap();
            for (found, expected) in found.iter().zip(expected) {
                for (key, value) in expected.as_object().unwrap() {
                    let name = root.file_name().unwrap();
                    assert_eq!(&found[key], value, "{name:?} {kind} {key} of {expected}");
                }
            }
            assert_eq!(found.len(), expected.len(), "{}: {kind}", root.display());
        }
        cases += 1;
    }
    assert!(cases >= 20, "{cases} cases");
}

#[test]
fn the_order_of_files_and_their_parts_changes_no_planned_time() {
    let root = golden::root().join("calendar/two-shifts-with-breaks");
    let case = Case::read(&root);
    let calendars = parse_calendars("calendar.toml", &case.calendar).unwrap();
    let calendar = calendars.of("DEM12").unwrap();
    let read = |name: &str| fs::read(root.join("DEM12 (PVC)").join(name)).unwrap();
    let whole = [read("20250603.LOG"), read("20250604.LOG")].concat();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let times = |pieces: &[Vec<u8>]| -> Vec<DayTimes> {
        let texts: Vec<Text<'_>> = pieces.iter().map(|bytes| Text::new(bytes)).collect();
        days(&case, calendar, &texts).into_iter().map(|day| day.times).collect()
    };
    let expected = times(std::slice::from_ref(&whole));
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut pieces = vec![Vec::new(); rng.usize(1..5)];
        let mut at = 0;
        for line in &lines {
            if rng.u32(0..20) == 0 {
                at = (at + 1).min(pieces.len() - 1);
            }
            pieces[at].extend_from_slice(line);
        }
        pieces.push(pieces[0].clone());
        rng.shuffle(&mut pieces);
        assert_eq!(times(&pieces), expected, "seed {seed}");
    }
}
