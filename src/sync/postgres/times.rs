//! The times of shifts: rows of `temps_poste`, which travel with the session of their machine and day as a part
//! of its header, and alone if the day has none.
//!
//! What must never happen here: rows of a day that has a session written without it; a value that is written
//! and not compared; a row that is written though it is there already.

use std::fmt::Write;

use chrono::{NaiveTime, TimeDelta};
use postgres::{Row, types::Type};
use sha2::{Digest, Sha256};

use super::{
    Central, CentralError,
    claim::{Claimed, Claims, HELD, HOLDER, RENEW, centre_of},
    digest::{Compared, Depth, Inexact, Kind, record},
    encoding::Script,
    params::Params,
    record::Record,
    row_runs::write_line,
    same_count, unreadable,
};
use crate::model::{Day, DayTimes, Machine, ShiftTimes, Stamp};

/// A number or a moment of a row.
struct Column {
    name: &'static str,
    of: Of,
}

enum Of {
    Number(fn(&Part<'_>) -> Option<i64>),
    Moment(fn(&Part<'_>) -> Option<Stamp>),
}

/// A part with what it needs of its day.
struct Part<'t> {
    times: &'t ShiftTimes,
    of_day: &'t DayTimes,
    total_ms: Option<i64>,
}

const fn number(name: &'static str, of: fn(&Part<'_>) -> Option<i64>) -> Column {
    Column { name, of: Of::Number(of) }
}

const fn moment(name: &'static str, of: fn(&Part<'_>) -> Option<Stamp>) -> Column {
    Column { name, of: Of::Moment(of) }
}

/// The columns behind centre and day that are no texts, in the order in which they travel.
const COLUMNS: [Column; 15] = [
    number("numero", |part| Some(part.times.number.into())),
    moment("debut_poste", |part| Some(part.times.planned_from)),
    moment("fin_poste", |part| Some(part.times.planned_to)),
    moment("jusqua", |part| (!part.of_day.is_over).then_some(part.of_day.known_until)),
    number("ouverture_ms", |part| Some(part.times.opening_ms)),
    number("requis_ms", |part| Some(part.times.required_ms)),
    number("fonctionnement_ms", |part| Some(part.times.running_ms)),
    number("arret_ms", |part| Some(part.times.stop_ms)),
    number("attente_ms", |part| Some(part.times.wait_ms)),
    number("demarrage_ms", |part| Some(part.times.start_ms)),
    number("fin_ms", |part| Some(part.times.end_ms)),
    number("pieces", |part| Some(part.times.pieces.into())),
    number("pieces_rebut", |part| Some(part.times.rejects.into())),
    number("cadence_nominale", |part| part.of_day.nominal_per_hour.map(i64::from)),
    number("total_ms", |part| part.total_ms),
];

/// The rows as they are compared: [`COLUMNS`], then the texts.
pub(super) const TIMES: Compared = Compared {
    table: "temps_poste",
    number: "numero",
    columns: &[
        ("numero", Kind::Integer),
        ("debut_poste", Kind::Moment),
        ("fin_poste", Kind::Moment),
        ("jusqua", Kind::Moment),
        ("ouverture_ms", Kind::Integer),
        ("requis_ms", Kind::Integer),
        ("fonctionnement_ms", Kind::Integer),
        ("arret_ms", Kind::Integer),
        ("attente_ms", Kind::Integer),
        ("demarrage_ms", Kind::Integer),
        ("fin_ms", Kind::Integer),
        ("pieces", Kind::Integer),
        ("pieces_rebut", Kind::Integer),
        ("cadence_nominale", Kind::Integer),
        ("total_ms", Kind::Integer),
        ("poste", Kind::Text),
        ("machine", Kind::Text),
    ],
};

fn midnight(day: Day) -> Stamp {
    Stamp::from_naive(day.and_time(NaiveTime::MIN))
}

/// `day_start`: how long after midnight the production day begins.
fn parts(times: &DayTimes, day_start: TimeDelta) -> impl Iterator<Item = Part<'_>> {
    let begin = midnight(times.day).plus_ms(day_start.num_milliseconds());
    let total_ms = (!times.is_over).then_some(times.known_until.0 - begin.0);
    times.parts.iter().map(move |part| Part { times: part, of_day: times, total_ms })
}

