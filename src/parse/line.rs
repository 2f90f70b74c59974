//! The loop over the lines: a short way for lines as controllers write them, and the letter of the
//! spec for all others. Both must give the same; a test runs every line through both.

use crate::parse::{
    Event, Kind, Parsed, Reject, RejectedLine, Tally, Words, blanks_ahead,
    event::Number,
    head::{MARKER, NAME_AT, STAMP_LEN},
    job,
    rejected_line::{REJECTED_LINES_LIMIT, is_beginning},
    time::{Clock, NoStamp},
    trim, trim_end, trim_end_of, trim_start, wait,
};

/// A longer line, after trimming, is counted and not read: a controller writes 50 bytes, and
/// a caller that reads in pieces must be able to give up on a line that does not end.
pub const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// Timestamp, marker, and the 16 bytes that hold a short name.
const HEAD_LEN: usize = NAME_AT + 16;
/// An ordinary line fits, and is looked at, in so many bytes; they are eight words of eight.
const WINDOW_LEN: usize = 64;

pub(super) fn parse_lines<'t>(text: &'t str, words: &Words) -> Parsed<'t> {
    let mut reader = Reader {
        words,
        clock: Clock::default(),
        // Ordinary lines are 45 bytes; a guess too low costs one copy.
        events: Vec::with_capacity(text.len() / 40 + 1),
        rejected: Vec::new(),
        tally: Tally::default(),
        last_seconds: i64::MIN,
        has_lone_cr: has_lone_cr(text.as_bytes()),
    };
    let mut at = 0;
    while at < text.len() {
        reader.tally.lines += 1;
        at = match reader.ordinary_line(text, at) {
            Some(next) => next,
            None => reader.odd_line(text, at),
        };
    }
    reader.tally.events = reader.events.len() as u64;
    debug_assert!(
        reader.rejected.len() <= REJECTED_LINES_LIMIT,
        "invariant 8: rejects are bounded"
    );
    Parsed { events: reader.events, rejected: reader.rejected, tally: reader.tally }
}

struct Reader<'t, 'w> {
    words: &'w Words,
    clock: Clock,
    events: Vec<Event<'t>>,
    rejected: Vec<RejectedLine<'t>>,
    tally: Tally,
    last_seconds: i64,
    /// The text holds a CR that no LF follows; then a line may end in one alone.
    has_lone_cr: bool,
}

