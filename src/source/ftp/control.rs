//! The control connection: one command, one answer, in sync.
//!
//! What must never happen here: an answer taken for the answer to another command; anything read
//! before TLS believed behind it.

use std::{
    io::{self, BufReader, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ClientConfig;

use super::{
    reply::{Fault, Reply, read_reply},
    socket::Limits,
    wire::{HandshakeFailure, Wire},
};
use crate::source::{pace::Pace, wire_names::WireNames};

/// An answer may take so many times the silence allowed in all.
const ANSWER_SILENCES: u32 = 2;
/// What a server may say of a wait before the answer that counts.
const MAX_PRELIMINARY: usize = 10;
/// Telnet's escape: a file name's byte 255 travels doubled (RFC 959 §3.1, RFC 854).
const IAC: u8 = 0xFF;

/// Called with every answer of the server.
pub(super) type OnReply = Option<Arc<dyn Fn() + Send + Sync>>;

pub(super) struct Control {
    /// `None` only while TLS is being put under it.
    reader: Option<BufReader<Wire>>,
    names: WireNames,
    limits: Limits,
    on_reply: OnReply,
    in_sync: bool,
}

impl Control {
    pub(super) fn new(wire: Wire, names: WireNames, limits: Limits, on_reply: OnReply) -> Self {
        Self { reader: Some(BufReader::new(wire)), names, limits, on_reply, in_sync: true }
    }

    fn reader(&mut self) -> io::Result<&mut BufReader<Wire>> {
        self.reader.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(super) fn wire(&self) -> io::Result<&Wire> {
        let reader = self.reader.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(reader.get_ref())
    }

    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        self.wire()?.stream().peer_addr()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn set_until(&mut self, until: Option<Instant>) {
        self.limits.until = until;
        if let Some(reader) = &mut self.reader {
            reader.get_mut().set_until(until);
        }
    }

    pub(super) fn is_in_sync(&self) -> bool {
        self.in_sync
    }

    pub(super) fn mark_out_of_sync(&mut self) {
        self.in_sync = false;
    }

    pub(super) fn report_alive(&self) {
        if let Some(on_reply) = &self.on_reply {
            on_reply();
        }
    }

    /// Puts TLS under the dialogue.
    pub(super) fn secure(
        &mut self,
        rules: &Arc<ClientConfig>,
        host: &str,
    ) -> Result<(), HandshakeFailure> {
        let failed = |error| HandshakeFailure { error, first: Vec::new() };
        let reader =
            self.reader.take().ok_or_else(|| failed(io::ErrorKind::NotConnected.into()))?;
        if !reader.buffer().is_empty() {
            let early = "the server continued in clear text instead of starting TLS";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, early)));
        }
        let Wire::Plain(mut socket) = reader.into_inner() else {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        };
        socket.set_pace(Pace::at_most(self.limits.silence, ANSWER_SILENCES));
        self.reader = Some(BufReader::new(Wire::secure(socket, rules, host)?));
        Ok(())
    }

    /// False where something arrived unasked (421, the end, an answer too many): what is read next
    /// would not belong to what is said next.
    pub(super) fn is_quiet(&mut self) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        self.in_sync && reader.buffer().is_empty() && !reader.get_mut().has_unasked()
    }

    /// Sends one line, unless an answer to nothing is waiting.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        if !self.is_quiet() {
            self.in_sync = false;
            let kind = io::ErrorKind::ConnectionAborted;
            return Err(io::Error::new(
                kind,
                "the server sent an unexpected reply, or closed the connection",
            ));
        }
        if line.contains(['\r', '\n', '\0']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a command of more than one line",
            ));
        }
        let mut bytes = Vec::with_capacity(line.len() + 2);
        for byte in self.names.encode(line)? {
            bytes.push(byte);
            if byte == IAC {
                bytes.push(IAC);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        let wire = self.reader()?.get_mut();
        wire.write_all(&bytes)?;
        wire.flush()
    }

    /// The next answer, whatever it says.
    pub(super) fn hear(&mut self) -> io::Result<Reply> {
        self.hear_within(self.limits.silence)
    }

    /// The next answer, with another silence allowed than usual.
    pub(super) fn hear_within(&mut self, silence: Duration) -> io::Result<Reply> {
        let pace = Pace::at_most(silence, ANSWER_SILENCES);
        let reader = self.reader()?;
        reader.get_mut().set_pace(pace);
        let reply = read_reply(reader);
        self.in_sync &= reply.is_ok();
        self.report_alive();
        reply
    }

    /// The next answer that is not "wait".
    pub(super) fn hear_last(&mut self) -> io::Result<Reply> {
        for _ in 0..MAX_PRELIMINARY {
            let reply = self.hear()?;
            if !reply.is_preliminary() {
                return Ok(reply);
            }
        }
        self.in_sync = false;
        Err(io::Error::new(io::ErrorKind::InvalidData, "the server keeps asking to wait"))
    }

    /// One command and its answer, where its code is one of those hoped for.
    pub(super) fn command(&mut self, line: &str, hoped: &[u32]) -> Result<Reply, Fault> {
        self.say(line)?;
        let reply = self.hear()?;
        if hoped.contains(&reply.code) { Ok(reply) } else { Err(self.unhoped(line, &reply)) }
    }

    /// What an answer means that is not the one hoped for.
    pub(super) fn unhoped(&mut self, line: &str, reply: &Reply) -> Fault {
        let verb = line.split(' ').next().unwrap_or_default();
        let fault = Fault::of(verb, reply);
        self.in_sync &= matches!(fault, Fault::Said(_));
        fault
    }

    /// Shuts the sockets; nothing is said any more.
    pub(super) fn cut(&mut self) {
        self.in_sync = false;
        if let Some(reader) = &self.reader {
            reader.get_ref().cut();
        }
    }
}
