//! Which algorithms of SSH are spoken: those that are safe, and for an old controller, where it is
//! configured, some that no longer are.

use std::borrow::Cow;

use russh::{
    AlgorithmKind, Preferred, cipher, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg},
    mac,
};

/// What old servers speak and nothing else: SHA-1, CBC, groups that are too small.
const LEGACY_KEX: [kex::Name; 3] = [kex::DH_G14_SHA1, kex::DH_GEX_SHA1, kex::DH_G1_SHA1];
const LEGACY_CIPHERS: [cipher::Name; 3] =
    [cipher::AES_256_CBC, cipher::AES_192_CBC, cipher::AES_128_CBC];
const LEGACY_MACS: [mac::Name; 2] = [mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

/// The kinds of host keys, the best first: each is asked for by itself where a server has several keys.
pub(super) const HOST_KEY_KINDS: [HostKeyKind; 3] =
    [HostKeyKind::Ed25519, HostKeyKind::Ecdsa, HostKeyKind::Rsa];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HostKeyKind {
    Ed25519,
    Ecdsa,
    Rsa,
}

impl HostKeyKind {
    fn algorithms(self, legacy: bool) -> Vec<Algorithm> {
        let ecdsa = |curve| Algorithm::Ecdsa { curve };
        let rsa = |hash| Algorithm::Rsa { hash };
        match self {
            Self::Ed25519 => vec![Algorithm::Ed25519],
            Self::Ecdsa => {
                [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521].map(ecdsa).into()
            }
            Self::Rsa => {
                let mut hashes = vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)];
                // ssh-rsa: a signature by SHA-1.
                hashes.extend(legacy.then_some(None));
                hashes.into_iter().map(rsa).collect()
            }
        }
    }
}

/// What is offered to a server, host keys of `kinds` only.
pub(super) fn preferred(kinds: &[HostKeyKind], legacy: bool) -> Preferred {
    let safe = Preferred::DEFAULT;
    let mut kex: Vec<kex::Name> = vec![
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::ECDH_SHA2_NISTP256,
        kex::ECDH_SHA2_NISTP384,
        kex::ECDH_SHA2_NISTP521,
        kex::DH_G16_SHA512,
        kex::DH_G18_SHA512,
        kex::DH_GEX_SHA256,
        kex::DH_G14_SHA256,
    ];
    let mut ciphers = vec![
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    let mut macs = safe.mac.to_vec();
    if legacy {
        kex.extend(LEGACY_KEX);
        ciphers.extend(LEGACY_CIPHERS);
        macs.extend(LEGACY_MACS);
    }
    // Not algorithms: what this side understands, RFC 8308 and OpenSSH's answer to Terrapin.
    kex.extend([kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT]);
    let key: Vec<Algorithm> = kinds.iter().flat_map(|kind| kind.algorithms(legacy)).collect();
    Preferred {
        kex: Cow::Owned(kex),
        key: Cow::Owned(key),
        cipher: Cow::Owned(ciphers),
        mac: Cow::Owned(macs),
        ..safe
    }
}

/// Why a server and the agent cannot speak, and which key of the configuration would let them.
pub(super) fn nothing_in_common(kind: &AlgorithmKind, theirs: &[String], legacy: bool) -> String {
    let what = match kind {
        AlgorithmKind::Kex => "key exchange",
        AlgorithmKind::Key => "host key",
        AlgorithmKind::Cipher => "cipher",
        AlgorithmKind::Compression => "compression",
        AlgorithmKind::Mac => "message authentication",
    };
    let offered: Vec<&str> = theirs.iter().map(String::as_str).take(MOST_NAMED).collect();
    let advice = if !legacy && offered.iter().any(|name| is_legacy(name)) {
        "these are no longer safe; update the server, or set legacy_algorithms = true for this source"
    } else {
        "update the server's SSH"
    };
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    format!("no {what} algorithm in common: the server offers {offered}; {advice}")
}

/// Most algorithms of a server that are named.
const MOST_NAMED: usize = 12;

fn is_legacy(name: &str) -> bool {
    name == "ssh-rsa"
        || LEGACY_KEX.iter().any(|known| known.as_ref() == name)
        || LEGACY_CIPHERS.iter().any(|known| known.as_ref() == name)
        || LEGACY_MACS.iter().any(|known| known.as_ref() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(preferred: &Preferred) -> Vec<String> {
        let kex = preferred.kex.iter().map(|name| name.as_ref().to_owned());
        let keys = preferred.key.iter().map(ToString::to_string);
        let ciphers = preferred.cipher.iter().map(|name| name.as_ref().to_owned());
        let macs = preferred.mac.iter().map(|name| name.as_ref().to_owned());
        kex.chain(keys).chain(ciphers).chain(macs).collect()
    }

    #[test]
    fn what_is_no_longer_safe_is_offered_only_where_it_is_configured() {
        let safe = names(&preferred(&HOST_KEY_KINDS, false));
        assert!(!safe.iter().any(|name| is_legacy(name) || name.contains("none")), "{safe:?}");
        let legacy = names(&preferred(&HOST_KEY_KINDS, true));
        for name in ["ssh-rsa", "aes128-cbc", "hmac-sha1", "diffie-hellman-group14-sha1"] {
            assert!(legacy.iter().any(|offered| offered == name), "{name}");
        }
        assert!(legacy.starts_with(&safe[..5]), "the safe ones come first");
    }

    #[test]
    fn a_refusal_names_what_the_server_has_and_the_key_that_allows_it() {
        let text = nothing_in_common(
            &AlgorithmKind::Cipher,
            &["aes128-cbc".into(), "3des-cbc".into()],
            false,
        );
        assert!(text.contains("aes128-cbc, 3des-cbc") && text.contains("legacy_algorithms = true"));
        let hopeless = nothing_in_common(&AlgorithmKind::Key, &["ssh-dss".into()], false);
        assert!(!hopeless.contains("legacy_algorithms"), "{hopeless}");
    }
}
