//! Tables for people: columns as wide as their widest cell, numbers to the right.

use crate::model::printable;

/// No name and no sentence of ours is as long.
const MOST_CELL_CHARS: usize = 2000;

/// Lays out `rows` under `heads`; a head that begins with `>` stands over numbers. A cell is one line,
/// whatever text from outside is in it.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let right: Vec<bool> = heads.iter().map(|head| head.starts_with('>')).collect();
    let heads: Vec<String> =
        heads.iter().map(|head| head.trim_start_matches('>').to_owned()).collect();
    let printable_row = |row: &Vec<String>| -> Vec<String> {
        row.iter().map(|cell| printable(cell, MOST_CELL_CHARS)).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(printable_row).collect();
    let width = |column: usize| {
        std::iter::once(&heads)
            .chain(&rows)
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&heads).chain(&rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .zip(&right)
            .map(
                |((cell, &width), &right)| {
                    if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}
