//! A small SFTP server that follows a script: for what real servers do not do, and for what they do
//! only when they break. It counts what it is asked. SSH is spoken by `russh`; packets of SFTP, right
//! or wrong, are written here.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cu_agent::config::{HostKeyFingerprint, NameEncoding, Secret, SftpConfig};
use russh::{
    ChannelId, Limits, MethodKind, MethodSet, Preferred, kex,
    keys::{HashAlg, PrivateKey, ssh_key::private::Ed25519Keypair},
    server::{self, Handle},
};
use tokio::{io::AsyncWriteExt, runtime, sync::Notify};

use super::script::{Op, Script};

mod answers;
mod session;
mod wire;

const USER: &str = "cu";
const PASSWORD: &str = "s3cret of the plant";
/// Requests of which more than the number is kept.
const MOST_NOTED: usize = 100_000;

/// What was asked of the server so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub connections: usize,
    pub log_ins: usize,
    pub channels: usize,
    pub asked: BTreeMap<Op, usize>,
    /// The requests in order, with the path that they name.
    pub requests: Vec<(Op, Vec<u8>)>,
    /// Most handles that were open at once on a connection.
    pub most_handles: usize,
    /// Bytes of files that were sent.
    pub data_bytes: usize,
    /// See `Script::round`.
    pub rounds: usize,
    /// What was removed: folder, name, bytes.
    pub removed: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    counts: Mutex<Counts>,
    sockets: Mutex<Vec<TcpStream>>,
    channels: Mutex<Vec<(Handle, ChannelId)>>,
    open: AtomicUsize,
    is_over: Notify,
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap()
    }

    fn note(&self, op: Op, path: &[u8]) {
        let mut counts = self.counts();
        *counts.asked.entry(op).or_default() += 1;
        if counts.requests.len() < MOST_NOTED {
            counts.requests.push((op, path.to_vec()));
        }
    }
}

/// Dropped, it ends with all its connections.
pub struct ScriptedSftp {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedSftp {
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared { script: Mutex::new(script), ..Shared::default() });
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::spawn(accept(listener, Arc::clone(&serving)));
                serving.is_over.notified().await;
            });
        });
        Self { port, shared, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn config(&self) -> SftpConfig {
        SftpConfig {
            host: "127.0.0.1".into(),
            port: self.port,
            user: USER.into(),
            password: Some(Secret::new(PASSWORD)),
            key: None,
            host_keys: vec![fingerprint()],
            known_hosts: None,
            legacy_algorithms: false,
            encoding: NameEncoding::Utf8,
            root: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
        }
    }

    /// The script, to be changed for what comes.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script()
    }

    pub fn counts(&self) -> Counts {
        self.shared.counts().clone()
    }

    /// How often this was asked.
    pub fn count(&self, op: Op) -> usize {
        self.shared.counts().asked.get(&op).copied().unwrap_or_default()
    }

    pub fn connections(&self) -> usize {
        self.shared.counts().connections
    }

    /// Forgets what was asked so far.
    pub fn forget_counts(&self) {
        *self.shared.counts() = Counts::default();
    }

    /// Closes the channels of all connections, and leaves the connections.
    pub fn close_channels(&self) {
        for (handle, channel) in self.shared.channels.lock().unwrap().drain(..) {
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            // Those of former connections are closed already.
            let _ = runtime.block_on(handle.close(channel));
        }
    }

    /// Cuts all connections; returns when their sessions are over.
    pub fn end_connections(&self) {
        for socket in self.shared.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "a session does not end");
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Drop for ScriptedSftp {
    fn drop(&mut self) {
        self.shared.is_over.notify_one();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the scripted server panicked");
        }
    }
}

fn host_key() -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]))
}

/// The host key's, as it is configured.
pub fn fingerprint() -> HostKeyFingerprint {
    let fingerprint = host_key().public_key().fingerprint(HashAlg::Sha256);
    HostKeyFingerprint(fingerprint.as_bytes().try_into().unwrap())
}

/// The same as it stands in a configuration file.
pub fn pin() -> String {
    host_key().public_key().fingerprint(HashAlg::Sha256).to_string()
}

fn ssh(script: &Script) -> server::Config {
    let kex = [
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    let usual = Limits::default();
    server::Config {
        methods: MethodSet::from(&[MethodKind::Password][..]),
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key()],
        window_size: script.window,
        maximum_packet_size: script.packet,
        preferred: Preferred { kex: Cow::Owned(kex.to_vec()), ..Preferred::DEFAULT },
        limits: match script.rekey_after {
            Some(bytes) => Limits::new(bytes, bytes, usual.rekey_time_limit),
            None => usual,
        },
        max_auth_attempts: usize::MAX,
        nodelay: true,
        ..server::Config::default()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = stream.into_std().unwrap();
        shared.sockets.lock().unwrap().push(stream.try_clone().unwrap());
        shared.counts().connections += 1;
        shared.open.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A client that goes away in the middle is what many tests are about.
            let _ = serve(stream, &shared).await;
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve(stream: TcpStream, shared: &Arc<Shared>) -> Result<(), russh::Error> {
    let script = shared.script().clone();
    let socket = stream.try_clone()?;
    let mut wire = wire::Wire::new(tokio::net::TcpStream::from_std(stream)?, Arc::clone(shared));
    wire.write_all(&script.lines_before).await?;
    let session = session::Session::new(socket, Arc::clone(shared));
    server::run_stream(Arc::new(ssh(&script)), wire, session).await?.await
}
