//! What the agent learnt about its machines in central and tells people: what their centres are called there,
//! and who else writes to their rows. Kept in the buffer for `status`; one type for who writes and who reads.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Machine, UpdatesElsewhere, WallTime};

/// A machine as the configuration gives it to central.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FedMachine {
    pub machine: Machine,
    /// Central's `description`; `None`: people's.
    pub description: Option<String>,
    /// Its folders, of whatever source.
    pub folders: Vec<String>,
}

/// How many sessions there are, and what their days come to, in days since 2000: that central holds them at
/// other days shows in a look at two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionSum {
    pub sessions: i64,
    pub days: i64,
}

/// What `status` shows of central; whatever is missing is not known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CentralTold {
    /// Machines whose centre people gave another name.
    pub renamed: Vec<Renamed>,
    /// Sessions of this agent that belong to no centre or to another's, and are left as they are.
    pub stray_sessions: u64,
    /// It has no table for the times of shifts.
    pub lacks_times: bool,
    /// What other gateways made of new versions.
    pub updates: UpdatesElsewhere,
    /// The last writes of others, newest first, one for each writer, machine and table.
    pub writers: Vec<ForeignWrite>,
}

/// A machine is called `centre` in central.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Renamed {
    pub machine: String,
    pub centre: String,
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, centre } = self;
        write!(f, "machine {machine} is {centre:?} in central; it is delivered there all the same")
    }
}

/// Somebody else's write to rows that the agent delivered.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ForeignWrite {
    pub machine: String,
    pub application: String,
    pub role: String,
    /// `None`: on the server's own computer.
    pub address: Option<String>,
    pub table: String,
    /// As SQL names it.
    pub operation: String,
    /// `None`: not of one day.
    pub day: Option<String>,
    #[serde(deserialize_with = "WallTime::if_readable")]
    pub at: Option<WallTime>,
}

/// Writes that are kept to be shown.
const MOST_WRITES: usize = 20;

impl ForeignWrite {
    /// Who wrote to which machine.
    pub fn who(&self) -> (&str, &str, Option<&str>, &str) {
        (&self.application, &self.role, self.address.as_deref(), &self.machine)
    }
}

impl fmt::Display for ForeignWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, application, role, address, table, operation, day, at } = self;
        let application = if application.is_empty() { "without a name" } else { application };
        let from = address.as_deref().unwrap_or("the server itself");
        let did = match operation.as_str() {
            "INSERT" => "added rows to",
            "DELETE" => "deleted rows of",
            "TRUNCATE" => "emptied",
            _ => "changed",
        };
        write!(
            f,
            "application `{application}` (role {role}, from {from}) {did} {table} of {machine}"
        )?;
        if let Some(day) = day {
            write!(f, " {day}")?;
        }
        if let Some(at) = at {
            write!(f, " at {at}")?;
        }
        Ok(())
    }
}

impl CentralTold {
    /// Adds what was just learnt, in order of time.
    pub fn add_writes(&mut self, writes: Vec<ForeignWrite>) {
        for write in writes {
            let is_same =
                |known: &ForeignWrite| known.who() == write.who() && known.table == write.table;
            self.writers.retain(|known| !is_same(known));
            self.writers.insert(0, write);
        }
        self.writers.truncate(MOST_WRITES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_told_in_one_sentence_and_kept_once_for_each_table() {
        let write = |table: &str, day: &str| ForeignWrite {
            machine: "DEM12".into(),
            application: "python".into(),
            role: "plant".into(),
            address: Some("10.0.0.5".into()),
            table: table.into(),
            operation: "UPDATE".into(),
            day: Some(day.into()),
            at: "2025-05-28 12:03:00".parse().ok(),
        };
        assert_eq!(
            write("session_production", "2025-05-28").to_string(),
            "application `python` (role plant, from 10.0.0.5) changed session_production of DEM12 2025-05-28 at 2025-05-28 12:03:00"
        );
        let mut told = CentralTold::default();
        told.add_writes(vec![write("a", "2025-05-01"), write("b", "2025-05-02")]);
        told.add_writes(vec![write("a", "2025-05-03")]);
        assert_eq!(told.writers, [write("a", "2025-05-03"), write("b", "2025-05-02")]);
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<CentralTold>(&json).unwrap(), told);
        let nameless = ForeignWrite { address: None, ..ForeignWrite::default() };
        assert!(nameless.to_string().contains("without a name"));
    }
}
