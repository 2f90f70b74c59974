//! Which part of a day a machine's page shows: the whole day, one hour of the clock, or the minutes around a
//! moment. Pure.
//!
//! What must never happen here: an hour that no address reaches. A production day may begin at any time: an hour of
//! the clock before that is of the next date, and hours from 24 on name those of the next date in any case.

use super::day_view::begin_of;
use crate::{
    model::{Day, Session, Stamp},
    render::{Axis, open_stop},
};
use chrono::TimeDelta;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// A day has 24; one more where the clock was set back.
const DAY_MS: i64 = 25 * HOUR_MS;
/// Shown before a moment, and after it.
const AROUND_MS: i64 = 10 * MINUTE_MS;
/// An address names hours of two dates.
const MOST_HOURS: i64 = 48;

/// What an address asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ZoomQuery {
    Day,
    /// Since midnight of the day's date.
    Hour(i64),
    /// From the day's midnight on, and how long what is named lasts: a minute, or a second.
    Moment {
        ms: i64,
        length_ms: i64,
    },
}

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Zoom {
    Day,
    /// From its begin on.
    Hour(Stamp),
    /// The minutes around what lies between the two.
    Around(Stamp, Stamp),
}

impl ZoomQuery {
    /// From `hour=09` or `at=09:12` or `at=09:12:30`; `None`: they cannot be understood.
    pub(crate) fn parse(hour: Option<&str>, at: Option<&str>) -> Option<Self> {
        match (hour, at) {
            (None, None) => Some(Self::Day),
            (Some(hour), _) => number(hour, MOST_HOURS).map(Self::Hour),
            (None, Some(at)) => {
                let mut parts = at.split(':');
                let hour = number(parts.next()?, MOST_HOURS)?;
                let minute = number(parts.next()?, 60)?;
                let second = parts.next().map(|text| number(text, 60));
                if parts.next().is_some() || second == Some(None) {
                    return None;
                }
                let ms = hour * HOUR_MS + minute * MINUTE_MS + second.flatten().unwrap_or(0) * 1000;
                let length_ms = if second.is_some() { 1000 } else { MINUTE_MS };
                Some(Self::Moment { ms, length_ms })
            }
        }
    }

    /// On `day`, which begins `day_start` after midnight; `None`: the day has no such hour.
    pub(crate) fn on(
        self,
        day: Day,
        day_start: TimeDelta,
        session: &Session,
        now: Option<Stamp>,
    ) -> Option<Zoom> {
        match self {
            Self::Day => Some(Zoom::Day),
            Self::Hour(hour) => placed(hour * HOUR_MS, HOUR_MS, day, day_start).map(Zoom::Hour),
            Self::Moment { ms, length_ms } => {
                let at = placed(ms, length_ms, day, day_start)?;
                Some(around(at, at.plus_ms(length_ms - 1), session, now))
            }
        }
    }
}

/// Digits alone, below `most`.
fn number(text: &str, most: i64) -> Option<i64> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number < most)
}

/// Where `ms` after midnight lies in the day: on its date, or on the next one.
fn placed(ms: i64, length_ms: i64, day: Day, day_start: TimeDelta) -> Option<Stamp> {
    let midnight = begin_of(day, TimeDelta::zero());
    let begin = begin_of(day, day_start);
    let next_date = (ms < 24 * HOUR_MS).then_some(ms + 24 * HOUR_MS);
    [Some(ms), next_date]
        .into_iter()
        .flatten()
        .map(|ms| midnight.plus_ms(ms))
        .find(|at| at.plus_ms(length_ms) > begin && *at < begin.plus_ms(DAY_MS))
}

/// The minutes around a moment, or around the stop or the wait that it lies in.
fn around(from: Stamp, to: Stamp, session: &Session, now: Option<Stamp>) -> Zoom {
    let stops = session.stops.iter().map(|stop| (stop.start, stop.end));
    let open = open_stop(session).map(|start| (start, now.map_or(start, |now| now.max(start))));
    let waits = session.waits.iter().map(|wait| (wait.start, wait.end));
    let found = stops.chain(open).chain(waits).find(|(start, end)| *start <= to && from <= *end);
    let (from, to) = found.map_or((from, to), |(start, end)| (from.min(start), to.max(end)));
    Zoom::Around(from, to)
}

