//! A process of the real binary: started, watched, signalled, its output read.
//!
//! What must never happen: an agent that outlives the test that started it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::wait;

/// Variables that the agent reads; none of the machine's own may leak into a test.
const READ_FROM_ENVIRONMENT: [&str; 12] = [
    "FTP_HOST",
    "FTP_PORT",
    "FTP_USER",
    "FTP_PASS",
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
];

/// Another build than this one may be tried, such as a gateway's under an emulator: the variable holds
/// its command, words apart by blanks. Among the variables of one agent it is of that agent only.
pub const OTHER_BINARY: &str = "CU_AGENT_TEST_COMMAND";

/// The command under test, for what cannot be started by [`start`].
pub fn binary(environment: &BTreeMap<String, String>) -> Vec<String> {
    let other = environment.get(OTHER_BINARY).cloned();
    match other.or_else(|| std::env::var(OTHER_BINARY).ok()) {
        Some(command) => command.split_whitespace().map(str::to_owned).collect(),
        None => vec![env!("CARGO_BIN_EXE_cu-agent").to_owned()],
    }
}

/// The command of the binary that is tried, behind `wrapper`, which becomes it: for one agent's own
/// [`OTHER_BINARY`].
pub fn wrapped(wrapper: &str) -> String {
    format!("{wrapper} {}", binary(&BTreeMap::new()).join(" "))
}

/// Runs the binary with exactly these arguments, without a configuration of its own.
pub fn cu_agent(arguments: &[&str]) -> Output {
    start(arguments, &BTreeMap::new()).output(wait::PATIENCE)
}

/// Starts the binary with exactly these arguments and the given variables.
pub fn start(arguments: &[&str], environment: &BTreeMap<String, String>) -> Running {
    start_in(None, arguments, environment)
}

/// The same in a network namespace, given by its file.
pub fn start_in(
    namespace: Option<&Path>,
    arguments: &[&str],
    environment: &BTreeMap<String, String>,
) -> Running {
    // The kernel kills the agent when the thread that started it ends, however the test ends;
    // setpriv becomes the agent, so the process id is the agent's own.
    let mut command = match namespace {
        // Becomes setpriv, as setpriv becomes the agent.
        Some(file) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", file.display())).arg("setpriv");
            command
        }
        None => Command::new("setpriv"),
    };
    command.args(["--pdeathsig", "KILL"]).args(binary(environment)).args(arguments);
    for name in READ_FROM_ENVIRONMENT {
        command.env_remove(name);
    }
    command.envs(environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("setpriv is part of every Debian");
    let lines = Arc::new(Lines::default());
    let stdout = child.stdout.take().unwrap();
    let stderr = child.stderr.take().unwrap();
    let reading_stdout = thread::spawn(move || {
        let mut text = Vec::new();
        BufReader::new(stdout).read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let reading_stderr = thread::spawn({
        let lines = Arc::clone(&lines);
        move || {
            for line in BufReader::new(stderr).split(b'\n') {
                lines.push(String::from_utf8_lossy(&line.unwrap()).into_owned());
            }
        }
    });
    Running { child, lines, readers: Some((reading_stdout, reading_stderr)) }
}

/// Lines of the log as they come.
#[derive(Default)]
struct Lines {
    seen: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Lines {
    fn push(&self, line: String) {
        self.seen.lock().unwrap().push(line);
        self.grown.notify_all();
    }
}

/// A process of the binary. Dropped, it is killed.
pub struct Running {
    child: Child,
    lines: Arc<Lines>,
    readers: Option<(JoinHandle<String>, JoinHandle<()>)>,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.lines.seen.lock().unwrap().join("\n")
    }

    /// Waits for a line of the log that holds `text`, and returns it.
    pub fn wait_for_line(&self, text: &str) -> String {
        self.wait_for_nth_line(text, 1)
    }

    /// Waits until `nth` lines of the log hold `text`, and returns the last of them.
    pub fn wait_for_nth_line(&self, text: &str, nth: usize) -> String {
        let deadline = Instant::now() + wait::PATIENCE;
        let mut seen = self.lines.seen.lock().unwrap();
        loop {
            if let Some(line) = seen.iter().filter(|line| line.contains(text)).nth(nth - 1) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {nth}. line with {text:?} in:\n{}", seen.join("\n"));
            seen = self.lines.grown.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// How many lines the log has by now.
    pub fn lines(&self) -> usize {
        self.lines.seen.lock().unwrap().len()
    }

    /// Waits for a line behind the first `after` ones that holds `text`; how many lines there are up to
    /// and with it.
    pub fn wait_for_line_after(&self, text: &str, after: usize) -> usize {
        let deadline = Instant::now() + wait::PATIENCE;
        let mut seen = self.lines.seen.lock().unwrap();
        loop {
            if let Some(at) = seen.iter().skip(after).position(|line| line.contains(text)) {
                return after + at + 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no further line with {text:?} in:\n{}", seen.join("\n"));
            seen = self.lines.grown.wait_timeout(seen, left).unwrap().0;
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL, as a power cut; the process is gone when this returns.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; returns what the process left and how long it took to go.
    pub fn terminate(self) -> (Output, Duration) {
        let begun = Instant::now();
        self.signal("TERM");
        let output = self.output(wait::PATIENCE);
        (output, begun.elapsed())
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.id())])
            .status()
            .unwrap();
        assert!(sent.success(), "process {} is gone already:\n{}", self.id(), self.log());
    }

    /// Waits for the end and returns everything that was printed.
    pub fn output(mut self, limit: Duration) -> Output {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running after {limit:?}:\n{}", self.log());
            thread::park_timeout(Duration::from_millis(2));
        };
        let (stdout, stderr) = self.readers.take().expect("output is asked for once");
        let stdout = stdout.join().unwrap();
        stderr.join().unwrap();
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
        Output { code, stdout, stderr: self.log() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is as good as killed now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command left behind. A signal is a negative code.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Exit code 0, or the test fails with everything that was printed.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        self.exited(0)
    }

    #[track_caller]
    pub fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n{self}");
        self
    }

    /// Everything was read; a file of noise alone is no success and is told.
    #[track_caller]
    pub fn read_all(self) -> Self {
        let has_noise = self.code == 3 && self.stderr.contains("none of its lines could be read");
        assert!(self.code == 0 || has_noise, "{self}");
        self
    }

    /// Something that was printed or logged holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "nothing says {text:?}\n{self}"
        );
        self
    }

    #[track_caller]
    pub fn does_not_say(self, text: &str) -> Self {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "something says {text:?}\n{self}"
        );
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Running {
    /// Where the page is, as the log says it.
    pub fn page(&self) -> std::net::SocketAddr {
        let line = self.wait_for_line("page is at http://");
        let address = line.split("http://").nth(1).unwrap().trim_end_matches('/');
        address.parse().unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}
