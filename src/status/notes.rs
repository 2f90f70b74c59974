//! What a person may want to know of a machine's day besides its figures: anomalies and advice, each
//! one sentence.

use chrono::TimeDelta;

use crate::{
    analyse,
    buffer::{Buffer, BufferError},
    model::{Anomaly, Day, Language, Limits, Session, Severity},
};

/// One sentence about a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub kind: NoteKind,
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoteKind {
    Anomaly(Severity),
    Advice,
}

/// How far back the days lie that a day is compared with.
const COMPARED_DAYS: TimeDelta = TimeDelta::days(200);

/// What was found when the day was last judged, and what would win time.
pub(crate) fn of_day(
    buffer: &Buffer,
    nom: &str,
    day: Day,
    session: &Session,
    limits: &Limits,
    language: Language,
) -> Result<Vec<Note>, BufferError> {
    let mut notes = as_notes(buffer.sessions().anomalies(nom, day)?, language);
    let from = day.checked_sub_signed(COMPARED_DAYS).unwrap_or(day);
    let history = buffer.sessions().digests(nom, from, day)?;
    let times = buffer.sessions().day_times(nom, from, day)?;
    let patterns = analyse::patterns(session);
    notes.extend(
        analyse::advice(day, &patterns, &history, &times, limits)
            .iter()
            .map(|advice| Note { kind: NoteKind::Advice, text: advice.text(language) }),
    );
    Ok(notes)
}

/// The gravest anomaly alone, where many machines are shown.
pub(crate) fn gravest(
    buffer: &Buffer,
    nom: &str,
    day: Day,
    language: Language,
) -> Result<Vec<Note>, BufferError> {
    let mut notes = as_notes(buffer.sessions().anomalies(nom, day)?, language);
    notes.truncate(1);
    Ok(notes)
}

fn as_notes(mut anomalies: Vec<Anomaly>, language: Language) -> Vec<Note> {
    anomalies.sort_by_key(|anomaly| std::cmp::Reverse(anomaly.severity));
    anomalies
        .iter()
        .map(|anomaly| Note {
            kind: NoteKind::Anomaly(anomaly.severity),
            text: anomaly.text(language),
        })
        .collect()
}
