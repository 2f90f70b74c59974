//! `cu-agent run`: the service.

use std::{path::Path, thread};

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Exit, LogTo, configured};
use crate::{
    agent::{Agent, Shutdown},
    buffer::Task,
};

pub(super) fn run(config: &Path) -> anyhow::Result<Exit> {
    crate::failpoints::trial::crash_if_asked();
    let config = configured(config, LogTo::Stderr)?;
    let agent = Agent::open(config, Task::Run, shutdown_on_signals()?)?;
    crate::failpoints::trial::crash_later_if_asked();
    agent.run()?;
    Ok(Exit::Done)
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
