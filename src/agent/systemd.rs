//! systemd, the service manager: it learns when the service is ready, what it is at, that no loop hangs,
//! and that it ends. The only file that names sd_notify; without a manager it does nothing.
//!
//! What must never happen here: the watchdog fed although a loop hangs; a message that fails ending
//! the service.

use std::{
    thread,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use super::{Shutdown, Watchdog};
use crate::{
    config::{Config, SourceKind},
    logging::{self, LogOnce},
    model::printable,
};

/// How many waits for a server, each as long as the configuration allows, may lie between two check-ins
/// of a loop: connecting, greeting, log-in, a data connection refused and opened again.
const WAITS_BETWEEN_CHECKINS: u32 = 8;
/// Without a watchdog nobody looks; a status line is still worth a look now and then.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Of a status line.
const MOST_STATUS_CHARS: usize = 1000;

/// Longest time between two check-ins of a loop: half the manager's own patience, so that a hang ends
/// within one and a half of it, unless the configured time-outs ask for more.
pub(super) fn patience(config: &Config) -> Duration {
    let mut longest = Duration::ZERO;
    for source in &config.sources {
        let (connect, read) = match &source.kind {
            SourceKind::Ftp(ftp) => (ftp.connect_timeout, ftp.read_timeout),
            SourceKind::Sftp(sftp) => (sftp.connect_timeout, sftp.read_timeout),
            SourceKind::Directory(_) => continue,
        };
        longest = longest.max(connect).max(read);
    }
    if let Some(central) = &config.central {
        longest = longest.max(central.connect_timeout).max(central.statement_timeout);
    }
    let half = sd_notify::watchdog_enabled().map_or(LOOK_EVERY, |watchdog| watchdog / 2);
    half.max(longest * WAITS_BETWEEN_CHECKINS)
}

/// The service is up: READY, then the watchdog and the status line for as long as it lives.
pub(super) fn serve_watchdog(watchdog: &Watchdog, shutdown: &Shutdown) {
    notify(&[NotifyState::Ready]);
    let period = sd_notify::watchdog_enabled();
    // Three messages in each of the manager's periods: one may be late.
    let every = period.map_or(LOOK_EVERY, |period| period / 3);
    let (watchdog, shutdown) = (watchdog.clone(), shutdown.clone());
    thread::spawn(move || {
        let mut shown = String::new();
        let mut hanging = LogOnce::default();
        let mut fed: Option<Instant> = None;
        loop {
            let now = Instant::now();
            match watchdog.overdue(now) {
                Some(name) => {
                    if !shutdown.is_requested() && hanging.begins() {
                        logging::loop_hangs(&name.to_string());
                    }
                }
                None => {
                    hanging.ends();
                    if period.is_some() && fed.is_none_or(|at| now - at >= every / 2) {
                        fed = Some(now);
                        notify(&[NotifyState::Watchdog]);
                    }
                }
            }
            let status = watchdog.status();
            if status != shown && !shutdown.is_requested() {
                notify(&[NotifyState::Status(&status_line(&status))]);
                shown = status;
            }
            watchdog.wait_for_status(every);
        }
    });
}

/// The end has begun.
pub(super) fn ending() {
    notify(&[NotifyState::Stopping, NotifyState::Status("finishing work in progress")]);
}

/// The service cannot begin before a person has done something.
pub fn waits_for(what: &str) {
    notify(&[NotifyState::Status(&status_line(what))]);
}

/// A line end in a status would begin a field of the manager's protocol.
fn status_line(text: &str) -> String {
    printable(text, MOST_STATUS_CHARS)
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::debug!("cannot notify the service manager: {error}");
    }
}
