//! FTP and FTPS.
//!
//! One connection serves all folders and files. A call that finds it stale opens a new one by itself,
//! once; deleting is the exception: a DELE whose answer was lost is never sent again.
//!
//! What must never happen here: a transfer reported as complete without the server's 226 or 250; a
//! name that becomes a path or a second command; a password in an error or a log; a call that a slow
//! or talkative server holds longer, or makes larger, than its bounds.

mod abilities;
mod connection;
mod control;
mod data;
mod lines;
pub mod listing;
mod login;
mod months;
mod names;
mod profile;
mod public_key;
mod quiet;
pub mod reply;
mod socket;
mod tls;
mod transfer;
mod ways;
mod wire;

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::NaiveDateTime;
use rustls::ClientConfig;

pub use self::{abilities::ServerAbilities, profile::Listing};
use self::{
    connection::Connection,
    control::OnReply,
    listing::Kind,
    profile::ServerProfile,
    quiet::QuietFolders,
    reply::{Fault, said},
    socket::address,
};
use super::{
    Entry, FolderListing, Source, SourceError, Transfer, name::reason_unusable,
    wire_names::WireNames,
};
use crate::config::{FtpConfig, FtpMode, FtpTls};

/// A directory on an FTP server that holds the machines' folders.
pub struct FtpSource {
    config: FtpConfig,
    /// Made at the first connection: a bad `ca_file` is an error of that call.
    tls: Option<Arc<ClientConfig>>,
    profile: ServerProfile,
    connection: Option<Connection>,
    quiet: QuietFolders,
    on_reply: OnReply,
    until: Option<Instant>,
}

impl FtpSource {
    pub fn new(config: FtpConfig) -> Self {
        let profile = ServerProfile::default();
        let quiet = QuietFolders::default();
        Self { config, tls: None, profile, connection: None, quiet, on_reply: None, until: None }
    }

    /// Has `sign` called with every answer to a command: one call of a source may need thousands.
    pub fn on_answer(mut self, sign: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_reply = Some(Arc::new(sign));
        self
    }

    /// Has a folder count as quiet after so long, where tests cannot wait for the minute that listings show.
    pub fn settled_after(mut self, settled: Duration) -> Self {
        self.quiet.settle_after(settled);
        self
    }

    /// Asks the server what it is and what it can do.
    pub fn describe(&mut self) -> Result<ServerAbilities, SourceError> {
        let (tls, passive) = (self.config.tls, self.config.mode == FtpMode::Passive);
        // Which listing works shows only by listing. A root that refuses it tells nothing of the rest.
        match self.rows(None, true).map_err(|fault| self.unlisted("", fault)) {
            Ok(_) | Err(SourceError::List { .. }) => {}
            Err(error) => return Err(error),
        }
        self.attempt(|connection, profile| {
            connection.enter(None, false)?;
            ServerAbilities::ask(connection, profile, tls, passive)
        })
        .map_err(|fault| self.lost(fault))
    }

    fn connect(&mut self) -> Result<&mut Connection, SourceError> {
        if self.tls.is_none() && self.config.tls != FtpTls::None {
            let rules = tls::client_config(self.config.ca_file.as_deref(), self.config.fingerprint);
            let address = || address(&self.config);
            let rules = rules.map_err(|reason| SourceError::Tls { address: address(), reason })?;
            self.tls = Some(rules);
        }
        let (tls, on_reply) = (self.tls.as_ref(), self.on_reply.clone());
        let connection =
            Connection::open(&self.config, tls, &mut self.profile, self.until, on_reply)?;
        Ok(self.connection.insert(connection))
    }

