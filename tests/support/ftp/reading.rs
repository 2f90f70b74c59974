//! Short ways to ask a source in tests.

use cu_agent::source::{Entry, Source, SourceError};

const CHUNK_BYTES: usize = 64 * 1024;

/// All bytes of a file from `offset` on.
pub fn read(
    source: &mut dyn Source,
    folder: &str,
    name: &str,
    offset: u64,
) -> Result<Vec<u8>, SourceError> {
    let mut transfer = source.open(folder, name, offset)?;
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; CHUNK_BYTES]);
    loop {
        match transfer.read(&mut chunk)? {
            0 => break,
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
    assert_eq!(transfer.finish()?, bytes.len() as u64);
    Ok(bytes)
}

/// The names of a listing, sorted.
pub fn names(mut entries: Vec<Entry>) -> Vec<String> {
    entries.sort_by(|one, two| one.name.cmp(&two.name));
    entries.into_iter().map(|entry| entry.name.into()).collect()
}

/// The error with all its causes, as a person would read it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}
