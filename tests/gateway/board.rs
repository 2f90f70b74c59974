//! The emulated computer: a card, a power switch, and a root shell on a port of its own.
//!
//! What must never happen: an emulator that outlives the test process.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use fastrand::Rng;
use tempfile::TempDir;

use crate::{
    disk::{Cut, Disk},
    nbd,
    support::process::Output,
};

/// From switching on to the root shell, on a machine that does much else.
const BOOT: Duration = Duration::from_secs(600);

/// Of a script in the root shell.
const SCRIPT: Duration = Duration::from_secs(600);

/// A second network, whose addresses are none of a plant's; this machine's loopback is there too.
const FAR_NETWORK: &str = "203.0.113.0/24";
pub const FAR_HOST: &str = "203.0.113.2";

pub struct Board {
    dir: TempDir,
    image: PathBuf,
    disk: Arc<Mutex<Disk>>,
    on: Option<On>,
    boots: usize,
}

struct On {
    emulator: Child,
    disk_server: JoinHandle<()>,
    shell: UnixStream,
    said: Receiver<String>,
    since: Instant,
}

impl Board {
    /// Switched off, with a card of its own.
    pub fn new() -> Self {
        let image = image();
        let dir = tempfile::Builder::new().prefix("cu-gateway-").tempdir().unwrap();
        let disk = Disk::copy(&image.join("root.img"), dir.path().join("card.img"));
        Self { dir, image, disk: Arc::new(Mutex::new(disk)), on: None, boots: 0 }
    }

    /// Switches on; files of `stick` are in `/run/stick` once [`Board::plug_in`] was called.
    pub fn switch_on(&mut self, stick: &[&Path]) {
        assert!(self.on.is_none(), "it is on already");
        self.boots += 1;
        let disk_socket = self.fresh("disk.socket");
        let shell_socket = self.fresh("shell.socket");
        let disk_server = nbd::serve(&disk_socket, Arc::clone(&self.disk));
        let listener = UnixListener::bind(&shell_socket).unwrap();
        let since = Instant::now();
        // The signal comes with the end of the thread that starts it, a test's whole life.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "qemu-system-aarch64"])
            .args(["-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "512"])
            .args(["-nodefaults", "-nographic", "-monitor", "none"])
            .arg("-kernel")
            .arg(self.image.join("vmlinuz"))
            .arg("-initrd")
            .arg(self.image.join("initrd.img"))
            // As Raspberry Pi OS has it: nobody is there to answer fsck.
            .args(["-append", "root=/dev/vda rw console=ttyAMA0 quiet fsck.repair=yes"])
            .arg("-drive")
            .arg(format!(
                "file=nbd:unix:{},format=raw,if=virtio,cache=writeback",
                disk_socket.display()
            ))
            .args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-netdev", &format!("user,id=far,net={FAR_NETWORK},host={FAR_HOST}")])
            .args(["-device", "virtio-net-pci,netdev=far,romfile="])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-chardev"])
            .arg(format!("socket,id=shell,path={}", shell_socket.display()))
            .args(["-device", "virtserialport,chardev=shell,name=test-shell", "-serial"])
            .arg(format!("file:{}", self.console(self.boots).display()));
        if !stick.is_empty() {
            let tar = self.fresh("stick.tar");
            pack(&tar, stick);
            command.arg("-drive");
            command.arg(format!("file={},format=raw,if=virtio,readonly=on", tar.display()));
        }
        let log = File::create(self.dir.path().join("qemu.log")).unwrap();
        let mut emulator = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("setpriv is part of every Debian");
        let shell = accept(&listener, &mut emulator, &self.dir.path().join("qemu.log"));
        let said = listen(shell.try_clone().unwrap());
        self.on = Some(On { emulator, disk_server, shell, said, since });
    }

    fn fresh(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::remove_file(&path).ok();
        path
    }

    fn console(&self, boot: usize) -> PathBuf {
        self.dir.path().join(format!("console-{boot}.log"))
    }

    fn on(&self) -> &On {
        self.on.as_ref().expect("it is switched on")
    }

    /// Since it was switched on.
    pub fn uptime(&self) -> Duration {
        self.on().since.elapsed()
    }

    /// Waits for the root shell; how long it took since switching on.
    pub fn wait_for_shell(&self) -> Duration {
        let line = self.line(BOOT, "the root shell");
        assert_eq!(line, "ready", "the first word of the root shell");
        self.uptime()
    }

    fn line(&self, limit: Duration, what: &str) -> String {
        self.on().said.recv_timeout(limit).unwrap_or_else(|error| {
            let console = fs::read(self.console(self.boots)).unwrap_or_default();
            let console = String::from_utf8_lossy(&console);
            let tail = console.len().saturating_sub(4_000);
            let tail = console.get(tail..).unwrap_or(&console);
            panic!("{what}: {error} of {limit:?}; the console's last words:\n{tail}")
        })
    }

    /// What the stick holds is in `/run/stick`.
    pub fn plug_in(&self) {
        self.sh("mkdir -p /run/stick && tar -C /run/stick -xf /dev/vdb").succeeded();
    }

    /// Runs a script as root; standard error is in its standard output.
    pub fn sh(&self, script: &str) -> Output {
        self.send(script);
        let line = self.line(SCRIPT, script);
        let (code, text) = line.split_once(' ').unwrap_or_else(|| panic!("{script}: {line}"));
        let stdout = String::from_utf8_lossy(&base64("-d", text.as_bytes())).into_owned();
        Output { code: code.parse().unwrap(), stdout, stderr: String::new() }
    }

    fn send(&self, script: &str) {
        let mut line = base64("-w0", script.as_bytes());
        line.push(b'\n');
        (&self.on().shell).write_all(&line).unwrap();
    }

    pub fn property(&self, unit: &str, property: &str) -> String {
        let output = self.sh(&format!("systemctl show --value -p {property} {unit}")).succeeded();
        output.stdout.trim().to_owned()
    }

    /// Reboots by itself; how long until the root shell is back.
    pub fn reboot(&mut self) -> Duration {
        let begun = Instant::now();
        self.send("systemctl --no-block reboot");
        // The shell may be ended before it has answered.
        let mut line = self.line(BOOT, "reboot");
        if line.starts_with("0 ") {
            line = self.line(BOOT, "the root shell after the reboot");
        }
        assert_eq!(line, "ready", "the first word of the root shell");
        begun.elapsed()
    }

    /// Shuts down in order.
    pub fn shut_down(&mut self) {
        self.send("systemctl --no-block poweroff");
        let mut on = self.on.take().expect("it is switched on");
        let deadline = Instant::now() + SCRIPT;
        while on.emulator.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                on.emulator.kill().ok();
                panic!("it does not shut down");
            }
            thread::park_timeout(Duration::from_millis(50));
        }
        on.disk_server.join().unwrap();
        // A card that is given time keeps everything.
        self.disk.lock().unwrap().flush();
    }

