//! One file's reading: the transfer, and what is known of the file when it ended.

use std::{collections::BTreeMap, io};

use chrono::NaiveDateTime;

use super::{
    decide::{Moment, too_large},
    intake::{Intake, NotTaken, OtherFile, Stretch},
};
use crate::{
    buffer::{Buffer, BufferError, FileProgress, FileState, QuietMark},
    source::{Entry, Source, SourceError},
};

/// Whose progress a reading goes on.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Known(FileProgress),
    /// A new generation of this name.
    New(String),
}

/// Bytes of one file on their way into the buffer, and where the file stands behind them.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub target: Target,
    pub stretches: Vec<Stretch>,
    consumed_bytes: u64,
    tail_hash: [u8; 32],
    in_long_line: bool,
    open_line_at: Option<u64>,
    /// The listing's figures, once the transfer ended well: until then the next look reads again.
    seen: Option<(Option<u64>, Option<NaiveDateTime>)>,
    quiet: Option<QuietMark>,
    refusal: Option<String>,
}

impl Reading {
    /// A file that is not read, with the reason.
    pub fn refused(target: Target, entry: &Entry, refusal: String) -> Self {
        Self {
            target,
            stretches: Vec::new(),
            consumed_bytes: 0,
            tail_hash: crate::buffer::tail_hash(&[]),
            in_long_line: false,
            open_line_at: None,
            seen: Some((entry.size, entry.modified)),
            quiet: None,
            refusal: Some(refusal),
        }
    }

    fn of(target: Target, intake: &mut Intake) -> Self {
        let stretches = intake.drain();
        Self {
            target,
            stretches,
            consumed_bytes: intake.consumed(),
            tail_hash: intake.tail_hash(),
            in_long_line: intake.in_long_line(),
            open_line_at: None,
            seen: None,
            quiet: None,
            refusal: None,
        }
    }

    pub fn bytes(&self) -> usize {
        let kept = self.stretches.iter().map(|stretch| match stretch {
            Stretch::Lines { bytes, .. } => bytes.len(),
            Stretch::Endless { .. } => 0,
        });
        kept.sum()
    }

    pub fn name(&self) -> &str {
        match &self.target {
            Target::Known(file) => &file.name,
            Target::New(name) => name,
        }
    }

    /// Whether this is the same generation of `file`, and not another file of its name.
    pub fn goes_on_with(&self, file: &FileProgress) -> bool {
        matches!(&self.target, Target::Known(known) if known.id == file.id)
    }

    /// Whether lines came that were not there before; an open last line is none.
    pub fn brings_lines(&self) -> bool {
        self.stretches.len() > usize::from(self.open_line_at.is_some())
    }

    /// Whether `file` is as it was: the same generation, not a line more, listed as at the last look.
    pub fn is_nothing_new(&self, file: &FileProgress) -> bool {
        self.goes_on_with(file)
            && self.stretches.is_empty()
            && self.refusal.is_none()
            && self.seen == Some((file.size_bytes, file.modified))
    }

    /// Brings a file's progress to where this reading ended.
    pub fn apply_to(&self, file: &mut FileProgress) {
        if let Some(refusal) = &self.refusal {
            file.state = FileState::Refused;
            file.refusal = Some(refusal.clone());
        } else {
            file.state = FileState::Growing;
            file.refusal = None;
            file.consumed_bytes = self.consumed_bytes;
            file.tail_hash = Some(self.tail_hash);
            file.in_long_line = self.in_long_line;
            file.open_line_at = self.open_line_at;
        }
        self.note_seen(file);
        file.quiet.clone_from(&self.quiet);
    }

    /// What was read is not kept, for `refusal`; progress stays where it was.
    pub fn refuse(&self, file: &mut FileProgress, refusal: String) {
        file.state = FileState::Refused;
        file.refusal = Some(refusal);
        self.note_seen(file);
    }

    fn note_seen(&self, file: &mut FileProgress) {
        if let Some((size, modified)) = self.seen {
            file.size_bytes = size;
            file.modified = modified;
        }
    }
}

/// How a file is to be read.
pub(super) struct Request<'r> {
    pub folder: &'r str,
    pub entry: &'r Entry,
    pub known: Option<&'r FileProgress>,
    /// Whether to go on behind what was consumed, where that is possible.
    pub resume: bool,
    /// The file is complete: its last line counts also without an end.
    pub complete: bool,
    pub max_file_bytes: u64,
    /// Bytes held in memory before a part of the file is made durable.
    pub part_bytes: usize,
}

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Source(SourceError),
    #[error(transparent)]
    Buffer(BufferError),
}

