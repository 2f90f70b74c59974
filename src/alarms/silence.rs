//! For how long a machine has been silent in the time in which its calendar has it work. Pure.
//!
//! What must never happen here: a break, a holiday or the time after the last shift counted as silence.

use chrono::{NaiveDateTime, NaiveTime, TimeDelta};

use crate::{calendar::Calendar, model::Stamp};

/// No silence is followed farther back.
const MOST_DAYS: usize = 366;

/// What a machine's calendar says of its silence at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Silence {
    /// It is to work right now.
    pub is_required: bool,
    /// Required time since it was last read, and of that since the shift began that it is in; a shift that
    /// follows another without a gap goes on with it. Both as far as `enough`.
    pub since_read: TimeDelta,
    pub in_shift: TimeDelta,
}

impl Silence {
    pub(super) fn of(
        calendar: &Calendar,
        last_read: Option<NaiveDateTime>,
        now: NaiveDateTime,
        enough: TimeDelta,
    ) -> Self {
        let from = last_read.map_or(Stamp(i64::MIN), Stamp::from_naive);
        let now_at = Stamp::from_naive(now);
        let mut silence =
            Self { is_required: false, since_read: TimeDelta::zero(), in_shift: TimeDelta::zero() };
        // Back to where no shift is planned.
        let mut shift_begins = now_at;
        let dates = std::iter::successors(Some(now.date()), |date| date.pred_opt());
        for date in dates.take(MOST_DAYS) {
            let parts = calendar.parts(date, TimeDelta::zero());
            for part in parts.iter().rev().filter(|part| part.opening.from <= now_at) {
                let is_same_shift = part.opening.to >= shift_begins;
                if is_same_shift {
                    shift_begins = part.opening.from;
                }
                for period in &part.required {
                    silence.is_required |= period.contains(now_at);
                    let ms = period.to.min(now_at).0 - period.from.max(from).0;
                    let silent = TimeDelta::milliseconds(ms.max(0));
                    silence.since_read += silent;
                    if is_same_shift {
                        silence.in_shift += silent;
                    }
                }
            }
            let midnight = Stamp::from_naive(date.and_time(NaiveTime::MIN));
            let is_enough = |silent: TimeDelta| silent >= enough;
            let is_shift_known = shift_begins > midnight || is_enough(silence.in_shift);
            if midnight <= from || (is_enough(silence.since_read) && is_shift_known) {
                break;
            }
        }
        silence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_calendars;

    fn calendar(text: &str) -> Calendar {
        parse_calendars("calendar.toml", text).unwrap().of("DEM12").unwrap().clone()
    }

    fn at(text: &str) -> NaiveDateTime {
        format!("{text}:00").parse().unwrap()
    }

    /// Minutes since it was read and since its shift began, and whether it is to work.
    fn silence(calendar: &Calendar, last_read: &str, now: &str) -> (i64, i64, bool) {
        let day = TimeDelta::days(1);
        let silence = Silence::of(calendar, Some(at(last_read)), at(now), day);
        (silence.since_read.num_minutes(), silence.in_shift.num_minutes(), silence.is_required)
    }

    const LUNCH: &str = r#"
        [[calendar]]
        holidays = "fr"
        closed = ["2026-11-26"]
        open = ["2026-11-11 08:00-12:00"]
          [[calendar.shift]]
          name = "jour"
          days = "mon-fri"
          time = "07:00-16:00"
          breaks = ["12:00-13:00"]
    "#;

    #[test]
    fn lunch_the_evening_a_closed_day_and_a_weekend_are_no_silence() {
        let calendar = calendar(LUNCH);
        // 2026-11-24 is a Tuesday.
        assert_eq!(silence(&calendar, "2026-11-24T11:50", "2026-11-24T12:59"), (10, 10, false));
        assert_eq!(silence(&calendar, "2026-11-24T11:50", "2026-11-24T13:20"), (30, 30, true));
        assert_eq!(silence(&calendar, "2026-11-24T15:50", "2026-11-24T23:00"), (10, 0, false));
        assert_eq!(silence(&calendar, "2026-11-24T15:50", "2026-11-25T07:05"), (15, 5, true));
        assert_eq!(silence(&calendar, "2026-11-25T15:50", "2026-11-26T12:30"), (10, 0, false));
        assert_eq!(silence(&calendar, "2026-11-27T15:50", "2026-11-30T08:00"), (70, 60, true));
        // The holiday on which it was opened all the same.
        assert_eq!(silence(&calendar, "2026-11-10T15:50", "2026-11-11T09:00"), (70, 60, true));
        assert_eq!(silence(&calendar, "2026-11-10T15:50", "2026-11-11T13:00"), (250, 0, false));
    }

    #[test]
    fn a_night_shift_goes_on_over_midnight_and_a_shift_right_behind_it_goes_on_with_it() {
        let calendar = calendar(
            r#"
            [[calendar]]
              [[calendar.shift]]
              name = "nuit"
              days = "mon-fri"
              time = "21:00-05:00"
              breaks = ["01:00-01:30"]
              [[calendar.shift]]
              name = "matin"
              days = "tue-sat"
              time = "05:00-13:00"
            "#,
        );
        assert_eq!(silence(&calendar, "2026-11-24T23:50", "2026-11-25T00:20"), (30, 30, true));
        assert_eq!(silence(&calendar, "2026-11-24T23:50", "2026-11-25T01:15"), (70, 70, false));
        assert_eq!(silence(&calendar, "2026-11-25T04:50", "2026-11-25T05:20"), (30, 30, true));
        assert_eq!(silence(&calendar, "2026-11-25T12:50", "2026-11-25T21:20"), (30, 20, true));
    }

    #[test]
    fn a_machine_that_was_never_read_is_silent_since_its_shift_began_and_one_without_shifts_never()
    {
        let calendar = calendar(LUNCH);
        let hour = TimeDelta::hours(1);
        let never = Silence::of(&calendar, None, at("2026-11-24T09:00"), hour);
        assert!(never.is_required && never.in_shift >= hour);
        let nothing = Calendar::default();
        let never = Silence::of(&nothing, None, at("2026-11-24T09:00"), hour);
        assert!(!never.is_required && never.since_read.is_zero());
    }

    #[test]
    fn silence_is_what_counting_every_minute_gives() {
        let calendars = [
            calendar(LUNCH),
            calendar(
                "[[calendar]]\n[[calendar.shift]]\nname = \"n\"\ndays = \"mon-sun\"\n\
                 time = \"20:30-20:30\"\nbreaks = [\"03:00-04:10\"]\n",
            ),
        ];
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let calendar = &calendars[rng.usize(0..2)];
            let now = at("2026-11-24T00:00") + TimeDelta::minutes(rng.i64(0..4 * 1440));
            let read = now - TimeDelta::minutes(rng.i64(0..3 * 1440));
            let is_in = |minute: NaiveDateTime, openings: bool| {
                let parts = calendar.parts(minute.date(), TimeDelta::zero());
                parts.iter().any(|part| {
                    let periods = if openings { vec![part.opening] } else { part.required.clone() };
                    periods.iter().any(|period| period.contains(Stamp::from_naive(minute)))
                })
            };
            let (mut since_read, mut in_shift, mut goes_on) = (0, 0, true);
            let mut minute = now;
            while minute > read {
                minute -= TimeDelta::minutes(1);
                goes_on &= is_in(minute, true);
                since_read += i64::from(is_in(minute, false));
                in_shift += i64::from(goes_on && is_in(minute, false));
            }
            let found = Silence::of(calendar, Some(read), now, TimeDelta::days(90));
            assert_eq!(found.since_read.num_minutes(), since_read, "seed {seed}: {read} {now}");
            assert_eq!(found.is_required, is_in(now, false), "seed {seed}");
            // Where now is the first moment after a shift, that shift is over.
            if is_in(now, true) {
                assert_eq!(found.in_shift.num_minutes(), in_shift, "seed {seed}: {read} {now}");
            }
        }
    }
}
