//! One file from an offset to its end.
//!
//! What must never happen here: `Ok` without the server's 226 or 250, or for data that a broken TLS
//! stream may have cut short.

use std::io::{self, Read};

use super::{
    abilities::Learned,
    ask_size,
    link::Link,
    reply::{Answer, Fault, explained},
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

impl Wanted<'_> {
    fn broke_off(self, source: io::Error) -> Fault {
        let (folder, name) = (self.folder.to_owned(), self.name.to_owned());
        Fault::Final(SourceError::Transfer { folder, name, source })
    }

    /// The server's refusal before any data came, as the caller should see it.
    fn refusal(self, link: &mut Link, answer: Answer) -> Result<Fault, Fault> {
        let (folder, name) = (self.folder.to_owned(), self.name.to_owned());
        // suppaftp does not tell whether REST or RETR was refused, so REST is asked alone.
        let about_rest = answer.is_refused_command() || matches!(answer.code, 350 | 551 | 554);
        if self.offset > 0 && about_rest && !link.speaks_rest()? {
            let (offset, answer) = (self.offset, answer.text);
            return Ok(Fault::Final(SourceError::ResumeRefused { folder, name, offset, answer }));
        }
        Ok(match answer.code {
            // No data connection, or one that was cut, says nothing about the file.
            425 | 426 | 451 | 522 => {
                link.mark_out_of_step();
                self.broke_off(io::Error::other(format!("the server answered {}", answer.text)))
            }
            _ => Fault::Said(answer),
        })
    }
}

/// Hands the file's bytes to `sink`; the number handed over, once the server confirmed the end.
pub(super) fn fetch(
    link: &mut Link,
    learned: &mut Learned,
    wanted: Wanted<'_>,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Fault> {
    let command = format!("RETR {}", wanted.name);
    let mut transfer = match link.open_data(learned, &command, wanted.offset) {
        Ok(transfer) => transfer,
        Err(Fault::Said(answer)) => return Err(wanted.refusal(link, answer)?),
        Err(fault) => return Err(fault),
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut handed = 0;
    let mut is_end_certain = true;
    loop {
        let length = match transfer.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // TLS without a goodbye: the end of the file, or of the wire.
            Err(error) if link.is_secured() && error.kind() == io::ErrorKind::UnexpectedEof => {
                is_end_certain = false;
                break;
            }
            Err(error) => {
                link.abandon_transfer(transfer);
                return Err(wanted.broke_off(explained(error)));
            }
        };
        if let Err(source) = sink(&chunk[..length]) {
            // ABOR is answered differently by every server: a new connection is the safe way.
            link.abandon_transfer(transfer);
            let (folder, name) = (wanted.folder.to_owned(), wanted.name.to_owned());
            return Err(Fault::Final(SourceError::Sink { folder, name, source }));
        }
        handed += length as u64;
    }
    link.finish(transfer).map_err(|fault| match fault {
        Fault::Said(answer) => {
            wanted.broke_off(io::Error::other(format!("the server answered {}", answer.text)))
        }
        Fault::Gone(source) => wanted.broke_off(source),
        fault => fault,
    })?;
    // The control connection is whole, so its word about the size can be believed.
    if !is_end_certain && ask_size(link, wanted.name)? != Some(wanted.offset + handed) {
        let cut = "the TLS data connection ended without its goodbye";
        return Err(wanted.broke_off(io::Error::new(io::ErrorKind::UnexpectedEof, cut)));
    }
    Ok(handed)
}
