//! Losses as a Pareto: bars that descend, and the line of what they are together so far. What must never
//! happen here: a bar whose length or order is not its figure's.

use maud::{Markup, html};

use crate::{
    model::{Language, rate_e2},
    text::{one_decimal, percent},
};

/// One row's part of the drawing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    pub value: i64,
    /// Of the rows above.
    pub so_far: i64,
    pub all: i64,
}

impl Bar {
    /// Bars of values that descend.
    pub(super) fn of(values: &[i64]) -> Vec<Self> {
        let all = values.iter().sum();
        let mut so_far = 0;
        let bar = |value: &i64| {
            let bar = Self { value: *value, so_far, all };
            so_far += value;
            bar
        };
        values.iter().map(bar).collect()
    }

    /// Its bar, its piece of the line, and the percent that the line has reached.
    pub(super) fn draw(self, language: Language) -> Markup {
        let place = |value: i64| rate_e2(value, self.all.max(1)).clamp(0, 10_000);
        let (value, before, after) =
            (place(self.value), place(self.so_far), place(self.so_far + self.value));
        html! {
            svg.pareto viewBox="0 0 10000 20" preserveAspectRatio="none" aria-hidden="true" {
                path.bars d={ "M0 4h" (value) "v12H0z" } {}
                path.line d={ "M" (before) " 0L" (after) " 20" } {}
            }
            span { (percent(&one_decimal(after, language), language)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_ends_where_all_losses_are() {
        let bars = Bar::of(&[60, 30, 10]);
        let last = bars[2].draw(Language::French).into_string();
        assert!(last.contains("M9000 0L10000 20") && last.contains("100,0\u{a0}%"), "{last}");
        assert!(last.contains("h1000v12"), "{last}");
        assert_eq!(Bar::of(&[]).len(), 0);
        let nothing = Bar::of(&[0])[0].draw(Language::English).into_string();
        assert!(nothing.contains("0.0%"), "{nothing}");
    }
}
