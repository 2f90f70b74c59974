//! What can go wrong with the buffer, and whether trying again makes sense.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use super::{Holder, place};

#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    #[error(
        "the file system of agent.state_dir ({path}) is read-only, so nothing can be stored and reading has stopped: Linux does that to a failing card; see `dmesg`, check or replace the card, then restart the gateway"
    )]
    ReadOnly { path: PathBuf },
    #[error("cannot create the state directory {path}; check `agent.state_dir` and its owner")]
    Directory { path: PathBuf, source: io::Error },
    #[error("cannot write to the state directory {path}; check its free space and its owner")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot lock {path}; check `agent.state_dir` and its owner")]
    Lock { path: PathBuf, source: io::Error },
    #[error(
        "{path} is {what}: the agent neither reads nor writes it; find out who created it, and remove it"
    )]
    Foreign { path: PathBuf, what: String },
    #[error(
        "the buffer in {path} is in use by {holder}; stop it first, or set another `agent.state_dir` for this one"
    )]
    Held { path: PathBuf, holder: Holder },
    #[error(
        "{path} was written by a newer cu-agent (schema {version}, this one knows {known}); install that version again"
    )]
    Newer { path: PathBuf, version: usize, known: usize },
    #[error("cannot migrate {path} to this version's schema")]
    Migrate { path: PathBuf, source: rusqlite_migration::Error },
    #[error(
        "cannot migrate {path} to this version's schema: a copy of it is made first, which needs {needed_bytes} bytes, and {free_bytes} are free; free some space"
    )]
    NoRoomToMigrate { path: PathBuf, needed_bytes: u64, free_bytes: u64 },
    #[error(
        "cannot copy the buffer {path}; check the free space and the owner of `agent.state_dir`"
    )]
    Copy { path: PathBuf, source: io::Error },
    #[error("cannot return to the copy of {path} that a newer cu-agent made")]
    GoBack { path: PathBuf, source: io::Error },
    #[error("buffer {path}: cannot {action}")]
    Sqlite { path: PathBuf, action: &'static str, source: rusqlite::Error },
    #[error("buffer {path}: bytes of file {file_id} from {start} cannot be decompressed")]
    Unpack { path: PathBuf, file_id: i64, start: u64, source: io::Error },
    #[error("buffer {path} is damaged: {found}")]
    Damaged { path: PathBuf, found: String },
    #[error("cannot rename the damaged buffer {path}; check the owner of `agent.state_dir`")]
    SetAside { path: PathBuf, source: io::Error },
    #[error("buffer {path}: cannot compress bytes")]
    Pack { path: PathBuf, source: io::Error },
}

impl BufferError {
    /// A file or a directory at `path` could not be made or written: `other`, unless all of its disk may not
    /// be written.
    pub(super) fn of_file(
        path: &Path,
        source: io::Error,
        other: impl FnOnce(PathBuf, io::Error) -> Self,
    ) -> Self {
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path: path.parent().unwrap_or(path).to_owned() }
            }
            _ => other(path.to_owned(), source),
        }
    }

    /// Nothing on its disk can be written: a person has to look at the card.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::ReadOnly { .. })
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code(),
            Self::Migrate {
                source: rusqlite_migration::Error::RusqliteError { err, .. }, ..
            } => err.sqlite_error_code(),
            _ => None,
        }
    }

    /// The file's content is not what was written: set it aside and rebuild.
    pub fn is_damage(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            || matches!(self, Self::Unpack { .. } | Self::Damaged { .. })
    }

    /// What was to be written does not fit its row: it concerns the file that it came from, and no other.
    pub fn concerns_data(&self) -> bool {
        let Self::Sqlite { source, .. } = self else { return false };
        matches!(
            source,
            rusqlite::Error::ToSqlConversionFailure(_)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
        ) || matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
        )
    }

    /// There is no room: reading stops until there is.
    pub fn is_full(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DiskFull))
    }

    /// The disk refused a read or a write; what was under way counts as lost.
    pub fn is_disk_fault(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly))
    }
}

/// Names the action and the file of a failed SQLite call.
pub(super) trait During<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, BufferError>;
}

impl<T> During<T> for rusqlite::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, BufferError> {
        self.map_err(|source| {
            // What a disk that became read-only answers depends on what was under way.
            let may_be_disk = matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            );
            match path.parent().filter(|directory| may_be_disk && place::is_read_only(directory)) {
                Some(directory) => BufferError::ReadOnly { path: directory.to_owned() },
                None => BufferError::Sqlite { path: path.to_owned(), action, source },
            }
        })
    }
}
