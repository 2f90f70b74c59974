//! What the page reads of the days around the one that is shown, and what the calendar plans for that one.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    day_view::{MONTH_DAYS, MOST_MACHINES},
    weeks::whole_weeks,
};
use crate::{
    buffer::{Buffer, BufferError, HeaderFilter, SessionHeader, TimesByMachine},
    config::{Config, Planning},
    model::Day,
    render::PlannedShift,
};

pub(super) type Month = BTreeMap<String, BTreeMap<Day, SessionHeader>>;

pub(super) fn month_of(
    buffer: &Buffer,
    machine: Option<&str>,
    day: Day,
) -> Result<Month, BufferError> {
    let (from, to) = month_around(machine, day);
    let most = MOST_MACHINES * MONTH_DAYS as usize;
    let filter = HeaderFilter { from, to, machine, most };
    let mut month = Month::new();
    for header in buffer.sessions().day_headers(&filter)? {
        month.entry(header.nom.clone()).or_default().insert(header.day, header);
    }
    Ok(month)
}

pub(super) fn times_of(
    buffer: &Buffer,
    machine: Option<&str>,
    day: Day,
) -> Result<TimesByMachine, BufferError> {
    let (from, to) = month_around(machine, day);
    buffer.sessions().times_by_machine(machine, from, to)
}

/// The days before `day`; of one machine whole weeks.
fn month_around(machine: Option<&str>, day: Day) -> (Day, Day) {
    match machine {
        Some(_) => whole_weeks(day),
        None => (day.checked_sub_signed(TimeDelta::days(MONTH_DAYS - 1)).unwrap_or(day), day),
    }
}

/// The shifts of a machine's day with their breaks.
pub(super) fn planned_shifts(
    planning: &Planning,
    nom: &str,
    day: Day,
    config: &Config,
) -> Vec<PlannedShift> {
    let Some(calendar) = planning.calendars.of(nom) else { return Vec::new() };
    let parts = calendar.parts(day, config.analysis.day_start).into_iter().map(|part| {
        let work = part.required.iter().map(|work| (work.from, work.to));
        let opening = (part.opening.from, part.opening.to);
        PlannedShift::of(&part.shift, (part.planned.from, part.planned.to), opening, work)
    });
    parts.collect()
}
