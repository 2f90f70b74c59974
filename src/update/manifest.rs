//! The publisher's list of what to install, as signed. Pure: bytes to a [`Manifest`] or the reason why
//! not. Nothing of it is believed before its signature was checked.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde::Deserialize;

use super::{
    lenient::Field,
    version::{Version, order},
};
use crate::model::printable;

/// The one format that this version reads.
const FORMAT: u64 = 1;
/// Whose releases it lists: a publisher may sign those of other programs with the same key.
pub(super) const PRODUCT: &str = "cu-agent";
/// No package of this program comes near it.
const MAX_PACKAGE_BYTES: u64 = 256 << 20;
const MOST_SERIAL_AHEAD_S: i64 = 24 * 3600;
const A_TIME: &str = "a time such as 2026-12-01T20:00:00+01:00";
/// Of a name that is shown.
const MOST_NAME_CHARS: usize = 100;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub newest: Release,
    /// Grows with each manifest that is signed, and is at most a day ahead of the seconds since 1970 at
    /// [`Self::signed_at`], so that one that was signed by mistake blocks no later one for long.
    pub serial: u64,
    /// By the publisher's clock.
    pub signed_at: DateTime<FixedOffset>,
    /// Nothing is installed by it from then on.
    pub expires: DateTime<FixedOffset>,
    /// An installed version below it must go by way of this one.
    pub minimum_version: Option<Version>,
    pub not_before: Option<DateTime<FixedOffset>>,
    /// Of all gateways, 0 to 100.
    pub rollout_percent: u8,
    /// Versions that nobody is to run: where one is installed, [`Self::newest`] replaces it, newer or older.
    pub withdrawn: Vec<Version>,
    /// It waits for no window, and for machines that produce only briefly.
    pub is_urgent: bool,
    /// Earlier releases, for going back.
    pub previous: Vec<Release>,
}

impl Manifest {
    pub fn is_withdrawn(&self, version: &Version) -> bool {
        self.withdrawn.iter().any(|withdrawn| order(withdrawn, version).is_eq())
    }

    /// The package of an installed version, for going back to it.
    pub fn way_back(&self, installed: &Version, architecture: &str) -> Option<&Package> {
        self.previous
            .iter()
            .filter(|release| order(&release.version, installed).is_eq())
            .find_map(|release| release.packages.get(architecture))
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    pub version: Version,
    /// By Debian architecture.
    pub packages: BTreeMap<String, Package>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// May be relative to the manifest's.
    pub url: String,
    pub size_bytes: u64,
    /// In hexadecimal digits, lower case.
    pub sha256: String,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is not a valid manifest in JSON: {0}")]
    NotJson(String),
    #[error(
        "the manifest has format {0}, but this version reads format {FORMAT}: install a newer package by hand"
    )]
    Format(u64),
    #[error("the manifest is for {0:?}, not for {PRODUCT}: check `update.manifest_url`")]
    OtherProduct(String),
    #[error(
        "the manifest has no serial, so that nobody could tell an old copy from the newest: make it again with this version's packaging/manifest.sh"
    )]
    NoSerial,
    #[error(
        "the manifest's serial {serial} is more than a day ahead of the time of its signature, {signed_at}: make it again with packaging/manifest.sh and a right clock"
    )]
    SerialAhead { serial: u64, signed_at: DateTime<FixedOffset> },
    #[error("the manifest expires at {expires}, which is not after its signature at {signed_at}")]
    ExpiresAtOnce { signed_at: DateTime<FixedOffset>, expires: DateTime<FixedOffset> },
    #[error("the manifest offers version {0} and withdraws it: publish another version")]
    OffersWithdrawn(Version),
    #[error("the manifest's {key} is missing or is not {accepted}")]
    Key { key: String, accepted: &'static str },
}

fn wrong(key: &str, accepted: &'static str) -> ManifestError {
    ManifestError::Key { key: key.to_owned(), accepted }
}

