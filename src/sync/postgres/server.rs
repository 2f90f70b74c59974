//! What a new connection tells of the server behind it, in one round trip: whether it is the one that
//! was there before, whether connections are scarce there, and whether the session is this one's alone.

use super::{Central, CentralError, params::Params, prepared};

/// The server, or the cluster of servers behind a pooler, at the moment of the question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Another one after each start of the server and for each database made anew: what was confirmed
    /// before may be lost.
    pub incarnation: String,
    pub is_crowded: bool,
}

/// More than half of the server's connections are taken: one that is kept without work may be what
/// another gateway waits for.
pub(super) const IS_CROWDED: &str = "2 * (SELECT sum(numbackends) FROM pg_stat_database) \
     > current_setting('max_connections')::integer";

impl Central {
    pub fn server(&mut self) -> Result<Server, CentralError> {
        let rows = self.ask(
            &format!(
                "SELECT concat_ws(' ', pg_postmaster_start_time(), d.oid) AS incarnation,
                     {IS_CROWDED} AS crowded, {session}
                 FROM pg_database d WHERE d.datname = current_database()",
                session = prepared::SESSION
            ),
            &Params::default(),
        )?;
        let read = |row: &postgres::Row| {
            self.prepared.note_session(row)?;
            Ok(Server { incarnation: row.try_get(0)?, is_crowded: row.try_get(1)? })
        };
        // The database that one is connected to has its row.
        rows.first()
            .map_or_else(|| Ok(Server { incarnation: String::new(), is_crowded: false }), read)
            .map_err(|source| CentralError::ReadAnswer { source })
    }
}
