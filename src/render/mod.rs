//! What people see of a day and of a month, as parts of a page: strings of HTML and SVG from the
//! model. The gateway's page and the reports draw with the same hand.
//!
//! Pure. What must never happen here: a meaning that only a colour carries; a text of a LOG file that
//! reaches the page unescaped; a script, a style attribute or an address of another place.

use maud::{Markup, html};

mod axis;
mod chart;
mod legend;
mod required;
mod shifts;
mod timeline;
mod week_bars;
mod words;

pub(crate) use axis::Axis;
pub(crate) use chart::Chart;
pub(crate) use legend::{DayTotals, legend};
pub(crate) use required::{RequiredBar, required_legend};
pub(crate) use shifts::PlannedShift;
pub(crate) use timeline::{Detail, TimeLine, changes, open_stop, strip_hours};
pub(crate) use week_bars::{WeekBar, WeekBars};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Language;

    #[test]
    fn no_drawing_carries_a_style_attribute_a_script_or_an_address() {
        let drawn = format!("{}{}", shapes().into_string(), legend(Language::French).into_string());
        for banned in ["style=", "<script", "http", "onclick"] {
            assert!(!drawn.contains(banned), "{banned}");
        }
    }
}
