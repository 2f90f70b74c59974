//! Small charts of a month: one bar a day, the highest as high as there is room.

use std::fmt::Write;

use maud::{Markup, html};

use super::words;
use crate::{
    model::{Day, Language},
    text::{figure, phrase, short_date},
};

/// One figure of a machine over some days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chart<'d> {
    /// What is counted, with its unit: `Pièces`, `Occupation, %`.
    pub name: &'d str,
    /// Day after day without a gap, in hundredths; `None` where there is no session.
    pub days: &'d [(Day, Option<i64>)],
    /// The day that is looked at; its bar stands out.
    pub day: Day,
    /// That day goes on: its bar is open, and it is compared with no whole day.
    pub is_running: bool,
    pub language: Language,
}

/// Room for one day, and how much of it its bar takes.
const STEP: usize = 10;
const BAR: usize = 7;
const HEIGHT: i64 = 40;

/// Median of what is there, the lower of two in the middle.
fn median(values: &[i64]) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

impl Chart<'_> {
    pub(crate) fn draw(&self) -> Markup {
        let whole = self.days.iter().filter(|(day, _)| !(self.is_running && *day == self.day));
        let values: Vec<i64> = whole.filter_map(|(_, value)| *value).collect();
        let drawn = self.days.iter().filter_map(|(_, value)| *value);
        let most = drawn.max().unwrap_or(0).max(1);
        let of_chosen = if self.is_running { "running" } else { "chosen" };
        let height = |value: i64| (value.max(0) * HEIGHT / most).max(1);
        let (mut bars, mut chosen) = (String::new(), String::new());
        for (at, (day, value)) in self.days.iter().enumerate() {
            let Some(value) = value else { continue };
            let into = if *day == self.day { &mut chosen } else { &mut bars };
            let (x, high) = (at * STEP, height(*value));
            write!(into, "M{x} {}h{BAR}v{high}h-{BAR}z", HEIGHT + 1 - high)
                .expect("a string grows");
        }
        let width = self.days.len() * STEP;
        let shown =
            self.days.iter().find(|(day, _)| *day == self.day).and_then(|(_, value)| *value);
        html! {
            figure.chart {
                figcaption {
                    span.name {
                        (self.name)
                        @if self.is_running { small { " · " (words::IN_PROGRESS.in_(self.language)) } }
                    }
                    " "
                    strong { (shown.map_or_else(|| "–".to_owned(), |value| figure(value, self.language))) }
                }
                svg role="img" aria-label=(self.sentence(&values)) viewBox={ "0 0 " (width) " 42" }
                    preserveAspectRatio="none" {
                    path.base d={ "M0 41.5h" (width) } {}
                    path.bars d=(bars) {}
                    path class=(of_chosen) d=(chosen) {}
                    @if let Some(median) = median(&values) {
                        path.median d={ "M0 " (HEIGHT + 1 - height(median)) "h" (width) } {}
                    }
                }
                @if let (Some((first, _)), Some((last, _))) = (self.days.first(), self.days.last()) {
                    p.ends {
                        span { (short_date(*first, self.language)) }
                        span { "max " (figure(most, self.language)) }
                        span { (short_date(*last, self.language)) }
                    }
                }
            }
        }
    }

    fn sentence(&self, values: &[i64]) -> String {
        let Self { name, language, .. } = self;
        let (Some(least), Some(most), Some(median)) =
            (values.iter().min(), values.iter().max(), median(values))
        else {
            let days = self.days.len();
            return phrase!(
                *language,
                "{name}\u{202f}: aucune donnée sur {days} jours",
                "{name}: no data in {days} days",
            );
        };
        let say = |value: &i64| figure(*value, *language);
        let (least, median, most) = (say(least), say(&median), say(most));
        let (days, of) = (values.len(), self.days.len());
        let sentence = phrase!(
            *language,
            "{name}, {days} jours de production sur {of}\u{202f}: de {least} à {most}, médiane {median}",
            "{name}, {days} production days out of {of}: {least} to {most}, median {median}",
        );
        if !self.is_running {
            return sentence;
        }
        phrase!(
            *language,
            "{sentence}\u{202f}; le jour en cours n'y est pas compté",
            "{sentence}; the day in progress is not counted",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u32) -> Day {
        Day::from_ymd_opt(2025, 5, number).unwrap()
    }

    #[test]
    fn the_highest_day_fills_the_room_and_a_day_without_session_is_a_gap() {
        let days = [(day(1), Some(200)), (day(2), None), (day(3), Some(400))];
        let chart = Chart {
            name: "Pièces",
            days: &days,
            day: day(3),
            is_running: false,
            language: Language::French,
        };
        let drawn = chart.draw().into_string();
        assert!(drawn.contains("M0 21h7v20h-7z"), "{drawn}");
        assert!(drawn.contains(r#"class="chosen" d="M20 1h7v40h-7z""#), "{drawn}");
        assert!(!drawn.contains("M10 "), "{drawn}");
        assert!(
            drawn.contains("Pièces, 2 jours de production sur 3\u{202f}: de 2 à 4, médiane 2"),
            "{drawn}"
        );
    }

    #[test]
    fn a_day_that_goes_on_has_an_open_bar_and_is_compared_with_no_whole_day() {
        let days = [(day(1), Some(200)), (day(2), Some(400)), (day(3), Some(100))];
        let chart = Chart {
            name: "Pièces",
            days: &days,
            day: day(3),
            is_running: true,
            language: Language::French,
        };
        let drawn = chart.draw().into_string();
        assert!(drawn.contains(r#"class="running" d="M20 31h7v10h-7z""#), "{drawn}");
        let sentence = "Pièces, 2 jours de production sur 3\u{202f}: de 2 à 4, médiane 2\u{202f}; le jour en cours n'y est pas compté";
        assert!(drawn.contains(sentence), "{drawn}");
        assert!(drawn.contains("<small> · en cours</small>"), "{drawn}");
    }

    #[test]
    fn a_month_of_nothing_is_drawn_too() {
        let days = [(day(1), None)];
        let chart = Chart {
            name: "Pieces",
            days: &days,
            day: day(1),
            is_running: false,
            language: Language::English,
        };
        assert!(chart.draw().into_string().contains("Pieces: no data in 1 days"));
    }
}
