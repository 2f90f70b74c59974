//! The sentence of an anomaly, with its figures.

use super::{Text, clock, figure, phrase};
use crate::model::{Finding, FindingCode, Language};

impl Finding {
    /// One sentence without a full stop at its end.
    pub fn text(&self, language: Language) -> String {
        let value = figure(self.value_e2, language);
        let expected = self.expected_e2.map_or_else(String::new, |e2| figure(e2, language));
        let is_less = self.expected_e2.is_some_and(|expected| self.value_e2 < expected);
        let side = match is_less {
            true => Text::new("au-dessous", "below"),
            false => Text::new("au-dessus", "above"),
        };
        let side = side.in_(language);
        let subject = self.subject.as_str();
        let at = self.from.map(clock).unwrap_or_default();
        let period = match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{}–{}", clock(from), clock(to)),
            _ => at.clone(),
        };
        match self.code {
            FindingCode::StartLineLost => phrase!(
                language,
                "{value} arrêt(s) sans ligne de démarrage (à partir de {at}) : une pièce a été faite entre-temps, l'arrêt n'est pas compté",
                "{value} stop(s) without a start line (from {at}): a piece was made meanwhile, the stop is not counted",
            ),
            FindingCode::ClockSteppedBack => phrase!(
                language,
                "L'horloge de la machine a reculé {value} fois (à partir de {at}) : les durées autour sont incertaines",
                "The machine's clock stepped back {value} time(s) (from {at}): durations around are uncertain",
            ),
            FindingCode::WaitWithoutDuration => phrase!(
                language,
                "{value} attente(s) sans durée lisible (à partir de {at}) : le temps d'attente est incomplet",
                "{value} wait(s) without a readable duration (from {at}): waiting time is incomplete",
            ),
            FindingCode::WaitOutsideProduction => phrase!(
                language,
                "{value} attente(s) avant la première ou après la dernière pièce (à partir de {at}) : non comptées",
                "{value} wait(s) before the first or after the last piece (from {at}): not counted",
            ),
            FindingCode::Overlap => phrase!(
                language,
                "{value} attente(s) en chevauchent une autre ou un arrêt (à partir de {at}) : chaque instant n'est compté qu'une fois",
                "{value} wait(s) overlap another one or a stop (from {at}): each moment counts once",
            ),
            FindingCode::TornLine => phrase!(
                language,
                "{value} ligne(s) coupée(s) dans le fichier LOG (coupure de courant ?)",
                "{value} torn line(s) in the LOG (a power cut?)",
            ),
            FindingCode::MalformedLines => phrase!(
                language,
                "{value} lignes illisibles dans le fichier LOG : fichier abîmé ou format changé ?",
                "{value} unreadable lines in the LOG: damaged file or changed format?",
            ),
            FindingCode::UnknownEvent => phrase!(
                language,
                "Événement inconnu « {subject} », {value} fois : nouveau mot du constructeur ?",
                "Unknown event “{subject}”, {value} time(s): a new word of the maker's?",
            ),
            FindingCode::DayWithoutPieces => phrase!(
                language,
                "Aucune pièce de la journée, mais {value} événements (à partir de {at})",
                "No piece all day, but {value} events (from {at})",
            ),
            FindingCode::MissingWorkingDay => phrase!(
                language,
                "{value} jour(s) de travail sans fichier LOG ({subject}) : machine arrêtée ou fichier manquant ?",
                "{value} working day(s) without a LOG ({subject}): machine off or file missing?",
            ),
            FindingCode::Occupation => phrase!(
                language,
                "Taux d'occupation de {value} %, {side} des {expected} % habituels",
                "Occupation of {value} %, {side} the usual {expected} %",
            ),
            FindingCode::Rhythm => phrase!(
                language,
                "Cadence de {value} pièces par heure effective, {side} des {expected} habituelles",
                "Rhythm of {value} pieces per effective hour, {side} the usual {expected}",
            ),
            FindingCode::WaitingShare => phrase!(
                language,
                "Taux d'attente de {value} %, au-dessus des {expected} % habituels",
                "Waiting share of {value} %, above the usual {expected} %",
            ),
            FindingCode::StopCount => phrase!(
                language,
                "{value} arrêts, au-dessus des {expected} habituels",
                "{value} stops, above the usual {expected}",
            ),
            FindingCode::StopLength => phrase!(
                language,
                "Arrêts de {value} min en moyenne, au-dessus des {expected} min habituelles",
                "Stops of {value} min on average, above the usual {expected} min",
            ),
            FindingCode::LongestSilence => phrase!(
                language,
                "Silence de {value} min ({period}) : ni pièce, ni attente, ni arrêt ; d'habitude {expected} min au plus",
                "Silence of {value} min ({period}): no piece, wait or stop; usually {expected} min at most",
            ),
            FindingCode::RhythmDrop => phrase!(
                language,
                "Cadence tombée à {value} pièces par heure effective ({period}) au lieu de {expected} ce jour-là",
                "Rhythm fell to {value} pieces per effective hour ({period}) instead of that day's {expected}",
            ),
            FindingCode::StopOfTheMonth => phrase!(
                language,
                "Arrêt de {value} min ({period}), le plus long du mois ; le précédent : {expected} min",
                "Stop of {value} min ({period}), the longest of the month; the one before: {expected} min",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Gravity, Stamp};

    #[test]
    fn every_code_has_a_sentence_in_both_languages_with_its_figures() {
        for code in FindingCode::ALL {
            let finding = Finding {
                code,
                gravity: Gravity::Low,
                from: Some(Stamp::from_seconds(5 * 3600)),
                to: Some(Stamp::from_seconds(6 * 3600)),
                value_e2: 4_321,
                expected_e2: Some(9_876),
                subject: "Onderhoud".into(),
            };
            let french = finding.text(Language::French);
            let english = finding.text(Language::English);
            assert!(french.contains("43,21"), "{french}");
            assert!(english.contains("43.21"), "{english}");
            assert_ne!(french, english);
            assert_eq!(FindingCode::from_word(code.as_str()), Some(code));
        }
    }
}
