//! The end, of the process and of one round of work, and wake-ups for anyone who waits for work. Both are
//! known to all threads and cut their waits short.
//!
//! What must never happen here: a wait that goes on although the end was requested.

use std::time::Duration;

use crate::{buffer::BufferError, monitor::Monitor};

/// How long the end may take: a service manager's SIGTERM is followed by it within this time.
pub(super) const END_WITHIN: Duration = Duration::from_secs(4);

/// Whether the work is to end. Cloned to every thread.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    signals: Monitor<Signals>,
}

/// Work has come: new sessions for the thread that delivers. Cloned to every thread; its waits end
/// with the shutdown that it was made of, too.
#[derive(Clone, Debug)]
pub struct Wakeup {
    signals: Monitor<Signals>,
}

/// One value for both types, because one thread waits for either.
#[derive(Debug, Default)]
struct Signals {
    /// The process is to end.
    is_requested: bool,
    /// And to begin again, because of this process alone.
    restarts: bool,
    /// This round of work ends.
    round_ends: bool,
    /// Why it ends, if the buffer is the reason.
    failure: Option<BufferError>,
    /// Grows with every [`Wakeup::notify`].
    generation: u64,
}

impl Signals {
    fn must_stop(&self) -> bool {
        self.is_requested || self.round_ends
    }
}

impl Shutdown {
    /// The process is to end.
    pub fn request(&self) {
        self.signals.change(|signals| {
            signals.is_requested = true;
            signals.restarts = false;
        });
    }

    /// The process is to end and to begin again, unless it is to end anyway.
    pub fn request_restart(&self) {
        self.signals.change(|signals| {
            signals.restarts |= !signals.is_requested;
            signals.is_requested = true;
        });
    }

    /// Whether the end was requested by [`Shutdown::request_restart`] alone.
    pub fn is_to_restart(&self) -> bool {
        self.signals.lock().restarts
    }

    /// This round of work is to end, because a thread of it has.
    pub fn end_round(&self) {
        self.signals.change(|signals| signals.round_ends = true);
    }

    /// This round of work is to end, because the buffer cannot be worked with.
    pub fn abort(&self, failure: BufferError) {
        self.signals.change(|signals| {
            signals.round_ends = true;
            signals.failure.get_or_insert(failure);
        });
    }

    /// Why the round was aborted, unless the process is to end; the next round may begin.
    pub fn take_failure(&self) -> Option<BufferError> {
        let mut signals = self.signals.lock();
        let failure = signals.failure.take().filter(|_| !signals.is_requested);
        signals.round_ends = signals.is_requested;
        failure
    }

    pub fn is_requested(&self) -> bool {
        self.signals.lock().is_requested
    }

    /// Whether nothing new is to be begun.
    pub fn must_stop(&self) -> bool {
        self.signals.lock().must_stop()
    }

    /// Waits until the round or the process is to end.
    pub fn wait_for_end(&self) {
        while !self.wait(Duration::from_secs(3600)) {}
    }

    /// Waits for `time`, or until nothing new is to be begun; `true` if so.
    pub fn wait(&self, time: Duration) -> bool {
        self.signals.wait(time, Signals::must_stop).must_stop()
    }

    /// A wake-up whose waits this shutdown ends.
    pub fn wakeup(&self) -> Wakeup {
        Wakeup { signals: self.signals.clone() }
    }
}

impl Wakeup {
    /// Wakes the thread that waits for work.
    pub fn notify(&self) {
        self.signals.change(|signals| signals.generation += 1);
    }

    /// How many notifications there were so far, for [`Wakeup::wait`].
    pub fn generation(&self) -> u64 {
        self.signals.lock().generation
    }

    /// Waits for `time`, the shutdown, or a notification after the generation that was `seen`; `true`
    /// if nothing new is to be begun.
    pub fn wait(&self, time: Duration, seen: u64) -> bool {
        let is_ready = |signals: &Signals| signals.must_stop() || signals.generation > seen;
        self.signals.wait(time, is_ready).must_stop()
    }
}

/// Ends the round when its thread does, also by a panic.
pub(super) struct EndRoundOnDrop(pub(super) Shutdown);

impl Drop for EndRoundOnDrop {
    fn drop(&mut self) {
        self.0.end_round();
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn failure() -> BufferError {
        BufferError::Damaged { path: "buffer.db".into(), found: "x".into() }
    }

    #[test]
    fn a_request_ends_the_waits_of_both_types_and_outlives_the_round() {
        let shutdown = Shutdown::default();
        let wakeup = shutdown.wakeup();
        let begun = Instant::now();
        let waiting = {
            let (shutdown, wakeup) = (shutdown.clone(), wakeup.clone());
            thread::spawn(move || (shutdown.wait(PATIENCE), wakeup.wait(PATIENCE, u64::MAX)))
        };
        shutdown.request();
        assert_eq!(waiting.join().unwrap(), (true, true));
        assert!(begun.elapsed() < PATIENCE);
        shutdown.abort(failure());
        assert!(shutdown.take_failure().is_none(), "the process ends anyway");
        assert!(shutdown.must_stop() && shutdown.is_requested());
    }

    #[test]
    fn an_aborted_round_says_why_and_the_next_one_begins() {
        let shutdown = Shutdown::default();
        drop(EndRoundOnDrop(shutdown.clone()));
        assert!(shutdown.must_stop() && !shutdown.is_requested());
        shutdown.abort(failure());
        shutdown.wait_for_end();
        assert!(shutdown.take_failure().is_some_and(|error| error.is_damage()));
        assert!(!shutdown.must_stop());
        assert!(shutdown.take_failure().is_none());
    }

    #[test]
    fn a_notification_between_looking_for_work_and_waiting_is_not_missed() {
        let shutdown = Shutdown::default();
        let wakeup = shutdown.wakeup();
        let seen = wakeup.generation();
        shutdown.wakeup().notify();
        let begun = Instant::now();
        assert!(!wakeup.wait(PATIENCE, seen));
        assert!(begun.elapsed() < PATIENCE);
        assert!(!wakeup.wait(Duration::from_millis(1), seen + 1), "heard already");
    }
}
