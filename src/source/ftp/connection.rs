//! One connection to an FTP server: opened, secured, logged in, in binary type, and where it stands
//! in the server's directories. Every wait on it and on its data connections is bounded.
//!
//! What must never happen here: a connection used further after it may be out of sync with its
//! answers; a password sent, or data taken, in the clear where TLS is asked for.

use std::{
    fmt, io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ClientConfig;

use super::{
    control::{Control, OnReply},
    data::{self, DataConnection, Door, First, accept, await_first, port_command},
    login,
    names::quoted_path,
    profile::ServerProfile,
    reply::{Answer, Fault, Reply, said},
    socket::{Limits, Paced, address, reach_port},
    tls,
    wire::{HandshakeFailure, Wire},
};
use crate::{
    config::{FtpConfig, FtpMode, FtpTls, NameEncoding},
    source::{SourceError, pace::Pace, reach::reach, wire_names::WireNames},
};

/// How long a goodbye may take, and data of a transfer that was confirmed before any came.
const SHORT_WAIT: Duration = Duration::from_secs(2);
/// What ends a transfer well.
const DONE: [u32; 2] = [226, 250];

/// Where the connection stands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Here {
    Root,
    Folder(String),
    Unknown,
}

pub(super) struct Connection {
    control: Control,
    names: WireNames,
    address: String,
    passive: bool,
    /// TLS for data connections, and the name to verify.
    private: Option<(Arc<ClientConfig>, String)>,
    /// The root's path as the server prints it; `None` where it does not.
    root: Option<String>,
    here: Here,
    /// Transfers that this connection has ended: some servers allow only one.
    transfers: u32,
}

impl Connection {
    pub(super) fn open(
        config: &FtpConfig,
        tls: Option<&Arc<ClientConfig>>,
        profile: &mut ServerProfile,
        until: Option<Instant>,
        on_reply: OnReply,
    ) -> Result<Self, SourceError> {
        let address = address(config);
        let unreachable = |source| SourceError::Connect { address: address.clone(), source };
        let limits = Limits::of(config, until);
        let socket = reach(&config.host, config.port, &limits).map_err(unreachable)?;
        let socket = Paced::new(socket, limits, Pace::new(limits.silence)).map_err(unreachable)?;
        let names = WireNames(config.encoding);
        let mut control = Control::new(Wire::Plain(socket), names, limits, on_reply);
        profile.greeting = login::greet(&mut control, config, tls)?;
        login::log_in(&mut control, config)?;
        let mut connection = Self {
            control,
            names,
            address: address.clone(),
            passive: config.mode == FtpMode::Passive,
            private: tls.map(|rules| (Arc::clone(rules), config.host.clone())),
            root: None,
            here: Here::Root,
            transfers: 0,
        };
        connection.settle(config, profile).map_err(|fault| match fault {
            Fault::Said(answer) => SourceError::Lost {
                address: address.clone(),
                source: io::Error::other(said(&answer)),
            },
            Fault::Gone(source) => SourceError::Lost { address: address.clone(), source },
            Fault::Final(error) => error,
        })?;
        Ok(connection)
    }

    pub(super) fn set_until(&mut self, until: Option<Instant>) {
        self.control.set_until(until);
    }

    /// Private data, features, name encoding, binary type, root directory.
    fn settle(&mut self, config: &FtpConfig, profile: &mut ServerProfile) -> Result<(), Fault> {
        if self.private.is_some() {
            self.protect(config)?;
        }
        if !profile.feat_asked {
            // Noted before asking: a server that hangs on FEAT is not asked again.
            profile.feat_asked = true;
            profile.features = self.features()?;
        }
        if config.encoding == NameEncoding::Utf8 && profile.has_feature("UTF8") {
            // FileZilla and IIS want to be told; others answer as they like.
            self.try_command("OPTS UTF8 ON", &[200, 202, 220, 250])?;
        }
        self.command("TYPE I", &[200, 250])?;
        if let Some(root) = &config.root {
            self.cwd(root).map_err(|fault| match fault {
                Fault::Said(answer) => Fault::Final(missing(root, &answer)),
                fault => fault,
            })?;
        }
        self.root = match self.try_command("PWD", &[257])? {
            Some(reply) => quoted_path(&self.names.decode(&reply.body)),
            None => None,
        };
        Ok(())
    }

