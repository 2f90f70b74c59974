//! Detail rows packed for a slow line. Rows with consecutive numbers form a run; a run travels as
//! one text a column: times in seconds since the production day began, texts one a line. Central
//! takes them apart itself. About half of what the same rows take as CSV.

use std::fmt::Write;

use postgres::types::Type;

use super::params::Params;
use crate::model::{Day, Numbered, Stamp};

/// How one column of a detail row is written behind the others of its run.
pub type WriteColumn<T> = fn(&mut String, &T, Stamp);

/// The runs of one kind of detail, over all sessions of a delivery.
pub struct Runs {
    sessions: Vec<i64>,
    firsts: Vec<i64>,
    columns: Vec<Vec<String>>,
}

impl Runs {
    pub fn new(columns: usize) -> Self {
        Self { sessions: Vec::new(), firsts: Vec::new(), columns: vec![Vec::new(); columns] }
    }

    /// Packs the rows of the session at `place` (from 1) in the delivery. Each column has the
    /// character that stands between two rows.
    pub fn pack<T>(
        &mut self,
        place: i64,
        day: Day,
        rows: &[Numbered<T>],
        columns: &[(char, WriteColumn<T>)],
    ) {
        debug_assert_eq!(columns.len(), self.columns.len());
        let midnight = Stamp::from_naive(day.and_time(chrono::NaiveTime::MIN));
        let mut previous = None;
        for Numbered { number, row } in rows {
            let follows = previous == Some(number.wrapping_sub(1));
            if !follows {
                self.sessions.push(place);
                self.firsts.push(i64::from(*number));
                self.columns.iter_mut().for_each(|texts| texts.push(String::new()));
            }
            for (texts, (separator, write)) in self.columns.iter_mut().zip(columns) {
                let text = texts.last_mut().expect("a run was begun above");
                if follows {
                    text.push(*separator);
                }
                write(text, row, midnight);
            }
            previous = Some(*number);
        }
    }

    /// Adds the runs to the parameters; the places in the order session, first number, columns. `None`
    /// where there is no row.
    pub fn into_params(self, params: &mut Params) -> Option<Vec<String>> {
        if self.sessions.is_empty() {
            return None;
        }
        let mut places = vec![
            params.push(self.sessions, Type::INT8_ARRAY),
            params.push(self.firsts, Type::INT8_ARRAY),
        ];
        places.extend(self.columns.into_iter().map(|texts| params.push(texts, Type::TEXT_ARRAY)));
        Some(places)
    }
}

/// Milliseconds as seconds, with a fraction only where there is one.
pub fn write_seconds(out: &mut String, ms: i64) {
    let (sign, magnitude) = if ms < 0 { ("-", ms.unsigned_abs()) } else { ("", ms.unsigned_abs()) };
    let (seconds, rest) = (magnitude / 1000, magnitude % 1000);
    if rest == 0 {
        write!(out, "{sign}{seconds}")
    } else {
        write!(out, "{sign}{seconds}.{rest:03}")
    }
    .expect("a String takes any text");
}

/// One line of text for central: PostgreSQL has no NUL, and a line end parts two rows.
pub fn write_line(out: &mut String, text: &str, max_chars: usize) {
    out.extend(
        text.chars()
            .filter(|c| *c != '\0')
            .map(|c| if c == '\n' { ' ' } else { c })
            .take(max_chars),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: &[u32]) -> Vec<Numbered<i64>> {
        numbers.iter().map(|n| Numbered { number: *n, row: i64::from(*n) * 1000 }).collect()
    }

    #[test]
    fn consecutive_numbers_share_a_run_and_a_gap_begins_another() {
        let day = Day::from_ymd_opt(2025, 5, 28).unwrap();
        let mut runs = Runs::new(1);
        runs.pack(1, day, &numbered(&[3, 4, 7]), &[(',', |out, ms, _| write_seconds(out, *ms))]);
        runs.pack(2, day, &numbered(&[8]), &[(',', |out, ms, _| write_seconds(out, *ms))]);
        assert_eq!(runs.sessions, [1, 1, 2]);
        assert_eq!(runs.firsts, [3, 7, 8]);
        assert_eq!(runs.columns, [["3,4", "7", "8"]]);
    }

    #[test]
    fn seconds_have_a_fraction_only_where_there_is_one() {
        let written = |ms| {
            let mut out = String::new();
            write_seconds(&mut out, ms);
            out
        };
        assert_eq!(written(7_000), "7");
        assert_eq!(written(7_050), "7.050");
        assert_eq!(written(-500), "-0.500");
        assert_eq!(written(0), "0");
    }

    #[test]
    fn a_line_holds_neither_nul_nor_line_end() {
        let mut out = String::new();
        write_line(&mut out, "a\0b\nc\u{1}d", 5);
        assert_eq!(out, "ab c\u{1}");
    }
}
