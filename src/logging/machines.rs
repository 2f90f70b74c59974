//! What is logged of the machines in central: their centres, who delivers them, who else writes to them.

use std::error::Error;

use super::chain;
use crate::{
    model::{ForeignWrite, Renamed},
    text::counted,
};

/// People gave the machine's centre another name, which is theirs to do.
pub(crate) fn centre_renamed(renamed: &Renamed) {
    log::info!("{renamed}");
}

/// Type or description of a centre was not what the configuration says.
pub(crate) fn centre_changed(nom: &str) {
    log::info!("{nom}: type_cu and description of its centre in central are as configured again");
}

pub(crate) fn claims_removed(count: u64) {
    log::warn!(
        "central: {} deleted there",
        counted(
            count,
            "centre that this agent delivered to was",
            "centres that this agent delivered to were"
        )
    );
}

/// Their centre was deleted, or somebody moved them.
pub(crate) fn sessions_adopted(adopted: u64, removed: u64) {
    log::warn!(
        "central: {} their machine's centre (deleted, or moved by hand?), put into it again; {removed} more removed because their day was there already",
        counted(adopted, "session had lost", "sessions had lost")
    );
}

/// Somebody gave them another day, or another machine's name and centre.
pub(crate) fn sessions_put_back(moved: u64, removed: u64) {
    log::warn!(
        "central: {} at a day or machine that is not theirs (changed by hand?), moved back; {removed} more removed because they had been delivered again meanwhile",
        counted(moved, "session stood", "sessions stood")
    );
}

pub(crate) fn sessions_stray(count: u64) {
    log::warn!(
        "central: {} to no centre of its machines, left as it is; to see what it is: {STRAY_SESSIONS}",
        counted(count, "session of this agent belongs", "sessions of this agent belong")
    );
}

/// What shows sessions that agents wrote and that are in no centre, or not in that of their machine.
pub(crate) const STRAY_SESSIONS: &str = "SELECT s.id, s.machine, c.nom, s.date_production, s.fichier_log_source, s.total_pieces FROM session_production s LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = s.centre_usinage_id LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id WHERE s.agent_id IS NOT NULL AND (c.id IS NULL OR s.machine <> m.machine)";

/// Sessions are delivered without it. Logged once.
pub(crate) fn machines_not_settled(error: &dyn Error) {
    log::warn!(
        "central: cannot put its centres in order; sessions are still delivered: {}",
        chain(error)
    );
}

/// Another program writes what this agent is to keep: an operator stops one of the two.
pub(crate) fn foreign_write(write: &ForeignWrite) {
    log::warn!(
        "central: another writer: {write}; comparing central with the buffer now; what the agent delivered is restored"
    );
}

/// A machine is fed by another agent, or by a copy of this one: an operator ends one of the two.
pub(crate) fn claimed(nom: &str, by: &dyn std::fmt::Display) {
    log::error!(
        "{nom}: two agents claim this machine; nothing is sent for it until one of them is stopped: {by}; see \"Two agents\" in docs/guarantees.md"
    );
}

/// Why nothing of a machine is sent; `other` has the name.
pub(crate) fn same_machine_name(other: &str, encoding: &str) -> String {
    format!(
        "central's database is in {encoding}, where this machine's name would be that of {other}, and nothing of two machines is mixed; give this machine a `nom` that differs from that one in characters which {encoding} has"
    )
}

pub(crate) fn claim_over(nom: &str) {
    log::info!("{nom}: no other agent claims this machine any more; sending its sessions again");
}
