//! File names between the wire and the program. Both directions are exact: a name that was listed is
//! sent back byte for byte, whatever bytes the server uses.
//!
//! In latin-1 every byte is the character of the same number. In UTF-8 a byte that belongs to no
//! valid sequence becomes a private-use character, U+F700 plus the byte (as MirBSD's OPTU does), and
//! such a character that a name really holds is treated as three stray bytes: so nothing collides.

use std::io;

use crate::config::NameEncoding;

/// Stray bytes 0x80..=0xFF are shown as U+F780..=U+F7FF.
const STRAY_BASE: u32 = 0xF700;
const STRAY: std::ops::RangeInclusive<char> = '\u{F780}'..='\u{F7FF}';

/// How names and command lines become bytes and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireNames(pub(super) NameEncoding);

impl WireNames {
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        match self.0 {
            NameEncoding::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            NameEncoding::Utf8 => decode_utf8(bytes),
        }
    }

    pub(super) fn encode(self, text: &str) -> io::Result<Vec<u8>> {
        match self.0 {
            NameEncoding::Latin1 => text
                .chars()
                .map(|c| {
                    u8::try_from(u32::from(c)).map_err(|_| {
                        io::Error::new(io::ErrorKind::InvalidInput, "no such character in latin-1")
                    })
                })
                .collect(),
            NameEncoding::Utf8 => Ok(encode_utf8(text)),
        }
    }
}

fn decode_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if STRAY.contains(&c) {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().for_each(|byte| text.push(stray(byte)));
            } else {
                text.push(c);
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push(stray(*byte)));
    }
    text
}

fn encode_utf8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(STRAY_BASE)) {
            Ok(byte) if STRAY.contains(&c) => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    bytes
}

fn stray(byte: u8) -> char {
    char::from_u32(STRAY_BASE + u32::from(byte)).expect("U+F700..=U+F7FF are characters")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn names_read_as_people_wrote_them() {
        let latin1 = WireNames(NameEncoding::Latin1);
        assert_eq!(latin1.decode(b"D\xE9coupe (\xE9t\xE9).LOG"), "Découpe (été).LOG");
        assert_eq!(latin1.encode("RETR été.LOG\r\n").unwrap(), b"RETR \xE9t\xE9.LOG\r\n");
        assert!(latin1.encode("Łódź").is_err());
        let utf8 = WireNames(NameEncoding::Utf8);
        assert_eq!(utf8.decode("Découpe.LOG".as_bytes()), "Découpe.LOG");
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_name_come_back_exactly(bytes in any::<Vec<u8>>()) {
            for encoding in [NameEncoding::Latin1, NameEncoding::Utf8] {
                let names = WireNames(encoding);
                prop_assert_eq!(&names.encode(&names.decode(&bytes)).unwrap(), &bytes);
            }
        }
    }

    #[test]
    fn a_private_use_character_does_not_collide_with_a_stray_byte() {
        let utf8 = WireNames(NameEncoding::Utf8);
        let real = "a\u{F7E9}".as_bytes();
        assert_ne!(utf8.decode(real), utf8.decode(b"a\xE9"));
        assert_eq!(utf8.encode(&utf8.decode(real)).unwrap(), real);
    }
}
