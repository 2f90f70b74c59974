//! `[[calendar]]`: when machines are planned to work. The same tables come from the configuration and from
//! central, with the same refusals, each with its line.

use std::collections::BTreeMap;

use super::{
    keys::{CalendarKeys, ShiftKeys},
    reader::{Located, Section},
};
use crate::calendar::{
    Calendar, Calendars, Hours, Shift, overlapping_openings, overlapping_shifts,
};

/// Of one `[[calendar]]`. More than a plant has; what a text of central's may cost a gateway is bounded by them.
const MOST_SHIFTS: usize = 50;
const MOST_BREAKS: usize = 50;
const MOST_DATES: usize = 500;
/// Of all of them together.
const MOST_MACHINES: usize = 500;

/// Which machines there are.
pub struct KnownMachines<'k> {
    pub has: &'k dyn Fn(&str) -> bool,
    /// What is said of one that is not among them, behind its name.
    pub otherwise: &'k str,
}

/// The calendars of the document; without `known` they may name any machine.
pub(super) fn calendars(root: &mut Section<'_>, known: Option<&KnownMachines<'_>>) -> Calendars {
    let mut of_machine = BTreeMap::new();
    let mut of_others = None;
    let mut named = 0;
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
                named += names.len();
                if named > MOST_MACHINES {
                    let problem =
                        format!("more than {MOST_MACHINES} machines are named; name fewer");
                    section.complain(problem);
                    section.finish();
                    continue;
                }
                for Located { value, span } in names {
                    let problem = |problem: &str| {
                        section.object(
                            CalendarKeys::MACHINES.name,
                            &span,
                            format!("{value:?} {problem}"),
                        );
                    };
                    if let Some(known) = known
                        && !(known.has)(&value)
                    {
                        problem(known.otherwise);
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
    let (mut closed, mut openings) = (closed, openings);
    at_most(section, &mut closed, MOST_DATES, CalendarKeys::CLOSED.name);
    at_most(section, &mut openings, MOST_DATES, CalendarKeys::OPEN.name);
    for mut of_shift in section.sections("shift") {
        if let Some(shift) = shift(&mut of_shift) {
            shifts.push(shift);
            places.push(of_shift);
        } else {
            of_shift.finish();
        }
    }
    if shifts.len() > MOST_SHIFTS {
        section.complain(format!(
            "{} shifts, and at most {MOST_SHIFTS} are taken; leave some out",
            shifts.len()
        ));
        shifts.clear();
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

/// Refuses a list that is too long, and leaves nothing of it.
fn at_most<T>(
    section: &mut Section<'_>,
    list: &mut Vec<Located<T>>,
    most: usize,
    key: &'static str,
) {
    if let Some(Located { span, .. }) = list.get(most) {
        let span = span.clone();
        let problem =
            format!("{} entries, and at most {most} are taken; leave some out", list.len());
        section.object(key, &span, problem);
        list.clear();
    }
}

fn shift(section: &mut Section<'_>) -> Option<Shift> {
    let name = section.required(&ShiftKeys::NAME);
    let days = section.required(&ShiftKeys::DAYS);
    let hours = section.required(&ShiftKeys::TIME);
    let mut breaks = section.list(&ShiftKeys::BREAKS).unwrap_or_default();
    at_most(section, &mut breaks, MOST_BREAKS, ShiftKeys::BREAKS.name);
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

#[cfg(test)]
mod tests {
    use super::super::{ConfigError, parse_calendars};
    use crate::model::Day;

    fn refused(text: &str) -> Vec<String> {
        match parse_calendars("central", text) {
            Err(ConfigError::Calendar(mistakes)) => {
                mistakes.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_key_at_once() {
        let text = r#"
[[calendar]]
machines = ["DEM12", 7]
holidays = "de"
closed = ["2025-02-29", "2025-08-24/2025-08-04"]
open = ["2025-05-31"]
colour = "red"
  [[calendar.shift]]
  name = "matin"
  days = "mon-fri"
  time = "05:00-13:00"
  breaks = ["04:59-05:10", "12:50-13:10", "09:00-09:20", "09:10-09:30", "9-10"]
  [[calendar.shift]]
  name = "soir"
  days = "fri-sat"
  time = "12:00-21:00"
  [[calendar.shift]]
  days = "lundi"
  time = "25:00-26:00"
[[calendar]]
machines = ["DEM12"]
[[calendar]]
[[calendar]]
"#;
        let found = refused(text);
        for (line, key, words) in [
            (3, "calendar[1].machines", "7 is not accepted"),
            (4, "calendar[1].holidays", "fr-alsace-moselle"),
            (5, "calendar[1].closed", "\"2025-02-29\" is not accepted"),
            (5, "calendar[1].closed", "\"2025-08-24/2025-08-04\" is not accepted"),
            (6, "calendar[1].open", "2025-05-31 06:00-12:00"),
            (7, "calendar[1].colour", "unknown key"),
            (12, "calendar[1].shift[1].breaks", "outside its shift"),
            (12, "calendar[1].shift[1].breaks", "overlaps another"),
            (12, "calendar[1].shift[1].breaks", "\"9-10\" is not accepted"),
            (13, "calendar[1].shift[2]", "shift \"soir\" overlaps shift \"matin\""),
            (17, "calendar[1].shift[3].name", "is missing"),
            (18, "calendar[1].shift[3].days", "\"lundi\" is not accepted"),
            (19, "calendar[1].shift[3].time", "\"25:00-26:00\" is not accepted"),
            (21, "calendar[2].machines", "has a [[calendar]] already"),
            (23, "calendar[4]", "without machines is above"),
        ] {
            let begin = format!("central:{line}: {key}: ");
            assert!(
                found.iter().any(|text| text.starts_with(&begin) && text.contains(words)),
                "{begin}{words}\n{}",
                found.join("\n")
            );
        }
        let outside = found.iter().filter(|text| text.contains("outside its shift")).count();
        assert_eq!(outside, 2, "before the beginning is of the next day: {}", found.join("\n"));
    }

    #[test]
    fn an_opening_on_a_shift_that_takes_place_is_refused_and_on_a_closed_day_it_is_not() {
        let with = |open: &str| {
            format!(
                "[[calendar]]\nholidays = \"fr\"\nclosed = [\"2025-06-05\"]\nopen = [\"{open}\"]\n\
                 [[calendar.shift]]\nname = \"nuit\"\ndays = \"sun-thu\"\ntime = \"21:00-05:00\"\n"
            )
        };
        assert!(
            refused(&with("2025-06-03 04:00-06:00"))[0].starts_with("central:4: calendar[1].open")
        );
        for open in ["2025-06-05 21:00-05:00", "2025-06-03 05:00-21:00", "2025-06-09 22:00-23:00"] {
            parse_calendars("central", &with(open))
                .unwrap_or_else(|error| panic!("{open}: {error}"));
        }
    }

    #[test]
    fn a_calendar_without_machines_is_of_those_that_no_other_names() {
        let text = "[[calendar]]\nholidays = \"fr\"\n[[calendar]]\nmachines = [\"DEM12\"]\n";
        let calendars = parse_calendars("central", text).unwrap();
        let bastille: Day = "2025-07-14".parse().unwrap();
        let place = |machine: &str| calendars.of(machine).unwrap().place.clone();
        assert_eq!((place("SU12"), place("DEM12")), ("central:1".into(), "central:3".into()));
        assert!(calendars.of("SU12").unwrap().holidays.on(bastille).is_some());
        assert!(calendars.of("DEM12").unwrap().holidays.on(bastille).is_none());
        assert_eq!(parse_calendars("central", "").unwrap().of("DEM12"), None);
    }
}
