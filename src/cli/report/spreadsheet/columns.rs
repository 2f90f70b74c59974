//! What each sheet shows, column by column: heading, width, cell. What must never happen here: a figure that
//! `--format json` has otherwise.

use super::{class_of, length_of, told, word, yes};
use crate::{
    analyse::{OfProfile, Profile},
    buffer::StoredSession,
    model::{Anomaly, Day, Language, LossKind, Losses, Stamp, Stop, rate_e2},
    report::{Line, Span},
    text::Text,
    workbook::Cell,
};

/// One column of rows of `T`.
pub(super) struct Col<T> {
    pub(super) heading: Text,
    /// In characters.
    pub(super) width: u8,
    pub(super) cell: fn(&T, Language) -> Cell,
}

fn col<T>(
    french: &'static str,
    english: &'static str,
    width: u8,
    cell: fn(&T, Language) -> Cell,
) -> Col<T> {
    Col { heading: Text::new(french, english), width, cell }
}

/// Widths: of names, of days, of moments, of figures.
const NAME: u8 = 16;
const DAY: u8 = 12;
const MOMENT: u8 = 20;
const FIGURE: u8 = 13;
/// Of sentences.
const SENTENCE: u8 = 90;

/// What a machine's sessions of the period sum up to.
#[derive(Default)]
pub(super) struct Sums {
    days: i64,
    pieces: i64,
    window_ms: i64,
    effective_ms: i64,
    wait_ms: i64,
    stop_ms: i64,
    stops: i64,
    anomalies: i64,
}

impl Sums {
    pub(super) fn add(&mut self, stored: &StoredSession) {
        let figures = &stored.session.figures;
        self.days += 1;
        self.pieces += i64::from(figures.total_pieces);
        self.window_ms += figures.window_ms;
        self.effective_ms += figures.effective_ms;
        self.wait_ms += figures.wait_ms;
        self.stop_ms += figures.stop_ms;
        self.stops += stored.session.stops.len() as i64;
        self.anomalies += stored.anomalies.len() as i64;
    }

    fn rate(&self, ms: i64) -> Cell {
        Cell::Percent(rate_e2(ms, self.window_ms))
    }
}

/// A machine's whole period.
pub(super) struct MachineRow<'r> {
    pub(super) nom: &'r str,
    pub(super) from: Day,
    pub(super) to: Day,
    pub(super) sums: &'r Sums,
    /// Of its planned time, if it has any.
    pub(super) period: Option<&'r Line>,
}

impl MachineRow<'_> {
    fn planned(&self, cell: fn(&Line) -> Cell) -> Cell {
        self.period.map_or(Cell::Empty, cell)
    }
}

pub(super) fn machine<'r>() -> Vec<Col<MachineRow<'r>>> {
    vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Du", "From", DAY, |row, _| Cell::Day(row.from)),
        col("Au", "To", DAY, |row, _| Cell::Day(row.to)),
        col("Jours avec LOG", "Days with a LOG", FIGURE, |row, _| Cell::Whole(row.sums.days)),
        col("Pièces", "Pieces", FIGURE, |row, _| Cell::Whole(row.sums.pieces)),
        col("De la première à la dernière pièce", "First to last piece", FIGURE, |row, _| {
            Cell::Length(row.sums.window_ms)
        }),
        col("Production effective", "Effective production", FIGURE, |row, _| {
            Cell::Length(row.sums.effective_ms)
        }),
        col("Attente", "Waiting", FIGURE, |row, _| Cell::Length(row.sums.wait_ms)),
        col("Arrêt", "Stopped", FIGURE, |row, _| Cell::Length(row.sums.stop_ms)),
        col("Occupation", "Occupation", FIGURE, |row, _| row.sums.rate(row.sums.effective_ms)),
        col("Part d'attente", "Share waiting", FIGURE, |row, _| row.sums.rate(row.sums.wait_ms)),
        col("Part d'arrêt", "Share stopped", FIGURE, |row, _| row.sums.rate(row.sums.stop_ms)),
        col("Arrêts", "Stops", FIGURE, |row, _| Cell::Whole(row.sums.stops)),
        col("Anomalies", "Anomalies", FIGURE, |row, _| Cell::Whole(row.sums.anomalies)),
        col("Temps requis", "Required time", FIGURE, |row, _| {
            row.planned(|line| Cell::Length(line.times.required_ms))
        }),
        col("TRS", "TRS (OEE)", FIGURE, |row, _| row.planned(|line| rate(line.rates.trs_e2))),
        col("Disponibilité (Do)", "Availability (Do)", FIGURE, |row, _| {
            row.planned(|line| rate(line.rates.availability_e2))
        }),
        col("Performance (Tp)", "Performance (Tp)", FIGURE, |row, _| {
            row.planned(|line| rate(line.rates.performance_e2))
        }),
        col("Qualité (Tq)", "Quality (Tq)", FIGURE, |row, _| {
            row.planned(|line| rate(line.rates.quality_e2))
        }),
        col("TRG", "TRG", FIGURE, |row, _| row.planned(|line| rate(line.rates.trg_e2))),
        col("TRE", "TRE", FIGURE, |row, _| row.planned(|line| rate(line.rates.tre_e2))),
        col("Pertes, min", "Losses, min", FIGURE, |row, _| {
            row.planned(|line| Cell::Tenths(line.losses.minutes_e1.lost()))
        }),
        col("Coût des pertes", "Cost of losses", FIGURE, |row, _| row.planned(cost)),
    ]
}

