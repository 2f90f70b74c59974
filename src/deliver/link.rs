//! What buffer and log say of the link to central. The log says each change once.

use super::DrainReport;
use crate::{
    buffer::{Buffer, BufferError},
    logging,
    model::{LinkName, WallTime, printable},
    sync::postgres::CentralError,
};

/// Longest error of central's that is kept and shown.
const MOST_ERROR_CHARS: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// The link was down, and something has passed since.
    came_back: bool,
    /// This process's log says that the link is down.
    is_down_logged: bool,
}

impl LinkState {
    /// The link counts as up as soon as something has passed, however much still waits. It is not
    /// logged before the end of the drain, when it is known what was sent. `host`: which of several servers
    /// it is.
    pub(super) fn note_up(
        &mut self,
        buffer: &mut Buffer,
        host: Option<&str>,
        now: WallTime,
    ) -> Result<(), BufferError> {
        buffer.links_mut().note_central_host(host, now)?;
        self.came_back |= buffer.links_mut().note_link(&LinkName::Central, None, now)?;
        self.is_down_logged = false;
        Ok(())
    }

    pub(super) fn note_down(
        &mut self,
        buffer: &mut Buffer,
        error: &CentralError,
        now: WallTime,
    ) -> Result<(), BufferError> {
        // What a server says of itself is as long as it likes.
        let text = printable(&logging::chain(error), MOST_ERROR_CHARS);
        let is_news = buffer.links_mut().note_link(&LinkName::Central, Some(&text), now)?;
        // Also if an earlier process knew it: this one's log is to say it.
        if is_news || !self.is_down_logged {
            logging::link_down(&LinkName::Central, &text);
        }
        self.is_down_logged = true;
        Ok(())
    }

    /// What a drain came to.
    pub(super) fn log_sent(&mut self, report: &DrainReport) {
        let DrainReport { delivered, rows, confirmed, set_aside } = *report;
        if std::mem::take(&mut self.came_back) {
            logging::link_up(&LinkName::Central, delivered, rows);
        } else if *report != DrainReport::default() {
            logging::sent(delivered, rows, confirmed, set_aside);
        }
    }
}
