//! What the stages hand over while they work: counts since the start of the process, and the last
//! moments that something went well. Each is noted by the thread that did it, in a few nanoseconds.
//!
//! What must never happen here: a stage that waits for somebody who looks.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    model::{LinkFault, Trouble, TroubleKind},
    monitor::Monitor,
};

/// Cloned to every thread.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    counts: Monitor<Counters>,
}

/// Moments are the computer's running time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    pub cycles: u64,
    /// After which every source answered and nothing kept from reading.
    pub good_cycles: u64,
    pub last_good_cycle: Option<Duration>,
    /// By the configured name.
    pub sources: BTreeMap<String, SourceCounters>,
    /// Connecting, listing and transferring.
    pub read_time: Duration,
    /// Parsing, analysing and making durable.
    pub keep_time: Duration,
    /// Comparing with central and delivering.
    pub sync_time: Duration,
    pub sync_failures: u64,
    pub synced_sessions: u64,
    pub synced_rows: u64,
    /// When central last answered to something that was asked of it.
    pub last_sync: Option<Duration>,
    /// Since when it does not answer, and why.
    pub central_down_since: Option<Duration>,
    pub central_fault: Option<LinkFault>,
    /// Since when the buffer is at its cap and nothing more is read.
    pub at_cap_since: Option<Duration>,
    /// What the buffer refused last, until it works again; by the thread it happened to.
    pub buffer_failures: BTreeMap<String, String>,
    /// How often it refused something else than before.
    pub buffer_faults: u64,
    /// Weekly reports that nobody took yet; `None`: nobody is to get them.
    pub reports_waiting: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SourceCounters {
    pub files_read: u64,
    /// Could not be read, this time.
    pub files_failed: u64,
    pub files_refused: u64,
    pub files_deleted: u64,
    pub bytes: u64,
    pub events: u64,
    pub rejected: u64,
    /// When it was last gone through to its end.
    pub last_success: Option<Duration>,
    /// `None`: it was not tried yet.
    pub is_up: Option<bool>,
    pub down_since: Option<Duration>,
    /// Why it does not answer.
    pub fault: Option<LinkFault>,
    pub unread: Option<Unread>,
    /// How many folders, files and listings cannot be read, by kind.
    pub troubles: BTreeMap<TroubleKind, u64>,
    /// By name (`nom`); `Some`: nothing of the machine can be read.
    pub machines: BTreeMap<String, Option<Hidden>>,
}

/// Nothing of a machine can be read, although its source answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hidden {
    pub since: Duration,
    pub trouble: Trouble,
}

/// The source answers, and yet nothing comes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    pub since: Duration,
    pub what: UnreadKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnreadKind {
    /// No file of it can be read.
    AllFiles,
    /// Files were known before; whatever is new cannot be read.
    NewFiles,
    /// None of its configured folders is there.
    Folders,
}

impl Metrics {
    pub fn snapshot(&self) -> Counters {
        self.counts.lock().clone()
    }

    pub fn note(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counts.lock());
    }

    /// A cycle over a source has ended; wakes the thread that waits for that.
    pub fn note_cycle(&self, is_good: bool, at_cap: bool, now: Duration) {
        self.counts.change(|counts| {
            counts.cycles += 1;
            if is_good {
                counts.good_cycles += 1;
                counts.last_good_cycle = Some(now);
            }
            counts.at_cap_since = at_cap.then(|| counts.at_cap_since.unwrap_or(now));
        });
    }

    /// What the buffer refused to a thread, which wakes the thread that waits for news. Whether that was not
    /// known, by another thread neither.
    pub fn note_buffer_failure(&self, thread: &str, text: String) -> bool {
        self.counts.change(|counts| {
            let is_news = !counts.buffer_failures.values().any(|known| *known == text);
            counts.buffer_faults += u64::from(is_news);
            counts.buffer_failures.insert(thread.to_owned(), text);
            is_news
        })
    }

    /// The buffer serves a thread. Whether it did not before, and now serves all of them.
    pub fn note_buffer_works(&self, thread: &str) -> bool {
        let mut counts = self.counts.lock();
        counts.buffer_failures.remove(thread).is_some() && counts.buffer_failures.is_empty()
    }

    /// Waits until more cycles have ended than were `seen`, or the buffer had more faults, or for `time`.
    pub fn wait_for_news(&self, seen: &Counters, time: Duration) {
        let count = |counts: &Counters| (counts.cycles, counts.buffer_faults);
        let seen = count(seen);
        drop(self.counts.wait(time, |counts| count(counts) != seen));
    }
}

impl Counters {
    /// What this process has seen of central; `None` before anything was asked of it.
    pub fn central_is_up(&self) -> Option<bool> {
        match (self.central_down_since, self.last_sync) {
            (Some(_), _) => Some(false),
            (None, Some(_)) => Some(true),
            (None, None) => None,
        }
    }

    /// Central was asked something, and what came of it.
    pub fn note_central(&mut self, is_up: bool, now: Duration) {
        if is_up {
            self.last_sync = Some(now);
            self.central_down_since = None;
            self.central_fault = None;
        } else {
            self.sync_failures += 1;
            self.central_down_since.get_or_insert(now);
        }
    }
}

impl SourceCounters {
    /// How the source is after a look at it.
    pub fn note_link(&mut self, is_up: bool, now: Duration) {
        self.is_up = Some(is_up);
        self.down_since = if is_up { None } else { Some(self.down_since.unwrap_or(now)) };
        if is_up {
            self.last_success = Some(now);
        }
    }

    /// Whether anything of a machine can be read, after a look at its folder.
    pub fn note_machine(&mut self, nom: &str, trouble: Option<&Trouble>, now: Duration) {
        let before = self.machines.get(nom).cloned().flatten();
        let hidden = trouble.map(|trouble| Hidden {
            since: before.map_or(now, |before| before.since),
            trouble: trouble.clone(),
        });
        self.machines.insert(nom.to_owned(), hidden);
    }

    /// `None` where something was read, or nothing was new.
    pub fn note_unread(&mut self, what: Option<UnreadKind>, now: Duration) {
        self.unread = what.map(|what| {
            let since = self.unread.as_ref().filter(|before| before.what == what);
            Unread { since: since.map_or(now, |before| before.since), what }
        });
    }
}
