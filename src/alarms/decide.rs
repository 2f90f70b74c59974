//! Which alarms are raised, repeated and cleared. Pure: what is known and the moment are handed in.
//!
//! What must never happen here: an alarm told twice within a day for one thing; one cleared because
//! nothing is known any more; more than two messages waiting for one thing, however long the network
//! is down.

use std::{collections::BTreeMap, time::Duration};

use chrono::{NaiveDateTime, TimeDelta};

use super::{silence::Silence, wording};
use crate::{
    calendar::Calendar,
    config::AlarmLimits,
    model::{
        AlarmEvent, AlarmKey, AlarmKind, AlarmMessage, AlarmState, Day, FailedUpdate, Language,
        LinkFault, RefusedSettings, StandingAlarm, Trouble,
    },
};

/// An alarm that stands is told again after this long.
const REPEAT_AFTER: TimeDelta = TimeDelta::days(1);
/// The disk is good again with so much more room than the limit, in percent of it.
const ROOM_AGAIN_PERCENT: u64 = 125;

/// What is known at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// Without a believable clock nobody knows whether it is working time.
    pub clock_is_believed: bool,
    pub machines: Vec<MachineFact>,
    pub sources: Vec<(String, LinkFact)>,
    /// `None`: there is no central.
    pub central: Option<LinkFact>,
    pub free_bytes: Option<u64>,
    /// Nothing can be written to the disk.
    pub is_read_only: bool,
    /// Reading has stopped because the buffer may not grow.
    pub is_at_cap: bool,
    /// Machine, sessions, and why the first of them.
    pub set_aside: Vec<(String, u64, String)>,
    /// How the last field update ended, where it did not end well.
    pub failed_update: Option<FailedUpdate>,
    /// Settings of central's that were not taken, unless later ones were.
    pub refused_settings: Option<RefusedSettings>,
    /// Machine with its day, and what is the matter, for anomalies of high severity.
    pub critical_anomalies: Vec<(String, String)>,
    /// The first day of which such an anomaly is news.
    pub news_from: Option<Day>,
    /// Sessions that wait for central.
    pub pending_sessions: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MachineFact {
    pub nom: String,
    /// By the gateway's clock; `None`: never.
    pub last_read: Option<NaiveDateTime>,
    /// Where its source does not answer, or this process has not looked at its folder yet, nothing is
    /// known of the machine.
    pub is_known: bool,
    /// `Some`: nothing of its folder can be read, although its source answers.
    pub unreadable: Option<UnreadableFact>,
    /// When it is planned to work; without one the working hours of all machines count.
    pub calendar: Option<Calendar>,
}

/// Since when nothing of a machine can be read, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UnreadableFact {
    pub length: Duration,
    pub trouble: Trouble,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LinkFact {
    Up,
    Down { length: Duration, fault: LinkFault },
    Unknown,
}

enum Condition {
    /// What is the matter.
    Bad(String),
    /// What is true now.
    Good(String),
    /// Neither raised nor cleared.
    Unknown,
}

/// The next state, and the messages that came to be.
pub(crate) fn alarms(
    state: &AlarmState,
    facts: &Facts,
    limits: &AlarmLimits,
    language: Language,
    now: NaiveDateTime,
) -> (AlarmState, Vec<AlarmMessage>) {
    let conditions = conditions(state, facts, limits, language, now);
    let mut next = state.clone();
    let mut made = Vec::new();
    for (key, condition) in &conditions {
        let event = match (condition, next.standing.get_mut(key)) {
            (Condition::Bad(text), None) => {
                let alarm = StandingAlarm { text: text.clone(), since: now, told_at: now };
                next.standing.insert(key.clone(), alarm);
                AlarmEvent::Raised
            }
            (Condition::Bad(text), Some(alarm)) => {
                // A clock that was set back has waited long enough, too.
                if (now - alarm.told_at).abs() < REPEAT_AFTER {
                    continue;
                }
                alarm.text.clone_from(text);
                alarm.told_at = now;
                AlarmEvent::Repeated
            }
            (Condition::Good(is), Some(alarm)) => {
                alarm.text = wording::over(language, key.kind, is, alarm.since, now);
                AlarmEvent::Cleared
            }
            (Condition::Good(_), None) | (Condition::Unknown, _) => continue,
        };
        let alarm = &next.standing[key];
        let (text, since) = (alarm.text.clone(), alarm.since);
        let message = AlarmMessage { key: key.clone(), event, text, since, at: now };
        if event == AlarmEvent::Cleared {
            next.standing.remove(key);
        }
        if queue(&mut next.waiting, &message) {
            made.push(message);
        }
    }
    (next, made)
}

