//! How a directory is listed: MLSD, LIST, NLST, each tried until one is read without doubt.
//!
//! What must never happen here: a refusal or an empty answer taken for an empty folder on the word of
//! one way alone; a line that names a LOG dropped in silence.

use std::{
    collections::HashSet,
    io::{self, Read},
};

use super::{
    FtpSource, ask_size, ask_time,
    connection::Connection,
    listing::{Form, Kind, MAX_ROWS, Reader, Row, Rows, TooMany, Wanted},
    profile::{Listing, ServerProfile},
    reply::{Answer, Fault},
    transfer::is_abrupt_end,
};
use crate::source::{is_log, may_be_renamed_log, name::reason_unusable};

/// Most names of a bare NLST listing that are asked after one by one, each for two round trips.
const MAX_ASKED_NAMES: usize = 2_000;
/// A listing takes at most so many times the silence allowed: five minutes with the default, in which
/// a link of 64 kbit/s carries more than 20,000 lines.
const LISTING_SILENCES: u32 = 10;
/// Far above 20,000 lines of 255 bytes; an endless listing must end.
const MAX_LISTING_BYTES: u64 = 64 * 1024 * 1024;
const CHUNK_BYTES: usize = 16 * 1024;

/// What the ways tried so far have come to.
#[derive(Default)]
struct Findings {
    /// Rows beside lines that could not be read, and the way that gave them.
    partial: Option<(Listing, Rows)>,
    /// Ways that said, plainly or by an empty listing, that nothing is there.
    empties: u32,
    /// The first failure that is not of the command itself.
    failure: Option<Fault>,
    refusal: Option<Fault>,
    /// A way that cannot be relied on was passed over: the one that works is remembered.
    is_lasting: bool,
}

impl FtpSource {
    /// The folder, or the root, by the best way that works.
    pub(super) fn rows(&mut self, folder: Option<&str>, again: bool) -> Result<Rows, Fault> {
        // Which ways there are is known once the server was asked.
        self.attempt(|_, _| Ok(()))?;
        let mut findings = Findings { is_lasting: true, ..Findings::default() };
        for (place, way) in self.profile.listings().enumerate() {
            let partial = findings.partial.as_ref().map(|(_, rows)| rows);
            match self.rows_by(way, folder, again && place == 0, partial) {
                Ok(found) if found.names > 0 && found.unread.count == 0 => {
                    if findings.is_lasting {
                        self.profile.listing = Some(way);
                    }
                    return Ok(found);
                }
                Ok(found) => findings.note(way, found),
                Err(fault @ (Fault::Final(_) | Fault::Gone(_))) => return Err(fault),
                Err(Fault::Said(answer)) if answer.is_refused_command() => {
                    findings.refusal.get_or_insert(Fault::Said(answer));
                }
                Err(Fault::Said(answer)) if answer.says_no_files() => findings.empties += 1,
                Err(fault @ Fault::Said(_)) => {
                    // One refusal may be of the moment.
                    findings.is_lasting = false;
                    findings.failure.get_or_insert(fault);
                }
            }
            if findings.empties >= 2 {
                break;
            }
        }
        let (lasting, outcome) = findings.conclude();
        // Where nothing was found the next listing begins at the top.
        match lasting {
            Some(way) => self.profile.listing = way,
            None if outcome.is_err() => self.profile.listing = None,
            None => {}
        }
        outcome
    }

    fn rows_by(
        &mut self,
        way: Listing,
        folder: Option<&str>,
        again: bool,
        partial: Option<&Rows>,
    ) -> Result<Rows, Fault> {
        let wanted = if folder.is_some() { Wanted::Logs } else { Wanted::Folders };
        let (form, wanted) = match way {
            Listing::Mlsd => (Form::Mlsd, wanted),
            Listing::List => (Form::List, wanted),
            // Bare names do not tell folders from files.
            Listing::Nlst if folder.is_none() => (Form::Nlst, Wanted::All),
            Listing::Nlst => (Form::Nlst, wanted),
        };
        let mut found = self.attempt(|connection, profile| {
            connection.enter(folder, again)?;
            read_listing(connection, profile, way.as_str(), form, wanted, folder)
        })?;
        if way != Listing::Nlst {
            return Ok(found);
        }
        found.rows.retain(|row| reason_unusable(&row.name, 1).is_none() || is_log(&row.name));
        if let Some(partial) = partial {
            return self.completed(partial, found, folder);
        }
        // The transfer is over: some servers end the session with it.
        let rows = std::mem::take(&mut found.rows);
        found.rows = self.attempt(|connection, profile| {
            connection.enter(folder, false)?;
            asked_rows(connection, profile, folder, rows.clone())
        })?;
        Ok(found)
    }

    /// The rows of another way, with those names of NLST that it does not have.
    fn completed(
        &mut self,
        partial: &Rows,
        mut bare: Rows,
        folder: Option<&str>,
    ) -> Result<Rows, Fault> {
        let known: HashSet<&str> = partial.rows.iter().map(|row| row.name.as_str()).collect();
        bare.rows.retain(|row| !known.contains(row.name.as_str()));
        let missing = self.attempt(|connection, profile| {
            connection.enter(folder, false)?;
            asked_rows(connection, profile, folder, bare.rows.clone())
        })?;
        let mut all = partial.clone();
        all.unread.count = all.unread.count.saturating_sub(missing.len() as u64);
        if all.unread.count == 0 {
            all.unread.sample = None;
        }
        all.names += missing.len();
        all.rows.extend(missing);
        Ok(all)
    }
}

