//! What an agent tells other processes of itself: the one at work in the lock of its state directory,
//! and `cu-agent status --json` to anyone who asks. One type for who writes and who reads.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CentralTold, WallTime};

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
    #[serde(default, deserialize_with = "WallTime::if_readable")]
    pub since: Option<WallTime>,
    /// `None` until it has collected.
    pub collected: Option<Collected>,
}

/// The part of `cu-agent status --json` by which an updater verifies an update, of the same or another release:
/// whatever is missing is not known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusTold {
    /// Machines whose LOG grew a moment ago.
    pub producing: BTreeSet<String>,
    /// The buffer's schema; `None` if there is no buffer.
    pub schema: Option<usize>,
    /// The schema of the release that answers.
    pub schema_known: Option<usize>,
    /// `None` if nobody holds the state directory.
    pub service: Option<ServiceTold>,
    pub sources: Vec<SourceTold>,
    pub in_central: CentralTold,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceTold {
    pub name: String,
    pub state: LinkTold,
    /// By the gateway's clock.
    #[serde(deserialize_with = "WallTime::if_readable")]
    pub since: Option<WallTime>,
    pub error: Option<String>,
    pub folders: Vec<FolderTold>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkTold {
    Up,
    Down,
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderTold {
    pub folder: String,
    pub machine: String,
    /// `read`, `unknown`, or the kind of its trouble.
    pub state: String,
    /// By the gateway's clock.
    #[serde(deserialize_with = "WallTime::if_readable")]
    pub since: Option<WallTime>,
    pub error: Option<String>,
}