/// The rows of a day as two texts, a line each: numbers, and names of shifts. `None`: there are none.
pub(super) fn packed(
    times: Option<&DayTimes>,
    day_start: TimeDelta,
    script: &Script,
) -> (Option<String>, Option<String>) {
    let Some(times) = times.filter(|times| !times.parts.is_empty()) else { return (None, None) };
    let midnight = midnight(times.day);
    let (mut numbers, mut names) = (String::new(), String::new());
    for part in parts(times, day_start) {
        for (place, column) in COLUMNS.iter().enumerate() {
            if place > 0 {
                numbers.push(',');
            }
            let value = match column.of {
                Of::Number(of) => of(&part),
                Of::Moment(of) => of(&part).map(|at| at.0 - midnight.0),
            };
            if let Some(value) = value {
                write!(numbers, "{value}").expect("a String takes any text");
            }
        }
        numbers.push('\n');
        write_line(&mut names, &part.times.shift, usize::MAX, script);
        names.push('\n');
    }
    numbers.pop();
    names.pop();
    (Some(numbers), Some(names))
}

/// The parts of a statement that make the rows of the days `planifiee (centre_id, nom, jour, temps, postes)`
/// equal to what travelled; only rows that differ are written.
pub(super) fn write() -> String {
    let numbers: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let values: Vec<String> = (1..)
        .zip(&COLUMNS)
        .map(|(place, column)| match (&column.of, column.name) {
            (Of::Moment(_), _) => {
                format!("t.jour::timestamp + t.v[{place}]::float8 * interval '1 millisecond'")
            }
            (Of::Number(_), name) if name.ends_with("_ms") => format!("t.v[{place}]::bigint"),
            (Of::Number(_), _) => format!("t.v[{place}]::integer"),
        })
        .collect();
    let changed: Vec<&str> = numbers[1..].iter().copied().chain(["poste", "machine"]).collect();
    let of = |alias: &str| {
        let column = |name: &&str| {
            let text = if ["poste", "machine"].contains(name) { "::text" } else { "" };
            format!("{alias}.{name}{text}")
        };
        changed.iter().map(column).collect::<Vec<_>>().join(", ")
    };
    let set: Vec<String> = changed.iter().map(|c| format!("{c} = excluded.{c}")).collect();
    format!(
        "
temps AS MATERIALIZED (
    SELECT x.centre_id, x.nom, x.jour, coalesce(l.poste, '') AS poste,
           string_to_array(l.ligne, ',', '') AS v
    FROM planifiee x
    CROSS JOIN LATERAL unnest(string_to_array(x.temps, E'\\n'), string_to_array(x.postes, E'\\n'))
        AS l (ligne, poste)
    WHERE l.ligne IS NOT NULL
),
temps_otee AS (
    DELETE FROM temps_poste d USING planifiee x
    WHERE d.centre_usinage_id = x.centre_id AND d.date_production = x.jour
      AND NOT EXISTS (SELECT FROM temps t WHERE t.centre_id = x.centre_id AND t.jour = x.jour
                      AND t.v[1]::integer = d.numero)
),
temps_ecrit AS (
    INSERT INTO temps_poste AS d (centre_usinage_id, date_production, {columns}, poste, machine, date_maj)
    SELECT t.centre_id, t.jour, {values}, t.poste, t.nom, LOCALTIMESTAMP
    FROM temps t ORDER BY t.centre_id, t.jour, t.v[1]::integer
    ON CONFLICT (centre_usinage_id, date_production, numero) DO UPDATE
    SET {set}, date_maj = excluded.date_maj
    WHERE ROW({held}) IS DISTINCT FROM ROW({sent})
)",
        columns = numbers.join(", "),
        values = values.join(", "),
        set = set.join(", "),
        held = of("d"),
        sent = of("excluded"),
    )
}

/// SQL for the bytes of the rows `t` that the condition `of_day` chooses, in the order of their number.
pub(super) fn rows_of(of_day: &str, inexact: &Inexact, depth: Depth) -> String {
    let record = record(
        "t",
        TIMES.columns.iter().copied(),
        |place| inexact.of_times() & (1 << place) != 0,
        depth,
    );
    format!(
        "SELECT string_agg({record}, ''::bytea ORDER BY t.numero) AS contenu FROM temps_poste t WHERE {of_day}"
    )
}

/// Adds the rows of a day to a hash, as [`rows_of`] gives them.
pub(super) fn add_rows(
    hash: &mut Sha256,
    machine: &str,
    times: Option<&DayTimes>,
    day_start: TimeDelta,
    inexact: &Inexact,
    script: &Script,
) {
    let Some(times) = times else { return };
    let mut record = Record::default();
    let mut text = String::new();
    for part in parts(times, day_start) {
        record.begin(TIMES.columns.len(), inexact.of_times());
        for column in &COLUMNS {
            match column.of {
                Of::Number(of) => record.decimal(of(&part), 0),
                Of::Moment(of) => record.moment(of(&part)),
            }
        }
        for name in [part.times.shift.as_str(), machine] {
            text.clear();
            write_line(&mut text, name, usize::MAX, script);
            record.text(Some(&text));
        }
        hash.update(&record.bytes);
    }
}

