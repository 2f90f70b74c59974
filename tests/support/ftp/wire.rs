//! A connection of the scripted server, in the clear or under TLS. Under TLS it ends as careless
//! servers end it: without the goodbye that tells the end from a cut.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, OnceLock},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::certificates::Certificate;

pub enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub fn secured(stream: TcpStream) -> Self {
        Self::secured_by(Arc::clone(rules()), stream)
    }

    /// Shows the good certificate, and signs with a key that is not its own.
    pub fn with_a_foreign_key(
        stream: TcpStream,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let chain = CertificateDer::pem_file_iter(Certificate::Good.files().chain).unwrap();
        let key = PrivateKeyDer::from_pem_file(Certificate::SelfSigned.files().key).unwrap();
        let key = ring::sign::any_supported_type(&key).unwrap();
        let shown = CertifiedKey::new(chain.map(Result::unwrap).collect(), key);
        let rules = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        Self::secured_by(Arc::new(rules), stream)
    }

    fn secured_by(rules: Arc<ServerConfig>, stream: TcpStream) -> Self {
        let connection = ServerConnection::new(rules).unwrap();
        Self::Tls(Box::new(StreamOwned::new(connection, stream)))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    pub fn cut(&self) -> io::Result<()> {
        self.socket().shutdown(Shutdown::Both)
    }
}

fn rules() -> &'static Arc<ServerConfig> {
    static RULES: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    RULES.get_or_init(|| {
        let files = Certificate::Good.files();
        let chain = CertificateDer::pem_file_iter(files.chain).unwrap();
        let key = PrivateKeyDer::from_pem_file(files.key).unwrap();
        let rules = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        Arc::new(rules)
    })
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
