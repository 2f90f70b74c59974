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
    Agent, Collection, Collector, Pulse, Stop, clock, manager, sound_buffer,
    vitals::Vitals,
    wall, wall_clock_fault,
    watchman::{Watchman, central_is_up},
};
use crate::{
    buffer::{Buffer, BufferError, StateLock},
    collect, journal,
    model::Collected,
    retry,
    status::{self, Figures, Hosts, Moment, Reading, Site},
};

/// A service manager's patience: SIGTERM is followed by the end within this time.
pub(super) const END_WITHIN: Duration = Duration::from_secs(4);

/// A card is read for one at a time: the first collection comes before the look through all of it.
const CHECK_AFTER: Duration = Duration::from_secs(2);

pub(super) const COLLECT: &str = "collect";

/// What the collecting thread of one source works with.
struct CollectRoom {
    all: Arc<Collection>,
    /// The source's place in the configuration.
    place: usize,
    poll: Duration,
    agent_id: String,
    stop: Stop,
    buffer: Buffer,
    pulse: Arc<Pulse>,
    lock: Arc<LockNote>,
    figures: Figures,
}

impl Agent {
    /// Collects and delivers until the end is wished. A buffer that turns out to be damaged is set
    /// aside, and the work goes on with a new one.
    pub fn run(mut self) -> Result<(), BufferError> {
        journal::started(&self.config, self.buffer.path());
        manager::attend(&self.heart, &self.stop);
        let vitals = self.vitals();
        vitals.answer_in(&self.config.agent.state_dir);
        self.show_page(&vitals);
        if let Some(watchman) = Watchman::new(&Arc::new(self.config.clone()), &vitals, &self.stop) {
            watchman.watch();
        }
        loop {
            self.replay_outdated()?;
            let threads = self.start()?;
            self.stop.wait_for_end();
            if self.stop.is_wished() {
                manager::ending();
            }
            let all_ended = threads.end(END_WITHIN);
            let Some(damage) = self.stop.take_failure() else {
                if all_ended {
                    journal::ended();
                } else {
                    journal::ended_while_waiting();
                }
                return Ok(());
            };
            if !all_ended {
                // A thread waits for a server and has the buffer open: the next start mends it.
                return Err(damage);
            }
            let kept_as = self.buffer.put_away()?;
            journal::buffer_set_aside(&damage, &kept_as);
            self.buffer = sound_buffer(&self.config.agent.state_dir, true)?;
        }
    }

    /// The page lives as long as the process and reads the buffer for itself: it is neither waited for
    /// nor started anew with a new buffer.
    fn show_page(&self, vitals: &Vitals) {
        let Some(listen) = self.config.status.listen else { return };
        let site = Site {
            hosts: Hosts::new(&clock::host_name(), &self.config.status.names),
            config: Arc::new(self.config.clone()),
            counts: {
                let vitals = vitals.clone();
                Box::new(move || {
                    let counts = vitals.figures.snapshot();
                    let central_is_up = central_is_up(&counts);
                    let uptime = vitals.clock.now().uptime;
                    Reading { counts, central_is_up, uptime, utc: wall().naive_utc() }
                })
            },
            health: {
                let vitals = vitals.clone();
                Box::new(move || vitals.verdict())
            },
            now: Box::new(|| Moment { wall: wall().naive_local(), fault: wall_clock_fault() }),
        };
        if let Err(error) = status::serve(site, listen) {
            journal::page_cannot_listen(listen, &error);
        }
    }

    /// With a pulse of its own: years of raw bytes may take minutes.
    fn replay_outdated(&mut self) -> Result<(), BufferError> {
        let pulse = self.heart.pulse("replay");
        let mut progress = |done: usize, of: usize| {
            pulse.say(format!("computing anew, {done} of {of} files"));
            pulse.beat();
        };
        collect::replay_outdated(&mut self.buffer, &self.settings, &mut progress)?;
        Ok(())
    }

