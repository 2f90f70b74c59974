//! Raw bytes in compressed chunks. A chunk begins at a line's beginning and ends behind a line end,
//! except where an endless line was passed over or a closed file's last line has no end.

use std::{cell::RefCell, io, path::Path};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use super::{Batch, Buffer, BufferError, error::During};

/// How many of the last consumed bytes the next reading checks before it believes the rest.
pub const TAIL_BYTES: usize = 1024;

/// Fast, and most of what a higher level would gain on such text.
const ZSTD_LEVEL: i32 = 1;

/// What the next reading must find in front of its first new byte.
pub fn tail_hash(tail: &[u8]) -> [u8; 32] {
    Sha256::digest(tail).into()
}

/// A stretch of a file as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    pub start: u64,
    pub length: u64,
    /// `None`: part of an endless line, not kept.
    pub bytes: Option<Vec<u8>>,
}

/// The kept bytes of a file's chunks as one text. A file in one chunk, as most are, is not copied.
pub fn joined(chunks: Vec<Chunk>) -> Vec<u8> {
    let kept_bytes =
        chunks.iter().filter_map(|chunk| Some(chunk.bytes.as_ref()?.len())).sum::<usize>();
    let mut kept = chunks.into_iter().filter_map(|chunk| chunk.bytes);
    let mut whole = kept.next().unwrap_or_default();
    whole.reserve_exact(kept_bytes - whole.len());
    for mut bytes in kept {
        whole.append(&mut bytes);
    }
    whole
}

impl Buffer {
    /// All chunks of a file in order.
    pub fn chunks(&self, file_id: i64) -> Result<Vec<Chunk>, BufferError> {
        read_chunks(&self.connection, &self.path, file_id, &Zstd::default())
    }
}

impl Batch<'_> {
    /// Keeps `bytes`, which stood at `start` of the file.
    pub fn append(&self, file_id: i64, start: u64, bytes: &[u8]) -> Result<(), BufferError> {
        let packed = self
            .zstd
            .pack(bytes)
            .map_err(|source| BufferError::Pack { path: self.path.to_owned(), source })?;
        self.insert_chunk(file_id, start, bytes.len() as u64, Some(&packed))
    }

    /// Notes that `length` bytes of an endless line at `start` were passed over.
    pub fn pass_over(&self, file_id: i64, start: u64, length: u64) -> Result<(), BufferError> {
        self.insert_chunk(file_id, start, length, None)
    }

    fn insert_chunk(
        &self,
        file_id: i64,
        start: u64,
        length: u64,
        packed: Option<&[u8]>,
    ) -> Result<(), BufferError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO raw_chunk (file_id, start_byte, length_bytes, bytes)
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut insert| insert.execute(params![file_id, start, length, packed]))
            .during("keep raw bytes", self.path)?;
        Ok(())
    }

    /// All chunks of a file in order.
    pub fn chunks(&self, file_id: i64) -> Result<Vec<Chunk>, BufferError> {
        read_chunks(&self.transaction, self.path, file_id, &self.zstd)
    }

    /// Drops everything kept from `start` on (an open last line that got its rest).
    pub fn truncate(&self, file_id: i64, start: u64) -> Result<(), BufferError> {
        self.transaction
            .execute(
                "DELETE FROM raw_chunk WHERE file_id = ?1 AND start_byte >= ?2",
                params![file_id, start],
            )
            .during("drop an open line", self.path)?;
        Ok(())
    }

    /// Makes one chunk of the many small ones that a growing file left, to save room.
    ///
    /// Files with a passed-over stretch, or of more than `most_bytes`, stay as they are.
    pub fn compact(&self, file_id: i64, most_bytes: u64) -> Result<(), BufferError> {
        let (count, length, holes): (u64, u64, u64) = self
            .transaction
            .prepare_cached(
                "SELECT count(*), coalesce(sum(length_bytes), 0), count(*) - count(bytes)
                 FROM raw_chunk WHERE file_id = ?1",
            )
            .and_then(|mut select| {
                select.query_row([file_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            })
            .during("look at raw bytes", self.path)?;
        if count < 2 || holes > 0 || length > most_bytes {
            return Ok(());
        }
        let whole = joined(self.chunks(file_id)?);
        self.truncate(file_id, 0)?;
        self.append(file_id, 0, &whole)
    }
}

fn read_chunks(
    connection: &Connection,
    path: &Path,
    file_id: i64,
    zstd: &Zstd,
) -> Result<Vec<Chunk>, BufferError> {
    let mut select = connection
        .prepare_cached(
            "SELECT start_byte, length_bytes, bytes FROM raw_chunk
             WHERE file_id = ?1 ORDER BY start_byte",
        )
        .during("read raw bytes", path)?;
    let mut rows = select.query([file_id]).during("read raw bytes", path)?;
    let mut chunks = Vec::new();
    while let Some(row) = rows.next().during("read raw bytes", path)? {
        let read = || -> rusqlite::Result<(u64, u64, Option<&[u8]>)> {
            Ok((row.get(0)?, row.get(1)?, row.get_ref(2)?.as_blob_or_null()?))
        };
        let (start, length, packed) = read().during("read raw bytes", path)?;
        let bytes = packed.map(|packed| {
            zstd.unpack(packed, length).map_err(|source| BufferError::Unpack {
                path: path.to_owned(),
                file_id,
                start,
                source,
            })
        });
        chunks.push(Chunk { start, length, bytes: bytes.transpose()? });
    }
    Ok(chunks)
}

/// zstd's working memory, a hundred kilobytes and more, made once for as long as this lives: an allocator
/// gives such a piece back to the kernel each time, which then clears it anew.
#[derive(Default)]
pub(super) struct Zstd {
    packing: RefCell<Option<Compressor<'static>>>,
    unpacking: RefCell<Option<Decompressor<'static>>>,
}

impl Zstd {
    /// With a checksum: a page that went bad on the card is noticed when its bytes are needed.
    fn pack(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut packing = self.packing.borrow_mut();
        let compressor = match &mut *packing {
            Some(compressor) => compressor,
            none => {
                let mut compressor = Compressor::new(ZSTD_LEVEL)?;
                compressor.include_checksum(true)?;
                none.insert(compressor)
            }
        };
        compressor.compress(bytes)
    }

    fn unpack(&self, packed: &[u8], length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut unpacking = self.unpacking.borrow_mut();
        let decompressor = match &mut *unpacking {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.decompress(packed, length)
    }
}
