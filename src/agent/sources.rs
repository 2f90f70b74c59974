//! The collecting of each source on a thread of its own, with its own connection to the server and to
//! the buffer; and what the sources add up to.
//!
//! What must never happen here: one source, however slow or silent, delaying another's reading; a
//! failure of one taken for a failure of all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Agent, LoopHandle, Shutdown, Wakeup, clock::Clock, follow_plant, link_faults,
    security::SecurityWatch,
};
use crate::{
    buffer::{Buffer, BufferError},
    collect::{
        self, Settings, SourceMemory, SourceReport, Timestamps, TroubleNews, Watch, collect,
    },
    config::{Config, SourceConfig, SourceKind},
    logging::{self, LogOnce},
    model::{LinkName, Trouble, TroubleKind},
    source::{ReadAhead, Source, dir::DirectorySource, ftp::FtpSource, sftp::SftpSource},
    status::{Metrics, counters::UnreadKind},
};

/// Shows how far a folder is: its name, files done, files in all.
pub type Progress = Arc<dyn Fn(&str, usize, usize) + Send + Sync>;

/// What collecting came to, of one source or of several together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CollectReport {
    pub sources: usize,
    pub failed_sources: BTreeSet<String>,
    pub files_read: u64,
    pub files_failed: u64,
    pub files_refused: u64,
    /// Read in this run, and not one line of them understood.
    pub files_without_lines: u64,
    pub folders_mapped: usize,
    /// Folders that could be listed.
    pub folders_read: usize,
    /// Folders, files and listings that cannot be read.
    pub troubles: usize,
    pub sessions_changed: u64,
    /// Not everything new was read, because the buffer is at its cap.
    pub at_cap: bool,
    /// Its time was over before everything new was read: the next cycle follows at once.
    pub goes_on: bool,
}

impl CollectReport {
    /// Adds what the next cycle over the same source came to.
    pub fn go_on(&mut self, next: Self) {
        let read = Self {
            files_read: self.files_read,
            files_failed: self.files_failed,
            files_refused: self.files_refused,
            files_without_lines: self.files_without_lines,
            folders_read: self.folders_read.max(next.folders_read) - next.folders_read,
            sessions_changed: self.sessions_changed,
            ..Self::default()
        };
        *self = next;
        self.add(read);
    }

    /// Adds what another source came to.
    pub fn add(&mut self, other: Self) {
        self.sources += other.sources;
        self.failed_sources.extend(other.failed_sources);
        self.files_read += other.files_read;
        self.files_failed += other.files_failed;
        self.files_refused += other.files_refused;
        self.files_without_lines += other.files_without_lines;
        self.folders_mapped += other.folders_mapped;
        self.folders_read += other.folders_read;
        self.troubles += other.troubles;
        self.sessions_changed += other.sessions_changed;
        self.at_cap |= other.at_cap;
        self.goes_on |= other.goes_on;
    }
}

/// What the threads of all sources share: how each one's last cycle ended.
pub struct Collection {
    config: Arc<Config>,
    settings: Settings,
    clock: Clock,
    shutdown: Shutdown,
    wakeup: Wakeup,
    figures: Metrics,
    security: Arc<SecurityWatch>,
    overall: Mutex<Overall>,
    /// Held by the one thread that looks whether copies of the buffer may go.
    copies: Mutex<()>,
    /// Held by the one thread that computes days again for another calendar.
    plant: Mutex<()>,
}

#[derive(Debug, Default)]
struct Overall {
    /// By name, of those that were gone through at least once.
    ends: BTreeMap<String, End>,
    /// Of the buffer at its cap.
    at_cap: LogOnce,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct End {
    has_failed: bool,
    at_cap: bool,
}

impl Collection {
    pub fn new(agent: &Agent, config: &Arc<Config>) -> Arc<Self> {
        Arc::new(Self {
            config: Arc::clone(config),
            settings: agent.settings.clone(),
            clock: agent.clock.clone(),
            shutdown: agent.shutdown.clone(),
            wakeup: agent.wakeup.clone(),
            figures: agent.figures.clone(),
            security: Arc::clone(&agent.security),
            overall: Mutex::default(),
            copies: Mutex::default(),
            plant: Mutex::default(),
        })
    }

