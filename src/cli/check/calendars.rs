//! `check`: which machines have a calendar, from where, and how to get one.

use std::collections::BTreeMap;

use super::Lines;
use crate::{
    buffer::Buffer,
    config::{Config, parse_calendars},
    model::{KeptCalendar, PlantCalendar, printable},
    sync::postgres::{CalendarThere, ToldCalendar},
};

const WHAT: &str = "calendar";
/// Longest reason of a refusal that is shown, in characters.
const MOST_CHARS: usize = 1000;

/// `there`: what central has, if it answers.
pub(super) fn check(
    lines: &mut Lines,
    config: &Config,
    buffer: Option<&Buffer>,
    there: Option<&CalendarThere>,
) {
    // That it cannot be read is reported with the buffer.
    let kept = buffer.and_then(|buffer| buffer.plant().kept().ok()).unwrap_or_default();
    machines(lines, config, &kept);
    if let (Some(refused), None) = (&kept.refused, there) {
        lines.bad(WHAT, &unusable(refused.version, &refused.why));
    }
    match there {
        Some(CalendarThere::Unreadable { why }) => lines.note(
            WHAT,
            &format!(
                "the plant's cannot be read ({why}): what is kept or configured here counts; `cu-agent central migrate` makes the table, or an administrator runs what `cu-agent central migrate --print` prints"
            ),
        ),
        Some(CalendarThere::Told(told)) => newest(lines, told, &kept),
        Some(CalendarThere::None) if kept.good.is_some() => lines.note(
            WHAT,
            "central has none of the plant any more; the next contact removes the one that is kept here",
        ),
        Some(CalendarThere::None | CalendarThere::Known) | None => {}
    }
}

/// Which calendar each machine has.
fn machines(lines: &mut Lines, config: &Config, kept: &KeptCalendar) {
    let planning = config.planning(kept);
    let mut by_place: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for fed in config.fed_machines() {
        let nom = fed.machine.nom;
        match (planning.calendars.of(&nom), &kept.good) {
            (Some(_), Some(good)) if planning.is_plant_s(&nom) => {
                by_place.entry(format!("central, {}", good.told())).or_default().push(nom);
            }
            (Some(calendar), _) => by_place.entry(calendar.place.clone()).or_default().push(nom),
            (None, _) => without.push(nom),
        }
    }
    for (place, machines) in by_place {
        lines.good(WHAT, &format!("{} from {place}", machines.join(", ")));
    }
    if !without.is_empty() {
        lines.note(
            WHAT,
            &format!(
                "{} without one: no TRS without planned time; write [[calendar]] in the configuration, or one for the whole plant with `cu-agent central calendar put FILE`",
                without.join(", ")
            ),
        );
    }
    if let Some(why) = &planning.unusable {
        let why = printable(why, MOST_CHARS);
        lines.bad(
            WHAT,
            &format!("what is kept of the plant's cannot be used by this release, the configuration's counts: {why}"),
        );
    }
}

fn newest(lines: &mut Lines, told: &ToldCalendar, kept: &KeptCalendar) {
    let parsed = told.calendar().map_err(str::to_owned).and_then(|calendar| {
        let place = PlantCalendar::place(calendar.version);
        parse_calendars(&place, &calendar.text).map_err(|error| error.on_one_line())
    });
    match parsed {
        Err(why) => lines.bad(WHAT, &unusable(told.version, &why)),
        Ok(_) if told.mark != kept.mark => lines.note(
            WHAT,
            &format!("central has version {}, which the next contact brings", told.version),
        ),
        Ok(_) => {}
    }
}

fn unusable(version: i64, why: &str) -> String {
    format!(
        "central's newest, version {version}, cannot be used, the one before stays in use; write one with `cu-agent central calendar put FILE`: {}",
        printable(why, MOST_CHARS)
    )
}
