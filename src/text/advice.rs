//! The sentence of an advice: what it is, what it could save, and how that was computed.

use super::{figure, phrase};
use crate::model::{Advice, AdviceCode, Language};

impl Advice {
    /// One sentence without a full stop at its end.
    pub fn text(&self, language: Language) -> String {
        let minutes = |ms: i64| figure((ms + 30_000) / 60_000 * 100, language) + "\u{a0}min";
        let (cost, won) = (minutes(self.cost_ms), minutes(self.won_ms));
        let usual = minutes(self.usual_ms);
        let Self { count, saved, subject, .. } = self;
        let what = match self.code {
            AdviceCode::GroupProfile => {
                return phrase!(
                    language,
                    "{count} changements de profil ont coûté {cost}\u{202f}; regrouper {subject} en éviterait {saved} et ferait gagner environ {won} \
                     (de la dernière pièce d'un profil à la première du suivant, moins les arrêts et le cycle moyen\u{202f}; {cost} / {count} × {saved})",
                    "{count} profile changes cost {cost}; grouping {subject} would avoid {saved} of them and could save about {won} \
                     (from the last piece of a profile to the first of the next, minus stops and the average cycle; {cost} / {count} × {saved})",
                );
            }
            AdviceCode::WaitsOfProfile => {
                return phrase!(
                    language,
                    "{count} attentes sur {subject}\u{202f}: {cost}\u{202f}; au taux des autres profils ce serait {usual}, gain possible\u{202f}: environ {won} \
                     (attente par heure de production effective, ce profil contre les autres)",
                    "{count} waits on {subject}: {cost}; at the other profiles' rate it would be {usual}, which could save about {won} \
                     (waiting time per hour of effective production, this profile against the others)",
                );
            }
            AdviceCode::MicroStops => phrase!(
                language,
                "{count} micro-arrêts (moins de 1\u{a0}min)\u{202f}: {cost}",
                "{count} micro-stops (under 1\u{a0}min): {cost}",
            ),
            AdviceCode::ShortStops => phrase!(
                language,
                "{count} arrêts courts (1 à 15\u{a0}min)\u{202f}: {cost}",
                "{count} short stops (1 to 15\u{a0}min): {cost}",
            ),
            AdviceCode::LongStops => phrase!(
                language,
                "{count} arrêts longs (15\u{a0}min ou plus)\u{202f}: {cost}",
                "{count} long stops (15\u{a0}min or more): {cost}",
            ),
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
        };
        phrase!(
            language,
            "{what}\u{202f}; les meilleurs jours {usual}, gain possible\u{202f}: environ {won} (premier quartile des derniers jours comparables)",
            "{what}; {usual} on better days, could save about {won} (first quartile of the last comparable days)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            let advice = Advice {
                code,
                won_ms: 38 * 60_000,
                cost_ms: 64 * 60_000,
                usual_ms: 26 * 60_000,
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
