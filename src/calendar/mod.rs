//! When a machine is planned to work: shifts by weekday with their breaks, public holidays, closed days and
//! extra openings, cut at the ends of a production day. Pure: no IO, no clock.
//!
//! Terms of NF E60-182: the *opening time* (temps d'ouverture) of a shift is its interval, the *required
//! time* (temps requis) is that without its breaks. All times are the machine's own wall clock, whose axis has no
//! summer time. What must never happen here: a moment that two shifts plan.

mod holidays;
mod overlaps;

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveTime, TimeDelta, Weekday};

pub use holidays::{Holiday, Holidays};
pub use overlaps::{overlapping_openings, overlapping_shifts};

use crate::model::{Day, Stamp};

/// The name of the shift that an extra opening is.
pub const EXTRA_SHIFT: &str = "exceptionnel";

/// A stretch of time, half-open: `from` belongs to it, `to` does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Period {
    pub from: Stamp,
    pub to: Stamp,
}

impl Period {
    pub fn length_ms(self) -> i64 {
        self.to.0 - self.from.0
    }

    pub fn contains(self, at: Stamp) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// What both have in common, if that is longer than nothing.
    pub fn common(self, other: Self) -> Option<Self> {
        let common = Self { from: self.from.max(other.from), to: self.to.min(other.to) };
        (common.from < common.to).then_some(common)
    }
}

/// Hours of a date: from midnight of that date, and possibly into the next one or two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hours {
    pub from: TimeDelta,
    /// After `from`, by at most 24 h.
    pub to: TimeDelta,
}

impl Hours {
    /// Two times of day; an end that is not after the beginning is of the next day.
    pub fn between(from: TimeDelta, to: TimeDelta) -> Self {
        Self { from, to: if to > from { to } else { to + TimeDelta::days(1) } }
    }

    /// These hours within a shift of `shift`'s: a time before its beginning is of the next day.
    pub fn within(self, shift: Self) -> Self {
        let later = if self.from < shift.from { TimeDelta::days(1) } else { TimeDelta::zero() };
        Self { from: self.from + later, to: self.to + later }
    }

    pub fn overlap(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    fn on(self, date: Day) -> Period {
        let midnight = Stamp::from_naive(date.and_time(NaiveTime::MIN));
        Period {
            from: midnight.plus_ms(self.from.num_milliseconds()),
            to: midnight.plus_ms(self.to.num_milliseconds()),
        }
    }
}

/// A shift (French *poste*) as it is planned each week.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shift {
    pub name: String,
    /// On which it begins.
    pub days: Vec<Weekday>,
    pub hours: Hours,
    /// Inside the hours, without overlap.
    pub breaks: Vec<Hours>,
}

/// An extra shift on one date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    pub date: Day,
    pub hours: Hours,
}

/// What is planned for one machine, or for several alike.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Calendar {
    /// Where it is written, as in `config.toml:12`.
    pub place: String,
    pub holidays: Holidays,
    /// First and last date of each time that is closed.
    pub closed: Vec<(Day, Day)>,
    /// They take place also on closed days and holidays.
    pub openings: Vec<Opening>,
    pub shifts: Vec<Shift>,
}

/// A shift's part of one production day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShiftPart {
    /// Its place among the day's parts by their beginning, from 1.
    pub number: u32,
    pub shift: String,
    /// Planned beginning and end of the whole shift.
    pub planned: Period,
    /// What of it lies in the production day: the opening time.
    pub opening: Period,
    /// The opening time without breaks, in order: the required time.
    pub required: Vec<Period>,
}

impl ShiftPart {
    pub fn required_ms(&self) -> i64 {
        self.required.iter().map(|period| period.length_ms()).sum()
    }
}

/// Why no shift begins on a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Free {
    Closed,
    Holiday(Holiday),
    /// None is planned for this day of the week.
    NoShift,
}

/// A shift on a date.
struct Occurrence {
    shift: String,
    planned: Period,
    breaks: Vec<Period>,
}

impl Calendar {
    /// Why none of the weekly shifts begins on `date`; `None` if one does.
    pub fn free_on(&self, date: Day) -> Option<Free> {
        if self.closed.iter().any(|(first, last)| (*first..=*last).contains(&date)) {
            return Some(Free::Closed);
        }
        if let Some(holiday) = self.holidays.on(date) {
            return Some(Free::Holiday(holiday));
        }
        let is_planned = self.shifts.iter().any(|shift| shift.days.contains(&date.weekday()));
        (!is_planned).then_some(Free::NoShift)
    }

