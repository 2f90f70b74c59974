//! Evaluates now and then whether something is wrong that a person should know, keeps it in the buffer,
//! and sends it. A thread of its own that nobody waits for.
//!
//! Order of writes: an alarm and its message are durable before anything is sent; that it was sent is
//! noted after the receiver took it. A crash between the two sends it twice, with the same `id`. What
//! must never happen here: the buffer held while the network is waited for.

use std::{sync::Arc, thread, time::Duration};

use super::{AgentView, PostError, Poster, alarms, facts::facts};
use crate::{
    buffer::{Buffer, BufferError},
    config::Config,
    failpoints::Step,
    logging::{self, LogOnce},
    model::AlarmState,
    retry,
    status::Metrics,
};

/// Without a cycle that ends, alarms are evaluated all the same.
const EVALUATE_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct AlarmMonitor {
    config: Arc<Config>,
    poster: Poster,
    agent: Box<dyn AgentView>,
    figures: Metrics,
    /// `None`: not read from the buffer yet.
    state: Option<AlarmState>,
    /// As it stands in the buffer of this name.
    saved: AlarmState,
    saved_in: String,
    failures: u32,
    /// Running time before which nothing is sent.
    wait_until: Duration,
    /// Good cycles that a heartbeat was sent for.
    heartbeats: u64,
    /// Of alarms and heartbeats that are not taken, and of a buffer that refuses to keep alarms.
    alarms_refused: LogOnce,
    heartbeat_refused: LogOnce,
    buffer_failing: LogOnce,
}

impl AlarmMonitor {
    /// `None` if nobody is to be notified, or the configuration's authority cannot be read.
    pub(crate) fn new(
        config: &Arc<Config>,
        agent: impl AgentView + 'static,
        figures: &Metrics,
    ) -> Option<Self> {
        let alarms = config.alarms.as_ref()?;
        let language = config.agent.language;
        let poster = match Poster::new(alarms, &config.agent.id, language) {
            Ok(poster) => poster,
            Err(error) => {
                logging::alarms_are_off(&error);
                return None;
            }
        };
        Some(Self {
            config: Arc::clone(config),
            poster,
            agent: Box::new(agent),
            figures: figures.clone(),
            state: None,
            saved: AlarmState::default(),
            saved_in: String::new(),
            failures: 0,
            wait_until: Duration::ZERO,
            heartbeats: 0,
            alarms_refused: LogOnce::default(),
            heartbeat_refused: LogOnce::default(),
            buffer_failing: LogOnce::default(),
        })
    }

    /// For as long as the process lives, on a thread of its own.
    pub(crate) fn start(mut self) {
        thread::spawn(move || {
            while !self.agent.is_ending() {
                let seen = self.figures.snapshot();
                let is_healthy = self.agent.is_healthy();
                self.run_once(is_healthy);
                let until_next_try = self.wait_until.saturating_sub(self.agent.uptime());
                let wait = if until_next_try.is_zero() { EVALUATE_EVERY } else { until_next_try };
                self.figures.wait_for_news(&seen, wait.min(EVALUATE_EVERY));
            }
        });
    }

    /// The heartbeat, one evaluation, and what is to be sent of it.
    pub(crate) fn run_once(&mut self, is_healthy: bool) {
        if is_healthy {
            self.send_heartbeat();
        }
        if !self.poster.takes_alarms() {
            return;
        }
        match self.evaluate() {
            Ok(()) => {
                self.buffer_failing.ends();
            }
            Err(error) => {
                // The loops log a lasting fault; what is in memory is sent all the same.
                if self.buffer_failing.begins() {
                    log::debug!("alarms: {}", logging::chain(&error));
                }
            }
        }
        if self.agent.uptime() >= self.wait_until {
            self.send_pending();
        }
    }

    /// One for each good cycle of a process that is healthy; those that were missed are not made up for.
    fn send_heartbeat(&mut self) {
        let good_cycles = self.figures.snapshot().good_cycles;
        if good_cycles == self.heartbeats {
            return;
        }
        self.heartbeats = good_cycles;
        match self.poster.heartbeat() {
            Ok(()) => {
                self.heartbeat_refused.ends();
            }
            Err(error) => {
                if self.heartbeat_refused.begins() {
                    logging::heartbeat_failed(&error);
                }
            }
        }
    }

    fn evaluate(&mut self) -> Result<(), BufferError> {
        let Some(mut buffer) = Buffer::attach(&self.config.agent.state_dir)? else { return Ok(()) };
        if self.saved_in != buffer.buffer_id() {
            // The first time, or a buffer that was begun again: what is known goes into it.
            self.saved = buffer.alarm_log().state()?;
            buffer.buffer_id().clone_into(&mut self.saved_in);
        }
        let state = self.state.take().unwrap_or_else(|| self.saved.clone());
        let facts = facts(&self.config, self.agent.as_ref(), &self.figures.snapshot(), &buffer);
        // Whatever fails below, it is known what was sent before.
        self.state = Some(state.clone());
        let now = self.agent.wall_time();
        let limits = self.config.alarms.as_ref().map(|alarms| alarms.limits.clone());
        let language = self.config.agent.language;
        let (next, made) = alarms(&state, &facts?, &limits.unwrap_or_default(), language, now);
        for message in &made {
            logging::alarm(message.event, &message.text);
        }
        self.state = Some(next);
        self.save(&mut buffer, Step::NoteAlarms)
    }

    fn save(&mut self, buffer: &mut Buffer, step: Step) -> Result<(), BufferError> {
        if let Some(state) = &self.state
            && *state != self.saved
        {
            buffer.alarm_log_mut().save(state, step)?;
            self.saved = state.clone();
        }
        Ok(())
    }

    /// Sends what waits, oldest first, until one is not taken.
    fn send_pending(&mut self) {
        while let Some(state) = &mut self.state
            && let Some(message) = state.waiting.first()
            && !self.agent.is_ending()
        {
            if let Err(error) = self.poster.tell(message) {
                self.not_taken(&error);
                return;
            }
            state.waiting.remove(0);
            self.failures = 0;
            if self.alarms_refused.ends() {
                logging::alarms_are_taken_again();
            }
            let noted =
                Buffer::attach(&self.config.agent.state_dir).and_then(|buffer| match buffer {
                    Some(mut buffer) => self.save(&mut buffer, Step::NoteAlarmTold),
                    None => Ok(()),
                });
            if let Err(error) = noted {
                // Noted with the next evaluation; a crash before that sends it twice.
                log::debug!("alarms: {}", logging::chain(&error));
            }
        }
    }

    fn not_taken(&mut self, error: &PostError) {
        self.failures += 1;
        let wait = retry::wait(self.failures, fastrand::f64()).max(Duration::from_secs(1));
        self.wait_until = self.agent.uptime() + wait;
        if self.alarms_refused.begins() {
            logging::alarms_are_not_taken(error);
        }
    }
}
