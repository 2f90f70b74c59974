//! Takes the bytes of one transfer: checks that they go on where the last reading ended, and cuts
//! them into what may be kept (complete lines) and what must wait.
//!
//! What must never happen here: bytes taken although the ones before them are not the ones consumed;
//! anything taken behind the last line end of a file that may still grow; memory that grows with a
//! line that does not end, or with what is kept of the file.

use std::collections::VecDeque;

use crate::{
    buffer::{BufferError, ChunkMark, TAIL_BYTES, tail_hash},
    parse::LINE_LIMIT_BYTES,
};

/// What the first bytes of a transfer must be.
#[derive(Debug)]
enum Expected {
    /// Whatever comes is new.
    Anything,
    /// The end of what was consumed.
    Tail { hash: [u8; 32], length: usize, got: Vec<u8> },
    /// All that was consumed, chunk by chunk; `known` are the bytes of the first one, once they are
    /// needed.
    Same { chunks: VecDeque<ChunkMark>, known: Option<Vec<u8>>, at_in_first: usize },
}

/// A segment of a file that may be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Segment {
    /// Complete lines.
    Lines { start: u64, bytes: Vec<u8> },
    /// Bytes of a line too long to be one; `begins` where this is its first segment.
    Overlong { start: u64, length: u64, begins: bool },
}

