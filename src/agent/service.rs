//! `cu-agent run`: a thread for each source that collects and one that delivers, until the end is
//! wished.
//!
//! What must never happen here: an end that waits longer than [`END_WITHIN`] or cuts a transaction in
//! half; a failure that ends the service although the next try may pass; a line a second about a
//! failure that lasts.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Agent, Collection, Collector, HealthService, LoopHandle, Shutdown, clock, follow_plant,
    process::failed_update,
    shutdown::{END_WITHIN, EndRoundOnDrop},
    sound_buffer, systemd, wall, wall_clock_fault,
    watchdog::COLLECT,
};
use crate::{
    buffer::{Buffer, BufferError, StateLock},
    collect, logging,
    model::Collected,
    retry,
    status::{Metrics, WallClock},
    update,
    web::{self, Hosts, Reading, Site},
    weekly::ReportCarrier,
};

/// A card is read for one at a time: the first collection comes before the look through all of it.
const CHECK_AFTER: Duration = Duration::from_secs(2);

/// What the collecting thread of one source works with.
struct CollectWorker {
    all: Arc<Collection>,
    /// The source's place in the configuration.
    place: usize,
    poll: Duration,
    agent_id: String,
    shutdown: Shutdown,
    buffer: Buffer,
    handle: Arc<LoopHandle>,
    lock: Arc<LockNote>,
    figures: Metrics,
}

impl Agent {
    /// Collects and delivers until the end is wished. A buffer that turns out to be damaged is set
    /// aside, and the work goes on with a new one.
    pub fn run(mut self) -> Result<(), BufferError> {
        logging::started(&self.config, self.buffer.path());
        systemd::serve_watchdog(&self.watchdog, &self.shutdown);
        let health = self.health();
        health.answer_in(&self.config.agent.state_dir);
        self.show_page(&health);
        if let Some(monitor) = self.alarm_monitor(&health) {
            monitor.start();
        }
        if let Some(carrier) = ReportCarrier::new(&self.config, &self.figures) {
            let shutdown = self.shutdown.clone();
            carrier.start(move || shutdown.is_requested());
        }
        self.watch_trial();
        loop {
            self.replay_outdated()?;
            let threads = self.start()?;
            self.shutdown.wait_for_end();
            if self.shutdown.is_requested() && !self.shutdown.is_to_restart() {
                systemd::ending();
            }
            let all_ended = threads.end(END_WITHIN);
            let Some(damage) = self.shutdown.take_failure() else {
                if all_ended {
                    logging::ended();
                } else {
                    logging::ended_while_waiting();
                }
                return Ok(());
            };
            if !all_ended {
                // A thread waits for a server and has the buffer open: the next start mends it.
                return Err(damage);
            }
            let kept_as = self.buffer.quarantine()?;
            logging::buffer_set_aside(&damage, &kept_as);
            self.buffer = sound_buffer(&self.config.agent.state_dir, true)?;
        }
    }

    /// The page lives as long as the process and reads the buffer for itself: it is neither waited for
    /// nor restarted with a new buffer.
    fn show_page(&self, health: &HealthService) {
        let Some(listen) = self.config.status.listen else { return };
        let site = Site {
            hosts: Hosts::new(&clock::host_name(), &self.config.status.names),
            config: Arc::new(self.config.clone()),
            counts: {
                let (health, settings) = (health.clone(), self.plant_settings.clone());
                let result_file =
                    self.config.update.as_ref().map(|_| update::result_file(&self.config));
                Box::new(move || {
                    let counts = health.figures.snapshot();
                    let central_is_up = counts.central_is_up();
                    let uptime = health.clock.now().uptime;
                    let update_failed =
                        result_file.as_deref().map(|file| failed_update(file).is_some());
                    let utc = wall().naive_utc();
                    let settings = settings.as_ref().map(|service| service.told());
                    Reading { counts, central_is_up, uptime, utc, update_failed, settings }
                })
            },
            health: {
                let health = health.clone();
                Box::new(move || health.verdict())
            },
            now: Box::new(|| WallClock { wall: wall().naive_local(), fault: wall_clock_fault() }),
        };
        if let Err(error) = web::serve(site, listen) {
            logging::page_cannot_listen(listen, &error);
        }
    }

    /// As a loop of its own: years of raw bytes may take minutes.
    fn replay_outdated(&mut self) -> Result<(), BufferError> {
        // After a damaged buffer it is another one.
        follow_plant(&mut self.settings, &self.config, &self.buffer)?;
        let handle = self.watchdog.register("replay");
        let mut progress = |done: usize, of: usize| {
            handle.set_status(format!("recomputing sessions, {done} of {of} files"));
            handle.checkin();
        };
        collect::replay_outdated(&mut self.buffer, &self.settings, &mut progress)?;
        Ok(())
    }

