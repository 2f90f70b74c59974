//! What central holds of many sessions, asked in one round trip: revisions, writers, the detail rows
//! counted, and a digest of every value, so that what went missing or was changed by hand is noticed.
//! Renews the claims on the way.

use postgres::{Row, types::Type};

use super::{
    Central, CentralError,
    claim::{Claimed, Claims, HELD, HOLDER, RENEW, centre_of},
    digest::{self, ColumnType, Compared, DETAILS, Depth, Inexact},
    encoding::{ServerEncoding, for_encoding},
    params::Params,
    prepared::Often,
    qualify::TABLES,
    same_count, times, unreadable,
    writers::has_news,
};
use crate::model::{CentralSession, ContentDigest, Day, DetailCounts};

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

impl States {
    /// The answer for further keys.
    pub fn add(&mut self, more: Self) {
        self.sessions.extend(more.sessions);
        self.has_news |= more.has_news;
        for nom in more.missing_centres {
            if !self.missing_centres.contains(&nom) {
                self.missing_centres.push(nom);
            }
        }
        for claimed in more.claimed {
            if !self.claimed.iter().any(|known| known.nom == claimed.nom) {
                self.claimed.push(claimed);
            }
        }
    }
}

/// Whether `s` is a row that this agent and buffer wrote: the values of another's are not compared.
const OURS: &str = "s.agent_id = $1 AND s.tampon_id = $2";

/// The figures of the detail table at `place`: rows, whether their numbers are 1..=rows, and their values'
/// hash.
fn counted(place: usize, alias: &str, inexact: &Inexact, depth: Depth) -> String {
    let Compared { table, number, .. } = &DETAILS[place];
    format!(
        "LEFT JOIN LATERAL (
    SELECT count(*) AS n,
           count({number}) <> count(*) OR coalesce(min({number}), 1) < 1
               OR coalesce(max({number}), 0) <> count(*) AS broken,
           {contenu} AS contenu
    FROM {table} d WHERE d.session_id = s.id
) {alias} ON s.id IS NOT NULL
",
        contenu = digest::of_details(place, OURS, inexact, depth),
    )
}

impl Central {
    /// What central holds of the sessions `keys`, `(nom, production day)` each.
    pub fn states(
        &mut self,
        claims: &mut Claims,
        keys: &[(&str, Day)],
    ) -> Result<States, CentralError> {
        self.answered(claims, keys, Self::ask_states)
    }

    /// The same without digests, for sessions that central does not hold as far as is known: on a line that
    /// breaks again and again, a shorter question is a session more.
    pub fn states_of_new(
        &mut self,
        claims: &mut Claims,
        keys: &[(&str, Day)],
    ) -> Result<States, CentralError> {
        let ask = |central: &mut Self, params: &Params| {
            let sql = statement(&Inexact::default(), Depth::Nothing);
            central.ask_often(Often::StatesOfNew, &sql, params)
        };
        self.answered(claims, keys, ask)
    }

    fn answered(
        &mut self,
        claims: &mut Claims,
        keys: &[(&str, Day)],
        ask: impl FnOnce(&mut Self, &Params) -> Result<Vec<Row>, CentralError>,
    ) -> Result<States, CentralError> {
        let mut params = self.params();
        claims.push_writer(&mut params);
        params.push_texts(keys.iter().map(|k| Some(k.0.to_owned())).collect());
        params.push(keys.iter().map(|k| k.1).collect::<Vec<_>>(), Type::DATE_ARRAY);
        params.push(keys.iter().map(|k| claims.held_at(k.0)).collect::<Vec<_>>(), Type::INT8_ARRAY);
        let rows = ask(self, &params)?;
        same_count(keys.len(), rows.len())?;
        let mut states = States::default();
        for (key, row) in keys.iter().zip(&rows) {
            read(&mut states, claims, key.0, row, self.server.encoding).map_err(unreadable)?;
        }
        Ok(states)
    }

    /// The first answer of those that tell less and less of the values: a text that is none in the server's
    /// encoding, or a value that no comparison takes, must not keep the queue.
    fn ask_states(&mut self, params: &Params) -> Result<Vec<Row>, CentralError> {
        let full = statement(&self.inexact, Depth::Full);
        let mut answer = self.ask_often(Often::States, &full, params);
        for depth in [Depth::PlainTexts, Depth::Nothing] {
            let Err(error @ (CentralError::Refused { .. } | CentralError::Answer { .. })) = answer
            else {
                return answer;
            };
            log::debug!("central: values are compared at less depth ({depth:?}): {error}");
            answer = self.ask(&statement(&self.inexact, depth), params);
        }
        answer
    }

