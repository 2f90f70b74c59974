//! One request: an alarm as JSON, or the heartbeat. Bounded in time, and what comes back is not read.
//!
//! What must never happen here: an address in a message; a redirect followed with the token.

use std::{fs, io, path::Path, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    CertificateError,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use ureq::{
    Agent,
    http::StatusCode,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::wording;
use crate::{
    config::{Alarms, Secret},
    model::{AlarmMessage, Language, printable},
};

/// Of a title and of a message.
const MOST_CHARS: usize = 2000;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// From the look-up of the name to the answer's status.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Errors name the host at most.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("cannot read `alarms.ca_file` {path}; give the authority's certificate in PEM form")]
    ReadCaFile { path: PathBuf, source: io::Error },
    #[error("{host} does not take it: {reason}")]
    Request { host: String, reason: String },
    #[error("{host} answers {status}; check the address and `alarms.token_file`")]
    Status { host: String, status: StatusCode },
}

/// Reaches those who are told.
pub struct Poster {
    agent: Agent,
    config: Alarms,
    /// The gateway's name.
    id: String,
    language: Language,
}

impl Poster {
    pub fn new(config: &Alarms, id: &str, language: Language) -> Result<Self, PostError> {
        let roots = match &config.ca_file {
            None => RootCerts::WebPki,
            Some(path) => RootCerts::Specific(Arc::new(authorities(path)?)),
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_global(Some(ANSWER_WITHIN))
            // Minutes pass between two of them: a kept connection is a dead one.
            .max_idle_connections(0)
            .user_agent(concat!("cu-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { agent, config: config.clone(), id: id.to_owned(), language })
    }

    /// Who is told, as far as it may be shown.
    pub fn hosts(&self) -> Vec<&str> {
        let urls = [&self.config.url, &self.config.heartbeat_url];
        urls.into_iter().flatten().map(|url| host_of(url.expose())).collect()
    }

    /// Whether anybody wants alarms.
    pub fn takes_alarms(&self) -> bool {
        self.config.url.is_some()
    }

    /// The receiver has it when this returns `Ok`.
    pub fn tell(&self, message: &AlarmMessage) -> Result<(), PostError> {
        let Some(url) = &self.config.url else { return Ok(()) };
        let request = self.agent.post(url.expose()).content_type("application/json");
        let sent = self.authorized(request).send(self.body(message).to_string());
        judged(url, sent.map(|response| response.status()))
    }

    /// The sign of life after a good cycle.
    pub fn heartbeat(&self) -> Result<(), PostError> {
        let Some(url) = &self.config.heartbeat_url else { return Ok(()) };
        let sent = self.authorized(self.agent.get(url.expose())).call();
        judged(url, sent.map(|response| response.status()))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.config.token {
            Some(token) => request.header("Authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn body(&self, message: &AlarmMessage) -> Value {
        let AlarmMessage { key, event, text, since, at } = message;
        let title = wording::title(self.language, &self.id, key, *event);
        let time = |at: &chrono::NaiveDateTime| at.format("%Y-%m-%d %H:%M:%S").to_string();
        json!({
            // The same where an answer was lost and it is sent once more.
            "id": format!("{}/{}/{}/{}/{}", self.id, key.kind.as_str(), key.subject,
                event.as_str(), at.format("%Y%m%dT%H%M%S")),
            "agent": self.id,
            "version": env!("CARGO_PKG_VERSION"),
            "event": event.as_str(),
            "kind": key.kind.as_str(),
            "subject": key.subject,
            // Receivers show them as they are: in a notification, on a terminal.
            "title": printable(&title, MOST_CHARS),
            "message": printable(text, MOST_CHARS),
            "since": time(since),
            "at": time(at),
        })
    }
}

fn judged(url: &Secret, status: Result<StatusCode, ureq::Error>) -> Result<(), PostError> {
    let host = host_of(url.expose()).to_owned();
    match status {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(PostError::Status { host, status }),
        Err(error) => Err(PostError::Request { host, reason: reason(&error) }),
    }
}

/// Scheme, name and port: nothing before an `@`, nothing from the path on.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// The words of ureq, but for those that could hold the address, and what an operator can mend.
fn reason(error: &ureq::Error) -> String {
    let tls = match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            return "the address or the token is not usable in a request".into();
        }
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    match tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate comes from an unknown issuer; give its authority as `alarms.ca_file`"
                .into()
        }
        _ => error.to_string(),
    }
}

fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, PostError> {
    let failed = |source| PostError::ReadCaFile { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(failed)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes)
        .map(|certificate| certificate.map(|der| Certificate::from_der(&der).to_owned()))
        .collect();
    let certificates = certificates
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))?;
    if certificates.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it holds no certificate")));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_host_is_ever_shown() {
        for (url, host) in [
            ("https://ntfy.sh/secret-topic?tpl=1", "ntfy.sh"),
            ("https://user:password@hc-ping.com/uuid", "hc-ping.com"),
            ("http://10.0.0.7:8080?token=x", "10.0.0.7:8080"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
