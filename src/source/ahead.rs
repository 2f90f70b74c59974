//! Several connections to one server: files that are about to be read are fetched ahead, each connection by a
//! thread of its own, and handed over in the order in which they are opened.
//!
//! What must never happen here: a file given under another's name; bytes that came handed over as the whole file
//! where their transfer did not end well; memory that grows with the number of files; a server that takes fewer
//! connections than are configured leaving files unread.

use std::{
    collections::BTreeMap,
    io,
    panic::resume_unwind,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use chrono::NaiveDateTime;

use super::{FolderListing, Source, SourceError, Transfer};
use crate::{model::ShortText, monitor::Monitor};

/// Bytes that are handed over at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// So many such parts of a file may wait.
const WAITING_CHUNKS: usize = 4;
/// So many files may be fetched before their turn, for each connection.
const FILES_AHEAD: usize = 2;
/// Threads wait for one another, and each wait ends with what the others do.
const LONG: Duration = Duration::from_secs(3600);

type Connection = Box<dyn Source + Send>;

/// A source with several connections.
pub struct ReadAhead {
    /// The first one does all that is not fetched ahead. None of them is here while threads have them.
    connections: Vec<Connection>,
    expected: Option<Expected>,
    fetching: Option<Fetching>,
    lists_true_sizes: bool,
}

/// Files that will be opened, in this order.
struct Expected {
    folder: String,
    names: Vec<ShortText>,
}

impl ReadAhead {
    /// Over at least one connection; all of them are to the same server.
    pub fn over(connections: Vec<Connection>) -> Self {
        let lists_true_sizes = connections.first().is_some_and(|first| first.lists_true_sizes());
        Self { connections, expected: None, fetching: None, lists_true_sizes }
    }

    /// The first connection, which does all that is not fetched ahead.
    fn first(&mut self) -> Result<&mut Connection, SourceError> {
        self.call_off();
        self.reach_by_first()?;
        Ok(&mut self.connections[0])
    }

    /// Has the first connection stand. Where it cannot, the others may have the places that the server has: they
    /// give them back, and it tries once more.
    fn reach_by_first(&mut self) -> Result<(), SourceError> {
        let Err(_) = self.connections[0].reach() else { return Ok(()) };
        self.close_others();
        self.connections[0].reach()
    }

    /// Closes all connections but the first at once: each may wait for its server.
    fn close_others(&mut self) {
        thread::scope(|scope| {
            for connection in self.connections.iter_mut().skip(1) {
                scope.spawn(|| connection.close());
            }
        });
    }

    /// Nothing more is fetched; the connections come back.
    fn call_off(&mut self) {
        self.expected = None;
        if let Some(fetching) = self.fetching.take() {
            self.connections = fetching.end();
        }
    }

    /// Begins to fetch once the first of the expected files is opened.
    fn begin_if_expected(&mut self, folder: &str, name: &str) {
        let is_first = |expected: &Expected| {
            expected.folder == folder && expected.names.first().is_some_and(|first| *first == name)
        };
        if let Some(expected) = self.expected.take_if(|expected| is_first(expected)) {
            let connections = std::mem::take(&mut self.connections);
            self.fetching = Some(Fetching::begin(expected, connections));
        }
    }
}

impl Source for ReadAhead {
    fn folders(&mut self) -> Result<Vec<String>, SourceError> {
        self.first()?.folders()
    }

    fn list(&mut self, folder: &str) -> Result<FolderListing, SourceError> {
        self.first()?.list(folder)
    }

    fn expect(&mut self, folder: &str, names: Vec<ShortText>) {
        self.call_off();
        if names.len() > 1 && self.connections.len() > 1 {
            self.expected = Some(Expected { folder: folder.to_owned(), names });
        }
    }

    fn open<'t>(
        &'t mut self,
        folder: &'t str,
        name: &'t str,
        offset: u64,
    ) -> Result<Box<dyn Transfer + 't>, SourceError> {
        if offset == 0 {
            self.begin_if_expected(folder, name);
            if let Some(fetching) = &mut self.fetching
                && let Some(place) = fetching.place_of(folder, name)
            {
                return fetching.hand_over(place).map(|fetched| Box::new(fetched) as _);
            }
        }
        // What is read before the first expected file does not end the expectation.
        if self.fetching.is_some() {
            self.call_off();
        }
        self.reach_by_first()?;
        self.connections[0].open(folder, name, offset)
    }

    fn size(&mut self, folder: &str, name: &str) -> Result<Option<u64>, SourceError> {
        self.first()?.size(folder, name)
    }

    fn modified(&mut self, folder: &str, name: &str) -> Result<Option<NaiveDateTime>, SourceError> {
        self.first()?.modified(folder, name)
    }

    fn lists_true_sizes(&self) -> bool {
        self.lists_true_sizes
    }

    fn delete(&mut self, folder: &str, name: &str) -> Result<(), SourceError> {
        self.first()?.delete(folder, name)
    }

    fn allow_until(&mut self, until: Option<Instant>) {
        for connection in &mut self.connections {
            connection.allow_until(until);
        }
    }

    fn release(&mut self) {
        self.call_off();
        // One place on the server may be kept between polls, not one for each connection.
        self.close_others();
        self.connections[0].release();
    }

    fn close(&mut self) {
        self.call_off();
        self.close_others();
        self.connections[0].close();
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.call_off();
    }
}

