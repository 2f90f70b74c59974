//! Where required time went, as one bar and a list of what it is made of. Each kind of time has its own
//! pattern, in the order of the list, so that nothing is said by a colour alone.

use maud::{Markup, html};

use super::words;
use crate::{
    model::{Language, TimesSum},
    text::{Text, phrase, span},
};

const MINUTE_MS: i64 = 60_000;
/// The patterns are made for this width.
const WIDTH: i64 = 8_000;

/// What required time may be.
const KINDS: [(&str, Text); 5] = [
    ("run", words::RUNNING),
    ("stop", words::STOP),
    ("wait", words::WAITING),
    ("start", words::START),
    ("end", words::END),
];

/// What the patterns mean, for bars without a list.
pub(crate) fn required_legend(language: Language) -> Markup {
    html! {
        div.required {
            ul.shares aria-label=(words::REQUIRED.in_(language)) {
                li aria-hidden="true" { b { (words::REQUIRED.in_(language)) } }
                @for (class, word) in KINDS { li { (sample(class)) (word.in_(language)) } }
            }
        }
    }
}

fn sample(class: &str) -> Markup {
    html! {
        svg viewBox="0 0 160 12" preserveAspectRatio="none" aria-hidden="true" {
            path class=(class) d="M0 0h160v12H0z" {}
        }
    }
}

/// The required time of a shift, or of a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequiredBar<'s> {
    /// What it is of: a shift, a machine's day.
    pub name: &'s str,
    pub sum: &'s TimesSum,
    /// Without it there is the bar alone.
    pub has_list: bool,
    pub language: Language,
}

impl RequiredBar<'_> {
    pub(crate) fn draw(&self) -> Markup {
        let kinds = self.kinds();
        html! {
            div.required {
                svg role="img" aria-label=(self.sentence(&kinds)) viewBox={ "0 0 " (WIDTH) " 22" }
                    preserveAspectRatio="none" {
                    @for (class, x, width) in places(&kinds, self.sum.required_ms) {
                        path class=(class) d={ "M" (x) " 1h" (width) "v20H" (x) "z" } {}
                    }
                }
                @if self.has_list {
                    ul.shares {
                        @for Kind { class, word, minutes, .. } in kinds.iter().filter(|kind| kind.ms > 0) {
                            li {
                                (sample(class)) (word.in_(self.language)) " " (span(minutes * MINUTE_MS))
                            }
                        }
                    }
                }
            }
        }
    }

    fn kinds(&self) -> [Kind; 5] {
        let TimesSum { running_ms, stop_ms, wait_ms, start_ms, end_ms, .. } = *self.sum;
        let all = [running_ms, stop_ms, wait_ms, start_ms, end_ms];
        let minutes = minutes_that_add_up(all);
        std::array::from_fn(|at| {
            let (class, word) = KINDS[at];
            Kind { class, word, ms: all[at], minutes: minutes[at] }
        })
    }

    fn sentence(&self, kinds: &[Kind]) -> String {
        let (name, language) = (self.name, self.language);
        let required = span(kinds.iter().map(|kind| kind.minutes).sum::<i64>() * MINUTE_MS);
        let parts = kinds
            .iter()
            .filter(|kind| kind.ms > 0)
            .map(|kind| format!("{} {}", kind.word.in_(language), span(kind.minutes * MINUTE_MS)));
        let parts = parts.collect::<Vec<_>>().join(", ");
        phrase!(
            language,
            "{name}, temps requis {required}\u{202f}: {parts}",
            "{name}, required time {required}: {parts}",
        )
    }
}

struct Kind {
    class: &'static str,
    word: Text,
    ms: i64,
    minutes: i64,
}

/// Class, beginning and width of each kind that there is.
fn places(kinds: &[Kind], required_ms: i64) -> Vec<(&'static str, i64, i64)> {
    let place = |ms: i64| ms * WIDTH / required_ms.max(1);
    let mut passed = 0;
    let mut places = Vec::new();
    for Kind { class, ms, .. } in kinds.iter().filter(|kind| kind.ms > 0) {
        let from = place(passed);
        passed += ms;
        places.push((*class, from, (place(passed) - from).max(1)));
    }
    places
}

/// Each time in minutes, up or down, so that they add up to their sum in minutes, rounded half up.
fn minutes_that_add_up(times_ms: [i64; 5]) -> [i64; 5] {
    let mut minutes = times_ms.map(|ms| ms / MINUTE_MS);
    let whole = (times_ms.iter().sum::<i64>() + MINUTE_MS / 2) / MINUTE_MS;
    let mut by_rest: Vec<usize> = (0..times_ms.len()).collect();
    by_rest.sort_by_key(|at| std::cmp::Reverse(times_ms[*at] % MINUTE_MS));
    let missing = usize::try_from(whole - minutes.iter().sum::<i64>()).unwrap_or(0);
    for at in by_rest.into_iter().take(missing) {
        minutes[at] += 1;
    }
    minutes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ShiftTimes;

    #[test]
    fn minutes_add_up_to_the_required_time() {
        assert_eq!(minutes_that_add_up([0; 5]), [0; 5]);
        assert_eq!(minutes_that_add_up([90_000, 90_000, 60_000, 0, 0]), [2, 1, 1, 0, 0]);
        assert_eq!(minutes_that_add_up([20_000, 20_000, 20_000, 0, 0]), [1, 0, 0, 0, 0]);
        assert_eq!(minutes_that_add_up([59_999, 59_999, 59_999, 59_999, 59_999]), [1; 5]);
    }

    #[test]
    fn the_bar_is_filled_from_end_to_end_and_said_in_a_sentence() {
        let hour = 3_600_000;
        let times = ShiftTimes {
            required_ms: 8 * hour,
            running_ms: 2 * hour,
            start_ms: 3 * hour,
            stop_ms: 3 * hour,
            ..ShiftTimes::default()
        };
        let sum = TimesSum::of(&times, None);
        let bar =
            RequiredBar { name: "<matin>", sum: &sum, has_list: true, language: Language::French };
        assert_eq!(
            places(&bar.kinds(), sum.required_ms),
            [("run", 0, 2000), ("stop", 2000, 3000), ("start", 5000, 3000)]
        );
        let drawn = bar.draw().into_string();
        assert!(drawn.contains("&lt;matin&gt;, temps requis 8\u{a0}h\u{a0}00\u{202f}: Fonctionnement 2\u{a0}h\u{a0}00, Arrêt 3\u{a0}h\u{a0}00, Démarrage 3\u{a0}h\u{a0}00"), "{drawn}");
        assert!(!drawn.contains("Attente"), "{drawn}");
    }
}