/// The rows of a planned day without a session, as they are to be in central.
#[derive(Clone, Copy, Debug)]
pub struct PlannedDay<'a> {
    pub machine: &'a Machine,
    pub day: Day,
    pub day_start: TimeDelta,
    /// `None`: there are to be none.
    pub times: Option<&'a DayTimes>,
}

/// What central holds of a [`PlannedDay`], or what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlannedOutcome {
    /// Its rows are these, or are now.
    Equal,
    /// Its rows are others.
    Differs,
    /// Central holds a session of the day, whose writer has its times.
    HasSession,
    Claimed(Claimed),
    NoCentre,
}

impl PlannedDay<'_> {
    fn digest(&self, inexact: &Inexact, script: &Script) -> Vec<u8> {
        let mut hash = Sha256::new();
        add_rows(&mut hash, &self.machine.nom, self.times, self.day_start, inexact, script);
        hash.finalize()[..8].to_vec()
    }
}

/// The days as the first table of a statement, `entree`. `$1` to `$4`: who writes.
fn push_days(params: &mut Params, claims: &Claims, days: &[PlannedDay<'_>]) -> String {
    claims.push_writer(params);
    let texts = |of: fn(&(Option<String>, Option<String>)) -> &Option<String>, params: &Params| {
        let packed = |day: &PlannedDay<'_>| packed(day.times, day.day_start, params.script());
        days.iter().map(|day| of(&packed(day)).clone()).collect::<Vec<_>>()
    };
    let (numbers, names) = (texts(|packed| &packed.0, params), texts(|packed| &packed.1, params));
    let noms: Vec<&str> = days.iter().map(|day| day.machine.nom.as_str()).collect();
    params.push_texts(noms.iter().map(|nom| Some((*nom).to_owned())).collect());
    params.push(days.iter().map(|day| day.day).collect::<Vec<_>>(), Type::DATE_ARRAY);
    params.push(noms.iter().map(|nom| claims.held_at(nom)).collect::<Vec<_>>(), Type::INT8_ARRAY);
    params.push_texts(numbers);
    params.push_texts(names);
    format!(
        "entree AS MATERIALIZED (
    SELECT d.rang, d.nom, d.jour, d.tenu, d.temps, d.postes, {centre} AS centre_id
    FROM unnest($5::text[], $6::date[], $7::bigint[], $8::text[], $9::text[])
        WITH ORDINALITY AS d (nom, jour, tenu, temps, postes, rang)
)",
        centre = centre_of("d.nom")
    )
}

const HAS_SESSION: &str = "EXISTS (SELECT FROM session_production s
    WHERE s.centre_usinage_id = e.centre_id AND s.date_production = e.jour)";

