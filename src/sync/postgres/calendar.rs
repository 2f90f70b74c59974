//! The plant's calendar in central's `calendrier`. Gateways ask for it with their own row, in the same
//! statement: one byte comes back as long as they have its newest version; people write and read it by
//! `central calendar`.
//!
//! What must never happen here: a calendar, or the lack of one, that keeps a gateway's row out; a version
//! that somebody wrote replaced by one who has not seen it; a text that comes back other than it was written.

use std::collections::BTreeSet;

use postgres::{Row, error::SqlState, types::Type};

use super::{
    Central, CentralError,
    encoding::{ServerEncoding, for_encoding},
    params::Params,
    prepared::Often,
    unreadable,
};
use crate::model::{PlantCalendar, printable};

/// Longest name of a writer that is shown and kept, in characters.
const MOST_CHARS: usize = 200;
/// Machines of central that are looked up.
const MOST_MACHINES: i64 = 10_000;

/// What central has of the plant's calendar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CalendarThere {
    /// No table, or not for this role, or not with these columns.
    Unreadable {
        why: String,
    },
    /// Nobody wrote one.
    None,
    /// What the asker has already.
    Known,
    Told(ToldCalendar),
}

/// Central's newest version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToldCalendar {
    /// Of this version and this text: another one if either changes.
    pub mark: String,
    pub version: i64,
    /// The text, or why it is none that can be taken.
    pub text: Result<String, String>,
    pub written_by: String,
    /// By central's clock, in UTC.
    pub written_at: String,
    pub comment: Option<String>,
}

impl ToldCalendar {
    /// Without what does not come with a gateway's calendar.
    pub fn calendar(&self) -> Result<PlantCalendar, &str> {
        let text = self.text.as_ref().map_err(String::as_str)?;
        Ok(PlantCalendar {
            version: self.version,
            text: text.clone(),
            written_by: self.written_by.clone(),
            written_at: self.written_at.clone(),
        })
    }
}

/// Whether the gateway's row asks for the calendar.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Access {
    Asked,
    /// No table, or not for this role. Whether there is one by now is asked instead.
    #[default]
    Absent,
    /// The question does not pass through this connection.
    Broken {
        why: String,
    },
}

/// A version that is written.
#[derive(Clone, Debug)]
pub struct NewCalendar<'n> {
    pub text: &'n str,
    /// The version that it replaces; 0: none.
    pub replaces: i64,
    /// For people.
    pub machines: &'n str,
    /// Besides the role.
    pub person: Option<&'n str>,
    pub comment: Option<&'n str>,
}

/// A character that the database's encoding does not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoSuchCharacter {
    pub line: usize,
    pub character: char,
    pub encoding: String,
}

impl Central {
    /// What comes before the row's statement, and what of it is returned besides; `mark`: the parameter that
    /// says what the asker has.
    pub(super) fn calendar_question(&self, mark: &str) -> (String, String) {
        match self.calendar {
            Access::Asked => (
                format!("WITH {}", newest(self.server.encoding)),
                format!(
                    ", (SELECT marque IS NOT DISTINCT FROM {mark} FROM calendrier_dernier) AS known, {}",
                    COLUMNS.map(|(column, name)| {
                        format!(
                            "(SELECT {column} FROM calendrier_dernier WHERE marque IS DISTINCT FROM {mark}) AS {name}"
                        )
                    }).join(", ")
                ),
            ),
            Access::Absent => (String::new(), format!(", {READABLE} AS appeared")),
            Access::Broken { .. } => (String::new(), String::new()),
        }
    }

    /// What the row's answer says of the calendar.
    pub(super) fn calendar_answer(&mut self, row: &Row) -> Result<CalendarThere, CentralError> {
        match &self.calendar {
            Access::Asked => read(row).map_err(unreadable),
            Access::Broken { why } => Ok(CalendarThere::Unreadable { why: why.clone() }),
            Access::Absent => {
                if row.try_get("appeared").map_err(unreadable)? {
                    // With the next row; where it is has to be known first.
                    self.greet()?;
                }
                Ok(CalendarThere::Unreadable { why: NOT_READABLE.to_owned() })
            }
        }
    }

