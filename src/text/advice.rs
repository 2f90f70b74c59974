//! The sentence of an advice: what it is, what it wins, and how that was computed.

use super::{figure, phrase};
use crate::model::{Advice, AdviceCode, Language};

impl Advice {
    /// One sentence without a full stop at its end.
    pub fn text(&self, language: Language) -> String {
        let minutes = |ms: i64| figure((ms + 30_000) / 60_000 * 100, language);
        let cost = minutes(self.cost_ms);
        let won = minutes(self.won_ms);
        let usual = minutes(self.usual_ms);
        let Self { count, saved, subject, .. } = self;
        match self.code {
            AdviceCode::GroupProfile => phrase!(
                language,
                "{count} changements de profil ont coûté {cost} min ; regrouper {subject} en éviterait {saved}, soit environ {won} min \
                 (de la dernière pièce d'un profil à la première du suivant, moins les arrêts et le temps moyen d'une pièce à l'autre ; {cost} min / {count} × {saved})",
                "{count} profile changes cost {cost} min; grouping {subject} would save {saved} of them, about {won} min \
                 (last piece of one profile to first of the next, less stops and the average time from piece to piece; {cost} min / {count} × {saved})",
            ),
            AdviceCode::WaitsOfProfile => phrase!(
                language,
                "{count} attentes sur {subject} : {cost} min ; au taux des autres profils ce serait {usual} min, à gagner environ {won} min \
                 (attente par heure de production effective, ce profil contre les autres)",
                "{count} waits on {subject}: {cost} min; at the other profiles' rate it would be {usual} min, about {won} min to be won \
                 (waiting per hour of effective production, this profile against the others)",
            ),
            AdviceCode::MicroStops => phrase!(
                language,
                "{count} micro-arrêts (moins d'une minute) : {cost} min ; les meilleurs jours {usual} min, à gagner environ {won} min \
                 (premier quartile des derniers jours comparables)",
                "{count} micro stops (below a minute): {cost} min; {usual} min on better days, about {won} min to be won \
                 (lower quartile of the last comparable days)",
            ),
            AdviceCode::ShortStops => phrase!(
                language,
                "{count} arrêts courts (1 à 15 min) : {cost} min ; les meilleurs jours {usual} min, à gagner environ {won} min \
                 (premier quartile des derniers jours comparables)",
                "{count} short stops (1 to 15 min): {cost} min; {usual} min on better days, about {won} min to be won \
                 (lower quartile of the last comparable days)",
            ),
            AdviceCode::LongStops => phrase!(
                language,
                "{count} arrêts longs (15 min et plus) : {cost} min ; les meilleurs jours {usual} min, à gagner environ {won} min \
                 (premier quartile des derniers jours comparables)",
                "{count} long stops (15 min and more): {cost} min; {usual} min on better days, about {won} min to be won \
                 (lower quartile of the last comparable days)",
            ),
            AdviceCode::StartOfShift => phrase!(
                language,
                "Début de poste : {cost} min du démarrage à la première pièce ; les meilleurs jours {usual} min, à gagner environ {won} min \
                 (premier quartile des derniers jours comparables)",
                "Start of shift: {cost} min from start to first piece; {usual} min on better days, about {won} min to be won \
                 (lower quartile of the last comparable days)",
            ),
            AdviceCode::EndOfShift => phrase!(
                language,
                "Fin de poste : {cost} min de la dernière pièce à l'arrêt ; les meilleurs jours {usual} min, à gagner environ {won} min \
                 (premier quartile des derniers jours comparables)",
                "End of shift: {cost} min from last piece to stop; {usual} min on better days, about {won} min to be won \
                 (lower quartile of the last comparable days)",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advice_says_what_is_won_in_both_languages() {
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
                assert!(text.contains("64 min") && text.contains("38 min"), "{text}");
            }
        }
    }
}
