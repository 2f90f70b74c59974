//! The socket of a connection, which can be cut or slowed down at any byte.

use std::{
    future::Future,
    io,
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use super::Shared;

const BETWEEN_DRIPS: Duration = Duration::from_millis(20);

pub struct Wire {
    stream: TcpStream,
    shared: Arc<Shared>,
    sent: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self { stream, shared, sent: 0, pause: None }
    }

    /// How many of so many bytes may go now.
    fn room(&mut self, wanted: usize) -> usize {
        let script = self.shared.script();
        let to_the_cut = script.wire_bytes.map_or(wanted, |most| most.saturating_sub(self.sent));
        let before_drips = script.wire_drips_after.map(|most| most.saturating_sub(self.sent));
        drop(script);
        if before_drips == Some(0) {
            self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(BETWEEN_DRIPS)));
        }
        wanted.min(to_the_cut).min(before_drips.map_or(wanted, |room| room.max(1)))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = self.room(bytes.len());
        if room == 0 && !bytes.is_empty() {
            socket2::SockRef::from(&self.stream).shutdown(Shutdown::Both)?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..room]))?;
        self.sent += written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
