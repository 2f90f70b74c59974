//! What people see of a day and of a month, as parts of a page: strings of HTML and SVG from the
//! model. The gateway's page and the reports draw with the same hand.
//!
//! Pure. What must never happen here: a meaning that only a colour carries; a text of a LOG file that
//! reaches the page unescaped; a script, a style attribute or an address of another place.

use maud::{Markup, html};

mod axis;
mod chart;
mod required;
mod timeline;
mod words;

pub(crate) use axis::Axis;
pub(crate) use chart::Chart;
pub(crate) use required::{RequiredBar, required_legend};
pub(crate) use timeline::{Detail, TimeLine, changes, open_stop};

use crate::{model::Language, text::Text};

/// What the drawings look like, light and dark; a page that shows them holds it.
pub(crate) const STYLE: &str = include_str!("style.css");

/// The shapes that time lines are drawn with: once on each page, before the first of them.
pub(crate) fn shapes() -> Markup {
    html! {
        svg.defs width="0" height="0" aria-hidden="true" {
            defs {
                path #arrow d="M0 0l4 8h-8z" {}
                pattern id="hatch" width="40" height="5" patternUnits="userSpaceOnUse" {
                    rect.waits width="40" height="5" {}
                    path.mesh d="M0 5L40 0" {}
                }
                pattern id="cross" width="40" height="6" patternUnits="userSpaceOnUse" {
                    rect.stops width="40" height="6" {}
                    path.mesh.over d="M0 6L40 0M0 0L40 6" {}
                }
                pattern id="dots" width="48" height="6" patternUnits="userSpaceOnUse" {
                    rect.starts width="48" height="6" {}
                    path.mesh d="M4 1.5h16M28 4.5h16" {}
                }
                pattern id="stripes" width="32" height="5" patternUnits="userSpaceOnUse" {
                    rect.ends width="32" height="5" {}
                    path.mesh d="M16 0v5" {}
                }
            }
        }
    }
}

/// What the shapes mean.
pub(crate) fn legend(language: Language) -> Markup {
    let shape = |class: &str, d: &str, text: Text| {
        html! {
            li {
                svg viewBox="0 0 24 16" width="24" height="16" aria-hidden="true" {
                    path class=(class) d=(d) {}
                }
                " " (text.in_(language))
            }
        }
    };
    html! {
        ul.legend aria-label=(words::LEGEND.in_(language)) {
            (shape("producing", "M2 8h20", words::PRODUCING))
            (shape("waiting", "M2 8h20", words::WAITING))
            (shape("stopped", "M2 8h20", words::STOP))
            (shape("pieces", "M4 3v10M9 3v10M12 3v10M18 3v10", words::PIECE))
            (shape("change", "M12 3l6 11h-12z", words::CHANGE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_drawing_carries_a_style_attribute_a_script_or_an_address() {
        let drawn = format!("{}{}", shapes().into_string(), legend(Language::French).into_string());
        for banned in ["style=", "<script", "http", "onclick"] {
            assert!(!drawn.contains(banned), "{banned}");
        }
    }
}
