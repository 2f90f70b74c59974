//! The limit: the same rows by plain COPY, table after table over one connection, into a second
//! database with the same tables, indexes and keys.

use std::time::Instant;

use super::{
    Cost,
    load::Central,
    support::postgres::{Cluster, Database},
};

const TABLES: [&str; 6] = [
    "centre_usinage",
    "session_production",
    "job_profil",
    "periode_attente",
    "periode_arret",
    "piece_production",
];

pub fn copy(cluster: &Cluster, from: &Database<'_>, central: &mut Central) -> Cost {
    let into = cluster.database();
    into.psql(&cu_agent::sync::postgres::migration_script("postgres"));
    let files = super::support::postgres::server_folder();
    let file = |table: &str| files.join(table).display().to_string();
    let all = || TABLES.iter().chain(&["anomalie"]);
    for table in all() {
        from.psql(&format!("COPY (SELECT * FROM {table}) TO '{}'", file(table)));
    }
    central.checkpoint();
    let script: String =
        all().map(|table| format!("COPY {table} FROM '{}';\n", file(table))).collect();
    let cpu_before = central.cpu_seconds();
    let begun = Instant::now();
    into.psql(&script);
    let cost = Cost {
        wall: begun.elapsed().as_secs_f64(),
        central_cpu: central.cpu_seconds() - cpu_before,
        agents_cpu: 0.0,
    };
    for table in all() {
        assert_eq!(into.count(table), from.count(table), "{table}");
    }
    std::fs::remove_dir_all(&files).unwrap();
    // Its room is wanted for what follows.
    from.psql(&format!("DROP DATABASE {}", into.name));
    cost
}
