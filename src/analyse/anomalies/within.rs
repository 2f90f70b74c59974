//! Anomalies in the course of a day: an hour in which the rhythm drops, a stop longer than any of the
//! last month.

use super::{Evidence, minutes_e2, usual::rhythm_e2};
use crate::{
    analyse::{
        digest::{longest, stops_inside, waits_inside, window},
        intervals::{Span, covered, merged},
    },
    model::{Anomaly, AnomalyCode, Session, Severity, Stamp},
};

pub(super) fn find(evidence: &Evidence<'_>, anomalies: &mut Vec<Anomaly>) {
    anomalies.extend(rhythm_drop(evidence));
    anomalies.extend(stop_of_the_month(evidence));
}

const HOUR_MS: i64 = 3_600_000;
/// Hours are looked at from quarter to quarter of the clock.
const STEP_MS: i64 = 15 * 60_000;
/// An hour in which the machine produced for less says nothing about its rhythm.
const LEAST_EFFECTIVE_MS: i64 = 20 * 60_000;
/// Pieces do not come evenly: a drop is one when chance, whose standard deviation is about the square
/// root of the number, would make it less often than once in thousands of hours. In tenths.
const CHANCE_E1: i64 = 30;

/// The hour with the lowest rhythm, where that is far below the day's. An hour without any piece is a
/// silence, and told as such.
fn rhythm_drop(evidence: &Evidence<'_>) -> Option<Anomaly> {
    let session = evidence.session;
    let window = window(session)?;
    let figures = &session.figures;
    let pieces = i64::from(figures.total_pieces);
    let idle = idle(session);
    let mut worst: Option<(i64, Span)> = None;
    let mut start = window.start.div_euclid(STEP_MS) * STEP_MS + STEP_MS;
    while start + HOUR_MS <= window.end {
        let hour = Span { start, end: start + HOUR_MS };
        start += STEP_MS;
        let effective = HOUR_MS - covered(&idle, hour);
        let done = pieces_in(session, hour);
        if effective < LEAST_EFFECTIVE_MS || done == 0 {
            continue;
        }
        // What the rest of the day would have made of this hour's effective time.
        let rest_ms = figures.effective_ms - effective;
        if rest_ms < LEAST_EFFECTIVE_MS {
            continue;
        }
        let expected_e2 = i64::try_from(
            i128::from(pieces - done) * i128::from(effective) * 100 / i128::from(rest_ms),
        )
        .unwrap_or(i64::MAX);
        let drop_e2 = expected_e2 - done * 100;
        let by_chance_e2 = CHANCE_E1 * (expected_e2 * 100).isqrt() / 10;
        let is_drop = drop_e2 > 0
            && drop_e2 * 100 >= expected_e2 * i64::from(evidence.limits.rhythm_drop_percent)
            && drop_e2 >= by_chance_e2;
        let rhythm = rhythm_e2(done, effective)?;
        if is_drop && worst.is_none_or(|(lowest, _)| rhythm < lowest) {
            worst = Some((rhythm, hour));
        }
    }
    let (value_e2, hour) = worst?;
    let done = pieces_in(session, hour);
    let effective = HOUR_MS - covered(&idle, hour);
    Some(Anomaly {
        code: AnomalyCode::RateDrop,
        severity: Severity::Medium,
        from: Some(Stamp(hour.start)),
        to: Some(Stamp(hour.end)),
        value_e2,
        expected_e2: rhythm_e2(pieces - done, figures.effective_ms - effective),
        subject: "".into(),
    })
}

fn pieces_in(session: &Session, span: Span) -> i64 {
    let before = |at: i64| session.pieces.partition_point(|piece| piece.at.0 < at);
    (before(span.end) - before(span.start)) as i64
}

/// Stops and waits as one union: an hour's share of it is looked up, not recomputed for each of the
/// sixty hours of a day.
fn idle(session: &Session) -> Vec<Span> {
    let mut idle = stops_inside(session);
    idle.extend(waits_inside(session));
    merged(&mut idle)
}

const MONTH_DAYS: i64 = 30;

fn stop_of_the_month(evidence: &Evidence<'_>) -> Option<Anomaly> {
    let stop = longest(&stops_inside(evidence.session))?;
    let stop_ms = stop.end - stop.start;
    let limits = evidence.limits;
    let month: Vec<i64> = evidence
        .earlier()
        .into_iter()
        .filter(|digest| (evidence.day - digest.day).num_days() <= MONTH_DAYS && digest.pieces > 0)
        .map(|digest| digest.longest_stop_ms)
        .collect();
    if month.len() < limits.least_days as usize {
        return None;
    }
    let before_ms = month.into_iter().max()?;
    let beyond = stop_ms.saturating_mul(100)
        >= before_ms.saturating_mul(100 + i64::from(limits.long_stop_percent));
    if stop_ms < i64::from(limits.long_stop_minutes) * 60_000 || !beyond {
        return None;
    }
    Some(Anomaly {
        code: AnomalyCode::StopOfTheMonth,
        severity: Severity::Medium,
        from: Some(Stamp(stop.start)),
        to: Some(Stamp(stop.end)),
        value_e2: minutes_e2(stop_ms),
        expected_e2: Some(minutes_e2(before_ms)),
        subject: "".into(),
    })
}
