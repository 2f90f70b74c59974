//! Central PostgreSQL: the only room that names postgres. It owns the connection, the wire and the
//! schema, and knows neither buffer nor source.
//!
//! Each exchange (`states`, `ensure_centres`, `deliver`, `write_gateway_row`) is one statement, one round trip
//! and one transaction; only behind a pooler whose sessions have unfit settings three (`settings`). Those that come again and again are told to the server once a connection
//! (`prepared`). Works through PgBouncer in transaction mode: there statements are unnamed, and nothing
//! is set for longer than a transaction. Every wait is bounded on this side, whatever the server does.

mod claim;
mod deadline_stream;
mod deliver;
mod details;
mod error;
mod gateway_row;
mod inspect;
mod order;
mod params;
mod prepared;
mod qualify;
mod row_runs;
mod schema;
mod server;
mod settings;
mod states;
mod tls;

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::Duration,
};

use postgres::{
    Client, Config, Row, config::SslMode, config::SslNegotiation, error::SqlState,
    fallible_iterator::FallibleIterator,
};

pub use self::{
    claim::{Claimed, Claims},
    deliver::{Outcome, statement_bytes},
    error::{AnswerCode, CentralError, Fault, Place, Retry},
    gateway_row::{GatewayRow, SourceLink},
    inspect::{Improper, Inspector},
    order::Order,
    schema::{MIGRATIONS, Migration, SchemaState, migration_script, sessions_pass_without},
    server::{Creator, Server},
    states::States,
};
use self::{
    deadline_stream::Deadline,
    params::Params,
    prepared::{Often, Prepared},
    qualify::Names,
    tls::Connector,
};
use crate::{config::CentralConfig, model::printable};

/// How much longer than the time-out of a statement this side waits, so that the server's own
/// message (of a lock, say) arrives where it can.
const GRACE: Duration = Duration::from_secs(5);
/// A lock held by another program is waited for this long; then the exchange is tried again later.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Statements that nobody waits for any more end by themselves this much later. The server's timer
/// runs while a slow line still brings the parameters, so it cannot be the time-out itself: that is
/// kept on this side, where what was sent is known.
const ORPHAN_WAIT: Duration = Duration::from_secs(600);
/// Long enough for what has arrived already.
const LISTEN: Duration = Duration::from_millis(1);
/// Saying good-bye is a courtesy.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// A connection to central.
pub struct Central {
    /// `Some` until dropped.
    client: Option<Client>,
    deadline: Deadline,
    statement_timeout: Duration,
    place: Place,
    prepared: Prepared,
    server: Server,
    names: Names,
    /// How a transaction begins, where it cannot go without saying, see [`settings`].
    begin: Option<String>,
    round_trips: u64,
}

impl Central {
    /// Opens a connection: each address of the host in turn, each given `connect_timeout`; then one question.
    pub fn connect(config: &CentralConfig, application_name: &str) -> Result<Self, CentralError> {
        let place = Place {
            host: config.host.clone(),
            port: config.port,
            database: config.database.clone(),
            user: config.user.clone(),
        };
        let deadline = Deadline::after(config.connect_timeout);
        let connector = Connector::new(config, deadline.clone())?;
        let mut client_config = client_config(config, application_name);
        let mut last = None;
        for address in resolve(config)? {
            client_config.address = Some(address);
            deadline.renew(config.connect_timeout);
            match client_config.open(&connector) {
                Ok(client) => {
                    let mut central = Self {
                        client: Some(client),
                        deadline,
                        statement_timeout: config.statement_timeout,
                        place,
                        prepared: Prepared::for_session(client_config.session),
                        server: Server::default(),
                        names: Names::default(),
                        begin: None,
                        round_trips: 0,
                    };
                    central.greet()?;
                    central.round_trips = 0;
                    return Ok(central);
                }
                Err(error) => {
                    let explained = place.explain_connect(error, config.connect_timeout);
                    // Only an address that cannot be reached is a reason to try the next one.
                    if !matches!(
                        explained,
                        CentralError::Reach { .. } | CentralError::Silent { .. }
                    ) {
                        return Err(explained);
                    }
                    last = Some(explained);
                }
            }
        }
        Err(last.unwrap_or_else(|| CentralError::FindHost {
            host: config.host.clone(),
            source: io::Error::from(io::ErrorKind::NotFound),
        }))
    }

    /// Exchanges with the server since the connection was opened.
    pub fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Whether the server's session is this connection's alone; behind a pooler it is others' too.
    pub fn has_own_session(&self) -> bool {
        self.prepared.is_kept() == Some(true)
    }

    /// Whether the connection is known to be gone. Between two exchanges nobody listens: what the server
    /// or the network said of its end meanwhile is heard here, without a round trip.
    pub fn is_closed(&mut self) -> bool {
        self.deadline.renew(GRACE);
        let client = self.client();
        let heard = client.notifications().timeout_iter(LISTEN).next();
        heard.is_err() || client.is_closed()
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("the client is taken only by drop")
    }

    /// One unnamed statement with its parameters: one round trip, one transaction.
    fn ask(&mut self, sql: &str, params: &Params) -> Result<Vec<Row>, CentralError> {
        let wait = self.statement_timeout + GRACE;
        let sql = self.names.qualified(sql);
        if let Some(begin) = self.begin.clone() {
            return self.ask_between(&begin, &sql, params);
        }
        self.deadline.renew(wait);
        self.round_trips += 1;
        self.client().query_typed(&sql, &params.borrowed()).map_err(|e| self.place.explain(e, wait))
    }

