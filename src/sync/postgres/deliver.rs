//! Writes many sessions in one statement: header and details together or not at all, and only where
//! central still holds what the plan saw. Sending the same again changes nothing, so a lost answer
//! does no harm.

use postgres::{Row, types::Type};

use super::{
    Central, CentralError,
    claim::{Claimed, Claims, HOLDER, RENEW},
    params::Params,
    runs::{Runs, write_line, write_seconds},
};
use crate::model::{CentralSession, Delivery, Wait, hours_e4, rate_e2};

/// A session to write, and what central held when that was decided.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub delivery: &'a Delivery,
    /// `None`: central had no row. Central is left alone where it now holds another revision.
    pub replaces: Option<&'a CentralSession>,
}

/// What became of one [`Order`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Central holds the delivered revision. Where it is not `complete`, detail rows that were not
    /// part of the delivery are missing there: deliver every row.
    Written { complete: bool },
    /// Another writer was faster: ask for the state again.
    Overtaken,
    /// The machine is another's to write.
    Claimed(Claimed),
    /// The machine has no row in `centre_usinage`: see [`Central::ensure_centres`].
    NoCentre,
}

/// Header columns behind machine and day, in the order of [`push_headers`].
const COLUMNS: &[&str] = &[
    "revision",
    "evenements",
    "heure_premiere_piece",
    "heure_derniere_piece",
    "heure_premier_machine_start",
    "heure_dernier_machine_stop",
    "total_pieces",
    "duree_production_totale",
    "temps_attente",
    "temps_arret_volontaire",
    "temps_production_effectif",
    "taux_occupation",
    "taux_attente",
    "taux_arret_volontaire",
    "temps_attente_brut",
    "temps_arret_brut",
    "fichier_log_source",
];

/// Columns of central are shorter than what a name may be.
const MAX_LOG_SOURCES: usize = 255;
const MAX_WORD: usize = 50;

