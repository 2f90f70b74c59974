//! The updater's own directory: what is under way (`journal.json`), how the last update ended
//! (`result.json`), and the packages. Root's alone to write, and for everybody to read.
//!
//! What must never happen here: a half-written file; two updaters at once; a directory that another
//! user may write, whose links root would follow.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;
use serde_json::{Value, json};

use super::{
    deferral::Deferral,
    version::{Version, order},
};
use crate::failpoints::{Step, durably};

/// More than this is nothing that was noted here.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot make {path}; field updates are run by root")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{path} may be written by others than the user who updates: chown and chmod 0755 it")]
    Open { path: PathBuf },
    #[error("another update is under way; cu-agent update status tells how far it is")]
    Held,
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{path} cannot be understood ({problem}): an update by hand (dpkg -i) and removing it mends it"
    )]
    Damaged { path: PathBuf, problem: String },
}

/// How far an update is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The new package may be in any state.
    Installing,
    /// It is installed and has to show that it works.
    Proving,
    /// The former package may be in any state.
    PuttingBack,
}

impl Phase {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Installing, "installing"),
        (Self::Proving, "proving"),
        (Self::PuttingBack, "putting-back"),
    ];

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(phase, _)| *phase == self).map_or("", |(_, word)| word)
    }
}

/// An update that has begun and not ended.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    pub silent: Vec<String>,
    /// Whether the agent told of itself before the update. Where it did not, that it does not
    /// afterwards is no fault of the new version.
    pub answered: bool,
}

/// Everything that is remembered from one run to the next.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Journal {
    pub pending: Option<Pending>,
    /// Versions that did not prove themselves.
    pub given_up: Vec<Version>,
    /// SHA-256 of the packages in the cache as the manifests that named them were signed, by file name.
    pub packages: BTreeMap<String, String>,
    /// An update that a machine which is said to produce holds off.
    pub deferral: Option<Deferral>,
}

/// In the place of a version, where the publisher could not be asked or is not believed.
pub const UNKNOWN: &str = "unknown";

/// How the last update ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateResult {
    /// The version that was offered, or [`UNKNOWN`].
    pub version: String,
    pub from: Option<Version>,
    /// As RFC 3339 writes it.
    pub at: String,
    /// `installed`, `refused`, `rolled-back` or `failed`.
    pub result: &'static str,
    pub detail: String,
}

pub struct Ledger {
    directory: PathBuf,
}

/// Held by the one updater at work.
pub struct LedgerLock {
    _file: File,
}

impl Ledger {
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Makes the directory where it is missing, and keeps other updaters out.
    pub fn lock(&self) -> Result<LedgerLock, LedgerError> {
        let path = self.directory.clone();
        let failed = |source| LedgerError::Directory { path: path.clone(), source };
        let cache = self.directory.join("cache");
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&cache).map_err(failed)?;
        let metadata = fs::symlink_metadata(&self.directory).map_err(failed)?;
        let is_own = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
        if !is_own || metadata.permissions().mode() & 0o022 != 0 {
            return Err(LedgerError::Open { path });
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
        file.try_lock().map_err(|_| LedgerError::Held)?;
        Ok(LedgerLock { _file: file })
    }

