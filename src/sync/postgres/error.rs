//! What can go wrong with central, told apart by what mends it. Each message names the configuration
//! key and the mend; none holds a password.

use std::{error::Error as StdError, io, time::Duration};

use postgres::error::{DbError, SqlState};
use thiserror::Error;

use super::{
    deadline_stream::{Flood, Silence},
    hosts::{Attempts, Unwritable},
    inspect::Improper,
    log_in::{Names, Obstacle},
};
use crate::{
    config::{CentralConfig, Host, host_and_port},
    model::printable,
    tls::CaFileError,
};

/// The server answered the request for encryption with no.
#[derive(Debug, Error)]
#[error("the server does not offer TLS")]
pub(super) struct NoTlsOffered;

/// When to try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// With the usual back-off: the trouble passes by itself.
    Soon,
    /// Rarely: somebody has to change something first.
    Slowly,
    /// Not as it is: the same statement will be refused again. Set the session aside.
    Never,
}

/// What keeps a delivery from passing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The sessions: the server is well and refused what was sent. Others may pass.
    Session,
    /// The sessions or central: the server answered with an error that the agent does not know.
    Unknown(AnswerCode),
    /// What was sent at once, or the line: half of it may pass.
    Transfer,
    /// Central as a whole.
    Central,
}

/// The code (SQLSTATE) of an error that the agent does not know: the same trouble has the same code,
/// whatever the server says of it in which language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnswerCode(String);

impl From<&str> for AnswerCode {
    fn from(code: &str) -> Self {
        Self(code.to_owned())
    }
}

