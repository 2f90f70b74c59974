//! The publisher's list of what to install, as signed. Pure: bytes to a [`Manifest`] or the reason why
//! not. Nothing of it is believed before its signature was checked.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde::Deserialize;

use super::{
    lenient::Field,
    version::{Version, order},
};

/// The one format that this version reads.
const FORMAT: u64 = 1;
/// No package of this program comes near it.
const MAX_PACKAGE_BYTES: u64 = 256 << 20;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub newest: Release,
    /// An installed version below it must go by way of this one.
    pub minimum_version: Option<Version>,
    pub not_before: Option<DateTime<FixedOffset>>,
    /// Of all gateways, 0 to 100.
    pub rollout_percent: u8,
    /// Earlier releases, for going back.
    pub previous: Vec<Release>,
}

impl Manifest {
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
    let minimum_version =
        written.minimum_version.known().ok_or_else(|| wrong("minimum_version", "a version"))?;
    let not_before = || wrong("not_before", "a time such as 2026-12-01T20:00:00+01:00");
    let not_before = match written.not_before.known().ok_or_else(not_before)? {
        None => None,
        Some(text) => Some(DateTime::parse_from_rfc3339(&text).map_err(|_| not_before())?),
    };
    let percent = written.rollout_percent.known().map(|percent| percent.unwrap_or(100));
    let rollout_percent = percent
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| wrong("rollout_percent", "a number from 0 to 100"))?;
    let previous = written.previous.known().ok_or_else(|| wrong("previous", "a list"))?;
    let previous = previous
        .unwrap_or_default()
        .into_iter()
        .map(|one| release(one, "previous."))
        .collect::<Result<_, _>>()?;
    let newest = release(written.newest, "")?;
    Ok(Manifest { newest, minimum_version, not_before, rollout_percent, previous })
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
            "format": 1, "version": "0.3.0", "minimum_version": "0.1.0",
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
    }

    #[test]
    fn what_is_wrong_in_a_manifest_is_named() {
        let damages: [(&str, Value, &str); 8] = [
            ("/format", json!(2), "format 2"),
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
