//! How a gateway shows itself in central's `agent_edge`: one row an agent, one statement, one round
//! trip. Central's clock stamps the contact; the gateway's is only compared with it.
//!
//! What must never happen here: a text from outside (an error, a file of the updater) that makes
//! central refuse the row.

use chrono::{DateTime, Local};
use postgres::types::Type;
use serde::Serialize;

use super::{
    Central, CentralError, Claims, calendar::CalendarThere, params::Params, prepared::Often,
    server::IS_CROWDED, unreadable, writers::has_news,
};
use crate::model::{Day, LastUpdate, WallTime};

/// Longest text of a row that comes from outside, in characters.
const MOST_CHARS: usize = 300;

/// A gateway at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct GatewayRow {
    pub version: &'static str,
    /// As Debian names it.
    pub architecture: &'static str,
    /// It shows itself at least this often, in seconds.
    pub interval_s: i32,
    pub waiting_sessions: u64,
    pub oldest_waiting_day: Option<Day>,
    pub sources: Vec<SourceLink>,
    /// Those that it feeds: only asked about, not written.
    pub machines: Vec<String>,
    /// What it has of the plant's calendar, see [`ToldCalendar::mark`](super::ToldCalendar::mark): only asked
    /// about, not written.
    pub calendar: String,
    pub buffer_bytes: u64,
    pub max_buffer_bytes: u64,
    /// Of the state directory's file system; `None` where it cannot be asked.
    pub free_bytes: Option<u64>,
    pub update: Option<LastUpdate>,
}

/// What the answer to a row tells of central.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenThere {
    /// Connections are scarce by now, see [`Server::is_crowded`](super::Server::is_crowded).
    pub is_crowded: bool,
    /// Somebody else wrote to rows of the agent's machines, see [`Central::foreign_writes`].
    pub has_news: bool,
    pub calendar: CalendarThere,
}

/// The link to one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceLink {
    pub name: String,
    pub up: bool,
    /// By the gateway's clock; `None`: not known.
    pub since: Option<WallTime>,
    pub error: Option<String>,
}

impl GatewayRow {
    /// Whether somebody who looks at the fleet learns something new. What changes all the time (disk)
    /// is no news.
    pub fn is_news_after(&self, shown: &Self) -> bool {
        let Self { waiting_sessions, oldest_waiting_day, sources, update, .. } = self;
        *waiting_sessions != shown.waiting_sessions
            || *oldest_waiting_day != shown.oldest_waiting_day
            || *sources != shown.sources
            || *update != shown.update
    }

    fn links(&self) -> Vec<LinkColumn<'_>> {
        self.sources.iter().map(LinkColumn::of).collect()
    }
}

/// One element of central's column `liens`.
#[derive(Serialize)]
struct LinkColumn<'l> {
    #[serde(rename = "nom")]
    name: String,
    #[serde(rename = "etat")]
    state: &'static str,
    #[serde(rename = "depuis")]
    since: &'l Option<WallTime>,
    #[serde(rename = "erreur")]
    error: Option<String>,
}

impl<'l> LinkColumn<'l> {
    fn of(link: &'l SourceLink) -> Self {
        Self {
            name: short(&link.name),
            state: if link.up { "haut" } else { "bas" },
            since: &link.since,
            error: link.error.as_deref().map(short),
        }
    }
}

/// One line that PostgreSQL takes: no NUL, no control characters, not too long.
fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_CHARS).collect()
}

fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Central {
    /// Writes the agent's row; `wall` is the gateway's clock.
    pub fn write_gateway_row(
        &mut self,
        claims: &Claims,
        row: &GatewayRow,
        wall: DateTime<Local>,
    ) -> Result<SeenThere, CentralError> {
        let mut params = self.params();
        params.push_text(short(&claims.identity.agent_id).as_str());
        params.push_text(short(&claims.identity.buffer_id).as_str());
        params.push_text(short(&claims.instance_id).as_str());
        params.push_text(short(&claims.host).as_str());
        params.push_text(row.version);
        params.push_text(row.architecture);
        params.push(row.interval_s, Type::INT4);
        // As µs, because no clock is too wrong for a number.
        params.push(wall.timestamp_micros(), Type::INT8);
        params.push(clamped(row.waiting_sessions), Type::INT8);
        params.push(row.oldest_waiting_day, Type::DATE);
        let links = serde_json::to_string(&row.links()).expect("texts and a time are JSON");
        params.push_text(links.as_str());
        params.push(clamped(row.buffer_bytes), Type::INT8);
        params.push(clamped(row.max_buffer_bytes), Type::INT8);
        params.push(row.free_bytes.map(clamped), Type::INT8);
        let update = row.update.as_ref();
        let told = |text: fn(&LastUpdate) -> Option<&str>| update.and_then(text).map(short);
        params.push_text(told(|update| update.version.as_deref()).as_deref());
        params.push_text(told(|update| update.from.as_deref()).as_deref());
        params.push(update.and_then(|update| update.at), Type::TIMESTAMPTZ);
        params.push_text(update.map(|update| update.result.as_str()));
        params.push_text(told(|update| update.detail.as_deref()).as_deref());
        params.push_texts(row.machines.iter().map(|nom| Some(nom.clone())).collect());
        params.push_text(row.calendar.as_str());
        match self.show(&params) {
            Err(error) if self.does_without_calendar(&error) => self.show(&params),
            seen => seen,
        }
    }

    fn show(&mut self, params: &Params) -> Result<SeenThere, CentralError> {
        let news = has_news("= ANY ($20)");
        let (before, behind) = self.calendar_question("$21");
        let sql =
            format!("{before}{SHOW} RETURNING {IS_CROWDED} AS crowded, {news} AS news{behind}");
        let rows = self.ask_often(Often::GatewayRow, &sql, params)?;
        // An INSERT that updates returns its row.
        let row = rows.first().ok_or(CentralError::OtherCount { asked: 1, came: 0 })?;
        let read = || Ok((row.try_get("crowded")?, row.try_get("news")?));
        let (is_crowded, has_news) = read().map_err(unreadable)?;
        Ok(SeenThere { is_crowded, has_news, calendar: self.calendar_answer(row)? })
    }
}

const SHOW: &str = "
INSERT INTO agent_edge AS e
    (agent_id, tampon_id, instance_id, hote, version, architecture, intervalle_s,
     ecart_horloge_s, sessions_en_attente, plus_ancien_jour, liens,
     tampon_octets, tampon_max_octets, disque_libre_octets,
     mise_a_jour_version, mise_a_jour_depuis, mise_a_jour_le, mise_a_jour_resultat,
     mise_a_jour_detail, attente_depuis, attente_initiale)
VALUES ($1, $2, $3, $4, $5, $6, $7,
     round($8::numeric / 1000000.0 - extract(epoch FROM clock_timestamp())::numeric, 1),
     $9, $10, $11::jsonb, $12, $13, $14, $15, $16, $17, $18, $19,
     CASE WHEN $9 > 0 THEN clock_timestamp() END, CASE WHEN $9 > 0 THEN $9 END)
ON CONFLICT (agent_id) DO UPDATE
SET tampon_id = excluded.tampon_id, instance_id = excluded.instance_id, hote = excluded.hote,
    version = excluded.version, architecture = excluded.architecture,
    dernier_contact = clock_timestamp(), intervalle_s = excluded.intervalle_s,
    ecart_horloge_s = excluded.ecart_horloge_s,
    sessions_en_attente = excluded.sessions_en_attente,
    plus_ancien_jour = excluded.plus_ancien_jour, liens = excluded.liens,
    tampon_octets = excluded.tampon_octets, tampon_max_octets = excluded.tampon_max_octets,
    disque_libre_octets = excluded.disque_libre_octets,
    mise_a_jour_version = excluded.mise_a_jour_version,
    mise_a_jour_depuis = excluded.mise_a_jour_depuis,
    mise_a_jour_le = excluded.mise_a_jour_le,
    mise_a_jour_resultat = excluded.mise_a_jour_resultat,
    mise_a_jour_detail = excluded.mise_a_jour_detail,
    attente_depuis = CASE WHEN excluded.sessions_en_attente > 0
        THEN coalesce(e.attente_depuis, excluded.attente_depuis) END,
    attente_initiale = CASE WHEN excluded.sessions_en_attente > 0
        THEN coalesce(e.attente_initiale, excluded.attente_initiale) END";
