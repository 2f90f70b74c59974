//! Which observations are events of security: compares what is seen with what is remembered. Pure.
//!
//! What must never happen here: a secret in an event; a list that grows without end; the same refusal noted
//! at each try.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    FIRST_READ, FaultKind, Language, LastUpdate, LinkFault, Observed, PeerProof, ProofKind,
    SecurityEvent, SecurityKind, SecurityLog, WallTime, printable,
};

/// Events that wait for central; the newest find no room, and the gap in the numbers shows how many.
const MOST_WAITING: usize = 200;
/// Servers behind one name, each with its own certificate.
const MOST_PROOFS: usize = 4;
const MOST_PLACES: usize = 100;
/// Keys of the configuration that an event names.
const MOST_KEYS: usize = 12;
const MOST_CHARS: usize = 300;
/// What an event of the publisher's keys is about.
const UPDATE_KEYS: &str = "update-keys";

/// What is new in an observation.
struct News {
    kind: SecurityKind,
    subject: String,
    detail: Detail,
}

/// For central in the language of its readers; for the log in English.
enum Detail {
    Fault(LinkFault),
    Same(String),
}

impl Detail {
    fn text(&self, language: Language) -> String {
        let text = match self {
            Self::Fault(fault) => fault.text(language),
            Self::Same(text) => text.clone(),
        };
        printable(&text, MOST_CHARS)
    }
}

/// Notes in `log` what is new in `seen`, for readers of `language`. The events, which wait in `log` too, as
/// the agent's log has them.
pub(crate) fn note(
    log: &mut SecurityLog,
    seen: Vec<Observed>,
    now: WallTime,
    language: Language,
) -> Vec<SecurityEvent> {
    let mut made = Vec::new();
    for observed in seen {
        let Some(News { kind, subject, detail }) = news(log, observed) else { continue };
        log.last_number += 1;
        let (number, subject) = (log.last_number, printable(&subject, MOST_CHARS));
        let event =
            SecurityEvent { number, at: Some(now), kind, subject, detail: detail.text(language) };
        made.push(SecurityEvent { detail: detail.text(Language::English), ..event.clone() });
        if log.waiting.len() < MOST_WAITING {
            log.waiting.push(event);
        }
    }
    made
}

/// The event that an observation is; it is remembered.
fn news(log: &mut SecurityLog, observed: Observed) -> Option<News> {
    let (kind, subject, detail) = match observed {
        Observed::Link { name, fault } => return link(log, name, fault),
        Observed::Proof(proof) => self::proof(log, proof)?,
        Observed::Configuration { file, digests } => {
            (SecurityKind::ConfigurationChanged, file, configuration(log, digests)?)
        }
        Observed::Update(update) => {
            if log.update.as_ref() == Some(&update) {
                return None;
            }
            let (subject, detail) = (subject(&update), ended(&update));
            log.update = Some(update);
            (SecurityKind::Update, subject, detail)
        }
        Observed::UpdateKeys(version) => {
            // The first ones that are seen are no change.
            let before = log.update_keys.replace(version)?;
            if before == version {
                return None;
            }
            let detail = format!("{before} → {version}");
            (SecurityKind::UpdateKeysChanged, UPDATE_KEYS.to_owned(), detail)
        }
    };
    Some(News { kind, subject, detail: Detail::Same(detail) })
}

/// A refusal is news once, until the link works or is refused for another reason.
fn link(log: &mut SecurityLog, name: String, fault: Option<LinkFault>) -> Option<News> {
    let Some(fault) = fault else {
        log.refused.remove(&name);
        return None;
    };
    // A server that is away meanwhile does not make the next refusal news.
    let kind = refusal(fault.kind)?;
    let mark = format!("{} {}", kind.as_str(), printable(&fault.place, MOST_CHARS));
    if log.refused.get(&name) == Some(&mark) {
        return None;
    }
    if log.refused.len() < MOST_PLACES || log.refused.contains_key(&name) {
        log.refused.insert(name.clone(), mark);
    }
    Some(News { kind, subject: name, detail: Detail::Fault(fault) })
}

