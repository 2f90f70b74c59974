//! The connection's bytes with an end to waiting and an end to reading: a server that accepts and stays
//! silent, or sends a byte now and then, or never stops, at any point of greeting, TLS, log-in or statement,
//! costs at most the time and the bytes that were given.
//!
//! What is sent gets time of its own on top, by its size: a slow line is not a silent server.
//!
//! The blocking client has no such bound of its own. It runs its socket on a private runtime, so a
//! stream that looks at a shared deadline whenever the socket has nothing to say is enough.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use postgres::tls::{ChannelBinding, TlsStream};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// How the error of [`DeadlineStream`] is told from a time-out of the network's own, which may come before
/// there is a connection.
#[derive(Debug, Error)]
#[error("the server stayed silent")]
pub(super) struct Silence;

/// The server sent more than any answer has.
#[derive(Debug, Error)]
#[error("more bytes than any valid reply has")]
pub(super) struct Flood;

/// What a server may send in one exchange. The largest answer, to the question for 200 sessions, is
/// below 100 KiB, and texts in central that are a few times as long as any agent writes still fit.
const MOST_BYTES: u64 = 4 << 20;

/// The slowest line that still counts as one.
const SLOWEST_BYTES_A_SECOND: u64 = 2_000;

/// The moment at which waiting for the server ends, and how much it sent so far; set again before each
/// exchange.
#[derive(Clone)]
pub(super) struct Deadline {
    base: Instant,
    after_base_ms: Arc<AtomicU64>,
    received_bytes: Arc<AtomicU64>,
    exchange: Arc<AtomicU64>,
}

impl Deadline {
    pub(super) fn after(wait: Duration) -> Self {
        let deadline = Self {
            base: Instant::now(),
            after_base_ms: Arc::default(),
            received_bytes: Arc::default(),
            exchange: Arc::default(),
        };
        deadline.renew(wait);
        deadline
    }

    /// Waiting ends `wait` from now.
    pub(super) fn renew(&self, wait: Duration) {
        let at = self.base.elapsed().saturating_add(wait).as_millis();
        self.after_base_ms.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.received_bytes.store(0, Ordering::Relaxed);
        self.exchange.fetch_add(1, Ordering::Relaxed);
    }

    /// Another number for each exchange.
    pub(super) fn exchange(&self) -> u64 {
        self.exchange.load(Ordering::Relaxed)
    }

    /// False where the server has sent more than any answer has.
    fn takes(&self, bytes: usize) -> bool {
        let before = self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        before.saturating_add(bytes as u64) <= MOST_BYTES
    }

    /// The bytes just handed to the network are given the time that a very slow line takes for them.
    fn allow_for(&self, bytes: usize) {
        let ms = bytes as u64 * 1000 / SLOWEST_BYTES_A_SECOND;
        self.after_base_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn at(&self) -> Instant {
        self.base + Duration::from_millis(self.after_base_ms.load(Ordering::Relaxed))
    }
}

/// A stream whose every wait ends at the deadline with [`io::ErrorKind::TimedOut`], and that gives no
/// more than an answer's bytes.
pub(super) struct DeadlineStream<S> {
    stream: S,
    deadline: Deadline,
    alarm: Pin<Box<Sleep>>,
}

impl<S> DeadlineStream<S> {
    /// Must be called on the client's runtime, which owns the timer.
    pub(super) fn new(stream: S, deadline: Deadline) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(deadline.at()));
        Self { stream, deadline, alarm }
    }

    /// Called where the socket has to wait: ready with the error once the deadline has passed.
    fn give_up<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let at = self.deadline.at();
        if self.alarm.deadline() != at {
            self.alarm.as_mut().reset(at);
        }
        ready!(self.alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Silence)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for DeadlineStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Also where there is always something to read.
        if self.deadline.at() <= Instant::now() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Silence)));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if !self.deadline.takes(buf.filled().len() - before) => {
                Poll::Ready(Err(io::Error::other(Flood)))
            }
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.give_up(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for DeadlineStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(done) => {
                self.deadline.allow_for(*done.as_ref().unwrap_or(&0));
                Poll::Ready(done)
            }
            Poll::Pending => self.give_up(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.give_up(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.give_up(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for DeadlineStream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
