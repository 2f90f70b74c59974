//! Numbers, dates and lengths of time as people write them in French and in English.

use std::time::Duration;

use chrono::Datelike;

use super::Text;
use crate::model::{Day, Language, Stamp};

/// `fr` or `en`, as HTML and addresses name them.
pub const fn code(language: Language) -> &'static str {
    Text::new("fr", "en").in_(language)
}

const fn point(language: Language) -> &'static str {
    Text::new(",", ".").in_(language)
}

/// Hundredths as people write them: at most two decimals, none where they are zero.
pub fn figure(value_e2: i64, language: Language) -> String {
    let sign = if value_e2 < 0 { "-" } else { "" };
    let (whole, cents) = (value_e2.unsigned_abs() / 100, value_e2.unsigned_abs() % 100);
    let point = point(language);
    match cents {
        0 => format!("{sign}{whole}"),
        _ if cents.is_multiple_of(10) => format!("{sign}{whole}{point}{}", cents / 10),
        _ => format!("{sign}{whole}{point}{cents:02}"),
    }
}

/// Hundredths with one decimal, rounded half up.
pub fn one_decimal(value_e2: i64, language: Language) -> String {
    let tenths = (value_e2 + 5) / 10;
    format!("{}{}{}", tenths / 10, point(language), tenths % 10)
}

/// `05:08`, as the machine's own clock showed it.
pub fn clock(at: Stamp) -> String {
    at.to_naive().format("%H:%M").to_string()
}

/// `28/05/2025` or `2025-05-28`.
pub fn date(day: Day, language: Language) -> String {
    day.format(Text::new("%d/%m/%Y", "%Y-%m-%d").in_(language)).to_string()
}

/// `28/05` or `05-28`.
pub fn short_date(day: Day, language: Language) -> String {
    day.format(Text::new("%d/%m", "%m-%d").in_(language)).to_string()
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
pub fn date_with_weekday(day: Day, language: Language) -> String {
    let weekday = WEEKDAYS[day.weekday().num_days_from_monday() as usize];
    format!("{} {}", weekday.in_(language), date(day, language))
}

/// A length of time as people say it: `45 s`, `14 min`, `1 h 05`. Seconds are cut off.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02}", seconds / 3600, seconds / 60 % 60),
    }
}

/// A length of time that may be days: `3 d 4 h`, `4 h 05 min`, `5 min`.
pub fn days_and_hours(time: Duration, language: Language) -> String {
    let minutes = time.as_secs() / 60;
    let day = Text::new("j", "d").in_(language);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} {day} {hours} h"),
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
    }

    #[test]
    fn lengths_are_said_in_the_unit_that_fits() {
        let said: Vec<String> =
            [-5, 45_999, 60_000, 3_599_000, 3_900_000, 90_000_000].map(span).into();
        assert_eq!(said, ["0 s", "45 s", "1 min", "59 min", "1 h 05", "25 h 00"]);
    }

    #[test]
    fn lengths_of_days_are_read_at_a_glance() {
        let of = |minutes: u64| days_and_hours(Duration::from_secs(minutes * 60), Language::French);
        assert_eq!([of(5), of(245), of(4560)], ["5 min", "4 h 05 min", "3 j 4 h"]);
    }
}
