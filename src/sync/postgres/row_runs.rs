//! Detail rows packed for a slow line. Rows with consecutive numbers form a run; a run travels as
//! its first moment, two bytes a row for the seconds since then, and one text a further column: what
//! is a line of text stands one a line. Central takes them apart itself. Two fifths of what the same
//! rows take as CSV.

use std::fmt::Write;

use postgres::types::Type;

use super::{encoding::Script, params::Params};
use crate::model::{Day, Numbered, Stamp};

/// When a row is, given the midnight that its production day began with.
pub(super) type At<T> = fn(&T, Stamp) -> Stamp;

/// How one column of a detail row is written behind the others of its run.
pub(super) type WriteColumn<T> = fn(&mut String, &T, &Around<'_>);

/// What the columns of a row are written with.
pub(super) struct Around<'s> {
    /// That the production day began with.
    pub(super) midnight: Stamp,
    pub(super) script: &'s Script,
}

/// What stands between two rows of a run's column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Between {
    Commas,
    LineEnds,
}

impl Between {
    fn character(self) -> char {
        match self {
            Self::Commas => ',',
            Self::LineEnds => '\n',
        }
    }

    /// SQL that makes an array of the column's values.
    pub(super) fn split(self, column: &str) -> String {
        match self {
            // An empty text gives no elements, which is as good as an empty one: it stands for NULL.
            Self::Commas => format!("string_to_array(r.{column}, ',')"),
            Self::LineEnds => format!(
                "CASE r.{column} WHEN '' THEN ARRAY[''] ELSE string_to_array(r.{column}, E'\\n') END"
            ),
        }
    }
}

/// The runs of one kind of detail, over all sessions of a delivery.
pub(super) struct Runs {
    sessions: Vec<i32>,
    firsts: Vec<i32>,
    /// In ms since the midnight that the day began with.
    begins: Vec<i64>,
    /// Two bytes a row, the higher first: seconds since the run began.
    moments: Vec<Vec<u8>>,
    columns: Vec<Vec<String>>,
}

impl Runs {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            sessions: Vec::new(),
            firsts: Vec::new(),
            begins: Vec::new(),
            moments: Vec::new(),
            columns: vec![Vec::new(); columns],
        }
    }

    /// Packs the rows of the session at `place` (from 1) in the delivery.
    pub(super) fn pack<T>(
        &mut self,
        place: i32,
        day: Day,
        rows: &[Numbered<T>],
        at: At<T>,
        columns: &[(Between, WriteColumn<T>)],
        script: &Script,
    ) {
        debug_assert_eq!(columns.len(), self.columns.len());
        let midnight = Stamp::from_naive(day.and_time(chrono::NaiveTime::MIN));
        let around = Around { midnight, script };
        let mut previous = None;
        for Numbered { number, row } in rows {
            let begin = at(row, midnight).0 - midnight.0;
            let is_next = previous == Some(number.wrapping_sub(1));
            let since = self.begins.last().filter(|_| is_next).and_then(|run| seconds(begin - run));
            if since.is_none() {
                self.sessions.push(place);
                // A day has far fewer rows than that; central would refuse the number.
                self.firsts.push(i32::try_from(*number).unwrap_or(i32::MAX));
                self.begins.push(begin);
                self.moments.push(Vec::new());
                self.columns.iter_mut().for_each(|texts| texts.push(String::new()));
            }
            if let Some(moments) = self.moments.last_mut() {
                moments.extend(since.unwrap_or(0).to_be_bytes());
            }
            for (texts, (between, write)) in self.columns.iter_mut().zip(columns) {
                let text = texts.last_mut().expect("a run was begun above");
                if since.is_some() {
                    text.push(between.character());
                }
                write(text, row, &around);
            }
            previous = Some(*number);
        }
    }

    /// Adds the runs to the parameters; the places in the order session, first number, begin,
    /// moments, columns. `None` where there is no row, and no parameters are wanted for none.
    pub(super) fn into_params(
        self,
        params: &mut Params,
        also_for_none: bool,
    ) -> Option<Vec<String>> {
        if self.sessions.is_empty() && !also_for_none {
            return None;
        }
        let mut places = vec![
            params.push(self.sessions, Type::INT4_ARRAY),
            params.push(self.firsts, Type::INT4_ARRAY),
            params.push(self.begins, Type::INT8_ARRAY),
            params.push(self.moments, Type::BYTEA_ARRAY),
        ];
        places.extend(
            self.columns
                .into_iter()
                .map(|texts| params.push_texts(texts.into_iter().map(Some).collect())),
        );
        Some(places)
    }
}

