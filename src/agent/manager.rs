//! The service manager (systemd): told when the service is ready, what it is at, that it lives, and
//! that it ends. The only file that names sd_notify; without a manager it does nothing.
//!
//! What must never happen here: the watchdog fed although a loop hangs; a message that fails ending
//! the service.

use std::{
    thread,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use super::{Heart, Stop};
use crate::{
    config::{Config, SourceKind},
    journal,
    model::printable,
};

/// How many waits for a server, each as long as the configuration allows, may lie between two signs
/// of a loop: connecting, greeting, log-in, a data connection refused and made anew.
const WAITS_BETWEEN_SIGNS: u32 = 8;
/// Without a watchdog nobody looks; a status line is still worth a look now and then.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Of a status line.
const MOST_STATUS_CHARS: usize = 1000;

/// Longest time between two signs of a loop: half the manager's own patience, so that a hang ends
/// within one and a half of it, unless the configured time-outs ask for more.
pub fn patience(config: &Config) -> Duration {
    let mut longest = Duration::ZERO;
    for source in &config.sources {
        if let SourceKind::Ftp(ftp) = &source.kind {
            longest = longest.max(ftp.connect_timeout).max(ftp.read_timeout);
        }
    }
    if let Some(central) = &config.central {
        longest = longest.max(central.connect_timeout).max(central.statement_timeout);
    }
    let half = sd_notify::watchdog_enabled().map_or(LOOK_EVERY, |watchdog| watchdog / 2);
    half.max(longest * WAITS_BETWEEN_SIGNS)
}

/// The service is up: READY, then the watchdog and the status line for as long as it lives.
pub fn attend(heart: &Heart, stop: &Stop) {
    tell(&[NotifyState::Ready]);
    let watchdog = sd_notify::watchdog_enabled();
    // Three messages in each of the manager's periods: one may be late.
    let every = watchdog.map_or(LOOK_EVERY, |period| period / 3);
    let (heart, stop) = (heart.clone(), stop.clone());
    thread::spawn(move || {
        let mut told = String::new();
        let mut is_hanging = false;
        let mut fed: Option<Instant> = None;
        loop {
            let now = Instant::now();
            match heart.overdue(now) {
                Some(name) if !is_hanging && !stop.is_wished() => {
                    is_hanging = true;
                    journal::loop_hangs(&name.to_string());
                }
                Some(_) => {}
                None => {
                    is_hanging = false;
                    if watchdog.is_some() && fed.is_none_or(|at| now - at >= every / 2) {
                        fed = Some(now);
                        tell(&[NotifyState::Watchdog]);
                    }
                }
            }
            let said = heart.said();
            if said != told && !stop.is_wished() {
                tell(&[NotifyState::Status(&status_line(&said))]);
                told = said;
            }
            heart.wait_for_news(every);
        }
    });
}

/// The end has begun.
pub fn ending() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is under way")]);
}

/// The service cannot begin before a person has done something.
pub fn waits_for(what: &str) {
    tell(&[NotifyState::Status(&status_line(what))]);
}

/// A line end in a status would begin a field of the manager's protocol.
fn status_line(text: &str) -> String {
    printable(text, MOST_STATUS_CHARS)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("the service manager does not hear: {error}");
    }
}
