//! What the monitor of alarms sees of the agent.

use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};

use chrono::{NaiveDateTime, Timelike};

use super::{HealthService, Shutdown, clock, wall, wall_clock_fault};
use crate::{
    alarms::AgentView,
    config::Config,
    model::{FailedUpdate, RefusedSettings, UNKNOWN_VERSION, UpdateEnd},
    settings::SettingsService,
    update,
};

/// The process at work.
pub(super) struct Process {
    health: HealthService,
    shutdown: Shutdown,
    update_result: PathBuf,
    settings: Option<Arc<SettingsService>>,
}

impl Process {
    pub(super) fn new(
        config: &Config,
        health: &HealthService,
        shutdown: &Shutdown,
        settings: Option<Arc<SettingsService>>,
    ) -> Self {
        Self {
            health: health.clone(),
            shutdown: shutdown.clone(),
            update_result: update::result_file(config),
            settings,
        }
    }
}

impl AgentView for Process {
    fn uptime(&self) -> Duration {
        self.health.clock.now().uptime
    }

    fn wall_time(&self) -> NaiveDateTime {
        let now = wall().naive_local();
        now.with_nanosecond(0).unwrap_or(now)
    }

    fn clock_is_believed(&self) -> bool {
        wall_clock_fault().is_none()
    }

    fn is_believable(&self, noted: &NaiveDateTime) -> bool {
        clock::is_believable(noted)
    }

    fn is_healthy(&self) -> bool {
        self.health.verdict().is_well()
    }

    fn is_ending(&self) -> bool {
        self.shutdown.is_requested()
    }

    fn failed_update(&self) -> Option<FailedUpdate> {
        failed_update(&self.update_result)
    }

    fn refused_settings(&self) -> Option<RefusedSettings> {
        self.settings.as_ref()?.told().refused
    }
}

/// What a self-update that did not end well left; a file that is missing or cannot be understood says
/// nothing.
pub(super) fn failed_update(file: &Path) -> Option<FailedUpdate> {
    let update =
        update::last_update(file).filter(|update| update.result != UpdateEnd::Installed)?;
    let version = update.version.filter(|version| version != UNKNOWN_VERSION);
    let detail = update.detail.unwrap_or_default();
    Some(FailedUpdate { version, end: update.result, detail })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn of_self_updates_only_one_that_did_not_end_well_is_an_alarm() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("result.json");
        let of = |text: &str| {
            fs::write(&file, text).unwrap();
            failed_update(&file)
        };
        assert_eq!(failed_update(&dir.path().join("none")), None);
        assert_eq!(of("{\"resu"), None);
        assert_eq!(of(r#"{"version":"0.2.0","result":"exploded","detail":""}"#), None);
        assert_eq!(of(r#"{"version":"0.2.0","result":"installed","detail":""}"#), None);
        assert_eq!(
            of(r#"{"version":"0.2.0","result":"rolled-back","detail":"it crashes"}"#),
            Some(FailedUpdate {
                version: Some("0.2.0".into()),
                end: UpdateEnd::RolledBack,
                detail: "it crashes".into()
            })
        );
    }
}
