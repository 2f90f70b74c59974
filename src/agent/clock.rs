//! The computer's clocks. Running time and boot decide; the wall clock is only written down, and a
//! gateway without a battery may have any.
//!
//! All of it works where `/proc` shows processes only, as it does for the hardened service.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime};
use rustix::{
    rand::{GetRandomFlags, getrandom},
    system::uname,
    time::{ClockId, clock_gettime},
};

use crate::collect::Timestamps;

/// The boot, as the unit file hands it over where `/proc` does not show it.
const BOOT_VARIABLE: &str = "CU_AGENT_BOOT_ID";

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
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .or_else(|_| env::var(BOOT_VARIABLE))
            .unwrap_or_default();
        // Time asleep counts: a gateway that was suspended has been quiet for so long.
        let uptime = Duration::try_from(clock_gettime(ClockId::Boottime));
        Self {
            // The kernel writes it with dashes and systemd without.
            boot: match boot.trim().replace('-', "") {
                // Where nobody tells the boot, no running time outlives this process.
                boot if boot.is_empty() => random_id(),
                boot => boot,
            },
            started_uptime: uptime.unwrap_or_default(),
            started: Instant::now(),
        }
    }

    pub fn now(&self) -> Timestamps {
        Timestamps {
            boot: self.boot.clone(),
            uptime: self.started_uptime + self.started.elapsed(),
            wall: wall().naive_local(),
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
            "the gateway's clock says {}, which is before this version was released; the agent does not rely on it, but TLS certificates may be refused until the time is set (timedatectl)",
            now.format("%Y-%m-%d %H:%M")
        )
    })
}

/// Whether a noted time is of a clock that could be believed.
pub(super) fn is_believable(noted: &NaiveDateTime) -> bool {
    noted.date() >= RELEASED
}

/// A name that no other process, boot or buffer has.
pub(super) fn random_id() -> String {
    // The kernel's own generator; where it is missing, fastrand is seeded from time and address.
    let mut bytes = [0; 16];
    let number = match getrandom(&mut bytes[..], GetRandomFlags::empty()) {
        Ok(got) if got == bytes.len() => u128::from_ne_bytes(bytes),
        _ => fastrand::u128(..),
    };
    format!("{number:032x}")
}

/// The computer's name, for people on the other side.
pub(super) fn host_name() -> String {
    uname().nodename().to_string_lossy().into_owned()
}
