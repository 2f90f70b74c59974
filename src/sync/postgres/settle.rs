//! Machines and their centres, made and kept as they should be: a centre for each machine that has
//! sessions, its type and description as configured, and each session with its machine's centre, also if
//! people deleted that or gave the session another.
//!
//! What must never happen here: the name of a centre changed, which is people's; a session removed whose day
//! its machine's centre does not hold as fully.

use postgres::{Row, types::Type};

use super::{
    Central, CentralError, Claims,
    claim::centre_of,
    digest::{Compared, DETAILS},
    params::Params,
    unreadable,
};
use crate::model::{FedMachine, Machine, Renamed, SessionSum, printable};

/// Sessions moved or removed in one statement.
pub(super) const AT_ONCE: i64 = 500;
/// Rows of a table that are counted; more are as bad.
const MOST_COUNTED: i64 = 10_000;
/// Longest name of a centre that is shown, in characters.
const MOST_CHARS: usize = 100;

/// What central holds of one configured machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub nom: String,
    /// What people call its centre; `None` if there is none.
    pub centre: Option<String>,
    /// Its type or its description was another and is now as configured.
    pub is_changed: bool,
    /// Its sessions that are in no centre, or in another's.
    pub strays: u64,
    /// Whether another agent feeds it.
    pub is_foreign: bool,
}

/// Answer to [`Central::settle`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standings {
    /// One for each machine, in order of their names.
    pub machines: Vec<Standing>,
    /// Claims of this agent on centres that are gone, now removed.
    pub claims_removed: u64,
    /// Sessions of this agent without centre that do not say which machine's they are.
    pub unnamed: u64,
    /// Sessions of this agent and buffer, wherever they are.
    pub own: SessionSum,
}

/// What [`Central::adopt`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Adopted {
    /// Sessions that are in their machine's centre again.
    pub adopted: u64,
    /// Sessions whose day the centre held already, now removed with their details.
    pub removed: u64,
}

/// Answer to [`Central::left_over`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOver {
    /// Sessions of the agent that are in no centre.
    pub sessions: u64,
    /// Detail rows of no session, counted up to a limit.
    pub details: u64,
}

/// Times of shifts of the agent's machines that are in a centre that is gone, or in another's, go to their
/// machine's; of a day that has some there, they go.
const STRAY_TIMES: &str = ",
egaree AS MATERIALIZED (
    SELECT t.centre_usinage_id, t.date_production, t.numero, v.centre_id,
           EXISTS (SELECT FROM temps_poste o
                   WHERE o.centre_usinage_id = v.centre_id AND o.date_production = t.date_production)
           OR EXISTS (SELECT FROM temps_poste o
                      WHERE o.machine = v.nom AND o.date_production = t.date_production
                        AND o.centre_usinage_id < t.centre_usinage_id) AS double
    FROM voulue v JOIN temps_poste t ON t.machine = v.nom AND t.centre_usinage_id <> v.centre_id
    WHERE NOT EXISTS (SELECT FROM cu_agent_machine k WHERE k.centre_usinage_id = v.centre_id
                      AND k.agent_id <> $1 AND k.tampon_id <> $2)
),
rangee AS (
    UPDATE temps_poste t SET centre_usinage_id = g.centre_id FROM egaree g
    WHERE t.centre_usinage_id = g.centre_usinage_id AND t.date_production = g.date_production
      AND t.numero = g.numero AND NOT g.double
),
otee AS (
    DELETE FROM temps_poste t USING egaree g
    WHERE t.centre_usinage_id = g.centre_usinage_id AND t.date_production = g.date_production
      AND t.numero = g.numero AND g.double
)";

