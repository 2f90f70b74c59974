//! A receiver of alarms and heartbeats: a small HTTP server that can be well, away, deaf, broken or
//! rude. Threads of the test's own process.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use socket2::SockRef;

use super::{certificate::Certificate, wait};

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Well,
    /// The connection is taken and closed at once.
    Away,
    /// It reads and never answers.
    Deaf,
    /// 500.
    Broken,
    /// RST instead of an answer.
    Rude,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// In small letters.
    pub headers: Vec<(String, String)>,
    /// What of the bytes is text.
    pub body: String,
    pub bytes: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub struct Webhook {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Mutex<Manner>,
    /// Answered with 200.
    taken: Mutex<Vec<Request>>,
    /// Everything else that was asked.
    refused: Mutex<Vec<Request>>,
    /// Kept open, never answered.
    kept: Mutex<Vec<TcpStream>>,
    connections: Mutex<u32>,
}

impl Webhook {
    pub fn start(manner: Manner) -> Self {
        Self::serve(manner, None)
    }

    /// Over TLS, with the certificate that stands in `folder` as `server.crt` and `server.key`.
    pub fn start_tls(folder: &Path, certificate: &Certificate) -> Self {
        certificate.install(folder);
        let chain = CertificateDer::pem_file_iter(folder.join("server.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let rules = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        Self::serve(Manner::Well, Some(Arc::new(rules)))
    }

    fn serve(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            taken: Mutex::default(),
            refused: Mutex::default(),
            kept: Mutex::default(),
            connections: Mutex::new(0),
        });
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, tls) = (Arc::clone(&state), tls.clone());
                // A client that goes away in the middle is its own affair.
                thread::spawn(move || state.answer(stream.unwrap(), tls).ok());
            }
        });
        Self { port, shared }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub fn connections(&self) -> u32 {
        *self.shared.connections.lock().unwrap()
    }

    pub fn taken(&self) -> Vec<Request> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// What was asked and not taken.
    pub fn refused(&self) -> Vec<Request> {
        self.shared.refused.lock().unwrap().clone()
    }

    /// `event kind subject` of the alarms that were taken, in their order.
    pub fn told(&self) -> Vec<String> {
        let alarms = self.taken().into_iter().filter(|request| request.method == "POST");
        alarms
            .map(|request| {
                let json = request.json();
                let text = |key: &str| json[key].as_str().unwrap().to_owned();
                format!("{} {} {}", text("event"), text("kind"), text("subject"))
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    /// Waits until an alarm was taken, and returns it.
    pub fn wait_for(&self, alarm: &str) -> Request {
        wait::until(&format!("{alarm:?} is told"), wait::PATIENCE, || {
            self.told().iter().any(|told| told == alarm)
        });
        let at = self.told().iter().position(|told| told == alarm).unwrap();
        self.taken().into_iter().filter(|request| request.method == "POST").nth(at).unwrap()
    }

    pub fn heartbeats(&self) -> usize {
        self.taken().iter().filter(|request| request.method == "GET").count()
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

impl Shared {
    fn answer(&self, socket: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
        *self.connections.lock().unwrap() += 1;
        let manner = *self.manner.lock().unwrap();
        if manner == Manner::Away {
            return Ok(());
        }
        let raw = socket.try_clone()?;
        let stream: Box<dyn Both> = match tls {
            None => Box::new(socket),
            Some(rules) => {
                let connection = ServerConnection::new(rules).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, socket))
            }
        };
        let mut stream = BufReader::new(stream);
        let request = read(&mut stream)?;
        let status = match manner {
            Manner::Well => "200 OK",
            Manner::Broken => "500 Internal Server Error",
            Manner::Deaf => {
                self.refused.lock().unwrap().push(request);
                self.kept.lock().unwrap().push(raw);
                return Ok(());
            }
            Manner::Rude => {
                self.refused.lock().unwrap().push(request);
                return SockRef::from(&raw.as_fd()).set_linger(Some(std::time::Duration::ZERO));
            }
            Manner::Away => unreachable!("it was closed above"),
        };
        let list = if manner == Manner::Well { &self.taken } else { &self.refused };
        list.lock().unwrap().push(request);
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK");
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()
    }
}

fn read(stream: &mut impl BufRead) -> io::Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((key, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((key.to_ascii_lowercase(), value.to_owned()));
    }
    let mut request = Request { method, target, headers, body: String::new(), bytes: Vec::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    request.bytes = body;
    Ok(request)
}
