//! Requests over HTTP and HTTPS, for alarms, reports and updates: one client, bounded in time and size, with the
//! authorities of [`tls`](crate::tls). The only module that names ureq.
//!
//! What must never happen here: an address or a token in an error, because they can be secrets; a request
//! that waits without end.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use rustls::{AlertDescription, CertificateError, ClientConfig};
use ureq::{
    Agent, Body, RequestBuilder,
    http::{Response, header},
    unversioned::resolver::DefaultResolver,
    unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector},
};

pub(crate) use ureq::http::StatusCode;

mod connector;

use connector::TlsConnector;

use crate::tls::{self, CaFileError};

/// Read at once.
const READ_BYTES: usize = 64 << 10;

/// What a client of one section of the configuration may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'s> {
    /// The key that names `ca_file`, for errors.
    pub(crate) ca_key: &'static str,
    pub(crate) ca_file: Option<&'s Path>,
    pub(crate) only_https: bool,
    /// Followed; a further one is the answer where none is followed, and an error otherwise.
    pub(crate) max_redirects: u32,
    pub(crate) connect_within: Duration,
    /// From the look-up of the name to the end of the answer.
    pub(crate) answer_within: Option<Duration>,
    /// The longest silence of the server.
    pub(crate) silence: Option<Duration>,
    /// Whether a connection is kept for the next request.
    pub(crate) keeps_connections: bool,
}

/// Why a request failed. Names neither address nor token.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("the address or the token cannot be used in a request")]
    Unusable,
    #[error("{}", certificate_reason(.error, .ca_key))]
    Certificate { error: CertificateError, ca_key: &'static str },
    #[error("{}", unusable(tls::NOTHING_IN_COMMON))]
    NothingInCommon,
    /// ureq's own words.
    #[error("{0}")]
    Failed(Box<ureq::Error>),
}

fn certificate_reason(error: &CertificateError, ca_key: &str) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or this gateway's clock is ahead".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: is this gateway's clock set?".into()
        }
        // A bad signature: another authority of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the server's certificate was issued by an unknown authority; set `{ca_key}` to the certificate of that authority"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for a name other than the configured address".into()
        }
        error if tls::is_authority_as_server(error) => {
            format!("the server's certificate is self-signed; set `{ca_key}` to it")
        }
        error if let Some(what) = tls::unusable(error) => unusable(what),
        other => format!("the server's certificate was refused: {other}"),
    }
}

fn unusable(what: &str) -> String {
    format!("the server's certificate cannot be used: {what}; give the server another one")
}

/// Sends requests to the servers that one section of the configuration names.
pub(crate) struct HttpClient {
    agent: Agent,
    ca_key: &'static str,
}

impl HttpClient {
    pub(crate) fn new(settings: &Settings<'_>) -> Result<Self, CaFileError> {
        let rules = tls::client_config(settings.ca_key, settings.ca_file)?;
        let mut config = Agent::config_builder()
            .https_only(settings.only_https)
            .http_status_as_error(false)
            .max_redirects(settings.max_redirects)
            .max_redirects_will_error(settings.max_redirects > 0)
            .timeout_connect(Some(settings.connect_within))
            .timeout_global(settings.answer_within)
            .timeout_recv_response(settings.silence)
            .timeout_per_read(settings.silence)
            .user_agent(concat!("cu-agent/", env!("CARGO_PKG_VERSION")));
        if !settings.keeps_connections {
            config = config.max_idle_connections(0);
        }
        let agent =
            Agent::with_parts(config.build(), connections(rules), DefaultResolver::default());
        Ok(Self { agent, ca_key: settings.ca_key })
    }

    /// Posts `json` and returns the status of the answer, whose text is not read.
    pub(crate) fn post_json(
        &self,
        url: &str,
        token: Option<&str>,
        json: &str,
    ) -> Result<StatusCode, HttpError> {
        let request = self.agent.post(url).content_type("application/json");
        let sent = with_token(request, token).send(json);
        sent.map(|response| response.status()).map_err(|error| self.explained(error))
    }

    /// Posts a file with these headers and returns the status of the answer, whose text is not read.
    pub(crate) fn post_file(
        &self,
        url: &str,
        token: Option<&str>,
        headers: &[(&str, String)],
        bytes: &[u8],
    ) -> Result<StatusCode, HttpError> {
        let request = with_token(self.agent.post(url), token);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let sent = request.send(bytes);
        sent.map(|response| response.status()).map_err(|error| self.explained(error))
    }

