//! What a new connection tells of the server behind it, in one round trip: whether it is the one that
//! was there before, and whether connections are scarce there.

use super::{Central, CentralError, params::Params};

/// The server, or the cluster of servers behind a pooler, at the moment of the question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Another one after each start of the server and for each database made anew: what was confirmed
    /// before may be lost.
    pub incarnation: String,
    /// More than half of its connections are taken: one that is kept without work may be another
    /// gateway's.
    pub is_crowded: bool,
}

impl Central {
    pub fn server(&mut self) -> Result<Server, CentralError> {
        let rows = self.ask(
            "SELECT concat_ws(' ', pg_postmaster_start_time(), d.oid) AS incarnation,
                    2 * (SELECT sum(numbackends) FROM pg_stat_database)
                        > current_setting('max_connections')::integer AS crowded
             FROM pg_database d WHERE d.datname = current_database()",
            &Params::default(),
        )?;
        let read = |row: &postgres::Row| {
            Ok(Server { incarnation: row.try_get(0)?, is_crowded: row.try_get(1)? })
        };
        // The database that one is connected to has its row.
        rows.first()
            .map_or_else(|| Ok(Server { incarnation: String::new(), is_crowded: false }), read)
            .map_err(|source| CentralError::ReadAnswer { source })
    }
}
