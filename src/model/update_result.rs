//! How the last update ended, as the updater leaves it for the agent, for central and for people.

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
