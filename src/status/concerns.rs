//! What a person has to know besides figures: alarms that stand, machines that were never read, and what was
//! learnt of central. Read from the buffer together with the figures.
//!
//! What must never happen here: an alarm that nobody decides upon any more shown as one that stands.

use super::gateway_health::Health;
use crate::{
    buffer::{AsideReport, Buffer, BufferError, ChangedTexts, MachineReport},
    config::Config,
    model::{
        AlarmKey, AlarmKind, Anomaly, CentralTold, Day, Language, Severity, Stamp, StandingAlarm,
        WallTime,
    },
    text::{clock, count, date, moment, phrase},
};

/// Reasons for quarantining sessions that are shown.
const MOST_REASONS: usize = 20;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Concerns {
    pub alarms: Vec<Alarm>,
    pub never_read: Vec<NeverRead>,
    pub central: CentralTold,
    pub changed_texts: Option<ChangedTexts>,
    pub set_aside: Vec<AsideReport>,
}

/// An alarm that was raised and not cleared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alarm {
    pub key: AlarmKey,
    pub standing: StandingAlarm,
    /// The language of its text.
    pub language: Language,
    /// Critical ones of the machine and day that it is about.
    pub anomalies: Vec<Anomaly>,
}

/// A machine of the configuration of which no file was ever read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NeverRead {
    pub nom: String,
    /// Folder and source to look at.
    pub places: Vec<(String, String)>,
}

impl Concerns {
    pub(super) fn look(
        buffer: Option<&Buffer>,
        config: &Config,
        reports: &[MachineReport],
    ) -> Result<Self, BufferError> {
        let never_read = never_read(config, reports);
        let Some(buffer) = buffer else { return Ok(Self { never_read, ..Self::default() }) };
        let has_central = config.central.is_some();
        Ok(Self {
            alarms: alarms(buffer, config)?,
            never_read,
            central: if has_central {
                buffer.links().central_told()?
            } else {
                CentralTold::default()
            },
            changed_texts: if has_central { buffer.links().changed_texts()? } else { None },
            set_aside: buffer.reports().set_aside_sessions(MOST_REASONS)?,
        })
    }

    pub(crate) fn never_read(&self, nom: &str) -> Option<&NeverRead> {
        self.never_read.iter().find(|one| one.nom == nom)
    }

    pub(super) fn has_alarm(&self, kind: AlarmKind, subject: &str) -> bool {
        self.alarms.iter().any(|one| one.key.kind == kind && one.key.subject == subject)
    }
}

/// In order of their begin. Without `[alarms]` nobody raises or clears any.
fn alarms(buffer: &Buffer, config: &Config) -> Result<Vec<Alarm>, BufferError> {
    if config.alarms.is_none() {
        return Ok(Vec::new());
    }
    let mut alarms = Vec::new();
    for (key, standing) in buffer.alarm_log().state()?.standing {
        let mut anomalies = match about_day(&key) {
            Some((nom, day)) => buffer.sessions().anomalies(nom, day)?,
            None => Vec::new(),
        };
        anomalies.retain(|one| one.severity == Severity::High);
        alarms.push(Alarm { key, standing, language: config.agent.language, anomalies });
    }
    alarms.sort_by_key(|one| one.standing.since);
    Ok(alarms)
}

/// The machine and the day of an alarm about a day.
fn about_day(key: &AlarmKey) -> Option<(&str, Day)> {
    if key.kind != AlarmKind::CriticalAnomaly {
        return None;
    }
    let (nom, day) = key.subject.rsplit_once(' ')?;
    Some((nom, day.parse().ok()?))
}

impl Alarm {
    /// What it is about: a machine, one with its day, a source; or nothing.
    pub(super) fn subject(&self, language: Language) -> String {
        match about_day(&self.key) {
            Some((nom, day)) => format!("{nom}, {}", date(day, language)),
            None => self.key.subject.clone(),
        }
    }

