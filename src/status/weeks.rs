//! The ISO weeks around a month of a machine, with their sums. Pure.
//!
//! What must never happen here: a rate of a week that is the mean of its days' rates; a week whose figures are
//! not the sum of the days that stand below it.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::day_view::{MONTH_DAYS, MonthDay};
use crate::model::{Day, DayTimes, Figures, Rates, TimesSum, Week};

/// An ISO week, Monday to Sunday, as far as anything is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WeekSums {
    pub week: Week,
    /// Days with a session, or planned ones, newest first; never empty.
    pub days: Vec<MonthDay>,
    /// Sums of pieces and times; no moments.
    pub figures: Figures,
    /// From sums of times; `None`: nothing was planned.
    pub rates: Option<Rates>,
}

/// Monday of the week in which the month before `day` begins, and Sunday of `day`'s week.
pub(crate) fn whole_weeks(day: Day) -> (Day, Day) {
    let first = day.checked_sub_signed(TimeDelta::days(MONTH_DAYS - 1)).unwrap_or(day);
    (Week::of(first).monday(), Week::of(day).sunday())
}

/// The weeks of days with figures or times, newest first.
pub(crate) fn weeks(
    figures: &BTreeMap<Day, Figures>,
    times: &[DayTimes],
    day_start: TimeDelta,
) -> Vec<WeekSums> {
    let mut days: BTreeMap<Day, MonthDay> = BTreeMap::new();
    let empty = |day| MonthDay { day, figures: None, rates: None };
    for (day, figures) in figures {
        days.entry(*day).or_insert(empty(*day)).figures = Some(figures.clone());
    }
    for one in times {
        days.entry(one.day).or_insert(empty(one.day)).rates = Some(one.rates(day_start));
    }
    let days: Vec<MonthDay> = days.into_values().rev().collect();
    days.chunk_by(|a, b| Week::of(a.day) == Week::of(b.day))
        .map(|days| {
            let week = Week::of(days[0].day);
            let is_in = |one: &&DayTimes| days.iter().any(|day| day.day == one.day);
            let times: Vec<&DayTimes> = times.iter().filter(is_in).collect();
            WeekSums {
                week,
                days: days.to_vec(),
                figures: sum(days.iter().filter_map(|day| day.figures.as_ref())),
                rates: rates(&times, day_start),
            }
        })
        .collect()
}

fn sum<'f>(all: impl Iterator<Item = &'f Figures>) -> Figures {
    all.fold(Figures::default(), |mut sum, one| {
        sum.total_pieces = sum.total_pieces.saturating_add(one.total_pieces);
        sum.window_ms += one.window_ms;
        sum.wait_ms += one.wait_ms;
        sum.stop_ms += one.stop_ms;
        sum.effective_ms += one.effective_ms;
        sum
    })
}

/// Over days that have planned parts: the others count for nothing.
fn rates(times: &[&DayTimes], day_start: TimeDelta) -> Option<Rates> {
    let planned = || times.iter().filter(|one| !one.parts.is_empty());
    let total_ms = planned().map(|one| one.total_ms(day_start)).sum();
    let sum = planned().map(|one| one.sum()).reduce(|sum: TimesSum, more| sum.plus(&more))?;
    Some(sum.rates(total_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ShiftTimes, Stamp};

    fn day(month: u32, day: u32) -> Day {
        Day::from_ymd_opt(2026, month, day).unwrap()
    }

    fn times(of: Day, required_hours: i64, pieces: u32) -> DayTimes {
        let ms = required_hours * 3_600_000;
        let part = ShiftTimes {
            opening_ms: ms,
            required_ms: ms,
            running_ms: ms,
            pieces,
            ..ShiftTimes::default()
        };
        DayTimes {
            day: of,
            known_until: Stamp::from_naive(of.and_hms_opt(0, 0, 0).unwrap())
                .plus_ms(24 * 3_600_000),
            is_over: true,
            nominal_per_hour: Some(60),
            parts: vec![part],
            pieces_outside: 0,
        }
    }

    #[test]
    fn a_month_is_completed_to_whole_weeks() {
        // A Thursday; 29 days before it is a Wednesday.
        assert_eq!(whole_weeks(day(11, 26)), (day(10, 26), day(11, 29)));
        assert_eq!(whole_weeks(day(11, 29)), (day(10, 26), day(11, 29)));
    }

    #[test]
    fn the_rate_of_a_week_is_of_its_sums_and_a_new_year_has_one_week() {
        let (sylvester, new_year) = (day(12, 31), Day::from_ymd_opt(2027, 1, 1).unwrap());
        let figures = |pieces| Figures { total_pieces: pieces, ..Figures::default() };
        let figures = BTreeMap::from([(sylvester, figures(60)), (new_year, figures(180))]);
        let times = [times(sylvester, 1, 60), times(new_year, 9, 180)];
        let weeks = weeks(&figures, &times, TimeDelta::zero());
        assert_eq!(weeks.len(), 1);
        assert_eq!(weeks[0].week, "2026-W53".parse().unwrap());
        assert_eq!(weeks[0].figures.total_pieces, 240);
        // 240 minutes of 600; the mean of 100 % and 33.33 % is another.
        assert_eq!(weeks[0].rates.unwrap().trs_e2, Some(4_000));
        assert_eq!(
            weeks[0].days.iter().map(|one| one.day).collect::<Vec<_>>(),
            [new_year, sylvester]
        );
    }
}
