//! How the link to central and to each source is, and what of a source cannot be read, for people who
//! ask while the agent runs. Written only when it changes: a poll that found nothing must not wear the
//! card.
//!
//! A trouble is a link that is down, named by [`TROUBLE`] and a JSON list of kind, source, folder and
//! file: an older version has that table, and looks for its own names in it.

use rusqlite::{OptionalExtension, params};

use super::{BufferError, Links, LinksMut, error::During, times::noted};
use crate::{
    failpoints::Step,
    model::{CentralTold, LinkName, Trouble, TroubleKey, TroubleKind, WallTime},
};

/// A row with the server that central was last, in place of an error: an older version knows no link of
/// that name and leaves it out.
const CENTRAL_HOST: &str = "central-host";

/// How the name of a trouble begins; what comes behind it in order ends the range.
const TROUBLE: &str = "trouble:";
const BEHIND_TROUBLES: &str = "trouble;";
/// The name of what was learnt of the machines in central, as JSON; no link has it.
const TOLD: &str = "told:central";

/// The row that says how many texts central could not hold as they are; its words are a JSON list of
/// encoding and number. No link that any release knows has this name.
const TEXTS: &str = "texts";

/// How many texts central, in an encoding that is not UTF-8, holds in similar characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedTexts {
    /// As the server names it.
    pub encoding: String,
    pub texts: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkState {
    pub name: LinkName,
    pub up: bool,
    /// When it came to be so; `None`: what is kept is no time.
    pub since: Option<WallTime>,
    pub error: Option<String>,
    /// Of central: which of several configured servers it was last.
    pub host: Option<String>,
}

