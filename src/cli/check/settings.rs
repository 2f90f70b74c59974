//! The part of `cu-agent check` about settings that central gives: which are in use, and which keys are theirs.

use super::Lines;
use crate::{
    config::{Config, FromCentral},
    logging,
    settings::told,
    update::signers,
};

pub(super) fn check(lines: &mut Lines, config: &Config) {
    let (what, Some(settings)) = ("settings", &config.settings) else { return };
    let directory = config.update.as_ref().map(|update| update.directory.as_path());
    if let Err(obstacle) = signers(&settings.trust, directory) {
        lines.bad(what, &obstacle.to_string());
    }
    match told(config) {
        Some(Ok(told)) if told.refused.is_some() => lines.note(what, &told.to_string()),
        Some(Ok(told)) => lines.good(what, &told.to_string()),
        Some(Err(error)) => lines.bad(what, &logging::chain(&error)),
        None => {}
    }
    let FromCentral { serial, taken, left } = &config.from_central;
    if let (Some(serial), false) = (serial, taken.is_empty()) {
        lines.good(what, &format!("from central, serial {serial}: {}", taken.join(", ")));
    }
    if !left.is_empty() {
        let text = format!("as in the file, not as central says: {}", left.join(", "));
        lines.good(what, &text);
    }
}