    /// Whether every source was gone through at least once.
    pub fn is_complete(&self) -> bool {
        self.lock().ends.len() == self.config.sources.len()
    }

    /// The sources whose last cycle failed.
    pub fn failed_sources(&self) -> BTreeSet<String> {
        let overall = self.lock();
        let failed = overall.ends.iter().filter(|(_, end)| end.has_failed);
        failed.map(|(name, _)| name.clone()).collect()
    }

    /// For the service manager's status line: what an operator wants to know first.
    pub fn status(&self) -> String {
        if self.lock().ends.values().any(|end| end.at_cap) {
            return "the buffer is full, reading has stopped".to_owned();
        }
        let failed: Vec<String> = self.failed_sources().into_iter().collect();
        match (failed.is_empty(), self.is_complete()) {
            (true, true) => "all sources answer".to_owned(),
            (true, false) => "the first collection is in progress".to_owned(),
            (false, _) => format!("no answer from source {}", failed.join(", ")),
        }
    }

    /// Notes how a cycle over one source ended.
    fn note_end(&self, name: &str, report: &CollectReport) {
        let mut overall = self.lock();
        let end = End { has_failed: !report.failed_sources.is_empty(), at_cap: report.at_cap };
        overall.ends.insert(name.to_owned(), end);
        let at_cap = overall.ends.values().any(|end| end.at_cap);
        let has_failed = overall.ends.values().any(|end| end.has_failed);
        let is_news = if at_cap { overall.at_cap.begins() } else { overall.at_cap.ends() };
        if is_news {
            logging::at_cap(at_cap, self.settings.max_buffer_bytes);
        }
        let is_good = !has_failed && !at_cap && !self.shutdown.must_stop();
        self.figures.note_cycle(is_good, at_cap, self.clock.now().uptime);
    }

    fn lock(&self) -> MutexGuard<'_, Overall> {
        self.overall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One source with what is remembered of it from cycle to cycle.
pub struct Collector {
    all: Arc<Collection>,
    config: SourceConfig,
    source: Box<dyn Source>,
    memory: SourceMemory,
    handle: Arc<LoopHandle>,
    progress: Progress,
    /// Of the link that is down, in the log of this process.
    link_down: LogOnce,
    /// With the calendars that count now.
    settings: Settings,
    /// What central last said of the plant's, when those were looked up; `None`: not yet.
    plant_mark: Option<String>,
}

impl Collector {
    /// For the source at `place` of the configuration; nothing is connected yet.
    pub fn new(
        all: &Arc<Collection>,
        place: usize,
        handle: Arc<LoopHandle>,
        progress: Progress,
    ) -> Self {
        let config = all.config.sources[place].clone();
        Self {
            all: Arc::clone(all),
            source: open(&config, &handle),
            config,
            memory: SourceMemory::default(),
            handle,
            progress,
            link_down: LogOnce::default(),
            settings: all.settings.clone(),
            plant_mark: None,
        }
    }

    /// Takes another calendar that central told of, and computes the days again that rest on it: one thread at
    /// a time, the others go on meanwhile and take it at their next cycle.
    fn follow_plant(&mut self, buffer: &mut Buffer) -> Result<(), BufferError> {
        let all = Arc::clone(&self.all);
        let Ok(_only_one) = all.plant.try_lock() else { return Ok(()) };
        let mark = buffer.plant().mark()?;
        let is_same = self.plant_mark.as_ref() == Some(&mark);
        if is_same && !collect::has_mixed_times(buffer)? {
            return Ok(());
        }
        if !is_same {
            follow_plant(&mut self.settings, &all.config, buffer)?;
        }
        let handle = Arc::clone(&self.handle);
        let changed = collect::apply_calendars(buffer, &self.settings, &mut |done, of| {
            handle.set_status(format!("applying the calendar, {done} of {of} days"));
            handle.checkin();
        })?;
        self.plant_mark = Some(mark);
        if changed > 0 {
            all.wakeup.notify();
        }
        Ok(())
    }

