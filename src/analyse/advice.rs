//! What would win the most minutes, said with its figures and how they were computed. At most three a
//! day. What must never happen here: advice from too little data, or minutes that no figure backs.

use std::collections::BTreeMap;

use crate::{
    analyse::{
        anomalies::comparable,
        losses::losses_of,
        patterns::{Patterns, Profile, StopClass},
        robust,
    },
    model::{Advice, AdviceCode, Day, DayDigest, DayTimes, Limits, LossKind, Losses},
};

const MOST: usize = 3;
/// A day with less says nothing about how to produce better.
const LEAST_WINDOW_MS: i64 = 2 * 3_600_000;
const LEAST_PIECES: u64 = 50;
const LEAST_REQUIRED_E1: i64 = 2 * 60 * 10;
const LEAST_CHANGES: u32 = 4;
const LEAST_SAVED: u32 = 2;
const LEAST_WAITS: u32 = 5;
const LEAST_OF_PROFILE_MS: i64 = 30 * 60_000;
const LEAST_OF_OTHERS_MS: i64 = 60 * 60_000;

/// Advice for one day, the most minutes first. `today` holds that day only; `history` is any days of
/// the machine, and `times` where their required time went, in any order. A machine with a calendar is
/// advised by its losses of required time, one without by what its log alone tells.
pub fn advice(
    day: Day,
    today: &Patterns,
    history: &[DayDigest],
    times: &[DayTimes],
    limits: &Limits,
) -> Vec<Advice> {
    let planned = times.iter().find(|times| times.day == day);
    let mut all: Vec<Advice> = Vec::new();
    let is_enough = today.window_ms >= LEAST_WINDOW_MS && today.pieces >= LEAST_PIECES;
    if is_enough {
        all.extend(group_profile(today));
        all.extend(waits_of_profile(today));
    }
    let days = comparable(history, day, limits).unwrap_or_default();
    match planned {
        Some(planned) => all.extend(better_losses(planned, &days, times, limits)),
        // Of a day of which a calendar plans nothing there is no time to be lost.
        None if is_enough && times.is_empty() => all.extend(better_days(today, &days)),
        None => {}
    }
    let least = i64::from(limits.advice_minutes) * 10;
    all.retain(|one| one.won_e1 >= least.max(1));
    all.sort_by(|a, b| b.won_e1.cmp(&a.won_e1).then(a.code.cmp(&b.code)));
    all.truncate(MOST);
    all
}

/// Tenths of a minute, half up: what is printed, and what advice is computed with.
fn minutes_e1(ms: i64) -> i64 {
    (ms + 3_000) / 6_000
}

/// The profile whose grouping saves the most changes, at what a change cost on average.
fn group_profile(today: &Patterns) -> Option<Advice> {
    let changes = today.changes;
    if changes.count < LEAST_CHANGES {
        return None;
    }
    let sequence = &today.sequence;
    // Of equals the first by name.
    let (profile, saved) = saved_by_grouping(sequence)
        .into_iter()
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    if saved < LEAST_SAVED {
        return None;
    }
    let cost_e1 = minutes_e1(changes.cost_ms);
    let count = i64::from(changes.count);
    Some(Advice {
        code: AdviceCode::GroupProfile,
        won_e1: (cost_e1 * i64::from(saved) * 2 + count) / (2 * count),
        cost_e1,
        usual_e1: 0,
        count: changes.count,
        saved,
        subject: profile.to_string().into(),
    })
}

/// How many changes a day saves if all later runs of a profile move to its first one: each later run
/// loses the change to it and the one from it, and gains one if its neighbours differ. One pass: a
/// damaged day can have as many profiles as pieces.
fn saved_by_grouping(sequence: &[Profile]) -> BTreeMap<&Profile, u32> {
    let mut saved: BTreeMap<&Profile, u32> = BTreeMap::new();
    let mut before = None;
    let mut runs = sequence.chunk_by(|run, next| run == next).map(|run| &run[0]).peekable();
    while let Some(profile) = runs.next() {
        let next = runs.peek().copied();
        saved
            .entry(profile)
            .and_modify(|saved| *saved += if next.is_none() || next != before { 1 } else { 2 })
            .or_default();
        before = Some(profile);
    }
    saved
}