impl Central {
    /// Makes the centres of machines that have none. If people gave the machine's name to the centre of
    /// another, it gets the first free of `NAME (2)`, `NAME (3)`, …, and is claimed at once.
    pub fn ensure_centres(
        &mut self,
        claims: &Claims,
        machines: &[Machine],
    ) -> Result<(), CentralError> {
        let mut params = self.by_whom(claims);
        params.push_text(claims.instance_id.as_str());
        params.push_text(claims.host.as_str());
        params.push_texts(machines.iter().map(|m| Some(m.nom.clone())).collect());
        params.push_texts(machines.iter().map(|m| Some(m.type_cu.clone())).collect());
        // No row is tried that exists already: a conflict would use up a number each time.
        let sql = format!(
            "WITH voulue AS MATERIALIZED (
    SELECT DISTINCT ON (v.nom) v.nom, v.type_cu,
           (SELECT n.nom
            FROM (SELECT i, CASE i WHEN 1 THEN v.nom
                            ELSE left(v.nom, 94) || ' (' || i::text || ')' END AS nom
                  FROM generate_series(1, 99) i) n
            WHERE NOT EXISTS (SELECT FROM centre_usinage c WHERE c.nom::text = n.nom)
            ORDER BY n.i LIMIT 1) AS libre
    FROM unnest($5::text[], $6::text[]) AS v (nom, type_cu)
    WHERE {centre} IS NULL
    ORDER BY v.nom
),
faite AS (
    INSERT INTO centre_usinage (nom, type_cu)
    SELECT v.libre, v.type_cu FROM voulue v WHERE v.libre IS NOT NULL ORDER BY v.nom
    ON CONFLICT (nom) DO NOTHING
    RETURNING id::bigint AS id, nom::text AS nom
)
INSERT INTO cu_agent_machine
    (centre_usinage_id, agent_id, tampon_id, instance_id, hote, vu_le, machine)
SELECT f.id, $1, $2, $3, $4, now(), v.nom
FROM faite f JOIN voulue v ON v.libre = f.nom
WHERE v.libre <> v.nom
ON CONFLICT (centre_usinage_id) DO NOTHING",
            centre = centre_of("v.nom")
        );
        self.ask(&sql, &params)?;
        Ok(())
    }

    /// Says how `machines` stand in central, after writing type and description of those that this
    /// agent feeds, and removing its claims on centres that are gone.
    pub fn settle(
        &mut self,
        claims: &Claims,
        machines: &[FedMachine],
    ) -> Result<Standings, CentralError> {
        let mut params = self.by_whom(claims);
        let machine = machines.iter().map(|fed| &fed.machine);
        params.push_texts(machine.clone().map(|machine| Some(machine.nom.clone())).collect());
        params.push_texts(machine.map(|machine| Some(machine.type_cu.clone())).collect());
        params.push_texts(machines.iter().map(|fed| fed.description.clone()).collect());
        let times = if self.inexact.lacks_times() { "" } else { STRAY_TIMES };
        let sql = format!(
            "WITH voulue AS MATERIALIZED (
    SELECT v.nom, v.type_cu, v.description, {centre} AS centre_id
    FROM unnest($3::text[], $4::text[], $5::text[]) AS v (nom, type_cu, description)
),
perdue AS (
    DELETE FROM cu_agent_machine m
    WHERE (m.agent_id = $1 OR m.tampon_id = $2)
      AND NOT EXISTS (SELECT FROM centre_usinage c WHERE c.id = m.centre_usinage_id)
    RETURNING m.centre_usinage_id
),
mise AS (
    UPDATE centre_usinage c
    SET type_cu = v.type_cu, description = coalesce(v.description, c.description::text)
    FROM voulue v JOIN cu_agent_machine k ON k.centre_usinage_id = v.centre_id
    WHERE c.id = v.centre_id AND (k.agent_id = $1 OR k.tampon_id = $2)
      AND (c.type_cu::text <> v.type_cu
           OR v.description IS NOT NULL AND c.description::text IS DISTINCT FROM v.description)
    RETURNING c.id::bigint AS id
){times}
SELECT v.nom, c.nom::text AS centre, m.id IS NOT NULL AS mise,
       k.agent_id <> $1 AND k.tampon_id <> $2 AS autre,
       (SELECT count(*) FROM session_production s
        WHERE s.machine = v.nom AND s.agent_id IS NOT NULL
          AND (s.centre_usinage_id IS NULL OR s.centre_usinage_id <> v.centre_id)) AS errantes,
       (SELECT count(*) FROM session_production s
        WHERE s.centre_usinage_id IS NULL AND s.machine IS NULL
          AND (s.agent_id = $1 OR s.tampon_id = $2)) AS anonymes,
       (SELECT count(*) FROM perdue) AS perdues,
       h.sessions AS siennes, h.jours
FROM voulue v
LEFT JOIN centre_usinage c ON c.id = v.centre_id
LEFT JOIN cu_agent_machine k ON k.centre_usinage_id = v.centre_id
LEFT JOIN mise m ON m.id = v.centre_id
CROSS JOIN (SELECT count(*) AS sessions,
                   coalesce(sum(s.date_production - DATE '2000-01-01'), 0)::bigint AS jours
            FROM session_production s WHERE s.agent_id = $1 AND s.tampon_id = $2) h
ORDER BY v.nom",
            centre = centre_of("v.nom")
        );
        let rows = self.ask(&sql, &params)?;
        let mut standings = Standings::default();
        for row in &rows {
            read(&mut standings, row).map_err(unreadable)?;
        }
        Ok(standings)
    }

    /// Gives sessions of this agent that are in no centre, and do not say of which machine they are, their
    /// machine: the one whose folder stands in their source, or the only one of the agent. Gives how
    /// many; a few hundred at most.
    pub fn name_sessions(
        &mut self,
        claims: &Claims,
        machines: &[FedMachine],
    ) -> Result<u64, CentralError> {
        let mut params = self.by_whom(claims);
        let folders = || machines.iter().flat_map(|fed| fed.folders.iter().map(move |f| (f, fed)));
        params.push_texts(folders().map(|(folder, _)| Some(folder.clone())).collect());
        params.push_texts(folders().map(|(_, fed)| Some(fed.machine.nom.clone())).collect());
        let only = match machines {
            [one] => Some(one.machine.nom.as_str()),
            _ => None,
        };
        params.push_text(only);
        params.push(AT_ONCE, Type::INT8);
        let rows = self.ask(
            "WITH nommee AS MATERIALIZED (
    SELECT n.id, n.nom
    FROM (SELECT s.id, coalesce(
              (SELECT CASE WHEN min(f.nom) = max(f.nom) THEN min(f.nom) END
               FROM unnest($3::text[], $4::text[]) AS f (folder, nom)
               WHERE strpos('; ' || s.fichier_log_source::text, '; ' || f.folder || '/') > 0),
              $5) AS nom
          FROM session_production s
          WHERE s.centre_usinage_id IS NULL AND s.machine IS NULL
            AND (s.agent_id = $1 OR s.tampon_id = $2)) n
    WHERE n.nom IS NOT NULL ORDER BY n.id LIMIT $6
),
mise AS (
    UPDATE session_production s SET machine = n.nom FROM nommee n WHERE s.id = n.id
    RETURNING s.id
)
SELECT count(*) AS n FROM mise",
            &params,
        )?;
        counted(&rows, "n")
    }

    /// Moves sessions of `machines` that are in no centre or in another's to their machine's, and removes
    /// those whose day that holds already; a few hundred at most. One that holds more than the day that is
    /// there stays where it is.
    pub fn adopt(&mut self, claims: &Claims, machines: &[String]) -> Result<Adopted, CentralError> {
        let mut params = self.by_whom(claims);
        params.push_strings(machines);
        params.push(AT_ONCE, Type::INT8);
        let sql = format!(
            "WITH voulue AS MATERIALIZED (
    SELECT v.nom, {centre} AS centre_id FROM pg_catalog.unnest($3::text[]) AS v (nom)
),
errante AS MATERIALIZED (
    SELECT s.id, s.date_production, s.evenements, v.centre_id
    FROM voulue v JOIN session_production s ON s.machine = v.nom
    WHERE v.centre_id IS NOT NULL AND s.agent_id IS NOT NULL
      AND (s.centre_usinage_id IS NULL OR s.centre_usinage_id <> v.centre_id)
      AND NOT EXISTS (SELECT FROM cu_agent_machine k WHERE k.centre_usinage_id = v.centre_id
                      AND k.agent_id <> $1 AND k.tampon_id <> $2)
      AND NOT EXISTS (SELECT FROM session_production x
                      WHERE x.centre_usinage_id = v.centre_id AND x.date_production = s.date_production
                        AND CASE WHEN x.evenements IS NULL
                                 THEN coalesce(s.total_pieces, 0) > coalesce(x.total_pieces, 0)
                                 ELSE coalesce(s.evenements, 0) > x.evenements END)
    ORDER BY s.id LIMIT $4
    FOR UPDATE OF s SKIP LOCKED
),
rangee AS MATERIALIZED (
    SELECT e.id, e.centre_id,
           row_number() OVER (PARTITION BY e.centre_id, e.date_production
                              ORDER BY coalesce(e.evenements, 0) DESC, e.id DESC) > 1
           OR EXISTS (SELECT FROM session_production x WHERE x.centre_usinage_id = e.centre_id
                      AND x.date_production = e.date_production) AS de_trop
    FROM errante e
),
adoptee AS (
    UPDATE session_production s SET centre_usinage_id = r.centre_id
    FROM rangee r WHERE s.id = r.id AND NOT r.de_trop
    RETURNING s.id
),
otee AS MATERIALIZED (SELECT r.id FROM rangee r WHERE r.de_trop){details},
partie AS (
    DELETE FROM session_production s USING otee o WHERE s.id = o.id
    RETURNING s.id
)
SELECT (SELECT count(*) FROM adoptee) AS adoptees, (SELECT count(*) FROM partie) AS otees",
            centre = centre_of("v.nom"),
            details = removal_of_details(),
        );
        let rows = self.ask(&sql, &params)?;
        Ok(Adopted { adopted: counted(&rows, "adoptees")?, removed: counted(&rows, "otees")? })
    }

    /// What the centres of `machines` are called, of those that have one. Changes nothing.
    pub fn centre_names(&mut self, machines: &[String]) -> Result<Vec<Renamed>, CentralError> {
        let mut params = self.params();
        params.push_strings(machines);
        let sql = format!(
            "SELECT v.nom, c.nom::text AS centre
             FROM (SELECT u.nom, {centre} AS centre_id FROM pg_catalog.unnest($1::text[]) AS u (nom)) v
             JOIN centre_usinage c ON c.id = v.centre_id ORDER BY 1",
            centre = centre_of("u.nom")
        );
        let name = |row: &Row| {
            let centre: &str = row.try_get("centre")?;
            Ok(Renamed { machine: row.try_get("nom")?, centre: printable(centre, MOST_CHARS) })
        };
        let rows = self.ask(&sql, &params)?;
        rows.iter().map(name).collect::<Result<_, _>>().map_err(unreadable)
    }

    /// What belongs to nothing. Changes nothing.
    pub fn left_over(&mut self, agent_id: &str) -> Result<LeftOver, CentralError> {
        let mut params = self.params();
        params.push_text(agent_id);
        params.push(MOST_COUNTED, Type::INT8);
        let details = ["piece_production", "periode_attente", "periode_arret", "job_profil"].map(
            |table| {
                format!(
                    "(SELECT count(*) FROM (SELECT FROM {table} WHERE session_id IS NULL LIMIT $2) x)"
                )
            },
        );
        let sql = format!(
            "SELECT (SELECT count(*) FROM session_production s
                     WHERE s.centre_usinage_id IS NULL AND s.agent_id = $1) AS sessions,
                    {} AS details",
            details.join(" + ")
        );
        let rows = self.ask(&sql, &params)?;
        Ok(LeftOver { sessions: counted(&rows, "sessions")?, details: counted(&rows, "details")? })
    }
}

