//! Alarms: which are due ([`alarms`], pure), their sentences, and the requests that carry them.
//!
//! What must never happen here: the token or an address shown anywhere, since whoever knows the
//! address of a topic or a check can write there; a request that waits without end.

mod decide;
mod post;
mod wording;

pub use decide::{Facts, LinkFact, MachineFact, UnreadableFact, alarms};
pub use post::{PostError, Poster};
