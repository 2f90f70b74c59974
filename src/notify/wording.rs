//! The sentences of alarms, French or English. Nothing is decided here.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::{
    model::{AlarmEvent, AlarmKey, AlarmKind, Language, Trouble},
    text::{Text, days_and_hours, phrase},
};

pub(super) fn silent(language: Language, nom: &str, last: Option<NaiveDateTime>) -> String {
    let last = match last.map(|at| at.format("%Y-%m-%d %H:%M")) {
        None => Text::new("jamais", "never").in_(language).to_owned(),
        Some(at) => phrase!(language, "dernière lecture {at}", "last reading {at}"),
    };
    phrase!(
        language,
        "{nom} n'écrit plus rien pendant les heures de travail ({last})",
        "{nom} writes nothing any more in working hours ({last})",
    )
}

pub(super) fn unreadable(
    language: Language,
    nom: &str,
    time: Duration,
    trouble: &Trouble,
) -> String {
    let (time, trouble) = (days_and_hours(time, language), trouble.text(language));
    phrase!(
        language,
        "rien de {nom} ne peut être lu depuis {time} : {trouble}",
        "nothing of {nom} could be read for {time}: {trouble}",
    )
}

pub(super) fn source(language: Language, name: &str, time: Duration, error: &str) -> String {
    let time = days_and_hours(time, language);
    phrase!(
        language,
        "la source {name} ne répond plus depuis {time} : {error}",
        "source {name} has not answered for {time}: {error}",
    )
}

pub(super) fn central(language: Language, time: Duration, error: &str) -> String {
    let time = days_and_hours(time, language);
    phrase!(
        language,
        "la base centrale ne répond plus depuis {time}, les sessions attendent : {error}",
        "central has not answered for {time}, sessions wait: {error}",
    )
}

pub(super) fn disk(language: Language, free_bytes: u64) -> String {
    let mib = free_bytes >> 20;
    phrase!(
        language,
        "le disque de la passerelle est presque plein : {mib} Mio libres",
        "the gateway's disk is nearly full: {mib} MiB free",
    )
}

pub(super) fn at_cap(language: Language) -> String {
    let text = Text::new(
        "le tampon est plein (agent.max_buffer_size) : plus rien n'est lu",
        "the buffer is at its cap (agent.max_buffer_size): nothing more is read",
    );
    text.in_(language).to_owned()
}

pub(super) fn set_aside(language: Language, nom: &str, sessions: u64, reason: &str) -> String {
    phrase!(
        language,
        "{nom} : {sessions} session(s) refusée(s) par la base centrale : {reason}",
        "{nom}: {sessions} session(s) set aside, central refuses them: {reason}",
    )
}

pub(super) fn update(language: Language, detail: &str) -> String {
    phrase!(language, "la mise à jour a échoué : {detail}", "the update failed: {detail}")
}

/// `nom` is the machine with its day, `text` what is the matter.
pub(super) fn grave_anomaly(language: Language, nom: &str, text: &str) -> String {
    phrase!(language, "{nom} : {text}", "{nom}: {text}")
}

/// One line that names the gateway and what it is about.
pub(super) fn title(language: Language, agent: &str, key: &AlarmKey, event: AlarmEvent) -> String {
    let what = match key.kind {
        AlarmKind::MachineSilent => Text::new("machine muette", "machine silent"),
        AlarmKind::MachineUnreadable => Text::new("machine illisible", "machine unreadable"),
        AlarmKind::SourceUnreachable => Text::new("source injoignable", "source unreachable"),
        AlarmKind::CentralUnreachable => {
            Text::new("base centrale injoignable", "central unreachable")
        }
        AlarmKind::DiskNearlyFull => Text::new("disque presque plein", "disk nearly full"),
        AlarmKind::SessionSetAside => Text::new("session refusée", "session set aside"),
        AlarmKind::UpdateFailed => Text::new("mise à jour échouée", "update failed"),
        AlarmKind::GraveAnomaly => Text::new("anomalie grave", "grave anomaly"),
    };
    let event = match event {
        AlarmEvent::Raised => Text::new("", ""),
        AlarmEvent::Repeated => Text::new("toujours : ", "still: "),
        AlarmEvent::Cleared => Text::new("terminé : ", "over: "),
    };
    let (what, event) = (what.in_(language), event.in_(language));
    let subject = if key.subject.is_empty() { String::new() } else { format!(" {}", key.subject) };
    phrase!(language, "{agent} : {event}{what}{subject}", "{agent}: {event}{what}{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
