//! The steps of an update, from the question to the publisher to the proof or the way back. Each can be
//! the last before a power cut: [`Updater::apply`] begins by finishing what an earlier run began.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Asked, Decision, Delay, Now, Obstacle, Outcome, Phase, Refusal, UpdateError, UpdateState,
    UpdateStore, ask, beside,
    decide::{decide, stopped_elsewhere},
    deferral::Deferral,
    fetch::{Fetcher, hash_of},
    keys::HandedOver,
    manifest::{Manifest, Package},
    package::{self, PackageError},
    service, space,
    store::Pending,
    verify,
    version::Version,
};
use crate::{
    config::{Config, UpdateConfig},
    logging,
    model::{LastUpdate, StatusTold, UNKNOWN_VERSION, UpdateEnd},
};

/// An urgent version waits for machines that produce no longer.
const URGENT_DEFERRAL: Duration = Duration::from_secs(3600);
/// The updater is cut off so often in one phase before the former version is put back.
const MOST_ATTEMPTS: u64 = 3;

pub struct Updater<'u> {
    update: &'u UpdateConfig,
    config: &'u Config,
    config_path: &'u Path,
    store: UpdateStore,
    now: Now,
    /// Of a download: bytes so far, of all.
    progress: &'u dyn Fn(u64, u64),
    /// What the believed manifest of this run offers.
    offered: RefCell<Option<Version>>,
}

impl<'u> Updater<'u> {
    pub fn new(
        update: &'u UpdateConfig,
        config: &'u Config,
        config_path: &'u Path,
        now: Now,
        progress: &'u dyn Fn(u64, u64),
    ) -> Self {
        let store = UpdateStore::at(&update.directory);
        let offered = RefCell::default();
        Self { update, config, config_path, store, now, progress, offered }
    }

    /// Why nothing could be fetched, before anybody is asked: an authority that cannot be read.
    pub fn client_fault(update: &UpdateConfig) -> Option<String> {
        Fetcher::new(update.ca_file.as_deref()).err().map(|error| logging::chain(&error))
    }

    /// What [`Updater::apply`] would do at this moment. Changes nothing but what is remembered of the
    /// publisher's manifests.
    pub fn check(&self) -> Result<Outcome, UpdateError> {
        // Root alone may remember; for everybody else the timer's next run does.
        let asked = self.ask(|keys| match self.store.lock() {
            Ok(_lock) => self.remember_keys(&mut self.store.state()?, keys),
            Err(_) => Ok(()),
        })?;
        let asked = match asked {
            Ok(asked) => asked,
            Err(obstacle) => return Ok(Outcome::Refused(obstacle)),
        };
        if let Ok(_lock) = self.store.lock() {
            self.remember_manifest(&mut self.store.state()?, &asked)?;
        }
        let package = match decide(&asked.manifest, &asked.facts) {
            Decision::Install { package, .. } => package,
            other => return Ok(told(other, &asked)),
        };
        if let Some(refusal) = self.stopped_elsewhere(&asked) {
            return Ok(Outcome::Refused(refusal.into()));
        }
        let version = asked.manifest.newest.version.to_string();
        let deferral = self.store.state()?.deferral.map(|deferral| deferral.at(self.now.time));
        if let Some(delay) = self.delay(&asked.manifest, deferral) {
            return Ok(Outcome::NotYet(delay));
        }
        if let Err(obstacle) = self.room_to_install(package) {
            return Ok(Outcome::Refused(obstacle));
        }
        Ok(Outcome::WouldInstall { version, from: asked.facts.installed.to_string() })
    }

