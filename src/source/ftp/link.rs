//! One connection to an FTP server: opened, secured, logged in, in binary type, and where it stands
//! in the server's directories. Every wait on it and on its data connections is bounded.
//!
//! What must never happen here: a connection used further after it may be out of step with its
//! answers.

use std::{
    fmt,
    io::{self, Read},
    net::Shutdown,
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;
use suppaftp::{Encoding, FtpError, ImplFtpStream, Mode, Status, TransferStream, types::FileType};

use super::{
    Signs,
    abilities::Learned,
    names::WireNames,
    reply::{Answer, Fault, explained},
    socket::{bound_waits, data_connector, implicit, is_no_data_link, reach},
    tls::{self, Connector, TlsStream},
};
use crate::{
    config::{FtpConfig, FtpMode, FtpTls, NameEncoding},
    source::SourceError,
};

/// How long a goodbye may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Far above 20,000 lines of 255 bytes; an endless listing must not fill the memory.
const MAX_LISTING_BYTES: u64 = 64 * 1024 * 1024;

pub(super) type Transfer = TransferStream<TlsStream>;

/// Where the connection stands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Here {
    Root,
    Folder(String),
    Unknown,
}

pub(super) struct Link {
    stream: ImplFtpStream<TlsStream>,
    names: WireNames,
    passive: bool,
    secured: bool,
    read_timeout: Duration,
    /// The root's path as the server prints it; `None` where it does not.
    root: Option<String>,
    here: Here,
    in_step: bool,
    signs: Signs,
}

impl Link {
    pub(super) fn open(
        config: &FtpConfig,
        tls: Option<&Arc<ClientConfig>>,
        learned: &mut Learned,
    ) -> Result<Self, SourceError> {
        let address = address(config);
        let unreachable = |source| SourceError::Connect { address: address.clone(), source };
        let socket = reach(config).map_err(unreachable)?;
        let peer = socket.peer_addr().map_err(unreachable)?;
        let stream = match (config.tls, tls) {
            (FtpTls::Explicit, Some(rules)) => {
                let plain = ImplFtpStream::connect_with_stream(socket)
                    .map_err(|error| unreachable(as_io(error)))?;
                let connector = Connector::new(rules, config.read_timeout);
                let failure = connector.failure();
                plain
                    .into_secure(connector, &config.host)
                    .map_err(|error| insecure(&address, failure.take(), error))?
            }
            (FtpTls::Implicit, Some(rules)) => {
                let connector = Connector::new(rules, config.read_timeout);
                let failure = connector.failure();
                implicit(socket, connector, &config.host)
                    .map_err(|error| insecure(&address, failure.take(), error))?
            }
            _ => ImplFtpStream::connect_with_stream(socket)
                .map_err(|error| unreachable(as_io(error)))?,
        };
        let stream = stream.passive_stream_builder(data_connector(config, peer));
        let passive = config.mode == FtpMode::Passive;
        let stream = if passive { stream } else { stream.active_mode(config.connect_timeout) };
        let mut link = Self {
            stream,
            names: WireNames(config.encoding),
            passive,
            secured: tls.is_some(),
            read_timeout: config.read_timeout,
            root: None,
            here: Here::Root,
            in_step: true,
            signs: None,
        };
        link.stream.set_encoding(link.names);
        learned.greeting = link.stream.get_welcome_msg().unwrap_or_default().to_owned();
        link.log_in(config)?;
        link.settle(config, learned).map_err(|fault| match fault {
            Fault::Said(answer) => SourceError::Lost {
                address: address.clone(),
                source: io::Error::other(format!("the server answered {}", answer.text)),
            },
            Fault::Gone(source) => SourceError::Lost { address: address.clone(), source },
            Fault::Final(error) => error,
        })?;
        Ok(link)
    }

    /// What is called with every answer to a command from now on.
    pub(super) fn set_signs(&mut self, signs: Signs) {
        self.signs = signs;
    }

    fn log_in(&mut self, config: &FtpConfig) -> Result<(), SourceError> {
        let address = address(config);
        let password = config.password.expose();
        match self.stream.login(config.user.as_str(), password).map_err(Fault::from) {
            Ok(()) => Ok(()),
            Err(Fault::Said(answer)) => Err(SourceError::Login {
                address,
                user: config.user.clone(),
                answer: answer.text_without(password),
            }),
            Err(Fault::Gone(source)) => Err(match tls::reason(&source) {
                Some(reason) => SourceError::Tls { address, reason },
                None => SourceError::Lost { address, source },
            }),
            Err(Fault::Final(error)) => Err(error),
        }
    }