    /// The shifts that begin on `date`, and its extra openings.
    fn occurrences(&self, date: Day) -> impl Iterator<Item = Occurrence> {
        let shifts: &[Shift] = if self.free_on(date).is_some() { &[] } else { &self.shifts };
        let shifts = shifts.iter().filter(move |shift| shift.days.contains(&date.weekday()));
        let shifts = shifts.map(move |shift| Occurrence {
            shift: shift.name.clone(),
            planned: shift.hours.on(date),
            breaks: shift.breaks.iter().map(|hours| hours.on(date)).collect(),
        });
        let openings = self.openings.iter().filter(move |opening| opening.date == date);
        shifts.chain(openings.map(move |opening| Occurrence {
            shift: EXTRA_SHIFT.to_owned(),
            planned: opening.hours.on(date),
            breaks: Vec::new(),
        }))
    }

    /// What is planned for the production day `day`, which begins `day_start` after midnight: every shift's
    /// part of it, by its beginning.
    pub fn parts(&self, day: Day, day_start: TimeDelta) -> Vec<ShiftPart> {
        let whole = production_day(day, day_start);
        // No shift is longer than a day: one of the day before may reach into this one, and one that begins
        // on the next date before `day_start` belongs to it.
        let dates = [day.pred_opt(), Some(day), day.succ_opt()];
        let occurrences = dates.into_iter().flatten().flat_map(|date| self.occurrences(date));
        let mut parts: Vec<ShiftPart> =
            occurrences.filter_map(|occurrence| occurrence.part_of(whole)).collect();
        parts.sort_by_key(|part| part.opening);
        for (number, part) in (1..).zip(&mut parts) {
            part.number = number;
        }
        debug_assert!(
            parts.is_sorted_by(|a, b| a.opening.to <= b.opening.from),
            "no moment is planned by two shifts: the configuration refuses that"
        );
        parts
    }
}

impl Occurrence {
    fn part_of(self, day: Period) -> Option<ShiftPart> {
        let opening = self.planned.common(day)?;
        let mut breaks = self.breaks;
        breaks.sort();
        let mut required = Vec::with_capacity(breaks.len() + 1);
        let mut from = opening.from;
        for pause in breaks.into_iter().filter_map(|pause| pause.common(opening)) {
            required.extend(Period { from, to: pause.from }.common(opening));
            from = pause.to;
        }
        required.extend(Period { from, to: opening.to }.common(opening));
        let Self { shift, planned, .. } = self;
        Some(ShiftPart { number: 0, shift, planned, opening, required })
    }
}

/// The production day `day`: 24 h from `day_start` after midnight on.
pub fn production_day(day: Day, day_start: TimeDelta) -> Period {
    Hours { from: day_start, to: day_start + TimeDelta::days(1) }.on(day)
}

/// The calendars of all machines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Calendars {
    /// By the machine's `nom`.
    of_machine: BTreeMap<String, Calendar>,
    /// Of machines that no calendar names.
    of_others: Option<Calendar>,
}

impl Calendars {
    pub fn new(of_machine: BTreeMap<String, Calendar>, of_others: Option<Calendar>) -> Self {
        Self { of_machine, of_others }
    }

    /// Of each machine `plant`'s calendar if it has one for it, whether by name or for machines that it does
    /// not name; these otherwise.
    #[must_use]
    pub fn under(self, plant: &Self) -> Self {
        if plant.of_others.is_some() {
            return plant.clone();
        }
        let Self { mut of_machine, of_others } = self;
        of_machine.extend(plant.of_machine.clone());
        Self { of_machine, of_others }
    }

    /// The machines that have one by name.
    pub fn machines(&self) -> impl Iterator<Item = &str> {
        self.of_machine.keys().map(String::as_str)
    }

    /// Whether machines that no calendar names have one.
    pub fn has_others(&self) -> bool {
        self.of_others.is_some()
    }

    /// The calendar of the machine `nom`, if it has one.
    pub fn of(&self, nom: &str) -> Option<&Calendar> {
        self.of_machine.get(nom).or(self.of_others.as_ref())
    }
}

#[cfg(test)]
mod tests;
