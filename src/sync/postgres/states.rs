//! What central holds of many sessions, asked in one round trip: revisions, writers, and the detail
//! rows counted, so that rows that went missing by hand are noticed. Renews the claims on the way.

use postgres::{Row, types::Type};

use super::{
    Central, CentralError,
    claim::{Claimed, Claims, HELD, HOLDER, RENEW, centre_of},
    params::Params,
    prepared::Often,
    same_count, unreadable,
    writers::has_news,
};
use crate::model::{CentralSession, Day, DetailCounts};

/// Answer to [`Central::states`].
#[derive(Clone, Debug, Default)]
pub struct States {
    /// One for each key asked for, in that order; `None` where central has no such session.
    pub sessions: Vec<Option<CentralSession>>,
    /// Machines among those asked for that have no centre yet.
    pub missing_centres: Vec<String>,
    /// Machines that are not this process's to write.
    pub claimed: Vec<Claimed>,
    /// Somebody else wrote to rows of these machines, see [`Central::foreign_writes`].
    pub has_news: bool,
}

/// A detail table's figures: rows, and whether their numbers are 1..=rows.
fn counted(alias: &str, table: &str, number: &str) -> String {
    format!(
        "LEFT JOIN LATERAL (
    SELECT count(*) AS n,
           count({number}) <> count(*) OR coalesce(min({number}), 1) < 1
               OR coalesce(max({number}), 0) <> count(*) AS broken
    FROM {table} WHERE session_id = s.id
) {alias} ON s.id IS NOT NULL
"
    )
}

impl Central {
    /// What central holds of the sessions `keys`, `(nom, production day)` each.
    pub fn states(
        &mut self,
        claims: &mut Claims,
        keys: &[(&str, Day)],
    ) -> Result<States, CentralError> {
        let mut params = Params::default();
        params.push(claims.identity.agent_id.clone(), Type::TEXT);
        params.push(claims.identity.buffer_id.clone(), Type::TEXT);
        params.push(claims.instance_id.clone(), Type::TEXT);
        params.push(claims.host.clone(), Type::TEXT);
        params.push(keys.iter().map(|k| k.0.to_owned()).collect::<Vec<_>>(), Type::TEXT_ARRAY);
        params.push(keys.iter().map(|k| k.1).collect::<Vec<_>>(), Type::DATE_ARRAY);
        params.push(keys.iter().map(|k| claims.held_at(k.0)).collect::<Vec<_>>(), Type::INT8_ARRAY);
        let rows = self.ask_often(Often::States, &statement(), &params)?;
        same_count(keys.len(), rows.len())?;
        let mut states = States::default();
        for (key, row) in keys.iter().zip(&rows) {
            read(&mut states, claims, key.0, row).map_err(unreadable)?;
        }
        Ok(states)
    }
}

fn statement() -> String {
    format!(
        "WITH entree AS MATERIALIZED (
    SELECT d.rang, d.nom, d.jour, d.tenu, {centre} AS centre_id
    FROM unnest($5::text[], $6::date[], $7::bigint[]) WITH ORDINALITY AS d (nom, jour, tenu, rang)
),{RENEW}
SELECT e.centre_id IS NOT NULL AS centre, {HELD}, {HOLDER}, {news} AS nouvelles,
       s.id::bigint AS id, s.revision, s.agent_id, s.tampon_id, s.evenements,
       s.total_pieces::bigint AS total_pieces,
       p.n AS pieces, a.n AS waits, o.n AS stops, j.n AS jobs, r.n AS findings,
       p.broken OR a.broken OR o.broken OR j.broken OR r.broken AS broken,
       CASE WHEN s.id IS NOT NULL AND s.revision IS NULL THEN (
           SELECT count(*) FROM (SELECT DISTINCT timestamp_production, details
                                 FROM piece_production WHERE session_id = s.id) x)
       ELSE p.n END AS distinct_pieces
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN session_production s
       ON s.centre_usinage_id = e.centre_id AND s.date_production = e.jour
{}{}{}{}{}ORDER BY e.rang",
        counted("p", "piece_production", "numero_piece"),
        counted("a", "periode_attente", "numero"),
        counted("o", "periode_arret", "numero"),
        counted("j", "job_profil", "numero"),
        counted("r", "anomalie", "numero"),
        centre = centre_of("d.nom"),
        news = has_news("= e.nom"),
    )
}

fn read(
    states: &mut States,
    claims: &mut Claims,
    nom: &str,
    row: &Row,
) -> Result<(), postgres::Error> {
    let centre: bool = row.try_get("centre")?;
    states.has_news |= row.try_get::<_, bool>("nouvelles")?;
    if !centre {
        if !states.missing_centres.iter().any(|m| m == nom) {
            states.missing_centres.push(nom.to_owned());
        }
        states.sessions.push(None);
        return Ok(());
    }
    if !claims.note(nom, row)? && !states.claimed.iter().any(|c| c.nom == nom) {
        states.claimed.push(Claimed::from_row(nom, row)?);
    }
    let Some(id) = row.try_get::<_, Option<i64>>("id")? else {
        states.sessions.push(None);
        return Ok(());
    };
    let rows = |column: &str| row.try_get::<_, i64>(column).map(clamped);
    states.sessions.push(Some(CentralSession {
        id,
        revision: row.try_get("revision")?,
        agent_id: row.try_get("agent_id")?,
        buffer_id: row.try_get("tampon_id")?,
        events: row.try_get("evenements")?,
        counts: DetailCounts {
            pieces: rows("pieces")?,
            waits: rows("waits")?,
            stops: rows("stops")?,
            jobs: rows("jobs")?,
            anomalies: rows("findings")?,
        },
        total_pieces: row.try_get::<_, Option<i64>>("total_pieces")?.map(clamped),
        distinct_pieces: rows("distinct_pieces")?,
        numbering_broken: row.try_get("broken")?,
    }));
    Ok(())
}

fn clamped(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}
