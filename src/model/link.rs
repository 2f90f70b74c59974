//! The links of an agent by name, as they stand in the buffer, in the log and in `status`.

use std::{fmt, str::FromStr};

/// Central, or a source by its configured name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LinkName {
    Central,
    Source(String),
}

const CENTRAL: &str = "central";
const SOURCE: &str = "source:";

impl LinkName {
    pub fn source(name: &str) -> Self {
        Self::Source(name.to_owned())
    }

    pub fn is_source(&self, name: &str) -> bool {
        matches!(self, Self::Source(own) if own == name)
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Central => f.write_str(CENTRAL),
            Self::Source(name) => write!(f, "{SOURCE}{name}"),
        }
    }
}

/// A name of no link that this release knows.
#[derive(Debug, thiserror::Error)]
#[error("no link has this name")]
pub struct UnknownLink;

impl FromStr for LinkName {
    type Err = UnknownLink;

    fn from_str(text: &str) -> Result<Self, UnknownLink> {
        match text.strip_prefix(SOURCE) {
            Some(name) => Ok(Self::source(name)),
            None if text == CENTRAL => Ok(Self::Central),
            None => Err(UnknownLink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_back_by_the_name_that_stands_in_buffers_of_every_release() {
        for (text, link) in [
            ("central", LinkName::Central),
            ("source:cu", LinkName::source("cu")),
            ("source:central", LinkName::source("central")),
            ("source:source:a b", LinkName::source("source:a b")),
        ] {
            assert_eq!(text.parse::<LinkName>().unwrap(), link);
            assert_eq!(link.to_string(), text);
        }
        for text in ["", "Central", "central ", "sources", "trouble:[]"] {
            assert!(text.parse::<LinkName>().is_err(), "{text:?}");
        }
        assert!(LinkName::source("cu").is_source("cu") && !LinkName::Central.is_source("central"));
    }
}
