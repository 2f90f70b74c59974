//! What people did to the machines in central: centres renamed, deleted or retyped, sessions moved, rows
//! written by other programs. Puts right what is the agent's, and tells of the rest.
//!
//! What must never happen here: a session that waits because of any of it. What fails is logged once and tried
//! again with the next comparison.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;

use super::{DrainError, Runtime, connection::Connection};
use crate::{
    buffer::Buffer,
    logging,
    model::{Day, FedMachine, ForeignWrite, Machine, Renamed},
    sync::postgres::{CentralError, Standing, Standings},
};

/// After a failure, which may have taken the connection along, sessions go first for this long.
const FAILED_FOR: Duration = Duration::from_secs(300);
/// With comparisons that follow each other, as on a bad line, the machines are looked at this often.
const AT_LEAST_APART: Duration = Duration::from_secs(300);
/// A writer that goes on is looked at this often.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);
/// And logged this often.
const LOGGED_EVERY: Duration = Duration::from_secs(3600);

/// Who wrote to which machine.
type Who = (String, String, Option<String>, String);

pub(super) struct Settler {
    machines: Vec<FedMachine>,
    day_start: TimeDelta,
    /// Something happened since the machines were last looked at.
    is_due: bool,
    is_failure_logged: bool,
    /// Running times.
    not_before: Duration,
    done_at: Option<Duration>,
    /// As logged.
    renamed: Vec<Renamed>,
    stray_sessions: u64,
    /// When a write was last logged, and when writes were last looked for. Running times.
    logged: BTreeMap<Who, Duration>,
    looked_at: Option<Duration>,
}

impl Settler {
    pub(super) fn new(machines: Vec<FedMachine>, day_start: TimeDelta) -> Self {
        Self {
            machines,
            day_start,
            is_due: true,
            is_failure_logged: false,
            not_before: Duration::ZERO,
            done_at: None,
            renamed: Vec::new(),
            stray_sessions: 0,
            logged: BTreeMap::new(),
            looked_at: None,
        }
    }

    /// Whether to look at the machines now, before a comparison or not.
    pub(super) fn is_due(&self, is_compared: bool, now: Duration) -> bool {
        let is_old = self.done_at.is_none_or(|at| now.saturating_sub(at) >= AT_LEAST_APART);
        self.is_due || is_compared && is_old
    }

    /// Puts the machines in order. Says whether sessions changed their place, so that what was known of them
    /// holds no longer.
    pub(super) fn run(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        now: Duration,
    ) -> Result<bool, DrainError> {
        self.is_due = false;
        if self.machines.is_empty() || now < self.not_before {
            return Ok(false);
        }
        let (standings, has_moved) = match settled(connection, &self.machines) {
            Ok(done) => done,
            Err(error) => {
                self.failed(error, now)?;
                return Ok(false);
            }
        };
        if standings.own != buffer.outbox().delivered()? {
            let held = buffer.outbox().days()?;
            if let Err(error) = self.put_back(connection, &held) {
                self.failed(error, now)?;
                return Ok(has_moved);
            }
        }
        self.is_failure_logged = false;
        self.done_at = Some(now);
        self.tell(&standings);
        let (renamed, stray_sessions) = (self.renamed.clone(), self.stray_sessions);
        buffer.links_mut().note_central(|told| {
            told.renamed = renamed;
            told.stray_sessions = stray_sessions;
        })?;
        Ok(has_moved)
    }

    /// Puts sessions that are not among those `held` back to where their rows say that they belong.
    fn put_back(
        &self,
        connection: &mut Connection,
        held: &[(String, Day)],
    ) -> Result<(), CentralError> {
        let (mut moved, mut removed) = (0, 0);
        repeated(|| {
            let done = connection.put_back(held, &self.machines, self.day_start)?;
            moved += done.moved;
            removed += done.removed;
            Ok(done.moved + done.removed)
        })?;
        if moved + removed > 0 {
            logging::sessions_put_back(moved, removed);
        }
        Ok(())
    }

    /// Logs what is new about the machines.
    fn tell(&mut self, standings: &Standings) {
        let renamed: Vec<Renamed> = standings.machines.iter().filter_map(renamed).collect();
        for one in renamed.iter().filter(|one| !self.renamed.contains(one)) {
            logging::centre_renamed(one);
        }
        self.renamed = renamed;
        let own = standings.machines.iter().filter(|standing| !standing.is_foreign);
        let strays = standings.unnamed + own.map(|standing| standing.strays).sum::<u64>();
        if strays > 0 && strays != self.stray_sessions {
            logging::sessions_stray(strays);
        }
        self.stray_sessions = strays;
    }

