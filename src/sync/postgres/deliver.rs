//! Writes many sessions in one statement: header and details together or not at all, and only where
//! central still holds what the plan saw. Sending the same again changes nothing, so a lost answer
//! does no harm.

use postgres::{Row, types::Type};

use super::{
    Central, CentralError,
    claim::{Claimed, Claims, HELD, HOLDER, RENEW, centre_of},
    details::push_details,
    header::{self, Column, listed},
    order::Order,
    params::Params,
    prepared::Often,
    same_count, times, unreadable,
};
use crate::model::Delivery;

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

impl Central {
    /// Writes `orders`; one outcome each, in that order. All or none: an error wrote nothing, or,
    /// where only the answer was lost, all of it.
    pub fn deliver(
        &mut self,
        claims: &mut Claims,
        orders: &[Order<'_>],
    ) -> Result<Vec<Outcome>, CentralError> {
        let mut params = self.params();
        let all_new = orders.iter().all(|order| order.replaces.is_none());
        let which = if all_new { Often::DeliverNew } else { Often::DeliverKnown };
        // Rarely there are rows of others to keep: that is another statement, and no kept one.
        let is_kept = !keeps_foreign(orders) && self.keeps(which);
        let columns = header::columns(!self.inexact.lacks_times());
        let sql = statement(&mut params, claims, orders, columns, all_new, is_kept);
        let rows =
            if is_kept { self.ask_kept(which, &sql, &params)? } else { self.ask(&sql, &params)? };
        same_count(orders.len(), rows.len())?;
        self.changed_texts += params.script().changed();
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
    let columns = header::columns(true);
    statement(&mut Params::default(), claims, orders, columns, all_new, true).len()
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

/// Whether a session may hold rows without a number, which no agent wrote.
fn keeps_foreign(orders: &[Order<'_>]) -> bool {
    orders.iter().any(|order| order.replaces.is_some_and(|held| held.numbering_broken))
}

/// The text of a `whole` statement depends on `header` and `all_new` alone; otherwise it is as short as `orders`
/// allow. `header`: the columns that central has.
fn statement(
    params: &mut Params,
    claims: &Claims,
    orders: &[Order<'_>],
    header: &[Column],
    all_new: bool,
    whole: bool,
) -> String {
    claims.push_writer(params);
    let entree = push_headers(params, claims, orders, header);
    // New sessions have no detail rows that could be in the way; looking for them costs a third.
    let details = push_details(params, orders, all_new, whole, keeps_foreign(orders));
    let columns = listed(header, |column| column.name.to_owned());
    let times = if header.len() == header::COLUMNS.len() {
        // The times of a day that has a session are the session's, whether it is new or not.
        format!(
            ",
planifiee AS MATERIALIZED (
    SELECT e.centre_id, e.nom, e.jour, e.temps, e.postes FROM ecrite w JOIN entree e ON e.rang = w.rang
),{}",
            times::write()
        )
    } else {
        String::new()
    };
    // New sessions need nothing that changes known ones: on a slow line the words weigh.
    let (known, changed) = if all_new {
        <(String, &str)>::default()
    } else {
        let changed = "SELECT m.id, m.rang, FALSE AS neuve FROM modifiee m UNION ALL ";
        (change_known(header, &columns), changed)
    };
    format!(
        "WITH {entree},{RENEW},
{known}creee AS (
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
    FROM ({changed}SELECT c.id, e.rang, TRUE AS neuve FROM creee c
          JOIN entree e ON e.centre_id = c.centre_usinage_id AND e.jour = c.date_production) w
    JOIN entree e ON e.rang = w.rang
){with}{times}
SELECT e.centre_id IS NOT NULL AS centre, {HELD}, {HOLDER},
       w.id IS NOT NULL AS ecrite, {complete} AS complete
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN ecrite w ON w.rang = e.rang
{joins}ORDER BY e.rang",
        new = listed(header, |column| format!("e.{}", column.name)),
        with = details.with.iter().map(|part| format!(",{part}")).collect::<String>(),
        complete = if all_new { "NULL::boolean".into() } else { details.complete.join(" AND ") },
        joins = details.joins.concat(),
    )
}

/// The parts of the statement that change sessions which central has, and only those that it holds as expected.
fn change_known(header: &[Column], columns: &str) -> String {
    format!(
        "libre AS MATERIALIZED (
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
",
        new = listed(header, |column| format!("e.{}", column.name)),
        old = listed(header, Column::held),
    )
}

/// The headers as the first table of the statement, `entree`.
fn push_headers(
    params: &mut Params,
    claims: &Claims,
    orders: &[Order<'_>],
    header: &[Column],
) -> String {
    macro_rules! column {
        ($order:ident => $value:expr, TEXTS) => {
            params.push_texts(orders.iter().map(|$order| $value).collect())
        };
        ($order:ident => $value:expr, $of:ident) => {
            params.push(orders.iter().map(|$order| $value).collect::<Vec<_>>(), Type::$of)
        };
    }
    let seen = [
        column!(o => Some(o.delivery.machine.nom.clone()), TEXTS),
        column!(o => o.delivery.day, DATE_ARRAY),
        column!(o => claims.held_at(&o.delivery.machine.nom), INT8_ARRAY),
        column!(o => o.replaces.map(|c| c.id), INT8_ARRAY),
        column!(o => o.replaces.and_then(|c| c.revision), INT8_ARRAY),
        column!(o => o.replaces.and_then(|c| c.agent_id.clone()), TEXTS),
        column!(o => o.replaces.and_then(|c| c.buffer_id.clone()), TEXTS),
        column!(o => i64::from(o.delivery.counts.pieces), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.waits), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.stops), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.jobs), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.anomalies), INT8_ARRAY),
    ]
    .join(", ");
    let figures: Vec<String> = header.iter().map(|column| column.push(params, orders)).collect();
    let packed = |order: &Order<'_>| {
        let Delivery { times, day_start, .. } = order.delivery;
        times::packed(times.as_ref(), *day_start, params.script())
    };
    let (temps, postes): (Vec<_>, Vec<_>) = orders.iter().map(packed).unzip();
    let times = [params.push_texts(temps), params.push_texts(postes)].join(", ");
    format!(
        "entree AS MATERIALIZED (
    SELECT h.rang, {centre} AS centre_id, h.nom, h.jour, h.tenu,
           h.attendu_id, h.attendu_revision, h.attendu_agent, h.attendu_tampon,
           h.n_pieces, h.n_attentes, h.n_arrets, h.n_jobs, h.n_anomalies, {sent},
           h.temps, h.postes
    FROM unnest({seen}, {figures}, {times}) WITH ORDINALITY AS h (
        nom, jour, tenu, attendu_id, attendu_revision, attendu_agent, attendu_tampon,
        n_pieces, n_attentes, n_arrets, n_jobs, n_anomalies, {columns},
        temps, postes, rang)
)",
        figures = figures.join(", "),
        sent = listed(header, Column::sent),
        centre = centre_of("h.nom"),
        columns = listed(header, |column| column.name.to_owned()),
    )
}
