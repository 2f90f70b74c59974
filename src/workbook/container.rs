//! The ZIP archive that a spreadsheet is. Each file in it is compressed as it grows, so that what is in memory
//! is its compressed form.
//!
//! What must never happen here: a byte that depends on when the archive was written.

use std::io::{self, Write};

use miniz_oxide::{
    DataFormat,
    deflate::{
        CompressionLevel,
        core::{CompressorOxide, TDEFLFlush, compress_to_output},
    },
};

/// Given to the compressor at once.
const BATCH_BYTES: usize = 32 << 10;
/// 1 January 1980, midnight: the first moment that an archive can note, and the one of every file here.
const TIME_AND_DATE: [u8; 4] = [0, 0, 0x21, 0];
/// Version 2.0 of the format is needed to read it; names are UTF-8; the method is deflate.
const NEEDS_UTF8_DEFLATE: [u8; 6] = [20, 0, 0, 8, 8, 0];

/// One file of the archive, while it grows.
pub(super) struct Part {
    compressor: Box<CompressorOxide>,
    waiting: Vec<u8>,
    packed: Vec<u8>,
    check: u32,
    size: u64,
}

/// A file of the archive as it will be written.
pub(super) struct PackedPart {
    /// Its path in the archive.
    name: String,
    packed: Vec<u8>,
    check: u32,
    size: u64,
}

impl Part {
    pub(super) fn new() -> Self {
        let compressor =
            CompressorOxide::with_format_and_level(DataFormat::Raw, CompressionLevel::DefaultLevel);
        Self {
            compressor: Box::new(compressor),
            waiting: Vec::with_capacity(BATCH_BYTES),
            packed: Vec::new(),
            check: u32::MAX,
            size: 0,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.waiting.extend_from_slice(text.as_bytes());
        if self.waiting.len() >= BATCH_BYTES {
            self.compress(TDEFLFlush::None);
        }
    }

    fn compress(&mut self, flush: TDEFLFlush) {
        self.check = checked(self.check, &self.waiting);
        self.size += self.waiting.len() as u64;
        let packed = &mut self.packed;
        compress_to_output(&mut self.compressor, &self.waiting, flush, |bytes| {
            packed.extend_from_slice(bytes);
            true
        });
        self.waiting.clear();
    }

    pub(super) fn finish(mut self) -> PackedPart {
        self.compress(TDEFLFlush::Finish);
        let Self { packed, check, size, .. } = self;
        PackedPart { name: String::new(), packed, check: !check, size }
    }
}

impl PackedPart {
    pub(super) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }
}

/// A file that is known as a whole.
pub(super) fn whole(name: &str, text: &str) -> PackedPart {
    let mut part = Part::new();
    part.push(text);
    part.finish().named(name.to_owned())
}

/// Writes the archive of these files, in this order.
pub(super) fn write(parts: &[PackedPart], out: &mut impl Write) -> io::Result<()> {
    let mut directory = Vec::new();
    let mut offset = 0_u64;
    for part in parts {
        let facts = facts(part)?;
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&facts);
        // No comment, on the first disk, no attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&narrow(offset)?.to_le_bytes());
        directory.extend_from_slice(part.name.as_bytes());

        let local = [b"PK\x03\x04", &facts[..], part.name.as_bytes()].concat();
        out.write_all(&local)?;
        out.write_all(&part.packed)?;
        offset += (local.len() + part.packed.len()) as u64;
    }
    out.write_all(&directory)?;
    let count = u16::try_from(parts.len()).map_err(|_| too_large())?.to_le_bytes();
    out.write_all(b"PK\x05\x06\0\0\0\0")?;
    out.write_all(&[count, count].concat())?;
    out.write_all(&narrow(directory.len() as u64)?.to_le_bytes())?;
    out.write_all(&narrow(offset)?.to_le_bytes())?;
    out.write_all(&[0; 2])
}

/// What the directory and the file's own head say alike.
fn facts(part: &PackedPart) -> io::Result<Vec<u8>> {
    let mut facts = NEEDS_UTF8_DEFLATE.to_vec();
    facts.extend_from_slice(&TIME_AND_DATE);
    facts.extend_from_slice(&part.check.to_le_bytes());
    facts.extend_from_slice(&narrow(part.packed.len() as u64)?.to_le_bytes());
    facts.extend_from_slice(&narrow(part.size)?.to_le_bytes());
    let name = u16::try_from(part.name.len()).map_err(|_| too_large())?;
    facts.extend_from_slice(&name.to_le_bytes());
    facts.extend_from_slice(&[0; 2]);
    Ok(facts)
}

fn narrow(bytes: u64) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| too_large())
}

fn too_large() -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        "a spreadsheet holds at most 4 GiB: choose a shorter period or one machine",
    )
}

/// CRC-32 of ZIP, continued over `bytes`.
fn checked(check: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(check, |check, byte| {
        (check >> 8) ^ CHECKS[((check ^ u32::from(*byte)) & 0xff) as usize]
    })
}

const CHECKS: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut check = at as u32;
        let mut bit = 0;
        while bit < 8 {
            check = if check & 1 == 1 { (check >> 1) ^ 0xedb8_8320 } else { check >> 1 };
            bit += 1;
        }
        table[at] = check;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_of_the_nine_digits_is_the_known_one() {
        assert_eq!(!checked(u32::MAX, b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_part_unpacks_to_what_was_pushed_however_large_it_is() {
        let mut part = Part::new();
        let mut all = String::new();
        for number in 0..40_000 {
            let line = format!("<row r=\"{number}\"/>");
            part.push(&line);
            all += &line;
        }
        let packed = part.finish();
        assert!(packed.packed.len() < all.len() / 4);
        let unpacked = miniz_oxide::inflate::decompress_to_vec(&packed.packed).unwrap();
        assert_eq!((unpacked.len() as u64, packed.size), (all.len() as u64, all.len() as u64));
        assert_eq!(unpacked, all.as_bytes());
    }
}
