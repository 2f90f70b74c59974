//! Encryption of the connection: what is trusted, and the handshake. `require` encrypts and checks
//! nothing; `verify-full` checks chain, dates and name. Never falls back to plain text.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    deadline_stream::{Deadline, DeadlineStream},
    error::{CentralError, NoTlsOffered},
    inspect::Inspector,
};
use crate::{
    config::{CentralConfig, CentralTls},
    tls,
};

/// Opens the byte stream that the client speaks over: bounded in time and length, encrypted where asked
/// for, and looked at before the client sees it.
#[derive(Clone)]
pub(super) struct Connector {
    deadline: Deadline,
    tls: Option<MakeRustlsConnect>,
    only_scram: bool,
}

impl Connector {
    pub(super) fn new(config: &CentralConfig, deadline: Deadline) -> Result<Self, CentralError> {
        let rules = match config.tls {
            CentralTls::Disable => None,
            CentralTls::Require => Some(unchecked()),
            CentralTls::VerifyFull => {
                Some(tls::client_config("central.ca_file", config.ca_file.as_deref())?)
            }
        };
        let only_scram = config.only_scram;
        Ok(Self { deadline, tls: rules.map(MakeRustlsConnect::new), only_scram })
    }
}

fn unchecked() -> ClientConfig {
    tls::with_verifier("central.tls", AnyCertificate(ring::default_provider()))
}

/// Accepts whatever certificate the server shows, but not a broken handshake.
#[derive(Debug)]
struct AnyCertificate(CryptoProvider);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
            .map_err(tls::of_key)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
            .map_err(tls::of_key)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

type Raw = DeadlineStream<Socket>;
type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Raw>>::Stream;

/// The stream after the greeting. The client is told to hand its socket over at once ("direct"), so
/// that the plain connection is bounded too and the request for encryption is ours.
enum Transport {
    Plain(Raw),
    Encrypted(Box<Encrypted>),
}

/// The server's messages in plain text, each looked at before the client gets it.
pub(super) struct Stream {
    transport: Transport,
    deadline: Deadline,
    exchange: u64,
    inspector: Inspector,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake { connector: self.clone(), domain: domain.to_owned() })
    }
}

pub(super) struct Handshake {
    connector: Connector,
    domain: String,
}

/// Length 8 and the code 80877103: PostgreSQL's request for encryption.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let Connector { deadline, tls, only_scram } = self.connector;
            let exchange = deadline.exchange();
            let inspector = Inspector::new(only_scram);
            let stream =
                |transport| Stream { transport, deadline: deadline.clone(), exchange, inspector };
            let mut raw = DeadlineStream::new(socket, deadline.clone());
            let Some(mut tls) = tls else {
                return Ok(stream(Transport::Plain(raw)));
            };
            raw.write_all(&SSL_REQUEST).await?;
            if raw.read_u8().await? != b'S' {
                return Err(io::Error::other(NoTlsOffered));
            }
            let Ok(handshake) = MakeTlsConnect::<Raw>::make_tls_connect(&mut tls, &self.domain);
            Ok(stream(Transport::Encrypted(Box::new(handshake.connect(raw).await?))))
        })
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, buf))?;
        let exchange = self.deadline.exchange();
        if exchange != self.exchange {
            self.exchange = exchange;
            self.inspector.begin_exchange();
        }
        Poll::Ready(self.inspector.see(&buf.filled()[before..]).map_err(|improper| {
            // The client must not act on any of it.
            buf.set_filled(before);
            io::Error::other(improper)
        }))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.transport {
            Transport::Plain(stream) => stream.channel_binding(),
            Transport::Encrypted(stream) => stream.channel_binding(),
        }
    }
}
