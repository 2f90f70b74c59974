//! The three forms of a listing (MLSD, LIST as Unix and DOS servers print it, NLST) as rows. Pure: no
//! connection, no clock. A line that cannot be read costs itself only.
//!
//! suppaftp's own parser is not used: it takes the year of a line without one from the clock, drops
//! the leading blanks of a name, and refuses the whole line for one malformed fact.

use chrono::{NaiveDate, NaiveDateTime};

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

/// Readable lines, and how many were not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
    pub unreadable: usize,
}

impl Rows {
    fn of<'a>(lines: impl Iterator<Item = &'a str>, read: fn(&str) -> Option<Row>) -> Self {
        let mut all = Self::default();
        for line in lines {
            match read(line) {
                Some(row) => all.rows.push(row),
                None => all.unreadable += 1,
            }
        }
        all
    }

    /// True where the server speaks another format than the one that was tried.
    pub fn is_another_format(&self) -> bool {
        self.rows.is_empty() && self.unreadable > 0
    }
}

/// RFC 3659 §7: `fact=value;fact=value; name`.
pub fn mlsd(text: &str) -> Rows {
    Rows::of(lines(text), mlsd_line)
}

/// `ls -l`, or the MS-DOS style of IIS.
pub fn list(text: &str) -> Rows {
    let lines = lines(text).filter(|line| !is_total(line));
    Rows::of(lines, |line| unix_line(line).or_else(|| dos_line(line)))
}

/// Bare names, or whole paths of which the last part is the name.
pub fn nlst(text: &str) -> Vec<String> {
    let bare = |line: &str| match line.rfind(['/', '\\']) {
        Some(at) => line[at + 1..].to_owned(),
        None => line.to_owned(),
    };
    lines(text).map(bare).filter(|name| !name.is_empty()).collect()
}

/// `YYYYMMDDHHMMSS` with or without a fraction, as MDTM and the `modify` fact print it.
pub fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() != 14 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| whole[range].parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(whole[0..4].parse().ok()?, number(4..6)?, number(6..8)?)?;
    date.and_hms_opt(number(8..10)?, number(10..12)?, number(12..14)?)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .filter(|line| !line.is_empty())
}