    /// Finishes what an earlier run began; else asks, and installs where that is to be done.
    /// `at_once` waits for no window and no machine.
    pub fn apply(&self, at_once: bool) -> Result<Outcome, UpdateError> {
        let _lock = self.store.lock()?;
        let mut state = self.store.state()?;
        if let Some(pending) = state.pending.clone() {
            logging::update_taken_up(pending.to.as_str(), pending.phase.text());
            // What it cannot finish is this package's own affair, and seen to below.
            if let Err(error) = package::configure_all() {
                logging::update_step(&logging::chain(&error));
            }
            return self.go_on(&mut state, pending);
        }
        let outcome = self.begin(&mut state, at_once);
        if state.pending.is_none() {
            // One that an earlier run was killed right after keeping. Not before: it may be what runs.
            self.store.drop_updater()?;
        }
        match &outcome {
            Err(error) => self.note(None, None, UpdateEnd::Failed, logging::chain(error))?,
            // How it came to be given up is the news, not that it still is.
            Ok(Outcome::Refused(Obstacle::Decided(Refusal::GivenUp(_)))) => {}
            Ok(Outcome::Refused(obstacle)) => {
                self.note(None, None, UpdateEnd::Refused, obstacle.to_string())?;
            }
            Ok(Outcome::UpToDate { version }) => self.note_that_all_is_well(version)?,
            Ok(_) => {}
        }
        outcome
    }

    fn begin(&self, state: &mut UpdateState, at_once: bool) -> Result<Outcome, UpdateError> {
        if package::installed()?.is_some_and(|installed| !installed.is_whole) {
            package::configure_all()?;
        }
        let asked = match self.ask(|keys| self.remember_keys(state, keys))? {
            Ok(asked) => asked,
            Err(obstacle) => return Ok(Outcome::Refused(obstacle)),
        };
        self.remember_manifest(state, &asked)?;
        *self.offered.borrow_mut() = Some(asked.manifest.newest.version.clone());
        let decision = decide(&asked.manifest, &asked.facts);
        let Decision::Install { package, fetch_before } = decision else {
            if decision == Decision::UpToDate && state.deferral.take().is_some() {
                self.store.note(state)?;
            }
            return Ok(told(decision, &asked));
        };
        if let Some(refusal) = self.stopped_elsewhere(&asked) {
            return Ok(Outcome::Refused(refusal.into()));
        }
        let to = &asked.manifest.newest.version;
        let (from, architecture) = (&asked.facts.installed, asked.facts.architecture.as_str());
        self.store.prune(&[from, to], architecture)?;
        let way_back = self.store.package(from, architecture);
        let to_go_back = asked.manifest.way_back(from, architecture);
        let to_go_back = to_go_back.map(|package| package.sha256.as_str());
        let to_go_back = to_go_back.or(state.hash_of(&way_back)).unwrap_or_default().to_owned();
        let hashes = [
            (way_back, to_go_back),
            (self.store.package(to, architecture), package.sha256.clone()),
        ];
        let fetched =
            fetch_before.into_iter().map(|before| (from, before)).chain([(to, package)]).map(
                |(version, package)| self.fetch(&asked.fetcher, version, architecture, package),
            );
        for fetched in fetched {
            if let Err(obstacle) = fetched? {
                return Ok(Outcome::Refused(obstacle));
            }
        }
        if !at_once && let Some(delay) = self.counted_delay(state, &asked.manifest)? {
            return Ok(Outcome::NotYet(delay));
        }
        if let Err(obstacle) = self.room_to_install(package) {
            return Ok(Outcome::Refused(obstacle));
        }
        let before = service::unit().unwrap_or_default();
        let silent = self.ask_agent().map(service::silent_sources);
        state.keep_hashes(&hashes);
        state.deferral = None;
        let pending = Pending {
            phase: Phase::Installing,
            from: from.clone(),
            to: to.clone(),
            architecture: architecture.to_owned(),
            attempts: 0,
            reason: String::new(),
            invocation: before.invocation,
            was_active: before.is_active,
            answered: silent.is_some(),
            // Where the agent did not answer, none of its sources is held against the new version.
            silent: silent.unwrap_or_else(|| {
                self.config.sources.iter().map(|source| source.name.clone()).collect()
            }),
        };
        let own = std::env::current_exe().map_err(|source| UpdateError::ReadPackage {
            path: PathBuf::from("/proc/self/exe"),
            source,
        })?;
        self.store.keep_updater(&own)?;
        self.go_on(state, pending)
    }

