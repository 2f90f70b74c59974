//! What a manifest means for this gateway. Pure: facts in, decision out.

use std::cmp::Ordering;

use chrono::{DateTime, FixedOffset};
use sha2::{Digest, Sha256};

use super::{
    manifest::{Manifest, Package},
    version::{Version, order},
};
use crate::{
    config::StopRule,
    model::{GivenUp, UpdatesElsewhere},
};

/// What is known of this gateway.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub agent_id: String,
    pub installed: Version,
    /// Debian's name of the installed package's architecture.
    pub architecture: String,
    /// Versions that did not prove themselves here.
    pub given_up: Vec<Version>,
    /// What is in the cache under the name of the installed version's package.
    pub held: Held,
    pub now: DateTime<FixedOffset>,
}

/// The package to go back to, before it may be needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    Missing,
    /// Its hash is that of a signed manifest.
    Verified,
    /// Its hash is another, or none is known to compare it with.
    Unverified,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Decision<'m> {
    UpToDate,
    /// Nothing will be done until somebody mends it.
    Refused(Refusal),
    /// Nothing is wrong; it is not this gateway's turn.
    NotYet(NotYet),
    Install {
        package: &'m Package,
        /// The installed version's package, where it must be fetched before.
        fetch_before: Option<&'m Package>,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error(
        "the manifest's version {offered} is older than the installed {installed}: publish a newer one, withdraw {installed} (packaging/manifest.sh --withdraw), or downgrade by hand with dpkg -i"
    )]
    Older { offered: Version, installed: Version },
    #[error(
        "version {offered} requires at least {minimum}, but {installed} is installed: install {minimum} by hand with dpkg -i first"
    )]
    BelowMinimum { offered: Version, minimum: Version, installed: Version },
    #[error(
        "version {offered} has no package for {architecture} (it has {}): publish one",
        .available.join(", ")
    )]
    NoPackage { offered: Version, architecture: String, available: Vec<String> },
    #[error(
        "version {0} failed verification and was rolled back on this gateway: it is not retried, publish a newer one"
    )]
    GivenUp(Version),
    #[error(
        "version {version} failed verification and was rolled back on {rolled_back} of {gateways} gateways: the rollout stopped itself, publish a newer one"
    )]
    StoppedElsewhere { version: Version, rolled_back: u64, gateways: u64 },
    #[error(
        "the installed version {0} is neither in the cache nor in the manifest's list `previous`, so the update could not be rolled back: add it to the manifest"
    )]
    NoWayBack(Version),
    #[error(
        "the cached package of the installed version {0} does not match a manifest (its SHA-256 differs, or was never recorded), so the update could not be rolled back: add {0} to the manifest's list `previous`, and it will be fetched again"
    )]
    WayBackUnverified(Version),
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotYet {
    #[error("version {version} must not be installed before {not_before}")]
    NotBefore { version: Version, not_before: DateTime<FixedOffset> },
    #[error(
        "version {version} is rolled out to {percent} % of the gateways so far, and this one is number {place} of 100"
    )]
    Rollout { version: Version, percent: u8, place: u8 },
}

pub(super) fn decide<'m>(manifest: &'m Manifest, facts: &Facts) -> Decision<'m> {
    let offered = &manifest.newest.version;
    match order(offered, &facts.installed) {
        Ordering::Equal => return Decision::UpToDate,
        Ordering::Less if !manifest.is_withdrawn(&facts.installed) => {
            return Decision::Refused(Refusal::Older {
                offered: offered.clone(),
                installed: facts.installed.clone(),
            });
        }
        // Nobody is to run a withdrawn version: of it one goes back, too.
        Ordering::Less | Ordering::Greater => {}
    }
    if facts.given_up.iter().any(|version| order(version, offered) == Ordering::Equal) {
        return Decision::Refused(Refusal::GivenUp(offered.clone()));
    }
    if let Some(minimum) = &manifest.minimum_version
        && order(&facts.installed, minimum) == Ordering::Less
    {
        return Decision::Refused(Refusal::BelowMinimum {
            offered: offered.clone(),
            minimum: minimum.clone(),
            installed: facts.installed.clone(),
        });
    }
    let Some(package) = manifest.newest.packages.get(&facts.architecture) else {
        return Decision::Refused(Refusal::NoPackage {
            offered: offered.clone(),
            architecture: facts.architecture.clone(),
            available: manifest.newest.packages.keys().cloned().collect(),
        });
    };
    let installed = manifest.way_back(&facts.installed, &facts.architecture);
    let fetch_before = match (facts.held, installed) {
        (Held::Verified, _) => None,
        (_, Some(installed)) => Some(installed),
        (Held::Missing, None) => {
            return Decision::Refused(Refusal::NoWayBack(facts.installed.clone()));
        }
        (Held::Unverified, None) => {
            return Decision::Refused(Refusal::WayBackUnverified(facts.installed.clone()));
        }
    };
    if let Some(not_before) = manifest.not_before.filter(|time| facts.now < *time) {
        return Decision::NotYet(NotYet::NotBefore { version: offered.clone(), not_before });
    }
    let place = place(&facts.agent_id, offered);
    if place >= manifest.rollout_percent {
        return Decision::NotYet(NotYet::Rollout {
            version: offered.clone(),
            percent: manifest.rollout_percent,
            place,
        });
    }
    Decision::Install { package, fetch_before }
}

