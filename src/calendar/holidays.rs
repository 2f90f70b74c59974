//! Public holidays of France: fixed dates and those that follow Easter.

use chrono::{Datelike, NaiveDate, TimeDelta};

use crate::model::Day;

/// Which public holidays a calendar keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Holidays {
    #[default]
    None,
    France,
    /// Those of France, Good Friday and 26 December.
    AlsaceMoselle,
}

/// A public holiday.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holiday {
    NewYear,
    GoodFriday,
    EasterMonday,
    LabourDay,
    VictoryDay,
    Ascension,
    WhitMonday,
    NationalDay,
    Assumption,
    AllSaints,
    Armistice,
    Christmas,
    SecondDayOfChristmas,
}

impl Holiday {
    pub fn name(self) -> &'static str {
        match self {
            Self::NewYear => "New Year's Day",
            Self::GoodFriday => "Good Friday",
            Self::EasterMonday => "Easter Monday",
            Self::LabourDay => "Labour Day",
            Self::VictoryDay => "Victory Day",
            Self::Ascension => "Ascension Day",
            Self::WhitMonday => "Whit Monday",
            Self::NationalDay => "Bastille Day",
            Self::Assumption => "Assumption Day",
            Self::AllSaints => "All Saints' Day",
            Self::Armistice => "Armistice Day",
            Self::Christmas => "Christmas Day",
            Self::SecondDayOfChristmas => "second day of Christmas",
        }
    }
}

impl Holidays {
    /// The public holiday on `day`, if it is one.
    pub fn on(self, day: Day) -> Option<Holiday> {
        if self == Self::None {
            return None;
        }
        let is_alsatian = self == Self::AlsaceMoselle;
        let fixed = match (day.month(), day.day()) {
            (1, 1) => Some(Holiday::NewYear),
            (5, 1) => Some(Holiday::LabourDay),
            (5, 8) => Some(Holiday::VictoryDay),
            (7, 14) => Some(Holiday::NationalDay),
            (8, 15) => Some(Holiday::Assumption),
            (11, 1) => Some(Holiday::AllSaints),
            (11, 11) => Some(Holiday::Armistice),
            (12, 25) => Some(Holiday::Christmas),
            (12, 26) if is_alsatian => Some(Holiday::SecondDayOfChristmas),
            _ => None,
        };
        fixed.or_else(|| match (day - easter(day.year())?).num_days() {
            -2 if is_alsatian => Some(Holiday::GoodFriday),
            1 => Some(Holiday::EasterMonday),
            39 => Some(Holiday::Ascension),
            50 => Some(Holiday::WhitMonday),
            _ => None,
        })
    }
}

/// Easter Sunday of the Gregorian calendar. The rule is the anonymous one that *Nature* printed in 1876
/// (Meeus, *Astronomical Algorithms*, chapter 8).
fn easter(year: i32) -> Option<NaiveDate> {
    let golden = year.rem_euclid(19);
    let (century, of_century) = (year.div_euclid(100), year.rem_euclid(100));
    let correction = (8 * century + 13) / 25;
    let epact = (19 * golden + century - century / 4 - correction + 15).rem_euclid(30);
    let weekday =
        (32 + 2 * (century % 4) + 2 * (of_century / 4) - epact - of_century % 4).rem_euclid(7);
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let days_after_22_march = epact + weekday - 7 * late;
    let first = NaiveDate::from_ymd_opt(year, 3, 22)?;
    first.checked_add_signed(TimeDelta::days(i64::from(days_after_22_march)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every public holiday from 1980 to 2100, one date a line, from an independent library (its name and version
    /// are in the file); `alsace` behind those of Alsace-Moselle alone.
    const INDEPENDENT: &str = include_str!("../../tests/fixtures/french_holidays.txt");

    #[test]
    fn every_day_from_1980_to_2100_is_a_holiday_exactly_if_an_independent_library_says_so() {
        let mut dates = INDEPENDENT.lines().filter(|line| !line.starts_with('#')).peekable();
        let mut day = NaiveDate::from_ymd_opt(1980, 1, 1).unwrap();
        let mut holidays = 0;
        while day.year() <= 2100 {
            let written = dates.next_if(|line| line.starts_with(&day.to_string()));
            let is_alsatian = written.is_some_and(|line| line.ends_with(" alsace"));
            let of_france = written.is_some() && !is_alsatian;
            // The contract has two more: 8 May before it became a holiday again in 1982, and Whit Monday in
            // 2005 to 2007, when it was the day of solidarity.
            let is_victory_day = day.year() < 1982 && (day.month(), day.day()) == (5, 8);
            let is_solidarity = (2005..2008).contains(&day.year())
                && Holidays::France.on(day) == Some(Holiday::WhitMonday);
            let of_france = of_france || is_victory_day || is_solidarity;
            assert_eq!(Holidays::France.on(day).is_some(), of_france, "{day}");
            assert_eq!(
                Holidays::AlsaceMoselle.on(day).is_some(),
                of_france || is_alsatian,
                "{day}"
            );
            assert_eq!(Holidays::None.on(day), None);
            holidays += usize::from(of_france);
            day = day.succ_opt().unwrap();
        }
        assert_eq!(dates.next(), None, "every date of the library was met");
        assert!(holidays > 121 * 10, "{holidays}");
    }

    #[test]
    fn the_earliest_and_the_latest_easter_are_known() {
        let easter = |year| easter(year).unwrap().to_string();
        assert_eq!(easter(1818), "1818-03-22");
        assert_eq!(easter(2285), "2285-03-22");
        assert_eq!(easter(1943), "1943-04-25");
        assert_eq!(easter(2038), "2038-04-25");
        assert_eq!(easter(2025), "2025-04-20");
    }
}
