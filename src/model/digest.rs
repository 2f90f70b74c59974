//! A day in a few numbers: what later days of the machine are compared with, so that a comparison
//! reads twenty short rows and not twenty days of pieces.

use super::{Day, ShortText};

/// Durations are milliseconds inside first to last piece, but for the start's and the end's loss.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayDigest {
    pub day: Day,
    pub pieces: u32,
    pub window_ms: i64,
    pub effective_ms: i64,
    pub wait_ms: i64,
    pub stops: u32,
    /// Plain sums by length: shorter than a minute, than 15 minutes, and the others.
    pub micro_stops_ms: i64,
    pub short_stops_ms: i64,
    pub long_stops_ms: i64,
    pub longest_stop_ms: i64,
    /// Longest stretch with neither piece nor job, wait nor stop.
    pub longest_silence_ms: i64,
    /// From the machine's first start to its first piece.
    pub start_loss_ms: i64,
    /// From the last piece to the machine's last stop.
    pub end_loss_ms: i64,
    /// Names of events that the configuration does not know.
    pub unknown_events: Vec<ShortText>,
    /// The day by its required time; `None` if the machine has no calendar.
    pub planned: Option<PlannedDigest>,
}

/// A day by its required time alone: no moment of a break, of a holiday or after the last shift is in it.
/// Durations are milliseconds of required time, but for the last three inside first to last piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlannedDigest {
    pub pieces: u32,
    pub window_ms: i64,
    pub effective_ms: i64,
    pub wait_ms: i64,
    /// Stops that have a moment in required time, and the sum of those moments.
    pub stops: u32,
    pub stops_ms: i64,
    pub longest_stop_ms: i64,
    /// Silences around a break are the break's, and in `overrun_ms`.
    pub longest_silence_ms: i64,
    /// Before the first piece and after the last one, in shifts of which there is any line.
    pub before_ms: i64,
    pub after_ms: i64,
    /// The longest time from the end of a break to the next piece.
    pub overrun_ms: i64,
}
