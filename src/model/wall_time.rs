//! Times of the gateway's wall clock as they are noted: in the buffer, in the lock of the state directory,
//! in what `cu-agent status --json` tells. They have one form as text, and this is its one writer and reader.

use std::{fmt, str::FromStr};

use chrono::{NaiveDateTime, ParseError, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time of the gateway's wall clock, to the second; as text `2026-11-28 10:00:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WallTime(NaiveDateTime);

const FORM: &str = "%Y-%m-%d %H:%M:%S";

impl WallTime {
    /// Fractions of a second are cut off: a time that was noted equals itself when it is read back.
    pub fn of(at: NaiveDateTime) -> Self {
        Self(at.with_nanosecond(0).unwrap_or(at))
    }

    pub fn naive(self) -> NaiveDateTime {
        self.0
    }

    /// For serde, as `deserialize_with`: a text that is no such time is not known. Nobody refuses what
    /// another release or a damaged file tells because of a time that is only shown.
    pub fn if_readable<'de, D>(deserializer: D) -> Result<Option<Self>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format(FORM).fmt(f)
    }
}

impl FromStr for WallTime {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        NaiveDateTime::parse_from_str(text, FORM).map(Self)
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceTold;

    #[test]
    fn a_time_is_written_and_read_in_the_form_that_releases_before_wrote() {
        for text in ["2026-11-28 10:00:07", "1970-01-01 00:00:00", "+10000-01-01 00:00:00"] {
            assert_eq!(text.parse::<WallTime>().unwrap().to_string(), text);
        }
        let with_fraction = "2026-11-28T10:00:07.987654321".parse().unwrap();
        assert_eq!(WallTime::of(with_fraction), "2026-11-28 10:00:07".parse().unwrap());
    }

    #[test]
    fn a_text_that_is_no_time_is_unknown_and_takes_nothing_else_with_it() {
        let told = |since: &str| -> SourceTold {
            serde_json::from_str(&format!(r#"{{"name": "cu", "state": "up"{since}}}"#)).unwrap()
        };
        let with_time = told(r#", "since": "2026-11-28 10:00:07""#);
        assert_eq!(with_time.since, "2026-11-28 10:00:07".parse().ok());
        let json = serde_json::to_value(&with_time).unwrap();
        assert_eq!(json["since"], "2026-11-28 10:00:07");
        for unknown in ["", r#", "since": null"#, r#", "since": "yesterday""#] {
            assert_eq!(told(unknown), SourceTold { since: None, ..with_time.clone() });
        }
    }
}
