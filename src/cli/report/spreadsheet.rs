//! A report as a spreadsheet: the same figures as `--format json`, one sheet a table, with numbers, dates and
//! lengths of time that a spreadsheet computes with. Rows are compressed as they are read.

use super::{Contents, Output};
use crate::{
    analyse::{Patterns, StopClass},
    buffer::StoredSession,
    model::{Language, LossKind, Severity, Stop},
    report::{Line, Span},
    text::Text,
    workbook::{About, Cell, Column, TableId, Workbook},
};

mod columns;

use columns::{
    AnomalyRow, Col, LossRow, MachineRow, MaterialRow, PlannedRow, ProfileRow, StopRow, Sums,
};

/// The tables, in the order of their sheets.
struct Tables {
    workbook: Workbook,
    language: Language,
    summary: TableId,
    sessions: TableId,
    shifts: TableId,
    days: TableId,
    weeks: TableId,
    losses: TableId,
    stops: TableId,
    profiles: TableId,
    material: TableId,
    anomalies: TableId,
}

pub(super) fn write(contents: &Contents<'_>, mut out: Output) -> anyhow::Result<()> {
    let language = contents.language;
    let mut tables = Tables::new(contents, language);
    for machine in contents.machines()? {
        let nom = machine.nom.as_str();
        let mut sums = Sums::default();
        let patterns = contents.each_day(&machine, |stored, today, _| {
            sums.add(&stored);
            tables.add_day(&stored, today);
            Ok(())
        })?;
        tables.add_lines(nom, &machine.lines);
        tables.add_period(contents, nom, &sums, &machine.lines, &patterns);
    }
    tables.workbook.write(&mut out)?;
    Ok(std::io::Write::flush(&mut out)?)
}

impl Tables {
    fn new(contents: &Contents<'_>, language: Language) -> Self {
        let (from, to) = (contents.from, contents.to);
        let title = format!("{} {from} – {to}", contents.config.agent.id);
        let mut workbook = Workbook::new(About { title, language, day: to });
        let mut table = |name: Text, columns| workbook.add_table(name.in_(language), columns);
        Self {
            summary: table(Text::new("Synthèse", "Summary"), heads(&columns::machine(), language)),
            sessions: table(
                Text::new("Sessions", "Sessions"),
                heads(&columns::session(), language),
            ),
            shifts: table(Text::new("Postes", "Shifts"), heads(&columns::shift(), language)),
            days: table(Text::new("Jours", "Days"), heads(&columns::day(), language)),
            weeks: table(Text::new("Semaines", "Weeks"), heads(&columns::week(), language)),
            losses: table(Text::new("Pertes", "Losses"), heads(&columns::loss(), language)),
            stops: table(Text::new("Arrêts", "Stops"), heads(&columns::stop(), language)),
            profiles: table(Text::new("Profils", "Profiles"), heads(&columns::profile(), language)),
            material: table(
                Text::new("Matière", "Material"),
                heads(&columns::material(), language),
            ),
            anomalies: table(
                Text::new("Anomalies", "Anomalies"),
                heads(&columns::anomaly(), language),
            ),
            workbook,
            language,
        }
    }

    fn add<T>(&mut self, table: TableId, columns: &[Col<T>], row: &T) {
        let cells: Vec<Cell> =
            columns.iter().map(|column| (column.cell)(row, self.language)).collect();
        self.workbook.add_row(table, &cells);
    }

    /// What stands in one session.
    fn add_day(&mut self, stored: &StoredSession, today: &Patterns) {
        self.add(self.sessions, &columns::session(), stored);
        let (nom, day) = (stored.nom.as_str(), stored.day);
        for (number, stop) in (1..).zip(&stored.session.stops) {
            let row = StopRow { nom, day, number, stop };
            self.add(self.stops, &columns::stop(), &row);
        }
        let others = (today.other_profiles != crate::analyse::OfProfile::default())
            .then_some((None, &today.other_profiles));
        let known = today.profiles.iter().map(|(profile, of)| (profile.as_ref(), of));
        for (profile, of) in known.chain(others) {
            self.add(self.material, &columns::material(), &MaterialRow { nom, day, profile, of });
        }
        for anomaly in &stored.anomalies {
            self.add(self.anomalies, &columns::anomaly(), &AnomalyRow { nom, day, anomaly });
        }
    }

    fn add_lines(&mut self, nom: &str, lines: &[Line]) {
        for line in lines {
            let row = PlannedRow { nom, line };
            match line.span {
                Span::Shift { .. } => self.add(self.shifts, &columns::shift(), &row),
                Span::Day(_) => self.add(self.days, &columns::day(), &row),
                Span::Week(..) => self.add(self.weeks, &columns::week(), &row),
                Span::Period => {
                    for (number, kind) in (1..).zip(line.losses.ranking()) {
                        let row = LossRow { nom, number, kind, losses: &line.losses };
                        self.add(self.losses, &columns::loss(), &row);
                    }
                }
            }
        }
    }

    /// What is told of a machine's days together.
    fn add_period(
        &mut self,
        contents: &Contents<'_>,
        nom: &str,
        sums: &Sums,
        lines: &[Line],
        patterns: &Patterns,
    ) {
        let period = lines.last().filter(|line| line.span == Span::Period);
        let (from, to) = (contents.from, contents.to);
        self.add(self.summary, &columns::machine(), &MachineRow { nom, from, to, sums, period });
        let others = (patterns.other_profiles != crate::analyse::OfProfile::default())
            .then_some((None, &patterns.other_profiles));
        let known = patterns.profiles.iter().map(|(profile, of)| (profile.as_ref(), of));
        for (profile, of) in known.chain(others) {
            self.add(self.profiles, &columns::profile(), &ProfileRow { nom, profile, of });
        }
    }
}

fn heads<T>(columns: &[Col<T>], language: Language) -> Vec<Column> {
    let head = |column: &Col<T>| Column {
        heading: column.heading.in_(language).to_owned(),
        width: column.width,
    };
    columns.iter().map(head).collect()
}

fn length_of(stop: &Stop) -> i64 {
    stop.end.0 - stop.start.0
}

fn class_of(stop: &Stop, language: Language) -> &'static str {
    match StopClass::of(length_of(stop)) {
        StopClass::Micro => Text::new("moins de 1\u{a0}min", "under 1\u{a0}min"),
        StopClass::Short => Text::new("1 à 15\u{a0}min", "1 to 15\u{a0}min"),
        StopClass::Long => Text::new("15\u{a0}min ou plus", "15\u{a0}min or more"),
    }
    .in_(language)
}

fn word(severity: Severity, language: Language) -> &'static str {
    Text::new(severity.in_french(), severity.as_str()).in_(language)
}

fn yes(is: bool, language: Language) -> Cell {
    Cell::text(if is { Text::new("oui", "yes") } else { Text::new("non", "no") }.in_(language))
}

/// The losses that can be told.
fn told(line: &Line, kind: LossKind) -> bool {
    line.losses.has_nominal || !matches!(kind, LossKind::Rate | LossKind::Rejects)
}
