//! Bars in the cells of a machine's tables, which are hidden from readers who hear the page: each says what the
//! figures beside it say.

use maud::{Markup, html};

use crate::analyse::Hour;

/// A bar as long as its part of the most; the figure stands beside it.
pub(super) fn bar(value: i64, most: i64) -> Markup {
    let percent = value.max(0) * 100 / most.max(1);
    html! {
        svg.bar { rect width={ (percent) "%" } height="12" {} }
    }
}

/// The patterns are made for an hour of this width.
const WIDTH: i64 = 2_000;
const HOUR_MS: i64 = 3_600_000;

/// How an hour's time goes: production, waiting, stopped; what lies outside first to last piece is empty.
pub(super) fn time_bar(hour: &Hour) -> Markup {
    let kinds = [("run", hour.effective_ms), ("idle", hour.wait_ms), ("halt", hour.stop_ms)];
    let mut passed = 0;
    let places = kinds.map(|(class, ms)| {
        let from = passed * WIDTH / HOUR_MS;
        passed += ms;
        (class, from, passed * WIDTH / HOUR_MS - from)
    });
    html! {
        svg.time-bar viewBox={ "0 0 " (WIDTH) " 12" } preserveAspectRatio="none" {
            @for (class, from, width) in places.into_iter().filter(|(.., width)| *width > 0) {
                rect class=(class) x=(from) width=(width) height="12" {}
            }
        }
    }
}