/// `None` for a fault that says nothing about who may do what.
fn refusal(kind: FaultKind) -> Option<SecurityKind> {
    Some(match kind {
        FaultKind::LoginRefused | FaultKind::PrivateKey => SecurityKind::LoginRefused,
        FaultKind::Tls
        | FaultKind::CertificateExpired
        | FaultKind::CertificateNotYetValid
        | FaultKind::CertificateRefused => SecurityKind::CertificateRefused,
        FaultKind::HostKeyUnknown | FaultKind::HostKeyChanged | FaultKind::Algorithms => {
            SecurityKind::HostKeyRefused
        }
        FaultKind::Refused
        | FaultKind::NoAnswer
        | FaultKind::NoRoute
        | FaultKind::UnknownHost
        | FaultKind::Unreachable
        | FaultKind::Lost
        | FaultKind::OtherService
        | FaultKind::TooSlow
        | FaultKind::NoDirectory
        | FaultKind::DirectoryUnreadable
        | FaultKind::NoFreeConnection
        | FaultKind::NoDatabase
        | FaultKind::TablesUnfit
        | FaultKind::ReadOnly
        | FaultKind::Restarting
        | FaultKind::Exhausted
        | FaultKind::Busy
        | FaultKind::Other => return None,
    })
}

/// The first proof of a place is no change, and neither is one that was seen before: several servers may
/// stand behind one name.
fn proof(log: &mut SecurityLog, proof: PeerProof) -> Option<(SecurityKind, String, String)> {
    let (kind, places) = match proof.kind {
        ProofKind::Certificate => (SecurityKind::CertificateChanged, &mut log.certificates),
        ProofKind::HostKey => (SecurityKind::HostKeyChanged, &mut log.host_keys),
    };
    if places.len() >= MOST_PLACES && !places.contains_key(&proof.place) {
        return None;
    }
    let known = places.entry(proof.place.clone()).or_default();
    if known.contains(&proof.fingerprint) {
        return None;
    }
    let before = known.last().cloned();
    known.push(proof.fingerprint.clone());
    if known.len() > MOST_PROOFS {
        known.remove(0);
    }
    before.map(|before| (kind, proof.place, format!("{before} → {}", proof.fingerprint)))
}

/// Which keys are new, gone or have other values; never a value.
fn configuration(log: &mut SecurityLog, digests: BTreeMap<String, String>) -> Option<String> {
    let Some(before) = log.configuration.replace(digests) else {
        return Some(FIRST_READ.to_owned());
    };
    let now = log.configuration.as_ref()?;
    let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed: Vec<&str> = keys
        .into_iter()
        .filter(|key| before.get(*key) != now.get(*key))
        .map(String::as_str)
        .collect();
    let more = changed.len().saturating_sub(MOST_KEYS);
    let named = changed[..changed.len() - more].join(", ");
    match (changed.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(named),
        (false, more) => Some(format!("{named}, … (+{more})")),
    }
}

fn subject(update: &LastUpdate) -> String {
    update.version.clone().unwrap_or_default()
}