impl Central {
    /// Writes `orders`; one outcome each, in that order. All or none: an error wrote nothing, or,
    /// where only the answer was lost, all of it.
    pub fn deliver(
        &mut self,
        claims: &mut Claims,
        orders: &[Order<'_>],
    ) -> Result<Vec<Outcome>, CentralError> {
        let mut params = Params::default();
        let sql = statement(&mut params, claims, orders);
        let rows = self.ask(&sql, &params)?;
        orders
            .iter()
            .zip(&rows)
            .map(|(order, row)| outcome(claims, order.delivery, row))
            .collect::<Result<_, _>>()
            .map_err(|source| CentralError::ReadAnswer { source })
    }
}

fn outcome(
    claims: &mut Claims,
    delivery: &Delivery,
    row: &Row,
) -> Result<Outcome, postgres::Error> {
    let nom = &delivery.machine.nom;
    if !row.try_get::<_, bool>("centre")? {
        return Ok(Outcome::NoCentre);
    }
    if !row.try_get::<_, bool>("tenue")? {
        return Ok(Outcome::Claimed(Claimed::from_row(nom, row)?));
    }
    claims.note_held(nom);
    Ok(if row.try_get("ecrite")? {
        // A new session holds what was sent; for another one central counted.
        let counted: Option<bool> = row.try_get("complete")?;
        Outcome::Written { complete: counted.unwrap_or_else(|| holds_every_row(delivery)) }
    } else {
        Outcome::Overtaken
    })
}

fn holds_every_row(delivery: &Delivery) -> bool {
    let rows = [
        (delivery.counts.pieces, delivery.pieces.len()),
        (delivery.counts.waits, delivery.waits.len()),
        (delivery.counts.stops, delivery.stops.len()),
        (delivery.counts.jobs, delivery.jobs.len()),
    ];
    rows.iter().all(|(count, sent)| u32::try_from(*sent) == Ok(*count))
}

fn statement(params: &mut Params, claims: &Claims, orders: &[Order<'_>]) -> String {
    params.push(claims.identity.agent_id.clone(), Type::TEXT);
    params.push(claims.identity.buffer_id.clone(), Type::TEXT);
    params.push(claims.instance_id.clone(), Type::TEXT);
    params.push(claims.host.clone(), Type::TEXT);
    let entree = push_headers(params, claims, orders);
    // New sessions have no detail rows that could be in the way; looking for them costs a third.
    let all_new = orders.iter().all(|o| o.replaces.is_none());
    let details = push_details(params, orders, all_new);
    let columns = COLUMNS.join(", ");
    let of =
        |alias: &str| COLUMNS.iter().map(|c| format!("{alias}.{c}")).collect::<Vec<_>>().join(", ");
    format!(
        "WITH {entree},{RENEW},
modifiee AS (
    UPDATE session_production s
    SET ({columns}, agent_id, tampon_id, date_maj) = ROW({new}, $1, $2,
        CASE WHEN ROW({old}, s.agent_id, s.tampon_id) IS NOT DISTINCT FROM ROW({new}, $1, $2)
             THEN s.date_maj ELSE LOCALTIMESTAMP END)
    FROM entree e JOIN tenue t ON t.centre_usinage_id = e.centre_id
    WHERE s.id = e.attendu_id AND s.centre_usinage_id = e.centre_id AND s.date_production = e.jour
      AND s.revision IS NOT DISTINCT FROM e.attendu_revision
      AND s.agent_id IS NOT DISTINCT FROM e.attendu_agent
      AND s.tampon_id IS NOT DISTINCT FROM e.attendu_tampon
    RETURNING s.id, e.rang
),
creee AS (
    INSERT INTO session_production
        (centre_usinage_id, date_production, {columns}, agent_id, tampon_id, date_maj)
    SELECT e.centre_id, e.jour, {new}, $1, $2, LOCALTIMESTAMP
    FROM entree e JOIN tenue t ON t.centre_usinage_id = e.centre_id
    WHERE e.attendu_id IS NULL
      AND NOT EXISTS (SELECT FROM session_production s
                      WHERE s.centre_usinage_id = e.centre_id AND s.date_production = e.jour)
    ORDER BY e.rang
    ON CONFLICT (centre_usinage_id, date_production) DO NOTHING
    RETURNING id, centre_usinage_id, date_production
),
ecrite AS MATERIALIZED (
    SELECT w.id, e.rang, e.jour, e.n_pieces, e.n_attentes, e.n_arrets, e.n_jobs, w.neuve
    FROM (SELECT m.id, m.rang, FALSE AS neuve FROM modifiee m
          UNION ALL
          SELECT c.id, e.rang, TRUE FROM creee c
          JOIN entree e ON e.centre_id = c.centre_usinage_id AND e.jour = c.date_production) w
    JOIN entree e ON e.rang = w.rang
),{with}
SELECT e.centre_id IS NOT NULL AS centre, t.centre_usinage_id IS NOT NULL AS tenue, {HOLDER},
       w.id IS NOT NULL AS ecrite, {complete} AS complete
FROM entree e
LEFT JOIN tenue t ON t.centre_usinage_id = e.centre_id
LEFT JOIN cu_agent_machine m ON m.centre_usinage_id = e.centre_id
LEFT JOIN ecrite w ON w.rang = e.rang
{joins}ORDER BY e.rang",
        new = of("e"),
        old = of("s"),
        with = details.with.join(","),
        complete = if all_new { "NULL::boolean".into() } else { details.complete.join(" AND ") },
        joins = details.joins.concat(),
    )
}

/// The headers as the first table of the statement, `entree`.
fn push_headers(params: &mut Params, claims: &Claims, orders: &[Order<'_>]) -> String {
    macro_rules! column {
        ($order:ident => $value:expr, $of:ident) => {
            params.push(orders.iter().map(|$order| $value).collect::<Vec<_>>(), Type::$of)
        };
    }
    let seen = [
        column!(o => o.delivery.machine.nom.clone(), TEXT_ARRAY),
        column!(o => o.delivery.day, DATE_ARRAY),
        column!(o => claims.holds(&o.delivery.machine.nom), BOOL_ARRAY),
        column!(o => o.replaces.map(|c| c.id), INT8_ARRAY),
        column!(o => o.replaces.and_then(|c| c.revision), INT8_ARRAY),
        column!(o => o.replaces.and_then(|c| c.agent_id.clone()), TEXT_ARRAY),
        column!(o => o.replaces.and_then(|c| c.buffer_id.clone()), TEXT_ARRAY),
        column!(o => i64::from(o.delivery.counts.pieces), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.waits), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.stops), INT8_ARRAY),
        column!(o => i64::from(o.delivery.counts.jobs), INT8_ARRAY),
    ]
    .join(", ");
    let figures = [
        column!(o => o.delivery.revision, INT8_ARRAY),
        column!(o => i64::try_from(o.delivery.figures.events).unwrap_or(i64::MAX), INT8_ARRAY),
        column!(o => o.delivery.figures.first_piece.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => o.delivery.figures.last_piece.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => o.delivery.figures.first_start.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => o.delivery.figures.last_stop.map(|s| s.to_naive()), TIMESTAMP_ARRAY),
        column!(o => i64::from(o.delivery.figures.total_pieces), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.window_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.wait_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.stop_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.effective_ms), INT8_ARRAY),
        column!(o => rate(o, o.delivery.figures.effective_ms), INT8_ARRAY),
        column!(o => rate(o, o.delivery.figures.wait_ms), INT8_ARRAY),
        column!(o => rate(o, o.delivery.figures.stop_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.raw_wait_ms), INT8_ARRAY),
        column!(o => hours_e4(o.delivery.figures.raw_stop_ms), INT8_ARRAY),
        column!(o => line(&o.delivery.log_sources, MAX_LOG_SOURCES), TEXT_ARRAY),
    ]
    .join(", ");
    let computed = COLUMNS
        .iter()
        .map(|column| match *column {
            hours if hours.starts_with("duree_") || hours.starts_with("temps_") => {
                format!("(h.{hours}::numeric / 10000)::numeric(18,4) AS {hours}")
            }
            rate if rate.starts_with("taux_") => {
                format!("(h.{rate}::numeric / 100)::numeric(18,2) AS {rate}")
            }
            other => format!("h.{other}"),
        })
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "entree AS MATERIALIZED (
    SELECT h.rang, c.id AS centre_id, h.jour, h.tenu,
           h.attendu_id, h.attendu_revision, h.attendu_agent, h.attendu_tampon,
           h.n_pieces, h.n_attentes, h.n_arrets, h.n_jobs, {computed}
    FROM unnest({seen}, {figures}) WITH ORDINALITY AS h (
        nom, jour, tenu, attendu_id, attendu_revision, attendu_agent, attendu_tampon,
        n_pieces, n_attentes, n_arrets, n_jobs, {columns}, rang)
    LEFT JOIN centre_usinage c ON c.nom = h.nom
)",
        columns = COLUMNS.join(", ")
    )
}

