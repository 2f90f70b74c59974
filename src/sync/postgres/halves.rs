//! Text that is mostly digits in half bytes. What a piece is called (`17 B159464 H1`) is most of what a
//! delivery brings; central turns the bytes into text with its own `encode(…, 'hex')`.
//!
//! A half byte is a digit, `a` (a line end), `b` to `e` (the text's four most frequent other characters)
//! or `f` and a digit (the next four). An `f` at the end fills the last byte.
//!
//! What must never happen here: a text that comes back as another one. What does not fit stays as it is.

use std::collections::BTreeMap;

const LINE_END: u8 = 0xa;
const FIRST_FREQUENT: u8 = 0xb;
const FREQUENT: usize = 4;
const RARE: usize = 4;
const RARE_MARK: u8 = 0xf;

/// The characters that stand for themselves in no half byte, the most frequent first, and the half
/// bytes; `None` where there are too many of them, or one that central would take for a code.
pub fn halved(text: &str) -> Option<(String, Vec<u8>)> {
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for other in text.chars().filter(|c| !c.is_ascii_digit() && *c != '\n') {
        *counts.entry(other).or_default() += 1;
        if counts.len() > FREQUENT + RARE {
            return None;
        }
    }
    if counts.keys().any(|c| ('a'..='f').contains(c)) {
        return None;
    }
    let mut symbols: Vec<char> = counts.keys().copied().collect();
    symbols.sort_by_key(|symbol| std::cmp::Reverse(counts.get(symbol)));
    let mut halves = Halves { bytes: Vec::with_capacity(text.len() / 2 + 1), open: None };
    for c in text.chars() {
        match c {
            '\n' => halves.push(LINE_END),
            '0'..='9' => halves.push(c as u8 - b'0'),
            other => match symbols.iter().position(|symbol| *symbol == other)? as u8 {
                frequent if usize::from(frequent) < FREQUENT => {
                    halves.push(FIRST_FREQUENT + frequent);
                }
                rare => {
                    halves.push(RARE_MARK);
                    halves.push(rare - FREQUENT as u8);
                }
            },
        }
    }
    if halves.open.is_some() {
        halves.push(RARE_MARK);
    }
    Some((symbols.into_iter().collect(), halves.bytes))
}

struct Halves {
    bytes: Vec<u8>,
    /// The first half of the next byte.
    open: Option<u8>,
}

impl Halves {
    fn push(&mut self, half: u8) {
        match self.open.take() {
            Some(first) => self.bytes.push(first << 4 | half),
            None => self.open = Some(half),
        }
    }
}

/// SQL that makes an array of a text's lines again, of its `symbols` and its `halves`.
pub fn lines_of(symbols: &str, halves: &str) -> String {
    let mut text = format!("rtrim(encode({halves}, 'hex'), 'f')");
    for place in 0..FREQUENT + RARE {
        let code = match place.checked_sub(FREQUENT) {
            None => char::from(b'b' + place as u8).to_string(),
            Some(rare) => format!("f{rare}"),
        };
        text = format!("replace({text}, '{code}', substr({symbols}, {}, 1))", place + 1);
    }
    format!("string_to_array({text}, 'a')")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What central does, see [`lines_of`].
    fn text_of((symbols, halves): &(String, Vec<u8>)) -> String {
        let hex: String = halves.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = hex.trim_end_matches('f').to_owned();
        for (place, code) in ["b", "c", "d", "e", "f0", "f1", "f2", "f3"].iter().enumerate() {
            let symbol = symbols.chars().nth(place).map(String::from).unwrap_or_default();
            text = text.replace(code, &symbol);
        }
        text.replace('a', "\n")
    }

    #[test]
    fn every_text_that_is_halved_comes_back() {
        for text in [
            "",
            "1 B159464 H1",
            "1 B159464 H1\n2 B000000 M4\n3 B999999 G2\n4 B1 D3\n5",
            "\n\n7",
            "0\n\n\n",
            "+-*/.,:;0123",
            "é 1\nù 2\n 3",
        ] {
            let halves = halved(text).unwrap();
            assert_eq!(text_of(&halves), text, "{halves:?}");
        }
        assert_eq!(halved("1 B159464 H1").unwrap().1.len(), 6);
    }

    #[test]
    fn what_does_not_fit_stays_as_it_is() {
        assert_eq!(halved("+-*/.,:;_"), None, "too many characters");
        assert_eq!(halved("1 b2"), None, "a code");
    }
}