    /// One statement in a transaction of its own that begins with `begin`.
    fn ask_between(
        &mut self,
        begin: &str,
        sql: &str,
        params: &Params,
    ) -> Result<Vec<Row>, CentralError> {
        let wait = self.statement_timeout + GRACE;
        self.run(begin, wait).map_err(|e| self.place.explain(e, wait))?;
        self.deadline.renew(wait);
        self.round_trips += 1;
        let rows = self.client().query_typed(sql, &params.borrowed());
        let end = self.run(if rows.is_ok() { "COMMIT" } else { "ROLLBACK" }, wait);
        // Of two errors the first says why.
        let rows = rows.map_err(|e| self.place.explain(e, wait))?;
        end.map_err(|e| self.place.explain(e, wait))?;
        Ok(rows)
    }

    /// Whether `which`, which is used now, is one that the server keeps, or shall keep from now on: then
    /// its text has to be the same each time.
    fn keeps(&mut self, which: Often) -> bool {
        self.prepared.comes_again(which) && self.has_own_session()
    }

    /// As [`Self::ask`], for a statement that the server [`keeps`](Self::keeps).
    fn ask_kept(
        &mut self,
        which: Often,
        sql: &str,
        params: &Params,
    ) -> Result<Vec<Row>, CentralError> {
        let wait = self.statement_timeout + GRACE;
        let statement = match self.prepared.get(which) {
            Some(statement) => statement,
            None => {
                self.deadline.renew(wait);
                self.round_trips += 1;
                let sql = self.names.qualified(sql);
                let told = self.client().prepare_typed(&sql, &params.types());
                let told = told.map_err(|e| self.place.explain(e, wait))?;
                self.prepared.keep(which, told)
            }
        };
        self.deadline.renew(wait);
        self.round_trips += 1;
        match self.client().query(&statement, &params.values()) {
            Err(error) if prepared::is_forgotten(&error) => {
                // Found before anything was done: nothing is done twice.
                self.prepared.give_up();
                self.ask(sql, params)
            }
            answer => answer.map_err(|e| self.place.explain(e, wait)),
        }
    }

    fn ask_often(
        &mut self,
        which: Often,
        sql: &str,
        params: &Params,
    ) -> Result<Vec<Row>, CentralError> {
        if self.keeps(which) { self.ask_kept(which, sql, params) } else { self.ask(sql, params) }
    }

    /// Fixed text of one or more statements.
    fn run(&mut self, sql: &str, wait: Duration) -> Result<(), postgres::Error> {
        self.deadline.renew(wait);
        self.round_trips += 1;
        self.client().batch_execute(sql)
    }
}

/// One row for each thing that was asked: with fewer, some would be asked for again and again.
fn same_count(asked: usize, came: usize) -> Result<(), CentralError> {
    if asked == came { Ok(()) } else { Err(CentralError::OtherCount { asked, came }) }
}

fn unreadable(source: postgres::Error) -> CentralError {
    CentralError::ReadAnswer { source }
}

impl Drop for Central {
    fn drop(&mut self) {
        self.deadline.renew(CLOSE_WAIT);
        // Failing to say good-bye changes nothing.
        drop(self.client.take());
    }
}

/// The client's settings, with the server-side time-outs as start-up options where they are accepted.
struct ClientConfig {
    base: Config,
    address: Option<SocketAddr>,
    host: String,
    options: String,
    /// A name that only the session opened here has, see [`Prepared`].
    session: String,
    /// A pooler refuses start-up options; then only this side's bounds hold.
    options_accepted: bool,
}

fn client_config(config: &CentralConfig, application_name: &str) -> ClientConfig {
    let mut base = Config::new();
    base.user(&config.user)
        .password(config.password.expose())
        .dbname(&config.database)
        .application_name(application_name)
        .connect_timeout(config.connect_timeout)
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3)
        .tcp_user_timeout(config.statement_timeout)
        // "Direct" hands the bare socket to the connector, which bounds it and asks for TLS itself.
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct)
        .notice_callback(|notice| log::debug!("central: {}", printable(notice.message(), 300)));
    let session = prepared::new_session();
    let options = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
         -c client_min_messages=notice -c jit=off -c {}={session}",
        settings::statement_bound(config.statement_timeout).as_millis(),
        LOCK_WAIT.min(config.statement_timeout / 2).as_millis(),
        settings::statement_wait(config.statement_timeout).as_millis(),
        prepared::SESSION_SETTING,
    );
    let host = config.host.clone();
    ClientConfig { base, address: None, host, options, session, options_accepted: true }
}

impl ClientConfig {
    fn open(&mut self, connector: &Connector) -> Result<Client, postgres::Error> {
        let mut config = self.base.clone();
        if let Some(address) = self.address {
            // The name is kept beside the address: the certificate is checked against it.
            config.host(&self.host).hostaddr(address.ip()).port(address.port());
        }
        if self.options_accepted {
            match config.clone().options(&self.options).connect(connector.clone()) {
                Err(e) if refuses_options(&e) => self.options_accepted = false,
                done => return done,
            }
        }
        config.connect(connector.clone())
    }
}

fn refuses_options(error: &postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        *db.code() == SqlState::PROTOCOL_VIOLATION && db.message().contains("startup parameter")
    })
}

/// The host's addresses. The resolver of the system may take minutes, so it works on a thread of
/// its own and is waited for no longer than for a connection.
fn resolve(config: &CentralConfig) -> Result<Vec<SocketAddr>, CentralError> {
    let (sender, answer) = mpsc::channel();
    let (host, port) = (config.host.clone(), config.port);
    thread::spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // The receiver is gone where the wait was over first.
        sender.send(addresses).ok();
    });
    answer
        .recv_timeout(config.connect_timeout)
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        .map_err(|source| CentralError::FindHost { host: config.host.clone(), source })
}