    fn ask(
        &self,
        remember: impl FnOnce(Option<HandedOver>) -> Result<(), UpdateError>,
    ) -> Result<Result<Asked, Obstacle>, UpdateError> {
        ask(self.update, &self.config.agent.id, &self.store, &self.now, remember)
    }

    /// From now on the keys before these are revoked.
    fn remember_keys(
        &self,
        state: &mut UpdateState,
        keys: Option<HandedOver>,
    ) -> Result<(), UpdateError> {
        if state.keys != keys {
            state.keys = keys;
            self.store.note(state)?;
        }
        Ok(())
    }

    /// From now on an earlier manifest is an old copy.
    fn remember_manifest(&self, state: &mut UpdateState, asked: &Asked) -> Result<(), UpdateError> {
        if asked.seen.is_news_after(state.seen.as_ref()) {
            state.seen = Some(asked.seen.clone());
            self.store.note(state)?;
        }
        Ok(())
    }

    /// Brings a package into the cache, whole and checked.
    fn fetch(
        &self,
        fetcher: &Fetcher,
        version: &Version,
        architecture: &str,
        package: &Package,
    ) -> Result<Result<(), Obstacle>, UpdateError> {
        let place = self.store.package(version, architecture);
        let url = beside(&self.update.manifest_url, &package.url);
        let is_held = place.exists() && hash_of(&place).is_ok_and(|found| found == package.sha256);
        if !is_held {
            let directory = self.store.directory();
            if let Err(obstacle) = space::room(directory, package.size_bytes + space::SPARE_BYTES) {
                return Ok(Err(obstacle));
            }
            logging::update_step(&format!("fetching {url}"));
            match fetcher.package(&url, package, &place, self.progress) {
                Err(error) if error.is_refusal() => return Ok(Err(Obstacle::Fetched(error))),
                fetched => fetched?,
            }
        }
        let wanted = (package::NAME.to_owned(), version.to_string(), architecture.to_owned());
        let found = package::described(&place)?;
        if found != wanted {
            let in_words = |(name, version, architecture): (String, String, String)| {
                format!("{name} {version} for {architecture}")
            };
            let (found, wanted) = (in_words(found), in_words(wanted));
            return Ok(Err(Obstacle::OtherPackage { url, found, wanted }));
        }
        Ok(Ok(()))
    }

    /// Why it is not the moment to replace a package, with the time that machines hold it off counted in
    /// the state.
    fn counted_delay(
        &self,
        state: &mut UpdateState,
        manifest: &Manifest,
    ) -> Result<Option<Delay>, UpdateError> {
        let counted = state.deferral.map(|deferral| deferral.at(self.now.time));
        let delay = self.delay(manifest, counted);
        let deferral = match &delay {
            Some(Delay::Producing { .. }) => counted.or(Some(Deferral::begun(self.now.time))),
            _ => counted,
        };
        // A gateway that only waits for its window writes nothing.
        if deferral != state.deferral {
            state.deferral = deferral;
            self.store.note(state)?;
        }
        Ok(delay)
    }

    /// Why it is not the moment to replace a package. That a machine produces is the agent's word, and
    /// taken for `update.max_deferral` at most.
    fn delay(&self, manifest: &Manifest, deferral: Option<Deferral>) -> Option<Delay> {
        let version = manifest.newest.version.to_string();
        let window = self.update.window;
        if !manifest.is_urgent && !window.contains(self.now.time.time()) {
            return Some(Delay::Window { version, window });
        }
        let waited = deferral.map_or(Duration::ZERO, |deferral| deferral.waited);
        let most = self.update.max_deferral;
        let most = if manifest.is_urgent { most.min(URGENT_DEFERRAL) } else { most };
        if waited >= most {
            let hours = waited.as_secs() / 3600;
            logging::update_step(&format!(
                "postponed for {hours} h because machines were producing: installing without waiting any longer"
            ));
            return None;
        }
        // An agent that does not answer cannot say that a machine produces, and needs an update most.
        let machines = service::names(self.ask_agent()?.producing);
        let waited_h = waited.as_secs() / 3600;
        (!machines.is_empty()).then_some(Delay::Producing { version, machines, waited_h, most })
    }

