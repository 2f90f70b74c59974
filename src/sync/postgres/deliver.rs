//! Writes many sessions in one statement: header and details together or not at all, and only where
//! central still holds what the plan saw. Sending the same again changes nothing, so a lost answer
//! does no harm.

use postgres::{Row, types::Type};

use super::{
    Central, CentralError,
    claim::{Claimed, Claims, HELD, HOLDER, RENEW, centre_of},
    details::push_details,
    order::Order,
    params::Params,
    prepared::Often,
    row_runs::write_line,
    same_count, unreadable,
};
use crate::model::{Delivery, Trs, hours_e4, rate_e2};

/// What became of one [`Order`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Central holds the delivered revision. Where it is not `complete`, detail rows that were not
    /// part of the delivery are missing there: deliver every row.
    Written { complete: bool },
    /// Another writer was faster, or holds a lock on the session, which nobody waits for: ask for the
    /// state again.
    Overtaken,
    /// The machine is another's to write.
    Claimed(Claimed),
    /// The machine has no row in `centre_usinage`: see [`Central::ensure_centres`].
    NoCentre,
}

/// Header columns behind machine and day, in the order of [`push_headers`].
const COLUMNS: &[&str] = &[
    "revision",
    "evenements",
    "heure_premiere_piece",
    "heure_derniere_piece",
    "heure_premier_machine_start",
    "heure_dernier_machine_stop",
    "total_pieces",
    "duree_production_totale",
    "temps_attente",
    "temps_arret_volontaire",
    "temps_production_effectif",
    "taux_occupation",
    "taux_attente",
    "taux_arret_volontaire",
    "temps_attente_brut",
    "temps_arret_brut",
    "fichier_log_source",
    "cadence_nominale",
    "rebuts",
    "taux_performance",
    "taux_qualite",
    "taux_trs",
];

/// Central's column is shorter than what the names may add up to.
const MAX_LOG_SOURCES: usize = 255;

