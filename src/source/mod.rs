//! Where LOG files come from. A source lists folders and files, reads a file from an offset, and
//! deletes one file by name; it decides nothing. `ftp` speaks FTP and FTPS, `sftp` SFTP, `dir` is a folder
//! on a disk (USB stick, mounted share, tests).
//!
//! What must never happen here: a transfer that did not end well reported as complete; a name from
//! a server's listing becoming a path outside its folder or a second command.

use std::{fmt, io, time::Instant};

use chrono::{Datelike, NaiveDateTime};

use crate::model::{ShortText, printable};

mod ahead;
pub mod dir;
pub mod ftp;
mod name;
mod pace;
mod reach;
pub mod sftp;
mod wire_names;

pub use ahead::ReadAhead;
pub use name::{is_log, logs_before_renaming, may_be_renamed_log};

/// A file as a listing shows it. Nothing in it is believed further than "maybe worth a look".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The bare file name, decoded, without any directory part.
    pub name: ShortText,
    /// Bytes, where the server says.
    pub size: Option<u64>,
    /// The server's modification time as it prints it; the zone is the server's own business.
    pub modified: Option<NaiveDateTime>,
}

/// No file is larger than the largest offset that a computer can name; also SQLite's largest number.
const MOST_FILE_BYTES: u64 = i64::MAX as u64;

impl Entry {
    /// The same with claims that no file has brought to ones that can be kept: a size beyond any offset
    /// is the largest there is (and is refused as too large), a time outside the years that controllers
    /// write is none.
    pub fn bounded(mut self) -> Self {
        self.size = self.size.map(|size| size.min(MOST_FILE_BYTES));
        self.modified = self.modified.and_then(plausible);
        self
    }
}

/// A time that a file can have: of the years 1970 to 9999.
pub fn plausible(time: NaiveDateTime) -> Option<NaiveDateTime> {
    (1970..=9999).contains(&time.year()).then_some(time)
}

/// What a folder holds, as its source shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FolderListing {
    /// The regular files, in no particular order; of those that are no LOG at least the ones whose name
    /// [`may_be_renamed_log`].
    pub entries: Vec<Entry>,
    /// What seemed to name a LOG file and could not be taken up.
    pub unread: UnreadLines,
}

/// Lines of a listing that end in `.LOG` and could not be read, or whose name is not usable: never
/// dropped in silence, because a machine's figures may stand in such a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnreadLines {
    pub count: u64,
    /// The first of them, printable.
    pub sample: Option<String>,
}

impl UnreadLines {
    /// Counts one more line, if it seems to name a LOG file, and keeps the first.
    pub fn add_if_log(&mut self, line: &str) {
        if line.trim_end().to_ascii_lowercase().ends_with(".log") {
            self.count += 1;
            self.sample.get_or_insert_with(|| printable(line, SAMPLE_CHARS));
        }
    }
}

/// Longest line of a listing that is shown.
const SAMPLE_CHARS: usize = 200;

/// A place that holds folders of LOG files. Methods reconnect by themselves where a connection was
/// lost between two calls; an error inside a call is returned and the next call starts from scratch.
pub trait Source {
    /// Names of the folders at the root (only used to report missing and unmapped ones).
    fn folders(&mut self) -> Result<Vec<String>, SourceError>;

    /// The regular files of one folder, in no particular order.
    ///
    /// An empty folder is an empty list, also where a server answers it with an error.
    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError>;

    /// Has a connection stand, where the source has one.
    fn reach(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Files of the folder that will be opened next, from their beginning and in this order: a source that can
    /// fetches them ahead.
    fn expect(&mut self, _folder: &str, _names: Vec<ShortText>) {}

    /// Begins to transfer `folder/name` from `offset` to its end.
    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError>;

    /// The file's size now, asked from the server itself; `None` where it cannot say.
    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError>;

    /// The file's modification time now, asked from the server itself; `None` where it cannot say.
    /// For the few files of a listing without times whose time matters.
    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError>;

    /// Whether sizes in a listing are those of the files at that moment, also of one that its writer holds
    /// open; a server that lists directory entries of NTFS shows the size at which the file was opened.
    fn lists_true_sizes(&self) -> bool;

    /// Removes one file for good. Returns `Ok` only when the source confirmed it.
    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError>;

    /// Nothing is waited for behind this moment: the next calls end with an error then. A source that
    /// waits for nobody need not know.
    fn allow_until(&mut self, _until: Option<Instant>) {}

    /// The poll is over: what a server has few of is given back, as the place of an FTP server that has only
    /// one. The next call opens what it needs.
    fn release(&mut self) {
        self.close();
    }

    /// Gives the connection back; the next call opens a new one.
    fn close(&mut self);
}

/// One file on its way. A caller that wants no more of it drops it: the transfer is aborted then, and a
/// connection that it leaves in an uncertain state is given up.
pub trait Transfer {
    /// The next bytes, as many as came and have room in `buffer`, which is not empty; 0 where no more
    /// come. After an error the transfer is over.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError>;

