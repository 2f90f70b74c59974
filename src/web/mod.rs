//! The page over HTTP: which request gets which answer, under which host names, and the server itself.
//! What the answers show is made in `status`.
//!
//! What must never happen here: a client, however many or slow, keeping the agent from collecting or
//! delivering; anything changed by a request; a secret in an answer.

mod address;
mod answer;
mod host;
mod server;

pub use answer::{Answer, Question, Reading, Site};
pub use host::Hosts;
pub use server::serve;
