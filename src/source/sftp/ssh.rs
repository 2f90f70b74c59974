//! The SSH connection below SFTP: reached, its host key checked, the user logged in, one channel with the
//! subsystem on it. The library is async: a thread of the connection's own drives it, which also answers
//! the server (keys that are exchanged again, questions whether this side lives) while no call is made.
//!
//! What must never happen here: a user name or a secret sent before the host key is trusted; a wait
//! without a bound.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use russh::{
    AlgorithmKind, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect,
    client::{self, Handle, Msg},
    keys::{PrivateKey, PublicKeyOrCertificate},
};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle as Driver},
    sync::oneshot,
    time::timeout,
};

use super::{
    OfferedHostKey, SHOWN_CHARS, address,
    algorithms::{HOST_KEY_KINDS, HostKeyKind, nothing_in_common, preferred},
    greeting::{Greeting, greeting},
    host_keys::Trusted,
    login::{LogIn, log_in},
};
use crate::{
    config::SftpConfig,
    model::printable,
    peers,
    source::{
        Protocol, SourceError,
        pace::{Overdue, Pace},
        reach::{Limits, reach},
    },
};

/// How long a goodbye may take.
pub(super) const SHORT_WAIT: Duration = Duration::from_secs(1);
/// The key exchange, and the log-in, may each take so many times the silence allowed.
const HANDSHAKE_SILENCES: u32 = 2;
/// A server from which nothing came for so long is asked whether it lives, and is given up after three
/// questions without an answer. It also keeps routers from forgetting the connection.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVES: usize = 3;
/// What the server may send before it is told that it was read; above what is ever asked for at once.
const WINDOW_BYTES: u32 = 4 << 20;
/// A whole answer to a read fits.
const PACKET_BYTES: u32 = 64_000;
/// Messages that wait to be read; then the server has to wait.
const WAITING_MESSAGES: usize = 16;

/// What is known of the server from its side of the key exchange.
#[derive(Clone, Debug, Default)]
struct Shown {
    host_key: Option<OfferedHostKey>,
    is_refused: bool,
}

/// The library's callbacks: which host key is good.
pub(super) struct Client {
    /// `None`: none is, the key is only looked at.
    trusted: Option<Trusted>,
    address: String,
    shown: Arc<Mutex<Shown>>,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let is_trusted =
            self.trusted.as_ref().is_some_and(|trusted| trusted.trusts(&key.public_key()));
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = OfferedHostKey::of(key);
        if is_trusted {
            peers::note_host_key(self.address.clone(), offered.fingerprint.clone());
        }
        shown.host_key = Some(offered);
        shown.is_refused = !is_trusted;
        Ok(is_trusted)
    }
}

/// A connection with the subsystem `sftp` on it.
pub(super) struct Ssh {
    engine: Engine,
    session: Handle<Client>,
    sender: ChannelWriteHalf<Msg>,
    receiver: ChannelReadHalf,
    /// What came while something was sent.
    came: VecDeque<ChannelMsg>,
    limits: Limits,
    /// What the server calls itself.
    pub(super) software: String,
    pub(super) host_key: OfferedHostKey,
}

/// Most messages that are taken in while one is sent; more than answers are ever on their way.
const MOST_CAME: usize = 256;

/// The thread that drives a connection.
struct Engine {
    driver: Driver,
    /// Dropped to end it.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let driver = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let drive = move || {
            // An error is the sender's end: that is how it is stopped.
            let _ = runtime.block_on(stopped);
        };
        let thread = thread::Builder::new().name("ssh".to_owned()).spawn(drive)?;
        Ok(Self { driver, stop: Some(stop), thread: Some(thread) })
    }

    /// What `future` comes to, if it does so in time.
    fn within<T>(&self, time: Duration, future: impl Future<Output = T>) -> io::Result<T> {
        let bounded = async { timeout(time, future).await };
        self.driver.block_on(bounded).map_err(|_| Overdue::Silent.into())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It ends at once; a panic of it has ended the connection already.
            let _ = thread.join();
        }
    }
}

/// How a connection without a channel ended.
enum Met {
    Session(Engine, Handle<Client>, OfferedHostKey),
    /// The key that is not trusted.
    Stranger(OfferedHostKey),
    Failed(russh::Error),
}

