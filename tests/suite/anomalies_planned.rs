//! Anomalies of machines that have a calendar: ordinary weeks of shifts, breaks, holidays and night shifts keep
//! quiet, each planted flaw is found, and nothing that was said while a day runs is taken back before it is
//! over. `make anomalies` is the long form, over 400 machine weeks.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use cu_agent::{
    analyse::{Evidence, LineDefects, Options, WaitStamp, anomalies, digest},
    calendar::{Calendar, Calendars, production_day},
    config::parse_calendars,
    model::{Anomaly, AnomalyCode, Day, DayDigest, Limits, Session},
};

use super::anomalies::days_with;
use crate::support::generate::{
    CENTRES, Centre, Dirt, Flaw, flawed_log_of_day, log_of_day,
    planned::{PlannedFlaw, PlannedShift, log_of_planned_day},
    working_days,
};

const TWO_SHIFTS: &str = r#"
    [[calendar]]
    holidays = "fr"
    closed = ["2025-05-30", "2025-08-04/2025-08-24"]
    open = ["2025-05-31 06:00-12:00"]
      [[calendar.shift]]
      name = "matin"
      days = "mon-fri"
      time = "05:00-13:00"
      breaks = ["09:00-09:20"]
      [[calendar.shift]]
      name = "après-midi"
      days = "mon-thu"
      time = "13:00-21:00"
      breaks = ["17:00-17:20"]
"#;

const LUNCH_AND_SATURDAYS: &str = r#"
    [[calendar]]
    holidays = "fr-alsace-moselle"
      [[calendar.shift]]
      name = "journée"
      days = "mon-fri"
      time = "07:30-16:30"
      breaks = ["09:30-09:45", "12:00-13:00"]
      [[calendar.shift]]
      name = "samedi"
      days = "sat"
      time = "06:00-12:00"
"#;

const ROUND_THE_CLOCK: &str = r#"
    [[calendar]]
    holidays = "fr"
      [[calendar.shift]]
      name = "matin"
      days = "mon-fri"
      time = "05:00-13:00"
      breaks = ["09:00-09:20"]
      [[calendar.shift]]
      name = "après-midi"
      days = "mon-fri"
      time = "13:00-21:00"
      breaks = ["17:00-17:30"]
      [[calendar.shift]]
      name = "nuit"
      days = "mon-fri"
      time = "21:00-05:00"
      breaks = ["01:00-01:30"]
"#;

/// A calendar, and when production days begin.
struct Plan {
    calendar: Calendar,
    day_start: TimeDelta,
}

impl Plan {
    fn of(text: &str, hours: i64) -> Self {
        let calendars: Calendars = parse_calendars("calendar.toml", text).unwrap();
        let calendar = calendars.of("DEM12").unwrap().clone();
        Self { calendar, day_start: TimeDelta::hours(hours) }
    }

    /// One or two shifts at odd times, with breaks anywhere in them.
    fn drawn(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
        let mut shift = |name: &str, days: &str, from: i64, length: i64| {
            let coffee = from + rng.i64(90..150);
            let lunch = from + length / 2 + rng.i64(0..60);
            let breaks = [(coffee, rng.i64(10..25)), (lunch, rng.i64(20..70))]
                .map(|(at, long)| format!("\"{}-{}\"", clock(at), clock(at + long)));
            let (time, breaks) =
                (format!("{}-{}", clock(from), clock(from + length)), breaks.join(", "));
            format!(
                "[[calendar.shift]]\nname = \"{name}\"\ndays = \"{days}\"\ntime = \"{time}\"\n\
                 breaks = [{breaks}]\n"
            )
        };
        let from = 4 * 60 + 15 * (seed as i64 % 17);
        let length = 60 * (7 + seed as i64 % 3);
        let gap = [0, 45][seed as usize % 2];
        let mut text = "[[calendar]]\nholidays = \"fr\"\n".to_owned();
        text += &shift("jour", "mon-fri", from, length);
        text += &shift("soir", ["mon-fri", "mon-thu"][seed as usize % 2], from + length + gap, 420);
        Self::of(&text, [0, 3, 4][seed as usize % 3])
    }

