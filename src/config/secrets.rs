//! Where passwords come from: environment, then systemd credentials, then `password_file`.
//! A password's text goes from its file into [`Secret`] and nowhere else.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{Secret, reader::Section};

/// Where else than `password_file` this password may stand.
pub struct PasswordPlaces {
    pub variable: Option<&'static str>,
    pub credential: Option<&'static str>,
}

pub struct Secrets<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    pub warnings: Vec<String>,
}

impl<'e> Secrets<'e> {
    pub fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { env, warnings: Vec::new() }
    }

    pub fn password(
        &mut self,
        section: &mut Section<'_>,
        base: &Path,
        places: &PasswordPlaces,
    ) -> Option<Secret> {
        let written = section.string("password_file", "a file that holds the password");
        if let Some(text) = places.variable.and_then(|name| (self.env)(name)) {
            return Some(Secret::new(text));
        }
        if let Some(file) = self.credential(places.credential) {
            match self.read(&file) {
                // The unit's credential must exist to be loaded; an empty one is none.
                Some(secret) if secret.expose().is_empty() => {}
                Some(secret) => return Some(secret),
                None => {
                    section.complain(format!("cannot read the credential {}", file.display()));
                    return None;
                }
            }
        }
        let Some(written) = written else {
            section.missing("password_file", &accepted(places));
            return None;
        };
        let file = base.join(&written.text);
        self.warn_if_open(&file);
        self.read(&file).or_else(|| {
            section.refuse(
                "password_file",
                &written.span,
                &format!("{:?} (cannot be read)", written.text),
                "a file that holds the password and that the agent may read",
            );
            None
        })
    }

    /// A secret that may be missing: the environment's, or that of the file named by `key`.
    pub fn optional(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        variable: &str,
        base: &Path,
    ) -> Option<Secret> {
        let accepted = "a file that holds one line and that the agent may read";
        let written = section.string(key, accepted);
        if let Some(text) = (self.env)(variable) {
            return Some(Secret::new(text));
        }
        let written = written?;
        let file = base.join(&written.text);
        self.warn_if_open(&file);
        let secret = self.read(&file);
        if secret.is_none() {
            let value = format!("{:?} (cannot be read)", written.text);
            section.refuse(key, &written.span, &value, accepted);
        }
        secret
    }

    fn credential(&self, name: Option<&str>) -> Option<PathBuf> {
        let directory = (self.env)("CREDENTIALS_DIRECTORY")?;
        let file = Path::new(&directory).join(name?);
        file.exists().then_some(file)
    }

    /// The file's text without the line end that editors add.
    fn read(&self, file: &Path) -> Option<Secret> {
        let text = fs::read_to_string(file).ok()?;
        Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
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

fn accepted(places: &PasswordPlaces) -> String {
    let mut accepted = String::from("a file that holds the password");
    if let Some(variable) = places.variable {
        accepted += &format!(", or the environment variable {variable}");
    }
    if let Some(credential) = places.credential {
        accepted += &format!(", or the systemd credential {credential}");
    }
    accepted
}
