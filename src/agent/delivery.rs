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
    Agent, Clock, HealthService, LoopHandle, Shutdown, Wakeup, clock, link_faults,
    security::SecurityWatch,
    service::{failing_status, note_buffer_works, recovered},
    settings::PlantSettings,
    wall,
};
use crate::{
    buffer::Buffer,
    deliver::{Backoff, Deliverer, DrainError, DrainReport, Gateway, IDLE_AFTER, Runtime, Terms},
    model::{LastUpdate, LinkName, SelfUpdate, SettingsThere, SettingsTold, WallTime},
    sync::{plan::Identity, postgres::Claims},
    update,
};

/// The loop's name for watchdog, health and metrics.
const DELIVER: &str = "deliver";

/// What this process gives the deliverer.
struct ProcessRuntime {
    clock: Clock,
    handle: LoopHandle,
    shutdown: Shutdown,
    update_result: PathBuf,
    /// `None`: no self-update.
    update_directory: Option<PathBuf>,
    /// `None`: none are taken from central.
    settings: Option<PlantSettings>,
}

impl Runtime for ProcessRuntime {
    fn uptime(&self) -> Duration {
        self.clock.now().uptime
    }

    fn wall(&self) -> DateTime<Local> {
        wall()
    }

    fn noted_now(&self) -> WallTime {
        self.clock.now().wall_time()
    }

    fn check_in(&self) {
        self.handle.checkin();
    }

    fn expect_idle(&self, time: Duration) {
        self.handle.expect_idle(time);
    }

    fn is_ending(&self) -> bool {
        self.shutdown.must_stop()
    }

    fn last_update(&self) -> Option<LastUpdate> {
        update::last_update(&self.update_result)
    }

    fn self_update(&self) -> Option<SelfUpdate> {
        self.update_directory.as_deref().map(update::self_update)
    }

    fn settings_mark(&self) -> Option<String> {
        self.settings.as_ref()?.mark()
    }

    fn hear_settings(&self, there: &SettingsThere) {
        if let Some(settings) = &self.settings {
            settings.hear(there);
        }
    }

    fn settings_told(&self) -> Option<SettingsTold> {
        self.settings.as_ref().map(PlantSettings::told)
    }
}

/// What the delivering thread works with, besides the buffer.
pub(super) struct Delivery {
    deliverer: Deliverer,
    runtime: Arc<ProcessRuntime>,
    security: Arc<SecurityWatch>,
    wakeup: Wakeup,
    health: HealthService,
    backoff: Backoff,
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
            handle: self.watchdog.register(DELIVER),
            shutdown: self.shutdown.clone(),
            update_result: update::result_file(&self.config),
            update_directory: self.config.update.as_ref().map(|update| update.directory.clone()),
            settings: self.plant_settings(),
        });
        let deliverer = Deliverer::new(
            central,
            Terms {
                language: self.config.agent.language,
                day_start: self.config.analysis.day_start,
            },
            claims,
            Gateway::of(&self.config),
            Arc::<ProcessRuntime>::clone(&runtime),
        );
        Some(Delivery {
            deliverer,
            runtime,
            security: Arc::clone(&self.security),
            wakeup: self.wakeup.clone(),
            health: self.health(),
            backoff: Backoff::default(),
            was_idle: false,
        })
    }
}

impl Delivery {
    /// Delivers until the end is requested; or one last time once `is_last` says that nothing more will be
    /// collected, which comes with a notification. The error is that of the last time.
    pub(super) fn run(
        mut self,
        mut outbox: Buffer,
        is_last: impl Fn() -> bool,
    ) -> Result<DrainReport, DrainError> {
        let mut total = DrainReport::default();
        while !self.runtime.shutdown.must_stop() {
            let seen = self.wakeup.generation();
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
            if !matches!(result, Err(DrainError::Buffer(_))) {
                note_buffer_works(&self.health.figures, DELIVER);
            }
            if last {
                return result.map(|()| total);
            }
            let (wait, seen) = match result {
                Ok(()) => {
                    self.succeeded();
                    (IDLE_AFTER, Some(seen))
                }
                Err(error) => {
                    let wait = self.failed(&error);
                    if let DrainError::Buffer(error) = error {
                        outbox = match recovered(
                            outbox,
                            error,
                            DELIVER,
                            &self.health.figures,
                            &self.runtime.shutdown,
                        ) {
                            Some(outbox) => outbox,
                            None => break,
                        };
                    }
                    (wait, None)
                }
            };
            self.runtime.handle.expect_idle(wait);
            self.pause(wait, seen, &is_last);
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
        self.health.figures.note(|counts| {
            counts.sync_time += now.saturating_sub(begun);
            counts.synced_sessions += done.delivered;
            counts.synced_rows += done.rows;
            match &result {
                Ok(_) => counts.note_central(true, now),
                Err(DrainError::Central(error)) => {
                    counts.note_central(false, now);
                    counts.central_fault = Some(link_faults::of_central(error));
                }
                Err(DrainError::Buffer(_)) => {}
            }
        });
        if done != DrainReport::default() {
            outbox.release_memory();
        }
        let fault = match &result {
            Ok(_) => None,
            Err(DrainError::Central(error)) => Some(link_faults::of_central(error)),
            Err(DrainError::Buffer(_)) => return result.map(drop),
        };
        self.security.look(outbox, &LinkName::Central, fault, self.runtime.noted_now())?;
        result.map(drop)
    }

    fn succeeded(&mut self) {
        self.backoff.succeeded();
        self.runtime.handle.set_status("central answers");
        self.deliverer.release_for_others(self.was_idle);
    }

    /// How long to wait.
    fn failed(&mut self, error: &DrainError) -> Duration {
        self.runtime.handle.set_status(match error {
            DrainError::Buffer(error) => failing_status(error),
            DrainError::Central(_) => "central does not accept sessions, they wait in the buffer",
        });
        self.backoff.failed(error, self.deliverer.made_progress(), fastrand::f64())
    }

    /// Waits. A notification after the generation that was `seen` ends it; after a failure (`None`) none
    /// does but that of the last time: new sessions make no unreachable central reachable, and no wrong
    /// password right.
    fn pause(&mut self, wait: Duration, seen: Option<u64>, is_last: &impl Fn() -> bool) {
        let end = Instant::now() + wait;
        loop {
            let so_far = seen.unwrap_or_else(|| self.wakeup.generation());
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || is_last() || self.wakeup.wait(left, so_far) || seen.is_some() {
                break;
            }
        }
        self.was_idle = seen == Some(self.wakeup.generation());
    }
}
