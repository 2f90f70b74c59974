//! The agent at work: a thread for each source collects, one syncs, and they meet only in the buffer. Here and in
//! `cli` alone the clocks are read.
//!
//! What must never happen here: one source or central keeping the other side from its work; two
//! processes on one buffer.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

mod clock;
mod delivery;
mod health_service;
mod link_faults;
mod process;
mod security;
mod service;
mod settings;
mod shutdown;
mod sources;
mod systemd;
mod watchdog;

use process::Process;
use security::SecurityWatch;
use shutdown::{END_WITHIN, EndRoundOnDrop};
use watchdog::COLLECT;

pub use clock::{Clock, wall, wall_clock_fault};
pub use health_service::{HealthService, QueryError, health_path_fault, query_health};
pub use shutdown::{Shutdown, Wakeup};
pub use sources::{CollectReport, Collection, Collector, Progress};
pub use systemd::waits_for;
pub use watchdog::{LoopHandle, Watchdog};

pub use crate::deliver::{DrainError, DrainReport};
use crate::{
    alarms::AlarmMonitor,
    buffer::{Buffer, BufferError, LockHolder, SetAside, StateLock, Task},
    collect::{self, Settings},
    config::Config,
    logging,
    model::WallTime,
    settings::SettingsService,
    status::Metrics,
    weekly::ReportCarrier,
};

/// A configured agent with its buffer, alone on its state directory.
pub struct Agent {
    pub config: Config,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// Sessions changed: the thread that delivers may have them.
    pub wakeup: Wakeup,
    pub buffer: Buffer,
    pub settings: Settings,
    /// Whether the loops go on.
    pub watchdog: Watchdog,
    /// What the loops hand over.
    pub figures: Metrics,
    security: Arc<SecurityWatch>,
    lock: Arc<StateLock>,
    /// Of the service; `None`: none are taken from central.
    plant_settings: Option<Arc<SettingsService>>,
}

/// Takes the state directory for `task` and opens the buffer in it.
fn open_buffer(state_dir: &Path, task: Task) -> Result<(StateLock, Buffer), BufferError> {
    let lock = StateLock::take(state_dir, LockHolder::this(task, noted_now()))?;
    Ok((lock, sound_buffer(state_dir, task == Task::Run)?))
}

/// The wall clock as the buffer and the lock keep it.
fn noted_now() -> WallTime {
    WallTime::of(wall().naive_local())
}

/// How soon `once` notices that its end is wished while all sources are waited for.
const LOOK_FOR_END_EVERY: Duration = Duration::from_millis(100);

/// The buffer, created or begun again if needed. The caller holds the state directory's lock.
fn sound_buffer(state_dir: &Path, is_service: bool) -> Result<Buffer, BufferError> {
    let open = if is_service { Buffer::open_or_rebuild_soon } else { Buffer::open_or_rebuild };
    let (buffer, aside) = open(state_dir, &clock::random_id(), noted_now())?;
    match aside {
        Some(SetAside { kept_as, goes_on_from_copy: true, .. }) => {
            logging::buffer_went_back(&kept_as);
        }
        Some(SetAside { kept_as, reason, .. }) => logging::buffer_set_aside(&reason, &kept_as),
        None => {}
    }
    Ok(buffer)
}

/// What `once` did, for its exit code.
#[derive(Debug, Default)]
pub struct OnceReport {
    pub collect: CollectReport,
    /// `None`: there is no central.
    pub sync: Option<Result<DrainReport, DrainError>>,
}

impl Agent {
    /// Opens everything that `task` needs. Nothing is read or sent yet.
    pub fn open(config: Config, task: Task, shutdown: Shutdown) -> Result<Self, BufferError> {
        let (lock, buffer) = open_buffer(&config.agent.state_dir, task)?;
        let mut settings = settings(&config);
        if let Some(why) = follow_plant(&mut settings, &config, &buffer)? {
            logging::kept_calendar_unusable(&why);
        }
        if let Some(fault) = wall_clock_fault() {
            log::warn!("{fault}");
        }
        let watchdog = Watchdog::new(systemd::patience(&config));
        let wakeup = shutdown.wakeup();
        let (clock, figures, lock) = (Clock::start(), Metrics::default(), Arc::new(lock));
        let security = SecurityWatch::new(&config);
        let plant_settings = (task == Task::Run).then(|| SettingsService::new(&config)).flatten();
        Ok(Self {
            config,
            clock,
            shutdown,
            wakeup,
            buffer,
            settings,
            watchdog,
            figures,
            security,
            lock,
            plant_settings: plant_settings.map(Arc::new),
        })
    }

    fn collection(&self, config: &Arc<Config>) -> Arc<Collection> {
        Collection::new(self, config)
    }

