//! One event line, as slices of the text it was read from.

use std::fmt;

use crate::parse::{JobProfile, job};

/// What a line means, by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    Piece,
    Wait,
    Stop,
    Start,
    Job,
    /// A name that is none of the configured words.
    Other,
}

/// An event line. Its identity, for the union of files, is (seconds, name, details).
#[derive(Clone, Copy)]
pub struct Event<'t> {
    /// Since 1970-01-01 00:00:00 of the machine's own wall clock.
    pub seconds: i64,
    /// From the name's first character to the details' last.
    text: &'t str,
    /// What `number` says that it is; 0 where there is none.
    value: i64,
    // Sixteen bits suffice: a line whose details begin later is not taken.
    name_len: u16,
    details_at: u16,
    number: Number,
    pub kind: Kind,
    /// The line's time lies before the time of the event line above it in the same reading.
    pub stepped_back: bool,
}

/// What the details' number was read as, once, and is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    Nothing,
    /// Milliseconds of a wait.
    Wait,
    /// Hundredths of a millimetre of a job that is written as controllers do.
    Job,
    /// The job has to be read again.
    OddJob,
}

impl<'t> Event<'t> {
    /// `text` begins with the name and ends with the details (or with the name, if there are none).
    #[inline]
    pub(super) fn new(
        seconds: i64,
        kind: Kind,
        text: &'t str,
        name_len: usize,
        details_at: usize,
        (number, value): (Number, i64),
    ) -> Self {
        Self {
            seconds,
            text,
            value,
            name_len: name_len as u16,
            details_at: details_at as u16,
            number,
            kind,
            stepped_back: false,
        }
    }

    /// Trimmed, not empty.
    pub fn name(&self) -> &'t str {
        &self.text[..usize::from(self.name_len)]
    }

    /// Trimmed.
    #[inline]
    pub fn details(&self) -> &'t str {
        &self.text[usize::from(self.details_at)..]
    }

    /// Duration of a wait, 0 included; `None` for a wait without duration and for other kinds.
    #[inline]
    pub fn wait_ms(&self) -> Option<i64> {
        (self.number == Number::Wait).then_some(self.value)
    }

    /// The profile of a job line; `None` for a malformed one and for other kinds.
    pub fn job(&self) -> Option<JobProfile<'t>> {
        match self.number {
            Number::Job => job::ordinary_profile(self.details(), self.value),
            Number::OddJob => job::any_profile(self.details()),
            _ => None,
        }
    }

    /// Whether both are the same line, as far as the union of files is concerned.
    #[inline]
    pub fn is_same_line(&self, other: &Event<'_>) -> bool {
        self.seconds == other.seconds && self.content() == other.content()
    }

    /// What distinguishes lines of one second.
    #[inline]
    pub fn content(&self) -> (&'t str, &'t str) {
        (self.name(), self.details())
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("seconds", &self.seconds)
            .field("kind", &self.kind)
            .field("name", &self.name())
            .field("details", &self.details())
            .field("stepped_back", &self.stepped_back)
            .finish()
    }
}
