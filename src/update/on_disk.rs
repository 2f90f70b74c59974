//! How the updater's files stand on disk: JSON with the number of their format, read in bounded size. What
//! one release writes, the release before and the next can read: names of fields stay.
//!
//! What must never happen here: a reader that waits for a pipe, or that takes a file without end.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Raised when a release before would misunderstand what is written. The first releases wrote no number,
/// and mean this one.
const FORMAT: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Read(io::Error),
    #[error("it is not a regular file")]
    NoFile,
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    #[error("it has format {0}, but this release reads format {FORMAT}")]
    Format(u32),
    #[error("{0}")]
    Malformed(serde_json::Error),
}

#[derive(Serialize)]
struct Written<'c, T> {
    format: u32,
    #[serde(flatten)]
    content: &'c T,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default = "first_format")]
    format: u32,
}

fn first_format() -> u32 {
    1
}

/// As people can read it, with a line end.
pub(super) fn text(content: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&Written { format: FORMAT, content })? + "\n")
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    let head: Head = serde_json::from_slice(bytes).map_err(ReadError::Malformed)?;
    if head.format > FORMAT {
        return Err(ReadError::Format(head.format));
    }
    serde_json::from_slice(bytes).map_err(ReadError::Malformed)
}

/// `None` if there is no such file.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    most_bytes: u64,
) -> Result<Option<T>, ReadError> {
    let bytes = match bounded(path, most_bytes) {
        Err(ReadError::Read(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    parse(&bytes).map(Some)
}

/// The bytes of a regular file that is not longer.
pub(super) fn bounded(path: &Path, most_bytes: u64) -> Result<Vec<u8>, ReadError> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(ReadError::Read)?.is_file() {
        return Err(ReadError::NoFile);
    }
    let file = File::open(path).map_err(ReadError::Read)?;
    let mut bytes = Vec::new();
    file.take(most_bytes + 1).read_to_end(&mut bytes).map_err(ReadError::Read)?;
    if bytes.len() as u64 > most_bytes {
        return Err(ReadError::TooLong(most_bytes));
    }
    Ok(bytes)
}