    fn write(&self, name: &str, value: &Value, step: Step) -> Result<(), LedgerError> {
        let path = self.directory.join(name);
        let failed = |source| LedgerError::Write { path: path.clone(), source };
        let new = path.with_extension("new");
        let mut file = durably(step, || {
            File::options().create(true).truncate(true).write(true).mode(0o644).open(&new)
        })
        .map_err(failed)?;
        file.write_all(format!("{value:#}\n").as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        durably(step, || fs::rename(&new, &path)).map_err(failed)?;
        sync_parent(&path).map_err(failed)
    }

    fn read(&self, name: &str) -> Result<Option<Value>, LedgerError> {
        let path = self.directory.join(name);
        let damaged = |problem: String| LedgerError::Damaged { path: path.clone(), problem };
        let read = |file: File| {
            let mut bytes = Vec::new();
            file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
        };
        match File::open(&path).and_then(read) {
            Ok(bytes) if bytes.len() as u64 > MOST_BYTES => {
                Err(damaged(format!("it is longer than {MOST_BYTES} bytes")))
            }
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|e| damaged(e.to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    pub fn journal(&self) -> Result<Journal, LedgerError> {
        let Some(value) = self.read("journal.json")? else { return Ok(Journal::default()) };
        journal_of(&value).map_err(|problem| LedgerError::Damaged {
            path: self.directory.join("journal.json"),
            problem: problem.into(),
        })
    }

    pub fn note(&self, journal: &Journal) -> Result<(), LedgerError> {
        let Journal { pending, given_up, packages, deferral } = journal;
        let value = json!({
            "given_up": given_up.iter().map(Version::as_str).collect::<Vec<_>>(),
            "packages": packages,
            "deferral": deferral.map(|deferral| json!({
                "last": deferral.last.to_rfc3339(),
                "waited_s": deferral.waited.as_secs(),
            })),
            "pending": pending.as_ref().map(|pending| json!({
                "phase": pending.phase.as_str(),
                "from": pending.from.as_str(),
                "to": pending.to.as_str(),
                "architecture": pending.architecture,
                "attempts": pending.attempts,
                "reason": pending.reason,
                "invocation": pending.invocation,
                "was_active": pending.was_active,
                "silent": pending.silent,
                "answered": pending.answered,
            })),
        });
        self.write("journal.json", &value, Step::NoteUpdate)
    }

    /// The last result as it stands in the file, for whoever shows it.
    pub fn result(&self) -> Result<Option<Value>, LedgerError> {
        self.read("result.json")
    }

    /// Notes how an update ended. The same refusal at every hour is written once.
    pub fn note_result(&self, result: &UpdateResult) -> Result<(), LedgerError> {
        let mut value = json!({
            "version": result.version,
            "from": result.from.as_ref().map(Version::as_str),
            "at": result.at,
            "result": result.result,
            "detail": result.detail,
        });
        if let Ok(Some(known)) = self.result()
            && result.result != "installed"
        {
            let at = std::mem::replace(&mut value["at"], known["at"].clone());
            if value == known {
                return Ok(());
            }
            value["at"] = at;
        }
        self.write("result.json", &value, Step::NoteUpdateResult)
    }

    /// Where the package of a version is, or will be.
    pub fn package(&self, version: &Version, architecture: &str) -> PathBuf {
        // `:` of an epoch is written as Debian's archive does.
        let version = version.as_str().replace(':', "%3a");
        self.directory.join("cache").join(format!("cu-agent_{version}_{architecture}.deb"))
    }

    /// Removes everything in the cache but the packages of `kept`, and what is still being fetched of
    /// them.
    pub fn prune(&self, kept: &[&Version], architecture: &str) -> Result<(), LedgerError> {
        let cache = self.directory.join("cache");
        let failed = |source| LedgerError::Write { path: cache.clone(), source };
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
    pub fn keep_updater(&self, program: &Path) -> Result<(), LedgerError> {
        let kept = self.kept_updater();
        let failed = |source| LedgerError::Write { path: kept.clone(), source };
        let new = kept.with_extension("new");
        durably(Step::KeepUpdater, || fs::copy(program, &new)).map_err(failed)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        File::open(&new).and_then(|file| file.sync_all()).map_err(failed)?;
        durably(Step::KeepUpdater, || fs::rename(&new, &kept)).map_err(failed)?;
        sync_parent(&kept).map_err(failed)
    }

    pub fn drop_updater(&self) -> Result<(), LedgerError> {
        let kept = self.kept_updater();
        if !kept.exists() {
            return Ok(());
        }
        durably(Step::DropUpdater, || fs::remove_file(&kept))
            .map_err(|source| LedgerError::Write { path: kept, source })
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

fn version(value: &Value) -> Option<Version> {
    value.as_str().and_then(Version::parse)
}

fn read_pending(value: &Value) -> Option<Pending> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let phase = value["phase"].as_str()?;
    Some(Pending {
        phase: Phase::ALL.iter().find(|(_, word)| *word == phase)?.0,
        from: version(&value["from"])?,
        to: version(&value["to"])?,
        architecture: text("architecture")?,
        attempts: value["attempts"].as_u64()?,
        reason: text("reason")?,
        invocation: text("invocation")?,
        was_active: value["was_active"].as_bool()?,
        silent: super::service::names(&value["silent"]),
        // A release before this one did not note it, and took an answer for granted.
        answered: value["answered"].as_bool().unwrap_or(true),
    })
}

/// The bytes of `journal.json`, understood or refused with what is wrong.
pub fn parse_state(bytes: &[u8]) -> Result<Journal, String> {
    let value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    journal_of(&value).map_err(str::to_owned)
}

/// What `journal.json` holds; an error says what it lacks. Nothing but an update under way is worth a
/// refusal: the rest is left out where it cannot be understood.
fn journal_of(value: &Value) -> Result<Journal, &'static str> {
    let given_up = value["given_up"].as_array().into_iter().flatten();
    let pending = match &value["pending"] {
        Value::Null => None,
        pending => Some(read_pending(pending).ok_or("its update under way lacks something")?),
    };
    let packages = value["packages"].as_object().into_iter().flatten();
    let packages = packages.filter_map(|(name, hash)| Some((name.clone(), hash.as_str()?.into())));
    Ok(Journal {
        pending,
        given_up: given_up.filter_map(version).collect(),
        packages: packages.collect(),
        deferral: read_deferral(&value["deferral"]),
    })
}

fn read_deferral(value: &Value) -> Option<Deferral> {
    let last = DateTime::parse_from_rfc3339(value["last"].as_str()?).ok()?;
    Some(Deferral { last, waited: Duration::from_secs(value["waited_s"].as_u64()?) })
}

impl Journal {
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
    use super::*;

    #[test]
    fn what_is_noted_is_read_again_and_the_cache_keeps_what_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&dir.path().join("updates"));
        let lock = ledger.lock().unwrap();
        assert!(matches!(ledger.lock(), Err(LedgerError::Held)));
        drop(lock);
        let version = |text: &str| Version::parse(text).unwrap();
        let journal = Journal {
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
        };
        ledger.note(&journal).unwrap();
        assert_eq!(ledger.journal().unwrap(), journal);
        let kept = ledger.package(&version("0.2.0"), "arm64");
        let part = kept.with_extension("0123456789abcdef.part");
        let old = ledger.package(&version("0.1.0"), "arm64");
        for file in [&kept, &part, &old] {
            fs::write(file, "x").unwrap();
        }
        ledger.prune(&[&version("0.2.0")], "arm64").unwrap();
        assert!(kept.exists() && part.exists() && !old.exists());
        fs::set_permissions(ledger.directory(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(ledger.lock(), Err(LedgerError::Open { .. })));
    }

    #[test]
    fn what_the_release_before_noted_is_read() {
        let value = json!({
            "given_up": ["0.2.9"],
            "pending": {
                "phase": "proving", "from": "0.1.0", "to": "0.2.0", "architecture": "arm64",
                "attempts": 1, "reason": "", "invocation": "x", "was_active": true, "silent": [],
            },
        });
        let journal = journal_of(&value).unwrap();
        assert!(journal.packages.is_empty() && journal.deferral.is_none());
        assert!(journal.pending.unwrap().answered);
    }
}
