//! Settings that a plant gives all its gateways through central, signed as manifests of updates are: checked, tried
//! by a start of the service, and kept only if it then collects and delivers as before.
//!
//! The order of what lasts: that they are on trial; each start with them, before anything is done with them; that
//! they are kept, or that they are refused and the ones before count again. Whatever moment the power is cut at,
//! the next start finds in the state what to do.
//!
//! What must never happen here: settings in use that nobody signed, or that did not show that they work; the same
//! ones tried again after that; a trial without end.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, FixedOffset};

mod document; // what is signed, pure
mod store; // what is noted on the disk

pub use document::{Document, DocumentError, parse as parse_document};
pub use store::{Before, SettingsStoreError};

use document::{Seen, judge};
use store::{Refused, State, Store, Text, Trial};

use crate::{
    config::{CentralSettings, Config, ConfigError, Loaded, SettingsConfig, load_with_settings},
    failpoints::Step,
    logging::{self, LogOnce},
    model::{RefusedSettings, SettingsThere, SettingsTold, SignedSettings, printable},
    update,
};

/// Times that the service may start with settings on trial: a crash or a power cut ends each.
const MOST_STARTS: u32 = 3;
/// Longest reason that is kept and shown, in characters.
const MOST_CHARS: usize = 300;

/// Looks a variable up.
type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The configuration with the settings that are kept, for any command but the service; `local` without them.
pub fn with_kept(path: &Path, local: Loaded, env: Lookup<'_>) -> Loaded {
    if local.config.settings.is_none() {
        return local;
    }
    match Store::at(&local.config.agent.state_dir).state() {
        Ok(State { kept: Some(kept), .. }) => match laid_over(path, env, &kept) {
            Ok(loaded) => loaded,
            Err(error) => warned(local, unusable(&kept, &error)),
        },
        Ok(State { kept: None, .. }) => local,
        Err(error) => warned(local, logging::chain(&error)),
    }
}

/// The same for the service, which begins with settings that are on trial if there are some. The start is noted
/// before: one that ends too soon is counted, too.
pub fn begin(path: &Path, local: Loaded, env: Lookup<'_>) -> Loaded {
    if local.config.settings.is_none() {
        return local;
    }
    let store = Store::at(&local.config.agent.state_dir);
    let mut state = match store.state() {
        Ok(state) => state,
        Err(error) => return warned(local, logging::chain(&error)),
    };
    let mut warnings = Vec::new();
    if let Some(trial) = &mut state.trial {
        trial.starts += 1;
        let settings = trial.settings.clone();
        let reason = if trial.starts > MOST_STARTS {
            Err(format!("the service ended {MOST_STARTS} times before it had shown that it works"))
        } else {
            laid_over(path, env, &settings).map_err(|error| error.on_one_line())
        };
        let (step, loaded) = match reason {
            Ok(loaded) => (Step::BeginTrial, Some(loaded)),
            Err(reason) => {
                warnings.push(refuse(&mut state, Some(settings.serial), &reason).to_string());
                (Step::RefuseSettings, None)
            }
        };
        match (store.note(&state, step), loaded) {
            (Ok(()), Some(loaded)) => return loaded,
            (Ok(()), None) => {}
            (Err(error), _) => warnings.push(logging::chain(&error)),
        }
    }
    let kept = state.kept.as_ref().map(|kept| (kept, laid_over(path, env, kept)));
    let mut loaded = match kept {
        Some((_, Ok(loaded))) => loaded,
        Some((kept, Err(error))) => warned(local, unusable(kept, &error)),
        None => local,
    };
    loaded.warnings.extend(warnings);
    loaded
}

fn laid_over(path: &Path, env: Lookup<'_>, settings: &Text) -> Result<Loaded, ConfigError> {
    let Text { serial, text } = settings;
    load_with_settings(path, env, &CentralSettings { serial: *serial, text })
}

fn unusable(kept: &Text, error: &ConfigError) -> String {
    let (serial, why) = (kept.serial, error.on_one_line());
    format!(
        "central settings {serial}: not in use, because they do not fit the file any more: {why}"
    )
}

fn warned(mut loaded: Loaded, warning: String) -> Loaded {
    loaded.warnings.push(warning);
    loaded
}

