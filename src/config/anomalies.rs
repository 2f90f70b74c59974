//! `[anomalies]`: from when on something is told. Every key is optional.

use super::reader::Section;
use crate::model::Limits;

pub(super) fn anomalies(section: Option<Section<'_>>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut section) = section else { return limits };
    let lines = 1..=1_000_000;
    let percent = 0..=10_000;
    let minutes = 0..=1_440;
    for (key, range, limit) in [
        ("start_lines_lost", lines.clone(), &mut limits.start_lines_lost),
        ("clock_steps", lines.clone(), &mut limits.clock_steps),
        ("waits_without_duration", lines.clone(), &mut limits.waits_without_duration),
        ("waits_outside_production", lines.clone(), &mut limits.waits_outside_production),
        ("overlaps", lines.clone(), &mut limits.overlaps),
        ("torn_lines", lines.clone(), &mut limits.torn_lines),
        ("malformed_lines", lines.clone(), &mut limits.malformed_lines),
        ("unknown_events", lines.clone(), &mut limits.unknown_events),
        ("events_without_pieces", lines, &mut limits.events_without_pieces),
        ("missing_days", 1..=366, &mut limits.missing_days),
        ("comparable_days", 1..=100, &mut limits.comparable_days),
        ("least_days", 2..=100, &mut limits.least_days),
        ("day_part_percent", 0..=100, &mut limits.day_part_percent),
        ("deviations", 1..=100, &mut limits.deviations),
        ("occupation_points", 0..=100, &mut limits.occupation_points),
        ("rhythm_percent", 0..=100, &mut limits.rhythm_percent),
        ("waiting_points", 0..=100, &mut limits.waiting_points),
        ("stop_count_percent", percent.clone(), &mut limits.stop_count_percent),
        ("stop_length_percent", percent.clone(), &mut limits.stop_length_percent),
        ("silence_percent", percent.clone(), &mut limits.silence_percent),
        ("silence_minutes", minutes.clone(), &mut limits.silence_minutes),
        ("rhythm_drop_percent", 0..=100, &mut limits.rhythm_drop_percent),
        ("long_stop_percent", percent, &mut limits.long_stop_percent),
        ("long_stop_minutes", minutes.clone(), &mut limits.long_stop_minutes),
        ("advice_minutes", minutes, &mut limits.advice_minutes),
    ] {
        if let Some(number) = section.number(key, range) {
            *limit = number;
        }
    }
    if limits.least_days > limits.comparable_days {
        section.complain(format!(
            "least_days {} is more than comparable_days {}; nothing would ever be compared",
            limits.least_days, limits.comparable_days
        ));
    }
    section.finish();
    limits
}