/// Reads a file and hands its parts to `keep`, which makes one durable and says how the file stands;
/// the last part is returned, so that it can share a transaction with other files'.
///
/// Where the transfer broke off, complete lines that came are returned along with the error.
pub(super) fn read_file(
    source: &mut dyn Source,
    buffer: &mut Buffer,
    request: &Request<'_>,
    moment: &Moment,
    keep: &mut dyn FnMut(&mut Buffer, Reading) -> Result<FileProgress, BufferError>,
) -> Result<Ended, ReadError> {
    if let Some((target, intake, offset)) = resumed(request)
        && let Some(ended) =
            transfer(source, buffer, request, target, intake, offset, moment, keep)?
    {
        return Ok(ended);
    }
    if let Some((target, intake)) = compared(buffer, request).map_err(ReadError::Buffer)?
        && let Some(ended) = transfer(source, buffer, request, target, intake, 0, moment, keep)?
    {
        return Ok(ended);
    }
    let target = Target::New(request.entry.name.clone());
    let ended = transfer(source, buffer, request, target, Intake::new_file(), 0, moment, keep)?;
    Ok(ended.expect("a new file is compared with nothing"))
}

/// Reads the whole file once more: whether the source holds, to the last byte, what is kept of it.
pub(super) fn is_still_what_is_kept(
    source: &mut dyn Source,
    buffer: &Buffer,
    folder: &str,
    file: &FileProgress,
) -> Result<bool, ReadError> {
    let chunks = buffer.files().chunk_marks(file.id).map_err(ReadError::Buffer)?;
    let mut failed: Option<BufferError> = None;
    let Some(mut intake) = Intake::compare(chunks, file.in_long_line) else { return Ok(false) };
    let mut sink = |bytes: &[u8]| -> io::Result<()> {
        let mut kept = |start| buffer.files().chunk_bytes(file.id, start);
        intake.take(bytes, &mut kept).map_err(|error| error.stops(&mut failed))?;
        let is_longer = intake.held_bytes() > 0;
        if is_longer { Err(io::Error::other(Stopped::Other(OtherFile))) } else { Ok(()) }
    };
    let read = source.read(folder, &file.name, 0, &mut sink);
    if let Some(error) = failed {
        return Err(ReadError::Buffer(error));
    }
    match read {
        Ok(read_bytes) => Ok(intake.end().is_ok() && read_bytes == file.consumed_bytes),
        Err(SourceError::Sink { .. }) => Ok(false),
        Err(error) => Err(ReadError::Source(error)),
    }
}

fn resumed(request: &Request<'_>) -> Option<(Target, Intake, u64)> {
    let known = request.known.filter(|_| request.resume)?;
    let hash =
        known.tail_hash.filter(|_| known.consumed_bytes > 0 && known.open_line_at.is_none())?;
    let intake = Intake::resume(known.consumed_bytes, hash, known.in_long_line);
    let offset = known.consumed_bytes - Intake::overlap(known.consumed_bytes);
    Some((Target::Known(known.clone()), intake, offset))
}

fn compared(
    buffer: &Buffer,
    request: &Request<'_>,
) -> Result<Option<(Target, Intake)>, BufferError> {
    let Some(known) = request.known.filter(|known| known.tail_hash.is_some()) else {
        return Ok(None);
    };
    let mut chunks = buffer.files().chunk_marks(known.id)?;
    if let Some(open_line) = known.open_line_at {
        chunks.retain(|chunk| chunk.start < open_line);
    }
    let kept_bytes: u64 = chunks.iter().map(|chunk| chunk.length).sum();
    if kept_bytes != known.open_line_at.unwrap_or(known.consumed_bytes) {
        // Old raw bytes made room for new ones: there is nothing to compare with.
        return Ok(None);
    }
    let intake = Intake::compare(chunks, known.in_long_line);
    Ok(intake.map(|intake| (Target::Known(known.clone()), intake)))
}

/// Since when the file is quiet: a reading that found it as it was does not make it younger. Without
/// sizes in the listing every look is a reading.
fn quiet_since(reading: &Reading, intake: &Intake, entry: &Entry, moment: &Moment) -> QuietMark {
    if let Target::Known(known) = &reading.target
        && !reading.brings_lines()
        && intake.held_bytes() == 0
        && (known.size_bytes, known.modified) == (entry.size, entry.modified)
        && let Some(mark) = known.quiet.as_ref().filter(|mark| *mark.boot == *moment.boot)
    {
        return mark.clone();
    }
    moment.mark()
}

/// What a transfer gave, and how it broke off if it did.
type Ended = (Option<Reading>, Option<SourceError>);

/// Why a sink stopped a transfer.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Other(#[from] OtherFile),
    #[error("too large")]
    TooLarge,
    #[error("refused for what it holds")]
    Refused,
    #[error("the buffer failed")]
    Buffer,
}

impl NotTaken {
    /// What the sink that took them says; the buffer's own failure is put into `failed`.
    fn stops(self, failed: &mut Option<BufferError>) -> io::Error {
        io::Error::other(match self {
            Self::Other(other) => Stopped::Other(other),
            Self::Buffer(error) => {
                *failed = Some(error);
                Stopped::Buffer
            }
        })
    }
}

