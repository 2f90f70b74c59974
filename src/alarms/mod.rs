//! Alarms: what is known ([`facts`]), which are due ([`alarms`], pure), their sentences, the requests that
//! carry them, and the monitor that does one after the other.
//!
//! What must never happen here: the token or an address shown anywhere, since anyone who knows the
//! address of a topic or a check can write there; a request that waits without end.

mod agent_view;
mod decide;
mod facts;
mod monitor;
mod post;
mod silence;
mod wording;

pub(crate) use agent_view::AgentView;
pub(crate) use decide::{Facts, LinkFact, MachineFact, UnreadableFact, alarms};
pub(crate) use monitor::AlarmMonitor;
pub(crate) use post::{PostError, Poster};
