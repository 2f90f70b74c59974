//! What central holds, read back by SQL in the shape of the golden cases: one JSON object a
//! (machine, production day), decimals as strings with the column's digits.

use serde_json::Value;

use super::postgres::Database;

const STAMP: &str = "'YYYY-MM-DD HH24:MI:SS.MS'";

/// All sessions of a database with all their details, by machine and day.
pub fn central_rows(database: &Database) -> Vec<Value> {
    let text = database.psql(&query());
    serde_json::from_str::<Vec<Value>>(text.trim())
        .unwrap_or_else(|e| panic!("central's rows are no JSON: {e}\n{text}"))
}

/// The keys of a golden session that stand in central, all of which are compared.
pub const KEYS: [&str; 18] = [
    "date_production",
    "total_pieces",
    "heure_premiere_piece",
    "heure_derniere_piece",
    "heure_premier_machine_start",
    "heure_dernier_machine_stop",
    "duree_production_totale",
    "temps_attente",
    "temps_arret_volontaire",
    "temps_production_effectif",
    "taux_occupation",
    "taux_attente",
    "taux_arret_volontaire",
    "temps_attente_brut",
    "temps_arret_brut",
    "pieces",
    "attentes",
    "arrets",
];

fn query() -> String {
    let stamp = |column: &str| format!("to_char({column}, {STAMP})");
    let header = [
        "heure_premiere_piece",
        "heure_derniere_piece",
        "heure_premier_machine_start",
        "heure_dernier_machine_stop",
    ]
    .map(|column| format!("'{column}', {}", stamp(&format!("s.{column}"))))
    .join(", ");
    let decimals = [
        "duree_production_totale",
        "temps_attente",
        "temps_arret_volontaire",
        "temps_production_effectif",
        "taux_occupation",
        "taux_attente",
        "taux_arret_volontaire",
        "temps_attente_brut",
        "temps_arret_brut",
    ]
    .map(|column| format!("'{column}', s.{column}::text"))
    .join(", ");
    let details = |table: &str, columns: &str, number: &str| {
        format!(
            "(SELECT coalesce(json_agg(json_build_array({columns}) ORDER BY d.{number}), '[]') \
             FROM {table} d WHERE d.session_id = s.id)"
        )
    };
    // The numbers must be 1..n without a gap: `numbered` is true only then.
    let numbered = |table: &str, number: &str| {
        format!(
            "(SELECT count(*) = coalesce(max(d.{number}), 0) AND count(*) = count(DISTINCT d.{number}) \
             AND coalesce(min(d.{number}), 1) = 1 FROM {table} d WHERE d.session_id = s.id)"
        )
    };
    let pieces = details(
        "piece_production",
        &format!("{}, d.details", stamp("d.timestamp_production")),
        "numero_piece",
    );
    let waits = details(
        "periode_attente",
        &format!("{}, d.duree_secondes", stamp("d.timestamp_debut")),
        "numero",
    );
    let stops = details(
        "periode_arret",
        &format!("{}, {}", stamp("d.timestamp_debut"), stamp("d.timestamp_fin")),
        "numero",
    );
    let jobs = details(
        "job_profil",
        &format!("{}, d.reference, d.longueur::text, d.couleur", stamp("d.timestamp_debut")),
        "numero",
    );
    let all_numbered = [
        numbered("piece_production", "numero_piece"),
        numbered("periode_attente", "numero"),
        numbered("periode_arret", "numero"),
        numbered("job_profil", "numero"),
    ]
    .join(" AND ");
    format!(
        "SELECT coalesce(json_agg(json_build_object('machine', c.nom, 'type_cu', c.type_cu, \
         'date_production', to_char(s.date_production, 'YYYY-MM-DD'), \
         'total_pieces', s.total_pieces, {header}, {decimals}, \
         'fichier_log_source', s.fichier_log_source, 'numbered', {all_numbered}, \
         'pieces', {pieces}, 'attentes', {waits}, 'arrets', {stops}, 'jobs', {jobs}) \
         ORDER BY c.nom, s.date_production), '[]') \
         FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id"
    )
}
