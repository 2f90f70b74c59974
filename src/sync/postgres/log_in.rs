//! Why a server refuses a log-in, told by its code and by the routine that reports it: the words are in the
//! server's language. Each cause has its own mend.

use postgres::error::DbError;

use super::qualify::quoted;

/// What stands between the agent and its database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// The server does not tell these apart: it would help who guesses names.
    PasswordOrUser,
    /// No line of `pg_hba.conf`, or one that rejects.
    HostRules,
    /// Another way of logging in than by password failed.
    Method,
    NoLogIn,
    NoConnect,
    Closed,
    RoleIsFull,
    DatabaseIsFull,
    /// PgBouncer has one code for all that it refuses.
    Pooler,
}

/// What the messages name.
pub(super) struct Names<'n> {
    pub(super) user: &'n str,
    pub(super) database: &'n str,
    pub(super) host: &'n str,
}

impl Obstacle {
    /// `None`: what the server says is not of the log-in, or the code says it all.
    pub(super) fn of(db: &DbError) -> Option<Self> {
        // A pooler gives no routine of PostgreSQL's.
        Some(match (db.code().code(), db.routine()) {
            ("08P01", None) => Self::Pooler,
            ("28000", Some("ClientAuthentication")) => Self::HostRules,
            ("28000", Some("InitializeSessionUserId")) => Self::NoLogIn,
            ("28000", Some("auth_failed")) => Self::Method,
            ("42501", Some("CheckMyDatabase" | "InitPostgres")) => Self::NoConnect,
            ("55000", Some("CheckMyDatabase" | "InitPostgres")) => Self::Closed,
            ("53300", Some("InitializeSessionUserId")) => Self::RoleIsFull,
            ("53300", Some("CheckMyDatabase")) => Self::DatabaseIsFull,
            (code, _) if code.starts_with(LOG_IN_REFUSED) => Self::PasswordOrUser,
            _ => return None,
        })
    }

    /// Cause and mend.
    pub(super) fn explained(self, names: &Names<'_>) -> String {
        let Names { user, database, host } = names;
        let (role, base) = (quoted(user), quoted(database));
        match self {
            Self::PasswordOrUser => "check central.user and central.password_file; if both are right, the password may have expired at the server (VALID UNTIL)".into(),
            Self::HostRules => format!("its pg_hba.conf does not let this gateway in as `{user}` to `{database}`, whatever the password (an administrator adds a line there, hostssl or host as central.tls says, and reloads; a line `reject` before it must go)"),
            Self::Method => "its pg_hba.conf asks for a way of logging in other than by password (an administrator sets scram-sha-256 there and reloads)".into(),
            Self::NoLogIn => format!("there is no role `{user}` that may log in (check central.user, or an administrator must run: ALTER ROLE {role} LOGIN)"),
            Self::NoConnect => format!("the role may not connect to `{database}` (an administrator must run: GRANT CONNECT ON DATABASE {base} TO {role})"),
            Self::Closed => format!("the database takes no connections (an administrator must run: ALTER DATABASE {base} WITH ALLOW_CONNECTIONS true)"),
            Self::RoleIsFull => format!("the role has as many connections as it may have (an administrator raises the limit: ALTER ROLE {role} CONNECTION LIMIT -1)"),
            Self::DatabaseIsFull => format!("the database has as many connections as it may have (an administrator raises the limit: ALTER DATABASE {base} CONNECTION LIMIT -1)"),
            Self::Pooler => format!("a pooler answers at {host} and does not pass the log-in on; its own words follow (check central.user, central.password_file and central.database, and that the pooler reaches PostgreSQL)"),
        }
    }

    /// Whether it is only that others have all of the connections that there may be.
    pub(super) fn is_want_of_a_connection(self) -> bool {
        matches!(self, Self::RoleIsFull | Self::DatabaseIsFull)
    }
}

/// The class of codes for a log-in that is refused.
const LOG_IN_REFUSED: &str = "28";
