//! The log on standard error: a priority in front of each line for systemd's journal, which has a time of its
//! own; elsewhere the gateway's local time with its distance from UTC, to the second, and the level.

use std::io::{self, Write};

use chrono::{DateTime, FixedOffset};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::{
    journald::{is_journal, marked},
    one_line::{OWN_TARGET, OneLine},
};

/// The wall clock, as the process reads it.
pub(crate) type WallClock = fn() -> DateTime<FixedOffset>;

/// What stands in front of a message.
enum Front {
    Priority,
    TimeAndLevel(WallClock),
}

struct StderrLogger {
    level: LevelFilter,
    front: Front,
}

/// A second start (in tests) keeps the first logger.
pub(super) fn start(level: LevelFilter, now: WallClock) {
    let front = if is_journal() { Front::Priority } else { Front::TimeAndLevel(now) };
    if log::set_boxed_logger(Box::new(OneLine(StderrLogger { level, front }))).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for StderrLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && metadata.target().starts_with(OWN_TARGET)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            let line = match self.front {
                Front::Priority => marked(record.level(), &text),
                Front::TimeAndLevel(now) => stamped(&now(), record.level(), &text),
            };
            // There is nobody left to tell if that fails. Whole lines in one piece: threads take turns.
            io::stderr().write_all((line + "\n").as_bytes()).ok();
        }
    }

    fn flush(&self) {}
}

/// `2026-11-29 07:12:04+01:00 [WARN] …`: RFC 3339, which people and programs read.
fn stamped(at: &DateTime<FixedOffset>, level: Level, text: &str) -> String {
    format!("{} [{level}] {text}", at.format("%Y-%m-%d %H:%M:%S%:z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_local_time_to_the_second_and_says_how_far_from_utc_it_is() {
        let line = |at: &str| {
            let at = DateTime::parse_from_rfc3339(at).unwrap();
            stamped(&at, Level::Warn, "cu: link down")
        };
        assert_eq!(
            line("2026-11-29T07:12:04.987654321+01:00"),
            "2026-11-29 07:12:04+01:00 [WARN] cu: link down"
        );
        assert_eq!(line("1970-01-01T00:00:09Z"), "1970-01-01 00:00:09+00:00 [WARN] cu: link down");
    }
}
