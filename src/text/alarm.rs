//! What an alarm is called.

use super::Text;
use crate::model::{AlarmKind, Language};

impl AlarmKind {
    /// In front of the machine or source that it is about.
    pub(crate) const fn title(self, language: Language) -> &'static str {
        let text = match self {
            Self::MachineSilent => Text::new("machine muette", "machine silent"),
            Self::MachineUnreadable => Text::new("machine illisible", "machine unreadable"),
            Self::SourceUnreachable => Text::new("source injoignable", "source unreachable"),
            Self::CentralUnreachable => {
                Text::new("base centrale injoignable", "central database unreachable")
            }
            Self::DiskNearlyFull => Text::new("disque presque plein", "disk nearly full"),
            Self::DiskReadOnly => Text::new("disque en lecture seule", "disk read-only"),
            Self::SessionSetAside => Text::new("session refusée", "session quarantined"),
            Self::UpdateFailed => Text::new("mise à jour échouée", "update failed"),
            Self::SettingsRefused => Text::new("réglages refusés", "settings refused"),
            Self::CriticalAnomaly => Text::new("anomalie grave", "critical anomaly"),
        };
        text.in_(language)
    }
}
