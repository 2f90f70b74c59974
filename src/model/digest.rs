//! A day in a few numbers: what later days of the machine are compared with, so that a comparison
//! reads twenty short rows and not twenty days of pieces.

use super::{Day, ShortText};

/// Durations are milliseconds inside first to last piece, but for the last two.
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
}
