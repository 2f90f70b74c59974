//! One line of a listing, in the forms that servers use. Pure.
//!
//! What must never happen here: a number, date or name that the line does not plainly say.

use chrono::{NaiveDate, NaiveDateTime};

use super::months::month;

/// How a listing is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// RFC 3659 §7: `fact=value;fact=value; name`.
    Mlsd,
    /// `ls -l`, the MS-DOS style of IIS, and what small servers print instead.
    List,
    /// Bare names, or whole paths of which the last part is the name.
    Nlst,
}

/// What a line says about one name. The name is as the server sent it, not yet judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub kind: Kind,
    pub name: String,
    pub size: Option<u64>,
    pub modified: Option<NaiveDateTime>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Folder,
    /// A link, a device, the folder itself: never a LOG file.
    Other,
}

/// What is known of a line before the whole listing is.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) row: Row,
    pub(super) open: Open,
    /// False where the blanks before the name are a column's.
    pub(super) is_blank_told: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Open {
    Nothing,
    /// A date of two numbers and a year: which is the month?
    Numbers {
        one: u32,
        two: u32,
        year: i32,
        time: (u32, u32),
    },
    /// Behind a time of day stands what may be a year (`HH:MM YYYY`) or begin the name.
    Year {
        at: Option<NaiveDateTime>,
        behind: usize,
    },
}

/// What one line says; `None` where it is in no known form.
pub(super) fn read_line(form: Form, line: &str) -> Option<Draft> {
    match form {
        Form::Mlsd => mlsd_line(line).map(Draft::settled),
        Form::List => unix_line(line)
            .or_else(|| dos_line(line))
            .or_else(|| vxworks_line(line).map(Draft::settled))
            .or_else(|| eplf_line(line).map(Draft::settled)),
        Form::Nlst => {
            let name = line.rfind(['/', '\\']).map_or(line, |at| &line[at + 1..]).to_owned();
            let row = Row { kind: Kind::File, name, size: None, modified: None };
            (!row.name.is_empty()).then(|| Draft::settled(row))
        }
    }
}

impl Open {
    /// Where in `name` the name begins, if what may be a year is one.
    pub(super) fn name_at(&self, name: &str) -> usize {
        match self {
            Self::Year { behind, .. } => name.len().saturating_sub(*behind),
            Self::Nothing | Self::Numbers { .. } => 0,
        }
    }
}

impl Draft {
    fn settled(row: Row) -> Self {
        Self { row, open: Open::Nothing, is_blank_told: true }
    }
}

fn mlsd_line(line: &str) -> Option<Row> {
    // A value never holds a `;`, so the first `; ` ends the facts; the name may hold both.
    let (facts, name) = match (line.strip_prefix(' '), line.split_once("; ")) {
        (Some(name), _) => ("", name),
        (None, Some(parts)) => parts,
        // The last `;` was forgotten: what stands before the first blank must still look like facts.
        (None, None) => line.split_once(' ')?,
    };
    if name.is_empty() || !(facts.is_empty() || facts.contains('=')) {
        return None;
    }
    let mut row = Row { kind: Kind::File, name: name.to_owned(), size: None, modified: None };
    for fact in facts.split(';') {
        let Some((key, value)) = fact.split_once('=') else { continue };
        if key.eq_ignore_ascii_case("type") {
            row.kind = match value {
                _ if value.eq_ignore_ascii_case("file") => Kind::File,
                _ if value.eq_ignore_ascii_case("dir") => Kind::Folder,
                _ => Kind::Other,
            };
        } else if key.eq_ignore_ascii_case("size") {
            row.size = plausible_size(value);
        } else if key.eq_ignore_ascii_case("modify") {
            row.modified = timestamp(value);
        }
    }
    Some(row)
}

/// The words of a line with the place behind each.
struct Words<'a> {
    line: &'a str,
    words: Vec<(&'a str, usize)>,
}

