//! The alarms' side of the agent: what they ask of the process that they watch.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::model::{FailedUpdate, RefusedSettings};

/// What the monitor sees of the agent: its clocks, how it is, and whether it ends.
pub(crate) trait AgentView: Send {
    /// The computer's running time.
    fn uptime(&self) -> Duration;
    /// The wall clock, in whole seconds.
    fn wall_time(&self) -> NaiveDateTime;
    /// Whether the wall clock can be right.
    fn clock_is_believed(&self) -> bool;
    /// Whether a noted time is of a clock that could be believed.
    fn is_believable(&self, noted: &NaiveDateTime) -> bool;
    fn is_healthy(&self) -> bool;
    /// Whether the process is to end: nothing more is sent.
    fn is_ending(&self) -> bool;
    /// How the last update ended, if it did not end well.
    fn failed_update(&self) -> Option<FailedUpdate>;
    /// Settings of central's that were not taken, unless later ones were.
    fn refused_settings(&self) -> Option<RefusedSettings>;
}
