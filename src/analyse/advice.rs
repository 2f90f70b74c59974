//! What would win the most minutes, said with its figures and how they were computed. At most three a
//! day. What must never happen here: advice from too little data, or minutes that no figure backs.

use std::collections::BTreeMap;

use crate::{
    analyse::{
        anomalies::comparable,
        patterns::{Patterns, Profile, StopClass},
        robust,
    },
    model::{Advice, AdviceCode, Day, DayDigest, Limits},
};

const MOST: usize = 3;
/// A day with less says nothing about how to produce better.
const LEAST_WINDOW_MS: i64 = 2 * 3_600_000;
const LEAST_PIECES: u64 = 50;
const LEAST_CHANGES: u32 = 4;
const LEAST_SAVED: u32 = 2;
const LEAST_WAITS: u32 = 5;
const LEAST_OF_PROFILE_MS: i64 = 30 * 60_000;
const LEAST_OF_OTHERS_MS: i64 = 60 * 60_000;

/// Advice for one day, the most minutes first. `today` holds that day only; `history` is any days of
/// the machine, in any order.
pub fn advice(day: Day, today: &Patterns, history: &[DayDigest], limits: &Limits) -> Vec<Advice> {
    if today.window_ms < LEAST_WINDOW_MS || today.pieces < LEAST_PIECES {
        return Vec::new();
    }
    let mut all: Vec<Advice> = Vec::new();
    all.extend(group_profile(today));
    all.extend(waits_of_profile(today));
    if let Some(days) = comparable(history, day, limits) {
        all.extend(better_days(today, &days));
    }
    let least_ms = i64::from(limits.advice_minutes) * 60_000;
    all.retain(|one| one.won_ms >= least_ms.max(1));
    all.sort_by(|a, b| b.won_ms.cmp(&a.won_ms).then(a.code.cmp(&b.code)));
    all.truncate(MOST);
    all
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
    Some(Advice {
        code: AdviceCode::GroupProfile,
        won_ms: changes.cost_ms * i64::from(saved) / i64::from(changes.count),
        cost_ms: changes.cost_ms,
        usual_ms: 0,
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
            (of.wait_ms * 2 > usual_ms * 3).then(|| Advice {
                code: AdviceCode::WaitsOfProfile,
                won_ms: of.wait_ms - usual_ms,
                cost_ms: of.wait_ms,
                usual_ms,
                count: of.waits,
                saved: 0,
                subject: profile.to_string().into(),
            })
        })
        .reduce(|best, next| if next.won_ms > best.won_ms { next } else { best })
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
        let subject = "".into();
        all.push(Advice {
            code,
            won_ms: cost_ms - usual_ms,
            cost_ms,
            usual_ms,
            count,
            saved: 0,
            subject,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::{
        LineDefects, digest, patterns,
        patterns::tests::{day, profile, session_of},
    };

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
        let found = advice(day(), &today, &[], &Limits::default());
        assert_eq!(found.len(), 1);
        // A B A B … becomes A B: of 23 changes one stays.
        assert_eq!((found[0].saved, found[0].won_ms), (22, 22 * 5 * 60_000));
        assert_eq!(found[0].subject, "A/WS");
        assert_eq!((found[0].count, found[0].cost_ms), (23, 115 * 60_000));
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
        assert!(advice(day(), &today, &[], &Limits::default()).is_empty());
    }

    #[test]
    fn a_slow_start_is_measured_by_the_better_days_of_the_machine_once_there_are_enough() {
        let mut lines = vec!["05:00:00 start".to_owned(), "05:00:00 job A".to_owned()];
        lines.extend((40..300).map(|m| format!("{:02}:{:02}:00 piece", 5 + m / 60, m % 60)));
        let session = session(&lines);
        let today = patterns(&session);
        let history = |days: u64| -> Vec<DayDigest> {
            let own = digest(day(), &session, &LineDefects::default(), None);
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
        assert!(advice(day(), &today, &history(7), &Limits::default()).is_empty());
        let found = advice(day(), &today, &history(8), &Limits::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code, AdviceCode::StartOfShift);
        assert_eq!((found[0].cost_ms, found[0].won_ms), (40 * 60_000, 30 * 60_000));
        let mut turned = history(8);
        turned.reverse();
        assert_eq!(advice(day(), &today, &turned, &Limits::default()), found);
    }
}
