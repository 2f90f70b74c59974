//! One file on its way: requests for its parts are sent before the parts asked for earlier have come.
//!
//! What must never happen here: bytes given in another order than they stand in the file, or with a gap; a
//! file taken as read to its end without the server's word for where that is.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use super::{
    SftpSource,
    packets::{Answer, Request, Status},
    said,
    session::{Fault, Id, Session},
};
use crate::source::{SourceError, Transfer, pace::Pace};

/// What is asked for at once; every server gives as much (the draft asks for packets of 34,000 bytes).
const PART_BYTES: u32 = 32 * 1024;
/// The shortest part that is asked for where a server gives less than it was asked for.
const LEAST_PART_BYTES: u32 = 1024;
/// Parts on their way at the beginning: a day's file is read in one round trip.
const FIRST_PARTS: usize = 4;
/// And where the line is fast.
const MOST_PARTS: usize = 64;
/// The parts on their way are doubled if as many came within this time: so a transfer that is broken off
/// leaves no more behind than a slow line carries in it.
const QUICK: Duration = Duration::from_secs(1);

/// Which bytes of which file.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'t> {
    pub(super) folder: &'t str,
    pub(super) name: &'t str,
}

impl Wanted<'_> {
    fn broke_off(self, source: io::Error) -> SourceError {
        SourceError::Transfer { folder: self.folder.to_owned(), name: self.name.to_owned(), source }
    }

    pub(super) fn refused(self, status: &Status) -> SourceError {
        SourceError::FileRefused {
            folder: self.folder.to_owned(),
            name: self.name.to_owned(),
            answer: said(status),
        }
    }

    fn failed(self, fault: Fault) -> SourceError {
        match fault {
            Fault::Said(status) => self.refused(&status),
            Fault::Gone(source) => self.broke_off(source),
            Fault::Final(error) => error,
        }
    }
}

/// A part that was asked for.
#[derive(Clone, Copy)]
struct Part {
    id: Id,
    offset: u64,
    length: u32,
}

/// A file that is open on the server, and its parts on their way.
pub(super) struct OpenFile {
    session: Session,
    pace: Pace,
    handle: Vec<u8>,
    parts: VecDeque<Part>,
    /// Where the next part to ask for begins.
    next_offset: u64,
    part_bytes: u32,
    /// How many parts may be on their way, and when that was decided.
    most_parts: usize,
    decided: Instant,
    came_since: usize,
    /// The file's size when it was opened: the question, then the answer.
    size_asked: Option<Id>,
    size: Option<u64>,
    has_ended: bool,
}

impl OpenFile {
    /// Opens a file for reading: its handle.
    pub(super) fn open(session: &mut Session, path: &[u8]) -> Result<Vec<u8>, Fault> {
        match session.request(Request::Open(path))? {
            Answer::Handle(handle) => Ok(handle),
            _ => Err(unexpected("OPEN")),
        }
    }

    pub(super) fn read_from(mut session: Session, handle: Vec<u8>, offset: u64) -> Self {
        let size_asked = Some(session.ask(Request::Fstat(&handle)));
        let pace = session.long_pace(None);
        Self {
            session,
            pace,
            handle,
            parts: VecDeque::new(),
            next_offset: offset,
            part_bytes: PART_BYTES,
            most_parts: FIRST_PARTS,
            decided: Instant::now(),
            came_since: 0,
            size_asked,
            size: None,
            has_ended: false,
        }
    }

    /// The next bytes; empty at the end.
    fn next(&mut self) -> Result<Vec<u8>, Fault> {
        while !self.has_ended {
            self.ask_ahead();
            let Some(part) = self.parts.pop_front() else { break };
            match self.session.answer(part.id, &mut self.pace)? {
                Answer::Data(bytes) => {
                    let end = part.offset.saturating_add(bytes.len() as u64);
                    if bytes.len() < part.length as usize {
                        self.came_short(bytes.len(), end)?;
                    } else {
                        self.came_whole();
                    }
                    if !bytes.is_empty() {
                        return Ok(bytes);
                    }
                }
                Answer::Status(status) if status.code == Status::EOF => self.end(),
                Answer::Status(status) if status.code != Status::OK => {
                    return Err(Fault::Said(status));
                }
                _ => return Err(unexpected("READ")),
            }
        }
        Ok(Vec::new())
    }

    fn ask_ahead(&mut self) {
        while self.parts.len() < self.most_parts {
            let (offset, length) = (self.next_offset, self.part_bytes);
            let id = self.session.ask(Request::Read { handle: &self.handle, offset, length });
            self.parts.push_back(Part { id, offset, length });
            self.next_offset = offset.saturating_add(u64::from(length));
        }
    }

