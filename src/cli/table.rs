//! Tables and sentences for people at a terminal: columns as wide as their widest cell, numbers to the right;
//! a character is as wide as a terminal shows it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::painted::{Painted, Tone};
use crate::model::printable;

/// Columns of a terminal that nobody made wider.
pub(super) const COLUMNS: usize = 80;

/// Between two columns of a table.
pub(super) const GAP: usize = 2;

/// No name and no sentence of ours is as long.
const MOST_CELL_CHARS: usize = 2000;

/// A text and what its colour says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    pub text: String,
    pub tone: Option<Tone>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

/// Lays out `rows` under `heads`; a head that begins with `>` stands over numbers. A cell is one line,
/// whatever text from outside is in it.
pub(super) fn table<C: Clone + Into<Cell>>(heads: &[&str], rows: &[Vec<C>]) -> Painted {
    let right: Vec<bool> = heads.iter().map(|head| head.starts_with('>')).collect();
    let heads: Vec<Cell> =
        heads.iter().map(|head| head.trim_start_matches('>').to_owned().into()).collect();
    let printable_cell = |cell: &C| -> Cell {
        let cell: Cell = cell.clone().into();
        Cell { text: printable(&cell.text, MOST_CELL_CHARS), ..cell }
    };
    let rows: Vec<Vec<Cell>> =
        rows.iter().map(|row| row.iter().map(printable_cell).collect()).collect();
    let lines = || std::iter::once(&heads).chain(&rows);
    let width = |column: usize| {
        lines().filter_map(|row| row.get(column)).map(|cell| cell.text.width()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = Painted::default();
    for row in lines() {
        let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
        for (at, cell) in row.iter().enumerate().take(last + 1) {
            let blanks = " ".repeat(widths[at].saturating_sub(cell.text.width()));
            if right[at] {
                text.push(&blanks);
            }
            text.put(cell.tone, &cell.text);
            if !right[at] && at < last {
                text.push(&blanks);
            }
            text.push(if at < last { "  " } else { "\n" });
        }
    }
    text
}

/// `text` in at most `most` columns: the middle of a longer one gives way, since names differ at their ends.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(1);
    let front = taken(text.chars(), room.div_ceil(2));
    let behind = taken(text.chars().rev(), room - room.div_ceil(2));
    front + "…" + &behind.chars().rev().collect::<String>()
}

fn taken(chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut width = 0;
    let fits = |c: &char| {
        width += c.width().unwrap_or(0);
        width <= most
    };
    chars.take_while(fits).collect()
}

/// `text` on lines of at most [`COLUMNS`] columns, broken at blanks, all but the first behind `indent` blanks. A
/// longer word stays whole: it is a path or a command.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && width + 1 + word.width() > COLUMNS {
            lines += "\n";
            lines += &" ".repeat(indent);
            width = indent;
        } else if at > 0 {
            lines += " ";
            width += 1;
        }
        lines += word;
        width += word.width();
    }
    lines
}

/// `7 h 25`, and `0 h 08` so that a column of them stands in line. Seconds are cut off.
pub(super) fn hours(ms: i64) -> String {
    let minutes = ms / 60_000;
    format!("{} h {:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line_whatever_the_characters_are_as_wide_as() {
        let rows = ["Scie", "数控机床", "Pe\u{301}rc\u{327}age", "ＤＥＭ１２", "", "a\tb\u{1b}[2J"]
            .map(|name| vec![name.to_owned(), "12".to_owned(), "x".to_owned()]);
        let text = table(&["machine", ">pieces", "central"], &rows).to_string();
        let at: Vec<usize> = text
            .lines()
            .skip(1)
            .map(|line| line[..line.find("12").map_or(0, |_| line.rfind("12").unwrap())].width())
            .collect();
        assert!(at.iter().all(|column| *column == at[0]), "{at:?}\n{text}");
        assert!(text.lines().all(|line| !line.ends_with(' ')), "{text:?}");
    }

    #[test]
    fn a_long_name_keeps_both_ends_and_its_width() {
        assert_eq!(shortened("Centre d'usinage 12", 9), "Cent…e 12");
        assert_eq!(shortened("DEM12", 5), "DEM12");
        assert_eq!(shortened("数控机床中心", 7), "数…心");
        for (name, most) in [
            ("Centre d'usinage 12", 8),
            ("数控机床中心十二号", 9),
            ("e\u{301}e\u{301}e\u{301}e\u{301}", 3),
        ] {
            assert!(shortened(name, most).width() <= most, "{name}");
        }
    }

    #[test]
    fn a_sentence_is_broken_at_blanks_only() {
        let text = ["word"; 40].join(" ");
        let lines = wrapped(&text, 4);
        assert!(lines.lines().all(|line| line.width() <= COLUMNS), "{lines}");
        assert!(lines.lines().skip(1).all(|line| line.starts_with("    word")), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 40);
        assert_eq!(wrapped(&"x".repeat(100), 2), "x".repeat(100));
    }

    #[test]
    fn hours_are_written_as_people_write_them() {
        let written: Vec<String> = [0, 500_000, 26_700_000, 90_000_000].map(hours).into();
        assert_eq!(written, ["0 h 00", "0 h 08", "7 h 25", "25 h 00"]);
    }
}
