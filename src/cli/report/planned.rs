//! Planned time and material as rows of a report for programs, under the names of central's columns: the same
//! fields as JSON and as CSV.

use serde_json::{Value, json};

use super::super::sessions::decimal;
use crate::{
    analyse::Patterns,
    model::{Day, LossKind, Shares, Stamp, hours_e4},
    report::{Line, Span},
    status::csv_text,
};

/// Which lines of a report are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lines {
    Shifts,
    Days,
    Weeks,
    Period,
}

impl Lines {
    pub(super) fn hold(self, line: &Line) -> bool {
        match line.span {
            Span::Shift { .. } => self == Self::Shifts,
            Span::Day(_) => self == Self::Days,
            Span::Week(..) => self == Self::Weeks,
            Span::Period => self == Self::Period,
        }
    }
}

/// A row's fields in the order of the columns.
pub(super) type Fields = Vec<(&'static str, Value)>;

fn shown(at: Stamp) -> Value {
    json!(at.to_naive().format("%Y-%m-%d %H:%M:%S").to_string())
}

fn number(digits: Option<i64>, decimals: u32) -> Value {
    digits.map_or(Value::Null, |digits| json!(decimal(digits, decimals)))
}

/// What a line is of, and how far it is known.
fn head(nom: &str, line: &Line) -> Fields {
    let jusqua = if line.is_over { Value::Null } else { shown(line.known_until) };
    let mut fields = vec![("machine", json!(nom))];
    match &line.span {
        Span::Shift { day, number, name, planned_from, planned_to } => fields.extend([
            ("date_production", json!(day.to_string())),
            ("numero", json!(number)),
            ("poste", json!(name)),
            ("debut_poste", shown(*planned_from)),
            ("fin_poste", shown(*planned_to)),
        ]),
        Span::Day(day) => fields.extend([
            ("date_production", json!(day.to_string())),
            // Of a day of which nothing is planned nobody asks how far it is known.
            ("connu_jusqua", if line.parts > 0 { shown(line.known_until) } else { Value::Null }),
        ]),
        Span::Week(year, week) => fields.push(("semaine", json!(format!("{year}-W{week:02}")))),
        Span::Period => {}
    }
    fields.extend([("en_cours", json!(line.is_running)), ("jusqua", jusqua)]);
    if let Some(outside) = line.pieces_outside {
        fields.extend([("postes", json!(line.parts)), ("pieces_hors_requis", json!(outside))]);
    }
    fields
}

pub(super) fn fields(nom: &str, line: &Line) -> Fields {
    let (times, rates) = (&line.times, &line.rates);
    let mut fields = head(nom, line);
    let of = [
        ("ouverture_ms", "temps_ouverture", times.opening_ms),
        ("requis_ms", "temps_requis", times.required_ms),
        ("fonctionnement_ms", "temps_fonctionnement", times.running_ms),
        ("arret_ms", "temps_arret", times.stop_ms),
        ("attente_ms", "temps_attente", times.wait_ms),
        ("demarrage_ms", "temps_demarrage", times.start_ms),
        ("fin_ms", "temps_fin", times.end_ms),
    ];
    fields.extend(of.map(|(ms_name, _, ms)| (ms_name, json!(ms))));
    fields.extend(of.map(|(_, name, ms)| (name, number(Some(hours_e4(ms)), 4))));
    fields.extend([
        ("pieces", json!(times.pieces)),
        ("pieces_rebut", json!(times.rejects)),
        ("cadence_nominale", json!(line.nominal_per_hour)),
        ("temps_net", number(times.net_e4(), 4)),
        ("temps_utile", number(times.useful_e4(), 4)),
        ("taux_do", number(rates.availability_e2, 2)),
        ("taux_tp", number(rates.performance_e2, 2)),
        ("taux_tq", number(rates.quality_e2, 2)),
        ("trs", number(rates.trs_e2, 2)),
        ("trg", number(rates.trg_e2, 2)),
        ("tre", number(rates.tre_e2, 2)),
    ]);
    let losses = &line.losses;
    let minutes = |of: &dyn Fn(&Shares) -> i64| number(Some(of(&losses.minutes_e1)), 1);
    let told = losses.ranking();
    fields.extend([
        ("requis_min", minutes(&|shares| shares.required)),
        ("utile_min", minutes(&|shares| shares.useful)),
        ("plus_vite_min", minutes(&Shares::above_nominal)),
        ("pertes_min", minutes(&Shares::lost)),
    ]);
    fields.extend(LossKind::ALL.map(|kind| {
        let is_told = told.contains(&kind);
        let lost = is_told.then(|| losses.minutes_e1.lost_to(kind));
        (names(kind).0, number(lost, 1))
    }));
    fields.push(("pertes_eur", number(losses.cents.map(|cents| cents.lost()), 2)));
    fields.extend(LossKind::ALL.map(|kind| {
        let cents = losses.cents.filter(|_| told.contains(&kind));
        (names(kind).1, number(cents.map(|cents| cents.lost_to(kind)), 2))
    }));
    let codes: Vec<&str> = told.into_iter().map(code).collect();
    fields.push(("classement", json!(codes.join(" "))));
    fields
}

fn names(kind: LossKind) -> (&'static str, &'static str) {
    match kind {
        LossKind::Stops => ("perte_arret_min", "perte_arret_eur"),
        LossKind::Waits => ("perte_attente_min", "perte_attente_eur"),
        LossKind::LateStart => ("perte_demarrage_min", "perte_demarrage_eur"),
        LossKind::EarlyEnd => ("perte_fin_min", "perte_fin_eur"),
        LossKind::Rate => ("perte_cadence_min", "perte_cadence_eur"),
        LossKind::Rejects => ("perte_rebut_min", "perte_rebut_eur"),
    }
}

fn code(kind: LossKind) -> &'static str {
    let name = names(kind).0;
    name.strip_prefix("perte_").and_then(|name| name.strip_suffix("_min")).unwrap_or(name)
}

/// Bars, metres and pieces of a day by reference and colour; pieces before the first job have neither.
pub(super) fn material(nom: &str, day: Day, patterns: &Patterns) -> Vec<Fields> {
    let others = (patterns.other_profiles != crate::analyse::OfProfile::default())
        .then_some((None, &patterns.other_profiles));
    let known = patterns.profiles.iter().map(|(profile, of)| (profile.as_ref(), of));
    known
        .chain(others)
        .map(|(profile, of)| {
            vec![
                ("machine", json!(nom)),
                ("date_production", json!(day.to_string())),
                ("reference", json!(profile.map(|profile| profile.reference.as_str()))),
                ("couleur", json!(profile.map(|profile| profile.colour.as_str()))),
                ("barres", json!(of.bars)),
                ("metres", number(Some(of.length_e2), 5)),
                ("pieces", json!(of.pieces)),
            ]
        })
        .collect()
}

/// As one object of JSON, its keys in the order of the columns.
pub(super) fn object(fields: &Fields) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// As one line of CSV.
pub(super) fn csv_line(fields: &Fields) -> String {
    let cell = |(name, value): &(&str, Value)| match value {
        Value::Null => String::new(),
        // Digits that are no text from outside, and may have a sign.
        Value::String(text) if is_number(text) => text.clone(),
        Value::String(text) => csv_text(text),
        Value::Bool(is) => if *is { "oui" } else { "non" }.to_owned(),
        other => {
            debug_assert!(other.is_number(), "{name} is a plain value");
            other.to_string()
        }
    };
    let cells: Vec<String> = fields.iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

pub(super) fn csv_heads(fields: &Fields) -> String {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    format!("{}\r\n", names.join(","))
}
