//! Days of machines as CSV under the names of central's columns, as RFC 4180 writes it, or as a French
//! spreadsheet opens it (semicolons, decimal commas, a mark in front that says UTF-8).
//!
//! What must never happen here: a column that changes its place; a TRS without required time.

use std::fmt::Write;

use chrono::TimeDelta;

use crate::{
    buffer::{SessionHeader, TimesByMachine},
    model::{DayTimes, Stamp, begins_formula, hours_e4, printable, rate_e2},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Commas, decimal points.
    Rfc4180,
    /// What a spreadsheet in French takes for a table.
    FrenchSpreadsheet,
}

/// Those of the window first, as `session_production` has them; then those of required time, as
/// `v_trs_jour` has them; its `pieces` and `temps_attente` end in `_requis` here, where both names are taken.
const COLUMNS: [&str; 40] = [
    "machine",
    "date_production",
    "total_pieces",
    "heure_premiere_piece",
    "heure_derniere_piece",
    "heure_premier_machine_start",
    "heure_dernier_machine_stop",
    "duree_production_totale",
    "temps_attente",
    "temps_arret_volontaire",
    "temps_production_effectif",
    "taux_occupation",
    "taux_attente",
    "taux_arret_volontaire",
    "nombre_attentes",
    "nombre_arrets",
    "nombre_profils",
    "dans_central",
    "fichier_log_source",
    "cadence_nominale",
    "jusqua",
    "postes",
    "temps_ouverture",
    "temps_requis",
    "temps_fonctionnement",
    "temps_arret",
    "temps_attente_requis",
    "temps_demarrage",
    "temps_fin",
    "pieces_requis",
    "pieces_rebut",
    "pieces_hors_requis",
    "temps_net",
    "temps_utile",
    "taux_do",
    "taux_tp",
    "taux_tq",
    "trs",
    "trg",
    "tre",
];
/// Where the columns of required time begin.
const OF_WINDOW: usize = 19;

/// One row per day of a machine; `times` are those of the same days, which begin `day_start` after midnight.
pub fn table(
    headers: &[SessionHeader],
    times: &TimesByMachine,
    day_start: TimeDelta,
    dialect: Dialect,
) -> String {
    let (mark, separator) = match dialect {
        Dialect::Rfc4180 => ("", ","),
        Dialect::FrenchSpreadsheet => ("\u{feff}", ";"),
    };
    let mut csv = format!("{mark}{}\r\n", COLUMNS.join(separator));
    for header in headers {
        let days = times.get(&header.nom).map_or(&[][..], Vec::as_slice);
        let of_day = days.binary_search_by_key(&header.day, |times| times.day);
        let required = of_required(header, of_day.ok().map(|at| &days[at]), day_start, dialect);
        let window = of_window(header, dialect).join(separator);
        write!(csv, "{window}{separator}{}\r\n", required.join(separator)).expect("a string grows");
    }
    csv
}

fn moment(at: Option<Stamp>) -> String {
    at.map_or_else(String::new, |at| at.to_naive().format("%Y-%m-%d %H:%M:%S").to_string())
}

impl Dialect {
    fn decimal(self, digits: i64, decimals: usize) -> String {
        let scale = 10_i64.pow(decimals as u32);
        let point = if self == Self::Rfc4180 { '.' } else { ',' };
        format!("{}{point}{:0decimals$}", digits / scale, digits % scale)
    }

    /// Empty if there is none.
    fn maybe(self, digits: Option<i64>, decimals: usize) -> String {
        digits.map_or_else(String::new, |digits| self.decimal(digits, decimals))
    }
}

fn of_window(header: &SessionHeader, dialect: Dialect) -> [String; OF_WINDOW] {
    let figures = &header.figures;
    let hours = |ms| dialect.decimal(hours_e4(ms), 4);
    let rate = |ms| dialect.decimal(rate_e2(ms, figures.window_ms), 2);
    let is_in_central = header.revision == header.synced_revision;
    [
        text(&header.nom),
        header.day.to_string(),
        figures.total_pieces.to_string(),
        moment(figures.first_piece),
        moment(figures.last_piece),
        moment(figures.first_start),
        moment(figures.last_stop),
        hours(figures.window_ms),
        hours(figures.wait_ms),
        hours(figures.stop_ms),
        hours(figures.effective_ms),
        rate(figures.effective_ms),
        rate(figures.wait_ms),
        rate(figures.stop_ms),
        header.counts.waits.to_string(),
        header.counts.stops.to_string(),
        header.counts.jobs.to_string(),
        if is_in_central { "oui" } else { "non" }.to_owned(),
        text(&header.log_sources),
    ]
}

