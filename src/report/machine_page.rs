//! One machine's page: its days, shifts, losses, longest stops, anomalies and advice, on one printed page of a
//! day, a week or a month. What must never happen here: a page that goes on on the next one.

use maud::{Markup, html};

use super::{
    MachineReport, Report, days, details, keys, page, pareto::Bar, planned_tables, remarks, shifts,
    stops,
};
use crate::{
    analyse::StopClass,
    text::{LETTER, count, span, width},
};

/// Tenths of a millimetre: what a page has, and what its parts take.
const PAGE: usize = 2_340;
const HEAD: usize = 200;
const HEAD_LINE: usize = 50;
const KEYS: usize = 190;
const LEGEND: usize = 60;
const TITLE: usize = 75;
const LINE: usize = 45;
/// Ordinary letters of the machine's name in one line.
const NAME_LETTERS: usize = 40;
/// More rows are set closer.
const MOST_WIDE_ROWS: usize = 8;

/// The page of a machine, the `number`-th of the file, and its tables if they are wanted.
pub(crate) fn machine(report: &Report, machine: &MachineReport, number: usize) -> Markup {
    let room = Room::of(report, machine);
    let is_long = name_lines(&machine.scope.nom) > 1;
    let title = html! { h2.name.long[is_long] { (machine.scope.nom) } };
    let below = format!("{} · {}", page::title(report), page::days(report));
    let has_shifts = shifts::row_count(report, machine) > 0 && report.shift.is_none();
    html! {
        section.sheet.machine.dense[room.is_dense] data-nom=(machine.scope.nom) {
            (page::head(report, number, title, &below))
            (keys::keys(report, &machine.scope))
            p.small { (keys::comparison(report, &machine.scope)) }
            (days::table(report, machine))
            @if has_shifts { (shifts::table(report, machine)) }
            div.two.uneven {
                section {
                    (planned_tables::section(report, machine))
                    @if machine.lines.last().is_none_or(|period| period.parts == 0) { (idle(report, machine)) }
                }
                section {
                    h3 { (report.say("Les dix plus longs arrêts", "The ten longest stops")) }
                    (stops::table(report, &machine.stops))
                }
            }
            // They are the whole day's.
            @if report.shift.is_none() { (remarks::remarks(report, machine, room.lines)) }
        }
        @if report.has_details { (details::details(report, machine)) }
    }
}

/// How a page is divided.
struct Room {
    is_dense: bool,
    /// Lines for remarks.
    lines: usize,
}

impl Room {
    fn of(report: &Report, machine: &MachineReport) -> Self {
        let (rows, shifts) = (days::row_count(report, machine), shifts::row_count(report, machine));
        let is_dense = rows > MOST_WIDE_ROWS || shifts > MOST_WIDE_ROWS;
        let row = if is_dense { 38 } else { 46 };
        let of_days = match rows {
            _ if report.period.len() == 1 => 300 + 2 * row,
            rows if rows > MOST_WIDE_ROWS => (rows + 3) * row + 30,
            rows => rows * 75 + 3 * row + 30,
        };
        let of_shifts = if shifts == 0 { 0 } else { TITLE + (shifts + 2) * row };
        let of_losses = TITLE + 13 * row;
        let names = name_lines(&machine.scope.nom) - 1;
        let used =
            HEAD + names * HEAD_LINE + KEYS + LEGEND + of_days + of_shifts + of_losses + TITLE;
        Self { is_dense, lines: PAGE.saturating_sub(used + TITLE) / LINE }
    }
}

/// How many lines a machine's name takes.
fn name_lines(nom: &str) -> usize {
    1 + width(nom) / LETTER / NAME_LETTERS
}

/// Without a calendar: stops by their length and waits, between first and last piece.
fn idle(report: &Report, machine: &MachineReport) -> Markup {
    let say = |french, english| report.say(french, english);
    let name = |class| match class {
        StopClass::Micro => say("Arrêts de moins de 1\u{a0}min", "Stops under 1\u{a0}min"),
        StopClass::Short => say("Arrêts de 1 à 15\u{a0}min", "Stops of 1 to 15\u{a0}min"),
        StopClass::Long => say("Arrêts de 15\u{a0}min ou plus", "Stops of 15\u{a0}min or more"),
    };
    let patterns = &machine.patterns;
    let waits_ms = patterns.hours.iter().map(|hour| hour.wait_ms).sum();
    let mut rows: Vec<(&str, i64, Option<u32>)> = StopClass::ALL
        .into_iter()
        .map(|class| (name(class), patterns.stops[class as usize]))
        .map(|(name, stops)| (name, stops.ms, Some(stops.count)))
        .collect();
    rows.push((say("Attentes", "Waits"), waits_ms, None));
    rows.sort_by_key(|(_, ms, _)| std::cmp::Reverse(*ms));
    let values: Vec<i64> = rows.iter().map(|(_, ms, _)| *ms).collect();
    html! {
        h3 { (say("Temps sans production, de la première à la dernière pièce", "Time without production, first to last piece")) }
        table.idle {
            thead {
                tr {
                    th.word scope="col" { (say("Quoi", "What")) }
                    th scope="col" { (say("Nombre", "Count")) }
                    th scope="col" { (say("Temps", "Time")) }
                    th.bar-of scope="col" { (say("Cumul", "Cumulative")) }
                }
            }
            tbody {
                @for ((name, ms, number), bar) in rows.iter().zip(Bar::of(&values)) {
                    tr {
                        th.word scope="row" { (name) }
                        td { (number.map(|number| count(number.into(), report.language)).unwrap_or_default()) }
                        td { (span(*ms)) }
                        td.bar-of { (bar.draw(report.language)) }
                    }
                }
            }
        }
    }
}