    /// Features, name encoding, binary type, root directory.
    fn settle(&mut self, config: &FtpConfig, learned: &mut Learned) -> Result<(), Fault> {
        if !learned.feat_asked {
            // Noted before asking: a server that hangs on FEAT is not asked again.
            learned.feat_asked = true;
            learned.features = self.features()?;
        }
        if config.encoding == NameEncoding::Utf8 && learned.has_feature("UTF8") {
            // FileZilla and IIS want to be told; others answer as they like.
            match self.command("OPTS UTF8 ON", &[Status::CommandOk]) {
                Ok(_) | Err(Fault::Said(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.stream.transfer_type(FileType::Image)?;
        if let Some(root) = &config.root {
            self.stream.cwd(root).map_err(|error| match Fault::from(error) {
                Fault::Said(answer) => Fault::Final(missing(root, &answer)),
                fault => fault,
            })?;
        }
        match self.stream.pwd().map_err(Fault::from) {
            // A quote in a path is doubled (RFC 959, appendix II).
            Ok(path) => self.root = Some(path.replace("\"\"", "\"")),
            Err(Fault::Said(_)) => self.root = None,
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// The lines of FEAT in capitals; empty where there is no FEAT.
    fn features(&mut self) -> Result<Vec<String>, Fault> {
        // suppaftp's own `feat` gives up at the first line that is not indented. Asking for a code
        // that FEAT never has makes it hand over the whole reply unread.
        match self.stream.custom_command("FEAT", &[Status::CommandOk]) {
            Err(FtpError::UnexpectedResponse(response)) if response.status == Status::System => {
                let text = String::from_utf8_lossy(&response.body).to_uppercase();
                let inner = text.lines().filter(|line| !line.starts_with("211 "));
                Ok(inner.map(|line| line.trim_start_matches("211-").trim().to_owned()).collect())
            }
            Ok(_) => Ok(Vec::new()),
            Err(error) => match Fault::from(error) {
                Fault::Said(_) => Ok(Vec::new()),
                fault => Err(fault),
            },
        }
    }

    /// One command and the text of its answer, without the code.
    pub(super) fn command(&mut self, line: &str, hoped: &[Status]) -> Result<String, Fault> {
        let response = self.stream.custom_command(line, hoped);
        if let Some(sign) = &self.signs {
            sign();
        }
        let response = response?;
        let text = self.names.decode(&response.body);
        Ok(text.get(4..).unwrap_or_default().trim_end().to_owned())
    }

    /// Stands in `folder` of the root, or in the root. `afresh` goes there even from there, so that
    /// a folder that was removed and made anew is seen.
    pub(super) fn enter(&mut self, folder: Option<&str>, afresh: bool) -> Result<(), Fault> {
        let there = folder.map_or(Here::Root, |name| Here::Folder(name.to_owned()));
        if self.here == there && !afresh {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.here, Here::Unknown);
        match (&self.root, &before) {
            (Some(root), _) => self.stream.cwd(root)?,
            (None, Here::Root) => {}
            (None, Here::Folder(_)) => self.stream.cdup()?,
            (None, Here::Unknown) => {
                let lost = io::Error::other("the server does not say where its root is");
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

    /// One directory down by its bare name; [`Fault::Said`] where there is no such directory.
    pub(super) fn step_into(&mut self, name: &str) -> Result<(), Fault> {
        self.stream.cwd(name)?;
        self.here = match self.here {
            Here::Root => Here::Folder(name.to_owned()),
            _ => Here::Unknown,
        };
        Ok(())
    }

    /// Opens a data connection for `command` and sends it, from `offset` on.
    pub(super) fn open_data(
        &mut self,
        learned: &mut Learned,
        command: &str,
        offset: u64,
    ) -> Result<Transfer, Fault> {
        let offset = usize::try_from(offset)
            .map_err(|_| Fault::Gone(io::Error::other("offset beyond this machine's range")))?;
        let mut trying_pasv = false;
        loop {
            let extended = self.passive && !learned.epsv_refused && !trying_pasv;
            if self.passive {
                let mode = if extended { Mode::ExtendedPassive } else { Mode::Passive };
                self.stream.set_mode(mode);
            }
            self.stream.resume_transfer(offset)?;
            let began = [Status::AboutToSend, Status::AlreadyOpen];
            let error = match self.stream.custom_data_command(command, &began) {
                Ok((_, transfer)) => {
                    learned.epsv_refused |= trying_pasv;
                    // In active mode suppaftp accepted the socket itself.
                    bound_waits(transfer.get_ref().get_ref(), self.read_timeout)
                        .map_err(Fault::Gone)?;
                    return Ok(transfer);
                }
                Err(error) => error,
            };
            // A router between may pass PASV only, so an EPSV port that does not answer is no verdict.
            if extended && is_no_data_link(&error) {
                trying_pasv = true;
                continue;
            }
            let fault = Fault::from(error);
            if let Fault::Said(_) = &fault
                && extended
                && !self.speaks_epsv()?
            {
                learned.epsv_refused = true;
                continue;
            }
            return Err(fault);
        }
    }

    /// Whether EPSV itself works: suppaftp does not tell which of EPSV, REST and the command was
    /// refused, so the question is put alone.
    pub(super) fn speaks_epsv(&mut self) -> Result<bool, Fault> {
        match self.command("EPSV", &[Status::ExtendedPassiveMode]) {
            Ok(text) => Ok(text.contains("(|||")),
            Err(Fault::Said(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the server takes REST; leaves no offset behind.
    pub(super) fn speaks_rest(&mut self) -> Result<bool, Fault> {
        let pending = [Status::RequestFilePending];
        match self.command("REST 1", &pending) {
            Ok(_) => {
                if let Err(fault) = self.command("REST 0", &pending) {
                    self.in_step = false;
                    return match fault {
                        Fault::Said(_) => Ok(true),
                        fault => Err(fault),
                    };
                }
                Ok(true)
            }
            Err(Fault::Said(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// A whole listing as text.
    pub(super) fn listing(
        &mut self,
        learned: &mut Learned,
        command: &str,
    ) -> Result<String, Fault> {
        let mut transfer = match self.open_data(learned, command, 0) {
            Ok(transfer) => transfer,
            // Some servers answer "done" at once where there is nothing to list.
            Err(Fault::Said(answer)) if matches!(answer.code, 226 | 250) => {
                return Ok(String::new());
            }
            Err(fault) => return Err(fault),
        };
        let mut bytes = Vec::new();
        let ended = match (&mut transfer).take(MAX_LISTING_BYTES).read_to_end(&mut bytes) {
            Ok(_) => Ok(()),
            // Old servers end TLS without a goodbye. Whoever cuts a listing short can hide names,
            // as by cutting the wire, and the next listing shows them; a torn last line is no name.
            Err(error) if self.secured && error.kind() == io::ErrorKind::UnexpectedEof => {
                bytes.truncate(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1));
                Ok(())
            }
            Err(error) => Err(error),
        };
        if bytes.len() as u64 >= MAX_LISTING_BYTES {
            self.abandon_transfer(transfer);
            return Err(Fault::Gone(io::Error::other("the listing does not end")));
        }
        if let Err(error) = ended {
            self.abandon_transfer(transfer);
            return Err(Fault::Gone(explained(error)));
        }
        self.finish(transfer)?;
        Ok(self.names.decode(&bytes))
    }

    /// The server's last word about a transfer whose data has ended.
    pub(super) fn finish(&mut self, transfer: Transfer) -> Result<(), Fault> {
        transfer.finish().map_err(|error| {
            // Some servers say 426 and then 226: what comes next may belong to this transfer.
            self.in_step = false;
            Fault::from(error)
        })
    }

    /// Breaks off a transfer without waiting for anything; the connection is of no use afterwards.
    pub(super) fn abandon_transfer(&mut self, transfer: Transfer) {
        self.in_step = false;
        // Both are best effort: a socket that cannot be shut down is already down.
        let _ = transfer.get_ref().get_ref().shutdown(Shutdown::Both);
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
        // With the control connection shut this returns at once, with an error that says so.
        let _ = transfer.finish();
    }

    pub(super) fn is_secured(&self) -> bool {
        self.secured
    }

    pub(super) fn is_in_step(&self) -> bool {
        self.in_step
    }

    pub(super) fn mark_out_of_step(&mut self) {
        self.in_step = false;
    }

    /// False where something arrived unasked (421, the end of the connection): it is not used again.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = self.stream.get_ref();
        if socket.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = socket.peek(&mut [0]);
        let blocking = socket.set_nonblocking(false);
        let nothing = matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        nothing && blocking.is_ok()
    }

    /// Says goodbye where the connection is sound, and closes it.
    pub(super) fn close(mut self) {
        if self.in_step && bound_waits(&self.stream.get_ref(), QUIT_TIMEOUT).is_ok() {
            // A server that does not answer the goodbye is left all the same.
            let _ = self.stream.quit();
        }
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("here", &self.here).finish_non_exhaustive()
    }
}

pub(super) fn address(config: &FtpConfig) -> String {
    format!("{}:{}", config.host, config.port)
}

fn missing(folder: &str, answer: &Answer) -> SourceError {
    SourceError::FolderMissing { folder: folder.to_owned(), answer: answer.text.clone() }
}

fn as_io(error: FtpError) -> io::Error {
    match Fault::from(error) {
        Fault::Said(answer) => io::Error::other(format!("the server answered {}", answer.text)),
        Fault::Gone(error) => error,
        Fault::Final(error) => io::Error::other(error),
    }
}

fn insecure(address: &str, failure: Option<io::Error>, error: FtpError) -> SourceError {
    let address = address.to_owned();
    let reason = match failure.map_or_else(|| Fault::from(error), Fault::Gone) {
        Fault::Said(answer) => format!("the server answered {}", answer.text),
        Fault::Gone(error) => tls::reason(&error).unwrap_or_else(|| error.to_string()),
        Fault::Final(error) => return error,
    };
    SourceError::Tls { address, reason }
}
