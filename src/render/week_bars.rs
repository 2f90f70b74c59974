//! One figure of a machine over some weeks: a bar a week, all machines on the same scale.

use std::fmt::Write;

use maud::{Markup, html};

use crate::{model::Language, text::phrase};

/// A week's bar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WeekBar {
    /// `S48`.
    pub week: String,
    /// Its height and how it is written; `None`: nothing is known.
    pub value: Option<(i64, String)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct WeekBars<'d> {
    /// What is counted, with its unit.
    pub name: &'d str,
    /// The chosen week is the last.
    pub weeks: &'d [WeekBar],
    /// The highest value of all machines.
    pub most: i64,
    /// The last week is not over.
    pub is_running: bool,
    /// Numbers at the bars; otherwise they are in the sentence alone.
    pub has_numbers: bool,
    pub language: Language,
}

/// Room for one week, and how much of it its bar takes: the style draws as broad a stroke.
const STEP: usize = 34;
const BAR: usize = 24;
const HEIGHT: i64 = 40;
/// Room above the bars for a number, and below for the week.
const ABOVE: i64 = 12;
const BELOW: i64 = 12;

impl WeekBars<'_> {
    pub(crate) fn draw(&self) -> Markup {
        let top = if self.has_numbers { ABOVE } else { 1 };
        let floor = top + HEIGHT;
        let height = |value: i64| (value.max(0) * HEIGHT / self.most.max(1)).max(1);
        let (mut bars, mut chosen) = (String::new(), String::new());
        for (at, week) in self.weeks.iter().enumerate() {
            let Some((value, _)) = week.value else { continue };
            let (middle, high) = (at * STEP + STEP / 2, height(value));
            if at + 1 == self.weeks.len() {
                let (x, y) = (middle - BAR / 2, floor - high);
                write!(chosen, "M{x} {y}h{BAR}v{high}h-{BAR}z").expect("a string grows");
            } else {
                // As strokes they take half the letters.
                write!(bars, "M{middle} {floor}v-{high}").expect("a string grows");
            }
        }
        let width = self.weeks.len() * STEP;
        let below = if self.has_numbers { BELOW } else { 1 };
        html! {
            svg.weekbars role="img" aria-label=(self.sentence())
                viewBox={ "0 0 " (width) " " (floor + below) } {
                path.base d={ "M0 " (floor) ".5h" (width) } {}
                path.bars d=(bars) {}
                path.chosen.open[self.is_running] d=(chosen) {}
                @if self.has_numbers {
                    @for (at, WeekBar { week, value }) in self.weeks.iter().enumerate() {
                        @let x = at * STEP + STEP / 2;
                        @match value {
                            Some((value, text)) => text x=(x) y=(floor - height(*value) - 3) { (text) },
                            None => text x=(x) y=(floor - 3) { "–" },
                        }
                        text.week x=(x) y=(floor + 10) { (week) }
                    }
                }
            }
        }
    }

    fn sentence(&self) -> String {
        let Self { name, language, .. } = self;
        let end = |week: Option<&WeekBar>| week.map_or_else(String::new, |week| week.week.clone());
        let (first, last) = (end(self.weeks.first()), end(self.weeks.last()));
        let value = |week: &WeekBar| match &week.value {
            Some((_, text)) => text.clone(),
            None => "–".to_owned(),
        };
        let values = self.weeks.iter().map(value).collect::<Vec<_>>().join(" · ");
        phrase!(
            *language,
            "{name}, {first}–{last}\u{202f}: {values}",
            "{name}, {first}–{last}: {values}",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_share_of_the_highest_of_all_machines() {
        let bar = |week: &str, value: Option<i64>| WeekBar {
            week: week.into(),
            value: value.map(|value| (value, value.to_string())),
        };
        let weeks = [bar("S46", Some(50)), bar("S47", None), bar("S48", Some(100))];
        let bars = WeekBars {
            name: "Pièces",
            weeks: &weeks,
            most: 200,
            is_running: true,
            has_numbers: false,
            language: Language::French,
        };
        let drawn = bars.draw().into_string();
        assert!(drawn.contains(r#"class="bars" d="M17 41v-10""#), "{drawn}");
        assert!(drawn.contains(r#"class="chosen open" d="M73 21h24v20h-24z""#), "{drawn}");
        assert!(drawn.contains("Pièces, S46–S48\u{202f}: 50 · – · 100"), "{drawn}");
        assert!(!drawn.contains("<text"), "{drawn}");
        let numbered = WeekBars { has_numbers: true, ..bars }.draw().into_string();
        assert_eq!(numbered.matches("<text").count(), 6, "{numbered}");
    }
}
