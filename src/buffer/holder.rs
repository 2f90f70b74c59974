//! Who works on a state directory, as the lock says it. One writer and one reader.
//!
//! The lock holds three lines: the holder in words, as releases before wrote it alone and people read
//! it; what it has collected, empty until then; and the record, which counts where it can be read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Collected, WallTime, printable};

/// Of the record. A reader that does not know it goes by the words.
const FORMAT: u32 = 1;

const MOST_HOLDER_CHARS: usize = 200;

/// A command that works on the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// The service.
    Run,
    Once,
    Replay,
    Import,
}

impl Task {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Run, "run"),
        (Self::Once, "once"),
        (Self::Replay, "replay"),
        (Self::Import, "import"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(task, _)| *task == self).map_or("", |(_, word)| word)
    }
}

/// A process of this agent at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockHolder {
    pub task: Task,
    pub process: u32,
    /// By the gateway's clock when it took the lock; releases before did not note it.
    pub since: Option<WallTime>,
}

/// The third line.
#[derive(Serialize, Deserialize)]
struct Record {
    format: u32,
    task: Task,
    process: u32,
    #[serde(default, deserialize_with = "WallTime::if_readable")]
    since: Option<WallTime>,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cu-agent {}, process {}", self.task.as_str(), self.process)
    }
}

impl LockHolder {
    /// This process, at `task` since `now`.
    pub fn this(task: Task, now: WallTime) -> Self {
        Self { task, process: std::process::id(), since: Some(now) }
    }

    /// The words that a release before wrote, and nothing else.
    fn from_words(line: &str) -> Option<Self> {
        let (word, process) = line.strip_prefix("cu-agent ")?.split_once(", process ")?;
        let (task, _) = Task::ALL.iter().find(|(_, known)| *known == word)?;
        Some(Self { task: *task, process: process.parse().ok()?, since: None })
    }

    fn from_record(line: &str) -> Option<Self> {
        let Record { format, task, process, since } = serde_json::from_str(line).ok()?;
        (format == FORMAT).then_some(Self { task, process, since })
    }
}

/// Who holds a lock, as far as it says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    Known(LockHolder),
    /// In its own words, one printable line: of another release, or of somebody else.
    Said(String),
    Unnamed,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(holder) => holder.fmt(f),
            Self::Said(words) => f.write_str(words),
            Self::Unnamed => f.write_str("another process"),
        }
    }
}

impl Holder {
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Known(LockHolder { task: Task::Run, .. }))
    }
}

/// Everything that the lock says.
pub(super) fn write(holder: &LockHolder, collected: Option<&Collected>) -> String {
    let LockHolder { task, process, since } = *holder;
    let record = Record { format: FORMAT, task, process, since };
    let collected = collected.map(json).unwrap_or_default();
    format!("{holder}\n{collected}\n{}\n", json(&record))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data has a form in JSON")
}

/// What a lock says. The owner of the state directory can have put anything there.
pub(super) fn read(text: &str) -> (Holder, Option<Collected>) {
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default().trim();
    let (words, collected, record) = (line(), line(), line());
    let known = LockHolder::from_record(record).or_else(|| LockHolder::from_words(words));
    let holder = match known {
        Some(known) => Holder::Known(known),
        None if words.is_empty() => Holder::Unnamed,
        None => Holder::Said(printable(words, MOST_HOLDER_CHARS)),
    };
    (holder, serde_json::from_str(collected).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(since: Option<&str>) -> LockHolder {
        LockHolder {
            task: Task::Run,
            process: 4711,
            since: since.map(|since| since.parse().unwrap()),
        }
    }

    #[test]
    fn a_lock_that_the_release_before_wrote_is_read() {
        let text = "cu-agent run, process 4711\n";
        assert_eq!(read(text), (Holder::Known(service(None)), None));
        let text = "cu-agent run, process 4711\n\
                    {\"failed_sources\":[\"stick\"],\"version\":\"0.1.0\"}\n";
        let collected = Collected { version: "0.1.0".into(), failed_sources: vec!["stick".into()] };
        assert_eq!(read(text), (Holder::Known(service(None)), Some(collected)));
        for (word, task) in
            [("once", Task::Once), ("replay", Task::Replay), ("import", Task::Import)]
        {
            let holder = LockHolder { task, process: 17, since: None };
            let text = format!("cu-agent {word}, process 17\n");
            assert_eq!(read(&text).0, Holder::Known(holder));
        }
    }

    #[test]
    fn the_release_before_reads_its_two_lines_in_what_is_written() {
        let collected = Collected { version: "0.2.0".into(), failed_sources: Vec::new() };
        let text = write(&service(Some("2026-11-28 10:00:00")), Some(&collected));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "cu-agent run, process 4711");
        let second: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(second, serde_json::json!({"version": "0.2.0", "failed_sources": []}));
        let before = write(&service(None), None);
        assert_eq!(before.lines().nth(1), Some(""), "it has not collected");
    }

    #[test]
    fn what_is_written_is_read_back_and_a_record_of_a_later_release_leaves_the_words() {
        let collected =
            Collected { version: "0.2.0".into(), failed_sources: vec!["é\n\"".into()] };
        for collected in [None, Some(collected)] {
            let holder = service(Some("2026-11-28 10:00:00"));
            let text = write(&holder, collected.as_ref());
            assert_eq!(read(&text), (Holder::Known(holder), collected));
        }
        let odd = "\n\n{\"format\":1,\"task\":\"run\",\"process\":4711,\"since\":\"dawn\"}\n";
        assert_eq!(read(odd).0, Holder::Known(service(None)), "only the time is not known");
        let later = "cu-agent run, process 4711\n\n{\"format\":2,\"task\":\"run\",\"process\":5}\n";
        assert_eq!(read(later).0, Holder::Known(service(None)));
        let other = "cu-agent sweep, process 4711\n\n{\"format\":2,\"task\":\"sweep\"}\n";
        assert_eq!(read(other).0, Holder::Said("cu-agent sweep, process 4711".into()));
    }

    #[test]
    fn hostile_words_are_one_short_printable_line_of_nobody_known() {
        let hostile = format!("cu-agent run, process 17\x1b[31m{}", "x".repeat(10_000));
        let (holder, collected) = read(&hostile);
        assert!(!holder.is_service() && collected.is_none());
        let words = holder.to_string();
        assert!(words.len() <= MOST_HOLDER_CHARS && !words.contains('\x1b'), "{words}");
        let deep = format!("\n{}\n{}\n", "[".repeat(60_000), "{\"format\":".repeat(6000));
        assert_eq!(read(&deep), (Holder::Unnamed, None));
    }
}
