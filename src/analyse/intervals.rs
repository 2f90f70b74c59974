//! Measures of unions of intervals, in whole milliseconds.

use std::borrow::Cow;

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

/// Total length of the union of spans in the order of their starts.
pub(super) fn measure(spans: impl Iterator<Item = Span>) -> i64 {
    let mut total = 0;
    let mut covered_to = i64::MIN;
    for span in spans {
        total += (span.end - span.start.max(covered_to)).max(0);
        covered_to = covered_to.max(span.end);
    }
    total
}

/// The spans of two lists that are in the order of their starts, in that order.
pub(super) fn in_order<'s>(
    mut a: &'s [Span],
    mut b: &'s [Span],
) -> impl Iterator<Item = Span> + use<'s> {
    std::iter::from_fn(move || {
        let next = match (a, b) {
            ([of_a, ..], [of_b, ..]) if of_b.start < of_a.start => &mut b,
            ([_, ..], _) => &mut a,
            _ => &mut b,
        };
        next.split_off_first().copied()
    })
}

/// The spans in the order of their starts; as they are where they have it, as they nearly always do.
pub(super) fn sorted(spans: &[Span]) -> Cow<'_, [Span]> {
    let mut spans = Cow::Borrowed(spans);
    if !spans.is_sorted_by_key(|span| span.start) {
        spans.to_mut().sort_by_key(|span| span.start);
    }
    spans
}

/// The union as spans that neither touch nor overlap, in order; sorts `spans`.
pub(super) fn merged(spans: &mut [Span]) -> Vec<Span> {
    spans.sort_by_key(|span| span.start);
    let mut union: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match union.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => union.push(*span),
        }
    }
    union
}

/// How much of `window` a [`merged`] union covers.
pub(super) fn covered(union: &[Span], window: Span) -> i64 {
    let first = union.partition_point(|span| span.end <= window.start);
    let inside = union[first..].iter().map_while(|span| span.inside(window));
    inside.map(|span| span.end - span.start).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64, end: i64) -> Span {
        Span { start, end }
    }

    #[test]
    fn every_moment_of_a_union_counts_once() {
        let measured = |spans: &[Span]| measure(sorted(spans).iter().copied());
        assert_eq!(measured(&[]), 0);
        assert_eq!(measured(&[span(5, 9), span(0, 3)]), 7);
        assert_eq!(measured(&[span(0, 5), span(3, 9), span(4, 6)]), 9);
        assert_eq!(measured(&[span(0, 5), span(5, 9)]), 9);
        assert_eq!(measured(&[span(0, 0), span(-3, -1)]), 2);
    }

    #[test]
    fn two_lists_in_order_are_one_in_order() {
        let (a, b) = ([span(0, 9), span(4, 5), span(4, 6)], [span(-1, 0), span(4, 7), span(8, 9)]);
        let starts: Vec<i64> = in_order(&a, &b).map(|span| span.start).collect();
        assert_eq!(starts, [-1, 0, 4, 4, 4, 8]);
        assert_eq!(in_order(&[], &b).count(), 3);
        assert_eq!(in_order(&a, &[]).count(), 3);
    }

    #[test]
    fn a_merged_union_covers_what_it_measures() {
        let mut spans = [span(3, 9), span(0, 5), span(12, 15), span(9, 10)];
        let union = merged(&mut spans);
        assert_eq!(union, [span(0, 10), span(12, 15)]);
        assert_eq!(covered(&union, span(-5, 50)), measure(spans.iter().copied()));
        assert_eq!(covered(&union, span(8, 13)), 3);
        assert_eq!(covered(&union, span(10, 12)), 0);
        assert_eq!(covered(&union, span(20, 30)), 0);
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
