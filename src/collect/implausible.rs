//! Which dates nothing else bears out: they are told. Pure.

use std::fmt;

use chrono::NaiveDateTime;

use super::{decide::day_in_name, witness::ANY_ZONE};
use crate::{buffer::DatedFile, model::Day};

/// A file's dates: what is asked whether it is plausible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dated {
    pub named_day: Option<Day>,
    pub last_event: Option<Day>,
    pub modified: Option<NaiveDateTime>,
}

/// The two latest times of a source's files: each file is compared with the latest of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct LatestTwo(Option<NaiveDateTime>, Option<NaiveDateTime>);

impl LatestTwo {
    pub(super) fn add(&mut self, time: NaiveDateTime) {
        let time = Some(time);
        if time >= self.0 {
            self.1 = self.0;
            self.0 = time;
        } else {
            self.1 = self.1.max(time);
        }
    }

    fn without(self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        if self.0 == Some(time) { self.1 } else { self.0 }
    }
}

/// A date that nothing else bears out: it ends no day and lets nothing go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Implausible {
    /// The server shows a time that neither another file nor the file's own events come near.
    Time(NaiveDateTime),
    /// The day in the name, or of the last event, lies behind the time of the file's last writing.
    Day { day: Day, written: NaiveDateTime },
}

impl fmt::Display for Implausible {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => {
                write!(text, "the server dates it {time}, which nothing else confirms")
            }
            Self::Day { day, written } => {
                write!(text, "it is of {day}, but the server dates it {written}")
            }
        }
    }
}

/// Whether a file's dates are plausible beside the two latest times of its source and what the
/// source's clock cannot have passed.
pub(super) fn implausible(
    file: Dated,
    latest: LatestTwo,
    limit: Option<NaiveDateTime>,
) -> Option<Implausible> {
    let written = file.modified?;
    let before = written.checked_sub_signed(ANY_ZONE)?;
    let after = written.checked_add_signed(ANY_ZONE)?;
    if let Some(day) = file.last_event.max(file.named_day).filter(|day| *day > after.date()) {
        return Some(Implausible::Day { day, written });
    }
    let is_alone = latest.without(written).is_some_and(|other| before > other)
        && file.last_event.is_some_and(|day| before.date() > day);
    let is_ahead = limit.is_some_and(|limit| before > limit);
    (is_alone || is_ahead).then_some(Implausible::Time(written))
}

/// Those of a source's files whose dates are implausible, from what the buffer knows of them.
pub fn implausible_files(files: Vec<DatedFile>) -> Vec<(DatedFile, Implausible)> {
    let mut latest = LatestTwo::default();
    files.iter().filter_map(|file| file.modified).for_each(|time| latest.add(time));
    let claim = |file: &DatedFile| {
        let named_day = day_in_name(&file.name);
        let dated = Dated { named_day, last_event: file.last_event, modified: file.modified };
        implausible(dated, latest, None)
    };
    files.into_iter().filter_map(|file| claim(&file).map(|claim| (file, claim))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_date_that_nothing_else_bears_out_is_named() {
        let mut latest = LatestTwo::default();
        for time in ["2026-06-10 22:00", "2026-06-13 12:01", "2026-06-12 11:40"] {
            latest.add(at(time));
        }
        let dated = |named: &str, event: Option<&str>, modified: &str| Dated {
            named_day: Some(day(named)),
            last_event: event.map(day),
            modified: Some(at(modified)),
        };
        let verdict = |dated, limit| implausible(dated, latest, limit);
        let ahead = dated("2026-06-11", Some("2026-06-11"), "2026-06-13 12:01");
        assert_eq!(verdict(ahead, None), Some(Implausible::Time(at("2026-06-13 12:01"))));
        let today = dated("2026-06-12", Some("2026-06-12"), "2026-06-12 11:40");
        assert_eq!(verdict(today, None), None);
        // The first to work after a weekend.
        let monday = dated("2026-06-13", Some("2026-06-13"), "2026-06-13 12:01");
        assert_eq!(verdict(monday, None), None);
        assert!(verdict(monday, Some(at("2026-06-12 13:40"))).is_some(), "the clock was seen");
        let future = dated("2099-01-01", None, "2026-06-12 11:40");
        assert!(matches!(verdict(future, None), Some(Implausible::Day { .. })));
    }
}
