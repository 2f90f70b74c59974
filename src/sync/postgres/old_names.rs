//! Names that a machine had in central before the agent: their rows become the machine's.
//!
//! What must never happen here: rows of a centre that another agent delivers are touched; a row goes that
//! is not kept in `cu_agent_fusion`; a name of the configuration is read as SQL.

use super::{
    Central, CentralError, GRACE,
    claim::centre_of,
    encoding::for_encoding,
    params::Params,
    schema,
    sql_text::{for_any_server, literal},
    unreadable,
};
use crate::{
    failpoints::{Step, durably},
    model::printable,
};

const MERGE: &str = include_str!("old_names.sql");

/// A centre of one day's file, as earlier services named it: migration 0003 reads the same.
const FILE_NAME: &str =
    r"^(.+)_(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[._ -].*)?$";

/// A machine of the configuration with the names that it had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OldNames {
    pub nom: String,
    pub old_names: Vec<String>,
}

/// What of a machine's old names is in central.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OldRows {
    /// Rows of `centre_usinage` that would be, or were, merged.
    pub centres: i64,
    pub sessions: i64,
    /// Days that the machine itself, or another of the centres, has too.
    pub days_on_both_sides: i64,
    /// Rows that are left alone: another agent delivers them, or the machine.
    pub claimed_by_others: i64,
}

impl Central {
    /// What [`Central::merge_old_names`] would do. Reads only.
    pub fn old_rows(
        &mut self,
        renamed: &OldNames,
        agent_id: &str,
    ) -> Result<OldRows, CentralError> {
        let rows = self.ask(
            "SELECT to_regclass('centre_usinage') IS NOT NULL
                    AND to_regclass('session_production') IS NOT NULL AS here,
                (SELECT count(*) FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid IN (to_regclass('cu_agent_machine'), to_regclass('session_production'))
                   AND a.attname = 'machine' AND NOT a.attisdropped) = 2 AS claims",
            &Params::default(),
        )?;
        let flags = rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose();
        let (is_here, has_claims) = flags.map_err(unreadable)?.unwrap_or((false, false));
        if !is_here {
            return Ok(OldRows::default());
        }
        let mut params = self.params();
        let nom = params.push_text(renamed.nom.as_str());
        let old_names = params.push_strings(&renamed.old_names);
        let file_name = params.push_text(FILE_NAME);
        let (centre, claimed) = if has_claims {
            let agent = params.push_text(agent_id);
            let claimed = format!(
                "EXISTS (SELECT FROM cu_agent_machine m
                    WHERE m.agent_id <> {agent} AND m.centre_usinage_id IN (c.id, (SELECT id FROM own))
                       OR m.centre_usinage_id = c.id AND m.machine <> {nom} AND m.machine <> ALL ({old_names}))"
            );
            (centre_of(&nom), claimed)
        } else {
            let by_name = format!(
                "(SELECT t.id::bigint FROM centre_usinage t WHERE t.nom::text = {nom} LIMIT 1)"
            );
            (by_name, "FALSE".to_owned())
        };
        let sql = format!(
            "WITH own AS MATERIALIZED (
                 SELECT {centre} AS id
             ), former AS (
                 SELECT c.id, {claimed} AS claimed FROM centre_usinage c
                 WHERE c.id IS DISTINCT FROM (SELECT id FROM own)
                   AND coalesce(substring(c.nom::text FROM {file_name}), c.nom::text) = ANY ({old_names})
             ), days AS (
                 SELECT s.date_production, count(*) AS n, count(f.id) AS old
                 FROM session_production s
                 LEFT JOIN former f ON f.id = s.centre_usinage_id AND NOT f.claimed
                 WHERE f.id IS NOT NULL OR s.centre_usinage_id = (SELECT id FROM own)
                 GROUP BY s.date_production
             )
             SELECT (SELECT count(*) FROM former WHERE NOT claimed),
                    (SELECT count(*) FROM former WHERE claimed),
                    (SELECT coalesce(sum(old), 0)::bigint FROM days),
                    (SELECT count(*) FROM days WHERE old > 0 AND n > 1)"
        );
        let rows = self.ask(&sql, &params)?;
        let row = rows.first().ok_or(CentralError::OtherCount { asked: 1, came: 0 })?;
        let count = |place: usize| row.try_get(place).map_err(unreadable);
        Ok(OldRows {
            centres: count(0)?,
            claimed_by_others: count(1)?,
            sessions: count(2)?,
            days_on_both_sides: count(3)?,
        })
    }

    /// Merges the rows of the machine's old names into its own, in one transaction, and says what they
    /// were. The tables must be this release's.
    pub fn merge_old_names(
        &mut self,
        renamed: &OldNames,
        agent_id: &str,
    ) -> Result<OldRows, CentralError> {
        let found = self.old_rows(renamed, agent_id)?;
        if found.centres == 0 {
            return Ok(found);
        }
        let script = format!("{}{}COMMIT;", schema::begin(), script(renamed, agent_id));
        // Names are there as deliveries write them.
        let script = for_encoding(&script, self.server.encoding);
        let merged = durably(Step::MigrateCentral, || self.run(&script, schema::MIGRATION_WAIT));
        if let Err(error) = merged {
            // The connection may be gone; then so is the transaction.
            self.run("ROLLBACK", GRACE).ok();
            return Err(self.explain_schema_change(error));
        }
        Ok(found)
    }
}

/// The same as a script for `psql`, to be run behind [`super::migration_script`]; as often as one likes.
pub fn old_names_script(renamed: &[OldNames], agent_id: &str) -> String {
    let of = |one: &OldNames| {
        let comment = printable(&format!("{} was {}", one.nom, one.old_names.join(", ")), 500);
        format!("\n-- ---- {comment}\n{}{}COMMIT;\n", schema::begin(), script(one, agent_id))
    };
    renamed.iter().map(of).map(|script| for_any_server(&script)).collect()
}

/// The statements of [`Central::merge_old_names`], without its transaction.
fn script(renamed: &OldNames, agent_id: &str) -> String {
    let old_names: Vec<String> = renamed.old_names.iter().map(|name| literal(name)).collect();
    // The names are put in last and never looked through: one may hold a pair of braces.
    let machine = literal(&renamed.nom);
    let parts: [(&str, String); 5] = [
        ("{centre}", centre_of(&machine)),
        ("{machine}", machine),
        ("{file_name}", literal(FILE_NAME)),
        ("{agent}", literal(agent_id)),
        ("{old_names}", format!("ARRAY[{}]::text[]", old_names.join(", "))),
    ];
    let mut out = String::with_capacity(MERGE.len() + 1024);
    let mut rest = MERGE;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match parts.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, text)) => {
                out.push_str(text);
                rest = &rest[place.len()..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_text_of_sql_whatever_it_holds() {
        let renamed = OldNames { nom: "{agent}".into(), old_names: vec!["{machine}".into()] };
        let script = script(&renamed, "x");
        assert!(script.contains("c.nom <> '{agent}'") && script.contains("ARRAY['{machine}']"));
        assert!(!script.contains("{file_name}"));
    }
}
