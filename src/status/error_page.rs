//! What went wrong with a request, and what to do: as a page for people, as text for programs.
//!
//! What must never happen here: a name of this plant told to somebody who asks by a foreign name.

use maud::{Markup, html};

use super::shell::Reader;
use crate::{
    model::{Language, printable},
    text::{Text, other, phrase},
};

/// Of what was asked, which is repeated.
const MOST_CHARS: usize = 80;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PageError {
    /// The address is no text.
    BadAddress,
    /// A day that is none; `key`: what of a CSV's address it was.
    BadDay {
        key: Option<&'static str>,
        given: String,
    },
    /// A week that is none.
    BadWeek {
        given: String,
    },
    /// An hour or a time that the day does not have.
    BadTime {
        given: String,
    },
    NoPage {
        path: String,
    },
    /// `known`: the machines that there are.
    NoMachine {
        nom: String,
        known: Vec<String>,
    },
    /// Something that would be a change.
    Method {
        method: String,
    },
    /// `None`: no name, or several.
    Host {
        name: Option<String>,
    },
    TooLong,
    TooManyHeaders,
    Internal,
    /// The buffer cannot be read, and why.
    Unreadable {
        why: String,
    },
}

impl PageError {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::BadAddress | Self::BadDay { key: Some(_), .. } => 400,
            Self::BadDay { key: None, .. }
            | Self::BadWeek { .. }
            | Self::BadTime { .. }
            | Self::NoPage { .. }
            | Self::NoMachine { .. } => 404,
            Self::Method { .. } => 405,
            Self::TooLong => 414,
            Self::Host { .. } => 421,
            Self::TooManyHeaders => 431,
            Self::Internal => 500,
            Self::Unreadable { .. } => 503,
        }
    }

    /// Whether what lasts may end by itself, so that asking again is worth it.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Internal | Self::Unreadable { .. })
    }

    /// Whether the one who asks may see whose page this is, and go to its other pages.
    pub(crate) fn is_at_home(&self) -> bool {
        !matches!(self, Self::Host { .. })
    }

    pub(crate) fn title(&self, language: Language) -> &'static str {
        let text = match self {
            Self::BadAddress => Text::new("Adresse illisible", "Unreadable address"),
            Self::BadDay { .. } => Text::new("Date invalide", "Invalid date"),
            Self::BadWeek { .. } => Text::new("Semaine invalide", "Invalid week"),
            Self::BadTime { .. } => Text::new("Heure invalide", "Invalid time"),
            Self::NoPage { .. } => Text::new("Page introuvable", "Page not found"),
            Self::NoMachine { .. } => Text::new("Machine inconnue", "Unknown machine"),
            Self::Method { .. } => Text::new("Page en lecture seule", "This page is read-only"),
            Self::Host { .. } => Text::new("Nom d'hôte inconnu", "Unknown host name"),
            Self::TooLong => Text::new("Adresse trop longue", "Address too long"),
            Self::TooManyHeaders => Text::new("Requête trop grande", "Request too large"),
            Self::Internal => Text::new("Erreur interne", "Internal error"),
            Self::Unreadable { .. } => {
                Text::new("Les données ne peuvent pas être lues", "The data cannot be read")
            }
        };
        text.in_(language)
    }

    /// What was wrong, then what to do.
    fn sentences(&self, language: Language) -> [String; 2] {
        match self {
            Self::BadAddress | Self::TooLong | Self::TooManyHeaders | Self::Internal => {
                self.fixed().map(|text| text.in_(language).to_owned())
            }
            Self::BadDay { key, given } => bad_day(*key, &printable(given, MOST_CHARS), language),
            Self::BadWeek { given } => bad_week(&printable(given, MOST_CHARS), language),
            Self::BadTime { given } => bad_time(&printable(given, MOST_CHARS), language),
            Self::NoPage { path } => no_page(&printable(path, MOST_CHARS), language),
            Self::NoMachine { nom, known } => no_machine(nom, known, language),
            Self::Method { method } => bad_method(&printable(method, MOST_CHARS), language),
            Self::Host { name } => host(name.as_deref(), language),
            Self::Unreadable { why } => unreadable(why, language),
        }
    }

    /// Both sentences of an error that repeats nothing of what was asked.
    fn fixed(&self) -> [Text; 2] {
        match self {
            Self::TooLong => [
                Text::new("L'adresse a trop de caractères.", "The URL has too many characters."),
                Text::new(
                    "Demander moins de choses à la fois, ou ouvrir la page d'accueil.",
                    "Ask for less at once, or open the first page.",
                ),
            ],
            Self::TooManyHeaders => [
                Text::new(
                    "Le navigateur a envoyé trop d'en-têtes, ou de trop grands.",
                    "The browser sent too many headers, or too large ones.",
                ),
                Text::new(
                    "Effacer les cookies de ce nom dans le navigateur, puis recharger la page.",
                    "Delete this name's cookies in the browser, then reload the page.",
                ),
            ],
            Self::BadAddress => [
                Text::new("L'adresse n'est pas un texte en UTF-8.", "This URL is not valid UTF-8."),
                Text::new(
                    "Ouvrir la page d'accueil, puis suivre ses liens.",
                    "Open the first page and follow its links.",
                ),
            ],
            _ => [
                Text::new(
                    "Cette page a échoué\u{202f}; la collecte des données continue.",
                    "Internal error in this page; collecting is not affected.",
                ),
                Text::new(
                    "La cause est dans le journal de la passerelle\u{202f}: journalctl -u cu-agent",
                    "The gateway's log has the cause: journalctl -u cu-agent",
                ),
            ],
        }
    }

    /// For programs and terminals, whose language is not known for sure: the reader's first, then the other.
    pub(crate) fn text(&self, language: Language) -> String {
        let [first, second] = [language, other(language)].map(|language| {
            let [wrong, to_do] = self.sentences(language);
            format!("{wrong} {to_do}\n")
        });
        first + &second
    }

    /// What stands in the page's frame.
    pub(crate) fn page(&self, reader: Reader) -> Markup {
        let [wrong, to_do] = self.sentences(reader.language);
        html! {
            section.card.error {
                p.code { (self.status()) }
                h1 { (self.title(reader.language)) }
                p { (wrong) }
                @match self {
                    Self::NoMachine { known, .. } if !known.is_empty() => {
                        p { (reader.say("Machines connues\u{202f}:", "Known machines:")) }
                        ul.links { @for nom in known { li { a href=(reader.to_machine(nom, None)) { (nom) } } } }
                    }
                    Self::BadDay { key: None, .. } => {
                        p { (to_do) }
                        form action="/day" method="get" {
                            label { (reader.say("Jour", "Day")) " " input type="date" name="day" required; }
                            (reader.hidden_field())
                            button type="submit" { (reader.say("Ouvrir", "Open")) }
                        }
                    }
                    _ => p { (to_do) }
                }
                @if self.is_at_home() {
                    ul.links { li { a href=(reader.to("/")) { (reader.say("Toutes les machines aujourd'hui", "All machines today")) } } }
                }
            }
        }
    }
}