fn rate(order: &Order<'_>, part_ms: i64) -> i64 {
    rate_e2(part_ms, order.delivery.figures.window_ms)
}

fn line(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    write_line(&mut out, text, max_chars);
    out
}

/// The parts of the statement that write details.
#[derive(Default)]
struct Details {
    with: Vec<String>,
    joins: Vec<String>,
    complete: Vec<String>,
}

/// One detail table and how its rows are taken apart from the runs `r` into `x`.
struct Table<'a> {
    name: &'a str,
    number: &'a str,
    /// Column of `ecrite` with the rows that the session has.
    rows: &'a str,
    /// Parameters: sessions, firsts, columns.
    places: Vec<String>,
    /// Separator of each column, as SQL.
    separators: &'a [&'a str],
    /// Column of the table and its value from `r` and `x`.
    values: &'a [(&'a str, &'a str)],
}

const COMMA: &str = "','";
const LINE: &str = "E'\\n'";

fn push_details(params: &mut Params, orders: &[Order<'_>], all_new: bool) -> Details {
    let mut pieces = Runs::new(2);
    let mut waits = Runs::new(2);
    let mut stops = Runs::new(2);
    let mut jobs = Runs::new(4);
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
    ];
    let mut details = Details::default();
    for table in &tables {
        table.write(&mut details, all_new);
    }
    details
}

impl Table<'_> {
    fn write(&self, details: &mut Details, all_new: bool) {
        let Self { name, number, rows, places, separators, values } = self;
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
            let set: Vec<String> = columns.iter().map(|c| format!("{c} = excluded.{c}")).collect();
            let of = |alias: &str| {
                columns.iter().map(|c| format!("{alias}.{c}")).collect::<Vec<_>>().join(", ")
            };
            details.with.push(format!(
                "\n{name}_otee AS (
    DELETE FROM {name} d USING ecrite w
    WHERE d.session_id = w.id AND NOT w.neuve
      AND (d.{number} > w.{rows} OR d.{number} < 1 OR d.{number} IS NULL)
),
{name}_ecrite AS (
    {insert}
    ON CONFLICT (session_id, {number}) DO UPDATE SET {set}
    WHERE ROW({held}) IS DISTINCT FROM ROW({sent})
    RETURNING d.session_id, d.xmax = 0 AS neuve
),
{name}_compte AS (
    SELECT session_id, count(*) FILTER (WHERE neuve) AS n FROM {name}_ecrite GROUP BY 1)",
                set = set.join(", "),
                held = of("d"),
                sent = of("excluded"),
            ));
            // The statement sees the rows as they were before it; those in range stay.
            details.complete.push(format!(
                "coalesce({name}_compte.n, 0)
           + (SELECT count(*) FROM {name} d
              WHERE d.session_id = w.id AND d.{number} BETWEEN 1 AND w.{rows}) = w.{rows}"
            ));
            details
                .joins
                .push(format!("LEFT JOIN {name}_compte ON {name}_compte.session_id = w.id\n"));
        }
    }
}
