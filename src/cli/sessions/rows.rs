//! The rows of `cu-agent sessions`: what fits a terminal of 80 columns, and everything.
//!
//! What must never happen here: a narrow row that is wider than a terminal because of a name.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use unicode_width::UnicodeWidthStr;

use super::decimal;
use crate::{
    buffer::StoredSession,
    cli::{
        painted::{Painted, Tone},
        table::{COLUMNS, Cell, GAP, hours, shortened, table},
    },
    model::{Day, Language, NoTrs, Stamp, hours_e4, printable, rate_e2},
    text,
};

/// Of a session that is not shown here with all that it has.
const NONE: &str = "-";

/// Sessions as the rows of a table, narrow or wide.
pub(super) struct SessionRows {
    day_start: TimeDelta,
    rows: Rows,
    /// Days that are not over, and up to when they are known.
    running: BTreeMap<Day, Stamp>,
    /// If no machine has a calendar, the columns of required time would be empty.
    has_times: bool,
    /// With neither a calendar nor a nominal rate no TRS is asked for.
    wants_trs: bool,
}

/// One for each session.
enum Rows {
    Narrow(Vec<Narrow>),
    Wide(Vec<Wide>),
}

/// The cells up to those of required time, these, and those behind them.
type Wide = [Vec<Cell>; 3];

struct Narrow {
    machine: String,
    /// Before the machine, and behind it.
    day: Cell,
    pieces: Cell,
    first: Cell,
    last: Cell,
    effective: Cell,
    stopped: Cell,
    trs: Cell,
    central: Cell,
}

/// Names are not shortened below this.
const LEAST_NAME: usize = 8;
/// Names that differ are not shown as one.
const MOST_NAME_CHARS: usize = 200;

/// The columns up to those of required time, these, and those behind them.
const HEADS: [&str; 11] = [
    "day",
    "machine",
    ">pieces",
    "first",
    "last",
    ">window h",
    ">effective h",
    ">occupied %",
    ">waiting %",
    ">stopped %",
    ">stops",
];
const HEADS_OF_REQUIRED: [&str; 7] =
    [">required h", ">Do %", ">Tp %", ">Tq %", ">TRS %", ">TRG %", "until"];
const HEADS_BEHIND: [&str; 2] = [">anomalies", "central"];

impl SessionRows {
    pub(super) fn new(day_start: TimeDelta, is_wide: bool) -> Self {
        Self {
            day_start,
            rows: if is_wide { Rows::Wide(Vec::new()) } else { Rows::Narrow(Vec::new()) },
            running: BTreeMap::new(),
            has_times: false,
            wants_trs: false,
        }
    }

