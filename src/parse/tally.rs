//! What became of the lines of a reading: counts, the rejects by reason, the names nobody knows.
//! Bounded, whatever the bytes are.

use std::collections::BTreeMap;

/// Most distinct unknown names that are told apart; the rest is counted together.
pub const NAMES_LIMIT: usize = 100;
/// Characters kept of a rejected line or an unknown name.
const SAMPLE_LIMIT: usize = 80;

/// Why a line is no event, or an event without a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reject {
    /// No `|@`.
    NoMarker,
    /// No `YYYYMMDD HH:MM:SS` before the marker.
    NoTimestamp,
    /// 31 June, 25 o'clock, the year 0000, a leap second.
    NotReal,
    /// Nothing between the marker and the colon or the end.
    NoName,
    /// Longer than [`LINE_LIMIT_BYTES`](crate::parse::LINE_LIMIT_BYTES).
    Overlong,
    /// A job without reference or length. The line is an event, without a row.
    MalformedJob,
    /// A wait without a readable duration. The line is an event, without a row.
    WaitWithoutDuration,
}

impl Reject {
    pub const ALL: [Self; 7] = [
        Self::NoMarker,
        Self::NoTimestamp,
        Self::NotReal,
        Self::NoName,
        Self::Overlong,
        Self::MalformedJob,
        Self::WaitWithoutDuration,
    ];

    /// The word kept in the buffer and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoMarker => "no_marker",
            Self::NoTimestamp => "no_timestamp",
            Self::NotReal => "not_a_real_time",
            Self::NoName => "no_event_name",
            Self::Overlong => "overlong_line",
            Self::MalformedJob => "malformed_job",
            Self::WaitWithoutDuration => "wait_without_duration",
        }
    }

    /// Whether the line is an event all the same (it counts for the union of files).
    pub fn is_event(self) -> bool {
        matches!(self, Self::MalformedJob | Self::WaitWithoutDuration)
    }
}

/// The rejects of one reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    pub count: u64,
    /// Line number of the first one, from 1.
    pub first_line: u64,
    /// Beginning of the first one.
    pub sample: String,
}

/// Names that are none of the configured words, with their counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnknownNames {
    /// At most [`NAMES_LIMIT`] names, cut to a readable length.
    pub counts: BTreeMap<String, u64>,
    /// Events whose names found no place in `counts`.
    pub uncounted: u64,
}

/// Every line is blank, an event or a reject: `lines == blank + events + malformed()`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub lines: u64,
    pub blank: u64,
    pub events: u64,
    pub rejects: BTreeMap<Reject, Rejected>,
    pub unknown: UnknownNames,
}

impl Tally {
    /// Lines that are no event.
    pub fn malformed(&self) -> u64 {
        let of_lines = self.rejects.iter().filter(|(reject, _)| !reject.is_event());
        of_lines.map(|(_, rejected)| rejected.count).sum()
    }

    /// Rejects of all reasons.
    pub fn rejected(&self) -> u64 {
        self.rejects.values().map(|rejected| rejected.count).sum()
    }

    /// Adds the tally of the reading that begins where this one ends.
    pub fn add(&mut self, later: &Tally) {
        for (&reject, rejected) in &later.rejects {
            let shifted =
                Rejected { first_line: rejected.first_line + self.lines, ..rejected.clone() };
            self.rejects
                .entry(reject)
                .and_modify(|earlier| earlier.count += rejected.count)
                .or_insert(shifted);
        }
        for (name, count) in &later.unknown.counts {
            self.unknown.add(name, *count);
        }
        self.unknown.uncounted += later.unknown.uncounted;
        self.lines += later.lines;
        self.blank += later.blank;
        self.events += later.events;
    }

    /// Counts a reject of the line that is being read, the last one in `lines`.
    #[cold]
    pub(super) fn reject(&mut self, reject: Reject, line: &str) {
        let first_line = self.lines;
        self.rejects
            .entry(reject)
            .or_insert_with(|| Rejected { count: 0, first_line, sample: sample(line) })
            .count += 1;
    }

    #[cold]
    pub(super) fn unknown_name(&mut self, name: &str) {
        match self.unknown.counts.get_mut(name) {
            Some(known) => *known += 1,
            None => self.unknown.add(&sample(name), 1),
        }
    }
}

impl UnknownNames {
    fn add(&mut self, name: &str, count: u64) {
        if let Some(known) = self.counts.get_mut(name) {
            *known += count;
        } else if self.counts.len() < NAMES_LIMIT {
            self.counts.insert(name.to_owned(), count);
        } else {
            self.uncounted += count;
        }
    }
}

/// The beginning, with control characters shown as dots: it ends up on terminals and pages.
fn sample(text: &str) -> String {
    let dotted = |char: char| if char.is_control() { '·' } else { char };
    text.chars().take(SAMPLE_LIMIT).map(dotted).collect()
}