/// Empty cells without a calendar; without a nominal rate, no net and useful time and no TRS.
fn of_required(
    header: &SessionHeader,
    times: Option<&DayTimes>,
    day_start: TimeDelta,
    dialect: Dialect,
) -> [String; COLUMNS.len() - OF_WINDOW] {
    let outside = header.pieces_outside.map_or_else(String::new, |pieces| pieces.to_string());
    let Some(times) = times else {
        let mut cells = [const { String::new() }; COLUMNS.len() - OF_WINDOW];
        let at = COLUMNS.iter().position(|name| *name == "pieces_hors_requis");
        cells[at.expect("a column") - OF_WINDOW] = outside;
        return cells;
    };
    let (sum, rates) = (times.sum(), times.rates(day_start));
    let hours = |ms| dialect.decimal(hours_e4(ms), 4);
    let rate = |rate_e2| dialect.maybe(rate_e2, 2);
    [
        times.nominal_per_hour.map_or_else(String::new, |nominal| nominal.to_string()),
        moment((!times.is_over).then_some(times.known_until)),
        times.parts.len().to_string(),
        hours(sum.opening_ms),
        hours(sum.required_ms),
        hours(sum.running_ms),
        hours(sum.stop_ms),
        hours(sum.wait_ms),
        hours(sum.start_ms),
        hours(sum.end_ms),
        sum.pieces.to_string(),
        sum.rejects.to_string(),
        outside,
        dialect.maybe(sum.net_e4(), 4),
        dialect.maybe(sum.useful_e4(), 4),
        rate(rates.availability_e2),
        rate(rates.performance_e2),
        rate(rates.quality_e2),
        rate(rates.trs_e2),
        rate(rates.trg_e2),
        rate(rates.tre_e2),
    ]
}

/// Of a cell: a year of names of files is shorter.
const MOST_CHARS: usize = 32_000;

/// Quoted where it must be, and one line. A text that a spreadsheet would take for a formula, blanks
/// in front of it or not, gets an apostrophe in front: names of files come from outside.
pub fn text(text: &str) -> String {
    let text = printable(text, MOST_CHARS);
    let text = format!("{}{text}", if begins_formula(&text) { "'" } else { "" });
    if text.contains(['"', ',', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Day, DetailCounts, Figures};

    fn header() -> SessionHeader {
        SessionHeader {
            nom: "=DEM;12".into(),
            day: Day::from_ymd_opt(2025, 5, 28).unwrap(),
            figures: Figures {
                total_pieces: 2,
                window_ms: 7_200_000,
                wait_ms: 60_000,
                effective_ms: 7_140_000,
                first_piece: Some(Stamp::from_seconds(1_748_390_400)),
                ..Figures::default()
            },
            counts: DetailCounts { waits: 1, ..DetailCounts::default() },
            revision: 2,
            synced_revision: 1,
            refusal: None,
            log_sources: "DEM12 (PVC)/a\".LOG".into(),
            pieces_outside: None,
            has_log: true,
        }
    }

    #[test]
    fn a_row_has_the_names_and_the_decimals_of_central() {
        let csv = table(&[header()], &TimesByMachine::new(), TimeDelta::zero(), Dialect::Rfc4180);
        let rows: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(rows[0], COLUMNS.join(","));
        assert_eq!(
            rows[1],
            "\"'=DEM;12\",2025-05-28,2,2025-05-28 00:00:00,,,,2.0000,0.0167,0.0000,1.9833,99.17,0.83,0.00,1,0,0,non,\"DEM12 (PVC)/a\"\".LOG\",,,,,,,,,,,,,,,,,,,,,"
        );
        assert_eq!(rows[2..], [""]);
    }

    #[test]
    fn a_name_from_outside_is_neither_a_formula_nor_a_line_nor_an_order_to_a_terminal() {
        for (name, cell) in [
            ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
            ("\t@SUM(A1)", "' @SUM(A1)"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("a\r\nb", "a  b"),
            ("a\u{202e}\x1b[31mb\u{9b}", "a  [31mb "),
            ("-1", "'-1"),
            ("DEM12 (PVC)", "DEM12 (PVC)"),
        ] {
            assert_eq!(text(name), cell, "{name:?}");
        }
    }

    #[test]
    fn a_french_spreadsheet_gets_semicolons_and_decimal_commas() {
        let none = TimesByMachine::new();
        let csv = table(&[header()], &none, TimeDelta::zero(), Dialect::FrenchSpreadsheet);
        assert!(csv.starts_with("\u{feff}machine;date_production;"), "{csv}");
        assert!(csv.contains(";2,0000;0,0167;"), "{csv}");
    }
}
