//! The profile in the details of a job line: `R:6121 L:6584.59 C:654`.

use crate::parse::{
    is_word,
    number::{number_ahead, scaled},
};

/// Central's `longueur` is a `DECIMAL(10,2)`.
const LENGTH_LIMIT_E2: i64 = 10_i64.pow(10) - 1;
/// Central's `reference` and `couleur` are `VARCHAR(50)`.
const WORD_LIMIT: usize = 50;

/// A job line's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobProfile<'t> {
    /// Word characters, 1 to 50.
    pub reference: &'t str,
    /// Hundredths of a millimetre, rounded half up, below 10¹⁰.
    pub length_e2: i64,
    /// Word characters, 1 to 50, where the line names a colour.
    pub colour: Option<&'t str>,
}

const REFERENCE: &str = "R:";
const LENGTH: &str = " L:";
const COLOUR: &str = " C:";
/// More digits of a length are left to [`any_profile`].
const DIGITS: usize = 8;

/// The length of `R:6121 L:6584.59 C:654`, as controllers write it; `None` says only that it is not
/// written like that.
#[inline]
pub(super) fn ordinary_length_e2(details: &str) -> Option<i64> {
    let bytes = details.as_bytes().strip_prefix(REFERENCE.as_bytes())?;
    let mut rest = bytes[word_len(bytes)?..].strip_prefix(LENGTH.as_bytes())?;
    let mut length_e2 = 0;
    let mut digits = 0;
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        if digits == DIGITS {
            return None;
        }
        length_e2 = length_e2 * 10 + i64::from(digit - b'0');
        digits += 1;
        rest = behind;
    }
    // Two decimals; more would have to be rounded.
    let [b'.' | b',', tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] = rest else {
        return None;
    };
    let hundredths = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let colour = rest.strip_prefix(COLOUR.as_bytes())?;
    let is_all = digits > 0 && word_len(colour)? == colour.len();
    is_all.then_some(length_e2 * 100 + hundredths)
}

/// Of details that have an [`ordinary_length_e2`], which is not read again.
pub(super) fn ordinary_profile(details: &str, length_e2: i64) -> Option<JobProfile<'_>> {
    let (reference, rest) = details.strip_prefix(REFERENCE)?.split_once(' ')?;
    let (_, colour) = rest.rsplit_once(':')?;
    Some(JobProfile { reference, length_e2, colour: Some(colour) })
}

/// Length of the word of at most 50 ASCII characters at the beginning, `None` for none or a longer one.
#[inline]
fn word_len(bytes: &[u8]) -> Option<usize> {
    let is_ascii_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let len = bytes.iter().take(WORD_LIMIT + 1).take_while(|byte| is_ascii_word(byte)).count();
    (1..=WORD_LIMIT).contains(&len).then_some(len)
}

/// To the letter of the spec: `None` without a reference, without a length, or with one of 10⁸ mm and
/// more.
#[cold]
pub(super) fn any_profile(details: &str) -> Option<JobProfile<'_>> {
    let reference = values(details, b'R').find_map(word_ahead)?;
    let mut lengths = values(details, b'L').map(str::as_bytes);
    let (integer, fraction) = lengths.find_map(number_ahead)?;
    let length_e2 = scaled(integer, fraction, 2, LENGTH_LIMIT_E2)?;
    let colour = values(details, b'C').find_map(word_ahead);
    Some(JobProfile { reference, length_e2, colour })
}

/// What stands behind each `letter:` at the start of a token (not behind a word character).
fn values(details: &str, letter: u8) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b':', details.as_bytes()).filter_map(move |colon| {
        let at = colon.checked_sub(1)?;
        if details.as_bytes()[at] != letter {
            return None;
        }
        let at_token_start = !details[..at].chars().next_back().is_some_and(is_word);
        at_token_start.then(|| &details[colon + 1..])
    })
}

