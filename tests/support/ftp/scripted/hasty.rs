//! Commands that ask for data before the client's connection stands. On a loopback every connection stands at
//! once, so somebody else waits at the listener: the client's first try is dropped, and comes again after a second.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::{Script, Session};
use crate::support::ftp::Hasty;

/// Until then nobody but the one before was let in.
const CROWDED: Duration = Duration::from_millis(500);

/// A listener with room for one, who is there already.
pub(super) fn crowded_door() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(0)?;
    let listener = TcpListener::from(socket);
    let other = TcpStream::connect(listener.local_addr()?)?;
    let door = listener.try_clone()?;
    thread::spawn(move || {
        thread::sleep(CROWDED);
        drop((door.accept(), other));
    });
    Ok(listener)
}

impl Session<'_> {
    /// The answers to a command that is too early; `None` where it is carried out.
    pub(super) fn hasty_answers(&mut self, script: &Script) -> Option<&'static [&'static str]> {
        let answers: &[&str] = match script.hasty? {
            Hasty::Waits => {
                thread::sleep((CROWDED * 2).saturating_sub(self.told.elapsed()));
                return None;
            }
            Hasty::Refused => &["425 open a data connection first"],
            Hasty::BrokenOff => &["150 here it comes", "426 nobody is there"],
            Hasty::SentNothing => &["150 here it comes", "226 that was it"],
        };
        if self.told.elapsed() >= CROWDED {
            return None;
        }
        // The client may come, and finds the end.
        let door = self.passive.take()?;
        thread::spawn(move || {
            thread::sleep(CROWDED * 4);
            drop(door);
        });
        self.offset = 0;
        Some(answers)
    }
}
