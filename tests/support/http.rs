//! A client of HTTP/1.1 that does what it is told, also what no well-behaved client does.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::wait;

/// What came back: everything until the server closed the connection.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Panics unless the status is `status`.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

/// `GET` as a browser on this computer asks.
pub fn get(server: SocketAddr, target: &str) -> Response {
    send(server, &format!("GET {target} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"))
        .unwrap_or_else(|| panic!("no answer to {target}"))
}

/// Sends `text` as it stands; `None` where the server closes without an answer.
pub fn send(server: SocketAddr, text: &str) -> Option<Response> {
    let mut stream = connect(server);
    stream.write_all(text.as_bytes()).unwrap();
    answer(stream)
}

pub fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&server, Duration::from_secs(10)).unwrap();
    stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    stream
}

/// Reads one answer: as many bytes as it says it has, or all until the server closes.
pub fn answer(mut stream: TcpStream) -> Option<Response> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    while !is_whole(&bytes) {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            // A server that closes with a reset after its answer has answered.
            Err(_) => break,
        }
    }
    if bytes.is_empty() {
        return None;
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Some(Response { status, headers: headers.collect(), body: body.to_owned() })
}

/// Whether head and body are there, where the head says how long the body is.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| bytes.len() >= end + 4 + length.trim().parse::<usize>().unwrap())
}
