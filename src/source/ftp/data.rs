//! Data connections: how they come about (EPSV, PASV, PORT, EPRT), when their data begin, and their
//! end. Every wait on them is bounded.
//!
//! What must never happen here: a connection to an address that the server names in a PASV answer;
//! one taken from another host than the control connection's; data in the clear where TLS is asked for.

use std::{
    io::{self, Read},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    control::Control,
    reply::{Fault, Reply},
    socket::{Limits, has_data},
    wire::Wire,
};

/// How long a server that waits for TLS on the data connection may withhold its 150.
const WITHHELD: Duration = Duration::from_secs(2);

/// A data connection that is made, or will be by the server.
pub(super) enum Door {
    Connected(TcpStream),
    Listening(TcpListener),
}

/// Data on their way.
#[derive(Debug)]
pub(super) struct DataConnection {
    pub(super) wire: Wire,
    /// The server said already that all was sent.
    pub(super) is_confirmed: bool,
}

impl Read for DataConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wire.read(buffer)
    }
}

/// What came first behind a command that asks for data.
pub(super) enum First {
    Reply(Reply),
    /// Data without any answer yet, or nothing from a server that waits for TLS.
    Data,
}

/// The port in an answer to EPSV: `(|||49152|)` with any delimiter (RFC 2428 §3), also where the
/// other two fields are filled in.
pub(super) fn epsv_port(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, delimiter)| {
        if !delimiter.is_ascii_graphic() || delimiter.is_ascii_alphanumeric() || *delimiter == b'('
        {
            return None;
        }
        let mut fields = bytes[at + 1..].split(|byte| byte == delimiter);
        let port = fields.nth(2)?;
        // The last delimiter must be there: a torn number is no port.
        fields.next()?;
        std::str::from_utf8(port).ok()?.trim().parse().ok().filter(|port| *port > 0)
    })
}

/// The port in an answer to PASV: the last two of six numbers between commas, wherever they stand.
pub(super) fn pasv_port(text: &str) -> Option<u16> {
    let is_part = |c: char| c.is_ascii_digit() || c == ',' || c == ' ';
    text.split(|c| !is_part(c))
        .find_map(|part| {
            let numbers: Vec<&str> = part.split(',').map(str::trim).collect();
            let place = numbers.len().checked_sub(6)?;
            // "Entering passive mode 127,0,0,1,4,5": what stands before the first number is not of it.
            let first = numbers[place].rsplit(' ').next()?;
            let last = numbers[place + 5].split(' ').next()?;
            let mut six = [
                first,
                numbers[place + 1],
                numbers[place + 2],
                numbers[place + 3],
                numbers[place + 4],
                last,
            ]
            .map(|number| number.parse::<u8>().ok());
            let (low, high) = (six[5].take()?, six[4].take()?);
            six[..4].iter().all(Option::is_some).then(|| u16::from(high) * 256 + u16::from(low))
        })
        .filter(|port| *port > 0)
}

/// The command that tells the server where a listener waits.
pub(super) fn port_command(at: SocketAddr) -> String {
    let port = at.port();
    match at.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let host = ip.to_string().replace('.', ",");
            format!("PORT {host},{},{}", port / 256, port % 256)
        }
        IpAddr::V6(ip) => format!("EPRT |2|{ip}|{port}|"),
    }
}