/// Threads at work on a folder's files.
struct Fetching {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<Connection>>,
    /// Files that are begun, by their place, as the threads announce them.
    announced: Receiver<(usize, Receiver<Part>)>,
    begun: BTreeMap<usize, Receiver<Part>>,
    /// The place of the file that is opened next.
    next: usize,
}

/// What the threads share.
struct Queue {
    folder: String,
    names: Vec<ShortText>,
    state: Monitor<State>,
}

#[derive(Default)]
struct State {
    /// The first file that no thread has taken.
    next: usize,
    /// The first file that was not opened yet.
    opened: usize,
    /// Threads whose connection stands, or may.
    working: usize,
    is_over: bool,
}

/// A part of a file.
enum Part {
    Bytes(Vec<u8>),
    End(u64),
    Failed(SourceError),
}

impl Fetching {
    fn begin(expected: Expected, connections: Vec<Connection>) -> Self {
        let Expected { folder, names } = expected;
        let working = connections.len();
        let queue = Arc::new(Queue { folder, names, state: Monitor::default() });
        queue.state.change(|state| state.working = working);
        let (announce, announced) = channel();
        let ahead = FILES_AHEAD * working;
        let threads = connections.into_iter().map(|mut connection| {
            let (queue, announce) = (Arc::clone(&queue), announce.clone());
            thread::spawn(move || {
                // Its turn was measured by the thread that reads.
                connection.allow_until(None);
                queue.work(&mut *connection, &announce, ahead);
                connection
            })
        });
        let threads = threads.collect();
        Self { queue, threads, announced, begun: BTreeMap::new(), next: 0 }
    }

    /// Where a file stands that may still be opened.
    fn place_of(&self, folder: &str, name: &str) -> Option<usize> {
        let rest = self.queue.names.get(self.next..).filter(|_| self.queue.folder == folder)?;
        rest.iter().position(|one| *one == name).map(|at| self.next + at)
    }

    fn hand_over(&mut self, place: usize) -> Result<Fetched, SourceError> {
        self.next = place + 1;
        // Those that were passed over are not wanted any more.
        self.begun = self.begun.split_off(&place);
        self.queue.state.change(|state| state.opened = place);
        let parts = loop {
            if let Some(parts) = self.begun.remove(&place) {
                break parts;
            }
            let Ok((at, parts)) = self.announced.recv() else {
                return Err(self.queue.broken(place));
            };
            if at >= place {
                self.begun.insert(at, parts);
            }
        };
        self.queue.state.change(|state| state.opened = self.next);
        let mut fetched = Fetched {
            queue: Arc::clone(&self.queue),
            place,
            parts,
            bytes: Vec::new(),
            at: 0,
            end: None,
        };
        // A refusal is that of the opening.
        fetched.take_part()?;
        Ok(fetched)
    }

