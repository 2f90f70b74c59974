//! The part of a delivery's statement that writes pieces, waits, stops, jobs and anomalies: takes the runs
//! apart, writes the rows that differ, and removes those that the session no longer has.

use super::{
    deliver::Order,
    halves::lines_of,
    params::Params,
    runs::{Runs, write_line, write_seconds},
};
use crate::model::{Delivery, Finding, Language, Numbered, Stamp};

/// The parts of the statement that write details.
#[derive(Default)]
pub struct Details {
    pub with: Vec<String>,
    pub joins: Vec<String>,
    pub complete: Vec<String>,
}

/// One detail table and how its rows are taken apart from the runs `r` into `x`.
struct Table<'a> {
    name: &'a str,
    number: &'a str,
    /// Column of `ecrite` with the rows that the session has.
    rows: &'a str,
    /// Parameters, see [`Runs::into_params`]; `None` where the delivery has no such row. Then nothing is
    /// inserted: on a slow line the words of the statement weigh as much as half a session.
    places: Option<Vec<String>>,
    /// What stands between the rows of each column of the runs.
    columns: &'a [Between],
    /// Column of the table and its value from `r` and `x`.
    values: &'a [(&'a str, &'a str)],
}

/// What stands between two rows of a run's column.
#[derive(Clone, Copy)]
enum Between {
    Commas,
    LineEnds,
    /// Line ends, in half bytes where the run has such; it is the table's only column then.
    HalvedLineEnds,
}

impl Between {
    /// The column's values as an array.
    fn apart(self, column: &str) -> String {
        match self {
            // Of an empty text no elements, which is as good as an empty one: it stands for NULL.
            Self::Commas => format!("string_to_array(r.{column}, ',')"),
            Self::LineEnds => format!(
                "CASE r.{column} WHEN '' THEN ARRAY[''] ELSE string_to_array(r.{column}, E'\\n') END"
            ),
            Self::HalvedLineEnds => format!(
                "CASE WHEN r.demis IS NULL THEN {} ELSE {} END",
                Self::LineEnds.apart(column),
                lines_of(&format!("r.{column}"), "r.demis"),
            ),
        }
    }
}

/// Central's columns for words are no longer than this.
const MAX_WORD: usize = 50;

/// Columns that hold text, of whatever length.
const TEXTS: &[&str] = &["details", "reference", "couleur", "code", "gravite", "texte"];

/// Adds the detail rows of `orders` to the parameters, and gives the parts of the statement that
/// write them into the sessions of `ecrite`; a `whole` one has parts for rows that there are none of.
pub fn push_details(
    params: &mut Params,
    orders: &[Order<'_>],
    all_new: bool,
    whole: bool,
) -> Details {
    let mut pieces = Runs::new(1);
    let mut waits = Runs::new(1);
    let mut stops = Runs::new(1);
    let mut jobs = Runs::new(3);
    let mut findings = Runs::new(7);
    for (place, order) in (1..).zip(orders) {
        let delivery = order.delivery;
        let day = delivery.day;
        pieces.pack(
            place,
            day,
            &delivery.pieces,
            |piece, _| piece.at,
            &[('\n', |out, piece, _| write_line(out, &piece.details, usize::MAX))],
        );
        waits.pack(
            place,
            day,
            &delivery.waits,
            |wait, _| wait.start,
            &[(',', |out, wait, _| write_seconds(out, wait.end.0 - wait.start.0))],
        );
        stops.pack(
            place,
            day,
            &delivery.stops,
            |stop, _| stop.start,
            &[(',', |out, stop, _| write_seconds(out, stop.end.0 - stop.start.0))],
        );
        jobs.pack(
            place,
            day,
            &delivery.jobs,
            |job, _| job.at,
            &[
                (',', |out, job, _| out.push_str(&job.length_e2.to_string())),
                ('\n', |out, job, _| write_line(out, &job.reference, MAX_WORD)),
                ('\n', |out, job, _| write_line(out, &job.colour, MAX_WORD)),
            ],
        );
        findings.pack(
            place,
            day,
            &told(delivery),
            |_, midnight| midnight,
            &[
                (',', |out, told, _| out.push_str(told.finding.code.as_str())),
                (',', |out, told, _| out.push_str(told.finding.gravity.in_french())),
                (',', |out, told, midnight| write_moment(out, told.finding.from, midnight)),
                (',', |out, told, midnight| write_moment(out, told.finding.to, midnight)),
                (',', |out, told, _| out.push_str(&told.finding.value_e2.to_string())),
                (',', |out, told, _| {
                    out.extend(told.finding.expected_e2.map(|expected| expected.to_string()));
                }),
                ('\n', |out, told, _| {
                    // A database in a Latin encoding knows no narrow blank.
                    let text = told.finding.text(told.language).replace('\u{202f}', "\u{a0}");
                    write_line(out, &text, usize::MAX);
                }),
            ],
        );
    }
    const AT: &str = "r.debut + (get_byte(r.instants, x.n::int * 2 - 2) * 256
        + get_byte(r.instants, x.n::int * 2 - 1))::float8 * interval '1 second'";
    let end = format!("{AT} + x.c1::float8 * interval '1 second'");
    let period = &[
        ("timestamp_debut", AT),
        ("timestamp_fin", end.as_str()),
        ("duree_secondes", "trunc(x.c1::numeric)::integer"),
    ];
    use Between::{Commas, HalvedLineEnds, LineEnds};
    let tables = [
        Table {
            name: "piece_production",
            number: "numero_piece",
            rows: "n_pieces",
            places: pieces.into_halved_params(params, whole),
            columns: &[HalvedLineEnds],
            values: &[("timestamp_production", AT), ("details", "x.c1")],
        },
        Table {
            name: "periode_attente",
            number: "numero",
            rows: "n_attentes",
            places: waits.into_params(params, whole),
            columns: &[Commas],
            values: period,
        },
        Table {
            name: "periode_arret",
            number: "numero",
            rows: "n_arrets",
            places: stops.into_params(params, whole),
            columns: &[Commas],
            values: period,
        },
        Table {
            name: "job_profil",
            number: "numero",
            rows: "n_jobs",
            places: jobs.into_params(params, whole),
            columns: &[Commas, LineEnds, LineEnds],
            values: &[
                ("timestamp_debut", AT),
                ("longueur", "(x.c1::numeric / 100.0)::numeric(18,2)"),
                ("reference", "x.c2"),
                ("couleur", "x.c3"),
            ],
        },
        Table {
            name: "anomalie",
            number: "numero",
            rows: "n_anomalies",
            places: findings.into_params(params, whole),
            columns: &[Commas, Commas, Commas, Commas, Commas, Commas, LineEnds],
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
        },
    ];
    let mut details = Details::default();
    for table in &tables {
        table.write(&mut details, all_new);
    }
    details
}

