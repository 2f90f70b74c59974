//! Field updates: a signed manifest over HTTPS, a package whose hash stands in it, and a new version
//! that has to prove itself or is put back.
//!
//! The order of what lasts: the package and the one to go back to are in the cache, whole and checked;
//! then the state says that an update is under way; then dpkg works; then the state says how it
//! ended. Whatever moment the power is cut at, the next run finds in the state what to finish.
//!
//! What must never happen here: something installed whose hash is not in a manifest with the right
//! signature; an update that could not be undone; a version tried again that did not prove itself.

use std::{path::PathBuf, time::Duration};

use chrono::{DateTime, FixedOffset};
use minisign_verify::{PublicKey, Signature};

mod apply;
mod decide;
mod deferral;
mod fetch;
mod lenient;
mod manifest;
mod on_disk;
mod package;
mod result;
mod service;
mod store;
mod verify;
mod version;

pub use apply::Updater;
pub use decide::{NotYet, Refusal};
pub use manifest::parse as parse_manifest;
pub use result::{last_update, result_file};
pub use store::{Phase, StoreError, UpdateState, UpdateStore, parse_state};
pub use version::Version;

use decide::{Decision, Facts, Held};
use fetch::{FetchError, Fetcher, beside, hash_of};
use manifest::{Manifest, ManifestError};
use package::{Installed, PackageError};
use version::order;

use crate::config::{UpdateConfig, Window};

/// A manifest is a page of text.
const MAX_MANIFEST_BYTES: u64 = 256 << 10;
const MAX_SIGNATURE_BYTES: u64 = 4 << 10;
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
    #[error(
        "the signature of {url} does not match `update.public_key` ({problem}): the manifest is ignored"
    )]
    Signature { url: String, problem: String },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
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
    facts: Facts,
    fetcher: Fetcher,
}

/// Fetches the manifest and its signature, and believes it only where they fit.
fn ask(
    config: &UpdateConfig,
    agent_id: &str,
    store: &UpdateStore,
    now: &Now,
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
    if let Err(problem) = check_signature(&config.public_key, &bytes, &signature) {
        return Ok(Err(Obstacle::Signature { url: url.clone(), problem }));
    }
    let manifest = match manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(error.into())),
    };
    let state = store.state()?;
    let facts = Facts {
        agent_id: agent_id.to_owned(),
        held: held(store, &state, &manifest, &installed),
        installed: installed.version,
        architecture: installed.architecture,
        given_up: state.given_up,
        now: now.time,
    };
    Ok(Ok(Asked { manifest, facts, fetcher }))
}

/// The package to go back to, by its hash: that of this manifest, or the one noted when it was fetched.
fn held(
    store: &UpdateStore,
    state: &UpdateState,
    manifest: &Manifest,
    installed: &Installed,
) -> Held {
    // A gateway that has the newest goes nowhere, and need not read its card for it every hour.
    if order(&manifest.newest.version, &installed.version).is_le() {
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

fn check_signature(key: &PublicKey, bytes: &[u8], signature: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(signature).map_err(|error| error.to_string())?;
    let signature = Signature::decode(text).map_err(|error| error.to_string())?;
    key.verify(bytes, &signature, false).map_err(|error| error.to_string())
}
