//! `[[calendar]]`: when machines are planned to work. The same tables come from the configuration and from
//! central, with the same refusals, each with its line.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    keys::{CalendarKeys, ShiftKeys},
    reader::{Located, Section},
};
use crate::calendar::{
    Calendar, Calendars, Hours, Shift, overlapping_openings, overlapping_shifts,
};

/// The calendars of the document. `machines` are those that exist; `None`: any may.
pub(super) fn calendars(root: &mut Section<'_>, machines: Option<&BTreeSet<&str>>) -> Calendars {
    let mut of_machine = BTreeMap::new();
    let mut of_others = None;
    for mut section in root.sections("calendar") {
        let names = section.list(&CalendarKeys::MACHINES);
        let calendar = calendar(&mut section);
        match names {
            None if of_others.is_some() => section.complain(
                "another [[calendar]] without machines is above; name the machines of one of them"
                    .into(),
            ),
            None => of_others = Some(calendar),
            Some(names) => {
                if names.is_empty() {
                    section
                        .missing(CalendarKeys::MACHINES.name, "at least one, or leave the key out");
                }
                for Located { value, span } in names {
                    let problem = |problem: &str| {
                        section.object(
                            CalendarKeys::MACHINES.name,
                            &span,
                            format!("{value:?} {problem}"),
                        );
                    };
                    if machines.is_some_and(|machines| !machines.contains(value.as_str())) {
                        problem("is no machine (nom) of [source.folders]");
                    }
                    if of_machine.insert(value.clone(), calendar.clone()).is_some() {
                        problem("has a [[calendar]] already; give each machine one");
                    }
                }
            }
        }
        section.finish();
    }
    Calendars::new(of_machine, of_others)
}

fn calendar(section: &mut Section<'_>) -> Calendar {
    let holidays = section.value(&CalendarKeys::HOLIDAYS);
    let closed = section.list(&CalendarKeys::CLOSED).unwrap_or_default();
    let openings = section.list(&CalendarKeys::OPEN).unwrap_or_default();
    let mut shifts = Vec::new();
    let mut places = Vec::new();
    for mut of_shift in section.sections("shift") {
        if let Some(shift) = shift(&mut of_shift) {
            shifts.push(shift);
            places.push(of_shift);
        } else {
            of_shift.finish();
        }
    }
    for (a, b) in overlapping_shifts(&shifts) {
        let (first, second) = (&shifts[a].name, &shifts[b].name);
        places[b].complain(format!("shift {second:?} overlaps shift {first:?} in the week"));
    }
    places.into_iter().for_each(Section::finish);
    let values = |list: &[Located<_>]| list.iter().map(|one| one.value).collect();
    let calendar = Calendar {
        place: section.own_place(),
        holidays,
        closed: closed.iter().map(|one| one.value).collect(),
        openings: values(&openings),
        shifts,
    };
    for at in overlapping_openings(&calendar) {
        let Located { value, span } = &openings[at];
        let problem = format!("the opening of {} overlaps a shift or another opening", value.date);
        section.object(CalendarKeys::OPEN.name, span, problem);
    }
    calendar
}

fn shift(section: &mut Section<'_>) -> Option<Shift> {
    let name = section.required(&ShiftKeys::NAME);
    let days = section.required(&ShiftKeys::DAYS);
    let hours = section.required(&ShiftKeys::TIME);
    let breaks = section.list(&ShiftKeys::BREAKS).unwrap_or_default();
    let hours: Hours = hours?;
    let mut within: Vec<Hours> = Vec::new();
    for Located { value, span } in breaks {
        let pause = value.within(hours);
        if pause.to > hours.to {
            let problem = "a break that is outside its shift; give one inside its time".into();
            section.object(ShiftKeys::BREAKS.name, &span, problem);
        } else if within.iter().any(|other| other.overlap(pause)) {
            section.object(ShiftKeys::BREAKS.name, &span, "a break that overlaps another".into());
        } else {
            within.push(pause);
        }
    }
    Some(Shift { name: name?, days: days?, hours, breaks: within })
}