    /// A part came as long as it was asked for.
    fn came_whole(&mut self) {
        self.came_since += 1;
        if self.came_since < self.most_parts {
            return;
        }
        if self.decided.elapsed() < QUICK {
            self.most_parts = (self.most_parts * 2).min(MOST_PARTS);
        }
        (self.decided, self.came_since) = (Instant::now(), 0);
    }

    /// A part of `length` bytes came, fewer than asked for: the file ends there, or the server gives no more
    /// at once. Two witnesses show the end: the file's size, and what is said of the part behind.
    fn came_short(&mut self, length: usize, end: u64) -> Result<(), Fault> {
        let mut behind = std::mem::take(&mut self.parts).into_iter();
        let is_end_behind = match behind.next() {
            None => true,
            Some(part) => self.is_nothing(part)?,
        };
        if length > 0 && is_end_behind && self.size()? == Some(end) {
            // What was asked for since then is not waited for.
            behind.for_each(|part| self.session.ignore(part.id));
            self.has_ended = true;
            return Ok(());
        }
        for part in behind {
            self.is_nothing(part)?;
        }
        if length == 0 {
            // Not once more from the same place, for ever.
            return Err(Fault::Gone(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server gave no bytes and did not say that the file ends",
            )));
        }
        self.next_offset = end;
        let length = u32::try_from(length).unwrap_or(PART_BYTES);
        if length >= LEAST_PART_BYTES {
            self.part_bytes = length.min(PART_BYTES);
        }
        Ok(())
    }

    /// Whether the server has no bytes for this part.
    fn is_nothing(&mut self, part: Part) -> Result<bool, Fault> {
        Ok(match self.session.answer(part.id, &mut self.pace)? {
            Answer::Status(status) => status.code == Status::EOF,
            Answer::Data(bytes) => bytes.is_empty(),
            _ => false,
        })
    }

    fn size(&mut self) -> Result<Option<u64>, Fault> {
        if let Some(id) = self.size_asked.take()
            && let Answer::Attributes(attributes) = self.session.answer(id, &mut self.pace)?
        {
            self.size = attributes.size;
        }
        Ok(self.size)
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.forget_parts();
    }

    fn forget_parts(&mut self) {
        let ids = self.parts.drain(..).map(|part| part.id).chain(self.size_asked.take());
        ids.for_each(|id| self.session.ignore(id));
    }

    /// Closes the file; the session, if it can be used further.
    fn close(mut self) -> Option<Session> {
        // What is on its way has to be received before anything else is: not if it is much.
        let is_little = self.parts.len() <= FIRST_PARTS;
        self.forget_parts();
        let is_released = self.session.release(&self.handle).is_ok();
        (is_little && is_released && self.session.is_usable()).then_some(self.session)
    }
}

pub(super) fn unexpected(request: &str) -> Fault {
    let what = format!("the server answered {request} with something else");
    Fault::Gone(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// A transfer as the source's caller sees it. The source has its session back when it is over.
pub(super) struct FileTransfer<'t> {
    source: &'t mut SftpSource,
    wanted: Wanted<'t>,
    /// `None` once it broke off.
    file: Option<OpenFile>,
    /// Bytes that came, and how many of them were given.
    at_hand: Vec<u8>,
    given_of_hand: usize,
    given_bytes: u64,
}

impl Transfer for FileTransfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.given_of_hand == self.at_hand.len() {
            let Some(file) = &mut self.file else {
                return Err(self.wanted.broke_off(io::ErrorKind::NotConnected.into()));
            };
            match file.next() {
                Ok(bytes) => (self.at_hand, self.given_of_hand) = (bytes, 0),
                Err(fault) => {
                    self.give_back();
                    return Err(self.wanted.failed(fault));
                }
            }
        }
        let due = &self.at_hand[self.given_of_hand..];
        let length = due.len().min(buffer.len());
        buffer[..length].copy_from_slice(&due[..length]);
        self.given_of_hand += length;
        self.given_bytes += length as u64;
        Ok(length)
    }

    fn finish(mut self: Box<Self>) -> Result<u64, SourceError> {
        let has_ended = self.file.as_ref().is_some_and(|file| file.has_ended);
        let is_all_given = self.given_of_hand == self.at_hand.len();
        self.give_back();
        if has_ended && is_all_given {
            return Ok(self.given_bytes);
        }
        Err(self.wanted.broke_off(io::Error::other("it was not read to the end")))
    }
}

impl<'t> FileTransfer<'t> {
    pub(super) fn new(source: &'t mut SftpSource, wanted: Wanted<'t>, file: OpenFile) -> Self {
        let file = Some(file);
        Self { source, wanted, file, at_hand: Vec::new(), given_of_hand: 0, given_bytes: 0 }
    }

    fn give_back(&mut self) {
        if let Some(file) = self.file.take() {
            self.source.session = file.close();
        }
    }
}

impl Drop for FileTransfer<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
