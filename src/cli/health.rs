//! `cu-agent health`: whether the agent of this configuration is alive, by exit code.

use std::path::Path;

use super::{Exit, LogTo, complain, configured, print};
use crate::buffer::{Buffer, BufferError, StateLock};

pub fn run(config: &Path) -> anyhow::Result<Exit> {
    let config = configured(config, LogTo::StderrWarnings)?;
    let state_dir = &config.agent.state_dir;
    if !state_dir.exists() {
        complain(&format!("not running: there is no {}", state_dir.display()));
        return Ok(Exit::Failed);
    }
    let holder = match StateLock::look(state_dir) {
        Err(BufferError::Held { holder, .. }) => holder,
        Ok(()) => {
            complain(&format!("not running: nobody works on {}", state_dir.display()));
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error.into()),
    };
    let Some(buffer) = Buffer::open_to_look(state_dir)? else {
        complain(&format!("{holder} has no buffer yet"));
        return Ok(Exit::Failed);
    };
    let totals = buffer.totals()?;
    print(&format!(
        "healthy: {holder}, {} sessions, {} waiting\n",
        totals.sessions, totals.pending_sessions
    ))?;
    Ok(Exit::Done)
}
