//! The sentences of alarms, French or English. Nothing is decided here.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::model::{AlarmEvent, AlarmKey, AlarmKind, Language};

fn pick(language: Language, french: String, english: String) -> String {
    match language {
        Language::French => french,
        Language::English => english,
    }
}

/// `3 d 4 h`, `4 h 5 min`, `5 min`.
fn length(language: Language, time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let day = if language == Language::French { "j" } else { "d" };
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} {day} {hours} h"),
    }
}

pub(super) fn silent(language: Language, nom: &str, last: Option<NaiveDateTime>) -> String {
    let last = last.map(|at| at.format("%Y-%m-%d %H:%M").to_string());
    let french = last.as_ref().map_or("jamais".into(), |at| format!("dernière lecture {at}"));
    let english = last.map_or("never".into(), |at| format!("last reading {at}"));
    pick(
        language,
        format!("{nom} n'écrit plus rien pendant les heures de travail ({french})"),
        format!("{nom} writes nothing any more in working hours ({english})"),
    )
}

/// `french` and `english` say what is the matter.
pub(super) fn unreadable(
    language: Language,
    nom: &str,
    time: Duration,
    french: &str,
    english: &str,
) -> String {
    let time = length(language, time);
    pick(
        language,
        format!("rien de {nom} ne peut être lu depuis {time} : {french}"),
        format!("nothing of {nom} could be read for {time}: {english}"),
    )
}

pub(super) fn source(language: Language, name: &str, time: Duration, error: &str) -> String {
    let time = length(language, time);
    pick(
        language,
        format!("la source {name} ne répond plus depuis {time} : {error}"),
        format!("source {name} has not answered for {time}: {error}"),
    )
}

pub(super) fn central(language: Language, time: Duration, error: &str) -> String {
    let time = length(language, time);
    pick(
        language,
        format!("la base centrale ne répond plus depuis {time}, les sessions attendent : {error}"),
        format!("central has not answered for {time}, sessions wait: {error}"),
    )
}

pub(super) fn disk(language: Language, free_bytes: u64) -> String {
    let mib = free_bytes >> 20;
    pick(
        language,
        format!("le disque de la passerelle est presque plein : {mib} Mio libres"),
        format!("the gateway's disk is nearly full: {mib} MiB free"),
    )
}

pub(super) fn at_cap(language: Language) -> String {
    pick(
        language,
        "le tampon est plein (agent.max_buffer_size) : plus rien n'est lu".into(),
        "the buffer is at its cap (agent.max_buffer_size): nothing more is read".into(),
    )
}

pub(super) fn set_aside(language: Language, nom: &str, sessions: u64, reason: &str) -> String {
    pick(
        language,
        format!("{nom} : {sessions} session(s) refusée(s) par la base centrale : {reason}"),
        format!("{nom}: {sessions} session(s) set aside, central refuses them: {reason}"),
    )
}

pub(super) fn update(language: Language, detail: &str) -> String {
    pick(
        language,
        format!("la mise à jour a échoué : {detail}"),
        format!("the update failed: {detail}"),
    )
}

/// One line that names the gateway and what it is about.
pub(super) fn title(language: Language, agent: &str, key: &AlarmKey, event: AlarmEvent) -> String {
    let (french, english) = match key.kind {
        AlarmKind::MachineSilent => ("machine muette", "machine silent"),
        AlarmKind::MachineUnreadable => ("machine illisible", "machine unreadable"),
        AlarmKind::SourceUnreachable => ("source injoignable", "source unreachable"),
        AlarmKind::CentralUnreachable => ("base centrale injoignable", "central unreachable"),
        AlarmKind::DiskNearlyFull => ("disque presque plein", "disk nearly full"),
        AlarmKind::SessionSetAside => ("session refusée", "session set aside"),
        AlarmKind::UpdateFailed => ("mise à jour échouée", "update failed"),
        AlarmKind::GraveAnomaly => ("anomalie grave", "grave anomaly"),
    };
    let (seen_french, seen_english) = match event {
        AlarmEvent::Raised => ("", ""),
        AlarmEvent::Repeated => ("toujours : ", "still: "),
        AlarmEvent::Cleared => ("terminé : ", "over: "),
    };
    let subject = if key.subject.is_empty() { String::new() } else { format!(" {}", key.subject) };
    pick(
        language,
        format!("{agent} : {seen_french}{french}{subject}"),
        format!("{agent}: {seen_english}{english}{subject}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_at_a_glance() {
        let of = |minutes: u64| length(Language::French, Duration::from_secs(minutes * 60));
        assert_eq!([of(5), of(245), of(4560)], ["5 min", "4 h 05 min", "3 j 4 h"]);
    }

    #[test]
    fn a_title_says_which_gateway_and_whether_it_is_over() {
        let key = AlarmKey { kind: AlarmKind::MachineSilent, subject: "DEM12".into() };
        assert_eq!(
            title(Language::French, "ligne-1", &key, AlarmEvent::Cleared),
            "ligne-1 : terminé : machine muette DEM12"
        );
        assert_eq!(
            title(Language::English, "ligne-1", &key, AlarmEvent::Raised),
            "ligne-1: machine silent DEM12"
        );
    }
}
