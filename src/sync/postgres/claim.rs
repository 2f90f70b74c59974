//! Which agent feeds a machine, and which centre is the machine's. Central keeps one claim a centre;
//! each writer renews it in the same statement, by central's clock. A machine claimed by another is
//! reported, never written.
//!
//! What must never happen here: a second centre for a machine whose centre people gave another name; two
//! machines in one centre.

use std::collections::BTreeMap;

use postgres::Row;

use super::params::Params;
use crate::{model::printable, sync::plan::Identity};

/// Longest text of central's that is shown and kept, in characters.
const MOST_CHARS: usize = 200;

/// This process as central sees it, and the machines whose claims it has written. Kept by the caller
/// over reconnections: that is what tells a copied card from a restart of one's own.
#[derive(Clone, Debug)]
pub struct Claims {
    pub identity: Identity,
    /// New with each start of the process.
    pub instance_id: String,
    /// The gateway's host name, for the other side's report.
    pub host: String,
    /// When each was last renewed, by central's clock in µs since 1970.
    held: BTreeMap<String, i64>,
}

impl Claims {
    pub fn new(identity: Identity, instance_id: String, host: String) -> Self {
        Self { identity, instance_id, host, held: BTreeMap::new() }
    }

    /// The first four parameters of a statement with [`RENEW`].
    pub(super) fn push_writer(&self, params: &mut Params) {
        params.push_text(self.identity.agent_id.as_str());
        params.push_text(self.identity.buffer_id.as_str());
        params.push_text(self.instance_id.as_str());
        params.push_text(self.host.as_str());
    }

    pub(super) fn held_at(&self, nom: &str) -> Option<i64> {
        self.held.get(nom).copied()
    }

    /// Notes the claim of a row with the column of [`HELD`], where it is this process's.
    pub(super) fn note(&mut self, nom: &str, row: &Row) -> Result<bool, postgres::Error> {
        let at: Option<i64> = row.try_get("tenue")?;
        if let Some(at) = at {
            self.held.insert(nom.to_owned(), at);
        }
        Ok(at.is_some())
    }
}

/// A machine that another agent, or a copy of this one, feeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimed {
    pub nom: String,
    pub agent_id: String,
    pub buffer_id: String,
    pub instance_id: String,
    pub host: String,
    /// By central's clock, in UTC.
    pub seen: String,
}

impl std::fmt::Display for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "machine {} is delivered by agent `{}` on {} (last seen {} UTC)",
            self.nom, self.agent_id, self.host, self.seen
        )
    }
}

impl Claimed {
    /// From a row with the columns of [`HOLDER`].
    pub(super) fn from_row(nom: &str, row: &Row) -> Result<Self, postgres::Error> {
        let text = |column: &str| {
            let text: Option<&str> = row.try_get(column)?;
            Ok::<_, postgres::Error>(printable(text.unwrap_or_default(), MOST_CHARS))
        };
        Ok(Self {
            nom: nom.to_owned(),
            agent_id: text("m_agent")?,
            buffer_id: text("m_tampon")?,
            instance_id: text("m_instance")?,
            host: text("m_hote")?,
            seen: text("m_vu")?,
        })
    }
}

/// Who holds a machine, from `cu_agent_machine m` as it was before the statement.
pub(super) const HOLDER: &str = "m.agent_id AS m_agent, m.tampon_id AS m_tampon, \
     m.instance_id AS m_instance, m.hote AS m_hote, \
     to_char(m.vu_le AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS m_vu";

/// The number of the centre of the machine that the expression `nom` names, as it was before the statement;
/// NULL if it has none. People may call a centre what they like: the newest claim by the machine's name
/// decides; if somebody removed that, the centre of the machine's newest session; then the centre of that
/// name, unless it is another machine's.
pub(super) fn centre_of(nom: &str) -> String {
    let is_free = format!(
        "NOT EXISTS (SELECT FROM cu_agent_machine k
                     WHERE k.centre_usinage_id = c.id AND k.machine <> {nom})"
    );
    format!(
        "coalesce(
        (SELECT c.id::bigint FROM cu_agent_machine k JOIN centre_usinage c ON c.id = k.centre_usinage_id
         WHERE k.machine = {nom} ORDER BY k.vu_le DESC, c.id LIMIT 1),
        (SELECT c.id::bigint FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
         WHERE s.machine = {nom} AND {is_free} ORDER BY s.date_production DESC, s.id DESC LIMIT 1),
        (SELECT c.id::bigint FROM centre_usinage c WHERE c.nom::text = {nom} AND {is_free}))"
    )
}

/// Renews the claims on the centres of `entree (centre_id, nom, tenu)`; the result `tenue` holds those
/// that are this process's afterwards. `$1` to `$4`: agent, buffer, instance, host.
///
/// Refused where another agent was seen within a day, and where this process held the claim and
/// another process of the same name, seen within a day, took it since: that one is a copy. A claim
/// older than this process's own is no copy's: central was restored from a backup. An agent that was given a new
/// name is known by its buffer.
pub(super) const RENEW: &str = "
tenue AS (
    INSERT INTO cu_agent_machine AS m
        (centre_usinage_id, agent_id, tampon_id, instance_id, hote, vu_le, machine)
    SELECT centre_id, $1, $2, $3, $4, now(), nom
    FROM (SELECT DISTINCT ON (centre_id) centre_id, nom FROM entree WHERE centre_id IS NOT NULL
          ORDER BY centre_id, nom) c
    ON CONFLICT (centre_usinage_id) DO UPDATE
    SET agent_id = excluded.agent_id, tampon_id = excluded.tampon_id,
        instance_id = excluded.instance_id, hote = excluded.hote, vu_le = excluded.vu_le,
        machine = excluded.machine
    WHERE CASE WHEN m.agent_id = excluded.agent_id OR m.tampon_id = excluded.tampon_id
               THEN m.instance_id = excluded.instance_id OR NOT EXISTS (
                        SELECT FROM entree e WHERE e.centre_id = m.centre_usinage_id
                            AND e.tenu < (extract(epoch FROM m.vu_le)::float8 * 1000000::float8)::bigint)
               ELSE FALSE END
          OR m.vu_le < now() - interval '24 hours'
    RETURNING centre_usinage_id,
        (extract(epoch FROM vu_le)::float8 * 1000000::float8)::bigint AS tenue
)";

/// When the claim that `tenue t` holds was renewed; nothing where it is not this process's.
pub(super) const HELD: &str = "t.tenue AS tenue";
