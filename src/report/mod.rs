//! A day, a week or a month of all machines on paper: one page for all of them, then one page for each, and
//! tables for those who want more. One file that needs nothing else.
//!
//! Pure: it is given sessions and sums, and draws. What must never happen here: a figure that the buffer does
//! not hold; a text of a LOG file that reaches the page unescaped; an address of another place; a page of a week
//! or a month that goes on on the next one.

mod changes;
/// All machines' days as columns.
mod day_columns;
mod days;
/// Tables of a machine's days, shift by shift and by hour, for `--details`.
mod details;
mod facts;
mod first_page;
/// What is written large on top of a page.
mod keys;
mod machine_page;
mod page;
mod pareto;
mod period;
mod planned;
mod planned_tables;
/// Anomalies and advice in so many lines.
mod remarks;
mod shifts;
mod stops;
mod tables;
mod words;

pub(crate) use days::drawing;
pub(crate) use facts::{DayFacts, MachineFacts, Scope, Summary, summary};
pub(crate) use machine_page::machine;
pub(crate) use page::frame;
pub(crate) use period::{
    Kind, Known, MOST_DAYS, Month, Period, PeriodFault, Wanted, Which, period,
};
pub(crate) use planned::{Line, Span, lines};
pub(crate) use stops::{LongStop, note_longest};

use chrono::{NaiveDateTime, TimeDelta};
use maud::Markup;

use crate::{
    analyse::Patterns,
    model::{Advice, Anomaly, Day, Figures, Language},
    text::Text,
};

/// Machines that get a page without being asked for one.
pub(crate) const MOST_PAGES: usize = 6;
/// Of a longer period a machine's page has weeks in place of days, and may take two pages.
pub(crate) const MOST_DAY_ROWS: i64 = 31;

/// What is reported.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub agent: String,
    pub period: Period,
    pub language: Language,
    /// How long after midnight a production day begins.
    pub day_start: TimeDelta,
    /// By the gateway's clock.
    pub now: NaiveDateTime,
    /// The day that is under way.
    pub today: Day,
    /// The gateway's clock cannot be right.
    pub is_clock_wrong: bool,
    /// First and last day with a session.
    pub known: Option<(Day, Day)>,
    /// Required time is that of this shift alone.
    pub shift: Option<String>,
    /// Machines that have a page of their own.
    pub pages: usize,
    pub has_details: bool,
}

/// One machine's days, in order, and their patterns together. Sessions are not part of it: their
/// pieces would fill the memory of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct MachineReport {
    pub scope: Scope,
    /// With a session.
    pub days: Vec<DayReport>,
    pub patterns: Patterns,
    /// Of planned time, the whole period last; empty if nothing was planned.
    pub lines: Vec<Line>,
    pub planning: Planning,
    /// The longest first.
    pub stops: Vec<LongStop>,
    /// The hours that all its strips show.
    pub hours: Option<crate::render::Axis>,
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
    /// Drawn by [`time_line`] or [`row_of_day`].
    pub time_line: Markup,
    pub anomalies: Vec<Anomaly>,
    /// The most minutes first.
    pub advice: Vec<Advice>,
}

impl Report {
    fn say(&self, french: &'static str, english: &'static str) -> &'static str {
        Text::new(french, english).in_(self.language)
    }

    /// Whether each of its parts is exactly one printed page, so that they can be numbered.
    pub(crate) fn is_numbered(&self) -> bool {
        !self.has_details && self.period.len() <= MOST_DAY_ROWS
    }
}
