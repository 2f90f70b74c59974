//! Where passwords come from: environment, then systemd credentials, then `password_file`. Of an SFTP source a
//! file that is named comes before the credential, which may be another server's.
//! The text of a password or a key goes from its file into [`Secret`] and nowhere else.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{
    Secret, SecretFile,
    key::Key,
    reader::{Located, Section},
    variables::is_empty,
};

/// What a secret is, as people are told of it.
pub(super) struct What {
    name: &'static str,
    most_bytes: u64,
}

pub(super) const PASSWORD: What = What { name: "password", most_bytes: 4096 };
pub(super) const PASSPHRASE: What = What { name: "passphrase", most_bytes: 4096 };
/// An RSA key of 16,384 bits takes 13 KB.
pub(super) const KEY: What = What { name: "private key", most_bytes: 16 << 10 };

/// A secret that is there and cannot be used; the mistake is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused;

/// Where else than `password_file` this password may stand.
pub(super) struct PasswordPlaces {
    pub(super) variable: Option<&'static str>,
    pub(super) credential: Option<&'static str>,
}

pub(super) struct Secrets<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    /// Somebody logs in by them; otherwise an SFTP source may be without.
    pub(super) are_needed: bool,
    pub(super) warnings: Vec<String>,
    pub(super) files: Vec<SecretFile>,
}

