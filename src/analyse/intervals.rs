//! Measures of unions of intervals, in whole milliseconds.

/// From `start` to `end`, in milliseconds; never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Span {
    pub start: i64,
    pub end: i64,
}

impl Span {
    /// The part inside `window`, where it is longer than nothing.
    pub(super) fn inside(self, window: Span) -> Option<Span> {
        let (start, end) = (self.start.max(window.start), self.end.min(window.end));
        (start < end).then_some(Span { start, end })
    }
}

/// Total length of the union; sorts `spans`.
pub(super) fn measure(spans: &mut [Span]) -> i64 {
    // A stable sort: it takes spans that are two sorted runs, as they mostly are, in one merge.
    spans.sort_by_key(|span| span.start);
    let mut total = 0;
    let mut covered_to = i64::MIN;
    for span in spans {
        total += (span.end - span.start.max(covered_to)).max(0);
        covered_to = covered_to.max(span.end);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64, end: i64) -> Span {
        Span { start, end }
    }

    #[test]
    fn every_moment_of_a_union_counts_once() {
        assert_eq!(measure(&mut []), 0);
        assert_eq!(measure(&mut [span(5, 9), span(0, 3)]), 7);
        assert_eq!(measure(&mut [span(0, 5), span(3, 9), span(4, 6)]), 9);
        assert_eq!(measure(&mut [span(0, 5), span(5, 9)]), 9);
        assert_eq!(measure(&mut [span(0, 0), span(-3, -1)]), 2);
    }

    #[test]
    fn a_span_inside_a_window_is_cut_at_both_ends() {
        let window = span(10, 20);
        assert_eq!(span(0, 30).inside(window), Some(window));
        assert_eq!(span(12, 15).inside(window), Some(span(12, 15)));
        assert_eq!(span(0, 10).inside(window), None);
        assert_eq!(span(20, 30).inside(window), None);
        assert_eq!(span(15, 15).inside(window), None);
    }
}
