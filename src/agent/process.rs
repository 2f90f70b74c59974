//! What the monitor of alarms sees of the agent.

use std::{path::Path, path::PathBuf, time::Duration};

use chrono::{NaiveDateTime, Timelike};

use super::{HealthService, Shutdown, clock, wall, wall_clock_fault};
use crate::{alarms::AgentView, config::Config, model::UpdateEnd, update};

/// The process at work.
pub(super) struct Process {
    health: HealthService,
    shutdown: Shutdown,
    update_result: PathBuf,
}

impl Process {
    pub(super) fn new(config: &Config, health: &HealthService, shutdown: &Shutdown) -> Self {
        Self {
            health: health.clone(),
            shutdown: shutdown.clone(),
            update_result: update::result_file(config),
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

    fn failed_update(&self) -> Option<String> {
        failed_update(&self.update_result)
    }
}

/// What a self-update that did not end well left; a file that is missing or cannot be understood says
/// nothing.
fn failed_update(file: &Path) -> Option<String> {
    let update =
        update::last_update(file).filter(|update| update.result != UpdateEnd::Installed)?;
    let version = update.version.as_deref().unwrap_or("?");
    Some(format!("{version}, {} : {}", update.result, update.detail.unwrap_or_default()))
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
            of(r#"{"version":"0.2.0","result":"rolled-back","detail":"it crashes"}"#).as_deref(),
            Some("0.2.0, rolled-back : it crashes")
        );
    }
}
