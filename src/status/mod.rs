//! The gateway's own page, its metrics and its health, for whoever stands beside the machines or
//! watches many gateways. Everything shown is read from the buffer, or handed over by the stages.
//!
//! What must never happen here: a client, however many or slow, keeping the agent from collecting or
//! delivering; anything changed by a request; a secret in an answer.

mod answer;
mod board;
mod card;
mod csv;
pub mod figures;
mod gateway;
pub mod health;
mod host;
pub mod metrics;
mod notes;
mod pages;
mod server;
mod shell;
mod state;

pub use answer::{Answer, Question, Reading, Site};
pub use board::Moment;
pub use csv::{Dialect, table as csv_table};
pub use figures::Figures;
pub use host::Hosts;
pub use server::serve;
pub use state::{Activity, State, state};