fn rate(e2: Option<i64>) -> Cell {
    Cell::maybe(e2, Cell::Percent)
}

fn cost(line: &Line) -> Cell {
    Cell::maybe(line.losses.cents.map(|cents| cents.lost()), Cell::Cents)
}

fn moment(at: Option<Stamp>) -> Cell {
    Cell::maybe(at, Cell::Moment)
}

pub(super) fn session() -> Vec<Col<StoredSession>> {
    fn share(stored: &StoredSession, ms: i64) -> Cell {
        Cell::Percent(rate_e2(ms, stored.session.figures.window_ms))
    }
    vec![
        col("Machine", "Machine", NAME, |one, _| Cell::text(&one.nom)),
        col("Jour", "Day", DAY, |one, _| Cell::Day(one.day)),
        col("Pièces", "Pieces", FIGURE, |one, _| Cell::whole(one.session.figures.total_pieces)),
        col("Première pièce", "First piece", MOMENT, |one, _| {
            moment(one.session.figures.first_piece)
        }),
        col("Dernière pièce", "Last piece", MOMENT, |one, _| {
            moment(one.session.figures.last_piece)
        }),
        col("Premier MachineStart", "First MachineStart", MOMENT, |one, _| {
            moment(one.session.figures.first_start)
        }),
        col("Dernier MachineStop", "Last MachineStop", MOMENT, |one, _| {
            moment(one.session.figures.last_stop)
        }),
        col("De la première à la dernière pièce", "First to last piece", FIGURE, |one, _| {
            Cell::Length(one.session.figures.window_ms)
        }),
        col("Production effective", "Effective production", FIGURE, |one, _| {
            Cell::Length(one.session.figures.effective_ms)
        }),
        col("Attente", "Waiting", FIGURE, |one, _| Cell::Length(one.session.figures.wait_ms)),
        col("Arrêt", "Stopped", FIGURE, |one, _| Cell::Length(one.session.figures.stop_ms)),
        col("Occupation", "Occupation", FIGURE, |one, _| {
            share(one, one.session.figures.effective_ms)
        }),
        col("Part d'attente", "Share waiting", FIGURE, |one, _| {
            share(one, one.session.figures.wait_ms)
        }),
        col("Part d'arrêt", "Share stopped", FIGURE, |one, _| {
            share(one, one.session.figures.stop_ms)
        }),
        col("Attentes", "Waits", FIGURE, |one, _| Cell::Whole(one.session.waits.len() as i64)),
        col("Arrêts", "Stops", FIGURE, |one, _| Cell::Whole(one.session.stops.len() as i64)),
        col("Profils", "Profiles", FIGURE, |one, _| Cell::Whole(one.session.jobs.len() as i64)),
        col("Anomalies", "Anomalies", FIGURE, |one, _| Cell::Whole(one.anomalies.len() as i64)),
        col("Pièces hors requis", "Pieces outside required time", FIGURE, |one, _| {
            Cell::maybe(one.pieces_outside, Cell::whole)
        }),
        col("Dans central", "In central", FIGURE, |one, language| {
            yes(one.revision == one.synced_revision, language)
        }),
        col("Fichiers LOG", "LOG files", 40, |one, _| Cell::text(&one.log_sources)),
    ]
}

