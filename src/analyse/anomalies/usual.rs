//! The day against the machine's own comparable days: worse than the median by several robust standard
//! deviations, or beyond all of them, and by enough to matter.

use super::{Evidence, minutes_e2, shifts::end_code};
use crate::{
    analyse::{
        digest::{after, before, digest, longest, longest_required_silence, silences, window},
        intervals::Span,
        required::Required,
        robust,
        robust::Side,
    },
    calendar::ShiftPart,
    model::{Anomaly, AnomalyCode, DayDigest, Severity, Stamp, rate_e2, rate_per_hour_e2},
};

/// A day as it is compared: by its required time if the machine has a calendar.
struct Compared {
    pieces: u32,
    window_ms: i64,
    effective_ms: i64,
    wait_ms: i64,
    stops_e2: i64,
    stops: u32,
    stops_ms: i64,
    longest_silence_ms: i64,
    /// Before the first piece, after the last one, around a break; nothing without a calendar.
    before_ms: Option<i64>,
    after_ms: Option<i64>,
    overrun_ms: Option<i64>,
}

impl Compared {
    /// Stops are counted as they would be on a day with `window_ms` of required time: shifts differ.
    fn of(digest: &DayDigest, has_calendar: bool, window_ms: i64) -> Self {
        let Some(planned) = digest.planned.filter(|_| has_calendar) else {
            return Self {
                pieces: digest.pieces,
                window_ms: digest.window_ms,
                effective_ms: digest.effective_ms,
                wait_ms: digest.wait_ms,
                stops_e2: i64::from(digest.stops) * 100,
                stops: digest.stops,
                stops_ms: digest.micro_stops_ms + digest.short_stops_ms + digest.long_stops_ms,
                longest_silence_ms: digest.longest_silence_ms,
                before_ms: None,
                after_ms: None,
                overrun_ms: None,
            };
        };
        let stops_e2 = i128::from(planned.stops) * 100 * i128::from(window_ms)
            / i128::from(planned.window_ms.max(1));
        Self {
            pieces: planned.pieces,
            window_ms: planned.window_ms,
            effective_ms: planned.effective_ms,
            wait_ms: planned.wait_ms,
            stops_e2: i64::try_from(stops_e2).unwrap_or(i64::MAX),
            stops: planned.stops,
            stops_ms: planned.stops_ms,
            longest_silence_ms: planned.longest_silence_ms,
            before_ms: Some(planned.before_ms),
            after_ms: Some(planned.after_ms),
            overrun_ms: Some(planned.overrun_ms),
        }
    }
}

/// What of a day is compared, and from when on a distance matters.
struct Measure {
    code: AnomalyCode,
    /// In hundredths of the code's unit; `None` where the day does not say.
    of: fn(&Compared) -> Option<i64>,
    least: Least,
    worse: Side,
}

/// The least distance from the median.
enum Least {
    Points(u32),
    Percent(u32),
    /// And the value itself is at least so many minutes.
    PercentAndMinutes(u32, u32),
    Minutes(u32),
}

pub(super) fn find(
    evidence: &Evidence<'_>,
    planned: Option<&[ShiftPart]>,
    anomalies: &mut Vec<Anomaly>,
) {
    let Some(days) = evidence.comparable() else { return };
    let digest = digest(evidence.day, evidence.session, evidence.defects, planned);
    if digest.pieces == 0 {
        return;
    }
    let today = Compared::of(&digest, planned.is_some(), 0);
    let compared = |digest: &DayDigest| Compared::of(digest, planned.is_some(), today.window_ms);
    let (today, days) = (compared(&digest), days.into_iter().map(compared).collect::<Vec<_>>());
    // Of a day with little production, shares say nothing; the time it lost says all the more.
    let mut windows: Vec<i64> = days.iter().map(|day| day.window_ms).collect();
    let Some(usual_window_ms) = robust::median(&mut windows) else { return };
    let part = i128::from(usual_window_ms) * i128::from(evidence.limits.day_part_percent);
    let is_long = i128::from(today.window_ms) * 100 >= part && today.window_ms > 0;
    let all = if is_long { measures(evidence).into() } else { Vec::new() };
    for measure in all.into_iter().chain(measures_of_shifts(evidence)) {
        anomalies.extend(compare(&measure, &today, &days, evidence, planned));
    }
}

