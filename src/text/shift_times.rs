//! Why a machine's day has no TRS, and how to get one.

use super::Text;
use crate::model::{Language, NoTrs};

impl NoTrs {
    /// In a few words, as it stands in place of the figure.
    pub(crate) const fn text(self, language: Language) -> &'static str {
        let text = match self {
            Self::NoCalendar => Text::new("pas de calendrier", "no calendar"),
            Self::NoRequiredTime => Text::new("aucun temps requis connu", "no required time known"),
            Self::NoNominalRate => Text::new("pas de nominal_per_hour", "no nominal_per_hour"),
        };
        text.in_(language)
    }

    /// `None`: there is nothing to be done about it.
    pub(crate) const fn hint(self, language: Language) -> Option<&'static str> {
        let text = match self {
            Self::NoCalendar => Text::new(
                "pour obtenir un TRS, décrivez ses postes par [[calendar]] dans la configuration ou par `cu-agent central calendar put`",
                "to get a TRS, describe its shifts with [[calendar]] in the configuration or with `cu-agent central calendar put`",
            ),
            Self::NoNominalRate => Text::new(
                "pour obtenir un TRS, donnez nominal_per_hour à son dossier dans [source.folders]",
                "to get a TRS, set nominal_per_hour for its folder in [source.folders]",
            ),
            Self::NoRequiredTime => return None,
        };
        Some(text.in_(language))
    }
}