/// A shift, a day or a week.
pub(super) struct PlannedRow<'r> {
    pub(super) nom: &'r str,
    pub(super) line: &'r Line,
}

/// A cell of a field of a shift.
macro_rules! of_shift {
    ($row:ident, $field:ident, $cell:expr) => {
        match &$row.line.span {
            Span::Shift { $field, .. } => $cell,
            _ => Cell::Empty,
        }
    };
}

pub(super) fn shift<'r>() -> Vec<Col<PlannedRow<'r>>> {
    let mut columns: Vec<Col<PlannedRow<'r>>> = vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Jour", "Day", DAY, |row, _| of_shift!(row, day, Cell::Day(*day))),
        col("N°", "No.", 6, |row, _| of_shift!(row, number, Cell::whole(*number))),
        col("Poste", "Shift", NAME, |row, _| of_shift!(row, name, Cell::text(name))),
        col("Début du poste", "Begin of shift", MOMENT, |row, _| {
            of_shift!(row, planned_from, Cell::Moment(*planned_from))
        }),
        col("Fin du poste", "End of shift", MOMENT, |row, _| {
            of_shift!(row, planned_to, Cell::Moment(*planned_to))
        }),
    ];
    columns.extend(planned());
    columns
}

pub(super) fn day<'r>() -> Vec<Col<PlannedRow<'r>>> {
    let mut columns: Vec<Col<PlannedRow<'r>>> = vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Jour", "Day", DAY, |row, _| match row.line.span {
            Span::Day(day) => Cell::Day(day),
            _ => Cell::Empty,
        }),
    ];
    columns.extend(several());
    columns.extend(planned());
    columns
}

pub(super) fn week<'r>() -> Vec<Col<PlannedRow<'r>>> {
    let mut columns: Vec<Col<PlannedRow<'r>>> = vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Semaine", "Week", DAY, |row, _| match row.line.span {
            Span::Week(year, week) => Cell::Text(format!("{year}-W{week:02}")),
            _ => Cell::Empty,
        }),
    ];
    columns.extend(several());
    columns.extend(planned());
    columns
}

/// Of a day or a week alone.
fn several<'r>() -> [Col<PlannedRow<'r>>; 2] {
    [
        col("Postes", "Shifts", FIGURE, |row, _| Cell::Whole(row.line.parts as i64)),
        col("Pièces hors requis", "Pieces outside required time", FIGURE, |row, _| {
            Cell::maybe(row.line.pieces_outside, Cell::whole)
        }),
    ]
}

/// Ten-thousandths of an hour.
fn hours(e4: i64) -> Cell {
    Cell::Length(e4 * 360)
}

fn planned<'r>() -> Vec<Col<PlannedRow<'r>>> {
    let mut columns: Vec<Col<PlannedRow<'r>>> = vec![
        col("En cours", "Running", FIGURE, |row, language| yes(row.line.is_running, language)),
        col("Connu jusqu'à", "Known up to", MOMENT, |row, _| {
            moment((!row.line.is_over).then_some(row.line.known_until))
        }),
        col("Temps d'ouverture", "Opening time", FIGURE, |row, _| {
            Cell::Length(row.line.times.opening_ms)
        }),
        col("Temps requis", "Required time", FIGURE, |row, _| {
            Cell::Length(row.line.times.required_ms)
        }),
        col("Fonctionnement", "Running time", FIGURE, |row, _| {
            Cell::Length(row.line.times.running_ms)
        }),
        col("Arrêt", "Stopped", FIGURE, |row, _| Cell::Length(row.line.times.stop_ms)),
        col("Attente", "Waiting", FIGURE, |row, _| Cell::Length(row.line.times.wait_ms)),
        col("Démarrage tardif", "Late start", FIGURE, |row, _| {
            Cell::Length(row.line.times.start_ms)
        }),
        col("Fin anticipée", "Early end", FIGURE, |row, _| Cell::Length(row.line.times.end_ms)),
        col("Pièces", "Pieces", FIGURE, |row, _| Cell::Whole(row.line.times.pieces as i64)),
        col("Rebuts", "Rejects", FIGURE, |row, _| Cell::Whole(row.line.times.rejects as i64)),
        col("Cadence nominale, p/h", "Nominal rate, p/h", FIGURE, |row, _| {
            Cell::maybe(row.line.nominal_per_hour, Cell::whole)
        }),
        col("Temps net", "Net time", FIGURE, |row, _| Cell::maybe(row.line.times.net_e4(), hours)),
        col("Temps utile", "Useful time", FIGURE, |row, _| {
            Cell::maybe(row.line.times.useful_e4(), hours)
        }),
        col("Disponibilité (Do)", "Availability (Do)", FIGURE, |row, _| {
            rate(row.line.rates.availability_e2)
        }),
        col("Performance (Tp)", "Performance (Tp)", FIGURE, |row, _| {
            rate(row.line.rates.performance_e2)
        }),
        col("Qualité (Tq)", "Quality (Tq)", FIGURE, |row, _| rate(row.line.rates.quality_e2)),
        col("TRS", "TRS (OEE)", FIGURE, |row, _| rate(row.line.rates.trs_e2)),
        col("TRG", "TRG", FIGURE, |row, _| rate(row.line.rates.trg_e2)),
        col("TRE", "TRE", FIGURE, |row, _| rate(row.line.rates.tre_e2)),
    ];
    columns.extend(lost());
    columns
}

