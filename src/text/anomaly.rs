//! The sentence of an anomaly, with its figures.

use super::{Noun, Text, clock, date, figure, percent, phrase};
use crate::model::{Anomaly, AnomalyCode, Day, Language};

const STOPS: Noun = Noun::new("arrêt", "arrêts", "stop", "stops");
const WAITS: Noun = Noun::new("attente", "attentes", "wait", "waits");
const EVENTS: Noun = Noun::new("événement", "événements", "event", "events");
const TIMES: Noun = Noun::new("fois", "fois", "time", "times");
const PIECES: Noun = Noun::new("pièce", "pièces", "piece", "pieces");
const TORN_LINES: Noun = Noun::new("ligne coupée", "lignes coupées", "torn line", "torn lines");
const UNREADABLE_LINES: Noun =
    Noun::new("ligne illisible", "lignes illisibles", "unreadable line", "unreadable lines");
const WORKING_DAYS: Noun =
    Noun::new("jour de travail", "jours de travail", "working day", "working days");

impl Anomaly {
    /// One sentence without a full stop at its end.
    #[expect(
        clippy::too_many_lines,
        reason = "one sentence for each code, in one match that the compiler holds complete"
    )]
    pub fn text(&self, language: Language) -> String {
        let counted =
            |noun: Noun| noun.counted(self.value_e2.max(0).unsigned_abs() / 100, language);
        let at = self.from.map(clock).unwrap_or_default();
        match self.code {
            AnomalyCode::StartLineLost => {
                let stops = counted(STOPS);
                phrase!(
                    language,
                    "{stops} sans ligne de démarrage (à partir de {at})\u{202f}: une pièce a suivi, la durée d'arrêt n'est pas comptée",
                    "{stops} without a start line (from {at}): a piece followed, the stop time is not counted",
                )
            }
            AnomalyCode::ClockSteppedBack => {
                let times = counted(TIMES);
                phrase!(
                    language,
                    "L'horloge de la machine a reculé {times} (à partir de {at})\u{202f}: les durées voisines sont incertaines",
                    "The machine's clock went back {times} (from {at}): durations around it are uncertain",
                )
            }
            AnomalyCode::WaitWithoutDuration => {
                let waits = counted(WAITS);
                phrase!(
                    language,
                    "{waits} sans durée lisible (à partir de {at})\u{202f}: le temps d'attente est incomplet",
                    "{waits} without a readable duration (from {at}): the waiting time is incomplete",
                )
            }
            AnomalyCode::WaitOutsideProduction => {
                let waits = counted(WAITS);
                phrase!(
                    language,
                    "{waits} avant la première ou après la dernière pièce (à partir de {at})\u{202f}: temps non compté",
                    "{waits} before the first or after the last piece (from {at}): not counted",
                )
            }
            AnomalyCode::Overlap => {
                let waits = counted(WAITS);
                phrase!(
                    language,
                    "{waits} en chevauchement avec une autre attente ou un arrêt (à partir de {at})\u{202f}: chaque instant n'est compté qu'une fois",
                    "{waits} overlapping another wait or a stop (from {at}): each moment is counted once",
                )
            }
            AnomalyCode::TornLine => {
                let lines = counted(TORN_LINES);
                phrase!(
                    language,
                    "{lines} dans le fichier LOG (coupure de courant\u{202f}?)",
                    "{lines} in the LOG file (power cut?)",
                )
            }
            AnomalyCode::MalformedLines => {
                let lines = counted(UNREADABLE_LINES);
                phrase!(
                    language,
                    "{lines} dans le fichier LOG\u{202f}: fichier abîmé ou format changé\u{202f}?",
                    "{lines} in the LOG file: damaged file or changed format?",
                )
            }
            AnomalyCode::UnknownEvent => {
                let (subject, times) = (self.subject.as_str(), counted(TIMES));
                phrase!(
                    language,
                    "Événement inconnu «\u{a0}{subject}\u{a0}», {times}\u{202f}: nouvel événement du constructeur\u{202f}?",
                    "Unknown event “{subject}”, {times}: new event from the manufacturer?",
                )
            }
            AnomalyCode::DayWithoutPieces => {
                let events = counted(EVENTS);
                phrase!(
                    language,
                    "Aucune pièce de la journée malgré {events} (à partir de {at})",
                    "No piece all day despite {events} (from {at})",
                )
            }
            AnomalyCode::MissingWorkingDay => {
                let (days, subject) = (counted(WORKING_DAYS), self.days(language));
                phrase!(
                    language,
                    "{days} sans fichier LOG ({subject})\u{202f}: machine arrêtée ou fichier manquant\u{202f}?",
                    "{days} without a LOG file ({subject}): machine off or file missing?",
                )
            }
            _ => self.measured(language),
        }
    }

    /// Those that compare a measured value with what the machine usually does.
    fn measured(&self, language: Language) -> String {
        let value = figure(self.value_e2, language);
        let expected = self.expected_e2.map_or_else(String::new, |e2| figure(e2, language));
        let stops = STOPS.measured(self.value_e2, language);
        let pieces = PIECES.measured(self.value_e2, language);
        let (share, usual) = (percent(&value, language), percent(&expected, language));
        let is_less = self.expected_e2.is_some_and(|expected| self.value_e2 < expected);
        let side = match is_less {
            true => Text::new("au-dessous", "below"),
            false => Text::new("au-dessus", "above"),
        };
        let side = side.in_(language);
        let period = match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{}–{}", clock(from), clock(to)),
            (from, _) => from.map(clock).unwrap_or_default(),
        };
        match self.code {
            AnomalyCode::Occupation => phrase!(
                language,
                "Taux d'occupation de {share}, {side} de l'habitude ({usual})",
                "Occupation of {share}, {side} the usual {usual}",
            ),
            AnomalyCode::Rate => phrase!(
                language,
                "Cadence de {pieces} par heure effective, {side} de l'habitude ({expected})",
                "Rate of {pieces} per effective hour, {side} the usual {expected}",
            ),
            AnomalyCode::WaitingShare => phrase!(
                language,
                "Taux d'attente de {share}, au-dessus de l'habitude ({usual})",
                "Waiting share of {share}, above the usual {usual}",
            ),
            AnomalyCode::StopCount => phrase!(
                language,
                "{stops}, au-dessus de l'habitude ({expected})",
                "{stops}, above the usual {expected}",
            ),
            AnomalyCode::StopLength => phrase!(
                language,
                "Arrêts de {value}\u{a0}min en moyenne, au-dessus de l'habitude ({expected}\u{a0}min)",
                "Stops of {value}\u{a0}min on average, above the usual {expected}\u{a0}min",
            ),
            AnomalyCode::LongestSilence => phrase!(
                language,
                "Silence de {value}\u{a0}min ({period})\u{202f}: ni pièce, ni attente, ni arrêt\u{202f}; d'habitude {expected}\u{a0}min au plus",
                "Silence of {value}\u{a0}min ({period}): no piece, wait or stop; usually at most {expected}\u{a0}min",
            ),
            AnomalyCode::RateDrop => phrase!(
                language,
                "Cadence tombée à {pieces} par heure effective ({period}), contre {expected} le reste de la journée",
                "Rate fell to {pieces} per effective hour ({period}), against {expected} during the rest of the day",
            ),
            AnomalyCode::StopOfTheMonth => phrase!(
                language,
                "Arrêt de {value}\u{a0}min ({period}), le plus long du mois\u{202f}; le précédent\u{202f}: {expected}\u{a0}min",
                "Stop of {value}\u{a0}min ({period}), the longest of the month; the previous one: {expected}\u{a0}min",
            ),
            _ => self.against_the_calendar(language),
        }
    }

    /// Those that need a calendar, in minutes of required time.
    fn against_the_calendar(&self, language: Language) -> String {
        let value = figure(self.value_e2, language);
        let expected = self.expected_e2.map_or_else(String::new, |e2| figure(e2, language));
        let from = self.from.map(clock).unwrap_or_default();
        let to = self.to.map(clock).unwrap_or_default();
        let shift = self.subject.as_str();
        match self.code {
            AnomalyCode::LateStart => phrase!(
                language,
                "Première pièce à {to} seulement, après {value}\u{a0}min de temps requis (depuis {from})\u{202f}; d'habitude {expected}\u{a0}min",
                "First piece only at {to}, after {value}\u{a0}min of required time (from {from}); usually {expected}\u{a0}min",
            ),
            AnomalyCode::EarlyEnd => phrase!(
                language,
                "Dernière pièce à {from} déjà, alors qu'il restait {value}\u{a0}min de temps requis (jusqu'à {to})\u{202f}; d'habitude {expected}\u{a0}min",
                "Last piece already at {from}, with {value}\u{a0}min of required time left (until {to}); usually {expected}\u{a0}min",
            ),
            AnomalyCode::StopToTheEnd => phrase!(
                language,
                "Arrêt jusqu'à la fin du poste ({from}–{to})\u{202f}: {value}\u{a0}min de temps requis sans pièce, d'habitude {expected}\u{a0}min\u{202f}; panne, ou machine coupée trop tôt\u{202f}?",
                "Stop to the end of the shift ({from}–{to}): {value}\u{a0}min of required time without a piece, usually {expected}\u{a0}min; breakdown, or switched off early?",
            ),
            AnomalyCode::BreakOverrun => phrase!(
                language,
                "Pause dépassée\u{202f}: première pièce à {to} seulement, {value}\u{a0}min de temps requis après la fin de la pause\u{202f}; d'habitude {expected}\u{a0}min",
                "Break overrun: next piece only at {to}, {value}\u{a0}min of required time after the end of the break; usually {expected}\u{a0}min",
            ),
            _ => phrase!(
                language,
                "Poste «\u{a0}{shift}\u{a0}» ({from}–{to}) sans une seule ligne\u{202f}: {value}\u{a0}min de temps requis",
                "Shift “{shift}” ({from}–{to}) without a single line: {value}\u{a0}min of required time",
            ),
        }
    }

    /// The subject's days as people write them: `04/06/2025 – 05/06/2025`.
    fn days(&self, language: Language) -> String {
        let written = |day: &str| {
            day.parse::<Day>().map_or_else(|_| day.to_owned(), |day| date(day, language))
        };
        self.subject.split(" – ").map(written).collect::<Vec<_>>().join(" – ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Severity, Stamp};

    fn anomaly(code: AnomalyCode) -> Anomaly {
        Anomaly {
            code,
            severity: Severity::Low,
            from: Some(Stamp::from_seconds(5 * 3600)),
            to: Some(Stamp::from_seconds(6 * 3600)),
            value_e2: 4_300,
            expected_e2: Some(9_876),
            subject: "Onderhoud".into(),
        }
    }

    #[test]
    fn every_code_has_a_sentence_in_both_languages_with_its_figures() {
        let mut all = Vec::new();
        for code in AnomalyCode::ALL {
            let french = anomaly(code).text(Language::French);
            let english = anomaly(code).text(Language::English);
            assert!(french.contains("43") && english.contains("43"), "{french} / {english}");
            assert_ne!(french, english);
            for bad in [" :", " ;", " ?", " %", " min", "(s)"] {
                assert!(!french.contains(bad), "{bad:?} in {french}");
            }
            assert!(!english.contains("(s)") && !english.contains('\u{202f}'), "{english}");
            assert_eq!(AnomalyCode::from_word(code.as_str()), Some(code));
            all.push(french);
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), AnomalyCode::ALL.len(), "no two codes share a sentence");
    }

    #[test]
    fn one_is_singular_and_days_are_dates_of_the_language() {
        let one = Anomaly { value_e2: 100, ..anomaly(AnomalyCode::StartLineLost) };
        assert!(one.text(Language::French).starts_with("1 arrêt sans"));
        assert!(one.text(Language::English).starts_with("1 stop without"));
        let days = Anomaly {
            subject: "2025-06-04 – 2025-06-05".into(),
            ..anomaly(AnomalyCode::MissingWorkingDay)
        };
        assert!(days.text(Language::French).contains("(04/06/2025 – 05/06/2025)"));
        assert!(days.text(Language::English).contains("(2025-06-04 – 2025-06-05)"));
    }
}
