//! The loop over the lines: a short way for lines as controllers write them, and the letter of the
//! spec for all others. Both must give the same; a test runs every line through both.

use crate::parse::{
    Event, Kind, Parsed, Reject, Tally, Words, is_blank, job,
    time::{Clock, NoStamp},
    trim, trim_end, trim_start, wait,
};

/// A longer line, after trimming, is counted and not read: a controller writes 50 bytes, and
/// whoever reads in pieces must be able to give up on a line that does not end.
pub const LINE_LIMIT_BYTES: usize = 64 * 1024;

const STAMP_LEN: usize = 17;
const MARKER: &[u8; 2] = b"|@";
const NAME_AT: usize = STAMP_LEN + MARKER.len();
/// Timestamp, marker, and the 16 bytes that hold a short name.
const HEAD_LEN: usize = NAME_AT + 16;

pub(super) fn parse_lines<'t>(text: &'t [u8], words: &Words) -> Parsed<'t> {
    let mut reader = Reader {
        words,
        clock: Clock::default(),
        // Ordinary lines are 45 bytes; a guess too low costs one copy.
        events: Vec::with_capacity(text.len() / 40 + 1),
        tally: Tally::default(),
        last_seconds: i64::MIN,
    };
    let mut rest = text;
    while !rest.is_empty() {
        reader.tally.lines += 1;
        let taken = match reader.ordinary_line(rest) {
            Some(taken) => taken,
            None => reader.odd_line(rest),
        };
        rest = &rest[taken..];
    }
    reader.tally.events = reader.events.len() as u64;
    Parsed { events: reader.events, tally: reader.tally }
}

struct Reader<'t, 'w> {
    words: &'w Words,
    clock: Clock,
    events: Vec<Event<'t>>,
    tally: Tally,
    last_seconds: i64,
}

impl<'t> Reader<'t, '_> {
    /// Takes the line at the beginning of `rest` if it starts with a timestamp, marker and short
    /// known name right away; gives the bytes consumed, its line end included.
    #[inline]
    fn ordinary_line(&mut self, rest: &'t [u8]) -> Option<usize> {
        let head: &[u8; HEAD_LEN] = rest.first_chunk()?;
        let (stamp, behind) = head.split_first_chunk::<STAMP_LEN>()?;
        let (marker, name) = behind.split_first_chunk::<2>()?;
        if marker != MARKER {
            return None;
        }
        let seconds = self.clock.seconds(stamp)?;
        let name = u128::from_le_bytes(*name.first_chunk()?);
        let word = self.words.short.iter().find(|word| name & word.mask == word.value)?;
        let name_end = NAME_AT + word.len;
        let end = line_end(rest, name_end)?;
        if end > LINE_LIMIT_BYTES {
            return None;
        }
        let mut line = &rest[NAME_AT..end];
        if let [.., last] = line
            && is_blank(*last)
        {
            line = trim_end(line);
        }
        let details_at = match line.get(word.len..)? {
            [] => word.len,
            [b':', b' ', next, ..] if !is_blank(*next) => word.len + 2,
            [b':', details @ ..] => line.len() - trim_start(details).len(),
            _ => return None,
        };
        self.take(seconds, word.kind, line, word.len, details_at);
        Some((end + 1).min(rest.len()))
    }

    /// Takes any line, to the letter.
    #[inline(never)]
    fn odd_line(&mut self, rest: &'t [u8]) -> usize {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = trim(&rest[..end]);
        if line.is_empty() {
            self.tally.blank += 1;
        } else if let Err(reject) = self.event_line(line) {
            self.tally.reject(reject, line);
        }
        (end + 1).min(rest.len())
    }

    fn event_line(&mut self, line: &'t [u8]) -> Result<(), Reject> {
        if line.len() > LINE_LIMIT_BYTES {
            return Err(Reject::Overlong);
        }
        let marker = memchr::memmem::find(line, MARKER).ok_or(Reject::NoMarker)?;
        let stamp = last_characters(&line[..marker]).ok_or(Reject::NoTimestamp)?;
        let seconds = self.clock.stamp(&stamp).map_err(|reason| match reason {
            NoStamp::Shape => Reject::NoTimestamp,
            NoStamp::NotReal => Reject::NotReal,
        })?;
        let behind = trim_start(&line[marker + MARKER.len()..]);
        let colon = memchr::memchr(b':', behind);
        let name = trim_end(&behind[..colon.unwrap_or(behind.len())]);
        if name.is_empty() {
            return Err(Reject::NoName);
        }
        let details = colon.map_or(&[] as &[u8], |colon| trim_start(&behind[colon + 1..]));
        let kind = self.words.kind_of(name);
        if kind == Kind::Other {
            self.tally.unknown_name(name);
        }
        let text = if details.is_empty() { name } else { behind };
        self.take(seconds, kind, text, name.len(), text.len() - details.len());
        Ok(())
    }

    #[inline]
    fn take(
        &mut self,
        seconds: i64,
        kind: Kind,
        text: &'t [u8],
        name_len: usize,
        details_at: usize,
    ) {
        let mut wait_ms = 0;
        match kind {
            Kind::Wait => {
                wait_ms = wait::duration_ms(&text[details_at..]).unwrap_or(-1);
                if wait_ms < 0 {
                    self.tally.reject(Reject::WaitWithoutDuration, text);
                }
            }
            Kind::Job if job::profile(&text[details_at..]).is_none() => {
                self.tally.reject(Reject::MalformedJob, text);
            }
            _ => {}
        }
        let mut event = Event::new(seconds, kind, text, name_len, details_at, wait_ms);
        event.stepped_back = seconds < self.last_seconds;
        self.last_seconds = seconds;
        self.events.push(event);
    }
}

/// Where the line that `from` lies in ends: at its LF, or at the end of the text.
#[inline]
fn line_end(text: &[u8], from: usize) -> Option<usize> {
    const LF: u64 = u64::from_le_bytes([b'\n'; 8]);
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The end is near, as a rule: eight bytes at a time are quicker than a call.
    let mut at = from;
    for _ in 0..4 {
        let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk) else { break };
        let differing = u64::from_le_bytes(*bytes) ^ LF;
        let found = differing.wrapping_sub(LOW) & !differing & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let far = text.get(at..)?;
    Some(memchr::memchr(b'\n', far).map_or(text.len(), |found| at + found))
}

/// The last 17 of the characters up to 127, blanks behind them left out.
fn last_characters(before_marker: &[u8]) -> Option<[u8; STAMP_LEN]> {
    let mut ascii = before_marker
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii())
        .skip_while(|&&byte| is_blank(byte));
    let mut stamp = [0; STAMP_LEN];
    for place in stamp.iter_mut().rev() {
        *place = *ascii.next()?;
    }
    Some(stamp)
}
