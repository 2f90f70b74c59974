//! Numbers, dates and lengths of time as people write them in French and in English. A number and its
//! unit stay on one line (U+00A0); French sets thousands apart with a narrow blank (U+202F).

use std::time::Duration;

use chrono::{Datelike, NaiveDateTime};

use super::Text;
use crate::model::{Day, Language, Stamp, WallTime};

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

/// What stands behind a number of percent.
pub(crate) const fn percent_sign(language: Language) -> &'static str {
    Text::new("\u{a0}%", "%").in_(language)
}

pub(crate) fn percent(number: &str, language: Language) -> String {
    format!("{number}{}", percent_sign(language))
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

/// A length of time as people say it: `45 s`, `14 min`, `1 h 05`. Seconds are cut off.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min", seconds / 60),
        _ => format!("{}\u{a0}h\u{a0}{:02}", seconds / 3600, seconds / 60 % 60),
    }
}

/// A length of time that may be days: `3 d 4 h`, `4 h 05 min`, `5 min`.
pub(crate) fn days_and_hours(time: Duration, language: Language) -> String {
    let minutes = time.as_secs() / 60;
    let day = Text::new("j", "d").in_(language);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes}\u{a0}min"),
        (0, hours, minutes) => format!("{hours}\u{a0}h {minutes:02}\u{a0}min"),
        (days, hours, _) => format!("{days}\u{a0}{day} {hours}\u{a0}h"),
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
    fn lengths_of_days_are_read_at_a_glance() {
        let of = |minutes: u64| days_and_hours(Duration::from_secs(minutes * 60), Language::French);
        assert_eq!(
            [of(5), of(245), of(4560)],
            ["5\u{a0}min", "4\u{a0}h 05\u{a0}min", "3\u{a0}j 4\u{a0}h"]
        );
    }
}
