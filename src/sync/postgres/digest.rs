//! The digest of a session's values: how central computes it from its rows, and how the gateway computes
//! it from what it sends. A row is the bytes of `record_send`: for each column the number of its type, its
//! length, and the value, with -1 for NULL. Those bytes depend on no setting of the server. Each table's
//! rows, in order of their number, are hashed; the header likewise.
//!
//! What must never happen here: an equal digest of values that differ; a value that is written and not
//! compared, unless its column cannot hold it ([`Inexact`]).

use sha2::{Digest, Sha256};

use super::{
    details::{MAX_WORD, sentence},
    encoding::{Script, ServerEncoding},
    header::{self, Of, Value},
    record::Record,
    row_runs::write_line,
    times::{self, TIMES},
};
use crate::model::{Anomaly, ContentDigest, Delivery, DetailRow, Job, Language, Piece};

/// What a column is compared as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Integer,
    /// With this many digits behind the point.
    Decimal(u32),
    Moment,
    Text,
}

/// A table whose rows are compared.
pub(super) struct Compared {
    pub(super) table: &'static str,
    /// The column that rows are ordered by. Its values are 1 to the number of rows, which the counts tell.
    pub(super) number: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

/// The tables of details, in the order in which they are hashed.
pub(super) const DETAILS: [Compared; 5] = [
    Compared {
        table: "piece_production",
        number: "numero_piece",
        columns: &[("timestamp_production", Kind::Moment), ("details", Kind::Text)],
    },
    Compared { table: "periode_attente", number: "numero", columns: PERIOD },
    Compared { table: "periode_arret", number: "numero", columns: PERIOD },
    Compared {
        table: "job_profil",
        number: "numero",
        columns: &[
            ("timestamp_debut", Kind::Moment),
            ("longueur", Kind::Decimal(2)),
            ("reference", Kind::Text),
            ("couleur", Kind::Text),
        ],
    },
    Compared {
        table: "anomalie",
        number: "numero",
        columns: &[
            ("code", Kind::Text),
            ("gravite", Kind::Text),
            ("timestamp_debut", Kind::Moment),
            ("timestamp_fin", Kind::Moment),
            ("valeur", Kind::Decimal(2)),
            ("attendu", Kind::Decimal(2)),
            ("texte", Kind::Text),
        ],
    },
];

const PERIOD: &[(&str, Kind)] = &[
    ("timestamp_debut", Kind::Moment),
    ("timestamp_fin", Kind::Moment),
    ("duree_secondes", Kind::Integer),
];

const HEADER: &str = "session_production";

fn header_columns() -> impl Iterator<Item = (&'static str, Kind)> {
    header::COLUMNS.iter().map(|column| {
        let kind = match &column.of {
            Of::Integer(_) => Kind::Integer,
            Of::Moment(_) => Kind::Moment,
            Of::Text(..) => Kind::Text,
            decimal @ (Of::Hours(_) | Of::Share(_) | Of::Percent(_)) => {
                Kind::Decimal(decimal.places().unwrap_or_default())
            }
        };
        (column.name, kind)
    })
}

/// Every table with the columns that are compared, the header first, the times of shifts last.
fn compared_tables() -> impl Iterator<Item = (&'static str, Vec<(&'static str, Kind)>)> {
    let rows = DETAILS.iter().chain([&TIMES]);
    std::iter::once((HEADER, header_columns().collect()))
        .chain(rows.map(|rows| (rows.table, rows.columns.to_vec())))
}

/// Columns of central's that cannot hold what is written into them: another program made them of a type
/// with fewer digits, say. They are left out of both digests.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inexact {
    /// Of each of [`compared_tables`], a bit for each of its columns.
    bits: [u32; 7],
    /// Central has neither `temps_poste` nor the column of the header that goes with it.
    lacks_times: bool,
}

impl Inexact {
    fn has(&self, table: usize, column: usize) -> bool {
        self.bits[table] & (1 << column) != 0
    }

    /// A bit for each column of the header.
    fn of_header(&self) -> u32 {
        let outside = if self.lacks_times { 1 << (header::COLUMNS.len() - 1) } else { 0 };
        self.bits[0] | outside
    }

