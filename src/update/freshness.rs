//! Whether a signed manifest is the publisher's present word. Pure. A signature says who wrote a manifest, not
//! when it is served: a cache, or an attacker in the way, can serve an earlier one again (a replay) or for ever
//! (a freeze). So a gateway remembers the newest manifest that it believed.
//!
//! A gateway without a clock battery may start in the past. The newest time of a signature is a bound below
//! which its time never goes back; a signature from beyond tomorrow is no such time, but a wrong clock on one
//! of the two sides. That, and the bound on serials, keeps one wrong signature from blocking all later ones.
//!
//! The attacks by name: Samuel, Mathewson, Cappos, Dingledine, *Survivable Key Compromise in Software Update
//! Systems* (2010).

use chrono::{DateTime, FixedOffset, TimeDelta};
use serde::{Deserialize, Serialize};

use super::manifest::Manifest;

const MOST_AHEAD: TimeDelta = TimeDelta::days(1);
/// While nothing else changes, that a manifest was read is noted this often: a card bears few writes.
const NOTED_AFTER: TimeDelta = TimeDelta::hours(6);

/// The newest manifest that was believed. Times on disk are as RFC 3339 writes them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Seen {
    pub serial: u64,
    /// SHA-256 of the manifest in hexadecimal digits.
    pub sha256: String,
    /// The newest time that a believed signature proved.
    pub signed_at: DateTime<FixedOffset>,
    pub expires: DateTime<FixedOffset>,
    /// When it was served last, by this gateway's clock.
    pub read_at: DateTime<FixedOffset>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    serial: u64,
    sha256: String,
    signed_at: String,
    expires: String,
    read_at: String,
}

impl From<Seen> for Written {
    fn from(seen: Seen) -> Self {
        Self {
            serial: seen.serial,
            sha256: seen.sha256,
            signed_at: seen.signed_at.to_rfc3339(),
            expires: seen.expires.to_rfc3339(),
            read_at: seen.read_at.to_rfc3339(),
        }
    }
}

impl TryFrom<Written> for Seen {
    type Error = chrono::ParseError;

    fn try_from(written: Written) -> Result<Self, chrono::ParseError> {
        let time = DateTime::parse_from_rfc3339;
        Ok(Self {
            serial: written.serial,
            sha256: written.sha256,
            signed_at: time(&written.signed_at)?,
            expires: time(&written.expires)?,
            read_at: time(&written.read_at)?,
        })
    }
}

/// Why a manifest with the right signature is not the publisher's present word.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stale {
    #[error(
        "the manifest has serial {serial}, but this gateway has already seen serial {seen}: an old copy is being served, by a cache or by an attacker; compare it with what was published last, or publish again"
    )]
    Replayed { serial: u64, seen: u64 },
    #[error(
        "two manifests with serial {0} were signed, and this is not the one that this gateway saw first: publish again"
    )]
    Twin(u64),
    #[error(
        "the manifest expired at {expires} (now: {now}): an old copy is being served, or nothing was published since; publish again with packaging/manifest.sh --renew"
    )]
    Expired { expires: DateTime<FixedOffset>, now: DateTime<FixedOffset> },
    #[error(
        "the manifest was signed at {signed_at}, which is more than a day ahead of this gateway's clock ({now}): set the clock that is wrong, the publisher's or this one (timedatectl)"
    )]
    SignedAhead { signed_at: DateTime<FixedOffset>, now: DateTime<FixedOffset> },
}

/// The time of this gateway: its clock's, or the newest signature's if the clock was set back behind it.
pub(super) fn proven_time(
    seen: Option<&Seen>,
    clock: DateTime<FixedOffset>,
) -> DateTime<FixedOffset> {
    seen.map_or(clock, |seen| clock.max(seen.signed_at))
}

/// What is remembered from now on, if the manifest with this SHA-256 is believed.
pub(super) fn judge(
    manifest: &Manifest,
    sha256: &str,
    seen: Option<&Seen>,
    clock: DateTime<FixedOffset>,
) -> Result<Seen, Stale> {
    let Manifest { serial, signed_at, expires, .. } = *manifest;
    if let Some(seen) = seen {
        if serial < seen.serial {
            return Err(Stale::Replayed { serial, seen: seen.serial });
        }
        if serial == seen.serial && sha256 != seen.sha256 {
            return Err(Stale::Twin(serial));
        }
    }
    let now = proven_time(seen, clock);
    if signed_at > now + MOST_AHEAD {
        return Err(Stale::SignedAhead { signed_at, now });
    }
    if expires <= now {
        return Err(Stale::Expired { expires, now });
    }
    let newest = seen.map_or(signed_at, |seen| seen.signed_at.max(signed_at));
    Ok(Seen { serial, sha256: sha256.to_owned(), signed_at: newest, expires, read_at: clock })
}

