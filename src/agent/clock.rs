//! The computer's clocks. Running time and boot decide; the wall clock is only written down, and a
//! gateway without a battery may have any.

use std::{
    fs,
    time::{Duration, Instant},
};

use chrono::{DateTime, Local, NaiveDate};

use crate::collect::Moment;

/// Reads the clocks for one process.
#[derive(Clone, Debug)]
pub struct Clock {
    boot: String,
    /// The computer's running time when the process started, and the moment that was.
    started_uptime: Duration,
    started: Instant,
}

impl Clock {
    pub fn start() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let uptime = fs::read_to_string("/proc/uptime").ok().and_then(|text| {
            let seconds = text.split_whitespace().next()?.parse::<f64>().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        });
        Self {
            // Where the kernel tells no boot, no running time outlives this process.
            boot: match boot.trim() {
                "" => random_id(),
                boot => boot.to_owned(),
            },
            started_uptime: uptime.unwrap_or_default(),
            started: Instant::now(),
        }
    }

    pub fn now(&self) -> Moment {
        Moment {
            boot: self.boot.clone(),
            uptime: self.started_uptime + self.started.elapsed(),
            wall: wall().format("%Y-%m-%d %H:%M:%S").to_string(),
        }
    }
}

/// The wall clock's time, to be noted and shown.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn wall() -> DateTime<Local> {
    Local::now()
}

/// What the wall clock must be beyond to be believed at all.
const RELEASED: NaiveDate =
    NaiveDate::from_ymd_opt(2026, 11, 1).expect("the first of a month is a date");

/// Why the wall clock cannot be right, if it cannot.
pub fn wall_clock_fault() -> Option<String> {
    let now = wall();
    (now.date_naive() < RELEASED).then(|| {
        format!(
            "the gateway's clock says {}, before this version was made; nothing is decided by it, but TLS certificates may be refused until the time is set (timedatectl)",
            now.format("%Y-%m-%d %H:%M")
        )
    })
}

/// A name that no other process, boot or buffer has.
pub fn random_id() -> String {
    // The kernel's own generator; where it is missing, fastrand is seeded from time and address.
    fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_or_else(|_| format!("{:032x}", fastrand::u128(..)), |text| text.trim().to_owned())
}

/// The computer's name, for people on the other side.
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
