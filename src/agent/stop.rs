//! The wish to end, known to all threads, and waits that it cuts short.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::buffer::BufferError;

impl State {
    fn is_set(&self) -> bool {
        self.wished || self.ended
    }
}

/// Cloned to every thread.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody outside wishes the end of the process.
    wished: bool,
    /// This round of work ends.
    ended: bool,
    /// Why it ends, where the buffer is the reason.
    failure: Option<BufferError>,
    /// Grows with every knock.
    knocks: u64,
}

impl Stop {
    /// The process is to end.
    pub fn set(&self) {
        self.change(|state| state.wished = true);
    }

    /// This round of work is to end, because a thread of it has.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// This round of work is to end, because the buffer cannot be worked with.
    pub fn fail(&self, failure: BufferError) {
        self.change(|state| {
            state.ended = true;
            state.failure.get_or_insert(failure);
        });
    }

    /// Why the round ended, unless the end was wished; the next round may begin.
    pub fn take_failure(&self) -> Option<BufferError> {
        let mut state = self.lock();
        let failure = state.failure.take().filter(|_| !state.wished);
        state.ended = state.wished;
        failure
    }

    pub fn is_wished(&self) -> bool {
        self.lock().wished
    }

    /// Whether nothing new is to be begun.
    pub fn is_set(&self) -> bool {
        self.lock().is_set()
    }

    /// Waits until the round or the process is to end.
    pub fn wait_for_end(&self) {
        while !self.wait(Duration::from_secs(3600)) {}
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.shared.1.notify_all();
    }

    /// Wakes whoever waits for work.
    pub fn knock(&self) {
        self.change(|state| state.knocks += 1);
    }

    /// How often was knocked so far, for [`Stop::wait_for_knock`].
    pub fn knocks(&self) -> u64 {
        self.lock().knocks
    }

    /// Waits for `time`, or until the end is wished; `true` where it is.
    pub fn wait(&self, time: Duration) -> bool {
        self.wait_until(time, State::is_set)
    }

    /// Waits for `time`, the end, or a knock after the `heard` ones; `true` where the end is wished.
    pub fn wait_for_knock(&self, time: Duration, heard: u64) -> bool {
        self.wait_until(time, |state| state.is_set() || state.knocks > heard)
    }

    fn wait_until(&self, time: Duration, done: impl Fn(&State) -> bool) -> bool {
        let changed = &self.shared.1;
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_set()
    }
}