impl Zoom {
    /// The part of the day that is shown; `None`: all of it.
    pub(crate) fn axis(self) -> Option<Axis> {
        match self {
            Self::Day => None,
            Self::Hour(from) => Some(Axis::between(from, from.plus_ms(HOUR_MS))),
            Self::Around(from, to) => {
                let from = (from.0 - AROUND_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
                let to = ((to.0 + AROUND_MS).div_euclid(MINUTE_MS) + 1) * MINUTE_MS;
                Some(Axis::between(Stamp(from), Stamp(to.min(from + DAY_MS))))
            }
        }
    }
}

/// An hour as an address of `day` names it, of the hour that begins at `at`.
pub(crate) fn hour_key(at: Stamp, day: Day, day_start: TimeDelta) -> String {
    let hours = (at.0 - begin_of(day, TimeDelta::zero()).0).div_euclid(HOUR_MS);
    let of_clock = hours.rem_euclid(24);
    let is_plain = placed(of_clock * HOUR_MS, HOUR_MS, day, day_start) == Some(at);
    format!("{:02}", if is_plain { of_clock } else { hours })
}

/// A moment as an address of `day` names it.
pub(crate) fn moment_key(at: Stamp, day: Day, day_start: TimeDelta) -> String {
    let ms = at.0 - begin_of(day, TimeDelta::zero()).0;
    let of_clock = ms.rem_euclid(24 * HOUR_MS);
    let is_plain = placed(of_clock, 1000, day, day_start) == Some(at);
    let ms = if is_plain { of_clock } else { ms };
    let (hour, minute, second) = (ms / HOUR_MS, ms / MINUTE_MS % 60, ms / 1000 % 60);
    format!("{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Stop, Wait};

    fn day() -> Day {
        Day::from_ymd_opt(2026, 11, 26).unwrap()
    }

    fn at(hour: i64, minute: i64) -> Stamp {
        begin_of(day(), TimeDelta::zero()).plus_ms(hour * HOUR_MS + minute * MINUTE_MS)
    }

    fn shown(hour: Option<&str>, moment: Option<&str>, day_start: TimeDelta) -> Option<Axis> {
        let session = Session {
            stops: vec![Stop { start: at(9, 12), end: at(9, 31) }],
            waits: vec![Wait { start: at(26, 0), end: at(26, 3) }],
            ..Session::default()
        };
        ZoomQuery::parse(hour, moment)?.on(day(), day_start, &session, None)?.axis()
    }

    #[test]
    fn an_hour_is_of_the_day_whenever_it_begins() {
        let axis = |from, to| Some(Axis::between(from, to));
        let midnight = TimeDelta::zero();
        assert_eq!(shown(Some("09"), None, midnight), axis(at(9, 0), at(10, 0)));
        assert_eq!(shown(Some("9"), None, midnight), axis(at(9, 0), at(10, 0)));
        let five = TimeDelta::minutes(330);
        assert_eq!(shown(Some("02"), None, five), axis(at(26, 0), at(27, 0)));
        assert_eq!(shown(Some("26"), None, five), axis(at(26, 0), at(27, 0)));
        assert_eq!(shown(Some("05"), None, five), axis(at(5, 0), at(6, 0)));
        assert_eq!(shown(Some("29"), None, five), axis(at(29, 0), at(30, 0)));
        for hour in 5..=29 {
            let key = hour_key(at(hour, 0), day(), five);
            assert_eq!(shown(Some(&key), None, five), axis(at(hour, 0), at(hour + 1, 0)), "{key}");
        }
    }

    #[test]
    fn a_moment_shows_ten_minutes_on_both_sides_of_what_happens_then() {
        let midnight = TimeDelta::zero();
        let axis = |from, to| Some(Axis::between(from, to));
        assert_eq!(shown(None, Some("09:12"), midnight), axis(at(9, 2), at(9, 42)));
        assert_eq!(shown(None, Some("09:20:05"), midnight), axis(at(9, 2), at(9, 42)));
        assert_eq!(shown(None, Some("11:30:00"), midnight), axis(at(11, 20), at(11, 41)));
        assert_eq!(shown(None, Some("02:01"), TimeDelta::hours(5)), axis(at(25, 50), at(26, 14)));
        let key = moment_key(at(26, 0), day(), TimeDelta::hours(5));
        assert_eq!(key, "02:00:00");
    }

    #[test]
    fn what_is_no_time_of_the_day_is_refused() {
        for hour in ["", "48", "-1", "+1", "9h", "009", "é"] {
            assert_eq!(shown(Some(hour), None, TimeDelta::zero()), None, "{hour}");
        }
        assert_eq!(shown(Some("26"), None, TimeDelta::zero()), None, "of the next day");
        for moment in ["", "9", "09:60", "09:12:60", "09:12:", "09:12:00:00", "x:y", "99:00"] {
            assert_eq!(shown(None, Some(moment), TimeDelta::zero()), None, "{moment}");
        }
    }
}
