//! A PostgreSQL that lies: it speaks the protocol properly up to a chosen phase, and there does what no
//! server should. What its answers hold may be drawn from lies too.
//!
//! It keeps every byte that it was sent, so that a test can look for a password in them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::wait;

/// Where the lie is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The answer to the request for encryption.
    TlsAnswer,
    /// Behind the yes to it.
    TlsHandshake,
    LogIn,
    StartUp,
    Answer,
}

/// What is sent there instead of what belongs there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lie {
    Silence,
    /// One byte every 100 ms.
    Drip(u8),
    /// These bytes for ever.
    Endless(Vec<u8>),
    /// These bytes, and then silence.
    Only(Vec<u8>),
}

/// What the rows of answers hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// What an honest server would say.
    Honest,
    /// Every value, type and count drawn anew, from this seed.
    Drawn(u64),
    /// No row where one was asked for.
    NoRows,
}

pub struct Rogue {
    pub port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

impl Rogue {
    /// Lies at `phase`.
    pub fn lying(phase: Phase, lie: Lie) -> Self {
        Self::start(Some((phase, lie)), Values::Honest)
    }

    /// Takes any log-in and answers with `values`.
    pub fn answering(values: Values) -> Self {
        Self::start(None, values)
    }

    fn start(lie: Option<(Phase, Lie)>, values: Values) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::default();
        let connections = Arc::new(AtomicUsize::new(0));
        let rogue = Self { port, heard: Arc::clone(&heard), connections: Arc::clone(&connections) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let stream = stream.unwrap();
                let (lie, heard) = (lie.clone(), Arc::clone(&heard));
                thread::spawn(move || {
                    let draw = match values {
                        Values::Drawn(seed) => Some(fastrand::Rng::with_seed(seed + number as u64)),
                        Values::Honest | Values::NoRows => None,
                    };
                    let mut dialogue = Dialogue { stream, heard, lie, values, draw };
                    // The agent has gone.
                    dialogue.run().ok();
                });
            }
        });
        rogue
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether it was ever sent these bytes.
    pub fn heard(&self, bytes: &[u8]) -> bool {
        self.heard.lock().unwrap().windows(bytes.len()).any(|window| window == bytes)
    }
}

/// One message of the protocol.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend((body.len() as u32 + 4).to_be_bytes());
    out.extend(body);
    out
}

/// A message that announces a length and brings nothing of it.
pub fn announced(tag: u8, length: u32) -> Vec<u8> {
    [&[tag][..], &length.to_be_bytes()].concat()
}

/// What the server wants for the log-in.
pub fn log_in(code: u32, more: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), more].concat())
}

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const TEXT_ARRAY: u32 = 1009;

