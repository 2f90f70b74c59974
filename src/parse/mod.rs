//! LOG bytes into events and counted rejects. Pure: no IO, no clock, no logging.
//!
//! Every line ends up in exactly one place: an event, a reject with its reason, or the count of
//! blank lines. What must never happen here: a panic, a line that vanishes without being counted, an
//! allocation a line, text read as anything but ISO-8859-1.
//!
//! "Blanks" are the ASCII ones (space, tab, LF, VT, FF, CR). The bytes 0x85 and 0xA0 are text.

mod debris;
mod event;
mod job;
mod line;
mod number;
mod tally;
mod time;
mod wait;
mod words;

use std::borrow::Cow;

pub use debris::{DEBRIS_LIMIT, Debris};
pub use event::{Event, Kind};
pub use job::JobProfile;
pub use line::LINE_LIMIT_BYTES;
pub use tally::{NAMES_LIMIT, Reject, Rejected, Tally, UnknownNames};
pub use words::{WordError, Words};

/// LOG bytes without the NULs that controllers leave after a power cut; borrowed where there are none.
#[derive(Clone, Debug)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl<'a> Text<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let Some(first) = memchr::memchr(0, bytes) else {
            return Self(Cow::Borrowed(bytes));
        };
        let mut kept = Vec::with_capacity(bytes.len());
        let (mut clean, mut rest) = bytes.split_at(first);
        while !rest.is_empty() {
            kept.extend_from_slice(clean);
            let nuls = rest.iter().take_while(|&&byte| byte == 0).count();
            rest = &rest[nuls..];
            (clean, rest) = rest.split_at(memchr::memchr(0, rest).unwrap_or(rest.len()));
        }
        kept.extend_from_slice(clean);
        Self(Cow::Owned(kept))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a reading holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed<'t> {
    /// In the order of the lines.
    pub events: Vec<Event<'t>>,
    /// In the order of the lines, at most [`DEBRIS_LIMIT`].
    pub debris: Vec<Debris<'t>>,
    pub tally: Tally,
}

/// Parses complete lines. The last one counts as complete also without its line end: the caller
/// holds back what is still growing.
///
/// A file read in consecutive pieces that begin at line starts gives the same events, and tallies
/// that [`Tally::add`] sums up to the tally of the whole. Only [`Event::stepped_back`] of a piece's
/// first event needs the piece before.
pub fn parse<'t>(text: &'t Text<'_>, words: &Words) -> Parsed<'t> {
    line::parse_lines(text.as_bytes(), words)
}

/// ISO-8859-1 as it is: 0x80..=0x9F are U+0080..=U+009F.
pub fn latin1(bytes: &[u8]) -> String {
    encoding_rs::mem::decode_latin1(bytes).into_owned()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0D)
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    bytes
}

fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// Letters, digits and `_` of ISO-8859-1.
fn is_word(byte: u8) -> bool {
    byte == b'_' || char::from(byte).is_alphanumeric()
}