    /// `no_trs`: why the session has none.
    pub(super) fn add(&mut self, stored: &StoredSession, no_trs: Option<NoTrs>) {
        self.has_times |= stored.times.is_some();
        self.wants_trs |= stored.nominal_per_hour.is_some() || stored.times.is_some();
        if let Some(times) = stored.times.as_ref().filter(|times| !times.is_over) {
            let known = self.running.entry(stored.day).or_insert(times.known_until);
            *known = times.known_until.max(*known);
        }
        let day_start = self.day_start;
        match &mut self.rows {
            Rows::Narrow(rows) => rows.push(narrow_row(stored, day_start)),
            Rows::Wide(rows) => {
                let behind = vec![stored.anomalies.len().to_string().into(), standing(stored)];
                rows.push([front(stored), of_required(stored, no_trs, day_start), behind]);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.rows {
            Rows::Narrow(rows) => rows.is_empty(),
            Rows::Wide(rows) => rows.is_empty(),
        }
    }

    pub(super) fn draw(&self) -> Painted {
        match &self.rows {
            Rows::Narrow(rows) => self.narrow(rows),
            Rows::Wide(rows) => self.wide(rows),
        }
    }

    pub(super) fn want_trs(&self) -> bool {
        self.wants_trs
    }

    /// At most [`COLUMNS`] wide.
    fn narrow(&self, rows: &[Narrow]) -> Painted {
        let of_trs = if self.has_times { ">TRS %" } else { ">stopped" };
        let heads = ["day", "machine", ">pieces", "first", "last", ">effective", of_trs, "central"];
        let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.cells(self.has_times)).collect();
        let width = |at: usize| {
            let cells = rows.iter().map(|row| row[at].text.width());
            cells.chain([heads[at].trim_start_matches('>').len()]).max().unwrap_or(0)
        };
        let others: usize = (0..heads.len()).filter(|at| *at != 1).map(width).sum();
        let gaps = GAP * (heads.len() - 1);
        let room = COLUMNS.saturating_sub(others + gaps).max(LEAST_NAME);
        let with_name = |mut row: Vec<Cell>| {
            row[1].text = shortened(&row[1].text, room);
            row
        };
        let rows: Vec<Vec<Cell>> = rows.into_iter().map(with_name).collect();
        let mut text = table(&heads, &rows);
        text.push(&self.not_over());
        text
    }

    /// Every column.
    fn wide(&self, rows: &[Wide]) -> Painted {
        let of_required = if self.has_times { &HEADS_OF_REQUIRED[..] } else { &[] };
        let heads = [&HEADS, of_required, &HEADS_BEHIND].concat();
        let joined = |[front, required, behind]: &Wide| {
            let required = required.iter().take(of_required.len());
            front.iter().chain(required).chain(behind).cloned().collect()
        };
        let rows: Vec<Vec<Cell>> = rows.iter().map(joined).collect();
        table(&heads, &rows)
    }

    /// An unfinished day is not taken for a whole one.
    fn not_over(&self) -> String {
        let Some((day, until)) = self.running.last_key_value() else { return String::new() };
        format!("\n{day} is not over: its TRS counts up to {}\n", minute(Some(*until)))
    }
}

fn narrow_row(stored: &StoredSession, day_start: TimeDelta) -> Narrow {
    let figures = &stored.session.figures;
    let trs_e2 = stored.times.as_ref().and_then(|times| times.rates(day_start).trs_e2);
    Narrow {
        machine: printable(&stored.nom, MOST_NAME_CHARS),
        day: stored.day.to_string().into(),
        pieces: text::count(figures.total_pieces.into(), Language::English).into(),
        first: minute(figures.first_piece).into(),
        last: minute(figures.last_piece).into(),
        effective: hours(figures.effective_ms).into(),
        stopped: hours(figures.stop_ms).into(),
        trs: trs_e2.map_or_else(|| NONE.to_owned(), |trs| decimal(trs, 2)).into(),
        central: standing(stored),
    }
}

/// The cells of required time; what lacks stands in the TRS's.
fn of_required(stored: &StoredSession, no_trs: Option<NoTrs>, day_start: TimeDelta) -> Vec<Cell> {
    let none = || NONE.to_owned();
    let why = || no_trs.map_or_else(none, |why| why.text(Language::English).to_owned());
    let cells = match &stored.times {
        None => vec![none(), none(), none(), none(), why(), none(), none()],
        Some(times) => {
            let rates = times.rates(day_start);
            let rate = |rate_e2: Option<i64>| rate_e2.map_or_else(none, |rate| decimal(rate, 2));
            vec![
                decimal(hours_e4(times.sum().required_ms), 4),
                rate(rates.availability_e2),
                rate(rates.performance_e2),
                rate(rates.quality_e2),
                rates.trs_e2.map_or_else(why, |trs| decimal(trs, 2)),
                rate(rates.trg_e2),
                if times.is_over { none() } else { second(Some(times.known_until)) },
            ]
        }
    };
    cells.into_iter().map(Cell::from).collect()
}

impl Narrow {
    fn cells(&self, has_times: bool) -> Vec<Cell> {
        let of_trs = if has_times { &self.trs } else { &self.stopped };
        let Self { day, pieces, first, last, effective, central, .. } = self;
        let machine = Cell::from(self.machine.clone());
        [day, &machine, pieces, first, last, effective, of_trs, central].map(Cell::clone).into()
    }
}

fn front(stored: &StoredSession) -> Vec<Cell> {
    let figures = &stored.session.figures;
    let rate = |ms| decimal(rate_e2(ms, figures.window_ms), 2);
    let cells = [
        stored.day.to_string(),
        stored.nom.clone(),
        figures.total_pieces.to_string(),
        second(figures.first_piece),
        second(figures.last_piece),
        decimal(hours_e4(figures.window_ms), 4),
        decimal(hours_e4(figures.effective_ms), 4),
        rate(figures.effective_ms),
        rate(figures.wait_ms),
        rate(figures.stop_ms),
        stored.session.stops.len().to_string(),
    ];
    cells.map(Cell::from).into()
}

fn second(at: Option<Stamp>) -> String {
    at.map_or(NONE.to_owned(), |at| at.to_naive().format("%H:%M:%S").to_string())
}

fn minute(at: Option<Stamp>) -> String {
    at.map_or(NONE.to_owned(), |at| at.to_naive().format("%H:%M").to_string())
}

/// Whether central has it.
fn standing(stored: &StoredSession) -> Cell {
    let (text, tone) = match stored {
        StoredSession { refusal: Some(_), .. } => ("quarantined", Some(Tone::Bad)),
        StoredSession { revision, synced_revision, .. } if revision == synced_revision => {
            ("yes", None)
        }
        _ => ("waiting", Some(Tone::Warn)),
    };
    Cell { text: text.to_owned(), tone }
}
