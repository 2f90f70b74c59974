//! What the shapes of time lines mean; for one machine's day also how much of each there was.

use maud::{Markup, html};

use super::{changes, words};
use crate::{
    model::{Language, Session},
    text::{count, span},
};

/// What the shapes mean.
pub(crate) fn legend(language: Language) -> Markup {
    let texts = [words::PRODUCING, words::WAITING, words::STOP, words::PIECE, words::CHANGE];
    html! {
        ul.legend aria-label=(words::LEGEND.in_(language)) {
            @for (shape, text) in SHAPES.iter().zip(texts) {
                li { (shape.sample()) " " (text.in_(language)) }
            }
        }
    }
}

/// How much of each shape a machine's day has: the figures of its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayTotals<'s> {
    pub session: &'s Session,
    pub has_shifts: bool,
    pub has_breaks: bool,
}

impl DayTotals<'_> {
    /// The legend with these totals.
    pub(crate) fn legend(&self, language: Language) -> Markup {
        let figures = &self.session.figures;
        let totals = [
            ("producing", words::PRODUCING, span(figures.effective_ms)),
            ("waiting", words::WAITING, span(figures.wait_ms)),
            ("stopped", words::STOP, span(figures.stop_ms)),
            ("pieces", words::PIECES, count(figures.total_pieces.into(), language)),
            ("changes", words::CHANGES, count(changes(self.session).len() as u64, language)),
        ];
        html! {
            ul.legend.totals aria-label=(words::DAY_TOTALS.in_(language)) {
                @for (shape, (key, text, total)) in SHAPES.iter().zip(totals) {
                    li { (shape.sample()) " " (text.in_(language)) " " b data-total=(key) { (total) } }
                }
                @if self.has_shifts { li { (SHIFT.sample()) " " (words::SHIFT.in_(language)) } }
                @if self.has_breaks { li { (BREAK.sample()) " " (words::BREAK.in_(language)) } }
            }
        }
    }
}

struct Shape {
    class: &'static str,
    d: &'static str,
}

const SHAPES: [Shape; 5] = [
    Shape { class: "producing", d: "M2 8h20" },
    Shape { class: "waiting", d: "M2 8h20" },
    Shape { class: "stopped", d: "M2 8h20" },
    Shape { class: "pieces", d: "M4 3v10M9 3v10M12 3v10M18 3v10" },
    Shape { class: "change", d: "M12 3l6 11h-12z" },
];
const SHIFT: Shape = Shape { class: "work", d: "M2 5h20v6h-20z" };
const BREAK: Shape = Shape { class: "pause", d: "M2 5h20v6h-20z" };

impl Shape {
    fn sample(&self) -> Markup {
        html! {
            svg viewBox="0 0 24 16" width="24" height="16" aria-hidden="true" {
                path class=(self.class) d=(self.d) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Figures;

    #[test]
    fn the_totals_are_the_figures_of_the_session() {
        let session = Session {
            figures: Figures {
                total_pieces: 1_312,
                effective_ms: (6 * 60 + 12) * 60_000,
                wait_ms: 63 * 60_000,
                stop_ms: 45 * 60_000,
                ..Figures::default()
            },
            ..Session::default()
        };
        let totals = DayTotals { session: &session, has_shifts: true, has_breaks: false };
        let drawn = totals.legend(Language::French).into_string();
        for wanted in [
            "Production <b data-total=\"producing\">6\u{a0}h\u{a0}12</b>",
            "Attente <b data-total=\"waiting\">1\u{a0}h\u{a0}03</b>",
            "Arrêt <b data-total=\"stopped\">45\u{a0}min</b>",
            "Pièces <b data-total=\"pieces\">1\u{202f}312</b>",
            "Changements <b data-total=\"changes\">0</b>",
            "Poste prévu",
        ] {
            assert!(drawn.contains(wanted), "{wanted}: {drawn}");
        }
        assert!(!drawn.contains("Pause"), "{drawn}");
    }
}