impl Central {
    /// Makes central's rows of planned days that have no session there equal to `days`, one outcome each.
    pub fn deliver_planned(
        &mut self,
        claims: &mut Claims,
        days: &[PlannedDay<'_>],
    ) -> Result<Vec<PlannedOutcome>, CentralError> {
        let mut params = self.params();
        let entree = push_days(&mut params, claims, days);
        let sql = format!(
            "WITH {entree},{RENEW},
planifiee AS MATERIALIZED (
    SELECT e.rang, e.centre_id, e.nom, e.jour, e.temps, e.postes
    FROM entree e JOIN tenue t ON t.centre_usinage_id = e.centre_id
    WHERE NOT {HAS_SESSION}
),{write}
SELECT e.centre_id IS NOT NULL AS centre, {HELD}, {HOLDER}, p.rang IS NULL AS occupee, NULL::bytea AS contenu
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN planifiee p ON p.rang = e.rang
ORDER BY e.rang",
            write = write(),
        );
        let rows = self.ask(&sql, &params)?;
        self.changed_texts += params.script().changed();
        self.outcomes(claims, days, &rows)
    }

    /// Compares central's rows of planned days that have no session there with `days`, one outcome each.
    pub fn compare_planned(
        &mut self,
        claims: &mut Claims,
        days: &[PlannedDay<'_>],
    ) -> Result<Vec<PlannedOutcome>, CentralError> {
        let mut params = self.params();
        claims.push_writer(&mut params);
        params.push_texts(days.iter().map(|day| Some(day.machine.nom.clone())).collect());
        params.push(days.iter().map(|day| day.day).collect::<Vec<_>>(), Type::DATE_ARRAY);
        let held = days.iter().map(|day| claims.held_at(&day.machine.nom)).collect::<Vec<_>>();
        params.push(held, Type::INT8_ARRAY);
        let rows = rows_of(
            "t.centre_usinage_id = e.centre_id AND t.date_production = e.jour",
            &self.inexact,
            Depth::Full,
        );
        let sql = format!(
            "WITH entree AS MATERIALIZED (
    SELECT d.rang, d.nom, d.jour, d.tenu, {centre} AS centre_id
    FROM unnest($5::text[], $6::date[], $7::bigint[]) WITH ORDINALITY AS d (nom, jour, tenu, rang)
),{RENEW}
SELECT e.centre_id IS NOT NULL AS centre, {HELD}, {HOLDER}, {HAS_SESSION} AS occupee,
       substr(sha256(coalesce(h.contenu, ''::bytea)), 1, 8) AS contenu
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN LATERAL ({rows}) h ON TRUE
ORDER BY e.rang",
            centre = centre_of("d.nom"),
        );
        let rows = self.ask(&sql, &params)?;
        self.outcomes(claims, days, &rows)
    }

    fn outcomes(
        &self,
        claims: &mut Claims,
        days: &[PlannedDay<'_>],
        rows: &[Row],
    ) -> Result<Vec<PlannedOutcome>, CentralError> {
        same_count(days.len(), rows.len())?;
        let script = Script::of(self.server.encoding);
        let outcome = |(day, row): (&PlannedDay<'_>, &Row)| {
            let nom = &day.machine.nom;
            if !row.try_get::<_, bool>("centre")? {
                return Ok(PlannedOutcome::NoCentre);
            }
            if !claims.note(nom, row)? {
                return Ok(PlannedOutcome::Claimed(Claimed::from_row(nom, row)?));
            }
            if row.try_get::<_, bool>("occupee")? {
                return Ok(PlannedOutcome::HasSession);
            }
            let held: Option<&[u8]> = row.try_get("contenu")?;
            let is_equal = held.is_none_or(|held| held == day.digest(&self.inexact, &script));
            Ok(if is_equal { PlannedOutcome::Equal } else { PlannedOutcome::Differs })
        };
        days.iter().zip(rows).map(outcome).collect::<Result<_, _>>().map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_travel_as_lines_of_numbers_and_of_names_without_what_there_is_not() {
        let day = Day::from_ymd_opt(2025, 6, 3).unwrap();
        let at = |hours: i64| midnight(day).plus_ms(hours * 3_600_000);
        let part = |number, shift: &str| ShiftTimes {
            number,
            shift: shift.into(),
            planned_from: at(-3),
            planned_to: at(5),
            opening_ms: 18_000_000,
            pieces: 7,
            ..ShiftTimes::default()
        };
        let mut times = DayTimes {
            day,
            known_until: at(24),
            is_over: true,
            nominal_per_hour: None,
            parts: vec![part(1, "nuit, une"), part(2, "ma\ntin")],
            pieces_outside: 0,
        };
        let packed = |times: &DayTimes, hours| {
            packed(Some(times), TimeDelta::hours(hours), &Script::default())
        };
        let (numbers, names) = packed(&times, 5);
        assert_eq!(names.unwrap(), "nuit, une\nma tin");
        assert_eq!(
            numbers.unwrap(),
            "1,-10800000,18000000,,18000000,0,0,0,0,0,0,7,0,,\n\
             2,-10800000,18000000,,18000000,0,0,0,0,0,0,7,0,,"
        );
        times.parts.truncate(1);
        (times.is_over, times.known_until, times.nominal_per_hour) = (false, at(6), Some(90));
        let (numbers, _) = packed(&times, 5);
        assert_eq!(
            numbers.unwrap(),
            "1,-10800000,18000000,21600000,18000000,0,0,0,0,0,0,7,0,90,3600000"
        );
        times.parts.clear();
        assert_eq!(packed(&times, 5), (None, None));
    }

    #[test]
    fn what_is_written_is_what_is_compared() {
        let compared: Vec<&str> = TIMES.columns.iter().map(|(name, _)| *name).collect();
        let written = COLUMNS.iter().map(|column| column.name).chain(["poste", "machine"]);
        assert_eq!(compared, written.collect::<Vec<_>>());
        for (column, (_, kind)) in COLUMNS.iter().zip(TIMES.columns) {
            let is_moment = matches!(column.of, Of::Moment(_));
            assert_eq!(is_moment, *kind == Kind::Moment, "{}", column.name);
        }
    }
}
