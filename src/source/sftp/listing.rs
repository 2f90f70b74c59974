//! A directory's entries, in as few round trips as they allow.
//!
//! What must never happen here: memory that grows with anything but the entries that are wanted; a name of a
//! LOG dropped without a count.

use std::collections::VecDeque;

use chrono::{DateTime, NaiveDateTime};

use super::{
    SHOWN_CHARS,
    packets::{Answer, Attributes, MAX_PACKET_BYTES, Name, Request, Status},
    session::{Fault, Session},
    transfer::unexpected,
};
use crate::{
    model::printable,
    source::{
        Entry, FolderListing, is_log, may_be_renamed_log, name::reason_unusable,
        wire_names::WireNames,
    },
};

/// Questions for entries that are on their way at once.
const ASKED_AHEAD: usize = 4;
/// Most files that are kept; far above the 20,000 that a folder may hold.
const MOST_FILES: usize = 50_000;
/// Most files that are kept although they are no LOG, and most folders.
const MOST_OTHERS: usize = 1_000;
/// An endless listing must end: so many answers, each of at most [`MAX_PACKET_BYTES`].
const MOST_ANSWERS: usize = 64 * 1024 * 1024 / MAX_PACKET_BYTES * 16;
/// A listing takes at most so many times the silence allowed, as one of FTP.
const LISTING_SILENCES: u32 = 10;

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    /// A device, a pipe, a socket.
    Other,
    /// The server does not say.
    Unknown,
}

/// Why a directory could not be listed.
pub(super) enum Unlisted {
    Fault(Fault),
    TooMany,
}