type Column = (&'static str, u32);
const HOLDER: [Column; 6] = [
    ("tenue", INT8),
    ("m_agent", TEXT),
    ("m_tampon", TEXT),
    ("m_instance", TEXT),
    ("m_hote", TEXT),
    ("m_vu", TEXT),
];

/// The columns of the answer to a statement.
fn columns(sql: &str) -> Vec<Column> {
    let mut columns = Vec::new();
    if sql.contains("AS incarnation") {
        columns.extend([("incarnation", TEXT), ("crowded", BOOL), ("session", TEXT)]);
        columns.extend([("standby", BOOL), ("read_only", TEXT)]);
        columns.extend([("schema", TEXT), ("schemas", TEXT_ARRAY)]);
    } else if sql.contains("cu_agent_migration ORDER") {
        columns.extend([("version", INT4), ("checksum", TEXT)]);
    } else if sql.contains("AS distinct_pieces") {
        columns.push(("centre", BOOL));
        columns.extend(HOLDER);
        columns.extend([("id", INT8), ("revision", INT8), ("agent_id", TEXT), ("tampon_id", TEXT)]);
        columns.extend([("evenements", INT8), ("total_pieces", INT8), ("pieces", INT8)]);
        columns.extend([("waits", INT8), ("stops", INT8), ("jobs", INT8), ("findings", INT8)]);
        columns.extend([("broken", BOOL), ("distinct_pieces", INT8)]);
    } else if sql.contains("AS ecrite") {
        columns.push(("centre", BOOL));
        columns.extend(HOLDER);
        columns.extend([("ecrite", BOOL), ("complete", BOOL)]);
    } else if sql.contains("AS crowded") {
        columns.push(("crowded", BOOL));
    }
    columns
}

struct Dialogue {
    stream: TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
    lie: Option<(Phase, Lie)>,
    values: Values,
    draw: Option<fastrand::Rng>,
}

/// The lie was told until the agent had gone.
type End = std::io::Result<()>;

impl Dialogue {
    fn run(&mut self) -> End {
        let mut start_up = self.packet()?;
        if start_up[4..8] == 80_877_103_u32.to_be_bytes() {
            self.reach(Phase::TlsAnswer)?;
            if self.lie.as_ref().is_none_or(|(phase, _)| *phase != Phase::TlsHandshake) {
                self.stream.write_all(b"N")?;
                start_up = self.packet()?;
            } else {
                self.stream.write_all(b"S")?;
                self.reach(Phase::TlsHandshake)?;
            }
        }
        let session = after(&start_up, b"cu_agent.session=").unwrap_or_default();
        self.reach(Phase::LogIn)?;
        self.stream.write_all(&log_in(0, b""))?;
        self.reach(Phase::StartUp)?;
        self.stream.write_all(&message(b'Z', b"I"))?;
        let mut sql = String::new();
        let mut rows = 1;
        let mut out = Vec::new();
        loop {
            let (tag, body) = self.message()?;
            let text = String::from_utf8_lossy(&body).into_owned();
            match tag {
                b'P' => {
                    sql = text;
                    out.extend(message(b'1', b""));
                }
                b'B' => {
                    rows = asked(&body);
                    out.extend(message(b'2', b""));
                }
                b'D' => out.extend(self.description(&columns(&sql))),
                b'E' => {
                    let of = if sql.contains("rang") { rows } else { 1 };
                    out.extend(self.rows(&columns(&sql), of, &session));
                    out.extend(message(b'C', b"SELECT 1\0"));
                }
                b'Q' => {
                    out.extend(message(b'C', b"BEGIN\0"));
                    out.extend(message(b'Z', b"I"));
                }
                b'S' => out.extend(message(b'Z', b"I")),
                b'C' => out.extend(message(b'3', b"")),
                _ => return Ok(()),
            }
            if tag == b'S' || tag == b'Q' {
                self.reach(Phase::Answer)?;
                self.stream.write_all(&std::mem::take(&mut out))?;
            }
        }
    }

    /// Lies for ever where this is the phase for it.
    fn reach(&mut self, phase: Phase) -> End {
        let Some((_, lie)) = self.lie.clone().filter(|(at, _)| *at == phase) else { return Ok(()) };
        match lie {
            Lie::Silence => self.listen(),
            Lie::Only(bytes) => {
                self.stream.write_all(&bytes)?;
                self.listen()
            }
            Lie::Drip(byte) => loop {
                self.stream.write_all(&[byte])?;
                wait::any_moment(Duration::from_millis(100));
            },
            Lie::Endless(bytes) => {
                let many = bytes.repeat((64 << 10) / bytes.len() + 1);
                loop {
                    self.stream.write_all(&many)?;
                }
            }
        }
    }

    /// Hears everything that is still said, until the agent has gone.
    fn listen(&mut self) -> End {
        loop {
            self.take(1)?;
        }
    }

    fn take(&mut self, bytes: usize) -> std::io::Result<Vec<u8>> {
        let mut taken = vec![0; bytes];
        self.stream.read_exact(&mut taken)?;
        self.heard.lock().unwrap().extend(&taken);
        Ok(taken)
    }

    /// A message without a tag, its length included.
    fn packet(&mut self) -> std::io::Result<Vec<u8>> {
        let length = self.take(4)?;
        let more = u32::from_be_bytes(length.as_slice().try_into().unwrap()) as usize - 4;
        Ok([length, self.take(more)?].concat())
    }

    fn message(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let tag = self.take(1)?[0];
        Ok((tag, self.packet()?.split_off(4)))
    }

    fn one_in(&mut self, odds: u32) -> bool {
        self.draw.as_mut().is_some_and(|draw| draw.u32(..odds) == 0)
    }

    fn description(&mut self, columns: &[Column]) -> Vec<u8> {
        if columns.is_empty() {
            return message(b'n', b"");
        }
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for (name, oid) in columns {
            let oid =
                if self.one_in(40) { [21, 701, 17, 3802, 99_999][self.below(5)] } else { *oid };
            body.extend(name.as_bytes());
            body.extend([0; 7]);
            body.extend(oid.to_be_bytes());
            body.extend([0, 0, 255, 255, 255, 255, 0, 1]);
        }
        message(b'T', &body)
    }

    fn below(&mut self, most: usize) -> usize {
        self.draw.as_mut().map_or(0, |draw| draw.usize(..most))
    }

    fn rows(&mut self, columns: &[Column], asked: usize, session: &[u8]) -> Vec<u8> {
        if columns.is_empty() {
            return Vec::new();
        }
        let is_asked_for = columns.len() > 5 || columns[0].0 == "centre";
        let count = if self.values == Values::NoRows && is_asked_for {
            0
        } else if self.one_in(6) {
            self.below(2 * asked + 2)
        } else {
            asked
        };
        let mut out = Vec::new();
        for _ in 0..count {
            let fields = if self.one_in(60) { self.below(40) } else { columns.len() };
            let mut body = (fields as u16).to_be_bytes().to_vec();
            for place in 0..fields {
                match self.value(columns.get(place).copied().unwrap_or(("", INT8)), session) {
                    None => body.extend((-1_i32).to_be_bytes()),
                    Some(value) => {
                        body.extend((value.len() as i32).to_be_bytes());
                        body.extend(value);
                    }
                }
            }
            out.extend(message(b'D', &body));
        }
        out
    }

    fn value(&mut self, (name, oid): Column, session: &[u8]) -> Option<Vec<u8>> {
        if self.one_in(12) {
            return None;
        }
        if self.one_in(60) {
            return Some(vec![0xff; self.below(12)]);
        }
        let is_lie = self.one_in(4);
        let number = match self.below(7) {
            _ if !is_lie => 1,
            0 => i64::MIN,
            1 => i64::MAX,
            2 => -1,
            3 => 0,
            4 => i64::from(u32::MAX) + 1,
            5 => 3,
            _ => 1 << 40,
        };
        Some(match oid {
            BOOL => vec![u8::from(if is_lie {
                self.one_in(2)
            } else {
                !["broken", "crowded", "standby"].contains(&name)
            })],
            INT4 => (number as i32).to_be_bytes().to_vec(),
            INT8 => number.to_be_bytes().to_vec(),
            TEXT_ARRAY => [0_u32, 0, TEXT].iter().flat_map(|part| part.to_be_bytes()).collect(),
            _ if is_lie => match self.below(4) {
                0 => "x".repeat(300_000).into_bytes(),
                1 => b"\x1b[31m\x07\r\n\xe2\x80\xae".to_vec(),
                2 => vec![0xc3, 0x28],
                _ => Vec::new(),
            },
            _ if name == "session" => session.to_vec(),
            _ => b"x".to_vec(),
        })
    }
}

/// What stands behind `mark`, up to a blank or a NUL.
fn after(bytes: &[u8], mark: &[u8]) -> Option<Vec<u8>> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)? + mark.len();
    Some(bytes[at..].iter().copied().take_while(|byte| *byte > b' ').collect())
}

/// How many elements the fifth parameter has: the sessions that are asked for or delivered.
fn asked(bind: &[u8]) -> usize {
    let read = |at: usize| {
        bind.get(at..at + 4).map_or(0, |four| u32::from_be_bytes(four.try_into().unwrap()))
    };
    let names = bind.iter().position(|byte| *byte == 0).unwrap_or(0);
    let mut at = names + 1;
    at += bind[at..].iter().position(|byte| *byte == 0).unwrap_or(0) + 1;
    let formats = bind.get(at..at + 2).map_or(0, |two| u16::from_be_bytes(two.try_into().unwrap()));
    at += 2 + 2 * usize::from(formats) + 2;
    for _ in 0..4 {
        at += 4 + read(at) as usize;
    }
    // Its length, the number of dimensions, flags and type come before the first dimension.
    read(at + 16) as usize
}
