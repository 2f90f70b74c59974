//! What a process cost, as the kernel counts it. Ticks of 10 ms: measure over many turns.

use std::{fs, time::Duration};

/// The kernel's USER_HZ, the same on every architecture that a benchmark runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// User and system time of a running process, of its threads that ended too.
pub fn cpu_of(id: u32) -> Duration {
    fields_of(&format!("/proc/{id}/stat"), [11, 12])
}

/// User and system time of this process's children that ended and were waited for.
pub fn cpu_of_children() -> Duration {
    fields_of("/proc/self/stat", [13, 14])
}

/// Two fields of a `stat` file, counted behind the name in brackets.
fn fields_of(file: &str, places: [usize; 2]) -> Duration {
    let stat = fs::read_to_string(file).unwrap();
    let behind: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
    let ticks: f64 = places.iter().map(|place| behind[*place].parse::<f64>().unwrap()).sum();
    Duration::from_secs_f64(ticks / TICKS_A_SECOND)
}

/// Peak resident memory so far; `None` where the process is gone already.
pub fn peak_kib_of(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