fn word_ahead(text: &str) -> Option<&str> {
    let word = text.char_indices().take(WORD_LIMIT).take_while(|(_, char)| is_word(*char));
    let (at, last) = word.last()?;
    Some(&text[..at + last.len_utf8()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Text, Words, parse};

    /// `reference length_e2 colour`, with `-` where there is no colour.
    fn job(details: &[u8]) -> Option<String> {
        let log = [b"20250603 05:02:00|@JobProfiel: ", details].concat();
        let text = Text::new(&log);
        let job = parse(&text, &Words::default()).events[0].job()?;
        Some(format!("{} {} {}", job.reference, job.length_e2, job.colour.unwrap_or("-")))
    }

    #[test]
    fn a_job_has_reference_length_and_colour_in_any_order() {
        assert_eq!(job(b"R:6121 L:6584.59 C:654").unwrap(), "6121 658459 654");
        assert_eq!(job(b"C:LAQ;L:6000;R:6112C").unwrap(), "6112C 600000 LAQ");
        assert_eq!(job(b"R:A L:1").unwrap(), "A 100 -");
        assert_eq!(job(b"R:A L:1 C: x").unwrap(), "A 100 -");
        assert_eq!(job(b"R:\xE9t\xE9 L:1").unwrap(), "été 100 -");
    }

    #[test]
    fn a_job_without_reference_or_length_is_malformed() {
        assert_eq!(job(b"L:5000.00 C:654"), None);
        assert_eq!(job(b"R:6121 C:654"), None);
        assert_eq!(job(b"R: 6121 L:5"), None);
        assert_eq!(job(b"R:6121 L:x"), None);
        assert_eq!(job(b"XR:6121 L:5"), None);
        assert_eq!(job(b"_R:6121 L:5"), None);
        assert_eq!(job(b"\xE9R:6121 L:5"), None);
        assert_eq!(job(b""), None);
    }

    #[test]
    fn a_length_is_rounded_half_up_to_hundredths_and_stays_below_ten_to_the_eighth() {
        assert_eq!(job(b"R:A L:4964,275").unwrap(), "A 496428 -");
        assert_eq!(job(b"R:A L:4964.2749").unwrap(), "A 496427 -");
        assert_eq!(job(b"R:A L:99999999.99").unwrap(), "A 9999999999 -");
        assert_eq!(job(b"R:A L:99999999.995"), None);
        assert_eq!(job(b"R:A L:100000000"), None);
    }

    #[test]
    fn the_short_way_gives_what_the_letter_gives() {
        for details in [
            "R:6121 L:6584.59 C:654",
            "R:6121 L:6584 C:654",
            "R:6121 L:6584. C:654",
            "R:6121 L:6584,5 C:654",
            "R:6121 L:6584,50 C:654",
            "R:6121 L:6584.595 C:654",
            "R:6121 L:.59 C:654",
            "R:6121 L:6584.59  C:654",
            "R:6121 L:6584.59 C:654\u{e9}",
            "R:6121 L:6584.59 C:654 C:655",
            "R:6121\u{e9} L:6584.59 C:654",
            "R:6121 L:100000000 C:654",
            "R:6121 L:99999999.99 C:654",
            "R:6121 L:199999999.99 C:654",
        ] {
            if let Some(length_e2) = ordinary_length_e2(details) {
                let short = ordinary_profile(details, length_e2);
                assert!(short.is_some());
                assert_eq!(short, any_profile(details), "{details}");
            }
        }
        assert!(ordinary_length_e2("R:6121 L:6584.59 C:654").is_some());
    }

    #[test]
    fn reference_and_colour_are_cut_at_fifty_characters() {
        let long = format!("R:{} L:1 C:{}", "x".repeat(60), "y".repeat(60));
        let cut = format!("{} 100 {}", "x".repeat(50), "y".repeat(50));
        assert_eq!(job(long.as_bytes()).unwrap(), cut);
    }
}