    fn start(&self) -> Result<Threads, BufferError> {
        let (running, ended) = mpsc::channel();
        let mut threads = Threads { ended, handles: Vec::new() };
        let config = Arc::new(self.config.clone());
        let all = self.collection(&config);
        let lock = Arc::new(LockNote { lock: Arc::clone(&self.lock), noted: Mutex::default() });
        // All of them before the first begins, so that the status line speaks of all.
        let mut workers = Vec::new();
        for (place, source) in config.sources.iter().enumerate() {
            workers.push(CollectWorker {
                all: Arc::clone(&all),
                place,
                poll: config.schedule.poll,
                agent_id: config.agent.id.clone(),
                shutdown: self.shutdown.clone(),
                buffer: self.buffer.reopen()?,
                handle: Arc::new(self.watchdog.register_for(COLLECT, &source.name)),
                lock: Arc::clone(&lock),
                figures: self.figures.clone(),
            });
        }
        for worker in workers {
            threads.start(running.clone(), &self.shutdown, move || worker.collect_until_stopped());
        }
        if let Some(delivery) = self.delivery() {
            let outbox = self.buffer.reopen()?;
            // Without a last time there is no result: each failure was dealt with.
            threads.start(running, &self.shutdown, move || drop(delivery.run(outbox, || false)));
        }
        if !self.buffer.is_checked() {
            // It may take minutes and holds nobody up: it is not waited for at the end.
            let (path, shutdown) = (self.buffer.path().to_owned(), self.shutdown.clone());
            thread::spawn(move || {
                if shutdown.wait(CHECK_AFTER) {
                    return;
                }
                if let Err(error) = Buffer::check_beside(&path)
                    && error.is_damage()
                {
                    shutdown.abort(error);
                }
            });
        }
        Ok(threads)
    }
}

/// The threads at work. The channel disconnects when all of them have ended.
struct Threads {
    ended: mpsc::Receiver<()>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    fn start(
        &mut self,
        running: mpsc::Sender<()>,
        shutdown: &Shutdown,
        work: impl FnOnce() + Send + 'static,
    ) {
        let shutdown = shutdown.clone();
        self.handles.push(thread::spawn(move || {
            // Also where the work panics, the others are to end and the process with them.
            let _end = EndRoundOnDrop(shutdown);
            let _running = running;
            work();
        }));
    }

    /// Waits for all threads; `false` where the patience ran out first.
    fn end(self, patience: Duration) -> bool {
        let outcome = self.ended.recv_timeout(patience);
        if outcome == Err(mpsc::RecvTimeoutError::Timeout) {
            return false;
        }
        for handle in self.handles {
            if let Err(panic) = handle.join() {
                std::panic::resume_unwind(panic);
            }
        }
        true
    }
}

/// Brings a thread's buffer back after a failure; `None` where it is damaged, which ends the round.
///
/// What was under way counts as lost: a new connection sees what is durable, and where the disk
/// itself failed every page is looked at before anything is built on it.
pub(super) fn recovered(
    buffer: Buffer,
    error: BufferError,
    thread: &str,
    figures: &Metrics,
    shutdown: &Shutdown,
) -> Option<Buffer> {
    if figures.note_buffer_failure(thread, logging::chain(&error)) {
        logging::buffer_failed(&error);
    }
    if error.is_read_only() {
        // Opened now it would stay read-only when the disk is writable again.
        return Some(buffer);
    }
    let damage = if error.is_damage() {
        Some(error)
    } else if error.is_disk_fault() {
        buffer.check().err().filter(BufferError::is_damage)
    } else {
        None
    };
    match damage {
        Some(damage) => {
            shutdown.abort(damage);
            None
        }
        None => Some(buffer.reopen().unwrap_or(buffer)),
    }
}

/// The buffer serves a thread.
pub(super) fn note_buffer_works(figures: &Metrics, thread: &str) {
    if figures.note_buffer_works(thread) {
        logging::buffer_works_again();
    }
}

/// For the service manager's status line.
pub(super) fn failing_status(error: &BufferError) -> &'static str {
    if error.is_read_only() {
        "the disk is read-only, reading has stopped"
    } else {
        "the buffer cannot be used"
    }
}

impl CollectWorker {
    fn collect_until_stopped(self) {
        let Self { all, place, poll, agent_id, shutdown, mut buffer, handle, figures, lock } = self;
        let mut collector =
            Collector::new(&all, place, Arc::clone(&handle), Arc::new(|_, _, _| {}));
        let name = format!("{COLLECT} {place}");
        handle.set_status(all.status());
        let mut failures = 0;
        // After a power cut a whole plant starts at once; it does not go on polling in step.
        let mut first_wait = Some(poll.mul_f64(retry::place_of(&agent_id)));
        while !shutdown.must_stop() {
            let wait = match collector.cycle(&mut buffer) {
                Ok(report) => {
                    note_buffer_works(&figures, &name);
                    handle.set_status(all.status());
                    if report.files_read > 0 {
                        buffer.release_memory();
                    }
                    if !shutdown.must_stop() {
                        lock.note_once(&all);
                    }
                    if !report.failed_sources.is_empty() {
                        // What failed is tried again sooner than the next poll, each time later.
                        failures += 1;
                        retry::wait(failures, fastrand::f64()).min(poll)
                    } else if report.goes_on {
                        failures = 0;
                        Duration::ZERO
                    } else {
                        failures = 0;
                        first_wait.take().unwrap_or(poll)
                    }
                }
                Err(error) => {
                    failures += 1;
                    handle.set_status(failing_status(&error));
                    buffer = match recovered(buffer, error, &name, &figures, &shutdown) {
                        Some(buffer) => buffer,
                        None => return,
                    };
                    retry::wait(failures, fastrand::f64()).max(Duration::from_secs(1))
                }
            };
            handle.expect_idle(wait);
            if shutdown.wait(wait) {
                return;
            }
        }
    }
}

/// What the lock says was collected, written when it changes.
struct LockNote {
    lock: Arc<StateLock>,
    noted: Mutex<Option<BTreeSet<String>>>,
}

impl LockNote {
    /// Once every source was gone through: a field update waits for it.
    fn note_once(&self, all: &Collection) {
        if !all.is_complete() {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = all.failed_sources();
        if noted.as_ref() != Some(&failed) {
            // For readers of the lock: the version that has collected, and what did not answer.
            self.lock.note(&Collected {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                failed_sources: failed.iter().cloned().collect(),
            });
            *noted = Some(failed);
        }
    }
}
