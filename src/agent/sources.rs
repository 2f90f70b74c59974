//! One cycle over all configured sources, each behind its own connection; what one of them does
//! wrong is that one's affair.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{Pulse, Stop, clock::Clock};
use crate::{
    buffer::{Buffer, BufferError},
    collect::{Moment, Settings, SourceMemory, SourceReport, Watch, collect},
    config::{Config, SourceConfig, SourceKind},
    journal,
    source::{Source, dir::DirectorySource, ftp::FtpSource},
    status::{Figures, figures::UnreadKind},
};

/// Shows how far a folder is: its name, files done, files in all.
pub type Progress<'p> = &'p (dyn Fn(&str, usize, usize) + Sync);

/// What a cycle over all sources did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CollectReport {
    pub sources: usize,
    pub failed_sources: BTreeSet<String>,
    pub files_read: u64,
    pub files_failed: u64,
    pub files_refused: u64,
    pub sessions_changed: u64,
    /// Not everything new was read, because the buffer is at its cap.
    pub at_cap: bool,
}

/// The sources with what is remembered of each.
pub struct Collector<'c> {
    settings: &'c Settings,
    clock: &'c Clock,
    stop: &'c Stop,
    pulse: &'c Arc<Pulse>,
    figures: &'c Figures,
    sources: Vec<Open<'c>>,
    /// Whether it was said that the buffer is at its cap.
    told_at_cap: bool,
}

struct Open<'c> {
    config: &'c SourceConfig,
    source: Box<dyn Source>,
    memory: SourceMemory,
    /// This process's log tells that the link is down.
    told_down: bool,
}

impl<'c> Collector<'c> {
    pub fn new(
        config: &'c Config,
        settings: &'c Settings,
        clock: &'c Clock,
        stop: &'c Stop,
        pulse: &'c Arc<Pulse>,
        figures: &'c Figures,
    ) -> Self {
        let sources = config
            .sources
            .iter()
            .map(|config| Open {
                config,
                source: open(config, pulse),
                memory: SourceMemory::default(),
                told_down: false,
            })
            .collect();
        Self { settings, clock, stop, pulse, figures, sources, told_at_cap: false }
    }

    /// Collects everything new; an error is the buffer's own.
    pub fn cycle(
        &mut self,
        buffer: &mut Buffer,
        progress: Progress<'_>,
    ) -> Result<CollectReport, BufferError> {
        let begun = self.clock.now().uptime;
        let mut all = CollectReport { sources: self.sources.len(), ..CollectReport::default() };
        let mut listed = 0;
        for open in &mut self.sources {
            if self.stop.is_set() {
                break;
            }
            let source_begun = self.clock.now().uptime;
            let watch =
                AgentWatch { clock: self.clock, stop: self.stop, pulse: self.pulse, progress };
            let report = collect(
                buffer,
                open.source.as_mut(),
                open.config,
                self.settings,
                &watch,
                &mut open.memory,
            );
            // Between polls an FTP server's place is given back: some have only one.
            open.source.close();
            let report = report?;
            let now = self.clock.now().uptime;
            note(self.figures, &open.config.name, &report, now.saturating_sub(source_begun), now);
            let SourceReport { files_listed, files_read, files_failed, files_refused, .. } = report;
            listed += files_listed;
            all.files_read += files_read;
            all.files_failed += files_failed;
            all.files_refused += files_refused;
            all.sessions_changed += report.sessions_changed;
            all.at_cap |= report.at_cap;
            let text = report.error.as_ref().map(|error| journal::chain(error));
            let link = format!("source:{}", open.config.name);
            let news = buffer.note_link(&link, text.as_deref(), &self.clock.now().wall)?;
            match &text {
                Some(text) => {
                    // Also where an earlier process knew it: this one's log is to tell it.
                    if news || !open.told_down {
                        journal::link_down(&link, text);
                    }
                    open.told_down = true;
                    all.failed_sources.insert(open.config.name.clone());
                }
                None => {
                    if news {
                        journal::source_up(&link);
                    }
                    open.told_down = false;
                }
            }
        }
        buffer.drop_proven_copies()?;
        if all.at_cap != self.told_at_cap {
            journal::at_cap(all.at_cap, self.settings.max_buffer_bytes);
            self.told_at_cap = all.at_cap;
        }
        let took = self.clock.now().uptime.saturating_sub(begun);
        journal::cycle(journal::Cycle {
            files_listed: listed,
            files_read: all.files_read,
            files_failed: all.files_failed,
            sessions_changed: all.sessions_changed,
            took,
        });
        let is_good = all.failed_sources.is_empty() && !all.at_cap && !self.stop.is_set();
        self.figures.note_cycle(is_good, all.at_cap, self.clock.now().uptime);
        Ok(all)
    }
}

/// Hands over what a look at one source came to.
fn note(figures: &Figures, name: &str, report: &SourceReport, took: Duration, now: Duration) {
    let SourceReport { files_listed, files_read, files_failed, files_refused, .. } = *report;
    let unread = if report.error.is_some() || files_read > 0 {
        None
    } else if report.folders_found == 0 {
        Some(UnreadKind::Folders)
    } else if files_failed == 0 {
        None
    } else if files_failed + files_refused >= files_listed {
        Some(UnreadKind::AllFiles)
    } else {
        Some(UnreadKind::NewFiles)
    };
    figures.note(|counts| {
        counts.keep_time += report.keep_time;
        counts.read_time += took.saturating_sub(report.keep_time);
        let source = counts.sources.entry(name.to_owned()).or_default();
        source.files_read += files_read;
        source.files_failed += files_failed;
        source.files_refused += files_refused;
        source.files_deleted += report.files_deleted;
        source.bytes += report.bytes;
        source.events += report.events;
        source.rejected += report.rejected;
        source.note_link(report.error.is_none(), now);
        source.note_unread(unread, now);
    });
}

/// The source that the configuration describes; nothing is connected yet.
fn open(config: &SourceConfig, pulse: &Arc<Pulse>) -> Box<dyn Source> {
    match &config.kind {
        SourceKind::Ftp(ftp) => {
            let pulse = Arc::clone(pulse);
            Box::new(FtpSource::new(ftp.clone()).on_answer(move || pulse.beat()))
        }
        SourceKind::Directory(path) => Box::new(DirectorySource::new(path.clone())),
    }
}

/// Every question and every message of the collecting is a sign of life.
struct AgentWatch<'w> {
    clock: &'w Clock,
    stop: &'w Stop,
    pulse: &'w Pulse,
    progress: Progress<'w>,
}

impl Watch for AgentWatch<'_> {
    fn now(&self) -> Moment {
        self.pulse.beat();
        self.clock.now()
    }

    fn must_stop(&self) -> bool {
        self.pulse.beat();
        self.stop.is_set()
    }

    fn progress(&self, folder: &str, done: usize, of: usize) {
        (self.progress)(folder, done, of);
    }

    fn kept(&self) {
        self.stop.knock();
    }
}
