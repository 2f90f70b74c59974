//! The log as systemd's journal wants it: a priority in front of every line, no time stamp.

use std::{
    env,
    io::{self, Write},
};

use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use rustix::fs::fstat;

use super::one_line::{OWN_TARGET, OneLine};

/// Whether standard error leads to the journal. The variable alone says little: a child whose output
/// goes elsewhere inherits it.
pub(super) fn is_journal() -> bool {
    let Ok(announced) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = fstat(io::stderr()) else { return false };
    announced == format!("{}:{}", stderr.st_dev, stderr.st_ino)
}

/// `text` with the priority of `level` on each of its lines, where standard error is the journal.
pub(crate) fn marked_for_journal(level: Level, text: &str) -> String {
    if is_journal() { marked(level, text) } else { text.to_owned() }
}

/// As `<sd-daemon.h>` counts them.
fn marked(level: Level, text: &str) -> String {
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    text.lines().map(|line| format!("<{priority}>{line}")).collect::<Vec<_>>().join("\n")
}

pub(super) struct JournalLogger {
    level: LevelFilter,
}

impl JournalLogger {
    pub(super) fn init(level: LevelFilter) -> Result<(), SetLoggerError> {
        log::set_boxed_logger(Box::new(OneLine(Self { level })))?;
        log::set_max_level(level);
        Ok(())
    }
}

impl Log for JournalLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && metadata.target().starts_with(OWN_TARGET)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = marked(record.level(), &record.args().to_string());
            // There is nobody left to tell if that fails.
            writeln!(io::stderr(), "{text}").ok();
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_message_has_its_priority() {
        assert_eq!(marked(Level::Error, "a\n  b"), "<3>a\n<3>  b");
        assert_eq!(marked(Level::Warn, "a"), "<4>a");
        assert_eq!(marked(Level::Info, "a"), "<6>a");
    }
}
