//! What somebody does by hand, or another program, to rows that an agent wrote: any value, any row. And
//! every value that an agent writes, to be compared with the truth.

use fastrand::Rng;

use super::postgres::Database;

/// Tables of details with the column that numbers their rows.
const DETAILS: [(&str, &str); 5] = [
    ("piece_production", "numero_piece"),
    ("periode_attente", "numero"),
    ("periode_arret", "numero"),
    ("job_profil", "numero"),
    ("anomalie", "numero"),
];

/// Columns that the database fills, or that tell which row it is.
const NOT_OURS: [&str; 7] = [
    "id",
    "session_id",
    "centre_usinage_id",
    "date_production",
    "date_creation",
    "date_maj",
    "numero_piece",
];

/// Every value of every session that an agent wrote, as text.
pub fn every_value(database: &Database<'_>) -> String {
    let not_ours: String = NOT_OURS.iter().map(|column| format!(" - '{column}'")).collect();
    let mut sql = format!(
        "SELECT coalesce(s.machine, c.nom), s.date_production, to_jsonb(s){not_ours}
         FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2;"
    );
    for (table, number) in DETAILS {
        sql.push_str(&format!(
            "SELECT '{table}', coalesce(s.machine, c.nom), s.date_production, d.{number}, to_jsonb(d){not_ours} FROM {table} d
             JOIN session_production s ON s.id = d.session_id
             JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 2, 3, 4;"
        ));
    }
    // With the day: a row that is moved to another one is there too often.
    sql.push_str(&format!(
        "SELECT 'temps_poste', coalesce(t.machine, c.nom), t.date_production, t.numero, c.id IS NOT NULL, to_jsonb(t){not_ours} FROM temps_poste t
         LEFT JOIN centre_usinage c ON c.id = t.centre_usinage_id ORDER BY 2, 3, 4;"
    ));
    database.psql(&sql)
}

/// A change of a row's value, of rows, or of a whole session, that central takes.
pub fn change(database: &Database<'_>, rng: &mut Rng) -> String {
    for _ in 0..50 {
        let sql = match rng.u8(..14) {
            0..=3 => header(database, rng),
            4..=6 => detail(database, rng),
            7 => swap(rng),
            8 => rows(rng),
            9 => python(rng),
            10..=11 => times(database, rng),
            _ => orm(rng),
        };
        // A NOT NULL, say, keeps some from being done.
        if database.try_psql(&sql).is_ok() {
            return sql;
        }
    }
    panic!("central takes nothing");
}

fn columns(database: &Database<'_>, table: &str) -> Vec<(String, String)> {
    let columns = database.psql(&format!(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
         WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    ));
    let pair = |line: &str| {
        let (name, of) = line.split_once('|').expect("name|type");
        (name.to_owned(), of.to_owned())
    };
    columns.lines().map(pair).filter(|(name, _)| !NOT_OURS.contains(&name.as_str())).collect()
}

/// Another value for a column, from the row's own or from nowhere.
fn value(column: &str, of: &str, rng: &mut Rng) -> String {
    if rng.u8(..5) == 0 {
        return "NULL".into();
    }
    let n = rng.i64(1..400);
    let choices = match of {
        "timestamp without time zone" => [
            format!("{column} + interval '{n} microseconds'"),
            format!("{column} - interval '{n} s'"),
            format!("timestamp '2025-05-28' + interval '{n} minutes'"),
        ],
        "numeric" => [format!("{column} + 0.01"), format!("{n} / 100.0"), "0".into()],
        "integer" | "bigint" => [format!("{column} + 1"), n.to_string(), format!("{column} - {n}")],
        _ => [format!("{column} || ' '"), format!("'x{n}'"), format!("left({column}, -1)")],
    };
    choices[rng.usize(..choices.len())].clone()
}

fn one_row(table: &str, rng: &mut Rng) -> String {
    if rng.bool() {
        return "TRUE".into();
    }
    format!("{table}.ctid = (SELECT ctid FROM {table} ORDER BY random() LIMIT 1)")
}

fn header(database: &Database<'_>, rng: &mut Rng) -> String {
    let columns = columns(database, "session_production");
    let (column, of) = &columns[rng.usize(..columns.len())];
    format!("UPDATE session_production SET {column} = {}", value(column, of, rng))
}

fn detail(database: &Database<'_>, rng: &mut Rng) -> String {
    let (table, _) = DETAILS[rng.usize(..DETAILS.len())];
    let columns = columns(database, table);
    let (column, of) = &columns[rng.usize(..columns.len())];
    format!(
        "UPDATE {table} SET {column} = {} WHERE {}",
        value(column, of, rng),
        one_row(table, rng)
    )
}

