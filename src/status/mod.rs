//! What the gateway says about itself: the parts of its page, its metrics and its health. Everything
//! shown is read from the buffer, or handed over by the stages.
//!
//! What must never happen here: a stage that waits for a reader; a secret in what is shown.

pub(crate) mod board;
pub(crate) mod compare;
mod compare_columns;
pub(crate) mod compare_view;
mod compare_weeks;
mod concerns;
pub mod counters;
pub(crate) mod csv;
pub(crate) mod day_view;
pub(crate) mod error_page;
mod gateway;
mod gateway_health;
pub mod health;
pub mod holdings;
mod machine_bars;
mod machine_events;
mod machine_figures;
mod machine_line;
mod machine_marks;
mod machine_month;
pub(crate) mod machine_page;
mod machine_panel;
mod machine_tables;
pub mod metrics;
mod month;
pub(crate) mod notes;
pub(crate) mod overview;
mod pages;
pub(crate) mod shell;
mod state;
mod weeks;
pub(crate) mod zoom;

pub use counters::Metrics;
pub use csv::{Dialect, table as csv_table, text as csv_text};
pub use day_view::WallClock;
pub use state::{Activity, State, state};
