//! Whether the agent is well, or only looks alive. Pure: the inputs and the moment are handed in.
//!
//! What must never happen here: an agent called ill because a server of somebody else is away, which
//! is what alarms are for; one called well that reads nothing of what is there.

use std::{fmt, str::FromStr, time::Duration};

use super::counters::{Counters, Hidden, SourceCounters, UnreadKind};
use crate::model::Language;

/// A fault of reading is believed when it has lasted for so many polls.
const POLLS: u32 = 3;
/// Where only some file cannot be read it may be that file's fault.
const SOME_FILE_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// One line says why. As text it is a word, a colon and the reason, from the first release on: so it
/// travels to anyone who asks, and is read back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Well(String),
    Ill(String),
}

impl Verdict {
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Well(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well(text) => write!(f, "{WELL}: {text}"),
            Self::Ill(text) => write!(f, "{ILL}: {text}"),
        }
    }
}

const WELL: &str = "healthy";
const ILL: &str = "ill";

/// A line that is no verdict.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not a health status")]
pub struct NoVerdict;

impl FromStr for Verdict {
    type Err = NoVerdict;

    fn from_str(line: &str) -> Result<Self, NoVerdict> {
        match line.split_once(": ") {
            Some((WELL, text)) => Ok(Self::Well(text.to_owned())),
            Some((ILL, text)) => Ok(Self::Ill(text.to_owned())),
            _ => Err(NoVerdict),
        }
    }
}

/// What is known of the process.
#[derive(Clone, Debug)]
pub struct HealthInputs<'s> {
    pub counts: &'s Counters,
    /// The loops that have begun and not ended.
    pub loops: &'s [&'static str],
    /// The loop that gave no sign in time.
    pub overdue: Option<&'s str>,
    pub poll: Duration,
    pub has_central: bool,
}

/// The one that matters most, where several things are wrong.
pub fn verdict(inputs: &HealthInputs<'_>, now: Duration) -> Verdict {
    match fault(inputs, now) {
        Some(fault) => Verdict::Ill(fault),
        None => Verdict::Well(wellness(inputs)),
    }
}

fn fault(inputs: &HealthInputs<'_>, now: Duration) -> Option<String> {
    let HealthInputs { counts, loops, overdue, poll, has_central } = inputs;
    let is_at = |name| loops.contains(&name);
    if let Some(name) = overdue {
        return Some(format!("worker {name:?} is stuck"));
    }
    // Recomputing at a start comes before both.
    if !is_at("replay") {
        match (is_at("collect"), is_at("deliver") || !has_central) {
            (true, true) => {}
            (false, false) => {
                return Some("the collecting and delivering workers have stopped".into());
            }
            (false, true) => return Some("the collecting worker has stopped".into()),
            (true, false) => return Some("the delivering worker has stopped".into()),
        }
    }
    if let Some(failure) = counts.buffer_failures.values().next() {
        return Some(format!("the buffer cannot be used: {failure}"));
    }
    let patience = *poll * POLLS;
    let lasts = |since: Duration, patience| now.saturating_sub(since) >= patience;
    if counts.at_cap_since.is_some_and(|since| lasts(since, patience)) {
        return Some("the buffer is full: reading has stopped".into());
    }
    let unread = counts.sources.iter().find_map(|(name, source)| {
        let unread = source.unread.as_ref()?;
        let (patience, what) = match unread.what {
            UnreadKind::AllFiles => (patience, "there are files, but none can be read"),
            UnreadKind::NewFiles => (SOME_FILE_PATIENCE, "new files could not be read for a day"),
            UnreadKind::Folders => (patience, "none of the configured folders exists"),
        };
        lasts(unread.since, patience).then(|| format!("source {name}: {what}"))
    });
    unread.or_else(|| {
        counts.sources.iter().find_map(|(name, source)| {
            let (nom, hidden) = source.machines.iter().find_map(|(nom, hidden)| {
                let lasting = hidden.as_ref().filter(|hidden| lasts(hidden.since, patience));
                Some((nom, lasting?))
            })?;
            // A source that does not answer is the alarms' affair.
            (source.is_up != Some(false)).then(|| {
                let Hidden { trouble, .. } = hidden;
                format!(
                    "source {name}: nothing from machine {nom} can be read: {:?}: {}",
                    trouble.key.place(),
                    trouble.text(Language::English)
                )
            })
        })
    })
}

