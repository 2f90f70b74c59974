//! Shapes of what a report writes beside a figure: how it differs from the period before, names that must not
//! take more room than there is.

use super::Report;
use crate::{
    model::Language,
    text::{LETTER, one_decimal, percent, phrase, span, two_decimals},
};

/// With its sign, the true minus of typography; nothing has none.
fn signed(value: i64, positive: impl Fn(i64) -> String) -> String {
    let sign = match value {
        0 => "±",
        value if value < 0 => "−",
        _ => "+",
    };
    format!("{sign}{}", positive(value.abs()))
}

/// `+3 h 10`.
pub(super) fn signed_span(ms: i64) -> String {
    signed(ms, span)
}

/// Points of percent from hundredths: `+1,25`.
pub(super) fn signed_points(e2: i64, language: Language) -> String {
    signed(e2, |e2| two_decimals(e2, language))
}

/// Percent from hundredths, or a dash: `54,80`.
pub(super) fn rate_or_dash(rate_e2: Option<i64>, language: Language) -> String {
    rate_e2.map_or_else(|| "–".to_owned(), |rate| two_decimals(rate, language))
}

/// How much more or less that is: `+3,2 %`; `None`: there was nothing.
pub(super) fn signed_part(now: u64, before: u64, language: Language) -> Option<String> {
    let (now, before) = (i128::from(now), i128::from(before));
    if before == 0 {
        return None;
    }
    let thousandths = ((now - before) * 20_000 + before).div_euclid(2 * before);
    let e2 = i64::try_from(thousandths).ok()?;
    Some(signed(e2, |e2| percent(&one_decimal(e2, language), language)))
}

/// A text that takes the room of so many ordinary letters at most, its end left out.
pub(super) fn shortened(text: &str, letters: usize) -> String {
    crate::text::shortened(text, letters * LETTER)
}

impl Report {
    /// What the period is compared with, in a few words.
    pub(super) fn compared_with(&self) -> String {
        use super::Kind;
        let language = self.language;
        match self.period.before().map(|before| before.kind) {
            Some(Kind::Week(week)) => {
                let (year, week) = (week.year(), week.number());
                phrase!(language, "semaine {week}/{year}", "week {week}/{year}")
            }
            Some(Kind::Month(month)) => {
                let (year, month) = (month.year, month.month);
                phrase!(language, "{month:02}/{year}", "{year}-{month:02}")
            }
            _ if self.period.len() < 7 => self.say("semaine d'avant", "week before").to_owned(),
            _ => self.say("période d'avant", "period before").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_has_its_sign() {
        let french = Language::French;
        assert_eq!(signed_span(11_400_000), "+3\u{a0}h\u{a0}10");
        assert_eq!(signed_span(-60_000), "−1\u{a0}min");
        assert_eq!(signed_points(-640, french), "−6,40");
        assert_eq!(signed_part(1_032, 1_000, french).unwrap(), "+3,2\u{a0}%");
        assert_eq!(signed_part(500, 1_000, Language::English).unwrap(), "−50.0%");
        assert_eq!(signed_part(5, 0, french), None);
        assert_eq!(signed_part(7, 7, french).unwrap(), "±0,0\u{a0}%");
    }

    #[test]
    fn a_long_name_is_shortened_by_its_width_and_never_inside_a_letter() {
        assert_eq!(shortened("DEM12", 20), "DEM12");
        let wide = shortened(&"W".repeat(100), 20);
        assert!(wide.chars().count() <= 13 && wide.ends_with('…'), "{wide}");
        assert!(shortened(&"é".repeat(100), 5).ends_with("é…"));
        assert_eq!(shortened("", 5), "");
    }
}
