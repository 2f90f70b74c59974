//! The profile in the details of a job line: `R:6121 L:6584.59 C:654`.

use crate::parse::{
    is_word,
    number::{number_ahead, scaled},
};

/// Central's `longueur` is a `DECIMAL(10,2)`.
const LENGTH_LIMIT_E2: i64 = 10_i64.pow(10) - 1;
/// Central's `reference` and `couleur` are `VARCHAR(50)`.
const WORD_LIMIT: usize = 50;

/// A job line's content, ISO-8859-1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobProfile<'t> {
    /// Word characters, 1 to 50.
    pub reference: &'t [u8],
    /// Hundredths of a millimetre, rounded half up, below 10¹⁰.
    pub length_e2: i64,
    /// Word characters, 1 to 50, where the line names a colour.
    pub colour: Option<&'t [u8]>,
}

/// `None` without a reference, without a length, or with one of 10⁸ mm and more.
#[inline]
pub(super) fn profile(details: &[u8]) -> Option<JobProfile<'_>> {
    ordinary_profile(details).or_else(|| any_profile(details))
}

/// `R:6121 L:6584.59 C:654`, as controllers write it; `None` says only that it is not that.
#[inline]
fn ordinary_profile(details: &[u8]) -> Option<JobProfile<'_>> {
    let (reference, rest) = ascii_word(details.strip_prefix(b"R:")?)?;
    let (integer, fraction) = number_ahead(rest.strip_prefix(b" L:")?)?;
    let number_len = integer.len() + if fraction.is_empty() { 0 } else { 1 + fraction.len() };
    let (colour, rest) = ascii_word(rest[3 + number_len..].strip_prefix(b" C:")?)?;
    if !rest.is_empty() || reference.len().max(colour.len()) > WORD_LIMIT {
        return None;
    }
    let length_e2 = scaled(integer, fraction, 2, LENGTH_LIMIT_E2)?;
    Some(JobProfile { reference, length_e2, colour: Some(colour) })
}

/// A word of one or more ASCII characters up to a blank or the end, and what follows it.
#[inline]
fn ascii_word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_ascii_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let len = bytes.iter().take_while(|byte| is_ascii_word(byte)).count();
    (len > 0).then(|| bytes.split_at(len))
}

/// To the letter of the spec.
#[cold]
fn any_profile(details: &[u8]) -> Option<JobProfile<'_>> {
    let reference = values(details, b'R').find_map(word_ahead)?;
    let (integer, fraction) = values(details, b'L').find_map(number_ahead)?;
    let length_e2 = scaled(integer, fraction, 2, LENGTH_LIMIT_E2)?;
    let colour = values(details, b'C').find_map(word_ahead);
    Some(JobProfile { reference, length_e2, colour })
}

/// What stands behind each `letter:` at the start of a token (not behind a word character).
fn values(details: &[u8], letter: u8) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b':', details).filter_map(move |colon| {
        let at = colon.checked_sub(1)?;
        let at_token_start = at == 0 || !is_word(details[at - 1]);
        (details[at] == letter && at_token_start).then(|| &details[colon + 1..])
    })
}

fn word_ahead(bytes: &[u8]) -> Option<&[u8]> {
    let len = bytes.iter().take(WORD_LIMIT).take_while(|&&byte| is_word(byte)).count();
    (len > 0).then(|| &bytes[..len])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::latin1;

    /// `reference length_e2 colour`, with `-` where there is no colour.
    fn job(details: &[u8]) -> Option<String> {
        profile(details).map(|job| {
            let colour = job.colour.map_or("-".into(), latin1);
            format!("{} {} {colour}", latin1(job.reference), job.length_e2)
        })
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
            &b"R:6121 L:6584.59 C:654"[..],
            b"R:6121 L:6584 C:654",
            b"R:6121 L:6584. C:654",
            b"R:6121 L:6584,5 C:654",
            b"R:6121 L:6584.59  C:654",
            b"R:6121 L:6584.59 C:654\xE9",
            b"R:6121 L:6584.59 C:654 C:655",
            b"R:6121\xE9 L:6584.59 C:654",
            b"R:6121 L:100000000 C:654",
        ] {
            if let Some(profile) = ordinary_profile(details) {
                assert_eq!(Some(profile), any_profile(details), "{}", latin1(details));
            }
        }
        assert!(ordinary_profile(b"R:6121 L:6584.59 C:654").is_some());
    }

    #[test]
    fn reference_and_colour_are_cut_at_fifty_characters() {
        let long = format!("R:{} L:1 C:{}", "x".repeat(60), "y".repeat(60));
        let cut = format!("{} 100 {}", "x".repeat(50), "y".repeat(50));
        assert_eq!(job(long.as_bytes()).unwrap(), cut);
    }
}
