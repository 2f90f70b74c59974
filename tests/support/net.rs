//! Proxies that delay, cut and count what passes between the agent and a server. Loopback only.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// A port of the loopback that nothing listens on, below those that the kernel gives to outgoing
/// connections and to listeners that ask for any: none of them takes it while a server restarts, or
/// where a test says that nobody answers. Each is given once in a process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 997).unwrap() * 12;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (start + step) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A TCP proxy in front of `target`. Settings hold from the next bytes on; dropping it cuts
/// everything and stops listening.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    target: AtomicU16,
    refusing: AtomicBool,
    black_hole: AtomicBool,
    muted: AtomicBool,
    delay_up_us: AtomicU64,
    delay_down_us: AtomicU64,
    bytes_a_second: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    turns: AtomicU64,
    last_was_up: AtomicBool,
    connections: AtomicU64,
    refused: AtomicU64,
    /// Bytes that may still go up before the cut; below zero: no limit.
    cut_after: AtomicI64,
    /// Answers that still pass before one is lost; below zero: none is lost.
    lose_after: AtomicI64,
    open: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// How many of `count` bytes still go up; fewer than all: the cut comes behind them.
    fn allowed_up(&self, count: usize) -> usize {
        let left = self.cut_after.load(Ordering::Relaxed);
        if left < 0 {
            return count;
        }
        let allowed = count.min(left as usize);
        let left = if allowed < count { -1 } else { left - count as i64 };
        self.cut_after.store(left, Ordering::Relaxed);
        allowed
    }

    /// Whether the answer that begins now is the one to be lost.
    fn loses_this_answer(&self) -> bool {
        let left = self.lose_after.load(Ordering::Relaxed);
        if left >= 0 {
            self.lose_after.store(left - 1, Ordering::Relaxed);
        }
        left == 0
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// From the agent to the server.
    Up,
    Down,
}

impl Proxy {
    pub fn to(target: u16) -> Self {
        Self::over(TcpListener::bind(("127.0.0.1", 0)).unwrap(), target)
    }

    /// Takes connections on `listener`, which may be of another network namespace.
    pub fn over(listener: TcpListener, target: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        shared.cut_after.store(-1, Ordering::Relaxed);
        shared.lose_after.store(-1, Ordering::Relaxed);
        shared.target.store(target, Ordering::Relaxed);
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if state.closed.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(client) = client else { continue };
                if state.refusing.load(Ordering::Relaxed) {
                    state.refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                state.connections.fetch_add(1, Ordering::Relaxed);
                let target = state.target.load(Ordering::Relaxed);
                join(client, SocketAddr::from(([127, 0, 0, 1], target)), &state);
            }
        });
        Self { port, shared }
    }

    /// New connections lead to another server.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::Relaxed);
    }

    /// The time that bytes take in each direction.
    pub fn delay(&self, up: Duration, down: Duration) {
        self.shared.delay_up_us.store(up.as_micros() as u64, Ordering::Relaxed);
        self.shared.delay_down_us.store(down.as_micros() as u64, Ordering::Relaxed);
    }

    /// The most bytes a second in each direction; 0 for no limit.
    pub fn limit(&self, bytes_a_second: u64) {
        self.shared.bytes_a_second.store(bytes_a_second, Ordering::Relaxed);
    }

    /// Breaks every connection; new ones are taken.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Breaks every connection, once, when so many more bytes have gone up.
    pub fn cut_after(&self, bytes_up: u64) {
        self.shared.cut_after.store(bytes_up as i64, Ordering::Relaxed);
    }

    /// Breaks every connection, once, where the server's answer number `answer` (0 is the next one)
    /// would come down: what was asked for has been done.
    pub fn lose_answer(&self, answer: u64) {
        self.shared.lose_after.store(answer as i64, Ordering::Relaxed);
    }

    /// Whether a cut that was ordered has not come yet.
    pub fn waits_to_cut(&self) -> bool {
        self.shared.cut_after.load(Ordering::Relaxed) >= 0
            || self.shared.lose_after.load(Ordering::Relaxed) >= 0
    }

    /// Takes an order to cut back.
    pub fn forget_cut(&self) {
        self.shared.cut_after.store(-1, Ordering::Relaxed);
        self.shared.lose_after.store(-1, Ordering::Relaxed);
    }

    /// New connections are closed at once.
    pub fn refuse(&self, on: bool) {
        self.shared.refusing.store(on, Ordering::Relaxed);
    }

    /// Connections are accepted, and nothing passes any more in either direction.
    pub fn black_hole(&self, on: bool) {
        self.shared.black_hole.store(on, Ordering::Relaxed);
    }

    /// The server's answers are lost; what the agent sends still arrives.
    pub fn mute(&self, on: bool) {
        self.shared.muted.store(on, Ordering::Relaxed);
    }

    /// Connections closed at once.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    pub fn bytes_up(&self) -> u64 {
        self.shared.bytes_up.load(Ordering::Relaxed)
    }

    pub fn bytes_down(&self) -> u64 {
        self.shared.bytes_down.load(Ordering::Relaxed)
    }

    /// How often the agent spoke after the server did: round trips, log-in included.
    pub fn round_trips(&self) -> u64 {
        self.shared.turns.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the listener so that it sees the end.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

fn join(client: TcpStream, target: SocketAddr, shared: &Arc<Shared>) {
    let Ok(server) = TcpStream::connect(target) else { return };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let mut open = shared.open.lock().unwrap();
    open.push(client.try_clone().unwrap());
    open.push(server.try_clone().unwrap());
    drop(open);
    pump(client.try_clone().unwrap(), server.try_clone().unwrap(), Way::Up, shared);
    pump(server, client, Way::Down, shared);
}

fn pump(mut from: TcpStream, mut to: TcpStream, way: Way, shared: &Arc<Shared>) {
    let (sender, queue) = mpsc::channel::<(Instant, Vec<u8>)>();
    let state = Arc::clone(shared);
    thread::spawn(move || {
        let mut chunk = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if state.black_hole.load(Ordering::Relaxed)
                || (way == Way::Down && state.muted.load(Ordering::Relaxed))
            {
                continue;
            }
            let mut passing = count;
            let delay = match way {
                Way::Up => {
                    passing = state.allowed_up(count);
                    if !state.last_was_up.swap(true, Ordering::Relaxed) {
                        state.turns.fetch_add(1, Ordering::Relaxed);
                    }
                    state.bytes_up.fetch_add(count as u64, Ordering::Relaxed);
                    &state.delay_up_us
                }
                Way::Down => {
                    if state.last_was_up.swap(false, Ordering::Relaxed) && state.loses_this_answer()
                    {
                        state.cut();
                        break;
                    }
                    state.bytes_down.fetch_add(count as u64, Ordering::Relaxed);
                    &state.delay_down_us
                }
            };
            let due = Instant::now() + Duration::from_micros(delay.load(Ordering::Relaxed));
            if sender.send((due, chunk[..passing].to_vec())).is_err() {
                break;
            }
            if passing < count {
                // What was allowed is on its way before the connection ends.
                from.shutdown(Shutdown::Both).ok();
                break;
            }
        }
    });
    let state = Arc::clone(shared);
    thread::spawn(move || {
        for (due, bytes) in queue {
            let rate = state.bytes_a_second.load(Ordering::Relaxed);
            let transfer = if rate == 0 { 0.0 } else { bytes.len() as f64 / rate as f64 };
            // The proxy is the slow line itself: here time has to pass.
            thread::sleep(
                due.saturating_duration_since(Instant::now()) + Duration::from_secs_f64(transfer),
            );
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Write).ok();
    });
}
