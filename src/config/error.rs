//! Why a configuration cannot be used, in words for who wrote it.

use std::{
    io,
    path::{Path, PathBuf},
    string::FromUtf8Error,
};

use super::reader::{Mistake, place_in};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}; {}", advice(.source))]
    Read { path: PathBuf, source: io::Error },
    #[error("the configuration is not usable:\n{}", listed(.0))]
    Mistakes(Vec<Mistake>),
    #[error("the calendar is not usable:\n{}", listed(.0))]
    Calendar(Vec<Mistake>),
}

impl ConfigError {
    /// What is wrong with it, on one line.
    pub fn on_one_line(&self) -> String {
        match self {
            Self::Read { .. } => self.to_string(),
            Self::Mistakes(mistakes) | Self::Calendar(mistakes) => {
                mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// What to do about a file that cannot be read.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "write it from config.toml.example, or name another with --config"
        }
        io::ErrorKind::PermissionDenied => {
            "run this as root, or let the agent's group read it (chgrp cu-agent, chmod 0640)"
        }
        io::ErrorKind::IsADirectory => "name the file in it with --config",
        _ => "name another with --config",
    }
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

/// Of a file that an editor saved in another encoding: where the first character is that cannot be read.
pub(super) fn not_utf8(path: &Path, error: &FromUtf8Error) -> ConfigError {
    let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
    let problem = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is in UTF-16; save it as UTF-8".to_owned(),
        _ => format!(
            "not UTF-8: the byte {:02X} is {:?} in Latin-1; save the file as UTF-8",
            bytes[at],
            char::from(bytes[at])
        ),
    };
    let place = place_in(path, bytes, at);
    ConfigError::Mistakes(vec![Mistake { place, key: String::new(), problem }])
}
