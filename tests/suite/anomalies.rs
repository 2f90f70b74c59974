//! Anomalies on weeks of three machines: ordinary weeks keep quiet, each planted flaw is found, and
//! the confusion table says what else fired. `cargo test anomalies -- --nocapture` prints it.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use cu_agent::{
    analyse::{
        Evidence, LineDefects, Options, anomalies, digest, line_defects, parts_by_day,
        rejected_by_day, session_of_day,
    },
    model::{Anomaly, AnomalyCode, Day, DayDigest, Limits, Session},
    parse::{RejectedLine, Text, Words, parse},
};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};

use crate::support::generate::{
    CENTRES, Centre, Dirt, Flaw, flawed_log_of_day, log_of_day, working_days,
};

/// Session and defects of each day from a machine's files, in any order.
fn days_of(files: &[Vec<u8>]) -> BTreeMap<Day, (Session, LineDefects)> {
    days_with(files, &Options::default())
}

pub(super) fn days_with(
    files: &[Vec<u8>],
    options: &Options,
) -> BTreeMap<Day, (Session, LineDefects)> {
    let words = Words::default();
    let texts: Vec<Text<'_>> = files.iter().map(|file| Text::new(file)).collect();
    let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
    let mut parts: BTreeMap<Day, Vec<_>> = BTreeMap::new();
    let mut rejected: BTreeMap<Day, Vec<Vec<RejectedLine<'_>>>> = BTreeMap::new();
    for one in &parsed {
        for (day, part) in parts_by_day(&one.events, options.day_start) {
            parts.entry(day).or_default().push(part);
        }
        for (day, of_day) in rejected_by_day(&one.events, &one.rejected, options.day_start) {
            rejected.entry(day).or_default().push(of_day);
        }
    }
    let of_day = |(day, parts): (Day, Vec<_>)| {
        let rejected = rejected.remove(&day).unwrap_or_default();
        let rejected: Vec<&[RejectedLine<'_>]> = rejected.iter().map(Vec::as_slice).collect();
        (day, (session_of_day(&parts, options), line_defects(&parts, &rejected, &words)))
    };
    parts.into_iter().map(of_day).collect()
}

fn anomalies_of(
    day: Day,
    (session, defects): &(Session, LineDefects),
    history: &[DayDigest],
) -> Vec<Anomaly> {
    let limits = Limits::default();
    anomalies(&Evidence {
        day,
        session,
        defects,
        history,
        limits: &limits,
        calendar: None,
        day_start: TimeDelta::zero(),
        is_over: true,
    })
}

fn first_monday() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 1, 6).unwrap()
}

/// Ordinary days of a machine with their digests.
fn ordinary(centre: &Centre, days: &[Day], seed: u64) -> Vec<(Session, LineDefects, DayDigest)> {
    days.iter()
        .map(|day| {
            let files = [log_of_day(centre, *day, seed, Dirt::None)];
            let (session, defects) = days_of(&files).remove(day).unwrap();
            let digest = digest(*day, &session, &defects, None);
            (session, defects, digest)
        })
        .collect()
}

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/anomalies.md")).unwrap()
}

#[test]
fn every_code_and_every_threshold_is_explained() {
    let document = document();
    for code in AnomalyCode::ALL {
        assert!(document.contains(&format!("| `{}` |", code.as_str())), "{code:?}");
    }
    let limits = format!("{:?}", Limits::default());
    let fields = limits.split(['{', ',']).filter_map(|field| Some(field.split_once(':')?.0.trim()));
    for field in fields {
        assert!(document.contains(&format!("`{field}`")), "{field}");
    }
    assert!(document.matches('`').count() > 80);
}

const WEEKS: usize = 40;

#[test]
fn ordinary_weeks_have_at_most_one_anomaly_a_machine_and_week() {
    let days = working_days(first_monday(), 5 * WEEKS);
    let mut fired: BTreeMap<&str, u32> = BTreeMap::new();
    let mut loud = Vec::new();
    let mut weeks = BTreeMap::new();
    for (centre, seed) in CENTRES.iter().flat_map(|centre| [(centre, 1), (centre, 2)]) {
        let month = ordinary(centre, &days, seed);
        let history: Vec<DayDigest> = month.iter().map(|day| day.2.clone()).collect();
        for (week, of_week) in days.chunks(5).enumerate() {
            let mut of_this_week = Vec::new();
            for (at, day) in of_week.iter().enumerate() {
                let (session, defects, _) = &month[week * 5 + at];
                let evidence = (session.clone(), defects.clone());
                of_this_week.extend(anomalies_of(*day, &evidence, &history));
            }
            for anomaly in &of_this_week {
                *fired.entry(anomaly.code.as_str()).or_default() += 1;
            }
            *weeks.entry(of_this_week.len()).or_insert(0) += 1;
            if of_this_week.len() > 1 {
                loud.push((centre.nom, seed, of_week[0], of_this_week));
            }
        }
    }
    println!("anomalies in a week -> weeks: {weeks:?}; by code: {fired:?}");
    let quiet = format!("{} without an anomaly, {} with one", weeks[&0], weeks[&1]);
    assert!(document().contains(&quiet), "docs/anomalies.md counts other weeks: {quiet}");
    assert!(loud.is_empty(), "{loud:#?}");
    assert_eq!(weeks.values().sum::<i32>(), 6 * WEEKS as i32);
}