    /// A bit for each column of [`TIMES`].
    pub(super) fn of_times(&self) -> u32 {
        self.bits[6]
    }

    pub fn lacks_times(&self) -> bool {
        self.lacks_times
    }

    /// The same for a central that has, or lacks, the table of times.
    #[must_use]
    pub fn with_times(self, has_times: bool) -> Self {
        Self { lacks_times: !has_times, ..self }
    }

    /// From what central says of the types of its columns.
    pub(super) fn of<'t>(types: impl Iterator<Item = ColumnType<'t>>) -> Self {
        let mut bits = [0; 7];
        for column in types {
            for (bits, (table, columns)) in bits.iter_mut().zip(compared_tables()) {
                let place = columns.iter().position(|(name, _)| *name == column.name);
                if let Some(place) = place.filter(|_| table == column.table)
                    && !column.holds(columns[place].1)
                {
                    *bits |= 1 << place;
                }
            }
        }
        Self { bits, lacks_times: false }
    }

    /// The columns' names, `table.column`.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (at, (table, columns)) in compared_tables().enumerate() {
            let inexact = columns.iter().enumerate().filter(|(place, _)| self.has(at, *place));
            names.extend(inexact.map(|(_, (name, _))| format!("{table}.{name}")));
        }
        names
    }
}

/// A column's type in central; a domain's is what it is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnType<'t> {
    pub(super) table: &'t str,
    pub(super) name: &'t str,
    pub(super) type_name: &'t str,
    /// As `pg_type` has it: `S` for what holds text.
    pub(super) category: &'t str,
    pub(super) modifier: i32,
}

impl ColumnType<'_> {
    fn holds(&self, kind: Kind) -> bool {
        // See numeric's `numerictypmodin`: precision above, scale below, and 4.
        let scale = (self.modifier >= 4).then(|| (self.modifier - 4) & 0x7ff);
        match (kind, self.type_name) {
            (Kind::Integer, "int2" | "int4" | "int8")
            | (Kind::Integer | Kind::Decimal(_), "float8") => true,
            (Kind::Integer, "numeric") => scale.is_none_or(|scale| scale < 1 << 10),
            (Kind::Decimal(places), "numeric") => {
                scale.is_none_or(|scale| scale >= places.cast_signed() && scale < 1 << 10)
            }
            (Kind::Moment, "timestamp" | "timestamptz") => !(0..3).contains(&self.modifier),
            (Kind::Text, name) => self.category == "S" && name != "bpchar",
            _ => false,
        }
    }
}

/// Which values central compares. It computes the digest unless a text in a row is none that it can send:
/// then less, so that one such text does not keep all sessions from being looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    Full,
    /// A text that is not plain ASCII counts as another one.
    PlainTexts,
    Nothing,
}

