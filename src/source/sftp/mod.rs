//! SFTP: files over SSH.
//!
//! One connection serves all folders and files. A call that finds it stale opens a new one by itself,
//! once; deleting is the exception: a removal whose answer was lost is never asked for again.
//!
//! What must never happen here: anything but the key exchange with a server whose host key is not
//! trusted; a name that becomes a path; a transfer reported as complete without the server's word for
//! where the file ends; a secret in an error or a log.

mod algorithms;
mod greeting;
mod host_keys;
mod listing;
mod login;
pub mod packets;
mod session;
mod ssh;
mod transfer;

use std::{fmt, sync::Arc, time::Instant};

use chrono::NaiveDateTime;
use russh::keys::PrivateKey;

use self::{
    algorithms::{HOST_KEY_KINDS, HostKeyKind},
    host_keys::Trusted,
    listing::{Unlisted, below},
    packets::{Answer, Attributes, Request, Status},
    session::{Fault, OnAnswer, Session},
    ssh::Ssh,
    transfer::{FileTransfer, OpenFile, Wanted, unexpected},
};
use super::{
    FolderListing, Source, SourceError, Transfer, name::reason_unusable, reach::Limits,
    wire_names::WireNames,
};
use crate::{config::SftpConfig, model::printable};

/// Longest text of a server that is shown.
const SHOWN_CHARS: usize = 200;

/// A directory on an SFTP server that holds the machines' folders.
pub struct SftpSource {
    config: SftpConfig,
    on_answer: OnAnswer,
    until: Option<Instant>,
    /// Decoded at the first connection: a key that cannot be used is an error of that call.
    key: Option<Arc<PrivateKey>>,
    /// The kinds of host keys that are asked for; one, once the server showed a trusted key of it.
    host_key_kinds: Vec<HostKeyKind>,
    session: Option<Session>,
}

/// A host key as a server shows it before anyone logs in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfferedHostKey {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`.
    pub algorithm: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

impl fmt::Display for OfferedHostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.fingerprint)
    }
}

/// What a server is, for `check`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SftpAbilities {
    /// The server's own name for itself, printable; may be empty.
    pub software: String,
    pub host_key: OfferedHostKey,
}

impl fmt::Display for SftpAbilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let software = if self.software.is_empty() { "a server" } else { &self.software };
        write!(f, "{software}: SFTP, host key {}", self.host_key)
    }
}

impl SftpSource {
    pub fn new(config: SftpConfig) -> Self {
        Self {
            config,
            on_answer: None,
            until: None,
            key: None,
            host_key_kinds: HOST_KEY_KINDS.to_vec(),
            session: None,
        }
    }

    /// Has `sign` called with every answer: one call of a source may need thousands.
    pub fn on_answer(mut self, sign: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_answer = Some(Arc::new(sign));
        self
    }

    /// The host keys that the server offers, one a kind, found by key exchanges alone: no user is named, no
    /// secret is sent.
    pub fn offered_host_keys(&mut self) -> Result<Vec<OfferedHostKey>, SourceError> {
        let mut offered = Vec::new();
        for kind in HOST_KEY_KINDS {
            offered.extend(ssh::offered_host_key(&self.config, kind, self.limits())?);
        }
        Ok(offered)
    }

    /// Asks the server what it is.
    pub fn describe(&mut self) -> Result<SftpAbilities, SourceError> {
        self.attempt(|session| {
            let ssh = session.ssh();
            Ok(SftpAbilities { software: ssh.software.clone(), host_key: ssh.host_key.clone() })
        })
        .map_err(|fault| self.lost(fault))
    }

    fn limits(&self) -> Limits {
        Limits {
            connect: self.config.connect_timeout,
            silence: self.config.read_timeout,
            until: self.until,
        }
    }