/// `None`: the bytes are not those of the file that was read before.
#[expect(clippy::too_many_arguments, reason = "one transfer of one file has this many ends")]
fn transfer(
    source: &mut dyn Source,
    buffer: &mut Buffer,
    request: &Request<'_>,
    target: Target,
    mut intake: Intake,
    offset: u64,
    moment: &Moment,
    keep: &mut dyn FnMut(&mut Buffer, Reading) -> Result<FileProgress, BufferError>,
) -> Result<Option<Ended>, ReadError> {
    let mut target = Some(target);
    let mut failed: Option<BufferError> = None;
    let mut refusal: Option<String> = None;
    let mut came = offset;
    let mut sink = |bytes: &[u8]| -> io::Result<()> {
        came += bytes.len() as u64;
        if came > request.max_file_bytes {
            return Err(io::Error::other(Stopped::TooLarge));
        }
        let kept_of = match &target {
            Some(Target::Known(known)) => Some(known.id),
            _ => None,
        };
        let mut kept = |start| match kept_of {
            Some(id) => buffer.files().chunk_bytes(id, start),
            None => Ok(Vec::new()),
        };
        intake.take(bytes, &mut kept).map_err(|error| error.stops(&mut failed))?;
        if intake.held_bytes() >= request.part_bytes {
            let part = Reading::of(
                target.take().expect("the target is put back after each part"),
                &mut intake,
            );
            match keep(buffer, part) {
                Ok(file) if file.refusal.is_some() => {
                    refusal = file.refusal.clone();
                    target = Some(Target::Known(file));
                    return Err(io::Error::other(Stopped::Refused));
                }
                Ok(file) => target = Some(Target::Known(file)),
                Err(error) => {
                    failed = Some(error);
                    return Err(io::Error::other(Stopped::Buffer));
                }
            }
        }
        Ok(())
    };
    let ended = source.read(request.folder, &request.entry.name, offset, &mut sink);
    if let Some(error) = failed {
        return Err(ReadError::Buffer(error));
    }
    let target = target.expect("the target is put back after each part");
    match ended {
        Ok(_) => {
            if intake.end().is_err() {
                return Ok(None);
            }
            let mut reading = Reading::of(target, &mut intake);
            if request.complete {
                reading.take_open_line(&mut intake);
            }
            // Fewer bytes than listed: the next look asks once more, and what brings nothing further is
            // then how this server counts (text mode, whole blocks).
            let is_short = request.entry.size.is_some_and(|listed| came < listed);
            if !is_short || request.complete || !reading.brings_lines() {
                reading.seen = Some((request.entry.size, request.entry.modified));
            }
            reading.quiet = Some(quiet_since(&reading, &intake, request.entry, moment));
            Ok(Some((Some(reading), None)))
        }
        Err(SourceError::ResumeRefused { .. }) if offset > 0 => Ok(None),
        Err(SourceError::Sink { source: stopped, folder, name }) => {
            match stopped.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(Stopped::Other(_)) => Ok(None),
                Some(Stopped::TooLarge) => {
                    let refusal = too_large(came, request.max_file_bytes);
                    let reading = Reading::refused(target, request.entry, refusal);
                    Ok(Some((Some(reading), None)))
                }
                Some(Stopped::Refused) => {
                    let reading = refusal.map(|text| Reading::refused(target, request.entry, text));
                    Ok(Some((reading, None)))
                }
                _ => Err(ReadError::Source(SourceError::Sink { source: stopped, folder, name })),
            }
        }
        Err(error) => {
            // What came in complete lines is the file's own; the look that follows reads on.
            let reading = intake.end().is_ok().then(|| Reading::of(target, &mut intake));
            let reading = reading.filter(|reading| !reading.stretches.is_empty());
            Ok(Some((reading, Some(error))))
        }
    }
}

impl Reading {
    fn take_open_line(&mut self, intake: &mut Intake) {
        let open_line_at = intake.consumed();
        if let Some(stretch) = intake.drain_open_line() {
            self.stretches.push(stretch);
            self.open_line_at = Some(open_line_at);
            self.consumed_bytes = intake.consumed();
            self.tail_hash = intake.tail_hash();
        }
    }
}

/// Files of a folder that are looked up one by one.
const FEW_FILES: usize = 32;

/// What the buffer knows of the files that a folder shows. Of a folder that shows few, years of
/// deleted ones are not gone through.
pub(super) fn known(
    buffer: &Buffer,
    source: &str,
    folder: &str,
    entries: &[Entry],
) -> Result<BTreeMap<String, FileProgress>, BufferError> {
    if entries.len() > FEW_FILES {
        return buffer.files().folder_progress(source, folder);
    }
    let files =
        entries.iter().map(|entry| buffer.files().file_progress(source, folder, &entry.name));
    let by_name = |file: FileProgress| (file.name.clone(), file);
    files.filter_map(Result::transpose).map(|file| file.map(by_name)).collect()
}
