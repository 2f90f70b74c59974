//! How long to wait after a failed drain. Pure.

use std::time::Duration;

use super::DrainError;
use crate::{
    retry,
    sync::postgres::{Fault, Retry},
};

/// Failures in a row of one kind.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    pace: Option<Pace>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    /// It passes by itself.
    Soon,
    /// Others have all of central's connections.
    ForATurn,
    /// Somebody has to change something first.
    Slowly,
}

impl Backoff {
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// How long to wait after `error`; `made_progress`: the drain brought something before it. `jitter` is
    /// in 0..1.
    pub(crate) fn failed(
        &mut self,
        error: &DrainError,
        made_progress: bool,
        jitter: f64,
    ) -> Duration {
        let pace = Pace::after(error);
        // A line that breaks now and then is not an unreachable central, and weeks without a network are
        // no reason to wait a quarter of an hour after the first wrong password.
        let is_slow_as_before = self.pace.map(|pace| pace == Pace::Slowly);
        let goes_on = !made_progress && is_slow_as_before == Some(pace == Pace::Slowly);
        self.failures = if goes_on { self.failures.saturating_add(1) } else { 1 };
        self.pace = Some(pace);
        match pace {
            Pace::Soon => retry::wait(self.failures, jitter),
            Pace::ForATurn => retry::wait_for_a_turn(self.failures, jitter),
            Pace::Slowly => retry::wait_for_a_change(self.failures, jitter),
        }
    }
}

impl Pace {
    fn after(error: &DrainError) -> Self {
        let DrainError::Central(error) = error else { return Self::Soon };
        if error.is_want_of_a_connection() {
            return Self::ForATurn;
        }
        match (error.again(), error.fault()) {
            // Perhaps it is the sessions that were sent: the next ones may pass.
            (Retry::Slowly, Fault::Unknown(_)) => Self::Soon,
            (Retry::Slowly, _) => Self::Slowly,
            (Retry::Soon | Retry::Never, _) => Self::Soon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::postgres::CentralError;

    fn lasting() -> DrainError {
        CentralError::ForeignMigration { version: 6 }.into()
    }

    fn passing() -> DrainError {
        CentralError::NoAnswer { place: "x".into(), after: Duration::from_secs(5) }.into()
    }

    fn longest_waits(backoff: &mut Backoff, error: &DrainError, times: usize) -> Vec<u64> {
        (0..times).map(|_| backoff.failed(error, false, 1.0).as_secs()).collect()
    }

    #[test]
    fn what_somebody_has_to_mend_is_tried_ever_more_rarely_up_to_a_quarter_of_an_hour() {
        let mut backoff = Backoff::default();
        let waits = longest_waits(&mut backoff, &lasting(), 10);
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 900, 900, 900, 900]);
        backoff.succeeded();
        assert_eq!(longest_waits(&mut backoff, &lasting(), 1), [15]);
    }

    #[test]
    fn what_passes_by_itself_is_tried_every_five_minutes_at_least() {
        let mut backoff = Backoff::default();
        let waits = longest_waits(&mut backoff, &passing(), 11);
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff.failed(&passing(), true, 1.0).as_secs(), 1, "something has passed");
    }

    #[test]
    fn another_kind_of_failure_begins_with_its_own_first_wait() {
        let mut backoff = Backoff::default();
        longest_waits(&mut backoff, &passing(), 20);
        assert_eq!(longest_waits(&mut backoff, &lasting(), 2), [15, 30]);
        assert_eq!(longest_waits(&mut backoff, &passing(), 2), [1, 2]);
    }
}
