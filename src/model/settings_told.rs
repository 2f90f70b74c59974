//! How a gateway stands with the settings that central gives, as plain data: for its row in central and for people.

use std::fmt;

/// What central holds, as its answer tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettingsThere {
    /// No table, or not for this role.
    Unreadable {
        why: String,
    },
    /// Nobody published any.
    None,
    /// What the asker has heard already.
    Known,
    Told(ToldSettings),
}

/// The newest settings, as somebody published them: nothing of it is believed yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldSettings {
    /// Another one if anything of it changes.
    pub mark: String,
    /// `None`: larger than what is taken.
    pub signed: Option<SignedSettings>,
}

/// A document and the signatures of its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedSettings {
    pub document: Vec<u8>,
    pub signatures: Vec<u8>,
}

impl SignedSettings {
    /// Longest document that is taken.
    pub const MOST_BYTES: usize = 64 << 10;
    /// Of several signatures, one below the other.
    pub const MOST_SIGNATURE_BYTES: usize = 16 << 10;
}

/// What this gateway made of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SettingsTold {
    /// Those in use.
    pub kept: Option<u64>,
    /// Those that have to show that they work.
    pub trial: Option<u64>,
    /// The last ones that were not taken, unless later ones were kept.
    pub refused: Option<RefusedSettings>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedSettings {
    /// `None`: they could not be read.
    pub serial: Option<u64>,
    pub reason: String,
}

impl fmt::Display for SettingsTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kept {
            Some(serial) => write!(f, "serial {serial} in use")?,
            None => f.write_str("none in use")?,
        }
        if let Some(serial) = self.trial {
            write!(f, "; serial {serial} on trial")?;
        }
        if let Some(refused) = &self.refused {
            write!(f, "; {refused}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RefusedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.serial {
            Some(serial) => write!(f, "serial {serial} refused: {}", self.reason),
            None => write!(f, "what central holds was refused: {}", self.reason),
        }
    }
}