    fn connect(&mut self) -> Result<Session, SourceError> {
        let trusted = Trusted::of(&self.config)?;
        if self.key.is_none() {
            self.key = login::private_key(&self.config)?;
        }
        let (limits, key) = (self.limits(), self.key.as_ref());
        let ssh = Ssh::open(&self.config, &trusted, key, &mut self.host_key_kinds, limits)?;
        Session::begin(ssh, self.on_answer.clone())
            .map_err(|source| SourceError::Lost { address: address(&self.config), source })
    }

    /// Runs `act` on the session. Where a session from an earlier call turns out to be lost, `act` runs once
    /// more on a new one.
    fn attempt<T>(
        &mut self,
        mut act: impl FnMut(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.session.take_if(|session| !session.is_usable());
        let mut may_be_stale = self.session.is_some();
        loop {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => self.connect().map_err(Fault::Final)?,
            };
            session.set_until(self.until);
            let outcome = act(&mut session);
            let is_gone = matches!(outcome, Err(Fault::Gone(_)));
            if !is_gone && session.is_usable() {
                self.session = Some(session);
            }
            if !(is_gone && may_be_stale) {
                return outcome;
            }
            may_be_stale = false;
        }
    }

    /// The directory that holds the folders.
    fn root(&self) -> Result<Vec<u8>, SourceError> {
        // Without one it is the login directory.
        let root = self.config.root.as_deref().unwrap_or(".");
        self.encoded(root)
    }

    /// The path of a folder whose name is found usable.
    fn folder_path(&self, folder: &str) -> Result<Vec<u8>, SourceError> {
        Ok(below(&self.root()?, &self.usable(folder)?))
    }

    fn file_path(&self, folder: &str, name: &str) -> Result<Vec<u8>, SourceError> {
        Ok(below(&self.folder_path(folder)?, &self.usable(name)?))
    }

    /// A name as it travels, if it can be used.
    fn usable(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let bytes = self.encoded(name)?;
        match reason_unusable(name, bytes.len()) {
            Some(reason) => Err(SourceError::BadName { name: name.to_owned(), reason }),
            None => Ok(bytes),
        }
    }

    fn encoded(&self, text: &str) -> Result<Vec<u8>, SourceError> {
        let reason = "it contains characters that the configured `encoding` does not have";
        let unusable = |_| SourceError::BadName { name: text.to_owned(), reason };
        self.names().encode(text).map_err(unusable)
    }

    fn names(&self) -> WireNames {
        WireNames(self.config.encoding)
    }

    fn attributes(&mut self, folder: &str, name: &str) -> Result<Attributes, SourceError> {
        let path = self.file_path(folder, name)?;
        self.attempt(|session| stat(session, &path))
            .map_err(|fault| self.refused(folder, name, fault))
    }

    fn lost(&self, fault: Fault) -> SourceError {
        let address = address(&self.config);
        match fault {
            Fault::Final(error) => error,
            Fault::Gone(source) => SourceError::Lost { address, source },
            Fault::Said(status) => {
                SourceError::Lost { address, source: std::io::Error::other(said(&status)) }
            }
        }
    }

    fn unlisted(&self, folder: Option<&str>, unlisted: Unlisted) -> SourceError {
        let root = self.config.root.as_deref().unwrap_or(".");
        let folder = folder.unwrap_or(root).to_owned();
        match unlisted {
            Unlisted::TooMany => {
                SourceError::List { folder, answer: "it holds too many entries".to_owned() }
            }
            Unlisted::Fault(Fault::Said(status)) if status.code == Status::NO_SUCH_FILE => {
                SourceError::FolderMissing { folder, answer: said(&status) }
            }
            Unlisted::Fault(Fault::Said(status)) => {
                SourceError::List { folder, answer: said(&status) }
            }
            Unlisted::Fault(fault) => self.lost(fault),
        }
    }

    fn refused(&self, folder: &str, name: &str, fault: Fault) -> SourceError {
        match fault {
            Fault::Said(status) => Wanted { folder, name }.refused(&status),
            fault => self.lost(fault),
        }
    }

