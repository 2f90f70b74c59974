//! Whose signatures count: sets of minisign keys with thresholds, and how one set hands over to the next. Pure.
//!
//! Two roles, as The Update Framework has them: the keys of `manifest` sign what is to be installed, those of
//! `root`, which lie in a safe, sign the next set. Set N + 1 counts once it has the root signatures of set N and
//! of itself: those who hold the former keys say who comes after them, and the new ones show that they exist.
//! A key that a later set does not list is revoked.
//!
//! A plant's own `update.public_key` is a set of that one key, which can hand over too.

use minisign_verify::Signature;
use serde::{Deserialize, Serialize};

use super::{lenient::Field, manifest::PRODUCT};
use crate::config::SignerKey;

/// The one format that this version reads.
const FORMAT: u64 = 1;
const MOST_KEYS: usize = 16;
/// A signature of minisign: comment, signature, trusted comment, signature of that.
const SIGNATURE_LINES: usize = 4;

/// Keys of which `threshold` must have signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Role {
    threshold: usize,
    keys: Vec<SignerKey>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Rewritten")]
pub struct KeySet {
    version: u64,
    root: Role,
    manifest: Role,
}

/// Too few of the keys that count have signed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{valid} of the {threshold} signatures that are needed are valid")]
pub struct TooFew {
    valid: usize,
    threshold: usize,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("it is not valid JSON: {0}")]
    NotJson(String),
    #[error("it has format {0}, but this version reads format {FORMAT}")]
    Format(u64),
    #[error("its {key} is missing or is not {accepted}")]
    Key { key: &'static str, accepted: &'static str },
    #[error("it lists no keys: this package's publisher has none, so set `update.public_key`")]
    None,
    #[error("it has version {found}, but version {wanted} comes next")]
    Version { found: u64, wanted: u64 },
    #[error("by the root keys of version {version}, {source}")]
    Root { version: u64, source: TooFew },
}

#[derive(Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    format: Field<Option<u64>>,
    #[serde(default)]
    product: Field<Option<String>>,
    #[serde(default)]
    version: Field<Option<u64>>,
    #[serde(default)]
    root: Field<Option<WrittenRole>>,
    #[serde(default)]
    manifest: Field<Option<WrittenRole>>,
}

#[derive(Deserialize, Serialize)]
struct WrittenRole {
    threshold: usize,
    keys: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Rewritten {
    format: u64,
    product: &'static str,
    version: u64,
    root: WrittenRole,
    manifest: WrittenRole,
}

impl From<KeySet> for Rewritten {
    fn from(set: KeySet) -> Self {
        let role = |role: Role| WrittenRole {
            threshold: role.threshold,
            keys: role.keys.into_iter().map(|key| key.text).collect(),
        };
        let (root, manifest) = (role(set.root), role(set.manifest));
        Self { format: FORMAT, product: PRODUCT, version: set.version, root, manifest }
    }
}

impl TryFrom<Written> for KeySet {
    type Error = KeySetError;

    fn try_from(written: Written) -> Result<Self, KeySetError> {
        let wrong = |key, accepted| KeySetError::Key { key, accepted };
        match written.format.known().flatten() {
            Some(FORMAT) => {}
            Some(other) => return Err(KeySetError::Format(other)),
            None => return Err(wrong("format", "a number")),
        }
        if written.product.known().flatten().as_deref() != Some(PRODUCT) {
            return Err(wrong("product", "cu-agent"));
        }
        let version = written.version.known().flatten();
        let version = version.ok_or_else(|| wrong("version", "a number"))?;
        let accepted = "a threshold and as many different keys at least, 16 at most";
        let role = |written: Field<Option<WrittenRole>>, key| {
            let written = written.known().flatten().ok_or_else(|| wrong(key, accepted))?;
            if version == 0 && written.keys.is_empty() {
                return Err(KeySetError::None);
            }
            Role::of(&written).ok_or_else(|| wrong(key, accepted))
        };
        let (root, manifest) = (role(written.root, "root")?, role(written.manifest, "manifest")?);
        Ok(Self { version, root, manifest })
    }
}

impl Role {
    /// `None` for a threshold that no or every number of signatures would meet, and for keys that are none.
    fn of(written: &WrittenRole) -> Option<Self> {
        let threshold = written.threshold;
        let mut keys: Vec<SignerKey> = Vec::new();
        for text in written.keys.iter().take(MOST_KEYS + 1) {
            let key = SignerKey::parse(text)?;
            // One person who signs twice is one signature.
            if keys.contains(&key) {
                return None;
            }
            keys.push(key);
        }
        let is_met = (1..=keys.len()).contains(&threshold) && keys.len() <= MOST_KEYS;
        is_met.then_some(Self { threshold, keys })
    }

    /// Whether enough of these keys signed `bytes`; `signatures` are minisign's, one below the other.
    fn check(&self, bytes: &[u8], signatures: &[Signature]) -> Result<(), TooFew> {
        let is_signed = |key: &&SignerKey| {
            signatures.iter().any(|signature| key.key.verify(bytes, signature, false).is_ok())
        };
        let valid = self.keys.iter().filter(is_signed).count();
        let threshold = self.threshold;
        if valid < threshold { Err(TooFew { valid, threshold }) } else { Ok(()) }
    }
}

/// Those that can be read.
fn signatures(text: &[u8]) -> Vec<Signature> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    let each = lines.chunks(SIGNATURE_LINES).take(2 * MOST_KEYS);
    each.filter_map(|lines| Signature::decode(&lines.join("\n")).ok()).collect()
}

impl KeySet {
    /// A plant's own key.
    pub(super) fn of_one(key: &SignerKey) -> Self {
        let role = Role { threshold: 1, keys: vec![key.clone()] };
        Self { version: 0, root: role.clone(), manifest: role }
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether enough of those who may say what is installed have signed it.
    pub fn check_manifest(&self, bytes: &[u8], signed: &[u8]) -> Result<(), TooFew> {
        self.manifest.check(bytes, &signatures(signed))
    }

    /// The set that comes after this one, if both of them say so.
    pub(super) fn next(&self, bytes: &[u8], signed: &[u8]) -> Result<Self, KeySetError> {
        let signatures = signatures(signed);
        let by_root = |set: &Self| {
            let checked = set.root.check(bytes, &signatures);
            checked.map_err(|source| KeySetError::Root { version: set.version, source })
        };
        by_root(self)?;
        let next = parse(bytes)?;
        let wanted = self.version.saturating_add(1);
        if next.version != wanted {
            return Err(KeySetError::Version { found: next.version, wanted });
        }
        by_root(&next)?;
        Ok(next)
    }
}

/// A set as its file has it.
pub fn parse(bytes: &[u8]) -> Result<KeySet, KeySetError> {
    let written: Written =
        serde_json::from_slice(bytes).map_err(|error| KeySetError::NotJson(error.to_string()))?;
    written.try_into()
}

/// The newest set that this gateway was handed, and what it began with: another beginning makes it void.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct HandedOver {
    pub(super) from: String,
    pub(super) set: KeySet,
}
