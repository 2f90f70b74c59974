//! One request: a report as a file. Bounded in time and size, and what comes back is not read.
//!
//! What must never happen here: an address in a message; a redirect followed with the token.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    config::{ReportConfig, Secret},
    http_client::{HttpClient, HttpError, Settings, StatusCode, host_of},
    model::ReportName,
    tls::CaFileError,
};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A spreadsheet over a plant's radio link.
const SENT_WITHIN: Duration = Duration::from_secs(600);
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// A year of forty machines is smaller.
const MOST_BYTES: u64 = 32 << 20;

/// Errors name the host at most.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("{name} has more than {} MiB, which no report has", MOST_BYTES >> 20)]
    TooLarge { name: ReportName },
    #[error("the request to {host} failed: {error}")]
    Request { host: String, error: HttpError },
    #[error("{host} rejected {name} with {status}; check the address and `report.token_file`")]
    Status { host: String, name: ReportName, status: StatusCode },
}

impl PostError {
    /// Whether the next report may pass all the same.
    pub(super) fn is_of_one_report(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::TooLarge { .. } | Self::Read { .. })
    }
}

/// Reaches the one who gets reports.
pub(crate) struct ReportPoster {
    client: HttpClient,
    url: Secret,
    token: Option<Secret>,
    /// The gateway's name.
    id: String,
}

impl ReportPoster {
    /// `None` if nobody gets them.
    pub(crate) fn new(config: &ReportConfig, id: &str) -> Result<Option<Self>, PostError> {
        let Some(url) = config.url.clone() else { return Ok(None) };
        let client = HttpClient::new(&Settings {
            ca_key: "report.ca_file",
            ca_file: config.ca_file.as_deref(),
            only_https: false,
            max_redirects: 0,
            connect_within: CONNECT_WITHIN,
            answer_within: Some(SENT_WITHIN),
            silence: Some(LONGEST_SILENCE),
            keeps_connections: false,
        })?;
        Ok(Some(Self { client, url, token: config.token.clone(), id: id.to_owned() }))
    }

    /// Who gets them, as far as it may be shown.
    pub(crate) fn host(&self) -> &str {
        host_of(self.url.expose())
    }

    /// The receiver has it when this returns `Ok`. `digest` is that of its figures: a receiver that got it
    /// already, because the answer was lost, knows it by the same key.
    pub(crate) fn send(
        &self,
        name: ReportName,
        file: PathBuf,
        digest: &str,
    ) -> Result<(), PostError> {
        let bytes = bounded(&file)
            .map_err(|error| PostError::Read { path: file, error })?
            .ok_or(PostError::TooLarge { name })?;
        let id = in_header(&self.id);
        let headers = [
            ("content-type", name.format.content_type().to_owned()),
            ("content-disposition", format!("attachment; filename=\"{}-{name}\"", plain(&self.id))),
            ("idempotency-key", format!("{id}/{name}/{digest}")),
            ("x-cu-agent", id),
            ("x-cu-agent-version", env!("CARGO_PKG_VERSION").to_owned()),
            ("x-cu-agent-week", name.week.to_string()),
        ];
        let token = self.token.as_ref().map(Secret::expose);
        let host = || self.host().to_owned();
        match self.client.post_file(self.url.expose(), token, &headers, &bytes) {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err(PostError::Status { host: host(), name, status }),
            Err(error) => Err(PostError::Request { host: host(), error }),
        }
    }
}

/// `None` if it is longer than a report.
fn bounded(file: &Path) -> io::Result<Option<Vec<u8>>> {
    // Opening a pipe would wait for its writer.
    if !fs::symlink_metadata(file)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MOST_BYTES).then_some(bytes))
}

/// A name in the characters that a header takes, others as `%C3%A9`.
fn in_header(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}

/// A name that is a file's name everywhere.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_s_name_forges_no_header_and_no_path() {
        assert_eq!(in_header("ligne 1\r\nX: é"), "ligne%201%0D%0AX%3A%20%C3%A9");
        assert_eq!(plain("../ligne 1\"é"), ".._ligne_1__");
    }
}
