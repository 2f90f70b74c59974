//! `check` of an SFTP server whose host key is not trusted: which keys it offers, how a person finds out
//! whether they are its own, and the line that trusts one.

use super::Lines;
use crate::{
    config::SftpConfig,
    logging,
    source::{
        SourceError,
        sftp::{OfferedHostKey, SftpSource},
    },
};

/// `error`: why the source was not logged in to.
pub(super) fn check(lines: &mut Lines, what: &str, config: &SftpConfig, error: &SourceError) {
    let offered = SftpSource::new(config.clone()).offered_host_keys();
    tell(lines, what, config, error, offered);
}

fn tell(
    lines: &mut Lines,
    what: &str,
    config: &SftpConfig,
    error: &SourceError,
    offered: Result<Vec<OfferedHostKey>, SourceError>,
) {
    let is_changed = matches!(error, SourceError::HostKeyChanged { .. });
    if is_changed {
        lines.bad(what, &logging::chain(error));
        lines.note(what, &trusted(config));
    } else {
        let text = "no host_key is configured, so it is not logged in to; no user name was sent";
        lines.bad(what, text);
    }
    let offered = match offered {
        Ok(offered) => offered,
        Err(error) => return lines.bad(what, &logging::chain(&error)),
    };
    if offered.is_empty() {
        lines.bad(
            what,
            "it offers no host key of a kind that the agent accepts (ed25519, ecdsa, rsa)",
        );
    }
    let verb = if is_changed { "replace the old one of" } else { "add to" };
    for key in &offered {
        let OfferedHostKey { algorithm, fingerprint } = key;
        let file = public_key_file(algorithm);
        lines.note(
            what,
            &format!(
                "it offers {key}; if `ssh-keygen -lf {file}` prints the same on the server itself, {verb} this [[source]] (one of the lines is enough): host_key = \"{fingerprint}\""
            ),
        );
    }
}

/// What is configured, where the server shows something else.
fn trusted(config: &SftpConfig) -> String {
    let pinned: Vec<String> = config.host_keys.iter().map(ToString::to_string).collect();
    let pinned = (!pinned.is_empty()).then(|| pinned.join(", "));
    let file = config.known_hosts.as_ref().map(|file| format!("the keys in {}", file.display()));
    let all: Vec<String> = pinned.into_iter().chain(file).collect();
    format!("trusted until now: {}", all.join(", "))
}

/// Where OpenSSH keeps the public key on the server.
fn public_key_file(algorithm: &str) -> &'static str {
    match algorithm {
        "ssh-ed25519" => "/etc/ssh/ssh_host_ed25519_key.pub",
        "ssh-rsa" => "/etc/ssh/ssh_host_rsa_key.pub",
        _ => "/etc/ssh/ssh_host_ecdsa_key.pub",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{HostKeyFingerprint, NameEncoding};

    fn config(host_keys: Vec<HostKeyFingerprint>) -> SftpConfig {
        SftpConfig {
            host: "h".into(),
            port: 22,
            user: "u".into(),
            password: None,
            key: None,
            known_hosts: (!host_keys.is_empty()).then(|| "/etc/cu-agent/known_hosts".into()),
            host_keys,
            legacy_algorithms: false,
            encoding: NameEncoding::Latin1,
            root: None,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
        }
    }

    fn told(
        config: &SftpConfig,
        error: &SourceError,
        offered: Result<Vec<OfferedHostKey>, SourceError>,
    ) -> String {
        let mut lines = Lines::default();
        tell(&mut lines, "source cu", config, error, offered);
        assert!(!lines.all_good);
        lines.text.to_string()
    }

    fn key(algorithm: &str, fingerprint: &str) -> OfferedHostKey {
        OfferedHostKey { algorithm: algorithm.into(), fingerprint: fingerprint.into() }
    }

    #[test]
    fn every_key_that_is_offered_is_shown_with_how_to_compare_it_and_the_line_that_trusts_it() {
        let unknown = SourceError::HostKeyUnknown { address: "h:22".into() };
        let offered = vec![key("ssh-ed25519", "SHA256:AA"), key("ssh-rsa", "SHA256:BB")];
        let text = told(&config(Vec::new()), &unknown, Ok(offered));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "FAIL  source cu: no host_key is configured, so it is not logged in to; no user name was sent",
                "note  source cu: it offers ssh-ed25519 SHA256:AA; if `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints the same on the server itself, add to this [[source]] (one of the lines is enough): host_key = \"SHA256:AA\"",
                "note  source cu: it offers ssh-rsa SHA256:BB; if `ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub` prints the same on the server itself, add to this [[source]] (one of the lines is enough): host_key = \"SHA256:BB\"",
            ]
        );
    }

    #[test]
    fn a_key_that_changed_is_shown_beside_what_was_trusted() {
        let changed = SourceError::HostKeyChanged {
            address: "h:22".into(),
            shown: "ssh-rsa SHA256:BB".into(),
        };
        let old = HostKeyFingerprint([0; 32]);
        let text = told(&config(vec![old]), &changed, Ok(vec![key("ssh-rsa", "SHA256:BB")]));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("FAIL  source cu: h:22 shows the host key ssh-rsa SHA256:BB"));
        let trusted = format!(
            "note  source cu: trusted until now: {old}, the keys in /etc/cu-agent/known_hosts"
        );
        assert_eq!(lines[1], trusted);
        assert!(lines[2].ends_with(
            "replace the old one of this [[source]] (one of the lines is enough): host_key = \"SHA256:BB\""
        ));
    }

    #[test]
    fn a_server_that_cannot_be_asked_or_has_no_key_is_a_failure_of_its_own() {
        let unknown = || SourceError::HostKeyUnknown { address: "h:22".into() };
        let lost = SourceError::Connect {
            address: "h:22".into(),
            source: std::io::ErrorKind::ConnectionRefused.into(),
        };
        let text = told(&config(Vec::new()), &unknown(), Err(lost));
        assert_eq!(text.matches("FAIL").count(), 2, "{text}");
        assert!(text.contains("cannot reach h:22"), "{text}");
        let text = told(&config(Vec::new()), &unknown(), Ok(Vec::new()));
        assert!(text.contains("no host key of a kind that the agent accepts"), "{text}");
    }
}
