//! FTP and FTPS. The only room that names suppaftp.
//!
//! One connection serves all folders and files. A call that finds it stale opens a new one by itself,
//! once; deleting is the exception: a DELE whose answer was lost is never sent again.
//!
//! What must never happen here: a transfer reported as complete without the server's 226 or 250; a
//! name that becomes a path or a second command; a password in an error or a log (suppaftp logs
//! commands at trace level, which this crate's build leaves out, see [`PASSWORDS_STAY_OUT_OF_LOGS`]).

mod abilities;
mod link;
pub mod listing;
mod names;
mod reply;
mod socket;
mod tls;
mod transfer;

use std::{fmt, io, sync::Arc};

use chrono::NaiveDateTime;
use rustls::ClientConfig;
use suppaftp::{Encoding, Status};

pub use self::abilities::{Listing, ServerAbilities};
use self::{
    abilities::Learned,
    link::{Link, address},
    listing::{Kind, Row, Rows},
    names::WireNames,
    reply::{Answer, Fault},
};
use super::{Entry, FolderListing, Source, SourceError, name::reason_unusable};
use crate::config::{FtpConfig, FtpMode, FtpTls};

/// Fails to compile where the `log` crate was built with its trace level.
pub const PASSWORDS_STAY_OUT_OF_LOGS: () =
    assert!((log::STATIC_MAX_LEVEL as usize) < (log::LevelFilter::Trace as usize));

/// Most names of a bare NLST listing that are asked after one by one, each for two round trips.
const MAX_ASKED_NAMES: usize = 2_000;

/// A directory on an FTP server that holds the machines' folders.
pub struct FtpSource {
    config: FtpConfig,
    /// Made at the first connection: a bad `ca_file` is an error of that call.
    tls: Option<Arc<ClientConfig>>,
    learned: Learned,
    link: Option<Link>,
    signs: Signs,
}

/// Called with every answer of the server.
type Signs = Option<Arc<dyn Fn() + Send + Sync>>;

impl FtpSource {
    pub fn new(config: FtpConfig) -> Self {
        let () = PASSWORDS_STAY_OUT_OF_LOGS;
        Self { config, tls: None, learned: Learned::default(), link: None, signs: None }
    }

    /// Has `sign` called with every answer to a command: one call of a source may need thousands.
    pub fn on_answer(mut self, sign: impl Fn() + Send + Sync + 'static) -> Self {
        self.signs = Some(Arc::new(sign));
        self
    }

    /// Asks the server what it is and what it can do.
    pub fn describe(&mut self) -> Result<ServerAbilities, SourceError> {
        let (tls, passive) = (self.config.tls, self.config.mode == FtpMode::Passive);
        self.attempt(|link, learned| {
            link.enter(None, true)?;
            // Which listing works shows only by listing.
            rows(link, learned, None)?;
            ServerAbilities::ask(link, learned, tls, passive)
        })
        .map_err(|fault| self.lost(fault))
    }

    fn connect(&mut self) -> Result<&mut Link, SourceError> {
        if self.tls.is_none() && self.config.tls != FtpTls::None {
            let rules = tls::client_config(self.config.ca_file.as_deref(), self.config.fingerprint);
            let address = || address(&self.config);
            let rules = rules.map_err(|reason| SourceError::Tls { address: address(), reason })?;
            self.tls = Some(rules);
        }
        let mut link = Link::open(&self.config, self.tls.as_ref(), &mut self.learned)?;
        link.set_signs(self.signs.clone());
        Ok(self.link.insert(link))
    }

    /// Runs `act` on the connection. Where a connection from an earlier call turns out to be lost,
    /// `act` runs once more on a new one.
    fn attempt<T>(
        &mut self,
        mut act: impl FnMut(&mut Link, &mut Learned) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.link.take_if(|link| !link.is_quiet());
        let mut may_be_stale = self.link.is_some();
        loop {
            if self.link.is_none() {
                self.connect().map_err(Fault::Final)?;
            }
            let Some(link) = self.link.as_mut() else { continue };
            let outcome = act(link, &mut self.learned);
            let is_gone = matches!(outcome, Err(Fault::Gone(_)));
            if is_gone || !link.is_in_step() {
                self.link = None;
            }
            if !(is_gone && may_be_stale) {
                return outcome;
            }
            may_be_stale = false;
        }
    }

