//! What people are told of the keys: the material of `config.toml.example` and of the manual page. Only
//! tests read it, so it is no part of the program.

use super::key::{DefaultText, Key};

/// A section as it is explained.
pub struct Topic {
    /// Its line in the file, such as `[agent]`, in a comment if the example does not use it.
    pub header: &'static str,
    pub about: &'static str,
    pub keys: Vec<Explained>,
    /// Lines of the file that are the plant's own, or that show one more of a kind.
    pub sample: &'static str,
}

/// A key as it is explained.
pub struct Explained {
    pub name: &'static str,
    pub shown: Shown,
    /// Empty if the key before it, or the section, explains it too.
    pub about: String,
}

/// How the example shows a key.
pub enum Shown {
    /// As `key = value`.
    On(String),
    /// As an option, `# key = value`.
    Off(String),
    /// Not as a line of its own: a sample shows it.
    InSample,
}

/// How the example shows a key, as the table says it.
pub(super) enum Show {
    /// Its default.
    On,
    Off,
    /// An example.
    OnAs(&'static str),
    OffAs(&'static str),
    InSample,
    /// Not at all: it is only read because earlier releases had it.
    Retired,
}

impl Explained {
    /// `None` for a key that no new file should use.
    pub(super) fn new<T, D: DefaultText>(
        key: &Key<T, D>,
        show: &Show,
        about: &str,
    ) -> Option<Self> {
        let value = |text: &str| if key.is_bare() { text.to_owned() } else { format!("{text:?}") };
        let default = || value(key.default_text().expect("a key shown as it is has a default"));
        let shown = match show {
            Show::On => Shown::On(default()),
            Show::Off => Shown::Off(default()),
            Show::OnAs(example) => Shown::On(value(example)),
            Show::OffAs(example) => Shown::Off(value(example)),
            Show::InSample => Shown::InSample,
            Show::Retired => return None,
        };
        let limits = key.limits().filter(|_| !about.is_empty());
        let about = match limits {
            None => about.to_owned(),
            Some(limits) => {
                let (first, rest) = limits.split_at(1);
                format!("{about} {}{rest}.", first.to_uppercase())
            }
        };
        Some(Self { name: key.name, shown, about })
    }
}