    /// What is the matter, if the title does not say it: in the reader's language, as far as that is known.
    pub(super) fn detail(&self, health: &Health, language: Language) -> Option<String> {
        if let Some(first) = self.anomalies.first() {
            return Some(match self.anomalies.len() - 1 {
                0 => first.text(language),
                more => format!("{} (+\u{a0}{more})", first.text(language)),
            });
        }
        let subject = self.key.subject.as_str();
        match self.key.kind {
            AlarmKind::MachineSilent => {
                Some(last_read(health.read_at.get(subject).copied(), language))
            }
            AlarmKind::SourceUnreachable => {
                let source = health.sources.iter().find(|(name, ..)| name == subject);
                source?.1.as_ref()?.error.clone()
            }
            AlarmKind::CentralUnreachable => health.central.as_ref()?.error.clone(),
            AlarmKind::SessionSetAside => {
                let aside = health.concerns.set_aside.iter().find(|one| one.nom == subject);
                aside.map(|one| one.reason.clone())
            }
            AlarmKind::DiskNearlyFull if health.buffer_bytes >= health.max_buffer_bytes => {
                Some(phrase!(
                    language,
                    "le tampon est plein (agent.max_buffer_size), la lecture est arrêtée",
                    "the buffer is full (agent.max_buffer_size), reading has stopped",
                ))
            }
            AlarmKind::DiskNearlyFull => {
                let free = count(health.free_bytes? >> 20, language);
                Some(phrase!(language, "{free}\u{a0}Mio libres", "{free}\u{a0}MiB free"))
            }
            // Its own text is the only one, and made in the language of the configuration.
            AlarmKind::UpdateFailed | AlarmKind::SettingsRefused => {
                (self.language == language).then(|| self.standing.text.clone())
            }
            // Lines of their own say it.
            AlarmKind::MachineUnreadable | AlarmKind::DiskReadOnly | AlarmKind::CriticalAnomaly => {
                None
            }
        }
    }

    /// Since when, by the gateway's clock.
    pub(super) fn since(&self, language: Language) -> String {
        let at = self.standing.since;
        let (day, time) = (date(at.date(), language), clock(Stamp::from_naive(at)));
        phrase!(language, "depuis le {day} à {time}", "since {day} {time}")
    }
}

fn last_read(at: Option<WallTime>, language: Language) -> String {
    match at {
        Some(_) => {
            let at = moment(at, language);
            phrase!(language, "dernière lecture\u{202f}: {at}", "last read: {at}")
        }
        None => phrase!(language, "jamais lue", "never read"),
    }
}

/// In order of name.
fn never_read(config: &Config, reports: &[MachineReport]) -> Vec<NeverRead> {
    let mut never: Vec<NeverRead> = Vec::new();
    for source in &config.sources {
        for (folder, machine) in &source.folders {
            let was_read = reports
                .iter()
                .any(|report| report.nom == machine.nom && report.last_read_at.is_some());
            if was_read {
                continue;
            }
            let place = (folder.clone(), source.name.clone());
            match never.iter_mut().find(|one| one.nom == machine.nom) {
                Some(known) => known.places.push(place),
                None => never.push(NeverRead { nom: machine.nom.clone(), places: vec![place] }),
            }
        }
    }
    never.sort_by(|one, other| one.nom.cmp(&other.nom));
    never
}

impl NeverRead {
    /// Where to look.
    pub(super) fn text(&self, language: Language) -> String {
        let places = self.places.iter().map(|(folder, source)| {
            phrase!(
                language,
                "dossier «\u{a0}{folder}\u{a0}» de la source «\u{a0}{source}\u{a0}»",
                "folder “{folder}” of source “{source}”",
            )
        });
        let places = places.collect::<Vec<_>>().join(", ");
        phrase!(
            language,
            "aucun fichier LOG n'a jamais été lu\u{202f}; à vérifier\u{202f}: {places}",
            "no LOG file was ever read; look at {places}",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(kind: AlarmKind, subject: &str) -> Alarm {
        let at = "2026-11-26T13:40:12".parse().unwrap();
        Alarm {
            key: AlarmKey { kind, subject: subject.into() },
            standing: StandingAlarm { text: "la carte fume".into(), since: at, told_at: at },
            language: Language::French,
            anomalies: Vec::new(),
        }
    }

    #[test]
    fn an_alarm_says_since_when_and_never_in_another_language_than_the_readers() {
        let update = alarm(AlarmKind::UpdateFailed, "");
        let health = Health::default();
        assert_eq!(update.since(Language::French), "depuis le 26/11/2026 à 13:40");
        assert_eq!(update.since(Language::English), "since 2026-11-26 13:40");
        assert_eq!(update.detail(&health, Language::French).unwrap(), "la carte fume");
        assert_eq!(update.detail(&health, Language::English), None);
        let silent = alarm(AlarmKind::MachineSilent, "DEM12");
        assert_eq!(silent.detail(&health, Language::English).unwrap(), "never read");
        let day = alarm(AlarmKind::CriticalAnomaly, "DEM 12 2026-11-25");
        assert_eq!(day.subject(Language::French), "DEM 12, 25/11/2026");
    }
}
