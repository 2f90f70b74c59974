//! Field updates: a signed manifest over HTTPS, a package whose hash stands in it, and a new version
//! that has to prove itself or is put back.
//!
//! The order of what lasts: the package and the one to go back to are in the cache, whole and checked;
//! then the state says that an update is under way; then dpkg works; then the state says how it
//! ended. Whatever moment the power is cut at, the next run finds in the state what to finish.
//!
//! What must never happen here: something installed whose hash is not in a manifest with the right
//! signature; an old manifest believed because its signature is right; an update that could not be undone; a
//! version tried again that did not prove itself.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, FixedOffset};
use sha2::{Digest, Sha256};

mod apply;
mod decide;
mod deferral;
mod fetch;
mod freshness;
mod keys;
mod lenient;
mod manifest;
mod on_disk;
mod package;
mod result;
mod service;
mod space;
mod store;
mod verify;
mod version;

pub use apply::Updater;
pub use decide::{NotYet, Refusal};
pub use freshness::{Seen, Stale};
pub use keys::{KeySet, KeySetError, parse as parse_key_set};
pub use manifest::parse as parse_manifest;
pub use result::{last_update, result_file, self_update};
pub use store::{Phase, StoreError, UpdateState, UpdateStore, parse_state};
pub use version::Version;

use decide::{Decision, Facts, Held};
use fetch::{FetchError, Fetcher, beside, hash_of, hexadecimal};
use keys::{HandedOver, TooFew};
use manifest::{Manifest, ManifestError};
use package::{Installed, PackageError};
use version::order;

use crate::config::{Trust, UpdateConfig, Window};

/// A manifest is a page of text.
const MAX_MANIFEST_BYTES: u64 = 256 << 10;
/// Of several signatures, one below the other.
const MAX_SIGNATURE_BYTES: u64 = 16 << 10;
const MAX_KEYS_BYTES: u64 = 64 << 10;
/// Sets of keys that are taken in one run; a gateway that was away for years takes more in the next.
const MOST_HAND_OVERS: usize = 50;
/// Its size tells how much room a migration needs; the room that owns it is not imported here.
const BUFFER_FILE: &str = "buffer.db";

#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("cannot read the package {path}")]
    ReadPackage { path: PathBuf, source: std::io::Error },
    #[error("cannot restart the service; run systemctl restart cu-agent")]
    Restart { source: std::io::Error },
    #[error(
        "version {to} was installed over {from} and failed ({reason}), and the rollback to {from} failed too: {problem}; the next run retries it"
    )]
    NotPutBack { from: Version, to: Version, reason: String, problem: String },
}

/// Why nothing is done until somebody fixes it.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    #[error(transparent)]
    Decided(#[from] Refusal),
    #[error("{0}")]
    Clock(String),
    #[error("the signature of {url} does not match {whose} ({problem}): the manifest is ignored")]
    Signature { url: String, whose: String, problem: TooFew },
    #[error("the publisher's keys in {place} cannot be used: {problem}")]
    Keys { place: String, problem: KeySetError },
    #[error("cannot read the publisher's keys in {path} (`update.key_file`): {problem}")]
    KeyFile { path: PathBuf, problem: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Stale(#[from] Stale),
    #[error(transparent)]
    Fetched(FetchError),
    #[error(
        "the file at {url} is {found}, but the manifest lists {wanted}: publish the right file"
    )]
    OtherPackage { url: String, found: String, wanted: String },
    #[error(
        "{free_bytes} bytes are free in {path}, but the update needs {needed_bytes}: free some space"
    )]
    NoRoom { path: PathBuf, needed_bytes: u64, free_bytes: u64 },
    #[error(
        "cu-agent is not installed as a Debian package here, and self-update replaces packages: install the package"
    )]
    NotAPackage,
}

/// Why it is not the moment.
#[derive(Debug, thiserror::Error)]
pub enum Delay {
    #[error(transparent)]
    Decided(#[from] NotYet),
    #[error(
        "version {version} waits for the update window {window} (`update.window`; --now ignores it)"
    )]
    Window { version: String, window: Window },
    #[error(
        "version {version} waits while {} is producing (--now ignores it; {waited_h} h so far, at most {} h by `update.max_deferral`)",
        .machines.join(", "), .most.as_secs() / 3600
    )]
    Producing { version: String, machines: Vec<String>, waited_h: u64, most: Duration },
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    UpToDate {
        version: String,
    },
    Refused(Obstacle),
    NotYet(Delay),
    /// What `check` says of a version that nothing stands in the way of.
    WouldInstall {
        version: String,
        from: String,
    },
    Installed {
        version: String,
        from: String,
    },
    RolledBack {
        version: String,
        from: String,
        reason: String,
    },
}

/// The moment of a run, read by the caller.
#[derive(Clone, Debug)]
pub struct Now {
    /// With the offset of the gateway's local time.
    pub time: DateTime<FixedOffset>,
    /// Why the clock cannot be right, if it cannot.
    pub clock_fault: Option<String>,
}

/// Everything known after asking the publisher; what to do is [`decide::decide`]'s.
struct Asked {
    manifest: Manifest,
    /// What is remembered of it.
    seen: Seen,
    facts: Facts,
    fetcher: Fetcher,
}

