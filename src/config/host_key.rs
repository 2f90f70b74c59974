//! The fingerprints of host keys, as OpenSSH prints them.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// The SHA-256 of a server's public host key, shown as `SHA256:` and 43 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostKeyFingerprint(pub [u8; 32]);

/// What stands where a fingerprint is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoFingerprint {
    /// Of another hash, which can be forged.
    Md5,
    /// The key itself.
    PublicKey,
    Other,
}

impl HostKeyFingerprint {
    /// `SHA256:` and base64, with or without the `=` at its end.
    pub(super) fn parse(text: &str) -> Result<Self, NoFingerprint> {
        let text = text.trim();
        let Some(digits) = text.strip_prefix("SHA256:") else {
            return Err(NoFingerprint::of(text));
        };
        let digits = digits.strip_suffix('=').unwrap_or(digits);
        let bytes = STANDARD_NO_PAD.decode(digits).ok();
        let hash = bytes.and_then(|bytes| bytes.try_into().ok());
        hash.map(Self).ok_or(NoFingerprint::Other)
    }
}

impl fmt::Display for HostKeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl NoFingerprint {
    fn of(text: &str) -> Self {
        let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        let pairs = text.strip_prefix("MD5:").unwrap_or(text);
        if text.starts_with("MD5:")
            || pairs.split(':').count() == 16 && pairs.split(':').all(is_pair)
        {
            Self::Md5
        } else if PUBLIC_KEYS.iter().any(|begin| text.starts_with(begin)) {
            Self::PublicKey
        } else {
            Self::Other
        }
    }
}

/// What the line of a `.pub` file begins with, and its base64 alone.
const PUBLIC_KEYS: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-", "AAAA"];
