//! Why a file is not read, as the buffer keeps it: the sentence that `status` shows, written and read
//! here alone. It stays text, and the same text, so that an earlier release that an update was rolled
//! back to reads it too.
//!
//! What must never happen here: a sentence read as a reason that would not be written so.

use std::fmt;

use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use crate::model::Day;

/// Why a file is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    FileTooLarge {
        bytes: u64,
        max_file_bytes: u64,
    },
    /// With it the files of one day would be larger than one file may be.
    DayTooLarge {
        day: Day,
        bytes: u64,
        max_file_bytes: u64,
    },
    /// It holds events of more days than one file may.
    TooManyDays {
        days: usize,
        most_days: usize,
    },
    /// What another version of the agent gave as the reason.
    Other(String),
}

const IN_FILE: &str = " bytes are more than max_file_size = ";
const DAY: &str = "with it the LOG files of ";
const IN_DAY: &str = " bytes, more than max_file_size = ";
const DAYS: &str = " days, more than the ";

impl fmt::Display for Refusal {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileTooLarge { bytes, max_file_bytes } => {
                write!(text, "{bytes}{IN_FILE}{max_file_bytes}")
            }
            Self::DayTooLarge { day, bytes, max_file_bytes } => {
                write!(text, "{DAY}{day} are {bytes}{IN_DAY}{max_file_bytes}")
            }
            Self::TooManyDays { days, most_days } => {
                write!(text, "events of {days}{DAYS}{most_days} that a LOG may hold")
            }
            Self::Other(reason) => text.write_str(reason),
        }
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        let known = file_too_large(text).or_else(|| day_too_large(text));
        known
            .or_else(|| too_many_days(text))
            .filter(|refusal| refusal.to_string() == text)
            .unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

fn file_too_large(text: &str) -> Option<Refusal> {
    let (bytes, limit) = text.split_once(IN_FILE)?;
    Some(Refusal::FileTooLarge { bytes: bytes.parse().ok()?, max_file_bytes: limit.parse().ok()? })
}

fn day_too_large(text: &str) -> Option<Refusal> {
    let (day, rest) = text.strip_prefix(DAY)?.split_once(" are ")?;
    let (bytes, limit) = rest.split_once(IN_DAY)?;
    Some(Refusal::DayTooLarge {
        day: day.parse().ok()?,
        bytes: bytes.parse().ok()?,
        max_file_bytes: limit.parse().ok()?,
    })
}

fn too_many_days(text: &str) -> Option<Refusal> {
    let (days, rest) = text.strip_prefix("events of ")?.split_once(DAYS)?;
    let most = rest.strip_suffix(" that a LOG may hold")?;
    Some(Refusal::TooManyDays { days: days.parse().ok()?, most_days: most.parse().ok()? })
}

impl ToSql for Refusal {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Refusal {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_releases_wrote_is_read_as_the_reason_that_it_was_and_written_the_same() {
        let day = "2025-06-03".parse().unwrap();
        let table = [
            (
                "2000 bytes are more than max_file_size = 1000",
                Refusal::FileTooLarge { bytes: 2000, max_file_bytes: 1000 },
            ),
            (
                "with it the LOG files of 2025-06-03 are 2000 bytes, more than max_file_size = 1000",
                Refusal::DayTooLarge { day, bytes: 2000, max_file_bytes: 1000 },
            ),
            (
                "events of 5000 days, more than the 1000 that a LOG may hold",
                Refusal::TooManyDays { days: 5000, most_days: 1000 },
            ),
        ];
        let buffer = rusqlite::Connection::open_in_memory().unwrap();
        for (written, refusal) in table {
            let read = |row: &rusqlite::Row<'_>| row.get::<_, Refusal>(0);
            assert_eq!(buffer.query_row("SELECT ?1", [written], read).unwrap(), refusal);
            let rewritten: String =
                buffer.query_row("SELECT ?1", [&refusal], |row| row.get(0)).unwrap();
            assert_eq!(rewritten, written);
        }
    }

    #[test]
    fn a_sentence_that_is_none_of_them_is_kept_as_it_stands() {
        for text in [
            "",
            "it is a directory = 1000",
            "+2000 bytes are more than max_file_size = 1000",
            "2000 bytes are more than max_file_size = 1000 ",
            "99999999999999999999 bytes are more than max_file_size = 1000",
            "with it the LOG files of 2025-6-3 are 2000 bytes, more than max_file_size = 1000",
            "events of many days, more than the 1000 that a LOG may hold",
        ] {
            assert_eq!(Refusal::from(text), Refusal::Other(text.to_owned()));
            assert_eq!(Refusal::from(text).to_string(), text);
        }
    }
}