/// The losses of a line, in minutes that add up.
fn lost<'r>() -> [Col<PlannedRow<'r>>; 10] {
    fn of(row: &PlannedRow<'_>, kind: LossKind) -> Cell {
        let minutes = row.line.losses.minutes_e1.lost_to(kind);
        Cell::maybe(told(row.line, kind).then_some(minutes), Cell::Tenths)
    }
    [
        col("Temps utile, min", "Useful, min", FIGURE, |row, _| {
            Cell::Tenths(row.line.losses.minutes_e1.useful)
        }),
        col("Plus vite que nominal, min", "Faster than nominal, min", FIGURE, |row, _| {
            Cell::Tenths(row.line.losses.minutes_e1.above_nominal())
        }),
        col("Pertes, min", "Losses, min", FIGURE, |row, _| {
            Cell::Tenths(row.line.losses.minutes_e1.lost())
        }),
        col("Perdu en arrêts, min", "Lost to stops, min", FIGURE, |row, _| {
            of(row, LossKind::Stops)
        }),
        col("Perdu en attentes, min", "Lost to waits, min", FIGURE, |row, _| {
            of(row, LossKind::Waits)
        }),
        col("Perdu au démarrage, min", "Lost to late starts, min", FIGURE, |row, _| {
            of(row, LossKind::LateStart)
        }),
        col("Perdu en fin, min", "Lost to early ends, min", FIGURE, |row, _| {
            of(row, LossKind::EarlyEnd)
        }),
        col("Perdu en cadence, min", "Lost to the rate, min", FIGURE, |row, _| {
            of(row, LossKind::Rate)
        }),
        col("Perdu en rebuts, min", "Lost to rejects, min", FIGURE, |row, _| {
            of(row, LossKind::Rejects)
        }),
        col("Coût des pertes", "Cost of losses", FIGURE, |row, _| cost(row.line)),
    ]
}

/// A loss of a machine's whole period.
pub(super) struct LossRow<'r> {
    pub(super) nom: &'r str,
    /// 1 lost the most.
    pub(super) number: i64,
    pub(super) kind: LossKind,
    pub(super) losses: &'r Losses,
}

pub(super) fn loss<'r>() -> Vec<Col<LossRow<'r>>> {
    vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Rang", "Rank", 7, |row, _| Cell::Whole(row.number)),
        col("Perte", "Loss", 20, |row, language| Cell::text(row.kind.text(language))),
        col("Temps, min", "Time, min", FIGURE, |row, _| {
            Cell::Tenths(row.losses.minutes_e1.lost_to(row.kind))
        }),
        col("Part du requis", "Share of required time", FIGURE, |row, _| {
            let minutes = &row.losses.minutes_e1;
            Cell::Percent(rate_e2(minutes.lost_to(row.kind), minutes.required))
        }),
        col("Coût", "Cost", FIGURE, |row, _| {
            Cell::maybe(row.losses.cents.map(|cents| cents.lost_to(row.kind)), Cell::Cents)
        }),
    ]
}

pub(super) struct StopRow<'r> {
    pub(super) nom: &'r str,
    pub(super) day: Day,
    pub(super) number: i64,
    pub(super) stop: &'r Stop,
}