    /// Whether the row may pass without the calendar, which `error` may be about.
    pub(super) fn does_without_calendar(&mut self, error: &CentralError) -> bool {
        if self.calendar != Access::Asked || error.ends_connection() {
            return false;
        }
        let is_missing = match error {
            CentralError::Forbidden { .. } => true,
            CentralError::SchemaBehind { source } => {
                source.code() == Some(&SqlState::UNDEFINED_TABLE)
            }
            _ => false,
        };
        self.calendar = if is_missing {
            Access::Absent
        } else {
            let why = match error {
                CentralError::SchemaBehind { source } | CentralError::Altered { source, .. } => {
                    source.to_string()
                }
                other => other.to_string(),
            };
            Access::Broken { why: printable(&why, MOST_CHARS) }
        };
        self.prepared.forget(Often::GatewayRow);
        true
    }

    /// Central's newest version.
    pub fn plant_calendar(&mut self) -> Result<CalendarThere, CentralError> {
        if self.calendar == Access::Absent {
            return Ok(CalendarThere::Unreadable { why: NOT_READABLE.to_owned() });
        }
        let columns = COLUMNS.map(|(column, name)| format!("{column} AS {name}")).join(", ");
        let sql = format!(
            "WITH {} SELECT FALSE AS known, {columns} FROM calendrier_dernier",
            newest(self.server.encoding)
        );
        let rows = match self.ask(&sql, &Params::default()) {
            Err(error) if self.does_without_calendar(&error) => {
                let Access::Broken { why } = &self.calendar else {
                    return Ok(CalendarThere::Unreadable { why: NOT_READABLE.to_owned() });
                };
                return Ok(CalendarThere::Unreadable { why: why.clone() });
            }
            rows => rows?,
        };
        rows.first().map_or(Ok(CalendarThere::None), read).map_err(unreadable)
    }

    /// Writes a version, unless the one that it replaces is not the newest any more: then nothing is written
    /// and nothing is returned.
    pub fn put_calendar(&mut self, new: &NewCalendar<'_>) -> Result<Option<i64>, CentralError> {
        let mut params = self.params();
        params.push(new.replaces, Type::INT8);
        params.push_text(new.text);
        params.push_text(new.machines);
        params.push_text(new.person);
        params.push_text(new.comment);
        // Of two at once the key lets one pass.
        let sql = "INSERT INTO calendrier (version, texte, machines, ecrit_par, commentaire)
             SELECT $1 + 1, $2, $3, concat_ws(' ', current_user::text, '(' || $4 || ')'), $5
             WHERE coalesce((SELECT max(version) FROM calendrier), 0) = $1
             ON CONFLICT (version) DO NOTHING RETURNING version";
        let rows = self.ask(sql, &params)?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(unreadable)
    }

    /// The first character of `text` that the database cannot hold.
    pub fn cannot_hold(&self, text: &str) -> Option<NoSuchCharacter> {
        let encoding = self.server.encoding;
        let is_lost = |c: char| {
            let mut bytes = [0; 4];
            let one: &str = c.encode_utf8(&mut bytes);
            for_encoding(one, encoding) != one
        };
        let (at, character) = text.char_indices().find(|(_, c)| is_lost(*c))?;
        let line = text[..at].matches('\n').count() + 1;
        Some(NoSuchCharacter { line, character, encoding: self.server.encoding_name.clone() })
    }

