//! One request: an alarm as JSON, or the heartbeat. Bounded in time, and what comes back is not read.
//!
//! What must never happen here: an address in a message; a redirect followed with the token.

use std::time::Duration;

use serde::Serialize;

use super::wording;
use crate::{
    config::{Alarms, Secret},
    http_client::{HttpClient, HttpError, Settings, StatusCode, host_of},
    model::{AlarmMessage, Language, WallTime, printable},
    tls::CaFileError,
};

/// Of a title and of a message.
const MOST_CHARS: usize = 2000;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// From the look-up of the name to the answer's status.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Errors name the host at most.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error("the alarm cannot be written as JSON")]
    Write(#[source] serde_json::Error),
    #[error("the request to {host} failed: {error}")]
    Request { host: String, error: HttpError },
    #[error("{host} rejected the request with {status}; check the address and `alarms.token_file`")]
    Status { host: String, status: StatusCode },
}

/// Reaches those who are told.
pub(crate) struct Poster {
    client: HttpClient,
    config: Alarms,
    /// The gateway's name.
    id: String,
    language: Language,
}

impl Poster {
    pub(crate) fn new(config: &Alarms, id: &str, language: Language) -> Result<Self, PostError> {
        let client = HttpClient::new(&Settings {
            ca_key: "alarms.ca_file",
            ca_file: config.ca_file.as_deref(),
            only_https: false,
            max_redirects: 0,
            connect_within: CONNECT_WITHIN,
            answer_within: Some(ANSWER_WITHIN),
            silence: None,
            // Minutes pass between two of them: a kept connection is a dead one.
            keeps_connections: false,
        })?;
        Ok(Self { client, config: config.clone(), id: id.to_owned(), language })
    }

    /// Who is told, as far as it may be shown.
    pub(crate) fn hosts(&self) -> Vec<&str> {
        let urls = [&self.config.url, &self.config.heartbeat_url];
        urls.into_iter().flatten().map(|url| host_of(url.expose())).collect()
    }

    /// Whether anybody wants alarms.
    pub(crate) fn takes_alarms(&self) -> bool {
        self.config.url.is_some()
    }

    /// The receiver has it when this returns `Ok`.
    pub(crate) fn tell(&self, message: &AlarmMessage) -> Result<(), PostError> {
        let Some(url) = &self.config.url else { return Ok(()) };
        let body = serde_json::to_string(&self.body(message)).map_err(PostError::Write)?;
        judged(url, self.client.post_json(url.expose(), self.token(), &body))
    }

    /// The sign of life after a good cycle.
    pub(crate) fn heartbeat(&self) -> Result<(), PostError> {
        let Some(url) = &self.config.heartbeat_url else { return Ok(()) };
        judged(url, self.client.ping(url.expose(), self.token()))
    }

    fn token(&self) -> Option<&str> {
        self.config.token.as_ref().map(Secret::expose)
    }

    fn body<'b>(&'b self, message: &'b AlarmMessage) -> Body<'b> {
        let AlarmMessage { key, event, text, since, at } = message;
        let (kind, subject, event_word) = (key.kind.as_str(), &key.subject, event.as_str());
        let title = wording::title(self.language, &self.id, key, *event);
        let moment = at.format("%Y%m%dT%H%M%S");
        Body {
            id: format!("{}/{kind}/{subject}/{event_word}/{moment}", self.id),
            agent: &self.id,
            version: env!("CARGO_PKG_VERSION"),
            event: event_word,
            kind,
            subject,
            title: printable(&title, MOST_CHARS),
            message: printable(text, MOST_CHARS),
            since: WallTime::of(*since),
            at: WallTime::of(*at),
        }
    }
}

/// What a receiver gets.
#[derive(Serialize)]
struct Body<'b> {
    /// The same if an answer was lost and it is sent once more.
    id: String,
    agent: &'b str,
    version: &'static str,
    event: &'static str,
    kind: &'static str,
    subject: &'b str,
    /// Receivers show title and message as they are: in a notification, on a terminal.
    title: String,
    message: String,
    since: WallTime,
    at: WallTime,
}

fn judged(url: &Secret, status: Result<StatusCode, HttpError>) -> Result<(), PostError> {
    let host = host_of(url.expose()).to_owned();
    match status {
        Ok(status) if status.is_success() => Ok(()),
        Ok(status) => Err(PostError::Status { host, status }),
        Err(error) => Err(PostError::Request { host, error }),
    }
}
