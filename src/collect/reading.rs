//! One file's reading: the transfer, and what is known of the file when it ended.

use chrono::NaiveDateTime;

use super::{
    decide::{Start, Timestamps},
    verifier::{NotTaken, Segment, TransferVerifier},
};
use crate::{
    buffer::{Buffer, BufferError, FileProgress, FileState, QuietMark, Refusal},
    model::ShortText,
    source::{Entry, Source, SourceError},
};

/// Whose progress a reading goes on.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Known(FileProgress),
    /// A new generation of this name.
    New(ShortText),
}

/// Bytes of one file on their way into the buffer, and where the file stands behind them.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub target: Target,
    pub segments: Vec<Segment>,
    consumed_bytes: u64,
    tail_hash: [u8; 32],
    in_long_line: bool,
    open_line_at: Option<u64>,
    /// The listing's figures, once the transfer ended well: until then the next look reads again.
    seen: Option<(Option<u64>, Option<NaiveDateTime>)>,
    quiet: Option<QuietMark>,
    refusal: Option<Refusal>,
}

impl Reading {
    /// A file that is not read, with the reason.
    pub(super) fn refused(target: Target, entry: &Entry, refusal: Refusal) -> Self {
        Self {
            target,
            segments: Vec::new(),
            consumed_bytes: 0,
            tail_hash: crate::buffer::tail_hash(&[]),
            in_long_line: false,
            open_line_at: None,
            seen: Some((entry.size, entry.modified)),
            quiet: None,
            refusal: Some(refusal),
        }
    }