    /// Waits until more than so many writes are not safe; no longer than `limit`.
    pub fn wait_for_unsafe_writes(&self, more_than: usize, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.disk.lock().unwrap().volatile_writes() <= more_than && Instant::now() < deadline
        {
            thread::park_timeout(Duration::from_micros(200));
        }
    }

    /// The power is gone, now.
    pub fn cut_power(&mut self, rng: &mut Rng) -> Cut {
        let mut on = self.on.take().expect("it is switched on");
        on.emulator.kill().unwrap();
        on.emulator.wait().unwrap();
        on.disk_server.join().unwrap();
        self.disk.lock().unwrap().cut(rng)
    }

    /// The card's file system is whole; only when switched off.
    pub fn check_file_system(&self) {
        assert!(self.on.is_none(), "the card is in use");
        let checked = Command::new("e2fsck")
            .args(["-f", "-n"])
            .arg(self.disk.lock().unwrap().path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "the card's file system:\n{said}");
    }

    /// Copies a file off the card, if it is there; only when switched off.
    pub fn take_from_card(&self, inside: &str, to: &Path) {
        assert!(self.on.is_none(), "the card is in use");
        Command::new("debugfs")
            .arg("-R")
            .arg(format!("dump {inside} {}", to.display()))
            .arg(self.disk.lock().unwrap().path())
            .output()
            .unwrap();
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some(mut on) = self.on.take() {
            on.emulator.kill().ok();
            on.emulator.wait().ok();
        }
        if thread::panicking()
            && let Ok(keep) = env::var("KEEP_CONSOLES")
        {
            for boot in 1..=self.boots {
                fs::copy(self.console(boot), format!("{keep}/console-{boot}.log")).ok();
            }
        }
    }
}

/// The folder with the system's files: built by `gateway/image.sh` unless it is there.
fn image() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/image.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{script} failed");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

fn accept(listener: &UnixListener, emulator: &mut Child, log: &Path) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + BOOT;
    loop {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        let said = || fs::read_to_string(log).unwrap_or_default();
        let ended = emulator.try_wait().unwrap();
        assert!(ended.is_none(), "the emulator ended, {ended:?}: {}", said());
        assert!(Instant::now() < deadline, "the emulator does not connect: {}", said());
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// The lines of the root shell, until it ends.
fn listen(shell: UnixStream) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(shell).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn pack(tar: &Path, files: &[&Path]) {
    let mut command = Command::new("tar");
    command.arg("-cf").arg(tar);
    for file in files {
        command.arg("-C").arg(file.parent().unwrap()).arg(file.file_name().unwrap());
    }
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn base64(argument: &str, bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new("base64");
    let mut child =
        command.arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "base64 {argument}");
    output.stdout
}
