//! Logging a user in: by key, by password, by both, as the server asks.
//!
//! What must never happen here: a secret in an error; a password typed into a question that does not hide
//! its answer; a server that asks for ever.

use std::{io, sync::Arc};

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{self, HashAlg, PrivateKeyWithHashAlg},
};
use tokio::time::timeout;

use super::{
    SHOWN_CHARS,
    ssh::{Client, SHORT_WAIT},
};
use crate::{config::SftpConfig, model::printable, source::SourceError};

/// Most answers of a server to one log-in.
const MOST_ROUNDS: usize = 10;

/// How a log-in ended, short of an error of the connection.
pub(super) enum LogIn {
    Done,
    /// With what the server would still take.
    Refused(String),
}

/// The key to log in with, decoded. A wrong passphrase shows here, before a connection is made.
pub(super) fn private_key(
    config: &SftpConfig,
) -> Result<Option<Arc<keys::PrivateKey>>, SourceError> {
    let Some(key) = &config.key else { return Ok(None) };
    let text = key.text.expose().trim();
    let unusable = |reason: &str| SourceError::PrivateKey { reason: reason.to_owned() };
    // The library's own words could quote what they could not read.
    let decoded = keys::PrivateKey::from_openssh(text).map_err(|_| unusable(unread(text)))?;
    if !decoded.is_encrypted() {
        return Ok(Some(Arc::new(decoded)));
    }
    let passphrase = key.passphrase.as_ref().ok_or_else(|| unusable(NEEDS_PASSPHRASE))?;
    match decoded.decrypt(passphrase.expose()) {
        Ok(key) => Ok(Some(Arc::new(key))),
        Err(_) => Err(unusable("its passphrase is wrong, or it is damaged")),
    }
}

/// Why a text is no private key in OpenSSH's format, as far as it shows.
fn unread(text: &str) -> &'static str {
    let is_other_private = text.contains("PRIVATE KEY-----") && !text.contains("OPENSSH");
    if text.contains("PUBLIC KEY") || text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        "it is a public key; the private one has no .pub behind its name"
    } else if is_other_private {
        "it is not in OpenSSH's format; `ssh-keygen -p -f FILE` writes it so"
    } else if text.starts_with("PuTTY") {
        "it is not in OpenSSH's format; `puttygen FILE -O private-openssh-new -o NEW` writes it so"
    } else {
        "it is damaged or of a kind that is not known (ssh-keygen -t ed25519 makes one that is)"
    }
}

const NEEDS_PASSPHRASE: &str = "it is encrypted; give its passphrase in `key_passphrase_file`";

/// Tries what is configured and the server takes: the key, then the password, then the password as the
/// answer to the server's question.
pub(super) async fn log_in(
    handle: &mut Handle<Client>,
    config: &SftpConfig,
    key: Option<&Arc<keys::PrivateKey>>,
) -> Result<LogIn, russh::Error> {
    let user = &config.user;
    let Some(mut remaining) = methods_left(handle.authenticate_none(user).await?, handle).await?
    else {
        return Ok(LogIn::Done);
    };
    let password = config.password.as_ref().map(|secret| secret.expose());
    let mut tried = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let takes = |method| remaining.contains(&method) && !tried.contains(&method);
        let (method, result) = if let Some(key) = key.filter(|_| takes(MethodKind::PublicKey)) {
            let hash = rsa_hash(handle, key, config.legacy_algorithms).await?;
            let signed = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
            (MethodKind::PublicKey, handle.authenticate_publickey(user, signed).await?)
        } else if let Some(password) = password.filter(|_| takes(MethodKind::Password)) {
            (MethodKind::Password, handle.authenticate_password(user, password).await?)
        } else if let Some(password) = password.filter(|_| takes(MethodKind::KeyboardInteractive)) {
            (MethodKind::KeyboardInteractive, answer_questions(handle, user, password).await?)
        } else {
            break;
        };
        tried.push(method);
        match methods_left(result, handle).await? {
            None => return Ok(LogIn::Done),
            Some(methods) => remaining = methods,
        }
    }
    Ok(LogIn::Refused(refusal(&remaining, &tried)))
}

/// What the server would still take; `None` where the user is logged in. The library reports a connection that
/// was lost meanwhile as a refusal that leaves no method: that is not about the user.
async fn methods_left(
    result: AuthResult,
    handle: &mut Handle<Client>,
) -> Result<Option<MethodSet>, russh::Error> {
    let AuthResult::Failure { remaining_methods, .. } = result else { return Ok(None) };
    if remaining_methods.is_empty() {
        match timeout(SHORT_WAIT, handle).await {
            // The server said so itself, and the library ends the connection then.
            Ok(Err(russh::Error::NoAuthMethod)) | Err(_) => {}
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) => return Err(russh::Error::Disconnect),
        }
    }
    Ok(Some(remaining_methods))
}

/// What an RSA key signs with: a server that names nothing is old, or takes SHA-2 without saying so.
async fn rsa_hash(
    handle: &Handle<Client>,
    key: &keys::PrivateKey,
    legacy: bool,
) -> Result<Option<HashAlg>, russh::Error> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    Ok(match handle.best_supported_rsa_hash().await? {
        Some(None) | None if legacy => None,
        named => Some(named.flatten().unwrap_or(HashAlg::Sha512)),
    })
}

/// One password for the one hidden question that is asked.
async fn answer_questions(
    handle: &mut Handle<Client>,
    user: &str,
    password: &str,
) -> Result<AuthResult, russh::Error> {
    let mut response = handle.authenticate_keyboard_interactive_start(user, None::<String>).await?;
    let mut is_told = false;
    for _ in 0..MOST_ROUNDS {
        let prompts = match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(AuthResult::Success),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                return Ok(AuthResult::Failure { remaining_methods, partial_success });
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        let answers = match prompts.as_slice() {
            [] => Vec::new(),
            [one] if !one.echo && !is_told => {
                is_told = true;
                vec![password.to_owned()]
            }
            // Something else than the password is asked.
            others => vec![String::new(); others.len()],
        };
        response = handle.authenticate_keyboard_interactive_respond(answers).await?;
    }
    Err(russh::Error::IO(io::Error::other("the server asks too many questions")))
}

/// What was tried and what the server takes, in its own names.
fn refusal(remaining: &MethodSet, tried: &[MethodKind]) -> String {
    let names = |methods: &mut dyn Iterator<Item = &MethodKind>| {
        let names: Vec<&str> = methods.map(Into::into).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let text = format!(
        "tried: {}; it would take: {}",
        names(&mut tried.iter()),
        names(&mut remaining.iter())
    );
    printable(&text, SHOWN_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_read_is_told_with_what_would_make_it_readable() {
        let table = [
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 x", "public key"),
            ("-----BEGIN PUBLIC KEY-----", "public key"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "ssh-keygen -p"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "ssh-keygen -p"),
            ("PuTTY-User-Key-File-3: ssh-ed25519", "puttygen"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "damaged"),
            ("", "damaged"),
        ];
        for (text, expected) in table {
            assert!(keys::PrivateKey::from_openssh(text).is_err());
            assert!(unread(text).contains(expected), "{text}: {}", unread(text));
        }
    }
}
