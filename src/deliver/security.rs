//! Events of security on their way to central: they travel behind the gateway's row, and a central that does
//! not take them lets everything else pass.

use super::connection::Connection;
use crate::{
    buffer::{Buffer, BufferError},
    failpoints::{self, durably},
    logging::{self, LogOnce},
};

#[derive(Debug, Default)]
pub(super) struct SecurityCarrier {
    /// Of central that does not take them.
    refused: LogOnce,
}

impl SecurityCarrier {
    /// Carries what waits. A failure stays here; if it took the connection along, that is given back.
    pub(super) fn carry(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
    ) -> Result<(), BufferError> {
        let waiting = buffer.security().log()?.waiting;
        let Some(last) = waiting.last().map(|event| event.number) else { return Ok(()) };
        let (central, claims) = connection.central();
        let step = failpoints::Step::DeliverSecurity;
        match durably(step, || central.add_security_events(claims, &waiting)) {
            Ok(()) => {
                self.refused.ends();
                buffer
                    .security_mut()
                    .change(|log| log.waiting.retain(|event| event.number > last))?;
            }
            Err(error) => {
                if self.refused.begins() {
                    logging::security_not_taken(&error);
                }
                if error.ends_connection() {
                    connection.close();
                }
            }
        }
        Ok(())
    }
}
