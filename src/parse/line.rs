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
/// whoever reads in pieces must be able to give up on a line that does not end.
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
        has_cr: memchr::memchr(b'\r', text.as_bytes()).is_some(),
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
    /// The text holds a CR; then a line may end in one alone.
    has_cr: bool,
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
        if self.has_cr && memchr::memchr(b'\r', details).is_some() {
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
        if self.has_cr && self.ends_in_cr(line) {
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
mod tests {
    use super::*;
    use crate::parse::{Text, parse};

    /// `seconds of the day kind name|details` of each event.
    fn events(log: &[u8]) -> Vec<String> {
        let text = Text::new(log);
        let describe = |event: &Event<'_>| {
            let (name, details) = (event.name(), event.details());
            format!("{} {:?} {name}|{details}", event.seconds.rem_euclid(86_400), event.kind)
        };
        parse(&text, &Words::default()).events.iter().map(describe).collect()
    }

    fn tally(log: &[u8]) -> Tally {
        let text = Text::new(log);
        parse(&text, &Words::default()).tally
    }

    fn reject_of(line: &[u8]) -> Option<Reject> {
        let tally = tally(line);
        assert!(tally.rejects.len() <= 1);
        tally.rejects.keys().next().copied()
    }

    #[test]
    fn each_kind_of_event_is_known_by_its_name() {
        let log = b"20250528 00:00:01|@StukUitgevoerd: 1 B159464 H1\n\
            20250528 00:00:02|@MachineWait: 7 sec\n\
            20250528 00:00:03|@JobProfiel: R:6121 L:6584.59 C:654\n\
            20250528 00:00:04|@MachineStop\n\
            20250528 00:00:05|@MachineStart\n\
            20250528 00:00:06|@Melding: iets\n";
        let expected = [
            "1 Piece StukUitgevoerd|1 B159464 H1",
            "2 Wait MachineWait|7 sec",
            "3 Job JobProfiel|R:6121 L:6584.59 C:654",
            "4 Stop MachineStop|",
            "5 Start MachineStart|",
            "6 Other Melding|iets",
        ];
        assert_eq!(events(log), expected);
    }

    #[test]
    fn nul_bytes_are_removed_before_anything_else() {
        let log = b"\0\0\x0020250528 00:00\0:01|\0@Machine\0Stop\0\0\n\0\0";
        assert_eq!(events(log), ["1 Stop MachineStop|"]);
        assert_eq!(tally(log).lines, 1);
    }

    #[test]
    fn blanks_around_line_name_and_details_are_trimmed_and_blank_lines_are_nothing() {
        let log = b" \t20250528 00:00:01 |@ MachineStop \t:  x  \r\n\r\n \t\x0b\x0c\r\n\n";
        assert_eq!(events(log), ["1 Stop MachineStop|x"]);
        let tally = tally(log);
        assert_eq!((tally.lines, tally.blank, tally.rejected()), (4, 3, 0));
    }

    #[test]
    fn lines_that_end_in_cr_alone_are_lines_also_among_others() {
        let of = |end: &str| {
            let lines = (0..120).map(|n| format!("20250528 00:00:01|@StukUitgevoerd: {n}{end}"));
            lines.collect::<String>().into_bytes()
        };
        for end in ["\n", "\r\n", "\r", "\r\r\n", "\n\r"] {
            assert_eq!(events(&of(end)), events(&of("\n")), "{end:?}");
        }
        let mixed = b"20250528 00:00:01|@MachineStop\r20250528 00:00:02|@MachineStart\r\n\
            20250528 00:00:03|@MachineStop\r\rrubbish\r20250528 00:0220250528 00:00:04|@MachineStart\n\
            20250528 00:00:05|@MachineStop";
        let expected = ["1 Stop", "2 Start", "3 Stop", "4 Start", "5 Stop"];
        let found = events(mixed);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(event, kind)| event.starts_with(kind)));
        let tally = tally(mixed);
        assert_eq!((tally.lines, tally.blank, tally.events, tally.malformed()), (7, 1, 5, 1));
    }

    #[test]
    fn a_cr_with_no_event_line_behind_it_is_a_blank() {
        let log = b"20250528 00:00:01\r|@StukUitgevoerd:\r1\rB H1\r\n20250528 00:00:02|@MachineWait: 7\rsec\n";
        assert_eq!(events(log), ["1 Piece StukUitgevoerd|1\rB H1", "2 Wait MachineWait|7\rsec"]);
        assert_eq!(tally(log).rejected(), 0);
    }

    #[test]
    fn a_file_longer_than_a_line_may_be_is_read_also_with_cr_alone() {
        let log = b"20250528 00:00:01|@MachineStop\r".repeat(10_000);
        assert!(log.len() > LINE_LIMIT_BYTES);
        assert_eq!(tally(&log).events, 10_000);
    }

    #[test]
    fn the_bytes_of_no_break_space_and_next_line_are_text() {
        let log = b"20250528 00:00:01|@StukUitgevoerd: \xA01\x85\n";
        assert_eq!(events(log), ["1 Piece StukUitgevoerd|\u{a0}1\u{85}"]);
    }

    #[test]
    fn text_is_latin_1_with_control_characters_from_0x80_on() {
        let log = b"20250528 00:00:01|@StukUitgevoerd: ch\xE2ssis \x80\x9F\xFF.\n";
        assert_eq!(events(log), ["1 Piece StukUitgevoerd|ch\u{e2}ssis \u{80}\u{9f}\u{ff}."]);
    }

    #[test]
    fn a_torn_line_costs_itself_only() {
        let log = b"20250603 05:0220250603 00:02:30|@MachineStop\n2025";
        assert_eq!(events(log), ["150 Stop MachineStop|"]);
        assert_eq!(reject_of(b"2025"), Some(Reject::NoMarker));
    }

    #[test]
    fn the_timestamp_is_the_last_seventeen_plain_characters_before_the_first_marker() {
        assert_eq!(events(b"\xFF20250603 00:02:00|@MachineStop"), ["120 Stop MachineStop|"]);
        assert_eq!(events(b"2025\xE90603 00:02:00 \xA0|@MachineStop"), ["120 Stop MachineStop|"]);
        assert_eq!(events(b"x|20250603 00:02:00|@MachineStop"), ["120 Stop MachineStop|"]);
        assert_eq!(events(b"20250603 00:02:00|@a|@b: c|@d"), ["120 Other a|@b|c|@d"]);
        assert_eq!(reject_of(b"0250603 00:02:00|@MachineStop"), Some(Reject::NoTimestamp));
        assert_eq!(reject_of(b"20250603 00:02:0x|@MachineStop"), Some(Reject::NoTimestamp));
        assert_eq!(reject_of(b"|@20250603 00:02:00|@MachineStop"), Some(Reject::NoTimestamp));
    }

    #[test]
    fn a_date_that_does_not_exist_is_a_reject_of_its_own() {
        assert_eq!(reject_of(b"20250631 05:02:00|@StukUitgevoerd: x"), Some(Reject::NotReal));
        assert_eq!(reject_of(b"20250603 25:02:00|@StukUitgevoerd: x"), Some(Reject::NotReal));
    }

    #[test]
    fn a_line_without_a_name_is_a_reject() {
        assert_eq!(reject_of(b"20250603 05:02:00|@"), Some(Reject::NoName));
        assert_eq!(reject_of(b"20250603 05:02:00|@ : details"), Some(Reject::NoName));
    }

    #[test]
    fn the_name_ends_at_the_first_colon_and_only_the_exact_word_counts() {
        assert_eq!(events(b"20250603 00:00:01|@MachineStop:a:b"), ["1 Stop MachineStop|a:b"]);
        assert_eq!(events(b"20250603 00:00:01|@MachineStopp"), ["1 Other MachineStopp|"]);
        assert_eq!(events(b"20250603 00:00:01|@machinestop"), ["1 Other machinestop|"]);
        assert_eq!(events(b"20250603 00:00:01|@MachineStop x"), ["1 Other MachineStop x|"]);
    }

    #[test]
    fn malformed_jobs_and_waits_without_duration_are_counted_and_remain_events() {
        for (line, reject) in [
            (&b"20250603 05:02:00|@JobProfiel: L:5000.00 C:654"[..], Reject::MalformedJob),
            (b"20250603 05:02:00|@MachineWait: 30", Reject::WaitWithoutDuration),
        ] {
            assert_eq!(reject_of(line), Some(reject));
            let tally = tally(line);
            assert_eq!((tally.events, tally.malformed(), tally.rejected()), (1, 0, 1));
        }
        assert_eq!(reject_of(b"20250603 05:02:00|@MachineWait: 0 sec"), None);
    }

    #[test]
    fn a_line_beyond_the_limit_is_counted_and_the_next_one_read() {
        let begin = b"20250603 00:00:01|@StukUitgevoerd: ";
        let longest = [&begin[..], &vec![b'x'; LINE_LIMIT_BYTES - begin.len()]].concat();
        let log =
            [&longest[..], b"y\n", &longest, b"\r\n20250603 00:00:02|@MachineStop\n"].concat();
        let tally = tally(&log);
        assert_eq!((tally.lines, tally.events), (3, 2));
        assert_eq!(tally.rejects[&Reject::Overlong].count, 1);
        let text = Text::new(&longest);
        let details = parse(&text, &Words::default()).events[0].details().len();
        assert_eq!(details, LINE_LIMIT_BYTES - begin.len());
    }

    #[test]
    fn a_reject_shows_its_first_line_and_how_it_began() {
        let log = b"20250603 00:00:01|@MachineStop\n\nhello \x07\xE9\nmore\n";
        let rejected = tally(log).rejects[&Reject::NoMarker].clone();
        assert_eq!((rejected.count, rejected.first_line), (2, 3));
        assert_eq!(rejected.sample, "hello ·é");
    }

    #[test]
    fn unknown_names_are_counted_by_name_within_a_bound() {
        let line = |name: usize| format!("20250603 00:00:01|@Woord{name}: x\n");
        let log: String = (0..150).chain(0..10).map(line).collect();
        let unknown = tally(log.as_bytes()).unknown;
        assert_eq!(unknown.counts.len(), crate::parse::NAMES_LIMIT);
        assert_eq!(unknown.counts["Woord3"], 2);
        assert_eq!(unknown.uncounted, 50);
    }

    #[test]
    fn a_step_of_the_clock_is_marked_on_the_line_that_steps() {
        let log = b"20250603 00:00:05|@MachineStop\n20250603 00:00:05|@MachineStart\n\
            20250603 00:00:01|@MachineStop\n20250603 00:00:02|@MachineStop\n";
        let text = Text::new(log);
        let events = parse(&text, &Words::default()).events;
        let stepped: Vec<bool> = events.iter().map(|event| event.stepped_back).collect();
        assert_eq!(stepped, [false, false, true, false]);
    }

    #[test]
    fn the_short_way_and_the_letter_give_the_same_events() {
        let words = Words::default();
        let heads =
            ["20250603 05:02:00|@", "20250603 05:02:61|@", "20250603 05:02:00 |@", "\u{e9}"];
        let names =
            ["StukUitgevoerd", "MachineWait", "MachineStop", "JobProfiel", "MachineStar", ""];
        let tails = [
            "",
            ":",
            ": ",
            ":x",
            ": \tx",
            " : x",
            ": 7 sec",
            ": R:A L:1",
            "\r",
            ": x \r",
            "x",
            ": 7\rsec",
            ": x\r20250603 05:02:00|@MachineStop",
        ];
        for head in heads {
            for name in names {
                for tail in tails {
                    let line = format!("{head}{name}{tail}\n");
                    let (short, letter) =
                        (parsed_by(&words, &line, true), parsed_by(&words, &line, false));
                    assert_eq!(short, letter, "{head}{name}{tail}");
                }
            }
        }
    }

    fn parsed_by(words: &Words, line: &str, short_way: bool) -> (usize, String, Vec<Reject>) {
        // Padded, so that the short way is open to short lines too.
        let padded = format!("{line}{}", " ".repeat(64));
        let mut reader = Reader {
            words,
            clock: Clock::default(),
            events: Vec::new(),
            rejected: Vec::new(),
            tally: Tally::default(),
            last_seconds: i64::MIN,
            has_cr: line.contains('\r'),
        };
        let next = if short_way { reader.ordinary_line(&padded, 0) } else { None };
        let next = next.unwrap_or_else(|| reader.odd_line(&padded, 0));
        (next, format!("{:?}", reader.events), reader.tally.rejects.into_keys().collect())
    }
}