    /// An error that the connection does not survive is the drain's; every other one stays here.
    fn failed(&mut self, error: CentralError, now: Duration) -> Result<(), DrainError> {
        self.not_before = now + FAILED_FOR;
        if error.ends_connection() {
            return Err(error.into());
        }
        if !std::mem::replace(&mut self.is_failure_logged, true) {
            logging::machines_not_settled(&error);
        }
        Ok(())
    }

    /// Tells what others wrote, if somebody did and it was not looked at a moment ago. `true`: central has to
    /// be compared.
    pub(super) fn look_at_writers(
        &mut self,
        connection: &mut Connection,
        buffer: &mut Buffer,
        runtime: &dyn Runtime,
    ) -> Result<bool, DrainError> {
        let now = runtime.uptime();
        if now < self.not_before {
            return Ok(false);
        }
        if self.looked_at.is_some_and(|at| now.saturating_sub(at) < LOOKED_AT_EVERY) {
            return Ok(false);
        }
        self.looked_at = Some(now);
        let machines: Vec<String> =
            self.machines.iter().map(|fed| fed.machine.nom.clone()).collect();
        let found = match connection.foreign_writes(&machines) {
            Ok(found) => found,
            Err(error) => {
                self.failed(error, now)?;
                return Ok(false);
            }
        };
        if found.writes.is_empty() {
            return Ok(false);
        }
        for write in &found.writes {
            self.log(write, now);
        }
        // Kept first: what central is told to be told here is known here.
        buffer.links_mut().note_central(|told| told.add_writes(found.writes))?;
        if let Err(error) = connection.told_foreign_writes(&found.notes) {
            self.failed(error, now)?;
        }
        self.is_due = true;
        Ok(true)
    }

    fn log(&mut self, write: &ForeignWrite, now: Duration) {
        self.logged.retain(|_, at| now.saturating_sub(*at) < LOGGED_EVERY);
        let (application, role, address, machine) = write.who();
        let who = (application.into(), role.into(), address.map(str::to_owned), machine.into());
        if self.logged.insert(who, now).is_none() {
            logging::foreign_write(write);
        }
    }
}

fn renamed(standing: &Standing) -> Option<Renamed> {
    let centre = standing.centre.as_ref().filter(|centre| **centre != standing.nom)?;
    Some(Renamed { machine: standing.nom.clone(), centre: centre.clone() })
}

/// How the machines stand after everything that can be put right was, and whether sessions were moved.
fn settled(
    connection: &mut Connection,
    machines: &[FedMachine],
) -> Result<(Standings, bool), CentralError> {
    let mut standings = connection.settle(machines)?;
    for standing in standings.machines.iter().filter(|standing| standing.is_changed) {
        logging::centre_changed(&standing.nom);
    }
    if standings.claims_removed > 0 {
        logging::claims_removed(standings.claims_removed);
    }
    let mut named = 0;
    if standings.unnamed > 0 {
        named = repeated(|| connection.name_sessions(machines))?;
    }
    if named > 0 {
        standings = connection.settle(machines)?;
    }
    let stray = |standing: &&Standing| standing.strays > 0 && !standing.is_foreign;
    let strays: Vec<&Standing> = standings.machines.iter().filter(stray).collect();
    if strays.is_empty() {
        return Ok((standings, false));
    }
    let lost: Vec<Machine> = strays
        .iter()
        .filter(|standing| standing.centre.is_none())
        .filter_map(|standing| machines.iter().find(|fed| fed.machine.nom == standing.nom))
        .map(|fed| fed.machine.clone())
        .collect();
    if !lost.is_empty() {
        connection.ensure_centres(&lost)?;
    }
    let noms: Vec<String> = strays.iter().map(|standing| standing.nom.clone()).collect();
    let (mut adopted, mut removed) = (0, 0);
    repeated(|| {
        let done = connection.adopt(&noms)?;
        adopted += done.adopted;
        removed += done.removed;
        Ok(done.adopted + done.removed)
    })?;
    if adopted + removed == 0 {
        return Ok((standings, false));
    }
    logging::sessions_adopted(adopted, removed);
    Ok((connection.settle(machines)?, true))
}

/// Does `step` until it finds nothing more to do; gives the sum.
fn repeated(mut step: impl FnMut() -> Result<u64, CentralError>) -> Result<u64, CentralError> {
    let mut sum = 0;
    loop {
        match step()? {
            0 => return Ok(sum),
            done => sum += done,
        }
    }
}
