//! The forms of a listing (MLSD, LIST as Unix, DOS and some small servers print it, NLST) as rows,
//! line by line as they come. Pure: no connection, no clock.
//!
//! What must never happen here: memory that grows with anything but the rows that are wanted; a line
//! that names a LOG dropped without a count; a date taken that could be another day.

use std::collections::HashSet;

use chrono::NaiveDate;

pub use super::lines::{Form, Kind, Row, timestamp};
use super::{
    lines::{Draft, Open, is_heading, read_line},
    reply::BYTE_ORDER_MARK,
};
use crate::source::{UnreadLines, is_log, may_be_renamed_log};

/// Most rows that are kept; far above the 20,000 files that a folder may hold.
pub const MAX_ROWS: usize = 50_000;
/// Most files that are kept although they are no LOG.
const MOST_RENAMED: usize = 1_000;
/// Longest line that is read; a longer one keeps its beginning and its end, to be told.
const MAX_LINE_BYTES: usize = 4 * 1024;
const KEPT_OF_LONG_LINE: usize = 160;

/// Readable lines, and how many were not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rows {
    pub rows: Vec<Row>,
    /// Lines that name something else than the folder itself and its parent, wanted or not.
    pub names: usize,
    pub unreadable: usize,
    /// Those of the unreadable lines that name a LOG.
    pub unread: UnreadLines,
}

impl Rows {
    /// True where the server speaks another format than the one that was tried.
    pub fn is_another_format(&self) -> bool {
        self.names == 0 && self.unreadable > 0
    }
}

/// Which rows are kept; all lines are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    All,
    Folders,
    Logs,
}

/// More names than are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

/// Reads a listing piece by piece.
pub struct Reader<'d> {
    form: Form,
    wanted: Wanted,
    /// The folder that is listed: some servers put its path before each name.
    folder: Option<&'d str>,
    decode: &'d dyn Fn(&[u8]) -> String,
    line: Vec<u8>,
    is_line_long: bool,
    is_first: bool,
    drafts: Vec<Draft>,
    found: Rows,
    signs: Signs,
    /// Names among `drafts` that are no LOG's.
    renamed: usize,
}

/// What all lines together say about how they are written.
#[derive(Debug)]
struct Signs {
    day_first: bool,
    month_first: bool,
    /// Every time of day is followed by a year, so far.
    years_follow: bool,
    /// The fewest blanks too many before a name, and behind the year where that follows the time.
    least_blanks: usize,
    least_blanks_behind_year: usize,
    all_end_blank: bool,
}

impl<'d> Reader<'d> {
    pub fn new(
        form: Form,
        wanted: Wanted,
        folder: Option<&'d str>,
        decode: &'d dyn Fn(&[u8]) -> String,
    ) -> Self {
        let signs = Signs {
            day_first: false,
            month_first: false,
            years_follow: true,
            least_blanks: usize::MAX,
            least_blanks_behind_year: usize::MAX,
            all_end_blank: true,
        };
        let (line, drafts) = (Vec::new(), Vec::new());
        let found = Rows::default();
        Self {
            form,
            wanted,
            folder,
            decode,
            line,
            is_line_long: false,
            is_first: true,
            drafts,
            found,
            signs,
            renamed: 0,
        }
    }