fn wellness(inputs: &HealthInputs<'_>) -> String {
    let sources = inputs.counts.sources.values();
    let is = |up| move |source: &&SourceCounters| source.is_up == Some(up);
    let (up, down) = (sources.clone().filter(is(true)).count(), sources.filter(is(false)).count());
    let cycles = inputs.counts.cycles;
    format!("{cycles} cycles, sources: {up} reachable, {down} unreachable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Trouble, TroubleKey, TroubleKind},
        status::counters::Unread,
    };

    const POLL: Duration = Duration::from_secs(300);
    const LATE: Duration = Duration::from_secs(100_000);

    fn counts(source: SourceCounters) -> Counters {
        Counters { sources: [("cu".to_owned(), source)].into(), ..Counters::default() }
    }

    fn judged(counts: &Counters, loops: &[&'static str], overdue: Option<&'static str>) -> Verdict {
        verdict(&HealthInputs { counts, loops, overdue, poll: POLL, has_central: true }, LATE)
    }

    const BOTH: [&str; 2] = ["collect", "deliver"];

    fn unread(what: UnreadKind, ago: Duration) -> SourceCounters {
        let unread = Some(Unread { since: LATE - ago, what });
        SourceCounters { is_up: Some(true), unread, ..SourceCounters::default() }
    }

    #[test]
    fn a_verdict_is_read_as_this_release_and_the_one_before_write_it() {
        let well = Verdict::Well("9 cycles, 2 sources answer, 0 do not".into());
        assert_eq!(
            "healthy: 9 cycles, 2 sources answer, 0 do not".parse::<Verdict>().unwrap(),
            well
        );
        let ill = Verdict::Ill("the loop \"collect\" hangs".into());
        assert_eq!("ill: the loop \"collect\" hangs".parse::<Verdict>().unwrap(), ill);
        for verdict in [well, ill, Verdict::Ill("healthy: it is not".into())] {
            assert_eq!(verdict.to_string().parse::<Verdict>().unwrap(), verdict);
        }
        for line in ["", "healthy", "healthyish: yes", " healthy: yes", "Healthy: yes", "xxxx"] {
            assert!(line.parse::<Verdict>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_source_or_central_that_is_away_is_no_illness_of_the_agent() {
        let away = SourceCounters {
            is_up: Some(false),
            down_since: Some(Duration::ZERO),
            ..SourceCounters::default()
        };
        let mut counts = counts(away);
        counts.sync_failures = 1000;
        assert!(judged(&counts, &BOTH, None).is_well());
        assert!(judged(&Counters::default(), &["replay"], None).is_well(), "recomputing");
    }

    #[test]
    fn every_way_of_only_looking_alive_is_told_in_one_line() {
        let unread = |what, ago| counts(unread(what, ago));
        let at_cap = Counters { at_cap_since: Some(Duration::ZERO), ..Counters::default() };
        let refused = Counters {
            buffer_failures: [("collect".to_owned(), "disk I/O error".to_owned())].into(),
            ..Counters::default()
        };
        let (fine, day) = (Counters::default(), Duration::from_secs(86_400));
        for (counts, loops, overdue, said) in [
            (&fine, &BOTH[..], Some("collect"), "worker \"collect\" is stuck"),
            (&fine, &[], None, "the collecting and delivering workers have stopped"),
            (&fine, &["deliver"], None, "the collecting worker has stopped"),
            (&fine, &["collect"], None, "the delivering worker has stopped"),
            (&refused, &BOTH, None, "the buffer cannot be used: disk I/O error"),
            (&at_cap, &BOTH, None, "the buffer is full: reading has stopped"),
            (&unread(UnreadKind::AllFiles, POLL * 3), &BOTH, None, "none can be read"),
            (&unread(UnreadKind::NewFiles, day), &BOTH, None, "could not be read for a day"),
            (&unread(UnreadKind::Folders, POLL * 3), &BOTH, None, "folders exists"),
        ] {
            let verdict = judged(counts, loops, overdue);
            assert!(!verdict.is_well(), "{said}");
            let text = verdict.to_string();
            assert!(text.contains(said) && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn a_machine_of_which_nothing_can_be_read_is_told_after_three_polls() {
        let hidden = |ago| {
            let key = TroubleKey {
                source: "cu".into(),
                folder: "DEM12 (PVC)".into(),
                file: String::new(),
                kind: TroubleKind::FolderNotListed,
            };
            let trouble = Trouble { key, detail: "450 no TLS".into(), since: None };
            let hidden = Some(Hidden { since: LATE - ago, trouble });
            let machines = [("SU12".to_owned(), None), ("DEM12".to_owned(), hidden)].into();
            counts(SourceCounters { is_up: Some(true), machines, ..SourceCounters::default() })
        };
        assert!(judged(&hidden(POLL * 2), &BOTH, None).is_well());
        assert_eq!(
            judged(&hidden(POLL * 3), &BOTH, None).to_string(),
            "ill: source cu: nothing from machine DEM12 can be read: \"DEM12 (PVC)\": the folder cannot be listed: 450 no TLS"
        );
    }

    #[test]
    fn one_bad_poll_or_one_bad_file_is_not_the_end() {
        for (what, ago) in [
            (UnreadKind::AllFiles, POLL * 2),
            (UnreadKind::Folders, POLL * 2),
            (UnreadKind::NewFiles, POLL * 100),
        ] {
            assert!(judged(&counts(unread(what, ago)), &BOTH, None).is_well(), "{what:?}");
        }
    }
}
