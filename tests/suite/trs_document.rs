//! The worked day of `docs/trs.md` and of its French version is a golden case: the calendar that they print,
//! every figure of their tables, and those of the drawing.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::planned::PlannedCase;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// Column of central, and the three figures: both shifts and the day.
fn figures(text: &str) -> Vec<(String, [String; 3])> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 6);
    let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    let figure = |cell: &str| cell.replace(',', ".");
    cells
        .filter_map(|cells: Vec<&str>| {
            let column = cells[1].strip_prefix('`')?.strip_suffix('`')?.to_owned();
            Some((column, [figure(cells[2]), figure(cells[3]), figure(cells[4])]))
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn the_worked_day_of_the_document_on_trs_is_a_golden_case_to_the_last_digit() {
    let case = PlannedCase::named("two-shifts-with-breaks");
    let rows =
        [&case.expected["postes"][0], &case.expected["postes"][1], &case.expected["jours"][0]];
    let late = PlannedCase::named("late-start-and-breakdown");
    let trs_of_late = text(&late.expected["jours"][0]["trs"]);
    for (name, drawing) in [("trs.md", "trs.svg"), ("trs.fr.md", "trs.fr.svg")] {
        let document = read(name);
        let local = |figure: &str| {
            if name == "trs.md" { figure.to_owned() } else { figure.replace('.', ",") }
        };
        assert!(document.contains(case.calendar.trim()), "{name}: the case's calendar");
        let figures = figures(&document);
        assert_eq!(figures.len(), 16, "{name}: {figures:?}");
        for (column, found) in &figures {
            let expected = rows.map(|row| text(&row[column.as_str()]));
            assert_eq!(*found, expected, "{name}: {column}");
        }
        assert!(document.contains(&format!("{} %", local(&trs_of_late))), "{name}: {trs_of_late}");
        let drawing = read(&format!("pictures/{drawing}"));
        for column in
            ["temps_ouverture", "temps_requis", "temps_fonctionnement", "temps_net", "temps_utile"]
        {
            let figure = local(&text(&rows[2][column]));
            assert!(drawing.contains(&format!(">{figure} h<")), "{name}: {column} in the drawing");
        }
    }
}
