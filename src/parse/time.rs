//! The 17 characters `YYYYMMDD HH:MM:SS` of a line.

use chrono::{Datelike, NaiveDate};

const SECONDS_A_DAY: i64 = 86_400;
const DAYS_TO_1970: i64 = 719_163;

/// Why 17 characters are no timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoStamp {
    /// Not `YYYYMMDD HH:MM:SS` at all.
    Shape,
    /// 31 June, 25 o'clock, the year 0000, a leap second.
    NotReal,
}

/// Reads timestamps and remembers the last date: consecutive lines nearly always share it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The eight bytes of `midnight`'s date. NUL-free text never equals the initial 0.
    date: u64,
    midnight: i64,
}

impl Clock {
    /// Seconds since 1970-01-01 00:00:00; `None` says only that it is not one.
    #[inline]
    pub(super) fn seconds(&mut self, stamp: &[u8; 17]) -> Option<i64> {
        let [y0, y1, y2, y3, m0, m1, d0, d1, blank, time @ ..] = *stamp;
        let date = u64::from_le_bytes([y0, y1, y2, y3, m0, m1, d0, d1]);
        if date != self.date {
            self.midnight = midnight(date)?;
            self.date = date;
        }
        (blank == b' ').then_some(())?;
        Some(self.midnight + i64::from(time_of_day(u64::from_le_bytes(time))?))
    }

    /// The same, with the reason.
    pub(super) fn stamp(&mut self, stamp: &[u8; 17]) -> Result<i64, NoStamp> {
        self.seconds(stamp).ok_or_else(|| {
            let has_shape = stamp.iter().zip(b"00000000 00:00:00").all(|(byte, sample)| {
                if *sample == b'0' { byte.is_ascii_digit() } else { byte == sample }
            });
            if has_shape { NoStamp::NotReal } else { NoStamp::Shape }
        })
    }
}

/// Seconds of `HH:MM:SS` in little-endian bytes.
#[inline]
fn time_of_day(bytes: u64) -> Option<u32> {
    const ZERO: u64 = u64::from_le_bytes(*b"00:00:00");
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // 0x7F less the greatest value that each place may have.
    const ROOM: u64 = 0x7F7F_7F7F_7F7F_7F7F - u64::from_le_bytes([2, 9, 0, 5, 9, 0, 5, 9]);
    // '0'..='9' differ from '0' in their value alone, so this yields the digits, and 0 for colons.
    let digits = bytes ^ ZERO;
    if (digits.wrapping_add(ROOM) | digits) & HIGH != 0 {
        return None;
    }
    // Tens and ones side by side: every first byte of a pair becomes its two-digit number.
    let pairs = digits * 10 + (digits >> 8);
    let (hour, minute, second) = (pairs & 0xFF, pairs >> 24 & 0xFF, pairs >> 48 & 0xFF);
    (hour < 24).then_some((hour * 3600 + minute * 60 + second) as u32)
}

#[cold]
fn midnight(date: u64) -> Option<i64> {
    let mut number = 0;
    for byte in date.to_le_bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u32::from(byte - b'0');
    }
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    if year == 0 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    Some((i64::from(date.num_days_from_ce()) - DAYS_TO_1970) * SECONDS_A_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &[u8; 17]) -> Result<i64, NoStamp> {
        Clock::default().stamp(text)
    }

    #[test]
    fn a_timestamp_is_seconds_of_the_wall_clock() {
        assert_eq!(stamp(b"19700101 00:00:00"), Ok(0));
        assert_eq!(stamp(b"20250528 05:08:54"), Ok(1_748_408_934));
        assert_eq!(stamp(b"20240229 23:59:59"), Ok(1_709_251_199));
        assert_eq!(stamp(b"00010101 00:00:00"), Ok(-62_135_596_800));
        assert_eq!(stamp(b"99991231 23:59:59"), Ok(253_402_300_799));
    }

    #[test]
    fn every_time_of_day_is_read_and_none_beyond() {
        let mut clock = Clock::default();
        for hour in 0..100 {
            for minute in 0..100 {
                for second in [0, 1, 9, 10, 59, 60, 61, 99] {
                    let text = format!("19700101 {hour:02}:{minute:02}:{second:02}");
                    let is_real = hour < 24 && minute < 60 && second < 60;
                    let expected = is_real.then_some(hour * 3600 + minute * 60 + second);
                    assert_eq!(clock.seconds(text.as_bytes().try_into().unwrap()), expected);
                }
            }
        }
    }

    #[test]
    fn a_date_or_time_that_is_not_real_is_told_from_other_text() {
        for not_real in [
            b"20250631 05:02:00",
            b"20250229 05:02:00",
            b"00000101 00:00:00",
            b"20251301 00:00:00",
            b"20250600 00:00:00",
            b"20250603 25:02:00",
            b"20250603 24:00:00",
            b"20161231 23:59:60",
        ] {
            assert_eq!(stamp(not_real), Err(NoStamp::NotReal));
        }
        for shapeless in [
            b"2025060 05:02:001",
            b"20250603T05:02:00",
            b"20250603 05.02.00",
            b"20250603 05:02:0x",
            b"20250603 0\xB5:02:00",
            b"2025/603 05:02:00",
            b"                 ",
        ] {
            assert_eq!(stamp(shapeless), Err(NoStamp::Shape));
        }
    }

    #[test]
    fn the_remembered_date_serves_its_own_lines_only() {
        let mut clock = Clock::default();
        assert_eq!(clock.seconds(b"19700101 00:00:01"), Some(1));
        assert_eq!(clock.seconds(b"19700102 00:00:01"), Some(86_401));
        assert_eq!(clock.seconds(b"19700132 00:00:01"), None);
        assert_eq!(clock.seconds(b"19700102 00:00:02"), Some(86_402));
    }
}
