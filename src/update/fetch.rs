//! Bytes over HTTPS. Everything is bounded: the time of each wait, the size of each answer.
//!
//! What must never happen here: a request without TLS or with an unchecked certificate; a file at its
//! place whose size or hash is not the signed manifest's.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    CertificateError,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use sha2::{Digest, Sha256};
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::manifest::Package;
use crate::failpoints::{Step, durably};

const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Longest silence of the server.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time for a manifest or its signature; a package only has to keep coming.
const SMALL_WITHIN: Duration = Duration::from_secs(90);
/// A transfer that breaks is taken up again so often within one run, as long as something came.
const FRUITLESS_TRIES: u32 = 2;
const READ_BYTES: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot read `update.ca_file` {path}; give the authority's certificate in PEM form")]
    ReadCaFile { path: PathBuf, source: io::Error },
    /// Its words are those of [`reason`], which the cause would only repeat.
    #[error("cannot fetch {url}: {}", reason(.error))]
    Request { url: String, error: Box<ureq::Error> },
    #[error(
        "cannot fetch {url}: the server answers {status}; check `update.manifest_url` and what is published"
    )]
    Status { url: String, status: StatusCode },
    #[error("{url} has more than the {limit_bytes} bytes that are taken")]
    TooLarge { url: String, limit_bytes: u64 },
    #[error(
        "{url}: only {got_bytes} of {size_bytes} bytes came ({reason}); the next run goes on from there"
    )]
    CutShort { url: String, got_bytes: u64, size_bytes: u64, reason: String },
    #[error(
        "{url} is not the package that the manifest names: its SHA-256 is {found}, and should be {wanted}; publish the right file"
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

/// The words of ureq, but for what an operator can mend.
fn reason(error: &ureq::Error) -> String {
    let tls = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    let Some(rustls::Error::InvalidCertificate(error)) = tls else { return error.to_string() };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or this gateway's clock is ahead".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: is this gateway's clock set?".into()
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate comes from an unknown issuer; give its authority as `update.ca_file`".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name than that of `update.manifest_url`".into()
        }
        other => format!("the server's certificate is refused: {other}"),
    }
}

pub struct Fetcher {
    agent: Agent,
}

impl Fetcher {
    pub fn new(ca_file: Option<&Path>) -> Result<Self, FetchError> {
        let roots = match ca_file {
            None => RootCerts::WebPki,
            Some(path) => RootCerts::Specific(Arc::new(authorities(path)?)),
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(5)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("cu-agent/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent() })
    }

    /// A whole small file.
    pub fn small(&self, url: &str, limit_bytes: u64) -> Result<Vec<u8>, FetchError> {
        let failed = |error| FetchError::Request { url: url.to_owned(), error: Box::new(error) };
        let request = self.agent.get(url).config().timeout_global(Some(SMALL_WITHIN)).build();
        let mut response = request.call().map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.to_owned(), status: response.status() });
        }
        let mut bytes = Vec::new();
        let mut body = response.body_mut().as_reader().take(limit_bytes + 1);
        body.read_to_end(&mut bytes).map_err(|error| failed(ureq::Error::from(error)))?;
        if bytes.len() as u64 > limit_bytes {
            return Err(FetchError::TooLarge { url: url.to_owned(), limit_bytes });
        }
        Ok(bytes)
    }

    /// Fetches `package` from `url` to `place`, going on where an earlier try ended. What stands at
    /// `place` afterwards has the size and the hash of the signed manifest, and is durable.
    ///
    /// No `If-Range` is needed: the name of the part holds the hash, and a whole that turns out to be
    /// of two files is thrown away and fetched once more from its beginning.
    pub fn package(
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
        super::ledger::sync_parent(place).map_err(write)
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
        let mut fruitless = 0;
        loop {
            let begun_bytes = length(part);
            if begun_bytes >= size_bytes {
                // What is longer shows in the hash.
                return Ok(());
            }
            let reason = match self.stretch(url, package, part, progress) {
                Ok(()) => "the server ended early".to_owned(),
                Err(FetchError::Request { error, .. }) => reason(&error),
                Err(other) => return Err(other),
            };
            let got_bytes = length(part);
            fruitless = if got_bytes > begun_bytes { 0 } else { fruitless + 1 };
            if got_bytes < size_bytes && fruitless >= FRUITLESS_TRIES {
                let url = url.to_owned();
                return Err(FetchError::CutShort { url, got_bytes, size_bytes, reason });
            }
        }
    }

    /// One request for what is missing.
    fn stretch(
        &self,
        url: &str,
        package: &Package,
        part: &Path,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), FetchError> {
        let failed = |error| FetchError::Request { url: url.to_owned(), error: Box::new(error) };
        let write = |source| FetchError::Write { path: part.to_owned(), source };
        let begun_bytes = length(part);
        let mut request = self.agent.get(url);
        if begun_bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={begun_bytes}-"));
        }
        let mut response = request.call().map_err(failed)?;
        let mut got_bytes = match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, begun_bytes) => begun_bytes,
            StatusCode::OK => 0,
            status => return Err(FetchError::Status { url: url.to_owned(), status }),
        };
        let mut file = durably(Step::KeepDownload, || {
            File::options().create(true).truncate(false).write(true).open(part)
        })
        .map_err(write)?;
        file.set_len(got_bytes).map_err(write)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(got_bytes)).map_err(write)?;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = body.read(&mut buffer).map_err(|error| failed(ureq::Error::from(error)))?;
            if count == 0 {
                return Ok(());
            }
            got_bytes += count as u64;
            if got_bytes > package.size_bytes {
                let limit_bytes = package.size_bytes;
                durably(Step::DropDownload, || fs::remove_file(part)).map_err(write)?;
                return Err(FetchError::TooLarge { url: url.to_owned(), limit_bytes });
            }
            file.write_all(&buffer[..count]).map_err(write)?;
            progress(got_bytes, package.size_bytes);
        }
    }
}

fn begins_at(response: &Response<Body>, begin_bytes: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE);
    range
        .and_then(|value| value.to_str().ok())
        .is_some_and(|range| range.starts_with(&format!("bytes {begin_bytes}-")))
}

fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, FetchError> {
    let failed = |source| FetchError::ReadCaFile { path: path.to_owned(), source };
    let mut all = Vec::new();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(io::Error::other(error)))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(io::Error::other(error)))?;
        all.push(Certificate::from_der(certificate.as_ref()).to_owned());
    }
    if all.is_empty() {
        return Err(failed(io::Error::other("it holds no certificate")));
    }
    Ok(all)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// SHA-256 of a file in hexadecimal digits.
pub fn hash_of(path: &Path) -> io::Result<String> {
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
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `url` as written, or beside the manifest.
pub fn beside(manifest_url: &str, url: &str) -> String {
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