    /// Whether other gateways rolled the version back, as the agent has it from central. An agent that does not
    /// answer cannot say so, and needs an update most.
    fn stopped_elsewhere(&self, asked: &Asked) -> Option<Refusal> {
        let elsewhere = self.ask_agent()?.in_central.updates;
        stopped_elsewhere(&asked.manifest.newest.version, &elsewhere, &self.update.stop)
    }

    fn ask_agent(&self) -> Option<StatusTold> {
        let own = std::env::current_exe().ok()?;
        service::ask(&own, self.config_path, &self.config.agent.state_dir)
    }

    fn room_to_install(&self, package: &Package) -> Result<(), Obstacle> {
        let agent = &self.config.agent;
        space::room_to_install(package, &agent.state_dir, agent.max_buffer_bytes)
    }

    /// Goes through the phases from where `pending` stands to the end.
    fn go_on(&self, state: &mut UpdateState, mut pending: Pending) -> Result<Outcome, UpdateError> {
        loop {
            pending.attempts += 1;
            let is_stuck = pending.attempts > MOST_ATTEMPTS && pending.phase != Phase::PuttingBack;
            if is_stuck {
                let phase = pending.phase.text();
                let reason = format!("it was interrupted {MOST_ATTEMPTS} times while {phase}");
                put_back(state, &mut pending, reason);
            }
            state.pending = Some(pending.clone());
            self.store.note(state)?;
            logging::update_step(&format!("{} {}", pending.phase.text(), pending.to));
            match pending.phase {
                Phase::Installing => match self.install(&pending, &pending.to) {
                    Ok(()) => next(&mut pending, Phase::Verifying),
                    Err(UpdateError::Package(PackageError::Busy)) => {
                        return Err(self.postpone(state, pending)?);
                    }
                    Err(error) => {
                        let reason =
                            format!("it could not be installed: {}", logging::chain(&error));
                        put_back(state, &mut pending, reason);
                    }
                },
                Phase::Verifying => {
                    let limit = self.update.prove_timeout;
                    let state_dir = &self.config.agent.state_dir;
                    match verify::wait(&pending, self.config_path, state_dir, limit) {
                        Ok(()) => return self.installed(state, &pending),
                        Err(reason) => put_back(state, &mut pending, reason),
                    }
                }
                Phase::PuttingBack => return self.put_back(state, pending),
            }
        }
    }

    /// Another program works with the package manager: the next run tries again.
    fn postpone(
        &self,
        state: &mut UpdateState,
        mut pending: Pending,
    ) -> Result<UpdateError, UpdateError> {
        let busy = UpdateError::Package(PackageError::Busy);
        self.note(Some(&pending.to), Some(&pending.from), UpdateEnd::Failed, busy.to_string())?;
        // After a kill the package may be half there: only a first try has begun nothing.
        pending.attempts -= 1;
        let is_untouched = pending.attempts == 0;
        state.pending = (!is_untouched).then_some(pending);
        self.store.note(state)?;
        if is_untouched {
            self.store.drop_updater()?;
        }
        Ok(busy)
    }

    /// Puts the cached package of `version` in place and restarts the service.
    fn install(&self, pending: &Pending, version: &Version) -> Result<(), UpdateError> {
        let file = self.store.package(version, &pending.architecture);
        fs::metadata(&file)
            .map_err(|source| UpdateError::ReadPackage { path: file.clone(), source })?;
        let before = service::unit();
        package::install(&file)?;
        // The package's own script has done it, unless it may not (policy-rc.d).
        if pending.was_active && service::unit() == before {
            service::restart().map_err(|source| UpdateError::Restart { source })?;
        }
        Ok(())
    }