impl Seen {
    /// Whether this is worth a write after what is on disk.
    pub(super) fn is_news_after(&self, noted: Option<&Self>) -> bool {
        noted.is_none_or(|noted| {
            let since_noted = self.read_at - noted.read_at;
            // Below zero the clock was set back.
            let is_due = since_noted >= NOTED_AFTER || since_noted < TimeDelta::zero();
            self.serial > noted.serial || self.serial == noted.serial && is_due
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{Version, manifest::Release};

    fn at(day: u32, hour: u32) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339(&format!("2026-11-{day:02}T{hour:02}:00:00+01:00")).unwrap()
    }

    fn manifest(serial: u64) -> Manifest {
        let version = Version::parse("0.3.0").unwrap();
        Manifest {
            newest: Release { version, packages: [].into() },
            serial,
            signed_at: at(10, 12),
            expires: at(20, 12),
            minimum_version: None,
            not_before: None,
            rollout_percent: 100,
            withdrawn: Vec::new(),
            is_urgent: false,
            previous: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_that_was_seen_before_is_believed_again_and_an_earlier_one_is_not() {
        let seen = judge(&manifest(7), "a", None, at(11, 0)).unwrap();
        assert_eq!((seen.serial, seen.signed_at), (7, at(10, 12)));
        assert!(judge(&manifest(7), "a", Some(&seen), at(11, 1)).is_ok());
        assert!(judge(&manifest(8), "b", Some(&seen), at(11, 1)).is_ok());
        let replayed = judge(&manifest(6), "c", Some(&seen), at(11, 1));
        assert_eq!(replayed, Err(Stale::Replayed { serial: 6, seen: 7 }));
        assert_eq!(judge(&manifest(7), "d", Some(&seen), at(11, 1)), Err(Stale::Twin(7)));
    }

    #[test]
    fn time_never_goes_back_behind_a_signature_whatever_the_clock_says() {
        let mut later = manifest(8);
        (later.signed_at, later.expires) = (at(18, 12), at(28, 12));
        let seen = judge(&later, "b", None, at(18, 13)).unwrap();
        // The battery is empty: the clock is back in time, at which the manifest below has not expired.
        let mut short = manifest(9);
        short.expires = at(18, 12);
        let stale = judge(&short, "c", Some(&seen), at(2, 0)).unwrap_err();
        assert_eq!(stale, Stale::Expired { expires: at(18, 12), now: at(18, 12) });
        assert_eq!(proven_time(Some(&seen), at(2, 0)), at(18, 12));
        assert_eq!(proven_time(Some(&seen), at(19, 0)), at(19, 0));
        // A later serial that was signed earlier proves no earlier time.
        let next = judge(&manifest(9), "d", Some(&seen), at(18, 14)).unwrap();
        assert_eq!(next.signed_at, at(18, 12));
    }

    #[test]
    fn a_signature_from_beyond_tomorrow_is_a_wrong_clock_and_proves_no_time() {
        assert!(judge(&manifest(1), "a", None, at(9, 12)).is_ok(), "a day ahead");
        let stale = judge(&manifest(1), "a", None, at(9, 11)).unwrap_err();
        assert!(matches!(stale, Stale::SignedAhead { .. }), "{stale}");
    }

    #[test]
    fn it_is_noted_when_it_changes_and_four_times_a_day() {
        let noted = judge(&manifest(7), "a", None, at(11, 0)).unwrap();
        let again = |hour| judge(&manifest(7), "a", Some(&noted), at(11, hour)).unwrap();
        assert!(noted.is_news_after(None));
        assert!(!again(5).is_news_after(Some(&noted)));
        assert!(again(6).is_news_after(Some(&noted)));
        let next = judge(&manifest(8), "b", Some(&noted), at(11, 1)).unwrap();
        assert!(next.is_news_after(Some(&noted)));
        let back = judge(&manifest(7), "a", Some(&noted), at(10, 23)).unwrap();
        assert!(back.is_news_after(Some(&noted)), "the clock was set back");
    }
}