impl<'a> Words<'a> {
    /// At most the first 16: no known format puts the date behind more.
    fn of(line: &'a str) -> Self {
        let mut words = Vec::with_capacity(16);
        let mut at = 0;
        while words.len() < 16 {
            let rest = &line[at..];
            let start = at + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
            if start == line.len() {
                break;
            }
            let end = line[start..].find([' ', '\t']).map_or(line.len(), |length| start + length);
            words.push((&line[start..end], end));
            at = end;
        }
        Self { line, words }
    }

    fn word(&self, index: usize) -> Option<&'a str> {
        self.words.get(index).map(|(word, _)| *word)
    }

    /// The name that begins exactly one blank behind word `index`: further blanks belong to it.
    fn name_behind(&self, index: usize) -> Option<&'a str> {
        let (_, end) = self.words.get(index)?;
        self.line[*end..].strip_prefix([' ', '\t']).filter(|name| !name.is_empty())
    }
}

fn unix_line(line: &str) -> Option<Draft> {
    let words = Words::of(line);
    let mode = words.word(0)?;
    let is_mode =
        mode.len() >= 10 && mode.bytes().skip(1).take(9).all(|b| b"rwxsStTlL-".contains(&b));
    // NetWare: `d [RWCEAFMS] owner size date name`.
    let is_netware = mode.len() == 1 && words.word(1).is_some_and(|word| word.starts_with('['));
    if !is_mode && !is_netware {
        return None;
    }
    let kind = match mode.as_bytes()[0] {
        b'-' => Kind::File,
        b'd' => Kind::Folder,
        b'l' | b'b' | b'c' | b'p' | b's' | b'D' => Kind::Other,
        _ => return None,
    };
    // Owner and group are free text, now and then with blanks or missing: the date is the anchor.
    for first in 2..words.words.len() {
        let Some(size) = words.word(first - 1).filter(|word| is_integer(word)) else { continue };
        let Some((modified, last)) = unix_date(&words, first) else { continue };
        let name = words.name_behind(last)?;
        let row = Row { kind, name: name.to_owned(), size: plausible_size(size), modified };
        return Some(Draft {
            open: year_behind(&words, first, last, &row),
            row,
            is_blank_told: true,
        });
    }
    None
}

