//! Which days a report is of, and which it compares them with. Pure: what day it is, is handed in.
//!
//! What must never happen here: a period that is compared with one of another kind of days.

use std::{fmt, str::FromStr};

use chrono::{Datelike, Days, Months};

use crate::model::{Day, Week};

/// A month of a year.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Month {
    pub year: i32,
    pub month: u32,
}

/// One by its name, or by where it lies from the day that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which<T> {
    Current,
    Last,
    Named(T),
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// First and last day; without the last one the newest day, without the first one the last day alone.
    Days(Option<Day>, Option<Day>),
    Week(Which<Week>),
    Month(Which<Month>),
}

impl Wanted {
    /// Whether another day would mean other days.
    pub(crate) fn depends_on_today(self) -> bool {
        matches!(
            self,
            Self::Week(Which::Current | Which::Last) | Self::Month(Which::Current | Which::Last)
        )
    }
}

/// What is known when a report is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    /// By the gateway's clock; the newest day with a session if that cannot be right.
    pub today: Day,
    /// With a session.
    pub newest: Option<Day>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Days,
    Week(Week),
    Month(Month),
}

/// Days in a row, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Period {
    pub kind: Kind,
    pub from: Day,
    pub to: Day,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PeriodFault {
    NoSession,
    Reversed {
        from: Day,
        to: Day,
    },
    TooLong,
    /// Outside the calendar.
    OutOfRange,
}

/// More days than a person prints, and all that one report holds.
pub(crate) const MOST_DAYS: i64 = 366;

/// The days that are meant.
pub(crate) fn period(wanted: Wanted, known: Known) -> Result<Period, PeriodFault> {
    let Known { today, newest } = known;
    let found = match wanted {
        Wanted::Week(which) => {
            let day = match which {
                Which::Current => Some(today),
                Which::Last => today.checked_sub_days(Days::new(7)),
                Which::Named(week) => Some(week.monday()),
            };
            day.and_then(|day| Period::week(Week::of(day)))
        }
        Wanted::Month(which) => {
            let day = match which {
                Which::Current => Some(today),
                Which::Last => today.with_day(1).and_then(|day| day.pred_opt()),
                Which::Named(month) => month.first_day(),
            };
            day.and_then(|day| Period::month(Month::of(day)))
        }
        Wanted::Days(from, to) => {
            let to = to.or(newest).ok_or(PeriodFault::NoSession)?;
            let from = from.unwrap_or(to);
            if from > to {
                return Err(PeriodFault::Reversed { from, to });
            }
            Some(Period::days(from, to))
        }
    };
    let found = found.ok_or(PeriodFault::OutOfRange)?;
    if found.len() > MOST_DAYS { Err(PeriodFault::TooLong) } else { Ok(found) }
}

impl Period {
    /// A whole week or month is one, however it was asked for.
    fn days(from: Day, to: Day) -> Self {
        let same = |other: &Option<Self>| other.is_some_and(|one| (one.from, one.to) == (from, to));
        let (week, month) = (Self::week(Week::of(from)), Self::month(Month::of(from)));
        let plain = Self { kind: Kind::Days, from, to };
        week.filter(|_| same(&week)).or(month.filter(|_| same(&month))).unwrap_or(plain)
    }

    fn week(week: Week) -> Option<Self> {
        let (from, to) = (week.monday(), week.sunday());
        (from < to).then_some(Self { kind: Kind::Week(week), from, to })
    }

    fn month(month: Month) -> Option<Self> {
        let from = month.first_day()?;
        let to = from.checked_add_months(Months::new(1))?.pred_opt()?;
        Some(Self { kind: Kind::Month(month), from, to })
    }

    /// In days.
    pub(crate) fn len(&self) -> i64 {
        (self.to - self.from).num_days() + 1
    }

    pub(crate) fn each_day(&self) -> impl Iterator<Item = Day> {
        let to = self.to;
        self.from.iter_days().take_while(move |day| *day <= to)
    }

    pub(crate) fn holds(&self, day: Day) -> bool {
        (self.from..=self.to).contains(&day)
    }

    /// What it is compared with: the week before, the month before, the same weekdays of the week before if it
    /// is shorter than a week, and as many days right before it otherwise.
    pub(crate) fn before(&self) -> Option<Self> {
        match self.kind {
            Kind::Week(_) => Self::week(Week::of(self.from.checked_sub_days(Days::new(7))?)),
            Kind::Month(_) => Self::month(Month::of(self.from.pred_opt()?)),
            Kind::Days => {
                let back = Days::new(self.len().max(7).unsigned_abs());
                let from = self.from.checked_sub_days(back)?;
                Some(Self { kind: Kind::Days, from, to: self.to.checked_sub_days(back)? })
            }
        }
    }

    /// The days of [`Self::before`] that stand where its own stand up to and with `last`; `None`: there are none.
    pub(crate) fn before_up_to(&self, last: Day) -> Option<Self> {
        let before = self.before()?;
        if last >= self.to {
            return Some(before);
        }
        let days = u64::try_from((last - self.from).num_days()).ok()?;
        let to = before.from.checked_add_days(Days::new(days))?.min(before.to);
        Some(Self { kind: Kind::Days, from: before.from, to })
    }
}

impl Month {
    pub(crate) fn of(day: Day) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    fn first_day(self) -> Option<Day> {
        Day::from_ymd_opt(self.year, self.month, 1)
    }
}

/// A text that is no month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotAMonth;

impl fmt::Display for NotAMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a month such as 2026-11")
    }
}

/// A text that names no week or no month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotNamed<E>(E);

impl<E: fmt::Display> fmt::Display for NotNamed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, \"last\" or \"current\"", self.0)
    }
}

