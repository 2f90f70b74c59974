//! How long one cycle over a source may go on. What counts is progress: a first morning with thousands
//! of files over a slow line goes on for hours, and a server that only drips is given up.
//!
//! What must never happen here: a source whose cycle never ends; a folder with much to read keeping
//! the other folders of its source from ever being read.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

use chrono::NaiveDateTime;

use super::{decide::Timestamps, watch::Watch};
use crate::{
    config::{SourceConfig, SourceKind},
    model::{Machine, ShortText},
    source::{FolderListing, Source, SourceError, Transfer},
};

/// Waits of the server without any progress before the cycle is given up.
const WAITS: u32 = 10;
/// The same for a source without time-outs of its own.
const PATIENCE: Duration = Duration::from_secs(300);
/// So many bytes are progress like a whole file.
const PROGRESS_BYTES: u64 = 64 << 10;

/// What is allowed to one cycle over one source.
pub(super) fn patience(config: &SourceConfig) -> Duration {
    match &config.kind {
        SourceKind::Ftp(ftp) => ftp.read_timeout.max(ftp.connect_timeout) * WAITS,
        SourceKind::Sftp(sftp) => sftp.read_timeout.max(sftp.connect_timeout) * WAITS,
        SourceKind::Directory(_) => PATIENCE,
    }
}

/// The folders in the order of this cycle: what was not reached last time comes first.
pub(super) fn in_turn<'c>(
    config: &'c SourceConfig,
    first: Option<&str>,
) -> Vec<(&'c String, &'c Machine)> {
    let is_before = |folder: &String| first.is_some_and(|first| folder.as_str() < first);
    let (before, from): (Vec<_>, Vec<_>) =
        config.folders.iter().partition(|(folder, _)| is_before(folder));
    from.into_iter().chain(before).collect()
}

/// How a cycle went so far. Times are counted from its begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pace {
    patience: Duration,
    moved_at: Duration,
    /// Since then.
    bytes: u64,
    files_done: u64,
}

/// What follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Course {
    GoOn,
    /// Files were read, and for long enough: what is left is for the next cycle, which begins with the
    /// folder that was not reached.
    LeaveTheRest,
    /// Too little came for too long.
    GiveUp,
}

impl Pace {
    fn of(patience: Duration) -> Self {
        Self { patience, moved_at: Duration::ZERO, bytes: 0, files_done: 0 }
    }

    fn received(&mut self, bytes: u64, now: Duration) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= PROGRESS_BYTES {
            self.moved(now);
        }
    }

    /// A folder was listed or a question answered.
    fn moved(&mut self, now: Duration) {
        self.moved_at = now;
        self.bytes = 0;
    }

    fn file_done(&mut self, now: Duration) {
        self.moved(now);
        self.files_done += 1;
    }

    fn course(&self, now: Duration) -> Course {
        if now.saturating_sub(self.moved_at) >= self.patience {
            Course::GiveUp
        } else if now >= self.patience && self.files_done > 0 {
            Course::LeaveTheRest
        } else {
            Course::GoOn
        }
    }
}

/// A cycle's pace, shared by its source and its watch, which are wrapped for it. Its clock runs while
/// the source is waited for: what the agent does itself is not the source's fault.
pub(super) struct Budget {
    waited: Cell<Duration>,
    waiting_since: Cell<Option<Instant>>,
    pace: Cell<Pace>,
}

impl Budget {
    pub(super) fn of(patience: Duration) -> Self {
        Self {
            waited: Cell::default(),
            waiting_since: Cell::default(),
            pace: Cell::new(Pace::of(patience)),
        }
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.pace.get().course(self.now()) == Course::GiveUp
    }

    fn leaves_the_rest(&self) -> bool {
        self.pace.get().course(self.now()) != Course::GoOn
    }

    pub(super) fn patience(&self) -> Duration {
        self.pace.get().patience
    }

    fn now(&self) -> Duration {
        self.waited.get() + self.waiting_since.get().map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn note(&self, what: impl FnOnce(&mut Pace, Duration)) {
        let mut pace = self.pace.get();
        what(&mut pace, self.now());
        self.pace.set(pace);
    }

    /// One call of the source, which is given up with the cycle; its answer is progress.
    fn during<T>(
        &self,
        source: &mut dyn Source,
        call: impl FnOnce(&mut dyn Source) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let pace = self.pace.get();
        let idle = self.now().saturating_sub(pace.moved_at);
        source.allow_until(Some(Instant::now() + pace.patience.saturating_sub(idle)));
        let outcome = self.waiting(|| call(source));
        if outcome.is_ok() {
            self.note(Pace::moved);
        }
        outcome
    }

    /// A wait for the source.
    fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waiting_since.set(Some(Instant::now()));
        let outcome = wait();
        self.waited.set(self.now());
        self.waiting_since.set(None);
        outcome
    }
}

