//! The SFTP session on a connection: requests and their answers, matched by id. Several requests may be on
//! their way at once; what is sent together travels together.
//!
//! What must never happen here: an answer taken for that to another request; memory that grows with what a
//! server sends unasked.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    packets::{self, Answer, Malformed, Request, Status},
    ssh::Ssh,
};
use crate::source::{SourceError, pace::Pace};

/// Called with every answer.
pub(super) type OnAnswer = Option<Arc<dyn Fn() + Send + Sync>>;

/// An answer may take so many times the silence allowed in all.
const ANSWER_SILENCES: u32 = 2;

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said so; the session works on.
    Said(Status),
    /// The session is over.
    Gone(io::Error),
    /// What the caller is to return as it is.
    Final(SourceError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// A request that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Id(u32);

/// What is awaited, by request.
enum Awaited {
    /// An answer with at most so many bytes of data.
    Wanted(usize),
    Came(Answer),
    /// Nobody waits for it any more.
    Ignored,
}

pub(super) struct Session {
    ssh: Ssh,
    on_answer: OnAnswer,
    /// What came and is not read yet.
    inbox: Vec<u8>,
    /// What was asked and is not sent yet.
    outbox: Vec<u8>,
    next: u32,
    awaited: BTreeMap<u32, Awaited>,
    is_usable: bool,
}

impl Session {
    pub(super) fn begin(ssh: Ssh, on_answer: OnAnswer) -> io::Result<Self> {
        let (inbox, outbox) = (Vec::new(), Vec::new());
        let awaited = BTreeMap::new();
        let mut session = Self { ssh, on_answer, inbox, outbox, next: 0, awaited, is_usable: true };
        packets::put_init(&mut session.outbox);
        session.flush()?;
        let mut pace = session.pace();
        let packet = session.packet(&mut pace)?;
        let version = packets::version(&packet).map_err(improper)?;
        session.heard();
        if version < packets::VERSION {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the server speaks only version {version} of SFTP; version 3 is needed"),
            ));
        }
        Ok(session)
    }

    pub(super) fn ssh(&self) -> &Ssh {
        &self.ssh
    }

    pub(super) fn set_until(&mut self, until: Option<Instant>) {
        self.ssh.set_until(until);
    }

    /// Whether another request may be sent.
    pub(super) fn is_usable(&self) -> bool {
        self.is_usable && self.ssh.is_open()
    }

    /// The allowance of one answer.
    pub(super) fn pace(&self) -> Pace {
        Pace::at_most(self.ssh.limits().silence, ANSWER_SILENCES)
    }

    /// The allowance of answers of any length in a row.
    pub(super) fn long_pace(&self, silences: Option<u32>) -> Pace {
        let silence: Duration = self.ssh.limits().silence;
        silences.map_or_else(|| Pace::new(silence), |times| Pace::at_most(silence, times))
    }

    /// Puts a request on its way, at the latest when an answer is awaited.
    pub(super) fn ask(&mut self, request: Request<'_>) -> Id {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        request.put(&mut self.outbox, id);
        let most = if let Request::Read { length, .. } = request { length } else { 0 };
        self.awaited.insert(id, Awaited::Wanted(usize::try_from(most).unwrap_or(usize::MAX)));
        Id(id)
    }

    /// The answer to `id` is dropped when it comes.
    pub(super) fn ignore(&mut self, id: Id) {
        match self.awaited.get_mut(&id.0) {
            Some(awaited @ Awaited::Wanted(_)) => *awaited = Awaited::Ignored,
            Some(Awaited::Came(_)) => {
                self.awaited.remove(&id.0);
            }
            Some(Awaited::Ignored) | None => {}
        }
    }

    /// Gives a handle back; nobody waits for the answer.
    pub(super) fn release(&mut self, handle: &[u8]) -> io::Result<()> {
        let id = self.ask(Request::Close(handle));
        self.ignore(id);
        self.flush()
    }

    /// Waits for the answer to `id`.
    pub(super) fn answer(&mut self, id: Id, pace: &mut Pace) -> io::Result<Answer> {
        self.flush()?;
        loop {
            if let Some(Awaited::Came(_)) = self.awaited.get(&id.0)
                && let Some(Awaited::Came(answer)) = self.awaited.remove(&id.0)
            {
                return Ok(answer);
            }
            let packet = self.packet(pace)?;
            let taken = self.take(&packet);
            self.is_usable &= taken.is_ok();
            taken?;
        }
    }

    /// One request and its answer; [`Fault::Said`] where it is a status, also a good one.
    pub(super) fn request(&mut self, request: Request<'_>) -> Result<Answer, Fault> {
        let id = self.ask(request);
        let mut pace = self.pace();
        match self.answer(id, &mut pace)? {
            Answer::Status(status) => Err(Fault::Said(status)),
            answer => Ok(answer),
        }
    }

    pub(super) fn close(self) {
        self.ssh.close();
    }

    /// Files an answer under its request.
    fn take(&mut self, packet: &[u8]) -> io::Result<()> {
        let (id, answer) = packets::answer(packet).map_err(improper)?;
        let data = if let Answer::Data(data) = &answer { data.len() } else { 0 };
        match self.awaited.get_mut(&id) {
            Some(Awaited::Ignored) => {
                self.awaited.remove(&id);
            }
            Some(Awaited::Wanted(most)) if data > *most => {
                return Err(improper("the server sent more bytes than were asked for"));
            }
            Some(awaited @ Awaited::Wanted(_)) => *awaited = Awaited::Came(answer),
            Some(Awaited::Came(_)) => return Err(improper("the server answered a request twice")),
            None => return Err(improper("the server answered what was not asked")),
        }
        self.heard();
        Ok(())
    }

    /// The next whole packet.
    fn packet(&mut self, pace: &mut Pace) -> io::Result<Vec<u8>> {
        let packet = self.next_packet(pace);
        self.is_usable &= packet.is_ok();
        packet
    }

    fn next_packet(&mut self, pace: &mut Pace) -> io::Result<Vec<u8>> {
        loop {
            if let Some(packet) = packets::whole(&self.inbox).map_err(improper)? {
                let packet = packet.to_vec();
                self.inbox.drain(..4 + packet.len());
                return Ok(packet);
            }
            let mut came = self.ssh.receive(pace)?;
            if self.inbox.is_empty() {
                self.inbox = came;
            } else {
                self.inbox.append(&mut came);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.is_usable {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if self.outbox.is_empty() {
            return Ok(());
        }
        let sent = self.ssh.send(std::mem::take(&mut self.outbox));
        self.is_usable &= sent.is_ok();
        sent
    }

    fn heard(&self) {
        if let Some(sign) = &self.on_answer {
            sign();
        }
    }
}

fn improper(what: impl Into<Improper>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What a server must not send.
#[derive(Debug, thiserror::Error)]
enum Improper {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Rule(&'static str),
}

impl From<&'static str> for Improper {
    fn from(rule: &'static str) -> Self {
        Self::Rule(rule)
    }
}
