//! The part of a delivery's statement that writes pieces, waits, stops, jobs and anomalies: takes the runs
//! apart, writes the rows that differ, and removes those that the session no longer has.

use super::{
    deliver::Order,
    params::Params,
    runs::{Runs, write_line, write_seconds},
};
use crate::model::{Delivery, Finding, Language, Numbered, Stamp, Wait};

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
    /// Parameters: sessions, firsts, columns; `None` where the delivery has no such row. Then nothing is
    /// inserted: on a slow line the words of the statement weigh as much as half a session.
    places: Option<Vec<String>>,
    /// Separator of each column, as SQL.
    separators: &'a [&'a str],
    /// Column of the table and its value from `r` and `x`.
    values: &'a [(&'a str, &'a str)],
}

/// Central's columns for words are no longer than this.
const MAX_WORD: usize = 50;

const COMMA: &str = "','";
const LINE: &str = "E'\\n'";

/// Adds the detail rows of `orders` to the parameters, and gives the parts of the statement that
/// write them into the sessions of `ecrite`.
pub fn push_details(params: &mut Params, orders: &[Order<'_>], all_new: bool) -> Details {
    let mut pieces = Runs::new(2);
    let mut waits = Runs::new(2);
    let mut stops = Runs::new(2);
    let mut jobs = Runs::new(4);
    let mut findings = Runs::new(7);
    for (place, order) in (1..).zip(orders) {
        let delivery = order.delivery;
        pieces.pack(
            place,
            delivery.day,
            &delivery.pieces,
            &[
                (',', |out, piece, midnight| write_seconds(out, piece.at.0 - midnight.0)),
                ('\n', |out, piece, _| write_line(out, &piece.details, usize::MAX)),
            ],
        );
        waits.pack(
            place,
            delivery.day,
            &delivery.waits,
            &[
                (',', |out, Wait { start, .. }, midnight| write_seconds(out, start.0 - midnight.0)),
                (',', |out, wait, _| write_seconds(out, wait.end.0 - wait.start.0)),
            ],
        );
        stops.pack(
            place,
            delivery.day,
            &delivery.stops,
            &[
                (',', |out, stop, midnight| write_seconds(out, stop.start.0 - midnight.0)),
                (',', |out, stop, _| write_seconds(out, stop.end.0 - stop.start.0)),
            ],
        );
        jobs.pack(
            place,
            delivery.day,
            &delivery.jobs,
            &[
                (',', |out, job, midnight| write_seconds(out, job.at.0 - midnight.0)),
                (',', |out, job, _| out.push_str(&job.length_e2.to_string())),
                ('\n', |out, job, _| write_line(out, &job.reference, MAX_WORD)),
                ('\n', |out, job, _| write_line(out, &job.colour, MAX_WORD)),
            ],
        );
        findings.pack(
            place,
            delivery.day,
            &told(delivery),
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
                    write_line(out, &told.finding.text(told.language), usize::MAX);
                }),
            ],
        );
    }
    const AT: &str = "r.jour + x.c1::float8 * interval '1 second'";
    const PERIOD: &[(&str, &str)] = &[
        ("timestamp_debut", AT),
        ("timestamp_fin", "r.jour + (x.c1::numeric + x.c2::numeric)::float8 * interval '1 second'"),
        ("duree_secondes", "trunc(x.c2::numeric)::integer"),
    ];
    let tables = [
        Table {
            name: "piece_production",
            number: "numero_piece",
            rows: "n_pieces",
            places: pieces.into_params(params),
            separators: &[COMMA, LINE],
            // A lone empty text has no elements; it comes back as NULL.
            values: &[("timestamp_production", AT), ("details", "coalesce(x.c2, '')")],
        },
        Table {
            name: "periode_attente",
            number: "numero",
            rows: "n_attentes",
            places: waits.into_params(params),
            separators: &[COMMA, COMMA],
            values: PERIOD,
        },
        Table {
            name: "periode_arret",
            number: "numero",
            rows: "n_arrets",
            places: stops.into_params(params),
            separators: &[COMMA, COMMA],
            values: PERIOD,
        },
        Table {
            name: "job_profil",
            number: "numero",
            rows: "n_jobs",
            places: jobs.into_params(params),
            separators: &[COMMA, COMMA, LINE, LINE],
            values: &[
                ("timestamp_debut", AT),
                ("longueur", "(x.c2::numeric / 100)::numeric(18,2)"),
                ("reference", "coalesce(x.c3, '')"),
                ("couleur", "coalesce(x.c4, '')"),
            ],
        },
        Table {
            name: "anomalie",
            number: "numero",
            rows: "n_anomalies",
            places: findings.into_params(params),
            separators: &[COMMA, COMMA, COMMA, COMMA, COMMA, COMMA, LINE],
            // A moment or a figure that there is not is an empty text.
            values: &[
                ("code", "x.c1"),
                ("gravite", "x.c2"),
                ("timestamp_debut", "r.jour + nullif(x.c3, '')::float8 * interval '1 second'"),
                ("timestamp_fin", "r.jour + nullif(x.c4, '')::float8 * interval '1 second'"),
                ("valeur", "(x.c5::numeric / 100)::numeric(18,2)"),
                ("attendu", "(nullif(x.c6, '')::numeric / 100)::numeric(18,2)"),
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
        let Self { name, number, rows, places, separators, values } = self;
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
        let run_columns: Vec<String> = (1..=separators.len()).map(|i| format!("c{i}")).collect();
        let arrays: Vec<String> = run_columns
            .iter()
            .zip(*separators)
            .map(|(column, separator)| format!("string_to_array(r.{column}, {separator})"))
            .collect();
        let columns: Vec<&str> = values.iter().map(|v| v.0).collect();
        let selected: Vec<&str> = values.iter().map(|v| v.1).collect();
        let insert = format!(
            "INSERT INTO {name} AS d (session_id, {number}, {columns})
    SELECT r.id, (r.premier + x.n - 1)::integer, {selected}
    FROM (SELECT w.id, w.jour::timestamp AS jour, r.*
          FROM unnest({places}) AS r (rang, premier, {run_columns})
          JOIN ecrite w ON w.rang = r.rang OFFSET 0) r
    CROSS JOIN LATERAL unnest({arrays}) WITH ORDINALITY AS x ({run_columns}, n)",
            columns = columns.join(", "),
            selected = selected.join(", "),
            places = places.join(", "),
            run_columns = run_columns.join(", "),
            arrays = arrays.join(", "),
        );
        if all_new {
            details.with.push(format!("\n{name}_ecrite AS (\n    {insert}\n)"));
        } else {
            details.with.push(removed);
            let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
            let of = |alias: &str| {
                columns.iter().map(|c| format!("{alias}.{c}")).collect::<Vec<_>>().join(", ")
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
