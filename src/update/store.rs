//! The updater's own directory: what is under way (`journal.json`), how the last update ended
//! (`result.json`), and the packages. Root's alone to write, and for everybody to read.
//!
//! What must never happen here: a half-written file; two updaters at once; a directory that another
//! user may write, whose links root would follow.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    deferral::Deferral,
    freshness::Seen,
    keys::HandedOver,
    lenient::{known, known_elements, known_entries},
    on_disk::{self, ReadError},
    result, service,
    version::{Version, order},
};
use crate::{
    failpoints::{Step, durably},
    model::{LastUpdate, UpdateEnd},
};

const STATE_FILE: &str = "journal.json";

/// More than this is nothing that was noted here.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot create {path}; run self-update as root")]
    Directory { path: PathBuf, source: io::Error },
    #[error(
        "{path} is writable by users other than the one who updates: chown it and chmod it to 0755"
    )]
    Open { path: PathBuf },
    #[error("another update is in progress; cu-agent update status shows how far it is")]
    Held,
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{path} cannot be parsed ({problem}): install a package by hand (dpkg -i) and remove the file"
    )]
    Damaged { path: PathBuf, problem: String },
}

/// How far an update is. Its words are those on disk, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The new package may be in any state.
    Installing,
    /// It is installed and has to show that it works.
    #[serde(rename = "proving")]
    Verifying,
    /// The former package may be in any state.
    PuttingBack,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Verifying => "proving",
            Self::PuttingBack => "putting-back",
        }
    }

    /// As people read it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Verifying => "verifying",
            Self::PuttingBack => "rolling back",
        }
    }
}

/// An update that has begun and not ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pending {
    pub phase: Phase,
    pub from: Version,
    pub to: Version,
    pub architecture: String,
    /// Times that the present phase was begun.
    pub attempts: u64,
    /// Why it is put back.
    pub reason: String,
    /// The start of the service before the update.
    pub invocation: String,
    /// Whether the service ran before the update.
    pub was_active: bool,
    /// Sources that did not answer before the update.
    #[serde(default, deserialize_with = "names")]
    pub silent: Vec<String>,
    /// Whether the agent told of itself before the update. Where it did not, that it does not
    /// afterwards is no fault of the new version. The first release did not note it, and took an answer
    /// for granted.
    #[serde(default = "yes")]
    pub answered: bool,
}

fn yes() -> bool {
    true
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(service::names(known_elements::<D, String>(deserializer)?))
}

/// Everything that is remembered from one run to the next. Nothing but an update under way is worth a
/// refusal: the rest is left out if it cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UpdateState {
    pub pending: Option<Pending>,
    /// Versions that did not prove themselves.
    #[serde(default, deserialize_with = "known_elements")]
    pub given_up: Vec<Version>,
    /// SHA-256 of the packages in the cache as the manifests that named them were signed, by file name.
    #[serde(default, deserialize_with = "known_entries")]
    pub packages: BTreeMap<String, String>,
    /// An update that a machine which is said to produce holds off.
    #[serde(default, deserialize_with = "known")]
    pub deferral: Option<Deferral>,
    /// The newest manifest that was believed.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The publisher's newest keys.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub keys: Option<HandedOver>,
}

pub struct UpdateStore {
    directory: PathBuf,
}

/// Held by the one updater at work.
pub struct StoreLock {
    _file: File,
}

