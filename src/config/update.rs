//! `[update]`: where field updates come from, whose signature they bear, and when they may happen.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use minisign_verify::PublicKey;

use super::{keys::UpdateKeys, reader::Section, window::Window};

#[derive(Clone, Debug)]
pub struct UpdateConfig {
    /// An `https://` URL; its signature stands beside it, under the same name and `.minisig`.
    pub manifest_url: String,
    pub public_key: PublicKey,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    pub window: Window,
    /// Longest time a new version has to show that it works.
    pub prove_timeout: Duration,
    /// Longest time that machines which are said to produce hold an update off.
    pub max_deferral: Duration,
    /// Root's own: journal, result and packages of the updater.
    pub directory: PathBuf,
}

pub(super) fn update(section: Option<Section<'_>>, base: &Path) -> Option<UpdateConfig> {
    let mut section = section?;
    let manifest_url = section.required(&UpdateKeys::MANIFEST_URL);
    let public_key = section.required(&UpdateKeys::PUBLIC_KEY);
    let ca_file = section.optional(&UpdateKeys::CA_FILE).map(|file| base.join(file));
    let window = section.value(&UpdateKeys::WINDOW);
    let prove_timeout = section.value(&UpdateKeys::PROVE_TIMEOUT);
    let max_deferral = section.value(&UpdateKeys::MAX_DEFERRAL);
    let directory = base.join(section.value(&UpdateKeys::DIRECTORY));
    section.finish();
    Some(UpdateConfig {
        manifest_url: manifest_url?,
        public_key: public_key?,
        ca_file,
        window,
        prove_timeout,
        max_deferral,
        directory,
    })
}