impl From<Fault> for Unlisted {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<std::io::Error> for Unlisted {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// Hands every entry of the directory to `take`, but the directory itself and its parent.
fn each_entry(
    session: &mut Session,
    path: &[u8],
    take: &mut dyn FnMut(Name) -> Result<(), Unlisted>,
) -> Result<(), Unlisted> {
    let Answer::Handle(handle) = session.request(Request::OpenDir(path))? else {
        return Err(unexpected("OPENDIR").into());
    };
    let mut pace = session.long_pace(Some(LISTING_SILENCES));
    let mut asked = VecDeque::new();
    let mut answers = 0;
    let outcome = loop {
        while asked.len() < ASKED_AHEAD {
            asked.push_back(session.ask(Request::ReadDir(&handle)));
        }
        let Some(id) = asked.pop_front() else { break Ok(()) };
        answers += 1;
        match session.answer(id, &mut pace)? {
            Answer::Names(_) if answers > MOST_ANSWERS => break Err(Unlisted::TooMany),
            Answer::Names(names) => {
                let mut names =
                    names.into_iter().filter(|name| name.name != b"." && name.name != b"..");
                if let Err(fault) = names.try_for_each(&mut *take) {
                    break Err(fault);
                }
            }
            Answer::Status(status) if status.code == Status::EOF => break Ok(()),
            Answer::Status(status) => break Err(Fault::Said(status).into()),
            _ => return Err(unexpected("READDIR").into()),
        }
    };
    asked.into_iter().for_each(|id| session.ignore(id));
    session.release(&handle)?;
    outcome
}

/// The names of the folders in a directory. What a link leads to is asked for.
pub(super) fn folders(
    session: &mut Session,
    path: &[u8],
    names: WireNames,
) -> Result<Vec<String>, Unlisted> {
    let (mut folders, mut unsure) = (Vec::new(), Vec::new());
    each_entry(session, path, &mut |entry| {
        let name = names.decode(&entry.name);
        if reason_unusable(&name, entry.name.len()).is_some() {
            return Ok(());
        }
        if folders.len() + unsure.len() >= MOST_OTHERS {
            return Err(Unlisted::TooMany);
        }
        match kind(&entry) {
            Kind::Folder => folders.push(name),
            Kind::Link | Kind::Unknown => unsure.push((name, below(path, &entry.name))),
            Kind::File | Kind::Other => {}
        }
        Ok(())
    })?;
    for (name, path) in unsure {
        match session.request(Request::Stat(&path)) {
            Ok(Answer::Attributes(attributes)) if kind_of(&attributes) == Some(Kind::Folder) => {
                folders.push(name);
            }
            // A link to nowhere.
            Ok(_) | Err(Fault::Said(_)) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(folders)
}

/// The path of what a directory holds under this name.
pub(super) fn below(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path {
        // The login directory, from which paths begin anyway.
        b"." => name.to_vec(),
        [.., b'/'] => [path, name].concat(),
        _ => [path, b"/", name].concat(),
    }
}

/// The files of a folder.
pub(super) fn files(
    session: &mut Session,
    path: &[u8],
    names: WireNames,
) -> Result<FolderListing, Unlisted> {
    let mut listing = FolderListing::default();
    let (mut logs, mut others) = (0, 0);
    each_entry(session, path, &mut |entry| {
        let name = names.decode(&entry.name);
        match kind(&entry) {
            Kind::File => {}
            Kind::Unknown if is_log(&name) => {}
            Kind::Link => {
                if is_log(&name) {
                    listing.unread.count += 1;
                    let shown = || printable(&format!("{name} (a symbolic link)"), SHOWN_CHARS);
                    listing.unread.sample.get_or_insert_with(shown);
                }
                return Ok(());
            }
            Kind::Folder | Kind::Other | Kind::Unknown => return Ok(()),
        }
        if reason_unusable(&name, entry.name.len()).is_some() {
            listing.unread.add_if_log(&name);
            return Ok(());
        }
        if is_log(&name) {
            logs += 1;
            if logs > MOST_FILES {
                return Err(Unlisted::TooMany);
            }
        } else if may_be_renamed_log(&name) && others < MOST_OTHERS {
            others += 1;
        } else {
            return Ok(());
        }
        let Attributes { size, modified, .. } = entry.attributes;
        listing.entries.push(Entry { name: name.into(), size, modified: modified.and_then(time) });
        Ok(())
    })?;
    Ok(listing)
}

fn kind(entry: &Name) -> Kind {
    kind_of(&entry.attributes).unwrap_or(match entry.letter {
        Some(b'-') => Kind::File,
        Some(b'd') => Kind::Folder,
        Some(b'l') => Kind::Link,
        Some(b'b' | b'c' | b'p' | b's') => Kind::Other,
        _ => Kind::Unknown,
    })
}

/// By the upper bits of the mode; `None` where they are not there.
fn kind_of(attributes: &Attributes) -> Option<Kind> {
    match attributes.mode? & 0o170_000 {
        0o100_000 => Some(Kind::File),
        0o040_000 => Some(Kind::Folder),
        0o120_000 => Some(Kind::Link),
        0 => None,
        _ => Some(Kind::Other),
    }
}

/// Seconds since 1970 as a time of UTC.
pub(super) fn time(seconds: u32) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(i64::from(seconds), 0).map(|time| time.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(letter: Option<u8>, mode: Option<u32>) -> Name {
        let attributes = Attributes { mode, ..Attributes::default() };
        Name { name: b"x".to_vec(), letter, attributes }
    }

    #[test]
    fn an_entry_is_what_its_mode_says_and_else_what_its_line_shows() {
        let table = [
            (None, Some(0o100_644), Kind::File),
            (Some(b'd'), Some(0o100_644), Kind::File),
            (None, Some(0o040_755), Kind::Folder),
            (Some(b'-'), Some(0o120_777), Kind::Link),
            (None, Some(0o010_644), Kind::Other),
            // Permissions without a kind.
            (Some(b'-'), Some(0o644), Kind::File),
            (Some(b'l'), None, Kind::Link),
            (Some(b'X'), None, Kind::Unknown),
            (None, None, Kind::Unknown),
        ];
        for (letter, mode, expected) in table {
            assert_eq!(kind(&entry(letter, mode)), expected, "{letter:?} {mode:?}");
        }
    }

    #[test]
    fn a_path_below_the_login_directory_and_below_the_top_has_one_slash_between_names() {
        let table: [(&[u8], &[u8]); 4] =
            [(b".", b"x"), (b"/", b"/x"), (b"logs", b"logs/x"), (b"logs/", b"logs/x")];
        for (path, expected) in table {
            assert_eq!(below(path, b"x"), expected);
        }
    }
}
