//! A connection in the clear or under TLS.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use super::socket::Paced;
use crate::source::pace::Pace;

#[derive(Debug)]
pub(super) enum Wire {
    Plain(Paced),
    Tls(Box<StreamOwned<ClientConnection, Paced>>),
}

/// A handshake that failed, and the first bytes that the peer sent.
#[derive(Debug)]
pub(super) struct HandshakeFailure {
    pub(super) error: io::Error,
    pub(super) first: Vec<u8>,
}

impl Wire {
    /// Shakes hands over `socket`, which becomes a secured connection.
    pub(super) fn secure(
        mut socket: Paced,
        rules: &Arc<ClientConfig>,
        host: &str,
    ) -> Result<Self, HandshakeFailure> {
        let failed = |error: io::Error| HandshakeFailure { error, first: Vec::new() };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| failed(io::Error::other(error)))?;
        let mut connection = ClientConnection::new(Arc::clone(rules), name)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        if let Err(error) = connection.complete_io(&mut socket) {
            // Best effort: what cannot be shut down is already down.
            let _ = socket.stream().shutdown(Shutdown::Both);
            return Err(HandshakeFailure { error, first: socket.first().to_vec() });
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    pub(super) fn socket(&self) -> &Paced {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn socket_mut(&mut self) -> &mut Paced {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.socket().stream()
    }

    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.socket_mut().set_pace(pace);
    }

    pub(super) fn set_until(&mut self, until: Option<std::time::Instant>) {
        self.socket_mut().set_until(until);
    }

    pub(super) fn cut(&self) {
        // Best effort: what cannot be shut down is already down.
        let _ = self.stream().shutdown(Shutdown::Both);
    }

    /// Tells the peer that nothing more is sent, as TLS asks for.
    pub(super) fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // Best effort: the peer may be gone.
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
    }

    /// True where something came that nobody has asked for, or the peer has ended. What TLS itself
    /// sends between two answers (tickets) is taken up and is not meant.
    pub(super) fn has_unasked(&mut self) -> bool {
        let Self::Tls(stream) = self else { return self.socket().has_something() };
        loop {
            match stream.conn.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
                _ => return true,
            }
            if !stream.sock.has_something() {
                return false;
            }
            if !matches!(stream.conn.read_tls(&mut stream.sock), Ok(1..)) {
                return true;
            }
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
