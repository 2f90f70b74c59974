//! How long a machine that is said to produce has held an update off. Pure. That it produces is told by
//! the agent, whose user may tell anything: after `update.max_deferral` it is not waited for any more.
//!
//! Counted from run to run of the updater, never from a date to a date: a clock that is set back counts
//! nothing, and one that jumps ahead, or a gateway that was off, no more than [`MOST_BETWEEN_RUNS`].

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};

/// The timer starts a run every hour; a slow download lengthens one.
const MOST_BETWEEN_RUNS: Duration = Duration::from_secs(3 * 3600);

/// Its fields on disk are the time as RFC 3339 writes it, and seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Deferral {
    /// The last run that was held off.
    pub last: DateTime<FixedOffset>,
    pub waited: Duration,
}

#[derive(Serialize, Deserialize)]
struct Written {
    last: String,
    waited_s: u64,
}

impl From<Deferral> for Written {
    fn from(deferral: Deferral) -> Self {
        Self { last: deferral.last.to_rfc3339(), waited_s: deferral.waited.as_secs() }
    }
}

impl TryFrom<Written> for Deferral {
    type Error = chrono::ParseError;

    fn try_from(written: Written) -> Result<Self, chrono::ParseError> {
        let last = DateTime::parse_from_rfc3339(&written.last)?;
        Ok(Self { last, waited: Duration::from_secs(written.waited_s) })
    }
}

impl Deferral {
    pub fn begun(now: DateTime<FixedOffset>) -> Self {
        Self { last: now, waited: Duration::ZERO }
    }

    /// The same at the present run.
    #[must_use]
    pub fn at(self, now: DateTime<FixedOffset>) -> Self {
        // Below zero the clock was set back.
        let since_last = (now - self.last).to_std().unwrap_or(Duration::ZERO);
        let waited = self.waited.saturating_add(since_last.min(MOST_BETWEEN_RUNS));
        Self { last: now, waited }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn only_what_lies_between_two_runs_counts_whatever_the_clock_does() {
        let now = DateTime::parse_from_rfc3339("2026-12-01T20:00:00+01:00").unwrap();
        let hours = |steps: &[i64]| {
            let (mut now, mut deferral) = (now, Deferral::begun(now));
            for step in steps {
                now += TimeDelta::hours(*step);
                deferral = deferral.at(now);
            }
            deferral.waited.as_secs() / 3600
        };
        assert_eq!(hours(&[]), 0);
        assert_eq!(hours(&[1, 1, 1]), 3);
        assert_eq!(hours(&[-10_000, 1]), 1, "set back");
        assert_eq!(hours(&[100_000, 1]), 4, "a jump ahead, or a month without power");
        assert_eq!(hours(&[1, -1, 1, -1, 1]), 3, "back and forth");
        assert_eq!(hours(&vec![1; 14 * 24]), 14 * 24);
    }
}