/// Digits, perhaps with a sign: what stands where a size belongs, however absurd.
fn is_integer(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The year that stands behind the time of day of a date, if it is one.
fn year_behind(words: &Words<'_>, first: usize, last: usize, row: &Row) -> Open {
    let found = || {
        let (hour, minute) = clock_time(words.word(last)?)?;
        let year = year(words.word(last + 1)?)?;
        let name = words.name_behind(last + 1)?;
        let (one, two) = (words.word(first)?, words.word(first + 1)?);
        let (month, day) = match (month(one), month(two)) {
            (Some(month), _) => (month, two),
            (None, month) => (month?, one),
        };
        let day = day.trim_end_matches([',', '.']).parse().ok()?;
        let at = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(hour, minute, 0);
        Some(Open::Year { at, behind: name.len() })
    };
    if row.modified.is_some() { Open::Nothing } else { found().unwrap_or(Open::Nothing) }
}

/// The date that begins at word `first`, and its last word. A line with a time of day has no year;
/// which year it is depends on a clock, so the time is left out.
fn unix_date(words: &Words<'_>, first: usize) -> Option<(Option<NaiveDateTime>, usize)> {
    let (one, two) = (words.word(first)?, words.word(first + 1)?);
    if let Some(date) = year_first(one) {
        let (hour, minute) = clock_time(two)?;
        // `ls --full-time` adds the zone as a third word.
        let zone = words.word(first + 2).is_some_and(|word| {
            word.len() == 5 && word.starts_with(['+', '-']) && word[1..].parse::<u16>().is_ok()
        });
        return Some((date.and_hms_opt(hour, minute, 0), first + 1 + usize::from(zone)));
    }
    let (month, day) = match (month(one), month(two)) {
        (Some(month), _) => (month, two),
        (None, Some(month)) => (month, one),
        (None, None) => return None,
    };
    let day: u32 = day.trim_end_matches([',', '.']).parse().ok().filter(|day| *day <= 31)?;
    let three = words.word(first + 2)?;
    if clock_time(three).is_some() {
        return Some((None, first + 2));
    }
    // Any four digits are a year to be passed over; only a plausible one makes a date.
    if three.len() != 4 || !three.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let date = year(three).and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    Some((date.and_then(|date| date.and_hms_opt(0, 0, 0)), first + 2))
}

/// `2025-06-03` or `2025/06/03`: nobody writes the day second then.
fn year_first(word: &str) -> Option<NaiveDate> {
    let mut parts = word.split(['-', '/', '.']);
    let (year, month, day) = (year(parts.next()?)?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && month.len() <= 2 && day.len() <= 2;
    let date = NaiveDate::from_ymd_opt(year, month.parse().ok()?, day.parse().ok()?)?;
    is_whole.then_some(date)
}

fn clock_time(word: &str) -> Option<(u32, u32)> {
    let (hour, rest) = word.split_once(':')?;
    let minute = rest.split(':').next()?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

fn dos_line(line: &str) -> Option<Draft> {
    let words = Words::of(line);
    let date = dos_date(words.word(0)?)?;
    let (time, at) = match (words.word(1)?, words.word(2)?) {
        (time, half @ ("AM" | "PM" | "am" | "pm")) => (dos_time(&format!("{time}{half}"))?, 3),
        (time, _) => (dos_time(time)?, 2),
    };
    let what = words.word(at)?;
    let (modified, open) = match date {
        DosDate::Certain(date) => (date.and_hms_opt(time.0, time.1, 0), Open::Nothing),
        DosDate::Numbers(one, two, year) => (None, Open::Numbers { one, two, year, time }),
    };
    if what.starts_with('<') {
        let kind = if what.eq_ignore_ascii_case("<DIR>") { Kind::Folder } else { Kind::Other };
        // IIS pads behind `<DIR>` to the width of the size column, which is ten blanks.
        let behind = &line[words.words.get(at)?.1..];
        let name = behind.strip_prefix("          ").unwrap_or(behind.trim_start_matches(' '));
        let row = Row { kind, name: name.to_owned(), size: None, modified };
        return (!name.is_empty()).then_some(Draft { row, open, is_blank_told: false });
    }
    let digits = what.replace([',', '.', '\''], "");
    if !is_integer(&digits) {
        return None;
    }
    let name = words.name_behind(at)?.to_owned();
    let row = Row { kind: Kind::File, name, size: plausible_size(&digits), modified };
    Some(Draft { row, open, is_blank_told: true })
}

enum DosDate {
    Certain(NaiveDate),
    /// Day and month in an order that one line alone does not tell, and the year.
    Numbers(u32, u32, i32),
}

/// `MM-DD-YY`, `DD-MM-YY` or either with four digits of the year, or the year first with four.
fn dos_date(word: &str) -> Option<DosDate> {
    if let Some(date) = year_first(word) {
        return Some(DosDate::Certain(date));
    }
    let mut parts = word.split(['-', '/', '.']);
    let (one, two) = (parts.next()?, parts.next()?);
    let last = parts.next().filter(|last| last.len() == 2 || last.len() == 4)?;
    if parts.next().is_some() || one.len() > 2 || two.len() > 2 {
        return None;
    }
    let (one, two): (u32, u32) = (one.parse().ok()?, two.parse().ok()?);
    let number: i32 = last.parse().ok()?;
    let year = match (last.len(), number) {
        (2, 0..=69) => 2000 + number,
        (2, _) => 1900 + number,
        _ => year(last)?,
    };
    let is_date = one.min(two) >= 1 && one.min(two) <= 12 && one.max(two) <= 31;
    is_date.then_some(DosDate::Numbers(one, two, year))
}

/// `03:09PM`, `03:09p`, `03:09` or `15:09`.
fn dos_time(word: &str) -> Option<(u32, u32)> {
    let lower = word.to_ascii_lowercase();
    let half_day = lower.trim_end_matches('m');
    let (digits, half) = match (half_day.strip_suffix('a'), half_day.strip_suffix('p')) {
        (Some(digits), _) => (digits, Some(0)),
        (_, Some(digits)) => (digits, Some(12)),
        _ => (lower.as_str(), None),
    };
    let (hour, minute) = clock_time(digits)?;
    Some((half.map_or(hour, |half| hour % 12 + half), minute))
}

/// VxWorks: `size MMM-DD-YYYY HH:MM:SS name [<DIR>]`.
fn vxworks_line(line: &str) -> Option<Row> {
    let words = Words::of(line);
    let size = words.word(0).filter(|word| is_integer(word))?;
    let mut date = words.word(1)?.split('-');
    let (name_of_month, day, last) = (date.next()?, date.next()?, date.next()?);
    let month = month(name_of_month)?;
    let (hour, minute) = clock_time(words.word(2)?)?;
    let modified = year(last)
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day.parse().ok()?))
        .and_then(|date| date.and_hms_opt(hour, minute, 0));
    let name = words.name_behind(2)?.trim();
    let (kind, name) = match name.strip_suffix("<DIR>") {
        Some(name) => (Kind::Folder, name.trim_end()),
        None => (Kind::File, name),
    };
    let row = Row { kind, name: name.to_owned(), size: plausible_size(size), modified };
    (!name.is_empty()).then_some(row)
}

/// EPLF: `+fact,fact,<tab>name`.
fn eplf_line(line: &str) -> Option<Row> {
    let (facts, name) = line.strip_prefix('+')?.split_once('\t')?;
    let mut row = Row { kind: Kind::Other, name: name.to_owned(), size: None, modified: None };
    for fact in facts.split(',') {
        match fact.split_at_checked(1) {
            Some(("r", "")) => row.kind = Kind::File,
            Some(("/", "")) => row.kind = Kind::Folder,
            Some(("s", size)) => row.size = plausible_size(size),
            _ => {}
        }
    }
    (!name.is_empty()).then_some(row)
}

/// `YYYYMMDDHHMMSS` with or without a fraction, as MDTM and the `modify` fact print it.
pub fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| whole[range].parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(year(&whole[0..4])?, number(4..6)?, number(6..8)?)?;
    date.and_hms_opt(number(8..10)?, number(10..12)?, number(12..14)?)
}

/// A count of bytes that a file can have; `None` for a sign, another base, or more than any disk.
pub(super) fn plausible_size(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|size| is_number && *size <= MAX_SIZE)
}

/// One exbibyte.
const MAX_SIZE: u64 = 1 << 60;

/// A year of four digits in which a file can have been written.
fn year(text: &str) -> Option<i32> {
    let is_number = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|year| is_number && (1970..=2199).contains(year))
}

/// What stands above the rows of some listings.
pub(super) fn is_heading(line: &str) -> bool {
    let line = line.trim();
    let total = line.split_once(' ').filter(|(word, _)| {
        ["total", "totale", "insgesamt", "totaal", "razem", "celkem", "yhteensä", "totalt"]
            .contains(&word.to_lowercase().as_str())
    });
    let is_rule = line.len() > 3 && line.bytes().all(|byte| byte == b'-' || byte == b' ');
    let words: Vec<&str> = line.split_whitespace().collect();
    total.is_some_and(|(_, rest)| rest.trim().bytes().all(|byte| byte.is_ascii_digit()))
        || (is_rule && line.contains(' '))
        || words == ["size", "date", "time", "name"]
}

#[cfg(test)]
mod tests;
