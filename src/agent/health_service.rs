//! How the process is, for anyone who asks: the page, the heartbeat, and `cu-agent health` through a
//! socket in the state directory. Nothing is written for it: a poll must not wear the card.
//!
//! What must never happen here: a verdict that comes from anywhere but the process itself, so that one
//! that hangs cannot be called well; a failure here that ends the service.

use std::{
    fs,
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{Clock, Watchdog};
use crate::{
    config::Config,
    logging,
    model::printable,
    status::{
        Metrics,
        health::{HealthInputs, Verdict, verdict},
    },
};

const FILE_NAME: &str = "health.sock";
/// A process that has not answered by then hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(20);
const MOST_ANSWER_BYTES: usize = 4096;
const MOST_LINE_CHARS: usize = 2000;

/// Cloned to anyone who judges.
#[derive(Clone, Debug)]
pub struct HealthService {
    pub figures: Metrics,
    watchdog: Watchdog,
    pub clock: Clock,
    poll: Duration,
    has_central: bool,
}

impl HealthService {
    pub fn new(config: &Config, figures: &Metrics, watchdog: &Watchdog, clock: &Clock) -> Self {
        Self {
            figures: figures.clone(),
            watchdog: watchdog.clone(),
            clock: clock.clone(),
            poll: config.schedule.poll,
            has_central: config.central.is_some(),
        }
    }

    pub fn verdict(&self) -> Verdict {
        let overdue = self.watchdog.overdue(Instant::now()).map(|name| name.to_string());
        let inputs = HealthInputs {
            counts: &self.figures.snapshot(),
            loops: &self.watchdog.loops(),
            overdue: overdue.as_deref(),
            poll: self.poll,
            has_central: self.has_central,
        };
        verdict(&inputs, self.clock.now().uptime)
    }

    /// Answers each question with one line for as long as the process lives. The caller holds the
    /// state directory's lock.
    pub fn answer_in(&self, state_dir: &Path) {
        let path = state_dir.join(FILE_NAME);
        // What an earlier process left has nobody behind it.
        fs::remove_file(&path).ok();
        let listener = match UnixListener::bind(&path) {
            Ok(listener) => listener,
            Err(error) => return logging::health_cannot_answer(&path, &error),
        };
        // A peer that may not ask learns nothing; the answer itself is no secret.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).ok();
        let service = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(mut stream) => {
                        let verdict = service.verdict().to_string();
                        let line = format!("{}\n", printable(&verdict, MOST_LINE_CHARS));
                        // A peer that went away does not want to know any more.
                        stream.set_write_timeout(Some(ANSWER_WITHIN)).ok();
                        stream.write_all(line.as_bytes()).ok();
                    }
                    // Out of file descriptors, say.
                    Err(_) => thread::park_timeout(Duration::from_secs(1)),
                }
            }
        });
    }
}

/// Why `cu-agent health` would get no answer from a service in `state_dir`, if it would not: its path cannot be
/// that of a socket, or something else stands there.
pub fn health_path_fault(state_dir: &Path) -> Option<(PathBuf, io::Error)> {
    let path = state_dir.join(FILE_NAME);
    if let Err(error) = SocketAddr::from_pathname(&path) {
        return Some((path, error));
    }
    let is_directory = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
    is_directory.then(|| (path, io::ErrorKind::IsADirectory.into()))
}

/// Why the process that holds the state directory did not tell how it is.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("does not answer at {path}: it has just been started, or it is stuck")]
    Connect { path: PathBuf, source: io::Error },
    #[error("accepts the question at {path} but does not answer: it is stuck")]
    Answer { path: PathBuf, source: io::Error },
    #[error("answers something unexpected at {path}: {line}")]
    Strange { path: PathBuf, line: String },
}

/// Asks the process at work in `state_dir` how it is. Whatever stands there, and however slowly it
/// answers, this is over after [`ANSWER_WITHIN`].
pub fn query_health(state_dir: &Path) -> Result<Verdict, QueryError> {
    let path = state_dir.join(FILE_NAME);
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut stream = match connect(&path, deadline) {
        Ok(stream) => stream,
        Err(source) => return Err(QueryError::Connect { path, source }),
    };
    match first_line(&mut stream, deadline) {
        Ok(line) => {
            let line = printable(line.trim_end(), MOST_LINE_CHARS);
            line.parse().map_err(|_| QueryError::Strange { path, line })
        }
        Err(source) => Err(QueryError::Answer { path, source }),
    }
}

/// A listener that takes nobody in would hold up an ordinary connect for ever.
fn connect(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a socket"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    loop {
        match socket.connect(&address) {
            Ok(()) => break,
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
            {
                thread::sleep(CONNECT_AGAIN_AFTER);
            }
            Err(error) => return Err(error),
        }
    }
    socket.set_nonblocking(false)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

/// The bytes up to a line end, the end, or as many as are taken; by the deadline, also from one who
/// sends them one by one.
fn first_line(stream: &mut UnixStream, deadline: Instant) -> io::Result<String> {
    let mut line = Vec::new();
    let mut bytes = [0; 512];
    while !line.contains(&b'\n') && line.len() < MOST_ANSWER_BYTES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut bytes)? {
            0 if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            count => line.extend_from_slice(&bytes[..count]),
        }
    }
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    Ok(String::from_utf8_lossy(&line[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_of(behave: impl FnOnce(UnixListener) + Send + 'static) -> Result<Verdict, QueryError> {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(FILE_NAME)).unwrap();
        thread::spawn(move || behave(listener));
        let begun = Instant::now();
        let answer = query_health(dir.path());
        assert!(begun.elapsed() < ANSWER_WITHIN * 2, "{:?}", begun.elapsed());
        answer
    }

    #[test]
    fn an_answer_is_one_printable_line_and_over_in_time_whoever_gives_it() {
        let well = asked_of(|listener| {
            let text = b"healthy: a\x1b[2J\xff\nforged: b\n";
            listener.accept().unwrap().0.write_all(text).unwrap();
        });
        assert_eq!(well.unwrap(), Verdict::Well("a [2J\u{fffd}".into()));
        let endless = asked_of(|listener| {
            let mut stream = listener.accept().unwrap().0;
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert!(matches!(endless, Err(QueryError::Strange { line, .. }) if line.len() < 3000));
        let drips = asked_of(|listener| {
            let mut stream = listener.accept().unwrap().0;
            while stream.write_all(b"h").is_ok() {
                thread::sleep(Duration::from_millis(200));
            }
        });
        assert!(matches!(drips, Err(QueryError::Answer { .. })));
    }

    #[test]
    fn what_is_no_socket_of_somebody_who_listens_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(matches!(query_health(dir.path()), Err(QueryError::Connect { .. })), "a pipe");
        fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(dir.path().join("other")).unwrap());
        std::os::unix::fs::symlink(dir.path().join("other"), &path).unwrap();
        assert!(matches!(query_health(dir.path()), Err(QueryError::Connect { .. })), "a link");
    }
}
