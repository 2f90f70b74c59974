//! What a person may want to know of a machine's day besides its figures: anomalies and advice, each
//! one sentence.

use chrono::TimeDelta;

use crate::{
    analyse::{self, Evidence, Remnants},
    buffer::{Buffer, BufferError, HeaderFilter, SessionFilter},
    model::{
        AnomalyCode, Day, DayDigest, Finding, FindingCode, Gravity, Language, Limits, Session,
    },
};

/// One sentence about a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub kind: NoteKind,
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoteKind {
    Anomaly(Gravity),
    Advice,
}

/// How far back days are compared with; the newest twenty of a kind lie within.
const COMPARED_DAYS: i64 = 45;

/// Everything: what the LOG says, what differs from the machine's own days, and what would win time.
/// It reads the days that are compared with, so it is for one machine at a time.
pub fn of_day(
    buffer: &Buffer,
    nom: &str,
    day: Day,
    session: &Session,
    language: Language,
) -> Result<Vec<Note>, BufferError> {
    let limits = Limits::default();
    let history = history(buffer, nom, day)?;
    let evidence = Evidence {
        day,
        session,
        remnants: &Remnants::default(),
        history: &history,
        limits: &limits,
    };
    let mut notes = as_notes(analyse::findings(&evidence), language);
    let patterns = analyse::patterns(&[(day, session)]);
    notes.extend(
        analyse::advice(day, &patterns, &history, &limits)
            .iter()
            .map(|advice| Note { kind: NoteKind::Advice, text: advice.text(language) }),
    );
    Ok(notes)
}

fn history(buffer: &Buffer, nom: &str, day: Day) -> Result<Vec<DayDigest>, BufferError> {
    let (Some(from), Some(to)) =
        (day.checked_sub_signed(TimeDelta::days(COMPARED_DAYS)), day.pred_opt())
    else {
        return Ok(Vec::new());
    };
    let most = usize::try_from(COMPARED_DAYS).unwrap_or(0);
    let filter = HeaderFilter { from, to, machine: Some(nom), most };
    let mut history = Vec::new();
    for header in buffer.session_headers(&filter)? {
        let one = SessionFilter { machine: Some(nom.to_owned()), day: Some(header.day) };
        buffer
            .each_session(&one, |stored| {
                let none = Remnants::default();
                history.push(analyse::digest(stored.day, &stored.session, &none));
                Ok::<_, std::convert::Infallible>(())
            })?
            .unwrap_or_else(|never| match never {});
    }
    Ok(history)
}

/// What the LOG itself says, gravest first.
pub fn of_log(session: &Session, language: Language) -> Vec<Note> {
    let mut findings: Vec<Finding> = Vec::new();
    for anomaly in &session.anomalies {
        let (code, gravity) = code(anomaly.code);
        // One by one in the buffer, one sentence for all of them here.
        match findings.iter_mut().find(|finding| finding.code == code) {
            Some(known) => known.value_e2 += i64::from(anomaly.count) * 100,
            None => findings.push(Finding {
                code,
                gravity,
                from: Some(anomaly.at),
                to: None,
                value_e2: i64::from(anomaly.count) * 100,
                expected_e2: None,
                subject: "".into(),
            }),
        }
    }
    as_notes(findings, language)
}

fn code(code: AnomalyCode) -> (FindingCode, Gravity) {
    match code {
        AnomalyCode::StartLineLost => (FindingCode::StartLineLost, Gravity::Medium),
        AnomalyCode::ClockSteppedBack => (FindingCode::ClockSteppedBack, Gravity::Medium),
        AnomalyCode::WaitWithoutDuration => (FindingCode::WaitWithoutDuration, Gravity::Low),
        AnomalyCode::WaitOutsideProduction => (FindingCode::WaitOutsideProduction, Gravity::Low),
        AnomalyCode::Overlap => (FindingCode::Overlap, Gravity::Low),
        AnomalyCode::NoPiece => (FindingCode::DayWithoutPieces, Gravity::High),
    }
}

fn as_notes(mut findings: Vec<Finding>, language: Language) -> Vec<Note> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
    findings
        .iter()
        .map(|finding| Note {
            kind: NoteKind::Anomaly(finding.gravity),
            text: finding.text(language),
        })
        .collect()
}
