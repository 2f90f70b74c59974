//! The publisher's list of what to install, as signed. Pure: bytes to a [`Manifest`] or the reason why
//! not. Nothing of it is believed before its signature was checked.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde_json::Value;

use super::version::{Version, order};

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
    #[error("the manifest is not JSON: {0}")]
    NotJson(String),
    #[error(
        "the manifest is of format {0}, and this version reads format {FORMAT}: install a newer package by hand"
    )]
    Format(u64),
    #[error("the manifest's {key} is missing or is not {accepted}")]
    Key { key: String, accepted: &'static str },
}

fn wrong(key: &str, accepted: &'static str) -> ManifestError {
    ManifestError::Key { key: key.to_owned(), accepted }
}

pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| ManifestError::NotJson(error.to_string()))?;
    match value["format"].as_u64() {
        Some(FORMAT) => {}
        Some(other) => return Err(ManifestError::Format(other)),
        None => return Err(wrong("format", "a number")),
    }
    let minimum_version = match &value["minimum_version"] {
        Value::Null => None,
        text => Some(version(text).ok_or_else(|| wrong("minimum_version", "a version"))?),
    };
    let not_before = match &value["not_before"] {
        Value::Null => None,
        text => {
            let time = text.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            let accepted = "a time such as 2026-12-01T20:00:00+01:00";
            Some(time.ok_or_else(|| wrong("not_before", accepted))?)
        }
    };
    let rollout_percent = match &value["rollout_percent"] {
        Value::Null => 100,
        number => number
            .as_u64()
            .and_then(|percent| u8::try_from(percent).ok())
            .filter(|percent| *percent <= 100)
            .ok_or_else(|| wrong("rollout_percent", "a number from 0 to 100"))?,
    };
    let previous = match &value["previous"] {
        Value::Null => Vec::new(),
        list => list
            .as_array()
            .ok_or_else(|| wrong("previous", "a list"))?
            .iter()
            .map(|one| release(one, "previous."))
            .collect::<Result<_, _>>()?,
    };
    let newest = release(&value, "")?;
    Ok(Manifest { newest, minimum_version, not_before, rollout_percent, previous })
}

fn version(value: &Value) -> Option<Version> {
    value.as_str().and_then(Version::parse)
}

fn release(value: &Value, before: &str) -> Result<Release, ManifestError> {
    let version = version(&value["version"])
        .ok_or_else(|| wrong(&format!("{before}version"), "a version"))?;
    let list = value["packages"]
        .as_object()
        .ok_or_else(|| wrong(&format!("{before}packages"), "a table by architecture"))?;
    let packages = list
        .iter()
        .map(|(architecture, value)| {
            let key = format!("{before}packages.{architecture}");
            Ok((architecture.clone(), package(value, &key)?))
        })
        .collect::<Result<_, ManifestError>>()?;
    Ok(Release { version, packages })
}

fn package(value: &Value, key: &str) -> Result<Package, ManifestError> {
    let text = |name: &str, accepted, is_accepted: fn(&str) -> bool| {
        value[name]
            .as_str()
            .filter(|text| is_accepted(text))
            .map(str::to_owned)
            .ok_or_else(|| wrong(&format!("{key}.{name}"), accepted))
    };
    let url = text("url", "an address", |text| {
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    })?;
    let sha256 = text("sha256", "64 hexadecimal digits in lower case", |text| {
        text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })?;
    let size_bytes =
        value["size"]
            .as_u64()
            .filter(|size| (1..=MAX_PACKAGE_BYTES).contains(size))
            .ok_or_else(|| wrong(&format!("{key}.size"), "a size in bytes up to 256 MiB"))?;
    Ok(Package { url, size_bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
