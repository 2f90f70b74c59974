//! A settings document, as signed: JSON around the text of a configuration file. Pure: bytes to a [`Document`] or
//! the reason why not. Nothing of it is believed before its signatures were checked.

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::model::printable;

/// The one format that this version reads.
const FORMAT: u64 = 1;
/// The same keys sign manifests of updates: neither is taken for the other.
const PRODUCT: &str = "cu-agent settings";
const MOST_AHEAD: TimeDelta = TimeDelta::days(1);
/// Of a text that is shown.
const MOST_CHARS: usize = 100;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// Grows with each document, and is at most a day ahead of the seconds since 1970 at [`Self::signed_at`].
    pub serial: u64,
    /// By the clock of the one who signed it.
    pub signed_at: DateTime<FixedOffset>,
    /// It is not taken from then on.
    pub expires: DateTime<FixedOffset>,
    /// The only ones that take it, by `agent.id`; `None`: all.
    pub gateways: Option<Vec<String>>,
    /// TOML, as a configuration file.
    pub text: String,
}

/// What is remembered of the newest document that was believed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) serial: u64,
    /// The newest time that a signature proved, in seconds since 1970.
    pub(super) signed_s: i64,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("they are not a settings document in JSON: {0}")]
    NotJson(String),
    #[error(
        "they have format {0}, but this version reads format {FORMAT}: install a newer package first"
    )]
    Format(u64),
    #[error("they are for {0:?}, not for {PRODUCT:?}: make them with packaging/settings.sh")]
    OtherProduct(String),
    #[error("their {key} is not a time such as 2026-12-01T20:00:00+01:00")]
    Time { key: &'static str },
    #[error(
        "serial {serial} is more than a day ahead of the time of their signature, {signed_at}: sign them again with a right clock"
    )]
    SerialAhead { serial: u64, signed_at: DateTime<FixedOffset> },
    #[error(
        "serial {serial} is not later than serial {seen}, which this gateway has seen: an old copy; publish again"
    )]
    Replayed { serial: u64, seen: u64 },
    #[error("they expired at {expires} (now: {now}): publish again")]
    Expired { expires: DateTime<FixedOffset>, now: DateTime<FixedOffset> },
    #[error(
        "they were signed at {signed_at}, which is more than a day ahead of this gateway's clock: set the clock that is wrong"
    )]
    SignedAhead { signed_at: DateTime<FixedOffset> },
}

#[derive(Deserialize)]
struct Head {
    format: u64,
    product: String,
}

#[derive(Deserialize)]
struct Written {
    serial: u64,
    signed_at: String,
    expires: String,
    #[serde(default)]
    gateways: Option<Vec<String>>,
    settings: String,
}

pub fn parse(bytes: &[u8]) -> Result<Document, DocumentError> {
    let not_json = |error: serde_json::Error| {
        DocumentError::NotJson(printable(&error.to_string(), MOST_CHARS))
    };
    let head: Head = serde_json::from_slice(bytes).map_err(not_json)?;
    if head.product != PRODUCT {
        return Err(DocumentError::OtherProduct(printable(&head.product, MOST_CHARS)));
    }
    if head.format != FORMAT {
        return Err(DocumentError::Format(head.format));
    }
    let Written { serial, signed_at, expires, gateways, settings } =
        serde_json::from_slice(bytes).map_err(not_json)?;
    let time = |text: &str, key| {
        DateTime::parse_from_rfc3339(text).map_err(|_| DocumentError::Time { key })
    };
    let (signed_at, expires) = (time(&signed_at, "signed_at")?, time(&expires, "expires")?);
    let most = signed_at.timestamp().saturating_add(MOST_AHEAD.num_seconds());
    if u64::try_from(most).map_or(true, |most| serial > most) {
        return Err(DocumentError::SerialAhead { serial, signed_at });
    }
    Ok(Document { serial, signed_at, expires, gateways, text: settings })
}

/// What is remembered from now on, if the document is its signers' present word. As for manifests of updates:
/// time never goes back behind the newest signature, whatever the clock says.
pub(super) fn judge(
    document: &Document,
    seen: Option<&Seen>,
    clock: DateTime<FixedOffset>,
) -> Result<Seen, DocumentError> {
    let Document { serial, signed_at, expires, .. } = *document;
    if let Some(seen) = seen.filter(|seen| serial <= seen.serial) {
        return Err(DocumentError::Replayed { serial, seen: seen.serial });
    }
    let proven = seen.and_then(|seen| DateTime::from_timestamp(seen.signed_s, 0));
    let now = proven.map_or(clock, |proven| clock.max(proven.fixed_offset()));
    if signed_at > now + MOST_AHEAD {
        return Err(DocumentError::SignedAhead { signed_at });
    }
    if expires <= now {
        return Err(DocumentError::Expired { expires, now });
    }
    let before = seen.map_or(i64::MIN, |seen| seen.signed_s);
    Ok(Seen { serial, signed_s: signed_at.timestamp().max(before) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({
            "format": 1, "product": "cu-agent settings", "serial": 1_764_000_000,
            "signed_at": "2026-11-29T10:00:00Z", "expires": "2027-11-29T10:00:00Z",
            "gateways": ["ligne-1"], "settings": "[schedule]\npoll = \"1m\"\n",
        })
    }

    fn at(text: &str) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_document_is_read_and_what_is_wrong_in_it_is_named() {
        let document = parse(whole().to_string().as_bytes()).unwrap();
        assert_eq!((document.serial, document.gateways.unwrap().len()), (1_764_000_000, 1));
        let damages = [
            ("/format", json!(2), "format 2"),
            ("/product", json!("cu-agent"), "are for \"cu-agent\", not for \"cu-agent settings\""),
            ("/serial", json!(-1), "not a settings document"),
            ("/serial", json!(u64::MAX), "more than a day ahead"),
            ("/signed_at", json!("yesterday"), "signed_at"),
            ("/expires", json!(""), "expires"),
            ("/settings", Value::Null, "not a settings document"),
            ("/gateways", json!("ligne-1"), "not a settings document"),
        ];
        for (place, value, named) in damages {
            let mut document = whole();
            *document.pointer_mut(place).unwrap() = value;
            let refusal = parse(document.to_string().as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains(named), "{place}: {refusal}");
        }
        assert!(matches!(parse(b"{"), Err(DocumentError::NotJson(_))));
    }

    #[test]
    fn only_a_later_serial_is_taken_and_time_never_goes_back_behind_a_signature() {
        let document = parse(whole().to_string().as_bytes()).unwrap();
        let seen = judge(&document, None, at("2026-11-29T11:00:00Z")).unwrap();
        let again = judge(&document, Some(&seen), at("2026-11-29T12:00:00Z"));
        assert!(matches!(again, Err(DocumentError::Replayed { .. })));
        let mut next = document.clone();
        next.serial += 1;
        assert!(judge(&next, Some(&seen), at("2026-11-29T12:00:00Z")).is_ok());
        let late = judge(&next, Some(&seen), at("2027-11-29T10:00:00Z"));
        assert!(matches!(late, Err(DocumentError::Expired { .. })));
        // The battery is empty: the clock is years behind what was signed.
        next.expires = at("2026-11-29T10:00:00Z");
        let behind = judge(&next, Some(&seen), at("2020-01-01T00:00:00Z"));
        assert!(matches!(behind, Err(DocumentError::Expired { .. })));
        let ahead = judge(&document, None, at("2026-11-28T09:00:00Z"));
        assert!(matches!(ahead, Err(DocumentError::SignedAhead { .. })));
    }
}
