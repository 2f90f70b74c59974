//! How the process is, for whoever asks: the page, the heartbeat, and `cu-agent health` through a
//! socket in the state directory. Nothing is written for it: a poll must not wear the card.
//!
//! What must never happen here: a verdict that comes from anywhere but the process itself, so that one
//! that hangs cannot be called well; a failure here that ends the service.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{Clock, Heart};
use crate::{
    config::Config,
    journal,
    status::{
        Figures,
        health::{Signs, Verdict, verdict},
    },
};

const FILE_NAME: &str = "health.sock";
/// A process that has not answered by then hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const MOST_ANSWER_BYTES: u64 = 4096;

/// Cloned to whoever judges.
#[derive(Clone, Debug)]
pub struct Vitals {
    pub figures: Figures,
    pub heart: Heart,
    pub clock: Clock,
    poll: Duration,
    has_central: bool,
}

impl Vitals {
    pub fn new(config: &Config, figures: &Figures, heart: &Heart, clock: &Clock) -> Self {
        Self {
            figures: figures.clone(),
            heart: heart.clone(),
            clock: clock.clone(),
            poll: config.schedule.poll,
            has_central: config.central.is_some(),
        }
    }

    pub fn verdict(&self) -> Verdict {
        let overdue = self.heart.overdue(Instant::now()).map(|name| name.to_string());
        let signs = Signs {
            counts: &self.figures.snapshot(),
            loops: &self.heart.loops(),
            overdue: overdue.as_deref(),
            poll: self.poll,
            has_central: self.has_central,
        };
        verdict(&signs, self.clock.now().uptime)
    }

    /// Answers each question with one line for as long as the process lives. The caller holds the
    /// state directory's lock.
    pub fn answer_in(&self, state_dir: &Path) {
        let path = state_dir.join(FILE_NAME);
        // What an earlier process left has nobody behind it.
        fs::remove_file(&path).ok();
        let listener = match UnixListener::bind(&path) {
            Ok(listener) => listener,
            Err(error) => return journal::health_cannot_answer(&path, &error),
        };
        let vitals = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(mut stream) => {
                        let line = format!("{}\n", vitals.verdict());
                        // Whoever went away does not want to know any more.
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

/// Why the process that holds the state directory did not tell how it is.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("it does not answer at {path}: it has just been started, or it hangs")]
    Connect { path: PathBuf, source: io::Error },
    #[error("it gives no answer at {path}: it hangs")]
    Answer { path: PathBuf, source: io::Error },
}

/// Asks the process at work in `state_dir`: whether it is well, and its line.
pub fn ask(state_dir: &Path) -> Result<(bool, String), AskError> {
    let path = state_dir.join(FILE_NAME);
    let connect = |source| AskError::Connect { path: path.clone(), source };
    let stream = UnixStream::connect(&path).map_err(connect)?;
    let mut line = String::new();
    stream
        .set_read_timeout(Some(ANSWER_WITHIN))
        .and_then(|()| stream.take(MOST_ANSWER_BYTES).read_to_string(&mut line))
        .map_err(|source| AskError::Answer { path: path.clone(), source })?;
    if line.is_empty() {
        let source = io::ErrorKind::UnexpectedEof.into();
        return Err(AskError::Answer { path, source });
    }
    Ok((line.starts_with("healthy"), line.trim_end().to_owned()))
}