/// A finding and the language of its sentence.
struct Told<'d> {
    finding: &'d Finding,
    language: Language,
}

fn told(delivery: &Delivery) -> Vec<Numbered<Told<'_>>> {
    let language = delivery.language;
    let findings = delivery.findings.iter();
    findings
        .map(|Numbered { number, row }| Numbered {
            number: *number,
            row: Told { finding: row, language },
        })
        .collect()
}

fn write_moment(out: &mut String, at: Option<Stamp>, midnight: Stamp) {
    if let Some(at) = at {
        write_seconds(out, at.0 - midnight.0);
    }
}

impl Table<'_> {
    fn write(&self, details: &mut Details, all_new: bool) {
        let Self { name, number, rows, places, columns, values } = self;
        let removed = format!(
            "\n{name}_otee AS (
    DELETE FROM {name} d USING ecrite w
    WHERE d.session_id = w.id AND NOT w.neuve
      AND (d.{number} > w.{rows} OR d.{number} < 1 OR d.{number} IS NULL)
)"
        );
        let in_range = format!(
            "(SELECT count(*) FROM {name} d
              WHERE d.session_id = w.id AND d.{number} BETWEEN 1 AND w.{rows}) = w.{rows}"
        );
        let Some(places) = places else {
            if !all_new {
                details.with.push(removed);
                details.complete.push(in_range);
            }
            return;
        };
        let texts: Vec<String> = (1..=columns.len()).map(|i| format!("c{i}")).collect();
        let mut run_columns = texts.join(", ");
        if columns.iter().any(|between| matches!(between, Between::HalvedLineEnds)) {
            run_columns.push_str(", demis");
        }
        let arrays: Vec<String> =
            texts.iter().zip(*columns).map(|(column, between)| between.apart(column)).collect();
        // See `qualify`: of one array it is a function like any other.
        let unnest = if arrays.len() == 1 { "pg_catalog.unnest" } else { "unnest" };
        let columns: Vec<&str> = values.iter().map(|v| v.0).collect();
        let selected: Vec<&str> = values.iter().map(|v| v.1).collect();
        let insert = format!(
            "INSERT INTO {name} AS d (session_id, {number}, {columns})
    SELECT r.id, (r.premier + x.n - 1)::integer, {selected}
    FROM (SELECT w.id, w.jour::timestamp AS jour,
                 w.jour::timestamp + r.debut_ms::float8 * interval '1 millisecond' AS debut, r.*
          FROM unnest({places}) AS r (rang, premier, debut_ms, instants, {run_columns})
          JOIN ecrite w ON w.rang = r.rang OFFSET 0) r
    CROSS JOIN LATERAL {unnest}({arrays}) WITH ORDINALITY AS x ({texts}, n)",
            columns = columns.join(", "),
            selected = selected.join(", "),
            places = places.join(", "),
            texts = texts.join(", "),
            arrays = arrays.join(", "),
        );
        if all_new {
            details.with.push(format!("\n{name}_ecrite AS (\n    {insert}\n)"));
        } else {
            details.with.push(removed);
            let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
            let of = |alias: &str| {
                // Of texts the server compares none but its own type.
                let text = |c: &str| if TEXTS.contains(&c) { "::text" } else { "" };
                let of_alias = |c: &&str| format!("{alias}.{c}{}", text(c));
                columns.iter().map(of_alias).collect::<Vec<_>>().join(", ")
            };
            // What is there is looked up as it was before: a parted table has no xmax to tell.
            details.with.push(format!(
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
            ));
            // The statement sees the rows as they were before it; those in range stay.
            details.complete.push(format!("coalesce({name}_compte.n, 0) + {in_range}"));
            details
                .joins
                .push(format!("LEFT JOIN {name}_compte ON {name}_compte.session_id = w.id\n"));
        }
    }
}
