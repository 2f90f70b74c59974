//! Sends the reports of the folder, oldest first, for as long as the process lives. A thread of its own that
//! nobody waits for: the service is there when the link comes back, whenever that is; the command that writes the
//! reports is not.
//!
//! Order of writes: that a report was sent is noted after the receiver took it. A crash between the two sends it
//! twice, with the same key.

use std::{collections::BTreeSet, path::PathBuf, thread, time::Duration};

use super::{ReportFolder, ReportPoster, post::PostError};
use crate::{
    config::Config,
    logging::{self, LogOnce},
    model::{ReportName, printable},
    retry,
    status::Metrics,
};

/// How often the folder is looked at, if the sources are not polled more often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Of a failure that is noted.
const MOST_CHARS: usize = 1000;

pub(crate) struct ReportCarrier {
    poster: ReportPoster,
    folder: ReportFolder,
    poll: Duration,
    failures: u32,
    refused: LogOnce,
    folder_failing: LogOnce<String>,
    /// Taken, also if that could not be noted.
    sent: BTreeSet<(ReportName, String)>,
    /// As it stands in the folder.
    noted: Option<String>,
    figures: Metrics,
}

impl ReportCarrier {
    /// `None` if nobody gets reports, or the configuration's authority cannot be read.
    pub(crate) fn new(config: &Config, figures: &Metrics) -> Option<Self> {
        let report = config.report.as_ref()?;
        let poster = match ReportPoster::new(report, &config.agent.id) {
            Ok(poster) => poster?,
            Err(error) => {
                logging::reports_are_not_sent(&error);
                return None;
            }
        };
        let folder = ReportFolder::at(&report.folder);
        // What a process before this one noted.
        let noted = folder.unsent().ok().and_then(|unsent| unsent.failure);
        Some(Self {
            poster,
            folder,
            poll: config.schedule.poll,
            failures: 0,
            refused: LogOnce::default(),
            folder_failing: LogOnce::default(),
            sent: BTreeSet::new(),
            noted,
            figures: figures.clone(),
        })
    }

    /// For as long as the process lives, on a thread of its own.
    pub(crate) fn start(mut self, is_ending: impl Fn() -> bool + Send + 'static) {
        thread::spawn(move || {
            while !is_ending() {
                let wait = self.run_once(&is_ending);
                thread::sleep(wait);
            }
        });
    }

    /// One try of everything that waits; how long to wait before the next.
    pub(crate) fn run_once(&mut self, is_ending: &impl Fn() -> bool) -> Duration {
        let sent = self.send_all(is_ending);
        if let Ok(waiting) = self.folder.to_send() {
            // A change wakes those who wait for news.
            let waiting = Some(waiting.len() as u64);
            if self.figures.snapshot().reports_waiting != waiting {
                self.figures.note(|counts| counts.reports_waiting = waiting);
            }
        }
        match sent {
            Ok(()) => {
                self.failures = 0;
                self.note(None);
                if self.refused.ends() {
                    logging::reports_are_sent_again();
                }
                LOOK_EVERY.min(self.poll)
            }
            Err(error) => {
                self.failures += 1;
                if self.refused.begins() {
                    logging::reports_are_not_taken(&error);
                }
                self.note(Some(printable(&logging::chain(&error), MOST_CHARS)));
                retry::wait(self.failures, fastrand::f64()).max(Duration::from_secs(1))
            }
        }
    }

    /// A report that is refused keeps none of the others back; a link that is down does.
    fn send_all(&mut self, is_ending: &impl Fn() -> bool) -> Result<(), PostError> {
        let waiting = match self.folder.to_send() {
            Ok(waiting) => waiting,
            Err(error) => {
                if self.folder_failing.begins_with(error.to_string()) {
                    logging::reports_are_not_found(&error);
                }
                return Ok(());
            }
        };
        let mut refused = None;
        for (name, digest) in waiting {
            if is_ending() {
                break;
            }
            let key = (name, digest);
            if !self.sent.contains(&key) {
                let file: PathBuf = self.folder.file(name);
                match self.poster.send(name, file, &key.1) {
                    Ok(()) => logging::report_was_sent(&name, self.poster.host()),
                    Err(error) if error.is_of_one_report() => {
                        refused = refused.or(Some(error));
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            match self.folder.note_sent(name, &key.1) {
                Ok(()) => {
                    self.folder_failing.ends();
                    self.sent.remove(&key);
                }
                Err(error) => {
                    // Noted with the next look; a crash before that sends it twice.
                    self.sent.insert(key);
                    if self.folder_failing.begins_with(error.to_string()) {
                        logging::reports_are_not_found(&error);
                    }
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// For `status`; where nothing can be written, the log alone tells.
    fn note(&mut self, failure: Option<String>) {
        if self.noted != failure && self.folder.note_failure(failure.as_deref()).is_ok() {
            self.noted = failure;
        }
    }
}
