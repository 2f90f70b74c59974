//! From when on something is an anomaly or worth an advice. The configuration's `[anomalies]` sets
//! them; `docs/anomalies.md` says which rule uses which.

/// Thresholds of the rules. Counts are "from this many on".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub start_lines_lost: u32,
    pub clock_steps: u32,
    pub waits_without_duration: u32,
    pub waits_outside_production: u32,
    pub overlaps: u32,
    pub torn_lines: u32,
    pub malformed_lines: u32,
    pub unknown_events: u32,
    pub events_without_pieces: u32,
    pub missing_days: u32,
    /// The newest days of the same kind that a day is compared with.
    pub comparable_days: u32,
    /// Nothing is compared before this many exist.
    pub least_days: u32,
    /// A day says something once it is this long, in percent of the usual length.
    pub day_part_percent: u32,
    /// Least distance from the median, in robust standard deviations (1.4826 MAD).
    pub deviations: u32,
    pub occupation_points: u32,
    pub rhythm_percent: u32,
    pub waiting_points: u32,
    pub stop_count_percent: u32,
    pub stop_length_percent: u32,
    pub silence_percent: u32,
    pub silence_minutes: u32,
    pub rhythm_drop_percent: u32,
    pub long_stop_percent: u32,
    pub long_stop_minutes: u32,
    /// Of required time; for machines that have a calendar.
    pub late_start_minutes: u32,
    pub early_end_minutes: u32,
    pub break_overrun_minutes: u32,
    pub missing_shift_minutes: u32,
    /// An advice that wins less is not given.
    pub advice_minutes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start_lines_lost: 1,
            clock_steps: 1,
            waits_without_duration: 1,
            waits_outside_production: 1,
            overlaps: 1,
            torn_lines: 1,
            malformed_lines: 10,
            unknown_events: 1,
            events_without_pieces: 1,
            missing_days: 1,
            comparable_days: 20,
            least_days: 8,
            day_part_percent: 50,
            deviations: 3,
            occupation_points: 10,
            rhythm_percent: 25,
            waiting_points: 10,
            stop_count_percent: 50,
            stop_length_percent: 100,
            silence_percent: 100,
            silence_minutes: 20,
            rhythm_drop_percent: 60,
            long_stop_percent: 50,
            long_stop_minutes: 30,
            late_start_minutes: 20,
            early_end_minutes: 30,
            break_overrun_minutes: 20,
            missing_shift_minutes: 30,
            advice_minutes: 5,
        }
    }
}
