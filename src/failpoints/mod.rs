//! Failpoints: the durable steps of the agent, each with the moments right before and right after it. A
//! build with the feature `crash-points` ends the process at a moment named by `CU_AGENT_CRASH_AT`, so
//! that a test can try every one of them; an ordinary build has nothing here but names.
//!
//! A new durable action needs a step: the buffer's commits ask for one, and a test goes
//! through [`Step::ALL`] and another through [`Step::OF_UPDATES`].

pub mod trial;

/// Something that lasts once it is done: a commit in the buffer or in central, a deleted file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The buffer's tables are made or brought up to date.
    MigrateBuffer,
    /// The buffer is copied before its schema changes.
    CopyBuffer,
    /// A buffer of a newer version is kept beside its place.
    KeepNewerBuffer,
    /// The copy of an older schema becomes the buffer.
    GoBackToCopy,
    /// A copy that is not needed any more is removed.
    DropCopy,
    /// A new buffer gets its name.
    NameBuffer,
    /// A file of a damaged buffer is moved out of the way.
    SetBufferAside,
    /// Raw bytes, progress and sessions of a batch of files.
    Keep,
    /// Since when a file is quiet.
    MarkQuiet,
    /// A file is complete.
    Close,
    /// A file leaves its source.
    Delete,
    /// That it left is noted.
    NoteDeleted,
    /// Sessions recomputed.
    Replay,
    /// Raw bytes that are in central make room.
    Prune,
    /// Central's tables are brought one migration further.
    MigrateCentral,
    /// Machines that central did not know.
    EnsureCentres,
    /// Machines in central put in order: what is configured, sessions without their centre, what was told.
    Settle,
    /// Sessions written in central.
    Deliver,
    /// What central confirmed.
    NoteSynced,
    /// Central turned out not to hold a session.
    Unconfirm,
    /// A session is not delivered for now.
    SetAside,
    /// A link went up or down.
    NoteLink,
    /// The gateway's own row in central.
    ShowEdge,
    /// An event of security was noticed, or taken by central.
    NoteSecurity,
    /// Events of security written in central.
    DeliverSecurity,
    /// The updater's directory is made and its lock file.
    LockUpdates,
    /// A fetched file that is not the right one is removed.
    DropDownload,
    /// Bytes of a package, and the package at its place.
    KeepDownload,
    /// The running program is kept to end the update.
    KeepUpdater,
    /// How far an update is.
    NoteUpdate,
    /// The package manager finishes what was interrupted.
    ConfigurePackages,
    /// A package takes the place of another.
    InstallPackage,
    /// The service is restarted.
    RestartService,
    /// How an update ended.
    NoteUpdateResult,
    /// The kept program is removed.
    DropUpdater,
    /// A package that nobody goes back to is removed.
    PruneUpdates,
    /// An alarm was raised or cleared.
    NoteAlarms,
    /// A message was taken by its receiver.
    NoteAlarmTold,
    /// A weekly report is written and gets its name.
    KeepReport,
    /// All files of a week are written.
    NoteReport,
    /// A weekly report was taken by its receiver.
    NoteReportSent,
    /// Why weekly reports are not taken.
    NoteReportFailure,
    /// A weekly report that is too old, or what was noted of one, is removed.
    DropReport,
    /// Settings of central's are to be tried.
    TrySettings,
    /// The service begins with settings that are on trial.
    BeginTrial,
    /// Settings of central's are in use from now on.
    KeepSettings,
    /// Settings of central's are not taken, or not any more.
    RefuseSettings,
}

impl Step {
    /// Those of the agent.
    pub const ALL: [Self; 27] = [
        Self::MigrateBuffer,
        Self::CopyBuffer,
        Self::KeepNewerBuffer,
        Self::GoBackToCopy,
        Self::DropCopy,
        Self::NameBuffer,
        Self::SetBufferAside,
        Self::Keep,
        Self::MarkQuiet,
        Self::Close,
        Self::Delete,
        Self::NoteDeleted,
        Self::Replay,
        Self::Prune,
        Self::MigrateCentral,
        Self::EnsureCentres,
        Self::Settle,
        Self::Deliver,
        Self::NoteSynced,
        Self::Unconfirm,
        Self::SetAside,
        Self::NoteLink,
        Self::ShowEdge,
        Self::NoteSecurity,
        Self::DeliverSecurity,
        Self::NoteAlarms,
        Self::NoteAlarmTold,
    ];

