//! What answers at the server's address, by its first line: SSH, or something that is named to people.

use std::{
    io,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use super::SHOWN_CHARS;
use crate::{
    model::printable,
    source::{
        pace::Pace,
        reach::{Limits, known_service},
    },
};

/// Longest line that names a server.
const MAX_SOFTWARE_BYTES: usize = 255;

/// Who answers, by the first bytes, which stay to be read.
pub(super) enum Greeting {
    Ssh(String),
    Other(String),
}

pub(super) fn greeting(socket: &TcpStream, limits: &Limits) -> io::Result<Greeting> {
    let mut pace = Pace::at_most(limits.silence, 1);
    let mut first = [0; MAX_SOFTWARE_BYTES];
    let mut known = 0;
    loop {
        let wait = limits.cut(pace.next_wait()?)?;
        socket.set_read_timeout(Some(wait))?;
        let began = Instant::now();
        let length = match socket.peek(&mut first) {
            Ok(0) => {
                let closed = "the server closed the connection before it said anything";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, closed));
            }
            Ok(length) => length,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                pace.note(began.elapsed(), 0);
                continue;
            }
            Err(error) => return Err(error),
        };
        let line = &first[..length];
        if let Some(greeting) = judged(line) {
            return Ok(greeting);
        }
        if length == known {
            // What is there stays there: a look shows it again at once.
            thread::sleep(PEEK_EVERY.min(wait));
        }
        known = length;
        pace.note(began.elapsed().max(Duration::from_millis(1)), 0);
    }
}

/// Between two looks at a first line that comes in pieces.
const PEEK_EVERY: Duration = Duration::from_millis(20);

/// `None` where the line is not whole yet.
fn judged(first: &[u8]) -> Option<Greeting> {
    let is_whole = first.contains(&b'\n') || first.len() == MAX_SOFTWARE_BYTES;
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = printable(String::from_utf8_lossy(line).trim(), SHOWN_CHARS);
    if first.starts_with(b"SSH-2.") || first.starts_with(b"SSH-1.99") {
        let software = text.split_once('-').and_then(|(_, behind)| behind.split_once('-'));
        let software = software.map_or(text.as_str(), |(_, name)| name);
        return is_whole.then(|| Greeting::Ssh(software.to_owned()));
    }
    if !is_whole && first.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return None;
    }
    if first.starts_with(b"SSH-1.") {
        let old = "it speaks only SSH version 1, which is broken; update it".to_owned();
        return Some(Greeting::Other(old));
    }
    if let Some(who) = known_service(first) {
        return Some(Greeting::Other(format!("{who} answers there; check `port`")));
    }
    if first.starts_with(b"220") {
        return Some(Greeting::Other(format!(
            "an FTP server answers there ({text:?}); check `port`, or set kind = \"ftp\""
        )));
    }
    if matches!(first, [0x15 | 0x16, 0x03, ..]) {
        return Some(Greeting::Other("a TLS server answers there; check `port`".to_owned()));
    }
    if first.iter().any(|byte| *byte != b'\r' && *byte != b'\n' && !(b' '..=b'~').contains(byte)) {
        return Some(Greeting::Other(format!("what answers there is not an SSH server: {text:?}")));
    }
    // Lines before the server's version are allowed (RFC 4253 §4.2); the library reads on.
    Some(Greeting::Ssh(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_at_the_port_is_told_by_its_first_line() {
        let table: [(&[u8], &str); 9] = [
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "OpenSSH_9.2p1 Debian-2"),
            (b"SSH-1.99-Cisco-1.25\n", "Cisco-1.25"),
            (b"Welcome\r\nSSH-2.0-x\r\n", ""),
            (b"SSH-1.5-old\n", "version 1"),
            (b"220 (vsFTPd 3.0.3)\r\n", "an FTP server"),
            (b"220 mail ESMTP\r\n", "a mail server"),
            (b"HTTP/1.1 400 Bad Request\r\n", "a web server"),
            (&[0x15, 3, 3, 0, 2], "a TLS server"),
            (b"\xFF\xFE\x01", "not an SSH server"),
        ];
        for (first, expected) in table {
            let text = match judged(first).unwrap() {
                Greeting::Ssh(software) => {
                    assert_eq!(software, expected);
                    continue;
                }
                Greeting::Other(who) => who,
            };
            assert!(text.contains(expected), "{text}");
        }
        assert!(judged(b"SSH-2.0-Open").is_none() && judged(b"22").is_none());
    }
}
