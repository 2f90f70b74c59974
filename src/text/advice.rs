//! The sentence of an advice: what it is, what it could save, and how that was computed.

use super::{Noun, count as text_count, figure, phrase};
use crate::model::{Advice, AdviceCode, Language};

const CHANGES_COST: Noun = Noun::new(
    "changement de profil a coûté",
    "changements de profil ont coûté",
    "profile change cost",
    "profile changes cost",
);
const WAITS: Noun = Noun::new("attente", "attentes", "wait", "waits");
const MICRO_STOPS: Noun = Noun::new("micro-arrêt", "micro-arrêts", "micro-stop", "micro-stops");
const SHORT_STOPS: Noun = Noun::new("arrêt court", "arrêts courts", "short stop", "short stops");
const LONG_STOPS: Noun = Noun::new("arrêt long", "arrêts longs", "long stop", "long stops");

impl Advice {
    /// One sentence without a full stop at its end.
    #[expect(
        clippy::too_many_lines,
        reason = "one sentence for each code, in one match that the compiler holds complete"
    )]
    pub fn text(&self, language: Language) -> String {
        // As they are, so that the sentence's arithmetic adds up.
        let minutes = |tenths: i64| figure(tenths * 10, language) + "\u{a0}min";
        let (cost, won) = (minutes(self.cost_e1), minutes(self.won_e1));
        let usual = minutes(self.usual_e1);
        let (count, saved) = (self.count.into(), self.saved.into());
        let subject = self.subject.as_str();
        let counted = |noun: Noun| noun.counted(count, language);
        let number = text_count(count, language);
        let what = match self.code {
            AdviceCode::GroupProfile => {
                let (changes, saved) = (counted(CHANGES_COST), text_count(saved, language));
                return phrase!(
                    language,
                    "{changes} {cost}\u{202f}; regrouper {subject} en éviterait {saved} et ferait gagner {won} \
                     (de la dernière pièce d'un profil à la première du suivant, moins les arrêts et le cycle moyen\u{202f}; {cost} / {number} × {saved})",
                    "{changes} {cost}; grouping {subject} would avoid {saved} of them and could save {won} \
                     (from the last piece of a profile to the first of the next, minus stops and the average cycle; {cost} / {number} × {saved})",
                );
            }
            AdviceCode::WaitsOfProfile => {
                let waits = counted(WAITS);
                return phrase!(
                    language,
                    "{waits} sur {subject}\u{202f}: {cost}\u{202f}; au taux des autres profils ce serait {usual}, gain possible\u{202f}: {won} \
                     (attente par heure de production effective, ce profil contre les autres)",
                    "{waits} on {subject}: {cost}; at the other profiles' rate it would be {usual}, which could save {won} \
                     (waiting time per hour of effective production, this profile against the others)",
                );
            }
            AdviceCode::MicroStops => {
                let stops = counted(MICRO_STOPS);
                phrase!(
                    language,
                    "{stops} (moins de 1\u{a0}min)\u{202f}: {cost}",
                    "{stops} (under 1\u{a0}min): {cost}",
                )
            }
            AdviceCode::ShortStops => {
                let stops = counted(SHORT_STOPS);
                phrase!(
                    language,
                    "{stops} (1 à 15\u{a0}min)\u{202f}: {cost}",
                    "{stops} (1 to 15\u{a0}min): {cost}",
                )
            }
            AdviceCode::LongStops => {
                let stops = counted(LONG_STOPS);
                phrase!(
                    language,
                    "{stops} (15\u{a0}min ou plus)\u{202f}: {cost}",
                    "{stops} (15\u{a0}min or more): {cost}",
                )
            }
            AdviceCode::StartOfShift => phrase!(
                language,
                "Début de poste\u{202f}: {cost} du démarrage à la première pièce",
                "Start of shift: {cost} from machine start to first piece",
            ),
            AdviceCode::EndOfShift => phrase!(
                language,
                "Fin de poste\u{202f}: {cost} de la dernière pièce à l'arrêt",
                "End of shift: {cost} from last piece to machine stop",
            ),
            AdviceCode::Loss(kind) => {
                let loss = kind.text(language);
                return phrase!(
                    language,
                    "{loss}\u{202f}: {cost} de temps requis\u{202f}; les meilleurs jours {usual}, gain possible\u{202f}: {won} \
                     (premier quartile des derniers jours comparables, ramené au temps requis de ce jour)",
                    "{loss}: {cost} of required time; {usual} on better days, could save {won} \
                     (first quartile of the last comparable days, scaled to this day's required time)",
                );
            }
        };
        phrase!(
            language,
            "{what}\u{202f}; les meilleurs jours {usual}, gain possible\u{202f}: {won} (premier quartile des derniers jours comparables)",
            "{what}; {usual} on better days, could save {won} (first quartile of the last comparable days)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LossKind;

    #[test]
    fn every_advice_says_what_it_could_save_in_both_languages() {
        for code in [
            AdviceCode::GroupProfile,
            AdviceCode::WaitsOfProfile,
            AdviceCode::MicroStops,
            AdviceCode::ShortStops,
            AdviceCode::LongStops,
            AdviceCode::StartOfShift,
            AdviceCode::EndOfShift,
            AdviceCode::Loss(LossKind::LateStart),
        ] {
            let advice = Advice {
                code,
                won_e1: 380,
                cost_e1: 640,
                usual_e1: 260,
                count: 17,
                saved: 10,
                subject: "6112/654".into(),
            };
            for language in [Language::French, Language::English] {
                let text = advice.text(language);
                assert!(text.contains("64\u{a0}min") && text.contains("38\u{a0}min"), "{text}");
                assert!(!text.contains(" :") && !text.contains(" ;"), "{text}");
            }
        }
    }
}