/// A rollout stops itself once enough gateways rolled the version back, whatever their number was to be.
pub(super) fn stopped_elsewhere(
    offered: &Version,
    elsewhere: &UpdatesElsewhere,
    rule: &StopRule,
) -> Option<Refusal> {
    let is_offered = |given_up: &&GivenUp| {
        Version::parse(&given_up.version).is_some_and(|version| order(&version, offered).is_eq())
    };
    let rolled_back = elsewhere.given_up.iter().filter(is_offered).map(|one| one.gateways).max()?;
    let gateways = elsewhere.gateways;
    let percent = rolled_back.saturating_mul(100) / gateways.max(1);
    let is_stopped = rolled_back >= rule.gateways || percent >= rule.percent;
    is_stopped.then(|| Refusal::StoppedElsewhere {
        version: offered.clone(),
        rolled_back,
        gateways,
    })
}

/// A gateway's place from 0 to 99 in the rollout of a version: the same at every look, and another for
/// another version, so that it is not always the same ones that go first.
fn place(agent_id: &str, version: &Version) -> u8 {
    let digest = Sha256::new().chain_update(agent_id).chain_update(version.as_str()).finalize();
    let rest = digest.iter().fold(0, |rest: u32, byte| (rest * 256 + u32::from(*byte)) % 100);
    u8::try_from(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::update::manifest::Release;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn release(text: &str, architectures: &[&str]) -> Release {
        let package = Package { url: "x".into(), size_bytes: 1, sha256: "0".repeat(64) };
        let packages: BTreeMap<_, _> =
            architectures.iter().map(|name| ((*name).to_owned(), package.clone())).collect();
        Release { version: version(text), packages }
    }

    fn manifest() -> Manifest {
        Manifest {
            newest: release("0.3.0", &["arm64", "armhf"]),
            serial: 1,
            signed_at: DateTime::parse_from_rfc3339("2026-11-30T10:00:00Z").unwrap(),
            expires: DateTime::parse_from_rfc3339("2027-02-28T10:00:00Z").unwrap(),
            withdrawn: vec![version("0.9.0")],
            is_urgent: false,
            minimum_version: Some(version("0.2.0")),
            not_before: Some(DateTime::parse_from_rfc3339("2026-12-01T20:00:00+01:00").unwrap()),
            rollout_percent: 100,
            previous: vec![release("0.2.0", &["arm64"])],
        }
    }

    fn facts() -> Facts {
        Facts {
            agent_id: "ligne-1".into(),
            installed: version("0.2.0"),
            architecture: "arm64".into(),
            given_up: vec![version("0.2.9")],
            held: Held::Missing,
            now: DateTime::parse_from_rfc3339("2026-12-01T19:00:00+00:00").unwrap(),
        }
    }

    #[test]
    fn each_fact_that_is_in_the_way_is_told() {
        let manifest = manifest();
        let said = |change: &dyn Fn(&mut Facts, &mut Manifest)| {
            let (mut facts, mut manifest) = (facts(), manifest.clone());
            change(&mut facts, &mut manifest);
            match decide(&manifest, &facts) {
                Decision::UpToDate => "up to date".to_owned(),
                Decision::Refused(refusal) => format!("refused: {refusal}"),
                Decision::NotYet(wait) => format!("not yet: {wait}"),
                Decision::Install { fetch_before, .. } => {
                    format!("install, {} packages", 1 + usize::from(fetch_before.is_some()))
                }
            }
        };
        type Change = fn(&mut Facts, &mut Manifest);
        let cases: [(Change, &str); 14] = [
            (|_, _| {}, "install, 2 packages"),
            (|facts, _| facts.held = Held::Verified, "install, 1 packages"),
            (|facts, _| facts.held = Held::Unverified, "install, 2 packages"),
            (
                |facts, manifest| {
                    facts.held = Held::Verified;
                    manifest.previous.clear();
                },
                "install, 1 packages",
            ),
            (
                |facts, manifest| {
                    facts.held = Held::Unverified;
                    manifest.previous.clear();
                },
                "refused: the cached package of the installed version 0.2.0 does not match",
            ),
            (|facts, _| facts.installed = version("0.3.0"), "up to date"),
            (
                |facts, _| facts.installed = version("0.10.0"),
                "refused: the manifest's version 0.3.0 is older",
            ),
            (
                |facts, _| facts.installed = version("0.1.9"),
                "refused: version 0.3.0 requires at least 0.2.0",
            ),
            (
                |facts, _| facts.architecture = "amd64".into(),
                "refused: version 0.3.0 has no package for amd64 (it has arm64, armhf)",
            ),
            (
                |facts, _| facts.given_up.push(version("0.3.0")),
                "refused: version 0.3.0 failed verification and was rolled back",
            ),
            (
                |_, manifest| manifest.previous.clear(),
                "refused: the installed version 0.2.0 is neither",
            ),
            (
                |facts, _| facts.architecture = "armhf".into(),
                "refused: the installed version 0.2.0 is neither",
            ),
            (
                |facts, _| facts.now -= chrono::TimeDelta::seconds(1),
                "not yet: version 0.3.0 must not be installed before 2026-12-01 20:00:00 +01:00",
            ),
            (
                |_, manifest| manifest.rollout_percent = 0,
                "not yet: version 0.3.0 is rolled out to 0 %",
            ),
        ];
        for (change, expected) in cases {
            let said = said(&change);
            assert!(said.starts_with(expected), "{said:?}, expected {expected:?}");
        }
    }

    #[test]
    fn only_a_withdrawn_version_is_left_for_an_older_one() {
        let manifest = manifest();
        let with = |installed| Facts { installed, held: Held::Verified, ..facts() };
        let withdrawn = with(version("0.9.0"));
        assert!(matches!(decide(&manifest, &withdrawn), Decision::Install { .. }));
        let kept = with(version("0.9.1"));
        let older = Decision::Refused(Refusal::Older {
            offered: version("0.3.0"),
            installed: version("0.9.1"),
        });
        assert_eq!(decide(&manifest, &kept), older);
    }

    #[test]
    fn a_rollout_stops_itself_after_two_gateways_or_a_fifth_of_the_fleet() {
        let rule = StopRule { gateways: 2, percent: 20 };
        let stopped = |rolled_back, gateways, version_there: &str| {
            let there = GivenUp { version: version_there.into(), gateways: rolled_back };
            let elsewhere = UpdatesElsewhere { gateways, given_up: vec![there] };
            stopped_elsewhere(&version("0.3.0"), &elsewhere, &rule).is_some()
        };
        assert!(!stopped(1, 40, "0.3.0"));
        assert!(stopped(2, 40, "0.3.0") && stopped(2, 1000, "0:0.3.0"));
        assert!(!stopped(1, 6, "0.3.0") && stopped(1, 5, "0.3.0") && stopped(1, 0, "0.3.0"));
        assert!(
            !stopped(9, 40, "0.2.9") && !stopped(9, 40, "no version") && !stopped(0, 40, "0.3.0")
        );
        let none = UpdatesElsewhere::default();
        assert_eq!(stopped_elsewhere(&version("0.3.0"), &none, &rule), None);
    }

    #[test]
    fn a_rollout_reaches_about_its_share_of_the_gateways_and_others_for_another_version() {
        let (first, second) = (version("0.3.0"), version("0.3.1"));
        let reached = |version: &Version| -> Vec<u32> {
            (0..1000).filter(|n| place(&format!("ligne-{n}"), version) < 25).collect()
        };
        let (first, second) = (reached(&first), reached(&second));
        assert!((200..300).contains(&first.len()), "{}", first.len());
        assert_ne!(first, second);
    }
}
