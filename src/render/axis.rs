//! The stretch of a day that time lines are drawn along: whole hours, the same for all machines of a
//! page, so that what stands below one another happened at the same time; or a part of a day, down to minutes.

use chrono::Timelike;

use crate::model::{Session, Stamp};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// Shorter days would look stretched.
const LEAST_HOURS: i64 = 8;
/// A day has 24; one more where the clock was set back.
const MOST_HOURS: i64 = 25;
/// One column of the drawing of a day. Most waits are longer.
const COLUMN_MS: i64 = 6_000;
/// Of a part of a day that is not longer than this, each second has a column.
const MOST_CLOSE_MS: i64 = 3 * HOUR_MS;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Axis {
    pub from: Stamp,
    pub to: Stamp,
}

impl Axis {
    /// Around everything that `sessions` did, and `more`: shifts, and the present moment where it is the day
    /// that is under way. `begin` is where the production day begins: nothing before it is shown.
    pub(crate) fn around<'s>(
        sessions: impl IntoIterator<Item = &'s Session>,
        more: impl IntoIterator<Item = Stamp>,
        begin: Stamp,
    ) -> Self {
        let end = begin.plus_ms(MOST_HOURS * HOUR_MS);
        let moments = sessions.into_iter().flat_map(|session| {
            let figures = &session.figures;
            let ends = session.stops.last().map(|stop| stop.end);
            let begins = session.jobs.first().map(|job| job.at);
            [figures.first_piece, figures.last_piece, figures.first_start, figures.last_stop]
                .into_iter()
                .chain([ends, begins])
                .flatten()
        });
        let (mut from, mut to) = (i64::MAX, i64::MIN);
        for moment in moments.chain(more).filter(|at| (begin..end).contains(at)) {
            from = from.min(moment.0);
            to = to.max(moment.0);
        }
        if from > to {
            from = begin.plus_ms(6 * HOUR_MS).0;
            to = from;
        }
        // Whole hours of the clock, whatever the day begins with.
        let from = from.div_euclid(HOUR_MS) * HOUR_MS;
        let to = (to.div_euclid(HOUR_MS) + 1) * HOUR_MS;
        Self { from: Stamp(from), to: Stamp(to.max(from + LEAST_HOURS * HOUR_MS)) }
    }

    /// A part of a day; at least a minute.
    pub(crate) fn between(from: Stamp, to: Stamp) -> Self {
        Self { from, to: to.max(from.plus_ms(MINUTE_MS)) }
    }

    /// Short enough for seconds to be told apart.
    pub(crate) fn is_close(&self) -> bool {
        self.to.0 - self.from.0 <= MOST_CLOSE_MS
    }

    /// How much time a column of the drawing has.
    pub(super) fn column_ms(&self) -> i64 {
        if self.is_close() { 1_000 } else { COLUMN_MS }
    }

    /// The widest stretch of the day of all of these, which begin at `begins`: one scale for days below one
    /// another. `None`: there are none.
    pub(crate) fn shared(days: impl IntoIterator<Item = (Self, Stamp)>) -> Option<(i64, i64)> {
        let ends =
            days.into_iter().map(|(axis, begin)| (axis.from.0 - begin.0, axis.to.0 - begin.0));
        ends.reduce(|(from, to), (begins, ends)| (from.min(begins), to.max(ends)))
    }

    pub(super) fn columns(&self) -> usize {
        usize::try_from((self.to.0 - self.from.0) / self.column_ms()).unwrap_or(0)
    }

    /// The column of a moment, at the border where it lies outside.
    pub(super) fn column(&self, at: Stamp) -> usize {
        let inside = at.0.clamp(self.from.0, self.to.0) - self.from.0;
        usize::try_from(inside / self.column_ms()).unwrap_or(0).min(self.columns())
    }

    /// Where a moment lies, in hundredths of a percent of the whole.
    pub(super) fn place_e2(&self, at: Stamp) -> i64 {
        let whole = self.to.0 - self.from.0;
        (at.0.clamp(self.from.0, self.to.0) - self.from.0) * 10_000 / whole.max(1)
    }

    pub(super) fn holds(&self, at: Stamp) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// The moments that get a label, few enough to be read on a telephone: of a day its hours, each with its
    /// two digits, all of a short day, otherwise one in `every`; of a part of a day also minutes. A short day has all unless only every sixth is wanted.
    pub(super) fn labels(&self, every: i64) -> impl Iterator<Item = (Stamp, String)> {
        let (from, to) = (self.from.0, self.to.0);
        let hours = (to - from) / HOUR_MS;
        let every = if hours <= 10 && every < 6 { 1 } else { every.min(hours.max(1)) };
        let step_ms = self.step_ms();
        let is_close = step_ms < HOUR_MS;
        let first = (from + step_ms - 1).div_euclid(step_ms);
        (first..=to.div_euclid(step_ms)).map(move |step| Stamp(step * step_ms)).filter_map(
            move |at| {
                let clock = at.to_naive();
                if is_close {
                    return Some((at, clock.format("%H:%M").to_string()));
                }
                let hour = clock.hour();
                i64::from(hour).rem_euclid(every).eq(&0).then(|| (at, format!("{hour:02}")))
            },
        )
    }

    fn step_ms(&self) -> i64 {
        let minutes = match (self.to.0 - self.from.0) / MINUTE_MS {
            0..=45 => 5,
            46..=75 => 10,
            76..=180 => 30,
            _ => 60,
        };
        minutes * MINUTE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Figures;

    fn at(hour: i64, minute: i64) -> Stamp {
        Stamp::from_seconds(1_748_390_400 + hour * 3600 + minute * 60)
    }

    fn from_to(first: Stamp, last: Stamp) -> Session {
        let figures =
            Figures { first_piece: Some(first), last_piece: Some(last), ..Figures::default() };
        Session { figures, ..Session::default() }
    }

    #[test]
    fn whole_hours_around_all_machines_and_now() {
        let sessions = [from_to(at(5, 12), at(14, 30)), from_to(at(6, 0), at(17, 59))];
        let axis = Axis::around(&sessions, None, at(0, 0));
        assert_eq!((axis.from, axis.to), (at(5, 0), at(18, 0)));
        let axis = Axis::around(&sessions, Some(at(19, 20)), at(0, 0));
        assert_eq!(axis.to, at(20, 0));
    }

    #[test]
    fn an_empty_day_and_a_short_one_are_as_wide_as_a_shift() {
        let axis = Axis::around([], None, at(0, 0));
        assert_eq!((axis.from, axis.to), (at(6, 0), at(14, 0)));
        let axis = Axis::around(&[from_to(at(5, 2), at(5, 30))], None, at(0, 0));
        assert_eq!((axis.from, axis.to), (at(5, 0), at(13, 0)));
    }

    #[test]
    fn what_lies_outside_is_at_the_border() {
        let axis = Axis::around(&[from_to(at(5, 0), at(14, 59))], None, at(0, 0));
        assert_eq!(axis.column(at(2, 0)), 0);
        assert_eq!(axis.column(at(99, 0)), axis.columns());
        assert_eq!(axis.columns(), 10 * 600);
        assert_eq!(axis.place_e2(at(10, 0)), 5_000);
    }

    #[test]
    fn an_hour_has_a_column_a_second_and_labels_with_minutes() {
        let axis = Axis::between(at(9, 0), at(10, 0));
        assert_eq!(axis.columns(), 3_600);
        let labels: Vec<String> = axis.labels(2).map(|(_, label)| label).collect();
        assert_eq!(labels, ["09:00", "09:10", "09:20", "09:30", "09:40", "09:50", "10:00"]);
        let axis = Axis::between(at(9, 2), at(9, 22));
        let labels: Vec<String> = axis.labels(2).map(|(_, label)| label).collect();
        assert_eq!(labels, ["09:05", "09:10", "09:15", "09:20"]);
        assert!(!Axis::around([], None, at(0, 0)).is_close());
    }
}
