//! What every line begins with: timestamp, marker, name.

pub(super) const STAMP_LEN: usize = 17;
pub(super) const MARKER: &str = "|@";
/// Where the event's name begins.
pub(super) const NAME_AT: usize = STAMP_LEN + MARKER.len();
