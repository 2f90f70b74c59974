//! `kind = "ftp"`: the server, and what of it the variables of the replaced service say.

use std::path::Path;

use super::{
    FtpConfig, FtpTls,
    key::Key,
    keys::SourceKeys,
    reader::Section,
    secrets::{PasswordPlaces, Secrets},
    variables::{Lookup, overridden, value},
};

/// What the variables of the one FTP server of the replaced service are to a source. A server that is no
/// more must not take the place of one that the file names beside another kind of source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variables {
    /// The source is the first one: they win over the file.
    Win,
    /// It is the first FTP server behind sources of another kind: they give what the file leaves out.
    FillGaps,
    AreOthers,
}

pub(super) fn ftp(
    section: &mut Section<'_>,
    secrets: &mut Secrets<'_>,
    base: &Path,
    env: Lookup<'_>,
    variables: Variables,
) -> Option<FtpConfig> {
    let applies = |section: &Section<'_>, key: &Key<String>| match variables {
        Variables::Win => true,
        Variables::FillGaps => !section.has(key.name),
        Variables::AreOthers => false,
    };
    let from_env = |section: &Section<'_>, key: &Key<String>, name: &str| {
        applies(section, key).then(|| value(env, name)).flatten()
    };
    let host = from_env(section, &SourceKeys::HOST, "FTP_HOST");
    let host = overridden(section, &SourceKeys::HOST, host);
    let user = from_env(section, &SourceKeys::USER, "FTP_USER");
    let user = overridden(section, &SourceKeys::USER, user);
    let takes_password = applies(section, &SourceKeys::PASSWORD_FILE);
    let tls = section.value(&SourceKeys::TLS);
    let default_port = if tls == FtpTls::Implicit { 990 } else { 21 };
    let port = section.optional(&SourceKeys::PORT).unwrap_or(default_port);
    let places = PasswordPlaces {
        variable: takes_password.then_some("FTP_PASS"),
        credential: (variables != Variables::AreOthers).then_some("ftp-password"),
    };
    let password = secrets.password(section, &SourceKeys::PASSWORD_FILE, base, &places);
    let ca_file = section.optional(&SourceKeys::CA_FILE);
    Some(FtpConfig {
        ca_file: ca_file.map(|file| base.join(file)),
        fingerprint: section.optional(&SourceKeys::FINGERPRINT),
        encoding: section.value(&SourceKeys::ENCODING),
        mode: section.value(&SourceKeys::MODE),
        keep_connection: section.value(&SourceKeys::KEEP_CONNECTION),
        connections: section.value(&SourceKeys::CONNECTIONS),
        root: section.optional(&SourceKeys::ROOT),
        connect_timeout: section.value(&SourceKeys::CONNECT_TIMEOUT),
        read_timeout: section.value(&SourceKeys::READ_TIMEOUT),
        host: host?,
        port,
        user: user?,
        password: password?,
        tls,
    })
}
