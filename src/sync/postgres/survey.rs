//! What a central that is to be taken over holds, and who writes there. Reads only.

use postgres::Row;

use super::{Central, CentralError, params::Params, schema::SchemaState, unreadable};
use crate::model::printable;

/// The six tables of the contract, in the order in which they are counted.
pub const CONTRACT_TABLES: [&str; 6] = [
    "centre_usinage",
    "session_production",
    "piece_production",
    "periode_attente",
    "periode_arret",
    "job_profil",
];

/// Who made the tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// There are none.
    Empty,
    /// The Python service.
    Service,
    /// The ORM of the REST API: it fills `date_creation` itself.
    Orm,
    /// The agent, or an agent took them over; what of its migrations is missing.
    Agent { pending: Vec<i32> },
}

/// What is there before anything is taken over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survey {
    pub origin: Origin,
    /// Rows of each of [`CONTRACT_TABLES`]; `None`: there is no such table.
    pub rows: [Option<i64>; 6],
    /// Centres named after a file (`DEM12_20250528`), which become their machine's.
    pub centres_of_files: i64,
    /// Sessions of a machine and day that has another one, counted under the machines' names.
    pub sessions_twice: i64,
    pub writers: Vec<Writer>,
    /// Sessions without an agent's marks, written within a week, and when the last one was.
    pub unmarked: i64,
    pub unmarked_last: Option<String>,
}

/// Another connection to the database, as far as the role may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Writer {
    pub role: String,
    pub application: String,
    pub connections: i64,
}

/// Most connections that are told apart.
const MOST_WRITERS: usize = 50;
const MOST_CHARS: usize = 100;

impl Central {
    pub fn survey(&mut self) -> Result<Survey, CentralError> {
        let mut rows = [None; 6];
        for (count, table) in rows.iter_mut().zip(CONTRACT_TABLES) {
            *count = self.rows_of(table)?;
        }
        let [centres, sessions, ..] = rows;
        let origin = self.origin(rows.iter().all(Option::is_none), sessions.is_some())?;
        let (mut centres_of_files, mut sessions_twice) = (0, 0);
        let (mut unmarked, mut unmarked_last) = (0, None);
        if let (Some(_), Some(_)) = (centres, sessions) {
            let row = self.one(DOUBLES)?;
            (centres_of_files, sessions_twice) = (number(&row, 0)?, number(&row, 1)?);
            let row = self.one(UNMARKED)?;
            unmarked = number(&row, 0)?;
            unmarked_last = text(&row, 1)?;
        }
        let writers = self.writers()?;
        Ok(Survey {
            origin,
            rows,
            centres_of_files,
            sessions_twice,
            writers,
            unmarked,
            unmarked_last,
        })
    }

    fn origin(&mut self, is_empty: bool, has_sessions: bool) -> Result<Origin, CentralError> {
        let row =
            self.one("SELECT (to_regclass('cu_agent_migration') IS NOT NULL)::int::bigint")?;
        if number(&row, 0)? == 1 {
            return Ok(Origin::Agent {
                pending: match self.schema_state()? {
                    SchemaState::Behind { pending } => pending,
                    SchemaState::Ready | SchemaState::Newer { .. } => Vec::new(),
                },
            });
        }
        if is_empty || !has_sessions {
            return Ok(if is_empty { Origin::Empty } else { Origin::Service });
        }
        let row = self.one(FILLED_BY_A_PROGRAM)?;
        Ok(if number(&row, 0)? > 0 { Origin::Orm } else { Origin::Service })
    }

    /// The table's rows, if it is there.
    fn rows_of(&mut self, table: &str) -> Result<Option<i64>, CentralError> {
        let mut params = Params::default();
        let name = params.push_text(table);
        let sql = format!("SELECT (to_regclass({name}) IS NOT NULL)::int::bigint");
        let rows = self.ask(&sql, &params)?;
        let row = rows.first().ok_or(CentralError::OtherCount { asked: 1, came: 0 })?;
        if number(row, 0)? == 0 {
            return Ok(None);
        }
        let row = self.one(&format!("SELECT count(*) FROM {table}"))?;
        number(&row, 0).map(Some)
    }

    fn writers(&mut self) -> Result<Vec<Writer>, CentralError> {
        let rows = self.ask(WRITERS, &Params::default())?;
        let writer = |row: &Row| {
            let shown = |at| text(row, at).map(Option::unwrap_or_default);
            Ok(Writer { role: shown(0)?, application: shown(1)?, connections: number(row, 2)? })
        };
        rows.iter().take(MOST_WRITERS).map(writer).collect()
    }

    fn one(&mut self, sql: &str) -> Result<Row, CentralError> {
        let rows = self.ask(sql, &Params::default())?;
        rows.into_iter().next().ok_or(CentralError::OtherCount { asked: 1, came: 0 })
    }
}

fn number(row: &Row, at: usize) -> Result<i64, CentralError> {
    row.try_get(at).map_err(unreadable)
}

fn text(row: &Row, at: usize) -> Result<Option<String>, CentralError> {
    let text: Option<&str> = row.try_get(at).map_err(unreadable)?;
    Ok(text.map(|text| printable(text, MOST_CHARS)))
}

/// As migration 0003 reads names and merges days.
const DOUBLES: &str = r"WITH named AS (
        SELECT c.id, c.nom::text AS nom,
               coalesce(substring(c.nom::text FROM
                   '^(.+)_(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[._ -].*)?$'),
                   c.nom::text) AS machine
        FROM centre_usinage c
    )
    SELECT (SELECT count(*) FROM named WHERE nom <> machine),
           (SELECT count(*) FROM session_production s JOIN named n ON n.id = s.centre_usinage_id)
           - (SELECT count(*) FROM (SELECT DISTINCT n.machine, s.date_production
                                    FROM session_production s
                                    JOIN named n ON n.id = s.centre_usinage_id) d)";

/// By way of JSON: neither column needs to be there.
const UNMARKED: &str =
    "SELECT count(*) FILTER (WHERE u.made > now()::timestamp - interval '7 days'),
           to_char(max(u.made), 'YYYY-MM-DD HH24:MI:SS')
    FROM (SELECT (to_jsonb(s) ->> 'date_creation')::timestamp AS made
          FROM session_production s WHERE to_jsonb(s) ->> 'agent_id' IS NULL) u";

const FILLED_BY_A_PROGRAM: &str = "SELECT count(*) FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = to_regclass('session_production') AND a.attname = 'date_creation'
      AND a.attnotnull AND NOT a.atthasdef";

/// Role and name of a connection are shown to every role; what it does only to some.
const WRITERS: &str = "SELECT a.usename::text, a.application_name, count(*)
    FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
      AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usename IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2";
