//! Who the servers were that proved themselves: the newest certificate or host key of each, so that a change
//! can be noted. Noted where a handshake is judged, deep inside libraries, hence one list for the process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::model::{PeerProof, ProofKind};

/// A place has one proof of a kind; more places than a gateway has servers are not kept.
const MOST: usize = 100;

static SEEN: Mutex<BTreeMap<(String, ProofKind), String>> = Mutex::new(BTreeMap::new());

/// `place` proved to hold this certificate.
pub(crate) fn note_certificate(place: String, certificate: &[u8]) {
    let digest = Sha256::digest(certificate);
    let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    note(place, ProofKind::Certificate, format!("SHA256:{}", hex.concat()));
}

/// `place` proved to hold the host key of this fingerprint.
pub(crate) fn note_host_key(place: String, fingerprint: String) {
    note(place, ProofKind::HostKey, fingerprint);
}

fn note(place: String, kind: ProofKind, fingerprint: String) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (place, kind);
    if seen.len() < MOST || seen.contains_key(&key) {
        seen.insert(key, fingerprint);
    }
}

/// By place.
pub(crate) fn seen() -> Vec<PeerProof> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let all = seen.iter().map(|((place, kind), fingerprint)| PeerProof {
        place: place.clone(),
        kind: *kind,
        fingerprint: fingerprint.clone(),
    });
    all.collect()
}
