//! `kind = "sftp"`: who logs in and by what, and which server is trusted.
//!
//! What must never happen here: the password of another server taken for this one's; a host key that
//! cannot be checked taken for one that need not be.

use std::path::Path;

use super::{
    HostKeyFingerprint, PrivateKey, Secret, SftpConfig,
    host_key::NoFingerprint,
    key::Key,
    keys::SourceKeys,
    reader::Section,
    secrets::{KEY, PASSPHRASE, PASSWORD, Refused, Secrets},
};

/// Which of systemd's credentials may stand in for files that the source does not name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Credentials {
    /// `ftp-password`.
    pub(super) password: bool,
    /// `sftp-key` and `sftp-key-passphrase`.
    pub(super) key: bool,
}

/// Port of SSH.
const PORT: u16 = 22;

pub(super) fn sftp(
    section: &mut Section<'_>,
    secrets: &mut Secrets<'_>,
    base: &Path,
    credentials: Credentials,
) -> Option<SftpConfig> {
    let host = section.required(&SourceKeys::HOST);
    let user = section.required(&SourceKeys::USER);
    let log_in = log_in(section, secrets, base, credentials);
    let known_hosts = section.optional(&SourceKeys::KNOWN_HOSTS);
    let port = section.optional(&SourceKeys::PORT).unwrap_or(PORT);
    let host_keys = host_keys(section);
    let legacy_algorithms = section.value(&SourceKeys::LEGACY_ALGORITHMS);
    let encoding = section.value(&SourceKeys::ENCODING);
    let root = section.optional(&SourceKeys::ROOT);
    let connect_timeout = section.value(&SourceKeys::CONNECT_TIMEOUT);
    let read_timeout = section.value(&SourceKeys::READ_TIMEOUT);
    let (password, key) = log_in.ok()?;
    Some(SftpConfig {
        host: host?,
        port,
        user: user?,
        password,
        key,
        host_keys,
        known_hosts: known_hosts.map(|file| base.join(file)),
        legacy_algorithms,
        encoding,
        root,
        connect_timeout,
        read_timeout,
    })
}

/// By what the user logs in: at least one of the two.
fn log_in(
    section: &mut Section<'_>,
    secrets: &mut Secrets<'_>,
    base: &Path,
    credentials: Credentials,
) -> Result<(Option<Secret>, Option<PrivateKey>), Refused> {
    let mut secret = |what, key: &Key<String>, credential: Option<&'static str>| {
        let is_written = section.has(key.name);
        let written = section.located(key);
        if is_written && written.is_none() {
            return Err(Refused);
        }
        let span = written.as_ref().map(|written| written.span.clone());
        let secret = secrets.file_or_credential(section, key, written, base, (what, credential));
        secret.map(|secret| (secret, span))
    };
    let of_key = |name| credentials.key.then_some(name);
    let credential = credentials.password.then_some("ftp-password");
    let password = secret(&PASSWORD, &SourceKeys::PASSWORD_FILE, credential);
    let key = secret(&KEY, &SourceKeys::KEY_FILE, of_key("sftp-key"));
    let passphrase =
        secret(&PASSPHRASE, &SourceKeys::KEY_PASSPHRASE_FILE, of_key("sftp-key-passphrase"));
    let (password, password_span) = password?;
    let (key, key_span) = key?;
    let (passphrase, passphrase_span) = passphrase?;
    // An empty file stands for a secret that is not there.
    if !secrets.are_needed {
        return Ok((None, None));
    }
    match (key, passphrase_span.filter(|_| passphrase.is_some())) {
        (Some(text), _) => Ok((password, Some(PrivateKey { text, passphrase }))),
        (None, Some(span)) => {
            let problem = "there is no private key that it would be for; give key_file too";
            section.object(SourceKeys::KEY_PASSPHRASE_FILE.name, &span, problem.into());
            Err(Refused)
        }
        (None, None) if password.is_some() => Ok((password, None)),
        (None, None) => {
            let are_empty = password_span.is_some() || key_span.is_some();
            nothing_to_log_in_by(section, are_empty, credentials);
            Err(Refused)
        }
    }
}

fn nothing_to_log_in_by(section: &Section<'_>, are_empty: bool, credentials: Credentials) {
    let by_credential = match (credentials.password, credentials.key) {
        (true, true) => ", or the systemd credential ftp-password or sftp-key",
        (true, false) => ", or the systemd credential ftp-password",
        (false, true) => ", or the systemd credential sftp-key",
        (false, false) => "",
    };
    let empty = if are_empty { "; what is named is empty" } else { "" };
    let what = format!("password_file or key_file{by_credential}{empty}");
    section.missing(SourceKeys::PASSWORD_FILE.name, &what);
}

fn host_keys(section: &mut Section<'_>) -> Vec<HostKeyFingerprint> {
    let key = &SourceKeys::HOST_KEY;
    let mut trusted = Vec::new();
    for written in section.one_or_more(key) {
        let problem = match HostKeyFingerprint::parse(&written.value) {
            Ok(fingerprint) => {
                trusted.push(fingerprint);
                continue;
            }
            Err(NoFingerprint::Md5) => {
                "is an MD5 fingerprint, which can be forged; give the SHA256 one: ssh-keygen -lf of the server's /etc/ssh/ssh_host_ed25519_key.pub prints it"
            }
            Err(NoFingerprint::PublicKey) => {
                "is a public key; give its fingerprint, as ssh-keygen -lf prints it, or put the key into a file for known_hosts"
            }
            Err(NoFingerprint::Other) => {
                let value = format!("{:?}", written.value);
                section.refuse(key.name, &written.span, &value, &key.accepted());
                continue;
            }
        };
        section.object(key.name, &written.span, problem.into());
    }
    trusted
}