/// Puts a message behind those that wait, unless it takes back one that nobody has heard.
fn queue(waiting: &mut Vec<AlarmMessage>, message: &AlarmMessage) -> bool {
    let is_bad = |event| event != AlarmEvent::Cleared;
    let own: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at].key == message.key).collect();
    match own.as_slice() {
        // Still the same to those who have heard nothing yet.
        [.., last] if is_bad(waiting[*last].event) == is_bad(message.event) => return false,
        [_, .., last] => {
            waiting.remove(*last);
            return false;
        }
        _ => {}
    }
    waiting.push(message.clone());
    true
}

fn conditions(
    state: &AlarmState,
    facts: &Facts,
    limits: &AlarmLimits,
    language: Language,
    now: NaiveDateTime,
) -> BTreeMap<AlarmKey, Condition> {
    let mut all = BTreeMap::new();
    let mut add = |kind, subject: &str, condition| {
        all.insert(AlarmKey { kind, subject: subject.to_owned() }, condition);
    };
    for machine in &facts.machines {
        let condition = silence(machine, facts, limits, language, now);
        add(AlarmKind::MachineSilent, &machine.nom, condition);
        add(AlarmKind::MachineUnreadable, &machine.nom, readability(machine, limits, language));
    }
    for (name, link) in &facts.sources {
        let text = |length, fault: &LinkFault| wording::source(language, name, length, fault);
        let up = || wording::source_up(language, name);
        add(AlarmKind::SourceUnreachable, name, unreachable(link, limits.source_after, text, up));
    }
    if let Some(link) = &facts.central {
        let text = |length, fault: &LinkFault| wording::central(language, length, fault);
        let up = || wording::central_up(language, facts.pending_sessions);
        add(AlarmKind::CentralUnreachable, "", unreachable(link, limits.central_after, text, up));
    }
    add(AlarmKind::DiskNearlyFull, "", disk_room(state, facts, limits, language));
    let read_only = match facts.is_read_only {
        true => Condition::Bad(wording::read_only(language)),
        false => Condition::Good(wording::writable(language)),
    };
    add(AlarmKind::DiskReadOnly, "", read_only);
    for (nom, sessions, reason) in &facts.set_aside {
        let text = wording::set_aside(language, nom, *sessions, reason);
        add(AlarmKind::SessionSetAside, nom, Condition::Bad(text));
    }
    let update = match &facts.failed_update {
        Some(failed) => Condition::Bad(wording::update(language, failed)),
        None => Condition::Good(wording::update_over(language)),
    };
    add(AlarmKind::UpdateFailed, "", update);
    let settings = match &facts.refused_settings {
        Some(refused) => Condition::Bad(refused.text(language)),
        None => Condition::Good(wording::settings_over(language)),
    };
    add(AlarmKind::SettingsRefused, "", settings);
    for (nom, text) in &facts.critical_anomalies {
        add(
            AlarmKind::CriticalAnomaly,
            nom,
            Condition::Bad(wording::critical_anomaly(language, nom, text)),
        );
    }
    // What nobody speaks of any more is over: a session that was delivered, a machine that was taken
    // out of the configuration.
    for key in state.standing.keys() {
        all.entry(key.clone()).or_insert_with(|| Condition::Good(gone(key, facts, language)));
    }
    all
}

