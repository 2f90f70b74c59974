//! Between the log's messages and the logger that writes them: a message is one line, and nothing of
//! what files, servers and central put into it is obeyed by a terminal.

use log::{Log, Metadata, Record};

use crate::model::printable;

/// What one message may take; the rest of a longer one is left out.
pub(super) const MOST_CHARS: usize = 8192;

/// Lines of the crates below are left out: what matters of them stands in an error.
pub(super) const OWN_TARGET: &str = "cu_agent";

pub(super) struct OneLine<L>(pub L);

impl<L: Log> Log for OneLine<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = printable(&record.args().to_string(), MOST_CHARS);
        self.0.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{text}"))
                .module_path(record.module_path())
                .file(record.file())
                .line(record.line())
                .build(),
        );
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use log::Level;

    use super::*;

    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Log for Kept {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.level() <= Level::Info
        }

        fn log(&self, record: &Record<'_>) {
            self.0.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
        }

        fn flush(&self) {}
    }

    #[test]
    fn a_message_is_one_line_without_a_sign_that_a_terminal_obeys() {
        let kept = Arc::default();
        let logger = OneLine(Kept(Arc::clone(&kept)));
        let hostile = "a.LOG\n[ERROR] forged \x1b[2J\u{9b}31m\u{202e}";
        let build = |level, text: &str| {
            logger.log(&Record::builder().level(level).args(format_args!("{text}")).build());
        };
        build(Level::Warn, hostile);
        build(Level::Debug, "not asked for");
        build(Level::Info, &"x".repeat(MOST_CHARS + 1));
        let kept = kept.lock().unwrap();
        assert_eq!(kept[0], "WARN a.LOG [ERROR] forged  [2J 31m ");
        assert_eq!(kept[1].len(), "INFO ".len() + MOST_CHARS);
        assert_eq!(kept.len(), 2);
    }
}