    fn options(&self) -> Options {
        Options { day_start: self.day_start, wait_stamp: WaitStamp::Start }
    }

    fn shifts(&self, day: Day) -> Vec<PlannedShift> {
        let midnight = production_day(day, TimeDelta::zero()).from;
        let second = |at: cu_agent::model::Stamp| (at.0 - midnight.0) / 1000;
        let parts = self.calendar.parts(day, self.day_start).into_iter();
        parts
            .map(|part| PlannedShift {
                required: part.required.iter().map(|of| (second(of.from), second(of.to))).collect(),
                begins: part.opening.from == part.planned.from,
                ends: part.opening.to == part.planned.to,
            })
            .collect()
    }

    fn log(&self, centre: &Centre, day: Day, seed: u64, flaw: Option<PlannedFlaw>) -> Vec<u8> {
        log_of_planned_day(centre, day, &self.shifts(day), seed, flaw)
    }

    fn evidence(&self, day: Day, log: Vec<u8>) -> Option<(Session, LineDefects)> {
        days_with(&[log], &self.options()).remove(&day)
    }

    fn digest(&self, day: Day, (session, defects): &(Session, LineDefects)) -> DayDigest {
        let parts = self.calendar.parts(day, self.day_start);
        digest(day, session, defects, Some(&parts))
    }

    fn anomalies(
        &self,
        day: Day,
        (session, defects): &(Session, LineDefects),
        history: &[DayDigest],
        is_over: bool,
    ) -> Vec<Anomaly> {
        anomalies(&Evidence {
            day,
            session,
            defects,
            history,
            limits: &Limits::default(),
            calendar: Some(&self.calendar),
            day_start: self.day_start,
            is_over,
        })
    }
}

fn plans() -> Vec<Plan> {
    vec![
        Plan::of(TWO_SHIFTS, 0),
        Plan::of(LUNCH_AND_SATURDAYS, 0),
        Plan::of(ROUND_THE_CLOCK, 5),
        Plan::of(ROUND_THE_CLOCK, 0),
        Plan::drawn(1),
        Plan::drawn(2),
        Plan::drawn(3),
        Plan::drawn(4),
        Plan::drawn(5),
        Plan::drawn(6),
    ]
}

fn first_monday() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 1, 6).unwrap()
}

/// Evaluates ordinary weeks of `plans`: how many anomalies a week has, and which.
#[expect(clippy::print_stdout, reason = "what the tests found, for people")]
fn ordinary_weeks(plans: &[Plan], weeks: usize) -> BTreeMap<usize, usize> {
    let mut of_weeks: BTreeMap<usize, usize> = BTreeMap::new();
    let mut fired: BTreeMap<&str, u32> = BTreeMap::new();
    let mut loud = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        let centre = &CENTRES[number % CENTRES.len()];
        let mut history: Vec<DayDigest> = Vec::new();
        let days: Vec<Day> = first_monday().iter_days().take(7 * weeks).collect();
        for week in days.chunks(7) {
            let mut told = Vec::new();
            for day in week {
                let log = plan.log(centre, *day, number as u64, None);
                let Some(evidence) = plan.evidence(*day, log) else { continue };
                told.extend(plan.anomalies(*day, &evidence, &history, true));
                history.push(plan.digest(*day, &evidence));
            }
            for anomaly in &told {
                *fired.entry(anomaly.code.as_str()).or_default() += 1;
            }
            *of_weeks.entry(told.len()).or_default() += 1;
            if told.len() > 1 {
                loud.push((number, week[0], told));
            }
        }
    }
    println!("planned weeks, anomalies in a week -> weeks: {of_weeks:?}; by code: {fired:?}");
    assert!(loud.is_empty(), "{loud:?}");
    assert_eq!(of_weeks.values().sum::<usize>(), plans.len() * weeks);
    of_weeks
}

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/anomalies.md")).unwrap()
}

