//! How slow a peer may be. Pure: no socket, no clock; the time that was spent waiting is told to it.
//!
//! What must never happen here: a peer that sends a byte now and then holding a call longer than two
//! times the silence allowed, or past the end of the call's own total.

use std::{fmt, io, time::Duration};

/// Fewest bytes a second on average of a window: a tenth of what a link of 64 kbit/s carries.
pub(super) const LEAST_BYTES_PER_SECOND: u64 = 800;

/// The allowance of one exchange: an answer, a handshake, a listing, a file.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Longest time without a byte; a window is twice as long.
    silence: Duration,
    /// Longest time in all.
    most: Option<Duration>,
    /// Without a byte so far.
    quiet: Duration,
    /// Waited in this window, and the bytes that came in it.
    in_window: Duration,
    window_bytes: u64,
    waited: Duration,
    is_too_slow: bool,
}

/// Why no further wait is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overdue {
    Silent,
    TooSlow,
    TooLong,
}

impl Pace {
    /// Without a total: what is read has an end of its own, as a file has its largest size.
    pub(super) fn new(silence: Duration) -> Self {
        Self {
            silence,
            most: None,
            quiet: Duration::ZERO,
            in_window: Duration::ZERO,
            window_bytes: 0,
            waited: Duration::ZERO,
            is_too_slow: false,
        }
    }

    /// At most so many times the silence in all.
    pub(super) fn at_most(silence: Duration, times: u32) -> Self {
        Self { most: Some(silence * times), ..Self::new(silence) }
    }

    /// How long the next wait may last.
    pub(super) fn next_wait(&self) -> Result<Duration, Overdue> {
        if self.is_too_slow {
            return Err(Overdue::TooSlow);
        }
        let left = |most: Duration, spent: Duration, overdue| match most.checked_sub(spent) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(overdue),
        };
        let mut wait = left(self.silence, self.quiet, Overdue::Silent)?;
        if let Some(most) = self.most {
            wait = wait.min(left(most, self.waited, Overdue::TooLong)?);
        }
        Ok(wait.min(self.window().saturating_sub(self.in_window)).max(Duration::from_millis(1)))
    }

    /// A wait is over; `bytes` came, none where it ran out.
    pub(super) fn note(&mut self, wait: Duration, bytes: usize) {
        self.waited += wait;
        self.in_window += wait;
        self.quiet = if bytes == 0 { self.quiet + wait } else { Duration::ZERO };
        self.window_bytes += bytes as u64;
        if self.in_window >= self.window() {
            let least = self.window().as_millis() * u128::from(LEAST_BYTES_PER_SECOND) / 1000;
            self.is_too_slow = u128::from(self.window_bytes) < least;
            (self.in_window, self.window_bytes) = (Duration::ZERO, 0);
        }
    }

    fn window(&self) -> Duration {
        self.silence * 2
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("no answer within the time allowed"),
            Self::TooSlow => write!(
                f,
                "the server sends fewer than {LEAST_BYTES_PER_SECOND} bytes per second (see `read_timeout`)"
            ),
            Self::TooLong => {
                f.write_str("not complete within the time allowed (see `read_timeout`)")
            }
        }
    }
}

impl From<Overdue> for io::Error {
    fn from(overdue: Overdue) -> Self {
        Self::new(io::ErrorKind::TimedOut, overdue.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(30);

    /// Bytes that come every so often, until the pace allows no more or an hour is over.
    fn held(mut pace: Pace, every: Duration, bytes: usize) -> (Duration, Option<Overdue>) {
        let mut held = Duration::ZERO;
        let mut due = every;
        while held < Duration::from_secs(3600) {
            match pace.next_wait() {
                Err(overdue) => return (held, Some(overdue)),
                Ok(wait) if wait < due => {
                    held += wait;
                    due -= wait;
                    pace.note(wait, 0);
                }
                Ok(_) => {
                    held += due;
                    pace.note(due, bytes);
                    due = every;
                }
            }
        }
        (held, None)
    }

    #[test]
    fn a_drip_is_held_no_longer_than_two_silences_and_a_slow_link_passes() {
        let second = Duration::from_secs(1);
        let table = [
            // Nothing at all.
            (Pace::new(SILENCE), second * 100, 1, 30, Some(Overdue::Silent)),
            // A byte now and then.
            (Pace::new(SILENCE), second, 1, 60, Some(Overdue::TooSlow)),
            (Pace::new(SILENCE), second * 29, 1000, 60, Some(Overdue::TooSlow)),
            // A tenth of 64 kbit/s, with pauses.
            (Pace::new(SILENCE), second * 10, 8_000, 3600, None),
            // As fast as it may be, but without an end.
            (Pace::at_most(SILENCE, 10), second, 1_000_000, 300, Some(Overdue::TooLong)),
            (Pace::at_most(SILENCE, 2), second, 1_000_000, 60, Some(Overdue::TooLong)),
        ];
        for (pace, every, bytes, seconds, overdue) in table {
            assert_eq!(held(pace, every, bytes), (second * seconds, overdue), "{every:?} {bytes}");
        }
    }

    #[test]
    fn a_wait_is_never_zero_and_never_longer_than_the_silence() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..1000 {
            let mut pace = Pace::at_most(SILENCE, random.u32(1..20));
            while let Ok(wait) = pace.next_wait() {
                assert!(!wait.is_zero() && wait <= SILENCE);
                let part = wait.mul_f64(random.f64()).max(Duration::from_millis(1));
                pace.note(part, random.usize(0..100_000));
                if random.u32(0..50) == 0 {
                    break;
                }
            }
        }
    }
}
