//! What of a source cannot be read, as plain data: kept while it lasts, shown everywhere.

use super::WallTime;

/// What is the matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TroubleKind {
    /// A configured folder that the source does not have.
    FolderMissing,
    /// The folder is there and cannot be listed.
    FolderNotListed,
    /// Files are there and none of them can be read.
    NoFileRead,
    /// One file could not be read at the last try.
    FileNotRead,
    /// One file was read, and not one of its lines could be understood.
    NoLineRead,
    /// Lines of a listing that seem to name a LOG and could not be understood.
    ListingNotRead,
    /// A file that is no LOG by its name, and holds lines of one that were not read.
    RenamedLog,
}

impl TroubleKind {
    pub const ALL: [Self; 7] = [
        Self::FolderMissing,
        Self::FolderNotListed,
        Self::NoFileRead,
        Self::FileNotRead,
        Self::NoLineRead,
        Self::ListingNotRead,
        Self::RenamedLog,
    ];

    /// The word kept in the buffer and shown to programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FolderMissing => "folder-missing",
            Self::FolderNotListed => "folder-not-listed",
            Self::NoFileRead => "no-file-read",
            Self::FileNotRead => "file-not-read",
            Self::NoLineRead => "no-line-read",
            Self::ListingNotRead => "listing-not-read",
            Self::RenamedLog => "renamed-log",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Nothing of the folder's machine can be read: how the machine is, nobody knows.
    pub fn hides_machine(self) -> bool {
        matches!(self, Self::FolderMissing | Self::FolderNotListed | Self::NoFileRead)
    }
}

/// What a trouble is about. One key has at most one trouble.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TroubleKey {
    /// As configured.
    pub source: String,
    pub folder: String,
    /// Empty where the folder as a whole is meant.
    pub file: String,
    pub kind: TroubleKind,
}

impl TroubleKey {
    /// `folder`, or `folder/file`.
    pub fn place(&self) -> String {
        match self.file.as_str() {
            "" => self.folder.clone(),
            file => format!("{}/{file}", self.folder),
        }
    }
}

/// A trouble that lasts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    pub key: TroubleKey,
    /// The source's own words, printable; may be empty.
    pub detail: String,
    /// When it was first seen; `None`: what is kept is no time.
    pub since: Option<WallTime>,
}
