//! A day, a week or a month of some machines on paper: what they did, what was remarkable, what would
//! win time. One file that needs nothing else.
//!
//! Pure: it is given sessions and draws. What must never happen here: a figure that the buffer does not
//! hold; a text of a LOG file that reaches the page unescaped; an address of another place.

mod page;
mod planned;
mod planned_tables;
mod tables;

pub(crate) use page::{frame, machine, time_line};
pub(crate) use planned::{Line, Span, lines};

use chrono::TimeDelta;
use maud::Markup;

use crate::{
    analyse::Patterns,
    model::{Advice, Anomaly, Day, Figures, Language},
    text::Text,
};

/// What is reported.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub agent: String,
    pub from: Day,
    pub to: Day,
    pub language: Language,
    /// How long after midnight a production day begins.
    pub day_start: TimeDelta,
}

/// One machine's days, in order, and their patterns together. Sessions are not part of it: their
/// pieces would fill the memory of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct MachineReport {
    pub nom: String,
    /// With a session.
    pub days: Vec<DayReport>,
    pub patterns: Patterns,
    /// Of planned time, the whole period last; empty if nothing was planned.
    pub lines: Vec<Line>,
    pub planning: Planning,
}

/// What a machine's planned time comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Planning {
    None,
    Calendar,
}

#[derive(Clone, Debug)]
pub(crate) struct DayReport {
    pub day: Day,
    pub figures: Figures,
    pub stops: usize,
    /// Drawn by [`time_line`].
    pub time_line: Markup,
    pub anomalies: Vec<Anomaly>,
    /// The most minutes first.
    pub advice: Vec<Advice>,
}

impl Report {
    fn say(&self, french: &'static str, english: &'static str) -> &'static str {
        Text::new(french, english).in_(self.language)
    }
}