impl<'t> Reader<'t, '_> {
    /// Takes the line at `at` if it starts with a timestamp, marker and short known name right away;
    /// gives the place of the next one.
    #[inline]
    fn ordinary_line(&mut self, text: &'t str, at: usize) -> Option<usize> {
        let rest = text.as_bytes().get(at..)?;
        // Of a fixed size: places in it need no further check of bounds.
        let window = match rest.first_chunk::<WINDOW_LEN>() {
            Some(window) => window,
            None => &last_window(rest)?,
        };
        let (stamp, behind) = window.split_first_chunk::<STAMP_LEN>()?;
        let (marker, name) = behind.split_first_chunk::<2>()?;
        if marker != MARKER.as_bytes() {
            return None;
        }
        let seconds = self.clock.seconds(stamp)?;
        let name = u128::from_le_bytes(*name.first_chunk()?);
        let word = self.words.short.iter().find(|word| name & word.mask == word.value)?;
        let end = match line_end(window, word.end_in_window) {
            Some(end) => end,
            None => far_line_end(rest)?,
        };
        let name_end = NAME_AT + word.len;
        let mut details = rest.get(name_end..end)?;
        if let [.., last] = details
            && *last <= b' '
        {
            details = trim_end_of(details);
        }
        if self.has_lone_cr && memchr::memchr(b'\r', details).is_some() {
            return None;
        }
        let details_from = match details {
            [] => 0,
            [b':', b' ', next, ..] if *next > b' ' => 2,
            [b':', behind @ ..] => 1 + blanks_ahead(behind),
            _ => return None,
        };
        let line_at = at + NAME_AT;
        let line = text.get(line_at..line_at + word.len + details.len())?;
        self.take(seconds, word.kind, line, word.len, word.len + details_from);
        Some(at + end + 1)
    }

    /// Takes any line, to the letter; gives the place of the next one.
    #[inline(never)]
    fn odd_line(&mut self, text: &'t str, at: usize) -> usize {
        let rest = &text[at..];
        let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        let line = trim(&rest[..end]);
        if self.has_lone_cr && self.ends_in_cr(line) {
            for (nth, line) in line.split('\r').enumerate() {
                self.tally.lines += u64::from(nth > 0);
                self.any_line(trim(line));
            }
        } else {
            self.any_line(line);
        }
        at + end + 1
    }

    /// Whether what stands between two LFs are lines that end in CR alone: behind one of its CRs stands
    /// a further event line. Any other CR within a line is a blank.
    fn ends_in_cr(&mut self, line: &str) -> bool {
        line.split('\r').skip(1).any(|behind| self.head(trim(behind)).is_ok())
    }

    fn any_line(&mut self, line: &'t str) {
        if line.is_empty() {
            self.tally.blank += 1;
        } else if let Err(reject) = self.event_line(line) {
            self.tally.reject(reject, line);
            self.keep_rejected(is_beginning(line), line);
        }
    }

    fn event_line(&mut self, line: &'t str) -> Result<(), Reject> {
        let Head { seconds, marker, behind, colon, name } = self.head(line)?;
        let details = colon.map_or("", |colon| trim_start(&behind[colon + 1..]));
        let text = if details.is_empty() { name } else { behind };
        let details_at = text.len() - details.len();
        if details_at > usize::from(u16::MAX) {
            // Thirty thousand accents before the colon.
            return Err(Reject::Overlong);
        }
        let kind = self.words.kind_of(name);
        if kind == Kind::Other {
            self.tally.unknown_name(name);
        }
        let before = trim_end(&line[..marker]);
        // What stands in front of the stamp; non-ASCII characters may stand between its own.
        if let Some((first, _)) = before.char_indices().rev().nth(STAMP_LEN - 1)
            && first > 0
        {
            self.keep_rejected(true, &before[..first]);
        }
        self.take(seconds, kind, text, name.len(), details_at);
        Ok(())
    }

    /// Timestamp and name of an event line.
    fn head<'l>(&mut self, line: &'l str) -> Result<Head<'l>, Reject> {
        // Bytes of the LOG, which are the characters here.
        if line.len() > LINE_LIMIT_BYTES && line.chars().count() > LINE_LIMIT_BYTES {
            return Err(Reject::Overlong);
        }
        let marker = marker(line).ok_or(Reject::NoMarker)?;
        let stamp = last_characters(&line.as_bytes()[..marker]).ok_or(Reject::NoTimestamp)?;
        let seconds = self.clock.stamp(&stamp).map_err(|reason| match reason {
            NoStamp::Shape => Reject::NoTimestamp,
            NoStamp::NotReal => Reject::NotReal,
        })?;
        let behind = trim_start(&line[marker + MARKER.len()..]);
        let colon = memchr::memchr(b':', behind.as_bytes());
        let name = trim_end(&behind[..colon.unwrap_or(behind.len())]);
        if name.is_empty() {
            return Err(Reject::NoName);
        }
        Ok(Head { seconds, marker, behind, colon, name })
    }

    #[cold]
    fn keep_rejected(&mut self, torn: bool, text: &'t str) {
        if self.rejected.len() < REJECTED_LINES_LIMIT {
            self.rejected.push(RejectedLine { events_before: self.events.len(), torn, text });
        }
    }

    #[inline(always)]
    fn take(
        &mut self,
        seconds: i64,
        kind: Kind,
        text: &'t str,
        name_len: usize,
        details_at: usize,
    ) {
        let number = match kind {
            Kind::Wait => self.wait(text, details_at),
            Kind::Job => self.job(text, details_at),
            _ => (Number::Nothing, 0),
        };
        let mut event = Event::new(seconds, kind, text, name_len, details_at, number);
        event.stepped_back = seconds < self.last_seconds;
        self.last_seconds = seconds;
        self.events.push(event);
    }

    #[inline(never)]
    fn wait(&mut self, text: &str, details_at: usize) -> (Number, i64) {
        match wait::duration_ms(&text[details_at..]) {
            Some(ms) => (Number::Wait, ms),
            None => {
                self.tally.reject(Reject::WaitWithoutDuration, text);
                (Number::Nothing, 0)
            }
        }
    }

    #[inline(never)]
    fn job(&mut self, text: &str, details_at: usize) -> (Number, i64) {
        let details = &text[details_at..];
        match job::ordinary_length_e2(details) {
            Some(length_e2) => (Number::Job, length_e2),
            None if job::any_profile(details).is_some() => (Number::OddJob, 0),
            None => {
                self.tally.reject(Reject::MalformedJob, text);
                (Number::Nothing, 0)
            }
        }
    }
}

/// Whether there is a CR that is not the first half of a line end.
fn has_lone_cr(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

/// The beginning of an event line.
struct Head<'l> {
    seconds: i64,
    /// Where the marker stands.
    marker: usize,
    /// From the name's first character on.
    behind: &'l str,
    /// Where in `behind` the name ends.
    colon: Option<usize>,
    name: &'l str,
}

/// Where the first marker stands.
fn marker(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    memchr::memchr_iter(b'|', bytes).find(|at| bytes.get(at + 1) == Some(&b'@'))
}

/// What is left of the text where it is shorter than a window and still holds a name of any length.
#[cold]
fn last_window(rest: &[u8]) -> Option<[u8; WINDOW_LEN]> {
    let mut window = [b'\n'; WINDOW_LEN];
    window.get_mut(..rest.len())?.copy_from_slice(rest);
    (rest.len() >= HEAD_LEN).then_some(window)
}

/// Where a line that is longer than a window ends.
#[cold]
fn far_line_end(rest: &[u8]) -> Option<usize> {
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    (end <= LINE_LIMIT_BYTES).then_some(end)
}

/// Where the window's first line ends, if it does. No LF may stand before its word `from`.
#[inline]
fn line_end(window: &[u8; WINDOW_LEN], from: usize) -> Option<usize> {
    const LF: u64 = u64::from_le_bytes([b'\n'; 8]);
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The end is near, as a rule: eight bytes at a time are quicker than a call.
    let (words, _) = window.as_chunks();
    for (index, word) in words.iter().enumerate().skip(from) {
        let differing = u64::from_le_bytes(*word) ^ LF;
        let found = differing.wrapping_sub(LOW) & !differing & HIGH;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    None
}

/// The last 17 of the characters up to 127, blanks behind them left out.
fn last_characters(before_marker: &[u8]) -> Option<[u8; STAMP_LEN]> {
    let mut ascii = before_marker
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii())
        .skip_while(|&&byte| crate::parse::is_blank(byte));
    let mut stamp = [0; STAMP_LEN];
    for place in stamp.iter_mut().rev() {
        *place = *ascii.next()?;
    }
    Some(stamp)
}

#[cfg(test)]
mod tests;
