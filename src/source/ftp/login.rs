//! From the first byte of a connection to a user who is logged in: the greeting, TLS, USER and PASS.
//!
//! What must never happen here: a password sent in the clear where TLS is asked for, or told in an
//! error; "check the password" for anything but a password that was refused.

use std::{io, sync::Arc};

use rustls::ClientConfig;

use super::{
    control::Control,
    reply::{Answer, Fault, other_server, said},
    socket::address,
    tls,
    wire::HandshakeFailure,
};
use crate::{
    config::{FtpConfig, FtpTls},
    source::{Protocol, SourceError, wire_names::WireNames},
};

/// The server's greeting, once the dialogue is as secure as it is to be.
pub(super) fn greet(
    control: &mut Control,
    config: &FtpConfig,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<String, SourceError> {
    let insecure = |failure: HandshakeFailure| SourceError::Tls {
        address: address(config),
        reason: tls::reason(&failure).unwrap_or_else(|| failure.error.to_string()),
    };
    if let (FtpTls::Implicit, Some(rules)) = (config.tls, tls) {
        control.secure(rules, &config.host).map_err(insecure)?;
    }
    let connect = |source| SourceError::Connect { address: address(config), source };
    let greeting = control.hear_last().map_err(|error| match other_server(&error) {
        Some(who) => other_service(config, who.to_owned()),
        None if error.kind() == io::ErrorKind::TimedOut && config.tls != FtpTls::Implicit => {
            let silent = format!(
                "{error}; a server that expects implicit TLS is silent like this, check `tls`"
            );
            connect(io::Error::new(io::ErrorKind::TimedOut, silent))
        }
        // TLS 1.3 refuses a certificate only when the first answer is read.
        None => match tls::failure_of(&error) {
            Some(reason) => SourceError::Tls { address: address(config), reason },
            None => connect(error),
        },
    })?;
    let answer = Answer::of(&greeting);
    if !(200..300).contains(&greeting.code) {
        return Err(connect(io::Error::other(said(&answer))));
    }
    let text = WireNames(config.encoding).decode(&greeting.body);
    if text.to_ascii_uppercase().contains("SMTP") {
        let who = "a mail server answers there; check `port`".to_owned();
        return Err(other_service(config, who));
    }
    if let (FtpTls::Explicit, Some(rules)) = (config.tls, tls) {
        let refused = |reason| SourceError::Tls { address: address(config), reason };
        match control.command("AUTH TLS", &[234, 334]) {
            Ok(_) => {}
            Err(Fault::Said(answer)) => return Err(refused(said(&answer))),
            Err(Fault::Gone(error)) => return Err(refused(error.to_string())),
            Err(Fault::Final(error)) => return Err(error),
        }
        control.secure(rules, &config.host).map_err(insecure)?;
    }
    Ok(text)
}

fn other_service(config: &FtpConfig, who: String) -> SourceError {
    SourceError::OtherService { address: address(config), wanted: Protocol::Ftp, who }
}

pub(super) fn log_in(control: &mut Control, config: &FtpConfig) -> Result<(), SourceError> {
    let password = config.password.expose();
    let user = config.user.clone();
    let failed = |fault: Fault| match fault {
        Fault::Said(answer) if answer.refuses_the_user() => SourceError::Login {
            address: address(config),
            user: user.clone(),
            answer: answer.text_without(password),
        },
        Fault::Said(answer) => SourceError::LoginUnfinished {
            address: address(config),
            user: user.clone(),
            answer: answer.text_without(password),
        },
        Fault::Gone(source) => match tls::failure_of(&source) {
            Some(reason) => SourceError::Tls { address: address(config), reason },
            None => {
                // The server's words may hold what it was told.
                let (kind, text) = (source.kind(), source.to_string());
                let is_safe = password.is_empty() || !text.contains(password);
                let source = if is_safe {
                    source
                } else {
                    io::Error::new(kind, text.replace(password, "***"))
                };
                SourceError::Lost { address: address(config), source }
            }
        },
        Fault::Final(error) => error,
    };
    // RFC 959 has 230 and 331; 232 is RFC 2228's, others are seen now and then.
    let hoped = [230, 232, 200, 220, 331, 332];
    let asked = control.command(&format!("USER {user}"), &hoped).map_err(&failed)?;
    let answered = match asked.code {
        331 => {
            let hoped = [230, 232, 200, 202, 220, 332];
            control.command(&format!("PASS {password}"), &hoped).map_err(&failed)?
        }
        _ => asked,
    };
    if answered.code == 332 {
        return Err(failed(Fault::Said(Answer::of(&answered))));
    }
    Ok(())
}
