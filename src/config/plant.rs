//! The plant's calendar as a text, and which calendar counts for a machine: the plant's, which central has
//! for all gateways, and below it the configuration's own.
//!
//! What must never happen here: a text of central's that cannot be used leaves machines without the calendar
//! that they had.

use std::path::PathBuf;

use super::{
    Config, ConfigError,
    calendar::{KnownMachines, calendars},
    reader::Document,
};
use crate::{
    calendar::Calendars,
    model::{KeptCalendar, PlantCalendar},
};

/// Reads a text that has only `[[calendar]]` tables; `place` names it in refusals.
pub fn parse_calendars(place: &str, text: &str) -> Result<Calendars, ConfigError> {
    parse_plant_calendar(place, text, None)
}

/// [`parse_calendars`], as central keeps it: not too long, and if `known` is there of no other machines.
pub fn parse_plant_calendar(
    place: &str,
    text: &str,
    known: Option<&KnownMachines<'_>>,
) -> Result<Calendars, ConfigError> {
    let document = Document::new(PathBuf::from(place), text);
    if text.len() > PlantCalendar::MOST_BYTES {
        let problem = format!(
            "{} bytes, and at most {} are taken; leave some out",
            text.len(),
            PlantCalendar::MOST_BYTES
        );
        document.report(format!("{place}:1"), String::new(), problem);
        return Err(ConfigError::Calendar(document.take_mistakes()));
    }
    let calendars = document.root().map(|mut root| {
        let calendars = calendars(&mut root, known);
        root.finish();
        calendars
    });
    match (calendars, document.take_mistakes()) {
        (Some(calendars), none) if none.is_empty() => Ok(calendars),
        (_, mistakes) => Err(ConfigError::Calendar(mistakes)),
    }
}

/// The calendars that count, and where they are from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Planning {
    pub calendars: Calendars,
    /// The plant's, as far as it has any.
    plant: Calendars,
    /// Why the text that the gateway keeps cannot be used: another release kept it.
    pub unusable: Option<String>,
}

impl Planning {
    /// From what is configured and what the gateway keeps of central's.
    pub fn of(own: &Calendars, kept: &KeptCalendar) -> Self {
        let Some(PlantCalendar { version, text, .. }) = &kept.good else {
            return Self { calendars: own.clone(), ..Self::default() };
        };
        match parse_plant_calendar(&PlantCalendar::place(*version), text, None) {
            Ok(plant) => Self { calendars: own.clone().under(&plant), plant, unusable: None },
            Err(error) => {
                let unusable = Some(error.on_one_line());
                Self { calendars: own.clone(), unusable, ..Self::default() }
            }
        }
    }

    /// Whether the machine's calendar is the plant's.
    pub fn is_plant_s(&self, nom: &str) -> bool {
        self.plant.of(nom).is_some()
    }
}

impl Config {
    /// The calendars that count, with what is `kept` of central's.
    pub fn planning(&self, kept: &KeptCalendar) -> Planning {
        Planning::of(&self.calendars, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_calendars;

    fn kept(text: &str) -> KeptCalendar {
        let good = PlantCalendar {
            version: 7,
            text: text.into(),
            written_by: "anna".into(),
            written_at: String::new(),
        };
        KeptCalendar { good: Some(good), ..KeptCalendar::default() }
    }

    #[test]
    fn central_counts_for_a_machine_if_it_has_a_calendar_for_it_and_the_own_one_otherwise() {
        let named = "[[calendar]]\nmachines = [\"DEM12\"]\n";
        let others = "[[calendar]]\nholidays = \"fr\"\n";
        let table = [
            (named, named, "central version 7:1", None),
            (named, others, "central version 7:1", Some("central version 7:1")),
            (others, named, "central version 7:1", Some("own:1")),
            (named, "", "own:1", None),
            (others, "", "own:1", Some("own:1")),
            (named, "[[calendar]]\nmachines = [\"X\"]\n", "own:1", None),
            (others, "[[calendar]", "own:1", Some("own:1")),
        ];
        for (own, plant, dem12, su12) in table {
            let planning = Planning::of(&parse_calendars("own", own).unwrap(), &kept(plant));
            let place = |nom: &str| planning.calendars.of(nom).map(|one| one.place.clone());
            assert_eq!(place("DEM12").as_deref(), Some(dem12), "{own} under {plant}");
            assert_eq!(place("SU12").as_deref(), su12, "{own} under {plant}");
            assert_eq!(planning.is_plant_s("DEM12"), dem12.starts_with("central"), "{plant}");
            assert_eq!(planning.unusable.is_some(), plant == "[[calendar]", "{plant}");
        }
        let own = parse_calendars("own", named).unwrap();
        assert_eq!(Planning::of(&own, &KeptCalendar::default()).calendars, own);
    }

    #[test]
    fn a_text_may_begin_with_the_mark_that_windows_writes_and_have_its_line_ends() {
        let text = "\u{feff}[[calendar]]\r\nholidays = \"fr\"\r\n";
        assert!(parse_calendars("central", text).unwrap().has_others());
    }

    #[test]
    fn a_text_of_any_length_and_with_any_number_of_entries_is_refused_and_costs_little() {
        let list = |count: usize, one: &str| vec![format!("\"{one}\""); count].join(", ");
        let texts = [
            "#".repeat(PlantCalendar::MOST_BYTES + 1),
            format!("[[calendar]]\nclosed = [{}]", list(4000, "2025-05-30")),
            format!("[[calendar]]\nopen = [{}]", list(2000, "2025-05-31 06:00-12:00")),
            "[[calendar]]\n".repeat(4000),
            format!(
                "[[calendar]]\n{}",
                "[[calendar.shift]]\nname=\"a\"\ndays=\"mon\"\ntime=\"1:00-2:00\"\n".repeat(900)
            ),
            format!("[[calendar]]\nmachines = [{}]", list(10_000, "A")),
        ];
        for text in texts {
            let told = Planning::of(&Calendars::default(), &kept(&text)).unusable;
            assert!(told.is_some(), "{}", &text[..40]);
        }
    }
}
