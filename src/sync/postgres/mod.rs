//! Central PostgreSQL: the only room that names postgres. It owns the connection, the wire and the
//! schema, and knows neither buffer nor source.
//!
//! Each exchange (`states`, `ensure_centres`, `settle`, `deliver`, `write_gateway_row`, …) is one statement, one round trip
//! and one transaction; only behind a pooler whose sessions have unfit settings three (`settings`). Those that come again and again are told to the server once a connection
//! (`prepared`). Works through PgBouncer in transaction mode: there statements are unnamed, and nothing
//! is set for longer than a transaction. Every wait is bounded on this side, whatever the server does.

mod calendar;
mod certificate;
mod claim;
mod deadline_stream;
mod deliver;
mod details;
mod digest;
mod encoding;
mod error;
mod fitness;
mod gateway_row;
mod header;
mod hosts;
mod inspect;
mod log_in;
mod misplaced;
mod old_names;
mod order;
mod params;
mod plant_settings;
mod prepared;
mod qualify;
mod record;
mod row_runs;
mod schema;
mod security;
mod server;
mod settings;
mod settle;
mod sql_text;
mod states;
mod survey;
mod times;
mod tls;
mod writers;

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
    calendar::{CalendarThere, NewCalendar, NoSuchCharacter, ToldCalendar},
    claim::{Claimed, Claims},
    deliver::{Outcome, statement_bytes},
    digest::{Digester, Inexact, digest_of_whole},
    encoding::{ServerEncoding, for_encoding, namesake},
    error::{AnswerCode, CentralError, Fault, Place, Retry},
    fitness::{Unfit, Weight},
    gateway_row::{GatewayRow, SeenThere, SourceLink},
    hosts::{Attempts, Unwritable},
    inspect::{Improper, Inspector},
    misplaced::PutBack,
    old_names::{OldNames, OldRows, old_names_script},
    order::Order,
    schema::{
        MIGRATIONS, Migration, SchemaState, gateway_row_passes_without, lacks_times,
        migration_script, sessions_pass_without,
    },
    server::{Creator, Server},
    settle::{Adopted, LeftOver, Standing, Standings},
    states::States,
    survey::{CONTRACT_TABLES, Origin, Survey, Writer},
    times::{PlannedDay, PlannedOutcome},
    writers::ForeignWrites,
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
/// Addresses that a name may have; more are not tried.
const MOST_ADDRESSES: usize = 16;
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
    /// Columns that are left out of comparisons.
    inexact: Inexact,
    calendar: calendar::Access,
    /// How a transaction begins, where it cannot go without saying, see [`settings`].
    begin: Option<String>,
    round_trips: u64,
    changed_texts: u64,
    /// Servers that are preferred to this one and could not be used.
    passed_over: Attempts,
}

impl Central {
    /// Opens a connection to the first server of `central.host` that can be written, see
    /// [`connect_beside`](Self::connect_beside).
    pub fn connect(config: &CentralConfig, application_name: &str) -> Result<Self, CentralError> {
        Self::connect_beside(config, application_name, || ())
    }

    /// Opens a connection: each host in turn, each of its addresses in turn, each given `connect_timeout`;
    /// then one question. `at_each` is called before each wait.
    pub fn connect_beside(
        config: &CentralConfig,
        application_name: &str,
        mut at_each: impl FnMut(),
    ) -> Result<Self, CentralError> {
        let deadline = Deadline::after(config.connect_timeout);
        let connector = Connector::new(config, deadline.clone())?;
        let mut opening = Opening {
            config,
            client_config: client_config(config, application_name),
            connector,
            deadline,
        };
        let mut passed_over = Attempts::default();
        for host in config.host.iter() {
            let place = Place::of(config, host);
            at_each();
            let addresses = match resolve(&place, config.connect_timeout) {
                Ok(addresses) => addresses,
                Err(error) => {
                    // The next host has another name.
                    let _goes_on = passed_over.note(&place, error);
                    continue;
                }
            };
            for address in addresses.into_iter().take(MOST_ADDRESSES) {
                at_each();
                match opening.open(&place, address) {
                    Ok(mut central) => {
                        central.passed_over = passed_over;
                        return Ok(central);
                    }
                    Err(error) => {
                        if passed_over.note(&place, error).is_break() {
                            return Err(passed_over.into_error(&config.host));
                        }
                    }
                }
            }
        }
        Err(passed_over.into_error(&config.host))
    }

