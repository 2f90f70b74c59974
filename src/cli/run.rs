//! `cu-agent run`: the service.

use std::{path::Path, thread};

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{Exit, LogTo, configured};
use crate::{
    agent::{Agent, Stop},
    buffer::Task,
};

pub fn run(config: &Path) -> anyhow::Result<Exit> {
    crate::trial::crash_if_asked();
    let config = configured(config, LogTo::Stderr)?;
    let agent = Agent::open(config, Task::Run, stop_on_signals()?)?;
    crate::trial::crash_later_if_asked();
    agent.run()?;
    Ok(Exit::Done)
}

/// SIGTERM and SIGINT set the stop: the transaction under way is finished and nothing new begun.
pub fn stop_on_signals() -> anyhow::Result<Stop> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot listen to signals")?;
    let stop = Stop::default();
    let on_signal = stop.clone();
    thread::spawn(move || {
        for _ in signals.forever() {
            on_signal.set();
        }
    });
    Ok(stop)
}
