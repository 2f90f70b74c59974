//! What a calendar may not plan twice: shifts of the week, and extra openings on dates with a shift.

use chrono::{TimeDelta, Weekday};

use super::{Calendar, Period, Shift};

/// Two shifts whose weekly pattern overlaps, by their places, although a holiday may always come between.
pub fn overlapping_shifts(shifts: &[Shift]) -> Vec<(usize, usize)> {
    let pairs = (0..shifts.len()).flat_map(|a| (a..shifts.len()).map(move |b| (a, b)));
    pairs.filter(|&(a, b)| overlap_in_a_week(&shifts[a], &shifts[b], a == b)).collect()
}

fn overlap_in_a_week(a: &Shift, b: &Shift, is_same: bool) -> bool {
    let begin = |day: Weekday| TimeDelta::days(i64::from(day.num_days_from_monday()));
    a.days.iter().any(|of_a| {
        b.days.iter().any(|of_b| {
            // Sunday's shift may reach into Monday's.
            [-7, 0, 7].iter().any(|weeks_apart| {
                let apart = begin(*of_b) - begin(*of_a) + TimeDelta::days(*weeks_apart);
                let is_itself = is_same && apart == TimeDelta::zero();
                !is_itself && a.hours.from < b.hours.to + apart && b.hours.from + apart < a.hours.to
            })
        })
    })
}

/// Places of the openings that overlap a shift which takes place, or an opening before them in the list.
pub fn overlapping_openings(calendar: &Calendar) -> Vec<usize> {
    let period = |at: usize| calendar.openings[at].hours.on(calendar.openings[at].date);
    let overlap = |a: Period, b: Period| a.common(b).is_some();
    let meets_a_shift = |at: usize| {
        let date = calendar.openings[at].date;
        let dates = [date.pred_opt(), Some(date), date.succ_opt()].into_iter().flatten();
        let free = Calendar { openings: Vec::new(), ..calendar.clone() };
        dates.into_iter().any(|date| {
            free.occurrences(date).any(|occurrence| overlap(occurrence.planned, period(at)))
        })
    };
    let all = 0..calendar.openings.len();
    all.filter(|&at| {
        meets_a_shift(at) || (0..at).any(|earlier| overlap(period(earlier), period(at)))
    })
    .collect()
}
