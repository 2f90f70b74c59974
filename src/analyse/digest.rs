//! A session in the few numbers that later days are compared with.

use crate::{
    analyse::{
        LineDefects,
        intervals::{Span, covered, merged},
        required::Required,
    },
    calendar::ShiftPart,
    model::{Day, DayDigest, PlannedDigest, Session, Stamp},
};

/// A stop is micro below the first and short below the second.
pub(super) const MICRO_STOP_MS: i64 = 60_000;
pub(super) const SHORT_STOP_MS: i64 = 15 * 60_000;

/// `planned` are the day's shifts if the machine has a calendar.
pub fn digest(
    day: Day,
    session: &Session,
    defects: &LineDefects,
    planned: Option<&[ShiftPart]>,
) -> DayDigest {
    let figures = &session.figures;
    let stops = stops_inside(session);
    let sum = |is_in: fn(i64) -> bool| {
        stops.iter().map(|stop| stop.end - stop.start).filter(|ms| is_in(*ms)).sum()
    };
    DayDigest {
        day,
        pieces: figures.total_pieces,
        window_ms: figures.window_ms,
        effective_ms: figures.effective_ms,
        wait_ms: figures.wait_ms,
        stops: u32::try_from(stops.len()).unwrap_or(u32::MAX),
        micro_stops_ms: sum(|ms| ms < MICRO_STOP_MS),
        short_stops_ms: sum(|ms| (MICRO_STOP_MS..SHORT_STOP_MS).contains(&ms)),
        long_stops_ms: sum(|ms| ms >= SHORT_STOP_MS),
        longest_stop_ms: longest(&stops).map_or(0, |stop| stop.end - stop.start),
        longest_silence_ms: longest(&silences(session)).map_or(0, |gap| gap.end - gap.start),
        start_loss_ms: loss(figures.first_start, figures.first_piece),
        end_loss_ms: loss(figures.last_piece, figures.last_stop),
        unknown_events: defects.unknown.keys().cloned().collect(),
        planned: planned.map(|parts| planned_digest(session, &Required::of(parts))),
    }
}

fn planned_digest(session: &Session, required: &Required<'_>) -> PlannedDigest {
    let Some(window) = window(session) else { return PlannedDigest::default() };
    let inside = required.inside(window);
    let sum = |union: &[Span]| inside.iter().map(|span| covered(union, *span)).sum::<i64>();
    let mut stops = stops_inside(session);
    let lengths = stops.iter().map(|stop| required.ms_in(*stop)).filter(|ms| *ms > 0);
    let lengths: Vec<i64> = lengths.collect();
    let stop_ms = sum(&merged(&mut stops));
    stops.extend(waits_inside(session));
    let busy_ms = sum(&merged(&mut stops));
    let window_ms = inside.iter().map(|span| span.end - span.start).sum::<i64>();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let is_required = |at: &Stamp| required.contains(*at);
    let pieces = session.pieces.iter().map(|piece| piece.at).filter(is_required).count();
    let overruns = required.break_gaps(session).into_iter().map(|gap| gap.overrun_ms);
    let length = |span: Option<Span>| span.map_or(0, |span| required.ms_in(span));
    PlannedDigest {
        pieces: count(pieces),
        window_ms,
        effective_ms: window_ms - busy_ms,
        wait_ms: busy_ms - stop_ms,
        stops: count(lengths.len()),
        stops_ms: lengths.iter().sum(),
        longest_stop_ms: lengths.into_iter().max().unwrap_or(0),
        longest_silence_ms: length(longest_required_silence(session, required)),
        before_ms: length(before(session, required)),
        after_ms: length(after(session, required)),
        overrun_ms: overruns.max().unwrap_or(0),
    }
}

/// From the beginning of the first shift that has any line to the first piece.
pub(super) fn before(session: &Session, required: &Required<'_>) -> Option<Span> {
    let first = required.worked(session).first()?.required.first()?.from;
    Span { start: i64::MIN, end: window(session)?.start }
        .inside(Span { start: first.0, end: i64::MAX })
}

/// From the last piece to the end of the last shift that has any line.
pub(super) fn after(session: &Session, required: &Required<'_>) -> Option<Span> {
    let last = required.worked(session).last()?.required.last()?.to;
    Span { start: window(session)?.end, end: i64::MAX }
        .inside(Span { start: i64::MIN, end: last.0 })
}

/// The silence with the most required time; none that a break explains.
pub(super) fn longest_required_silence(session: &Session, required: &Required<'_>) -> Option<Span> {
    let silences =
        silences(session).into_iter().filter(|silence| !required.is_of_a_break(*silence));
    silences
        .map(|silence| (required.ms_in(silence), silence))
        .filter(|(ms, _)| *ms > 0)
        .fold(None, |longest: Option<(i64, Span)>, next| match longest {
            Some(longest) if longest.0 >= next.0 => Some(longest),
            _ => Some(next),
        })
        .map(|(_, silence)| silence)
}

/// First to last piece; `None` without pieces.
pub(super) fn window(session: &Session) -> Option<Span> {
    let (first, last) = session.figures.first_piece.zip(session.figures.last_piece)?;
    Some(Span { start: first.0, end: last.0 })
}

/// The stops' parts inside the window, in order of time.
pub(super) fn stops_inside(session: &Session) -> Vec<Span> {
    let Some(window) = window(session) else { return Vec::new() };
    session.stops.iter().filter_map(|stop| Span::from(stop).inside(window)).collect()
}

/// The waits' parts inside the window, in the order of their lines.
pub(super) fn waits_inside(session: &Session) -> Vec<Span> {
    let Some(window) = window(session) else { return Vec::new() };
    session.waits.iter().filter_map(|wait| Span::from(wait).inside(window)).collect()
}

/// The earliest of the longest.
pub(super) fn longest(spans: &[Span]) -> Option<Span> {
    spans.iter().copied().reduce(|longest, span| {
        if span.end - span.start > longest.end - longest.start { span } else { longest }
    })
}

/// The stretches of the window in which the machine told nothing, in order: no piece, no job, and neither
/// waiting nor stopped.
pub(super) fn silences(session: &Session) -> Vec<Span> {
    let Some(window) = window(session) else { return Vec::new() };
    let moment = |at: Stamp| Span { start: at.0, end: at.0 };
    let mut told: Vec<Span> = session.pieces.iter().map(|piece| moment(piece.at)).collect();
    told.extend(session.jobs.iter().map(|job| moment(job.at)));
    told.extend(stops_inside(session));
    told.extend(waits_inside(session));
    told.sort_by_key(|span| span.start);
    let mut told_to = window.start;
    let mut silences = Vec::new();
    for span in told {
        if span.start > told_to && span.start <= window.end {
            silences.push(Span { start: told_to, end: span.start });
        }
        told_to = told_to.max(span.end);
    }
    silences
}

fn loss(from: Option<Stamp>, to: Option<Stamp>) -> i64 {
    from.zip(to).map_or(0, |(from, to)| (to.0 - from.0).max(0))
}