    /// Collects everything and delivers everything, the second beginning while the first goes on.
    pub fn once(&mut self, progress: &Progress) -> Result<OnceReport, BufferError> {
        let mut report = OnceReport::default();
        collect::replay_outdated(&mut self.buffer, &self.settings, &mut |_, _| {})?;
        let Some(delivery) = self.delivery() else {
            report.collect = self.collect_once(progress)?;
            self.send_alarms_once();
            self.send_reports_once();
            return Ok(report);
        };
        let outbox = self.buffer.reopen()?;
        let (done, is_done) = mpsc::channel::<()>();
        let (result, sync) = mpsc::channel();
        let shutdown = self.shutdown.clone();
        thread::spawn(move || {
            let _end = EndRoundOnDrop(shutdown);
            let is_last = || is_done.try_recv() == Err(mpsc::TryRecvError::Disconnected);
            // Nobody listens any more if the end was wished and central kept silent.
            result.send(delivery.run(outbox, is_last)).ok();
        });
        let collected = self.collect_once(progress);
        drop(done);
        self.wakeup.notify();
        report.collect = collected?;
        self.shutdown.wait_for_end();
        report.sync = Some(match sync.recv_timeout(END_WITHIN) {
            Ok(Err(DrainError::Buffer(error))) => return Err(error),
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the delivering thread panicked"),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                logging::ended_while_waiting();
                Ok(DrainReport::default())
            }
        });
        if let Some(damage) = self.shutdown.take_failure() {
            return Err(damage);
        }
        self.send_alarms_once();
        self.send_reports_once();
        Ok(report)
    }

    /// Goes through all sources, side by side. When the end is wished a source that keeps silent is
    /// not waited for.
    fn collect_once(&self, progress: &Progress) -> Result<CollectReport, BufferError> {
        let config = Arc::new(self.config.clone());
        let all = self.collection(&config);
        let (result, results) = mpsc::channel();
        for (place, source) in config.sources.iter().enumerate() {
            let handle = Arc::new(self.watchdog.register_for(COLLECT, &source.name));
            let (all, progress) = (Arc::clone(&all), Arc::clone(progress));
            let (mut buffer, shutdown, result) =
                (self.buffer.reopen()?, self.shutdown.clone(), result.clone());
            thread::spawn(move || {
                let mut collector = Collector::new(&all, place, handle, progress);
                let mut done = CollectReport::default();
                let ended = loop {
                    match collector.cycle(&mut buffer) {
                        Ok(report) if report.goes_on && !shutdown.must_stop() => done.go_on(report),
                        Ok(report) => {
                            done.go_on(report);
                            break Ok(done);
                        }
                        Err(error) => break Err(error),
                    }
                };
                // The buffer is closed before its result is known.
                drop((collector, buffer));
                result.send((place, ended)).ok();
            });
        }
        drop(result);
        let mut report = CollectReport::default();
        let mut awaited: BTreeSet<usize> = (0..config.sources.len()).collect();
        let mut end_by: Option<Instant> = None;
        while !awaited.is_empty() {
            match results.recv_timeout(LOOK_FOR_END_EVERY) {
                Ok((place, ended)) => {
                    awaited.remove(&place);
                    report.add(ended?);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("a collecting thread panicked"),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if self.shutdown.is_requested() {
                let end_by = *end_by.get_or_insert_with(|| Instant::now() + END_WITHIN);
                if Instant::now() >= end_by {
                    logging::ended_while_waiting();
                    break;
                }
            }
        }
        for place in awaited {
            report.sources += 1;
            report.failed_sources.insert(config.sources[place].name.clone());
        }
        Ok(report)
    }

    /// Alarms, for anyone who runs `once` by the clock. What is not taken now waits for the next time.
    fn send_alarms_once(&self) {
        if self.shutdown.is_requested() {
            return;
        }
        if let Some(mut monitor) = self.alarm_monitor(&self.health()) {
            // Its loops have ended because they are done.
            monitor.run_once(true);
        }
    }

    /// Weekly reports that wait, for anyone who runs `once` by the clock.
    fn send_reports_once(&self) {
        let shutdown = self.shutdown.clone();
        let is_ending = move || shutdown.is_requested();
        if !is_ending()
            && let Some(mut carrier) = ReportCarrier::new(&self.config, &self.figures)
        {
            carrier.run_once(&is_ending);
        }
    }

    fn alarm_monitor(&self, health: &HealthService) -> Option<AlarmMonitor> {
        let process =
            Process::new(&self.config, health, &self.shutdown, self.plant_settings.clone());
        AlarmMonitor::new(&Arc::new(self.config.clone()), process, &self.figures)
    }

    fn health(&self) -> HealthService {
        HealthService::new(&self.config, &self.figures, &self.watchdog, &self.clock)
    }
}

/// Gives the calendars that count now to `settings`: central's where it has some, as they are kept. Why what
/// is kept cannot be used, if so.
fn follow_plant(
    settings: &mut Settings,
    config: &Config,
    buffer: &Buffer,
) -> Result<Option<String>, BufferError> {
    let planning = config.planning(&buffer.plant().kept()?);
    settings.calendars = planning.calendars;
    Ok(planning.unusable)
}

/// What of the configuration collecting and computing depend on.
pub fn settings(config: &Config) -> Settings {
    Settings {
        words: collect::words(&config.analysis.events)
            .expect("the configuration accepts only words that a LOG line can hold"),
        options: crate::analyse::Options {
            day_start: config.analysis.day_start,
            wait_stamp: config.analysis.wait_stamp,
        },
        limits: config.anomalies,
        nominals: config.sources.iter().flat_map(|source| source.nominals.clone()).collect(),
        calendars: config.calendars.clone(),
        file_quiet: config.schedule.file_quiet,
        has_central: config.central.is_some(),
        batch_bytes: 4 << 20,
        max_buffer_bytes: config.agent.max_buffer_bytes,
    }
}
