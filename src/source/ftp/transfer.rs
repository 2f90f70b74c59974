//! One file from an offset to its end.
//!
//! What must never happen here: `Ok` without the server's 226 or 250, or for data that a broken
//! connection may have cut short.

use std::io::{self, Read};

use super::{
    abilities::Learned,
    link::Link,
    reply::{Answer, Fault, said},
};
use crate::source::SourceError;

const CHUNK_BYTES: usize = 64 * 1024;

/// What is to be read.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) folder: &'a str,
    pub(super) name: &'a str,
    pub(super) offset: u64,
}

/// What was read, and whether its end is beyond doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fetched {
    pub(super) bytes: u64,
    /// False where the connection ended as a cut one does: the size has to agree.
    pub(super) is_end_certain: bool,
}

impl Wanted<'_> {
    pub(super) fn broke_off(self, source: io::Error) -> Fault {
        let (folder, name) = (self.folder.to_owned(), self.name.to_owned());
        Fault::Final(SourceError::Transfer { folder, name, source })
    }

    /// The server's refusal before any data came, as the caller should see it.
    fn refusal(self, link: &mut Link, answer: Answer) -> Fault {
        match answer.code {
            // No data connection, or one that was cut, says nothing about the file.
            425 | 426 | 451 | 522 => {
                link.mark_out_of_step();
                self.broke_off(io::Error::other(said(&answer)))
            }
            _ => Fault::Said(answer),
        }
    }
}

/// Hands the file's bytes to `sink`; how many, once the server confirmed the end.
pub(super) fn fetch(
    link: &mut Link,
    learned: &mut Learned,
    wanted: Wanted<'_>,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<Fetched, Fault> {
    let door = match link.data_door(learned) {
        Ok(door) => door,
        Err(Fault::Said(answer)) => return Err(wanted.refusal(link, answer)),
        Err(fault) => return Err(fault),
    };
    if wanted.offset > 0 {
        link.resume_at(wanted.offset).map_err(|fault| match fault {
            Fault::Said(answer) => {
                let (folder, name) = (wanted.folder.to_owned(), wanted.name.to_owned());
                let (offset, answer) = (wanted.offset, answer.text);
                Fault::Final(SourceError::ResumeRefused { folder, name, offset, answer })
            }
            fault => fault,
        })?;
    }
    let command = format!("RETR {}", wanted.name);
    let mut transfer = match link.begin(door, &command, None) {
        Ok(transfer) => transfer,
        Err(Fault::Said(answer)) => return Err(wanted.refusal(link, answer)),
        Err(fault) => return Err(fault),
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    let mut is_end_certain = true;
    loop {
        let length = match transfer.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // TLS without a goodbye, or a reset: the end of the file, or of the wire.
            Err(error) if is_abrupt_end(&error) => {
                is_end_certain = false;
                break;
            }
            Err(error) => {
                link.abandon(transfer);
                return Err(wanted.broke_off(error));
            }
        };
        if let Err(source) = sink(&chunk[..length]) {
            // ABOR is answered differently by every server: a new connection is the safe way.
            link.abandon(transfer);
            let (folder, name) = (wanted.folder.to_owned(), wanted.name.to_owned());
            return Err(Fault::Final(SourceError::Sink { folder, name, source }));
        }
        bytes += length as u64;
    }
    link.finish(transfer, &command).map_err(|fault| match fault {
        Fault::Said(answer) => wanted.broke_off(io::Error::other(said(&answer))),
        Fault::Gone(source) => wanted.broke_off(source),
        fault => fault,
    })?;
    Ok(Fetched { bytes, is_end_certain })
}

/// An end that a careless server makes, and a cut too.
pub(super) fn is_abrupt_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}
