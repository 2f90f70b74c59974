//! What a process takes, as the kernel counts it.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    process::{Output, Running},
    wait,
};

/// Memory of a process, in KiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    /// Its own: heap and stacks.
    pub anonymous: u64,
    /// Pages of files: the program itself, and SQLite's index of the write-ahead log.
    pub of_files: u64,
    /// Most that was resident since the start, or since [`forget_peak`].
    pub peak: u64,
}

impl Memory {
    /// From the text of `/proc/PID/status`.
    pub fn of_status(text: &str) -> Option<Self> {
        let field = |name: &str| -> Option<u64> {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        Some(Self {
            resident: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
            of_files: field("RssFile:")? + field("RssShmem:")?,
            peak: field("VmHWM:")?,
        })
    }
}

/// `None` where the process is gone already.
pub fn memory(id: u32) -> Option<Memory> {
    Memory::of_status(&fs::read_to_string(format!("/proc/{id}/status")).ok()?)
}

/// The peak is counted anew from what is resident now.
pub fn forget_peak(id: u32) {
    fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
}

/// Processor time, to 10 ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cpu {
    pub user: Duration,
    pub system: Duration,
}

impl Cpu {
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// Of the children that have ended and been waited for, and theirs.
pub fn cpu_of_children() -> Cpu {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit_once(") ").unwrap().1;
    let ticks: Vec<u64> =
        behind_name.split(' ').skip(13).take(2).map(|ticks| ticks.parse().unwrap()).collect();
    let time = |ticks: u64| Duration::from_millis(ticks * 1000 / ticks_a_second());
    Cpu { user: time(ticks[0]), system: time(ticks[1]) }
}

fn ticks_a_second() -> u64 {
    static TICKS: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *TICKS.get_or_init(|| {
        let said = Command::new("getconf").arg("CLK_TCK").output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().parse().unwrap()
    })
}

/// What one command took from its start to its end.
pub struct Took {
    pub wall: Duration,
    pub cpu: Cpu,
    pub peak_kib: u64,
    pub output: Output,
}

/// Runs a command to its end. No other child may end meanwhile.
pub fn taken(start: impl FnOnce() -> Running) -> Took {
    let before = cpu_of_children();
    let begun = Instant::now();
    let mut running = start();
    let mut peak_kib = 0;
    while running.is_running() {
        // setpriv and the agent itself are one process after the other.
        peak_kib = memory(running.id()).map_or(peak_kib, |memory| memory.peak);
        wait::any_moment(Duration::from_micros(500));
    }
    let wall = begun.elapsed();
    let output = running.output(wait::PATIENCE);
    let after = cpu_of_children();
    let cpu = Cpu { user: after.user - before.user, system: after.system - before.system };
    Took { wall, cpu, peak_kib, output }
}