pub(super) fn stop<'r>() -> Vec<Col<StopRow<'r>>> {
    vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Jour", "Day", DAY, |row, _| Cell::Day(row.day)),
        col("N°", "No.", 7, |row, _| Cell::Whole(row.number)),
        col("Début", "Begin", MOMENT, |row, _| Cell::Moment(row.stop.start)),
        col("Fin", "End", MOMENT, |row, _| Cell::Moment(row.stop.end)),
        col("Durée", "Length", FIGURE, |row, _| Cell::LengthInSeconds(length_of(row.stop))),
        col("Classe", "Class", NAME, |row, language| Cell::text(class_of(row.stop, language))),
    ]
}

/// What a machine made of a profile.
pub(super) struct ProfileRow<'r> {
    pub(super) nom: &'r str,
    /// `None`: before the first one.
    pub(super) profile: Option<&'r Profile>,
    pub(super) of: &'r OfProfile,
}

fn reference(profile: Option<&Profile>) -> Cell {
    Cell::maybe(profile, |profile| Cell::text(&profile.reference))
}

fn colour(profile: Option<&Profile>) -> Cell {
    Cell::maybe(profile, |profile| Cell::text(&profile.colour))
}

pub(super) fn profile<'r>() -> Vec<Col<ProfileRow<'r>>> {
    vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Référence", "Reference", NAME, |row, _| reference(row.profile)),
        col("Couleur", "Colour", NAME, |row, _| colour(row.profile)),
        col("Pièces", "Pieces", FIGURE, |row, _| Cell::whole(row.of.pieces)),
        col("Passages", "Runs", FIGURE, |row, _| Cell::whole(row.of.runs)),
        col("Cycle médian, s", "Median cycle, s", FIGURE, |row, _| {
            Cell::maybe(row.of.median_cycle_ms, |ms| Cell::Decimal { digits: ms, decimals: 3 })
        }),
        col("Attentes", "Waits", FIGURE, |row, _| Cell::whole(row.of.waits)),
        col("Attente", "Waiting", FIGURE, |row, _| Cell::Length(row.of.wait_ms)),
    ]
}

/// What a machine cut of a profile on a day.
pub(super) struct MaterialRow<'r> {
    pub(super) nom: &'r str,
    pub(super) day: Day,
    pub(super) profile: Option<&'r Profile>,
    pub(super) of: &'r OfProfile,
}

pub(super) fn material<'r>() -> Vec<Col<MaterialRow<'r>>> {
    vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Jour", "Day", DAY, |row, _| Cell::Day(row.day)),
        col("Référence", "Reference", NAME, |row, _| reference(row.profile)),
        col("Couleur", "Colour", NAME, |row, _| colour(row.profile)),
        col("Barres", "Bars", FIGURE, |row, _| Cell::whole(row.of.bars)),
        col("Longueur, m", "Length, m", FIGURE, |row, _| Cell::Decimal {
            digits: row.of.length_e2,
            decimals: 5,
        }),
        col("Pièces", "Pieces", FIGURE, |row, _| Cell::whole(row.of.pieces)),
    ]
}

pub(super) struct AnomalyRow<'r> {
    pub(super) nom: &'r str,
    pub(super) day: Day,
    pub(super) anomaly: &'r Anomaly,
}

pub(super) fn anomaly<'r>() -> Vec<Col<AnomalyRow<'r>>> {
    vec![
        col("Machine", "Machine", NAME, |row, _| Cell::text(row.nom)),
        col("Jour", "Day", DAY, |row, _| Cell::Day(row.day)),
        col("Gravité", "Severity", FIGURE, |row, language| {
            Cell::text(word(row.anomaly.severity, language))
        }),
        col("Anomalie", "Anomaly", SENTENCE, |row, language| {
            Cell::Sentence(row.anomaly.text(language))
        }),
        col("De", "From", MOMENT, |row, _| moment(row.anomaly.from)),
        col("À", "To", MOMENT, |row, _| moment(row.anomaly.to)),
        col("Valeur", "Value", FIGURE, |row, _| Cell::Decimal {
            digits: row.anomaly.value_e2,
            decimals: 2,
        }),
        col("Attendu", "Expected", FIGURE, |row, _| {
            Cell::maybe(row.anomaly.expected_e2, |e2| Cell::Decimal { digits: e2, decimals: 2 })
        }),
        col("Code", "Code", 24, |row, _| Cell::text(row.anomaly.code.as_str())),
    ]
}