    /// The next bytes of the listing.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooMany> {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let mut piece = pieces.next();
        while let Some(part) = piece {
            self.add(part);
            piece = pieces.next();
            if piece.is_some() {
                self.end_line()?;
            }
        }
        Ok(())
    }

    fn add(&mut self, mut part: &[u8]) {
        while self.line.len() + part.len() > MAX_LINE_BYTES {
            self.is_line_long = true;
            let room = MAX_LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&part[..room]);
            part = &part[room..];
            // The beginning stays, and the last bytes: they show whether a LOG is named.
            self.line.drain(KEPT_OF_LONG_LINE..MAX_LINE_BYTES - 16);
        }
        self.line.extend_from_slice(part);
    }

    fn end_line(&mut self) -> Result<(), TooMany> {
        let mut line = std::mem::take(&mut self.line);
        let is_long = std::mem::take(&mut self.is_line_long);
        let is_first = std::mem::take(&mut self.is_first);
        let bytes =
            if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
        let end = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
        let text = (self.decode)(&bytes[..end]);
        line.clear();
        self.line = line;
        if text.is_empty() || (self.form == Form::List && is_heading(&text)) {
            return Ok(());
        }
        let draft = if is_long { None } else { read_line(self.form, &text) };
        match draft {
            Some(draft) => self.take(draft),
            None => {
                self.found.unreadable += 1;
                self.found.unread.add_if_log(&text);
                Ok(())
            }
        }
    }

    fn take(&mut self, mut draft: Draft) -> Result<(), TooMany> {
        let row = &mut draft.row;
        if let Some(name) = self.folder.and_then(|folder| bare_name(&row.name, folder)) {
            row.name = name.to_owned();
        }
        let signs = &mut self.signs;
        if draft.is_blank_told {
            let blanks = |name: &str| name.len() - name.trim_start_matches(' ').len();
            let behind = row.name.get(draft.open.name_at(&row.name)..).unwrap_or_default();
            signs.least_blanks = signs.least_blanks.min(blanks(&row.name));
            signs.least_blanks_behind_year = signs.least_blanks_behind_year.min(blanks(behind));
        }
        signs.all_end_blank &= row.name.ends_with(' ');
        match draft.open {
            Open::Numbers { one, two, .. } => {
                signs.day_first |= one > 12;
                signs.month_first |= two > 12;
            }
            Open::Year { .. } => {}
            // A time of day without a year: the listing does not print years behind times.
            Open::Nothing => {
                signs.years_follow &= self.form != Form::List || row.modified.is_some()
            }
        }
        let name = row.name.trim();
        if row.kind != Kind::Other && name != "." && name != ".." {
            self.found.names += 1;
        }
        let is_wanted = match self.wanted {
            Wanted::All => true,
            Wanted::Folders => row.kind == Kind::Folder,
            Wanted::Logs => row.kind == Kind::File && (is_log(name) || self.has_room_for(name)),
        };
        if !is_wanted {
            return Ok(());
        }
        if self.drafts.len() >= MAX_ROWS {
            return Err(TooMany);
        }
        self.drafts.push(draft);
        Ok(())
    }

    /// Files that look like renamed LOGs are shown too, within a bound: they are named, not read.
    fn has_room_for(&mut self, name: &str) -> bool {
        let has_room = self.renamed < MOST_RENAMED && may_be_renamed_log(name);
        self.renamed += usize::from(has_room);
        has_room
    }

    /// All was read; `None` where the end is torn off in the middle of a line.
    pub fn finish(mut self, is_end_certain: bool) -> Result<Option<Rows>, TooMany> {
        let is_only_a_mark = self.is_first && self.line == BYTE_ORDER_MARK;
        if !self.line.is_empty() && !is_only_a_mark {
            if !is_end_certain {
                return Ok(None);
            }
            self.end_line()?;
        }
        let Self { drafts, mut found, signs, .. } = self;
        found.rows = drafts.into_iter().map(|draft| signs.settle(draft)).collect();
        trim_ends(&mut found, signs.all_end_blank);
        Ok(Some(found))
    }
}

impl Signs {
    /// The row as it reads in the light of all lines.
    fn settle(&self, draft: Draft) -> Row {
        let Draft { mut row, open, is_blank_told } = draft;
        match open {
            Open::Nothing => {}
            Open::Numbers { one, two, year, time } => {
                let day_and_month = match (self.day_first, self.month_first) {
                    (true, false) => Some((one, two)),
                    (false, true) => Some((two, one)),
                    (false, false) if one == two => Some((one, two)),
                    // Nothing decides, or the lines contradict one another.
                    _ => None,
                };
                row.modified = day_and_month
                    .and_then(|(day, month)| NaiveDate::from_ymd_opt(year, month, day))
                    .and_then(|date| date.and_hms_opt(time.0, time.1, 0));
            }
            Open::Year { at, .. } => {
                let cut = open.name_at(&row.name);
                if self.years_follow && row.name.is_char_boundary(cut) {
                    row.modified = at;
                    row.name.drain(..cut);
                }
            }
        }
        let blanks =
            if self.years_follow { self.least_blanks_behind_year } else { self.least_blanks };
        if is_blank_told && blanks > 0 && blanks < row.name.len() {
            // The same blanks before every name are the server's way of writing.
            row.name.drain(..blanks);
        }
        row
    }
}

/// Blanks behind a name are a column's where all names have them, and behind `.LOG` always: no LOG
/// ends in a blank. Where the shorter name is there too, the line is counted instead.
fn trim_ends(found: &mut Rows, all_end_blank: bool) {
    let is_padded = |name: &str| {
        name.ends_with(' ') && !name.trim().is_empty() && (all_end_blank || is_log(name.trim_end()))
    };
    if !found.rows.iter().any(|row| is_padded(&row.name)) {
        return;
    }
    let plain: Vec<String> =
        found.rows.iter().filter(|row| !is_padded(&row.name)).map(|row| row.name.clone()).collect();
    let mut taken: HashSet<String> = plain.into_iter().collect();
    let unread = &mut found.unread;
    found.rows.retain_mut(|row| {
        if !is_padded(&row.name) {
            return true;
        }
        row.name.truncate(row.name.trim_end().len());
        let is_new = taken.insert(row.name.clone());
        if !is_new {
            unread.add_if_log(&row.name);
        }
        is_new
    });
}

/// The bare name where the path before it is that of `folder`.
fn bare_name<'n>(name: &'n str, folder: &str) -> Option<&'n str> {
    let at = name.rfind(['/', '\\'])?;
    let (path, bare) = (&name[..at], &name[at + 1..]);
    let last = path.rsplit(['/', '\\']).next()?;
    (path == "." || last.eq_ignore_ascii_case(folder))
        .then_some(bare)
        .filter(|bare| !bare.is_empty())
}

