//! ISO weeks (ISO 8601), Monday to Sunday, of production days.

use std::{fmt, str::FromStr};

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

use super::Day;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Week {
    monday: Day,
}

impl Week {
    /// The week that has `day`.
    pub fn of(day: Day) -> Self {
        let back = TimeDelta::days(day.weekday().num_days_from_monday().into());
        Self { monday: day.checked_sub_signed(back).unwrap_or(day) }
    }

    pub const fn monday(self) -> Day {
        self.monday
    }

    pub fn sunday(self) -> Day {
        self.plus_days(6)
    }

    /// Monday first.
    pub fn days(self) -> [Day; 7] {
        [0, 1, 2, 3, 4, 5, 6].map(|days| self.plus_days(days))
    }

    /// The year that the week is counted in: that of its Thursday.
    pub fn year(self) -> i32 {
        self.monday.iso_week().year()
    }

    /// 1 to 53.
    pub fn number(self) -> u32 {
        self.monday.iso_week().week()
    }

    #[must_use]
    pub fn before(self, weeks: i64) -> Self {
        Self { monday: self.plus_days(-7 * weeks) }
    }

    #[must_use]
    pub fn next(self) -> Self {
        self.before(-1)
    }

    pub fn has(self, day: Day) -> bool {
        Self::of(day) == self
    }

    fn plus_days(self, days: i64) -> Day {
        self.monday.checked_add_signed(TimeDelta::days(days)).unwrap_or(self.monday)
    }
}

/// `2026-W48`.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let week = self.monday.iso_week();
        write!(f, "{:04}-W{:02}", week.year(), week.week())
    }
}

/// A text that is no week, or one of years that no LOG has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAWeek;

impl fmt::Display for NotAWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a week of the ISO calendar such as 2026-W48")
    }
}

impl FromStr for Week {
    type Err = NotAWeek;

    fn from_str(text: &str) -> Result<Self, NotAWeek> {
        let (year, week) = text.split_once("-W").ok_or(NotAWeek)?;
        let number = |digits: &str, length: usize| {
            let is_number =
                digits.len() == length && digits.bytes().all(|one| one.is_ascii_digit());
            is_number.then(|| digits.parse::<u32>().ok()).flatten().ok_or(NotAWeek)
        };
        let (year, week) = (number(year, 4)?, number(week, 2)?);
        if !(1970..=9997).contains(&year) {
            return Err(NotAWeek);
        }
        let monday = NaiveDate::from_isoywd_opt(year.cast_signed(), week, Weekday::Mon);
        monday.map(|monday| Self { monday }).ok_or(NotAWeek)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_week_belongs_to_the_year_of_its_thursday() {
        for (date, week, number) in [
            ("2026-11-26", "2026-W48", 48),
            ("2024-12-30", "2025-W01", 1),
            ("2027-01-03", "2026-W53", 53),
            ("2027-01-04", "2027-W01", 1),
        ] {
            let of = Week::of(day(date));
            assert_eq!((of.to_string().as_str(), of.number()), (week, number), "{date}");
            assert_eq!(week.parse(), Ok(of), "{date}");
            assert!(of.has(day(date)) && of.days().contains(&day(date)), "{date}");
        }
        let week: Week = "2026-W48".parse().unwrap();
        assert_eq!((week.monday(), week.sunday()), (day("2026-11-23"), day("2026-11-29")));
        assert_eq!(week.before(1).to_string(), "2026-W47");
        assert!(!week.has(day("2026-11-30")));
    }

    #[test]
    fn a_week_is_written_in_one_way_and_exists() {
        for bad in [
            "",
            "2026",
            "2026-48",
            "2026-W54",
            "2025-W53",
            "2026-W00",
            "2026-W4",
            "+026-W48",
            "0001-W01",
            "2026-W4８",
        ] {
            assert_eq!(bad.parse::<Week>(), Err(NotAWeek), "{bad}");
        }
    }
}