#[derive(Debug, Error)]
pub enum CentralError {
    #[error("cannot find the address of `{host}` (check central.host and the gateway's DNS)")]
    FindHost { host: String, source: io::Error },
    #[error(
        "cannot reach central at {place} (check central.host, central.port, cable and firewall)"
    )]
    Reach { place: String, source: io::Error },
    #[error(
        "central at {place} accepted the connection and stayed silent for {} s (is it PostgreSQL? check central.port)",
        after.as_secs()
    )]
    Silent { place: String, after: Duration },
    #[error("central at {place} did not answer within {} s", after.as_secs())]
    NoAnswer { place: String, after: Duration },
    #[error("the connection to central at {place} was lost")]
    Lost { place: String, source: postgres::Error },
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error(
        "central at {place} does not offer TLS, which central.tls requires (turn ssl on at the server, and check central.host and central.port)"
    )]
    NoTls { place: String },
    #[error(
        "the login to central at {place} was aborted: {asks}, but central.require_auth demands scram-sha-256 (at the server, set password_encryption = 'scram-sha-256', give `{user}` its password again and use scram-sha-256 in pg_hba.conf; if this is not your server, somebody is impersonating it)"
    )]
    WeakLogIn { place: String, user: String, asks: Improper },
    #[error(
        "central at {place} sent an invalid reply: {what}; the connection was closed (is it PostgreSQL? check central.host and central.port)"
    )]
    Improper { place: String, what: String },
    #[error("central answered for {came} of {asked} sessions; the answer is ignored")]
    OtherCount { asked: usize, came: usize },
    #[error(
        "central's certificate has expired (renew it on {place}; also check the gateway's clock)"
    )]
    CertificateExpired { place: String },
    #[error("central's certificate is not valid yet: the gateway's clock is probably wrong")]
    CertificateNotYetValid { place: String },
    #[error(
        "central's certificate was not issued for `{host}` (set central.host to a name of the certificate)"
    )]
    CertificateName { host: String, source: rustls::Error },
    #[error(
        "central's certificate was issued by an authority that is not trusted (self-signed or own CA: set central.ca_file to its certificate)"
    )]
    CertificateIssuer { place: String },
    #[error(
        "central's certificate cannot be used: {what} (give the server at {place} another one)"
    )]
    CertificateUnusable { place: String, what: &'static str },
    #[error(
        "central's certificate or TLS handshake was refused (check central.tls, central.ca_file)"
    )]
    Tls { source: rustls::Error },
    #[error("central refused the login of `{user}`: {why}")]
    LogIn {
        user: String,
        /// With the mend.
        why: String,
        source: postgres::Error,
    },
    #[error("central has no free connection: {why}")]
    Full { why: String, source: postgres::Error },
    #[error("central has no database `{database}` (check central.database)")]
    Database { database: String, source: postgres::Error },
    #[error(
        "the role `{user}` (central.user) may not do this; an administrator must grant it: {mend}"
    )]
    Forbidden { user: String, mend: String, source: postgres::Error },
    #[error(
        "central's tables are older than this release and the role `{user}` may not change them; an administrator must run: {command}"
    )]
    MayNotMigrate { user: String, command: String, source: postgres::Error },
    #[error(
        "central's tables do not match this release (cu-agent check names what is missing and how to add it)"
    )]
    SchemaBehind { source: postgres::Error },
    #[error(
        "central's database `{database}` holds none of the agent's tables (its search path leads to {schema}), although this gateway has delivered to central before: the tables were moved, or this is another database (check central.host and central.database); nothing is created there and nothing is sent. If an empty central is to be filled from here, run: {command}"
    )]
    NoTables { database: String, schema: String, command: &'static str },
    #[error(
        "somebody changed central's tables so that the agent cannot write them: {reason} (cu-agent check names what to change back)"
    )]
    Altered {
        /// What the server says of it.
        reason: String,
        source: postgres::Error,
    },
    #[error(
        "migration {version} in central does not come from a release of this agent (its checksum differs)"
    )]
    ForeignMigration { version: i32 },
    #[error(
        "role `{owner}` created {what} in central, which could be called in place of the server's own; an administrator must drop it, and stop other roles from creating objects there (see cu-agent check)"
    )]
    ForeignFunction { what: String, owner: String },
    #[error("cannot apply migration {version} ({name}) to central")]
    Migrate { version: i32, name: &'static str, source: postgres::Error },
    #[error("central at {place} is read-only: {why}")]
    NotWritable { place: String, why: Unwritable },
    #[error("no server of central.host can be used: {attempts}")]
    NoHost { attempts: Attempts },
    #[error("central is currently read-only (a standby, or default_transaction_read_only is on)")]
    ReadOnly { source: postgres::Error },
    #[error("central is starting up or shutting down")]
    Restarting { source: postgres::Error },
    #[error("central is out of resources (disk, memory or connections)")]
    Exhausted { source: postgres::Error },
    #[error("another program holds a lock in central")]
    Busy { source: postgres::Error },
    #[error("central took longer than the time-out for one statement")]
    TooSlow { source: postgres::Error },
    #[error("central refused the data")]
    Refused {
        /// What the server says of it: message, detail, place.
        reason: String,
        source: postgres::Error,
    },
    #[error("central answered with an unknown error")]
    Answer { source: postgres::Error },
    #[error("central's answer cannot be read")]
    ReadAnswer { source: postgres::Error },
}

impl CentralError {
    pub fn again(&self) -> Retry {
        match self {
            Self::NoHost { attempts } => attempts.again(),
            Self::FindHost { .. }
            | Self::Reach { .. }
            | Self::Silent { .. }
            | Self::NoAnswer { .. }
            | Self::Lost { .. }
            | Self::NotWritable { .. }
            | Self::ReadOnly { .. }
            | Self::Restarting { .. }
            | Self::Exhausted { .. }
            | Self::Full { .. }
            | Self::Busy { .. }
            | Self::TooSlow { .. } => Retry::Soon,
            Self::Refused { .. } => Retry::Never,
            Self::CaFile(_)
            | Self::NoTls { .. }
            | Self::WeakLogIn { .. }
            | Self::Improper { .. }
            | Self::OtherCount { .. }
            | Self::ForeignFunction { .. }
            | Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::CertificateName { .. }
            | Self::CertificateIssuer { .. }
            | Self::CertificateUnusable { .. }
            | Self::Tls { .. }
            | Self::LogIn { .. }
            | Self::Database { .. }
            | Self::Forbidden { .. }
            | Self::MayNotMigrate { .. }
            | Self::SchemaBehind { .. }
            | Self::Altered { .. }
            | Self::NoTables { .. }
            | Self::ForeignMigration { .. }
            | Self::Migrate { .. }
            | Self::Answer { .. }
            | Self::ReadAnswer { .. } => Retry::Slowly,
        }
    }