/// Fetches the manifest and its signature, and believes it only where they fit. The keys that count are handed
/// to `remember` before: a key that was revoked stays so, whatever is said of the manifest.
fn ask(
    config: &UpdateConfig,
    agent_id: &str,
    store: &UpdateStore,
    now: &Now,
    remember: impl FnOnce(Option<HandedOver>) -> Result<(), UpdateError>,
) -> Result<Result<Asked, Obstacle>, UpdateError> {
    if let Some(fault) = &now.clock_fault {
        return Ok(Err(Obstacle::Clock(format!(
            "{fault}; no update is installed until the clock is right"
        ))));
    }
    let Some(installed) = package::installed()? else { return Ok(Err(Obstacle::NotAPackage)) };
    let fetcher = Fetcher::new(config.ca_file.as_deref())?;
    let small = |url: &str, limit| match fetcher.small(url, limit) {
        Err(error) if error.is_refusal() => Ok(Err(Obstacle::Fetched(error))),
        Err(error) => Err(error),
        Ok(bytes) => Ok(Ok(bytes)),
    };
    let url = &config.manifest_url;
    let bytes = match small(url, MAX_MANIFEST_BYTES)? {
        Ok(bytes) => bytes,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let signature = match small(&format!("{url}.minisig"), MAX_SIGNATURE_BYTES)? {
        Ok(bytes) => bytes,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let state = store.state()?;
    let (set, keys) = match current_keys(config, &state, &fetcher)? {
        Ok(current) => current,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    remember(keys)?;
    if let Err(problem) = set.check_manifest(&bytes, &signature) {
        let whose = match (&config.trust, set.version()) {
            (Trust::Key(_), 0) => "`update.public_key`".to_owned(),
            (_, version) => format!("the publisher's keys, version {version}"),
        };
        return Ok(Err(Obstacle::Signature { url: url.clone(), whose, problem }));
    }
    let manifest = match manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(error.into())),
    };
    let digest = hexadecimal(&Sha256::digest(&bytes));
    let seen = match freshness::judge(&manifest, &digest, state.seen.as_ref(), now.time) {
        Ok(seen) => seen,
        Err(stale) => return Ok(Err(stale.into())),
    };
    let facts = Facts {
        agent_id: agent_id.to_owned(),
        held: held(store, &state, &manifest, &installed),
        installed: installed.version,
        architecture: installed.architecture,
        given_up: state.given_up,
        now: freshness::proven_time(Some(&seen), now.time),
    };
    Ok(Ok(Asked { manifest, seen, facts, fetcher }))
}

/// The package to go back to, by its hash: that of this manifest, or the one noted when it was fetched.
fn held(
    store: &UpdateStore,
    state: &UpdateState,
    manifest: &Manifest,
    installed: &Installed,
) -> Held {
    // A gateway that has the newest goes nowhere, and need not read its card for it every hour.
    let offered = order(&manifest.newest.version, &installed.version);
    if offered.is_eq() || offered.is_lt() && !manifest.is_withdrawn(&installed.version) {
        return Held::Unverified;
    }
    let place = store.package(&installed.version, &installed.architecture);
    let listed = manifest.way_back(&installed.version, &installed.architecture);
    let wanted = listed.map(|package| package.sha256.as_str()).or(state.hash_of(&place));
    match (hash_of(&place), wanted) {
        (Ok(found), Some(wanted)) if found == wanted => Held::Verified,
        (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound => Held::Missing,
        _ => Held::Unverified,
    }
}

/// The keys whose signatures count now, and what is remembered of how they came: those of the configuration,
/// those that they handed over to before, and those that are handed over to since.
fn current_keys(
    config: &UpdateConfig,
    state: &UpdateState,
    fetcher: &Fetcher,
) -> Result<Result<(KeySet, Option<HandedOver>), Obstacle>, UpdateError> {
    let (from, configured, mut set) = match known_keys(&config.trust, state) {
        Ok(known) => known,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    for _ in 0..MOST_HAND_OVERS {
        let name = format!("keys-{}.json", set.version().saturating_add(1));
        let place = beside(&config.manifest_url, &name);
        let bytes = match fetcher.small(&place, MAX_KEYS_BYTES) {
            // There is no later set.
            Err(FetchError::Status { status, .. }) if status.is_client_error() => break,
            bytes => bytes?,
        };
        let signature = fetcher.small(&format!("{place}.minisig"), MAX_SIGNATURE_BYTES)?;
        match set.next(&bytes, &signature) {
            Ok(next) => set = next,
            Err(problem) => return Ok(Err(Obstacle::Keys { place, problem })),
        }
    }
    let keys = (set.version() > configured).then(|| HandedOver { from, set: set.clone() });
    Ok(Ok((set, keys)))
}

/// Where the keys come from, their version there, and the set that counts without asking the publisher.
fn known_keys(trust: &Trust, state: &UpdateState) -> Result<(String, u64, KeySet), Obstacle> {
    let (from, set) = match trust {
        Trust::Key(key) => (key.text.clone(), KeySet::of_one(key)),
        Trust::KeySet(path) => (path.display().to_string(), key_file(path)?),
    };
    let configured = set.version();
    let kept = state.keys.as_ref().filter(|kept| kept.from == from);
    let later = kept.filter(|kept| kept.set.version() > configured);
    Ok((from, configured, later.map_or(set, |kept| kept.set.clone())))
}

/// The keys of `trust`, or those that they handed over to, as the updater in `directory` remembers.
pub fn signers(trust: &Trust, directory: Option<&Path>) -> Result<KeySet, Obstacle> {
    let state = directory.and_then(|directory| UpdateStore::at(directory).state().ok());
    known_keys(trust, &state.unwrap_or_default()).map(|(.., set)| set)
}

/// The set that came with the package.
fn key_file(path: &Path) -> Result<KeySet, Obstacle> {
    let bytes = on_disk::bounded(path, MAX_KEYS_BYTES)
        .map_err(|error| Obstacle::KeyFile { path: path.to_owned(), problem: error.to_string() })?;
    let place = || path.display().to_string();
    keys::parse(&bytes).map_err(|problem| Obstacle::Keys { place: place(), problem })
}
