//! Numbers, dates and lengths of time as people write them in French and in English. A number and its
//! unit stay on one line (U+00A0); French sets thousands apart with a narrow blank (U+202F).

use std::time::Duration;

use chrono::{Datelike, NaiveDateTime};

use super::Text;
use crate::model::{Day, Language, Stamp, WallTime, Week};

/// `fr` or `en`, as HTML and addresses name them.
pub(crate) const fn code(language: Language) -> &'static str {
    Text::new("fr", "en").in_(language)
}

const fn point(language: Language) -> &'static str {
    Text::new(",", ".").in_(language)
}

/// A whole number, its thousands apart: `12 345` or `12,345`.
pub(crate) fn count(value: u64, language: Language) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push_str(Text::new("\u{202f}", ",").in_(language));
        }
        text.push(digit);
    }
    text
}

/// In English, what the log and commands say: `1 session`, `1,200 sessions`.
pub(crate) fn counted(number: impl TryInto<u64>, one: &str, many: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", count(number, Language::English))
}

/// Hundredths as people write them: at most two decimals, none where they are zero.
pub(crate) fn figure(value_e2: i64, language: Language) -> String {
    let text = two_decimals(value_e2, language);
    text.trim_end_matches('0').trim_end_matches(point(language)).to_owned()
}

/// Hundredths with both decimals, for columns.
pub(crate) fn two_decimals(value_e2: i64, language: Language) -> String {
    let sign = if value_e2 < 0 { "-" } else { "" };
    let (whole, cents) = (value_e2.unsigned_abs() / 100, value_e2.unsigned_abs() % 100);
    format!("{sign}{}{}{cents:02}", count(whole, language), point(language))
}

/// Hundredths with one decimal, rounded half up.
pub(crate) fn one_decimal(value_e2: i64, language: Language) -> String {
    let tenths = (value_e2.max(0).unsigned_abs() + 5) / 10;
    format!("{}{}{}", count(tenths / 10, language), point(language), tenths % 10)
}

/// `1 234,50 €` or `€1,234.50`; the amount is not below 0.
pub(crate) fn euros(cents: i64, language: Language) -> String {
    let sign = if cents < 0 { "−" } else { "" };
    let amount = two_decimals(cents.abs(), language);
    match language {
        Language::French => format!("{sign}{amount}\u{a0}€"),
        Language::English => format!("{sign}€{amount}"),
    }
}

/// What stands behind a number of percent.
pub(crate) const fn percent_sign(language: Language) -> &'static str {
    Text::new("\u{a0}%", "%").in_(language)
}

pub(crate) fn percent(number: &str, language: Language) -> String {
    format!("{number}{}", percent_sign(language))
}

/// Somebody else's words: `« 530 Login incorrect »` or `“530 Login incorrect”`.
pub(crate) fn quoted(words: &str, language: Language) -> String {
    let (open, close) = (Text::new("«\u{a0}", "“"), Text::new("\u{a0}»", "”"));
    format!("{}{words}{}", open.in_(language), close.in_(language))
}

/// `05:08`, as the machine's own clock showed it.
pub(crate) fn clock(at: Stamp) -> String {
    at.to_naive().format("%H:%M").to_string()
}

/// `28/05/2025` or `2025-05-28`.
pub(crate) fn date(day: Day, language: Language) -> String {
    day.format(Text::new("%d/%m/%Y", "%Y-%m-%d").in_(language)).to_string()
}

/// `28/05` or `05-28`.
pub(crate) fn short_date(day: Day, language: Language) -> String {
    day.format(Text::new("%d/%m", "%m-%d").in_(language)).to_string()
}

/// `28/05/2025 05:08:54` or `2025-05-28 05:08:54`; `?` where the time is not known.
pub(crate) fn moment(at: Option<WallTime>, language: Language) -> String {
    at.map(WallTime::naive).map_or_else(
        || "?".to_owned(),
        |at| format!("{} {}", date(at.date(), language), at.format("%H:%M:%S")),
    )
}

/// `28/05/2025 05:08` or `2025-05-28 05:08`.
pub(crate) fn minute(at: NaiveDateTime, language: Language) -> String {
    format!("{} {}", date(at.date(), language), at.format("%H:%M"))
}

const WEEKDAYS: [Text; 7] = [
    Text::new("lundi", "Monday"),
    Text::new("mardi", "Tuesday"),
    Text::new("mercredi", "Wednesday"),
    Text::new("jeudi", "Thursday"),
    Text::new("vendredi", "Friday"),
    Text::new("samedi", "Saturday"),
    Text::new("dimanche", "Sunday"),
];

/// `mercredi 28/05/2025` or `Wednesday 2025-05-28`.
pub(crate) fn date_with_weekday(day: Day, language: Language) -> String {
    let weekday = WEEKDAYS[day.weekday().num_days_from_monday() as usize];
    format!("{} {}", weekday.in_(language), date(day, language))
}

const SHORT_WEEKDAYS: [Text; 7] = [
    Text::new("lun.", "Mon"),
    Text::new("mar.", "Tue"),
    Text::new("mer.", "Wed"),
    Text::new("jeu.", "Thu"),
    Text::new("ven.", "Fri"),
    Text::new("sam.", "Sat"),
    Text::new("dim.", "Sun"),
];

