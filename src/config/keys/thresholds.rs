//! The rows of `[anomalies]`: each sets one of the rules' [`Limits`].

use super::super::{
    explained::{Explained, Shown, Topic},
    key::{Key, key, number},
};
use crate::model::Limits;

/// A row of `[anomalies]`; its default is that of the rules themselves, [`Limits::default`].
pub(in crate::config) struct Threshold {
    pub(in crate::config) key: Key<u32>,
    pub(in crate::config) field: fn(&mut Limits) -> &mut u32,
}

macro_rules! thresholds {
    ($($name:ident: $range:expr, $explanation:literal;)*) => {
        pub(in crate::config) const THRESHOLDS: &[Threshold] = &[$(Threshold {
            key: key(stringify!($name), { let (least, most) = $range; number(least, most) }),
            field: |limits| &mut limits.$name,
        }),*];
        const THRESHOLDS_EXPLAINED: &[&str] = &[$($explanation),*];
    };
}

const COUNT: (u32, u32) = (1, 1_000_000);
const PERCENT: (u32, u32) = (0, 10_000);
const SHARE: (u32, u32) = (0, 100);
const MINUTES: (u32, u32) = (0, 1_440);

thresholds! {
    start_lines_lost: COUNT, "Defects of the LOG: minimum number per day.";
    clock_steps: COUNT, "";
    waits_without_duration: COUNT, "";
    waits_outside_production: COUNT, "";
    overlaps: COUNT, "";
    torn_lines: COUNT, "";
    malformed_lines: COUNT, "";
    unknown_events: COUNT, "";
    events_without_pieces: COUNT, "";
    missing_days: (1, 366), "";
    comparable_days: (1, 100),
    "Comparison with the machine's latest days of the same kind (weekdays, Saturdays, Sundays): how many \
     days, how many at least, how much of a usual day's length at least (percent), and how many robust \
     standard deviations (1.4826 MAD).";
    least_days: (2, 100), "";
    day_part_percent: SHARE, "";
    deviations: (1, 100), "";
    occupation_points: SHARE,
    "Minimum distance from the usual figure: percentage points of a rate, or percent of the figure.";
    rhythm_percent: SHARE, "";
    waiting_points: SHARE, "";
    stop_count_percent: PERCENT, "";
    stop_length_percent: PERCENT, "";
    silence_percent: PERCENT, "";
    silence_minutes: MINUTES, "";
    rhythm_drop_percent: SHARE,
    "Within the day: how far an hour's rate falls below the day's; how much longer than the longest stop of \
     a month a stop is, and its minimum length.";
    long_stop_percent: PERCENT, "";
    long_stop_minutes: MINUTES, "";
    late_start_minutes: MINUTES,
    "For machines that have a calendar, minutes of required time: minimum distance from the usual start and end of \
     production and from what a break usually takes; minimum length of a shift of which there is no line.";
    early_end_minutes: MINUTES, "";
    break_overrun_minutes: MINUTES, "";
    missing_shift_minutes: MINUTES, "";
    advice_minutes: MINUTES, "Advice that could save fewer minutes is not shown.";
}

pub(super) fn topic() -> Topic {
    let mut limits = Limits::default();
    let explained = |(row, about): (&Threshold, &&str)| Explained {
        name: row.key.name,
        shown: Shown::Off((row.field)(&mut limits).to_string()),
        about: (*about).to_owned(),
    };
    let keys = THRESHOLDS.iter().zip(THRESHOLDS_EXPLAINED).map(explained).collect();
    Topic {
        header: "[anomalies]",
        about: "Thresholds of anomalies; docs/anomalies.md explains each. After a change: cu-agent replay.",
        keys,
        sample: "",
    }
}
