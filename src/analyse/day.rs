//! Which production day an event belongs to, and a file's part of a day.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

use chrono::{NaiveTime, TimeDelta};

use crate::{
    model::{Day, Stamp},
    parse::Event,
};

/// One file's events of one production day, in the order of its lines. Borrowed where they stand
/// side by side in the file, as they nearly always do.
#[derive(Clone, Debug)]
pub struct Part<'e, 't> {
    events: Cow<'e, [Event<'t>]>,
    /// By time.
    is_sorted: bool,
    /// Whether the clock stepped back at one of the events.
    has_steps: bool,
}

impl<'e, 't> Part<'e, 't> {
    fn of(run: Run<'e, 't>) -> Self {
        let Run { events, is_sorted, has_steps } = run;
        Self { events: Cow::Borrowed(events), is_sorted, has_steps }
    }

    /// The clock had stepped over midnight and came back.
    fn add(&mut self, run: &Run<'_, 't>) {
        self.events.to_mut().extend_from_slice(run.events);
        self.is_sorted = false;
        self.has_steps |= run.has_steps;
    }

    pub fn events(&self) -> &[Event<'t>] {
        &self.events
    }

    /// False also where they happen to be.
    pub(super) fn is_sorted(&self) -> bool {
        self.is_sorted
    }

    pub(super) fn has_steps(&self) -> bool {
        self.has_steps
    }
}

/// Events of one day that stand side by side.
struct Run<'e, 't> {
    events: &'e [Event<'t>],
    is_sorted: bool,
    has_steps: bool,
}

impl<'e, 't> Run<'e, 't> {
    /// The events at the beginning of `events` that lie in `seconds`, and those behind them; what is
    /// known of them is found in the same pass.
    #[inline]
    fn split(events: &'e [Event<'t>], seconds: &Range<i64>) -> (Self, &'e [Event<'t>]) {
        let (mut before, mut is_sorted, mut has_steps) = (i64::MIN, true, false);
        let mut length = 0;
        for event in events {
            if !seconds.contains(&event.seconds) {
                break;
            }
            is_sorted &= before <= event.seconds;
            has_steps |= event.stepped_back;
            before = event.seconds;
            length += 1;
        }
        let (events, behind) = events.split_at(length);
        (Self { events, is_sorted, has_steps }, behind)
    }
}

/// The production days that a file's events belong to, with the number of events of each.
pub fn days_touched(events: &[Event<'_>], day_start: TimeDelta) -> BTreeMap<Day, u64> {
    let mut days = BTreeMap::new();
    for (day, run) in runs(events, day_start) {
        *days.entry(day).or_default() += run.events.len() as u64;
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
        match parts.entry(day) {
            Entry::Vacant(place) => {
                place.insert(Part::of(run));
            }
            Entry::Occupied(mut part) => part.get_mut().add(&run),
        }
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
    let is_in = |event: &Event<'_>| seconds.contains(&event.seconds);
    let first = events.iter().position(is_in).unwrap_or(events.len());
    let (run, mut rest) = Run::split(&events[first..], &seconds);
    let mut part = Part::of(run);
    while let Some(next) = rest.iter().position(is_in) {
        let (run, behind) = Run::split(&rest[next..], &seconds);
        part.add(&run);
        rest = behind;
    }
    part
}

/// Cuts a file's events wherever the day changes.
fn runs<'e, 't>(
    events: &'e [Event<'t>],
    day_start: TimeDelta,
) -> impl Iterator<Item = (Day, Run<'e, 't>)> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let day = Stamp::from_seconds(rest.first()?.seconds).day(day_start);
        let seconds = seconds_of(day, day_start);
        let (run, behind) = Run::split(rest, &seconds);
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
                .flat_map(|e| e.details().bytes())
                .collect()
        };
        for (day, part) in parts_by_day(&events, day_start) {
            let details_of_part: Vec<u8> =
                part.events().iter().flat_map(|e| e.details().bytes()).collect();
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
