//! What a loss of required time is called.

use super::Text;
use crate::model::{Language, LossKind};

impl LossKind {
    pub(crate) const fn text(self, language: Language) -> &'static str {
        match self {
            Self::Stops => Text::new("Arrêts", "Stops"),
            Self::Waits => Text::new("Attentes", "Waits"),
            Self::LateStart => Text::new("Démarrage tardif", "Late start"),
            Self::EarlyEnd => Text::new("Fin anticipée", "Early end"),
            Self::Rate => Text::new("Perte de cadence", "Lost rate"),
            Self::Rejects => Text::new("Rebuts", "Rejects"),
        }
        .in_(language)
    }
}
