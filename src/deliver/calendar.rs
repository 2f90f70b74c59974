//! The plant's calendar, as central tells it with the answer to the gateway's row: kept in the buffer, where
//! the threads that collect find it.
//!
//! What must never happen here: a text that cannot be used in the place of one that could; a line in the
//! log at each contact.

use super::connection::Connection;
use crate::{
    buffer::{Buffer, BufferError},
    config::parse_plant_calendar,
    logging::{self, LogOnce},
    model::{PlantCalendar, RefusedCalendar, WallTime, printable},
    sync::postgres::{CalendarThere, ToldCalendar},
};

/// Longest reason that is kept and shown, in characters.
const MOST_CHARS: usize = 1000;

#[derive(Default)]
pub(super) struct PlantListener {
    unreadable: LogOnce<String>,
}

impl PlantListener {
    /// Keeps what was said since the last time.
    pub(super) fn hear(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        now: WallTime,
    ) -> Result<(), BufferError> {
        match connection.take_calendar() {
            None => return Ok(()),
            Some(CalendarThere::Unreadable { why }) => {
                if self.unreadable.begins_with(why.clone()) {
                    logging::plant_calendar_unreadable(&why);
                }
                return Ok(());
            }
            Some(CalendarThere::Known) => {}
            Some(CalendarThere::None) => {
                if !buffer.plant().mark()?.is_empty() {
                    buffer.plant_mut().forget()?;
                    logging::plant_calendar_gone();
                }
            }
            Some(CalendarThere::Told(told)) => keep(buffer, &told, now)?,
        }
        self.unreadable.ends();
        Ok(())
    }
}

fn keep(buffer: &mut Buffer, told: &ToldCalendar, now: WallTime) -> Result<(), BufferError> {
    let usable = told.calendar().map_err(str::to_owned).and_then(|calendar| {
        let place = PlantCalendar::place(calendar.version);
        match parse_plant_calendar(&place, &calendar.text, None) {
            Ok(_) => Ok(calendar),
            Err(error) => Err(error.on_one_line()),
        }
    });
    match usable {
        Ok(calendar) => {
            buffer.plant_mut().keep(&told.mark, &calendar, now)?;
            logging::plant_calendar_kept(&calendar);
        }
        Err(why) => {
            let why = printable(&why, MOST_CHARS);
            let refused = RefusedCalendar { version: told.version, why };
            buffer.plant_mut().refuse(&told.mark, &refused)?;
            logging::plant_calendar_refused(&refused);
        }
    }
    Ok(())
}
