//! The words for what of a source cannot be read.

use super::{Noun, Text, phrase, quoted};
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
        if self.detail.is_empty() {
            return text.to_owned();
        }
        let detail = detail(&self.detail, language);
        phrase!(language, "{text}\u{202f}: {detail}", "{text}: {detail}")
    }
}

const LINES: Noun = Noun::new("ligne", "lignes", "line", "lines");

/// What the agent itself says of a directory or of a file.
const OWN_WORDS: [Text; 5] = [
    Text::new("ce répertoire n'existe pas", "no such directory"),
    Text::new("c'est un lien symbolique", "it is a symbolic link"),
    Text::new("ce n'est pas un répertoire", "it is not a directory"),
    Text::new("ce n'est pas un fichier ordinaire", "not a regular file"),
    Text::new("ce fichier n'existe pas", "no such file"),
];

/// The agent's own words are translated; a server's, and what an error of the system says, are quoted to a
/// reader of French. They are kept in English, which needs no quotation marks.
fn detail(kept: &str, language: Language) -> String {
    let lines = kept.strip_suffix(" lines").and_then(|count| count.parse().ok());
    if let Some(lines) = lines {
        return LINES.counted(lines, language);
    }
    match OWN_WORDS.iter().find(|own| own.in_(Language::English) == kept) {
        Some(own) => own.in_(language).to_owned(),
        None => {
            let quoted = quoted(kept, language);
            phrase!(language, "{quoted}", "{kept}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TroubleKey;

    #[test]
    fn a_trouble_is_told_in_one_language_and_a_servers_words_are_quoted() {
        let told = |kind, detail: &str, language| {
            let key = TroubleKey {
                source: "cu".into(),
                folder: "DEM12".into(),
                file: String::new(),
                kind,
            };
            Trouble { key, detail: detail.into(), since: None }.text(language)
        };
        for (kind, detail, french, english) in [
            (
                TroubleKind::FolderMissing,
                "no such directory",
                "le dossier manque\u{202f}: ce répertoire n'existe pas",
                "the folder is missing: no such directory",
            ),
            (
                TroubleKind::FolderMissing,
                "550 No such file",
                "le dossier manque\u{202f}: «\u{a0}550 No such file\u{a0}»",
                "the folder is missing: 550 No such file",
            ),
            (
                TroubleKind::NoLineRead,
                "1200 lines",
                "aucune ligne n'a pu être lue\u{202f}: 1\u{202f}200 lignes",
                "none of its lines could be read: 1,200 lines",
            ),
            (TroubleKind::FileNotRead, "", "non lu", "not read"),
        ] {
            assert_eq!(told(kind, detail, Language::French), french);
            assert_eq!(told(kind, detail, Language::English), english);
        }
    }
}