    fn start(&self) -> Result<Threads, BufferError> {
        let (running, ended) = mpsc::channel();
        let mut threads = Threads { ended, handles: Vec::new() };
        let config = Arc::new(self.config.clone());
        let all = Collection::new(&config, &self.settings, &self.clock, &self.stop, &self.figures);
        let lock = Arc::new(LockNote { lock: Arc::clone(&self.lock), noted: Mutex::default() });
        // All of them before the first begins, so that the status line speaks of all.
        let mut rooms = Vec::new();
        for (place, source) in config.sources.iter().enumerate() {
            rooms.push(CollectRoom {
                all: Arc::clone(&all),
                place,
                poll: config.schedule.poll,
                agent_id: config.agent.id.clone(),
                stop: self.stop.clone(),
                buffer: self.buffer.reopen()?,
                pulse: Arc::new(self.heart.pulse_of(COLLECT, &source.name)),
                lock: Arc::clone(&lock),
                figures: self.figures.clone(),
            });
        }
        for room in rooms {
            threads.start(running.clone(), &self.stop, move || room.collect_until_stopped());
        }
        if let Some(delivery) = self.delivery() {
            let outbox = self.buffer.reopen()?;
            // Without a last time there is no result: each failure was dealt with.
            threads.start(running, &self.stop, move || drop(delivery.run(outbox, || false)));
        }
        if !self.buffer.is_checked() {
            // It may take minutes and holds nobody up: it is not waited for at the end.
            let (path, stop) = (self.buffer.path().to_owned(), self.stop.clone());
            thread::spawn(move || {
                if stop.wait(CHECK_AFTER) {
                    return;
                }
                if let Err(error) = Buffer::check_beside(&path)
                    && error.is_damage()
                {
                    stop.fail(error);
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
        stop: &Stop,
        work: impl FnOnce() + Send + 'static,
    ) {
        let stop = stop.clone();
        self.handles.push(thread::spawn(move || {
            // Also where the work panics, the others are to end and the process with them.
            let _end = EndAll(stop);
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

/// Ends the round when its thread does, however it does.
pub(super) struct EndAll(pub(super) Stop);

impl Drop for EndAll {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Says a lasting failure once, and once that it is over.
#[derive(Default)]
pub(super) struct Told(Option<String>);

impl Told {
    fn failed(&mut self, error: &BufferError) {
        let text = journal::chain(error);
        if self.0.as_ref() != Some(&text) {
            journal::buffer_failed(error);
            self.0 = Some(text);
        }
    }

    pub(super) fn worked(&mut self) {
        if self.0.take().is_some() {
            journal::buffer_works_again();
        }
    }
}

/// Brings a thread's buffer back after a failure; `None` where it is damaged, which ends the round.
///
/// What was under way counts as lost: a new connection sees what is durable, and where the disk
/// itself failed every page is looked at before anything is built on it.
pub(super) fn recovered(
    buffer: Buffer,
    error: BufferError,
    told: &mut Told,
    stop: &Stop,
) -> Option<Buffer> {
    told.failed(&error);
    let damage = if error.is_damage() {
        Some(error)
    } else if error.is_disk_fault() {
        buffer.check().err().filter(BufferError::is_damage)
    } else {
        None
    };
    match damage {
        Some(damage) => {
            stop.fail(damage);
            None
        }
        None => Some(buffer.reopen().unwrap_or(buffer)),
    }
}

impl CollectRoom {
    fn collect_until_stopped(self) {
        let Self { all, place, poll, agent_id, stop, mut buffer, pulse, figures, lock } = self;
        let mut collector = Collector::new(&all, place, Arc::clone(&pulse), Arc::new(|_, _, _| {}));
        let failing = format!("{COLLECT} {place}");
        pulse.say(all.said());
        let mut failures = 0;
        // After a power cut a whole plant starts at once; it does not go on polling in step.
        let mut first_wait = Some(poll.mul_f64(retry::place_of(&agent_id)));
        let mut told = Told::default();
        while !stop.is_set() {
            let wait = match collector.cycle(&mut buffer) {
                Ok(report) => {
                    told.worked();
                    figures.note(|counts| drop(counts.buffer_failures.remove(&failing)));
                    pulse.say(all.said());
                    if report.files_read > 0 {
                        buffer.rest();
                    }
                    if !stop.is_set() {
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
                    pulse.say("the buffer fails");
                    let text = journal::chain(&error);
                    figures.note(|counts| {
                        counts.buffer_failures.insert(failing.clone(), text);
                    });
                    buffer = match recovered(buffer, error, &mut told, &stop) {
                        Some(buffer) => buffer,
                        None => return,
                    };
                    retry::wait(failures, fastrand::f64()).max(Duration::from_secs(1))
                }
            };
            pulse.rest(wait);
            if stop.wait(wait) {
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
            // For whoever looks at the lock: the version that has collected, and what did not answer.
            self.lock.note(&Collected {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                failed_sources: failed.iter().cloned().collect(),
            });
            *noted = Some(failed);
        }
    }
}
