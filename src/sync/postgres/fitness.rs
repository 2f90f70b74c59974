//! What somebody changed in central's tables so that the agent cannot write them, each with the statement
//! that mends it. Asked by `check`, by `central migrate`, and when a delivery was refused; never on the way
//! of one that passes.
//!
//! What must never happen here: a statement printed that does not mend what it stands beside.

mod numbers;

use postgres::{Row, error::SqlState};

use super::{
    Central, CentralError, MIGRATIONS, SchemaState, lacks_times,
    params::Params,
    qualify::{TABLES, quoted},
    unreadable,
};
use crate::model::printable;

/// The columns that the agent writes, by table: name and type; `?` may be written as NULL.
const COLUMNS: &[(&str, &str)] = &[
    ("centre_usinage", "nom character varying(100), type_cu character varying(50)"),
    (
        "session_production",
        "centre_usinage_id integer, date_production date, \
         heure_premiere_piece? timestamp without time zone, \
         heure_derniere_piece? timestamp without time zone, \
         heure_premier_machine_start? timestamp without time zone, \
         heure_dernier_machine_stop? timestamp without time zone, total_pieces integer, \
         duree_production_totale numeric(10;4), temps_attente numeric(10;4), \
         temps_arret_volontaire numeric(10;4), temps_production_effectif numeric(10;4), \
         taux_occupation numeric(5;2), taux_attente numeric(5;2), \
         taux_arret_volontaire numeric(5;2), fichier_log_source character varying(255), \
         agent_id text, tampon_id text, revision bigint, evenements bigint, \
         date_maj timestamp without time zone, temps_attente_brut numeric(18;4), \
         temps_arret_brut numeric(18;4), cadence_nominale? integer, rebuts? integer, \
         taux_performance? numeric(9;2), taux_qualite? numeric(5;2), taux_trs? numeric(9;2), \
         pieces_hors_requis? integer",
    ),
    (
        "piece_production",
        "session_id integer, numero_piece integer, \
         timestamp_production timestamp without time zone, details text",
    ),
    (
        "periode_attente",
        "session_id integer, numero integer, timestamp_debut timestamp without time zone, \
         timestamp_fin timestamp without time zone, duree_secondes integer",
    ),
    (
        "periode_arret",
        "session_id integer, numero integer, timestamp_debut timestamp without time zone, \
         timestamp_fin timestamp without time zone, duree_secondes integer",
    ),
    (
        "job_profil",
        "session_id integer, numero integer, timestamp_debut timestamp without time zone, \
         longueur numeric(10;2), reference character varying(50), couleur character varying(50)",
    ),
    (
        "anomalie",
        "session_id integer, numero integer, code character varying(50), \
         gravite character varying(10), timestamp_debut? timestamp without time zone, \
         timestamp_fin? timestamp without time zone, valeur numeric(18;2), \
         attendu? numeric(18;2), texte text",
    ),
    (
        "temps_poste",
        "centre_usinage_id integer, date_production date, numero integer, poste text, \
         debut_poste timestamp without time zone, fin_poste timestamp without time zone, \
         jusqua? timestamp without time zone, ouverture_ms bigint, requis_ms bigint, \
         fonctionnement_ms bigint, arret_ms bigint, attente_ms bigint, demarrage_ms bigint, \
         fin_ms bigint, pieces integer, pieces_rebut integer, cadence_nominale? integer, \
         total_ms? bigint, machine text, date_maj timestamp without time zone",
    ),
];

/// Of [`COLUMNS`]: name, type, and whether it may be NULL.
fn columns_of(table: &str) -> impl Iterator<Item = (&'static str, String, bool)> {
    let list = COLUMNS.iter().find(|(name, _)| *name == table).map_or("", |(_, list)| list);
    list.split(", ").filter_map(|column| {
        let (name, kind) = column.split_once(' ')?;
        let plain = name.trim_end_matches('?');
        Some((plain, kind.replace(';', ","), plain != name))
    })
}

