//! A wall clock that is wrong, for one agent: libfaketime stands between it and the kernel. Running
//! time and the times of files stay as they are, as on a gateway whose battery is dead.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use chrono::NaiveDateTime;

use super::agent::Agent;

pub struct WrongClock {
    setting: PathBuf,
}

/// Seconds beside the right time.
#[derive(Clone, Copy, Debug)]
pub enum Wrong {
    /// Ten seconds after 1970 began.
    NeverSet,
    By(i64),
    /// This moment in UTC, to go on from.
    At(NaiveDateTime),
    /// This moment in local time, for as long as nothing else is set.
    StoppedAt(NaiveDateTime),
}

pub const YEAR: i64 = 365 * 86_400;

impl WrongClock {
    /// From its next start on, `agent` sees this clock.
    pub fn given_to(agent: &mut Agent, wrong: Wrong) -> Self {
        let clock = Self { setting: agent.dir().join("clock") };
        clock.set(wrong);
        agent.set_environment("LD_PRELOAD", library().to_str().unwrap());
        agent.set_environment("FAKETIME_TIMESTAMP_FILE", clock.setting.to_str().unwrap());
        agent.set_environment("FAKETIME_NO_CACHE", "1");
        agent.set_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        agent.set_environment("DONT_FAKE_MONOTONIC", "1");
        agent.set_environment("NO_FAKE_STAT", "1");
        clock
    }

    /// The clock jumps, also under a running agent.
    pub fn set(&self, wrong: Wrong) {
        let offset = |seconds: i64| format!("{seconds:+}\n");
        let setting = match wrong {
            Wrong::By(seconds) => offset(seconds),
            Wrong::At(moment) => offset(moment.and_utc().timestamp() - seconds_now()),
            Wrong::NeverSet => offset(10 - seconds_now()),
            Wrong::StoppedAt(moment) => format!("{}\n", moment.format("%F %T")),
        };
        // In one step: a half-written setting would be no time at all.
        let new = self.setting.with_extension("new");
        fs::write(&new, setting).unwrap();
        fs::rename(new, &self.setting).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "what is wrong is told by what is right")]
fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Debian puts it below the machine's triplet.
fn library() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let file = entry.unwrap().path().join("faketime/libfaketimeMT.so.1");
        Path::exists(&file).then_some(file)
    });
    let missing = "libfaketime is not installed; run tests/install-test-tools.sh";
    found.into_iter().next().expect(missing)
}
