//! Settings of central's in this process: what worked before they came, and whether it does with them. That is
//! measured by running time alone.
//!
//! What must never happen here: a trial that goes on for ever; settings kept although something that worked before
//! does not.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{Agent, Shutdown, Wakeup, wall, wall_clock_fault};
use crate::{
    config::FromCentral,
    logging,
    model::{SettingsThere, SettingsTold},
    settings::{Before, SettingsService},
    status::{Metrics, counters::Counters},
};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What works once and then no more does not work.
const STEADY_FOR: Duration = Duration::from_secs(10);

/// What the threads share of them.
#[derive(Clone)]
pub(super) struct PlantSettings {
    service: Arc<SettingsService>,
    figures: Metrics,
    shutdown: Shutdown,
    /// Central is to hear how it ended.
    wakeup: Wakeup,
    /// Configured ones.
    sources: usize,
}

impl PlantSettings {
    /// What was heard last; `None`: not to be asked for, because something is on trial or it is not known yet what
    /// works.
    pub(super) fn mark(&self) -> Option<String> {
        let counts = self.figures.snapshot();
        let tried = counts.sources.values().filter(|source| source.is_up.is_some()).count();
        if tried < self.sources || wall_clock_fault().is_some() {
            None
        } else {
            self.service.mark()
        }
    }

    pub(super) fn hear(&self, there: &SettingsThere) {
        let before = working(&self.figures.snapshot());
        if self.service.hear(there, before, wall().fixed_offset()) {
            self.shutdown.request_restart();
        }
    }

    pub(super) fn told(&self) -> SettingsTold {
        self.service.told()
    }

    /// Until the settings on trial are kept, or rolled back by another start.
    fn watch(&self, serial: u64, before: &Before) {
        let begun = Instant::now();
        let mut steady: Option<Instant> = None;
        let limit = self.service.limit();
        while !self.shutdown.is_requested() {
            thread::sleep(LOOK_EVERY);
            match lacking(before, &self.figures.snapshot()) {
                None if steady.get_or_insert_with(Instant::now).elapsed() < STEADY_FOR => continue,
                None if self.service.keep() => return self.wakeup.notify(),
                // It cannot be noted: tried again, as long as the trial may last.
                None if begun.elapsed() < limit => continue,
                None => self.service.put_back("that they work cannot be noted"),
                Some(_) if begun.elapsed() < limit => {
                    steady = None;
                    continue;
                }
                Some(lacking) => {
                    let reason = format!("{lacking} within {} s of the trial", limit.as_secs());
                    self.service.put_back(&reason);
                }
            }
            log::debug!("the trial of settings {serial} has ended");
            self.shutdown.request_restart();
            return;
        }
    }
}

impl Agent {
    /// `None`: the gateway takes none.
    pub(super) fn plant_settings(&self) -> Option<PlantSettings> {
        let service = self.plant_settings.clone()?;
        Some(PlantSettings {
            service,
            figures: self.figures.clone(),
            shutdown: self.shutdown.clone(),
            wakeup: self.wakeup.clone(),
            sources: self.config.sources.len(),
        })
    }

    /// Watches over settings that this process was begun to try.
    pub(super) fn watch_trial(&self) {
        let Some(settings) = self.plant_settings() else { return };
        let Some((serial, before)) = settings.service.trial() else { return };
        let FromCentral { taken, .. } = &self.config.from_central;
        logging::settings_on_trial(serial, &taken.join(", "));
        thread::spawn(move || settings.watch(serial, &before));
    }
}

/// What works at this moment.
fn working(counts: &Counters) -> Before {
    let up = counts.sources.iter().filter(|(_, source)| source.is_up == Some(true));
    let machines = counts.sources.values().flat_map(|source| &source.machines);
    let readable = machines.filter(|(_, hidden)| hidden.is_none());
    Before {
        sources: up.map(|(name, _)| name.clone()).collect(),
        machines: readable.map(|(nom, _)| nom.clone()).collect(),
    }
}

/// What worked before and does not yet, or any more. Pure.
fn lacking(before: &Before, counts: &Counters) -> Option<String> {
    let now = working(counts);
    let missing = |all: &[String], there: &[String]| -> Vec<String> {
        all.iter().filter(|name| !there.contains(name)).cloned().collect()
    };
    let sources = missing(&before.sources, &now.sources);
    if !sources.is_empty() {
        return Some(format!("source {} did not answer", sources.join(", ")));
    }
    let machines = missing(&before.machines, &now.machines);
    if !machines.is_empty() {
        return Some(format!("nothing of {} could be read", machines.join(", ")));
    }
    if counts.central_is_up() != Some(true) {
        return Some("nothing was delivered to central".to_owned());
    }
    let failure = counts.buffer_failures.values().next();
    failure.map(|failure| format!("the buffer failed: {failure}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Trouble, TroubleKey, TroubleKind},
        status::counters::{Hidden, SourceCounters},
    };

    #[test]
    fn each_thing_that_worked_before_and_does_not_is_named() {
        let mut counts = Counters { last_sync: Some(Duration::ZERO), ..Counters::default() };
        let source = SourceCounters {
            is_up: Some(true),
            machines: [("DEM12".to_owned(), None)].into(),
            ..SourceCounters::default()
        };
        counts.sources.insert("cu".into(), source);
        counts.sources.insert("stick".into(), SourceCounters::default());
        let before = working(&counts);
        assert_eq!((before.sources.len(), before.machines.len()), (1, 1));
        assert_eq!(lacking(&before, &counts), None, "the stick did not answer before either");
        let told = |change: fn(&mut Counters)| {
            let mut counts = counts.clone();
            change(&mut counts);
            lacking(&before, &counts).unwrap()
        };
        let of_cu = |counts: &mut Counters| counts.sources.clear();
        assert_eq!(told(of_cu), "source cu did not answer");
        let hidden = told(|counts| {
            let source = counts.sources.get_mut("cu").unwrap();
            let (source_name, folder, file) = ("cu".into(), "DEM12".into(), String::new());
            let kind = TroubleKind::FolderMissing;
            let key = TroubleKey { source: source_name, folder, file, kind };
            let trouble = Trouble { key, detail: String::new(), since: None };
            source.machines.insert("DEM12".into(), Some(Hidden { since: Duration::ZERO, trouble }));
        });
        assert_eq!(hidden, "nothing of DEM12 could be read");
        let silent = told(|counts| counts.central_down_since = Some(Duration::ZERO));
        assert_eq!(silent, "nothing was delivered to central");
        let failed = told(|counts| {
            counts.buffer_failures.insert("collect 0".into(), "full".into());
        });
        assert_eq!(failed, "the buffer failed: full");
    }
}
