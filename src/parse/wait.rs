//! The duration in the details of a wait line.

use crate::{
    model::MAX_WAIT_MS,
    parse::{
        is_blank,
        number::{digits_ahead, scaled},
    },
};

/// Milliseconds of the first number directly followed by `sec` (blanks allowed between), else of the
/// first decimal number; `None` where there is neither, or it is more than [`MAX_WAIT_MS`].
///
/// The spec as a pattern: `(\d+(?:[.,]\d+)?)\s*sec`, else `\d+[.,]\d+`.
#[inline]
pub(super) fn duration_ms(details: &str) -> Option<i64> {
    ordinary_ms(details.as_bytes()).or_else(|| any_ms(details.as_bytes()))
}

/// `7 sec`, nearly always; `None` says only that it is not that.
#[inline]
fn ordinary_ms(details: &[u8]) -> Option<i64> {
    let mut seconds = 0;
    for (index, byte) in details.iter().enumerate().take(10) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let is_seconds = index > 0 && details[index..].starts_with(b" sec");
            return is_seconds.then_some(seconds * 1000);
        }
        seconds = seconds * 10 + i64::from(digit);
    }
    None
}

/// To the letter of the spec.
#[cold]
fn any_ms(details: &[u8]) -> Option<i64> {
    let (integer, fraction) = number_before_sec(details).or_else(|| first_decimal(details))?;
    scaled(integer, fraction, 3, MAX_WAIT_MS)
}

/// Integer and fraction digits of the number before the first `sec` that has one.
fn number_before_sec(details: &[u8]) -> Option<(&[u8], &[u8])> {
    memchr::memmem::find_iter(details, b"sec").find_map(|sec| {
        let mut before = &details[..sec];
        while let [rest @ .., last] = before
            && is_blank(*last)
        {
            before = rest;
        }
        let (before, last) = split_trailing_digits(before);
        if last.is_empty() {
            return None;
        }
        if let [before @ .., b'.' | b','] = before {
            let (_, integer) = split_trailing_digits(before);
            if !integer.is_empty() {
                return Some((integer, last));
            }
        }
        Some((last, &[] as &[u8]))
    })
}

fn first_decimal(details: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = details;
    while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
        rest = &rest[start..];
        let (integer, behind) = rest.split_at(digits_ahead(rest));
        if let [b'.' | b',', fraction @ ..] = behind {
            let digits = digits_ahead(fraction);
            if digits > 0 {
                return Some((integer, &fraction[..digits]));
            }
        }
        rest = behind;
    }
    None
}

fn split_trailing_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.split_at(bytes.len() - digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(details: &str) -> Option<i64> {
        duration_ms(details)
    }

    #[test]
    fn the_first_number_directly_followed_by_sec_is_the_duration() {
        assert_eq!(ms("7 sec"), Some(7_000));
        assert_eq!(ms("45sec"), Some(45_000));
        assert_eq!(ms("12.5 \t sec"), Some(12_500));
        assert_eq!(ms("12,5sec"), Some(12_500));
        assert_eq!(ms("3 keer 20 sec"), Some(20_000));
        assert_eq!(ms("5.5 x, 20 seconds, 30 sec"), Some(20_000));
        assert_eq!(ms("sec 4 sec"), Some(4_000));
        assert_eq!(ms("1.2.3 sec"), Some(2_300));
        assert_eq!(ms(".5 sec"), Some(5_000));
        assert_eq!(ms("x7 sec"), Some(7_000));
    }

    #[test]
    fn without_sec_the_first_decimal_number_is_the_duration() {
        assert_eq!(ms("30.0"), Some(30_000));
        assert_eq!(ms("3 x 1,25 min"), Some(1_250));
        assert_eq!(ms("1. 2,5"), Some(2_500));
        assert_eq!(ms("30"), None);
        assert_eq!(ms(""), None);
        assert_eq!(ms("30 SEC"), None);
        assert_eq!(ms("30."), None);
    }

    #[test]
    fn a_duration_is_kept_to_the_millisecond_rounded_half_up() {
        assert_eq!(ms("0.0005 sec"), Some(1));
        assert_eq!(ms("0.00049 sec"), Some(0));
        assert_eq!(ms("0 sec"), Some(0));
        assert_eq!(ms("1.2345 sec"), Some(1_235));
    }

    #[test]
    fn a_duration_beyond_central_s_integer_is_not_believed() {
        assert_eq!(ms("2147483647 sec"), Some(MAX_WAIT_MS));
        assert_eq!(ms("2147483647.001 sec"), None);
        assert_eq!(ms("99999999999999999999999 sec"), None);
    }
}
