//! Statements that the server keeps as long as the connection lasts: their text is many times what a
//! small delivery brings. One that comes for the second time is worth being kept; most connections bring
//! one small delivery, and end.
//!
//! What must never happen here: a statement named to a server that does not know it, or knows another
//! one by that name. Behind a pooler that hands each transaction to another server both happen, so
//! names are used only where the server itself says that this session is the one opened here.

use std::collections::{BTreeMap, BTreeSet};

use postgres::{Row, Statement, error::SqlState};

/// A setting of the agent's own, given with the log-in. A pooler refuses or ignores it.
pub(super) const SESSION_SETTING: &str = "cu_agent.session";
/// What the session is called where the statement runs.
pub(super) const SESSION: &str = "current_setting('cu_agent.session', TRUE) AS session";

/// The statements that come again and again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Often {
    States,
    /// Without the digests.
    StatesOfNew,
    DeliverNew,
    DeliverKnown,
    GatewayRow,
}

/// What the connection's server keeps.
pub(super) struct Prepared {
    session: String,
    /// `None`: not asked yet.
    is_kept: Option<bool>,
    statements: BTreeMap<Often, Statement>,
    used: BTreeSet<Often>,
}

/// A name that no other session has.
pub(super) fn new_session() -> String {
    format!("{:016x}", fastrand::u64(..))
}

impl Prepared {
    /// For a connection whose log-in named `session`.
    pub(super) fn for_session(session: String) -> Self {
        Self { session, is_kept: None, statements: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// Whether the server keeps what is prepared; `None` where it was not asked yet.
    pub(super) fn is_kept(&self) -> Option<bool> {
        self.is_kept
    }

    /// Notes the session's name from a row with [`SESSION`].
    pub(super) fn note_session(&mut self, row: &Row) -> Result<(), postgres::Error> {
        let name: Option<&str> = row.try_get("session")?;
        self.is_kept = Some(name == Some(self.session.as_str()));
        Ok(())
    }

    /// Counts a use of `which`; whether it was used before.
    pub(super) fn comes_again(&mut self, which: Often) -> bool {
        !self.used.insert(which)
    }

    pub(super) fn get(&self, which: Often) -> Option<Statement> {
        self.statements.get(&which).cloned()
    }

    pub(super) fn keep(&mut self, which: Often, statement: Statement) -> Statement {
        self.statements.insert(which, statement.clone());
        statement
    }

    /// The text of `which` is another one from now on.
    pub(super) fn forget(&mut self, which: Often) {
        self.statements.remove(&which);
        self.used.remove(&which);
    }

    /// From now on every text travels each time.
    pub(super) fn give_up(&mut self) {
        self.is_kept = Some(false);
        self.statements.clear();
    }
}

/// The routine by which PostgreSQL reports that what it keeps of a statement gives other types by now.
const CHECK_OF_KEPT: &str = "RevalidateCachedQuery";

/// Whether the server does not know the statement any more (somebody reset the session), or cannot
/// use it because a table was changed. Both show before anything is done.
pub(super) fn is_forgotten(error: &postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        *db.code() == SqlState::INVALID_SQL_STATEMENT_NAME
            || *db.code() == SqlState::FEATURE_NOT_SUPPORTED && db.routine() == Some(CHECK_OF_KEPT)
    })
}