impl Ssh {
    /// Connects, checks the host key, logs in, and asks for SFTP. Where the server shows a key that is not
    /// trusted, its keys of other kinds are asked for before it is refused.
    pub(super) fn open(
        config: &SftpConfig,
        trusted: &Trusted,
        key: Option<&Arc<PrivateKey>>,
        kinds: &mut Vec<HostKeyKind>,
        limits: Limits,
    ) -> Result<Self, SourceError> {
        let mut stranger = None;
        // As last time, or all kinds together, as the server likes; then one by one.
        let others = HOST_KEY_KINDS.iter().filter(|kind| kinds[..] != [**kind]);
        let attempts: Vec<Vec<HostKeyKind>> =
            [kinds.clone()].into_iter().chain(others.map(|kind| vec![*kind])).collect();
        let all_kinds = HOST_KEY_KINDS.len();
        for attempt in attempts {
            let (software, met) = meet(config, Some(trusted), &attempt, limits)?;
            match met {
                Met::Session(engine, session, host_key) => {
                    *kinds = attempt;
                    return Self::log_in(config, key, engine, session, limits, software, host_key);
                }
                Met::Stranger(shown) => {
                    stranger.get_or_insert(shown);
                }
                // It has no key of that kind.
                Met::Failed(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. })
                    if attempt.len() < all_kinds => {}
                Met::Failed(error) => return Err(unmet(config, error)),
            }
        }
        *kinds = HOST_KEY_KINDS.to_vec();
        let shown = stranger.map_or_else(String::new, |key| key.to_string());
        Err(SourceError::HostKeyChanged { address: address(config), shown })
    }

    fn log_in(
        config: &SftpConfig,
        key: Option<&Arc<PrivateKey>>,
        engine: Engine,
        mut session: Handle<Client>,
        limits: Limits,
        software: String,
        host_key: OfferedHostKey,
    ) -> Result<Self, SourceError> {
        let lost = |source| SourceError::Lost { address: address(config), source };
        let unfinished = |answer: &str| SourceError::LoginUnfinished {
            address: address(config),
            user: config.user.clone(),
            answer: answer.to_owned(),
        };
        let time = limits.cut(limits.silence * HANDSHAKE_SILENCES).map_err(lost)?;
        match engine.within(time, log_in(&mut session, config, key)).map_err(lost)? {
            Ok(LogIn::Done) => {}
            Ok(LogIn::Refused(answer)) => {
                let user = config.user.clone();
                return Err(SourceError::Login { address: address(config), user, answer });
            }
            Err(error) if is_gone(&error) => {
                return Err(unfinished("the server closed the connection during the log-in"));
            }
            Err(error) => return Err(lost(io_of(error))),
        }
        let time = limits.cut(limits.silence * HANDSHAKE_SILENCES).map_err(lost)?;
        let opened = engine.within(time, subsystem(&session)).map_err(lost)?;
        let (receiver, sender) = opened.map_err(|error| match error {
            NoSubsystem::Channel(russh::Error::ChannelOpenFailure(reason)) => {
                unfinished(&format!("logged in, but the server opens no channel: {reason:?}"))
            }
            NoSubsystem::Refused => {
                unfinished("logged in, but the server offers no SFTP (sshd's `Subsystem sftp`)")
            }
            NoSubsystem::Channel(error) => lost(io_of(error)),
        })?;
        let came = VecDeque::new();
        Ok(Self { engine, session, sender, receiver, came, limits, software, host_key })
    }

    pub(super) fn set_until(&mut self, until: Option<Instant>) {
        self.limits.until = until;
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether both sides hold the connection, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.session.is_closed()
    }

    /// What comes meanwhile is taken in: a server that waits for its answers to be read reads no questions.
    pub(super) fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let time = self.limits.cut(self.limits.silence)?;
        let Self { engine, sender, receiver, came, .. } = self;
        let sent = engine.within(time, async {
            let mut sending = pin!(sender.data_bytes(bytes));
            poll_fn(|context| {
                loop {
                    if let Poll::Ready(sent) = sending.as_mut().poll(context) {
                        return Poll::Ready(sent);
                    }
                    match pin!(receiver.wait()).poll(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(None) => return Poll::Ready(Err(russh::Error::HUP)),
                        Poll::Ready(Some(_)) if came.len() >= MOST_CAME => {
                            return Poll::Ready(Err(russh::Error::Pending));
                        }
                        Poll::Ready(Some(message)) => came.push_back(message),
                    }
                }
            })
            .await
        });
        sent?.map_err(io_of)
    }

    /// The next bytes of the server, as they come.
    pub(super) fn receive(&mut self, pace: &mut Pace) -> io::Result<Vec<u8>> {
        loop {
            let wait = self.limits.cut(pace.next_wait()?)?;
            let began = Instant::now();
            let message = match self.came.pop_front() {
                Some(message) => Ok(Some(message)),
                None => self.engine.within(wait, self.receiver.wait()),
            };
            match message {
                Ok(Some(ChannelMsg::Data { data })) => {
                    pace.note(began.elapsed(), data.len());
                    return Ok(data.to_vec());
                }
                Ok(None | Some(ChannelMsg::Eof | ChannelMsg::Close)) => {
                    let ended = "the server ended the SFTP session";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ended));
                }
                // Its standard error, its exit code.
                Ok(Some(_)) | Err(_) => pace.note(began.elapsed(), 0),
            }
        }
    }

    /// Says goodbye.
    pub(super) fn close(self) {
        let goodbye = self.session.disconnect(Disconnect::ByApplication, "", "");
        // A server that does not hear it finds the connection closed.
        let _ = self.engine.within(SHORT_WAIT, goodbye);
        let _ = self.engine.within(SHORT_WAIT, self.session);
    }
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh").field("software", &self.software).finish_non_exhaustive()
    }
}

