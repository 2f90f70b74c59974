//! What the log says of settings that central gives.

use crate::model::RefusedSettings;

pub(crate) fn settings_to_try(serial: u64) {
    log::info!("central: settings, serial {serial}: right; the service starts again to try them");
}

pub(crate) fn settings_on_trial(serial: u64, keys: &str) {
    log::info!("central: settings, serial {serial}: on trial: {keys}");
}

pub(crate) fn settings_kept(serial: u64) {
    log::info!("central: settings, serial {serial}: in use; it collects and delivers as before");
}

pub(crate) fn settings_refused(refused: &RefusedSettings) {
    log::error!("central: settings: {refused}; those before stay in use");
}

pub(crate) fn settings_for_others(serial: u64) {
    log::info!("central: settings, serial {serial}: for other gateways");
}

pub(crate) fn settings_unreadable(why: &str) {
    log::warn!(
        "central: settings: cannot be read, those in use stay; `cu-agent central migrate` makes the table: {why}"
    );
}

pub(crate) fn settings_not_noted(error: &dyn std::error::Error) {
    log::error!("central: settings: what becomes of them cannot be noted: {}", super::chain(error));
}