/// What each flaw must be told as.
pub(super) fn meant(flaw: Flaw) -> AnomalyCode {
    match flaw {
        Flaw::StartLineLost => AnomalyCode::StartLineLost,
        Flaw::ClockSteppedBack => AnomalyCode::ClockSteppedBack,
        Flaw::WaitWithoutDuration => AnomalyCode::WaitWithoutDuration,
        Flaw::WaitOutsideProduction => AnomalyCode::WaitOutsideProduction,
        Flaw::Overlap => AnomalyCode::Overlap,
        Flaw::TornLine => AnomalyCode::TornLine,
        Flaw::MalformedLines => AnomalyCode::MalformedLines,
        Flaw::UnknownEvent => AnomalyCode::UnknownEvent,
        Flaw::NoPiece => AnomalyCode::DayWithoutPieces,
        Flaw::LowOccupation => AnomalyCode::Occupation,
        Flaw::SlowRhythm => AnomalyCode::Rate,
        Flaw::MuchWaiting => AnomalyCode::WaitingShare,
        Flaw::ManyStops => AnomalyCode::StopCount,
        Flaw::LongStops => AnomalyCode::StopLength,
        Flaw::Silence => AnomalyCode::LongestSilence,
        Flaw::RhythmDrop => AnomalyCode::RateDrop,
        Flaw::LongStop => AnomalyCode::StopOfTheMonth,
    }
}

/// What may be told besides, because the flaw truly does that to the day.
pub(super) fn also(flaw: Flaw) -> &'static [AnomalyCode] {
    match flaw {
        // Half an hour of lines lies upon another one: its waits and stops overlap.
        Flaw::ClockSteppedBack => &[AnomalyCode::Overlap, AnomalyCode::StartLineLost],
        Flaw::LowOccupation => {
            &[AnomalyCode::WaitingShare, AnomalyCode::StopLength, AnomalyCode::StopOfTheMonth]
        }
        Flaw::MuchWaiting => &[AnomalyCode::Occupation],
        Flaw::LongStops => &[AnomalyCode::StopOfTheMonth, AnomalyCode::Occupation],
        Flaw::LongStop => &[AnomalyCode::StopLength, AnomalyCode::Occupation],
        // The silent hours make no pieces.
        Flaw::Silence => &[AnomalyCode::RateDrop, AnomalyCode::Rate],
        _ => &[],
    }
}

#[test]
fn each_planted_flaw_is_found_and_told_as_what_it_is() {
    let days = working_days(first_monday(), 33);
    let mut table: BTreeMap<String, BTreeMap<&str, u32>> = BTreeMap::new();
    let mut missed = Vec::new();
    let mut astray = Vec::new();
    for centre in &CENTRES {
        for seed in 1..=4 {
            let month = ordinary(centre, &days, seed);
            let history: Vec<DayDigest> = month.iter().map(|day| day.2.clone()).collect();
            for at in 30..33 {
                let day = days[at];
                let (session, defects, _) = &month[at];
                let without = anomalies_of(day, &(session.clone(), defects.clone()), &history);
                let fires_anyway = |code| without.iter().any(|anomaly| anomaly.code == code);
                for flaw in Flaw::ALL {
                    let files = [flawed_log_of_day(centre, day, seed, flaw)];
                    let found = anomalies_of(day, &days_of(&files)[&day], &history);
                    let row = table.entry(format!("{flaw:?}")).or_default();
                    for anomaly in &found {
                        *row.entry(anomaly.code.as_str()).or_default() += 1;
                        let is_meant =
                            anomaly.code == meant(flaw) || also(flaw).contains(&anomaly.code);
                        if !is_meant && !fires_anyway(anomaly.code) {
                            astray.push((centre.nom, seed, day, flaw, anomaly.clone()));
                        }
                    }
                    if !found.iter().any(|anomaly| anomaly.code == meant(flaw)) {
                        missed.push((centre.nom, seed, day, flaw));
                    }
                }
            }
        }
    }
    println!("planted -> told, of 36 days each");
    let mut rows = String::new();
    for (flaw, told) in &table {
        let told: Vec<String> = told.iter().map(|(code, days)| format!("{code}: {days}")).collect();
        rows += &format!("{flaw:<22} {}\n", told.join(", "));
    }
    println!("{rows}");
    assert!(document().contains(&rows), "docs/anomalies.md shows another table");
    assert!(missed.is_empty(), "{missed:#?}");
    // A drop of the rhythm now and then is chance, also on ordinary days.
    let days = 36 * Flaw::ALL.len();
    assert!(astray.len() * 100 <= days, "{} of {days}: {astray:#?}", astray.len());
}

