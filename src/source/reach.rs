//! Reaching a server: its addresses in turn, within the waits that a source allows.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use socket2::{SockRef, TcpKeepalive};

/// How long an idle connection may be silent before the kernel asks whether the peer still lives.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// The waits that a connection's sockets are made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) silence: Duration,
    /// Nothing is waited for behind this moment.
    pub(super) until: Option<Instant>,
}

impl Limits {
    /// A wait cut to what is left of the turn.
    pub(super) fn cut(&self, wait: Duration) -> io::Result<Duration> {
        let Some(until) = self.until else { return Ok(wait) };
        match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(wait.min(left)),
            _ => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the time limit of this cycle is reached",
            )),
        }
    }
}

/// The first address of the host that answers.
pub(super) fn reach(host: &str, port: u16, limits: &Limits) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for at in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&at, limits.cut(limits.connect)?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The service that speaks like this instead of the one that is looked for, if it shows.
pub(super) fn known_service(first: &[u8]) -> Option<&'static str> {
    let begins = |with: &[&[u8]]| with.iter().any(|with| first.starts_with(with));
    let is_greeting = begins(&[b"220"]);
    if begins(&[b"HTTP/", b"<"]) {
        Some("a web server")
    } else if begins(&[b"* OK", b"+OK"])
        || is_greeting && first.to_ascii_uppercase().windows(4).any(|part| part == b"SMTP")
    {
        Some("a mail server")
    } else {
        None
    }
}
