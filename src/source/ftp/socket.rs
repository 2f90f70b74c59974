//! The sockets below FTP: data connections, and a stream on which every wait is bounded: by the
//! silence allowed, by a least rate, by the total of the exchange and by the end of the source's turn.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::net::RecvFlags;

pub(super) use crate::source::reach::Limits;
use crate::{config::FtpConfig, source::pace::Pace};

/// So many of the first bytes are remembered, to tell what answers where TLS does not.
const FIRST_BYTES: usize = 8;

impl Limits {
    pub(super) fn of(config: &FtpConfig, until: Option<Instant>) -> Self {
        Self { connect: config.connect_timeout, silence: config.read_timeout, until }
    }
}

/// Where the server is, as people are told.
pub(super) fn address(config: &FtpConfig) -> String {
    format!("{}:{}", config.host, config.port)
}

/// A data connection to the port that the server announced, on the host of the control connection.
pub(super) fn reach_port(peer: SocketAddr, port: u16, limits: &Limits) -> io::Result<TcpStream> {
    let at = SocketAddr::new(peer.ip(), port);
    TcpStream::connect_timeout(&at, limits.cut(limits.connect)?)
}

/// A socket whose reads keep to a [`Pace`].
#[derive(Debug)]
pub(super) struct Paced {
    stream: TcpStream,
    limits: Limits,
    pace: Pace,
    /// The time-out that the socket has.
    timeout: Duration,
    first: Vec<u8>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream, limits: Limits, pace: Pace) -> io::Result<Self> {
        stream.set_write_timeout(Some(limits.silence))?;
        Ok(Self { stream, limits, pace, timeout: Duration::ZERO, first: Vec::new() })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The next exchange begins.
    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    pub(super) fn set_until(&mut self, until: Option<Instant>) {
        self.limits.until = until;
    }

    /// The first bytes that the peer ever sent.
    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// Whether a read would not wait: something has come, or the peer has ended.
    pub(super) fn has_something(&self) -> bool {
        has_something(&self.stream)
    }
}

/// Whether a read of the socket would not wait.
fn has_something(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    !matches!(
        rustix::net::recv(stream, &mut [0_u8; 1], flags),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)
    )
}

/// Whether data can be read; false at the end and where the connection broke.
pub(super) fn has_data(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(stream, &mut [0_u8; 1], flags), Ok((1.., _)))
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let wait = self.limits.cut(self.pace.next_wait()?)?.max(Duration::from_millis(1));
            if wait != self.timeout {
                self.stream.set_read_timeout(Some(wait))?;
                self.timeout = wait;
            }
            let began = Instant::now();
            match self.stream.read(buffer) {
                Ok(length) => {
                    self.pace.note(began.elapsed(), length);
                    let room = FIRST_BYTES.saturating_sub(self.first.len());
                    self.first.extend_from_slice(&buffer[..length.min(room)]);
                    return Ok(length);
                }
                Err(error) if is_time_out(&error) => self.pace.note(began.elapsed(), 0),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Paced {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.write(buffer).map_err(|error| {
            let overdue = "the server accepts no data within the time allowed";
            if is_time_out(&error) {
                io::Error::new(io::ErrorKind::TimedOut, overdue)
            } else {
                error
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A socket's time-out arrives as "resource temporarily unavailable".
fn is_time_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
