//! `cu-agent health`: whether the agent of this configuration is alive, by exit code.

use std::path::Path;

use super::{Exit, LogTo, complain, configured, print};
use crate::{
    agent,
    buffer::{Buffer, BufferError, StateLock},
    text::counted,
};

pub(super) fn run(config: &Path) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let state_dir = &config.agent.state_dir;
    if !state_dir.exists() {
        complain(&format!("not running: {} does not exist", state_dir.display()));
        return Ok(Exit::Failed);
    }
    let holder = match StateLock::look(state_dir) {
        Err(BufferError::Held { holder, .. }) => holder,
        Ok(()) => {
            complain(&format!("not running: no process holds {}", state_dir.display()));
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error.into()),
    };
    let Some(buffer) = Buffer::open_read_only(state_dir)? else {
        complain(&format!("{holder} has no buffer yet"));
        return Ok(Exit::Failed);
    };
    let totals = buffer.reports().totals()?;
    let at_work = format!(
        "{holder}, {}, {} waiting",
        counted(totals.sessions, "session", "sessions"),
        totals.pending_sessions
    );
    // What is no service is done soon, and is alive as long as it holds the lock.
    if !holder.is_service() {
        print(&format!("healthy: {at_work}\n"))?;
        return Ok(Exit::Done);
    }
    match agent::query_health(state_dir) {
        Ok(verdict) if verdict.is_well() => {
            print(&format!("{verdict}; {at_work}\n"))?;
            Ok(Exit::Done)
        }
        Ok(verdict) => {
            complain(&format!("{verdict}; {at_work}"));
            Ok(Exit::Failed)
        }
        Err(error) => {
            complain(&format!("{holder}: {error}"));
            Ok(Exit::Failed)
        }
    }
}