/// One thing that keeps rows out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfit {
    pub table: &'static str,
    pub what: String,
    /// What an administrator runs.
    pub mend: Option<String>,
    pub weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// `central migrate` mends it, if the role may.
    Mendable,
    /// Somebody has to want it.
    Certain,
    /// It may be meant, and may do no harm.
    Possible,
}

impl Unfit {
    fn is_of_times(&self) -> bool {
        self.table == "temps_poste" || self.what.starts_with("column pieces_hors_requis ")
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.mend {
            Some(mend) => write!(f, "{}; an administrator must run: {mend}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// A column as it is.
struct Held {
    name: String,
    kind: String,
    is_needed: bool,
    has_default: bool,
    is_generated: bool,
}

const MOST_CHARS: usize = 200;

impl Central {
    /// Everything that keeps rows out of the tables, or may.
    pub fn unfit(&mut self) -> Result<Vec<Unfit>, CentralError> {
        let mut found = Vec::new();
        let lacks_times = match self.schema_state() {
            Ok(SchemaState::Behind { pending }) => lacks_times(&pending),
            _ => false,
        };
        for table in TABLES.iter().copied().filter(|table| columns_of(table).next().is_some()) {
            self.columns(table, &mut found)?;
        }
        if lacks_times {
            // Not missing, but not made yet.
            found.retain(|one| !one.is_of_times());
        }
        self.hooks(&mut found)?;
        if found.iter().all(|one| one.weight != Weight::Certain) {
            for table in numbers::NUMBERED {
                self.numbers(table, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Mends what may be mended without a decision of anybody's; what is left.
    pub fn mend(&mut self) -> Result<(Vec<Unfit>, Vec<Unfit>), CentralError> {
        let (mut mended, mut left) = (Vec::new(), Vec::new());
        for one in self.unfit()? {
            let done = match (&one.mend, one.weight) {
                (Some(mend), Weight::Mendable) => {
                    let wait = self.statement_timeout + super::GRACE;
                    self.run(&mend.clone(), wait).is_ok()
                }
                _ => false,
            };
            if done { &mut mended } else { &mut left }.push(one);
        }
        Ok((mended, left))
    }

    fn columns(&mut self, table: &'static str, found: &mut Vec<Unfit>) -> Result<(), CentralError> {
        let full = self.names.full(table);
        let mut params = Params::default();
        params.push_text(full.as_str());
        let sql = "SELECT c.relkind::text AS relkind, a.attname::text AS attname,
                 format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull AS needed,
                 a.atthasdef OR a.attidentity <> '' AS preset, a.attgenerated <> '' AS generated
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
             WHERE c.oid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";
        let rows = self.ask(sql, &params)?;
        let Some(first) = rows.first() else {
            let what = format!("table {full} is missing");
            found.push(Unfit { table, what, mend: None, weight: Weight::Certain });
            return Ok(());
        };
        let kind: String = first.try_get("relkind").map_err(unreadable)?;
        if !matches!(kind.as_str(), "r" | "p") {
            let what = format!(
                "{full} is a view or another thing in the place of a table; put the table back"
            );
            found.push(Unfit { table, what, mend: None, weight: Weight::Possible });
            return Ok(());
        }
        let read = |row: &Row| {
            Ok(Held {
                name: row.try_get("attname")?,
                kind: row.try_get("kind")?,
                is_needed: row.try_get("needed")?,
                has_default: row.try_get("preset")?,
                is_generated: row.try_get("generated")?,
            })
        };
        let held: Vec<Held> =
            rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)?;
        found.extend(unfit_columns(table, &full, &held));
        Ok(())
    }

    /// Rules and triggers that people made.
    fn hooks(&mut self, found: &mut Vec<Unfit>) -> Result<(), CentralError> {
        for (table, _) in COLUMNS {
            let full = self.names.full(table);
            let mut params = Params::default();
            params.push_text(full.as_str());
            let sql = "SELECT 'rule' AS kind, r.rulename::text AS name FROM pg_catalog.pg_rewrite r
                 WHERE r.ev_class = to_regclass($1) AND r.ev_type <> '1' AND r.ev_enabled <> 'D'
                 UNION ALL
                 SELECT 'trigger', t.tgname::text FROM pg_catalog.pg_trigger t
                 WHERE t.tgrelid = to_regclass($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
                 ORDER BY 1, 2";
            for row in self.ask(sql, &params)? {
                let kind: String = row.try_get("kind").map_err(unreadable)?;
                let name: String = row.try_get("name").map_err(unreadable)?;
                let is_rule = kind == "rule";
                let mend = if is_rule {
                    format!("DROP RULE {} ON {full}", quoted(&name))
                } else {
                    format!("ALTER TABLE {full} DISABLE TRIGGER {}", quoted(&name))
                };
                found.push(Unfit {
                    table,
                    what: format!(
                        "{kind} {} changes what is written to {full}, or may",
                        printable(&name, MOST_CHARS)
                    ),
                    mend: Some(mend),
                    weight: Weight::Possible,
                });
            }
        }
        Ok(())
    }
}

fn unfit_columns<'h>(
    table: &'static str,
    full: &'h str,
    held: &'h [Held],
) -> impl Iterator<Item = Unfit> + 'h {
    let certain =
        move |what: String, mend: String, weight| Unfit { table, what, mend: Some(mend), weight };
    let known = columns_of(table).filter_map(move |(name, kind, may_be_null)| {
        let Some(column) = held.iter().find(|column| column.name == name) else {
            return Some(certain(
                format!("column {name} of {full} is missing (dropped or renamed)"),
                format!("ALTER TABLE {full} ADD COLUMN {name} {kind}"),
                Weight::Mendable,
            ));
        };
        let alter = format!("ALTER TABLE {full} ALTER COLUMN {name}");
        if column.is_generated {
            let what = format!("column {name} of {full} is computed by central itself");
            return Some(certain(what, format!("{alter} DROP EXPRESSION"), Weight::Certain));
        }
        if column.is_needed && may_be_null {
            let what = format!(
                "column {name} of {full} must not be NULL, and a session may have no such value"
            );
            return Some(certain(what, format!("{alter} DROP NOT NULL"), Weight::Certain));
        }
        is_narrower(&column.kind, &kind).then(|| {
            certain(
                format!(
                    "column {name} of {full} is of type {}, which does not hold every value",
                    column.kind
                ),
                without_views(&format!("{alter} TYPE {kind}")),
                Weight::Possible,
            )
        })
    });
    let foreign = held.iter().filter_map(move |column| {
        let Held { name, .. } = column;
        let is_own = columns_of(table).any(|(own, ..)| own == name) || name == "id";
        (!is_own && column.is_needed && !column.has_default && !column.is_generated).then(|| {
            certain(
                format!("column {} of {full} must not be NULL and has no default, and the agent does not know it", printable(name, MOST_CHARS)),
                format!("ALTER TABLE {full} ALTER COLUMN {} DROP NOT NULL", quoted(name)),
                Weight::Certain,
            )
        })
    });
    known.chain(foreign)
}

/// Whether a column of type `held` cannot take every value of type `wanted`, as far as is known of both.
fn is_narrower(held: &str, wanted: &str) -> bool {
    fn parts(kind: &str) -> (&str, Option<(u32, u32)>) {
        let (name, rest) = kind.split_once('(').unwrap_or((kind, ""));
        let mut numbers = rest.trim_end_matches(')').split(',').map(|n| n.trim().parse().ok());
        let first = numbers.next().flatten();
        (name, first.map(|first| (first, numbers.next().flatten().unwrap_or(0))))
    }
    const WHOLE: &[&str] = &["smallint", "integer", "bigint"];
    let (held, held_size) = parts(held);
    let (wanted, wanted_size) = parts(wanted);
    let place = |name: &str| WHOLE.iter().position(|whole| *whole == name);
    match (place(held), place(wanted)) {
        (Some(held), Some(wanted)) => return held < wanted,
        (Some(_), None) => return wanted == "numeric",
        _ => {}
    }
    match (held, held_size, wanted_size) {
        ("character varying" | "character", Some((held, _)), Some((wanted, _))) => held < wanted,
        ("character varying" | "character", Some(_), None) => wanted == "text",
        ("numeric", Some((digits, scale)), Some((most, decimals))) => {
            scale < decimals || digits - scale.min(digits) < most - decimals
        }
        _ => false,
    }
}

/// `script` with the agent's views out of its way; the next migration makes them again.
fn without_views(script: &str) -> String {
    let mut views: Vec<&str> = Vec::new();
    let mut versions = Vec::new();
    for migration in MIGRATIONS {
        let made = migration.sql.lines().filter_map(|line| {
            let name = line.strip_prefix("CREATE OR REPLACE VIEW ")?;
            name.split_whitespace().next()
        });
        let before = views.len();
        for view in made {
            views.retain(|known| *known != view);
            views.push(view);
        }
        if views.len() > before || migration.sql.contains("CREATE OR REPLACE VIEW ") {
            versions.push(migration.version.to_string());
        }
    }
    format!(
        "BEGIN; DROP VIEW IF EXISTS {}; {script}; DELETE FROM cu_agent_migration WHERE version IN ({}); COMMIT",
        views.join(", "),
        versions.join(", ")
    )
}

impl CentralError {
    /// Whether something that was done to the tables may be behind it.
    pub fn may_be_of_tables(&self) -> bool {
        match self {
            Self::Altered { .. } | Self::SchemaBehind { .. } | Self::Forbidden { .. } => true,
            Self::Refused { source, .. } => source.code().is_some_and(|state| {
                *state == SqlState::UNIQUE_VIOLATION
                    || *state == SqlState::NOT_NULL_VIOLATION
                    || state.code().starts_with("22")
            }),
            _ => false,
        }
    }

    /// With what was found of the tables, where it may be behind it.
    #[must_use]
    pub fn with_unfit(self, found: &[Unfit]) -> Self {
        let table = match &self {
            Self::Refused { source, .. } => source.as_db_error().and_then(|db| db.table()),
            _ => None,
        };
        let of_table = |one: &&Unfit| table.is_none_or(|table| table == one.table);
        let told: Vec<String> = found.iter().filter(of_table).map(ToString::to_string).collect();
        if told.is_empty() {
            return self;
        }
        let told = told.join("; ");
        match self {
            Self::Refused { reason, source } => {
                Self::Refused { reason: format!("{reason}; {told}"), source }
            }
            Self::Altered { source, .. } | Self::SchemaBehind { source } => {
                Self::Altered { reason: told, source }
            }
            Self::Forbidden { user, source, .. } => Self::Forbidden { user, mend: told, source },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_narrower_if_some_value_does_not_fit() {
        let table = [
            ("character varying(20)", "character varying(50)", true),
            ("character varying(100)", "character varying(50)", false),
            ("character varying", "character varying(50)", false),
            ("text", "character varying(50)", false),
            ("character varying(100)", "text", true),
            ("smallint", "integer", true),
            ("bigint", "integer", false),
            ("integer", "bigint", true),
            ("integer", "numeric(5,2)", true),
            ("numeric(3,2)", "numeric(5,2)", true),
            ("numeric(6,1)", "numeric(5,2)", true),
            ("numeric(18,4)", "numeric(10,4)", false),
            ("numeric", "numeric(10,4)", false),
            ("double precision", "numeric(10,4)", false),
            ("date", "date", false),
        ];
        for (held, wanted, expected) in table {
            assert_eq!(is_narrower(held, wanted), expected, "{held} for {wanted}");
        }
    }
}