#[test]
fn ordinary_weeks_of_shifts_with_breaks_have_at_most_one_anomaly_a_machine_and_week() {
    ordinary_weeks(&plans()[..4], 5);
}

#[test]
#[ignore = "long: make anomalies"]
fn four_hundred_ordinary_weeks_of_shifts_have_at_most_one_anomaly_each() {
    let weeks = ordinary_weeks(&plans(), 40);
    let quiet = format!("{} without an anomaly, {} with one", weeks[&0], weeks[&1]);
    assert!(document().contains(&quiet), "docs/anomalies.md counts other weeks: {quiet}");
}

/// What each flaw must be told as.
fn meant(flaw: PlannedFlaw) -> AnomalyCode {
    match flaw {
        PlannedFlaw::LateStart => AnomalyCode::LateStart,
        PlannedFlaw::EarlyEnd => AnomalyCode::EarlyEnd,
        PlannedFlaw::BreakdownToTheEnd => AnomalyCode::StopToTheEnd,
        PlannedFlaw::OverrunBreak => AnomalyCode::BreakOverrun,
        PlannedFlaw::MissingShift => AnomalyCode::MissingShift,
        PlannedFlaw::Other(flaw) => super::anomalies::meant(flaw),
    }
}

/// What tells the same day as well: a silence may reach over a break, a break may be one with a long stop.
fn instead(flaw: PlannedFlaw) -> &'static [AnomalyCode] {
    match flaw {
        PlannedFlaw::Other(Flaw::Silence) => {
            &[AnomalyCode::BreakOverrun, AnomalyCode::EarlyEnd, AnomalyCode::StopToTheEnd]
        }
        PlannedFlaw::OverrunBreak => &[AnomalyCode::StopOfTheMonth],
        _ => &[],
    }
}

/// What may be told besides, because the flaw truly does that to the day.
fn also(flaw: PlannedFlaw) -> &'static [AnomalyCode] {
    use AnomalyCode as Code;
    match flaw {
        // However the break looks in the LOG: as a stop, as a wait.
        PlannedFlaw::OverrunBreak => &[Code::StopOfTheMonth, Code::WaitingShare, Code::Rate],
        // Everything behind it moves by two hours, out of the shifts and over their breaks.
        PlannedFlaw::Other(Flaw::LongStop) => &[
            Code::StopLength,
            Code::Occupation,
            Code::BreakOverrun,
            Code::LongestSilence,
            Code::WaitingShare,
        ],
        // By half an hour, out of the breaks.
        PlannedFlaw::Other(Flaw::ClockSteppedBack) => &[
            Code::Overlap,
            Code::StartLineLost,
            Code::EarlyEnd,
            Code::StopToTheEnd,
            Code::BreakOverrun,
            Code::LongestSilence,
            Code::StopOfTheMonth,
        ],
        // Of few pieces, the first behind a break comes late, and the time between two is long.
        PlannedFlaw::Other(Flaw::SlowRhythm) => {
            &[Code::BreakOverrun, Code::LongestSilence, Code::RateDrop]
        }
        PlannedFlaw::Other(Flaw::LowOccupation) => {
            &[Code::BreakOverrun, Code::WaitingShare, Code::StopLength, Code::StopOfTheMonth]
        }
        PlannedFlaw::Other(Flaw::LongStops) => {
            &[Code::BreakOverrun, Code::StopOfTheMonth, Code::Occupation]
        }
        // The stop that is not counted any more.
        PlannedFlaw::Other(Flaw::StartLineLost) => &[Code::LongestSilence],
        PlannedFlaw::Other(Flaw::Silence) => {
            &[Code::RateDrop, Code::Rate, Code::BreakOverrun, Code::EarlyEnd]
        }
        PlannedFlaw::Other(flaw) => super::anomalies::also(flaw),
        _ => &[],
    }
}

