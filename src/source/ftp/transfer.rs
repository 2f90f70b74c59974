//! One file from an offset to its end.
//!
//! What must never happen here: a good end without the server's 226 or 250, or of data that a broken
//! connection may have cut short; a control connection used further after a transfer that was not
//! read to its end.

use std::io::{self, Read};

use super::{
    FtpSource,
    connection::Connection,
    data::DataConnection,
    profile::ServerProfile,
    reply::{Answer, Fault, said},
};
use crate::source::{SourceError, Transfer};

/// What is to be read.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    folder: &'a str,
    name: &'a str,
    offset: u64,
}

impl Wanted<'_> {
    fn broke_off(self, source: io::Error) -> SourceError {
        let (folder, name) = (self.folder.to_owned(), self.name.to_owned());
        SourceError::Transfer { folder, name, source }
    }

    /// The server's refusal before any data came, as the caller should see it.
    fn refusal(self, connection: &mut Connection, answer: Answer) -> Fault {
        match answer.code {
            // No data connection, or one that was cut, says nothing about the file.
            425 | 426 | 451 | 522 => {
                connection.mark_out_of_sync();
                Fault::Final(self.broke_off(io::Error::other(said(&answer))))
            }
            _ => Fault::Said(answer),
        }
    }
}

/// Asks for the file's bytes.
fn begin(
    connection: &mut Connection,
    profile: &mut ServerProfile,
    wanted: Wanted<'_>,
) -> Result<DataConnection, Fault> {
    let door = match connection.data_door(profile) {
        Ok(door) => door,
        Err(Fault::Said(answer)) => return Err(wanted.refusal(connection, answer)),
        Err(fault) => return Err(fault),
    };
    if wanted.offset > 0 {
        connection.resume_at(wanted.offset).map_err(|fault| match fault {
            Fault::Said(answer) => {
                let (folder, name) = (wanted.folder.to_owned(), wanted.name.to_owned());
                let (offset, answer) = (wanted.offset, answer.text);
                Fault::Final(SourceError::ResumeRefused { folder, name, offset, answer })
            }
            fault => fault,
        })?;
    }
    match connection.begin(door, &format!("RETR {}", wanted.name), None) {
        Err(Fault::Said(answer)) => Err(wanted.refusal(connection, answer)),
        begun => begun,
    }
}

/// A file on its way. It holds the source's connection, which goes back only behind a good end: ABOR
/// is answered differently by every server, so a new connection is the safe way after anything else.
struct FileTransfer<'t> {
    source: &'t mut FtpSource,
    wanted: Wanted<'t>,
    /// `None` once it was broken off.
    running: Option<(Connection, DataConnection)>,
    /// Bytes that came.
    bytes: u64,
    end: Option<End>,
}

/// How the data ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Certain,
    /// As a cut connection does: the size has to agree.
    Abrupt,
}

impl FtpSource {
    /// Asks for the file's bytes, on a new connection where the one there is turns out to be lost.
    pub(super) fn begin_transfer<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        let wanted = Wanted { folder, name, offset };
        let data = self
            .attempt(|connection, profile| {
                connection.enter(Some(folder), false)?;
                begin(connection, profile, wanted)
            })
            .map_err(|fault| self.refused(folder, name, fault))?;
        let Some(connection) = self.connection.take() else {
            return Err(self.lost(Fault::Gone(io::ErrorKind::NotConnected.into())));
        };
        let running = Some((connection, data));
        Ok(Box::new(FileTransfer { source: self, wanted, running, bytes: 0, end: None }))
    }
}

impl Transfer for FileTransfer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let Some((_, data)) = &mut self.running else {
            return Err(self.wanted.broke_off(io::ErrorKind::NotConnected.into()));
        };
        if self.end.is_some() {
            return Ok(0);
        }
        loop {
            match data.read(buffer) {
                Ok(0) => self.end = Some(End::Certain),
                Ok(length) => {
                    self.bytes += length as u64;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // TLS without a goodbye, or a reset: the end of the file, or of the wire.
                Err(error) if is_abrupt_end(&error) => self.end = Some(End::Abrupt),
                Err(error) => {
                    self.abort();
                    return Err(self.wanted.broke_off(error));
                }
            }
            return Ok(0);
        }
    }

    fn finish(mut self: Box<Self>) -> Result<u64, SourceError> {
        let wanted = self.wanted;
        let Some(end) = self.end else {
            let unread = io::Error::other("it was not read to the end");
            return Err(wanted.broke_off(unread));
        };
        let Some((mut connection, data)) = self.running.take() else {
            return Err(wanted.broke_off(io::ErrorKind::NotConnected.into()));
        };
        let finished = connection.finish(data, "RETR");
        if connection.is_in_sync() {
            self.source.connection = Some(connection);
        }
        finished.map_err(|fault| match fault {
            Fault::Said(answer) => wanted.broke_off(io::Error::other(said(&answer))),
            Fault::Gone(source) => wanted.broke_off(source),
            Fault::Final(error) => error,
        })?;
        if end == End::Abrupt {
            // The control connection is whole, so its word about the size can be believed.
            let size = self.source.size_of(wanted.folder, wanted.name)?;
            if size != Some(wanted.offset.saturating_add(self.bytes)) {
                let cut = "the data connection was cut: the size does not match";
                return Err(wanted.broke_off(io::Error::new(io::ErrorKind::UnexpectedEof, cut)));
            }
        }
        Ok(self.bytes)
    }
}

impl FileTransfer<'_> {
    /// Breaks the transfer off, and the connection with it.
    fn abort(&mut self) {
        if let Some((mut connection, data)) = self.running.take() {
            connection.abandon(data);
        }
    }
}

impl Drop for FileTransfer<'_> {
    fn drop(&mut self) {
        self.abort();
    }
}

/// An end that a careless server makes, and a cut too.
pub(super) fn is_abrupt_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}
