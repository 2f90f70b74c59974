//! `check` of several servers in `central.host`: what each of them is, in order of preference.

use super::Lines;
use crate::{
    config::CentralConfig,
    logging,
    sync::postgres::{Central, CentralError, Unwritable},
};

/// What one server turned out to be.
#[derive(Debug)]
enum Found {
    /// It can be written. The text tells servers apart.
    Writable(String),
    Standby,
    /// What is wrong with it.
    Unusable(String),
}

impl From<Result<Central, CentralError>> for Found {
    fn from(connected: Result<Central, CentralError>) -> Self {
        match connected {
            Ok(central) => Self::Writable(central.server().incarnation.clone()),
            Err(CentralError::NotWritable { why: Unwritable::Standby, .. }) => Self::Standby,
            Err(error) => Self::Unusable(logging::chain(&error)),
        }
    }
}

pub(super) fn check(lines: &mut Lines, config: &CentralConfig) {
    let found = config.host.each().map(|host| {
        let config = CentralConfig { host, ..config.clone() };
        Found::from(Central::connect(&config, "cu-agent check"))
    });
    let all: Vec<(String, Found)> = config.places().zip(found).collect();
    tell(lines, &all);
}

fn tell(lines: &mut Lines, all: &[(String, Found)]) {
    let central = all.iter().find_map(|(place, found)| match found {
        Found::Writable(server) => Some((place, server)),
        Found::Standby | Found::Unusable(_) => None,
    });
    for (place, found) in all {
        let what = format!("central {place}");
        match (found, central) {
            (Found::Unusable(reason), _) => lines.bad(&what, reason),
            (Found::Standby, Some(_)) => {
                lines.good(&what, "a standby, read-only; it is used once it is promoted");
            }
            (Found::Standby, None) => lines.bad(
                &what,
                "a standby, so central is read-only; promote it, or add the primary to central.host",
            ),
            (Found::Writable(_), Some((first, _))) if first == place => {
                lines.good(&what, "can be written; central is this server");
            }
            (Found::Writable(server), Some((_, first))) if first == server => {
                lines.good(&what, "can be written; the same server under another name");
            }
            (Found::Writable(_), _) => lines.note(
                &what,
                "can be written too, and is another server: if the preferred one fails, sessions go to this one; only standbys of it, or other ways to it, belong in central.host",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_told_and_a_standby_is_a_failure_only_without_a_primary() {
        let told = |found: Vec<Found>| {
            let mut lines = Lines::default();
            let places = ["a:1", "b:2", "c:3"].map(str::to_owned).into_iter();
            tell(&mut lines, &places.zip(found).collect::<Vec<_>>());
            let marks: Vec<_> =
                lines.text.to_string().lines().map(|line| line[..4].to_owned()).collect();
            (marks.join(" "), lines.all_good)
        };
        let primary = || Found::Writable("1".into());
        let away = || Found::Unusable("no route".into());
        for (found, expected) in [
            (vec![primary(), Found::Standby], ("ok   ok  ", true)),
            (vec![Found::Standby, primary()], ("ok   ok  ", true)),
            (vec![Found::Standby, away(), primary()], ("ok   FAIL ok  ", false)),
            (vec![Found::Standby, Found::Standby], ("FAIL FAIL", false)),
            (vec![away(), Found::Standby], ("FAIL FAIL", false)),
            (vec![primary(), primary()], ("ok   ok  ", true)),
            (vec![primary(), Found::Writable("2".into())], ("ok   note", true)),
        ] {
            let shown = format!("{found:?}");
            let (marks, all_good) = told(found);
            assert_eq!((marks.as_str(), all_good), expected, "{shown}");
        }
    }
}