impl Links<'_> {
    /// In order of their names; links that only another release knows are left out.
    pub fn all(&self) -> Result<Vec<LinkState>, BufferError> {
        let rows: Vec<(String, bool, Option<WallTime>, Option<String>)> = self
            .buffer
            .connection
            .prepare(
                "SELECT name, state = 'up', since, error FROM link
                 WHERE name < ?1 OR name >= ?2 ORDER BY name",
            )
            .and_then(|mut select| {
                select
                    .query_map([TROUBLE, BEHIND_TROUBLES], |row| {
                        Ok((row.get(0)?, row.get(1)?, noted(row, 2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .during("read its links", &self.buffer.path)?;
        let used = rows.iter().find(|(name, ..)| name == CENTRAL_HOST);
        let used = used.and_then(|(_, _, _, host)| host.clone());
        let links = rows.into_iter().filter_map(|(name, up, since, error)| {
            let name: LinkName = name.parse().ok()?;
            let host = used.clone().filter(|_| name == LinkName::Central);
            Some(LinkState { name, up, since, error, host })
        });
        Ok(links.collect())
    }

    /// Texts that central could not hold as they are.
    pub fn changed_texts(&self) -> Result<Option<ChangedTexts>, BufferError> {
        let row: Option<String> = self
            .buffer
            .connection
            .prepare_cached("SELECT error FROM link WHERE name = ?1 AND error IS NOT NULL")
            .and_then(|mut select| select.query_row([TEXTS], |row| row.get(0)).optional())
            .during("read how many texts were changed", &self.buffer.path)?;
        let read = |text: String| serde_json::from_str::<(String, u64)>(&text).ok();
        Ok(row.and_then(read).map(|(encoding, texts)| ChangedTexts { encoding, texts }))
    }

    /// What of the sources cannot be read, in order of source, folder and file.
    pub fn troubles(&self) -> Result<Vec<Trouble>, BufferError> {
        let rows: Vec<(String, Option<WallTime>, Option<String>)> = self
            .buffer
            .connection
            .prepare("SELECT name, since, error FROM link WHERE name >= ?1 AND name < ?2")
            .and_then(|mut select| {
                select
                    .query_map([TROUBLE, BEHIND_TROUBLES], |row| {
                        Ok((row.get(0)?, noted(row, 1)?, row.get(2)?))
                    })?
                    .collect()
            })
            .during("read which folders are unreadable", &self.buffer.path)?;
        let mut troubles: Vec<Trouble> = rows
            .into_iter()
            .filter_map(|(name, since, detail)| {
                Some(Trouble { key: key_of(&name)?, detail: detail.unwrap_or_default(), since })
            })
            .collect();
        troubles.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(troubles)
    }
}

impl Links<'_> {
    /// What was last learnt of the machines in central; what another release wrote there is left out.
    pub fn central_told(&self) -> Result<CentralTold, BufferError> {
        let json: Option<Option<String>> = self
            .buffer
            .connection
            .prepare_cached("SELECT error FROM link WHERE name = ?1")
            .and_then(|mut select| select.query_row([TOLD], |row| row.get(0)).optional())
            .during("read what is known of central", &self.buffer.path)?;
        let told = json.flatten().and_then(|json| serde_json::from_str(&json).ok());
        Ok(told.unwrap_or_default())
    }
}

impl LinksMut<'_> {
    /// Changes what is known of the machines in central; written only if that makes it another.
    pub fn note_central(
        &mut self,
        change: impl FnOnce(&mut CentralTold),
    ) -> Result<(), BufferError> {
        let known = self.buffer.links().central_told()?;
        let mut told = known.clone();
        change(&mut told);
        let Some(json) = serde_json::to_string(&told).ok().filter(|_| told != known) else {
            return Ok(());
        };
        self.buffer.change(Step::NoteLink, "record what is known of central", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO link (name, state, since, error) VALUES (?1, 'up', '', ?2)",
                params![TOLD, json],
            )
        })?;
        Ok(())
    }

    /// Notes troubles that began or whose words changed, and drops those that are over.
    pub fn note_troubles<'t>(
        &mut self,
        noted: impl Iterator<Item = &'t Trouble>,
        over: impl Iterator<Item = &'t Trouble>,
    ) -> Result<(), BufferError> {
        self.buffer.change(Step::NoteLink, "record which folders are unreadable", |transaction| {
            for trouble in over {
                transaction.execute("DELETE FROM link WHERE name = ?1", [name_of(&trouble.key)])?;
            }
            for trouble in noted {
                transaction.execute(
                    "INSERT OR REPLACE INTO link (name, state, since, error)
                     VALUES (?1, 'down', coalesce(?2, ''), ?3)",
                    params![name_of(&trouble.key), trouble.since, trouble.detail],
                )?;
            }
            Ok(())
        })
    }

    /// Notes that `texts` more could not be written to central, whose texts are in `encoding`, as they are.
    pub fn note_changed_texts(
        &mut self,
        encoding: &str,
        texts: u64,
        now: WallTime,
    ) -> Result<(), BufferError> {
        let known = self.buffer.links().changed_texts()?;
        let same = known.as_ref().filter(|known| known.encoding == encoding);
        let sum = same.map_or(0, |known| known.texts).saturating_add(texts);
        if sum == same.map_or(0, |known| known.texts) && same.is_some() == known.is_some() {
            return Ok(());
        }
        self.buffer.change(
            Step::NoteLink,
            "record how many texts were changed",
            |transaction| {
                if sum == 0 {
                    return transaction.execute("DELETE FROM link WHERE name = ?1", [TEXTS]);
                }
                transaction.execute(
                "INSERT OR REPLACE INTO link (name, state, since, error) VALUES (?1, 'up', ?2, ?3)",
                params![TEXTS, now, serde_json::json!([encoding, sum]).to_string()],
            )
            },
        )?;
        Ok(())
    }

    /// Notes how a link is now; `true` where that is news.
    pub fn note_link(
        &mut self,
        name: &LinkName,
        error: Option<&str>,
        now: WallTime,
    ) -> Result<bool, BufferError> {
        let name = name.to_string();
        let state = if error.is_none() { "up" } else { "down" };
        let action = "record a link's state";
        let known: Option<(String, Option<String>)> = self
            .buffer
            .connection
            .prepare_cached("SELECT state, error FROM link WHERE name = ?1")
            .and_then(|mut select| {
                select.query_row([&name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .during(action, &self.buffer.path)?;
        let news = known.as_ref().is_none_or(|(known_state, _)| known_state != state);
        if news || known.is_some_and(|(_, known_error)| known_error.as_deref() != error) {
            self.buffer.change(Step::NoteLink, action, |transaction| {
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

    /// Notes which of several servers central is, or that there are not several.
    pub fn note_central_host(
        &mut self,
        host: Option<&str>,
        now: WallTime,
    ) -> Result<(), BufferError> {
        let action = "record which server central is";
        let known: Option<String> = self
            .buffer
            .connection
            .prepare_cached("SELECT error FROM link WHERE name = ?1")
            .and_then(|mut select| select.query_row([CENTRAL_HOST], |row| row.get(0)).optional())
            .during(action, &self.buffer.path)?
            .flatten();
        if known.as_deref() == host {
            return Ok(());
        }
        self.buffer.change(Step::NoteLink, action, |transaction| {
            match host {
                None => transaction.execute("DELETE FROM link WHERE name = ?1", [CENTRAL_HOST])?,
                Some(host) => transaction.execute(
                    "INSERT OR REPLACE INTO link (name, state, since, error)
                     VALUES (?1, 'up', ?2, ?3)",
                    params![CENTRAL_HOST, now, host],
                )?,
            };
            Ok(())
        })
    }
}

fn name_of(key: &TroubleKey) -> String {
    let TroubleKey { source, folder, file, kind } = key;
    format!("{TROUBLE}{}", serde_json::json!([kind.as_str(), source, folder, file]))
}

/// `None`: of a kind of another version.
fn key_of(name: &str) -> Option<TroubleKey> {
    let list: [String; 4] = serde_json::from_str(name.strip_prefix(TROUBLE)?).ok()?;
    let [kind, source, folder, file] = list;
    Some(TroubleKey { source, folder, file, kind: TroubleKind::from_word(&kind)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{Buffer, times::now};

    #[test]
    fn a_trouble_is_read_back_as_it_was_noted_and_is_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "id", now()).unwrap();
        let trouble = |file: &str| Trouble {
            key: TroubleKey {
                source: "cu \"1\"".into(),
                folder: "DEM12 (PVC)/é:".into(),
                file: file.into(),
                kind: TroubleKind::FileNotRead,
            },
            detail: "550".into(),
            since: "2026-11-28 08:00:00".parse().ok(),
        };
        let all = [trouble("a.LOG"), trouble("b.LOG")];
        buffer.links_mut().note_link(&LinkName::source("cu"), None, now()).unwrap();
        buffer.links_mut().note_troubles(all.iter(), [].iter()).unwrap();
        assert_eq!(buffer.links().troubles().unwrap(), all);
        let links = buffer.links().all().unwrap();
        assert_eq!((links.len(), &links[0].host), (1, &None));
        buffer.links_mut().note_troubles([].iter(), all[..1].iter()).unwrap();
        assert_eq!(buffer.links().troubles().unwrap(), all[1..]);
    }

    #[test]
    fn changed_texts_are_summed_by_encoding_and_are_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "id", now()).unwrap();
        let mut noted = |encoding: &str, texts| {
            buffer.links_mut().note_changed_texts(encoding, texts, now()).unwrap();
            assert_eq!(buffer.links().all().unwrap(), []);
            buffer.links().changed_texts().unwrap().map(|known| (known.encoding, known.texts))
        };
        assert_eq!(noted("UTF8", 0), None);
        assert_eq!(noted("LATIN1", 2), Some(("LATIN1".into(), 2)));
        assert_eq!(noted("LATIN1", 0), Some(("LATIN1".into(), 2)));
        assert_eq!(noted("LATIN1", 3), Some(("LATIN1".into(), 5)));
        assert_eq!(noted("SQL_ASCII", 1), Some(("SQL_ASCII".into(), 1)));
        assert_eq!(noted("UTF8", 0), None);
    }

    #[test]
    fn a_begin_that_is_no_time_is_unknown_and_neither_link_nor_trouble_is_lost_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut buffer = Buffer::open(dir.path(), "id", now()).unwrap();
        let key = TroubleKey {
            source: "cu".into(),
            folder: "DEM12".into(),
            file: String::new(),
            kind: TroubleKind::FolderMissing,
        };
        let trouble = Trouble { key, detail: "550".into(), since: Some(now()) };
        buffer.links_mut().note_link(&LinkName::Central, Some("no route"), now()).unwrap();
        buffer.links_mut().note_troubles([&trouble].into_iter(), [].iter()).unwrap();
        buffer.connection.execute("UPDATE link SET since = 'now'", []).unwrap();
        assert_eq!(buffer.links().all().unwrap()[0].since, None);
        let unknown = Trouble { since: None, ..trouble };
        let changed = Trouble { detail: "450".into(), ..unknown.clone() };
        assert_eq!(buffer.links().troubles().unwrap(), [unknown]);
        buffer.links_mut().note_troubles([&changed].into_iter(), [].iter()).unwrap();
        assert_eq!(buffer.links().troubles().unwrap(), [changed]);
    }
}
