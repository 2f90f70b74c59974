//! Writers of one process take turns at the buffer in the order in which they came: SQLite's own wait
//! for its lock is no queue, and one thread that writes batch after batch could keep another waiting
//! until its patience ends.
//!
//! What must never happen here: a writer that waits for ever for one that stands still. After
//! [`BUSY_TIMEOUT`] it tries without its turn, and SQLite's lock decides.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::BUSY_TIMEOUT;

/// Shared by all connections of a process that were opened from one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// The first of them writes.
    waiting: VecDeque<u64>,
}

impl Turns {
    /// Waits behind those that came before.
    pub fn take(&self) -> Turn {
        let mut queue = self.lock();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back(number);
        let is_behind = |queue: &mut Queue| queue.waiting.front() != Some(&number);
        let waited = self.shared.1.wait_timeout_while(queue, BUSY_TIMEOUT, is_behind);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Turn { turns: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held for one transaction.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    number: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().waiting.retain(|number| *number != self.number);
        self.turns.shared.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_writer_that_comes_again_and_again_lets_those_before_it_write_first() {
        let turns = Turns::default();
        let (say, order) = mpsc::channel();
        let first = turns.take();
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (others, say) = (turns.clone(), say.clone());
                let before = turns.lock().next;
                let waiting = thread::spawn(move || {
                    let _turn = others.take();
                    say.send(writer).unwrap();
                });
                while turns.lock().next == before {
                    thread::yield_now();
                }
                waiting
            })
            .collect();
        drop(first);
        // The one that wrote comes back at once, and is the last.
        let _again = turns.take();
        say.send(3).unwrap();
        assert_eq!(order.iter().take(4).collect::<Vec<_>>(), [0, 1, 2, 3]);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }
}
