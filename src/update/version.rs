//! Versions of packages, in Debian's order (Debian Policy 5.6.12): what dpkg calls newer is newer.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

/// `[epoch:]upstream[-revision]`, as written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(String);

/// A text that dpkg would not take as a version.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a version")]
pub struct NoVersion(String);

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        Self::parse(&text).ok_or(NoVersion(text))
    }
}

/// A version is part of file names.
const MOST_BYTES: usize = 100;

impl Version {
    /// `None` where dpkg would not take it as a version.
    pub fn parse(text: &str) -> Option<Self> {
        let is_known =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~' | ':');
        let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let is_epoch = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
        (text.len() <= MOST_BYTES
            && is_epoch
            && begins(rest)
            && !rest.contains(':')
            && text.chars().all(is_known))
        .then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, &str, &str) {
        let (epoch, rest) = self.0.split_once(':').unwrap_or(("0", &self.0));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Versions that only look different (`1.0` and `1.00`) are equal to dpkg.
pub(super) fn order(one: &Version, other: &Version) -> Ordering {
    let (one, other) = (one.parts(), other.parts());
    part(one.0, other.0).then_with(|| part(one.1, other.1)).then_with(|| part(one.2, other.2))
}

/// Letters before other signs, `~` before everything, also before the end.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    }
}

fn part(mut one: &str, mut other: &str) -> Ordering {
    while !one.is_empty() || !other.is_empty() {
        let is_word = |c: char| !c.is_ascii_digit();
        let (a, b) = (taken(&mut one, is_word), taken(&mut other, is_word));
        for at in 0..a.len().max(b.len()) {
            let by_weight =
                weight(a.as_bytes().get(at).copied()).cmp(&weight(b.as_bytes().get(at).copied()));
            if by_weight != Ordering::Equal {
                return by_weight;
            }
        }
        let is_digit = |c: char| c.is_ascii_digit();
        let (a, b) = (taken(&mut one, is_digit), taken(&mut other, is_digit));
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        let by_number = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        if by_number != Ordering::Equal {
            return by_number;
        }
    }
    Ordering::Equal
}

/// Takes the characters that `belongs` from the front of `text`.
fn taken<'t>(text: &mut &'t str, belongs: impl Fn(char) -> bool) -> &'t str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    let (front, rest) = text.split_at(end);
    *text = rest;
    front
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn the_order_of_versions_is_that_of_dpkg(
            one in "([0-9]:)?[0-9]{1,2}(\\.[0-9]{1,2}|[~+a-c]){0,3}(-[0-9~a]{1,2})?",
            other in "([0-9]:)?[0-9]{1,2}(\\.[0-9]{1,2}|[~+a-c]){0,3}(-[0-9~a]{1,2})?",
        ) {
            let says = |relation: &str| {
                let question = ["--compare-versions", &one, relation, &other];
                Command::new("dpkg").args(question).status().unwrap().success()
            };
            let (a, b) = (Version::parse(&one).unwrap(), Version::parse(&other).unwrap());
            let wanted = match order(&a, &b) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            prop_assert_eq!(says(wanted), true, "{} {} {}", one, wanted, other);
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "v1", "1 0", "a:1", "1:2:3", "../1", "1.0\n"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
        let order_of =
            |one, other| order(&Version::parse(one).unwrap(), &Version::parse(other).unwrap());
        assert_eq!(order_of("0.10.0", "0.9.9"), Ordering::Greater);
        assert_eq!(order_of("1.0~rc1", "1.0"), Ordering::Less);
        assert_eq!(order_of("1.0", "1.00"), Ordering::Equal);
    }
}
