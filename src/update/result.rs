//! How the last update ended: `result.json`, which the updater writes and everybody may read. One reader for
//! the updater, the agent and the command line.

use std::path::{Path, PathBuf};

use super::{
    freshness::Seen,
    on_disk::{self, ReadError},
    store::UpdateStore,
};
use crate::{
    config::Config,
    model::{LastUpdate, ManifestTimes, SelfUpdate},
};

pub(super) const FILE: &str = "result.json";
/// The updater's directory if the configuration names none.
const DIRECTORY: &str = "/var/lib/cu-agent-update";
/// More than this is no result.
const MOST_BYTES: u64 = 64 << 10;
/// Of the detail: whatever it says, the whole stays below [`MOST_BYTES`].
const MOST_DETAIL_CHARS: usize = 4000;

/// Where the updater leaves it.
pub fn result_file(config: &Config) -> PathBuf {
    let directory = config.update.as_ref().map(|update| update.directory.as_path());
    directory.unwrap_or(Path::new(DIRECTORY)).join(FILE)
}

/// `None` if there was no update, and if the file is not what the updater writes.
pub fn last_update(file: &Path) -> Option<LastUpdate> {
    read(file).ok().flatten()
}

/// What the updater remembers in `directory`; nothing too if that cannot be read, as the updater then says
/// itself.
pub fn self_update(directory: &Path) -> SelfUpdate {
    let Ok(state) = UpdateStore::at(directory).state() else { return SelfUpdate::default() };
    let manifest = state.seen.map(|Seen { serial, signed_at, expires, read_at, .. }| {
        ManifestTimes { serial, signed_at, expires, read_at }
    });
    let given_up = state.given_up.iter().map(ToString::to_string).collect();
    let key_set = state.keys.map(|handed| handed.set.version());
    SelfUpdate { manifest, given_up, key_set }
}

pub(super) fn read(file: &Path) -> Result<Option<LastUpdate>, ReadError> {
    on_disk::read(file, MOST_BYTES)
}

/// The same, short enough for every reader.
pub(super) fn bounded(mut update: LastUpdate) -> LastUpdate {
    update.detail = update.detail.map(|text| text.chars().take(MOST_DETAIL_CHARS).collect());
    update
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use serde_json::Value;

    use super::*;
    use crate::{model::UpdateEnd, update::on_disk};

    /// As the first release wrote it.
    const FIRST: &str = r#"{
  "at": "2026-11-24T21:31:07+01:00",
  "detail": "no collection within 10 minutes",
  "from": "0.1.0",
  "result": "rolled-back",
  "version": "0.2.0"
}
"#;

    fn of(text: &[u8]) -> Option<LastUpdate> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        fs::write(&file, text).unwrap();
        last_update(&file)
    }

    #[test]
    fn a_result_is_read_as_the_release_before_wrote_it() {
        let update = of(FIRST.as_bytes()).unwrap();
        assert_eq!(update.version.as_deref(), Some("0.2.0"));
        assert_eq!(update.from.as_deref(), Some("0.1.0"));
        assert_eq!(update.result, UpdateEnd::RolledBack);
        assert_eq!(update.at.unwrap().timestamp(), 1_795_552_267);
        assert_eq!(update.detail.as_deref(), Some("no collection within 10 minutes"));
    }

    #[test]
    fn what_is_written_is_what_the_release_before_reads_and_the_number_of_the_format() {
        let update = of(FIRST.as_bytes()).unwrap();
        let text = on_disk::text(&update).unwrap();
        assert_eq!(of(text.as_bytes()), Some(update));
        let mut written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written.as_object_mut().unwrap().remove("format"), Some(1.into()));
        assert_eq!(written, serde_json::from_str::<Value>(FIRST).unwrap());
    }

    #[test]
    fn each_way_to_end_is_written_by_the_word_that_people_read() {
        for (end, word) in [
            (UpdateEnd::Installed, "installed"),
            (UpdateEnd::Refused, "refused"),
            (UpdateEnd::RolledBack, "rolled-back"),
            (UpdateEnd::Failed, "failed"),
        ] {
            assert_eq!(serde_json::to_value(end).unwrap(), word);
            assert_eq!(end.to_string(), word);
        }
    }

    #[test]
    fn a_missing_huge_or_malformed_result_is_none() {
        assert_eq!(last_update(Path::new("/nowhere/result.json")), None);
        assert_eq!(last_update(Path::new("/")), None);
        let huge = [FIRST.as_bytes(), &vec![b' '; usize::try_from(MOST_BYTES).unwrap()]].concat();
        assert_eq!(of(&huge), None);
        let bad = ["", "{", "[]", "null", r#"{"version":"1"}"#, r#"{"version":"1","result":3}"#];
        for text in bad {
            assert_eq!(of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(of(br#"{"version":"0.2.0","result":"exploded"}"#), None);
        assert_eq!(of(&[0xff, 0xfe, 0]), None);
        let newer = FIRST.replacen('{', r#"{"format": 2,"#, 1);
        assert_eq!(of(newer.as_bytes()), None, "a newer format may mean something else");
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join(FILE);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let (sender, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(last_update(&pipe)));
        assert_eq!(answer.recv_timeout(Duration::from_secs(10)), Ok(None));
    }

    #[test]
    fn a_refusal_before_the_version_was_known_is_read_too() {
        let update = of(br#"{"version":null,"from":"0.1.0","at":null,"result":"refused",
            "detail":"the manifest is not signed by update.public_key"}"#);
        let update = update.unwrap();
        assert_eq!((update.version, update.result), (None, UpdateEnd::Refused));
    }

    #[test]
    fn a_wrong_moment_costs_the_moment_only() {
        let update = of(FIRST.replace("2026-11-24T", "gestern ").as_bytes()).unwrap();
        assert_eq!((update.version.as_deref(), update.at), (Some("0.2.0"), None));
    }

    #[test]
    fn the_longest_detail_is_short_enough_to_be_read() {
        let long =
            LastUpdate { detail: Some("\u{1}".repeat(100_000)), ..of(FIRST.as_bytes()).unwrap() };
        let text = on_disk::text(&bounded(long)).unwrap();
        assert!(of(text.as_bytes()).is_some(), "{} bytes", text.len());
    }
}
