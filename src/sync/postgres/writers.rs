//! Who else writes to what the agent delivered: triggers in central note it (`0009_claims.sql`), the agent
//! tells of it.
//!
//! What must never happen here: a writer told of twice, or never; notes that grow without end.

use chrono::{DateTime, Local};
use postgres::{Row, types::Type};

use super::{Central, CentralError, unreadable};
use crate::model::{ForeignWrite, WallTime, printable};

/// Notes read at once; the others come next.
const AT_ONCE: i64 = 200;
/// Notes removed at once, of those that were told and are older than thirty days or more than are kept.
const REMOVED_AT_ONCE: i64 = 10_000;
/// Notes that are kept, of all agents together: a writer in a loop makes some hundreds a minute.
const MOST_KEPT: i64 = 20_000;
/// Longest text of a note that is shown, in characters.
const MOST_CHARS: usize = 100;

/// Whether somebody else wrote to rows of the machine `nom` since it was last told. A pooler that does not
/// pass the agent's name on makes its own rows look like those of others of its role: these are not told.
pub(super) fn has_news(nom: &str) -> String {
    format!(
        "EXISTS (SELECT FROM cu_agent_ecriture w WHERE w.dite_le IS NULL AND w.machine {nom}
                 AND (w.application <> current_setting('application_name')
                      OR w.role <> session_user::text))"
    )
}

/// What others wrote, and the numbers of the notes that say so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForeignWrites {
    pub writes: Vec<ForeignWrite>,
    pub notes: Vec<String>,
}

/// What notes have in common that are told as one.
const KEY: &str =
    "w.machine, w.application, w.role, w.adresse, w.nom_table, w.operation, w.date_production";

const COLUMNS: &str = "w.id::text AS id, w.machine, w.application, w.role, w.adresse, w.nom_table, \
     w.operation, w.date_production::text AS jour, (extract(epoch FROM w.le) * 1000.0)::bigint AS le_ms";

impl Central {
    /// What others wrote to rows of `machines` and nobody was told yet, each writer's newest of a table,
    /// operation and day, oldest first; a few hundred at most.
    pub fn foreign_writes(&mut self, machines: &[String]) -> Result<ForeignWrites, CentralError> {
        let mut params = self.params();
        params.push_strings(machines);
        params.push(AT_ONCE, Type::INT8);
        let sql = format!(
            "SELECT {COLUMNS} FROM (
                 SELECT DISTINCT ON ({KEY}) * FROM cu_agent_ecriture w
                 WHERE w.dite_le IS NULL AND w.machine = ANY ($1)
                   AND (w.application <> current_setting('application_name')
                        OR w.role <> session_user::text)
                 ORDER BY {KEY}, w.le DESC
             ) w ORDER BY w.le LIMIT $2"
        );
        let rows = self.ask(&sql, &params)?;
        read(&rows).map_err(unreadable)
    }

    /// The same of the last day, told or not, newest first.
    pub fn recent_foreign_writes(
        &mut self,
        machines: &[String],
    ) -> Result<Vec<ForeignWrite>, CentralError> {
        let mut params = self.params();
        params.push_strings(machines);
        params.push(AT_ONCE, Type::INT8);
        let sql = format!(
            "SELECT {COLUMNS} FROM cu_agent_ecriture w
             WHERE w.machine = ANY ($1) AND w.le > now() - interval '24 hours'
             ORDER BY w.le DESC LIMIT $2"
        );
        let rows = self.ask(&sql, &params)?;
        read(&rows).map(|found| found.writes).map_err(unreadable)
    }

    /// Notes that the writes of `notes` were told, with earlier ones of the same kind, and removes old notes.
    pub fn told_foreign_writes(&mut self, notes: &[String]) -> Result<(), CentralError> {
        let mut params = self.params();
        params.push_strings(notes);
        params.push(REMOVED_AT_ONCE, Type::INT8);
        params.push(MOST_KEPT, Type::INT8);
        self.ask(
            "WITH dite AS (
    UPDATE cu_agent_ecriture w SET dite_le = clock_timestamp()
    FROM cu_agent_ecriture n
    WHERE n.id = ANY ($1::text[]::uuid[]) AND w.machine = n.machine AND w.dite_le IS NULL
      AND w.le <= n.le AND w.application = n.application AND w.role = n.role
      AND w.nom_table = n.nom_table AND w.operation = n.operation
      AND w.adresse IS NOT DISTINCT FROM n.adresse
      AND w.date_production IS NOT DISTINCT FROM n.date_production
)
DELETE FROM cu_agent_ecriture o WHERE o.id IN (
    SELECT w.id FROM cu_agent_ecriture w
    WHERE w.le < greatest(now() - interval '30 days',
              (SELECT k.le FROM cu_agent_ecriture k ORDER BY k.le DESC OFFSET $3 - 1 LIMIT 1))
      AND (w.dite_le IS NOT NULL OR w.le < now() - interval '30 days')
    ORDER BY w.le LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &params,
        )?;
        Ok(())
    }
}

fn read(rows: &[Row]) -> Result<ForeignWrites, postgres::Error> {
    let mut found = ForeignWrites::default();
    for row in rows {
        let text = |column: &str| {
            let text: Option<&str> = row.try_get(column)?;
            Ok::<_, postgres::Error>(text.map(|text| printable(text, MOST_CHARS)))
        };
        let at = DateTime::from_timestamp_millis(row.try_get("le_ms")?);
        found.notes.push(row.try_get("id")?);
        found.writes.push(ForeignWrite {
            machine: text("machine")?.unwrap_or_default(),
            application: text("application")?.unwrap_or_default(),
            role: text("role")?.unwrap_or_default(),
            address: text("adresse")?,
            table: text("nom_table")?.unwrap_or_default(),
            operation: text("operation")?.unwrap_or_default(),
            day: text("jour")?,
            at: at.map(|at| WallTime::of(at.with_timezone(&Local).naive_local())),
        });
    }
    Ok(found)
}
