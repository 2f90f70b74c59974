//! What a new connection asks of the server behind it, in one round trip: whether it is the one that
//! was there before, whether connections are scarce there, whether the session is this one's alone, and
//! where the tables are.

use postgres::Row;

use super::{
    Central, CentralError, Unwritable,
    calendar::{Access, READABLE},
    encoding::ServerEncoding,
    params::Params,
    prepared::{self, Often, Prepared},
    qualify::{Names, TABLES, quoted},
    settings, unreadable,
};
use crate::model::printable;

/// The server, or the cluster of servers behind a pooler, at the moment of the question.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Server {
    /// Another one after each start of the server and for each database that is recreated: what was confirmed
    /// before may be lost.
    pub incarnation: String,
    pub is_crowded: bool,
    /// What the database's texts are in, and its name.
    pub encoding: ServerEncoding,
    pub encoding_name: String,
    /// The first of the role's search path.
    pub schema: Option<String>,
    /// At least one of the agent's tables is where the search path leads.
    pub has_tables: bool,
    /// Why nothing can be written there.
    pub unwritable: Option<Unwritable>,
}

/// A role, or `PUBLIC`, that may make objects in a schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Creator {
    pub schema: String,
    pub role: String,
}

impl Creator {
    /// What an administrator runs.
    pub fn mend(&self) -> String {
        let role = if self.role == "PUBLIC" { self.role.clone() } else { quoted(&self.role) };
        format!("REVOKE CREATE ON SCHEMA {} FROM {role}", quoted(&self.schema))
    }
}

/// More than half of the server's connections are taken: one that is kept without work may be what
/// another gateway waits for.
pub(super) const IS_CROWDED: &str = "2 * (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database) \
     > current_setting('max_connections')::integer";

const MOST_CHARS: usize = 200;

impl Central {
    /// As it was when the connection was opened.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A database without a single one of the tables is not what a gateway delivered to before.
    pub fn expect_tables(&self) -> Result<(), CentralError> {
        if self.server.has_tables {
            return Ok(());
        }
        Err(self.place.no_tables(self.server.schema.as_deref()))
    }

    /// Who else may make functions and tables where the role looks for its own.
    pub fn other_creators(&mut self) -> Result<Vec<Creator>, CentralError> {
        let sql = "SELECT n.nspname::text AS schema,
                 CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE r.rolname::text END AS role
             FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
             WHERE n.nspname = ANY (current_schemas(FALSE)) AND a.privilege_type = 'CREATE'
               AND a.grantee <> n.nspowner
               AND (a.grantee = 0 OR r.rolname <> current_user AND NOT r.rolsuper)
             ORDER BY 1, 2";
        let rows = self.ask(sql, &Params::default())?;
        let read =
            |row: &Row| Ok(Creator { schema: row.try_get("schema")?, role: row.try_get("role")? });
        rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
    }

    /// Asks what every later statement rests on. Each name of the question is qualified: what the role's
    /// own path means is what is asked.
    pub(super) fn greet(&mut self) -> Result<(), CentralError> {
        let tables: Vec<String> = TABLES.iter().map(|table| format!("'{table}'")).collect();
        let sql = format!(
            "SELECT concat_ws(' ',
                     (extract(epoch FROM pg_postmaster_start_time())::float8 * 1000000::float8)::bigint, d.oid) AS incarnation,
                 {IS_CROWDED} AS crowded, {settings}, pg_is_in_recovery() AS standby,
                 current_setting('transaction_read_only') AS read_only, {session},
                 {READABLE} AS calendar, pg_encoding_to_char(d.encoding)::text AS encoding, current_schema()::text AS schema,
                 ARRAY(SELECT (SELECT n.nspname::text
                               FROM pg_catalog.pg_class c
                               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                               WHERE c.oid = to_regclass(t.name))
                       FROM pg_catalog.unnest(ARRAY[{tables}]) WITH ORDINALITY AS t (name, place)
                       ORDER BY t.place) AS schemas
             FROM pg_catalog.pg_database d WHERE d.datname = current_database()",
            session = prepared::SESSION,
            settings = settings::question(),
            tables = tables.join(", "),
        );
        // What is asked for is what the server says by itself.
        self.begin = None;
        let rows = self.ask(&sql, &Params::default())?;
        // The database that one is connected to has its row.
        let row = rows.first().ok_or(CentralError::OtherCount { asked: 1, came: 0 })?;
        let (server, names) = read(&mut self.prepared, row).map_err(unreadable)?;
        self.server = server;
        self.names = names;
        let is_readable = row.try_get("calendar").map_err(unreadable)?;
        self.calendar = if is_readable { Access::Asked } else { Access::Absent };
        // It asks for the calendar, or does not.
        self.prepared.forget(Often::GatewayRow);
        let values: Vec<Option<&str>> = row.try_get("settings").map_err(unreadable)?;
        self.suit(&settings::unfit(&values, self.statement_timeout))
    }

    /// Sets what does not suit.
    fn suit(&mut self, unfit: &[&str]) -> Result<(), CentralError> {
        if !self.has_own_session() {
            self.begin = settings::for_transaction(unfit, self.statement_timeout);
        } else if let Some(sql) = settings::for_session(unfit, self.statement_timeout) {
            let wait = settings::statement_wait(self.statement_timeout);
            self.run(&sql, wait).map_err(|e| self.place.explain(e, wait))?;
        }
        Ok(())
    }
}

fn read(prepared: &mut Prepared, row: &Row) -> Result<(Server, Names), postgres::Error> {
    prepared.note_session(row)?;
    let schema: Option<&str> = row.try_get("schema")?;
    let schemas: Vec<Option<&str>> = row.try_get("schemas")?;
    let incarnation: &str = row.try_get("incarnation")?;
    let encoding: &str = row.try_get("encoding")?;
    let server = Server {
        incarnation: printable(incarnation, MOST_CHARS),
        is_crowded: row.try_get("crowded")?,
        encoding: ServerEncoding::named(encoding),
        encoding_name: printable(encoding, MOST_CHARS),
        schema: schema.map(str::to_owned),
        // That word is in many databases.
        has_tables: TABLES
            .iter()
            .zip(&schemas)
            .any(|(table, schema)| *table != "calendrier" && schema.is_some()),
        unwritable: unwritable(row)?,
    };
    Ok((server, Names::new(&schemas, schema)))
}

/// As the question's own transaction found it, which has what every transaction begins with.
fn unwritable(row: &Row) -> Result<Option<Unwritable>, postgres::Error> {
    let (standby, read_only): (bool, &str) = (row.try_get("standby")?, row.try_get("read_only")?);
    Ok(match (standby, read_only) {
        (true, _) => Some(Unwritable::Standby),
        (false, "on") => Some(Unwritable::Setting),
        (false, _) => None,
    })
}
