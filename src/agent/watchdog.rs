//! The watchdog over the loops. Each loop owns a [`LoopHandle`] and checks in with every step, which
//! says when the next check-in is due at the latest: a loop that is overdue hangs, whatever it hangs in.
//!
//! What must never happen here: a loop that is idle until its next poll taken for a hanging one; a
//! thread that ended for good reasons missed as if it hung.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use crate::monitor::Monitor;

/// The kind of the loops that read a source each.
pub(super) const COLLECT: &str = "collect";

/// Knows all loops of the process. Cloned to anyone who watches them.
#[derive(Clone, Debug)]
pub struct Watchdog {
    state: Monitor<State>,
    /// Longest time between two check-ins of a loop at work.
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
    loops: BTreeMap<LoopName, LoopState>,
    /// A status changed since somebody waited for that.
    has_new_status: bool,
}

#[derive(Debug)]
struct LoopState {
    due: Instant,
    status: String,
}

impl Watchdog {
    pub fn new(patience: Duration) -> Self {
        Self { state: Monitor::default(), patience }
    }

    /// The only loop of its kind begins: it is expected to check in until its handle is dropped.
    pub fn register(&self, kind: &'static str) -> LoopHandle {
        self.register_for(kind, "")
    }

    /// The loop of a kind that works on `subject` begins.
    pub fn register_for(&self, kind: &'static str, subject: &str) -> LoopHandle {
        let name = LoopName { kind, subject: subject.to_owned() };
        let begun = LoopState { due: Instant::now() + self.patience, status: String::new() };
        self.state.lock().loops.insert(name.clone(), begun);
        LoopHandle { watchdog: self.clone(), name }
    }

    /// The loop that should have checked in before `now`.
    pub fn overdue(&self, now: Instant) -> Option<LoopName> {
        let state = self.state.lock();
        state.loops.iter().find(|(_, one)| one.due < now).map(|(name, _)| name.clone())
    }

    /// The kinds of the loops that have begun and not ended.
    pub fn loops(&self) -> Vec<&'static str> {
        self.state.lock().loops.keys().map(|name| name.kind).collect()
    }

    /// What the loops are at, one after the other; several of one kind have the same status.
    pub fn status(&self) -> String {
        let state = self.state.lock();
        let all = state.loops.values().map(|one| one.status.as_str());
        let mut all: Vec<&str> = all.filter(|status| !status.is_empty()).collect();
        all.dedup();
        all.join("; ")
    }

    /// Waits for `time`, or until a loop has a new status.
    pub fn wait_for_status(&self, time: Duration) {
        self.state.wait(time, |state| state.has_new_status).has_new_status = false;
    }
}

/// One loop's part. Dropped, its loop is over and nothing is expected of it any more.
#[derive(Debug)]
pub struct LoopHandle {
    watchdog: Watchdog,
    name: LoopName,
}

impl LoopHandle {
    /// A step is done; the next one takes no longer than the watchdog's patience.
    pub fn checkin(&self) {
        self.expect_idle(Duration::ZERO);
    }

    /// No check-in is to be expected for `time`: the loop waits, or does what is known to take long.
    pub fn expect_idle(&self, time: Duration) {
        let due = Instant::now() + time + self.watchdog.patience;
        if let Some(own) = self.watchdog.state.lock().loops.get_mut(&self.name) {
            own.due = due;
        }
    }

    /// What the loops of this kind are at, for the service manager's status line.
    pub fn set_status(&self, status: impl Into<String>) {
        let status = status.into();
        self.watchdog.state.change(|State { loops, has_new_status }| {
            for (name, one) in loops {
                if name.kind == self.name.kind && one.status != status {
                    one.status.clone_from(&status);
                    *has_new_status = true;
                }
            }
        });
    }
}

impl Drop for LoopHandle {
    fn drop(&mut self) {
        self.watchdog.state.lock().loops.remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const POLL: Duration = Duration::from_secs(300);

    #[test]
    fn the_loop_that_does_not_check_in_in_time_is_named_though_the_other_goes_on() {
        let watchdog = Watchdog::new(PATIENCE);
        let (collect, deliver) = (watchdog.register("collect"), watchdog.register("deliver"));
        collect.checkin();
        deliver.expect_idle(POLL);
        let begun = Instant::now();
        assert_eq!(watchdog.overdue(begun + PATIENCE / 2), None);
        let overdue = |after| watchdog.overdue(begun + after).map(|name| name.to_string());
        assert_eq!(overdue(PATIENCE * 2).as_deref(), Some("collect"));
        collect.expect_idle(POLL);
        assert_eq!(overdue(PATIENCE * 2), None);
        assert_eq!(overdue(POLL + PATIENCE * 2).as_deref(), Some("collect"));
    }

    #[test]
    fn of_several_loops_of_a_kind_each_checks_in_for_itself_and_all_have_one_status() {
        let watchdog = Watchdog::new(PATIENCE);
        let (one, other) =
            (watchdog.register_for("collect", "cu"), watchdog.register_for("collect", "stick"));
        one.expect_idle(POLL);
        let late = Instant::now() + PATIENCE * 2;
        assert_eq!(watchdog.overdue(late).map(|name| name.to_string()).unwrap(), "collect stick");
        assert_eq!(watchdog.loops(), ["collect", "collect"]);
        other.set_status("all sources answer");
        assert_eq!(watchdog.status(), "all sources answer");
        drop(other);
        assert_eq!(watchdog.overdue(late), None);
        assert_eq!(watchdog.status(), "all sources answer");
    }

    #[test]
    fn a_loop_that_has_ended_is_not_expected_any_more() {
        let watchdog = Watchdog::new(PATIENCE);
        drop(watchdog.register("collect"));
        assert_eq!(watchdog.overdue(Instant::now() + PATIENCE * 2), None);
    }

    #[test]
    fn the_status_of_all_loops_is_one_line_and_a_new_one_wakes_who_waits_for_it_once() {
        let watchdog = Watchdog::new(PATIENCE);
        let (collect, deliver) = (watchdog.register("collect"), watchdog.register("deliver"));
        collect.set_status("all sources answer");
        deliver.set_status("central is up to date");
        watchdog.wait_for_status(PATIENCE);
        assert_eq!(watchdog.status(), "all sources answer; central is up to date");
        let begun = Instant::now();
        collect.set_status("all sources answer");
        watchdog.wait_for_status(Duration::from_millis(1));
        assert!(begun.elapsed() >= Duration::from_millis(1), "the status is the same");
    }
}
