//! A session in the few numbers that later days are compared with.

use crate::{
    analyse::{LineDefects, intervals::Span},
    model::{Day, DayDigest, Session, Stamp},
};

/// A stop is micro below the first and short below the second.
pub(super) const MICRO_STOP_MS: i64 = 60_000;
pub(super) const SHORT_STOP_MS: i64 = 15 * 60_000;

pub fn digest(day: Day, session: &Session, defects: &LineDefects) -> DayDigest {
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
        longest_silence_ms: longest_silence(session).map_or(0, |gap| gap.end - gap.start),
        start_loss_ms: loss(figures.first_start, figures.first_piece),
        end_loss_ms: loss(figures.last_piece, figures.last_stop),
        unknown_events: defects.unknown.keys().cloned().collect(),
    }
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

/// The longest stretch of the window in which the machine told nothing: no piece, no job, and neither
/// waiting nor stopped.
pub(super) fn longest_silence(session: &Session) -> Option<Span> {
    let window = window(session)?;
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
    longest(&silences)
}

fn loss(from: Option<Stamp>, to: Option<Stamp>) -> i64 {
    from.zip(to).map_or(0, |(from, to)| (to.0 - from.0).max(0))
}
