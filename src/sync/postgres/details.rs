//! The part of a delivery's statement that writes pieces, waits, stops, jobs and anomalies: takes the runs
//! apart, writes the rows that differ, and removes those that the session no longer has.

use super::{
    order::Order,
    params::Params,
    row_runs::{Around, At, Between, Runs, WriteColumn, write_line, write_seconds},
};
use crate::model::{Anomaly, Delivery, Job, Language, Numbered, Piece, Stamp, Stop, Wait};

use Between::{Commas, LineEnds};

/// The parts of the statement that write details.
#[derive(Default)]
pub(super) struct Details {
    pub with: Vec<String>,
    pub joins: Vec<String>,
    pub complete: Vec<String>,
}

/// One detail table and how its rows are taken apart from the runs `r` into `x`.
struct Table {
    name: &'static str,
    number: &'static str,
    /// Column of `ecrite` with the rows that the session has.
    rows: &'static str,
    runs: PackedRuns,
    /// Column of the table and its value from `r` and `x`.
    values: &'static [(&'static str, &'static str)],
}

/// The runs of one table as they travel.
struct PackedRuns {
    /// Parameters, see [`Runs::into_params`]; `None` if the delivery has no such row. Then nothing is
    /// inserted: on a slow line the words of the statement weigh as much as half a session.
    places: Option<Vec<String>>,
    /// What stands between the rows of each column.
    columns: Vec<Between>,
}

/// Central's columns for words are no longer than this.
pub(super) const MAX_WORD: usize = 50;

/// Columns that hold text, of whatever length.
const TEXTS: &[&str] = &["details", "reference", "couleur", "code", "gravite", "texte"];

/// When a row is.
macro_rules! moment {
    () => {
        "r.debut + (get_byte(r.instants, x.n::int * 2 - 2) * 256
        + get_byte(r.instants, x.n::int * 2 - 1))::float8 * interval '1 second'"
    };
}

/// Columns of a table of periods: begin, and from the length in seconds the rest.
const PERIOD: &[(&str, &str)] = &[
    ("timestamp_debut", moment!()),
    ("timestamp_fin", concat!(moment!(), " + x.c1::float8 * interval '1 second'")),
    ("duree_secondes", "trunc(x.c1::numeric)::integer"),
];

/// Adds the detail rows of `orders` to the parameters, and gives the parts of the statement that
/// write them into the sessions of `ecrite`; a `whole` one has parts for rows that there are none of.
/// Rows without a number are others': they are removed only if `keeps_foreign`, which keeps them elsewhere.
pub(super) fn push_details(
    params: &mut Params,
    orders: &[Order<'_>],
    all_new: bool,
    whole: bool,
    keeps_foreign: bool,
) -> Details {
    let mut details = Details::default();
    let mut with_foreign = Vec::new();
    for table in [pieces, waits, stops, jobs, anomalies] {
        let table = table(params, orders, whole);
        // An anomaly always has a number.
        let keeps_foreign = keeps_foreign && table.name != "anomalie";
        table.write(&mut details, all_new, keeps_foreign);
        if keeps_foreign {
            with_foreign.push(format!("SELECT * FROM {}_otee", table.name));
        }
    }
    if keeps_foreign {
        details.with.push(format!(
            "\ngardee AS (
    INSERT INTO cu_agent_fusion (nom_table, ancien_id, nouvel_id, ligne)
    SELECT DISTINCT ON (o.nom_table, o.session_id, o.contenu)
           o.nom_table, o.ancien_id, o.session_id, o.ligne
    FROM ({}) o
    WHERE o.est_autre
      AND NOT EXISTS (SELECT FROM cu_agent_fusion f
                      WHERE f.nom_table = o.nom_table AND f.nouvel_id = o.session_id
                        AND f.ligne - 'id'::text - 'date_creation'::text = o.contenu)
    ORDER BY o.nom_table, o.session_id, o.contenu, o.ancien_id
)",
            with_foreign.join(" UNION ALL ")
        ));
    }
    details
}

