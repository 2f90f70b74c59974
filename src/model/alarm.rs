//! Alarms as plain data: what is wrong, since when, and what is still to be told about it.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AlarmKind {
    MachineSilent,
    MachineUnreadable,
    SourceUnreachable,
    CentralUnreachable,
    DiskNearlyFull,
    DiskReadOnly,
    SessionSetAside,
    UpdateFailed,
    SettingsRefused,
    CriticalAnomaly,
}

impl AlarmKind {
    pub const ALL: [Self; 10] = [
        Self::MachineSilent,
        Self::MachineUnreadable,
        Self::SourceUnreachable,
        Self::CentralUnreachable,
        Self::DiskNearlyFull,
        Self::DiskReadOnly,
        Self::SessionSetAside,
        Self::UpdateFailed,
        Self::SettingsRefused,
        Self::CriticalAnomaly,
    ];

    /// The word kept in the buffer and sent to programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MachineSilent => "machine-silent",
            Self::MachineUnreadable => "machine-unreadable",
            Self::SourceUnreachable => "source-unreachable",
            Self::CentralUnreachable => "central-unreachable",
            Self::DiskNearlyFull => "disk-nearly-full",
            Self::DiskReadOnly => "disk-read-only",
            Self::SessionSetAside => "session-set-aside",
            Self::UpdateFailed => "update-failed",
            Self::SettingsRefused => "settings-refused",
            Self::CriticalAnomaly => "grave-anomaly",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What an alarm is about. One key has at most one alarm.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AlarmKey {
    pub kind: AlarmKind,
    /// The machine or source; empty where there is only one of its kind.
    pub subject: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlarmEvent {
    Raised,
    /// It still stands, a day later.
    Repeated,
    Cleared,
}

impl AlarmEvent {
    pub const ALL: [Self; 3] = [Self::Raised, Self::Repeated, Self::Cleared];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Repeated => "repeated",
            Self::Cleared => "cleared",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

/// An alarm that was raised and not cleared. Times are the gateway's wall clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingAlarm {
    pub text: String,
    pub since: NaiveDateTime,
    /// When it was last put among the messages.
    pub told_at: NaiveDateTime,
}

/// One thing to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlarmMessage {
    pub key: AlarmKey,
    pub event: AlarmEvent,
    pub text: String,
    /// When the alarm was raised.
    pub since: NaiveDateTime,
    /// When this message was made.
    pub at: NaiveDateTime,
}

/// All that is remembered of alarms.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AlarmState {
    pub standing: BTreeMap<AlarmKey, StandingAlarm>,
    /// Not told yet, oldest first; at most two for one key.
    pub waiting: Vec<AlarmMessage>,
}
