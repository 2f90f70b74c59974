//! The words for what of a source cannot be read.

use super::{Text, phrase};
use crate::model::{Language, Trouble, TroubleKind};

impl TroubleKind {
    /// As people read it, in front of the source's own words.
    pub const fn text(self, language: Language) -> &'static str {
        let text = match self {
            Self::FolderMissing => Text::new("le dossier manque", "the folder is missing"),
            Self::FolderNotListed => {
                Text::new("le dossier ne peut pas être listé", "the folder cannot be listed")
            }
            Self::NoFileRead => Text::new(
                "il y a des fichiers, mais aucun ne peut être lu",
                "there are files, but none can be read",
            ),
            Self::FileNotRead => Text::new("non lu", "not read"),
            Self::NoLineRead => {
                Text::new("aucune ligne n'a pu être lue", "none of its lines could be read")
            }
            Self::ListingNotRead => Text::new(
                "certaines lignes de la liste n'ont pas pu être lues",
                "some lines of the listing could not be read",
            ),
            Self::RenamedLog => Text::new(
                "fichier LOG renommé, dont des lignes n'ont pas été lues",
                "renamed LOG file, some of its lines were not read",
            ),
        };
        text.in_(language)
    }
}

impl Trouble {
    /// What is the matter, with the source's own words.
    pub fn text(&self, language: Language) -> String {
        let text = self.key.kind.text(language);
        let detail = self.detail.as_str();
        match detail {
            "" => text.to_owned(),
            _ => phrase!(language, "{text}\u{202f}: {detail}", "{text}: {detail}"),
        }
    }
}