    fn end(self) -> Vec<Connection> {
        self.queue.state.change(|state| state.is_over = true);
        // Nobody waits for what they still send.
        drop((self.begun, self.announced));
        let come_back = |thread: JoinHandle<Connection>| {
            thread.join().unwrap_or_else(|panicked| resume_unwind(panicked))
        };
        self.threads.into_iter().map(come_back).collect()
    }
}

impl Queue {
    /// Fetches one file after the other until none is left.
    fn work(
        &self,
        connection: &mut dyn Source,
        announce: &Sender<(usize, Receiver<Part>)>,
        ahead: usize,
    ) {
        // Before a file is taken, which somebody may be waiting for.
        if let Err(error) = connection.reach()
            && self.leaves_others()
        {
            log::warn!("one connection fewer reads ahead: {error}");
            return;
        }
        while let Some(place) = self.take(ahead) {
            let (send, parts) = sync_channel(WAITING_CHUNKS);
            if announce.send((place, parts)).is_err() {
                return;
            }
            match connection.open(&self.folder, &self.names[place], 0) {
                Ok(transfer) => send_all(transfer, &send),
                // Nobody to tell is nobody who waits.
                Err(error) => drop(send.send(Part::Failed(error))),
            }
        }
    }

    /// The next file to fetch, as soon as it is not too early; `None` where none is left.
    fn take(&self, ahead: usize) -> Option<usize> {
        loop {
            let mut state = self.state.wait(LONG, |state| {
                let is_left = state.next < self.names.len();
                state.is_over || !is_left || state.next < state.opened + ahead
            });
            if state.is_over || state.next >= self.names.len() {
                return None;
            }
            if state.next < state.opened + ahead {
                state.next += 1;
                return Some(state.next - 1);
            }
        }
    }

    /// Ends the work of one thread, unless it is the last one: that has to say what is wrong.
    fn leaves_others(&self) -> bool {
        self.state.change(|state| {
            let has_others = state.working > 1;
            state.working -= usize::from(has_others);
            has_others
        })
    }

    fn broken(&self, place: usize) -> SourceError {
        SourceError::Transfer {
            folder: self.folder.clone(),
            name: self.names[place].to_string(),
            source: io::Error::other("the connection that fetched it ended"),
        }
    }
}

/// All bytes of a file, and how it ended.
fn send_all(mut transfer: Box<dyn Transfer + '_>, send: &SyncSender<Part>) {
    loop {
        let mut bytes = vec![0; CHUNK_BYTES];
        let part = match transfer.read(&mut bytes) {
            Ok(0) => break,
            Ok(length) => {
                bytes.truncate(length);
                Part::Bytes(bytes)
            }
            Err(error) => {
                let _ = send.send(Part::Failed(error));
                return;
            }
        };
        // The reader wants no more of it: the transfer is aborted.
        if send.send(part).is_err() {
            return;
        }
    }
    let end = transfer.finish().map_or_else(Part::Failed, Part::End);
    let _ = send.send(end);
}

/// A file that another thread fetches.
struct Fetched {
    queue: Arc<Queue>,
    place: usize,
    parts: Receiver<Part>,
    bytes: Vec<u8>,
    at: usize,
    end: Option<u64>,
}

impl Fetched {
    fn take_part(&mut self) -> Result<(), SourceError> {
        match self.parts.recv() {
            Ok(Part::Bytes(bytes)) => (self.bytes, self.at) = (bytes, 0),
            Ok(Part::End(length)) => self.end = Some(length),
            Ok(Part::Failed(error)) => return Err(error),
            Err(_) => return Err(self.queue.broken(self.place)),
        }
        Ok(())
    }
}

impl Transfer for Fetched {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.at == self.bytes.len() && self.end.is_none() {
            self.take_part()?;
        }
        let rest = &self.bytes[self.at..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }

    fn finish(self: Box<Self>) -> Result<u64, SourceError> {
        match self.end {
            Some(length) if self.at == self.bytes.len() => Ok(length),
            _ => Err(SourceError::Transfer {
                folder: self.queue.folder.clone(),
                name: self.queue.names[self.place].to_string(),
                source: io::Error::other("it was not read to the end"),
            }),
        }
    }
}