impl Central {
    /// Writes `orders`; one outcome each, in that order. All or none: an error wrote nothing, or,
    /// where only the answer was lost, all of it.
    pub fn deliver(
        &mut self,
        claims: &mut Claims,
        orders: &[Order<'_>],
    ) -> Result<Vec<Outcome>, CentralError> {
        let mut params = Params::default();
        let all_new = orders.iter().all(|order| order.replaces.is_none());
        let which = if all_new { Often::DeliverNew } else { Often::DeliverKnown };
        let is_kept = self.keeps(which);
        let sql = statement(&mut params, claims, orders, all_new, is_kept);
        let rows =
            if is_kept { self.ask_kept(which, &sql, &params)? } else { self.ask(&sql, &params)? };
        same_count(orders.len(), rows.len())?;
        orders
            .iter()
            .zip(&rows)
            .map(|(order, row)| outcome(claims, order.delivery, row))
            .collect::<Result<_, _>>()
            .map_err(unreadable)
    }
}

/// How long the statement of [`Central::deliver`] is for `orders`, its parameters built and left out:
/// the gateway's own part of a delivery, for `benches/guard`.
pub fn statement_bytes(claims: &Claims, orders: &[Order<'_>]) -> usize {
    let all_new = orders.iter().all(|order| order.replaces.is_none());
    statement(&mut Params::default(), claims, orders, all_new, true).len()
}

fn outcome(
    claims: &mut Claims,
    delivery: &Delivery,
    row: &Row,
) -> Result<Outcome, postgres::Error> {
    let nom = &delivery.machine.nom;
    if !row.try_get::<_, bool>("centre")? {
        return Ok(Outcome::NoCentre);
    }
    if !claims.note(nom, row)? {
        return Ok(Outcome::Claimed(Claimed::from_row(nom, row)?));
    }
    Ok(if row.try_get("ecrite")? {
        // A new session holds what was sent; for another one central counted.
        let counted: Option<bool> = row.try_get("complete")?;
        Outcome::Written { complete: counted.unwrap_or_else(|| holds_every_row(delivery)) }
    } else {
        Outcome::Overtaken
    })
}

fn holds_every_row(delivery: &Delivery) -> bool {
    let rows = [
        (delivery.counts.pieces, delivery.pieces.len()),
        (delivery.counts.waits, delivery.waits.len()),
        (delivery.counts.stops, delivery.stops.len()),
        (delivery.counts.jobs, delivery.jobs.len()),
        (delivery.counts.anomalies, delivery.anomalies.len()),
    ];
    rows.iter().all(|(count, sent)| u32::try_from(*sent) == Ok(*count))
}

/// The text of a `whole` statement depends on `all_new` alone; otherwise it is as short as `orders` allow.
fn statement(
    params: &mut Params,
    claims: &Claims,
    orders: &[Order<'_>],
    all_new: bool,
    whole: bool,
) -> String {
    params.push(claims.identity.agent_id.clone(), Type::TEXT);
    params.push(claims.identity.buffer_id.clone(), Type::TEXT);
    params.push(claims.instance_id.clone(), Type::TEXT);
    params.push(claims.host.clone(), Type::TEXT);
    let entree = push_headers(params, claims, orders);
    // New sessions have no detail rows that could be in the way; looking for them costs a third.
    let details = push_details(params, orders, all_new, whole);
    let columns = COLUMNS.join(", ");
    let of =
        |alias: &str| COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect::<Vec<_>>().join(", ");
    format!(
        "WITH {entree},{RENEW},
libre AS MATERIALIZED (
    SELECT s.id FROM session_production s JOIN entree e ON e.attendu_id = s.id
    WHERE s.revision IS NOT DISTINCT FROM e.attendu_revision
      AND s.agent_id IS NOT DISTINCT FROM e.attendu_agent
      AND s.tampon_id IS NOT DISTINCT FROM e.attendu_tampon
    ORDER BY s.id
    FOR NO KEY UPDATE OF s SKIP LOCKED
),
modifiee AS (
    UPDATE session_production s
    SET ({columns}, agent_id, tampon_id, machine, date_maj) = ROW({new}, $1, $2, e.nom,
        CASE WHEN ROW({old}, s.agent_id, s.tampon_id) IS NOT DISTINCT FROM ROW({new}, $1, $2)
             THEN s.date_maj ELSE LOCALTIMESTAMP END)
    FROM entree e JOIN tenue t ON t.centre_usinage_id = e.centre_id
    JOIN libre l ON l.id = e.attendu_id
    WHERE s.id = e.attendu_id AND s.centre_usinage_id = e.centre_id AND s.date_production = e.jour
      AND s.revision IS NOT DISTINCT FROM e.attendu_revision
      AND s.agent_id IS NOT DISTINCT FROM e.attendu_agent
      AND s.tampon_id IS NOT DISTINCT FROM e.attendu_tampon
    RETURNING s.id, e.rang
),
creee AS (
    INSERT INTO session_production
        (centre_usinage_id, date_production, {columns}, agent_id, tampon_id, machine, date_maj)
    SELECT e.centre_id, e.jour, {new}, $1, $2, e.nom, LOCALTIMESTAMP
    FROM entree e JOIN tenue t ON t.centre_usinage_id = e.centre_id
    WHERE e.attendu_id IS NULL
      AND NOT EXISTS (SELECT FROM session_production s
                      WHERE s.centre_usinage_id = e.centre_id AND s.date_production = e.jour)
    ORDER BY e.rang
    ON CONFLICT (centre_usinage_id, date_production) DO NOTHING
    RETURNING id, centre_usinage_id, date_production
),
ecrite AS MATERIALIZED (
    SELECT w.id, e.rang, e.jour, e.n_pieces, e.n_attentes, e.n_arrets, e.n_jobs, e.n_anomalies, w.neuve
    FROM (SELECT m.id, m.rang, FALSE AS neuve FROM modifiee m
          UNION ALL
          SELECT c.id, e.rang, TRUE FROM creee c
          JOIN entree e ON e.centre_id = c.centre_usinage_id AND e.jour = c.date_production) w
    JOIN entree e ON e.rang = w.rang
){with}
SELECT e.centre_id IS NOT NULL AS centre, {HELD}, {HOLDER},
       w.id IS NOT NULL AS ecrite, {complete} AS complete
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN ecrite w ON w.rang = e.rang
{joins}ORDER BY e.rang",
        new = of("e"),
        old = COLUMNS.iter().map(|c| held(c)).collect::<Vec<_>>().join(", "),
        with = details.with.iter().map(|part| format!(",{part}")).collect::<String>(),
        complete = if all_new { "NULL::boolean".into() } else { details.complete.join(" AND ") },
        joins = details.joins.concat(),
    )
}

/// The column as it is in central, of the type that is sent: a comparison of two types may be anyone's.
fn held(column: &str) -> String {
    let of = match column {
        "fichier_log_source" => "::text",
        c if ["duree_", "temps_", "taux_"].iter().any(|start| c.starts_with(start)) => "::numeric",
        _ => "",
    };
    format!("s.{column}{of}")
}

/// The headers as the first table of the statement, `entree`.
fn push_headers(params: &mut Params, claims: &Claims, orders: &[Order<'_>]) -> String {
    macro_rules! column {
        ($order:ident => $value:expr, $of:ident) => {
            params.push(orders.iter().map(|$order| $value).collect::<Vec<_>>(), Type::$of)
        };
    }
    let seen = [
        column!(o => o.delivery.machine.nom.clone(), TEXT_ARRAY),
        column!(o => o.delivery.day, DATE_ARRAY),
        column!(o => claims.held_at(&o.delivery.machine.nom), INT8_ARRAY),
        column!(o => o.replaces.map(|c| c.id), INT8_ARRAY),
        column!(o => o.replaces.and_then(|c| c.revision), INT8_ARRAY),
        column!(o => o.replaces.and_then(|c| c.agent_id.clone()), TEXT_ARRAY),
        column!(o => o.replaces.and_then(|c| c.buffer_id.clone()), TEXT_ARRAY),
        column!(o => i64::from(o.delivery.counts.pieces), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.waits), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.stops), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.jobs), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.anomalies), INT8_ARRAY),
    ]
    .join(", ");
    let figures = [
        column!(o => o.delivery.revision, INT8_ARRAY),
        column!(o => i64::try_from(o.delivery.figures.events).unwrap_or(i64::MAX), INT8_ARRAY),
        column!(o => o.delivery.figures.first_piece.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => o.delivery.figures.last_piece.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => o.delivery.figures.first_start.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => o.delivery.figures.last_stop.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => i64::from(o.delivery.figures.total_pieces), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.window_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.wait_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.stop_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.effective_ms), INT8_ARRAY),
        column!(o => rate(o, o.delivery.figures.effective_ms), INT8_ARRAY),
        column!(o => rate(o, o.delivery.figures.wait_ms), INT8_ARRAY),
        column!(o => rate(o, o.delivery.figures.stop_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.raw_wait_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.raw_stop_ms), INT8_ARRAY),
        column!(o => line(&o.delivery.log_sources, MAX_LOG_SOURCES), TEXT_ARRAY),
        column!(o => o.delivery.nominal_per_hour.map(i64::from), INT8_ARRAY),
        column!(o => o.delivery.nominal_per_hour.map(|_| i64::from(o.delivery.rejects)), INT8_ARRAY),
        column!(o => trs(o).map(|trs| trs.performance_e4.min(MOST_PERCENT_E2)), INT8_ARRAY),
        column!(o => trs(o).map(|trs| trs.quality_e4), INT8_ARRAY),
        column!(o => trs(o).map(|trs| trs.trs_e4.min(MOST_PERCENT_E2)), INT8_ARRAY),
    ]
    .join(", ");
    let computed = COLUMNS
        .iter()
        .map(|column| match *column {
            hours if hours.starts_with("duree_") || hours.starts_with("temps_") => {
                format!("(h.{hours}::numeric / 10000.0)::numeric(18,4) AS {hours}")
            }
            rate if rate.starts_with("taux_") => {
                format!("(h.{rate}::numeric / 100.0)::numeric(18,2) AS {rate}")
            }
            other => format!("h.{other}"),
        })
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "entree AS MATERIALIZED (
    SELECT h.rang, {centre} AS centre_id, h.nom, h.jour, h.tenu,
           h.attendu_id, h.attendu_revision, h.attendu_agent, h.attendu_tampon,
           h.n_pieces, h.n_attentes, h.n_arrets, h.n_jobs, h.n_anomalies, {computed}
    FROM unnest({seen}, {figures}) WITH ORDINALITY AS h (
        nom, jour, tenu, attendu_id, attendu_revision, attendu_agent, attendu_tampon,
        n_pieces, n_attentes, n_arrets, n_jobs, n_anomalies, {columns}, rang)
)",
        centre = centre_of("h.nom"),
        columns = COLUMNS.join(", ")
    )
}

fn rate(order: &Order<'_>, part_ms: i64) -> i64 {
    rate_e2(part_ms, order.delivery.figures.window_ms)
}

/// What central's columns for performance and TRS hold; a nominal rhythm that is far too low shows.
const MOST_PERCENT_E2: i64 = 999_999_999;

fn trs(order: &Order<'_>) -> Option<Trs> {
    let Delivery { figures, nominal_per_hour, rejects, .. } = order.delivery;
    Trs::of(figures, (*nominal_per_hour)?, *rejects)
}

fn line(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    write_line(&mut out, text, max_chars);
    out
}
