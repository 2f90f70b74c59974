//! Looks for events of security where a link was used, keeps them in the buffer and logs them; deliveries
//! carry them to central.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    buffer::{Buffer, BufferError},
    config::Config,
    logging,
    model::{LinkFault, LinkName, Observed, WallTime},
    peers, security, update,
};

/// What all threads of a process see.
pub(super) struct SecurityWatch {
    config: Arc<Config>,
    /// What each link's last look saw, and in which buffer it was noted: nothing is read if that is all
    /// the same.
    last: Mutex<BTreeMap<LinkName, (String, Vec<Observed>)>>,
}

impl SecurityWatch {
    pub(super) fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self { config: Arc::new(config.clone()), last: Mutex::default() })
    }

    /// A link was used; `fault`: it does not work.
    pub(super) fn look(
        &self,
        buffer: &mut Buffer,
        link: &LinkName,
        fault: Option<LinkFault>,
        now: WallTime,
    ) -> Result<(), BufferError> {
        let seen = self.observed(link, fault);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = (buffer.buffer_id().to_owned(), seen);
        if last.get(link) == Some(&looked) {
            return Ok(());
        }
        let language = self.config.agent.language;
        let made = buffer
            .security_mut()
            .change(|log| security::note(log, looked.1.clone(), now, language))?;
        last.insert(link.clone(), looked);
        made.iter().for_each(logging::security);
        Ok(())
    }

    fn observed(&self, link: &LinkName, fault: Option<LinkFault>) -> Vec<Observed> {
        let mut seen = vec![
            Observed::Configuration {
                file: self.config.path.display().to_string(),
                digests: self.config.digests.clone(),
            },
            Observed::Link { name: link.to_string(), fault },
        ];
        seen.extend(peers::seen().into_iter().map(Observed::Proof));
        if let Some(update) = &self.config.update {
            let result: PathBuf = update::result_file(&self.config);
            seen.extend(update::last_update(&result).map(Observed::Update));
            let keys = update::signers(&update.trust, Some(&update.directory));
            seen.extend(keys.map(|keys| Observed::UpdateKeys(keys.version())));
        }
        seen
    }
}