    /// Runs a listing; that a directory holds too much is no fault of the session.
    fn listed<T>(
        &mut self,
        folder: Option<&str>,
        mut list: impl FnMut(&mut Session) -> Result<T, Unlisted>,
    ) -> Result<T, SourceError> {
        let outcome = self.attempt(|session| match list(session) {
            Ok(listed) => Ok(Ok(listed)),
            Err(Unlisted::TooMany) => Ok(Err(Unlisted::TooMany)),
            Err(Unlisted::Fault(fault)) => Err(fault),
        });
        outcome
            .unwrap_or_else(|fault| Err(Unlisted::Fault(fault)))
            .map_err(|unlisted| self.unlisted(folder, unlisted))
    }
}

impl Source for SftpSource {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        let (path, names) = (self.root()?, self.names());
        self.listed(None, |session| listing::folders(session, &path, names))
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        let (path, names) = (self.folder_path(folder)?, self.names());
        self.listed(Some(folder), |session| listing::files(session, &path, names))
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        let path = self.file_path(folder, name)?;
        let handle = self
            .attempt(|session| OpenFile::open(session, &path))
            .map_err(|fault| self.refused(folder, name, fault))?;
        let Some(session) = self.session.take() else {
            return Err(self.lost(Fault::Gone(std::io::ErrorKind::NotConnected.into())));
        };
        let file = OpenFile::read_from(session, handle, offset);
        let wanted = Wanted { folder, name };
        Ok(Box::new(FileTransfer::new(self, wanted, file)))
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        Ok(self.attributes(folder, name)?.size)
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        Ok(self.attributes(folder, name)?.modified.and_then(listing::time))
    }

    fn lists_true_sizes(&self) -> bool {
        false
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        let path = self.file_path(folder, name)?;
        let address = address(&self.config);
        self.attempt(|session| {
            // Shows that the session lives, and may be done again on a new one; the removal may not.
            stat(session, &path)?;
            match session.request(Request::Remove(&path)) {
                Err(Fault::Said(status)) if status.code == Status::OK => Ok(()),
                Err(Fault::Gone(source)) => {
                    let address = address.clone();
                    Err(Fault::Final(SourceError::Lost { address, source }))
                }
                Ok(_) => Err(Fault::Final(SourceError::Lost {
                    address: address.clone(),
                    source: std::io::Error::other("the server answered REMOVE with something else"),
                })),
                Err(fault) => Err(fault),
            }
        })
        .map_err(|fault| self.refused(folder, name, fault))
    }

    fn allow_until(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    /// Kept: a log-in costs a server, and a line, more than a connection on which nothing happens.
    fn release(&mut self) {}

    fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close();
        }
    }
}

impl fmt::Debug for SftpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpSource")
            .field("address", &address(&self.config))
            .finish_non_exhaustive()
    }
}

/// Where the server is, as people are told.
fn address(config: &SftpConfig) -> String {
    format!("{}:{}", config.host, config.port)
}

fn stat(session: &mut Session, path: &[u8]) -> Result<Attributes, Fault> {
    match session.request(Request::Stat(path))? {
        Answer::Attributes(attributes) => Ok(attributes),
        _ => Err(unexpected("STAT")),
    }
}

/// A refusal in words: the code's meaning, and the server's own if it says something else.
fn said(status: &Status) -> String {
    let meaning = match status.code {
        Status::OK => "success where something else was due",
        Status::EOF => "end of file",
        Status::NO_SUCH_FILE => "no such file",
        Status::PERMISSION_DENIED => "permission denied",
        Status::FAILURE => "failure",
        Status::BAD_MESSAGE => "bad message",
        Status::UNSUPPORTED => "operation not supported",
        _ => "an unknown error",
    };
    let own = String::from_utf8_lossy(&status.message);
    let own = own.trim();
    if own.is_empty() || own.eq_ignore_ascii_case(meaning) {
        format!("{meaning} (code {})", status.code)
    } else {
        printable(&format!("{meaning} (code {}): {own}", status.code), SHOWN_CHARS)
    }
}
