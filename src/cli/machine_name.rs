//! Names that somebody gives with a command (`--machine NOM`): one that is not there is told with those that
//! are, the nearest first.

use super::UsageError;
use crate::{
    buffer::Buffer,
    config::Config,
    model::{meant, nearest_first, printable},
};

/// More names make no sentence.
const MOST_NAMES: usize = 60;
/// Of one name.
const MOST_CHARS: usize = 100;

/// Refuses a machine that is neither configured nor in the buffer: one that was taken out of the configuration
/// has its past.
pub(super) fn expect_machine(
    config: &Config,
    buffer: Option<&Buffer>,
    wanted: Option<&str>,
) -> anyhow::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let stored = buffer.map(|buffer| buffer.reports().machines()).transpose()?;
    let stored = stored.into_iter().flatten().map(|machine| machine.nom);
    let names = configured(config).map(str::to_owned).chain(stored).collect();
    Ok(expect_name("machine", wanted, names)?)
}

/// The machines of the configuration, as often as they have a folder.
pub(super) fn configured(config: &Config) -> impl Iterator<Item = &str> {
    let all = config.sources.iter().flat_map(|source| source.folders.values());
    all.map(|machine| machine.nom.as_str())
}

/// Refuses a machine that is not configured.
pub(super) fn expect_configured(config: &Config, wanted: &str) -> Result<(), UsageError> {
    expect_name("machine", wanted, configured(config).map(str::to_owned).collect())
}

/// Refuses a name that is none of `names`, with all of them and the one that is most alike.
pub(super) fn expect_name(
    what: &str,
    wanted: &str,
    mut names: Vec<String>,
) -> Result<(), UsageError> {
    names.sort();
    names.dedup();
    let names = nearest_first(wanted, names.iter().map(String::as_str));
    if names.contains(&wanted) {
        return Ok(());
    }
    let shown = |name: &str| printable(name, MOST_CHARS);
    let question = meant(wanted, names.iter().copied());
    let question =
        question.map_or_else(String::new, |name| format!(" Did you mean {}?", shown(name)));
    let more = names.len().saturating_sub(MOST_NAMES);
    let all: Vec<String> = names.iter().take(MOST_NAMES).copied().map(shown).collect();
    let mut all = all.join(", ");
    if more > 0 {
        all += &format!(" and {more} more");
    }
    let there = match names.as_slice() {
        [] => format!("there is no {what} yet"),
        [_] => format!("the only {what} is {all}"),
        _ => format!("the {what}s are {all}"),
    };
    let wanted = shown(wanted);
    Err(UsageError(format!("no {what} is called {wanted}; {there}.{question}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(wanted: &str, names: &[&str]) -> String {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        expect_name("machine", wanted, names).unwrap_err().to_string()
    }

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are_and_the_nearest() {
        let names = ["SU12", "DEM12", "DEMALU"];
        let told = refused("dem13", &names);
        assert_eq!(
            told,
            "no machine is called dem13; the machines are DEM12, DEMALU, SU12. Did you mean DEM12?"
        );
        assert!(refused("SU21", &names).contains("the machines are SU12, DEM12, DEMALU."));
        assert!(!refused("NOPE", &names).contains("Did you mean"));
        assert!(refused("NOPE", &[]).ends_with("there is no machine yet."));
        assert!(refused("SU 12", &["SU12"]).contains("the only machine is SU12"));
        assert!(expect_name("machine", "SU12", vec!["SU12".into()]).is_ok());
        let many: Vec<String> = (0..100).map(|number| format!("M{number:03}")).collect();
        let told = expect_name("machine", "X", many).unwrap_err().to_string();
        assert!(told.contains("M059 and 40 more"), "{told}");
    }
}
