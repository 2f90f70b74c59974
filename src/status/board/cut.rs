//! How much room names from outside have on the board; what is cut is told in full by a title.

pub(super) use crate::text::{shortened as short, width};

/// Widths in hundredths of the letters' height.
pub(super) const NAME: usize = 2_900;
pub(super) const AGENT: usize = 4_000;
pub(super) const REASON: usize = 900;
pub(super) const SHIFT: usize = 900;
pub(super) const BANNER: usize = 9_000;
