//! The connection to central: opened when it is needed, kept while it serves, given back when others may
//! want it. Every exchange passes through here, and is a sign of life for the watchdog.
//!
//! What must never happen here: an exchange before the schema is known to serve; a machine that another
//! agent feeds reported more than once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;

use super::{DrainError, Runtime};
use crate::{
    buffer::{BufferError, Pending},
    config::CentralConfig,
    failpoints::{self, durably},
    logging,
    model::{Day, DetailCounts, FedMachine, Machine, UpdatesElsewhere},
    sync::{
        plan::Identity,
        postgres::{
            Adopted, CalendarThere, Central, CentralError, Claimed, Claims, ForeignWrites,
            GatewayRow, Inexact, Order, Outcome, PutBack, SchemaState, Server, ServerEncoding,
            Standings, States, Unfit, gateway_row_passes_without, lacks_times, namesake,
            sessions_pass_without,
        },
    },
};

/// A takeover of a database of years: several migrations, each with minutes of its own.
const MIGRATING: Duration = Duration::from_secs(2 * 3600);

/// Detail rows that central looks at in one statement; more if one session has them.
const MOST_ROWS_LOOKED_AT: u32 = 200_000;

pub(super) struct Connection {
    config: CentralConfig,
    runtime: Arc<dyn Runtime>,
    claims: Claims,
    /// The configured machines, by name.
    machines: Vec<String>,
    /// Those of which central has confirmed something, as it was when the connection was opened: they keep
    /// their names.
    delivered: Vec<String>,
    /// Machines that another agent feeds, as logged.
    foreign: BTreeMap<String, Claimed>,
    central: Option<Central>,
    /// As it was when the last connection was opened.
    server: Option<Server>,
    schema_ready: bool,
    /// What was found of the tables through the connection that is open.
    unfit: Option<Vec<Unfit>>,
    unfit_logged: BTreeSet<String>,
    host: Option<String>,
    /// That migrations which nothing of the agent's needs are pending was logged.
    is_pending_logged: bool,
    /// Central's columns that cannot hold what is delivered, and whether it lacks the table of times.
    inexact: Inexact,
    /// Whether it has that table, as the schema told since this was last asked.
    has_times: Option<bool>,
    /// They were asked for since the drain under way began.
    is_inexact_known: bool,
    /// An answer said that somebody else wrote to rows of this agent's machines.
    has_news: bool,
    /// What the last answer said of the plant's calendar.
    calendar: Option<CalendarThere>,
}

/// The connection is open.
pub(super) struct Opened {
    /// The server was restarted, restored or recreated since it was last seen: what it confirmed may be
    /// lost.
    pub(super) may_hold_other_data: bool,
}