fn is_total(line: &str) -> bool {
    line.strip_prefix("total ").is_some_and(|rest| rest.trim().parse::<u64>().is_ok())
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
            row.size = value.parse().ok();
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

fn unix_line(line: &str) -> Option<Row> {
    let words = Words::of(line);
    let mode = words.word(0)?;
    if mode.len() < 10 || !mode.bytes().skip(1).take(9).all(|b| b"rwxsStTlL-".contains(&b)) {
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
        let Some(size) = words.word(first - 1).and_then(|word| word.parse().ok()) else { continue };
        let Some((modified, last)) = unix_date(&words, first) else { continue };
        let name = words.name_behind(last)?;
        return Some(Row { kind, name: name.to_owned(), size: Some(size), modified });
    }
    None
}

/// The date that begins at word `first`, and its last word. A line with a time of day has no year;
/// which year it is depends on a clock, so the time is left out.
fn unix_date(words: &Words<'_>, first: usize) -> Option<(Option<NaiveDateTime>, usize)> {
    let (one, two) = (words.word(first)?, words.word(first + 1)?);
    if let Ok(date) = NaiveDate::parse_from_str(one, "%Y-%m-%d") {
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
    let year: i32 = three.parse().ok().filter(|_| three.len() == 4)?;
    let date = NaiveDate::from_ymd_opt(year, month, day);
    Some((date.and_then(|date| date.and_hms_opt(0, 0, 0)), first + 2))
}

fn month(word: &str) -> Option<u32> {
    const NAMES: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let place = NAMES.iter().position(|name| word.eq_ignore_ascii_case(name))?;
    u32::try_from(place + 1).ok()
}

fn clock_time(word: &str) -> Option<(u32, u32)> {
    let (hour, rest) = word.split_once(':')?;
    let minute = rest.split(':').next()?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

fn dos_line(line: &str) -> Option<Row> {
    let words = Words::of(line);
    let date = dos_date(words.word(0)?)?;
    let (time, mut at) = match (words.word(1)?, words.word(2)?) {
        (time, half @ ("AM" | "PM" | "am" | "pm")) => (dos_time(&format!("{time}{half}"))?, 3),
        (time, _) => (dos_time(time)?, 2),
    };
    let what = words.word(at)?;
    let modified = date.and_hms_opt(time.0, time.1, 0);
    if what.starts_with('<') {
        let kind = if what.eq_ignore_ascii_case("<DIR>") { Kind::Folder } else { Kind::Other };
        // IIS pads behind `<DIR>` to the width of the size column, which is ten blanks.
        let behind = &line[words.words.get(at)?.1..];
        let name = behind.strip_prefix("          ").unwrap_or(behind.trim_start_matches(' '));
        return (!name.is_empty()).then(|| Row {
            kind,
            name: name.to_owned(),
            size: None,
            modified,
        });
    }
    let size = what.replace([',', '.'], "").parse().ok()?;
    let name = words.name_behind(std::mem::take(&mut at))?;
    Some(Row { kind: Kind::File, name: name.to_owned(), size: Some(size), modified })
}

/// `MM-DD-YY` or `MM-DD-YYYY`; days first where the first number can be no month.
fn dos_date(word: &str) -> Option<NaiveDate> {
    let mut parts = word.split(['-', '/']);
    let (one, two) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    let year = parts.next().filter(|year| year.len() == 2 || year.len() == 4)?;
    if parts.next().is_some() {
        return None;
    }
    let number: i32 = year.parse().ok()?;
    let year = match (year.len(), number) {
        (2, 0..=69) => 2000 + number,
        (2, _) => 1900 + number,
        _ => number,
    };
    let (month, day) = if one > 12 { (two, one) } else { (one, two) };
    NaiveDate::from_ymd_opt(year, month, day)
}

/// `03:09PM`, `03:09` or `15:09`.
fn dos_time(word: &str) -> Option<(u32, u32)> {
    let lower = word.to_ascii_lowercase();
    let (digits, half) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(digits), _) => (digits, Some(0)),
        (_, Some(digits)) => (digits, Some(12)),
        _ => (lower.as_str(), None),
    };
    let (hour, minute) = clock_time(digits)?;
    Some((half.map_or(hour, |half| hour % 12 + half), minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<NaiveDateTime> {
        Some(NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap())
    }

    fn file(name: &str, size: u64, modified: Option<NaiveDateTime>) -> Row {
        Row { kind: Kind::File, name: name.into(), size: Some(size), modified }
    }

    #[test]
    fn mlsd_facts_are_read_in_any_order_and_case() {
        let rows = mlsd(
            "type=cdir;modify=20250528050854; .\r\n\
             Type=file;Size=12;Modify=20250528050854.123;UNIX.mode=0644; 2025 05; 28.LOG\r\n\
             modify=20250528050854;type=dir; DEM12 (PVC)\r\n\
             type=OS.unix=slink:/etc; link\r\n",
        );
        assert_eq!(rows.unreadable, 0);
        let kinds: Vec<Kind> = rows.rows.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, [Kind::Other, Kind::File, Kind::Folder, Kind::Other]);
        assert_eq!(rows.rows[1], file("2025 05; 28.LOG", 12, at("2025-05-28 05:08:54")));
    }

    #[test]
    fn a_malformed_fact_costs_the_fact_and_a_malformed_line_costs_the_line() {
        let rows = mlsd(
            "type=file;size=12kB;modify=2025-05-28; a.LOG\r\n\
             ;;==;type=file;size=; b.LOG\r\n\
             type=file;size=7 c.LOG\r\n\
             \x20d.LOG\r\n\
             garbage\r\n\
             type=file;size=7;\r\n",
        );
        let names: Vec<&str> = rows.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a.LOG", "b.LOG", "c.LOG", "d.LOG"]);
        assert_eq!(rows.rows[0], Row { size: None, ..file("a.LOG", 0, None) });
        assert_eq!(rows.unreadable, 2);
    }

    #[test]
    fn unix_lines_keep_every_blank_of_a_name() {
        let rows = list(
            "total 12\r\n\
             -rw-r--r--    1 1000     1000           12 May 28  2025 20250528.LOG\r\n\
             -rw-r--r--   1 cu cu 7 Nov  5 13:46   two  blanks .LOG\r\n\
             drwxr-xr-x+  2 cu Domain Users 4096 Jan 01  2024 DEM12 (PVC)\r\n\
             lrwxrwxrwx 1 cu cu 4 Jan 01 2024 x -> y\r\n\
             -rw-rw-rw- 1 cu 33 28 may 2025 swapped.LOG\r\n\
             -rw-r--r-- 1 cu cu 9 2025-05-28 05:08 iso.LOG\r\n\
             crw-rw-rw- 1 root root 1, 3 Jan 01 2024 null\r\n",
        );
        assert_eq!(rows.unreadable, 0);
        assert_eq!(rows.rows[0], file("20250528.LOG", 12, at("2025-05-28 00:00:00")));
        assert_eq!(rows.rows[1], file("  two  blanks .LOG", 7, None));
        assert_eq!(rows.rows[2].kind, Kind::Folder);
        assert_eq!(rows.rows[2].name, "DEM12 (PVC)");
        assert_eq!(rows.rows[3].kind, Kind::Other);
        assert_eq!(rows.rows[4], file("swapped.LOG", 33, at("2025-05-28 00:00:00")));
        assert_eq!(rows.rows[5], file("iso.LOG", 9, at("2025-05-28 05:08:00")));
        assert_eq!(rows.rows[6].kind, Kind::Other);
    }

    #[test]
    fn dos_lines_are_read_with_their_time() {
        let rows = list(
            "06-03-25  09:01AM       <DIR>          DEMALU (ALU)\r\n\
             06-03-2025  12:30PM               40,960 20250603.LOG\r\n\
             06-03-25  12:05AM                   12  lead.LOG\r\n\
             28/05/25  13:46                      5 day first.LOG\r\n\
             06-03-25  09:01AM       <JUNCTION>     elsewhere [C:\\x]\r\n",
        );
        assert_eq!(rows.unreadable, 0);
        assert_eq!((rows.rows[0].kind, rows.rows[0].name.as_str()), (Kind::Folder, "DEMALU (ALU)"));
        assert_eq!(rows.rows[1], file("20250603.LOG", 40_960, at("2025-06-03 12:30:00")));
        assert_eq!(rows.rows[2], file(" lead.LOG", 12, at("2025-06-03 00:05:00")));
        assert_eq!(rows.rows[3], file("day first.LOG", 5, at("2025-05-28 13:46:00")));
        assert_eq!(rows.rows[4].kind, Kind::Other);
    }

    #[test]
    fn a_listing_in_an_unknown_format_is_told_from_an_empty_one() {
        assert!(list("20250603.LOG\r\n20250604.LOG\r\n").is_another_format());
        assert!(!list("total 0\r\n").is_another_format());
        assert!(mlsd("-rw-r--r-- 1 cu cu 9 Jan 01 2024 x.LOG\r\n").is_another_format());
    }

    #[test]
    fn whole_paths_of_nlst_become_bare_names() {
        let text = "/home/cu/DEM12 (PVC)/a.LOG\r\nC:\\cu\\b.LOG\r\n./c.LOG\r\nd.LOG\r\nsub/\r\n";
        assert_eq!(nlst(text), ["a.LOG", "b.LOG", "c.LOG", "d.LOG"]);
    }

    #[test]
    fn a_timestamp_must_be_a_real_moment() {
        assert_eq!(timestamp("20250528050854.5"), at("2025-05-28 05:08:54"));
        for text in ["", "2025052805085", "20251328050854", "2025052805085x", "１2345678901234"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet: Vec<char> =
            "-rwxd lL;= :/\\0123456789AMPMJanMay\u{e9}\u{20ac}<DIR>\r\n\t".chars().collect();
        for _ in 0..20_000 {
            let length = random.usize(0..80);
            let text: String =
                (0..length).map(|_| alphabet[random.usize(0..alphabet.len())]).collect();
            let _ = (mlsd(&text), list(&text), nlst(&text), timestamp(&text));
        }
    }
}