    fn check(&self, name: &str) -> Result<(), SourceError> {
        let reason = match WireNames(self.config.encoding).encode(name) {
            Ok(bytes) => reason_unusable(name, bytes.len()),
            Err(_) => Some("it holds characters that the configured `encoding` does not have"),
        };
        match reason {
            Some(reason) => Err(SourceError::BadName { name: name.to_owned(), reason }),
            None => Ok(()),
        }
    }

    fn is_usable(&self, name: &str) -> bool {
        self.check(name).is_ok()
    }

    fn lost(&self, fault: Fault) -> SourceError {
        match fault {
            Fault::Final(error) => error,
            Fault::Gone(source) => SourceError::Lost { address: address(&self.config), source },
            Fault::Said(answer) => SourceError::Lost {
                address: address(&self.config),
                source: io::Error::other(format!("the server answered {}", answer.text)),
            },
        }
    }

    fn unlisted(&self, folder: &str, fault: Fault) -> SourceError {
        match fault {
            Fault::Said(answer) => {
                SourceError::List { folder: folder.to_owned(), answer: answer.text }
            }
            fault => self.lost(fault),
        }
    }

    fn refused(&self, folder: &str, name: &str, fault: Fault) -> SourceError {
        match fault {
            Fault::Said(answer) => SourceError::FileRefused {
                folder: folder.to_owned(),
                name: name.to_owned(),
                answer: answer.text,
            },
            fault => self.lost(fault),
        }
    }
}