fn readability(machine: &MachineFact, limits: &AlarmLimits, language: Language) -> Condition {
    match &machine.unreadable {
        _ if !machine.is_known => Condition::Unknown,
        None => Condition::Good(wording::readable(language, &machine.nom)),
        Some(UnreadableFact { length, trouble }) if *length >= limits.source_after => {
            Condition::Bad(wording::unreadable(language, &machine.nom, *length, trouble))
        }
        Some(_) => Condition::Unknown,
    }
}

/// A disk that was nearly full is good again only with some room more than the limit.
fn disk_room(
    state: &AlarmState,
    facts: &Facts,
    limits: &AlarmLimits,
    language: Language,
) -> Condition {
    let key = AlarmKey { kind: AlarmKind::DiskNearlyFull, subject: String::new() };
    let limit = limits.disk_free_bytes;
    let enough = match state.standing.contains_key(&key) {
        true => limit.saturating_mul(ROOM_AGAIN_PERCENT) / 100,
        false => limit,
    };
    match facts.free_bytes {
        _ if facts.is_at_cap => Condition::Bad(wording::at_cap(language)),
        Some(free) if free < enough => Condition::Bad(wording::disk(language, free)),
        Some(free) => Condition::Good(wording::room(language, free)),
        None => Condition::Unknown,
    }
}

/// What is true of something that nobody speaks of any more.
fn gone(key: &AlarmKey, facts: &Facts, language: Language) -> String {
    match key.kind {
        AlarmKind::SessionSetAside => wording::accepted(language, &key.subject),
        AlarmKind::CriticalAnomaly => {
            let day = key.subject.rsplit_once(' ').and_then(|(_, day)| day.parse::<Day>().ok());
            let is_old = day.zip(facts.news_from).is_some_and(|(day, from)| day < from);
            wording::anomaly_over(language, &key.subject, is_old)
        }
        _ => wording::not_configured(language, &key.subject),
    }
}

fn silence(
    machine: &MachineFact,
    facts: &Facts,
    limits: &AlarmLimits,
    language: Language,
    now: NaiveDateTime,
) -> Condition {
    // Where nothing of it can be read nobody knows whether it is silent.
    let is_unknown = !machine.is_known || machine.unreadable.is_some();
    if !facts.clock_is_believed || is_unknown {
        return Condition::Unknown;
    }
    let after = TimeDelta::from_std(limits.silent_after).unwrap_or(TimeDelta::MAX);
    // A reading of later than now is of a clock that went wrong: it tells nothing.
    let last_read = machine.last_read.filter(|last| *last <= now);
    if let Some(last) = last_read.filter(|last| now - *last < after) {
        return Condition::Good(wording::writes(language, &machine.nom, last));
    }
    let is_missed = match &machine.calendar {
        Some(calendar) => {
            let silence = Silence::of(calendar, last_read, now, after);
            // Of a machine that was never read this is that nothing at all was planned: a calendar that came
            // clears what the general hours raised.
            if silence.since_read < after {
                return Condition::Good(wording::not_expected(language, &machine.nom));
            }
            silence.is_required && silence.in_shift >= after
        }
        None => limits.hours.begun(now).is_some_and(|begun| now - begun >= after),
    };
    if is_missed {
        Condition::Bad(wording::silent(language, &machine.nom, last_read))
    } else {
        // The day has just begun, or is over: neither good nor bad.
        Condition::Unknown
    }
}

fn unreachable(
    link: &LinkFact,
    after: Duration,
    text: impl Fn(Duration, &LinkFault) -> String,
    up: impl Fn() -> String,
) -> Condition {
    match link {
        LinkFact::Up => Condition::Good(up()),
        LinkFact::Down { length, fault } if *length >= after => {
            Condition::Bad(text(*length, fault))
        }
        LinkFact::Down { .. } | LinkFact::Unknown => Condition::Unknown,
    }
}

#[cfg(test)]
mod tests;