/// Whole seconds that two bytes hold.
fn seconds(ms: i64) -> Option<u16> {
    (ms % 1000 == 0).then(|| u16::try_from(ms / 1000).ok()).flatten()
}

/// Milliseconds as seconds, with a fraction only where there is one.
pub(super) fn write_seconds(out: &mut String, ms: i64) {
    let (sign, magnitude) = if ms < 0 { ("-", ms.unsigned_abs()) } else { ("", ms.unsigned_abs()) };
    let (seconds, rest) = (magnitude / 1000, magnitude % 1000);
    if rest == 0 {
        write!(out, "{sign}{seconds}")
    } else {
        write!(out, "{sign}{seconds}.{rest:03}")
    }
    .expect("a String takes any text");
}

/// One line of text for central, as its encoding has it: PostgreSQL has no NUL, and a line end parts two
/// rows. In what is written a character is one of the server's, whose columns are as long as they count:
/// where it counts bytes, each character is one.
pub(super) fn write_line(out: &mut String, text: &str, max_chars: usize, script: &Script) {
    out.extend(
        script
            .fitted(text)
            .chars()
            .filter(|c| *c != '\0')
            .map(|c| if c == '\n' { ' ' } else { c })
            .take(max_chars),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::postgres::encoding::ServerEncoding;

    /// Rows that are at the second of their number.
    fn packed(days: &[&[(u32, i64)]]) -> Runs {
        let day = Day::from_ymd_opt(2025, 5, 28).unwrap();
        let mut runs = Runs::new(1);
        for (place, rows) in (1..).zip(days) {
            let rows: Vec<_> =
                rows.iter().map(|(number, ms)| Numbered { number: *number, row: *ms }).collect();
            let at: At<i64> = |ms, midnight| midnight.plus_ms(*ms);
            runs.pack(
                place,
                day,
                &rows,
                at,
                &[(Between::Commas, |out, ms, _| write_seconds(out, *ms))],
                &Script::default(),
            );
        }
        runs
    }

    #[test]
    fn consecutive_numbers_share_a_run_and_a_gap_begins_another() {
        let runs = packed(&[&[(3, 3000), (4, 260_000), (7, 261_000)], &[(8, 8000)]]);
        assert_eq!(runs.sessions, [1, 1, 2]);
        assert_eq!(runs.firsts, [3, 7, 8]);
        assert_eq!(runs.begins, [3000, 261_000, 8000]);
        assert_eq!(runs.moments, [vec![0, 0, 1, 1], vec![0, 0], vec![0, 0]]);
        assert_eq!(runs.columns, [["3,260", "261", "8"]]);
    }

    #[test]
    fn a_moment_that_two_bytes_do_not_hold_begins_another_run() {
        let far = 65_535_000;
        let runs = packed(&[&[(1, 500), (2, far + 500), (3, far + 1500), (4, 0), (5, 250)]]);
        assert_eq!(runs.firsts, [1, 3, 4, 5]);
        assert_eq!(runs.begins, [500, far + 1500, 0, 250]);
        assert_eq!(runs.moments[0], [0, 0, 255, 255]);
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
        write_line(&mut out, "a\0b\nc\u{1}d", 5, &Script::default());
        assert_eq!(out, "ab c\u{1}");
    }

    #[test]
    fn a_line_is_cut_behind_what_the_server_s_encoding_makes_of_it() {
        let mut out = String::new();
        let latin1 = Script::of(ServerEncoding::named("LATIN1"));
        write_line(&mut out, "œufs…", 6, &latin1);
        assert_eq!(out, "oeufs.");
    }
}