    /// Asks for data connections under TLS. With implicit TLS they are so anyway, whatever the server
    /// says to these commands (RFC 4217 came later); with explicit TLS a refusal ends all.
    fn protect(&mut self, config: &FtpConfig) -> Result<(), Fault> {
        self.try_command("PBSZ 0", &[200])?;
        match self.command("PROT P", &[200]) {
            Ok(_) => Ok(()),
            Err(Fault::Said(_)) if config.tls == FtpTls::Implicit => Ok(()),
            Err(Fault::Said(answer)) => Err(Fault::Final(SourceError::Tls {
                address: self.address.clone(),
                reason: format!(
                    "the server does not encrypt its data connections ({})",
                    answer.text
                ),
            })),
            Err(fault) => Err(fault),
        }
    }

    /// The lines of FEAT in capitals; empty where there is no FEAT.
    fn features(&mut self) -> Result<Vec<String>, Fault> {
        let Some(reply) = self.try_command("FEAT", &[211, 200, 214])? else {
            return Ok(Vec::new());
        };
        let text = String::from_utf8_lossy(&reply.body).to_uppercase();
        let inner = text.lines().filter(|line| !line.starts_with("211 "));
        Ok(inner.map(|line| line.trim_start_matches("211-").trim().to_owned()).collect())
    }

    pub(super) fn command(&mut self, line: &str, hoped: &[u32]) -> Result<Reply, Fault> {
        self.control.command(line, hoped)
    }