/// Waits until the server answers or sends data, whichever comes first. A server that listens is
/// connected to; one that connects is let in.
pub(super) fn await_first(
    control: &mut Control,
    door: &mut Door,
    is_private: bool,
) -> Result<First, Fault> {
    let limits = *control.limits();
    let began = Instant::now();
    let mut may_have_data = true;
    loop {
        let withheld = if is_private { WITHHELD.min(limits.silence / 2) } else { limits.silence };
        let left = withheld.saturating_sub(began.elapsed());
        let left = limits.cut(left)?;
        if left.is_zero() {
            // Under TLS the server may be waiting for us; otherwise the answer's own wait tells.
            return if is_private { Ok(First::Data) } else { Ok(First::Reply(control.hear()?)) };
        }
        let (answers, data) = {
            let flags = PollFlags::IN;
            let mut polled = vec![PollFd::new(control.wire()?.stream(), flags)];
            let other = match &door {
                Door::Connected(stream) => stream.as_fd(),
                Door::Listening(listener) => listener.as_fd(),
            };
            if may_have_data {
                polled.push(PollFd::from_borrowed_fd(other, flags));
            }
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut polled, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Fault::Gone(error.into())),
            }
            let has_come =
                |place: usize| polled.get(place).is_some_and(|fd| !fd.revents().is_empty());
            (has_come(0), has_come(1))
        };
        if answers {
            return Ok(First::Reply(control.hear()?));
        }
        if data {
            match door {
                Door::Connected(stream) if has_data(stream) => return Ok(First::Data),
                // The end without data: what it means is in the answer.
                Door::Connected(_) => may_have_data = false,
                Door::Listening(listener) => {
                    let stream = accept(listener, control.peer()?, &limits)?;
                    *door = Door::Connected(stream);
                }
            }
        }
    }
}

/// The connection that the server makes to us.
pub(super) fn accept(
    listener: &TcpListener,
    peer: SocketAddr,
    limits: &Limits,
) -> io::Result<TcpStream> {
    let began = Instant::now();
    loop {
        let left = limits.cut(limits.connect.saturating_sub(began.elapsed()))?;
        let mut polled = [PollFd::new(listener, PollFlags::IN)];
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        if left.is_zero() || poll(&mut polled, Some(&timeout)) == Ok(0) {
            let missing = "the server opens no data connection to this gateway";
            return Err(io::Error::new(io::ErrorKind::TimedOut, missing));
        }
        let (stream, from) = listener.accept()?;
        if from.ip().to_canonical() == peer.ip().to_canonical() {
            return Ok(stream);
        }
        log::warn!(
            "a data connection from {} was refused: it is not the server's address",
            from.ip()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_wherever_servers_put_it() {
        let table = [
            ("227 Entering Passive Mode (127,0,0,1,4,5)", Some(1029)),
            ("227 Entering Passive Mode. 127,0,0,1,4,5", Some(1029)),
            ("227 Entering passive mode 127,0,0,1,4,5.", Some(1029)),
            ("227 =127,0,0,1,4,5", Some(1029)),
            ("227 Passive ( 127, 0, 0, 1, 4, 5 )", Some(1029)),
            ("227 2 users, (10,0,0,1,200,7)", Some(51207)),
            ("227 h1,h2,h3,h4,p1,p2", None),
            ("227 (127,0,0,1,4)", None),
            ("227 (127,0,0,1,4,256)", None),
            ("227 (127,0,0,1,0,0)", None),
            ("227 there", None),
        ];
        for (text, port) in table {
            assert_eq!(pasv_port(text.get(4..).unwrap()), port, "{text}");
        }
        let table = [
            ("229 Entering Extended Passive Mode (|||49152|)", Some(49152)),
            ("229 |||49152|", Some(49152)),
            ("229 (!!!7!)", Some(7)),
            ("229 (|1|10.0.0.1|49152|)", Some(49152)),
            ("229 Extended (###49152#)", Some(49152)),
            ("229 ok, |||49152| then", Some(49152)),
            ("229 (%%%49152%)", Some(49152)),
            ("229 (|2|::1|49152|)", Some(49152)),
            ("229 (|||-1|)", None),
            ("229 (||| 49152 |)", Some(49152)),
            ("229 (|||65536|)", None),
            ("229 (|||0|)", None),
            ("229 (|||49152", None),
            ("229 without a port", None),
        ];
        for (text, port) in table {
            assert_eq!(epsv_port(text.get(4..).unwrap()), port, "{text}");
        }
    }

    #[test]
    fn a_listener_is_told_in_the_form_of_its_address() {
        assert_eq!(port_command("127.0.0.1:1029".parse().unwrap()), "PORT 127,0,0,1,4,5");
        assert_eq!(port_command("[::1]:1029".parse().unwrap()), "EPRT |2|::1|1029|");
        assert_eq!(port_command("[::ffff:10.0.0.1]:7".parse().unwrap()), "PORT 10,0,0,1,0,7");
    }
}
