//! How the link to central and to each source is, for people who ask while the agent runs. Written
//! only when it changes: a poll that found nothing must not wear the card.

use rusqlite::{OptionalExtension, params};

use super::{Buffer, BufferError, error::During};
use crate::durable::Step;

/// The name of central's link; a source's is its configured name behind `source:`.
pub const CENTRAL: &str = "central";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkState {
    pub name: String,
    pub up: bool,
    /// When it came to be so.
    pub since: String,
    pub error: Option<String>,
}

impl Buffer {
    pub fn links(&self) -> Result<Vec<LinkState>, BufferError> {
        self.connection
            .prepare("SELECT name, state = 'up', since, error FROM link ORDER BY name")
            .and_then(|mut select| {
                select
                    .query_map([], |row| {
                        Ok(LinkState {
                            name: row.get(0)?,
                            up: row.get(1)?,
                            since: row.get(2)?,
                            error: row.get(3)?,
                        })
                    })?
                    .collect()
            })
            .during("look at its links", &self.path)
    }

    /// Notes how a link is now; `true` where that is news.
    pub fn note_link(
        &mut self,
        name: &str,
        error: Option<&str>,
        now: &str,
    ) -> Result<bool, BufferError> {
        let state = if error.is_none() { "up" } else { "down" };
        let action = "note a link's state";
        let known: Option<(String, Option<String>)> = self
            .connection
            .prepare_cached("SELECT state, error FROM link WHERE name = ?1")
            .and_then(|mut select| {
                select.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .during(action, &self.path)?;
        let news = known.as_ref().is_none_or(|(known_state, _)| known_state != state);
        if news || known.is_some_and(|(_, known_error)| known_error.as_deref() != error) {
            self.change(Step::NoteLink, action, |transaction| {
                transaction.execute(
                    "INSERT INTO link (name, state, since, error) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET error = excluded.error, state = excluded.state,
                         since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END",
                    params![name, state, now, error],
                )
            })?;
        }
        Ok(news)
    }
}