    /// `None` where the server refuses the command.
    pub(super) fn try_command(
        &mut self,
        line: &str,
        hoped: &[u32],
    ) -> Result<Option<Reply>, Fault> {
        match self.command(line, hoped) {
            Ok(reply) => Ok(Some(reply)),
            Err(Fault::Said(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// One command and the text of its answer, without the code.
    pub(super) fn ask(&mut self, line: &str, hoped: u32) -> Result<String, Fault> {
        let reply = self.command(line, &[hoped])?;
        Ok(self.names.decode(reply.text()))
    }

    /// Removes a file. The question before it has an answer of its own kind: a late "done" of another
    /// command shows there, and is never taken for that of the deletion.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), Fault> {
        self.try_command("PWD", &[257])?;
        self.control.say(&format!("DELE {name}"))?;
        let reply = self.control.hear()?;
        if [250, 200].contains(&reply.code) {
            return Ok(());
        }
        match self.control.unhoped("DELE", &reply) {
            // Odd, and after the fact: the file was not confirmed as removed, and is looked for again.
            Fault::Gone(_) if reply.code != 421 => Err(Fault::Said(Answer::of(&reply))),
            fault => Err(fault),
        }
    }

    fn cwd(&mut self, path: &str) -> Result<(), Fault> {
        self.command(&format!("CWD {path}"), &[250, 200]).map(drop)
    }

    /// Stands in `folder` of the root, or in the root. `again` goes there even from there, so that
    /// a folder that was removed and made again is seen.
    pub(super) fn enter(&mut self, folder: Option<&str>, again: bool) -> Result<(), Fault> {
        let there = folder.map_or(Here::Root, |name| Here::Folder(name.to_owned()));
        if self.here == there && !again {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.here, Here::Unknown);
        if let Some(path) = folder.and_then(|name| self.path_of(Some(name))) {
            match self.cwd(&path) {
                Ok(()) => {
                    self.here = there;
                    return Ok(());
                }
                // A server whose paths are written otherwise goes there step by step.
                Err(Fault::Said(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        match (self.root.clone(), &before) {
            (Some(root), _) => self.cwd(&root)?,
            (None, Here::Root) => {}
            (None, Here::Folder(_)) => self.command("CDUP", &[250, 200]).map(drop)?,
            (None, Here::Unknown) => {
                let lost = io::Error::other("the server does not report its root directory");
                return Err(Fault::Gone(lost));
            }
        }
        self.here = Here::Root;
        if let Some(name) = folder {
            self.step_into(name).map_err(|fault| match fault {
                Fault::Said(answer) => Fault::Final(missing(name, &answer)),
                fault => fault,
            })?;
        }
        Ok(())
    }

    /// The whole path of a folder, or of the root, where the server prints that as Unix does.
    pub(super) fn path_of(&self, folder: Option<&str>) -> Option<String> {
        let root = self.root.as_deref().filter(|root| root.starts_with('/'))?;
        Some(match folder {
            Some(folder) => format!("{}/{folder}", root.trim_end_matches('/')),
            None => root.to_owned(),
        })
    }

    /// One directory down by its bare name; [`Fault::Said`] where there is no such directory.
    pub(super) fn step_into(&mut self, name: &str) -> Result<(), Fault> {
        self.cwd(name)?;
        self.here = match self.here {
            Here::Root => Here::Folder(name.to_owned()),
            _ => Here::Unknown,
        };
        Ok(())
    }

    /// Opens the way for data: connects where the server listens, or listens itself.
    pub(super) fn data_door(&mut self, profile: &mut ServerProfile) -> Result<Door, Fault> {
        if !self.passive {
            let local = self.control.wire()?.stream().local_addr()?;
            let listener = TcpListener::bind((local.ip(), 0))?;
            self.command(&port_command(listener.local_addr()?), &[200, 250])?;
            return Ok(Door::Listening(listener));
        }
        let mut unreachable = None;
        if !profile.epsv_refused {
            let port = match self.epsv_port() {
                Ok(port) => port,
                // For once: what is refused for good has another code.
                Err(Fault::Said(answer)) if answer.code < 500 => None,
                Err(Fault::Said(_)) => {
                    profile.epsv_refused = self.transfers == 0;
                    None
                }
                Err(fault) => return Err(fault),
            };
            if let Some(port) = port {
                // A router between may pass PASV only, so a port that does not answer is no verdict.
                match reach_port(self.control.peer()?, port, self.control.limits()) {
                    Ok(stream) => return Ok(Door::Connected(stream)),
                    Err(error) => unreachable = Some(error),
                }
            }
        }
        let port = self.pasv_port().map_err(|fault| self.refused_data(fault))?;
        let peer = self.control.peer()?;
        let stream = reach_port(peer, port, self.control.limits()).map_err(|source| {
            self.mark_out_of_sync();
            let (at, kind) = (std::net::SocketAddr::new(peer.ip(), port), source.kind());
            Fault::Gone(io::Error::new(kind, NoDataConnection { at, source }))
        })?;
        profile.epsv_refused |= unreachable.is_some();
        Ok(Door::Connected(stream))
    }

    /// `None` where the answer has no port.
    fn epsv_port(&mut self) -> Result<Option<u16>, Fault> {
        let text = self.ask("EPSV", 229)?;
        match data::epsv_port(&text) {
            Some(port) => Ok(Some(port)),
            None => Err(Fault::Said(Answer::new(501, &format!("229 {text}")))),
        }
    }

    fn pasv_port(&mut self) -> Result<u16, Fault> {
        let text = self.ask("PASV", 227)?;
        let no_port = || Fault::Said(Answer::new(501, "227 without a port"));
        data::pasv_port(&text).ok_or_else(no_port)
    }

    /// A server that allows one transfer a session refuses the second one: a new connection is due.
    fn refused_data(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::Said(answer) if self.transfers > 0 => {
                self.mark_out_of_sync();
                Fault::Gone(io::Error::other(said(&answer)))
            }
            fault => fault,
        }
    }

    /// Whether EPSV works.
    pub(super) fn speaks_epsv(&mut self) -> Result<bool, Fault> {
        match self.epsv_port() {
            Ok(port) => Ok(port.is_some()),
            Err(Fault::Said(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The next transfer begins at this byte.
    pub(super) fn resume_at(&mut self, offset: u64) -> Result<(), Fault> {
        self.command(&format!("REST {offset}"), &[350]).map(drop)
    }

    /// Whether the server takes REST; leaves no offset behind.
    pub(super) fn speaks_rest(&mut self) -> Result<bool, Fault> {
        if self.try_command("REST 1", &[350])?.is_none() {
            return Ok(false);
        }
        if self.try_command("REST 0", &[350])?.is_none() {
            self.mark_out_of_sync();
        }
        Ok(true)
    }

    /// Sends a command that asks for data. `most` bounds the whole transfer, in silences allowed.
    pub(super) fn begin(
        &mut self,
        mut door: Door,
        command: &str,
        most: Option<u32>,
    ) -> Result<DataConnection, Fault> {
        self.control.say(command)?;
        let is_private = self.private.is_some();
        let is_confirmed = match await_first(&mut self.control, &mut door, is_private)? {
            First::Data => false,
            First::Reply(reply) if reply.is_preliminary() => false,
            // All was sent already, or there was nothing to send: no 150 came.
            First::Reply(reply) if DONE.contains(&reply.code) => true,
            First::Reply(reply) => {
                let fault = self.control.unhoped(command, &reply);
                let is_about_data = matches!(&fault, Fault::Said(answer) if answer.code == 425);
                return Err(if is_about_data { self.refused_data(fault) } else { fault });
            }
        };
        let limits = *self.control.limits();
        let silence = if is_confirmed { limits.silence.min(SHORT_WAIT) } else { limits.silence };
        let pace = most.map_or_else(|| Pace::new(silence), |times| Pace::at_most(silence, times));
        let stream = match door {
            Door::Connected(stream) => stream,
            Door::Listening(listener) => {
                let limits = Limits { connect: limits.connect.min(silence), ..limits };
                let stream = accept(&listener, self.control.peer()?, &limits);
                stream.inspect_err(|_| self.control.mark_out_of_sync())?
            }
        };
        let socket = Paced::new(stream, limits, pace)?;
        let wire = match &self.private {
            None => Wire::Plain(socket),
            Some((rules, host)) => match Wire::secure(socket, &Arc::clone(rules), &host.clone()) {
                Ok(wire) => wire,
                Err(failure) => return Err(self.unsecured(command, failure)),
            },
        };
        Ok(DataConnection { wire, is_confirmed })
    }

    /// Why a data connection could not be secured: in the server's own words, if it has any.
    fn unsecured(&mut self, command: &str, failure: HandshakeFailure) -> Fault {
        self.mark_out_of_sync();
        let silence = self.control.limits().silence.min(SHORT_WAIT);
        if let Ok(reply) = self.control.hear_within(silence)
            && let fault @ Fault::Said(_) = Fault::of(command, &reply)
        {
            return fault;
        }
        match tls::reason(&failure) {
            Some(reason) => Fault::Final(SourceError::Tls {
                address: self.address.clone(),
                reason: format!("data connection: {reason}"),
            }),
            None => Fault::Gone(failure.error),
        }
    }

    /// The server's last word about a transfer whose data has ended.
    pub(super) fn finish(
        &mut self,
        mut transfer: DataConnection,
        command: &str,
    ) -> Result<(), Fault> {
        transfer.wire.say_goodbye();
        let is_confirmed = transfer.is_confirmed;
        drop(transfer);
        self.transfers += 1;
        if is_confirmed {
            return Ok(());
        }
        // A 150 that comes late, behind the data, is passed over.
        let reply = self.control.hear_last()?;
        if DONE.contains(&reply.code) {
            return Ok(());
        }
        let fault = self.control.unhoped(command, &reply);
        // Some servers say 426 and then 226: what comes next may belong to this transfer.
        self.mark_out_of_sync();
        Err(fault)
    }

    /// Breaks off a transfer without waiting for anything; the connection is of no use afterwards.
    pub(super) fn abandon(&mut self, transfer: DataConnection) {
        transfer.wire.cut();
        self.control.cut();
    }

    pub(super) fn names(&self) -> WireNames {
        self.names
    }

    /// What was asked takes its time: a sign of life.
    pub(super) fn report_alive(&self) {
        self.control.report_alive();
    }

    pub(super) fn is_in_sync(&self) -> bool {
        self.control.is_in_sync()
    }

    pub(super) fn mark_out_of_sync(&mut self) {
        self.control.mark_out_of_sync();
    }

    pub(super) fn is_quiet(&mut self) -> bool {
        self.control.is_quiet()
    }

    /// Says goodbye where the connection is sound, and closes it.
    pub(super) fn close(mut self) {
        if self.is_in_sync() && self.control.say("QUIT").is_ok() {
            // A server that does not answer the goodbye is left all the same.
            let _ = self.control.hear_within(SHORT_WAIT);
        }
        self.control.cut();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("here", &self.here).finish_non_exhaustive()
    }
}

fn missing(folder: &str, answer: &Answer) -> SourceError {
    SourceError::FolderMissing { folder: folder.to_owned(), answer: answer.text.clone() }
}

/// The data connection could not be made; the control connection knows nothing of it.
#[derive(Debug, thiserror::Error)]
#[error("no data connection to {at}")]
struct NoDataConnection {
    at: std::net::SocketAddr,
    source: io::Error,
}