/// Nothing is on trial any more, and why.
fn refuse(state: &mut State, serial: Option<u64>, reason: &str) -> RefusedSettings {
    let reason = printable(reason, MOST_CHARS);
    state.trial = None;
    state.refused = Some(Refused { serial, reason: reason.clone() });
    RefusedSettings { serial, reason }
}

/// How the gateway stands with them; `None`: it takes none.
pub fn told(config: &Config) -> Option<Result<SettingsTold, SettingsStoreError>> {
    config.settings.as_ref()?;
    Some(Store::at(&config.agent.state_dir).state().map(|state| state.told()))
}

/// Why what was heard is not taken.
enum NotTaken {
    ForOthers(u64),
    Refused {
        serial: Option<u64>,
        reason: String,
        /// Not only until keys or clock are others.
        is_final: bool,
    },
}

impl NotTaken {
    fn for_good(serial: Option<u64>, error: impl ToString) -> Self {
        Self::Refused { serial, reason: error.to_string(), is_final: true }
    }

    fn for_now(serial: Option<u64>, error: impl ToString) -> Self {
        Self::Refused { serial, reason: error.to_string(), is_final: false }
    }
}

fn verified(
    config: &SettingsConfig,
    update_directory: Option<&Path>,
    signed: &SignedSettings,
) -> Result<Document, NotTaken> {
    let SignedSettings { document, signatures } = signed;
    let signers = update::signers(&config.trust, update_directory)
        .map_err(|obstacle| NotTaken::for_now(None, obstacle))?;
    signers.check_manifest(document, signatures).map_err(|problem| {
        let reason = format!("their signature is not that of the keys known here: {problem}");
        NotTaken::for_now(None, reason)
    })?;
    parse_document(document).map_err(|error| NotTaken::for_good(None, error))
}

/// The document, for who publishes it, if gateways with this configuration would believe it.
pub fn signed_by_known_keys(config: &Config, signed: &SignedSettings) -> Result<Document, String> {
    let Some(settings) = &config.settings else {
        return parse_document(&signed.document).map_err(|error| error.to_string());
    };
    let directory = config.update.as_ref().map(|update| update.directory.as_path());
    match verified(settings, directory, signed) {
        Ok(document) => Ok(document),
        Err(NotTaken::Refused { reason, .. }) => Err(reason),
        Err(NotTaken::ForOthers(serial)) => Err(format!("serial {serial} is for other gateways")),
    }
}

/// Puts a document that is believed on trial, unless the same text is in use; `true`: it is to be tried.
fn take(next: &mut State, path: &Path, document: Document, before: Before) -> (Step, bool) {
    let Document { serial, text, .. } = document;
    let settings = Text { serial, text };
    if next.kept.as_ref().is_some_and(|kept| kept.text == settings.text) {
        (next.kept, next.refused) = (Some(settings), None);
        logging::settings_kept(serial);
        return (Step::KeepSettings, false);
    }
    match laid_over(path, &|name| std::env::var(name).ok(), &settings) {
        Ok(_) => {
            next.trial = Some(Trial { settings, starts: 0, before });
            logging::settings_to_try(serial);
            (Step::TrySettings, true)
        }
        Err(error) => {
            logging::settings_refused(&refuse(next, Some(serial), &error.on_one_line()));
            (Step::RefuseSettings, false)
        }
    }
}

/// What the service does with them. One for all its threads.
pub struct SettingsService {
    store: Store,
    /// The configuration file.
    path: PathBuf,
    agent_id: String,
    config: SettingsConfig,
    /// The updater's, which remembers keys that were handed over.
    update_directory: Option<PathBuf>,
    state: Mutex<State>,
    unreadable: Mutex<LogOnce<String>>,
}