/// The bytes of a transfer are not those that were consumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the file is not the one that was read before")]
pub(super) struct ContentMismatch;

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Mismatch(#[from] ContentMismatch),
    #[error(transparent)]
    Buffer(#[from] BufferError),
}

/// Looks up the kept bytes of the chunk that begins at an offset.
pub(super) type Kept<'k> = dyn FnMut(u64) -> Result<Vec<u8>, BufferError> + 'k;

#[derive(Debug)]
pub(super) struct TransferVerifier {
    expected: Expected,
    /// Bytes that came and are not handed out yet; they begin at `start` of the file.
    held: Vec<u8>,
    start: u64,
    in_long_line: bool,
    last_bytes: Vec<u8>,
}

impl TransferVerifier {
    /// A file of which nothing is known.
    pub(super) fn new_file() -> Self {
        Self::at(Expected::Anything, 0, false)
    }

    /// Goes on behind `consumed` bytes whose last ones have `hash`; the transfer begins
    /// [`TransferVerifier::overlap`] bytes earlier.
    pub(super) fn resume(consumed: u64, hash: [u8; 32], in_long_line: bool) -> Self {
        let length = Self::overlap(consumed) as usize;
        let expected = Expected::Tail { hash, length, got: Vec::with_capacity(length) };
        Self::at(expected, consumed, in_long_line)
    }

    /// How many consumed bytes a resumed transfer reads again.
    pub(super) fn overlap(consumed: u64) -> u64 {
        consumed.min(TAIL_BYTES as u64)
    }

    /// A whole file, of which `chunks` were read before: as long as the bytes are the same they are
    /// known, and where they are not it is another file of that name. `None` where a segment was
    /// passed over: it cannot be compared, and the union of files makes another generation harmless.
    pub(super) fn compare(chunks: Vec<ChunkMark>, in_long_line: bool) -> Option<Self> {
        let consumed = chunks.last().map_or(0, |chunk| chunk.start + chunk.length);
        if chunks.iter().any(|chunk| !chunk.is_kept) {
            return None;
        }
        let expected = Expected::Same { chunks: chunks.into(), known: None, at_in_first: 0 };
        Some(Self::at(expected, consumed, in_long_line))
    }

    fn at(expected: Expected, start: u64, in_long_line: bool) -> Self {
        Self { expected, held: Vec::new(), start, in_long_line, last_bytes: Vec::new() }
    }

    /// The next bytes of the transfer. After an error the transfer is to be given up.
    pub(super) fn take(&mut self, mut bytes: &[u8], kept: &mut Kept<'_>) -> Result<(), NotTaken> {
        while !bytes.is_empty() {
            match &mut self.expected {
                Expected::Anything => {
                    self.held.extend_from_slice(bytes);
                    return Ok(());
                }
                Expected::Tail { hash, length, got } => {
                    let needed = (*length - got.len()).min(bytes.len());
                    got.extend_from_slice(&bytes[..needed]);
                    bytes = &bytes[needed..];
                    if got.len() == *length {
                        if tail_hash(got) != *hash {
                            return Err(ContentMismatch.into());
                        }
                        self.last_bytes = std::mem::take(got);
                        self.expected = Expected::Anything;
                    }
                }
                Expected::Same { chunks, known, at_in_first } => {
                    let Some(first) = chunks.front() else {
                        self.expected = Expected::Anything;
                        continue;
                    };
                    let all = match known {
                        Some(all) => all,
                        None => known.insert(kept(first.start)?),
                    };
                    let rest = &all[*at_in_first..];
                    let length = rest.len().min(bytes.len());
                    let (same, behind) = bytes.split_at(length);
                    if rest[..length] != *same {
                        return Err(ContentMismatch.into());
                    }
                    bytes = behind;
                    *at_in_first += length;
                    if *at_in_first == all.len() {
                        chunks.pop_front();
                        (*known, *at_in_first) = (None, 0);
                    }
                    self.remember(same);
                }
            }
        }
        Ok(())
    }

    /// The transfer ended well: whether everything that was expected came.
    pub(super) fn end(&mut self) -> Result<(), ContentMismatch> {
        let complete = match &self.expected {
            Expected::Anything => true,
            Expected::Tail { length, .. } => *length == 0,
            Expected::Same { chunks, .. } => chunks.is_empty(),
        };
        if complete { Ok(()) } else { Err(ContentMismatch) }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    pub(super) fn in_long_line(&self) -> bool {
        self.in_long_line
    }

    /// Where the next byte to be handed out stands: all before it is consumed.
    pub(super) fn consumed(&self) -> u64 {
        self.start
    }

    /// Hash of the last consumed bytes, for the next reading.
    pub(super) fn tail_hash(&self) -> [u8; 32] {
        tail_hash(&self.last_bytes)
    }

    /// Hands out what may be kept of the bytes so far, and counts it as consumed.
    pub(super) fn drain(&mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        if self.in_long_line && !self.held.is_empty() {
            let length = match memchr::memchr2(b'\n', b'\r', &self.held) {
                Some(end) => {
                    self.in_long_line = false;
                    end + 1
                }
                None => self.held.len(),
            };
            segments.push(self.pass_over(length, false));
        }
        if let Some(end) = self.last_line_end() {
            segments.push(self.take_lines(end));
        }
        if !self.in_long_line && self.held.len() > LINE_LIMIT_BYTES {
            self.in_long_line = true;
            segments.push(self.pass_over(self.held.len(), true));
        }
        segments
    }

    /// Where the last complete line of the held bytes ends. Some controllers end lines in CR alone; a CR
    /// behind which nothing came yet may be half of a line end, unless the line before it ended in CR alone.
    /// Which CR ends a line is decided where the bytes are parsed, all together.
    fn last_line_end(&self) -> Option<usize> {
        let end = memchr::memrchr2(b'\n', b'\r', &self.held)?;
        if self.held[end] == b'\n' || end + 1 < self.held.len() {
            return Some(end + 1);
        }
        let before = memchr::memrchr2(b'\n', b'\r', &self.held[..end]);
        let ended_before = before.map_or(self.last_bytes.last(), |before| self.held.get(before));
        if ended_before == Some(&b'\r') { Some(end + 1) } else { before.map(|before| before + 1) }
    }

    /// Hands out the rest, which has no line end, because the file is complete.
    pub(super) fn drain_open_line(&mut self) -> Option<Segment> {
        (!self.held.is_empty()).then(|| self.take_lines(self.held.len()))
    }

    fn take_lines(&mut self, length: usize) -> Segment {
        let rest = self.held.split_off(length);
        let bytes = std::mem::replace(&mut self.held, rest);
        let start = self.start;
        self.consume(&bytes);
        Segment::Lines { start, bytes }
    }

    fn pass_over(&mut self, length: usize, begins: bool) -> Segment {
        let rest = self.held.split_off(length);
        let bytes = std::mem::replace(&mut self.held, rest);
        let start = self.start;
        self.consume(&bytes);
        Segment::Overlong { start, length: bytes.len() as u64, begins }
    }

    fn consume(&mut self, bytes: &[u8]) {
        self.start += bytes.len() as u64;
        self.remember(bytes);
    }

    fn remember(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(TAIL_BYTES);
        self.last_bytes.extend_from_slice(&bytes[bytes.len() - kept..]);
        let surplus = self.last_bytes.len().saturating_sub(TAIL_BYTES);
        self.last_bytes.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(start: u64, text: &str) -> Segment {
        Segment::Lines { start, bytes: text.as_bytes().to_vec() }
    }

    /// Two lines as they are kept, a chunk each.
    fn kept() -> Vec<ChunkMark> {
        [0, 4].map(|start| ChunkMark { start, length: 4, is_kept: true }).into()
    }

    /// Takes bytes of a file of which `text` is kept.
    fn take_of(
        text: &str,
        verifier: &mut TransferVerifier,
        bytes: &[u8],
    ) -> Result<(), ContentMismatch> {
        let mut chunk = |start: u64| {
            let start = start as usize;
            let end = text[start..].find('\n').map_or(text.len(), |end| start + end + 1);
            Ok(text.as_bytes()[start..end].to_vec())
        };
        verifier.take(bytes, &mut chunk).map_err(|not_taken| match not_taken {
            NotTaken::Mismatch(other) => other,
            NotTaken::Buffer(error) => panic!("{error}"),
        })
    }

    fn take(verifier: &mut TransferVerifier, bytes: &[u8]) -> Result<(), ContentMismatch> {
        take_of("one\ntwo\n", verifier, bytes)
    }

    #[test]
    fn nothing_is_taken_behind_the_last_line_end() {
        let mut verifier = TransferVerifier::new_file();
        take(&mut verifier, b"one\ntwo\nthr").unwrap();
        assert_eq!(verifier.drain(), [lines(0, "one\ntwo\n")]);
        assert_eq!(verifier.consumed(), 8);
        take(&mut verifier, b"ee\n").unwrap();
        assert_eq!(verifier.drain(), [lines(8, "three\n")]);
    }

    #[test]
    fn a_cr_alone_ends_a_line_where_it_ended_the_one_before_or_more_came_behind_it() {
        let mut verifier = TransferVerifier::new_file();
        take(&mut verifier, b"one\rtwo\rthr").unwrap();
        assert_eq!(verifier.drain(), [lines(0, "one\rtwo\r")]);
        take(&mut verifier, b"ee\r").unwrap();
        assert_eq!(verifier.drain(), [lines(8, "three\r")]);
        let mut resumed = TransferVerifier::resume(14, tail_hash(b"one\rtwo\rthree\r"), false);
        take(&mut resumed, b"one\rtwo\rthree\rfour\r").unwrap();
        assert_eq!(resumed.drain(), [lines(14, "four\r")]);
    }

    #[test]
    fn a_cr_may_be_half_of_a_line_end_whose_lf_comes_later() {
        let mut verifier = TransferVerifier::new_file();
        take(&mut verifier, b"one\r\ntwo\r").unwrap();
        assert_eq!(verifier.drain(), [lines(0, "one\r\n")]);
        take(&mut verifier, b"\nthree\r").unwrap();
        assert_eq!(verifier.drain(), [lines(5, "two\r\n")]);
    }

    #[test]
    fn a_resumed_reading_goes_on_only_behind_the_same_bytes() {
        let mut verifier = TransferVerifier::resume(8, tail_hash(b"one\ntwo\n"), false);
        take(&mut verifier, b"one\n").unwrap();
        take(&mut verifier, b"two\nthree\n").unwrap();
        verifier.end().unwrap();
        assert_eq!(verifier.drain(), [lines(8, "three\n")]);

        let mut other = TransferVerifier::resume(8, tail_hash(b"one\ntwo\n"), false);
        assert_eq!(take(&mut other, b"one\ntwO\nthree\n"), Err(ContentMismatch));

        let mut shorter = TransferVerifier::resume(8, tail_hash(b"one\ntwo\n"), false);
        take(&mut shorter, b"one\n").unwrap();
        assert_eq!(shorter.end(), Err(ContentMismatch));
    }

    #[test]
    fn a_whole_file_is_compared_with_what_was_kept_of_it() {
        let mut same = TransferVerifier::compare(kept(), false).unwrap();
        take(&mut same, b"one\ntw").unwrap();
        take(&mut same, b"o\nthree\n").unwrap();
        same.end().unwrap();
        assert_eq!(same.drain(), [lines(8, "three\n")]);

        let mut other = TransferVerifier::compare(kept(), false).unwrap();
        assert_eq!(take(&mut other, b"one\ntwX"), Err(ContentMismatch));
        let mut shorter = TransferVerifier::compare(kept(), false).unwrap();
        take(&mut shorter, b"one\n").unwrap();
        assert_eq!(shorter.end(), Err(ContentMismatch));
    }

    #[test]
    fn the_tail_is_the_same_however_the_bytes_came() {
        let text = "x".repeat(700) + "\n" + &"y".repeat(700) + "\n";
        let mut whole = TransferVerifier::new_file();
        take(&mut whole, text.as_bytes()).unwrap();
        whole.drain();
        let first = ChunkMark { start: 0, length: 701, is_kept: true };
        let mut pieces = TransferVerifier::compare(vec![first], false).unwrap();
        take_of(&text, &mut pieces, text.as_bytes()).unwrap();
        pieces.drain();
        assert_eq!(whole.tail_hash(), pieces.tail_hash());
        assert_eq!(whole.tail_hash(), tail_hash(&text.as_bytes()[text.len() - TAIL_BYTES..]));
    }

    #[test]
    fn an_endless_line_is_passed_over_in_bounded_memory_and_the_next_line_counts() {
        let mut verifier = TransferVerifier::new_file();
        let block = [b'z'; 50_000];
        let mut most_held = 0;
        let mut segments = Vec::new();
        take(&mut verifier, b"one\n").unwrap();
        for _ in 0..100 {
            take(&mut verifier, &block).unwrap();
            most_held = most_held.max(verifier.held_bytes());
            segments.extend(verifier.drain());
        }
        assert!(most_held <= LINE_LIMIT_BYTES + block.len());
        take(&mut verifier, b"tail\ntwo\n").unwrap();
        segments.extend(verifier.drain());
        assert_eq!(segments.first(), Some(&lines(0, "one\n")));
        assert_eq!(segments.last(), Some(&lines(5_000_009, "two\n")));
        let begun = segments
            .iter()
            .filter(|segment| matches!(segment, Segment::Overlong { begins: true, .. }))
            .count();
        assert_eq!(begun, 1);
    }

    #[test]
    fn the_last_line_of_a_complete_file_needs_no_end() {
        let mut verifier = TransferVerifier::new_file();
        take(&mut verifier, b"one\ntwo").unwrap();
        assert_eq!(verifier.drain(), [lines(0, "one\n")]);
        assert_eq!(verifier.drain_open_line(), Some(lines(4, "two")));
        assert_eq!(verifier.drain_open_line(), None);
    }
}
