//! The service manager's ear: a socket as systemd's, and what was said to it.

use std::{
    os::unix::net::UnixDatagram,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::wait;

pub struct Manager {
    dir: TempDir,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Manager {
    pub fn listening() -> Self {
        let dir = tempfile::Builder::new().prefix("cu-agent-test-").tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::downgrade(&heard);
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Some(heard) = shared.upgrade() {
                // A time-out is the moment to see whether anybody still wants to know.
                if let Ok(size) = socket.recv(&mut buffer) {
                    let text = String::from_utf8(buffer[..size].to_vec()).unwrap();
                    let lines = text.lines().map(|line| (Instant::now(), line.to_owned()));
                    heard.lock().unwrap().extend(lines);
                }
            }
        });
        Self { dir, heard }
    }

    /// What NOTIFY_SOCKET is to be.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("notify")
    }

    /// Everything said so far, one entry a variable.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// When this was last said.
    pub fn last(&self, line: &str) -> Option<Instant> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(_, said)| said == line).map(|(at, _)| *at).next_back()
    }

    pub fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|said| *said == line).count()
    }

    pub fn wait_for(&self, line: &str) {
        wait::until(&format!("the manager hears {line:?}"), wait::PATIENCE, || {
            self.heard().iter().any(|said| said.contains(line))
        });
    }
}
