//! How far a long command is: a bar on a terminal, nothing elsewhere (the log has a line per file).

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::printable;

/// Of a folder's name, beside the bar.
const MOST_CHARS: usize = 60;

pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Files of a folder.
    pub(super) fn for_files() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}")
            .expect("the template names only known fields");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Bytes of a download; nothing is shown before the first.
    pub(super) fn for_bytes() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {elapsed}")
            .expect("the template names only known fields");
        bar.set_style(style);
        Self(bar)
    }

    pub(super) fn show_bytes(&self, done: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(done);
    }

    pub(super) fn show(&self, what: &str, done: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
        self.0.set_message(printable(what, MOST_CHARS));
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
