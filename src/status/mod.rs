//! What the gateway says about itself: the parts of its page, its metrics and its health. Everything
//! shown is read from the buffer, or handed over by the stages.
//!
//! What must never happen here: a stage that waits for a reader; a secret in what is shown.

pub mod counters;
pub(crate) mod csv;
pub(crate) mod day_view;
mod gateway;
pub mod health;
mod machine_panel;
pub mod metrics;
pub(crate) mod notes;
pub(crate) mod pages;
pub(crate) mod shell;
mod state;

pub use counters::Metrics;
pub use csv::{Dialect, table as csv_table, text as csv_text};
pub use day_view::WallClock;
pub use state::{Activity, State, state};
