//! Raw bytes in compressed chunks. A chunk begins at a line's beginning and ends behind a line end,
//! except where an endless line was passed over or a closed file's last line has no end.

use std::{cell::RefCell, io, path::Path};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use zstd::bulk::{Compressor, Decompressor};

use super::{Batch, BufferError, Files, error::During, files::bounded};

/// How many of the last consumed bytes the next reading checks before it believes the rest.
pub const TAIL_BYTES: usize = 1024;

/// Fast, and most of what a higher level would gain on such text.
const ZSTD_LEVEL: i32 = 1;

/// No chunk that is written is longer: a reading is made durable in parts of a few megabytes. A length
/// beyond is a damaged row, for which no memory is asked.
const MOST_CHUNK_BYTES: u64 = 16 << 20;

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

/// Where a chunk of a file stands, without its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkMark {
    pub start: u64,
    pub length: u64,
    /// Its bytes are kept: no part of an endless line.
    pub is_kept: bool,
}

impl Files<'_> {
    /// Where the chunks of a file stand, in order.
    pub fn chunk_marks(&self, file_id: i64) -> Result<Vec<ChunkMark>, BufferError> {
        self.buffer
            .connection
            .prepare_cached(
                "SELECT start_byte, length_bytes, bytes IS NOT NULL FROM raw_chunk
                 WHERE file_id = ?1 ORDER BY start_byte",
            )
            .and_then(|mut select| {
                let mark = |row: &rusqlite::Row<'_>| {
                    Ok(ChunkMark { start: row.get(0)?, length: row.get(1)?, is_kept: row.get(2)? })
                };
                select.query_map([file_id], mark)?.collect()
            })
            .during("read raw bytes", &self.buffer.path)
    }

    /// The bytes of the chunk that begins at `start`; empty where none are kept.
    pub fn chunk_bytes(&self, file_id: i64, start: u64) -> Result<Vec<u8>, BufferError> {
        let mut found = Vec::new();
        each_chunk(
            &self.buffer.connection,
            &self.buffer.path,
            &Zstd::default(),
            file_id,
            Some(start),
            |chunk| {
                found = chunk.bytes.unwrap_or_default();
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Hands over the chunks of a file in order, one at a time: a huge file is never in memory whole.
    pub fn each_chunk(
        &self,
        file_id: i64,
        take: impl FnMut(Chunk) -> Result<(), BufferError>,
    ) -> Result<(), BufferError> {
        each_chunk(
            &self.buffer.connection,
            &self.buffer.path,
            &Zstd::default(),
            file_id,
            None,
            take,
        )
    }
}

impl Batch<'_> {
    /// Keeps `bytes`, which stood at `start` of the file.
    pub fn append(&self, file_id: i64, start: u64, bytes: &[u8]) -> Result<(), BufferError> {
        self.unsaved.appended(file_id, start, bytes);
        self.pack(file_id, start, bytes)
    }

    fn pack(&self, file_id: i64, start: u64, bytes: &[u8]) -> Result<(), BufferError> {
        debug_assert!(
            bytes.len() as u64 <= MOST_CHUNK_BYTES,
            "invariant 8: no chunk is written that would not be read back"
        );
        let packed = self
            .zstd
            .pack(bytes)
            .map_err(|source| BufferError::Pack { path: self.path.to_owned(), source })?;
        self.insert_chunk(file_id, start, bytes.len() as u64, Some(&packed))
    }

    /// Notes that `length` bytes of an endless line at `start` were passed over.
    pub fn pass_over(&self, file_id: i64, start: u64, length: u64) -> Result<(), BufferError> {
        self.unsaved.passed_over(file_id, start, length);
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
            .and_then(|mut insert| {
                insert.execute(params![file_id, bounded(start), bounded(length), packed])
            })
            .during("store raw bytes", self.path)?;
        Ok(())
    }

    /// Hands over the chunks of a file in order, one at a time: a huge file is never in memory whole.
    pub fn each_chunk(
        &self,
        file_id: i64,
        take: impl FnMut(Chunk) -> Result<(), BufferError>,
    ) -> Result<(), BufferError> {
        each_chunk(&self.transaction, self.path, &self.zstd, file_id, None, take)
    }

    /// The kept bytes of a file as one text, which will be about `length` long. A file in one chunk, as
    /// most are, is not copied.
    pub fn whole(&self, file_id: i64, length: u64) -> Result<Vec<u8>, BufferError> {
        let mut whole = Vec::new();
        self.each_chunk(file_id, |chunk| {
            let Some(mut bytes) = chunk.bytes else { return Ok(()) };
            if whole.is_empty() {
                whole = bytes;
            } else {
                let missing = usize::try_from(length.min(MOST_CHUNK_BYTES)).unwrap_or_default();
                whole.reserve_exact(missing.saturating_sub(whole.len()).max(bytes.len()));
                whole.append(&mut bytes);
            }
            Ok(())
        })?;
        Ok(whole)
    }

    /// Where a file's chunks end altogether, and whether some part of it is not kept.
    pub fn extent(&self, file_id: i64) -> Result<(u64, bool), BufferError> {
        self.transaction
            .prepare_cached(
                "SELECT coalesce(sum(length_bytes), 0), count(*) > count(bytes)
                 FROM raw_chunk WHERE file_id = ?1",
            )
            .and_then(|mut select| {
                select.query_row([file_id], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .during("read raw bytes", self.path)
    }

    /// Drops everything kept from `start` on (an open last line that got its rest).
    pub fn truncate(&self, file_id: i64, start: u64) -> Result<(), BufferError> {
        self.transaction
            .execute(
                "DELETE FROM raw_chunk WHERE file_id = ?1 AND start_byte >= ?2",
                params![file_id, bounded(start)],
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
            .during("read raw bytes", self.path)?;
        if count < 2 || holes > 0 || length > most_bytes {
            return Ok(());
        }
        let whole = self.whole(file_id, length)?;
        self.truncate(file_id, 0)?;
        self.pack(file_id, 0, &whole)
    }
}

fn each_chunk(
    connection: &Connection,
    path: &Path,
    zstd: &Zstd,
    file_id: i64,
    only: Option<u64>,
    mut take: impl FnMut(Chunk) -> Result<(), BufferError>,
) -> Result<(), BufferError> {
    let mut select = connection
        .prepare_cached(
            "SELECT start_byte, length_bytes, bytes FROM raw_chunk
             WHERE file_id = ?1 AND start_byte BETWEEN ?2 AND ?3 ORDER BY start_byte",
        )
        .during("read raw bytes", path)?;
    let (first, last) =
        only.map_or((0, bounded(u64::MAX)), |start| (bounded(start), bounded(start)));
    let mut rows = select.query(params![file_id, first, last]).during("read raw bytes", path)?;
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
        take(Chunk { start, length, bytes: bytes.transpose()? })?;
    }
    Ok(())
}

/// zstd's working memory, a hundred kilobytes and more, made once for as long as this lives: an allocator
/// gives such a piece back to the kernel each time, which then clears it again.
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
        if length > MOST_CHUNK_BYTES {
            return Err(io::Error::other(format!("a chunk of {length} bytes was never written")));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut unpacking = self.unpacking.borrow_mut();
        let decompressor = match &mut *unpacking {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        let bytes = decompressor.decompress(packed, length)?;
        if bytes.len() != length {
            let found = bytes.len();
            return Err(io::Error::other(format!("{found} bytes in a chunk of {length}")));
        }
        Ok(bytes)
    }
}