/// Plants each flaw in some days of the last of `weeks` weeks; returns what was told, by flaw.
#[expect(clippy::print_stdout, reason = "what the tests found, for people")]
fn planted(plans: &[Plan], weeks: usize, flawed_days: usize) -> String {
    let mut table: BTreeMap<String, (u32, BTreeMap<&str, u32>)> = BTreeMap::new();
    let (mut missed, mut astray, mut all) = (Vec::new(), Vec::new(), 0);
    for (number, plan) in plans.iter().enumerate() {
        let centre = &CENTRES[number % CENTRES.len()];
        let seed = 100 + number as u64;
        let days: Vec<Day> = first_monday().iter_days().take(7 * weeks).collect();
        let (before, last) = days.split_at(7 * (weeks - 1));
        let ordinary = |day: &Day| {
            let evidence = plan.evidence(*day, plan.log(centre, *day, seed, None))?;
            Some(plan.digest(*day, &evidence))
        };
        let mut history: Vec<DayDigest> = before.iter().filter_map(ordinary).collect();
        for day in &last[..flawed_days] {
            let Some(evidence) = plan.evidence(*day, plan.log(centre, *day, seed, None)) else {
                continue;
            };
            let without = plan.anomalies(*day, &evidence, &history, true);
            let fires_anyway = |code| without.iter().any(|anomaly| anomaly.code == code);
            for flaw in PlannedFlaw::all().filter(|flaw| flaw.fits(&plan.shifts(*day))) {
                let log = plan.log(centre, *day, seed, Some(flaw));
                let found =
                    plan.anomalies(*day, &plan.evidence(*day, log).unwrap(), &history, true);
                all += 1;
                let row = table.entry(name(flaw)).or_default();
                row.0 += 1;
                for anomaly in &found {
                    *row.1.entry(anomaly.code.as_str()).or_default() += 1;
                    let is_meant =
                        anomaly.code == meant(flaw) || also(flaw).contains(&anomaly.code);
                    if !is_meant && !fires_anyway(anomaly.code) {
                        astray.push((number, *day, flaw, anomaly.clone()));
                    }
                }
                let is_told = |anomaly: &Anomaly| {
                    anomaly.code == meant(flaw) || instead(flaw).contains(&anomaly.code)
                };
                if !found.iter().any(is_told) {
                    missed.push((number, *day, flaw, found));
                }
            }
            history.extend(ordinary(day));
        }
    }
    let mut rows = String::new();
    for (flaw, (days, told)) in &table {
        let told: Vec<String> = told.iter().map(|(code, days)| format!("{code}: {days}")).collect();
        rows += &format!("{flaw:<22} {days:>3}  {}\n", told.join(", "));
    }
    println!("planted -> days, told\n{rows}");
    assert!(missed.is_empty(), "{missed:?}");
    assert!(astray.len() * 50 <= all, "{} of {all}: {astray:?}", astray.len());
    rows
}

fn name(flaw: PlannedFlaw) -> String {
    match flaw {
        PlannedFlaw::Other(flaw) => format!("{flaw:?}"),
        flaw => format!("{flaw:?}"),
    }
}

#[test]
fn each_flaw_planted_in_shifts_is_found_and_told_as_what_it_is() {
    planted(&plans()[..3], 3, 2);
}

#[test]
#[ignore = "long: make anomalies"]
fn flaws_planted_in_all_kinds_of_shifts_are_found_and_the_document_shows_how_often() {
    let rows = planted(&plans(), 6, 4);
    assert!(document().contains(&rows), "docs/anomalies.md shows another table");
}

