//! The sentence of an anomaly, in French or English, with its figures. Nothing is decided here.

use super::{Finding, FindingCode, Language, Stamp};

/// Hundredths as people write them: at most two decimals, none where they are zero.
pub fn figure(value_e2: i64, language: Language) -> String {
    let sign = if value_e2 < 0 { "-" } else { "" };
    let (whole, cents) = (value_e2.unsigned_abs() / 100, value_e2.unsigned_abs() % 100);
    let point = match language {
        Language::French => ',',
        Language::English => '.',
    };
    match cents {
        0 => format!("{sign}{whole}"),
        _ if cents.is_multiple_of(10) => format!("{sign}{whole}{point}{}", cents / 10),
        _ => format!("{sign}{whole}{point}{cents:02}"),
    }
}

/// `05:08`, as the machine's own clock showed it.
pub fn clock(at: Stamp) -> String {
    at.to_naive().format("%H:%M").to_string()
}

impl Finding {
    /// One sentence without a full stop at its end.
    pub fn text(&self, language: Language) -> String {
        let value = figure(self.value_e2, language);
        let expected = self.expected_e2.map_or_else(String::new, |e2| figure(e2, language));
        let is_less = self.expected_e2.is_some_and(|expected| self.value_e2 < expected);
        let subject = self.subject.as_str();
        let times = self.from.map(clock).unwrap_or_default();
        let period = match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{}–{}", clock(from), clock(to)),
            _ => times.clone(),
        };
        match language {
            Language::French => {
                self.in_french(&value, &expected, is_less, subject, &times, &period)
            }
            Language::English => {
                self.in_english(&value, &expected, is_less, subject, &times, &period)
            }
        }
    }

    fn in_french(
        &self,
        value: &str,
        expected: &str,
        is_less: bool,
        subject: &str,
        at: &str,
        period: &str,
    ) -> String {
        let than_usual = if is_less { "au-dessous" } else { "au-dessus" };
        match self.code {
            FindingCode::StartLineLost => format!(
                "{value} arrêt(s) sans ligne de démarrage (à partir de {at}) : une pièce a été faite entre-temps, l'arrêt n'est pas compté"
            ),
            FindingCode::ClockSteppedBack => format!(
                "L'horloge de la machine a reculé {value} fois (à partir de {at}) : les durées autour sont incertaines"
            ),
            FindingCode::WaitWithoutDuration => format!(
                "{value} attente(s) sans durée lisible (à partir de {at}) : le temps d'attente est incomplet"
            ),
            FindingCode::WaitOutsideProduction => format!(
                "{value} attente(s) avant la première ou après la dernière pièce (à partir de {at}) : non comptées"
            ),
            FindingCode::Overlap => format!(
                "{value} attente(s) en chevauchent une autre ou un arrêt (à partir de {at}) : chaque instant n'est compté qu'une fois"
            ),
            FindingCode::TornLine => {
                format!("{value} ligne(s) coupée(s) dans le fichier LOG (coupure de courant ?)")
            }
            FindingCode::MalformedLines => format!(
                "{value} lignes illisibles dans le fichier LOG : fichier abîmé ou format changé ?"
            ),
            FindingCode::UnknownEvent => format!(
                "Événement inconnu « {subject} », {value} fois : nouveau mot du constructeur ?"
            ),
            FindingCode::DayWithoutPieces => {
                format!("Aucune pièce de la journée, mais {value} événements (à partir de {at})")
            }
            FindingCode::MissingWorkingDay => format!(
                "{value} jour(s) de travail sans fichier LOG ({subject}) : machine arrêtée ou fichier manquant ?"
            ),
            FindingCode::Occupation => {
                format!("Taux d'occupation de {value} %, {than_usual} des {expected} % habituels")
            }
            FindingCode::Rhythm => format!(
                "Cadence de {value} pièces par heure effective, {than_usual} des {expected} habituelles"
            ),
            FindingCode::WaitingShare => {
                format!("Taux d'attente de {value} %, au-dessus des {expected} % habituels")
            }
            FindingCode::StopCount => {
                format!("{value} arrêts, au-dessus des {expected} habituels")
            }
            FindingCode::StopLength => format!(
                "Arrêts de {value} min en moyenne, au-dessus des {expected} min habituelles"
            ),
            FindingCode::LongestSilence => format!(
                "Silence de {value} min ({period}) : ni pièce, ni attente, ni arrêt ; d'habitude {expected} min au plus"
            ),
            FindingCode::RhythmDrop => format!(
                "Cadence tombée à {value} pièces par heure effective ({period}) au lieu de {expected} ce jour-là"
            ),
            FindingCode::StopOfTheMonth => format!(
                "Arrêt de {value} min ({period}), le plus long du mois ; le précédent : {expected} min"
            ),
        }
    }

    fn in_english(
        &self,
        value: &str,
        expected: &str,
        is_less: bool,
        subject: &str,
        at: &str,
        period: &str,
    ) -> String {
        let than_usual = if is_less { "below" } else { "above" };
        match self.code {
            FindingCode::StartLineLost => format!(
                "{value} stop(s) without a start line (from {at}): a piece was made meanwhile, the stop is not counted"
            ),
            FindingCode::ClockSteppedBack => format!(
                "The machine's clock stepped back {value} time(s) (from {at}): durations around are uncertain"
            ),
            FindingCode::WaitWithoutDuration => format!(
                "{value} wait(s) without a readable duration (from {at}): waiting time is incomplete"
            ),
            FindingCode::WaitOutsideProduction => format!(
                "{value} wait(s) before the first or after the last piece (from {at}): not counted"
            ),
            FindingCode::Overlap => format!(
                "{value} wait(s) overlap another one or a stop (from {at}): each moment counts once"
            ),
            FindingCode::TornLine => format!("{value} torn line(s) in the LOG (a power cut?)"),
            FindingCode::MalformedLines => {
                format!("{value} unreadable lines in the LOG: damaged file or changed format?")
            }
            FindingCode::UnknownEvent => {
                format!("Unknown event “{subject}”, {value} time(s): a new word of the maker's?")
            }
            FindingCode::DayWithoutPieces => {
                format!("No piece all day, but {value} events (from {at})")
            }
            FindingCode::MissingWorkingDay => format!(
                "{value} working day(s) without a LOG ({subject}): machine off or file missing?"
            ),
            FindingCode::Occupation => {
                format!("Occupation of {value} %, {than_usual} the usual {expected} %")
            }
            FindingCode::Rhythm => format!(
                "Rhythm of {value} pieces per effective hour, {than_usual} the usual {expected}"
            ),
            FindingCode::WaitingShare => {
                format!("Waiting share of {value} %, above the usual {expected} %")
            }
            FindingCode::StopCount => format!("{value} stops, above the usual {expected}"),
            FindingCode::StopLength => {
                format!("Stops of {value} min on average, above the usual {expected} min")
            }
            FindingCode::LongestSilence => format!(
                "Silence of {value} min ({period}): no piece, wait or stop; usually {expected} min at most"
            ),
            FindingCode::RhythmDrop => format!(
                "Rhythm fell to {value} pieces per effective hour ({period}) instead of that day's {expected}"
            ),
            FindingCode::StopOfTheMonth => format!(
                "Stop of {value} min ({period}), the longest of the month; the one before: {expected} min"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Gravity;
    use super::*;

    #[test]
    fn figures_are_as_short_as_they_can_be() {
        assert_eq!(figure(1200, Language::French), "12");
        assert_eq!(figure(1250, Language::French), "12,5");
        assert_eq!(figure(1205, Language::English), "12.05");
        assert_eq!(figure(-5, Language::English), "-0.05");
    }

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