fn said(french: &'static str, english: &'static str, language: Language) -> String {
    Text::new(french, english).in_(language).to_owned()
}

fn no_page(path: &str, language: Language) -> [String; 2] {
    [
        phrase!(
            language,
            "Il n'y a pas de page à l'adresse «\u{a0}{path}\u{a0}».",
            "There is no page at “{path}”.",
        ),
        said(
            "Les pages sont /, /day/AAAA-MM-JJ, /machine/NOM, /mur, /comparer et /sessions.csv.",
            "The pages are /, /day/YYYY-MM-DD, /machine/NAME, /board, /compare and /sessions.csv.",
            language,
        ),
    ]
}

fn bad_method(method: &str, language: Language) -> [String; 2] {
    [
        phrase!(
            language,
            "La méthode {method} n'est pas acceptée\u{202f}: rien ne peut être modifié ici.",
            "Method {method} is not accepted: nothing can be changed here.",
        ),
        said("Utiliser GET ou HEAD.", "This page is read-only: use GET or HEAD.", language),
    ]
}

fn unreadable(why: &str, language: Language) -> [String; 2] {
    [
        phrase!(
            language,
            "Le tampon de la passerelle ne peut pas être lu\u{202f}: {why}",
            "The gateway's buffer cannot be read: {why}",
        ),
        said(
            "La page se recharge seule\u{202f}; si cela dure, lancer «\u{a0}cu-agent check\u{a0}» sur la passerelle.",
            "The page reloads by itself; if this lasts, run “cu-agent check” on the gateway.",
            language,
        ),
    ]
}

fn bad_time(given: &str, language: Language) -> [String; 2] {
    [
        phrase!(
            language,
            "«\u{a0}{given}\u{a0}» n'est pas une heure de ce jour.",
            "“{given}” is not a time of this day.",
        ),
        said(
            "Une heure s'écrit hour=09, un moment at=09:12 ou at=09:12:30.",
            "Expected an hour such as hour=09, or a moment such as at=09:12 or at=09:12:30.",
            language,
        ),
    ]
}

