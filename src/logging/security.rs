//! What is logged of events of security.

use std::error::Error;

use super::chain;
use crate::model::SecurityEvent;

/// A line of its own kind: `journalctl -g '^security:'` finds them all.
pub(crate) fn security(event: &SecurityEvent) {
    let SecurityEvent { kind, subject, detail, .. } = event;
    let level = if event.is_beginning() { log::Level::Info } else { log::Level::Warn };
    log::log!(level, "security: {kind}: {subject}: {detail}");
}

/// Logged once until central takes them.
pub(crate) fn security_not_taken(error: &dyn Error) {
    log::warn!(
        "central: events of security wait, because evenement_securite does not take them: {}; run `cu-agent central migrate`",
        chain(error)
    );
}
