//! The languages that people may read in. What is written in them is in the room `text`.

/// Of the sentences that people read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Language {
    #[default]
    French,
    English,
}
