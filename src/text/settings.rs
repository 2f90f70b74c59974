//! How a gateway stands with the settings that central gives, in the reader's language.

use super::{phrase, quoted};
use crate::model::{Language, RefusedSettings, SettingsTold};

impl SettingsTold {
    pub(crate) fn text(&self, language: Language) -> String {
        let mut text = match self.kept {
            Some(serial) => {
                phrase!(language, "série {serial} en service", "serial {serial} in use")
            }
            None => phrase!(language, "aucun en service", "none in use"),
        };
        if let Some(serial) = self.trial {
            text += &phrase!(
                language,
                "\u{202f}; série {serial} à l'essai",
                "; serial {serial} on trial"
            );
        }
        if let Some(refused) = &self.refused {
            let why = refused.why(language);
            text += &match refused.serial {
                Some(serial) => phrase!(
                    language,
                    "\u{202f}; série {serial} refusée\u{202f}: {why}",
                    "; serial {serial} refused: {why}",
                ),
                None => phrase!(
                    language,
                    "\u{202f}; ceux de la base centrale sont refusés\u{202f}: {why}",
                    "; those that central holds are refused: {why}",
                ),
            };
        }
        text
    }
}

impl RefusedSettings {
    /// As an alarm says it.
    pub(crate) fn text(&self, language: Language) -> String {
        let (serial, why) = (self.serial, self.why(language));
        let which = match serial {
            Some(serial) => phrase!(language, " (série {serial})", " (serial {serial})"),
            None => String::new(),
        };
        phrase!(
            language,
            "les réglages de la base centrale{which} ne sont pas pris en compte\u{202f}: {why}",
            "the settings from central{which} are not in use: {why}",
        )
    }

    /// In the words of who refused them.
    fn why(&self, language: Language) -> String {
        quoted(&self.reason, language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_said_with_their_serials_and_why_they_are_refused() {
        let refused = Some(RefusedSettings { serial: Some(9), reason: "no answer".into() });
        let told = SettingsTold { kept: Some(7), trial: None, refused };
        assert_eq!(
            told.text(Language::French),
            "série 7 en service\u{202f}; série 9 refusée\u{202f}: «\u{a0}no answer\u{a0}»"
        );
        assert_eq!(told.text(Language::English), "serial 7 in use; serial 9 refused: “no answer”");
        let trial = SettingsTold { trial: Some(8), ..SettingsTold::default() };
        assert_eq!(trial.text(Language::English), "none in use; serial 8 on trial");
        let unread = RefusedSettings { serial: None, reason: "no signature".into() };
        assert_eq!(
            unread.text(Language::French),
            "les réglages de la base centrale ne sont pas pris en compte\u{202f}: «\u{a0}no signature\u{a0}»"
        );
    }
}