fn ended(update: &LastUpdate) -> String {
    let from = update.from.as_deref().unwrap_or_default();
    match update.detail.as_deref().unwrap_or_default() {
        "" => format!("{from}: {}", update.result),
        detail => format!("{from}: {}: {detail}", update.result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UpdateEnd;

    fn at() -> WallTime {
        "2026-11-29 08:00:00".parse().unwrap()
    }

    fn noted(log: &mut SecurityLog, seen: Observed) -> Vec<(SecurityKind, String, String)> {
        let made = note(log, vec![seen], at(), Language::French);
        made.into_iter().map(|event| (event.kind, event.subject, event.detail)).collect()
    }

    fn fault(kind: FaultKind) -> Observed {
        let fault = LinkFault { kind, place: "cu:21".into(), said: None };
        Observed::Link { name: "cu".into(), fault: Some(fault) }
    }

    #[test]
    fn a_refusal_is_one_event_until_the_link_works_again_whatever_happens_in_between() {
        let mut log = SecurityLog::default();
        let kinds = |made: Vec<(SecurityKind, String, String)>| -> Vec<SecurityKind> {
            made.into_iter().map(|(kind, _, _)| kind).collect()
        };
        let mut of = |seen| kinds(noted(&mut log, seen));
        assert_eq!(of(fault(FaultKind::NoAnswer)), []);
        assert_eq!(of(fault(FaultKind::LoginRefused)), [SecurityKind::LoginRefused]);
        assert_eq!(of(fault(FaultKind::LoginRefused)), []);
        assert_eq!(of(fault(FaultKind::NoRoute)), []);
        assert_eq!(of(fault(FaultKind::LoginRefused)), []);
        assert_eq!(of(fault(FaultKind::HostKeyChanged)), [SecurityKind::HostKeyRefused]);
        assert_eq!(of(fault(FaultKind::LoginRefused)), [SecurityKind::LoginRefused]);
        assert_eq!(of(Observed::Link { name: "cu".into(), fault: None }), []);
        assert_eq!(of(fault(FaultKind::LoginRefused)), [SecurityKind::LoginRefused]);
    }

    #[test]
    fn central_has_the_event_in_its_readers_language_and_the_log_in_english() {
        let mut log = SecurityLog::default();
        let made = noted(&mut log, fault(FaultKind::LoginRefused));
        assert!(made[0].2.contains("login refused"), "{made:?}");
        assert!(log.waiting[0].detail.contains("identification refusée"), "{:?}", log.waiting);
    }

    #[test]
    fn a_certificate_that_was_never_seen_at_its_place_is_a_change_and_a_known_one_is_none() {
        let mut log = SecurityLog::default();
        let mut of = |place: &str, fingerprint: &str| {
            let (place, fingerprint) = (place.to_owned(), fingerprint.to_owned());
            let kind = ProofKind::Certificate;
            noted(&mut log, Observed::Proof(PeerProof { place, kind, fingerprint }))
        };
        assert_eq!(of("a", "1"), []);
        assert_eq!(of("b", "2"), []);
        let changed = (SecurityKind::CertificateChanged, "a".to_owned(), "1 → 3".to_owned());
        assert_eq!(of("a", "3"), [changed]);
        assert_eq!((of("a", "1"), of("a", "3")), (vec![], vec![]), "two servers behind one name");
        for fingerprint in ["4", "5", "6", "7"] {
            assert_eq!(of("a", fingerprint).len(), 1);
        }
        assert_eq!(of("a", "1").len(), 1, "long ago is new again");
    }

    #[test]
    fn a_configuration_tells_which_keys_changed() {
        let mut log = SecurityLog::default();
        let mut of = |keys: &[(&str, &str)]| {
            let digests =
                keys.iter().map(|(key, digest)| ((*key).to_owned(), (*digest).to_owned()));
            let made = noted(
                &mut log,
                Observed::Configuration { file: "c.toml".into(), digests: digests.collect() },
            );
            made.into_iter().map(|(_, _, detail)| detail).collect::<Vec<_>>()
        };
        assert_eq!(of(&[("a", "1"), ("b", "1")]), ["first read"]);
        assert_eq!(of(&[("a", "1"), ("b", "1")]), [""; 0]);
        assert_eq!(of(&[("a", "2"), ("c", "1")]), ["a, b, c"]);
        let many: Vec<String> = (10..40).map(|key| format!("k{key}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "1")).collect();
        assert!(of(&many)[0].ends_with("k19, … (+20)"), "a, c and thirty more");
    }

    #[test]
    fn an_update_is_noted_once_and_so_are_other_keys() {
        let mut log = SecurityLog::default();
        let update = LastUpdate {
            at: None,
            detail: Some("it crashes".into()),
            from: Some("0.1.0".into()),
            result: UpdateEnd::RolledBack,
            version: Some("0.2.0".into()),
        };
        let made = noted(&mut log, Observed::Update(update.clone()));
        assert_eq!(
            made,
            [(SecurityKind::Update, "0.2.0".into(), "0.1.0: rolled-back: it crashes".into())]
        );
        assert_eq!(noted(&mut log, Observed::Update(update)), []);
        assert_eq!(noted(&mut log, Observed::UpdateKeys(0)), []);
        assert_eq!(noted(&mut log, Observed::UpdateKeys(1))[0].2, "0 → 1");
        assert_eq!(noted(&mut log, Observed::UpdateKeys(1)), []);
        assert_eq!(noted(&mut log, Observed::UpdateKeys(3))[0].2, "1 → 3");
    }

    #[test]
    fn what_waits_is_bounded_and_the_numbers_show_what_found_no_room() {
        let mut log = SecurityLog::default();
        for version in 0..=250 {
            noted(&mut log, Observed::UpdateKeys(version));
        }
        assert_eq!((log.waiting.len(), log.last_number), (MOST_WAITING, 250));
        assert_eq!(log.waiting.last().map(|event| event.number), Some(200));
        for place in 0..300 {
            let (place, kind) = (format!("p{place}"), ProofKind::HostKey);
            noted(&mut log, Observed::Proof(PeerProof { place, kind, fingerprint: "1".into() }));
        }
        assert_eq!(log.host_keys.len(), MOST_PLACES);
    }
}
