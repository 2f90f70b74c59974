//! `[update]`: where field updates come from, whose signature they bear, and when they may happen.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use minisign_verify::PublicKey;

use super::{keys::UpdateKeys, reader::Section, window::Window};

/// Whose signatures count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// The plant's own key.
    Key(SignerKey),
    /// The publisher's set of keys, a file of the package.
    KeySet(PathBuf),
}

/// A public key of minisign, as the second line of its file has it.
#[derive(Clone, Debug)]
pub struct SignerKey {
    pub text: String,
    pub key: PublicKey,
}

/// When a rollout stops itself: the version was rolled back on this number of gateways, or on this percentage of
/// the fleet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StopRule {
    pub gateways: u64,
    pub percent: u64,
}

/// Characters before the key itself: a number that anybody can choose.
const ID_CHARS: usize = 16;

impl SignerKey {
    pub fn parse(text: &str) -> Option<Self> {
        let key = PublicKey::from_base64(text).ok()?;
        Some(Self { text: text.to_owned(), key })
    }
}

impl PartialEq for SignerKey {
    fn eq(&self, other: &Self) -> bool {
        self.text.get(ID_CHARS..) == other.text.get(ID_CHARS..)
    }
}

impl Eq for SignerKey {}

#[derive(Clone, Debug)]
pub struct UpdateConfig {
    /// An `https://` URL; its signature stands beside it, under the same name and `.minisig`.
    pub manifest_url: String,
    pub trust: Trust,
    /// PEM file with the authorities to trust instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    pub window: Window,
    /// Longest time a new version has to show that it works.
    pub prove_timeout: Duration,
    /// Longest time that machines which are said to produce hold an update off.
    pub max_deferral: Duration,
    pub stop: StopRule,
    /// Root's own: journal, result and packages of the updater.
    pub directory: PathBuf,
}

pub(super) fn update(section: Option<Section<'_>>, base: &Path) -> Option<UpdateConfig> {
    let mut section = section?;
    let manifest_url = section.required(&UpdateKeys::MANIFEST_URL);
    let public_key = section.optional(&UpdateKeys::PUBLIC_KEY);
    let key_file = base.join(section.value(&UpdateKeys::KEY_FILE));
    let ca_file = section.optional(&UpdateKeys::CA_FILE).map(|file| base.join(file));
    let window = section.value(&UpdateKeys::WINDOW);
    let prove_timeout = section.value(&UpdateKeys::PROVE_TIMEOUT);
    let max_deferral = section.value(&UpdateKeys::MAX_DEFERRAL);
    let stop = StopRule {
        gateways: section.value(&UpdateKeys::STOP_AFTER).into(),
        percent: section.value(&UpdateKeys::STOP_AFTER_PERCENT).into(),
    };
    let directory = base.join(section.value(&UpdateKeys::DIRECTORY));
    section.finish();
    Some(UpdateConfig {
        manifest_url: manifest_url?,
        trust: public_key.map_or(Trust::KeySet(key_file), Trust::Key),
        ca_file,
        window,
        prove_timeout,
        max_deferral,
        stop,
        directory,
    })
}