/// The host key that the server shows where it is asked for one of `kind`; `None` where it has none of it.
/// Ends after the key exchange.
pub(super) fn offered_host_key(
    config: &SftpConfig,
    kind: HostKeyKind,
    limits: Limits,
) -> Result<Option<OfferedHostKey>, SourceError> {
    match meet(config, None, &[kind], limits)?.1 {
        Met::Stranger(shown) | Met::Session(_, _, shown) => Ok(Some(shown)),
        Met::Failed(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }) => Ok(None),
        Met::Failed(error) => Err(unmet(config, error)),
    }
}

/// From the first byte to the end of the key exchange, and what the server calls itself.
fn meet(
    config: &SftpConfig,
    trusted: Option<&Trusted>,
    kinds: &[HostKeyKind],
    limits: Limits,
) -> Result<(String, Met), SourceError> {
    let unreachable = |source| SourceError::Connect { address: address(config), source };
    let socket = reach(&config.host, config.port, &limits).map_err(unreachable)?;
    let software = match greeting(&socket, &limits).map_err(unreachable)? {
        Greeting::Ssh(software) => software,
        Greeting::Other(who) => {
            let wanted = Protocol::Sftp;
            return Err(SourceError::OtherService { address: address(config), wanted, who });
        }
    };
    let engine = Engine::start().map_err(unreachable)?;
    let stream = {
        let _inside = engine.driver.enter();
        socket
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(socket))
            .map_err(unreachable)?
    };
    let shown = Arc::new(Mutex::new(Shown::default()));
    let client =
        Client { trusted: trusted.cloned(), address: address(config), shown: Arc::clone(&shown) };
    let rules = Arc::new(client::Config {
        preferred: preferred(kinds, config.legacy_algorithms),
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: WAITING_MESSAGES,
        keepalive_interval: Some(KEEPALIVE_EVERY),
        keepalive_max: KEEPALIVES,
        ..client::Config::default()
    });
    let time = limits.cut(limits.silence * HANDSHAKE_SILENCES).map_err(unreachable)?;
    let connected =
        engine.within(time, client::connect_stream(rules, stream, client)).map_err(unreachable)?;
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let met = match (connected, shown.host_key) {
        (Ok(session), Some(host_key)) => Met::Session(engine, session, host_key),
        (Err(_), Some(host_key)) if shown.is_refused => Met::Stranger(host_key),
        (Err(error), _) => Met::Failed(error),
        (Ok(_), None) => Met::Failed(russh::Error::UnknownKey),
    };
    Ok((software, met))
}

enum NoSubsystem {
    Channel(russh::Error),
    Refused,
}

async fn subsystem(
    session: &Handle<Client>,
) -> Result<(ChannelReadHalf, ChannelWriteHalf<Msg>), NoSubsystem> {
    let channel = session.channel_open_session().await.map_err(NoSubsystem::Channel)?;
    let (mut receiver, sender) = channel.split();
    sender.request_subsystem(true, "sftp").await.map_err(NoSubsystem::Channel)?;
    loop {
        match receiver.wait().await {
            Some(ChannelMsg::Success) => return Ok((receiver, sender)),
            Some(ChannelMsg::Failure | ChannelMsg::Close | ChannelMsg::Eof) | None => {
                return Err(NoSubsystem::Refused);
            }
            Some(_) => {}
        }
    }
}

fn unmet(config: &SftpConfig, error: russh::Error) -> SourceError {
    let address = address(config);
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            let reason = nothing_in_common(&kind, &theirs, config.legacy_algorithms);
            SourceError::Algorithms { address, reason }
        }
        russh::Error::Version => SourceError::OtherService {
            address,
            wanted: Protocol::Sftp,
            who: "it does not say which version of SSH it speaks; check `port`".to_owned(),
        },
        error => SourceError::Connect { address, source: io_of(error) },
    }
}

fn is_gone(error: &russh::Error) -> bool {
    matches!(
        error,
        russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::SendError
            | russh::Error::RecvError
            | russh::Error::Inconsistent
    )
}

/// The library's error as one of a connection.
fn io_of(error: russh::Error) -> io::Error {
    match error {
        russh::Error::IO(error) => error,
        error if is_gone(&error) => {
            io::Error::new(io::ErrorKind::ConnectionReset, "the server closed the connection")
        }
        russh::Error::KeepaliveTimeout | russh::Error::InactivityTimeout => {
            io::Error::new(io::ErrorKind::TimedOut, error.to_string())
        }
        error => io::Error::other(printable(&error.to_string(), SHOWN_CHARS)),
    }
}
