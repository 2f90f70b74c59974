//! How a gateway shows itself in central's `agent_edge`: one row an agent, one statement, one round
//! trip. Central's clock stamps the contact; the gateway's is only compared with it.
//!
//! What must never happen here: a text from outside (an error, a file of the updater) that makes
//! central refuse the row.

use chrono::{DateTime, Local, TimeDelta};
use postgres::types::Type;
use serde::Serialize;

use super::{
    Central, CentralError, Claims, calendar::CalendarThere, params::Params, prepared::Often,
    server::IS_CROWDED, unreadable, writers::has_news,
};
use crate::model::{
    Day, GivenUp, LastUpdate, SelfUpdate, SettingsTold, UpdatesElsewhere, WallTime,
};

/// Longest text of a row that comes from outside, in characters.
const MOST_CHARS: usize = 300;

/// The publisher of updates among the links.
const PUBLISHER: &str = "mises à jour";
/// Settings from central among the links.
const SETTINGS: &str = "réglages";
/// It is asked every hour.
const STANDS_STILL_AFTER: TimeDelta = TimeDelta::hours(24);
/// Versions that were rolled back here, of which others learn.
const MOST_GIVEN_UP: usize = 10;

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
    /// `None`: it has none.
    pub self_update: Option<SelfUpdate>,
    /// The number of the newest event of security: what makes the row news, not written.
    pub last_security_event: u64,
    /// `None`: it takes none from central.
    pub settings: Option<SettingsTold>,
}

/// What the answer to a row tells of central.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenThere {
    /// Connections are scarce by now, see [`Server::is_crowded`](super::Server::is_crowded).
    pub is_crowded: bool,
    /// Somebody else wrote to rows of the agent's machines, see [`Central::foreign_writes`].
    pub has_news: bool,
    pub calendar: CalendarThere,
    pub updates: UpdatesElsewhere,
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
        let Self {
            waiting_sessions,
            oldest_waiting_day,
            sources,
            update,
            self_update,
            settings,
            last_security_event,
            ..
        } = self;
        *waiting_sessions != shown.waiting_sessions
            || *oldest_waiting_day != shown.oldest_waiting_day
            || *sources != shown.sources
            || *update != shown.update
            || *self_update != shown.self_update
            || *settings != shown.settings
            || *last_security_event != shown.last_security_event
    }

    /// Those to its sources, and those by which updates and settings come if they do.
    fn links(&self, wall: DateTime<Local>) -> Vec<LinkColumn<'_>> {
        let publisher = self.self_update.as_ref().map(|told| LinkColumn::of_publisher(told, wall));
        let settings = self.settings.as_ref().map(LinkColumn::of_settings);
        self.sources.iter().map(LinkColumn::of).chain(publisher).chain(settings).collect()
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
    /// Of the publisher's link alone.
    #[serde(rename = "manifeste", skip_serializing_if = "Option::is_none")]
    manifest: Option<ManifestColumn>,
    /// Of the settings' link alone.
    #[serde(rename = "reglages", skip_serializing_if = "Option::is_none")]
    settings: Option<SettingsColumn>,
}

/// What `v_parc` shows, see migration 16.
#[derive(Serialize)]
struct SettingsColumn {
    #[serde(rename = "serie", skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
    #[serde(rename = "essai", skip_serializing_if = "Option::is_none")]
    trial: Option<u64>,
    #[serde(rename = "refusee", skip_serializing_if = "Option::is_none")]
    refused: Option<u64>,
    #[serde(rename = "raison", skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What `v_parc` compares between gateways, see migration 14. Nothing before the first manifest.
#[derive(Serialize)]
struct ManifestColumn {
    #[serde(rename = "serie", skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
    #[serde(rename = "signe_s", skip_serializing_if = "Option::is_none")]
    signed_s: Option<i64>,
    #[serde(rename = "expire_s", skip_serializing_if = "Option::is_none")]
    expires_s: Option<i64>,
    #[serde(rename = "lu_s", skip_serializing_if = "Option::is_none")]
    read_s: Option<i64>,
    #[serde(rename = "abandonnees", skip_serializing_if = "Vec::is_empty")]
    given_up: Vec<String>,
}

impl ManifestColumn {
    fn of(told: &SelfUpdate) -> Self {
        let times = told.manifest.as_ref();
        // The newest are the last.
        let given_up = told.given_up.iter().rev().take(MOST_GIVEN_UP);
        Self {
            serial: times.map(|times| times.serial),
            signed_s: times.map(|times| times.signed_at.timestamp()),
            expires_s: times.map(|times| times.expires.timestamp()),
            read_s: times.map(|times| times.read_at.timestamp()),
            given_up: given_up.map(|version| short(version)).collect(),
        }
    }
}

impl<'l> LinkColumn<'l> {
    /// `bas` once the last manifest is a day old or has expired.
    fn of_publisher(told: &SelfUpdate, wall: DateTime<Local>) -> Self {
        let up = told.manifest.as_ref().is_none_or(|times| {
            let age = wall.signed_duration_since(times.read_at);
            age < STANDS_STILL_AFTER && wall < times.expires
        });
        let manifest = Some(ManifestColumn::of(told));
        let (name, state) = (PUBLISHER.to_owned(), state_word(up));
        Self { name, state, since: &None, error: None, manifest, settings: None }
    }

