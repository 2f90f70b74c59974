//! A day's required time, against which its lines are judged: what of a stretch counts, and where the
//! breaks are. Without a calendar every moment counts.

use crate::{
    analyse::intervals::{Span, covered, merged},
    calendar::{Period, ShiftPart},
    model::{Session, Stamp},
};

/// The required time of one production day.
pub(super) struct Required<'p> {
    parts: &'p [ShiftPart],
    /// As a union.
    spans: Vec<Span>,
}

/// A break and the time without pieces around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BreakGap {
    pub pause: Span,
    /// From the last piece before the break's end to the next one.
    pub gap: Span,
    /// From the break's end to the next piece.
    pub overrun_ms: i64,
}

/// Production that ended longer before a break ended for another reason.
const MAY_BEGIN_EARLY_MS: i64 = 15 * 60_000;

/// Lines of the first minutes of a shift may be the last of the shift before: somebody switches off.
const HANDOVER_MS: i64 = 10 * 60_000;

impl<'p> Required<'p> {
    pub(super) fn of(parts: &'p [ShiftPart]) -> Self {
        let mut all: Vec<Span> =
            parts.iter().flat_map(|part| part.required.iter().copied().map(Span::from)).collect();
        Self { parts, spans: merged(&mut all) }
    }

    /// How much of `span` is required time.
    pub(super) fn ms_in(&self, span: Span) -> i64 {
        covered(&self.spans, span)
    }

    /// What of `window` is required time, in order.
    pub(super) fn inside(&self, window: Span) -> Vec<Span> {
        self.spans.iter().filter_map(|span| span.inside(window)).collect()
    }

    pub(super) fn contains(&self, at: Stamp) -> bool {
        let next = self.spans.partition_point(|span| span.end <= at.0);
        self.spans.get(next).is_some_and(|span| span.start <= at.0)
    }

    /// Breaks inside shifts.
    fn breaks(&self) -> impl Iterator<Item = Span> {
        self.parts.iter().flat_map(|part| {
            part.required.windows(2).map(|pair| Span { start: pair[0].to.0, end: pair[1].from.0 })
        })
    }

    /// The breaks that lie between two pieces. One that a stop of long before reaches over is not judged: that
    /// stop is what is the matter.
    pub(super) fn break_gaps(&self, session: &Session) -> Vec<BreakGap> {
        let around = |pause: Span| {
            let next = session.pieces.partition_point(|piece| piece.at.0 < pause.end);
            let (before, after) =
                (session.pieces.get(next.checked_sub(1)?)?, session.pieces.get(next)?);
            let is_stopped = session.stops.iter().any(|stop| {
                stop.start.0 < pause.start - MAY_BEGIN_EARLY_MS && stop.end.0 > pause.end
            });
            let overrun = Span { start: pause.end, end: after.at.0 };
            (!is_stopped).then(|| BreakGap {
                pause,
                gap: Span { start: before.at.0, end: after.at.0 },
                overrun_ms: self.ms_in(overrun),
            })
        };
        self.breaks().filter_map(around).collect()
    }

    /// Whether a silence is that of a break: it begins with it, or a little before.
    pub(super) fn is_of_a_break(&self, silence: Span) -> bool {
        self.breaks().any(|pause| {
            silence.inside(pause).is_some() && silence.start >= pause.start - MAY_BEGIN_EARLY_MS
        })
    }

    /// Shifts of which the LOG has any line, as openings.
    pub(super) fn worked(&self, session: &Session) -> Vec<&'p ShiftPart> {
        self.parts.iter().filter(|part| has_line(session, part.opening)).collect()
    }

    /// Shifts of which the LOG has no line at all.
    pub(super) fn missing(&self, session: &Session) -> Vec<&'p ShiftPart> {
        self.parts.iter().filter(|part| !has_line(session, part.opening)).collect()
    }
}

impl From<Period> for Span {
    fn from(period: Period) -> Self {
        Self { start: period.from.0, end: period.to.0 }
    }
}

/// Whether anything that a session knows of happened in `opening` after the handover: a line of any kind but of
/// unknown names.
fn has_line(session: &Session, opening: Period) -> bool {
    let opening = Period { from: opening.from.plus_ms(HANDOVER_MS), ..opening };
    let figures = &session.figures;
    let ends = [figures.first_start, figures.last_stop];
    session.pieces.iter().any(|piece| opening.contains(piece.at))
        || session.jobs.iter().any(|job| opening.contains(job.at))
        || session
            .stops
            .iter()
            .any(|stop| opening.contains(stop.start) || opening.contains(stop.end))
        || session.waits.iter().any(|wait| opening.contains(wait.start))
        || ends.into_iter().flatten().any(|at| opening.contains(at))
}