impl Findings {
    /// Rows that leave a doubt: none at all, in another format, or with lines that could not be read.
    fn note(&mut self, way: Listing, found: Rows) {
        if found.names == 0 && found.unreadable == 0 {
            self.empties += 1;
            return;
        }
        if found.is_another_format() && found.unread.count == 0 {
            let unknown = Answer::new(0, "in an unknown format");
            self.refusal.get_or_insert(Fault::Said(unknown));
            return;
        }
        let is_better = match &self.partial {
            None => true,
            Some((_, before)) => {
                (found.rows.len(), before.unread.count) > (before.rows.len(), found.unread.count)
            }
        };
        if is_better {
            self.partial = Some((way, found));
        }
    }

    /// What is remembered of the ways, and what holds.
    fn conclude(self) -> (Option<Option<Listing>>, Result<Rows, Fault>) {
        if let Some((way, rows)) = self.partial {
            if rows.names > 0 {
                // NLST only completed what LIST had.
                let way = if way == Listing::Nlst { Listing::List } else { way };
                return (self.is_lasting.then_some(Some(way)), Ok(rows));
            }
            let lines = rows.unread.count;
            let unknown = format!("{lines} lines that name a LOG are in an unknown format");
            let fault = self.failure.unwrap_or(Fault::Said(Answer::new(0, &unknown)));
            return (None, Err(fault));
        }
        match (self.empties, self.failure, self.refusal) {
            (2.., _, _) | (1, None, _) => (None, Ok(Rows::default())),
            (_, Some(fault), _) | (_, None, Some(fault)) => (None, Err(fault)),
            (_, None, None) => (None, Ok(Rows::default())),
        }
    }
}

/// One listing, read line by line from its connection.
fn read_listing(
    connection: &mut Connection,
    profile: &mut ServerProfile,
    command: &str,
    form: Form,
    wanted: Wanted,
    folder: Option<&str>,
) -> Result<Rows, Fault> {
    let door = connection.data_door(profile)?;
    let mut transfer = connection.begin(door, command, Some(LISTING_SILENCES))?;
    let names = connection.names();
    let decode = |bytes: &[u8]| names.decode(bytes);
    let mut reader = Reader::new(form, wanted, folder, &decode);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut read = 0_u64;
    let is_end_certain = loop {
        let length = match transfer.read(&mut chunk) {
            Ok(0) => break true,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Old servers end TLS without a goodbye, some reset. An attacker who cuts a listing short can hide
            // names, as by cutting the wire, and the next listing shows them.
            Err(error) if is_abrupt_end(&error) => break false,
            // Nothing to send, and nobody to end the connection.
            Err(_) if transfer.is_confirmed && read == 0 => break true,
            Err(error) => {
                connection.abandon(transfer);
                return Err(Fault::Gone(error));
            }
        };
        connection.report_alive();
        read += length as u64;
        let too_large = if read > MAX_LISTING_BYTES {
            Some(format!("the listing does not end (more than {MAX_LISTING_BYTES} bytes)"))
        } else {
            let full = |TooMany| format!("the listing contains more than {MAX_ROWS} names");
            reader.push(&chunk[..length]).err().map(full)
        };
        if let Some(reason) = too_large {
            connection.abandon(transfer);
            return Err(Fault::Gone(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
    };
    connection.finish(transfer, command)?;
    match reader.finish(is_end_certain) {
        Ok(Some(rows)) => Ok(rows),
        Ok(None) => Err(Fault::Gone(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the listing was cut short",
        ))),
        Err(TooMany) => {
            let reason = format!("the listing contains more than {MAX_ROWS} names");
            Err(Fault::Gone(io::Error::new(io::ErrorKind::InvalidData, reason)))
        }
    }
}

/// Bare names with what SIZE and MDTM say about each.
fn asked_rows(
    connection: &mut Connection,
    profile: &mut ServerProfile,
    folder: Option<&str>,
    rows: Vec<Row>,
) -> Result<Vec<Row>, Fault> {
    let mut asked = Vec::with_capacity(rows.len());
    for (place, mut row) in rows.into_iter().enumerate() {
        let is_wanted = reason_unusable(&row.name, 1).is_none() && !may_be_renamed_log(&row.name);
        if place < MAX_ASKED_NAMES && is_wanted {
            ask_about(connection, profile, folder, &mut row)?;
        }
        asked.push(row);
    }
    Ok(asked)
}

fn ask_about(
    connection: &mut Connection,
    profile: &mut ServerProfile,
    folder: Option<&str>,
    row: &mut Row,
) -> Result<(), Fault> {
    if !profile.size_refused {
        match ask_size(connection, &row.name) {
            Ok(size) => row.size = size,
            Err(Fault::Said(answer)) => profile.size_refused = answer.is_unknown_command(),
            Err(fault) => return Err(fault),
        }
    }
    // No size: perhaps a directory. Only those of the root matter where SIZE is unknown.
    if row.size.is_none() && (folder.is_none() || !profile.size_refused) {
        match connection.step_into(&row.name) {
            Ok(()) => {
                row.kind = Kind::Folder;
                connection.enter(folder, true)?;
            }
            Err(Fault::Said(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    if row.kind == Kind::File {
        row.modified = match ask_time(connection, profile, &row.name) {
            Ok(modified) => modified,
            Err(Fault::Said(_)) => None,
            Err(fault) => return Err(fault),
        };
    }
    Ok(())
}