/// The manifest as it may be written: whatever a field holds, so that the first that is wrong can be named.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    format: Field<Option<u64>>,
    #[serde(default)]
    product: Field<Option<String>>,
    #[serde(default)]
    serial: Field<Option<u64>>,
    #[serde(default)]
    signed_at: Field<Option<String>>,
    #[serde(default)]
    expires: Field<Option<String>>,
    #[serde(default)]
    withdrawn: Field<Option<Vec<Version>>>,
    #[serde(default)]
    urgent: Field<Option<bool>>,
    #[serde(flatten)]
    newest: WrittenRelease,
    #[serde(default)]
    minimum_version: Field<Option<Version>>,
    #[serde(default)]
    not_before: Field<Option<String>>,
    #[serde(default)]
    rollout_percent: Field<Option<u8>>,
    #[serde(default)]
    previous: Field<Option<Vec<WrittenRelease>>>,
}

#[derive(Deserialize)]
struct WrittenRelease {
    #[serde(default)]
    version: Field<Option<Version>>,
    #[serde(default)]
    packages: Field<Option<BTreeMap<String, WrittenPackage>>>,
}

#[derive(Deserialize)]
struct WrittenPackage {
    #[serde(default)]
    url: Field<Option<String>>,
    #[serde(default)]
    size: Field<Option<u64>>,
    #[serde(default)]
    sha256: Field<Option<String>>,
}

pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let written: Written =
        serde_json::from_slice(bytes).map_err(|error| ManifestError::NotJson(error.to_string()))?;
    match written.format.known().flatten() {
        Some(FORMAT) => {}
        Some(other) => return Err(ManifestError::Format(other)),
        None => return Err(wrong("format", "a number")),
    }
    let serial = written.serial.known().ok_or_else(|| wrong("serial", "a number from 1"))?;
    let serial = serial.ok_or(ManifestError::NoSerial)?;
    match written.product.known().flatten() {
        Some(product) if product == PRODUCT => {}
        Some(other) => return Err(ManifestError::OtherProduct(printable(&other, MOST_NAME_CHARS))),
        None => return Err(wrong("product", "the name of a program")),
    }
    let signed_at = time(written.signed_at, "signed_at")?;
    let signed_at = signed_at.ok_or_else(|| wrong("signed_at", A_TIME))?;
    let expires = time(written.expires, "expires")?.ok_or_else(|| wrong("expires", A_TIME))?;
    let most_serial = signed_at.timestamp().saturating_add(MOST_SERIAL_AHEAD_S);
    if u64::try_from(most_serial).map_or(true, |most| serial > most) {
        return Err(ManifestError::SerialAhead { serial, signed_at });
    }
    if expires <= signed_at {
        return Err(ManifestError::ExpiresAtOnce { signed_at, expires });
    }
    let minimum_version =
        written.minimum_version.known().ok_or_else(|| wrong("minimum_version", "a version"))?;
    let not_before = time(written.not_before, "not_before")?;
    let percent = written.rollout_percent.known().map(|percent| percent.unwrap_or(100));
    let rollout_percent = percent
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| wrong("rollout_percent", "a number from 0 to 100"))?;
    let withdrawn = written.withdrawn.known().ok_or_else(|| wrong("withdrawn", "versions"))?;
    let is_urgent = written.urgent.known().ok_or_else(|| wrong("urgent", "true or false"))?;
    let previous = written.previous.known().ok_or_else(|| wrong("previous", "a list"))?;
    let previous = previous
        .unwrap_or_default()
        .into_iter()
        .map(|one| release(one, "previous."))
        .collect::<Result<_, _>>()?;
    let manifest = Manifest {
        newest: release(written.newest, "")?,
        serial,
        signed_at,
        expires,
        minimum_version,
        not_before,
        rollout_percent,
        withdrawn: withdrawn.unwrap_or_default(),
        is_urgent: is_urgent.unwrap_or(false),
        previous,
    };
    if manifest.is_withdrawn(&manifest.newest.version) {
        return Err(ManifestError::OffersWithdrawn(manifest.newest.version));
    }
    Ok(manifest)
}

/// `None` where the key is missing.
fn time(
    written: Field<Option<String>>,
    key: &str,
) -> Result<Option<DateTime<FixedOffset>>, ManifestError> {
    let text = written.known().ok_or_else(|| wrong(key, A_TIME))?;
    text.map(|text| DateTime::parse_from_rfc3339(&text).map_err(|_| wrong(key, A_TIME))).transpose()
}

