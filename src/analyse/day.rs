//! Which production day an event belongs to, and a file's part of a day.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use chrono::{NaiveTime, TimeDelta};

use crate::{
    model::{Day, Stamp},
    parse::Event,
};

/// One file's events of one production day, in the order of its lines. Borrowed where they stand
/// side by side in the file, as they nearly always do.
#[derive(Clone, Debug)]
pub struct Part<'e, 't>(pub(super) Cow<'e, [Event<'t>]>);

impl<'t> Part<'_, 't> {
    pub fn events(&self) -> &[Event<'t>] {
        &self.0
    }
}

/// The production days that a file's events belong to, with the number of events of each.
pub fn days_touched(events: &[Event<'_>], day_start: TimeDelta) -> BTreeMap<Day, u64> {
    let mut days = BTreeMap::new();
    for (day, run) in runs(events, day_start) {
        *days.entry(day).or_default() += run.len() as u64;
    }
    days
}

/// A file's parts of all days, in one pass however many days it holds.
pub fn parts_by_day<'e, 't>(
    events: &'e [Event<'t>],
    day_start: TimeDelta,
) -> BTreeMap<Day, Part<'e, 't>> {
    let mut parts: BTreeMap<Day, Part<'e, 't>> = BTreeMap::new();
    for (day, run) in runs(events, day_start) {
        parts
            .entry(day)
            // The clock stepped over midnight and back.
            .and_modify(|part| part.0.to_mut().extend_from_slice(run))
            .or_insert(Part(Cow::Borrowed(run)));
    }
    parts
}

/// A file's part of one day; empty where the file holds nothing of it. For all days of a file,
/// [`parts_by_day`] reads it once.
pub fn part_of_day<'e, 't>(
    events: &'e [Event<'t>],
    day: Day,
    day_start: TimeDelta,
) -> Part<'e, 't> {
    let seconds = seconds_of(day, day_start);
    let is_in = |event: &&Event<'_>| seconds.contains(&event.seconds);
    let first = events.iter().position(|event| is_in(&event)).unwrap_or(events.len());
    let from = &events[first..];
    let (run, behind) = from.split_at(from.iter().take_while(is_in).count());
    let mut part = Cow::Borrowed(run);
    if behind.iter().any(|event| is_in(&event)) {
        part.to_mut().extend(behind.iter().filter(is_in).copied());
    }
    Part(part)
}

/// Cuts a file's events wherever the day changes.
fn runs<'e, 't>(
    events: &'e [Event<'t>],
    day_start: TimeDelta,
) -> impl Iterator<Item = (Day, &'e [Event<'t>])> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let day = Stamp::from_seconds(rest.first()?.seconds).day(day_start);
        let seconds = seconds_of(day, day_start);
        let run = rest.iter().take_while(|event| seconds.contains(&event.seconds)).count();
        let (run, behind) = rest.split_at(run);
        rest = behind;
        Some((day, run))
    })
}

/// The seconds of the wall clock that belong to `day`.
fn seconds_of(day: Day, day_start: TimeDelta) -> Range<i64> {
    // The first whole second that is not before the day's first millisecond.
    let first_ms = Stamp::from_naive(day.and_time(NaiveTime::MIN)).0 + day_start.num_milliseconds();
    let first = -(-first_ms).div_euclid(1000);
    first..first + 86_400
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Text, Words, parse};

    const LOG: &[u8] = b"20250603 22:00:00|@StukUitgevoerd: 1\n\
        20250604 04:59:59|@StukUitgevoerd: 2\n\
        20250604 05:00:00|@StukUitgevoerd: 3\n\
        20250603 23:00:00|@StukUitgevoerd: 4\n\
        20250604 05:00:01|@StukUitgevoerd: 5\n";

    fn days(day_start: TimeDelta) -> Vec<(String, u64, Vec<u8>)> {
        let text = Text::new(LOG);
        let events = parse(&text, &Words::default()).events;
        let days = days_touched(&events, day_start);
        let details = |day| {
            part_of_day(&events, day, day_start)
                .events()
                .iter()
                .flat_map(|e| e.details())
                .copied()
                .collect()
        };
        for (day, part) in parts_by_day(&events, day_start) {
            let details_of_part: Vec<u8> =
                part.events().iter().flat_map(|e| e.details()).copied().collect();
            assert_eq!(details_of_part, details(day));
        }
        days.into_iter().map(|(day, count)| (day.to_string(), count, details(day))).collect()
    }

    #[test]
    fn an_event_belongs_to_the_day_of_its_time_less_day_start() {
        assert_eq!(
            days(TimeDelta::zero()),
            [("2025-06-03".into(), 2, b"14".to_vec()), ("2025-06-04".into(), 3, b"235".to_vec())]
        );
        assert_eq!(
            days(TimeDelta::hours(5)),
            [("2025-06-03".into(), 3, b"124".to_vec()), ("2025-06-04".into(), 2, b"35".to_vec())]
        );
        assert_eq!(
            days(TimeDelta::milliseconds(5 * 3_600_000 - 999)),
            days(TimeDelta::hours(5)),
            "whole seconds of the clock fall on the right side of a day start between two of them"
        );
    }
}