#[test]
fn a_working_day_without_a_log_is_told_with_the_day_after_it() {
    let days = working_days(first_monday(), 31);
    let history: Vec<DayDigest> =
        ordinary(&CENTRES[0], &days[..28], 1).into_iter().map(|day| day.2).collect();
    let files = [log_of_day(&CENTRES[0], days[30], 1, Dirt::None)];
    let found = anomalies_of(days[30], &days_of(&files)[&days[30]], &history);
    let missing: Vec<&Anomaly> =
        found.iter().filter(|one| one.code == AnomalyCode::MissingWorkingDay).collect();
    assert_eq!(missing.len(), 1, "{found:#?}");
    assert_eq!(missing[0].value_e2, 200);
    assert_eq!(missing[0].subject, format!("{} – {}", days[28], days[29]));
    // A weekend is none, and neither is a day on which the machine never worked.
    let files = [log_of_day(&CENTRES[0], days[28], 1, Dirt::None)];
    let found = anomalies_of(days[28], &days_of(&files)[&days[28]], &history);
    assert!(found.iter().all(|one| one.code != AnomalyCode::MissingWorkingDay), "{found:#?}");
}

#[test]
fn a_break_in_which_nothing_is_written_is_no_slow_hour_also_without_a_calendar() {
    let days = working_days(first_monday(), 25);
    let mut told = Vec::new();
    for centre in &CENTRES {
        for (at, day) in days.iter().enumerate() {
            // Lunch at noon, and coffee an hour after the beginning: the lines of it are taken out.
            let log = log_of_day(centre, *day, 5, Dirt::None);
            let is_in_a_break = |line: &[u8]| {
                let clock = std::str::from_utf8(&line[9..14]).unwrap();
                let late = ["12:40", "12:45", "12:50"][at % 3];
                ("12:00"..late).contains(&clock) || ("09:00".."09:20").contains(&clock)
            };
            let lines = log.split_inclusive(|byte| *byte == b'\n');
            let kept =
                lines.filter(|line| !is_in_a_break(line) || line[17..].starts_with(b"|@MachineSt"));
            let files = [kept.flatten().copied().collect::<Vec<u8>>()];
            let found = anomalies_of(*day, &days_of(&files)[day], &[]);
            told.extend(found.into_iter().filter(|one| one.code == AnomalyCode::RateDrop));
        }
    }
    println!("{} of 75 machine days with breaks carry rhythm_drop", told.len());
    assert!(told.len() <= 3, "{told:#?}");
}

#[test]
fn nothing_is_compared_before_eight_days_of_the_same_kind_exist() {
    let days = working_days(first_monday(), 9);
    let history: Vec<DayDigest> =
        ordinary(&CENTRES[0], &days[..8], 1).into_iter().map(|day| day.2).collect();
    let day = days[8];
    let files = [flawed_log_of_day(&CENTRES[0], day, 1, Flaw::SlowRhythm)];
    let evidence = &days_of(&files)[&day];
    assert!(anomalies_of(day, evidence, &history[1..]).is_empty());
    let found = anomalies_of(day, evidence, &history);
    assert!(found.iter().any(|one| one.code == AnomalyCode::Rate), "{found:#?}");
    // Eight weekdays say nothing about a Saturday.
    let saturday = NaiveDate::from_ymd_opt(2025, 1, 18).unwrap();
    assert!(anomalies_of(saturday, evidence, &history).is_empty());
}

#[test]
fn a_word_that_nobody_knows_is_news_on_its_first_day_only() {
    let days = working_days(first_monday(), 2);
    let of = |day: Day| {
        let files = [flawed_log_of_day(&CENTRES[0], day, 1, Flaw::UnknownEvent)];
        days_of(&files).remove(&day).unwrap()
    };
    let (session, defects) = of(days[0]);
    let first = digest(days[0], &session, &defects, None);
    let told = |day: Day, history: &[DayDigest]| anomalies_of(day, &of(day), history).len();
    assert_eq!(told(days[0], &[]), 1);
    assert_eq!(told(days[1], &[first]), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn findings_depend_on_neither_the_order_of_files_nor_of_history(
        seed in 1..50_u64,
        centre in 0..3_usize,
        cut in any::<prop::sample::Index>(),
        swap in any::<bool>(),
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let centre = &CENTRES[centre];
        let days = working_days(first_monday(), 13);
        let day = days[12];
        let history: Vec<DayDigest> =
            ordinary(centre, &days[..12], seed).into_iter().map(|day| day.2).collect();
        let whole = log_of_day(centre, day, seed, Dirt::Some);
        let once = days_of(std::slice::from_ref(&whole));
        let expected = anomalies_of(day, &once[&day], &history);

        // The same bytes in two files cut at a line end, the second one also whole once more.
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        let (first, second) = lines.split_at(cut.index(lines.len()));
        let mut files = vec![first.concat(), second.concat(), whole.clone()];
        if swap {
            files.reverse();
        }
        let shuffled: Vec<DayDigest> = order.iter().map(|at| history[*at].clone()).collect();
        prop_assert_eq!(anomalies_of(day, &days_of(&files)[&day], &shuffled), expected);
    }
}
