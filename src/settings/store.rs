//! What a gateway keeps of the settings that central gives: one file, `settings.json`, in the state directory.
//! It is replaced as a whole, so that a power cut leaves what was before or what is now.
//!
//! What must never happen here: a half-written file; a link followed or a pipe waited for, because root's commands
//! read it too.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::document::Seen;
use crate::{
    failpoints::{Step, durably},
    model::{RefusedSettings, SettingsTold},
};

const FILE: &str = "settings.json";
/// Raised when a release before would misunderstand what is written.
const FORMAT: u32 = 1;
/// Two texts with escapes, and what else is noted.
const MOST_BYTES: u64 = 1 << 20;
/// As the buffer's.
const MODE: u32 = 0o640;

#[derive(Debug, thiserror::Error)]
pub enum SettingsStoreError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} cannot be used ({problem}): central's settings are not in use; remove the file"
    )]
    Damaged { path: PathBuf, problem: String },
}

/// A text that was signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Text {
    pub(super) serial: u64,
    pub(super) text: String,
}

/// Settings that have to show that they work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Trial {
    pub(super) settings: Text,
    /// Times that the service was started with them.
    pub(super) starts: u32,
    pub(super) before: Before,
}

/// What worked when they came, besides central, which told of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Before {
    /// Sources that answered.
    pub sources: Vec<String>,
    /// Machines (`nom`) of which something could be read.
    pub machines: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) serial: Option<u64>,
    pub(super) reason: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) format: u32,
    /// Of what central told last.
    pub(super) mark: String,
    pub(super) seen: Option<Seen>,
    pub(super) kept: Option<Text>,
    pub(super) trial: Option<Trial>,
    pub(super) refused: Option<Refused>,
}

impl State {
    pub(super) fn told(&self) -> SettingsTold {
        SettingsTold {
            kept: self.kept.as_ref().map(|kept| kept.serial),
            trial: self.trial.as_ref().map(|trial| trial.settings.serial),
            refused: self.refused.as_ref().map(|refused| RefusedSettings {
                serial: refused.serial,
                reason: refused.reason.clone(),
            }),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    pub(super) fn at(state_dir: &Path) -> Self {
        Self { path: state_dir.join(FILE) }
    }

    /// What was noted; nothing if there is no file.
    pub(super) fn state(&self) -> Result<State, SettingsStoreError> {
        let bytes = match self.bytes() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            Err(source) => {
                return Err(SettingsStoreError::Read { path: self.path.clone(), source });
            }
        };
        let damaged = |problem| SettingsStoreError::Damaged { path: self.path.clone(), problem };
        let state: State =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if state.format > FORMAT {
            return Err(damaged(format!("it has format {}", state.format)));
        }
        Ok(state)
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Once this returns, it lasts.
    pub(super) fn note(&self, state: &State, step: Step) -> Result<(), SettingsStoreError> {
        let failed = |source| SettingsStoreError::Write { path: self.path.clone(), source };
        let state = State { format: FORMAT, ..state.clone() };
        let text = serde_json::to_string_pretty(&state).map_err(|error| failed(error.into()))?;
        let new = self.path.with_extension("new");
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(MODE).custom_flags(flags);
        let mut file = durably(step, || options.open(&new)).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        durably(step, || fs::rename(&new, &self.path)).map_err(failed)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }
}
