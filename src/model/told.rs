//! What an agent tells other processes of itself: the one at work in the lock of its state directory,
//! and `cu-agent status --json` to whoever asks. One type for who writes and who reads.

use serde::{Deserialize, Serialize};

/// The release that has gone through every source once, and the sources that did not answer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Collected {
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub failed_sources: Vec<String>,
}

/// The process at work on a state directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceTold {
    /// `None` where the holder of the lock does not say who it is.
    pub process: Option<u32>,
    /// When it began, by the gateway's clock; releases before do not tell it.
    #[serde(default)]
    pub since: Option<String>,
    /// `None` until it has collected.
    pub collected: Option<Collected>,
}
