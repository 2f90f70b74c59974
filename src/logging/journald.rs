//! Lines as systemd's journal wants them: a priority in front of every line, no time stamp.

use std::{env, io};

use log::Level;
use rustix::fs::fstat;

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
pub(super) fn marked(level: Level, text: &str) -> String {
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    text.lines().map(|line| format!("<{priority}>{line}")).collect::<Vec<_>>().join("\n")
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
