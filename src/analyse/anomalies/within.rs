//! Anomalies in the course of a day: an hour in which the rhythm drops, a stop longer than any of the
//! last month.

use super::{Evidence, minutes_e2};
use crate::{
    analyse::{
        digest::{stops_inside, waits_inside, window},
        intervals::{Span, covered, merged},
        required::Required,
    },
    calendar::ShiftPart,
    model::{Anomaly, AnomalyCode, Session, Severity, Stamp, rate_per_hour_e2},
};

pub(super) fn find(
    evidence: &Evidence<'_>,
    planned: Option<&[ShiftPart]>,
    anomalies: &mut Vec<Anomaly>,
) {
    let required = planned.map(Required::of);
    anomalies.extend(rhythm_drop(evidence, required.as_ref()));
    anomalies.extend(stop_of_the_month(evidence, required.as_ref()));
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
/// silence, and told as such; and an hour that is low only because of one long time between two pieces is none,
/// either: a break that no calendar tells.
fn rhythm_drop(evidence: &Evidence<'_>, required: Option<&Required<'_>>) -> Option<Anomaly> {
    let window = window(evidence.session)?;
    let day = Course::of(evidence.session, window, required);
    let all = day.hour(window);
    let mut worst: Option<Anomaly> = None;
    let mut start = window.start.div_euclid(STEP_MS) * STEP_MS + STEP_MS;
    while start + HOUR_MS <= window.end {
        let span = Span { start, end: start + HOUR_MS };
        start += STEP_MS;
        let hour = day.hour(span);
        let rest = Hour {
            pieces: all.pieces - hour.pieces,
            effective_ms: all.effective_ms - hour.effective_ms,
        };
        if hour.effective_ms < LEAST_EFFECTIVE_MS
            || rest.effective_ms < LEAST_EFFECTIVE_MS
            || hour.pieces == 0
        {
            continue;
        }
        let percent = i64::from(evidence.limits.rhythm_drop_percent);
        // A calendar has taken the breaks out already: what is left is hardly ever one.
        let percent_without_gap = if required.is_some() { percent * 9 / 10 } else { percent };
        let without_gap =
            Hour { effective_ms: hour.effective_ms - day.longest_gap_ms(span), ..hour };
        let is_drop = hour.is_below(&rest, percent)
            && hour.is_beyond_chance(&rest)
            && without_gap.is_below(&rest, percent_without_gap);
        let value_e2 = rate_per_hour_e2(hour.pieces, hour.effective_ms)?;
        if is_drop && worst.as_ref().is_none_or(|worst| value_e2 < worst.value_e2) {
            worst = Some(Anomaly {
                code: AnomalyCode::RateDrop,
                severity: Severity::Medium,
                from: Some(Stamp(span.start)),
                to: Some(Stamp(span.end)),
                value_e2,
                expected_e2: rate_per_hour_e2(rest.pieces, rest.effective_ms),
                subject: "".into(),
            });
        }
    }
    worst
}

/// Pieces of some effective time.
#[derive(Clone, Copy)]
struct Hour {
    pieces: i64,
    effective_ms: i64,
}

impl Hour {
    /// What `rest` would have made of this effective time, in hundredths.
    fn expected_e2(&self, rest: &Self) -> i64 {
        let expected = i128::from(rest.pieces) * i128::from(self.effective_ms) * 100
            / i128::from(rest.effective_ms.max(1));
        i64::try_from(expected).unwrap_or(i64::MAX)
    }

    fn is_below(&self, rest: &Self, percent: i64) -> bool {
        let expected_e2 = self.expected_e2(rest);
        let drop_e2 = expected_e2 - self.pieces * 100;
        drop_e2 > 0 && drop_e2.saturating_mul(100) >= expected_e2.saturating_mul(percent)
    }

    fn is_beyond_chance(&self, rest: &Self) -> bool {
        let expected_e2 = self.expected_e2(rest);
        let by_chance_e2 = CHANCE_E1 * expected_e2.saturating_mul(100).isqrt() / 10;
        expected_e2 - self.pieces * 100 >= by_chance_e2
    }
}

/// What a day did from moment to moment: in required time if there is a calendar.
struct Course<'c> {
    session: &'c Session,
    /// What of the window counts, in order.
    spans: Vec<Span>,
    idle: Vec<Span>,
}

impl<'c> Course<'c> {
    fn of(session: &'c Session, window: Span, required: Option<&Required<'_>>) -> Self {
        Self {
            session,
            spans: required.map_or_else(|| vec![window], |required| required.inside(window)),
            idle: idle(session),
        }
    }

    fn counted_in(&self, window: Span) -> impl Iterator<Item = Span> {
        let first = self.spans.partition_point(|span| span.end <= window.start);
        self.spans[first..].iter().map_while(move |span| span.inside(window))
    }

    fn hour(&self, window: Span) -> Hour {
        let mut hour = Hour { pieces: 0, effective_ms: 0 };
        for span in self.counted_in(window) {
            hour.pieces += self.pieces_in(span, span.end == window.end);
            hour.effective_ms += span.end - span.start - covered(&self.idle, span);
        }
        hour
    }

    /// The most effective time of the hour that lies between two pieces.
    fn longest_gap_ms(&self, window: Span) -> i64 {
        let pieces = &self.session.pieces;
        let at = |moment: i64| pieces.partition_point(|piece| piece.at.0 < moment);
        let (first, last) =
            (at(window.start).saturating_sub(1), at(window.end).min(pieces.len() - 1));
        let gaps = pieces[first..=last]
            .windows(2)
            .filter_map(|pair| Span { start: pair[0].at.0, end: pair[1].at.0 }.inside(window));
        gaps.map(|gap| self.hour(gap).effective_ms).max().unwrap_or(0)
    }

    /// The day's last piece is of the last stretch, although that ends with it.
    fn pieces_in(&self, span: Span, is_last: bool) -> i64 {
        let pieces = &self.session.pieces;
        let before = |at: i64| pieces.partition_point(|piece| piece.at.0 < at);
        let last = pieces.last().filter(|last| is_last && last.at.0 == span.end);
        let of_last = last.map_or(0, |last| pieces.len() - before(last.at.0));
        (before(span.end) - before(span.start) + of_last) as i64
    }
}

/// Stops and waits as one union: an hour's share of it is looked up, not recomputed for each of the
/// sixty hours of a day.
fn idle(session: &Session) -> Vec<Span> {
    let mut idle = stops_inside(session);
    idle.extend(waits_inside(session));
    merged(&mut idle)
}

const MONTH_DAYS: i64 = 30;

fn stop_of_the_month(evidence: &Evidence<'_>, required: Option<&Required<'_>>) -> Option<Anomaly> {
    let length = |stop: &Span| match required {
        Some(required) => required.ms_in(*stop),
        None => stop.end - stop.start,
    };
    // The earliest of the longest.
    let stops = stops_inside(evidence.session).into_iter().rev();
    let stop = stops.max_by_key(length)?;
    let stop_ms = length(&stop);
    let limits = evidence.limits;
    let month: Vec<i64> = evidence
        .earlier()
        .into_iter()
        .filter(|digest| (evidence.day - digest.day).num_days() <= MONTH_DAYS && digest.pieces > 0)
        .filter_map(|digest| match required {
            Some(_) => digest.planned.map(|planned| planned.longest_stop_ms),
            None => Some(digest.longest_stop_ms),
        })
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
