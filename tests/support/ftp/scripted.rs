//! A small FTP server that follows a script: for what real servers do not do, and for
//! what they do only when they break. It counts what it is asked.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cu_agent::config::FtpConfig;

mod listing;

use super::{
    daemon::plain_config,
    quirks::{Begin, drip},
    script::{Script, Stat},
    wire::Wire,
};

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    commands: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    sockets: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

/// Dropped, it accepts nothing more; its open connections end with their clients.
#[derive(Debug)]
pub struct ScriptedFtp {
    port: u16,
    shared: Arc<Shared>,
}

impl ScriptedFtp {
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            commands: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            sockets: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                shared.sockets.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || {
                    let already_open = shared.open.fetch_add(1, Ordering::SeqCst);
                    // A client that goes away in the middle is what many tests are about.
                    let _ = Session::new(stream, &shared).serve(already_open);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn config(&self) -> FtpConfig {
        plain_config(self.port)
    }

    /// The script, to be changed for what comes.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap()
    }

    /// All command lines so far; bytes that are not ASCII as latin-1.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// How often a verb was sent.
    pub fn count(&self, verb: &str) -> usize {
        let commands = self.shared.commands.lock().unwrap();
        commands.iter().filter(|line| line.split(' ').next() == Some(verb)).count()
    }