impl<E: fmt::Display + fmt::Debug> std::error::Error for NotNamed<E> {}

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let read = || {
            let (year, month) = text.split_once('-')?;
            let month = Self { year: digits(year, 4)?, month: digits(month, 2)?.unsigned_abs() };
            month.first_day().map(|_| month)
        };
        read().ok_or(NotAMonth)
    }
}

fn digits(text: &str, count: usize) -> Option<i32> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

impl<T: FromStr> FromStr for Which<T> {
    type Err = NotNamed<T::Err>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "current" => Ok(Self::Current),
            "last" => Ok(Self::Last),
            named => named.parse().map(Self::Named).map_err(NotNamed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn of(wanted: Wanted, today: &str) -> (String, String) {
        let known = Known { today: day(today), newest: Some(day("2026-11-20")) };
        let period = period(wanted, known).unwrap();
        (period.from.to_string(), period.to.to_string())
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn weeks_and_months_are_found_from_the_day_that_is_under_way() {
        let week = |text: &str, today| of(Wanted::Week(text.parse().unwrap()), today);
        assert_eq!(week("last", "2026-11-26"), pair("2026-11-16", "2026-11-22"));
        assert_eq!(week("current", "2026-11-29"), pair("2026-11-23", "2026-11-29"));
        assert_eq!(week("2026-W48", "2000-01-01"), pair("2026-11-23", "2026-11-29"));
        assert_eq!(week("2026-W53", "2026-11-26"), pair("2026-12-28", "2027-01-03"));
        assert_eq!(week("last", "2027-01-04"), pair("2026-12-28", "2027-01-03"));
        let month = |text: &str, today| of(Wanted::Month(text.parse().unwrap()), today);
        assert_eq!(month("last", "2026-03-31"), pair("2026-02-01", "2026-02-28"));
        assert_eq!(month("last", "2026-01-01"), pair("2025-12-01", "2025-12-31"));
        assert_eq!(month("current", "2028-02-10"), pair("2028-02-01", "2028-02-29"));
    }

    #[test]
    fn a_text_that_names_nothing_is_refused_with_what_is_accepted() {
        for text in ["2025-W53", "2026-W00", "2026-48", "26-W48", "W48", "2026-W+4", "", "LAST"] {
            let error = text.parse::<Which<Week>>().unwrap_err().to_string();
            assert!(error.contains("2026-W48, \"last\" or \"current\""), "{text}: {error}");
        }
        for text in ["2026-13", "2026-00", "2026-1", "11-2026", "2026-11-01", "+026-11"] {
            assert!(text.parse::<Which<Month>>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_without_ends_are_the_newest_one_and_a_whole_week_is_a_week() {
        assert_eq!(of(Wanted::Days(None, None), "2026-11-26"), pair("2026-11-20", "2026-11-20"));
        let from = Wanted::Days(Some(day("2026-11-16")), None);
        assert_eq!(of(from, "2026-11-26"), pair("2026-11-16", "2026-11-20"));
        let kind = |from, to| Period::days(day(from), day(to)).kind;
        let week = "2026-W48".parse().unwrap();
        assert_eq!(kind("2026-11-23", "2026-11-29"), Kind::Week(week));
        let month = Month { year: 2026, month: 2 };
        assert_eq!(kind("2026-02-01", "2026-02-28"), Kind::Month(month));
        assert_eq!(kind("2026-11-24", "2026-11-30"), Kind::Days);
        let known = Known { today: day("2026-11-26"), newest: None };
        let of = |from, to| period(Wanted::Days(from, to), known);
        assert_eq!(of(None, None), Err(PeriodFault::NoSession));
        let (from, to) = (day("2026-02-02"), day("2026-02-01"));
        assert_eq!(of(Some(from), Some(to)), Err(PeriodFault::Reversed { from, to }));
        let year = Some(day("2024-01-01"));
        assert!(of(year, Some(day("2024-12-31"))).is_ok());
        assert_eq!(of(year, Some(day("2025-01-01"))), Err(PeriodFault::TooLong));
    }

    #[test]
    fn a_period_is_compared_with_days_of_the_same_kind() {
        let before = |from, to| {
            let before = Period::days(day(from), day(to)).before().unwrap();
            (before.from.to_string(), before.to.to_string())
        };
        assert_eq!(before("2026-11-23", "2026-11-29"), pair("2026-11-16", "2026-11-22"));
        assert_eq!(before("2026-03-01", "2026-03-31"), pair("2026-02-01", "2026-02-28"));
        // A Monday with the Monday before, not with a Sunday.
        assert_eq!(before("2026-11-23", "2026-11-23"), pair("2026-11-16", "2026-11-16"));
        assert_eq!(before("2026-11-10", "2026-11-19"), pair("2026-10-31", "2026-11-09"));
    }

    #[test]
    fn a_running_period_is_compared_with_the_same_days_of_the_one_before() {
        let before = |from, to, last| {
            let before = Period::days(day(from), day(to)).before_up_to(day(last))?;
            Some((before.from.to_string(), before.to.to_string()))
        };
        let week = |last| before("2026-11-23", "2026-11-29", last);
        assert_eq!(week("2026-11-25"), Some(pair("2026-11-16", "2026-11-18")));
        assert_eq!(week("2026-11-29"), Some(pair("2026-11-16", "2026-11-22")));
        assert_eq!(week("2026-11-22"), None);
        // February has no 30th: the days that there are.
        let march = |last| before("2026-03-01", "2026-03-31", last);
        assert_eq!(march("2026-03-30"), Some(pair("2026-02-01", "2026-02-28")));
    }
}
