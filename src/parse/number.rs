//! Decimal numbers of a LOG, exact: digits in, scaled integers out. Never a float.

/// `integer.fraction` times 10^`places`, rounded half up; `None` above `limit`.
pub(super) fn scaled(integer: &[u8], fraction: &[u8], places: usize, limit: i64) -> Option<i64> {
    let mut value: i64 = 0;
    let digits = integer.iter().copied();
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(places);
    for digit in digits.chain(padded) {
        value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
    }
    if fraction.get(places).is_some_and(|&next| next >= b'5') {
        value = value.checked_add(1)?;
    }
    (value <= limit).then_some(value)
}

/// How many ASCII digits `bytes` begins with.
pub(super) fn digits_ahead(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Splits a number at the beginning of `bytes` into integer and fraction digits (`.` or `,`
/// between them, and only with a digit behind it); `None` where no digit stands there.
pub(super) fn number_ahead(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (integer, rest) = bytes.split_at(digits_ahead(bytes));
    if integer.is_empty() {
        return None;
    }
    match rest {
        [b'.' | b',', rest @ ..] => Some((integer, &rest[..digits_ahead(rest)])),
        _ => Some((integer, &[])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_rounded_half_up_at_its_last_place() {
        assert_eq!(scaled(b"12", b"3455", 3, i64::MAX), Some(12_346));
        assert_eq!(scaled(b"12", b"34549", 3, i64::MAX), Some(12_345));
        assert_eq!(scaled(b"0", b"0005", 3, i64::MAX), Some(1));
        assert_eq!(scaled(b"7", b"", 2, i64::MAX), Some(700));
        assert_eq!(scaled(b"7", b"5", 2, i64::MAX), Some(750));
    }

    #[test]
    fn a_number_above_the_limit_or_above_64_bits_is_none() {
        assert_eq!(scaled(b"10", b"", 0, 10), Some(10));
        assert_eq!(scaled(b"11", b"", 0, 10), None);
        assert_eq!(scaled(&[b'9'; 40], b"", 3, i64::MAX), None);
        assert_eq!(scaled(&[b'0'; 40], b"1", 1, i64::MAX), Some(1));
    }
}