    /// What kept a delivery from passing, as far as the kind of the error says.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused { .. } => Fault::Session,
            Self::Answer { source } => {
                Fault::Unknown(AnswerCode::from(source.code().map_or("", SqlState::code)))
            }
            Self::TooSlow { .. }
            | Self::NoAnswer { .. }
            | Self::Lost { .. }
            | Self::Busy { .. } => Fault::Transfer,
            _ => Fault::Central,
        }
    }

    /// Why a session is set aside, in one line that is the same for the same trouble: without the
    /// row that the server quotes, and its numbers.
    pub fn reason(&self) -> String {
        let mut text = self.to_string();
        if let Self::Refused { reason, .. } = self {
            return format!("{text}: {reason}");
        }
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(cause.to_string().lines().next().unwrap_or_default());
            source = cause.source();
        }
        printable(&text, MOST_REASON_CHARS)
    }

    /// Whether it is only that others have all of the server's connections.
    pub fn is_want_of_a_connection(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Exhausted { source } => source.code() == Some(&SqlState::TOO_MANY_CONNECTIONS),
            Self::NoHost { attempts } => attempts.is_want_of_a_connection(),
            _ => false,
        }
    }

    /// Whether the connection is of no further use.
    pub fn ends_connection(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Lost { .. } | Self::Restarting { .. })
    }
}

/// Run by a person, it makes the tables wherever the configuration leads.
const MAKE_TABLES: &str = "cu-agent central migrate";

/// What the messages name.
#[derive(Clone, Debug)]
pub struct Place {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
}