fn release(written: WrittenRelease, before: &str) -> Result<Release, ManifestError> {
    let version = written.version.known().flatten();
    let version = version.ok_or_else(|| wrong(&format!("{before}version"), "a version"))?;
    let list = written.packages.known().flatten();
    let list =
        list.ok_or_else(|| wrong(&format!("{before}packages"), "a table by architecture"))?;
    let packages = list
        .into_iter()
        .map(|(architecture, written)| {
            let package = package(written, &format!("{before}packages.{architecture}"))?;
            Ok((architecture, package))
        })
        .collect::<Result<_, ManifestError>>()?;
    Ok(Release { version, packages })
}

fn package(written: WrittenPackage, key: &str) -> Result<Package, ManifestError> {
    let url = written.url.known().flatten().filter(|url| {
        !url.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    let url = url.ok_or_else(|| wrong(&format!("{key}.url"), "an address"))?;
    let sha256 = written.sha256.known().flatten().filter(|text| {
        text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    let sha256 = sha256
        .ok_or_else(|| wrong(&format!("{key}.sha256"), "64 hexadecimal digits in lower case"))?;
    let size_bytes = written.size.known().flatten();
    let size_bytes = size_bytes
        .filter(|size| (1..=MAX_PACKAGE_BYTES).contains(size))
        .ok_or_else(|| wrong(&format!("{key}.size"), "a size in bytes up to 256 MiB"))?;
    Ok(Package { url, size_bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({
            "format": 1, "product": "cu-agent", "serial": 1_764_000_000,
            "signed_at": "2026-11-29T10:00:00Z", "expires": "2027-02-27T10:00:00Z",
            "withdrawn": ["0.2.9"], "urgent": true,
            "version": "0.3.0", "minimum_version": "0.1.0",
            "not_before": "2026-12-01T20:00:00+01:00", "rollout_percent": 25,
            "packages": {"arm64": {"url": "a.deb", "size": 7, "sha256": "ab".repeat(32)}},
            "previous": [{"version": "0.2.0",
                "packages": {"arm64": {"url": "b.deb", "size": 8, "sha256": "cd".repeat(32)}}}],
        })
    }

    #[test]
    fn a_whole_manifest_is_read() {
        let manifest = parse(whole().to_string().as_bytes()).unwrap();
        assert_eq!(manifest.newest.version.as_str(), "0.3.0");
        assert_eq!(manifest.rollout_percent, 25);
        assert_eq!(manifest.previous[0].packages["arm64"].size_bytes, 8);
        assert_eq!(manifest.serial, 1_764_000_000);
        assert!(manifest.is_urgent && manifest.expires > manifest.signed_at);
        assert!(manifest.is_withdrawn(&Version::parse("0.2.9").unwrap()));
    }

    #[test]
    fn what_is_wrong_in_a_manifest_is_named() {
        let damages: [(&str, Value, &str); 19] = [
            ("/format", json!(2), "format 2"),
            ("/product", json!("autre"), "is for \"autre\", not for cu-agent"),
            ("/product", Value::Null, "product"),
            ("/serial", Value::Null, "has no serial"),
            ("/serial", json!(-1), "serial"),
            ("/serial", json!(u64::MAX), "more than a day ahead"),
            ("/signed_at", json!("yesterday"), "signed_at"),
            ("/expires", Value::Null, "expires"),
            ("/expires", json!("2026-11-29T11:00:00+01:00"), "not after its signature"),
            ("/withdrawn", json!("0.2.9"), "withdrawn"),
            ("/withdrawn", json!(["0.3.0"]), "offers version 0.3.0 and withdraws it"),
            ("/urgent", json!("yes"), "urgent"),
            ("/version", json!("v1"), "version"),
            ("/minimum_version", json!(1), "minimum_version"),
            ("/not_before", json!("tomorrow"), "not_before"),
            ("/rollout_percent", json!(101), "rollout_percent"),
            ("/packages/arm64/sha256", json!("AB".repeat(32)), "packages.arm64.sha256"),
            ("/packages/arm64/size", json!(0), "packages.arm64.size"),
            ("/previous/0/packages/arm64/url", json!("a b"), "previous.packages.arm64.url"),
        ];
        for (place, value, named) in damages {
            let mut manifest = whole();
            *manifest.pointer_mut(place).unwrap() = value;
            let refusal = parse(manifest.to_string().as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains(named), "{place}: {refusal}");
        }
        assert!(matches!(parse(b"{"), Err(ManifestError::NotJson(_))));
    }
}
