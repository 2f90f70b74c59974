//! Every case of planned time through parse and analyse, compared to the last digit: the rows of a shift, and
//! the sums of a day, a week and a month.

use std::collections::BTreeMap;

use chrono::Datelike;
use cu_agent::{
    analyse::Options,
    calendar::{Calendar, production_day},
    config::parse_calendars,
    model::{Day, DayTimes, Rates, ShiftTimes, TimesSum, hours_e4},
    parse::Text,
};
use serde_json::{Value, json};

use crate::support::{
    golden::machine_of,
    planned::{self, PlannedCase, planned_days},
};

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

fn days(
    case: &PlannedCase,
    calendar: &Calendar,
    nominal: Option<u32>,
    texts: &[Text<'_>],
) -> Vec<MachineDay> {
    let options = Options { day_start: case.day_start, ..Options::default() };
    let days =
        planned_days(calendar, options, case.reject_event(), case.is_closed(), nominal, texts);
    let machine_day = |times: DayTimes| {
        let whole = production_day(times.day, case.day_start);
        MachineDay { day: times.day, total_ms: times.known_until.0 - whole.from.0, times }
    };
    days.into_iter().map(machine_day).collect()
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
fn found(
    case: &PlannedCase,
    folder: &str,
    texts: &[Text<'_>],
    found: &mut BTreeMap<&str, Vec<Value>>,
) {
    let machine = machine_of(folder);
    let calendars = parse_calendars("calendar.toml", &case.calendar).unwrap();
    let Some(calendar) = calendars.of(machine) else { return };
    let nominal = case.nominal(machine);
    let days = days(case, calendar, nominal, texts);
    let key = || json!({"dossier": folder, "machine": machine});
    for MachineDay { day, total_ms, times: DayTimes { known_until, is_over, parts, .. } } in &days {
        for times in parts {
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
        if one.times.parts.is_empty()
            && one.times.pieces_outside == 0
            && !is_expected(case, folder, one.day)
        {
            continue;
        }
        let mut row = key();
        let known_until = one.times.known_until.to_string();
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
fn is_expected(case: &PlannedCase, folder: &str, day: Day) -> bool {
    let days = case.expected["jours"].as_array().unwrap();
    days.iter().any(|one| one["dossier"] == folder && one["date_production"] == day.to_string())
}

#[test]
fn every_case_of_planned_time_equals_the_contract_to_the_last_digit() {
    for case in planned::cases() {
        let mut all = BTreeMap::new();
        for folder in case.folders() {
            let files = case.files.iter().filter(|file| file.folder == folder);
            let texts: Vec<Text<'_>> = files.map(|file| Text::new(&file.bytes)).collect();
            found(&case, folder, &texts, &mut all);
        }
        for kind in ["postes", "jours", "semaines", "mois"] {
            let found = all.remove(kind).unwrap_or_default();
            let expected = case.expected[kind].as_array().unwrap();
            for (found, expected) in found.iter().zip(expected) {
                for (key, value) in expected.as_object().unwrap() {
                    assert_eq!(&found[key], value, "{} {kind} {key} of {expected}", case.name);
                }
            }
            assert_eq!(found.len(), expected.len(), "{}: {kind}", case.name);
        }
    }
}

#[test]
fn the_order_of_files_and_their_parts_changes_no_planned_time() {
    let case = PlannedCase::named("two-shifts-with-breaks");
    let calendars = parse_calendars("calendar.toml", &case.calendar).unwrap();
    let calendar = calendars.of("DEM12").unwrap();
    let whole: Vec<u8> = case.files.iter().flat_map(|file| file.bytes.clone()).collect();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let times = |pieces: &[Vec<u8>]| -> Vec<DayTimes> {
        let texts: Vec<Text<'_>> = pieces.iter().map(|bytes| Text::new(bytes)).collect();
        days(&case, calendar, None, &texts).into_iter().map(|day| day.times).collect()
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
