//! Which host keys are trusted: those whose fingerprint the configuration names, and those of a
//! `known_hosts` file.
//!
//! What must never happen here: a key trusted because nothing is known of the server; a revoked key trusted.

use std::{fs, path::Path};

use russh::keys::{
    HashAlg, PublicKey, PublicKeyOrCertificate,
    known_hosts::known_host_keys_path,
    ssh_key::known_hosts::{HostPatterns, KnownHosts, Marker},
};

use super::OfferedHostKey;
use crate::{
    config::{HostKeyFingerprint, SftpConfig},
    model::printable,
    source::SourceError,
};

/// Of which known_hosts names no port.
const SSH_PORT: u16 = 22;

/// The keys that this server may show.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    fingerprints: Vec<HostKeyFingerprint>,
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl Trusted {
    /// None at all is an error: no connection is made then.
    pub(super) fn of(config: &SftpConfig) -> Result<Self, SourceError> {
        let fingerprints = config.host_keys.clone();
        let mut trusted = Self { fingerprints, keys: Vec::new(), revoked: Vec::new() };
        if let Some(path) = &config.known_hosts {
            trusted.add_known_hosts(path, &config.host, config.port).map_err(|reason| {
                SourceError::KnownHosts { path: path.display().to_string(), reason }
            })?;
        }
        if trusted.fingerprints.is_empty() && trusted.keys.is_empty() {
            return Err(SourceError::HostKeyUnknown { address: super::address(config) });
        }
        Ok(trusted)
    }

    fn add_known_hosts(&mut self, path: &Path, host: &str, port: u16) -> Result<(), String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        let keys = known_host_keys_path(host, port, path).map_err(|error| error.to_string())?;
        self.keys = keys.into_iter().map(|(_, key)| key).collect();
        let name = if port == SSH_PORT { host.to_owned() } else { format!("[{host}]:{port}") };
        let by_pattern = KnownHosts::new(&text).filter_map(Result::ok).filter(|entry| {
            let patterns = entry.host_patterns();
            entry.marker().is_none()
                && matches!(patterns, HostPatterns::Patterns(list) if is_meant(list, &name))
        });
        self.keys.extend(by_pattern.map(|entry| entry.public_key().clone()));
        // A key that was stolen is nobody's, whatever host the line names. Lines of other kinds that cannot
        // be read are other people's affair.
        self.revoked = KnownHosts::new(&text)
            .filter_map(Result::ok)
            .filter(|entry| entry.marker() == Some(&Marker::Revoked))
            .map(|entry| entry.public_key().clone())
            .collect();
        let lines = text.lines().filter(|line| line.trim_start().starts_with("@revoked")).count();
        if self.revoked.len() < lines {
            return Err("it has a line of a revoked key that cannot be read".to_owned());
        }
        Ok(())
    }

    pub(super) fn trusts(&self, key: &PublicKey) -> bool {
        let is_of = |keys: &[PublicKey]| keys.iter().any(|one| one.key_data() == key.key_data());
        let fingerprint = key.fingerprint(HashAlg::Sha256);
        let is_pinned =
            self.fingerprints.iter().any(|pinned| pinned.0[..] == *fingerprint.as_bytes());
        (is_pinned || is_of(&self.keys)) && !is_of(&self.revoked)
    }
}