impl Connection {
    pub(super) fn new(
        config: CentralConfig,
        claims: Claims,
        machines: Vec<String>,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        Self {
            config,
            runtime,
            claims,
            machines,
            delivered: Vec::new(),
            foreign: BTreeMap::new(),
            central: None,
            server: None,
            schema_ready: false,
            unfit: None,
            unfit_logged: BTreeSet::new(),
            host: None,
            is_pending_logged: false,
            inexact: Inexact::default(),
            has_times: None,
            is_inexact_known: false,
            has_news: false,
            calendar: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.central.is_some()
    }

    pub(super) fn close(&mut self) {
        self.central = None;
        self.unfit = None;
    }

    /// Closes the connection if others may want it: at once if central has few left, and
    /// after a while without work if it is a pooler's, whose own limit nobody sees from here. Otherwise it
    /// stays: a log-in costs more than a day's news.
    pub(super) fn release_for_others(&mut self, was_idle: bool) {
        let is_crowded = self.server.as_ref().is_some_and(|server| server.is_crowded);
        let is_pooled = self.central.as_ref().is_some_and(|central| !central.has_own_session());
        if is_crowded || is_pooled && was_idle {
            self.close();
        }
    }

    /// The schema is looked at again before the next exchange.
    pub(super) fn forget_schema(&mut self) {
        self.schema_ready = false;
    }

    /// Opens the connection, unless it is open.
    pub(super) fn open(&mut self) -> Result<Opened, CentralError> {
        self.runtime.check_in();
        let was_closed = self.central.as_mut().is_some_and(Central::is_closed);
        if was_closed {
            self.close();
        }
        if self.is_open() {
            return Ok(Opened { may_hold_other_data: false });
        }
        if self.lacks_times() {
            // An administrator may have made the table meanwhile.
            self.forget_schema();
        }
        let name = format!("cu-agent {}", self.claims.identity.agent_id);
        let mut central = Central::connect_beside(&self.config, &name, || self.runtime.check_in())?;
        self.note_host(&central);
        central.compare_without(self.inexact.clone());
        let before = self.server.replace(central.server().clone());
        // Restarted or restored while this gateway held no connection.
        let is_other =
            before.is_some_and(|before| before.incarnation != central.server().incarnation);
        self.central = Some(central);
        Ok(Opened { may_hold_other_data: was_closed || is_other })
    }

    /// Logs which of several servers central is, if it is another one than before.
    fn note_host(&mut self, central: &Central) {
        let host = self.config.host.are_several().then(|| central.host());
        if let Some(host) = host.as_ref().filter(|host| Some(*host) != self.host.as_ref()) {
            logging::central_at(host, central.passed_over());
        }
        self.host = host;
    }

    /// Which of several configured servers central was last; `None` if only one is configured.
    pub(super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Brings central's tables up to date, unless that is known. An error inside is one that the sessions
    /// pass without; after one outside the connection is closed.
    ///
    /// An empty database gets its tables from a buffer that never delivered. For one that `has_delivered`
    /// it is the wrong one, until a person makes the tables there.
    pub(super) fn prepare_schema(
        &mut self,
        has_delivered: impl FnOnce() -> Result<bool, BufferError>,
    ) -> Result<Option<CentralError>, DrainError> {
        if self.schema_ready {
            return Ok(None);
        }
        let central = self.central.as_ref().expect("open ran before");
        if let Err(error) = central.expect_tables()
            && has_delivered()?
        {
            self.close();
            return Err(error.into());
        }
        let failure = match self.migrate() {
            Ok(failure) => failure,
            Err(error) => {
                self.close();
                return Err(error.into());
            }
        };
        self.schema_ready = true;
        Ok(failure)
    }

    /// Whether central has no table for the times of shifts, so that sessions go without.
    pub(super) fn lacks_times(&self) -> bool {
        self.inexact.lacks_times()
    }

    /// Whether it has that table, if the schema was looked at since this was last asked.
    pub(super) fn take_has_times(&mut self) -> Option<bool> {
        self.has_times.take()
    }

    fn note_times(&mut self, has_times: bool) {
        self.has_times = Some(has_times);
        self.inexact = std::mem::take(&mut self.inexact).with_times(has_times);
        let inexact = self.inexact.clone();
        self.central.as_mut().expect("open ran before").compare_without(inexact);
    }

    fn migrate(&mut self) -> Result<Option<CentralError>, CentralError> {
        let central = self.central.as_mut().expect("open ran before");
        let mut has_times = true;
        match central.schema_state()? {
            SchemaState::Ready => {}
            SchemaState::Newer { version } => logging::schema_newer(version),
            SchemaState::Behind { pending } => {
                self.runtime.expect_idle(MIGRATING);
                match central.migrate() {
                    Ok(applied) => logging::schema_migrated(&pending, &applied),
                    Err(error) if sessions_pass_without(&pending) && !central.is_closed() => {
                        // Some may have been applied.
                        has_times = match central.schema_state()? {
                            SchemaState::Behind { pending } => !lacks_times(&pending),
                            SchemaState::Ready | SchemaState::Newer { .. } => true,
                        };
                        if !gateway_row_passes_without(&pending) {
                            self.note_times(has_times);
                            return Ok(Some(error));
                        }
                        // Dashboards are slower without it, or sessions go without times; that is said once.
                        if !std::mem::replace(&mut self.is_pending_logged, true) {
                            logging::schema_behind(&pending, &error);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.note_times(has_times);
        Ok(None)
    }

    /// For the next exchange.
    pub(super) fn central(&mut self) -> (&mut Central, &mut Claims) {
        self.runtime.check_in();
        let central = self.central.as_mut().expect("open ran before");
        (central, &mut self.claims)
    }

    /// Who writes.
    pub(super) fn identity(&self) -> &Identity {
        &self.claims.identity
    }

    /// Whether another agent feeds the machine.
    pub(super) fn is_foreign(&self, nom: &str) -> bool {
        self.foreign.contains_key(nom)
    }

    /// A sign of life between two exchanges.
    pub(super) fn check_in(&self) {
        self.runtime.check_in();
    }

    /// What central holds of the batch, and whose its machines are; with `values`, their digests too. Central
    /// looks at every row: few large sessions are asked for at once.
    pub(super) fn states(
        &mut self,
        batch: &[Pending],
        values: bool,
    ) -> Result<States, CentralError> {
        let mut all = States::default();
        let mut rest = batch;
        while !rest.is_empty() {
            let (next, behind) = rest.split_at(looked_at_once(rest));
            let keys: Vec<(&str, Day)> = next
                .iter()
                .map(|one| (one.session.machine.nom.as_str(), one.session.day))
                .collect();
            let (central, claims) = self.central();
            let states = if values {
                central.states(claims, &keys)
            } else {
                central.states_of_new(claims, &keys)
            };
            all.add(states.map_err(|error| self.with_unfit(error))?);
            rest = behind;
        }
        self.has_news |= all.has_news;
        self.report_claims(batch, &all.claimed);
        Ok(all)
    }

    /// What the server's texts are in, as it was last told.
    pub(super) fn encoding(&self) -> ServerEncoding {
        self.server.as_ref().map_or(ServerEncoding::Utf8, |server| server.encoding)
    }

    /// The machine that `nom` would be in central's encoding, and why nothing of it is sent then.
    pub(super) fn namesake(&self, nom: &str) -> Option<String> {
        let server = self.server.as_ref()?;
        let noms = self.delivered.iter().chain(&self.machines).map(String::as_str);
        let other = namesake(nom, noms, server.encoding)?;
        Some(logging::same_machine_name(other, &server.encoding_name))
    }

    /// Machines of which central has confirmed something.
    pub(super) fn note_delivered(&mut self, machines: Vec<String>) {
        self.delivered = machines;
    }

    /// Central's columns that are left out of comparisons.
    pub(super) fn inexact(&self) -> &Inexact {
        &self.inexact
    }

    /// The next difference is a reason to ask which columns those are.
    pub(super) fn doubt_columns(&mut self) {
        self.is_inexact_known = false;
    }

    /// Asks which columns those are, once a drain; whether they are others than before, so that digests are
    /// too.
    pub(super) fn learn_inexact(&mut self) -> Result<bool, CentralError> {
        if std::mem::replace(&mut self.is_inexact_known, true) {
            return Ok(false);
        }
        let has_times = !self.lacks_times();
        let inexact = self.central().0.inexact_columns()?.with_times(has_times);
        if inexact == self.inexact {
            return Ok(false);
        }
        logging::not_compared(&inexact.names());
        self.inexact = inexact.clone();
        self.central().0.compare_without(inexact);
        Ok(true)
    }

    /// Logs once that another agent feeds a machine, and once that it no longer does.
    fn report_claims(&mut self, batch: &[Pending], claimed: &[Claimed]) {
        for pending in batch {
            let nom = &pending.session.machine.nom;
            match (claimed.iter().find(|claimed| claimed.nom == *nom), self.foreign.get(nom)) {
                (None, None) => {}
                (None, Some(_)) => {
                    self.foreign.remove(nom);
                    logging::claim_over(nom);
                }
                (Some(now), Some(logged)) if logged.instance_id == now.instance_id => {}
                (Some(now), _) => {
                    logging::claimed(nom, now);
                    self.foreign.insert(nom.clone(), now.clone());
                }
            }
        }
    }

    pub(super) fn ensure_centres(&mut self, missing: &[Machine]) -> Result<(), CentralError> {
        let (central, claims) = self.central();
        let done =
            durably(failpoints::Step::EnsureCentres, || central.ensure_centres(claims, missing));
        done.map_err(|error| self.with_unfit(error))
    }

    /// How the agent's machines stand in central, with what is configured written there.
    pub(super) fn settle(&mut self, machines: &[FedMachine]) -> Result<Standings, CentralError> {
        let (central, claims) = self.central();
        durably(failpoints::Step::Settle, || central.settle(claims, machines))
    }

    /// Some of the sessions that do not say which machine's they are; 0 if no more can be told.
    pub(super) fn name_sessions(&mut self, machines: &[FedMachine]) -> Result<u64, CentralError> {
        let (central, claims) = self.central();
        durably(failpoints::Step::Settle, || central.name_sessions(claims, machines))
    }

    /// Some of the sessions that are not in their machine's centre; nothing if no more can be moved.
    pub(super) fn adopt(&mut self, machines: &[String]) -> Result<Adopted, CentralError> {
        let (central, claims) = self.central();
        durably(failpoints::Step::Settle, || central.adopt(claims, machines))
    }

    /// Some of the sessions that stand at a day or machine that is not theirs; nothing if no more are found.
    pub(super) fn put_back(
        &mut self,
        held: &[(String, Day)],
        machines: &[FedMachine],
        day_start: TimeDelta,
    ) -> Result<PutBack, CentralError> {
        let (central, claims) = self.central();
        durably(failpoints::Step::Settle, || central.put_back(claims, held, machines, day_start))
    }

    /// Whether somebody else wrote to rows of this agent's machines since this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// What was said of the plant's calendar since this was last asked.
    pub(super) fn take_calendar(&mut self) -> Option<CalendarThere> {
        self.calendar.take()
    }

    pub(super) fn foreign_writes(
        &mut self,
        machines: &[String],
    ) -> Result<ForeignWrites, CentralError> {
        self.central().0.foreign_writes(machines)
    }

    pub(super) fn told_foreign_writes(&mut self, notes: &[String]) -> Result<(), CentralError> {
        let (central, _) = self.central();
        durably(failpoints::Step::Settle, || central.told_foreign_writes(notes))
    }

    pub(super) fn deliver(&mut self, orders: &[Order<'_>]) -> Result<Vec<Outcome>, CentralError> {
        let (central, claims) = self.central();
        let done = durably(failpoints::Step::Deliver, || central.deliver(claims, orders));
        done.map_err(|error| self.with_unfit(error))
    }

    /// An error that something done to the tables may be behind, with what that is. The tables are looked
    /// through once a connection, and each finding is logged once a process.
    pub(super) fn with_unfit(&mut self, error: CentralError) -> CentralError {
        if !error.may_be_of_tables() {
            return error;
        }
        let Some(central) = &mut self.central else { return error };
        if self.unfit.is_none() {
            // What cannot be looked at is not known; the error stands as it is.
            let found = central.unfit().unwrap_or_default();
            for one in &found {
                if self.unfit_logged.insert(one.to_string()) {
                    logging::central_unfit(one);
                }
            }
            self.unfit = Some(found);
        }
        error.with_unfit(self.unfit.as_deref().unwrap_or_default())
    }

    /// What swallows rows without an error, as far as the tables show it.
    pub(super) fn swallowers(&mut self) -> String {
        let central = self.central.as_mut().expect("open ran before");
        let found = central.unfit().unwrap_or_default();
        found.iter().map(|one| format!("; {one}")).collect()
    }

    /// The encoding of the open connection's database, and how many texts it made the last deliveries
    /// change.
    pub(super) fn take_changed_texts(&mut self) -> Option<(String, u64)> {
        let central = self.central.as_mut()?;
        let texts = central.take_changed_texts();
        Some((central.server().encoding_name.clone(), texts))
    }

    pub(super) fn write_gateway_row(
        &mut self,
        row: &GatewayRow,
    ) -> Result<UpdatesElsewhere, CentralError> {
        let wall = self.runtime.wall();
        let (central, claims) = self.central();
        let seen =
            durably(failpoints::Step::ShowEdge, || central.write_gateway_row(claims, row, wall))?;
        self.has_news |= seen.has_news;
        self.calendar = Some(seen.calendar);
        if let Some(server) = &mut self.server {
            server.is_crowded = seen.is_crowded;
        }
        Ok(seen.updates)
    }
}

/// How many sessions of the batch are asked for in one statement: one at least.
fn looked_at_once(batch: &[Pending]) -> usize {
    let mut rows = 0_u32;
    let fitting = batch
        .iter()
        .take_while(|one| {
            let DetailCounts { pieces, waits, stops, jobs, anomalies } = one.session.counts;
            rows =
                [pieces, waits, stops, jobs, anomalies].into_iter().fold(rows, u32::saturating_add);
            rows <= MOST_ROWS_LOOKED_AT
        })
        .count();
    fitting.max(1)
}
