//! Bytes over HTTPS. Everything is bounded: the time of each wait, the size of each answer.
//!
//! What must never happen here: a request without TLS or with an unchecked certificate; a file at its
//! place whose size or hash is not the signed manifest's.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::manifest::Package;
use crate::{
    failpoints::{Step, durably},
    http_client::{HttpClient, HttpError, Settings, StatusCode},
    tls::CaFileError,
};

const MOST_REDIRECTS: u32 = 5;
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Longest silence of the server.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time for a manifest or its signature.
const SMALL_WITHIN: Duration = Duration::from_secs(45);
/// A transfer that breaks is taken up again so often within one run, as long as something came.
const FRUITLESS_TRIES: u32 = 2;
/// A package that comes slower is left to the next run, however short its pauses are.
const SLOWEST_BYTES_PER_S: u64 = 1000;
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// Hashed at once.
const READ_BYTES: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error("cannot fetch {url}: {error}")]
    Request { url: String, error: HttpError },
    #[error(
        "cannot fetch {url}: the server answered {status}; check `update.manifest_url` and what is published"
    )]
    Status { url: String, status: StatusCode },
    #[error("{url} is larger than the limit of {limit_bytes} bytes")]
    TooLarge { url: String, limit_bytes: u64 },
    #[error(
        "{url}: received only {got_bytes} of {size_bytes} bytes ({reason}); the next run resumes the download"
    )]
    CutShort { url: String, got_bytes: u64, size_bytes: u64, reason: String },
    #[error(
        "{url} is not the package that the manifest names: its SHA-256 is {found}, expected {wanted}; publish the right file"
    )]
    WrongHash { url: String, found: String, wanted: String },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
}

impl FetchError {
    /// The publisher has to mend it: trying again brings the same.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::WrongHash { .. } | Self::TooLarge { .. })
    }
}

pub(super) struct Fetcher {
    client: HttpClient,
}

impl Fetcher {
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, FetchError> {
        let client = HttpClient::new(&Settings {
            ca_key: "update.ca_file",
            ca_file,
            only_https: true,
            max_redirects: MOST_REDIRECTS,
            connect_within: CONNECT_WITHIN,
            answer_within: None,
            silence: Some(SILENCE),
            keeps_connections: true,
        })?;
        Ok(Self { client })
    }

