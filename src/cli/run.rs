//! `cu-agent run`: the service.

use std::{env, os::unix::process::CommandExt, path::Path, process::Command, thread};

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Exit, configured_to_run};
use crate::{
    agent::{Agent, Shutdown},
    buffer::Task,
};

pub(super) fn run(config: &Path) -> anyhow::Result<Exit> {
    crate::failpoints::trial::crash_if_asked();
    let started_as = rustix::process::geteuid();
    let config = configured_to_run(config)?;
    let shutdown = shutdown_on_signals()?;
    let agent = Agent::open(config, Task::Run, shutdown.clone())?;
    crate::failpoints::trial::crash_later_if_asked();
    agent.run()?;
    if !shutdown.is_to_restart() {
        return Ok(Exit::Done);
    }
    if started_as != rustix::process::geteuid() {
        // It would not be root again, and could not read what only root may.
        anyhow::bail!("central's settings need a new start of the service");
    }
    // The same process for the service manager: its number, its variables and its credentials stay.
    let program = env::current_exe().context("cannot find the program for a new start")?;
    let error = Command::new(program).args(env::args_os().skip(1)).exec();
    Err(error).context("cannot start the program again")
}

/// SIGTERM and SIGINT request the shutdown: the transaction under way is finished and nothing new begun.
pub(super) fn shutdown_on_signals() -> anyhow::Result<Shutdown> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot listen to signals")?;
    let shutdown = Shutdown::default();
    let on_signal = shutdown.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            on_signal.request();
        }
    });
    Ok(shutdown)
}
