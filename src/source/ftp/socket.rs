//! The sockets below FTP: the control connection and how a data connection is made. Every wait on
//! them is bounded.
//!
//! What must never happen here: a connection to an address that the server names in a PASV answer;
//! only the host of the control connection is ever connected to.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use suppaftp::{FtpError, FtpResult, ImplFtpStream, Status};

use super::tls::{Connector, TlsStream};
use crate::config::FtpConfig;

/// How long an idle connection may be silent before the kernel asks whether the peer still lives.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// The first address of the host that answers.
pub(super) fn reach(config: &FtpConfig) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for at in (config.host.as_str(), config.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&at, config.connect_timeout) {
            Ok(stream) => {
                bound_waits(&stream, config.read_timeout)?;
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

/// The connection for implicit TLS. suppaftp makes it itself, without a time-out; so it is given a
/// listener of our own to connect to, and [`Connector`] puts the real connection in its place.
pub(super) fn implicit(
    socket: TcpStream,
    connector: Connector,
    host: &str,
) -> Result<ImplFtpStream<TlsStream>, FtpError> {
    let stand_in = TcpListener::bind(("127.0.0.1", 0)).map_err(FtpError::ConnectionError)?;
    let at = stand_in.local_addr().map_err(FtpError::ConnectionError)?;
    let connector = connector.with_parked(socket);
    let mut stream = ImplFtpStream::connect_secure_implicit(at, connector, host)?;
    // Unlike for explicit TLS, suppaftp does not ask for the data connections to be secured.
    stream.custom_command("PBSZ 0", &[Status::CommandOk])?;
    stream.custom_command("PROT P", &[Status::CommandOk])?;
    Ok(stream)
}

/// Makes data connections to the port that the server announces, on the host of `peer`.
pub(super) fn data_connector(
    config: &FtpConfig,
    peer: SocketAddr,
) -> impl Fn(SocketAddr) -> FtpResult<TcpStream> + Send + Sync + 'static {
    let (connect_timeout, read_timeout) = (config.connect_timeout, config.read_timeout);
    move |announced| {
        let at = SocketAddr::new(peer.ip(), announced.port());
        let reached = TcpStream::connect_timeout(&at, connect_timeout)
            .and_then(|stream| bound_waits(&stream, read_timeout).map(|()| stream));
        reached.map_err(|source| {
            let kind = source.kind();
            FtpError::ConnectionError(io::Error::new(kind, NoDataLink { at, source }))
        })
    }
}

pub(super) fn bound_waits(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))
}

/// The data connection could not be made; the control connection knows nothing of it.
#[derive(Debug, thiserror::Error)]
#[error("no data connection to {at}")]
struct NoDataLink {
    at: SocketAddr,
    source: io::Error,
}

pub(super) fn is_no_data_link(error: &FtpError) -> bool {
    matches!(error, FtpError::ConnectionError(error)
        if error.get_ref().is_some_and(|inner| inner.is::<NoDataLink>()))
}
