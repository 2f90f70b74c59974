//! The stretch of a day that time lines are drawn along: whole hours, the same for all machines of a
//! page, so that what stands below one another happened at the same time.

use chrono::Timelike;

use crate::model::{Session, Stamp};

const HOUR_MS: i64 = 3_600_000;
/// Shorter days would look stretched.
const LEAST_HOURS: i64 = 8;
/// A day has 24; one more where the clock was set back.
const MOST_HOURS: i64 = 25;
/// One column of the drawing. Most waits are longer.
pub(super) const COLUMN_MS: i64 = 6_000;

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

    pub(super) fn columns(&self) -> usize {
        usize::try_from((self.to.0 - self.from.0) / COLUMN_MS).unwrap_or(0)
    }

    /// The column of a moment, at the border where it lies outside.
    pub(super) fn column(&self, at: Stamp) -> usize {
        let inside = at.0.clamp(self.from.0, self.to.0) - self.from.0;
        usize::try_from(inside / COLUMN_MS).unwrap_or(0).min(self.columns())
    }

    /// Where a moment lies, in hundredths of a percent of the whole.
    pub(super) fn place_e2(&self, at: Stamp) -> i64 {
        let whole = self.to.0 - self.from.0;
        (at.0.clamp(self.from.0, self.to.0) - self.from.0) * 10_000 / whole.max(1)
    }

    pub(super) fn holds(&self, at: Stamp) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// The hours that get a label, few enough to be read on a telephone, each with its two digits: all
    /// of a short day, otherwise one in `every`.
    pub(super) fn labels(&self, every: i64) -> impl Iterator<Item = (Stamp, String)> {
        let hours = (self.to.0 - self.from.0) / HOUR_MS;
        let every = if hours <= 10 { 1 } else { every };
        let from = self.from;
        (0..=hours).map(move |hour| from.plus_ms(hour * HOUR_MS)).filter_map(move |at| {
            let hour = at.to_naive().hour();
            i64::from(hour).rem_euclid(every).eq(&0).then(|| (at, format!("{hour:02}")))
        })
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
}
