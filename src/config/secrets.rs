//! Where passwords come from: environment, then systemd credentials, then `password_file`.
//! A password's text goes from its file into [`Secret`] and nowhere else.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{
    Secret,
    key::Key,
    reader::{Located, Section},
    variables::is_empty,
};

/// No password is as long.
const MOST_BYTES: u64 = 4096;

/// Where else than `password_file` this password may stand.
pub(super) struct PasswordPlaces {
    pub(super) variable: Option<&'static str>,
    pub(super) credential: Option<&'static str>,
}

pub(super) struct Secrets<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    pub(super) warnings: Vec<String>,
}

impl<'e> Secrets<'e> {
    pub(super) fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { env, warnings: Vec::new() }
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
            match self.read(&file) {
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
            let secret = file.and_then(|file| self.read(&file).ok());
            return Some(secret.unwrap_or_else(|| Secret::new("")));
        }
        let Some(written) = written else {
            section.missing(key.name, &accepted(key, places));
            return None;
        };
        let accepted = format!("{} and that the agent may read", key.accepted());
        self.of_file(section, key, &written, base, &accepted)
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
        self.of_file(section, key, &written?, base, &key.accepted())
    }

    /// The secret of the file that the configuration names; `accepted` is what a refusal asks for.
    fn of_file(
        &mut self,
        section: &Section<'_>,
        key: &Key<String>,
        written: &Located<String>,
        base: &Path,
        accepted: &str,
    ) -> Option<Secret> {
        let file = base.join(&written.value);
        self.warn_if_open(&file);
        let secret = self.read(&file);
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

    /// The file's text without the line end that editors add.
    fn read(&self, file: &Path) -> Result<Secret, String> {
        let text = text_of(file)?;
        Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
    }

    fn warn_if_open(&mut self, file: &Path) {
        let Ok(metadata) = fs::metadata(file) else { return };
        if metadata.permissions().mode() & 0o007 != 0 {
            self.warnings.push(format!(
                "{}: a password that every user of this computer can read; run chmod 0640 on it",
                file.display()
            ));
        }
    }
}

/// A pipe could keep the reader waiting, and a large file is another one than was meant.
fn text_of(path: &Path) -> Result<String, String> {
    let in_words = |error: io::Error| format!("cannot be read: {error}");
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(in_words)?;
    if !file.metadata().map_err(in_words)?.is_file() {
        return Err("is no ordinary file".into());
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(in_words)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("is longer than the {MOST_BYTES} bytes that a password may have"));
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