/// Packs the `rows` of all `orders` into runs, and those into the parameters.
fn pack<'o, T, R: AsRef<[Numbered<T>]>>(
    params: &mut Params,
    orders: &[Order<'o>],
    whole: bool,
    rows: impl Fn(&'o Delivery) -> R,
    at: At<T>,
    columns: &[(Between, WriteColumn<T>)],
) -> PackedRuns {
    let mut runs = Runs::new(columns.len());
    for (place, Order { delivery, .. }) in (1..).zip(orders) {
        let script = params.script();
        runs.pack(place, delivery.day, rows(delivery).as_ref(), at, columns, script);
    }
    PackedRuns {
        places: runs.into_params(params, whole),
        columns: columns.iter().map(|(between, _)| *between).collect(),
    }
}

fn pieces(params: &mut Params, orders: &[Order<'_>], whole: bool) -> Table {
    let runs = pack::<Piece, _>(
        params,
        orders,
        whole,
        |delivery| &delivery.pieces,
        |piece, _| piece.at,
        &[(LineEnds, |out, piece, of| {
            write_line(out, &piece.details, usize::MAX, of.script);
        })],
    );
    Table {
        name: "piece_production",
        number: "numero_piece",
        rows: "n_pieces",
        runs,
        values: &[("timestamp_production", moment!()), ("details", "x.c1")],
    }
}

fn waits(params: &mut Params, orders: &[Order<'_>], whole: bool) -> Table {
    let runs = pack::<Wait, _>(
        params,
        orders,
        whole,
        |delivery| &delivery.waits,
        |wait, _| wait.start,
        &[(Commas, |out, wait, _| write_seconds(out, wait.end.0 - wait.start.0))],
    );
    Table { name: "periode_attente", number: "numero", rows: "n_attentes", runs, values: PERIOD }
}

fn stops(params: &mut Params, orders: &[Order<'_>], whole: bool) -> Table {
    let runs = pack::<Stop, _>(
        params,
        orders,
        whole,
        |delivery| &delivery.stops,
        |stop, _| stop.start,
        &[(Commas, |out, stop, _| write_seconds(out, stop.end.0 - stop.start.0))],
    );
    Table { name: "periode_arret", number: "numero", rows: "n_arrets", runs, values: PERIOD }
}

fn jobs(params: &mut Params, orders: &[Order<'_>], whole: bool) -> Table {
    let runs = pack::<Job, _>(
        params,
        orders,
        whole,
        |delivery| &delivery.jobs,
        |job, _| job.at,
        &[
            (Commas, |out, job, _| out.push_str(&job.length_e2.to_string())),
            (LineEnds, |out, job, of| write_line(out, &job.reference, MAX_WORD, of.script)),
            (LineEnds, |out, job, of| write_line(out, &job.colour, MAX_WORD, of.script)),
        ],
    );
    Table {
        name: "job_profil",
        number: "numero",
        rows: "n_jobs",
        runs,
        values: &[
            ("timestamp_debut", moment!()),
            ("longueur", "(x.c1::numeric / 100.0)::numeric(18,2)"),
            ("reference", "x.c2"),
            ("couleur", "x.c3"),
        ],
    }
}

fn anomalies(params: &mut Params, orders: &[Order<'_>], whole: bool) -> Table {
    let runs = pack(
        params,
        orders,
        whole,
        told,
        |_, midnight| midnight,
        &[
            (Commas, |out, told, _| out.push_str(told.anomaly.code.as_str())),
            (Commas, |out, told, _| out.push_str(told.anomaly.severity.in_french())),
            (Commas, |out, told, of| write_moment(out, told.anomaly.from, of)),
            (Commas, |out, told, of| write_moment(out, told.anomaly.to, of)),
            (Commas, |out, told, _| out.push_str(&told.anomaly.value_e2.to_string())),
            (Commas, |out, told, _| {
                out.extend(told.anomaly.expected_e2.map(|expected| expected.to_string()));
            }),
            (LineEnds, |out, told, of| {
                write_line(out, &sentence(told.anomaly, told.language), usize::MAX, of.script);
            }),
        ],
    );
    Table {
        name: "anomalie",
        number: "numero",
        rows: "n_anomalies",
        runs,
        // A moment or a figure that there is not is an empty text.
        values: &[
            ("code", "x.c1"),
            ("gravite", "x.c2"),
            ("timestamp_debut", "r.jour + nullif(x.c3, '')::float8 * interval '1 second'"),
            ("timestamp_fin", "r.jour + nullif(x.c4, '')::float8 * interval '1 second'"),
            ("valeur", "(x.c5::numeric / 100.0)::numeric(18,2)"),
            ("attendu", "(nullif(x.c6, '')::numeric / 100.0)::numeric(18,2)"),
            ("texte", "x.c7"),
        ],
    }
}

/// What central is told of an anomaly.
pub(super) fn sentence(anomaly: &Anomaly, language: Language) -> String {
    // A database in a Latin encoding knows no narrow blank.
    anomaly.text(language).replace('\u{202f}', "\u{a0}")
}

/// An anomaly and the language of its sentence.
struct Told<'d> {
    anomaly: &'d Anomaly,
    language: Language,
}

fn told(delivery: &Delivery) -> Vec<Numbered<Told<'_>>> {
    let language = delivery.language;
    let anomalies = delivery.anomalies.iter();
    anomalies
        .map(|Numbered { number, row }| Numbered {
            number: *number,
            row: Told { anomaly: row, language },
        })
        .collect()
}

fn write_moment(out: &mut String, at: Option<Stamp>, of: &Around<'_>) {
    if let Some(at) = at {
        write_seconds(out, at.0 - of.midnight.0);
    }
}

impl Table {
    fn write(&self, details: &mut Details, all_new: bool, keeps_foreign: bool) {
        let Self { name, number, rows, .. } = self;
        if !all_new {
            let (or_foreign, returning) = if keeps_foreign {
                let row = "pg_catalog.to_jsonb(d)";
                let returning = format!(
                    "
    RETURNING '{name}'::text AS nom_table, d.id::bigint AS ancien_id, w.id::bigint AS session_id,
        {row} AS ligne, {row} - 'id'::text - 'date_creation'::text AS contenu,
        d.{number} IS NULL AS est_autre"
                );
                (format!(" OR d.{number} IS NULL"), returning)
            } else {
                <(String, String)>::default()
            };
            details.with.push(format!(
                "\n{name}_otee AS (
    DELETE FROM {name} d USING ecrite w
    WHERE d.session_id = w.id AND NOT w.neuve
      AND (d.{number} > w.{rows} OR d.{number} < 1{or_foreign}){returning}
)"
            ));
        }
        let in_range = format!(
            "(SELECT count(*) FROM {name} d
              WHERE d.session_id = w.id AND d.{number} BETWEEN 1 AND w.{rows}) = w.{rows}"
        );
        let insert = self.runs.places.as_ref().map(|places| self.insert(places));
        match (insert, all_new) {
            (Some(insert), true) => {
                details.with.push(format!("\n{name}_ecrite AS (\n    {insert}\n)"));
            }
            (Some(insert), false) => {
                details.with.push(self.upsert(&insert));
                // The statement sees the rows as they were before it; those in range stay.
                details.complete.push(format!("coalesce({name}_compte.n, 0) + {in_range}"));
                details
                    .joins
                    .push(format!("LEFT JOIN {name}_compte ON {name}_compte.session_id = w.id\n"));
            }
            (None, true) => {}
            (None, false) => details.complete.push(in_range),
        }
    }

    /// The rows of the runs, put into the table.
    fn insert(&self, places: &[String]) -> String {
        let Self { name, number, runs, values, .. } = self;
        let texts: Vec<String> = (1..=runs.columns.len()).map(|i| format!("c{i}")).collect();
        let arrays: Vec<String> = texts
            .iter()
            .zip(&runs.columns)
            .map(|(column, between)| between.split(column))
            .collect();
        // See `qualify`: of one array it is a function like any other.
        let unnest = if arrays.len() == 1 { "pg_catalog.unnest" } else { "unnest" };
        let columns: Vec<&str> = values.iter().map(|v| v.0).collect();
        let selected: Vec<&str> = values.iter().map(|v| v.1).collect();
        format!(
            "INSERT INTO {name} AS d (session_id, {number}, {columns})
    SELECT r.id, (r.premier + x.n - 1)::integer, {selected}
    FROM (SELECT w.id, w.jour::timestamp AS jour,
                 w.jour::timestamp + r.debut_ms::float8 * interval '1 millisecond' AS debut, r.*
          FROM unnest({places}) AS r (rang, premier, debut_ms, instants, {texts})
          JOIN ecrite w ON w.rang = r.rang OFFSET 0) r
    CROSS JOIN LATERAL {unnest}({arrays}) WITH ORDINALITY AS x ({texts}, n)",
            columns = columns.join(", "),
            selected = selected.join(", "),
            places = places.join(", "),
            texts = texts.join(", "),
            arrays = arrays.join(", "),
        )
    }

    /// `insert`, which changes the rows that are there and differ, and how many rows were not there.
    fn upsert(&self, insert: &str) -> String {
        let Self { name, number, values, .. } = self;
        let columns: Vec<&str> = values.iter().map(|v| v.0).collect();
        let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
        let of = |alias: &str| {
            // Of texts the server compares none but its own type.
            let text = |c: &str| if TEXTS.contains(&c) { "::text" } else { "" };
            let of_alias = |c: &&str| format!("{alias}.{c}{}", text(c));
            columns.iter().map(of_alias).collect::<Vec<_>>().join(", ")
        };
        // What is there is looked up as it was before: a parted table has no xmax to tell.
        format!(
            "\n{name}_ecrite AS (
    {insert}
    ON CONFLICT (session_id, {number}) DO UPDATE SET {set}
    WHERE ROW({held}) IS DISTINCT FROM ROW({sent})
    RETURNING d.session_id, (SELECT o.{number} FROM {name} o
        WHERE o.session_id = d.session_id AND o.{number} = d.{number}) IS NULL AS neuve
),
{name}_compte AS (
    SELECT session_id, count(*) FILTER (WHERE neuve) AS n FROM {name}_ecrite GROUP BY 1)",
            set = set.join(", "),
            held = of("d"),
            sent = of("excluded"),
        )
    }
}
