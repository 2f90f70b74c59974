//! The header of a session: each column that the agent writes, and its value. What is sent and what is
//! compared afterwards is made from this one table.

use postgres::types::Type;

use super::{encoding::Script, order::Order, params::Params, row_runs::write_line};
use crate::model::{Delivery, Figures, Rates, Stamp, TimesSum, hours_e4, rate_e2};

/// A column of `session_production` behind machine and day.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) of: Of,
}

/// What a column holds, and how a session gives it.
pub(super) enum Of {
    Integer(fn(&Delivery) -> Option<i64>),
    /// A duration in ms, which central has in hours with four places.
    Hours(fn(&Figures) -> i64),
    /// A part of the window in ms, which central has in percent with two places.
    Share(fn(&Figures) -> i64),
    /// Of the day's times, in hundredths of a percent.
    Percent(fn(&Rates) -> Option<i64>),
    Moment(fn(&Figures) -> Option<Stamp>),
    /// Cut to this many characters.
    Text(fn(&Delivery) -> &str, usize),
}

const fn column(name: &'static str, of: Of) -> Column {
    Column { name, of }
}

/// The columns behind machine and day, in the order in which they travel.
pub(super) const COLUMNS: &[Column] = &[
    column("revision", Of::Integer(|d| Some(d.revision))),
    column(
        "evenements",
        Of::Integer(|d| Some(i64::try_from(d.figures.events).unwrap_or(i64::MAX))),
    ),
    column("heure_premiere_piece", Of::Moment(|f| f.first_piece)),
    column("heure_derniere_piece", Of::Moment(|f| f.last_piece)),
    column("heure_premier_machine_start", Of::Moment(|f| f.first_start)),
    column("heure_dernier_machine_stop", Of::Moment(|f| f.last_stop)),
    column("total_pieces", Of::Integer(|d| Some(i64::from(d.figures.total_pieces)))),
    column("duree_production_totale", Of::Hours(|f| f.window_ms)),
    column("temps_attente", Of::Hours(|f| f.wait_ms)),
    column("temps_arret_volontaire", Of::Hours(|f| f.stop_ms)),
    column("temps_production_effectif", Of::Hours(|f| f.effective_ms)),
    column("taux_occupation", Of::Share(|f| f.effective_ms)),
    column("taux_attente", Of::Share(|f| f.wait_ms)),
    column("taux_arret_volontaire", Of::Share(|f| f.stop_ms)),
    column("temps_attente_brut", Of::Hours(|f| f.raw_wait_ms)),
    column("temps_arret_brut", Of::Hours(|f| f.raw_stop_ms)),
    column("duree_production_ms", Of::Integer(|d| Some(d.figures.window_ms))),
    column("temps_attente_ms", Of::Integer(|d| Some(d.figures.wait_ms))),
    column("temps_arret_volontaire_ms", Of::Integer(|d| Some(d.figures.stop_ms))),
    column("temps_attente_brut_ms", Of::Integer(|d| Some(d.figures.raw_wait_ms))),
    column("temps_arret_brut_ms", Of::Integer(|d| Some(d.figures.raw_stop_ms))),
    column("fichier_log_source", Of::Text(|d| &d.log_sources, MAX_LOG_SOURCES)),
    column("cadence_nominale", Of::Integer(|d| d.nominal_per_hour.map(i64::from))),
    column("rebuts", Of::Integer(|d| d.nominal_per_hour.map(|_| i64::from(d.rejects)))),
    // As `v_trs_jour` has them: nothing else bears these names.
    column("taux_performance", Of::Percent(|rates| rates.performance_e2)),
    column("taux_qualite", Of::Percent(|rates| rates.quality_e2)),
    column("taux_trs", Of::Percent(|rates| rates.trs_e2)),
    // The last one: a central that lacks the times has none.
    column("pieces_hors_requis", Of::Integer(|d| d.pieces_outside.map(i64::from))),
];

/// The columns that central has.
pub(super) fn columns(has_times: bool) -> &'static [Column] {
    if has_times { COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] }
}

/// Central's column is shorter than what the names may add up to.
const MAX_LOG_SOURCES: usize = 255;

/// What central's columns for performance and TRS hold; a nominal rhythm that is far too low shows.
const MOST_PERCENT_E2: i64 = 999_999_999;

