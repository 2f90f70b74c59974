//! Folders in which nothing happens: asked by STAT, which answers with the folder's listing over the control
//! connection, for one round trip instead of three to six.
//!
//! What must never happen here: a folder taken for unchanged on an answer that was not seen to be its listing, or
//! that could be the same after a change. LIST and STAT show minutes, so a file can be rewritten at the same size
//! within the minute that is shown: an answer counts only if nothing had changed for longer than that before.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{
    FtpSource,
    listing::{Form, Kind, Reader, Rows, Wanted},
    reply::{Fault, Reply},
};

/// For so long nothing has changed before an answer is believed: more than the minute that is shown.
const SETTLED: Duration = Duration::from_secs(65);
/// So often the folder itself is looked at all the same.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);
/// Larger folders are always listed: an answer over the control connection is bounded more tightly than a listing.
const MOST_NAMES: usize = 300;
/// Answers, one behind the other, that are no listing of the folder, or do not come: it is asked no more.
const MOST_IN_VAIN: u32 = 3;

/// What is remembered of the folders; the root is the empty name.
#[derive(Debug)]
pub(super) struct QuietFolders {
    folders: HashMap<String, Looked>,
    in_vain: u32,
    /// Pure-FTPd takes the path for a pattern, in which a blank ends it unless a backslash stands before.
    escapes_blanks: bool,
    settled: Duration,
}

impl Default for QuietFolders {
    fn default() -> Self {
        Self { folders: HashMap::new(), in_vain: 0, escapes_blanks: false, settled: SETTLED }
    }
}

/// A folder as it was seen.
#[derive(Debug)]
struct Looked {
    rows: Rows,
    /// When it was first seen like this.
    since: Instant,
    /// When it was listed last.
    at: Instant,
    /// What STAT said of it then, if that was seen to be its listing.
    status: Option<Status>,
}

/// The lines of an answer, without its first and last one, as SHA-256.
type Status = [u8; 32];

impl QuietFolders {
    /// Whether the folder is worth a question.
    fn is_quiet(&self, folder: &str, now: Instant) -> bool {
        self.in_vain < MOST_IN_VAIN
            && self.folders.get(folder).is_some_and(|looked| {
                now.saturating_duration_since(looked.since) >= self.settled
                    && (1..=MOST_NAMES).contains(&looked.rows.names)
                    && looked.rows.unreadable == 0
            })
    }

    fn is_verified(&self, folder: &str) -> bool {
        self.folders.get(folder).is_some_and(|looked| looked.status.is_some())
    }

    /// The folder's rows where its status is that of the last look.
    fn unchanged(&self, folder: &str, status: &Status, now: Instant) -> Option<&Rows> {
        let looked = self.folders.get(folder)?;
        let is_recent = now.saturating_duration_since(looked.at) < LOOK_AGAIN;
        (is_recent && looked.status.as_ref() == Some(status)).then_some(&looked.rows)
    }

    /// The folder was listed at `now`; `answer` is what STAT had said just before.
    fn note(&mut self, folder: &str, rows: &Rows, answer: Option<&Answer>, now: Instant) {
        let before = self.folders.remove(folder);
        let since = match before {
            Some(before) if before.rows == *rows => before.since,
            _ => now,
        };
        let is_settled = now.saturating_duration_since(since) >= self.settled;
        let mut status = None;
        if let Some(answer) = answer.filter(|_| is_settled) {
            let is_its_listing = answer.shows(rows);
            if is_its_listing {
                self.in_vain = 0;
            } else if folder.contains(' ') && !self.escapes_blanks {
                self.escapes_blanks = true;
            } else {
                self.in_vain += 1;
            }
            status = is_its_listing.then_some(answer.status);
        }
        let looked = Looked { rows: rows.clone(), since, at: now, status };
        self.folders.insert(folder.to_owned(), looked);
    }

    pub(super) fn settle_after(&mut self, settled: Duration) {
        self.settled = settled;
    }

    /// What is remembered was of another time.
    pub(super) fn forget(&mut self, folder: &str) {
        self.folders.remove(folder);
    }
}

