//! `cu-agent replay`: recomputes sessions from the stored logs.

use std::path::Path;

use super::{Exit, configured, log_of_one_shot, print, progress::Bar};
use crate::{agent::Agent, buffer::Task, collect, text::counted};

pub(super) fn run(config: &Path) -> anyhow::Result<Exit> {
    let config = configured(config, log_of_one_shot())?;
    let mut agent = Agent::open(config, Task::Replay, super::run::shutdown_on_signals()?)?;
    let bar = Bar::for_files();
    let report = collect::replay(&mut agent.buffer, &agent.settings, &mut |done, of| {
        bar.show("files", done, of);
    })?;
    bar.finish();
    print(&format!(
        "{} recomputed, {} changed\n",
        counted(report.files, "file", "files"),
        counted(report.sessions_changed, "session", "sessions")
    ))?;
    Ok(Exit::Done)
}