    /// Machines that have a centre or a claim, as the database holds their names.
    pub fn known_machines(&mut self) -> Result<BTreeSet<String>, CentralError> {
        let sql = format!(
            "SELECT c.nom::text AS nom FROM centre_usinage c
             UNION SELECT m.machine FROM cu_agent_machine m WHERE m.machine IS NOT NULL
             ORDER BY 1 LIMIT {MOST_MACHINES}"
        );
        let rows = self.ask(&sql, &Params::default())?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(unreadable)
    }
}

const NOT_READABLE: &str = "central has no table calendrier that this role may read";

/// Whether the role may read the table.
pub(super) const READABLE: &str =
    "coalesce(has_table_privilege(to_regclass('calendrier')::oid, 'SELECT'::text), FALSE)";

/// What of the newest version is told, by the name of its column and of the answer's.
const COLUMNS: [(&str, &str); 7] = [
    ("marque", "mark"),
    ("version", "version"),
    ("octets", "bytes"),
    ("longueur", "length"),
    ("par", "written_by"),
    ("le", "written_at"),
    ("commentaire", "comment"),
];

/// The newest version as a table of at most one row. Texts come as bytes: one that is no UTF-8 is refused
/// here, not by the server in the middle of a gateway's row.
fn newest(encoding: ServerEncoding) -> String {
    let bytes = |text: &str| match encoding {
        ServerEncoding::Utf8 | ServerEncoding::Known(_) => {
            format!("convert_to({text}, 'UTF8'::name)")
        }
        ServerEncoding::Ascii => {
            format!(r"decode(replace({text}, E'\\'::text, E'\\\\'::text), 'escape'::text)")
        }
    };
    let most = PlantCalendar::MOST_BYTES;
    format!(
        "calendrier_lu AS (
             SELECT k.version::bigint AS version, octet_length(k.texte)::bigint AS longueur,
                 CASE WHEN octet_length(k.texte) <= {most} THEN {text} END AS octets,
                 {par} AS par, {commentaire} AS commentaire,
                 to_char(k.ecrit_le AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS le
             FROM calendrier k ORDER BY k.version DESC LIMIT 1),
         calendrier_dernier AS (
             SELECT l.*, concat_ws(':', l.version::text,
                 coalesce(left(encode(sha256(l.octets), 'hex'::text), 16), l.longueur::text)) AS marque
             FROM calendrier_lu l)",
        text = bytes("k.texte"),
        par = bytes("left(k.ecrit_par, 200)"),
        commentaire = bytes("left(k.commentaire, 1000)"),
    )
}

/// A row with `known` and [`COLUMNS`].
fn read(row: &Row) -> Result<CalendarThere, postgres::Error> {
    match row.try_get("known")? {
        None => return Ok(CalendarThere::None),
        Some(true) => return Ok(CalendarThere::Known),
        Some(false) => {}
    }
    let shown = |name: &str| -> Result<Option<String>, postgres::Error> {
        let bytes: Option<&[u8]> = row.try_get(name)?;
        Ok(bytes.map(|bytes| printable(&String::from_utf8_lossy(bytes), MOST_CHARS)))
    };
    let bytes: Option<&[u8]> = row.try_get("bytes")?;
    let length: Option<i64> = row.try_get("length")?;
    let text = match bytes {
        Some(bytes) => String::from_utf8(bytes.to_vec()).map_err(|error| {
            let line = bytes[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n');
            format!("line {} is not UTF-8", line.count() + 1)
        }),
        None => Err(format!(
            "it has {} bytes, and at most {} are taken",
            length.unwrap_or_default(),
            PlantCalendar::MOST_BYTES
        )),
    };
    Ok(CalendarThere::Told(ToldCalendar {
        mark: row.try_get::<_, Option<String>>("mark")?.unwrap_or_default(),
        version: row.try_get::<_, Option<i64>>("version")?.unwrap_or_default(),
        text,
        written_by: shown("written_by")?.unwrap_or_default(),
        written_at: row.try_get::<_, Option<String>>("written_at")?.unwrap_or_default(),
        comment: shown("comment")?,
    }))
}
