//! Planned time in a report: every shift's part, day and ISO week, and the whole period, each with its times,
//! rates and losses. What must never happen here: a figure of a day or a week that is not the sum of its
//! parts.

use chrono::{Datelike, TimeDelta};

use crate::{
    analyse::{losses, losses_of},
    model::{Day, DayTimes, Losses, Rates, ShiftTimes, Stamp, TimesSum},
};

/// What a line tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Span {
    Shift {
        day: Day,
        number: u32,
        name: String,
        planned_from: Stamp,
        planned_to: Stamp,
    },
    Day(Day),
    /// ISO year and week.
    Week(i32, u32),
    Period,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub span: Span,
    pub times: TimesSum,
    pub rates: Rates,
    pub losses: Losses,
    /// How many shifts' parts these are.
    pub parts: usize,
    pub nominal_per_hour: Option<u32>,
    /// Pieces outside required time; `None` of a shift: they are the day's.
    pub pieces_outside: Option<u32>,
    /// Up to when its last day is known.
    pub known_until: Stamp,
    /// A shift in it ends after that.
    pub is_running: bool,
    /// Its days are known to their end; else figures are those up to [`Self::known_until`].
    pub is_over: bool,
    /// A day between known ones of which no LOG tells anything.
    pub is_without_log: bool,
}

/// The lines of some days of one machine: the shifts of a day before the day, its days before a week, and the
/// period last. Empty if nothing was planned. `logged` are the days with a session.
pub(crate) fn lines(
    days: &[DayTimes],
    logged: &[Day],
    day_start: TimeDelta,
    cents_per_hour: Option<u32>,
) -> Vec<Line> {
    let line = |span: Span, days: &[DayTimes]| {
        let nominal_per_hour = days.iter().rev().find_map(|day| day.nominal_per_hour);
        let sums = days
            .iter()
            .flat_map(|day| day.parts.iter().map(|part| TimesSum::of(part, day.nominal_per_hour)));
        let times = sums
            .reduce(|sum, more| sum.plus(&more))
            .unwrap_or_else(|| TimesSum::of(&ShiftTimes::default(), nominal_per_hour));
        // A day of which nothing is planned has no rows: it counts for nothing.
        let planned = days.iter().filter(|day| !day.parts.is_empty());
        let total_ms = planned.map(|day| day.total_ms(day_start)).sum();
        let last = days.iter().rfind(|day| !day.is_over).or_else(|| days.last())?;
        let outside = days.iter().map(|day| day.pieces_outside).sum();
        Some(Line {
            rates: times.rates(total_ms),
            losses: losses_of(days, cents_per_hour).unwrap_or_else(|| {
                losses(&ShiftTimes::default(), nominal_per_hour, cents_per_hour)
            }),
            parts: days.iter().map(|day| day.parts.len()).sum(),
            nominal_per_hour,
            pieces_outside: (!matches!(span, Span::Shift { .. })).then_some(outside),
            known_until: last.known_until,
            is_running: days.iter().flat_map(|day| &day.parts).any(|part| part.is_running),
            is_over: days.iter().all(|day| day.is_over),
            is_without_log: matches!(span, Span::Day(day) if !logged.contains(&day)),
            span,
            times,
        })
    };
    let mut lines = Vec::new();
    let week_of = |day: &DayTimes| (day.day.iso_week().year(), day.day.iso_week().week());
    for week in days.chunk_by(|a, b| week_of(a) == week_of(b)) {
        for day in week {
            for part in &day.parts {
                let alone = DayTimes { parts: vec![part.clone()], ..day.clone() };
                let span = Span::Shift {
                    day: day.day,
                    number: part.number,
                    name: part.shift.clone(),
                    planned_from: part.planned_from,
                    planned_to: part.planned_to,
                };
                lines.extend(line(span, std::slice::from_ref(&alone)));
            }
            lines.extend(line(Span::Day(day.day), std::slice::from_ref(day)));
        }
        let (year, number) = week_of(&week[0]);
        lines.extend(line(Span::Week(year, number), week));
    }
    lines.extend(line(Span::Period, days));
    lines
}
