//! Values as people write them: durations, sizes, times of day, names, addresses. `None` is a value that is
//! not accepted.

use std::{net::SocketAddr, time::Duration};

use chrono::{NaiveTime, TimeDelta, Timelike, Weekday};

use crate::{
    calendar::{Hours, Opening},
    model::{Day, ReportFormat},
};

/// `500ms`, `30s`, `5m`, `2h`, `7d`; a bare number is refused, since nobody knows its unit.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let ms_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(ms_per_unit)?))
}

/// A duration that is not outside the two others.
pub(super) fn duration_between(text: &str, [least, most]: [&str; 2]) -> Option<Duration> {
    let limits = parse_duration(least)?..=parse_duration(most)?;
    parse_duration(text).filter(|value| limits.contains(value))
}

/// `512`, `64KiB`, `256MiB`, `2GiB` (powers of 1024) in bytes.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

pub(super) fn at_least_1_mib(text: &str) -> Option<u64> {
    parse_bytes(text).filter(|bytes| *bytes >= 1 << 20)
}

/// `HH:MM` after midnight.
pub(super) fn parse_time_of_day(text: &str) -> Option<TimeDelta> {
    if text.len() != 5 {
        return None;
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    Some(TimeDelta::seconds(i64::from(time.num_seconds_from_midnight())))
}

/// `HH:MM-HH:MM`. The end may be `24:00`, the midnight that ends the day.
pub(super) fn hours(text: &str) -> Option<(TimeDelta, TimeDelta)> {
    let (from, to) = text.split_once('-')?;
    let to = match to.trim() {
        "24:00" => TimeDelta::days(1),
        to => parse_time_of_day(to)?,
    };
    Some((parse_time_of_day(from.trim())?, to))
}

/// `mon tue` or `mon-thu sat`, in English, short or long. A range may go over the end of the week.
pub(super) fn days(text: &str) -> Option<Vec<Weekday>> {
    let mut days = Vec::new();
    for word in text.split_whitespace() {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (mut day, last): (Weekday, Weekday) = (first.parse().ok()?, last.parse().ok()?);
        while day != last {
            days.push(day);
            day = day.succ();
        }
        days.push(last);
    }
    days.sort_by_key(Weekday::num_days_from_monday);
    days.dedup();
    (!days.is_empty()).then_some(days)
}

/// `HH:MM-HH:MM`; an end that is not after the beginning is of the next day.
pub(super) fn shift_hours(text: &str) -> Option<Hours> {
    let (from, to) = hours(text)?;
    Some(Hours::between(from, to))
}

/// `2025-05-30`, each part with all its digits.
fn date(text: &str) -> Option<Day> {
    let is_whole = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    text.parse().ok().filter(|_| is_whole)
}

/// `2025-05-30`, or `2025-08-04/2025-08-24`, of which both belong to it.
pub(super) fn dates(text: &str) -> Option<(Day, Day)> {
    let (first, last) = text.split_once('/').unwrap_or((text, text));
    let (first, last) = (date(first.trim())?, date(last.trim())?);
    (first <= last).then_some((first, last))
}

/// `2025-05-31 06:00-12:00`.
pub(super) fn opening(text: &str) -> Option<Opening> {
    let (day, time) = text.trim().split_once(' ')?;
    Some(Opening { date: date(day)?, hours: shift_hours(time.trim())? })
}

/// Text as it is.
pub(super) fn any_text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Text without the blanks around it.
pub(super) fn not_empty(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A name of at most so many characters that a database can store.
fn name(text: &str, most_chars: usize) -> Option<String> {
    not_empty(text).filter(|text| text.chars().count() <= most_chars && !text.contains('\0'))
}

/// An amount of money with at most two decimals, in cents: 0.01 to 1,000,000.
pub(super) fn cents(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.len() > 2 || !are_digits(whole) || !are_digits(decimals) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let cents: u32 = format!("{decimals:0<2}").parse().ok()?;
    let all = whole.checked_mul(100)?.checked_add(cents)?;
    (1..=100_000_000).contains(&all).then_some(all)
}

pub(super) fn at_most_50(text: &str) -> Option<String> {
    name(text, 50)
}

pub(super) fn at_most_100(text: &str) -> Option<String> {
    name(text, 100)
}

/// Names that a machine had in central. What PostgreSQL's own strings take for more than a character is no
/// part of one.
pub(super) fn old_names(texts: &[&str]) -> Option<Vec<String>> {
    let plain = |text: &&str| !text.contains(|c: char| c == '\\' || c.is_control());
    let names =
        texts.iter().map(|text| Some(text).filter(|text| plain(text)).and_then(|t| at_most_100(t)));
    names.collect::<Option<Vec<String>>>().filter(|names| (1..=20).contains(&names.len()))
}

/// An event as LOGs name it.
pub(super) fn event_name(text: &str) -> Option<String> {
    not_empty(text)
        .filter(|name| name.chars().all(|c| ('\u{1}'..='\u{ff}').contains(&c) && c != ':'))
}

/// Names of computers with blanks between.
pub(super) fn host_names(text: &str) -> Option<Vec<String>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let names = text.split_whitespace().map(str::to_ascii_lowercase);
    names.map(|name| name.chars().all(is_name).then_some(name)).collect()
}

/// What a week's report is written as, with blanks or one by one in a list.
pub(super) fn report_formats(texts: &[&str]) -> Option<Vec<ReportFormat>> {
    let words = texts.iter().flat_map(|text| text.split_whitespace());
    let mut formats = words.map(ReportFormat::from_word).collect::<Option<Vec<ReportFormat>>>()?;
    formats.sort_unstable();
    formats.dedup();
    (!formats.is_empty()).then_some(formats)
}

/// An address and port; empty for none.
pub(super) fn listen_address(text: &str) -> Option<Option<SocketAddr>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

/// An address of HTTPS with a host.
pub(super) fn https_address(text: &str) -> Option<String> {
    let host = text.strip_prefix("https://")?.split('/').next()?;
    (!host.is_empty() && !text.contains(char::is_whitespace)).then(|| text.to_owned())
}

/// A certificate's SHA-256, in hexadecimal digits, with or without colons and blanks.
pub(super) fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b' ')).collect();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("500 ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("m"), None);
        assert_eq!(parse_duration("-5m"), None);
        assert_eq!(parse_duration("99999999999999999999d"), None);
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_bytes("256MiB"), Some(256 << 20));
        assert_eq!(parse_bytes("17"), Some(17));
        assert_eq!(parse_bytes("1 GB"), None);
    }

    #[test]
    fn times_of_day_are_two_digits_each() {
        assert_eq!(parse_time_of_day("05:30"), Some(TimeDelta::minutes(330)));
        assert_eq!(parse_time_of_day("24:00"), None);
        assert_eq!(parse_time_of_day("5:00"), None);
        assert_eq!(hours("06:00"), None);
    }

    #[test]
    fn a_day_ends_at_24_00_wherever_two_times_are_given_and_begins_at_00_00() {
        let hour = TimeDelta::hours;
        assert_eq!(hours("00:00-24:00"), Some((hour(0), hour(24))));
        assert_eq!(hours("16:00 - 24:00"), Some((hour(16), hour(24))));
        assert_eq!(hours("16:00-00:00"), Some((hour(16), hour(0))));
        for refused in ["24:00-06:00", "24:00-24:00", "00:00-24:01", "00:00-24:0", "00:00-25:00"] {
            assert_eq!(hours(refused), None, "{refused}");
        }
        let whole = shift_hours("00:00-24:00").unwrap();
        assert_eq!((whole.from, whole.to), (hour(0), hour(24)));
        assert_eq!(shift_hours("00:00-00:00"), Some(whole), "the end is of the next day");
        assert_eq!(shift_hours("16:00-24:00"), shift_hours("16:00-00:00"));
        assert_eq!(opening("2025-05-31 22:00-24:00").unwrap().hours.to, hour(24));
    }

    #[test]
    fn days_are_english() {
        assert_eq!(days("mon Sunday"), Some(vec![Weekday::Mon, Weekday::Sun]));
        assert_eq!(days("lundi"), None);
        assert_eq!(days(""), None);
    }

    #[test]
    fn days_may_be_ranges_that_go_over_the_end_of_the_week() {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        assert_eq!(days("mon-thu sat"), Some(vec![Mon, Tue, Wed, Thu, Sat]));
        assert_eq!(days("sat-mon Sunday"), Some(vec![Mon, Sat, Sun]));
        assert_eq!(days("fri-fri"), Some(vec![Fri]));
        for refused in ["mon-", "-mon", "mon-tue-wed", "mon - tue", "mon,tue", "mon–fri"] {
            assert_eq!(days(refused), None, "{refused}");
        }
    }

    #[test]
    fn dates_exist_and_are_written_whole() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert_eq!(dates("2025-05-30"), Some((day("2025-05-30"), day("2025-05-30"))));
        assert_eq!(dates("2025-08-04/2025-08-24"), Some((day("2025-08-04"), day("2025-08-24"))));
        for refused in
            ["2025-02-29", "2025-5-30", "2025-08-24/2025-08-04", "2025-08-04/", "30/05/2025", ""]
        {
            assert_eq!(dates(refused), None, "{refused}");
        }
        let extra = opening("2025-05-31 22:00-06:00").unwrap();
        assert_eq!((extra.date, extra.hours.to), (day("2025-05-31"), TimeDelta::hours(30)));
        for refused in ["2025-05-31", "2025-05-31 22:00", "2025-13-31 06:00-12:00", "06:00-12:00"] {
            assert_eq!(opening(refused), None, "{refused}");
        }
    }
}