impl Central {
    /// `$1` and `$2`: agent and buffer.
    pub(super) fn by_whom(&self, claims: &Claims) -> Params {
        let mut params = self.params();
        params.push_text(claims.identity.agent_id.as_str());
        params.push_text(claims.identity.buffer_id.as_str());
        params
    }
}

fn read(standings: &mut Standings, row: &Row) -> Result<(), postgres::Error> {
    let count = |column: &str| row.try_get::<_, i64>(column).map(i64::unsigned_abs);
    let centre: Option<&str> = row.try_get("centre")?;
    standings.claims_removed = count("perdues")?;
    standings.unnamed = count("anonymes")?;
    standings.own = SessionSum { sessions: row.try_get("siennes")?, days: row.try_get("jours")? };
    standings.machines.push(Standing {
        nom: row.try_get("nom")?,
        centre: centre.map(|name| printable(name, MOST_CHARS)),
        is_changed: row.try_get("mise")?,
        strays: count("errantes")?,
        is_foreign: row.try_get::<_, Option<bool>>("autre")?.unwrap_or(false),
    });
    Ok(())
}

/// Parts of a statement, behind that called `otee`, that remove the details of its sessions.
pub(super) fn removal_of_details() -> String {
    let part = |Compared { table, .. }: &Compared| {
        format!(",\n{table}_otee AS (DELETE FROM {table} d USING otee o WHERE d.session_id = o.id)")
    };
    DETAILS.iter().map(part).collect()
}

pub(super) fn counted(rows: &[Row], column: &str) -> Result<u64, CentralError> {
    let row = rows.first().ok_or(CentralError::OtherCount { asked: 1, came: 0 })?;
    row.try_get::<_, i64>(column).map(i64::unsigned_abs).map_err(unreadable)
}
