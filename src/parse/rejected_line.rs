//! Lines that are no event, as they stand, so that a day's can be counted once however often a file
//! is read. Bounded: beyond [`REJECTED_LINES_LIMIT`] only the tally counts them.

/// Most lines of a reading that are told apart; who has more has a broken file, not torn lines.
pub const REJECTED_LINES_LIMIT: usize = 1_000;

/// What is left of a line, or stands in front of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RejectedLine<'t> {
    /// Events of the reading before it.
    pub events_before: usize,
    /// Begins as a line does and lacks the rest: a power cut tore it. Otherwise it is no line at all.
    pub torn: bool,
    pub text: &'t str,
}

/// Digits are `0`; what every line begins with.
const SHAPE: &[u8] = b"00000000 00:00:00|@";

/// Whether `bytes` is a beginning of timestamp and marker. Anything behind a whole marker is left to
/// the caller.
pub(super) fn is_beginning(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= SHAPE.len()
        && bytes.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Text, Words, parse};

    /// `events before:t|m:text` of each.
    fn rejected(log: &[u8]) -> Vec<String> {
        let text = Text::new(log);
        let parsed = parse(&text, &Words::default());
        let shown = parsed.rejected.iter().map(|line| {
            let kind = if line.torn { 't' } else { 'm' };
            format!("{}:{kind}:{}", line.events_before, line.text)
        });
        shown.collect()
    }

    #[test]
    fn a_beginning_of_a_line_is_torn_and_anything_else_is_not() {
        let log = b"2025\n20250528 05:08:54|@StukUitgevoerd: 1\n20250528 05:\n### herstart\n\
            20250528 05:08:54|@\n20250528\x20\n20250631 10:00:00|@StukUitgevoerd: 1\n";
        let expected = [
            "0:t:2025",
            "1:t:20250528 05:",
            "1:m:### herstart",
            "1:t:20250528 05:08:54|@",
            "1:t:20250528",
            "1:m:20250631 10:00:00|@StukUitgevoerd: 1",
        ];
        assert_eq!(rejected(log), expected);
    }

    #[test]
    fn a_rest_in_front_of_a_line_is_torn_and_the_line_is_an_event() {
        let log = b"20250528 05:020250528 05:08:54|@StukUitgevoerd: 1\n";
        assert_eq!(rejected(log), ["0:t:20250528 05:0"]);
    }

    #[test]
    fn a_file_full_of_rubbish_is_bounded() {
        let log = b"x\n".repeat(REJECTED_LINES_LIMIT + 50);
        assert_eq!(rejected(&log).len(), REJECTED_LINES_LIMIT);
    }
}