impl UpdateStore {
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Makes the directory where it is missing, and keeps other updaters out.
    pub fn lock(&self) -> Result<StoreLock, StoreError> {
        let path = self.directory.clone();
        let failed = |source| StoreError::Directory { path: path.clone(), source };
        let cache = self.directory.join("cache");
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&cache).map_err(failed)?;
        let metadata = fs::symlink_metadata(&self.directory).map_err(failed)?;
        let is_own = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
        if !is_own || metadata.permissions().mode() & 0o022 != 0 {
            return Err(StoreError::Open { path });
        }
        let file = durably(Step::LockUpdates, || {
            File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o644)
                .open(self.directory.join("lock"))
        })
        .map_err(failed)?;
        file.try_lock().map_err(|_| StoreError::Held)?;
        Ok(StoreLock { _file: file })
    }

    fn write(&self, name: &str, content: &impl Serialize, step: Step) -> Result<(), StoreError> {
        let path = self.directory.join(name);
        let failed = |source| StoreError::Write { path: path.clone(), source };
        let text = on_disk::text(content).map_err(|error| failed(error.into()))?;
        let new = path.with_extension("new");
        let mut file = durably(step, || {
            File::options().create(true).truncate(true).write(true).mode(0o644).open(&new)
        })
        .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        durably(step, || fs::rename(&new, &path)).map_err(failed)?;
        sync_parent(&path).map_err(failed)
    }

    fn damaged(&self, name: &str, error: &ReadError) -> StoreError {
        StoreError::Damaged { path: self.directory.join(name), problem: error.to_string() }
    }

    pub fn state(&self) -> Result<UpdateState, StoreError> {
        let read = on_disk::read(&self.directory.join(STATE_FILE), MOST_BYTES);
        read.map(Option::unwrap_or_default).map_err(|error| self.damaged(STATE_FILE, &error))
    }

    pub fn note(&self, state: &UpdateState) -> Result<(), StoreError> {
        self.write(STATE_FILE, state, Step::NoteUpdate)
    }

    pub fn result(&self) -> Result<Option<LastUpdate>, StoreError> {
        let read = result::read(&self.directory.join(result::FILE));
        read.map_err(|error| self.damaged(result::FILE, &error))
    }

    /// Notes how an update ended. The same refusal at every hour is written once.
    pub fn note_result(&self, update: LastUpdate) -> Result<(), StoreError> {
        let update = result::bounded(update);
        if let Ok(Some(known)) = self.result()
            && update.result != UpdateEnd::Installed
            && known == (LastUpdate { at: known.at, ..update.clone() })
        {
            return Ok(());
        }
        self.write(result::FILE, &update, Step::NoteUpdateResult)
    }

    /// Where the package of a version is, or will be.
    pub fn package(&self, version: &Version, architecture: &str) -> PathBuf {
        // `:` of an epoch is written as Debian's archive does.
        let version = version.as_str().replace(':', "%3a");
        self.directory.join("cache").join(format!("cu-agent_{version}_{architecture}.deb"))
    }

    /// Removes everything in the cache but the packages of `kept`, and what is still being fetched of
    /// them.
    pub fn prune(&self, kept: &[&Version], architecture: &str) -> Result<(), StoreError> {
        let cache = self.directory.join("cache");
        let failed = |source| StoreError::Write { path: cache.clone(), source };
        let names: Vec<PathBuf> =
            kept.iter().map(|version| self.package(version, architecture)).collect();
        for entry in fs::read_dir(&cache).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let text = path.to_string_lossy().into_owned();
            let is_kept = names.iter().any(|name| {
                let stem = name.with_extension("");
                text.strip_prefix(&*stem.to_string_lossy()).is_some_and(|rest| {
                    rest == ".deb" || rest.starts_with('.') && rest.ends_with(".part")
                })
            });
            if !is_kept {
                durably(Step::PruneUpdates, || fs::remove_file(&path)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The program that began an update ends it, also where the new one cannot even start: the unit
    /// runs this copy while it is there.
    pub fn keep_updater(&self, program: &Path) -> Result<(), StoreError> {
        let kept = self.kept_updater();
        let failed = |source| StoreError::Write { path: kept.clone(), source };
        let new = kept.with_extension("new");
        durably(Step::KeepUpdater, || fs::copy(program, &new)).map_err(failed)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
        durably(Step::KeepUpdater, || fs::rename(&new, &kept)).map_err(failed)?;
        sync_parent(&kept).map_err(failed)
    }

    pub fn drop_updater(&self) -> Result<(), StoreError> {
        let kept = self.kept_updater();
        if !kept.exists() {
            return Ok(());
        }
        durably(Step::DropUpdater, || fs::remove_file(&kept))
            .map_err(|source| StoreError::Write { path: kept, source })
    }

    fn kept_updater(&self) -> PathBuf {
        self.directory.join("updater")
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// The bytes of `journal.json`, understood or refused with what is wrong.
pub fn parse_state(bytes: &[u8]) -> Result<UpdateState, String> {
    on_disk::parse(bytes).map_err(|error| error.to_string())
}

impl UpdateState {
    /// The noted hash of a package in the cache.
    pub fn hash_of(&self, package: &Path) -> Option<&str> {
        self.packages.get(package.file_name()?.to_str()?).map(String::as_str)
    }

    /// Notes the hashes of the packages that are kept; of others none is kept.
    pub fn keep_hashes(&mut self, kept: &[(PathBuf, String)]) {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let kept = kept.iter().filter_map(|(path, hash)| Some((name(path)?, hash.clone())));
        self.packages = kept.collect();
    }

    pub fn give_up(&mut self, version: &Version) {
        if !self.given_up.iter().any(|known| order(known, version).is_eq()) {
            self.given_up.push(version.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_noted_is_read_again_and_the_cache_keeps_what_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let store = UpdateStore::at(&dir.path().join("updates"));
        let lock = store.lock().unwrap();
        assert!(matches!(store.lock(), Err(StoreError::Held)));
        drop(lock);
        let version = |text: &str| Version::parse(text).unwrap();
        let state = UpdateState {
            given_up: vec![version("0.2.9")],
            pending: Some(Pending {
                phase: Phase::PuttingBack,
                from: version("0.2.0"),
                to: version("1:0.3.0"),
                architecture: "arm64".into(),
                attempts: 2,
                reason: "it did not start".into(),
                invocation: "abc".into(),
                was_active: true,
                silent: vec!["cu".into()],
                answered: false,
            }),
            packages: [("cu-agent_0.2.0_arm64.deb".into(), "ab".repeat(32))].into(),
            deferral: Some(Deferral {
                last: DateTime::parse_from_rfc3339("2026-12-01T20:00:00+01:00").unwrap(),
                waited: Duration::from_secs(7200),
            }),
            seen: Some(Seen {
                serial: 7,
                sha256: "cd".repeat(32),
                signed_at: DateTime::parse_from_rfc3339("2026-11-29T10:00:00Z").unwrap(),
                expires: DateTime::parse_from_rfc3339("2027-02-27T10:00:00Z").unwrap(),
                read_at: DateTime::parse_from_rfc3339("2026-12-01T20:00:00+01:00").unwrap(),
            }),
            keys: None,
        };
        store.note(&state).unwrap();
        assert_eq!(store.state().unwrap(), state);
        let kept = store.package(&version("0.2.0"), "arm64");
        let part = kept.with_extension("0123456789abcdef.part");
        let old = store.package(&version("0.1.0"), "arm64");
        for file in [&kept, &part, &old] {
            fs::write(file, "x").unwrap();
        }
        store.prune(&[&version("0.2.0")], "arm64").unwrap();
        assert!(kept.exists() && part.exists() && !old.exists());
        fs::set_permissions(store.directory(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(store.lock(), Err(StoreError::Open { .. })));
    }

    #[test]
    fn what_the_first_release_noted_is_read() {
        let value = json!({
            "given_up": ["0.2.9"],
            "pending": {
                "phase": "proving", "from": "0.1.0", "to": "0.2.0", "architecture": "arm64",
                "attempts": 1, "reason": "", "invocation": "x", "was_active": true, "silent": [],
            },
        });
        let state = parse_state(value.to_string().as_bytes()).unwrap();
        assert!(state.packages.is_empty() && state.deferral.is_none() && state.seen.is_none());
        assert_eq!(state.given_up, [Version::parse("0.2.9").unwrap()]);
        assert!(state.pending.unwrap().answered);
    }

    /// As the release before this one wrote it.
    const BEFORE: &str = r#"{
  "deferral": {
    "last": "2026-12-01T20:00:00+01:00",
    "waited_s": 7200
  },
  "given_up": [
    "0.2.9"
  ],
  "packages": {
    "cu-agent_0.2.0_arm64.deb": "abab"
  },
  "pending": {
    "answered": false,
    "architecture": "arm64",
    "attempts": 2,
    "from": "0.2.0",
    "invocation": "abc",
    "phase": "putting-back",
    "reason": "it did not start",
    "silent": [
      "cu"
    ],
    "to": "1:0.3.0",
    "was_active": true
  }
}
"#;

    #[test]
    fn the_release_before_and_this_one_read_what_the_other_noted() {
        let state = parse_state(BEFORE.as_bytes()).unwrap();
        let pending = state.pending.as_ref().unwrap();
        assert_eq!((pending.phase, pending.attempts), (Phase::PuttingBack, 2));
        assert_eq!(state.deferral.unwrap().waited, Duration::from_secs(7200));
        let text = on_disk::text(&state).unwrap();
        let mut written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written.as_object_mut().unwrap().remove("format"), Some(1.into()));
        assert_eq!(written, serde_json::from_str::<Value>(BEFORE).unwrap(), "the same fields");
        for phase in [Phase::Installing, Phase::Verifying, Phase::PuttingBack] {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        }
    }

    #[test]
    fn only_an_update_under_way_that_cannot_be_understood_is_refused() {
        let odd = json!({
            "given_up": ["0.2.9", 3, "no version"], "packages": {"a": 1, "b": "cd"},
            "deferral": {"last": "tomorrow", "waited_s": 1}, "pending": null,
        });
        let state = parse_state(odd.to_string().as_bytes()).unwrap();
        assert_eq!((state.given_up.len(), state.packages.len()), (1, 1));
        assert_eq!(state.deferral, None);
        let odd = json!({ "given_up": "0.2.9", "packages": [], "deferral": 7 });
        assert_eq!(parse_state(odd.to_string().as_bytes()).unwrap(), UpdateState::default());
        let lacking = json!({ "pending": {"phase": "proving", "from": "0.1.0"} });
        assert!(parse_state(lacking.to_string().as_bytes()).unwrap_err().contains("missing"));
        let newer = BEFORE.replacen('{', r#"{"format": 2,"#, 1);
        assert!(parse_state(newer.as_bytes()).unwrap_err().contains("format 2"));
    }
}
