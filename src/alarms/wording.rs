//! The sentences of alarms, French or English. Nothing is decided here.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::{
    model::{AlarmEvent, AlarmKey, AlarmKind, Language, Trouble},
    text::{Noun, Text, days_and_hours, minute, phrase},
};

pub(super) fn silent(language: Language, nom: &str, last: Option<NaiveDateTime>) -> String {
    let last = match last.map(|at| minute(at, language)) {
        None => Text::new("jamais lue", "never read").in_(language).to_owned(),
        Some(at) => phrase!(language, "dernière lecture\u{202f}: {at}", "last read: {at}"),
    };
    phrase!(
        language,
        "{nom} n'écrit plus rien pendant les heures de travail ({last})",
        "{nom} has stopped writing during working hours ({last})",
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
        "rien de {nom} ne peut être lu depuis {time}\u{202f}: {trouble}",
        "nothing from {nom} could be read for {time}: {trouble}",
    )
}

pub(super) fn source(language: Language, name: &str, time: Duration, error: &str) -> String {
    let time = days_and_hours(time, language);
    phrase!(
        language,
        "la source {name} ne répond plus depuis {time}\u{202f}: {error}",
        "source {name} has been unreachable for {time}: {error}",
    )
}

pub(super) fn central(language: Language, time: Duration, error: &str) -> String {
    let time = days_and_hours(time, language);
    phrase!(
        language,
        "la base centrale ne répond plus depuis {time}, les sessions attendent\u{202f}: {error}",
        "the central database has been unreachable for {time}, sessions are waiting: {error}",
    )
}

pub(super) fn disk(language: Language, free_bytes: u64) -> String {
    let mib = free_bytes >> 20;
    phrase!(
        language,
        "le disque de la passerelle est presque plein\u{202f}: {mib}\u{a0}Mio libres",
        "the gateway's disk is nearly full: {mib}\u{a0}MiB free",
    )
}

pub(super) fn at_cap(language: Language) -> String {
    let text = Text::new(
        "le tampon est plein (agent.max_buffer_size)\u{202f}: la lecture est arrêtée",
        "the buffer is full (agent.max_buffer_size): reading has stopped",
    );
    text.in_(language).to_owned()
}

pub(super) fn read_only(language: Language) -> String {
    let text = Text::new(
        "la carte de la passerelle est passée en lecture seule\u{202f}: plus rien n'est lu\u{202f}; elle est sans doute défectueuse (voir «\u{a0}dmesg\u{a0}»)",
        "the gateway's card has become read-only: nothing is read any more; it is probably failing (see “dmesg”)",
    );
    text.in_(language).to_owned()
}

pub(super) fn set_aside(language: Language, nom: &str, sessions: u64, reason: &str) -> String {
    const REFUSED: Noun = Noun::new(
        "session refusée",
        "sessions refusées",
        "session quarantined",
        "sessions quarantined",
    );
    let refused = REFUSED.counted(sessions, language);
    phrase!(
        language,
        "{nom}\u{202f}: {refused} par la base centrale\u{202f}: {reason}",
        "{nom}: {refused}, refused by the central database: {reason}",
    )
}

pub(super) fn update(language: Language, detail: &str) -> String {
    phrase!(language, "la mise à jour a échoué\u{202f}: {detail}", "the update failed: {detail}")
}

/// `nom` is the machine with its day, `text` what is the matter.
pub(super) fn critical_anomaly(language: Language, nom: &str, text: &str) -> String {
    phrase!(language, "{nom}\u{202f}: {text}", "{nom}: {text}")
}

/// One line that names the gateway and what it is about.
pub(super) fn title(language: Language, agent: &str, key: &AlarmKey, event: AlarmEvent) -> String {
    let what = match key.kind {
        AlarmKind::MachineSilent => Text::new("machine muette", "machine silent"),
        AlarmKind::MachineUnreadable => Text::new("machine illisible", "machine unreadable"),
        AlarmKind::SourceUnreachable => Text::new("source injoignable", "source unreachable"),
        AlarmKind::CentralUnreachable => {
            Text::new("base centrale injoignable", "central database unreachable")
        }
        AlarmKind::DiskNearlyFull => Text::new("disque presque plein", "disk nearly full"),
        AlarmKind::DiskReadOnly => Text::new("disque en lecture seule", "disk read-only"),
        AlarmKind::SessionSetAside => Text::new("session refusée", "session quarantined"),
        AlarmKind::UpdateFailed => Text::new("mise à jour échouée", "update failed"),
        AlarmKind::CriticalAnomaly => Text::new("anomalie grave", "critical anomaly"),
    };
    let event = match event {
        AlarmEvent::Raised => Text::new("", ""),
        AlarmEvent::Repeated => Text::new("toujours en cours\u{202f}: ", "ongoing: "),
        AlarmEvent::Cleared => Text::new("terminé\u{202f}: ", "resolved: "),
    };
    let (what, event) = (what.in_(language), event.in_(language));
    let subject = if key.subject.is_empty() { String::new() } else { format!(" {}", key.subject) };
    phrase!(language, "{agent}\u{202f}: {event}{what}{subject}", "{agent}: {event}{what}{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_says_which_gateway_and_whether_it_is_over() {
        let key = AlarmKey { kind: AlarmKind::MachineSilent, subject: "DEM12".into() };
        assert_eq!(
            title(Language::French, "ligne-1", &key, AlarmEvent::Cleared),
            "ligne-1\u{202f}: terminé\u{202f}: machine muette DEM12"
        );
        assert_eq!(
            title(Language::English, "ligne-1", &key, AlarmEvent::Raised),
            "ligne-1: machine silent DEM12"
        );
    }
}