    fn of(target: Target, verifier: &mut TransferVerifier) -> Self {
        let segments = verifier.drain();
        Self {
            target,
            segments,
            consumed_bytes: verifier.consumed(),
            tail_hash: verifier.tail_hash(),
            in_long_line: verifier.in_long_line(),
            open_line_at: None,
            seen: None,
            quiet: None,
            refusal: None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let kept = self.segments.iter().map(|segment| match segment {
            Segment::Lines { bytes, .. } => bytes.len(),
            Segment::Overlong { .. } => 0,
        });
        kept.sum()
    }

    pub(super) fn name(&self) -> &str {
        match &self.target {
            Target::Known(file) => &file.name,
            Target::New(name) => name,
        }
    }

    /// Whether this is the same generation of `file`, and not another file of its name.
    pub(super) fn goes_on_with(&self, file: &FileProgress) -> bool {
        matches!(&self.target, Target::Known(known) if known.id == file.id)
    }

    /// Whether lines came that were not there before; an open last line is none.
    pub(super) fn brings_lines(&self) -> bool {
        self.segments.len() > usize::from(self.open_line_at.is_some())
    }

    /// Whether this shows that a machine writes into a file which the agent knows.
    pub(super) fn shows_growth(&self, known: &FileProgress) -> bool {
        matches!(known.state, FileState::Growing | FileState::Closed)
            && known.consumed_bytes > 0
            && self.goes_on_with(known)
            && self.brings_lines()
    }

    /// Whether `file` is as it was: the same generation, not a line more, listed as at the last look.
    pub(super) fn is_nothing_new(&self, file: &FileProgress) -> bool {
        self.goes_on_with(file)
            && self.segments.is_empty()
            && self.refusal.is_none()
            && self.seen == Some((file.size_bytes, file.modified))
    }

    /// Brings a file's progress to where this reading ended.
    pub(super) fn apply_to(&self, file: &mut FileProgress) {
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
    pub(super) fn refuse(&self, file: &mut FileProgress, refusal: Refusal) {
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
    pub start: Start<'r>,
    /// The file is complete: its last line counts also without an end.
    pub complete: bool,
    pub max_file_bytes: u64,
    /// Bytes held in memory before a part of the file is made durable.
    pub part_bytes: usize,
}

/// Why a file could not be compared with what is kept of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Buffer(#[from] BufferError),
}

/// Bytes that are asked of a transfer at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Makes a part of a file durable, and says how the file stands.
pub(super) type KeepPart<'k> =
    dyn FnMut(&mut Buffer, Reading) -> Result<FileProgress, BufferError> + 'k;

/// Reads a file and hands its parts to `keep`, which makes one durable and says how the file stands;
/// the last part is returned, so that it can share a transaction with other files'.
///
/// Where the transfer broke off, complete lines that came are returned along with the error.
pub(super) fn read_file(
    source: &mut dyn Source,
    buffer: &mut Buffer,
    request: &Request<'_>,
    moment: &Timestamps,
    keep: &mut KeepPart<'_>,
) -> Result<Ended, BufferError> {
    let mut start = request.start;
    loop {
        if let Some(receiving) = begun(buffer, request, start)?
            && let Some(ended) = transfer(source, buffer, receiving, moment, keep)?
        {
            return Ok(ended);
        }
        start = start.otherwise().expect("a new generation is compared with nothing");
    }
}

/// Reads the whole file once more: whether the source holds, to the last byte, what is kept of it.
pub(super) fn is_still_what_is_kept(
    source: &mut dyn Source,
    buffer: &Buffer,
    folder: &str,
    file: &FileProgress,
) -> Result<bool, ReadError> {
    let chunks = buffer.files().chunk_marks(file.id)?;
    let Some(mut verifier) = TransferVerifier::compare(chunks, file.in_long_line) else {
        return Ok(false);
    };
    let mut kept = |start| buffer.files().chunk_bytes(file.id, start);
    let mut transfer = source.open(folder, &file.name, 0)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = transfer.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        match verifier.take(&chunk[..length], &mut kept) {
            Ok(()) => {}
            Err(NotTaken::Mismatch(_)) => return Ok(false),
            Err(NotTaken::Buffer(error)) => return Err(error.into()),
        }
        if verifier.held_bytes() > 0 {
            // It is longer.
            return Ok(false);
        }
    }
    let read_bytes = transfer.finish()?;
    Ok(verifier.end().is_ok() && read_bytes == file.consumed_bytes)
}

/// A reading that begins so, before its first byte. `None`: what it is to be compared with is not kept.
fn begun<'r>(
    buffer: &Buffer,
    request: &'r Request<'r>,
    start: Start<'_>,
) -> Result<Option<Receiving<'r>>, BufferError> {
    let (file, verifier, came) = match start {
        Start::New => {
            let target = Target::New(request.entry.name.clone());
            return Ok(Some(Receiving {
                request,
                target,
                verifier: TransferVerifier::new_file(),
                came: 0,
            }));
        }
        Start::Behind { file, tail_hash } => {
            let consumed = file.consumed_bytes;
            let verifier = TransferVerifier::resume(consumed, tail_hash, file.in_long_line);
            (file, Some(verifier), consumed - TransferVerifier::overlap(consumed))
        }
        Start::Compared { file, bytes } => {
            let mut chunks = buffer.files().chunk_marks(file.id)?;
            chunks.retain(|chunk| chunk.start < bytes);
            let kept_bytes: u64 = chunks.iter().map(|chunk| chunk.length).sum();
            // Fewer where old raw bytes made room for new ones: there is nothing to compare with.
            let is_whole = kept_bytes == bytes;
            (
                file,
                is_whole.then(|| TransferVerifier::compare(chunks, file.in_long_line)).flatten(),
                0,
            )
        }
    };
    let target = || Target::Known(file.clone());
    Ok(verifier.map(|verifier| Receiving { request, target: target(), verifier, came }))
}

/// Since when the file is quiet: a reading that found it as it was does not make it younger. Without
/// sizes in the listing every look is a reading.
fn quiet_since(
    reading: &Reading,
    verifier: &TransferVerifier,
    entry: &Entry,
    moment: &Timestamps,
) -> QuietMark {
    if let Target::Known(known) = &reading.target
        && !reading.brings_lines()
        && verifier.held_bytes() == 0
        && (known.size_bytes, known.modified) == (entry.size, entry.modified)
        && let Some(mark) = known.quiet.as_ref().filter(|mark| *mark.boot == *moment.boot)
    {
        return mark.clone();
    }
    moment.mark()
}

/// What a transfer gave, and how it broke off if it did.
type Ended = (Option<Reading>, Option<SourceError>);

/// A transfer in progress: whose bytes come, and what became of those that came.
struct Receiving<'r> {
    request: &'r Request<'r>,
    target: Target,
    verifier: TransferVerifier,
    /// Where the last byte that came stands in the file.
    came: u64,
}