    /// Collects everything new of the source; an error is the buffer's own.
    pub fn cycle(&mut self, buffer: &mut Buffer) -> Result<CollectReport, BufferError> {
        let all = Arc::clone(&self.all);
        let begun = all.clock.now().uptime;
        // Not first at the end of what could not be kept.
        buffer.expect_writable_disk()?;
        self.follow_plant(buffer)?;
        let watch = AgentWatch {
            clock: &all.clock,
            shutdown: &all.shutdown,
            wakeup: &all.wakeup,
            handle: &self.handle,
            progress: &self.progress,
        };
        if self.memory.troubles.is_none() {
            let mut known = buffer.links().troubles()?;
            known.retain(|trouble| trouble.key.source == self.config.name);
            let known = known.into_iter().map(|trouble| (trouble.key.clone(), trouble));
            self.memory.troubles = Some(known.collect());
        }
        let collected = collect(
            buffer,
            self.source.as_mut(),
            &self.config,
            &self.settings,
            &watch,
            &mut self.memory,
        );
        self.source.release();
        let report = collected?;
        let now = all.clock.now().uptime;
        let took = now.saturating_sub(begun);
        let known = self.memory.troubles.take().unwrap_or_default();
        let wall = all.clock.now().wall_time();
        let news = collect::news(&known, &report.folders, &self.config, wall);
        note(&all.figures, &self.config, &report, &news, took, now);
        self.note_link(buffer, &report)?;
        let troubles = self.note_troubles(buffer, news)?;
        if let Ok(_only_one) = all.copies.try_lock() {
            buffer.drop_proven_copies()?;
        }
        logging::cycle(logging::Cycle {
            source: &self.config.name,
            files_listed: report.files_listed,
            files_read: report.files_read,
            files_failed: report.files_failed,
            files_without_lines: report.files_without_lines,
            sessions_changed: report.sessions_changed,
            took,
        });
        let mut failed_sources = BTreeSet::new();
        if report.error.is_some() {
            failed_sources.insert(self.config.name.clone());
        }
        let done = CollectReport {
            sources: 1,
            failed_sources,
            files_read: report.files_read,
            files_failed: report.files_failed,
            files_refused: report.files_refused,
            sessions_changed: report.sessions_changed,
            files_without_lines: report.files_without_lines,
            folders_mapped: self.config.folders.len(),
            folders_read: report.folders.values().filter(|one| one.failure.is_none()).count(),
            troubles,
            at_cap: report.at_cap,
            goes_on: report.goes_on,
        };
        all.note_end(&self.config.name, &done);
        Ok(done)
    }

    /// Keeps and tells what of the source cannot be read; how much of it lasts, files without a
    /// readable line aside, which are news only once.
    fn note_troubles(
        &mut self,
        buffer: &mut Buffer,
        news: TroubleNews,
    ) -> Result<usize, BufferError> {
        if !(news.begun.is_empty() && news.changed.is_empty() && news.over.is_empty()) {
            buffer
                .links_mut()
                .note_troubles(news.begun.iter().chain(&news.changed), news.over.iter())?;
        }
        for trouble in &news.begun {
            // Each failed reading has a line of its own, and so have folders that are not shown.
            let is_told = match trouble.key.kind {
                TroubleKind::FileNotRead => true,
                TroubleKind::FolderMissing => !self.memory.shows(&trouble.key.folder),
                _ => false,
            };
            if !is_told {
                logging::trouble(trouble);
            }
        }
        news.over.iter().for_each(logging::trouble_over);
        let is_told_once = |kind| matches!(kind, TroubleKind::NoLineRead | TroubleKind::RenamedLog);
        let lasting = news.now.keys().filter(|key| !is_told_once(key.kind)).count();
        let renamed = news.begun.iter().filter(|begun| begun.key.kind == TroubleKind::RenamedLog);
        let lasting = lasting + renamed.count();
        self.memory.troubles = Some(news.now);
        Ok(lasting)
    }

