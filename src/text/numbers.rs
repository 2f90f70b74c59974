//! Sentences with numbers drawn over: plurals, thousands and spaces as each language writes them.

use std::time::Duration;

use super::{Noun, days_and_hours, percent, span};
use crate::model::{
    Advice, AdviceCode, Anomaly, AnomalyCode, Language, LossKind, Severity, Stamp, Trouble,
    TroubleKey, TroubleKind,
};

const COUNTS: [u32; 7] = [0, 1, 2, 3, 21, 1000, 1_234_567];

/// Every sentence that counts something, with `count` in it.
fn sentences(count: u32, language: Language) -> Vec<String> {
    let e2 = i64::from(count) * 100;
    let mut all = Vec::new();
    for code in AnomalyCode::ALL {
        let anomaly = Anomaly {
            code,
            severity: Severity::Low,
            from: Some(Stamp::from_seconds(5 * 3600)),
            to: Some(Stamp::from_seconds(6 * 3600)),
            value_e2: e2,
            expected_e2: Some(e2 + 100),
            subject: "2025-06-04".into(),
        };
        all.push(anomaly.text(language));
    }
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
        let minutes = i64::from(count) * 10;
        let advice = Advice {
            code,
            won_e1: minutes,
            cost_e1: minutes,
            usual_e1: minutes,
            count,
            saved: count,
            subject: "Z12/654".into(),
        };
        all.push(advice.text(language));
    }
    let key = TroubleKey {
        source: "cu".into(),
        folder: "DEM12".into(),
        file: "a.LOG".into(),
        kind: TroubleKind::NoLineRead,
    };
    all.push(Trouble { key, detail: format!("{count} lines"), since: None }.text(language));
    let time = Duration::from_secs(u64::from(count) * 86_400);
    all.push(days_and_hours(time, language));
    // No day has more.
    all.push(span(i64::from(count.min(1000)) * 60_000));
    all.push(percent(&super::figure(e2, language), language));
    let noun = Noun::new("arrêt", "arrêts", "stop", "stops");
    all.push(noun.counted(count.into(), language));
    all.push(noun.measured(e2, language));
    all
}

/// What sentences count, in the singular.
const COUNTED: [&str; 16] = [
    "arrêt",
    "micro-arrêt",
    "attente",
    "événement",
    "ligne",
    "jour",
    "pièce",
    "changement",
    "stop",
    "micro-stop",
    "wait",
    "event",
    "line",
    "day",
    "piece",
    "change",
];

/// What a native speaker would not write.
fn faults(sentence: &str, language: Language) -> Vec<String> {
    let mut faults = Vec::new();
    let words: Vec<&str> = sentence.split([' ', '\u{a0}', '(', ')']).collect();
    for (at, word) in words.iter().enumerate() {
        let digits: String = word.chars().filter(|c| !"\u{202f},".contains(*c)).collect();
        let Ok(number) = digits.parse::<u64>() else { continue };
        let is_one = match language {
            Language::French => number < 2,
            Language::English => number == 1,
        };
        // Adjectives stand between in English.
        let noun = words[at + 1..].iter().take(2).find_map(|word| {
            let word = word.trim_end_matches([',', ':', ';', '\u{202f}']);
            let one = COUNTED.iter().find(|one| word.strip_suffix('s').unwrap_or(word) == **one)?;
            Some((word, word != *one))
        });
        if let Some((noun, is_plural)) = noun
            && is_one == is_plural
        {
            faults.push(format!("{number} {noun}"));
        }
    }
    for (at, c) in sentence.char_indices().filter(|(_, c)| ":;?!%".contains(*c)) {
        let before = sentence[..at].chars().next_back().unwrap_or('x');
        let is_clock = c == ':' && before.is_ascii_digit();
        let is_right = match (language, c) {
            (Language::French, '%') => before == '\u{a0}',
            (Language::French, _) => before == '\u{202f}' || is_clock,
            (Language::English, _) => !before.is_whitespace(),
        };
        if !is_right {
            faults.push(format!("{before:?} before {c}"));
        }
    }
    let digits = sentence.split(|c: char| !c.is_ascii_digit());
    // A date of English has four digits of a year.
    let without_dates = |number: &&str| number.len() > 3 && *number != "2025";
    faults.extend(digits.filter(without_dates).map(|number| format!("no thousands: {number}")));
    for bad in ["(s)", "0 min", "1 min", " %", "  "] {
        if sentence.contains(bad) {
            faults.push(format!("{bad:?}"));
        }
    }
    faults
}

#[test]
fn whatever_the_numbers_are_a_sentence_is_written_as_its_language_writes_it() {
    let mut found = Vec::new();
    for language in [Language::French, Language::English] {
        for count in COUNTS {
            for sentence in sentences(count, language) {
                let faults = faults(&sentence, language);
                if !faults.is_empty() {
                    found.push(format!("{sentence}\n    {}", faults.join(", ")));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_rules_find_what_nobody_would_write() {
    for (bad, language) in [
        ("1 arrêts", Language::French),
        ("0 arrêts", Language::French),
        ("2 arrêt", Language::French),
        ("2 stop", Language::English),
        ("0 stop", Language::English),
        ("1 stops (from 05:00)", Language::English),
        ("1000 stops", Language::English),
        ("fin : 5", Language::French),
        ("5%", Language::French),
        ("end : 5", Language::English),
        ("2 stop(s)", Language::English),
    ] {
        assert!(!faults(bad, language).is_empty(), "{bad}");
    }
}