impl SettingsService {
    /// `None`: the gateway takes none.
    pub fn new(config: &Config) -> Option<Self> {
        let settings = config.settings.clone()?;
        let store = Store::at(&config.agent.state_dir);
        let state = store.state().unwrap_or_default();
        Some(Self {
            store,
            path: config.path.clone(),
            agent_id: config.agent.id.clone(),
            config: settings,
            update_directory: config.update.as_ref().map(|update| update.directory.clone()),
            state: Mutex::new(state),
            unreadable: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn told(&self) -> SettingsTold {
        self.state().told()
    }

    /// What was heard last, for the question to central; `None`: nothing is asked during a trial.
    pub fn mark(&self) -> Option<String> {
        let state = self.state();
        state.trial.is_none().then(|| state.mark.clone())
    }

    /// What is on trial, and what worked before.
    pub fn trial(&self) -> Option<(u64, Before)> {
        let state = self.state();
        state.trial.as_ref().map(|trial| (trial.settings.serial, trial.before.clone()))
    }

    pub fn limit(&self) -> std::time::Duration {
        self.config.trial
    }

    /// Takes what central told; `true`: the service is to start again and try it.
    pub fn hear(
        &self,
        there: &SettingsThere,
        before: Before,
        clock: DateTime<FixedOffset>,
    ) -> bool {
        let told = match there {
            SettingsThere::Told(told) => told,
            SettingsThere::Unreadable { why } => {
                let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
                if unreadable.begins_with(why.clone()) {
                    logging::settings_unreadable(why);
                }
                return false;
            }
            SettingsThere::None | SettingsThere::Known => return false,
        };
        let mut state = self.state();
        let mut next = state.clone();
        next.mark.clone_from(&told.mark);
        let (step, is_to_try) = match self.judged(told.signed.as_ref(), &state, clock) {
            Ok((document, seen)) => {
                next.seen = Some(seen);
                take(&mut next, &self.path, document, before)
            }
            Err(NotTaken::ForOthers(serial)) => {
                logging::settings_for_others(serial);
                (Step::RefuseSettings, false)
            }
            Err(NotTaken::Refused { serial, reason, is_final }) => {
                if !is_final {
                    next.mark.clone_from(&state.mark);
                }
                let refused = refuse(&mut next, serial, &reason);
                if next.refused != state.refused {
                    logging::settings_refused(&refused);
                }
                (Step::RefuseSettings, false)
            }
        };
        self.note(&mut state, next, step) && is_to_try
    }

    /// The document, if enough of the right keys signed it and it is their present word for this gateway.
    fn judged(
        &self,
        signed: Option<&SignedSettings>,
        state: &State,
        clock: DateTime<FixedOffset>,
    ) -> Result<(Document, Seen), NotTaken> {
        let most = SignedSettings::MOST_BYTES;
        let too_long = || NotTaken::for_good(None, format!("they have more than {most} bytes"));
        let signed = signed.ok_or_else(too_long)?;
        let document = verified(&self.config, self.update_directory.as_deref(), signed)?;
        let serial = document.serial;
        let is_for_others = |ids: &Vec<String>| !ids.contains(&self.agent_id);
        if document.gateways.as_ref().is_some_and(is_for_others) {
            return Err(NotTaken::ForOthers(serial));
        }
        match judge(&document, state.seen.as_ref(), clock) {
            Ok(seen) => Ok((document, seen)),
            Err(error @ DocumentError::SignedAhead { .. }) => {
                Err(NotTaken::for_now(Some(serial), error))
            }
            Err(error) => Err(NotTaken::for_good(Some(serial), error)),
        }
    }

    /// What is on trial collects and delivers as before.
    pub fn keep(&self) -> bool {
        let mut state = self.state();
        let mut next = state.clone();
        let Some(trial) = next.trial.take() else { return true };
        let serial = trial.settings.serial;
        (next.kept, next.refused) = (Some(trial.settings), None);
        let is_noted = self.note(&mut state, next, Step::KeepSettings);
        if is_noted {
            logging::settings_kept(serial);
        }
        is_noted
    }

    /// What is on trial did not; the service is to start again without it.
    pub fn put_back(&self, reason: &str) {
        let mut state = self.state();
        let mut next = state.clone();
        let Some(serial) = next.trial.as_ref().map(|trial| trial.settings.serial) else { return };
        logging::settings_refused(&refuse(&mut next, Some(serial), reason));
        self.note(&mut state, next, Step::RefuseSettings);
    }

    fn note(&self, state: &mut State, next: State, step: Step) -> bool {
        if *state == next {
            return true;
        }
        match self.store.note(&next, step) {
            Ok(()) => {
                *state = next;
                true
            }
            Err(error) => {
                logging::settings_not_noted(&error);
                false
            }
        }
    }
}