impl<'e> Secrets<'e> {
    pub(super) fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { env, are_needed: true, warnings: Vec::new(), files: Vec::new() }
    }

    pub(super) fn not_needed(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { are_needed: false, ..Self::new(env) }
    }

    pub(super) fn password(
        &mut self,
        section: &mut Section<'_>,
        key: &Key<String>,
        base: &Path,
        places: &PasswordPlaces,
    ) -> Option<Secret> {
        let written = section.located(key);
        let from_env = places.variable.and_then(|name| (self.env)(name));
        let is_none_needed = match from_env {
            Some(text) if !is_empty(&text) => return Some(Secret::new(text)),
            from_env => from_env.is_some(),
        };
        if let Some(file) = self.credential(places.credential) {
            match read(&file, &PASSWORD) {
                // The unit's credential must exist to be loaded; an empty one is none.
                Ok(secret) if secret.expose().is_empty() => {}
                Ok(secret) => return Some(secret),
                Err(_) if is_none_needed => return Some(Secret::new("")),
                Err(why) => {
                    let file = file.display();
                    section.complain(format!("cannot read the credential {file}: it {why}"));
                    return None;
                }
            }
        }
        if is_none_needed {
            // An empty variable counts as unset, and is an empty password if there is no other.
            let file = written.map(|written| base.join(&written.value));
            let secret = file.and_then(|file| read(&file, &PASSWORD).ok());
            return Some(secret.unwrap_or_else(|| Secret::new("")));
        }
        let Some(written) = written else {
            section.missing(key.name, &accepted(key, places));
            return None;
        };
        let accepted = format!("{} and that the agent may read", key.accepted());
        self.of_file(section, key, &written, base, (&accepted, places.credential))
    }

    /// A secret that may be missing: the environment's, or that of the file named by `key`.
    pub(super) fn optional(
        &mut self,
        section: &mut Section<'_>,
        key: &Key<String>,
        variable: &str,
        base: &Path,
    ) -> Option<Secret> {
        let written = section.located(key);
        if let Some(text) = (self.env)(variable).filter(|text| !is_empty(text)) {
            return Some(Secret::new(text));
        }
        self.of_file(section, key, &written?, base, (&key.accepted(), None))
    }

    /// A secret that may be missing: that of the file that is `written`, or the credential if none is, or if the
    /// agent cannot read it. An empty one is none.
    pub(super) fn file_or_credential(
        &mut self,
        section: &Section<'_>,
        key: &Key<String>,
        written: Option<Located<String>>,
        base: &Path,
        (what, credential): (&What, Option<&'static str>),
    ) -> Result<Option<Secret>, Refused> {
        if !self.are_needed {
            return Ok(None);
        }
        let not_empty = |secret: Secret| Some(secret).filter(|one| !one.expose().is_empty());
        let given = self.credential(credential).map(|file| (read(&file, what), file));
        let Some(written) = written else {
            return match given {
                None => Ok(None),
                Some((Ok(secret), _)) => Ok(not_empty(secret)),
                Some((Err(why), file)) => {
                    let file = file.display();
                    section.complain(format!("cannot read the credential {file}: it {why}"));
                    Err(Refused)
                }
            };
        };
        let file = base.join(&written.value);
        self.warn_if_open(&file, what);
        self.files.push(SecretFile { path: file.clone(), credential });
        match (read(&file, what), given) {
            (Ok(secret), _) => Ok(not_empty(secret)),
            (Err(_), Some((Ok(secret), _))) if not_empty(secret.clone()).is_some() => {
                Ok(Some(secret))
            }
            (Err(why), _) => {
                let value = format!("{:?} ({why})", written.value);
                let accepted = format!("{} and that the agent may read", key.accepted());
                section.refuse(key.name, &written.span, &value, &accepted);
                Err(Refused)
            }
        }
    }

    /// The secret of the file that the configuration names; `accepted` is what a refusal asks for, and beside it
    /// stands the credential that a service may have instead.
    fn of_file(
        &mut self,
        section: &Section<'_>,
        key: &Key<String>,
        written: &Located<String>,
        base: &Path,
        (accepted, credential): (&str, Option<&'static str>),
    ) -> Option<Secret> {
        let file = base.join(&written.value);
        self.warn_if_open(&file, &PASSWORD);
        self.files.push(SecretFile { path: file.clone(), credential });
        let secret = read(&file, &PASSWORD);
        if let Err(why) = &secret {
            let value = format!("{:?} ({why})", written.value);
            section.refuse(key.name, &written.span, &value, accepted);
        }
        secret.ok()
    }

    fn credential(&self, name: Option<&str>) -> Option<PathBuf> {
        let directory = (self.env)("CREDENTIALS_DIRECTORY")?;
        let file = Path::new(&directory).join(name?);
        file.exists().then_some(file)
    }

    fn warn_if_open(&mut self, file: &Path, what: &What) {
        let Ok(metadata) = fs::metadata(file) else { return };
        if metadata.permissions().mode() & 0o007 != 0 {
            self.warnings.push(format!(
                "{}: a {} that every user of this computer can read; run chmod 0640 on it",
                file.display(),
                what.name
            ));
        }
    }
}

/// The file's text without the line end that editors add.
fn read(file: &Path, what: &What) -> Result<Secret, String> {
    let text = text_of(file, what)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// A pipe could keep the reader waiting, and a large file is another one than was meant.
fn text_of(path: &Path, what: &What) -> Result<String, String> {
    let in_words = |error: io::Error| format!("cannot be read: {error}");
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(in_words)?;
    if !file.metadata().map_err(in_words)?.is_file() {
        return Err("is no ordinary file".into());
    }
    let mut bytes = Vec::new();
    let What { name, most_bytes } = what;
    file.take(most_bytes + 1).read_to_end(&mut bytes).map_err(in_words)?;
    if bytes.len() as u64 > *most_bytes {
        return Err(format!("is longer than the {most_bytes} bytes that a {name} may have"));
    }
    String::from_utf8(bytes).map_err(|_| "is no text in UTF-8".into())
}

fn accepted(key: &Key<String>, places: &PasswordPlaces) -> String {
    let mut accepted = key.accepted();
    if let Some(variable) = places.variable {
        accepted += &format!(", or the environment variable {variable}");
    }
    if let Some(credential) = places.credential {
        accepted += &format!(", or the systemd credential {credential}");
    }
    accepted
}