    /// Asks which of central's columns cannot hold what is delivered.
    pub fn inexact_columns(&mut self) -> Result<Inexact, CentralError> {
        let tables: Vec<String> = TABLES.iter().map(|table| format!("'{table}'")).collect();
        let rows = self.ask(
            &format!(
                "SELECT t.name, a.attname::text AS attname, b.typname::text AS typname,
                     b.typcategory::text AS category,
                     CASE WHEN y.typbasetype = 0 THEN a.atttypmod ELSE y.typtypmod END AS modifier
                 FROM pg_catalog.unnest(ARRAY[{}]) AS t (name)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass(t.name)
                 JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
                 JOIN pg_catalog.pg_type b
                   ON b.oid = CASE WHEN y.typbasetype = 0 THEN y.oid ELSE y.typbasetype END
                 WHERE a.attnum > 0 AND NOT a.attisdropped",
                tables.join(", ")
            ),
            &Params::default(),
        )?;
        let types = rows.iter().map(column_type).collect::<Result<Vec<_>, _>>();
        Ok(Inexact::of(types.map_err(unreadable)?.into_iter()))
    }

    /// Leaves columns out of every comparison.
    pub fn compare_without(&mut self, inexact: Inexact) {
        if self.inexact != inexact {
            self.inexact = inexact;
            for which in [Often::States, Often::DeliverNew, Often::DeliverKnown] {
                self.prepared.forget(which);
            }
        }
    }
}

fn column_type(row: &Row) -> Result<ColumnType<'_>, postgres::Error> {
    Ok(ColumnType {
        table: row.try_get("name")?,
        name: row.try_get("attname")?,
        type_name: row.try_get("typname")?,
        category: row.try_get("category")?,
        modifier: row.try_get("modifier")?,
    })
}

fn statement(inexact: &Inexact, depth: Depth) -> String {
    let aliases = ["p", "a", "o", "j", "r"];
    let mut details: String = aliases
        .iter()
        .enumerate()
        .map(|(place, alias)| counted(place, alias, inexact, depth))
        .collect();
    if depth != Depth::Nothing && !inexact.lacks_times() {
        let of_day = format!(
            "t.centre_usinage_id = s.centre_usinage_id AND t.date_production = s.date_production AND {OURS}"
        );
        let rows = times::rows_of(&of_day, inexact, depth);
        details.push_str(&format!("LEFT JOIN LATERAL ({rows}) h ON s.id IS NOT NULL\n"));
    }
    format!(
        "WITH entree AS MATERIALIZED (
    SELECT d.rang, d.nom, d.jour, d.tenu, {centre} AS centre_id
    FROM unnest($5::text[], $6::date[], $7::bigint[]) WITH ORDINALITY AS d (nom, jour, tenu, rang)
),{RENEW}
SELECT e.centre_id IS NOT NULL AS centre, {HELD}, {HOLDER}, {news} AS nouvelles,
       s.id::bigint AS id, s.revision::bigint AS revision, s.agent_id::text AS agent_id,
       s.tampon_id::text AS tampon_id, s.evenements::bigint AS evenements,
       s.total_pieces::bigint AS total_pieces,
       p.n AS pieces, a.n AS waits, o.n AS stops, j.n AS jobs, r.n AS findings,
       p.broken OR a.broken OR o.broken OR j.broken OR r.broken AS broken,
       CASE WHEN s.id IS NOT NULL AND s.revision IS NULL THEN (
           SELECT count(*) FROM (SELECT DISTINCT timestamp_production, details
                                 FROM piece_production WHERE session_id = s.id) x)
       ELSE p.n END AS distinct_pieces,
       {content} AS contenu
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN session_production s
       ON s.centre_usinage_id = e.centre_id AND s.date_production = e.jour
{details}ORDER BY e.rang",
        content = digest::of_session(OURS, inexact, depth, aliases),
        centre = centre_of("d.nom"),
        news = has_news("= e.nom"),
    )
}

fn read(
    states: &mut States,
    claims: &mut Claims,
    nom: &str,
    row: &Row,
    encoding: ServerEncoding,
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
        // This agent's own name may have come back in other characters.
        agent_id: row.try_get::<_, Option<String>>("agent_id")?.map(|held| {
            let own = &claims.identity.agent_id;
            if held == for_encoding(own, encoding) { own.clone() } else { held }
        }),
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
        content: row.try_get::<_, Option<&[u8]>>("contenu")?.and_then(ContentDigest::from_bytes),
    }));
    Ok(())
}

fn clamped(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}