/// What is to be done behind the bytes that were taken.
enum Taken {
    GoOn,
    /// They are not those of the file that was read before.
    Mismatch,
    /// Nothing more of the file is to be read.
    Refused(Refusal),
}

/// `None`: the bytes are not those of the file that was read before.
fn transfer(
    source: &mut dyn Source,
    buffer: &mut Buffer,
    mut receiving: Receiving<'_>,
    moment: &Timestamps,
    keep: &mut KeepPart<'_>,
) -> Result<Option<Ended>, BufferError> {
    let (request, offset) = (receiving.request, receiving.came);
    let mut transfer = match source.open(request.folder, &request.entry.name, offset) {
        Ok(transfer) => transfer,
        Err(SourceError::ResumeRefused { .. }) if offset > 0 => return Ok(None),
        Err(error) => return Ok(Some(receiving.broken_off(error))),
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = match transfer.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => return Ok(Some(receiving.broken_off(error))),
        };
        match receiving.take(buffer, &chunk[..length], keep)? {
            Taken::GoOn => {}
            Taken::Mismatch => return Ok(None),
            Taken::Refused(refusal) => return Ok(Some(receiving.refused(refusal))),
        }
    }
    match transfer.finish() {
        Ok(_) => Ok(receiving.ended(moment)),
        Err(error) => Ok(Some(receiving.broken_off(error))),
    }
}

impl Receiving<'_> {
    fn take(
        &mut self,
        buffer: &mut Buffer,
        bytes: &[u8],
        keep: &mut KeepPart<'_>,
    ) -> Result<Taken, BufferError> {
        self.came += bytes.len() as u64;
        let max_file_bytes = self.request.max_file_bytes;
        if self.came > max_file_bytes {
            let bytes = self.came;
            return Ok(Taken::Refused(Refusal::FileTooLarge { bytes, max_file_bytes }));
        }
        let target = &self.target;
        let mut kept = |start| match target {
            Target::Known(known) => buffer.files().chunk_bytes(known.id, start),
            Target::New(_) => Ok(Vec::new()),
        };
        match self.verifier.take(bytes, &mut kept) {
            Ok(()) => {}
            Err(NotTaken::Mismatch(_)) => return Ok(Taken::Mismatch),
            Err(NotTaken::Buffer(error)) => return Err(error),
        }
        if self.verifier.held_bytes() < self.request.part_bytes {
            return Ok(Taken::GoOn);
        }
        let file = keep(buffer, Reading::of(self.target.clone(), &mut self.verifier))?;
        let refusal = file.refusal.clone();
        self.target = Target::Known(file);
        Ok(refusal.map_or(Taken::GoOn, Taken::Refused))
    }

    /// The transfer ended well. `None`: not all that was known of the file came.
    fn ended(mut self, moment: &Timestamps) -> Option<Ended> {
        let entry = self.request.entry;
        self.verifier.end().ok()?;
        let mut reading = Reading::of(self.target, &mut self.verifier);
        if self.request.complete {
            reading.take_open_line(&mut self.verifier);
        }
        // Fewer bytes than listed: the next look asks once more, and what brings nothing further is
        // then how this server counts (text mode, whole blocks).
        let is_short = entry.size.is_some_and(|listed| self.came < listed);
        if !is_short || self.request.complete || !reading.brings_lines() {
            reading.seen = Some((entry.size, entry.modified));
        }
        reading.quiet = Some(quiet_since(&reading, &self.verifier, entry, moment));
        Some((Some(reading), None))
    }

    fn refused(self, refusal: Refusal) -> Ended {
        (Some(Reading::refused(self.target, self.request.entry, refusal)), None)
    }

    /// What came in complete lines is the file's own; the look that follows reads on.
    fn broken_off(mut self, error: SourceError) -> Ended {
        let is_own = self.verifier.end().is_ok();
        let reading = is_own.then(|| Reading::of(self.target, &mut self.verifier));
        (reading.filter(|reading| !reading.segments.is_empty()), Some(error))
    }
}

impl Reading {
    fn take_open_line(&mut self, verifier: &mut TransferVerifier) {
        let open_line_at = verifier.consumed();
        if let Some(segment) = verifier.drain_open_line() {
            self.segments.push(segment);
            self.open_line_at = Some(open_line_at);
            self.consumed_bytes = verifier.consumed();
            self.tail_hash = verifier.tail_hash();
        }
    }
}