    /// A whole small file.
    pub(super) fn small(&self, url: &str, limit_bytes: u64) -> Result<Vec<u8>, FetchError> {
        let failed = |error| FetchError::Request { url: url.to_owned(), error };
        let download = self.client.get(url, 0, Some(SMALL_WITHIN)).map_err(failed)?;
        if download.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.to_owned(), status: download.status() });
        }
        let bytes = download.bytes(limit_bytes).map_err(failed)?;
        bytes.ok_or_else(|| FetchError::TooLarge { url: url.to_owned(), limit_bytes })
    }

    /// Fetches `package` from `url` to `place`, going on where an earlier try ended. What stands at
    /// `place` afterwards has the size and the hash of the signed manifest, and is durable.
    ///
    /// No `If-Range` is needed: the name of the part holds the hash, and a whole that turns out to be
    /// of two files is thrown away and fetched once more from its beginning.
    pub(super) fn package(
        &self,
        url: &str,
        package: &Package,
        place: &Path,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), FetchError> {
        let part = place.with_extension(format!("{}.part", &package.sha256[..16]));
        let write = |source| FetchError::Write { path: part.clone(), source };
        let was_begun = length(&part) > 0;
        self.fill(url, package, &part, progress)?;
        let mut found = hash_of(&part).map_err(write)?;
        if found != package.sha256 && was_begun {
            durably(Step::DropDownload, || fs::remove_file(&part)).map_err(write)?;
            self.fill(url, package, &part, progress)?;
            found = hash_of(&part).map_err(write)?;
        }
        if found != package.sha256 {
            durably(Step::DropDownload, || fs::remove_file(&part)).map_err(write)?;
            let wanted = package.sha256.clone();
            return Err(FetchError::WrongHash { url: url.to_owned(), found, wanted });
        }
        File::open(&part).and_then(|file| file.sync_all()).map_err(write)?;
        durably(Step::KeepDownload, || fs::rename(&part, place)).map_err(write)?;
        super::store::sync_parent(place).map_err(write)
    }

    /// Brings `part` to the package's size.
    fn fill(
        &self,
        url: &str,
        package: &Package,
        part: &Path,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), FetchError> {
        let size_bytes = package.size_bytes;
        let limit = BEGIN_WITHIN + Duration::from_secs(size_bytes / SLOWEST_BYTES_PER_S);
        let begun = Instant::now();
        let mut fruitless = 0;
        loop {
            let begun_bytes = length(part);
            if begun_bytes >= size_bytes {
                // What is longer shows in the hash.
                return Ok(());
            }
            let left = limit.saturating_sub(begun.elapsed());
            let reason = match self.stretch(url, package, part, left, progress) {
                Err(FetchError::Request { .. }) if begun.elapsed() >= limit => {
                    format!("slower than {SLOWEST_BYTES_PER_S} bytes a second")
                }
                Ok(()) => "the server closed the connection early".to_owned(),
                Err(FetchError::Request { error, .. }) => error.to_string(),
                Err(other) => return Err(other),
            };
            let got_bytes = length(part);
            fruitless = if got_bytes > begun_bytes { 0 } else { fruitless + 1 };
            let is_over = fruitless >= FRUITLESS_TRIES || begun.elapsed() >= limit;
            if got_bytes < size_bytes && is_over {
                let url = url.to_owned();
                return Err(FetchError::CutShort { url, got_bytes, size_bytes, reason });
            }
        }
    }

    /// One request for what is missing, of `limit` at most.
    fn stretch(
        &self,
        url: &str,
        package: &Package,
        part: &Path,
        limit: Duration,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), FetchError> {
        let failed = |error| FetchError::Request { url: url.to_owned(), error };
        let write = |source| FetchError::Write { path: part.to_owned(), source };
        let begun_bytes = length(part);
        let download = self.client.get(url, begun_bytes, Some(limit)).map_err(failed)?;
        let mut got_bytes = match download.status() {
            _ if download.begins_at(begun_bytes) => begun_bytes,
            StatusCode::OK => 0,
            status => return Err(FetchError::Status { url: url.to_owned(), status }),
        };
        let mut file = durably(Step::KeepDownload, || {
            File::options().create(true).truncate(false).write(true).open(part)
        })
        .map_err(write)?;
        file.set_len(got_bytes).map_err(write)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(got_bytes)).map_err(write)?;
        let kept = download.read(|bytes| {
            got_bytes += bytes.len() as u64;
            if got_bytes > package.size_bytes {
                let limit_bytes = package.size_bytes;
                durably(Step::DropDownload, || fs::remove_file(part)).map_err(write)?;
                return Err(FetchError::TooLarge { url: url.to_owned(), limit_bytes });
            }
            file.write_all(bytes).map_err(write)?;
            progress(got_bytes, package.size_bytes);
            Ok(())
        });
        kept.map_err(failed)?
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// SHA-256 of a file in hexadecimal digits.
pub(super) fn hash_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    Ok(hexadecimal(&hash.finalize()))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `url` as written, or beside the manifest.
pub(super) fn beside(manifest_url: &str, url: &str) -> String {
    if url.contains("://") {
        return url.to_owned();
    }
    let begin = manifest_url.find("://").map_or(0, |at| at + 3);
    if let Some(absolute) = url.strip_prefix('/') {
        let host = manifest_url[begin..].find('/').map_or(manifest_url.len(), |at| begin + at);
        return format!("{}/{absolute}", &manifest_url[..host]);
    }
    let path = manifest_url.split(['?', '#']).next().unwrap_or(manifest_url);
    let folder = path[begin..].rfind('/').map_or(path.len(), |at| begin + at);
    format!("{}/{url}", &path[..folder])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_whole_or_relative_to_the_manifest() {
        let manifest = "https://updates.example/cu/manifest.json";
        for (url, whole) in [
            ("a.deb", "https://updates.example/cu/a.deb"),
            ("/pool/a.deb", "https://updates.example/pool/a.deb"),
            ("https://other.example/a.deb", "https://other.example/a.deb"),
        ] {
            assert_eq!(beside(manifest, url), whole);
        }
        assert_eq!(beside("https://updates.example", "a.deb"), "https://updates.example/a.deb");
    }
}