/// The value of a column in a session.
pub(super) enum Value<'d> {
    Integer(Option<i64>),
    /// In units of ten to the minus [`Of::places`].
    Decimal(Option<i64>),
    Moment(Option<Stamp>),
    /// As the buffer has it, and how many characters of it travel.
    Text(&'d str, usize),
}

impl Of {
    /// Digits behind the point, of a decimal.
    pub(super) fn places(&self) -> Option<u32> {
        match self {
            Self::Hours(_) => Some(4),
            Self::Share(_) | Self::Percent(_) => Some(2),
            Self::Integer(_) | Self::Moment(_) | Self::Text(..) => None,
        }
    }

    pub(super) fn value<'d>(&self, delivery: &'d Delivery) -> Value<'d> {
        let figures = &delivery.figures;
        match self {
            Self::Integer(of) => Value::Integer(of(delivery)),
            Self::Hours(of) => Value::Decimal(Some(hours_e4(of(figures)))),
            Self::Share(of) => Value::Decimal(Some(rate_e2(of(figures), figures.window_ms))),
            Self::Percent(of) => {
                let rate = rates(delivery).and_then(|rates| of(&rates));
                Value::Decimal(rate.map(|rate| rate.min(MOST_PERCENT_E2)))
            }
            Self::Moment(of) => Value::Moment(of(figures)),
            Self::Text(of, max_chars) => Value::Text(of(delivery), *max_chars),
        }
    }
}

impl Column {
    /// The column of all `orders` as a parameter.
    pub(super) fn push(&self, params: &mut Params, orders: &[Order<'_>]) -> String {
        let values = orders.iter().map(|order| self.of.value(order.delivery));
        match self.of {
            Of::Integer(_) | Of::Hours(_) | Of::Share(_) | Of::Percent(_) => {
                let of = |value| match value {
                    Value::Integer(value) | Value::Decimal(value) => value,
                    Value::Moment(_) | Value::Text(..) => None,
                };
                params.push(values.map(of).collect::<Vec<_>>(), Type::INT8_ARRAY)
            }
            Of::Moment(_) => {
                let of = |value| match value {
                    Value::Moment(value) => value.map(Stamp::to_naive),
                    Value::Integer(_) | Value::Decimal(_) | Value::Text(..) => None,
                };
                params.push(values.map(of).collect::<Vec<_>>(), Type::TIMESTAMP_ARRAY)
            }
            Of::Text(..) => {
                let script = params.script();
                let of = |value: Value<'_>| match value {
                    Value::Text(text, max_chars) => Some(line(text, max_chars, script)),
                    Value::Integer(_) | Value::Decimal(_) | Value::Moment(_) => None,
                };
                let texts = values.map(of).collect();
                params.push_texts(texts)
            }
        }
    }

    /// The value that goes into the column, from the parameters `h`.
    pub(super) fn sent(&self) -> String {
        let name = self.name;
        match self.of.places() {
            Some(places) => {
                let unit = 10_i64.pow(places);
                format!("(h.{name}::numeric / {unit}.0)::numeric(18,{places}) AS {name}")
            }
            None => format!("h.{name}"),
        }
    }

    /// The column as it is in central, of the type that is sent: a comparison of two types may be anyone's.
    pub(super) fn held(&self) -> String {
        let of = match self.of {
            Of::Text(..) => "::text",
            Of::Hours(_) | Of::Share(_) | Of::Percent(_) => "::numeric",
            Of::Integer(_) | Of::Moment(_) => "",
        };
        format!("s.{}{of}", self.name)
    }
}

/// The columns as `each` writes them.
pub(super) fn listed(columns: &[Column], each: impl Fn(&Column) -> String) -> String {
    columns.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn rates(delivery: &Delivery) -> Option<Rates> {
    let times = delivery.times.as_ref()?;
    let parts = times.parts.iter().map(|part| TimesSum::of(part, times.nominal_per_hour));
    let sum = parts.reduce(|one, other| one.plus(&other))?;
    // No column is of the total time.
    Some(sum.rates(0))
}

fn line(text: &str, max_chars: usize, script: &Script) -> String {
    let mut out = String::new();
    write_line(&mut out, text, max_chars, script);
    out
}
