//! The delivering thread, of the service and of `once`: when it drains, how long it waits in between, and
//! what it hands to the rest of the process.
//!
//! What must never happen here: a failure that ends the service although the next try may pass; a log-in
//! that central refuses tried again and again.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Local};

use super::{
    Agent, Clock, Pulse, Stop, clock,
    service::{Told, recovered},
    update_result,
    vitals::Vitals,
    wall,
};
use crate::{
    buffer::Buffer,
    deliver::{Backoff, Deliverer, DrainError, DrainReport, Gateway, IDLE_AFTER, Runtime},
    journal,
    sync::{
        plan::Identity,
        postgres::{Claims, LastUpdate},
    },
};

/// The loop's name for watchdog, health and metrics.
const DELIVER: &str = "deliver";

/// What this process gives the deliverer.
struct ProcessRuntime {
    clock: Clock,
    pulse: Pulse,
    stop: Stop,
    update_result: PathBuf,
}

impl Runtime for ProcessRuntime {
    fn uptime(&self) -> Duration {
        self.clock.now().uptime
    }

    fn wall(&self) -> DateTime<Local> {
        wall()
    }

    fn noted_now(&self) -> String {
        self.clock.now().wall
    }

    fn check_in(&self) {
        self.pulse.beat();
    }

    fn expect_idle(&self, time: Duration) {
        self.pulse.rest(time);
    }

    fn is_ending(&self) -> bool {
        self.stop.is_set()
    }

    fn last_update(&self) -> Option<LastUpdate> {
        update_result::last_update(&self.update_result)
    }
}

/// What the delivering thread works with, besides the buffer.
pub(super) struct Delivery {
    deliverer: Deliverer,
    runtime: Arc<ProcessRuntime>,
    vitals: Vitals,
    backoff: Backoff,
    told: Told,
    /// Nothing happened since the last drain.
    was_idle: bool,
}

impl Agent {
    /// `None`: there is no central.
    pub(super) fn delivery(&self) -> Option<Delivery> {
        let central = self.config.central.clone()?;
        let identity = Identity {
            agent_id: self.config.agent.id.clone(),
            buffer_id: self.buffer.buffer_id().to_owned(),
        };
        let claims = Claims::new(identity, clock::random_id(), clock::host_name());
        let runtime = Arc::new(ProcessRuntime {
            clock: self.clock.clone(),
            pulse: self.heart.pulse(DELIVER),
            stop: self.stop.clone(),
            update_result: update_result::file_of(&self.config),
        });
        let deliverer = Deliverer::new(
            central,
            self.config.agent.language,
            claims,
            Gateway::of(&self.config),
            Arc::<ProcessRuntime>::clone(&runtime),
        );
        Some(Delivery {
            deliverer,
            runtime,
            vitals: self.vitals(),
            backoff: Backoff::default(),
            told: Told::default(),
            was_idle: false,
        })
    }
}

impl Delivery {
    /// Delivers until the end is wished; or one last time when `is_last` says that nothing more will be
    /// collected, which whoever makes it so announces by a knock. The error is that of the last time.
    pub(super) fn run(
        mut self,
        mut outbox: Buffer,
        is_last: impl Fn() -> bool,
    ) -> Result<DrainReport, DrainError> {
        let mut total = DrainReport::default();
        while !self.runtime.stop.is_set() {
            let heard = self.runtime.stop.knocks();
            let last = is_last();
            let result = match self.deliverer.has_work(&outbox) {
                // The last time tells whether central answers.
                Ok(has_work) if has_work || last => {
                    let result = self.drain(&mut outbox);
                    total.add(&self.deliverer.report());
                    result
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            };
            self.note_buffer(&result);
            if last {
                return result.map(|()| total);
            }
            let (wait, heard) = match result {
                Ok(()) => {
                    self.succeeded();
                    (IDLE_AFTER, Some(heard))
                }
                Err(error) => {
                    let wait = self.failed(&error);
                    if let DrainError::Buffer(error) = error {
                        outbox = match recovered(outbox, error, &mut self.told, &self.runtime.stop)
                        {
                            Some(outbox) => outbox,
                            None => break,
                        };
                    }
                    (wait, None)
                }
            };
            self.runtime.pulse.rest(wait);
            self.pause(wait, heard, &is_last);
        }
        Ok(total)
    }

    fn drain(&mut self, outbox: &mut Buffer) -> Result<(), DrainError> {
        self.was_idle = false;
        let begun = self.runtime.uptime();
        let result = self.deliverer.drain(outbox);
        let now = self.runtime.uptime();
        // One that failed in the end may have brought something before.
        let done = self.deliverer.report();
        self.vitals.figures.note(|counts| {
            counts.sync_time += now.saturating_sub(begun);
            counts.synced_sessions += done.delivered;
            counts.synced_rows += done.rows;
            match &result {
                Ok(_) => counts.note_central(true, now),
                Err(DrainError::Central(_)) => counts.note_central(false, now),
                Err(DrainError::Buffer(_)) => {}
            }
        });
        if done != DrainReport::default() {
            outbox.rest();
        }
        result.map(drop)
    }

    fn note_buffer(&self, result: &Result<(), DrainError>) {
        self.vitals.figures.note(|counts| match result {
            Err(DrainError::Buffer(error)) => {
                counts.buffer_failures.insert(DELIVER.to_owned(), journal::chain(error));
            }
            _ => drop(counts.buffer_failures.remove(DELIVER)),
        });
    }

    fn succeeded(&mut self) {
        self.backoff.succeeded();
        self.told.worked();
        self.runtime.pulse.say("central answers");
        self.deliverer.release_for_others(self.was_idle);
    }

    /// How long to wait.
    fn failed(&mut self, error: &DrainError) -> Duration {
        self.runtime.pulse.say(match error {
            DrainError::Buffer(_) => "the buffer fails",
            DrainError::Central(_) => "central does not take sessions, they wait in the buffer",
        });
        self.backoff.failed(error, self.deliverer.made_progress(), fastrand::f64())
    }

    /// Waits. After the knocks that were `heard` another one ends it; after a failure (`None`) none does but
    /// that of the last time: new sessions make no unreachable central reachable, and no wrong password right.
    fn pause(&mut self, wait: Duration, heard: Option<u64>, is_last: &impl Fn() -> bool) {
        let stop = &self.runtime.stop;
        let end = Instant::now() + wait;
        loop {
            let so_far = heard.unwrap_or_else(|| stop.knocks());
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || is_last() || stop.wait_for_knock(left, so_far) || heard.is_some() {
                break;
            }
        }
        self.was_idle = heard == Some(stop.knocks());
    }
}