    /// Runs `act` on the connection. Where a connection from an earlier call turns out to be lost,
    /// `act` runs once more on a new one.
    fn attempt<T>(
        &mut self,
        mut act: impl FnMut(&mut Connection, &mut ServerProfile) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.connection.take_if(|connection| !connection.is_quiet());
        if let Some(connection) = &mut self.connection {
            connection.set_until(self.until);
        }
        let mut may_be_stale = self.connection.is_some();
        loop {
            if self.connection.is_none() {
                self.connect().map_err(Fault::Final)?;
            }
            let Some(connection) = self.connection.as_mut() else { continue };
            let outcome = act(connection, &mut self.profile);
            let is_gone = matches!(outcome, Err(Fault::Gone(_)));
            if is_gone || !connection.is_in_sync() {
                self.connection = None;
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
            Err(_) => Some("it contains characters that the configured `encoding` does not have"),
        };
        match reason {
            Some(reason) => Err(SourceError::BadName { name: name.to_owned(), reason }),
            None => Ok(()),
        }
    }

    fn is_usable(&self, name: &str) -> bool {
        self.check(name).is_ok()
    }

    /// The file's size as the server or its listing says it now.
    fn known_size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, Fault> {
        let asked = self.attempt(|connection, profile| {
            connection.enter(Some(folder), false)?;
            if profile.size_refused {
                return Ok(None);
            }
            match ask_size(connection, name) {
                Err(Fault::Said(answer)) if answer.is_unknown_command() => {
                    profile.size_refused = true;
                    Ok(None)
                }
                answered => answered.map(Some),
            }
        })?;
        if let Some(size) = asked {
            return Ok(size);
        }
        let rows = self.rows(Some(folder), false)?.rows;
        Ok(rows.into_iter().find(|row| row.name == name).and_then(|row| row.size))
    }

    /// [`FtpSource::known_size`], with what failed in the caller's words.
    fn size_of(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.known_size(folder, name).map_err(|fault| self.refused(folder, name, fault))
    }

    fn lost(&self, fault: Fault) -> SourceError {
        match fault {
            Fault::Final(error) => error,
            Fault::Gone(source) => SourceError::Lost { address: address(&self.config), source },
            Fault::Said(answer) => SourceError::Lost {
                address: address(&self.config),
                source: io::Error::other(said(&answer)),
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
    fn reach(&mut self) -> Result<(), SourceError> {
        self.attempt(|_, _| Ok(())).map_err(|fault| self.lost(fault))
    }

    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        let found = self.current_rows(None).map_err(|fault| self.unlisted("", fault))?;
        let folders = found.rows.into_iter().filter(|row| row.kind == Kind::Folder);
        Ok(folders.map(|row| row.name).filter(|name| self.is_usable(name)).collect())
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        self.check(folder)?;
        let found =
            self.current_rows(Some(folder)).map_err(|fault| self.unlisted(folder, fault))?;
        let (mut entries, mut unread) = (Vec::with_capacity(found.rows.len()), found.unread);
        for row in found.rows {
            if row.kind != Kind::File {
                continue;
            }
            if self.is_usable(&row.name) {
                entries.push(Entry {
                    name: row.name.into(),
                    size: row.size,
                    modified: row.modified,
                });
            } else {
                unread.add_if_log(&row.name);
            }
        }
        Ok(FolderListing { entries, unread })
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        self.check(folder)?;
        self.check(name)?;
        self.begin_transfer(folder, name, offset)
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.check(folder)?;
        self.check(name)?;
        self.size_of(folder, name)
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        self.check(folder)?;
        self.check(name)?;
        self.attempt(|connection, profile| {
            connection.enter(Some(folder), false)?;
            ask_time(connection, profile, name)
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn lists_true_sizes(&self) -> bool {
        false
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        self.check(folder)?;
        self.check(name)?;
        let lost = address(&self.config);
        self.attempt(|connection, _| {
            // Shows that the connection lives, and may be done again on a new one; DELE may not.
            connection.enter(Some(folder), true)?;
            connection.delete(name).map_err(|fault| match fault {
                Fault::Gone(source) => {
                    connection.mark_out_of_sync();
                    Fault::Final(SourceError::Lost { address: lost.clone(), source })
                }
                fault => fault,
            })
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn allow_until(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    fn release(&mut self) {
        if !self.config.keep_connection {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

impl fmt::Debug for FtpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpSource").field("address", &address(&self.config)).finish_non_exhaustive()
    }
}

/// `None` where the server does not know the command, or its answer is no time.
fn ask_time(
    connection: &mut Connection,
    profile: &mut ServerProfile,
    name: &str,
) -> Result<Option<NaiveDateTime>, Fault> {
    if profile.mdtm_refused {
        return Ok(None);
    }
    match connection.ask(&format!("MDTM {name}"), 213) {
        Ok(text) => Ok(listing::timestamp(text.trim())),
        Err(Fault::Said(answer)) if answer.is_unknown_command() => {
            profile.mdtm_refused = true;
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

fn ask_size(connection: &mut Connection, name: &str) -> Result<Option<u64>, Fault> {
    let text = connection.ask(&format!("SIZE {name}"), 213)?;
    Ok(text.split_whitespace().last().and_then(lines::plausible_size))
}