    /// The server, as `host:port`.
    pub fn host(&self) -> String {
        self.place.text()
    }

    /// The preferred servers that could not be used, if any.
    pub fn passed_over(&self) -> Option<&Attempts> {
        (!self.passed_over.is_empty()).then_some(&self.passed_over)
    }

    /// Exchanges with the server since the connection was opened.
    pub fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// How many texts of the last deliveries hold characters that the database's encoding does not have;
    /// each is told once.
    pub fn take_changed_texts(&mut self) -> u64 {
        std::mem::take(&mut self.changed_texts)
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

    /// Parameters whose texts are written as this server's encoding has them.
    fn params(&self) -> Params {
        Params::in_encoding(self.server.encoding)
    }

    /// One unnamed statement with its parameters: one round trip, one transaction.
    fn ask(&mut self, sql: &str, params: &Params) -> Result<Vec<Row>, CentralError> {
        let wait = settings::statement_wait(self.statement_timeout);
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
        let wait = settings::statement_wait(self.statement_timeout);
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
        let wait = settings::statement_wait(self.statement_timeout);
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

/// What opening a connection takes, whichever server it will be.
struct Opening<'c> {
    config: &'c CentralConfig,
    client_config: ClientConfig,
    connector: Connector,
    deadline: Deadline,
}

impl Opening<'_> {
    /// Logs in at the address, and asks whether this server is the one to write to.
    fn open(&mut self, place: &Place, address: SocketAddr) -> Result<Central, CentralError> {
        let wait = self.config.connect_timeout;
        self.deadline.renew(wait);
        let session = prepared::new_session();
        let client = self.client_config.open(&place.host, address, &session, &self.connector);
        let mut central = Central {
            client: Some(client.map_err(|error| place.explain_connect(error, wait))?),
            deadline: self.deadline.clone(),
            statement_timeout: self.config.statement_timeout,
            place: place.clone(),
            prepared: Prepared::for_session(session),
            server: Server::default(),
            names: Names::default(),
            inexact: Inexact::default(),
            calendar: calendar::Access::default(),
            begin: None,
            changed_texts: 0,
            round_trips: 0,
            passed_over: Attempts::default(),
        };
        central.greet()?;
        central.round_trips = 0;
        match central.server.unwritable {
            None => Ok(central),
            Some(why) => Err(CentralError::NotWritable { place: place.text(), why }),
        }
    }
}

/// The client's settings, with the server-side time-outs as start-up options where they are accepted.
struct ClientConfig {
    base: Config,
    options: String,
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
    let options = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
         -c client_min_messages=notice -c jit=off",
        settings::statement_bound(config.statement_timeout).as_millis(),
        LOCK_WAIT.min(config.statement_timeout / 2).as_millis(),
        settings::statement_wait(config.statement_timeout).as_millis(),
    );
    ClientConfig { base, options, options_accepted: true }
}

impl ClientConfig {
    /// `session` is a name that only the session opened here has, see [`Prepared`].
    fn open(
        &mut self,
        host: &str,
        address: SocketAddr,
        session: &str,
        connector: &Connector,
    ) -> Result<Client, postgres::Error> {
        let mut config = self.base.clone();
        // The name is kept beside the address: the certificate is checked against it.
        config.host(host).hostaddr(address.ip()).port(address.port());
        if self.options_accepted {
            let options = format!("{} -c {}={session}", self.options, prepared::SESSION_SETTING);
            match config.clone().options(&options).connect(connector.clone()) {
                Err(e) if may_refuse_options(&e) => self.options_accepted = false,
                done => return done,
            }
        }
        config.connect(connector.clone())
    }
}

/// A pooler refuses options, and whatever else, by this one code; without the options it says what else.
fn may_refuse_options(error: &postgres::Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|db| *db.code() == SqlState::PROTOCOL_VIOLATION && db.routine().is_none())
}

/// The host's addresses. The resolver of the system may take minutes, so it works on a thread of
/// its own and is waited for no longer than for a connection.
fn resolve(place: &Place, wait: Duration) -> Result<Vec<SocketAddr>, CentralError> {
    let (sender, answer) = mpsc::channel();
    let (host, port) = (place.host.clone(), place.port);
    thread::spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // The receiver is gone where the wait was over first.
        sender.send(addresses).ok();
    });
    answer
        .recv_timeout(wait)
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        .map_err(|source| CentralError::FindHost { host: place.host.clone(), source })
}