    /// Says 421 on all open connections and ends them, as an idle time-out does; returns when their
    /// sessions are over.
    pub fn end_connections(&self) {
        for mut socket in self.shared.sockets.lock().unwrap().drain(..) {
            // Those of former connections are closed already.
            let _ = socket.write_all(b"421 idle too long\r\n");
            let _ = socket.shutdown(Shutdown::Both);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "a session does not end");
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedFtp {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

struct Session<'a> {
    reader: BufReader<Wire>,
    is_private: bool,
    shared: &'a Shared,
    /// The folder it stands in; empty at the root.
    here: Vec<u8>,
    offset: usize,
    said_bytes: usize,
    is_binary: bool,
    is_dripping: bool,
    passive: Option<TcpListener>,
    active: Option<u16>,
}

impl<'a> Session<'a> {
    fn new(stream: TcpStream, shared: &'a Shared) -> Self {
        Self {
            reader: BufReader::new(Wire::Plain(stream)),
            is_private: false,
            shared,
            here: Vec::new(),
            offset: 0,
            said_bytes: 0,
            is_binary: false,
            is_dripping: false,
            passive: None,
            active: None,
        }
    }

    fn script(&self) -> Script {
        self.shared.script.lock().unwrap().clone()
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        let end = if line.ends_with('\n') { "" } else { "\r\n" };
        self.write(format!("{line}{end}").as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_dripping = self.is_dripping;
        let stream = self.reader.get_mut();
        if is_dripping {
            return drip(stream, bytes);
        }
        let limit = self.shared.script.lock().unwrap().control_bytes.unwrap_or(usize::MAX);
        let room = limit.saturating_sub(self.said_bytes).min(bytes.len());
        self.said_bytes += room;
        stream.write_all(&bytes[..room])?;
        if room < bytes.len() {
            stream.cut()?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn secure(&mut self, script: &Script) -> io::Result<()> {
        let stream = self.reader.get_ref().socket().try_clone()?;
        self.reader = BufReader::new(match script.foreign_key {
            Some(version) => Wire::with_a_foreign_key(stream, version),
            None => Wire::secured(stream),
        });
        Ok(())
    }

    fn serve(&mut self, already_open: usize) -> io::Result<()> {
        let script = self.script();
        if script.implicit {
            self.secure(&script)?;
            self.is_private = true;
        }
        if script.one_connection && already_open > 0 {
            return self.say("421 one connection at a time");
        }
        let quirks = &script.quirks;
        self.is_dripping = quirks.drip.as_deref() == Some("GREETING");
        if quirks.mark {
            self.write(b"\xEF\xBB\xBF")?;
        }
        if quirks.waits {
            self.say("120 a moment\r\n")?;
        }
        if quirks.inner_digits {
            self.say("220-welcome\r\n150 users at most\r\n226 of them\r\n")?;
        }
        self.say(&script.greeting)?;
        for number in 1.. {
            let mut line = Vec::new();
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let line = line.trim_ascii_end().to_vec();
            let shown: String = line.iter().map(|byte| char::from(*byte)).collect();
            self.shared.commands.lock().unwrap().push(shown.clone());
            let script = self.script();
            if script.hang_up_at == Some(number) {
                self.say("421 service closing")?;
                break;
            }
            let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            let verb = shown[..shown.find(' ').unwrap_or(shown.len())].to_ascii_uppercase();
            let argument = line.get(at + 1..).unwrap_or_default();
            self.is_dripping = script.quirks.drip.as_ref() == Some(&verb);
            if script.silent_at.as_ref() == Some(&verb) {
                self.shared.commands.lock().unwrap().push("(silence)".into());
                // Nothing is answered until the client gives up.
                while self.reader.read_until(b'\n', &mut Vec::new())? > 0 {}
                break;
            }
            if let Some(answer) = script.answers.get(&shown).or(script.answers.get(&verb)) {
                self.say(answer)?;
                continue;
            }
            if !self.obey(&script, &verb, argument)? {
                break;
            }
            let is_transfer = ["MLSD", "LIST", "NLST", "RETR"].contains(&verb.as_str());
            if script.quirks.one_transfer && is_transfer {
                self.reader.get_mut().cut()?;
                break;
            }
        }
        Ok(())
    }

    /// False where the connection ends.
    fn obey(&mut self, script: &Script, verb: &str, argument: &[u8]) -> io::Result<bool> {
        let folder = script.tree.get(&self.here);
        let file = folder.and_then(|folder| folder.get(argument));
        match verb {
            "AUTH" => {
                self.say("234 go on")?;
                self.secure(script)?;
            }
            "PBSZ" => self.say("200 fine")?,
            "PROT" => {
                self.is_private = argument == b"P";
                self.say("200 fine")?;
            }
            "USER" => match script.quirks.user_code {
                Some(code) => self.say(&format!("{code} come in"))?,
                None => self.say("331 password?")?,
            },
            "PASS" if script.quirks.user_code.is_some() => self.say("503 what for?")?,
            "EPSV" if script.quirks.pasv.is_some() => self.say("500 what?")?,
            "MLSD" if script.quirks.no_mlsd => self.say("500 what?")?,
            "PASS" => self.say("230 welcome")?,
            "SYST" => self.say("215 UNIX Type: L8")?,
            "OPTS" | "NOOP" => self.say("200 fine")?,
            "TYPE" => {
                self.is_binary = argument == b"I";
                self.say("200 fine")?;
            }
            "QUIT" => {
                self.say("221 bye")?;
                return Ok(false);
            }
            "FEAT" => match &script.features {
                Some(lines) => {
                    let lines: String = lines.iter().map(|line| format!(" {line}\r\n")).collect();
                    self.say(&format!("211-Features:\r\n{lines}211 End"))?;
                }
                None => self.say("502 not here")?,
            },
            "PWD" => {
                let path = [
                    b"257 \"/",
                    self.here.as_slice(),
                    b"\" is here
",
                ]
                .concat();
                self.write(&path)?;
            }
            "CWD" => {
                let (wanted, is_from_root) = match argument.strip_prefix(b"/") {
                    Some(path) => (path, true),
                    None => (argument, self.here.is_empty()),
                };
                if wanted.is_empty() || (is_from_root && script.tree.contains_key(wanted)) {
                    self.here = wanted.to_vec();
                    self.say("250 there")?;
                } else {
                    self.say("550 no such folder")?;
                }
            }
            "CDUP" => {
                self.here.clear();
                self.say("250 there")?;
            }
            "EPSV" | "PASV" => {
                let listener = TcpListener::bind(("127.0.0.1", 0))?;
                let port = listener.local_addr()?.port();
                self.passive = Some(listener);
                if verb == "EPSV" {
                    self.say(&format!("229 extended passive (|||{port}|)"))?;
                } else {
                    let numbers = format!("{},{},{}", script.pasv_host, port / 256, port % 256);
                    let form = script.quirks.pasv.as_deref().unwrap_or("227 passive ({})");
                    self.say(&form.replace("{}", &numbers))?;
                }
            }
            "PORT" => {
                let text = String::from_utf8_lossy(argument).into_owned();
                let numbers: Vec<u16> = text.split(',').map(|n| n.parse().unwrap()).collect();
                self.active = Some(numbers[4] * 256 + numbers[5]);
                self.say("200 fine")?;
            }
            "REST" => {
                self.offset = String::from_utf8_lossy(argument).parse().unwrap();
                self.say("350 from there")?;
            }
            "SIZE" if script.size_needs_type && !self.is_binary => self.say("550 not in ASCII")?,
            "SIZE" => match file {
                Some(bytes) => self.say(&format!("213 {}", bytes.len()))?,
                None => self.say("550 no such file")?,
            },
            "MDTM" => match file {
                Some(_) => self.say("213 20250603051112")?,
                None => self.say("550 no such file")?,
            },
            "DELE" => {
                let mut now = self.shared.script.lock().unwrap();
                let gone = now.tree.get_mut(&self.here).and_then(|folder| folder.remove(argument));
                drop(now);
                self.say(if gone.is_some() { "250 gone" } else { "550 no such file" })?;
            }
            "RETR" => {
                let sent = self.shared.script.lock().unwrap().strike(&self.here, argument);
                match sent {
                    Some(bytes) => return self.send_file(script, &bytes),
                    None => self.say("550 no such file")?,
                }
            }
            "MLSD" | "LIST" | "NLST" => self.send_listing(script, verb)?,
            "STAT" if script.stat != Stat::Unknown => self.say_status(script, argument)?,
            _ => self.say("500 what?")?,
        }
        Ok(true)
    }

    fn data(&mut self) -> io::Result<Wire> {
        let stream = match self.active.take() {
            Some(port) => TcpStream::connect(("127.0.0.1", port))?,
            None => self.passive.take().ok_or(io::ErrorKind::NotConnected)?.accept()?.0,
        };
        if !self.is_private || self.script().plain_data {
            return Ok(Wire::Plain(stream));
        }
        let mut wire = Wire::secured(stream);
        // Writes nothing yet, but shakes hands, also where there is nothing to send.
        wire.flush()?;
        Ok(wire)
    }

    fn send_file(&mut self, script: &Script, bytes: &[u8]) -> io::Result<bool> {
        let from = std::mem::take(&mut self.offset).min(bytes.len());
        let rest = &bytes[from..];
        let Some((length, last_answer)) = &script.cut else {
            self.send(script, rest, "SENT")?;
            return Ok(true);
        };
        self.say("150 here it comes")?;
        let mut data = self.data()?;
        data.write_all(&rest[..(*length).min(rest.len())])?;
        data.cut()?;
        if last_answer.is_empty() {
            self.reader.get_mut().cut()?;
            return Ok(false);
        }
        self.say(last_answer)?;
        Ok(true)
    }

    fn send_listing(&mut self, script: &Script, verb: &str) -> io::Result<()> {
        let is_empty = !self.here.is_empty() && script.tree[&self.here].is_empty();
        if script.empty_is_refused && is_empty {
            self.passive = None;
            return self.say("550 No files found");
        }
        if let Some(answer) = script.folder_answers.get(&self.here) {
            self.passive = None;
            return self.say(answer);
        }
        let text = match script.listings.get(verb) {
            Some(text) => text.clone(),
            None => self.listing(script, verb),
        };
        if !script.quirks.endless {
            return self.send(script, &text, if self.here.is_empty() { "" } else { "LISTED" });
        }
        self.say("150 here it comes")?;
        let mut data = self.data()?;
        let lines = b"type=file;size=7; 20250603.LOG\r\n".repeat(1_000);
        loop {
            data.write_all(&lines)?;
        }
    }

    /// Bytes over a data connection, with the words around them.
    fn send(&mut self, script: &Script, bytes: &[u8], what: &str) -> io::Result<()> {
        let quirks = &script.quirks;
        if quirks.begin == Begin::Usual {
            self.say("150 here it comes")?;
        }
        let mut data = self.data()?;
        if quirks.drip.as_deref() == Some("DATA") {
            drip(&mut data, bytes)?;
        }
        if quirks.drip.as_deref() == Some(what) {
            let (first, rest) = bytes.split_at(bytes.len() / 2);
            data.write_all(first)?;
            drip(&mut data, rest)?;
        }
        data.write_all(bytes)?;
        if quirks.reset {
            let now = Some(std::time::Duration::ZERO);
            socket2::SockRef::from(data.socket()).set_linger(now)?;
        }
        drop(data);
        if quirks.begin == Begin::DataFirst {
            self.say("150 here it came")?;
        }
        self.say(if quirks.bare { "226" } else { "226 that was it" })?;
        if quirks.twice {
            self.say("226 really")?;
        }
        Ok(())
    }
}
