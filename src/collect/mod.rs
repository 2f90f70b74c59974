//! Carries LOG files from a source into the buffer: what to read, how far, when a file is complete,
//! and when it may leave its source.
//!
//! Order of writes for one file: read → **commit** (raw bytes, progress and results together) →
//! central confirms its sessions (the sync, elsewhere) → the whole file is read from the source once
//! more and is, byte for byte, what the buffer holds → its size is asked and is still that →
//! **delete** → note the deletion. Deleting is the only thing here that cannot be undone: it must
//! never happen to a file of which one byte is not in the buffer, or one session not in central. A
//! file that turns out to be another one is read as what it is, and waits again.

use crate::{
    buffer::{Buffer, BufferError},
    config::SourceConfig,
    logging,
    model::Machine,
    source::{Source, SourceError},
};

mod claims;
mod commit;
mod compute;
mod decide;
mod deletion;
mod evaluate;
mod failures;
mod folder;
mod implausible;
mod import;
mod known;
mod memory;
mod pace;
mod reading;
mod renamed;
mod replay;
mod report;
mod retire;
mod room;
mod settings;
mod timing;
mod trouble;
mod verifier;
mod watch;
mod witness;

pub use decide::Timestamps;
pub use evaluate::reevaluate_stale;
pub use implausible::{Implausible, implausible_files};
pub use import::{ImportError, ImportReport, import_file};
pub use memory::SourceMemory;
pub use renamed::unread_of;
pub use replay::{ReplayReport, replay, replay_outdated};
pub use report::SourceReport;
pub use settings::{Settings, words};
pub use timing::{apply_calendars, has_mixed_times};
pub use trouble::{FolderReport, TroubleNews, Troubles, news};
pub use watch::Watch;

use commit::{bytes_of, keep_all};
use folder::{FolderCycle, Listed};
use pace::{Budget, PacedSource, PacedWatch, in_turn};

/// What a folder brought and is not more than this waits for the other folders', so that a poll of
/// machines at work is one transaction: each one costs a card several pages of its own.
const TOGETHER_BYTES: usize = 64 << 10;

/// Collects everything new of one source.
///
/// Errors of files, folders and the source itself are counted and reported; only the buffer's own
/// failure ends a cycle with an error.
pub fn collect(
    buffer: &mut Buffer,
    source: &mut dyn Source,
    config: &SourceConfig,
    settings: &Settings,
    watch: &dyn Watch,
    memory: &mut SourceMemory,
) -> Result<SourceReport, BufferError> {
    let budget = Budget::of(pace::patience(config));
    let paced_watch = PacedWatch { watch, budget: &budget };
    let mut paced = PacedSource { source, watch, budget: &budget };
    let mut report = collect_within(buffer, &mut paced, config, settings, &paced_watch, memory)?;
    report.note_given_up(&budget);
    Ok(report)
}

/// [`collect`], within the budget of `source` and `watch`.
fn collect_within(
    buffer: &mut Buffer,
    source: &mut dyn Source,
    config: &SourceConfig,
    settings: &Settings,
    watch: &dyn Watch,
    memory: &mut SourceMemory,
) -> Result<SourceReport, BufferError> {
    let mut cycle =
        SourceCycle { config, settings, watch, memory, report: SourceReport::default() };
    match cycle.look_at_root(source) {
        Ok(()) => cycle.collect(buffer, source)?,
        Err(error) => cycle.report.error = Some(error),
    }
    Ok(cycle.report)
}

/// One cycle over one source.
struct SourceCycle<'c> {
    config: &'c SourceConfig,
    settings: &'c Settings,
    watch: &'c dyn Watch,
    memory: &'c mut SourceMemory,
    report: SourceReport,
}

/// The folders that could be listed, with the machine of each.
type Listings<'c> = Vec<(&'c str, &'c Machine, Listed)>;