fn measures(evidence: &Evidence<'_>) -> [Measure; 6] {
    let limits = evidence.limits;
    [
        Measure {
            code: AnomalyCode::Occupation,
            of: |day| Some(rate_e2(day.effective_ms, day.window_ms)),
            least: Least::Points(limits.occupation_points),
            worse: Side::Below,
        },
        Measure {
            code: AnomalyCode::Rate,
            of: |day| rate_per_hour_e2(i64::from(day.pieces), day.effective_ms),
            least: Least::Percent(limits.rhythm_percent),
            worse: Side::Below,
        },
        Measure {
            code: AnomalyCode::WaitingShare,
            of: |day| Some(rate_e2(day.wait_ms, day.window_ms)),
            least: Least::Points(limits.waiting_points),
            worse: Side::Above,
        },
        Measure {
            code: AnomalyCode::StopCount,
            of: |day| Some(day.stops_e2),
            least: Least::Percent(limits.stop_count_percent),
            worse: Side::Above,
        },
        Measure {
            code: AnomalyCode::StopLength,
            of: |day| (day.stops > 0).then(|| minutes_e2(day.stops_ms / i64::from(day.stops))),
            least: Least::Percent(limits.stop_length_percent),
            worse: Side::Above,
        },
        Measure {
            code: AnomalyCode::LongestSilence,
            of: |day| Some(minutes_e2(day.longest_silence_ms)),
            least: Least::PercentAndMinutes(limits.silence_percent, limits.silence_minutes),
            worse: Side::Above,
        },
    ]
}

/// What a day lost of its shifts.
fn measures_of_shifts(evidence: &Evidence<'_>) -> [Measure; 3] {
    let limits = evidence.limits;
    let measure = |code, of, minutes| Measure {
        code,
        of,
        least: Least::Minutes(minutes),
        worse: Side::Above,
    };
    [
        measure(
            AnomalyCode::LateStart,
            |day| day.before_ms.map(minutes_e2),
            limits.late_start_minutes,
        ),
        measure(
            AnomalyCode::EarlyEnd,
            |day| day.after_ms.map(minutes_e2),
            limits.early_end_minutes,
        ),
        measure(
            AnomalyCode::BreakOverrun,
            |day| day.overrun_ms.map(minutes_e2),
            limits.break_overrun_minutes,
        ),
    ]
}

fn compare(
    measure: &Measure,
    today: &Compared,
    days: &[Compared],
    evidence: &Evidence<'_>,
    planned: Option<&[ShiftPart]>,
) -> Option<Anomaly> {
    let value = (measure.of)(today)?;
    let values: Vec<i64> = days.iter().filter_map(|day| (measure.of)(day)).collect();
    if values.len() < evidence.limits.least_days as usize {
        return None;
    }
    let usual = robust::usual(&values, measure.worse)?;
    let side = if value < usual.median { Side::Below } else { Side::Above };
    if side != measure.worse {
        return None;
    }
    let distance = (value - usual.median).abs();
    let of_median = |percent: u32| usual.median.saturating_mul(i64::from(percent)) / 100;
    let least = match measure.least {
        Least::Points(points) => i64::from(points) * 100,
        Least::Percent(percent) => of_median(percent),
        Least::PercentAndMinutes(percent, minutes) => {
            of_median(percent).max(i64::from(minutes) * 100 - usual.median)
        }
        Least::Minutes(minutes) => i64::from(minutes) * 100,
    };
    // Beyond everything that was seen is far, too, however much the days differ.
    let farthest = match side {
        Side::Above => values.iter().max()?.saturating_sub(usual.median),
        Side::Below => usual.median.saturating_sub(*values.iter().min()?),
    };
    let far = usual.deviation.saturating_mul(i64::from(evidence.limits.deviations));
    let far = far.min(farthest.saturating_add(least));
    if distance == 0 || distance < least || distance < far {
        return None;
    }
    let severity = if distance >= 2 * least && distance >= far.saturating_mul(2) {
        Severity::High
    } else {
        Severity::Medium
    };
    let (code, when) = place(measure.code, evidence, planned);
    Some(Anomaly {
        code,
        severity,
        from: when.map(|span| Stamp(span.start)),
        to: when.map(|span| Stamp(span.end)),
        value_e2: value,
        expected_e2: Some(usual.median),
        subject: "".into(),
    })
}

/// Where to look, and what it is told as.
fn place(
    code: AnomalyCode,
    evidence: &Evidence<'_>,
    planned: Option<&[ShiftPart]>,
) -> (AnomalyCode, Option<Span>) {
    let session = evidence.session;
    let required = planned.map(Required::of);
    match (code, &required) {
        (AnomalyCode::LongestSilence, None) => (code, longest(&silences(session))),
        (AnomalyCode::LongestSilence, Some(required)) => {
            (code, longest_required_silence(session, required))
        }
        (AnomalyCode::LateStart, Some(required)) => (code, before(session, required)),
        (AnomalyCode::EarlyEnd, Some(required)) => {
            (end_code(session, required), after(session, required))
        }
        (AnomalyCode::BreakOverrun, Some(required)) => {
            let gaps = required.break_gaps(session).into_iter();
            (code, gaps.max_by_key(|gap| gap.overrun_ms).map(|gap| gap.gap))
        }
        _ => (code, window(session)),
    }
}
