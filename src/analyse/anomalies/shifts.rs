//! Anomalies that only a calendar shows: a shift to which nobody came, and what the time before the first and
//! after the last piece was.

use super::{Evidence, minutes_e2};
use crate::{
    analyse::{
        digest::{after, window},
        intervals::{Span, covered, merged},
        required::Required,
    },
    calendar::ShiftPart,
    model::{Anomaly, AnomalyCode, Session, Severity},
};

/// Shifts without a single line, on a day that has pieces: a day without any is told as that.
pub(super) fn find(
    evidence: &Evidence<'_>,
    planned: Option<&[ShiftPart]>,
    anomalies: &mut Vec<Anomaly>,
) {
    let Some(planned) = planned else { return };
    if window(evidence.session).is_none() {
        return;
    }
    let least_ms = i64::from(evidence.limits.missing_shift_minutes) * 60_000;
    let required = Required::of(planned);
    let missing = required.missing(evidence.session).into_iter();
    anomalies.extend(missing.filter(|part| part.required_ms() >= least_ms.max(1)).map(|part| {
        Anomaly {
            code: AnomalyCode::MissingShift,
            severity: Severity::Medium,
            from: Some(part.opening.from),
            to: Some(part.opening.to),
            value_e2: minutes_e2(part.required_ms()),
            expected_e2: None,
            subject: part.shift.as_str().into(),
        }
    }));
}

/// What the required time after the last piece was for the most part: a stop, or nothing at all.
pub(super) fn end_code(session: &Session, required: &Required<'_>) -> AnomalyCode {
    let Some(rest) = after(session, required) else { return AnomalyCode::EarlyEnd };
    let mut stops: Vec<Span> = session.stops.iter().map(Span::from).collect();
    let ended = stops.last().map_or(i64::MIN, |stop| stop.end);
    // A stop line after everything else is still open.
    let open = session.figures.last_stop.filter(|at| at.0 >= ended.max(rest.start));
    stops.extend(open.map(|at| Span { start: at.0, end: i64::MAX }));
    let stops = merged(&mut stops);
    let stopped: i64 = required.inside(rest).into_iter().map(|span| covered(&stops, span)).sum();
    if stopped * 2 >= required.ms_in(rest) {
        AnomalyCode::StopToTheEnd
    } else {
        AnomalyCode::EarlyEnd
    }
}