    /// Ends a transfer of which `read` has given 0: the number of bytes that it gave, and only if the
    /// source confirms that these were all. Before that it is an error.
    fn finish(self: Box<Self>) -> Result<u64, SourceError>;
}

/// What can go wrong with a source, by the action that failed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot reach {address}; check `host` and `port`")]
    Connect { address: String, source: io::Error },
    #[error("cannot read the directory {path}; {}", advice_on_directory(.source))]
    Directory { path: String, source: io::Error },
    #[error(
        "{address} refused the login of user {user:?} ({answer}); check `user` and `password_file`"
    )]
    Login { address: String, user: String, answer: String },
    /// The server did not log the user in, and not because of the user or the password.
    #[error("{address} did not complete the login of user {user:?} ({answer})")]
    LoginUnfinished { address: String, user: String, answer: String },
    /// Something else listens at the address.
    #[error("{address} is not an {wanted} server: {who}")]
    OtherService { address: String, wanted: Protocol, who: String },
    /// No host key is configured: nothing was asked of the server.
    #[error(
        "no host key of {address} is configured, and none was asked for; run `cu-agent check`: it shows the server's key and the line to add"
    )]
    HostKeyUnknown { address: String },
    /// The server is another one, or has a new key; no user name was sent.
    #[error(
        "{address} shows the host key {shown}, which is not the configured one; if the server was set up again, compare the key on the server and correct `host_key`, otherwise someone may be between"
    )]
    HostKeyChanged { address: String, shown: String },
    #[error("cannot use {path}: {reason}; check `known_hosts`")]
    KnownHosts { path: String, reason: String },
    /// The two sides have no algorithm in common.
    #[error("{address}: {reason}")]
    Algorithms { address: String, reason: String },
    #[error("the private key cannot be used: {reason}; check `key_file`")]
    PrivateKey { reason: String },
    #[error("TLS with {address} failed: {reason}")]
    Tls { address: String, reason: String },
    #[error("folder {folder:?} does not exist ({answer})")]
    FolderMissing { folder: String, answer: String },
    #[error("cannot list {folder:?}: {answer}")]
    List { folder: String, answer: String },
    /// The server answered about this one file (450, 550, …): others may go on.
    #[error("{folder}/{name}: the server answered {answer}")]
    FileRefused { folder: String, name: String, answer: String },
    /// A file of a directory that is not one to read.
    #[error("{folder}/{name}: {why}")]
    FileUnusable { folder: String, name: String, why: &'static str },
    /// The server cannot resume at an offset; the file must be read from its beginning.
    #[error("{folder}/{name}: the server cannot resume at byte {offset} ({answer})")]
    ResumeRefused { folder: String, name: String, offset: u64, answer: String },
    /// The transfer broke off or a wait ran out; the file may be read again later. The next call
    /// opens a new connection, and tells where none can be had.
    #[error("{folder}/{name}: the transfer was interrupted")]
    Transfer { folder: String, name: String, source: io::Error },
    /// The connection is gone (421, dropped link, time-out).
    #[error("connection to {address} lost")]
    Lost { address: String, source: io::Error },
    /// Hardly anything came for a long time; what was read is kept, and the next cycle goes on.
    #[error(
        "no progress for {seconds} s, {read} of {listed} files read; continuing at the next poll"
    )]
    TooSlow { seconds: u64, read: u64, listed: u64 },
    #[error("name {name:?} cannot be used: {reason}")]
    BadName { name: String, reason: &'static str },
    #[error("cannot read {path}")]
    Disk { path: String, source: io::Error },
}

/// What a source expects to be spoken at its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Ftp,
    Sftp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ftp => "FTP",
            Self::Sftp => "SFTP",
        })
    }
}

/// What to do about a source's directory that cannot be read.
fn advice_on_directory(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "let the agent's user read it (chgrp and chmod g+rx), or correct `path`"
        }
        io::ErrorKind::NotADirectory => "`path` has to name the directory with the folders",
        _ => "check `path`: is the stick plugged in, is the share mounted?",
    }
}

impl SourceError {
    /// True where only the named file or folder is concerned and the source itself still works.
    pub fn concerns_one_file(&self) -> bool {
        matches!(
            self,
            Self::FileRefused { .. }
                | Self::FileUnusable { .. }
                | Self::ResumeRefused { .. }
                | Self::FolderMissing { .. }
                | Self::List { .. }
                | Self::BadName { .. }
                | Self::Transfer { .. }
                | Self::Disk { .. }
        )
    }
}
