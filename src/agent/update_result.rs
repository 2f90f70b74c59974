//! What the updater left of the last field update. The file is its own to write; here it is only
//! read, and nothing in it can do more harm than not to be shown.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use chrono::DateTime;
use serde_json::Value;

use crate::{config::Config, sync::postgres::LastUpdate};

/// The updater's directory where the configuration names none.
const DIRECTORY: &str = "/var/lib/cu-agent-update";
/// More than this is no result.
const MOST_BYTES: u64 = 64 << 10;

/// Where the updater leaves it, readable for everybody.
pub fn file_of(config: &Config) -> PathBuf {
    let directory = config.update.as_ref().map(|update| update.directory.as_path());
    directory.unwrap_or(Path::new(DIRECTORY)).join("result.json")
}

/// `None` where there was no update, and where the file is not what the updater writes.
pub fn last_update(file: &Path) -> Option<LastUpdate> {
    let metadata = fs::metadata(file).ok()?;
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return None;
    }
    let mut text = Vec::new();
    File::open(file).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
    read(&serde_json::from_slice(&text).ok()?)
}

fn read(json: &Value) -> Option<LastUpdate> {
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    let result = text("result")?;
    let is_known = ["installed", "refused", "rolled-back", "failed"].contains(&result.as_str());
    is_known.then_some(())?;
    Some(LastUpdate {
        version: text("version"),
        from: text("from"),
        at: text("at").and_then(|at| DateTime::parse_from_rfc3339(&at).ok()),
        result,
        detail: text("detail"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":"0.2.0","from":"0.1.0","at":"2026-11-24T21:31:07+01:00",
        "result":"rolled-back","detail":"no collection within 10 minutes"}"#;

    fn of(text: &[u8]) -> Option<LastUpdate> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("result.json");
        fs::write(&file, text).unwrap();
        last_update(&file)
    }

    #[test]
    fn a_result_is_read_as_the_updater_wrote_it() {
        let update = of(GOOD.as_bytes()).unwrap();
        assert_eq!(update.version.as_deref(), Some("0.2.0"));
        assert_eq!(update.from.as_deref(), Some("0.1.0"));
        assert_eq!(update.result, "rolled-back");
        assert_eq!(update.at.unwrap().timestamp(), 1_795_552_267);
        assert_eq!(update.detail.as_deref(), Some("no collection within 10 minutes"));
    }

    #[test]
    fn a_missing_huge_or_malformed_result_is_none() {
        assert_eq!(last_update(Path::new("/nowhere/result.json")), None);
        assert_eq!(last_update(Path::new("/")), None);
        let huge = [GOOD.as_bytes(), &vec![b' '; MOST_BYTES as usize]].concat();
        assert_eq!(of(&huge), None);
        let bad = ["", "{", "[]", "null", r#"{"version":"1"}"#, r#"{"version":"1","result":3}"#];
        for text in bad {
            assert_eq!(of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(of(br#"{"version":"0.2.0","result":"exploded"}"#), None);
        assert_eq!(of(&[0xff, 0xfe, 0]), None);
    }

    #[test]
    fn a_refusal_before_the_version_was_known_is_read_too() {
        let update = of(br#"{"version":null,"from":"0.1.0","at":null,"result":"refused",
            "detail":"the manifest is not signed by update.public_key"}"#);
        let update = update.unwrap();
        assert_eq!((update.version, update.result.as_str()), (None, "refused"));
    }

    #[test]
    fn a_wrong_moment_costs_the_moment_only() {
        let update = of(GOOD.replace("2026-11-24T", "gestern ").as_bytes()).unwrap();
        assert_eq!((update.version.as_deref(), update.at), (Some("0.2.0"), None));
    }
}
