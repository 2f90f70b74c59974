//! One event line, as slices of the text it was read from.

use std::fmt;

use crate::parse::{JobProfile, job, latin1};

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
    /// From the name's first byte to the details' last.
    text: &'t [u8],
    /// The wait's milliseconds; negative where the line names none. 0 for other kinds.
    wait_ms: i64,
    // Sixteen bits suffice: a line is at most `LINE_LIMIT_BYTES` long, its timestamp included.
    name_len: u16,
    details_at: u16,
    pub kind: Kind,
    /// The line's time lies before the time of the event line above it in the same reading.
    pub stepped_back: bool,
}

impl<'t> Event<'t> {
    /// `text` begins with the name and ends with the details (or with the name, if there are none).
    pub(super) fn new(
        seconds: i64,
        kind: Kind,
        text: &'t [u8],
        name_len: usize,
        details_at: usize,
        wait_ms: i64,
    ) -> Self {
        Self {
            seconds,
            text,
            wait_ms,
            name_len: name_len as u16,
            details_at: details_at as u16,
            kind,
            stepped_back: false,
        }
    }

    /// ISO-8859-1, trimmed, not empty.
    pub fn name(&self) -> &'t [u8] {
        &self.text[..usize::from(self.name_len)]
    }

    /// ISO-8859-1, trimmed.
    #[inline]
    pub fn details(&self) -> &'t [u8] {
        &self.text[usize::from(self.details_at)..]
    }

    /// Duration of a wait, 0 included; `None` for a wait without duration and for other kinds.
    #[inline]
    pub fn wait_ms(&self) -> Option<i64> {
        (self.kind == Kind::Wait && self.wait_ms >= 0).then_some(self.wait_ms)
    }

    /// The profile of a job line; `None` for a malformed one and for other kinds.
    pub fn job(&self) -> Option<JobProfile<'t>> {
        if self.kind == Kind::Job { job::profile(self.details()) } else { None }
    }

    /// Whether both are the same line, as far as the union of files is concerned.
    #[inline]
    pub fn is_same_line(&self, other: &Event<'_>) -> bool {
        self.seconds == other.seconds && self.content() == other.content()
    }

    /// What distinguishes lines of one second.
    #[inline]
    pub fn content(&self) -> (&'t [u8], &'t [u8]) {
        (self.name(), self.details())
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("seconds", &self.seconds)
            .field("kind", &self.kind)
            .field("name", &latin1(self.name()))
            .field("details", &latin1(self.details()))
            .field("stepped_back", &self.stepped_back)
            .finish()
    }
}
