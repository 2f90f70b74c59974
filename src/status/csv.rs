//! Sessions as CSV under the names of central's columns, as RFC 4180 writes it, or as a French
//! spreadsheet opens it (semicolons, decimal commas, a mark in front that says UTF-8).

use std::fmt::Write;

use crate::{
    buffer::SessionHeader,
    model::{Stamp, hours_e4, printable, rate_e2},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Commas, decimal points.
    Rfc4180,
    /// What a spreadsheet in French takes for a table.
    FrenchSpreadsheet,
}

const COLUMNS: [&str; 19] = [
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
];

pub fn table(headers: &[SessionHeader], dialect: Dialect) -> String {
    let (mark, separator) = match dialect {
        Dialect::Rfc4180 => ("", ","),
        Dialect::FrenchSpreadsheet => ("\u{feff}", ";"),
    };
    let mut csv = format!("{mark}{}\r\n", COLUMNS.join(separator));
    for header in headers {
        let row = row(header, dialect);
        write!(csv, "{}\r\n", row.join(separator)).expect("a string grows");
    }
    csv
}

fn row(header: &SessionHeader, dialect: Dialect) -> [String; COLUMNS.len()] {
    let figures = &header.figures;
    let decimal = |digits: i64, decimals: usize| {
        let scale = 10_i64.pow(decimals as u32);
        let point = if dialect == Dialect::Rfc4180 { '.' } else { ',' };
        format!("{}{point}{:0decimals$}", digits / scale, digits % scale)
    };
    let hours = |ms| decimal(hours_e4(ms), 4);
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    let at = |at: Option<Stamp>| {
        at.map_or_else(String::new, |at| at.to_naive().format("%Y-%m-%d %H:%M:%S").to_string())
    };
    let is_in_central = header.revision == header.synced_revision;
    [
        text(&header.nom),
        header.day.to_string(),
        figures.total_pieces.to_string(),
        at(figures.first_piece),
        at(figures.last_piece),
        at(figures.first_start),
        at(figures.last_stop),
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

/// What a spreadsheet takes for the beginning of a formula; some also in their wide forms.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Of a cell: a year of names of files is shorter.
const MOST_CHARS: usize = 32_000;

/// Quoted where it must be, and one line. A text that a spreadsheet would take for a formula, blanks
/// in front of it or not, gets an apostrophe in front: names of files come from outside.
pub fn text(text: &str) -> String {
    let text = printable(text, MOST_CHARS);
    let is_formula = text.trim_start().starts_with(FORMULA);
    let text = format!("{}{text}", if is_formula { "'" } else { "" });
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
        }
    }

    #[test]
    fn a_row_has_the_names_and_the_decimals_of_central() {
        let csv = table(&[header()], Dialect::Rfc4180);
        let rows: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(rows[0], COLUMNS.join(","));
        assert_eq!(
            rows[1],
            "\"'=DEM;12\",2025-05-28,2,2025-05-28 00:00:00,,,,2.0000,0.0167,0.0000,1.9833,99.17,0.83,0.00,1,0,0,non,\"DEM12 (PVC)/a\"\".LOG\""
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
        let csv = table(&[header()], Dialect::FrenchSpreadsheet);
        assert!(csv.starts_with("\u{feff}machine;date_production;"), "{csv}");
        assert!(csv.contains(";2,0000;0,0167;"), "{csv}");
    }
}
