//! Real Debian 12 and 13 systems: a root made once by debootstrap and kept, throw-away copies of it, and
//! such a copy booted, systemd as its first process, in systemd-nspawn.
//!
//! A booted machine shares the network of the tests, so that servers on the loopback are reached from
//! in it. Only one is booted at a time, whichever process asks: they would share a control group.
//!
//! What must never happen: a machine that outlives the test process, or anything written to a kept
//! root.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{process::Output, wait};

mod root;

pub use root::{Architecture, Suite, cache, programs_run};

/// The longest that a machine may take to come up, or to go down when asked.
const BOOT: Duration = Duration::from_secs(120);

/// Of a command inside.
const COMMAND: Duration = Duration::from_secs(300);

/// A system of its own: a copy of a kept root, booted or not. Dropped, it is gone.
pub struct Machine {
    dir: TempDir,
    booted: Option<Booted>,
}

struct Booted {
    supervisor: Child,
    /// Its first process, by the number that it has outside.
    first: u32,
    _alone: File,
}

impl Machine {
    pub fn new(suite: Suite, architecture: Architecture) -> Self {
        let kept = root::kept(suite, architecture);
        let dir = tempfile::Builder::new().prefix("cu-agent-debian-").tempdir().unwrap();
        let copied = Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .arg(kept)
            .arg(dir.path().join("root"))
            .status()
            .unwrap();
        assert!(copied.success(), "a copy of the kept root in {}", dir.path().display());
        Self { dir, booted: None }
    }

    /// Where a file of the machine lies for the tests; `inside` is absolute.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join("root").join(inside.strip_prefix('/').expect("an absolute path"))
    }

    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    pub fn read(&self, inside: &str) -> String {
        let path = self.path(inside);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Copies a file of the tests into the machine.
    pub fn take(&self, file: &Path, inside: &str) {
        let to = self.path(inside);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, &to).unwrap_or_else(|e| panic!("{} to {inside}: {e}", file.display()));
    }

    /// Starts it, and waits until systemd has started everything.
    pub fn boot(&mut self) {
        assert!(self.booted.is_none(), "it is running already");
        let alone = File::create(cache().join("one-at-a-time")).unwrap();
        alone.lock().unwrap();
        let log = File::create(self.dir.path().join("boot.log")).unwrap();
        // systemd-nspawn alone would leave the machine running when it is killed: as first process
        // of a process namespace it takes everything with it.
        let mut supervisor = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork"])
            .args(["--kill-child", "systemd-nspawn", "--quiet", "--register=no"])
            .args(["--keep-unit", "--boot", "--console=pipe", "--kill-signal=SIGRTMIN+3"])
            .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--directory"])
            .arg(self.path("/"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("setpriv is part of every Debian");
        let said = || fs::read_to_string(self.dir.path().join("boot.log")).unwrap_or_default();
        let mut first = None;
        wait::until("the machine's systemd has begun", BOOT, || {
            let ended = supervisor.try_wait().unwrap();
            assert!(ended.is_none(), "systemd-nspawn ended, {ended:?}:\n{}", said());
            first = first_process(supervisor.id());
            first.is_some()
        });
        let first = first.unwrap();
        self.booted = Some(Booted { supervisor, first, _alone: alone });
        wait::until("the machine is up", BOOT, || {
            let state = self.run(&["systemctl", "is-system-running"]).stdout;
            matches!(state.trim(), "running" | "degraded")
        });
    }

    pub fn is_booted(&self) -> bool {
        self.booted.is_some()
    }

    /// Ends every process in it at once. Its files stay as the kernel has them: what a power cut
    /// does to processes, not what it does to a disk.
    pub fn cut_power(&mut self) {
        let mut booted = self.booted.take().expect("it is running");
        booted.supervisor.kill().unwrap();
        booted.supervisor.wait().unwrap();
        let first = format!("/proc/{}/root/usr", booted.first);
        wait::until("its last process is gone", BOOT, || !Path::new(&first).exists());
    }

    /// Goes down as `systemctl poweroff` makes it.
    pub fn shut_down(&mut self) {
        let mut booted = self.booted.take().expect("it is running");
        let nspawn = only_child(booted.supervisor.id()).expect("it is running");
        Command::new("kill").arg(nspawn.to_string()).status().unwrap();
        wait::until("the machine is down", BOOT, || {
            booted.supervisor.try_wait().unwrap().is_some()
        });
    }

    /// Runs a command in it as root: beside systemd where it is booted, else in its root alone.
    pub fn run(&self, command: &[&str]) -> Output {
        self.run_within(COMMAND, command)
    }

    /// A line for its shell.
    pub fn sh(&self, line: &str) -> Output {
        self.run(&["sh", "-c", line])
    }

    pub fn run_within(&self, limit: Duration, command: &[&str]) -> Output {
        let mut running = self.start(command);
        let (stdout, stderr) = (running.stdout.take().unwrap(), running.stderr.take().unwrap());
        let stdout = thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
        let stderr = thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
        let mut status = None;
        wait::until(&format!("{command:?} has ended"), limit, || {
            status = running.try_wait().unwrap();
            status.is_some()
        });
        // A signal that ended it inside is told as a shell tells it.
        let code = status.unwrap().code().unwrap_or(128);
        Output { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }

    /// Starts a command in it and does not wait; dropped, it goes on as long as the machine does.
    pub fn start(&self, command: &[&str]) -> Child {
        let mut enter = match &self.booted {
            Some(booted) => {
                let mut enter = Command::new("nsenter");
                enter.args(["--all", "--target"]).arg(booted.first.to_string());
                enter
            }
            None => {
                // A process namespace of its own: what the command leaves running ends with it.
                let mut enter = Command::new("unshare");
                enter
                    .args(["--mount", "--pid", "--fork", "--kill-child"])
                    .arg(format!("--mount-proc={}", self.path("/proc").display()))
                    .arg("chroot")
                    .arg(self.path("/"));
                enter
            }
        };
        enter
            .args(["env", "-i", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("util-linux is part of every Debian")
    }

    /// The journal of a unit, one line a message; empty where it is not booted.
    pub fn journal_of(&self, unit: &str) -> String {
        self.run(&["journalctl", "--no-pager", "--output=short-monotonic", "--unit", unit]).stdout
    }

    /// One property of a unit, as `systemctl show` has it.
    pub fn property(&self, unit: &str, property: &str) -> String {
        let shown = self.run(&["systemctl", "show", "--value", "--property", property, unit]);
        shown.succeeded().stdout.trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.booted.is_some() {
            self.cut_power();
        }
    }
}

/// The child of systemd-nspawn that has become the machine's systemd.
fn first_process(supervisor: u32) -> Option<u32> {
    let first = only_child(only_child(supervisor)?)?;
    let name = fs::read_to_string(format!("/proc/{first}/comm")).ok()?;
    (name.trim() == "systemd").then_some(first)
}

fn only_child(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
