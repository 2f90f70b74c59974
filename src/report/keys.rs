//! What is written large on top of a page: pieces, TRS with its factors and lost time, each with what it was in
//! the period before.

use maud::{Markup, html};

use super::{
    Report, Scope,
    facts::Totals,
    words::{signed_part, signed_points, signed_span},
};
use crate::{
    model::Rates,
    text::{count, percent, phrase, span, two_decimals},
};

/// Milliseconds in a tenth of a minute, in which losses are counted.
const E1_MS: i64 = 6_000;

struct Key {
    class: &'static str,
    sign: &'static str,
    name: &'static str,
    value: String,
    /// What it was, and how it differs.
    before: Option<(String, String)>,
}

/// The figures of a machine or of all of them.
pub(super) fn keys(report: &Report, scope: &Scope) -> Markup {
    let shown =
        [pieces(report, scope)].into_iter().chain(rates(report, scope)).chain(lost(report, scope));
    let with = report.compared_with();
    html! {
        dl.keys {
            @for key in shown {
                div class=[(!key.class.is_empty()).then_some(key.class)] {
                    dt {
                        @if !key.sign.is_empty() { span.sign aria-hidden="true" { (key.sign) } }
                        (key.name)
                    }
                    dd {
                        b { (key.value) }
                        @if let Some((before, by)) = key.before {
                            span.by { (by) }
                            span.was title=(with) { (phrase!(report.language, "avant\u{202f}: {before}", "was {before}")) }
                        }
                    }
                }
            }
        }
    }
}

/// What the figures are compared with, as a sentence.
pub(super) fn comparison(report: &Report, scope: &Scope) -> String {
    let language = report.language;
    let with = report.compared_with();
    let Some(compared) = &scope.compared else {
        if scope.running.is_some() {
            return report
                .say("Jour en cours\u{202f}: comparé à rien.", "The day is running: not compared.")
                .to_owned();
        }
        return phrase!(
            language,
            "Sans comparaison\u{202f}: rien de connu ({with}).",
            "No comparison: nothing is known ({with}).",
        );
    };
    if compared.until >= report.period.to {
        return phrase!(language, "Avant\u{202f}: {with}.", "Before: {with}.");
    }
    let until = crate::text::date_with_weekday(compared.until, language);
    phrase!(
        language,
        "Avant\u{202f}: {with}, mêmes jours\u{202f}; comparaison jusqu'au {until}, dernier jour entier.",
        "Before: {with}, same days; compared up to {until}, the last whole day.",
    )
}

fn pieces(report: &Report, scope: &Scope) -> Key {
    let language = report.language;
    let before = scope.compared.as_ref().and_then(|compared| {
        let by = signed_part(compared.now.pieces, compared.before.pieces, language)?;
        Some((count(compared.before.pieces, language), by))
    });
    Key {
        class: "pieces",
        sign: "",
        name: report.say("Pièces", "Pieces"),
        value: count(scope.totals.pieces, language),
        before,
    }
}

fn rates(report: &Report, scope: &Scope) -> Vec<Key> {
    let language = report.language;
    let Some(now) = scope.totals.rates() else { return Vec::new() };
    let of = |rate: Option<i64>| match rate {
        Some(e2) => percent(&two_decimals(e2, language), language),
        None => "–".to_owned(),
    };
    let compared = |rate: fn(&Rates) -> Option<i64>| {
        let compared = scope.compared.as_ref()?;
        let old = rate(&compared.before.rates()?)?;
        let by = signed_points(rate(&compared.now.rates()?)? - old, language);
        Some((of(Some(old)), phrase!(language, "{by}\u{a0}pt", "{by}\u{a0}pt")))
    };
    let key = |class, sign, name, rate: fn(&Rates) -> Option<i64>| Key {
        class,
        sign,
        name,
        value: of(rate(&now)),
        before: compared(rate),
    };
    vec![
        key("trs", "", report.say("TRS", "TRS (OEE)"), |rates| rates.trs_e2),
        key("", "=", report.say("Disponibilité", "Availability"), |rates| rates.availability_e2),
        key("", "×", report.say("Performance", "Performance"), |rates| rates.performance_e2),
        key("", "×", report.say("Qualité", "Quality"), |rates| rates.quality_e2),
    ]
}

fn lost(report: &Report, scope: &Scope) -> Option<Key> {
    let lost_ms = |totals: &Totals| {
        totals.planned.as_ref().map(|planned| planned.losses.minutes_e1.lost() * E1_MS)
    };
    let value = lost_ms(&scope.totals)?;
    let before = scope.compared.as_ref().and_then(|compared| {
        let old = lost_ms(&compared.before)?;
        Some((span(old), signed_span(lost_ms(&compared.now)? - old)))
    });
    Some(Key {
        class: "apart",
        sign: "",
        name: report.say("Temps perdu", "Lost time"),
        value: span(value),
        before,
    })
}
