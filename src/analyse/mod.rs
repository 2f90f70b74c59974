//! Events of one (machine, production day) into a session. Pure: no IO, no clock, no logging.
//!
//! The way through: [`part_of_day`] cuts a file's events, the union of all parts of a day puts them
//! in order, and one sweep over them makes the [`Session`]. What must never happen here: a session
//! that depends on file names, arrival or the number of readings; a moment counted twice; a float.

mod advice;
mod anomalies;
mod day;
mod day_until;
mod digest;
mod intervals;
mod line_defects;
mod losses;
mod merge;
mod patterns;
mod required;
mod robust;
mod session;
mod shift_times;
mod usual_pieces;

use chrono::TimeDelta;

pub use crate::model::WaitStamp;

pub use advice::advice;
pub use anomalies::{Evidence, anomalies, is_same_kind};
pub use day::{Part, days_touched, part_of_day, parts_by_day};
pub use day_until::day_until;
pub use digest::digest;
pub use line_defects::{LineDefects, line_defects, rejected_by_day};
pub use losses::{in_whole, losses, losses_of};
pub use patterns::{Changes, Days, Hour, OfProfile, Patterns, Profile, StopClass, Stops, patterns};
pub use session::{day_ends, session, session_of_day, sessions};
pub use shift_times::{DayEnds, Known, MOST_DAYS_APART, day_times, days_between, known_until};
pub use usual_pieces::{EarlierDay, UsualPieces};

/// Grows whenever the same bytes would give a different session, so that days still held are
/// recomputed.
pub const ANALYSIS_VERSION: i64 = 4;

/// What of the configuration a session depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How long after midnight a production day begins, below 24 h.
    pub day_start: TimeDelta,
    pub wait_stamp: WaitStamp,
}

impl Default for Options {
    fn default() -> Self {
        Self { day_start: TimeDelta::zero(), wait_stamp: WaitStamp::Start }
    }
}