/// Whether a line's patterns mean this host: one does, and none that begins with `!`. As sshd(8) has it.
fn is_meant(patterns: &[String], name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let fits = |pattern: &str| fits(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
    let is_excluded = |pattern: &String| pattern.strip_prefix('!').is_some_and(fits);
    patterns.iter().any(|pattern| fits(pattern)) && !patterns.iter().any(is_excluded)
}

/// `*` stands for any text, `?` for one character; one pass, that goes back to the last `*` only.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

impl OfferedHostKey {
    /// A certificate is looked at as the key in it.
    pub(super) fn of(key: &PublicKeyOrCertificate) -> Self {
        let key = key.public_key();
        Self {
            algorithm: printable(key.algorithm().as_str(), MOST_CHARS),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        }
    }
}

const MOST_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use russh::keys::parse_public_key_base64;

    use super::*;
    use crate::config::NameEncoding;

    const ONE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn key(text: &str) -> PublicKey {
        parse_public_key_base64(text).unwrap()
    }

    fn config(host_keys: Vec<HostKeyFingerprint>, known_hosts: Option<&Path>) -> SftpConfig {
        SftpConfig {
            host: "cu.plant.example".into(),
            port: 22,
            user: "cu".into(),
            password: None,
            key: None,
            host_keys,
            known_hosts: known_hosts.map(Path::to_owned),
            legacy_algorithms: false,
            encoding: NameEncoding::Utf8,
            root: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
        }
    }

    fn pin(text: &str) -> HostKeyFingerprint {
        HostKeyFingerprint(key(text).fingerprint(HashAlg::Sha256).as_bytes().try_into().unwrap())
    }

    #[test]
    fn without_any_key_nothing_is_trusted() {
        let unknown = Trusted::of(&config(Vec::new(), None));
        assert!(matches!(unknown, Err(SourceError::HostKeyUnknown { .. })));
    }

    #[test]
    fn only_the_keys_that_are_named_are_trusted() {
        let trusted = Trusted::of(&config(vec![pin(ONE)], None)).unwrap();
        assert!(trusted.trusts(&key(ONE)) && !trusted.trusts(&key(OTHER)));
    }

    #[test]
    fn a_known_hosts_file_counts_for_its_host_and_port_and_a_revoked_key_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        // The second is |1|salt|hash of the name.
        let table = [
            (format!("cu.plant.example ssh-ed25519 {ONE}\n"), true),
            (format!("# {OTHER}\na,cu.plant.example,b ssh-ed25519 {ONE} comment\n"), true),
            (format!("other.example ssh-ed25519 {ONE}\n"), false),
            (format!("*.plant.example ssh-ed25519 {ONE}\n"), true),
            (format!("c?.PLANT.* ssh-ed25519 {ONE}\n"), true),
            (format!("* ssh-ed25519 {ONE}\n"), true),
            (format!("*.example,!cu.*.example ssh-ed25519 {ONE}\n"), false),
            (format!("!other.*,*.example ssh-ed25519 {ONE}\n"), true),
            (format!("!other.* ssh-ed25519 {ONE}\n"), false),
            (format!("cu.plant.exampl? ssh-ed25519 {OTHER}\n"), false),
            (format!("?.plant.example,*.plant ssh-ed25519 {ONE}\n"), false),
            (format!("[*.plant.example]:2222 ssh-ed25519 {ONE}\n"), false),
            (format!("@cert-authority * ssh-ed25519 {ONE}\n"), false),
            (format!("[cu.plant.example]:2222 ssh-ed25519 {ONE}\n"), false),
            (format!("cu.plant.example ssh-ed25519 {ONE}\n@revoked * ssh-ed25519 {ONE}\n"), false),
        ];
        for (text, is_trusted) in table {
            fs::write(&path, &text).unwrap();
            let trusted = Trusted::of(&config(vec![pin(OTHER)], Some(&path))).unwrap();
            assert_eq!(trusted.trusts(&key(ONE)), is_trusted, "{text}");
        }
        fs::write(&path, "@revoked * ssh-ed25519 AAAA\n").unwrap();
        let unread = Trusted::of(&config(vec![pin(ONE)], Some(&path)));
        assert!(matches!(unread, Err(SourceError::KnownHosts { .. })));
        fs::remove_file(&path).unwrap();
        let missing = Trusted::of(&config(vec![pin(ONE)], Some(&path)));
        assert!(matches!(missing, Err(SourceError::KnownHosts { .. })));
    }
}
