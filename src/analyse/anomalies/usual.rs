//! The day against the machine's own comparable days: worse than the median by several robust standard
//! deviations, or beyond all of them, and by enough to matter.

use super::{Evidence, minutes_e2};
use crate::{
    analyse::{
        digest::{digest, longest_silence},
        robust,
        robust::Side,
    },
    model::{Anomaly, AnomalyCode, DayDigest, Severity, Stamp, rate_e2},
};

/// What of a day is compared, and from when on a distance matters.
struct Measure {
    code: AnomalyCode,
    /// In hundredths of the code's unit; `None` where the day does not say.
    of: fn(&DayDigest) -> Option<i64>,
    least: Least,
    worse: Side,
}

/// The least distance from the median.
enum Least {
    Points(u32),
    Percent(u32),
    /// And the value itself is at least so many minutes.
    PercentAndMinutes(u32, u32),
}

pub(super) fn find(evidence: &Evidence<'_>, anomalies: &mut Vec<Anomaly>) {
    let Some(days) = evidence.comparable() else { return };
    let today = digest(evidence.day, evidence.session, evidence.defects);
    // Of a day that has just begun, shares say nothing yet.
    let mut windows: Vec<i64> = days.iter().map(|day| day.window_ms).collect();
    let Some(usual_window_ms) = robust::median(&mut windows) else { return };
    let part = i128::from(usual_window_ms) * i128::from(evidence.limits.day_part_percent);
    if today.pieces == 0 || i128::from(today.window_ms) * 100 < part {
        return;
    }
    for measure in measures(evidence) {
        anomalies.extend(compare(&measure, &today, &days, evidence));
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
            of: |day| rhythm_e2(i64::from(day.pieces), day.effective_ms),
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
            of: |day| Some(i64::from(day.stops) * 100),
            least: Least::Percent(limits.stop_count_percent),
            worse: Side::Above,
        },
        Measure {
            code: AnomalyCode::StopLength,
            of: |day| {
                let sum = day.micro_stops_ms + day.short_stops_ms + day.long_stops_ms;
                (day.stops > 0).then(|| minutes_e2(sum / i64::from(day.stops)))
            },
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

/// Pieces per hour of effective production, in hundredths.
pub(super) fn rhythm_e2(pieces: i64, effective_ms: i64) -> Option<i64> {
    (effective_ms > 0).then(|| pieces.saturating_mul(360_000_000) / effective_ms)
}

fn compare(
    measure: &Measure,
    today: &DayDigest,
    days: &[&DayDigest],
    evidence: &Evidence<'_>,
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
    let figures = &evidence.session.figures;
    let (from, to) = if measure.code == AnomalyCode::LongestSilence {
        longest_silence(evidence.session).map(|gap| (Stamp(gap.start), Stamp(gap.end))).unzip()
    } else {
        (figures.first_piece, figures.last_piece)
    };
    let (value_e2, expected_e2) = (value, Some(usual.median));
    Some(Anomaly {
        code: measure.code,
        severity,
        from,
        to,
        value_e2,
        expected_e2,
        subject: "".into(),
    })
}