impl<'c> SourceCycle<'c> {
    /// Its part of one folder.
    fn of_folder<'r>(&'r mut self, folder: &'c str, machine: &'c Machine) -> FolderCycle<'c, 'r> {
        let Self { config, settings, watch, memory, report } = self;
        FolderCycle::new(config, settings, *watch, (folder, machine), report, memory)
    }

    /// Which folders there are, to name those that are missing or not mapped.
    fn look_at_root(&mut self, source: &mut dyn Source) -> Result<(), SourceError> {
        let (config, memory) = (self.config, &mut *self.memory);
        match source.folders() {
            Ok(mut found) => {
                found.sort();
                if memory.folders.as_ref() != Some(&found) {
                    logging::folders(&config.name, &found, &config.folders);
                    memory.folders = Some(found);
                }
                memory.root_refused.ends();
                Ok(())
            }
            // The server answers, and what is mapped is asked for by its name: each folder tells what it is.
            Err(error @ SourceError::List { .. }) => {
                memory.folders = None;
                if memory.root_refused.begins() {
                    logging::root_refused(&config.name, &error);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn collect(&mut self, buffer: &mut Buffer, source: &mut dyn Source) -> Result<(), BufferError> {
        let mut listings = self.read_folders(buffer, source)?;
        if self.watch.must_stop() {
            return Ok(());
        }
        for (folder, _, listed) in &mut listings {
            listed.bring_up_to_date(buffer, self.memory, (&self.config.name, folder))?;
        }
        for (folder, machine, listed) in &listings {
            self.of_folder(folder, machine).note_renamed(buffer, listed)?;
        }
        self.reevaluate(buffer)?;
        if self.report.error.is_some() {
            return Ok(());
        }
        for (folder, machine, listed) in &mut listings {
            self.of_folder(folder, machine).ask_times(source, listed);
        }
        let times = retire::Times::of(&listings, self.memory, self.watch.now().uptime);
        for (folder, machine, listed) in &mut listings {
            if self.watch.must_stop() || self.report.error.is_some() {
                break;
            }
            self.of_folder(folder, machine).close_and_delete(buffer, source, listed, &times)?;
        }
        for (folder, _, listed) in listings {
            listed.known.remember(buffer, self.memory, folder)?;
        }
        // Days may be over now that their files are complete.
        self.reevaluate(buffer)
    }

    fn reevaluate(&mut self, buffer: &mut Buffer) -> Result<(), BufferError> {
        let changed = reevaluate_stale(buffer, self.settings)?;
        if changed > 0 {
            self.report.sessions_changed += changed;
            self.watch.kept();
        }
        Ok(())
    }

    /// Reads what is new in the folders, and keeps it.
    fn read_folders(
        &mut self,
        buffer: &mut Buffer,
        source: &mut dyn Source,
    ) -> Result<Listings<'c>, BufferError> {
        let mut listings = Vec::new();
        let mut waiting = Vec::new();
        let order = in_turn(self.config, self.memory.first_folder.take().as_deref());
        for (at, (folder, machine)) in order.iter().enumerate() {
            if self.watch.must_stop() || self.watch.leaves_the_rest() {
                self.report.goes_on = true;
                self.memory.first_folder = Some((*folder).clone());
                break;
            }
            let listed = self.of_folder(folder, machine).read_new(buffer, source, &mut waiting)?;
            listings.extend(listed.map(|listed| (folder.as_str(), *machine, listed)));
            if self.report.goes_on || self.report.error.is_some() {
                // Whatever ended it here, the others come first next time.
                let next = order.get(at + 1).or(order.first());
                self.memory.first_folder = next.map(|(folder, _)| (*folder).clone());
                break;
            }
            if bytes_of(&waiting) >= TOGETHER_BYTES {
                keep_all(buffer, &mut waiting, self.settings, self.watch, &mut self.report)?;
            }
        }
        keep_all(buffer, &mut waiting, self.settings, self.watch, &mut self.report)?;
        Ok(listings)
    }
}