impl Place {
    pub(super) fn of(config: &CentralConfig, host: &Host) -> Self {
        Self {
            host: host.name.clone(),
            port: host.port_or(config.port),
            database: config.database.clone(),
            user: config.user.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        host_and_port(&self.host, self.port)
    }

    /// The line that an administrator runs.
    pub fn migrate_command(&self) -> String {
        format!(
            "cu-agent central migrate --print | psql -v ON_ERROR_STOP=1 -h {} -p {} -d {} -U postgres",
            shell_word(&self.host),
            self.port,
            shell_word(&self.database)
        )
    }

    /// A database without a table, where there were some.
    pub(super) fn no_tables(&self, schema: Option<&str>) -> CentralError {
        CentralError::NoTables {
            database: self.database.clone(),
            schema: schema
                .map_or("no schema".into(), |name| format!("schema {}", printable(name, 100))),
            command: MAKE_TABLES,
        }
    }

    /// Tells apart what the client reported. `waited` is how long the server was given.
    pub fn explain(&self, error: postgres::Error, waited: Duration) -> CentralError {
        if let Some(db) = error.as_db_error() {
            let state = db.code().clone();
            let answer = Answer {
                reason: reason(db),
                checks_rows: db.routine() == Some(CHECK_OF_ROWS),
                is_from_function: db.where_().is_some(),
            };
            return self.explain_answer(error, &state, answer);
        }
        if let Some(known) = self.explain_tls(&error) {
            return known;
        }
        match io_error(&error) {
            Some(io) if io.get_ref().is_some_and(|e| e.is::<Silence>()) => {
                CentralError::NoAnswer { place: self.text(), after: waited }
            }
            Some(io) if let Some(improper) = self.explain_improper(io) => improper,
            Some(_) => CentralError::Lost { place: self.text(), source: error },
            None if error.is_closed() => CentralError::Lost { place: self.text(), source: error },
            None => CentralError::ReadAnswer { source: error },
        }
    }

    /// As [`Self::explain`], for a connection being opened: a socket error means not reached.
    pub fn explain_connect(&self, error: postgres::Error, waited: Duration) -> CentralError {
        if let Some(obstacle) = error.as_db_error().and_then(Obstacle::of) {
            let (user, database) = (&self.user, &self.database);
            let why = obstacle.explained(&Names { user, database, host: &self.text() });
            return if obstacle.is_want_of_a_connection() {
                CentralError::Full { why, source: error }
            } else {
                CentralError::LogIn { user: user.clone(), why, source: error }
            };
        }
        match self.explain(error, waited) {
            CentralError::NoAnswer { place, after } => CentralError::Silent { place, after },
            CentralError::Lost { place, source } => match io_error(&source) {
                Some(io) => {
                    let copy = io
                        .raw_os_error()
                        .map_or_else(|| io::Error::from(io.kind()), io::Error::from_raw_os_error);
                    CentralError::Reach { place, source: copy }
                }
                None => CentralError::Lost { place, source },
            },
            other => other,
        }
    }

    fn explain_answer(
        &self,
        source: postgres::Error,
        state: &SqlState,
        answer: Answer,
    ) -> CentralError {
        let code = state.code();
        let Answer { reason, checks_rows, is_from_function } = answer;
        match (code, code.get(..2).unwrap_or_default()) {
            ("25006", _) => CentralError::ReadOnly { source },
            // What a function of the plant's own may not, or cannot, says nothing of the tables: it may run
            // for some rows only.
            (_, "0A" | "42" | "55")
                if is_from_function && code != LOCK_NOT_AVAILABLE && !checks_rows =>
            {
                CentralError::Answer { source }
            }
            ("42501", _) if checks_rows => CentralError::Refused { reason, source },
            ("42501", _) => CentralError::Forbidden {
                user: self.user.clone(),
                mend: self.migrate_command(),
                source,
            },
            ("42P01" | "42703" | "42P10", _) => CentralError::SchemaBehind { source },
            // A view or a rule in the way, a generated column, another type.
            ("0A000" | "428C9" | "42804" | "42809" | "42846" | "42883" | "55000", _) => {
                CentralError::Altered { reason, source }
            }
            ("3D000", _) => CentralError::Database { database: self.database.clone(), source },
            (LOCK_NOT_AVAILABLE | "40001" | "40P01", _) => CentralError::Busy { source },
            ("57014", _) => CentralError::TooSlow { source },
            ("57P01" | "57P02" | "57P03" | "57P05", _) => CentralError::Restarting { source },
            (_, "53" | "58") => CentralError::Exhausted { source },
            (_, "08") => CentralError::Lost { place: self.text(), source },
            // P0 is what a trigger raises, 44 a view's check.
            (_, "22" | "23" | "44" | "54" | "P0") => CentralError::Refused { reason, source },
            _ => CentralError::Answer { source },
        }
    }

    fn explain_improper(&self, io: &io::Error) -> Option<CentralError> {
        let inner = io.get_ref()?;
        let place = self.text();
        match inner.downcast_ref::<Improper>() {
            Some(asks) if asks.is_log_in() => {
                Some(CentralError::WeakLogIn { place, user: self.user.clone(), asks: *asks })
            }
            Some(improper) => Some(CentralError::Improper { place, what: improper.to_string() }),
            None => inner
                .downcast_ref::<Flood>()
                .map(|flood| CentralError::Improper { place, what: flood.to_string() }),
        }
    }
}

/// The routine by which PostgreSQL reports a row that a policy does not let in. It shares its code with
/// a right that the role lacks, and the message is in the language of the server.
const CHECK_OF_ROWS: &str = "ExecWithCheckOptions";
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What an error of the server's says beside its code.
struct Answer {
    reason: String,
    checks_rows: bool,
    /// It was raised inside a function, such as a trigger's.
    is_from_function: bool,
}

/// `text` as one word of a shell's command line.
fn shell_word(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The server's words about the data, without the row's content that `detail` would quote at length.
fn reason(db: &DbError) -> String {
    let mut text = format!("{} ({})", db.message(), db.code().code());
    for (name, value) in
        [("table", db.table()), ("column", db.column()), ("constraint", db.constraint())]
    {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    printable(&text, MOST_REASON_CHARS)
}

/// Longest text of the server's that is kept and shown, in characters.
const MOST_REASON_CHARS: usize = 500;

pub(super) fn io_error(error: &postgres::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_administrator_s_command_survives_odd_names() {
        let place = Place {
            host: "central.usine.lan".into(),
            port: 5432,
            database: "prod d'usine".into(),
            user: "cu_agent".into(),
        };
        assert_eq!(
            place.migrate_command(),
            "cu-agent central migrate --print | psql -v ON_ERROR_STOP=1 \
             -h central.usine.lan -p 5432 -d 'prod d'\\''usine' -U postgres"
        );
    }
}