    /// Those of the updater, a process of its own: tests/update goes through them.
    pub const OF_UPDATES: [Self; 11] = [
        Self::LockUpdates,
        Self::DropDownload,
        Self::KeepDownload,
        Self::KeepUpdater,
        Self::NoteUpdate,
        Self::ConfigurePackages,
        Self::InstallPackage,
        Self::RestartService,
        Self::NoteUpdateResult,
        Self::DropUpdater,
        Self::PruneUpdates,
    ];

    /// Those of weekly reports, which a command of its own writes.
    pub const OF_REPORTS: [Self; 5] = [
        Self::KeepReport,
        Self::NoteReport,
        Self::NoteReportSent,
        Self::NoteReportFailure,
        Self::DropReport,
    ];

    /// Those of settings that central gives.
    pub const OF_SETTINGS: [Self; 4] =
        [Self::TrySettings, Self::BeginTrial, Self::KeepSettings, Self::RefuseSettings];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::MigrateBuffer => "migrate-buffer",
            Self::CopyBuffer => "copy-buffer",
            Self::KeepNewerBuffer => "keep-newer-buffer",
            Self::GoBackToCopy => "go-back-to-copy",
            Self::DropCopy => "drop-copy",
            Self::NameBuffer => "name-buffer",
            Self::SetBufferAside => "set-buffer-aside",
            Self::Keep => "keep",
            Self::MarkQuiet => "mark-quiet",
            Self::Close => "close",
            Self::Delete => "delete",
            Self::NoteDeleted => "note-deleted",
            Self::Replay => "replay",
            Self::Prune => "prune",
            Self::MigrateCentral => "migrate-central",
            Self::EnsureCentres => "ensure-centres",
            Self::Settle => "settle",
            Self::Deliver => "deliver",
            Self::NoteSynced => "note-synced",
            Self::Unconfirm => "unconfirm",
            Self::SetAside => "set-aside",
            Self::NoteLink => "note-link",
            Self::LockUpdates => "lock-updates",
            Self::DropDownload => "drop-download",
            Self::KeepDownload => "keep-download",
            Self::KeepUpdater => "keep-updater",
            Self::NoteUpdate => "note-update",
            Self::ConfigurePackages => "configure-packages",
            Self::InstallPackage => "install-package",
            Self::RestartService => "restart-service",
            Self::NoteUpdateResult => "note-update-result",
            Self::DropUpdater => "drop-updater",
            Self::PruneUpdates => "prune-updates",
            Self::ShowEdge => "show-edge",
            Self::NoteSecurity => "note-security",
            Self::DeliverSecurity => "deliver-security",
            Self::NoteAlarms => "note-alarms",
            Self::NoteAlarmTold => "note-alarm-told",
            Self::KeepReport => "keep-report",
            Self::NoteReport => "note-report",
            Self::NoteReportSent => "note-report-sent",
            Self::NoteReportFailure => "note-report-failure",
            Self::DropReport => "drop-report",
            Self::TrySettings => "try-settings",
            Self::BeginTrial => "begin-trial",
            Self::KeepSettings => "keep-settings",
            Self::RefuseSettings => "refuse-settings",
        }
    }
}

/// Runs a durable action between its two moments.
pub fn durably<T, E>(step: Step, action: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    reach(step, "before");
    let done = action()?;
    reach(step, "after");
    Ok(done)
}

/// `CU_AGENT_CRASH_AT=keep:after:3` ends the process right after the third batch was kept, as a power
/// cut would: nothing is flushed, closed or said.
#[cfg(feature = "crash-points")]
fn reach(step: Step, moment: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("CU_AGENT_CRASH_AT") else { return };
    let mut parts = wanted.split(':');
    if parts.next() != Some(step.as_str()) || parts.next() != Some(moment) {
        return;
    }
    let at = parts.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == at {
        std::process::abort();
    }
}

#[cfg(not(feature = "crash-points"))]
fn reach(_step: Step, _moment: &str) {}