/// SQL for the values of a row as one `bytea`.
pub(super) fn record(
    alias: &str,
    columns: impl Iterator<Item = (&'static str, Kind)>,
    inexact: impl Fn(usize) -> bool,
    depth: Depth,
) -> String {
    let value = |(place, (name, kind)): (usize, (&str, Kind))| {
        if inexact(place) {
            return "NULL::text".to_owned();
        }
        match kind {
            Kind::Moment => format!("{alias}.{name}::timestamp"),
            Kind::Integer | Kind::Decimal(_) => {
                format!("pg_catalog.trim_scale({alias}.{name}::numeric)::text")
            }
            Kind::Text if depth == Depth::PlainTexts => format!(
                "CASE WHEN {alias}.{name}::text ~ '[^ -~]' THEN '?'::text ELSE {alias}.{name}::text END"
            ),
            Kind::Text => format!("{alias}.{name}::text"),
        }
    };
    let values: Vec<String> = columns.enumerate().map(value).collect();
    format!("pg_catalog.record_send(ROW({}))", values.join(", "))
}

/// SQL for the digest of the header `s` with the times of shifts `h.contenu`, and of the details whose hashes
/// are `{alias}.contenu`.
pub(super) fn of_session(
    ours: &str,
    inexact: &Inexact,
    depth: Depth,
    aliases: [&str; 5],
) -> String {
    if depth == Depth::Nothing {
        return "NULL::bytea".to_owned();
    }
    let left_out = inexact.of_header();
    let header = record("s", header_columns(), |place| left_out & (1 << place) != 0, depth);
    // What was delivered without times is not what is delivered with none.
    let header = if inexact.lacks_times {
        format!("{header} || '-'::bytea")
    } else {
        format!("{header} || coalesce(h.contenu, ''::bytea)")
    };
    let rows = aliases.map(|alias| format!("{alias}.contenu")).join(" || ");
    // The machine's name is the row's mark, and travels as its key: another one is another header.
    let header = format!("CASE WHEN s.machine = e.nom THEN {header} ELSE ''::bytea END");
    format!(
        "CASE WHEN {ours} THEN substr(sha256({header}), 1, 8) || substr(sha256({rows}), 1, 8) END"
    )
}

/// SQL for the hash of the rows `d` of the details at `place` in [`DETAILS`]; only where `ours` holds is
/// it worth its time.
pub(super) fn of_details(place: usize, ours: &str, inexact: &Inexact, depth: Depth) -> String {
    if depth == Depth::Nothing {
        return "NULL::bytea".to_owned();
    }
    let Compared { number, columns, .. } = &DETAILS[place];
    let inexact = |column| inexact.has(place + 1, column);
    let record = record("d", columns.iter().copied(), inexact, depth);
    format!(
        "sha256(coalesce(string_agg({record}, ''::bytea ORDER BY d.{number}) FILTER (WHERE {ours}), \
         ''::bytea))"
    )
}

/// The digest of what a gateway sends, as it arrives.
pub struct Digester {
    language: Language,
    inexact: Inexact,
    script: Script,
    tables: [Sha256; 5],
    record: Record,
    /// For one text.
    text: String,
}

impl Digester {
    /// `language`: of the sentences of anomalies; `encoding`: of the server's texts.
    pub fn new(language: Language, encoding: ServerEncoding, inexact: Inexact) -> Self {
        Self {
            language,
            inexact,
            script: Script::of(encoding),
            tables: std::array::from_fn(|_| Sha256::new()),
            record: Record::default(),
            text: String::new(),
        }
    }

    /// Takes the next row of the session; those of one kind in order of their number.
    pub fn add(&mut self, row: DetailRow<'_>) {
        let place = match row {
            DetailRow::Piece(_) => 0,
            DetailRow::Wait(_) => 1,
            DetailRow::Stop(_) => 2,
            DetailRow::Job(_) => 3,
            DetailRow::Anomaly(_) => 4,
        };
        let columns = DETAILS[place].columns.len();
        self.record.begin(columns, self.inexact.bits[place + 1]);
        match row {
            DetailRow::Piece(Piece { at, details }) => {
                self.record.moment(Some(*at));
                self.add_text(details, usize::MAX);
            }
            DetailRow::Wait(wait) => self.record.period(wait.start, wait.end),
            DetailRow::Stop(stop) => self.record.period(stop.start, stop.end),
            DetailRow::Job(Job { at, reference, length_e2, colour }) => {
                self.record.moment(Some(*at));
                self.record.decimal(Some(*length_e2), 2);
                self.add_text(reference, MAX_WORD);
                self.add_text(colour, MAX_WORD);
            }
            DetailRow::Anomaly(anomaly) => self.add_anomaly(anomaly),
        }
        self.tables[place].update(&self.record.bytes);
    }

    fn add_anomaly(&mut self, anomaly: &Anomaly) {
        self.record.text(Some(anomaly.code.as_str()));
        self.record.text(Some(anomaly.severity.in_french()));
        self.record.moment(anomaly.from);
        self.record.moment(anomaly.to);
        self.record.decimal(Some(anomaly.value_e2), 2);
        self.record.decimal(anomaly.expected_e2, 2);
        self.add_text(&sentence(anomaly, self.language), usize::MAX);
    }

    /// A text as it is sent.
    fn add_text(&mut self, text: &str, max_chars: usize) {
        self.text.clear();
        write_line(&mut self.text, text, max_chars, &self.script);
        self.record.text(Some(&self.text));
    }

    /// The digest with the header of `delivery`, whose rows were all added.
    pub fn finish(mut self, delivery: &Delivery) -> ContentDigest {
        self.record.begin(header::COLUMNS.len(), self.inexact.of_header());
        for column in header::COLUMNS {
            match column.of.value(delivery) {
                Value::Integer(value) => self.record.decimal(value, 0),
                Value::Decimal(value) => {
                    self.record.decimal(value, column.of.places().unwrap_or_default());
                }
                Value::Moment(at) => self.record.moment(at),
                Value::Text(text, max_chars) => self.add_text(text, max_chars),
            }
        }
        let mut header = Sha256::new_with_prefix(&self.record.bytes);
        if self.inexact.lacks_times {
            header.update(b"-");
        } else {
            let Delivery { machine, times, day_start, .. } = delivery;
            let (inexact, script) = (&self.inexact, &self.script);
            let times = times.as_ref();
            times::add_rows(&mut header, &machine.nom, times, *day_start, inexact, script);
        }
        let header = header.finalize();
        let mut rows = Sha256::new();
        for table in self.tables {
            rows.update(table.finalize());
        }
        ContentDigest { header: first_bytes(&header), rows: first_bytes(&rows.finalize()) }
    }
}

/// The digest of a delivery that brings every row.
pub fn digest_of_whole(delivery: &Delivery, inexact: &Inexact) -> ContentDigest {
    let mut digester = Digester::new(delivery.language, ServerEncoding::Utf8, inexact.clone());
    delivery.pieces.iter().for_each(|row| digester.add((&row.row).into()));
    delivery.waits.iter().for_each(|row| digester.add((&row.row).into()));
    delivery.stops.iter().for_each(|row| digester.add((&row.row).into()));
    delivery.jobs.iter().for_each(|row| digester.add((&row.row).into()));
    delivery.anomalies.iter().for_each(|row| digester.add((&row.row).into()));
    digester.finish(delivery)
}

fn first_bytes(hash: &[u8]) -> [u8; 8] {
    std::array::from_fn(|at| hash[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_compared_where_its_type_holds_what_is_written() {
        let holds = |type_name, category, modifier, kind| {
            ColumnType { table: "t", name: "c", type_name, category, modifier }.holds(kind)
        };
        let numeric = |precision: i32, scale: i32| (precision << 16 | scale) + 4;
        let table = [
            ("int4", "N", -1, Kind::Integer, true),
            ("int4", "N", -1, Kind::Decimal(2), false),
            ("numeric", "N", -1, Kind::Decimal(4), true),
            ("numeric", "N", numeric(10, 4), Kind::Decimal(4), true),
            ("numeric", "N", numeric(10, 2), Kind::Decimal(4), false),
            ("numeric", "N", numeric(10, 0), Kind::Integer, true),
            // A scale of -2.
            ("numeric", "N", numeric(10, 0x7fe), Kind::Integer, false),
            ("float8", "N", -1, Kind::Decimal(4), true),
            ("float4", "N", -1, Kind::Decimal(4), false),
            ("timestamp", "D", -1, Kind::Moment, true),
            ("timestamptz", "D", 3, Kind::Moment, true),
            ("timestamp", "D", 0, Kind::Moment, false),
            ("date", "D", -1, Kind::Moment, false),
            ("text", "S", -1, Kind::Moment, false),
            ("varchar", "S", 54, Kind::Text, true),
            ("bpchar", "S", 54, Kind::Text, false),
            ("json", "U", -1, Kind::Text, false),
        ];
        for (type_name, category, modifier, kind, expected) in table {
            assert_eq!(
                holds(type_name, category, modifier, kind),
                expected,
                "{type_name} {modifier} {kind:?}"
            );
        }
    }

    #[test]
    fn every_column_that_is_left_out_has_its_bit() {
        for (_, columns) in compared_tables() {
            assert!(columns.len() <= 32);
        }
        let types = ["periode_attente", "periode_arret"].map(|table| ColumnType {
            table,
            name: "timestamp_fin",
            type_name: "timestamp",
            category: "D",
            modifier: 0,
        });
        let names = Inexact::of(types.into_iter()).names();
        assert_eq!(names, ["periode_attente.timestamp_fin", "periode_arret.timestamp_fin"]);
    }
}
