//! Everything that people read in French or in English: one type for a fixed text, one macro for a
//! sentence with values, the shapes of numbers, dates and lengths of time, and the sentences of
//! anomalies, troubles and advice (methods of model's types: model itself has no words).
//!
//! Pure. What must never happen here: something decided. And nowhere else: a choice between the two
//! languages (`only_the_room_of_texts_chooses_between_languages`).

mod advice;
mod alarm;
mod anomaly;
mod central;
mod link_fault;
mod losses;
#[cfg(test)]
mod numbers;
mod settings;
mod shape;
mod shift_times;
mod trouble;
mod width;

pub(crate) use shape::{
    clock, code, count, counted, date, date_with_weekday, days_and_hours, euros, exact_span,
    figure, minute, moment, month, one_decimal, percent, percent_sign, quoted, short_date,
    short_date_with_weekday, short_week, span, two_decimals, week,
};
pub(crate) use width::{LETTER, shortened, width};

use crate::model::Language;

/// One text in both languages, side by side so that neither is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Text {
    fr: &'static str,
    en: &'static str,
}

impl Text {
    pub(crate) const fn new(fr: &'static str, en: &'static str) -> Self {
        Self { fr, en }
    }

    pub(crate) const fn in_(self, language: Language) -> &'static str {
        match language {
            Language::French => self.fr,
            Language::English => self.en,
        }
    }
}

/// What is counted, in the singular and in the plural.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Noun {
    one: Text,
    many: Text,
}

impl Noun {
    pub(crate) const fn new(
        fr_one: &'static str,
        fr_many: &'static str,
        en_one: &'static str,
        en_many: &'static str,
    ) -> Self {
        Self { one: Text::new(fr_one, en_one), many: Text::new(fr_many, en_many) }
    }

    /// `0 arrêt`, `1 arrêt`, `2 arrêts`; `0 stops`, `1 stop`, `2 stops`.
    pub(crate) fn counted(self, count: u64, language: Language) -> String {
        let is_one = match language {
            Language::French => count < 2,
            Language::English => count == 1,
        };
        let noun = if is_one { self.one } else { self.many };
        format!("{} {}", shape::count(count, language), noun.in_(language))
    }

    /// Hundredths of them: `1,5 arrêt`, `2 arrêts`; `0.5 stops`, `1 stop`.
    pub(crate) fn measured(self, value_e2: i64, language: Language) -> String {
        let is_one = match language {
            Language::French => value_e2.abs() < 200,
            Language::English => value_e2 == 100,
        };
        let noun = if is_one { self.one } else { self.many };
        format!("{} {}", shape::figure(value_e2, language), noun.in_(language))
    }
}

/// The language that a reader of this one may change to.
pub(crate) const fn other(language: Language) -> Language {
    match language {
        Language::French => Language::English,
        Language::English => Language::French,
    }
}

/// A sentence with values of the place it is written at, French first. The compiler checks both, and
/// only the one that is read is put together.
macro_rules! phrase {
    ($language:expr, $french:literal, $english:literal $(,)?) => {
        match $language {
            $crate::model::Language::French => format!($french),
            $crate::model::Language::English => format!($english),
        }
    };
}
pub(crate) use phrase;
