//! The wish to end, known to all threads, and waits that it cuts short.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Cloned to every thread.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    set: bool,
    /// Grows with every knock.
    knocks: u64,
}

impl Stop {
    pub fn set(&self) {
        let (state, changed) = &*self.shared;
        state.lock().unwrap_or_else(PoisonError::into_inner).set = true;
        changed.notify_all();
    }

    pub fn is_set(&self) -> bool {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).set
    }

    /// Wakes whoever waits for work.
    pub fn knock(&self) {
        let (state, changed) = &*self.shared;
        state.lock().unwrap_or_else(PoisonError::into_inner).knocks += 1;
        changed.notify_all();
    }

    /// How often was knocked so far, for [`Stop::wait_for_knock`].
    pub fn knocks(&self) -> u64 {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).knocks
    }

    /// Waits for `time`, or until the end is wished; `true` where it is.
    pub fn wait(&self, time: Duration) -> bool {
        self.wait_until(time, |state| state.set)
    }

    /// Waits for `time`, the end, or a knock after the `heard` ones; `true` where the end is wished.
    pub fn wait_for_knock(&self, time: Duration, heard: u64) -> bool {
        self.wait_until(time, |state| state.set || state.knocks > heard)
    }

    fn wait_until(&self, time: Duration, done: impl Fn(&State) -> bool) -> bool {
        let (state, changed) = &*self.shared;
        let deadline = Instant::now() + time;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.set
    }
}
