//! Where the required time of a day or of a shift went, as JSON with the names of central's views.

use chrono::TimeDelta;
use serde::Serialize;

use super::sessions::decimal;
use crate::model::{DayTimes, Rates, ShiftTimes, Stamp, TimesSum, hours_e4};

/// Times in hours, rates in percent; all empty if there is no calendar. Pieces and wait time are left to those
/// who show them: `pieces` and `temps_attente` are something else in a session.
#[derive(Serialize, Default)]
pub(super) struct Times {
    temps_ouverture: Option<String>,
    temps_requis: Option<String>,
    temps_fonctionnement: Option<String>,
    temps_arret: Option<String>,
    temps_demarrage: Option<String>,
    temps_fin: Option<String>,
    pieces_rebut: Option<u64>,
    temps_net: Option<String>,
    temps_utile: Option<String>,
    taux_do: Option<String>,
    taux_tp: Option<String>,
    taux_tq: Option<String>,
    trs: Option<String>,
    trg: Option<String>,
    tre: Option<String>,
}

impl Times {
    fn new(sum: &TimesSum, rates: &Rates) -> Self {
        let hours = |ms| Some(decimal(hours_e4(ms), 4));
        let rate = |rate_e2: Option<i64>| rate_e2.map(|rate| decimal(rate, 2));
        let exact = |hours_e4: Option<i64>| hours_e4.map(|hours| decimal(hours, 4));
        Self {
            temps_ouverture: hours(sum.opening_ms),
            temps_requis: hours(sum.required_ms),
            temps_fonctionnement: hours(sum.running_ms),
            temps_arret: hours(sum.stop_ms),
            temps_demarrage: hours(sum.start_ms),
            temps_fin: hours(sum.end_ms),
            pieces_rebut: Some(sum.rejects),
            temps_net: exact(sum.net_e4()),
            temps_utile: exact(sum.useful_e4()),
            taux_do: rate(rates.availability_e2),
            taux_tp: rate(rates.performance_e2),
            taux_tq: rate(rates.quality_e2),
            trs: rate(rates.trs_e2),
            trg: rate(rates.trg_e2),
            tre: rate(rates.tre_e2),
        }
    }
}

/// A day of a machine: its times, and each shift's.
#[derive(Serialize, Default)]
pub(super) struct DayRow {
    cadence_nominale: Option<u32>,
    en_cours: Option<bool>,
    /// Up to when figures count, of a day that is not over.
    jusqua: Option<String>,
    pieces_requis: Option<u64>,
    temps_attente_requis: Option<String>,
    #[serde(flatten)]
    times: Times,
    postes: Vec<ShiftRow>,
}

/// A shift's part of the day, as `v_trs_poste` has it.
#[derive(Serialize)]
struct ShiftRow {
    numero: u32,
    poste: String,
    debut_poste: String,
    fin_poste: String,
    en_cours: bool,
    pieces: u64,
    temps_attente: String,
    #[serde(flatten)]
    times: Times,
}

impl DayRow {
    /// Of a production day that begins `day_start` after midnight.
    pub(super) fn of(times: Option<&DayTimes>, day_start: TimeDelta) -> Self {
        let Some(times) = times else { return Self::default() };
        let (sum, total_ms) = (times.sum(), times.total_ms(day_start));
        let row = |part: &ShiftTimes| ShiftRow::of(part, times.nominal_per_hour, total_ms);
        Self {
            cadence_nominale: times.nominal_per_hour,
            en_cours: Some(times.parts.iter().any(|part| part.is_running)),
            jusqua: (!times.is_over).then(|| second(times.known_until)),
            pieces_requis: Some(sum.pieces),
            temps_attente_requis: Some(decimal(hours_e4(sum.wait_ms), 4)),
            times: Times::new(&sum, &sum.rates(total_ms)),
            postes: times.parts.iter().map(row).collect(),
        }
    }
}

impl ShiftRow {
    fn of(part: &ShiftTimes, nominal_per_hour: Option<u32>, total_ms: i64) -> Self {
        let sum = TimesSum::of(part, nominal_per_hour);
        Self {
            numero: part.number,
            poste: part.shift.clone(),
            debut_poste: second(part.planned_from),
            fin_poste: second(part.planned_to),
            en_cours: part.is_running,
            pieces: sum.pieces,
            temps_attente: decimal(hours_e4(sum.wait_ms), 4),
            times: Times::new(&sum, &sum.rates(total_ms)),
        }
    }
}

fn second(at: Stamp) -> String {
    at.to_naive().format("%Y-%m-%d %H:%M:%S").to_string()
}