/// The profile that waits the most beyond what the others wait in as much time of production.
fn waits_of_profile(today: &Patterns) -> Option<Advice> {
    let named = || today.profiles.iter().filter_map(|(key, of)| Some((key.as_ref()?, of)));
    let effective: i64 = named().map(|(_, of)| of.effective_ms).sum();
    let waiting: i64 = named().map(|(_, of)| of.wait_ms).sum();
    named()
        .filter_map(|(profile, of)| {
            let others_ms = effective - of.effective_ms;
            if of.waits < LEAST_WAITS
                || of.effective_ms < LEAST_OF_PROFILE_MS
                || others_ms < LEAST_OF_OTHERS_MS
            {
                return None;
            }
            let usual = i128::from(waiting - of.wait_ms) * i128::from(of.effective_ms)
                / i128::from(others_ms);
            let usual_ms = i64::try_from(usual).ok()?;
            // A little more than the others is chance.
            let (cost_e1, usual_e1) = (minutes_e1(of.wait_ms), minutes_e1(usual_ms));
            (of.wait_ms * 2 > usual_ms * 3).then(|| Advice {
                code: AdviceCode::WaitsOfProfile,
                won_e1: cost_e1 - usual_e1,
                cost_e1,
                usual_e1,
                count: of.waits,
                saved: 0,
                subject: profile.to_string().into(),
            })
        })
        .reduce(|best, next| if next.won_e1 > best.won_e1 { next } else { best })
}

/// What today cost beyond the better quarter of the machine's own days.
fn better_days(today: &Patterns, days: &[&DayDigest]) -> Vec<Advice> {
    let of_class = |class: StopClass| {
        let stops = today.stops[class as usize];
        (stops.ms, stops.count)
    };
    let (micro, short, long) =
        (of_class(StopClass::Micro), of_class(StopClass::Short), of_class(StopClass::Long));
    type Of = fn(&DayDigest) -> i64;
    let measures: [(AdviceCode, (i64, u32), Of); 5] = [
        (AdviceCode::MicroStops, micro, |day| day.micro_stops_ms),
        (AdviceCode::ShortStops, short, |day| day.short_stops_ms),
        (AdviceCode::LongStops, long, |day| day.long_stops_ms),
        (AdviceCode::StartOfShift, (today.start_loss_ms, 0), |day| day.start_loss_ms),
        (AdviceCode::EndOfShift, (today.end_loss_ms, 0), |day| day.end_loss_ms),
    ];
    let mut all = Vec::new();
    for (code, (cost_ms, count), of) in measures {
        let mut values: Vec<i64> = days.iter().map(|day| of(day)).collect();
        let Some(usual_ms) = robust::lower_quartile(&mut values) else { continue };
        all.push(beyond_usual(code, minutes_e1(cost_ms), minutes_e1(usual_ms), count));
    }
    all
}

fn beyond_usual(code: AdviceCode, cost_e1: i64, usual_e1: i64, count: u32) -> Advice {
    let won_e1 = cost_e1 - usual_e1;
    Advice { code, won_e1, cost_e1, usual_e1, count, saved: 0, subject: "".into() }
}