/// The agent's watch, which also stops a cycle that was given up.
pub(super) struct PacedWatch<'w> {
    pub watch: &'w dyn Watch,
    pub budget: &'w Budget,
}

impl Watch for PacedWatch<'_> {
    fn now(&self) -> Timestamps {
        self.watch.now()
    }

    fn must_stop(&self) -> bool {
        self.watch.must_stop() || self.budget.has_given_up()
    }

    fn leaves_the_rest(&self) -> bool {
        self.budget.leaves_the_rest()
    }

    fn progress(&self, folder: &str, done: usize, of: usize) {
        self.watch.progress(folder, done, of);
    }

    fn kept(&self) {
        self.watch.kept();
    }
}

/// A source whose progress is noted, and whose transfers end when the cycle is given up.
pub(super) struct PacedSource<'s> {
    pub source: &'s mut dyn Source,
    pub watch: &'s dyn Watch,
    pub budget: &'s Budget,
}

impl Source for PacedSource<'_> {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        self.budget.during(self.source, |source| source.folders())
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        self.budget.during(self.source, |source| source.list(folder))
    }

    fn expect(&mut self, folder: &str, names: Vec<ShortText>) {
        self.source.expect(folder, names);
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        let (watch, budget) = (self.watch, self.budget);
        // Ends by its own progress, see [`PacedTransfer`].
        self.source.allow_until(None);
        let transfer = budget.waiting(|| self.source.open(folder, name, offset))?;
        Ok(Box::new(PacedTransfer { transfer, watch, budget, folder, name, is_given_up: false }))
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.budget.during(self.source, |source| source.size(folder, name))
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        self.budget.during(self.source, |source| source.modified(folder, name))
    }

    fn lists_true_sizes(&self) -> bool {
        self.source.lists_true_sizes()
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        self.budget.during(self.source, |source| source.delete(folder, name))
    }

    fn allow_until(&mut self, until: Option<Instant>) {
        self.source.allow_until(until);
    }

    fn release(&mut self) {
        self.source.release();
    }

    fn close(&mut self) {
        self.source.close();
    }
}

/// A transfer whose bytes are progress, and which ends behind the bytes that came when the cycle is
/// given up.
struct PacedTransfer<'t> {
    transfer: Box<dyn Transfer + 't>,
    watch: &'t dyn Watch,
    budget: &'t Budget,
    folder: &'t str,
    name: &'t str,
    is_given_up: bool,
}

impl Transfer for PacedTransfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.is_given_up {
            let (folder, name) = (self.folder.to_owned(), self.name.to_owned());
            let source = io::Error::new(io::ErrorKind::TimedOut, "it came too slowly");
            return Err(SourceError::Transfer { folder, name, source });
        }
        let length = self.budget.waiting(|| self.transfer.read(buffer))?;
        if length > 0 {
            self.budget.note(|pace, now| pace.received(length as u64, now));
            // Bytes that come are a sign of life, however slowly they do.
            self.watch.must_stop();
            self.is_given_up = self.budget.has_given_up();
        }
        Ok(length)
    }

    fn finish(self: Box<Self>) -> Result<u64, SourceError> {
        let Self { transfer, budget, .. } = *self;
        let bytes = budget.waiting(|| transfer.finish())?;
        budget.note(Pace::file_done);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A pace of 300 s patience after what came at which second: bytes, or a whole file.
    fn after(events: &[(u64, Option<u64>)]) -> Pace {
        let mut pace = Pace::of(s(300));
        for (at, bytes) in events {
            match bytes {
                Some(bytes) => pace.received(*bytes, s(*at)),
                None => pace.file_done(s(*at)),
            }
        }
        pace
    }

    #[test]
    fn a_cycle_is_given_up_without_progress_and_divided_when_it_goes_on_for_long() {
        let many = [(100, Some(40_000)), (250, Some(40_000))];
        let few = [(100, Some(10)), (290, Some(10))];
        for (case, events, now, expected) in [
            ("silence that is still borne", &[][..], 299, Course::GoOn),
            ("silence", &[], 300, Course::GiveUp),
            ("a drip", &few, 300, Course::GiveUp),
            ("a large file over a slow line", &many, 500, Course::GoOn),
            ("the same, dripping from then on", &many, 550, Course::GiveUp),
            ("files in a short cycle", &[(10, None), (20, None)], 200, Course::GoOn),
            ("files for long enough", &[(10, None), (290, None)], 300, Course::LeaveTheRest),
            ("files, and then nothing", &[(10, None)], 310, Course::GiveUp),
        ] {
            assert_eq!(after(events).course(s(now)), expected, "{case}");
        }
    }

    #[test]
    fn a_first_morning_at_one_file_a_minute_is_never_given_up() {
        let mut pace = Pace::of(s(300));
        for minute in 1..600 {
            pace.file_done(s(minute * 60));
            assert_ne!(pace.course(s(minute * 60 + 59)), Course::GiveUp, "minute {minute}");
        }
    }
}