    fn installed(
        &self,
        state: &mut UpdateState,
        pending: &Pending,
    ) -> Result<Outcome, UpdateError> {
        let Pending { from, to, .. } = pending;
        self.note(Some(to), Some(from), UpdateEnd::Installed, format!("{to} replaced {from}"))?;
        self.ended(state, to, pending)?;
        Ok(Outcome::Installed { version: to.to_string(), from: from.to_string() })
    }

    fn put_back(&self, state: &mut UpdateState, pending: Pending) -> Result<Outcome, UpdateError> {
        let Pending { from, to, reason, .. } = pending.clone();
        if let Err(error) = self.install(&pending, &from) {
            let problem = logging::chain(&error);
            let error =
                UpdateError::NotPutBack { from: from.clone(), to: to.clone(), reason, problem };
            // It stays in the state: the next run tries again, and again.
            self.note(Some(&to), Some(&from), UpdateEnd::Failed, error.to_string())?;
            return Err(error);
        }
        self.note(Some(&to), Some(&from), UpdateEnd::RolledBack, reason.clone())?;
        self.ended(state, &from, &pending)?;
        Ok(Outcome::RolledBack { version: to.to_string(), from: from.to_string(), reason })
    }

    /// Nothing is under way any more; of the packages the installed one's is kept, to go back to.
    fn ended(
        &self,
        state: &mut UpdateState,
        installed: &Version,
        pending: &Pending,
    ) -> Result<(), UpdateError> {
        state.pending = None;
        self.store.note(state)?;
        self.store.drop_updater()?;
        self.store.prune(&[installed], &pending.architecture)?;
        Ok(())
    }

    fn note(
        &self,
        version: Option<&Version>,
        from: Option<&Version>,
        result: UpdateEnd,
        detail: String,
    ) -> Result<(), UpdateError> {
        let offered = self.offered.borrow();
        let version = version.or(offered.as_ref());
        let version = version.map_or_else(|| UNKNOWN_VERSION.to_owned(), ToString::to_string);
        self.store.note_result(LastUpdate {
            at: Some(self.now.time),
            detail: Some(detail),
            from: from.map(ToString::to_string),
            result,
            version: Some(version),
        })?;
        Ok(())
    }

    /// What was refused or failed before is over.
    fn note_that_all_is_well(&self, version: &str) -> Result<(), UpdateError> {
        let is_over = match self.store.result() {
            Ok(last) => last
                .is_some_and(|last| matches!(last.result, UpdateEnd::Refused | UpdateEnd::Failed)),
            // Nobody can read it: this one takes its place.
            Err(_) => true,
        };
        if is_over {
            let version = Version::parse(version);
            self.note(version.as_ref(), None, UpdateEnd::Installed, "up to date".into())?;
        }
        Ok(())
    }
}

fn next(pending: &mut Pending, phase: Phase) {
    pending.phase = phase;
    pending.attempts = 0;
}

fn put_back(state: &mut UpdateState, pending: &mut Pending, reason: String) {
    state.give_up(&pending.to);
    pending.reason = reason;
    next(pending, Phase::PuttingBack);
}

fn told(decision: Decision<'_>, asked: &Asked) -> Outcome {
    match decision {
        Decision::UpToDate => Outcome::UpToDate { version: asked.facts.installed.to_string() },
        Decision::Refused(refusal) => Outcome::Refused(refusal.into()),
        Decision::NotYet(wait) => Outcome::NotYet(wait.into()),
        Decision::Install { .. } => Outcome::WouldInstall {
            version: asked.manifest.newest.version.to_string(),
            from: asked.facts.installed.to_string(),
        },
    }
}
