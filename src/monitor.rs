//! A value that several threads share, and waits for it to change: a mutex and a condition variable
//! that are never used one without the other.
//!
//! What must never happen here: a change that somebody waits for and that wakes nobody; a lock held
//! while something is waited for; a thread that panicked with the lock in its hand making the others
//! panic too.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Cloned to every thread; all clones share one value.
#[derive(Debug, Default)]
pub(crate) struct Monitor<T> {
    shared: Arc<(Mutex<T>, Condvar)>,
}

impl<T> Clone for Monitor<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Monitor<T> {
    /// The value as it is, to be read, or changed in what nobody waits for.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value and wakes every thread that waits.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.shared.1.notify_all();
        result
    }

    /// Waits until the value `is_ready`, for `time` at most, and returns it as it is then.
    pub(crate) fn wait(&self, time: Duration, is_ready: impl Fn(&T) -> bool) -> MutexGuard<'_, T> {
        let waited = self.shared.1.wait_timeout_while(self.lock(), time, |value| !is_ready(value));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_change_wakes_every_thread_that_waits_for_it() {
        let monitor = Monitor::<u32>::default();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let monitor = monitor.clone();
                thread::spawn(move || *monitor.wait(PATIENCE, |value| *value == 2))
            })
            .collect();
        let begun = Instant::now();
        assert_eq!(monitor.change(|value| std::mem::replace(value, 1)), 0);
        monitor.change(|value| *value = 2);
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), 2);
        }
        assert!(begun.elapsed() < PATIENCE);
    }

    #[test]
    fn a_wait_for_what_is_so_already_returns_at_once_and_one_in_vain_after_its_time() {
        let monitor = Monitor::<u32>::default();
        let begun = Instant::now();
        assert_eq!(*monitor.wait(PATIENCE, |value| *value == 0), 0);
        assert!(begun.elapsed() < PATIENCE);
        let time = Duration::from_millis(1);
        assert_eq!(*monitor.wait(time, |value| *value == 1), 0);
        assert!(begun.elapsed() >= time);
    }

    #[test]
    fn a_thread_that_panics_while_it_changes_the_value_stops_no_other() {
        let monitor = Monitor::<u32>::default();
        let panicking = monitor.clone();
        let ended = thread::spawn(move || {
            panicking.change(|value| {
                *value = 7;
                panic!("in the middle of a change");
            });
        })
        .join();
        assert!(ended.is_err());
        assert_eq!(*monitor.lock(), 7);
        monitor.change(|value| *value += 1);
        assert_eq!(*monitor.wait(PATIENCE, |value| *value == 8), 8);
    }
}