fn whole(form: Form, text: &str) -> Rows {
    let decode = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut reader = Reader::new(form, Wanted::All, None, &decode);
    let read = reader.push(text.as_bytes()).and_then(|()| reader.finish(true));
    read.ok().flatten().unwrap_or_default()
}

/// A whole listing at once.
pub fn mlsd(text: &str) -> Rows {
    whole(Form::Mlsd, text)
}

/// A whole listing at once.
pub fn list(text: &str) -> Rows {
    whole(Form::List, text)
}

/// A whole listing at once.
pub fn nlst(text: &str) -> Vec<String> {
    whole(Form::Nlst, text).rows.into_iter().map(|row| row.name).collect()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

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

    /// What is read of the times in lines that begin so.
    fn times(starts: &[&str]) -> Vec<Option<NaiveDateTime>> {
        let lines: String =
            starts.iter().map(|start| format!("{start}  11:40AM  30247 x.LOG\r\n")).collect();
        let rows = list(&lines);
        assert_eq!(rows.unreadable, 0, "{lines}");
        rows.rows.iter().map(|row| row.modified).collect()
    }

    #[test]
    fn an_ambiguous_date_is_decided_by_the_whole_listing_or_is_no_date() {
        let (twelfth, thirteenth) = (at("2026-06-12 11:40:00"), at("2026-06-13 11:40:00"));
        assert_eq!(times(&["06-12-26", "06-13-26"]), [twelfth, thirteenth]);
        assert_eq!(times(&["12-06-26", "13-06-26"]), [twelfth, thirteenth]);
        assert_eq!(times(&["12.06.2026", "13.06.2026"]), [twelfth, thirteenth]);
        assert_eq!(times(&["2026-06-12", "2026/06/13"]), [twelfth, thirteenth]);
        // Nothing decides, except where both readings are one.
        assert_eq!(times(&["06-12-26", "06-11-26"]), [None, None]);
        assert_eq!(times(&["06-06-26", "06-11-26"]), [at("2026-06-06 11:40:00"), None]);
        // The lines contradict one another.
        assert_eq!(times(&["06-12-26", "06-13-26", "14-06-26"]), [None, None, None]);
    }

    #[test]
    fn blanks_too_many_are_told_behind_a_year_too() {
        let names = |text: &str| -> Vec<String> {
            list(text).rows.into_iter().map(|row| row.name).collect()
        };
        let year = "-rw-r--r-- 1 cu cu 7 Jun 3 05:11 2025  a.LOG\r\n";
        assert_eq!(names(year), ["a.LOG"]);
        let one = "-rw-r--r-- 1 cu cu 7 Jun 3 05:11 2025 b.LOG\r\n";
        assert_eq!(names(&format!("{year}{one}")), [" a.LOG", "b.LOG"]);
        // A time of day without a year: 2025 belongs to the names.
        let none = "-rw-r--r-- 1 cu cu 7 Jun 3 05:11 c.LOG\r\n";
        assert_eq!(names(&format!("{year}{none}")), ["2025  a.LOG", "c.LOG"]);
    }

    #[test]
    fn a_line_that_names_a_log_and_cannot_be_read_is_counted_and_shown() {
        let rows =
            list("-rw-r--r-- 1 cu cu 7 Jun 12 2026 a.LOG\r\n?? \x1b[2J b.log\r\n?? c.txt\r\n");
        assert_eq!((rows.rows.len(), rows.unreadable, rows.unread.count), (1, 2, 1));
        assert_eq!(rows.unread.sample.as_deref(), Some("??  [2J b.log"));
        // So is one that has no end within reason.
        let long = format!("{}.LOG\r\n{}.txt\r\n", "x".repeat(1_000_000), "y".repeat(1_000_000));
        let rows = list(&long);
        assert_eq!((rows.unreadable, rows.unread.count), (2, 1));
    }

    #[test]
    fn only_wanted_rows_are_kept_and_no_more_than_a_bound() {
        let decode = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let reader = || Reader::new(Form::Mlsd, Wanted::Logs, Some("F"), &decode);
        let mut junk = reader();
        for _ in 0..100 {
            junk.push(&b"type=file;size=1; x.txt\r\n".repeat(1_000)).unwrap();
        }
        junk.push(b"type=file;size=1; /home/F/x.LOG\r\n").unwrap();
        let rows = junk.finish(true).unwrap().unwrap();
        assert_eq!((rows.names, rows.rows.len()), (100_001, 1));
        assert_eq!(rows.rows[0].name, "x.LOG");
        let mut many = reader();
        let full = (0..=MAX_ROWS)
            .try_for_each(|number| many.push(format!("type=file; {number}.LOG\n").as_bytes()));
        assert_eq!(full, Err(TooMany));
        // A torn last line is no name.
        let mut torn = reader();
        torn.push(b"type=file; a.LOG\ntype=file; b.LO").unwrap();
        assert_eq!(torn.finish(false), Ok(None));
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
