//! A network of a test's own: a namespace whose loopback loses packets, or is slow, as the test wants.
//! Servers of the ordinary network are reached in it through [`Proxy`]s on the same port numbers.
//!
//! What must never happen: a namespace that outlives the test process; a rule in the machine's own
//! network. Where no namespace can be made the test fails and says so.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::fd::AsFd,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{net::Proxy, wait};

pub struct Namespace {
    /// Keeps the namespace as long as its pipe is open, which only this process holds.
    keeper: Child,
    file: PathBuf,
}

impl Namespace {
    pub fn new() -> Self {
        let keeper = Command::new("unshare")
            .args(["--net", "sh", "-c", "cat >/dev/null"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("unshare is part of every Debian");
        let file = PathBuf::from(format!("/proc/{}/ns/net", keeper.id()));
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let mut namespace = Self { keeper, file };
        wait::until("there is a network namespace (are we root?)", wait::PATIENCE, || {
            let ended = namespace.keeper.try_wait().unwrap();
            assert!(ended.is_none(), "no network namespace can be made here: unshare {ended:?}");
            fs::read_link(&namespace.file).is_ok_and(|link| link != own)
        });
        namespace.run(&["ip", "link", "set", "lo", "up"]);
        namespace.run(&["nft", "add table inet damage"]);
        namespace.run(&["nft", "add chain inet damage in { type filter hook input priority 0; }"]);
        namespace
    }

    /// The file that stands for it.
    pub fn file(&self) -> PathBuf {
        self.file.clone()
    }

    fn run(&self, command: &[&str]) {
        let output = Command::new("nsenter")
            .arg(format!("--net={}", self.file.display()))
            .args(command)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
    }

    /// A port of the ordinary network under the same number in here.
    pub fn reach(&self, port: u16) -> Proxy {
        let file = File::open(&self.file).unwrap();
        // Only a thread of its own may move: sockets stay where they were made.
        let listener = thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), kind).expect("we are root");
            TcpListener::bind(("127.0.0.1", port)).unwrap()
        });
        Proxy::over(listener.join().unwrap(), port)
    }

    /// Packets vanish without a word: `what` is a match of nft, such as `tcp sport 21`.
    pub fn lose(&self, what: &str) {
        self.run(&["nft", &format!("add rule inet damage in {what} drop")]);
    }

    /// Everything arrives again.
    pub fn heal(&self) {
        self.run(&["nft", "flush chain inet damage in"]);
    }

    /// All packets together take their time.
    pub fn limit(&self, bytes_a_second: u32) {
        let rate = format!("{}bit", bytes_a_second * 8);
        let burst = ["burst", "4kb", "latency", "2s"];
        // Packets of an ordinary line, not those of 64 kB that a loopback allows itself.
        self.run(&["ip", "link", "set", "lo", "mtu", "1500"]);
        self.run(&[
            "sh",
            "-c",
            "command -v ethtool >/dev/null && ethtool -K lo tso off gso off; true",
        ]);
        let command = ["tc", "qdisc", "replace", "dev", "lo", "root", "tbf", "rate", &rate];
        self.run(&[&command[..], &burst].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}