    /// Asks for `url` and returns the status of the answer, whose text is not read.
    pub(crate) fn ping(&self, url: &str, token: Option<&str>) -> Result<StatusCode, HttpError> {
        let sent = with_token(self.agent.get(url), token).call();
        sent.map(|response| response.status()).map_err(|error| self.explained(error))
    }

    /// Asks for the bytes of `url` from `begin_bytes` on; all of them within `limit`, if there is one.
    pub(crate) fn get(
        &self,
        url: &str,
        begin_bytes: u64,
        limit: Option<Duration>,
    ) -> Result<Download, HttpError> {
        let mut request = self.agent.get(url);
        if begin_bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={begin_bytes}-"));
        }
        if limit.is_some() {
            request = request.config().timeout_global(limit).build();
        }
        let response = request.call().map_err(|error| self.explained(error))?;
        Ok(Download { response, ca_key: self.ca_key })
    }

    fn explained(&self, error: ureq::Error) -> HttpError {
        explained(error, self.ca_key)
    }
}

/// Of an address what may be shown: name and port, nothing before an `@`, nothing from the path on.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn with_token<B>(request: RequestBuilder<B>, token: Option<&str>) -> RequestBuilder<B> {
    match token {
        Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    }
}

/// As ureq connects by itself, but by the TLS rules of this program: ureq's own take no certificate that
/// is its own authority.
fn connections(rules: ClientConfig) -> impl Connector {
    ().chain(ConnectProxyConnector::default())
        .chain(TcpConnector::default())
        .chain(TlsConnector::new(Arc::new(rules)))
}

fn explained(error: ureq::Error, ca_key: &'static str) -> HttpError {
    let tls = match &error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => return HttpError::Unusable,
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    match tls {
        Some(rustls::Error::InvalidCertificate(error)) => {
            HttpError::Certificate { error: error.clone(), ca_key }
        }
        Some(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)) => {
            HttpError::NothingInCommon
        }
        _ => HttpError::Failed(Box::new(error)),
    }
}

/// An answer whose bytes are still on their way.
pub(crate) struct Download {
    response: Response<Body>,
    ca_key: &'static str,
}

impl Download {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Whether the answer is the part of the file that begins at this byte.
    pub(crate) fn begins_at(&self, begin_bytes: u64) -> bool {
        let range = self.response.headers().get(header::CONTENT_RANGE);
        self.status() == StatusCode::PARTIAL_CONTENT
            && range
                .and_then(|value| value.to_str().ok())
                .is_some_and(|range| range.starts_with(&format!("bytes {begin_bytes}-")))
    }

    /// Hands the bytes to `take` as they come, until the end or until `take` refuses to go on.
    pub(crate) fn read<E>(
        mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, HttpError> {
        let mut body = self.response.body_mut().as_reader();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = body
                .read(&mut buffer)
                .map_err(|error| explained(ureq::Error::from(error), self.ca_key))?;
            if count == 0 {
                return Ok(Ok(()));
            }
            if let Err(refusal) = take(&buffer[..count]) {
                return Ok(Err(refusal));
            }
        }
    }

    /// All bytes; `None` if there are more than `limit_bytes`.
    pub(crate) fn bytes(self, limit_bytes: u64) -> Result<Option<Vec<u8>>, HttpError> {
        let mut all = Vec::new();
        let read = self.read(|bytes| {
            all.extend_from_slice(bytes);
            if all.len() as u64 > limit_bytes { Err(TooMany) } else { Ok(()) }
        })?;
        Ok(read.is_ok().then_some(all))
    }
}

struct TooMany;

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener, sync::mpsc, thread};

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

    #[test]
    fn a_server_that_drips_its_handshake_is_given_up_in_the_time_for_connecting() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            // A record of 16 KiB, which takes minutes.
            let record = [0x16, 3, 3, 0x40, 0].into_iter().chain(std::iter::repeat(2));
            for byte in record.take(1 << 14) {
                if socket.write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let (result, ended) = mpsc::channel();
        thread::spawn(move || {
            let client = HttpClient::new(&Settings {
                ca_key: "alarms.ca_file",
                ca_file: None,
                only_https: true,
                max_redirects: 0,
                connect_within: Duration::from_millis(500),
                answer_within: None,
                silence: Some(Duration::from_secs(30)),
                keeps_connections: false,
            });
            let Ok(client) = client else { return };
            result.send(client.ping(&url, None)).unwrap();
        });
        let answer = ended.recv_timeout(Duration::from_secs(30)).expect("it is given up");
        assert!(matches!(answer, Err(HttpError::Failed(_))), "{answer:?}");
    }
}
