//! A connection of the scripted server, in the clear or under TLS. Under TLS it ends as careless
//! servers end it: without the goodbye that tells the end from a cut.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, OnceLock},
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::certificates::Certificate;

pub enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub fn secured(stream: TcpStream) -> Self {
        let connection = ServerConnection::new(Arc::clone(rules())).unwrap();
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
