//! Last week's reports as files: which weeks are to be written ([`due`], pure), the folder that keeps them
//! ([`ReportFolder`]), the requests that carry them, and the thread that does so ([`ReportCarrier`]). What stands
//! in a report is `cli`'s affair.
//!
//! What must never happen here: a file that is there in part; a report that was taken and is sent again with
//! another key; the token or the address shown anywhere; a request that waits without end.

mod carrier;
mod folder;
mod post;

pub(crate) use carrier::ReportCarrier;
pub(crate) use folder::ReportFolder;
pub(crate) use post::ReportPoster;

use std::collections::BTreeMap;

use crate::model::{ReportFormat, ReportName, Week};

/// What the folder holds of a week.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct KeptWeek {
    pub formats: Vec<ReportFormat>,
    /// Of the figures that were written. `None`: its files were not all written.
    pub digest: Option<String>,
}

/// A LOG can come late, after a week with a broken link or a wrong clock: for so many weeks before the newest
/// kept one, what is written is compared with what is known.
const LOOKED_AT_AGAIN: i64 = 4;

/// The weeks up to `last`, the last that is over, which may have to be written: oldest first, and at most
/// `keep`. The first time it is only `last`.
pub(crate) fn candidates(
    kept: &BTreeMap<Week, KeptWeek>,
    last: Week,
    keep: u32,
) -> impl Iterator<Item = Week> + use<> {
    let whole = kept.iter().filter(|(_, week)| week.digest.is_some()).map(|(week, _)| *week);
    let newest = whole.clone().filter(|week| *week <= last).max();
    let oldest = whole.min();
    let first = match (newest, oldest) {
        (Some(newest), Some(oldest)) => newest.before(LOOKED_AT_AGAIN - 1).max(oldest),
        _ => last,
    };
    let first = first.max(last.before(i64::from(keep) - 1));
    std::iter::successors(Some(first), |week| Some(week.next()))
        .take_while(move |week| *week <= last)
}

/// Whether a week whose figures have this digest has to be written.
pub(crate) fn is_due(kept: Option<&KeptWeek>, digest: &str, formats: &[ReportFormat]) -> bool {
    kept.is_none_or(|kept| {
        kept.digest.as_deref() != Some(digest)
            || formats.iter().any(|format| !kept.formats.contains(format))
    })
}

/// What of the folder somebody still waits for, as `status` tells it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Unsent {
    pub names: Vec<ReportName>,
    /// Why the last try failed, and since when it does.
    pub failure: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(text: &str) -> Week {
        text.parse().unwrap()
    }

    fn kept(weeks: &[&str]) -> BTreeMap<Week, KeptWeek> {
        let whole = KeptWeek { formats: ReportFormat::ALL.to_vec(), digest: Some("a".into()) };
        weeks.iter().map(|text| (week(text), whole.clone())).collect()
    }

    fn found(kept: &BTreeMap<Week, KeptWeek>, last: &str, keep: u32) -> Vec<String> {
        candidates(kept, week(last), keep).map(|week| week.to_string()).collect()
    }

    #[test]
    fn the_first_time_only_the_last_week_is_written_and_missed_weeks_are_made_up() {
        assert_eq!(found(&kept(&[]), "2026-W48", 60), ["2026-W48"]);
        assert_eq!(
            found(&kept(&["2026-W52"]), "2027-W02", 60),
            ["2026-W52", "2026-W53", "2027-W01", "2027-W02"]
        );
        // The first one that was ever written stays the first.
        assert_eq!(
            found(&kept(&["2026-W47", "2026-W48"]), "2026-W48", 60),
            ["2026-W47", "2026-W48"]
        );
        let five = ["2026-W44", "2026-W45", "2026-W46", "2026-W47", "2026-W48"];
        assert_eq!(found(&kept(&five), "2026-W48", 60), five[1..]);
    }

    #[test]
    fn a_clock_that_is_years_ahead_or_behind_asks_for_no_more_than_is_kept() {
        let kept = kept(&["2026-W47", "2026-W48"]);
        assert_eq!(found(&kept, "2031-W10", 3), ["2031-W08", "2031-W09", "2031-W10"]);
        assert_eq!(found(&kept, "2026-W40", 60), ["2026-W40"]);
    }

    #[test]
    fn a_week_is_due_if_it_lacks_a_format_or_its_figures_changed() {
        let whole = KeptWeek { formats: vec![ReportFormat::Html], digest: Some("a".into()) };
        let html = [ReportFormat::Html];
        assert!(!is_due(Some(&whole), "a", &html));
        assert!(is_due(Some(&whole), "b", &html), "a LOG came late");
        assert!(is_due(Some(&whole), "a", &ReportFormat::ALL), "a format was added");
        let half = KeptWeek { digest: None, ..whole };
        assert!(is_due(Some(&half), "a", &html) && is_due(None, "a", &html), "cut in between");
    }
}