    /// Always `haut`: that settings were refused is a word of its own in `v_parc`.
    fn of_settings(told: &SettingsTold) -> Self {
        let refused = told.refused.as_ref();
        let settings = Some(SettingsColumn {
            kept: told.kept,
            trial: told.trial,
            refused: refused.and_then(|refused| refused.serial),
            reason: refused.map(|refused| short(&refused.reason)),
        });
        let (name, state) = (SETTINGS.to_owned(), state_word(true));
        Self { name, state, since: &None, error: None, manifest: None, settings }
    }

    fn of(link: &'l SourceLink) -> Self {
        Self {
            name: short(&link.name),
            state: state_word(link.up),
            since: &link.since,
            error: link.error.as_deref().map(short),
            manifest: None,
            settings: None,
        }
    }
}

fn state_word(up: bool) -> &'static str {
    if up { "haut" } else { "bas" }
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
        let links = serde_json::to_string(&row.links(wall)).expect("texts and a time are JSON");
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
        let sql = format!(
            "{before}{SHOW} RETURNING {IS_CROWDED} AS crowded, {news} AS news, {UPDATES}{behind}"
        );
        let rows = self.ask_often(Often::GatewayRow, &sql, params)?;
        // An INSERT that updates returns its row.
        let row = rows.first().ok_or(CentralError::OtherCount { asked: 1, came: 0 })?;
        let read = || {
            let (gateways, given_up) = (row.try_get("gateways")?, row.try_get("given_up")?);
            Ok((row.try_get("crowded")?, row.try_get("news")?, elsewhere(gateways, given_up)))
        };
        let (is_crowded, has_news, updates) = read().map_err(unreadable)?;
        Ok(SeenThere { is_crowded, has_news, calendar: self.calendar_answer(row)?, updates })
    }
}

/// What is not as it should be counts as nothing: other gateways wrote it.
fn elsewhere(gateways: i64, given_up: Option<&str>) -> UpdatesElsewhere {
    let given_up = given_up.and_then(|json| serde_json::from_str::<Vec<GivenUp>>(json).ok());
    UpdatesElsewhere {
        gateways: u64::try_from(gateways).unwrap_or_default(),
        given_up: given_up.unwrap_or_default(),
    }
}

/// How many gateways there are, and on how many of them which version was rolled back.
const UPDATES: &str = "(SELECT count(*) FROM agent_edge) AS gateways,
    (SELECT jsonb_agg(jsonb_build_object('version', v.version, 'gateways', v.gateways)
                      ORDER BY v.gateways DESC, v.version)::text
     FROM (SELECT a.version, count(DISTINCT f.agent_id) AS gateways
           FROM agent_edge f
           CROSS JOIN LATERAL jsonb_array_elements(
               CASE jsonb_typeof(f.liens) WHEN 'array' THEN f.liens ELSE '[]' END) l
           CROSS JOIN LATERAL jsonb_array_elements_text(
               CASE jsonb_typeof(l #> '{manifeste,abandonnees}')
                   WHEN 'array' THEN l #> '{manifeste,abandonnees}' ELSE '[]' END) a (version)
           GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20) v) AS given_up";

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