/// What STAT said of a folder.
struct Answer {
    status: Status,
    rows: Option<Rows>,
}

impl Answer {
    /// The answer's lines between its first and its last, read as LIST's are where they have to be compared.
    fn of(
        reply: &Reply,
        wanted: Option<Wanted>,
        folder: &str,
        decode: &dyn Fn(&[u8]) -> String,
    ) -> Self {
        let lines: Vec<&[u8]> = reply.body.split_inclusive(|byte| *byte == b'\n').collect();
        let inner = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
        let mut hash = Sha256::new();
        inner.iter().for_each(|line| hash.update(line));
        let rows = wanted.and_then(|wanted| {
            let folder = (!folder.is_empty()).then_some(folder);
            let mut reader = Reader::new(Form::List, wanted, folder, decode);
            inner.iter().try_for_each(|line| reader.push(line.trim_ascii_start())).ok()?;
            reader.finish(true).ok()?
        });
        Self { status: hash.finalize().into(), rows }
    }

    /// Whether it shows the same names and sizes.
    fn shows(&self, rows: &Rows) -> bool {
        fn shape(rows: &Rows) -> Vec<(&str, Option<u64>, bool)> {
            let named = rows.rows.iter().filter(|row| !matches!(row.name.as_str(), "." | ".."));
            let mut shape: Vec<_> = named
                .map(|row| {
                    let is_file = row.kind == Kind::File;
                    (row.name.as_str(), row.size.filter(|_| is_file), is_file)
                })
                .collect();
            shape.sort_unstable();
            shape
        }
        self.rows.as_ref().is_some_and(|own| !own.rows.is_empty() && shape(own) == shape(rows))
    }
}

impl FtpSource {
    /// The rows of the folder, or of the root: those of the last look where the server shows that nothing
    /// has changed since, listed again otherwise.
    pub(super) fn current_rows(&mut self, folder: Option<&str>) -> Result<Rows, Fault> {
        let name = folder.unwrap_or_default();
        let now = Instant::now();
        let answer = match self.quiet.is_quiet(name, now) {
            true => self.ask_status(folder)?,
            false => None,
        };
        if let Some(answer) = &answer
            && let Some(rows) = self.quiet.unchanged(name, &answer.status, now)
        {
            return Ok(rows.clone());
        }
        match self.rows(folder, true) {
            Ok(rows) => {
                self.quiet.note(name, &rows, answer.as_ref(), now);
                Ok(rows)
            }
            Err(fault) => {
                self.quiet.forget(name);
                Err(fault)
            }
        }
    }

    /// What STAT says of the folder; `None` where it does not. That it fails is no failure of the poll.
    fn ask_status(&mut self, folder: Option<&str>) -> Result<Option<Answer>, Fault> {
        let name = folder.unwrap_or_default();
        let has_to_show = !self.quiet.is_verified(name);
        // Noted before asking: a server that hangs on it is not asked for ever.
        self.quiet.in_vain += 1;
        let escapes_blanks = self.quiet.escapes_blanks;
        let asked = self.attempt(|connection, _| {
            let Some(mut path) = connection.path_of(folder) else { return Ok(None) };
            if escapes_blanks {
                path = path.replace(' ', "\\ ");
            }
            if has_to_show {
                // A server that passes the path over would show the root, which is seen to be another.
                connection.enter(None, false)?;
            }
            let reply = connection.try_command(&format!("STAT {path}"), &[211, 212, 213])?;
            let wanted = if folder.is_some() { Wanted::Logs } else { Wanted::Folders };
            let wanted = has_to_show.then_some(wanted);
            let names = connection.names();
            Ok(reply.map(|reply| Answer::of(&reply, wanted, name, &|bytes| names.decode(bytes))))
        });
        match asked {
            Ok(Some(answer)) => {
                self.quiet.in_vain -= 1;
                Ok(Some(answer))
            }
            Ok(None) | Err(Fault::Said(_) | Fault::Gone(_)) => Ok(None),
            Err(fault @ Fault::Final(_)) => Err(fault),
        }
    }
}
