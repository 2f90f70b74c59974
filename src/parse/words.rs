//! The maker's words for the five events.

use crate::parse::{Kind, head::NAME_AT, is_blank};

/// Names of the events that mean something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// Exact names with their meaning.
    all: [(Kind, String); 5],
    /// The same for a comparison of the 16 bytes behind the marker at once; words that are longer
    /// are found by `kind_of` only.
    pub(super) short: [ShortWord; 5],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShortWord {
    pub mask: u128,
    pub value: u128,
    pub len: usize,
    /// Which of the line's words of eight bytes the name ends in, or is followed by.
    pub end_in_window: usize,
    pub kind: Kind,
}

/// Why a configured word can never be the name of an event.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WordError {
    #[error("the event name is empty")]
    Empty,
    #[error("event name {word:?} holds {found:?}, which no LOG line can hold in a name")]
    Character { word: String, found: char },
    #[error("event name {word:?} begins or ends with a blank")]
    Blank { word: String },
    #[error("event name {word:?} stands for two events")]
    Twice { word: String },
}

impl Words {
    pub fn new(
        piece: &str,
        wait: &str,
        stop: &str,
        start: &str,
        job: &str,
    ) -> Result<Self, WordError> {
        // In the order of frequency, which is the order in which they are tried.
        let all = [
            (Kind::Piece, checked(piece)?),
            (Kind::Wait, checked(wait)?),
            (Kind::Job, checked(job)?),
            (Kind::Stop, checked(stop)?),
            (Kind::Start, checked(start)?),
        ];
        for (index, (_, word)) in all.iter().enumerate() {
            if all[..index].iter().any(|(_, earlier)| earlier == word) {
                return Err(WordError::Twice { word: word.clone() });
            }
        }
        let short =
            std::array::from_fn(|index| ShortWord::new(all[index].0, all[index].1.as_bytes()));
        Ok(Self { all, short })
    }

    /// Whether `name` is one of the words without its end, as a torn line leaves it.
    pub fn begins_a_word(&self, name: &str) -> bool {
        self.all.iter().any(|(_, word)| word.len() > name.len() && word.starts_with(name))
    }

    pub(super) fn kind_of(&self, name: &str) -> Kind {
        self.all.iter().find(|(_, word)| word == name).map_or(Kind::Other, |(kind, _)| *kind)
    }
}

/// The words of the maker that the spec describes.
impl Default for Words {
    fn default() -> Self {
        Self::new("StukUitgevoerd", "MachineWait", "MachineStop", "MachineStart", "JobProfiel")
            .expect("the default words are plain ASCII and differ")
    }
}

impl ShortWord {
    fn new(kind: Kind, word: &[u8]) -> Self {
        let mut value = [0; 16];
        let mut mask = [0; 16];
        match (value.get_mut(..word.len()), mask.get_mut(..word.len())) {
            (Some(value), Some(mask)) => {
                value.copy_from_slice(word);
                mask.fill(0xFF);
            }
            // A value outside the mask equals nothing.
            _ => value[0] = 1,
        }
        let (mask, value) = (u128::from_le_bytes(mask), u128::from_le_bytes(value));
        let len = word.len().min(16);
        Self { mask, value, len, end_in_window: (NAME_AT + len) / 8, kind }
    }
}

fn checked(word: &str) -> Result<String, WordError> {
    // A name ends at the first colon, and LOG text is ISO-8859-1 without control characters.
    let fits = |char: char| matches!(char, ' '..='\u{ff}') && char != ':';
    if let Some(found) = word.chars().find(|char| !fits(*char)) {
        return Err(WordError::Character { word: word.into(), found });
    }
    match (word.bytes().next(), word.bytes().next_back()) {
        (Some(first), Some(last)) if is_blank(first) || is_blank(last) => {
            Err(WordError::Blank { word: word.into() })
        }
        (None, _) => Err(WordError::Empty),
        _ => Ok(word.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_no_line_can_hold_is_refused() {
        let refusal = |word: &str| Words::new(word, "w", "s", "a", "j").unwrap_err();
        assert_eq!(refusal(""), WordError::Empty);
        assert_eq!(refusal("a:b"), WordError::Character { word: "a:b".into(), found: ':' });
        assert_eq!(refusal("œuf"), WordError::Character { word: "œuf".into(), found: 'œ' });
        assert_eq!(refusal(" a"), WordError::Blank { word: " a".into() });
        assert_eq!(refusal("j"), WordError::Twice { word: "j".into() });
    }

    #[test]
    fn words_of_other_makers_may_be_long_and_accented() {
        let words = Words::new("Pièce terminée et déposée", "Attente", "Arrêt", "Marche", "Profil")
            .unwrap();
        assert_eq!(words.kind_of("Pièce terminée et déposée"), Kind::Piece);
        assert_eq!(words.kind_of("Arrêt"), Kind::Stop);
        assert_eq!(words.kind_of("Arret"), Kind::Other);
    }
}
