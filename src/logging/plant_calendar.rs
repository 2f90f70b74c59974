//! What the log says of the plant's calendar, which central keeps.

use crate::model::{PlantCalendar, RefusedCalendar};

pub(crate) fn plant_calendar_kept(calendar: &PlantCalendar) {
    let PlantCalendar { version, written_by, written_at, .. } = calendar;
    log::info!(
        "central: calendar of the plant, version {version} of {written_at} UTC by {written_by}: in use"
    );
}

pub(crate) fn plant_calendar_refused(refused: &RefusedCalendar) {
    let RefusedCalendar { version, why } = refused;
    log::error!(
        "central: calendar of the plant, version {version}: cannot be used, the calendar before stays in use; write one that `cu-agent central calendar check` passes: {why}"
    );
}

pub(crate) fn kept_calendar_unusable(why: &str) {
    log::error!(
        "buffer: the calendar of the plant that is kept cannot be used by this release, the configuration's [[calendar]] counts: {why}"
    );
}

pub(crate) fn plant_calendar_gone() {
    log::warn!(
        "central: has no calendar of the plant any more; the configuration's [[calendar]] counts"
    );
}

pub(crate) fn plant_calendar_unreadable(why: &str) {
    log::warn!(
        "central: calendar of the plant: cannot be read, what is kept or configured here counts; `cu-agent central migrate` makes the table: {why}"
    );
}
