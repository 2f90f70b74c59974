//! What a person may want to look at in a day, from four sides: the lines themselves
//! ([`logged`]), the machine's own comparable days ([`usual`]), the course of the day ([`within`]), and the
//! shifts that its calendar plans ([`shifts`]). Pure: the same day, history, calendar and limits give the same
//! anomalies, in whatever order the history comes. With a calendar, required time alone counts.
//!
//! A day that still runs is told only what no further line can take back, wherever in the day that line
//! belongs: the clock may step back. Everything else waits until the day is over. What must never happen
//! here: a comparison before enough days exist; an anomaly that goes away again while its day runs.

mod logged;
mod shifts;
mod usual;
mod within;

use chrono::{Datelike, TimeDelta, Weekday};

use crate::{
    analyse::LineDefects,
    calendar::{Calendar, ShiftPart},
    model::{Anomaly, AnomalyCode, Day, DayDigest, Limits, Session, Severity, Stamp},
};

/// A day, and what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'e> {
    pub day: Day,
    pub session: &'e Session,
    pub defects: &'e LineDefects,
    /// Any days of the machine, in any order; those that are not before `day` are left out.
    pub history: &'e [DayDigest],
    pub limits: &'e Limits,
    /// The machine's calendar, if it has one.
    pub calendar: Option<&'e Calendar>,
    /// How long after midnight a production day begins.
    pub day_start: TimeDelta,
    /// A later day is known, or every LOG that feeds this one is closed.
    pub is_over: bool,
}

/// Every anomaly of the day, in the order of code, time and subject.
pub fn anomalies(evidence: &Evidence<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    logged::find(evidence, &mut anomalies);
    if evidence.is_over {
        let planned = evidence.planned();
        logged::find_in_whole_day(evidence, planned.as_deref(), &mut anomalies);
        usual::find(evidence, planned.as_deref(), &mut anomalies);
        within::find(evidence, planned.as_deref(), &mut anomalies);
        shifts::find(evidence, planned.as_deref(), &mut anomalies);
    }
    anomalies.sort_by(|a, b| {
        (a.code, a.from, a.subject.as_str()).cmp(&(b.code, b.from, b.subject.as_str()))
    });
    anomalies
}

impl Evidence<'_> {
    /// Days before this one, newest first.
    fn earlier(&self) -> Vec<&DayDigest> {
        earlier(self.history, self.day)
    }

    /// The day's shifts; `None` without a calendar.
    fn planned(&self) -> Option<Vec<ShiftPart>> {
        self.calendar.map(|calendar| calendar.parts(self.day, self.day_start))
    }

    /// The newest days of the same class that had pieces; `None` before there are enough. With a calendar those
    /// that had production in required time.
    fn comparable(&self) -> Option<Vec<&DayDigest>> {
        let is_judged_alike = |digest: &DayDigest| {
            self.calendar.is_none() || digest.planned.is_some_and(|planned| planned.window_ms > 0)
        };
        newest_like(self.history, self.day, self.limits, is_judged_alike)
    }
}

fn earlier(history: &[DayDigest], day: Day) -> Vec<&DayDigest> {
    let mut earlier: Vec<&DayDigest> = history.iter().filter(|digest| digest.day < day).collect();
    earlier.sort_by_key(|digest| std::cmp::Reverse(digest.day));
    earlier.dedup_by_key(|digest| digest.day);
    earlier
}

/// The newest days before `day` of the same class that had pieces, newest first; `None` before there
/// are enough.
pub(super) fn comparable<'h>(
    history: &'h [DayDigest],
    day: Day,
    limits: &Limits,
) -> Option<Vec<&'h DayDigest>> {
    newest_like(history, day, limits, |_| true)
}

fn newest_like<'h>(
    history: &'h [DayDigest],
    day: Day,
    limits: &Limits,
    is_judged_alike: impl Fn(&DayDigest) -> bool,
) -> Option<Vec<&'h DayDigest>> {
    let class = Class::of(day);
    let is_like = |digest: &&DayDigest| {
        Class::of(digest.day) == class
            && digest.pieces > 0
            && digest.window_ms > 0
            && is_judged_alike(digest)
    };
    let days: Vec<&DayDigest> = earlier(history, day)
        .into_iter()
        .filter(is_like)
        .take(limits.comparable_days as usize)
        .collect();
    (days.len() >= limits.least_days as usize).then_some(days)
}

/// Whether one day may be measured by the other.
pub fn is_same_kind(one: Day, other: Day) -> bool {
    Class::of(one) == Class::of(other)
}

/// Weekdays are like one another; a Saturday or Sunday shift is like its own kind only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Weekday,
    Saturday,
    Sunday,
}

impl Class {
    fn of(day: Day) -> Self {
        match day.weekday() {
            Weekday::Sat => Self::Saturday,
            Weekday::Sun => Self::Sunday,
            _ => Self::Weekday,
        }
    }
}

fn counted(
    code: AnomalyCode,
    severity: Severity,
    count: u32,
    from: Option<Stamp>,
    to: Option<Stamp>,
) -> Anomaly {
    Anomaly {
        code,
        severity,
        from,
        to,
        value_e2: i64::from(count) * 100,
        expected_e2: None,
        subject: "".into(),
    }
}

/// Milliseconds as hundredths of minutes.
fn minutes_e2(ms: i64) -> i64 {
    ms / 600
}