/// Code and subject with the value: what people see as one remark.
fn remarks(anomalies: &[Anomaly]) -> BTreeMap<(&'static str, String), i64> {
    let remark = |one: &Anomaly| ((one.code.as_str(), one.subject.to_string()), one.value_e2);
    anomalies.iter().map(remark).collect()
}

/// Days that hold whatever a LOG can hold, as the lines that come one after the other.
fn hostile_days(seed: u64, plan: &Plan) -> (Day, Vec<u8>) {
    let centre = &CENTRES[seed as usize % CENTRES.len()];
    let day = working_days(first_monday(), 40)[12 + seed as usize % 20];
    let log = match seed % 5 {
        0 => log_of_day(centre, day, seed, Dirt::Some),
        1 => flawed_log_of_day(centre, day, seed, Flaw::ALL[seed as usize / 5 % Flaw::ALL.len()]),
        2 => flawed_log_of_day(centre, day, seed, Flaw::ClockSteppedBack),
        3 => plan.log(centre, day, seed, PlannedFlaw::all().nth(seed as usize / 5 % 5)),
        // The lines of a day in any order: whatever comes later may belong anywhere.
        _ => {
            let mut lines: Vec<Vec<u8>> = log_of_day(centre, day, seed, Dirt::Some)
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut lines);
            lines.concat()
        }
    };
    (day, log)
}

/// What is told of a day while it grows, in looks after a few lines each; then of the whole day, over.
fn grow(plan: Option<&Plan>, seed: u64, looks: usize) {
    let fallback = Plan::of(TWO_SHIFTS, 0);
    let shaped = plan.unwrap_or(&fallback);
    let (day, log) = hostile_days(seed, shaped);
    let centre = &CENTRES[seed as usize % CENTRES.len()];
    let options = shaped.options();
    let history: Vec<DayDigest> = working_days(first_monday(), 12)
        .into_iter()
        .filter_map(|day| {
            let evidence = shaped.evidence(day, shaped.log(centre, day, seed, None))?;
            Some(shaped.digest(day, &evidence))
        })
        .collect();
    let told_of = |files: &[Vec<u8>], is_over: bool| {
        let Some((session, defects)) = days_with(files, &options).remove(&day) else {
            return Vec::new();
        };
        anomalies(&Evidence {
            day,
            session: &session,
            defects: &defects,
            history: &history,
            limits: &Limits::default(),
            calendar: plan.map(|plan| &plan.calendar),
            day_start: shaped.day_start,
            is_over,
        })
    };
    let mut rng = fastrand::Rng::with_seed(seed);
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    // As two files that grow by turns, as where a controller begins a new one in the middle of the day.
    let mut files = vec![Vec::new(), Vec::new()];
    let mut before = BTreeMap::new();
    for some in lines.chunks(lines.len().div_ceil(looks).max(1)) {
        files[usize::from(seed.is_multiple_of(3) && rng.bool())].extend(some.concat());
        let now = remarks(&told_of(&files, false));
        for (remark, value) in &before {
            let is_kept = now.get(remark).is_some_and(|now| now >= value);
            assert!(is_kept, "seed {seed}: {remark:?} ({value}) was said and is gone: {now:?}");
        }
        before = now;
    }
    let over = remarks(&told_of(&files, true));
    for remark in before.keys() {
        assert!(over.contains_key(remark), "seed {seed}: {remark:?} is gone when the day is over");
    }
}

#[test]
fn what_was_said_of_a_running_day_stays_until_it_is_over() {
    let plan = Plan::of(TWO_SHIFTS, 0);
    for seed in 0..20 {
        grow((seed % 2 == 0).then_some(&plan), seed, 15);
    }
}

#[test]
#[ignore = "long: make anomalies"]
fn what_was_said_of_a_running_day_stays_line_by_line() {
    let plans = plans();
    for seed in 0..400 {
        let plan = &plans[seed as usize % plans.len()];
        grow((seed % 3 != 0).then_some(plan), seed, 200);
    }
}