    fn note_link(&mut self, buffer: &mut Buffer, report: &SourceReport) -> Result<(), BufferError> {
        let text = report.error.as_ref().map(|error| logging::chain(error));
        let link = LinkName::source(&self.config.name);
        let now = self.all.clock.now().wall_time();
        let news = buffer.links_mut().note_link(&link, text.as_deref(), now)?;
        let fault = report.error.as_ref().map(link_faults::of_source);
        self.all.security.look(buffer, &link, fault, now)?;
        match &text {
            Some(text) => {
                // Also if an earlier process knew it: this one's log is to say it.
                if self.link_down.begins() || news {
                    logging::link_down(&link, text);
                }
            }
            None => {
                if news {
                    logging::source_up(&link);
                }
                self.link_down.ends();
            }
        }
        Ok(())
    }
}

/// Hands over what a look at one source came to, in one step: who sees that the source answers sees what
/// of its machines can be read, too.
fn note(
    figures: &Metrics,
    config: &SourceConfig,
    report: &SourceReport,
    news: &TroubleNews,
    took: Duration,
    now: Duration,
) {
    let SourceReport { files_listed, files_read, files_failed, files_refused, .. } = *report;
    let is_missing = |kind| kind == TroubleKind::FolderMissing;
    let mut failures = report.folders.values().map(|one| one.failure.as_ref());
    let unread = if report.error.is_some() || files_read > 0 {
        None
    } else if failures.all(|failure| failure.is_some_and(|(kind, _)| is_missing(*kind))) {
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
        let source = counts.sources.entry(config.name.clone()).or_default();
        source.files_read += files_read;
        source.files_failed += files_failed;
        source.files_refused += files_refused;
        source.files_deleted += report.files_deleted;
        source.bytes += report.bytes;
        source.events += report.events;
        source.rejected += report.rejected;
        source.note_link(report.error.is_none(), now);
        source.fault = report.error.as_ref().map(link_faults::of_source);
        source.note_unread(unread, now);
        source.troubles = TroubleKind::ALL.map(|kind| (kind, 0)).into();
        for key in news.now.keys() {
            *source.troubles.entry(key.kind).or_default() += 1;
        }
        for (folder, machine) in &config.folders {
            let hides = |one: &&Trouble| one.key.folder == *folder && one.key.kind.hides_machine();
            let hidden = news.now.values().find(hides);
            if report.folders.contains_key(folder) || hidden.is_some() {
                source.note_machine(&machine.nom, hidden, now);
            }
        }
    });
}

/// The source that the configuration describes; nothing is connected yet.
fn open(config: &SourceConfig, handle: &Arc<LoopHandle>) -> Box<dyn Source> {
    match &config.kind {
        SourceKind::Ftp(ftp) => {
            let connection = || {
                let handle = Arc::clone(handle);
                FtpSource::new(ftp.clone()).on_answer(move || handle.checkin())
            };
            if ftp.connections == 1 {
                return Box::new(connection());
            }
            let connections = (0..ftp.connections).map(|_| Box::new(connection()) as _);
            Box::new(ReadAhead::over(connections.collect()))
        }
        SourceKind::Sftp(sftp) => {
            let handle = Arc::clone(handle);
            Box::new(SftpSource::new(sftp.clone()).on_answer(move || handle.checkin()))
        }
        SourceKind::Directory(path) => Box::new(DirectorySource::new(path.clone())),
    }
}

/// Every question and every message of the collecting is a check-in.
struct AgentWatch<'w> {
    clock: &'w Clock,
    shutdown: &'w Shutdown,
    wakeup: &'w Wakeup,
    handle: &'w LoopHandle,
    progress: &'w Progress,
}

impl Watch for AgentWatch<'_> {
    fn now(&self) -> Timestamps {
        self.handle.checkin();
        self.clock.now()
    }

    fn must_stop(&self) -> bool {
        self.handle.checkin();
        self.shutdown.must_stop()
    }

    fn progress(&self, folder: &str, done: usize, of: usize) {
        (self.progress)(folder, done, of);
    }

    fn kept(&self) {
        self.wakeup.notify();
    }
}
