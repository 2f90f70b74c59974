//! LOG bytes into events and counted rejects. Pure: no IO, no clock, no logging.
//!
//! Every line ends up in exactly one place: an event, a reject with its reason, or the count of
//! blank lines. What must never happen here: a panic, a line that vanishes without being counted, an
//! allocation a line, text read as anything but ISO-8859-1.
//!
//! "Blanks" are the ASCII ones (space, tab, LF, VT, FF, CR). The bytes 0x85 and 0xA0 are text.
//!
//! Lines end in LF. A CR alone ends a line only if a further event line stands behind it before the next
//! LF; then every CR up to that LF does. Any other CR is a blank.

mod event;
mod head;
mod job;
mod line;
mod number;
mod rejected_line;
mod tally;
mod time;
mod wait;
mod words;

use std::borrow::Cow;

pub use event::{Event, Kind};
pub use job::JobProfile;
pub use line::LINE_LIMIT_BYTES;
pub use rejected_line::{REJECTED_LINES_LIMIT, RejectedLine};
pub use tally::{NAMES_LIMIT, Reject, Rejected, Tally, UnknownNames};
pub use words::{WordError, Words};

/// Bytes that are decoded at once.
const PIECE_BYTES: usize = 1024;

/// LOG bytes as text: ISO-8859-1, without the NULs that controllers leave after a power cut. Borrowed
/// where the bytes are plain ASCII, as they nearly always are; all that follows reads characters.
#[derive(Clone, Debug)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        // All bits of all bytes: sixteen bytes at a time, and nothing is asked in between.
        let is_ascii = bytes.iter().fold(0, |bits, byte| bits | byte).is_ascii();
        if is_ascii && memchr::memchr(0, bytes).is_none() {
            // encoding_rs takes twice the time to see that there is nothing to do.
            if let Ok(text) = std::str::from_utf8(bytes) {
                return Self(Cow::Borrowed(text));
            }
        }
        Self(Cow::Owned(decoded(bytes)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a reading holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed<'t> {
    /// In the order of the lines.
    pub events: Vec<Event<'t>>,
    /// In the order of the lines, at most [`REJECTED_LINES_LIMIT`].
    pub rejected: Vec<RejectedLine<'t>>,
    pub tally: Tally,
}

/// Parses complete lines. The last one counts as complete also without its line end: the caller
/// holds back what is still growing.
///
/// A file read in consecutive pieces that begin at line starts gives the same events, and tallies
/// that [`Tally::add`] sums up to the tally of the whole. Only [`Event::stepped_back`] of a piece's
/// first event needs the piece before.
pub fn parse<'t>(text: &'t Text<'_>, words: &Words) -> Parsed<'t> {
    line::parse_lines(text.as_str(), words)
}

/// ISO-8859-1 as it is, without NULs: 0x80..=0x9F are U+0080..=U+009F.
fn decoded(bytes: &[u8]) -> String {
    // A few accents; more cost one copy.
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 32);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(memchr::memchr(0, rest).unwrap_or(rest.len()));
        // Most pieces are plain ASCII, which is borrowed and copied once.
        for piece in run.chunks(PIECE_BYTES) {
            text.push_str(&encoding_rs::mem::decode_latin1(piece));
        }
        let nuls = behind.iter().take_while(|&&byte| byte == 0).count();
        rest = &behind[nuls..];
    }
    text
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0D)
}

fn blanks_ahead(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| is_blank(byte)).count()
}

fn trim_end_of(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().rev().take_while(|&&byte| is_blank(byte)).count();
    &bytes[..bytes.len() - blanks]
}

fn trim_start(text: &str) -> &str {
    &text[blanks_ahead(text.as_bytes())..]
}

fn trim_end(text: &str) -> &str {
    &text[..trim_end_of(text.as_bytes()).len()]
}

fn trim(text: &str) -> &str {
    trim_end(trim_start(text))
}

/// Letters, digits and `_` of ISO-8859-1.
fn is_word(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}
