//! Writers of one process take turns at the buffer in the order in which they came: SQLite's own wait
//! for its lock is no queue, and one thread that writes batch after batch could keep another waiting
//! until its patience ends.
//!
//! What must never happen here: a writer that waits for ever for one that stands still. After
//! [`BUSY_TIMEOUT`] it tries without its turn, and SQLite's lock decides.

use std::collections::VecDeque;

use super::BUSY_TIMEOUT;
use crate::monitor::Monitor;

/// Shared by all connections of a process that were opened from one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    queue: Monitor<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// The first of them writes.
    waiting: VecDeque<u64>,
}

impl Queue {
    /// At its end; the number of the place.
    fn enqueue(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(number);
        number
    }
}

impl Turns {
    /// Waits behind those that came before.
    pub(super) fn take(&self) -> Turn {
        let number = self.queue.lock().enqueue();
        drop(self.queue.wait(BUSY_TIMEOUT, |queue| queue.waiting.front() == Some(&number)));
        Turn { turns: self.clone(), number }
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
        self.turns.queue.change(|queue| queue.waiting.retain(|number| *number != self.number));
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
                let before = turns.queue.lock().next;
                let waiting = thread::spawn(move || {
                    let _turn = others.take();
                    say.send(writer).unwrap();
                });
                while turns.queue.lock().next == before {
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
