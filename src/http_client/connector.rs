//! TLS for ureq's connections, by a configuration of rustls that is given. ureq's interface for this is
//! not stable: it is used here alone, and Cargo.lock holds its version.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
    time::{Duration, Instant},
};

/// Encrypts the connections of `https` addresses, and leaves others as they are.
pub(super) struct TlsConnector {
    rules: Arc<ClientConfig>,
}

impl TlsConnector {
    pub(super) fn new(rules: Arc<ClientConfig>) -> Self {
        Self { rules }
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Err(ureq::Error::ConnectionFailed) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        // rustls knows the address of IPv6 without its brackets.
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| ureq::Error::Tls("the host name cannot be the name in a certificate"))?;
        let mut connection = ClientConnection::new(Arc::clone(&self.rules), name)?;
        let mut socket =
            TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        shake_hands(&mut connection, &mut socket, details)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let stream = StreamOwned::new(connection, socket);
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

/// As rustls's `complete_io`, whose time would begin again with each byte of a server that drips.
fn shake_hands(
    connection: &mut ClientConnection,
    socket: &mut TransportAdapter,
    details: &ConnectionDetails<'_>,
) -> Result<(), ureq::Error> {
    while connection.is_handshaking() || connection.wants_write() {
        let left = left_of(details);
        if matches!(left.after, Duration::Exact(left) if left.is_zero()) {
            return Err(ureq::Error::Timeout(left.reason));
        }
        socket.set_timeout(left);
        if connection.wants_write() {
            connection.write_tls(socket)?;
            continue;
        }
        if connection.read_tls(socket)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Err(error) = connection.process_new_packets() {
            // The alert that says why; who does not take it is told nothing.
            connection.write_tls(socket).ok();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error).into());
        }
    }
    Ok(())
}

/// What opening the connection may still take: the time of the socket counts.
fn left_of(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(limit), Instant::Exact(begun), Instant::Exact(now)) =
        (timeout.after, details.now, (details.current_time)())
    {
        timeout.after = limit.saturating_sub(now.saturating_duration_since(begun)).into();
    }
    timeout
}

/// An encrypted connection as ureq reads and writes it.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}
