//! How the last update ended and what the publisher said, as the updater leaves it for the agent, for central
//! and for people.

use std::fmt;

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};

/// In the place of a version, if the publisher could not be asked or is not believed.
pub const UNKNOWN_VERSION: &str = "unknown";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateEnd {
    Installed,
    Refused,
    RolledBack,
    Failed,
}

impl UpdateEnd {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Refused => "refused",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for UpdateEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The names of the fields are those of `result.json` since its first release.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastUpdate {
    /// By the gateway's clock. A time that cannot be understood costs the time only.
    #[serde(default, with = "rfc3339")]
    pub at: Option<DateTime<FixedOffset>>,
    pub detail: Option<String>,
    pub from: Option<String>,
    pub result: UpdateEnd,
    /// The version that was offered, or [`UNKNOWN_VERSION`].
    pub version: Option<String>,
}

/// What the updater remembers, as far as it concerns others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SelfUpdate {
    /// The publisher's last word that this gateway believed; `None`: none yet.
    pub manifest: Option<ManifestTimes>,
    /// Versions that failed verification here and were rolled back.
    pub given_up: Vec<String>,
    /// The version of the publisher's keys, if any were handed over.
    pub key_set: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestTimes {
    pub serial: u64,
    /// By the publisher's clock.
    pub signed_at: DateTime<FixedOffset>,
    pub expires: DateTime<FixedOffset>,
    /// By the gateway's clock, to some hours.
    pub read_at: DateTime<FixedOffset>,
}

/// What other gateways made of new versions, as central tells it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdatesElsewhere {
    /// Of the whole fleet, this one included.
    pub gateways: u64,
    pub given_up: Vec<GivenUp>,
}

/// A version that was rolled back on so many gateways.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenUp {
    pub version: String,
    pub gateways: u64,
}

/// A self-update that did not end well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedUpdate {
    /// The one that was offered, if it is known.
    pub version: Option<String>,
    pub end: UpdateEnd,
    /// In the updater's words.
    pub detail: String,
}

/// To the second, as people read it.
mod rfc3339 {
    use chrono::{DateTime, FixedOffset, SecondsFormat};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        at: &Option<DateTime<FixedOffset>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, false)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<FixedOffset>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok()))
    }
}