fn bad_week(given: &str, language: Language) -> [String; 2] {
    [
        phrase!(
            language,
            "«\u{a0}{given}\u{a0}» n'est pas une semaine du calendrier.",
            "“{given}” is not a week of the calendar.",
        ),
        said(
            "Une semaine s'écrit AAAA-Wnn, par exemple 2026-W48, ou «\u{a0}last\u{a0}».",
            "Expected a week such as 2026-W48 (YYYY-Wnn), or “last”.",
            language,
        ),
    ]
}

fn bad_day(key: Option<&str>, given: &str, language: Language) -> [String; 2] {
    let place = key.map_or_else(String::new, |key| phrase!(language, "{key}\u{202f}: ", "{key}: "));
    let wrong = match given {
        "" => phrase!(language, "{place}il manque la date.", "{place}the date is missing."),
        given => phrase!(
            language,
            "{place}«\u{a0}{given}\u{a0}» n'est pas une date du calendrier.",
            "{place}“{given}” is not a date of the calendar.",
        ),
    };
    let to_do = phrase!(
        language,
        "{place}une date s'écrit AAAA-MM-JJ, par exemple 2025-05-28.",
        "{place}expected a date such as 2025-05-28 (YYYY-MM-DD).",
    );
    [wrong, to_do].map(|sentence| first_letter_large(&sentence, key.is_some()))
}

/// A sentence that begins with the name of a key is left as it is.
fn first_letter_large(sentence: &str, has_key: bool) -> String {
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) if !has_key => first.to_uppercase().chain(letters).collect(),
        _ => sentence.to_owned(),
    }
}

fn no_machine(nom: &str, known: &[String], language: Language) -> [String; 2] {
    let nom = printable(nom, MOST_CHARS);
    let all = known.join(", ");
    [
        phrase!(
            language,
            "Aucune machine ne s'appelle «\u{a0}{nom}\u{a0}».",
            "No machine is called “{nom}”.",
        ),
        match known {
            [] => phrase!(
                language,
                "Aucune n'est configurée ([source.folders]).",
                "None is configured ([source.folders]).",
            ),
            _ => phrase!(language, "Machines connues\u{202f}: {all}.", "Known machines: {all}."),
        },
    ]
}

/// Names no name that is accepted: the one who asks may be a foreign page.
fn host(name: Option<&str>, language: Language) -> [String; 2] {
    let wrong = match name.map(|name| printable(name, MOST_CHARS)) {
        Some(name) => phrase!(
            language,
            "«\u{a0}{name}\u{a0}» n'est pas un nom de cette passerelle.",
            "Unknown host name “{name}”: this gateway does not go by it.",
        ),
        None => phrase!(
            language,
            "La requête ne dit pas par quel nom elle s'adresse à cette passerelle.",
            "The request does not say by which one host name it asks.",
        ),
    };
    let to_do = phrase!(
        language,
        "Sont acceptés\u{202f}: l'adresse IP de la passerelle, son propre nom (aussi suivi de .local), localhost, et les noms de «\u{a0}names\u{a0}» sous [status] dans sa configuration.",
        "Accepted are the gateway's IP address, its own name (also with .local), localhost, and the names in `names` under [status] in its configuration.",
    );
    [wrong, to_do]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_was_wrong_and_what_to_do_in_both_languages() {
        let errors = [
            PageError::BadAddress,
            PageError::BadDay { key: Some("from"), given: "hier".into() },
            PageError::BadDay { key: None, given: String::new() },
            PageError::NoPage { path: "/x".into() },
            PageError::NoMachine { nom: "dem".into(), known: vec!["DEM12".into()] },
            PageError::Method { method: "PUT".into() },
            PageError::Host { name: None },
            PageError::TooLong,
            PageError::TooManyHeaders,
            PageError::Internal,
            PageError::Unreadable { why: "disk I/O error".into() },
        ];
        for error in errors {
            let text = error.text(Language::French);
            let [french, english] = text.lines().collect::<Vec<_>>().try_into().unwrap();
            assert_ne!(french, english);
            assert!(french.ends_with(|last| ".t".contains(last)), "{french}");
            assert_eq!(error.text(Language::English), format!("{english}\n{french}\n"));
            assert!(!error.sentences(Language::French)[0].contains(" :"), "{french}");
        }
    }

    #[test]
    fn a_day_that_is_none_is_repeated_with_the_form_that_it_should_have() {
        let error = PageError::BadDay { key: Some("from"), given: "31/05/2025".into() };
        assert!(error.text(Language::English).starts_with(
            "from: “31/05/2025” is not a date of the calendar. from: expected a date such as 2025-05-28"
        ));
        let error = PageError::BadDay { key: None, given: "2025-02-30".into() };
        assert!(error.text(Language::French).starts_with("«\u{a0}2025-02-30\u{a0}» n'est pas"));
    }
}