/// `mer. 28/05` or `Wed 05-28`, on one line.
pub(crate) fn short_date_with_weekday(day: Day, language: Language) -> String {
    let weekday = SHORT_WEEKDAYS[day.weekday().num_days_from_monday() as usize];
    format!("{}\u{a0}{}", weekday.in_(language), short_date(day, language))
}

/// `S48` or `W48`.
pub(crate) fn short_week(week: Week, language: Language) -> String {
    format!("{}{}", Text::new("S", "W").in_(language), week.number())
}

/// `semaine 48` or `week 48`.
pub(crate) fn week(week: Week, language: Language) -> String {
    format!("{}\u{a0}{}", Text::new("semaine", "week").in_(language), week.number())
}

const MONTHS: [Text; 12] = [
    Text::new("janvier", "January"),
    Text::new("février", "February"),
    Text::new("mars", "March"),
    Text::new("avril", "April"),
    Text::new("mai", "May"),
    Text::new("juin", "June"),
    Text::new("juillet", "July"),
    Text::new("août", "August"),
    Text::new("septembre", "September"),
    Text::new("octobre", "October"),
    Text::new("novembre", "November"),
    Text::new("décembre", "December"),
];

/// The month of a day: `novembre 2026` or `November 2026`.
pub(crate) fn month(day: Day, language: Language) -> String {
    format!("{} {}", MONTHS[day.month0() as usize].in_(language), day.format("%Y"))
}

/// A length of time as people say it: `45 s`, `14 min`, `1 h 05`. Seconds are cut off.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min", seconds / 60),
        _ => format!("{}\u{a0}h\u{a0}{:02}", seconds / 3600, seconds / 60 % 60),
    }
}

/// A length of time below an hour to the second: `45 s`, `14 min 05`; `1 h 05` beyond.
pub(crate) fn exact_span(ms: i64) -> String {
    match ms.max(0) / 1000 {
        seconds @ 60..3600 => format!("{}\u{a0}min\u{a0}{:02}", seconds / 60, seconds % 60),
        _ => span(ms),
    }
}

/// A length of time that may be days: `3 d 4 h`, `4 h 05 min`, `5 min`.
pub(crate) fn days_and_hours(time: Duration, language: Language) -> String {
    let minutes = time.as_secs() / 60;
    let day = Text::new("j", "d").in_(language);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes}\u{a0}min"),
        (0, hours, minutes) => format!("{hours}\u{a0}h {minutes:02}\u{a0}min"),
        (days, hours, _) => {
            format!("{}\u{a0}{day} {hours}\u{a0}h", count(days, language))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_short_as_they_can_be() {
        assert_eq!(figure(1200, Language::French), "12");
        assert_eq!(figure(1250, Language::French), "12,5");
        assert_eq!(figure(1205, Language::English), "12.05");
        assert_eq!(figure(-5, Language::English), "-0.05");
        assert_eq!(figure(100_000, Language::English), "1,000");
        assert_eq!(figure(0, Language::French), "0");
    }

    #[test]
    fn thousands_are_set_apart_and_columns_have_equal_decimals() {
        let of = |value| count(value, Language::French);
        assert_eq!(
            [of(7), of(999), of(1000), of(1_234_567)],
            ["7", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!(two_decimals(123_450, Language::English), "1,234.50");
        assert_eq!(two_decimals(1_200, Language::French), "12,00");
        assert_eq!(one_decimal(99_996, Language::French), "1\u{202f}000,0");
        assert_eq!(percent("12,5", Language::French), "12,5\u{a0}%");
    }

    #[test]
    fn a_moment_is_written_with_the_date_of_the_language() {
        let at: WallTime = "2025-05-28 05:08:54".parse().unwrap();
        assert_eq!(moment(Some(at), Language::French), "28/05/2025 05:08:54");
        assert_eq!(moment(Some(at), Language::English), "2025-05-28 05:08:54");
        assert_eq!(moment(None, Language::French), "?");
        assert_eq!(minute(at.naive(), Language::French), "28/05/2025 05:08");
        assert_eq!(minute(at.naive(), Language::English), "2025-05-28 05:08");
    }

    #[test]
    fn lengths_are_said_in_the_unit_that_fits() {
        let said: Vec<String> =
            [-5, 45_999, 60_000, 3_599_000, 3_900_000, 90_000_000].map(span).into();
        assert_eq!(
            said,
            ["0 s", "45 s", "1 min", "59 min", "1 h 05", "25 h 00"]
                .map(|text| text.replace(' ', "\u{a0}"))
        );
    }

    #[test]
    fn lengths_below_an_hour_are_told_to_the_second() {
        let said: Vec<String> = [59_999, 60_000, 845_000, 3_600_000].map(exact_span).into();
        assert_eq!(
            said,
            ["59 s", "1 min 00", "14 min 05", "1 h 00"].map(|text| text.replace(' ', "\u{a0}"))
        );
    }

    #[test]
    fn lengths_of_days_are_read_at_a_glance() {
        let of = |minutes: u64| days_and_hours(Duration::from_secs(minutes * 60), Language::French);
        assert_eq!(
            [of(5), of(245), of(4560)],
            ["5\u{a0}min", "4\u{a0}h 05\u{a0}min", "3\u{a0}j 4\u{a0}h"]
        );
    }
}