impl Source for FtpSource {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        let rows = self
            .attempt(|link, learned| {
                link.enter(None, true)?;
                rows(link, learned, None)
            })
            .map_err(|fault| self.unlisted("", fault))?;
        let folders = rows.into_iter().filter(|row| row.kind == Kind::Folder);
        Ok(folders.map(|row| row.name).filter(|name| self.is_usable(name)).collect())
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        self.check(folder)?;
        let rows = self
            .attempt(|link, learned| {
                link.enter(Some(folder), true)?;
                rows(link, learned, Some(folder))
            })
            .map_err(|fault| self.unlisted(folder, fault))?;
        let files = rows.into_iter().filter(|row| row.kind == Kind::File);
        let entries = files
            .filter(|row| self.is_usable(&row.name))
            .map(|row| Entry { name: row.name, size: row.size, modified: row.modified })
            .collect();
        Ok(FolderListing { entries, ..FolderListing::default() })
    }

    fn read(
        &mut self,
        folder: &str,
        name: &str,
        offset: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, SourceError> {
        self.check(folder)?;
        self.check(name)?;
        let wanted = transfer::Wanted { folder, name, offset };
        self.attempt(|link, learned| {
            link.enter(Some(folder), false)?;
            transfer::fetch(link, learned, wanted, sink)
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.check(folder)?;
        self.check(name)?;
        self.attempt(|link, learned| {
            link.enter(Some(folder), false)?;
            if !learned.size_refused {
                match ask_size(link, name) {
                    Err(Fault::Said(answer)) if answer.is_unknown_command() => {
                        learned.size_refused = true;
                    }
                    answered => return answered,
                }
            }
            let rows = rows(link, learned, Some(folder))?;
            Ok(rows.into_iter().find(|row| row.name == name).and_then(|row| row.size))
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        self.check(folder)?;
        self.check(name)?;
        self.attempt(|link, learned| {
            link.enter(Some(folder), false)?;
            ask_time(link, learned, name)
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        self.check(folder)?;
        self.check(name)?;
        let lost = address(&self.config);
        self.attempt(|link, _| {
            // Shows that the connection lives, and may be done again on a new one; DELE may not.
            link.enter(Some(folder), true)?;
            let done = [Status::RequestedFileActionOk, Status::CommandOk];
            match link.command(&format!("DELE {name}"), &done) {
                Ok(_) => Ok(()),
                Err(Fault::Gone(source)) => {
                    link.mark_out_of_step();
                    Err(Fault::Final(SourceError::Lost { address: lost.clone(), source }))
                }
                Err(fault) => {
                    if matches!(&fault, Fault::Said(answer) if answer.code < 400) {
                        link.mark_out_of_step();
                    }
                    Err(fault)
                }
            }
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn close(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
        }
    }
}

impl fmt::Debug for FtpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpSource").field("address", &address(&self.config)).finish_non_exhaustive()
    }
}

/// The directory in which `link` stands (`folder`, or the root), listed by the best way it knows.
fn rows(link: &mut Link, learned: &mut Learned, folder: Option<&str>) -> Result<Vec<Row>, Fault> {
    let mut refusal = None;
    for way in learned.listings() {
        let text = match link.listing(learned, way.as_str()) {
            Ok(text) => text,
            Err(Fault::Said(answer)) if answer.is_refused_command() => {
                refusal = Some(Fault::Said(answer));
                continue;
            }
            // The directory exists, as it was entered: many servers say so of an empty one.
            Err(Fault::Said(answer)) if says_empty(&answer) => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        let found = match way {
            Listing::Mlsd => listing::mlsd(&text),
            Listing::List => listing::list(&text),
            Listing::Nlst => {
                let rows = asked_rows(link, learned, folder, listing::nlst(&text))?;
                Rows { rows, unreadable: 0 }
            }
        };
        if found.is_another_format() {
            continue;
        }
        if found.unreadable > 0 {
            log::debug!("{} lines of a listing are not readable", found.unreadable);
        }
        if !found.rows.is_empty() {
            learned.listing = Some(way);
        }
        return Ok(found.rows);
    }
    // What was learnt does not hold any more: the next listing begins at the top.
    learned.listing = None;
    Err(refusal.unwrap_or_else(|| {
        Fault::Said(Answer { code: 0, text: "in no format that is known".to_owned() })
    }))
}

fn says_empty(answer: &Answer) -> bool {
    let text = answer.text.to_ascii_lowercase();
    matches!(answer.code, 450 | 550)
        && !["permission", "denied", "access", "refus"].iter().any(|word| text.contains(word))
}

/// Bare names with what SIZE and MDTM say about each.
fn asked_rows(
    link: &mut Link,
    learned: &mut Learned,
    folder: Option<&str>,
    names: Vec<String>,
) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::with_capacity(names.len());
    for (place, name) in names.into_iter().enumerate() {
        let mut row = Row { kind: Kind::File, name, size: None, modified: None };
        if reason_unusable(&row.name, 1).is_some() {
            continue;
        }
        if place < MAX_ASKED_NAMES {
            if !learned.size_refused {
                match ask_size(link, &row.name) {
                    Ok(size) => row.size = size,
                    Err(Fault::Said(answer)) => learned.size_refused = answer.is_unknown_command(),
                    Err(fault) => return Err(fault),
                }
            }
            // No size: perhaps a directory. Only those of the root matter where SIZE is unknown.
            if row.size.is_none() && (folder.is_none() || !learned.size_refused) {
                match link.step_into(&row.name) {
                    Ok(()) => {
                        row.kind = Kind::Folder;
                        link.enter(folder, true)?;
                    }
                    Err(Fault::Said(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
            if row.kind == Kind::File {
                row.modified = match ask_time(link, learned, &row.name) {
                    Ok(modified) => modified,
                    Err(Fault::Said(_)) => None,
                    Err(fault) => return Err(fault),
                };
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// `None` where the server does not know the command, or its answer is no time.
fn ask_time(
    link: &mut Link,
    learned: &mut Learned,
    name: &str,
) -> Result<Option<NaiveDateTime>, Fault> {
    if learned.mdtm_refused {
        return Ok(None);
    }
    match link.command(&format!("MDTM {name}"), &[Status::File]) {
        Ok(text) => Ok(listing::timestamp(text.trim())),
        Err(Fault::Said(answer)) if answer.is_unknown_command() => {
            learned.mdtm_refused = true;
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

fn ask_size(link: &mut Link, name: &str) -> Result<Option<u64>, Fault> {
    let text = link.command(&format!("SIZE {name}"), &[Status::File])?;
    Ok(text.split_whitespace().last().and_then(|digits| digits.parse().ok()))
}