/// What of today's required time was lost beyond the better quarter of the machine's own days, each as if it
/// had as much required time as today.
fn better_losses(
    today: &DayTimes,
    days: &[&DayDigest],
    times: &[DayTimes],
    limits: &Limits,
) -> Vec<Advice> {
    let Some(of_today) = losses_of([today], None) else { return Vec::new() };
    let required = of_today.minutes_e1.required;
    let is_like =
        |times: &&DayTimes| times.is_over && days.iter().any(|digest| digest.day == times.day);
    let like: Vec<Losses> = (times.iter().filter(is_like))
        .filter_map(|day| losses_of([day], None))
        .filter(|losses| losses.minutes_e1.required > 0)
        .collect();
    if like.len() < limits.least_days as usize || required < LEAST_REQUIRED_E1 {
        return Vec::new();
    }
    // Before its end nobody knows whether a day ended early.
    let is_known = |kind: &LossKind| today.is_over || *kind != LossKind::EarlyEnd;
    let kinds = of_today.ranking().into_iter().filter(is_known);
    let advice = kinds.filter_map(|kind| {
        let as_today = |losses: &Losses| {
            let shares = &losses.minutes_e1;
            shares.lost_to(kind) * required / shares.required
        };
        let mut values: Vec<i64> = like.iter().map(as_today).collect();
        let usual_e1 = robust::lower_quartile(&mut values)?;
        let cost_e1 = of_today.minutes_e1.lost_to(kind);
        Some(beyond_usual(AdviceCode::Loss(kind), cost_e1, usual_e1, 0))
    });
    advice.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::{
        LineDefects, digest, patterns,
        patterns::tests::{day, profile, session_of},
    };
    use crate::model::ShiftTimes;

    /// Four hours in which A and B alternate every ten minutes with five lost at each change.
    fn alternating() -> Vec<String> {
        let mut lines = Vec::new();
        for ten in 0..24 {
            let reference = if ten % 2 == 0 { "A" } else { "B" };
            let (h, m) = (5 + ten / 6, ten % 6 * 10);
            lines.push(format!("{h:02}:{m:02}:00 job {reference}"));
            for minute in 5..10 {
                lines.push(format!("{h:02}:{:02}:00 piece", m + minute));
            }
        }
        lines
    }

    fn session(lines: &[String]) -> crate::model::Session {
        session_of(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn grouping_is_advised_with_the_changes_that_it_saves() {
        let session = session(&alternating());
        let today = patterns(&session);
        assert_eq!(today.changes.count, 23);
        // Six minutes between the last piece and the next, less a cycle of one.
        assert_eq!(today.changes.cost_ms, 23 * 5 * 60_000);
        let found = advice(day(), &today, &[], &[], &Limits::default());
        assert_eq!(found.len(), 1);
        // A B A B … becomes A B: of 23 changes one stays.
        assert_eq!((found[0].saved, found[0].won_e1), (22, 22 * 5 * 10));
        assert_eq!(found[0].subject, "A/WS");
        assert_eq!((found[0].count, found[0].cost_e1), (23, 115 * 10));
    }

    #[test]
    fn grouping_saves_what_counting_the_changes_of_the_grouped_day_shows() {
        let changes = |runs: &[&Profile]| runs.windows(2).filter(|two| two[0] != two[1]).count();
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..500 {
            let length = random.usize(0..12);
            let day: Vec<Profile> =
                (0..length).map(|_| profile(["A", "B", "C", "D"][random.usize(0..4)])).collect();
            let all: Vec<&Profile> = day.iter().collect();
            for (profile, saved) in saved_by_grouping(&day) {
                let first = day.iter().position(|run| run == profile).unwrap();
                let grouped: Vec<&Profile> = (day.iter().enumerate())
                    .filter(|(at, run)| *at == first || *run != profile)
                    .map(|(_, run)| run)
                    .collect();
                assert_eq!(saved as usize, changes(&all) - changes(&grouped), "{day:?}");
            }
        }
    }

    #[test]
    fn without_enough_data_there_is_no_advice() {
        let session = session(&alternating()[..40]);
        let today = patterns(&session);
        assert!(advice(day(), &today, &[], &[], &Limits::default()).is_empty());
    }

    #[test]
    fn a_slow_start_is_measured_by_the_better_days_of_the_machine_once_there_are_enough() {
        let mut lines = vec!["05:00:00 start".to_owned(), "05:00:00 job A".to_owned()];
        lines.extend((40..300).map(|m| format!("{:02}:{:02}:00 piece", 5 + m / 60, m % 60)));
        let session = session(&lines);
        let today = patterns(&session);
        let history = |days: u64| -> Vec<DayDigest> {
            let own = digest(day(), &session, &LineDefects::default());
            let weekdays = (1..).map(|back| day() - chrono::Days::new(back)).filter(|day| {
                !matches!(
                    chrono::Datelike::weekday(day),
                    chrono::Weekday::Sat | chrono::Weekday::Sun
                )
            });
            weekdays
                .take(days as usize)
                .map(|day| DayDigest { day, start_loss_ms: 10 * 60_000, ..own.clone() })
                .collect()
        };
        assert!(advice(day(), &today, &history(7), &[], &Limits::default()).is_empty());
        let found = advice(day(), &today, &history(8), &[], &Limits::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code, AdviceCode::StartOfShift);
        assert_eq!((found[0].cost_e1, found[0].won_e1), (400, 300));
        let mut turned = history(8);
        turned.reverse();
        assert_eq!(advice(day(), &today, &turned, &[], &Limits::default()), found);
    }

    fn planned(day: Day, hours: i64, start_min: i64, is_over: bool) -> DayTimes {
        let part = ShiftTimes {
            required_ms: hours * 3_600_000,
            running_ms: hours * 3_600_000 - start_min * 60_000,
            start_ms: start_min * 60_000,
            ..ShiftTimes::default()
        };
        let known_until = crate::model::Stamp(0);
        let parts = vec![part];
        DayTimes { day, known_until, is_over, nominal_per_hour: None, parts, pieces_outside: 0 }
    }

    #[test]
    fn with_a_calendar_losses_are_compared_in_the_required_time_of_today() {
        let session = session(&alternating()[..40]);
        let today = patterns(&session);
        let own = digest(day(), &session, &LineDefects::default());
        let mut times = vec![planned(day(), 8, 60, true)];
        let mut history = Vec::new();
        for back in (1..).map(|back| day() - chrono::Days::new(back)).take(14) {
            // Days of four hours that begin 5 min late: 10 min of the eight of today.
            times.push(planned(back, 4, 5, true));
            history.push(DayDigest { day: back, pieces: 9, window_ms: 1, ..own.clone() });
        }
        let found = advice(day(), &today, &history, &times, &Limits::default());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, AdviceCode::Loss(LossKind::LateStart));
        assert_eq!((found[0].cost_e1, found[0].usual_e1, found[0].won_e1), (600, 100, 500));
        let few = advice(day(), &today, &history, &times[..7], &Limits::default());
        assert!(few.is_empty(), "{few:?}");
    }
}
