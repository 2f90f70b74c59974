//! Signs of life. Each loop owns a [`Pulse`] and says with every step when the next one is due at
//! the latest: a loop that is overdue hangs, whatever it hangs in.
//!
//! What must never happen here: a loop that rests until its next poll taken for a hanging one; a
//! thread that is gone for good reasons missed as if it hung.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What all pulses of a process add up to.
#[derive(Clone, Debug)]
pub struct Heart {
    shared: Arc<(Mutex<State>, Condvar)>,
    /// Longest time between two signs of a loop at work.
    patience: Duration,
}

/// A loop by its kind, and by what it works on where there are several of the kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LoopName {
    pub kind: &'static str,
    /// Empty where there is only one of the kind.
    pub subject: String,
}

impl fmt::Display for LoopName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject.as_str() {
            "" => f.write_str(self.kind),
            subject => write!(f, "{} {subject}", self.kind),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    loops: BTreeMap<LoopName, Life>,
    /// Somebody said something since the last look.
    has_news: bool,
}

#[derive(Debug)]
struct Life {
    due: Instant,
    said: String,
}

impl Heart {
    pub fn new(patience: Duration) -> Self {
        Self { shared: Arc::default(), patience }
    }

    /// The only loop of its kind begins: it is expected to give signs until its pulse is dropped.
    pub fn pulse(&self, kind: &'static str) -> Pulse {
        self.pulse_of(kind, "")
    }

    /// The loop of a kind that works on `subject` begins.
    pub fn pulse_of(&self, kind: &'static str, subject: &str) -> Pulse {
        let name = LoopName { kind, subject: subject.to_owned() };
        let life = Life { due: Instant::now() + self.patience, said: String::new() };
        self.lock().loops.insert(name.clone(), life);
        Pulse { heart: self.clone(), name }
    }

    /// The loop that should have given a sign before `now`.
    pub fn overdue(&self, now: Instant) -> Option<LoopName> {
        self.lock().loops.iter().find(|(_, life)| life.due < now).map(|(name, _)| name.clone())
    }

    /// The kinds of the loops that have begun and not ended.
    pub fn loops(&self) -> Vec<&'static str> {
        self.lock().loops.keys().map(|name| name.kind).collect()
    }

    /// What the loops are at, one after the other; several of one kind say the same.
    pub fn said(&self) -> String {
        let state = self.lock();
        let mut said: Vec<&str> = state
            .loops
            .values()
            .map(|life| life.said.as_str())
            .filter(|said| !said.is_empty())
            .collect();
        said.dedup();
        said.join("; ")
    }

    /// Waits for `time`, or until a loop says something new.
    pub fn wait_for_news(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut state = self.lock();
        while !state.has_news {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.shared.1.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.has_news = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One loop's part. Dropped, its loop is over and nothing is expected of it any more.
#[derive(Debug)]
pub struct Pulse {
    heart: Heart,
    name: LoopName,
}

impl Pulse {
    /// A step is done; the next one takes no longer than the heart's patience.
    pub fn beat(&self) {
        self.rest(Duration::ZERO);
    }

    /// Nothing is to be heard for `time`: the loop waits, or does what is known to take long.
    pub fn rest(&self, time: Duration) {
        let due = Instant::now() + time + self.heart.patience;
        if let Some(life) = self.heart.lock().loops.get_mut(&self.name) {
            life.due = due;
        }
    }

    /// What the loops of this kind are at, for the service manager's status line.
    pub fn say(&self, text: impl Into<String>) {
        let text = text.into();
        let mut state = self.heart.lock();
        let State { loops, has_news } = &mut *state;
        for (name, life) in loops {
            if name.kind == self.name.kind && life.said != text {
                life.said.clone_from(&text);
                *has_news = true;
            }
        }
        if state.has_news {
            self.heart.shared.1.notify_all();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.heart.lock().loops.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const POLL: Duration = Duration::from_secs(300);

    #[test]
    fn the_loop_that_gives_no_sign_in_time_is_named_though_the_other_goes_on() {
        let heart = Heart::new(PATIENCE);
        let (collect, deliver) = (heart.pulse("collect"), heart.pulse("deliver"));
        collect.beat();
        deliver.rest(POLL);
        let begun = Instant::now();
        assert_eq!(heart.overdue(begun + PATIENCE / 2), None);
        let overdue = |after| heart.overdue(begun + after).map(|name| name.to_string());
        assert_eq!(overdue(PATIENCE * 2).as_deref(), Some("collect"));
        collect.rest(POLL);
        assert_eq!(overdue(PATIENCE * 2), None);
        assert_eq!(overdue(POLL + PATIENCE * 2).as_deref(), Some("collect"));
    }

    #[test]
    fn of_several_loops_of_a_kind_each_gives_its_own_signs_and_all_say_one_thing() {
        let heart = Heart::new(PATIENCE);
        let (one, other) = (heart.pulse_of("collect", "cu"), heart.pulse_of("collect", "stick"));
        one.rest(POLL);
        let late = Instant::now() + PATIENCE * 2;
        assert_eq!(heart.overdue(late).map(|name| name.to_string()).unwrap(), "collect stick");
        assert_eq!(heart.loops(), ["collect", "collect"]);
        other.say("all sources answer");
        assert_eq!(heart.said(), "all sources answer");
        drop(other);
        assert_eq!(heart.overdue(late), None);
        assert_eq!(heart.said(), "all sources answer");
    }

    #[test]
    fn a_loop_that_has_ended_is_not_expected_any_more() {
        let heart = Heart::new(PATIENCE);
        drop(heart.pulse("collect"));
        assert_eq!(heart.overdue(Instant::now() + PATIENCE * 2), None);
    }

    #[test]
    fn what_the_loops_say_is_one_line_and_wakes_who_waits_for_it_once() {
        let heart = Heart::new(PATIENCE);
        let (collect, deliver) = (heart.pulse("collect"), heart.pulse("deliver"));
        collect.say("all sources answer");
        deliver.say("central is up to date");
        heart.wait_for_news(PATIENCE);
        assert_eq!(heart.said(), "all sources answer; central is up to date");
        let begun = Instant::now();
        collect.say("all sources answer");
        heart.wait_for_news(Duration::from_millis(1));
        assert!(begun.elapsed() >= Duration::from_millis(1), "nothing new was said");
    }
}