/// Times of shifts: a value, a row more or less, or another number.
fn times(database: &Database<'_>, rng: &mut Rng) -> String {
    let n = rng.u32(1..4);
    match rng.u8(..8) {
        0 => format!("DELETE FROM temps_poste WHERE numero = {n}"),
        1 => "DELETE FROM temps_poste".into(),
        2 => format!("UPDATE temps_poste SET numero = numero + {n} WHERE numero >= {n}"),
        3 => format!(
            "INSERT INTO temps_poste SELECT centre_usinage_id, date_production, 3 + {n}, 'x', date_production,
                 date_production, NULL, 1, 1, 1, 0, 0, 0, 0, 0, 0, NULL, NULL, machine
             FROM session_production WHERE centre_usinage_id IS NOT NULL"
        ),
        4 => "UPDATE temps_poste SET centre_usinage_id = centre_usinage_id + 1000".into(),
        _ => {
            let columns = columns(database, "temps_poste");
            let (column, of) = &columns[rng.usize(..columns.len())];
            let row = one_row("temps_poste", rng);
            format!("UPDATE temps_poste SET {column} = {} WHERE {row}", value(column, of, rng))
        }
    }
}

/// Two rows that follow one another have each other's values.
fn swap(rng: &mut Rng) -> String {
    let n = rng.u32(1..6);
    let m = n + 1;
    if rng.bool() {
        return format!(
            "UPDATE piece_production p
             SET timestamp_production = q.timestamp_production, details = q.details
             FROM piece_production q WHERE q.session_id = p.session_id
                 AND (p.numero_piece, q.numero_piece) IN (({n}, {m}), ({m}, {n}))"
        );
    }
    format!(
        "UPDATE periode_attente p
         SET (timestamp_debut, timestamp_fin, duree_secondes)
             = (q.timestamp_debut, q.timestamp_fin, q.duree_secondes)
         FROM periode_attente q WHERE q.session_id = p.session_id
             AND (p.numero, q.numero) IN (({n}, {m}), ({m}, {n}))"
    )
}

fn rows(rng: &mut Rng) -> String {
    let (table, number) = DETAILS[rng.usize(..DETAILS.len())];
    let n = rng.u32(1..20);
    match rng.u8(..5) {
        0 => format!("DELETE FROM {table} WHERE {number} % 3 = 0"),
        1 => format!("DELETE FROM {table} WHERE {number} = {n}"),
        2 => format!("UPDATE {table} SET {number} = {number} + 100000 WHERE {number} >= {n}"),
        3 => format!("UPDATE {table} SET {number} = NULL WHERE {number} = {n}"),
        _ => {
            "INSERT INTO periode_arret (session_id, timestamp_debut, timestamp_fin, duree_secondes)
              SELECT id, now(), now(), 60 FROM session_production"
                .into()
        }
    }
}

/// What people do to centres and sessions through a program that sets keys to NULL before it deletes.
fn orm(rng: &mut Rng) -> String {
    let days = rng.i64(-400..400);
    match rng.u8(..6) {
        4 => format!("UPDATE session_production SET date_production = date_production + {days}"),
        5 => format!(
            "INSERT INTO centre_usinage (nom, type_cu) VALUES ('AUTRE', 'x') ON CONFLICT DO NOTHING;
             UPDATE session_production SET date_production = date_production + {} * {days},
                 centre_usinage_id = (SELECT id FROM centre_usinage WHERE nom = 'AUTRE')",
            rng.u8(..2)
        ),
        0 => "UPDATE centre_usinage SET nom = nom || '+' WHERE length(nom) < 20".into(),
        1 => "UPDATE session_production SET centre_usinage_id = NULL; DELETE FROM centre_usinage"
            .into(),
        2 => {
            let tables = ["piece_production", "periode_attente", "periode_arret", "job_profil"];
            let freed = tables.map(|table| format!("UPDATE {table} SET session_id = NULL;"));
            format!("{} DELETE FROM session_production", freed.concat())
        }
        _ => "DELETE FROM cu_agent_machine".into(),
    }
}

/// The replaced service runs once more: the header with its figures, details without numbers.
fn python(rng: &mut Rng) -> String {
    let n = rng.i64(1..90);
    format!(
        "UPDATE session_production SET total_pieces = total_pieces - 1, temps_attente = {n},
             taux_occupation = {n}, fichier_log_source = 'x.LOG';
         DELETE FROM periode_attente; DELETE FROM periode_arret; DELETE FROM job_profil;
         INSERT INTO periode_attente (session_id, timestamp_debut, timestamp_fin, duree_secondes)
         SELECT id, '2025-05-28 05:00', '2025-05-28 05:01', {n} FROM session_production;
         INSERT INTO job_profil (session_id, reference) SELECT id, 'r{n}' FROM session_production"
    )
}
