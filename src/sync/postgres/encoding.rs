//! Texts in what the database can hold. The client always speaks UTF-8, and the server refuses the whole
//! statement for one character that its own encoding does not have; a SQL_ASCII server takes every byte
//! as it is, and clients that believe its name then cannot read the table.
//!
//! What must never happen here: a session lost to a sentence; two different texts for the same text on
//! the same server (digests are computed of what is written).

mod repertoires;
mod similar;

use std::{borrow::Cow, cell::Cell};

pub(super) use self::repertoires::REPERTOIRES;
use self::{repertoires::Repertoire, similar::similar};

/// The encoding that a database was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ServerEncoding {
    /// Every character.
    #[default]
    Utf8,
    Known(&'static Repertoire),
    /// `SQL_ASCII`, and what this release does not know.
    Ascii,
}

impl ServerEncoding {
    /// By the name that `server_encoding` reports.
    pub fn named(name: &str) -> Self {
        if name == "UTF8" {
            return Self::Utf8;
        }
        let known = REPERTOIRES.iter().find(|known| known.name == name);
        known.map_or(Self::Ascii, Self::Known)
    }

    fn has(self, c: char) -> bool {
        match self {
            Self::Utf8 => true,
            Self::Known(known) => known.has(c),
            Self::Ascii => c.is_ascii(),
        }
    }
}

/// `text` with similar characters for those that the encoding does not have. The same again for what it
/// gave.
pub fn for_encoding(text: &str, encoding: ServerEncoding) -> Cow<'_, str> {
    if text.is_ascii() || text.chars().all(|c| encoding.has(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if encoding.has(c) {
            out.push(c);
        } else {
            out.push_str(similar(c));
        }
    }
    Cow::Owned(out)
}

/// Writes texts for one server, and counts those that it cannot hold as they are.
#[derive(Debug, Default)]
pub(super) struct Script {
    encoding: ServerEncoding,
    changed: Cell<u64>,
}

impl Script {
    pub(super) fn of(encoding: ServerEncoding) -> Self {
        Self { encoding, changed: Cell::default() }
    }

    /// As the server can hold it.
    pub(super) fn fitted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let fitted = for_encoding(text, self.encoding);
        if matches!(fitted, Cow::Owned(_)) {
            self.changed.set(self.changed.get() + 1);
        }
        fitted
    }

    pub(super) fn changed(&self) -> u64 {
        self.changed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoding_has_stays_and_the_rest_is_read_alike() {
        let table = [
            ("UTF8", "N°1 – “œuf” ≥ 5\u{202f}min \u{80}木", "N°1 – “œuf” ≥ 5\u{202f}min \u{80}木"),
            ("LATIN1", "N°1 – “œuf” ≥ 5\u{202f}min \u{80}木", "N°1 - \"oeuf\" >= 5 min \u{80}?"),
            ("LATIN9", "N°1 – œuf ½ 5 €", "N°1 - œuf 1/2 5 €"),
            ("WIN1252", "N°1 – “œuf” ≥ 5 € \u{80}\u{81}", "N°1 – “œuf” >= 5 € ??"),
            ("WIN1250", "été à Œ × ñ", "été a OE × n"),
            ("WIN1251", "été № 5 µ", "ete № 5 µ"),
            ("KOI8R", "N°1 été – «»", "N°1 ete - \"\""),
            ("EUC_JP", "N°1 été 木", "N°1 été ?"),
            ("EUC_KR", "N°1 été", "N°1 ete"),
            ("SQL_ASCII", "N°159460 – été\u{a0}: 5\u{202f}×\u{2009}3", "No159460 - ete : 5 x 3"),
            ("MULE_INTERNAL", "e\u{301}té\u{feff} 🙂", "ete ?"),
        ];
        for (name, text, expected) in table {
            let encoding = ServerEncoding::named(name);
            let fitted = for_encoding(text, encoding);
            assert_eq!(fitted, expected, "{name}");
            assert_eq!(matches!(fitted, Cow::Owned(_)), text != expected, "{name}");
            assert_eq!(for_encoding(&fitted, encoding), fitted, "{name}: once more");
        }
    }

    #[test]
    fn every_character_has_a_substitute_that_every_encoding_holds() {
        for c in ('\u{80}'..='\u{ffff}').chain(['🙂']) {
            let substitute = similar(c);
            assert!(substitute.is_ascii() && !substitute.contains(['\n', '\0']), "{c:?}");
        }
    }

    #[test]
    fn texts_that_change_are_counted() {
        let script = Script::of(ServerEncoding::named("LATIN1"));
        for text in ["été", "–", "a", "œ"] {
            script.fitted(text);
        }
        assert_eq!(script.changed(), 2);
    }
}
