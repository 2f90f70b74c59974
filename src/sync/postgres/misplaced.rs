//! Sessions of this agent's that somebody gave another day, or the centre of another machine: put back, or
//! removed if their day was delivered again meanwhile.
//!
//! What must never happen here: a session removed only because the buffer does not know it, which an older
//! state of the buffer does not either. It takes two witnesses: the row is of this very buffer, and its own
//! pieces are of a day that this buffer holds and has delivered as another session, with no fewer events.

use chrono::TimeDelta;
use postgres::types::Type;

use super::{
    Central, CentralError, Claims,
    claim::centre_of,
    settle::{AT_ONCE, counted, removal_of_details},
};
use crate::model::{Day, FedMachine};

/// What [`Central::put_back`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PutBack {
    /// Sessions that are at their machine's day again.
    pub moved: u64,
    /// Sessions whose day was there already, now removed with their details.
    pub removed: u64,
}

impl Central {
    /// Puts sessions of this agent and buffer that are not among those that the buffer holds where their
    /// rows say that they belong; a few hundred at most. `held`: machine and production day of every session
    /// in the buffer; `day_start`: when a production day begins.
    pub fn put_back(
        &mut self,
        claims: &Claims,
        held: &[(String, Day)],
        machines: &[FedMachine],
        day_start: TimeDelta,
    ) -> Result<PutBack, CentralError> {
        let mut params = self.by_whom(claims);
        params.push_texts(held.iter().map(|(nom, _)| Some(nom.clone())).collect());
        params.push(held.iter().map(|(_, day)| *day).collect::<Vec<_>>(), Type::DATE_ARRAY);
        let folders = || machines.iter().flat_map(|fed| fed.folders.iter().map(move |f| (f, fed)));
        params.push_texts(folders().map(|(folder, _)| Some(folder.clone())).collect());
        params.push_texts(folders().map(|(_, fed)| Some(fed.machine.nom.clone())).collect());
        params.push(day_start.num_milliseconds(), Type::INT8);
        params.push(AT_ONCE, Type::INT8);
        // A full buffer has dropped many that stand where they belong: what looks misplaced comes first.
        let sql = format!(
            "WITH tenue AS MATERIALIZED (
    SELECT k.nom, k.jour FROM unnest($3::text[], $4::date[]) AS k (nom, jour)
),
inconnue AS MATERIALIZED (
    SELECT s.id, s.machine, s.date_production, s.evenements,
           coalesce((SELECT CASE WHEN min(f.nom) = max(f.nom) THEN min(f.nom) END
                     FROM unnest($5::text[], $6::text[]) AS f (folder, nom)
                     WHERE strpos('; ' || s.fichier_log_source::text, '; ' || f.folder || '/') > 0),
                    s.machine) AS nom
    FROM session_production s
    WHERE s.agent_id = $1 AND s.tampon_id = $2
      AND NOT EXISTS (SELECT FROM tenue k WHERE k.nom = s.machine AND k.jour = s.date_production)
    ORDER BY (SELECT min({day_of_piece}) FROM piece_production d
              WHERE d.session_id = s.id AND d.numero_piece = 1)
             IS NOT DISTINCT FROM s.date_production, random()
    LIMIT $8
),
jugee AS MATERIALIZED (
    SELECT i.id, i.nom, i.evenements, j.jour, {centre} AS centre_id
    FROM inconnue i CROSS JOIN LATERAL (
        SELECT mode() WITHIN GROUP (ORDER BY {day_of_row}) AS jour
        FROM (SELECT d.timestamp_production AS a FROM piece_production d WHERE d.session_id = i.id
              UNION ALL SELECT d.timestamp_debut FROM job_profil d WHERE d.session_id = i.id
              UNION ALL SELECT d.timestamp_debut FROM periode_arret d WHERE d.session_id = i.id
              UNION ALL SELECT d.timestamp_debut FROM periode_attente d WHERE d.session_id = i.id) m
    ) j
    WHERE EXISTS (SELECT FROM tenue k WHERE k.nom = i.nom AND k.jour = j.jour)
      AND (i.nom, j.jour) IS DISTINCT FROM (i.machine, i.date_production)
),
a_ranger AS MATERIALIZED (
    SELECT j.id, j.nom, j.jour, j.centre_id, j.evenements, x.id IS NOT NULL AS est_prise
    FROM jugee j JOIN session_production s ON s.id = j.id
    LEFT JOIN session_production x
           ON x.centre_usinage_id = j.centre_id AND x.date_production = j.jour AND x.id <> j.id
    WHERE j.centre_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM cu_agent_machine k WHERE k.centre_usinage_id = j.centre_id
                      AND k.agent_id <> $1 AND k.tampon_id <> $2)
      AND (x.id IS NULL
           OR x.agent_id = $1 AND x.tampon_id = $2
              AND coalesce(x.evenements, 0) >= coalesce(j.evenements, 0))
    FOR UPDATE OF s SKIP LOCKED
),
rangee AS MATERIALIZED (
    SELECT a.id, a.nom, a.jour, a.centre_id,
           a.est_prise OR row_number() OVER (PARTITION BY a.centre_id, a.jour
                              ORDER BY coalesce(a.evenements, 0) DESC, a.id DESC) > 1 AS de_trop
    FROM a_ranger a
),
remise AS (
    UPDATE session_production s
    SET date_production = r.jour, centre_usinage_id = r.centre_id, machine = r.nom
    FROM rangee r WHERE s.id = r.id AND NOT r.de_trop
    RETURNING s.id
),
otee AS MATERIALIZED (SELECT r.id FROM rangee r WHERE r.de_trop){details},
partie AS (
    DELETE FROM session_production s USING otee o WHERE s.id = o.id
    RETURNING s.id
)
SELECT (SELECT count(*) FROM remise) AS remises, (SELECT count(*) FROM partie) AS otees",
            centre = centre_of("i.nom"),
            day_of_piece = day_of("d.timestamp_production"),
            day_of_row = day_of("m.a"),
            details = removal_of_details(),
        );
        let rows = self.ask(&sql, &params)?;
        Ok(PutBack { moved: counted(&rows, "remises")?, removed: counted(&rows, "otees")? })
    }
}

/// The production day of a moment; `$7` is when one begins.
fn day_of(moment: &str) -> String {
    format!("({moment}::timestamp - $7 * interval '1 millisecond')::date")
}
