//! The duration in the details of a wait line.

use std::ops::Range;

use crate::{
    model::MAX_WAIT_MS,
    parse::{
        is_blank,
        number::{digits_ahead, scaled},
    },
};

/// Milliseconds of the first number directly followed by `sec` in any case (blanks and 0xA0 allowed
/// between), else of the first decimal number; `None` where there is neither, where a minus sign
/// stands right before the number, or where it is more than [`MAX_WAIT_MS`].
///
/// The spec as a pattern: `(N(?:[.,]\d+)?)[\s\xA0]*sec`, else `N[.,]\d+`, with `N` either digits or one
/// to three digits followed by groups of three, `'` or 0xA0 before each.
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
    let number = number_before_sec(details).or_else(|| first_decimal(details))?;
    if details[..number.integer.start].ends_with(b"-") {
        return None;
    }
    let integer: Vec<u8> =
        details[number.integer].iter().copied().filter(u8::is_ascii_digit).collect();
    scaled(&integer, &details[number.fraction], 3, MAX_WAIT_MS)
}

/// Where a number stands in the details.
struct Place {
    /// Separators of its groups included.
    integer: Range<usize>,
    fraction: Range<usize>,
}

/// 0xA0 as it stands in the text.
const NO_BREAK_SPACE: &[u8] = "\u{a0}".as_bytes();

/// The number before the first `sec` that has one.
fn number_before_sec(details: &[u8]) -> Option<Place> {
    let secs = details.windows(3).enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(b"sec"));
    secs.map(|(at, _)| at).find_map(|sec| {
        let mut end = sec;
        while let Some(before) = without_blank(&details[..end]) {
            end = before;
        }
        let last = digits_start(&details[..end]);
        if last == end {
            return None;
        }
        if let [before @ .., b'.' | b','] = &details[..last] {
            let integer = integer_start(before);
            if integer < before.len() {
                return Some(Place { integer: integer..before.len(), fraction: last..end });
            }
        }
        Some(Place { integer: integer_start(&details[..end])..end, fraction: end..end })
    })
}

/// The length of `bytes` without the blank or 0xA0 that it ends with, if it does.
fn without_blank(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [rest @ .., last] if is_blank(*last) => Some(rest.len()),
        _ => bytes.strip_suffix(NO_BREAK_SPACE).map(<[u8]>::len),
    }
}

fn first_decimal(details: &[u8]) -> Option<Place> {
    let mut from = 0;
    while let Some(start) = details[from..].iter().position(u8::is_ascii_digit) {
        let start = from + start;
        let end = start + digits_ahead(&details[start..]);
        if let [b'.' | b',', fraction @ ..] = &details[end..] {
            let digits = digits_ahead(fraction);
            if digits > 0 {
                let integer = integer_start(&details[..end])..end;
                return Some(Place { integer, fraction: end + 1..end + 1 + digits });
            }
        }
        from = end;
    }
    None
}

/// Where the integer that `bytes` ends with begins: its last digits, and the groups in front of them.
fn integer_start(bytes: &[u8]) -> usize {
    let mut start = digits_start(bytes);
    let mut end = bytes.len();
    while end - start == 3 {
        let before = &bytes[..start];
        let Some(rest) = before.strip_suffix(b"'").or_else(|| before.strip_suffix(NO_BREAK_SPACE))
        else {
            break;
        };
        let group = digits_start(rest);
        if !(1..=3).contains(&(rest.len() - group)) {
            break;
        }
        (start, end) = (group, rest.len());
    }
    start
}

fn digits_start(bytes: &[u8]) -> usize {
    bytes.len() - bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count()
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
        assert_eq!(ms("30."), None);
    }

    #[test]
    fn sec_counts_in_any_case_and_a_no_break_space_before_it_is_a_blank() {
        assert_eq!(ms("30 SEC"), Some(30_000));
        assert_eq!(ms("30 Sec."), Some(30_000));
        assert_eq!(ms("7\u{a0}sec"), Some(7_000));
        assert_eq!(ms("7 \u{a0}\t\u{a0}sEC"), Some(7_000));
        assert_eq!(ms("7\u{85}sec"), None);
    }

    #[test]
    fn groups_of_three_digits_make_one_number_and_a_plain_blank_makes_two() {
        assert_eq!(ms("1'034 sec"), Some(1_034_000));
        assert_eq!(ms("1\u{a0}034,5 sec"), Some(1_034_500));
        assert_eq!(ms("1\u{a0}234'567.25\u{a0}sec"), Some(1_234_567_250));
        assert_eq!(ms("1 234 sec"), Some(234_000));
        assert_eq!(ms("1\u{a0} 234 sec"), Some(234_000));
        assert_eq!(ms("1'034,5"), Some(1_034_500));
        assert_eq!(ms("1'034"), None);
        // Not groups of three.
        assert_eq!(ms("12'34 sec"), Some(34_000));
        assert_eq!(ms("1'2345 sec"), Some(2_345_000));
        assert_eq!(ms("1234'567 sec"), Some(567_000));
        assert_eq!(ms("1''034 sec"), Some(34_000));
        assert_eq!(ms("'034 sec"), Some(34_000));
        assert_eq!(ms("1,234'567 sec"), Some(234_567_000));
    }

    #[test]
    fn a_minus_sign_right_before_the_number_leaves_no_duration() {
        assert_eq!(ms("-5 sec"), None);
        assert_eq!(ms("-5 sec 7 sec"), None);
        assert_eq!(ms("wait -1'034,5\u{a0}sec"), None);
        assert_eq!(ms("3-5 sec"), None);
        assert_eq!(ms("-2,5 min"), None);
        assert_eq!(ms("- 5 sec"), Some(5_000));
        assert_eq!(ms("-1 5 sec"), Some(5_000));
        assert_eq!(ms("\u{ad}5 sec"), Some(5_000));
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
