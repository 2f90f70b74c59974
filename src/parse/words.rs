//! The maker's words for the five events, as the bytes that stand in a LOG.

use crate::parse::{Kind, is_blank};

/// Names of the events that mean something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// Exact names with their meaning.
    all: [(Kind, Vec<u8>); 5],
    /// The same for a comparison of the 16 bytes behind the marker at once; words that are longer
    /// are found by `kind_of` only.
    pub(super) short: [ShortWord; 5],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShortWord {
    pub mask: u128,
    pub value: u128,
    pub len: usize,
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
            (Kind::Piece, bytes_of(piece)?),
            (Kind::Wait, bytes_of(wait)?),
            (Kind::Job, bytes_of(job)?),
            (Kind::Stop, bytes_of(stop)?),
            (Kind::Start, bytes_of(start)?),
        ];
        for (index, (_, word)) in all.iter().enumerate() {
            if all[..index].iter().any(|(_, earlier)| earlier == word) {
                return Err(WordError::Twice { word: crate::parse::latin1(word) });
            }
        }
        let short = std::array::from_fn(|index| ShortWord::new(all[index].0, &all[index].1));
        Ok(Self { all, short })
    }

    /// Whether `name` is one of the words without its end, as a torn line leaves it.
    pub fn begins_a_word(&self, name: &[u8]) -> bool {
        self.all.iter().any(|(_, word)| word.len() > name.len() && word.starts_with(name))
    }

    pub(super) fn kind_of(&self, name: &[u8]) -> Kind {
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
        Self { mask, value, len: word.len().min(16), kind }
    }
}

fn bytes_of(word: &str) -> Result<Vec<u8>, WordError> {
    let bytes: Vec<u8> = word
        .chars()
        .map(|char| match u8::try_from(char) {
            // A name ends at the first colon, and LOG text is ISO-8859-1 without control characters.
            Ok(byte) if byte != b':' && byte >= b' ' => Ok(byte),
            _ => Err(WordError::Character { word: word.into(), found: char }),
        })
        .collect::<Result<_, _>>()?;
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) if is_blank(first) || is_blank(last) => {
            Err(WordError::Blank { word: word.into() })
        }
        (None, _) => Err(WordError::Empty),
        _ => Ok(bytes),
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
        assert_eq!(words.kind_of(b"Pi\xE8ce termin\xE9e et d\xE9pos\xE9e"), Kind::Piece);
        assert_eq!(words.kind_of(b"Arr\xEAt"), Kind::Stop);
        assert_eq!(words.kind_of(b"Arret"), Kind::Other);
    }
}
