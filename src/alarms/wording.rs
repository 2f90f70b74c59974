//! The sentences of alarms, French or English. Nothing is decided here.

use std::time::Duration;

use chrono::NaiveDateTime;

use crate::{
    model::{
        AlarmEvent, AlarmKey, AlarmKind, FailedUpdate, Language, LinkFault, Trouble, UpdateEnd,
    },
    text::{Noun, Text, count, date, days_and_hours, minute, phrase, quoted},
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

pub(super) fn source(language: Language, name: &str, time: Duration, fault: &LinkFault) -> String {
    let (time, cause) = (days_and_hours(time, language), fault.text(language));
    phrase!(
        language,
        "la source {name} ne répond plus depuis {time}\u{202f}: {cause}",
        "source {name} has been unreachable for {time}: {cause}",
    )
}

pub(super) fn central(language: Language, time: Duration, fault: &LinkFault) -> String {
    let (time, cause) = (days_and_hours(time, language), fault.text(language));
    phrase!(
        language,
        "la base centrale ne répond plus depuis {time}, les sessions attendent\u{202f}: {cause}",
        "the central database has been unreachable for {time}, sessions are waiting: {cause}",
    )
}

pub(super) fn disk(language: Language, free_bytes: u64) -> String {
    let mib = count(free_bytes >> 20, language);
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
    let (refused, reason) = (REFUSED.counted(sessions, language), quoted(reason, language));
    phrase!(
        language,
        "{nom}\u{202f}: {refused} par la base centrale\u{202f}: {reason}",
        "{nom}: {refused}, refused by the central database: {reason}",
    )
}

pub(super) fn update(language: Language, failed: &FailedUpdate) -> String {
    let to = match &failed.version {
        Some(version) => phrase!(language, " vers {version}", " to {version}"),
        None => String::new(),
    };
    let what = match failed.end {
        UpdateEnd::Refused => Text::new("a été refusée", "was refused"),
        UpdateEnd::RolledBack => Text::new(
            "n'a pas marché, la version précédente est revenue",
            "did not work, the previous version is back",
        ),
        UpdateEnd::Failed | UpdateEnd::Installed => Text::new("a échoué", "failed"),
    };
    let what = what.in_(language);
    let text = phrase!(language, "la mise à jour{to} {what}", "the update{to} {what}");
    if failed.detail.is_empty() {
        return text;
    }
    let detail = quoted(&failed.detail, language);
    phrase!(language, "{text}\u{202f}: {detail}", "{text}: {detail}")
}

pub(super) fn settings_over(language: Language) -> String {
    let text = Text::new(
        "les réglages de la base centrale ne sont plus refusés",
        "the settings from central are not refused any more",
    );
    text.in_(language).to_owned()
}

/// `nom` is the machine with its day, `text` what is the matter.
pub(super) fn critical_anomaly(language: Language, nom: &str, text: &str) -> String {
    let nom = with_date(nom, language);
    phrase!(language, "{nom}\u{202f}: {text}", "{nom}: {text}")
}

/// What is true now, of each kind, when its alarm is over.
pub(super) fn writes(language: Language, nom: &str, last: NaiveDateTime) -> String {
    let last = minute(last, language);
    phrase!(
        language,
        "{nom} écrit de nouveau (dernière lecture\u{202f}: {last})",
        "{nom} is writing again (last read: {last})",
    )
}

pub(super) fn not_expected(language: Language, nom: &str) -> String {
    phrase!(
        language,
        "{nom} n'est plus attendue\u{202f}: son calendrier ne prévoyait pas de travail",
        "{nom} is no longer expected: no work was planned in its calendar",
    )
}

pub(super) fn readable(language: Language, nom: &str) -> String {
    phrase!(language, "{nom} peut de nouveau être lue", "{nom} can be read again")
}

pub(super) fn source_up(language: Language, name: &str) -> String {
    phrase!(language, "la source {name} répond de nouveau", "source {name} answers again")
}

pub(super) fn central_up(language: Language, pending: u64) -> String {
    const WAIT: Noun = Noun::new(
        "session attend encore",
        "sessions attendent encore",
        "session is still waiting",
        "sessions are still waiting",
    );
    let text = phrase!(
        language,
        "la base centrale répond de nouveau",
        "the central database answers again",
    );
    if pending == 0 {
        return phrase!(
            language,
            "{text}\u{202f}; plus aucune session n'attend",
            "{text}; no session is waiting any more",
        );
    }
    let wait = WAIT.counted(pending, language);
    phrase!(language, "{text}\u{202f}; {wait}", "{text}; {wait}")
}

pub(super) fn room(language: Language, free_bytes: u64) -> String {
    let mib = count(free_bytes >> 20, language);
    phrase!(
        language,
        "le disque de la passerelle a de nouveau assez de place\u{202f}: {mib}\u{a0}Mio libres",
        "the gateway's disk has enough room again: {mib}\u{a0}MiB free",
    )
}

pub(super) fn writable(language: Language) -> String {
    let text = Text::new(
        "la carte de la passerelle peut de nouveau être écrite\u{202f}; la lecture reprend",
        "the gateway's card can be written again; reading continues",
    );
    text.in_(language).to_owned()
}

pub(super) fn accepted(language: Language, nom: &str) -> String {
    phrase!(
        language,
        "{nom}\u{202f}: plus aucune session n'est refusée par la base centrale",
        "{nom}: the central database refuses no session any more",
    )
}

pub(super) fn update_over(language: Language) -> String {
    let text = Text::new(
        "la dernière mise à jour n'est plus en échec",
        "the last update did not fail any more",
    );
    text.in_(language).to_owned()
}

/// `subject` is the machine with its day; `is_old`: the day is too long ago to be news.
pub(super) fn anomaly_over(language: Language, subject: &str, is_old: bool) -> String {
    let nom = with_date(subject, language);
    if is_old {
        return phrase!(
            language,
            "{nom}\u{202f}: l'anomalie grave n'est plus nouvelle\u{202f}; elle reste dans le rapport de ce jour",
            "{nom}: the critical anomaly is no longer news; it stays in that day's report",
        );
    }
    phrase!(
        language,
        "{nom}\u{202f}: plus d'anomalie grave, la journée a été recalculée",
        "{nom}: no critical anomaly any more, the day was recomputed",
    )
}

pub(super) fn not_configured(language: Language, subject: &str) -> String {
    phrase!(
        language,
        "{subject} n'est plus dans la configuration",
        "{subject} is no longer in the configuration",
    )
}

/// The message that an alarm is over: `now` says what is true, behind it stands what it was, since when and for
/// how long, unless the clock was set back meanwhile.
pub(super) fn over(
    language: Language,
    kind: AlarmKind,
    now: &str,
    since: NaiveDateTime,
    at: NaiveDateTime,
) -> String {
    let (was, begun) = (quoted(kind.title(language), language), minute(since, language));
    let length = match (at - since).to_std() {
        Ok(length) => format!(" ({})", days_and_hours(length, language)),
        Err(_) => String::new(),
    };
    phrase!(
        language,
        "{now}. Fin de l'alarme {was}, en cours depuis le {begun}{length}",
        "{now}. End of the alarm {was}, which stood since {begun}{length}",
    )
}

/// A machine with its day, the day as people write it.
fn with_date(subject: &str, language: Language) -> String {
    match subject.rsplit_once(' ') {
        Some((nom, day)) => match day.parse() {
            Ok(day) => format!("{nom} {}", date(day, language)),
            Err(_) => subject.to_owned(),
        },
        None => subject.to_owned(),
    }
}

/// One line that names the gateway and what it is about.
pub(super) fn title(language: Language, agent: &str, key: &AlarmKey, event: AlarmEvent) -> String {
    let event = match event {
        AlarmEvent::Raised => Text::new("", ""),
        AlarmEvent::Repeated => Text::new("toujours en cours\u{202f}: ", "ongoing: "),
        AlarmEvent::Cleared => Text::new("terminé\u{202f}: ", "over: "),
    };
    let (what, event) = (key.kind.title(language), event.in_(language));
    let subject = match key.kind {
        _ if key.subject.is_empty() => String::new(),
        AlarmKind::CriticalAnomaly => format!(" {}", with_date(&key.subject, language)),
        _ => format!(" {}", key.subject),
    };
    phrase!(language, "{agent}\u{202f}: {event}{what}{subject}", "{agent}: {event}{what}{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AlarmKind;

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
