//! Years of a plant in central, made by the server itself, and what dashboards and the plant's REST API
//! ask of them.

use super::postgres::Database;

/// The days that `MONTH` of the questions is of.
const MONTH: [&str; 2] = ["2025-03-01", "2025-03-31"];

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Years {
    pub machines: u32,
    /// Working days, the last of them in March 2025.
    pub days: u32,
    /// Pieces of a session on average.
    pub pieces: u32,
    /// Whether rows lie anywhere in their tables, as after a takeover, and not in the order of time.
    pub is_scattered: bool,
}

impl Years {
    pub fn sessions(&self) -> u32 {
        self.machines * self.days
    }

    /// Fills the empty tables of a migrated `database`, in the order of time as agents would: of each day what
    /// each machine made in 25 minutes, and then what each made in the next. Each session has from half to one
    /// and a half of the average: from 05:00 to 20:00 a piece at even distances, a wait behind every second
    /// piece, a stop and a job for every 30.
    pub fn fill(&self, database: &Database<'_>) {
        let Self { machines, days, pieces, is_scattered } = self;
        let order =
            |in_time: &'static str| if *is_scattered { "md5(s.id || ' ' || n)" } else { in_time };
        database.psql(&format!(
            "SET session_replication_role = replica;
             SET synchronous_commit = off;
             SET work_mem = '256MB';
             INSERT INTO centre_usinage (nom, type_cu)
             SELECT 'CU' || to_char(n, 'FM00'), 'PVC' FROM generate_series(1, {machines}) n;
             INSERT INTO session_production (
                 centre_usinage_id, date_production, total_pieces, heure_premiere_piece,
                 heure_derniere_piece, duree_production_totale, temps_attente, temps_arret_volontaire,
                 temps_production_effectif, taux_occupation, taux_attente, taux_arret_volontaire,
                 temps_attente_brut, temps_arret_brut, fichier_log_source, agent_id, tampon_id,
                 revision, evenements, date_maj)
             SELECT c.id, d.jour, {pieces} / 2 + (d.n * 7919 + c.id * 104729) % ({pieces} + 1),
                    d.jour + interval '5 hours', d.jour + interval '20 hours', 15, 1.5, 0.5, 13,
                    86.67, 10, 3.33, 1.6, 0.5, c.nom || ' (PVC)/' || to_char(d.jour, 'YYYYMMDD') || '.LOG',
                    'ligne-' || c.id, 'tampon-' || c.id, 12, {pieces} * 2, d.jour + interval '20 hours'
             FROM (SELECT row_number() OVER (ORDER BY jour)::int AS n, jour
                   FROM (SELECT day::date AS jour
                         FROM generate_series('{last}'::date - {days} * 7 / 5 - 7, '{last}'::date,
                                              interval '1 day') day
                         WHERE extract(isodow FROM day) < 6
                         ORDER BY day DESC LIMIT {days}) x) d
             CROSS JOIN centre_usinage c ORDER BY d.jour, c.id;
             INSERT INTO piece_production (session_id, numero_piece, timestamp_production, details)
             SELECT s.id, n, date_trunc('second', s.heure_premiere_piece + n * (interval '15 hours' / (s.total_pieces + 1))),
                    '1 B' || 159464 + n || ' H' || n % 4 + 1
             FROM session_production s CROSS JOIN LATERAL generate_series(1, s.total_pieces) n
             ORDER BY {pieces_in_order};
             INSERT INTO periode_attente (session_id, numero, timestamp_debut, timestamp_fin, duree_secondes)
             SELECT s.id, n, s.heure_premiere_piece + n * interval '5 minutes',
                    s.heure_premiere_piece + n * interval '5 minutes' + interval '31 seconds', 31
             FROM session_production s CROSS JOIN LATERAL generate_series(1, s.total_pieces / 2) n
             ORDER BY {in_order};
             INSERT INTO periode_arret (session_id, numero, timestamp_debut, timestamp_fin, duree_secondes)
             SELECT s.id, n, s.heure_premiere_piece + n * interval '90 minutes',
                    s.heure_premiere_piece + n * interval '92 minutes', 120
             FROM session_production s CROSS JOIN LATERAL generate_series(1, s.total_pieces / 30) n
             ORDER BY {in_order};
             INSERT INTO job_profil (session_id, numero, reference, longueur, couleur, timestamp_debut)
             SELECT s.id, n, '61' || 12 + n % 9, 6584.59, (ARRAY['654', 'N/A', '9016'])[n % 3 + 1],
                    s.heure_premiere_piece + (n - 1) * (interval '15 hours' / (1 + s.total_pieces / 30))
             FROM session_production s CROSS JOIN LATERAL generate_series(1, s.total_pieces / 30) n;
             INSERT INTO anomalie (session_id, numero, code, gravite, timestamp_debut, valeur, texte)
             SELECT s.id, n, 'attente-longue', (ARRAY['faible', 'moyenne', 'forte'])[n],
                    s.heure_premiere_piece, 12, 'attente de 12 minutes'
             FROM session_production s CROSS JOIN LATERAL generate_series(1, s.id % 4) n;
             INSERT INTO temps_poste
             SELECT s.centre_usinage_id, s.date_production, n, (ARRAY['matin', 'après-midi'])[n],
                    s.date_production + (5 + 8 * (n - 1)) * interval '1 hour',
                    s.date_production + (13 + 8 * (n - 1)) * interval '1 hour', NULL, 28800000, 27600000,
                    23400000, 1200000, 2400000, 300000, 300000, s.total_pieces / 2, n, 60, NULL,
                    'CU' || to_char(s.centre_usinage_id, 'FM00')
             FROM (SELECT * FROM session_production ORDER BY id) s CROSS JOIN generate_series(1, 2) n;
             INSERT INTO agent_edge (agent_id, tampon_id, instance_id, hote, version, architecture,
                 intervalle_s, ecart_horloge_s, sessions_en_attente, liens, tampon_octets,
                 tampon_max_octets)
             SELECT 'ligne-' || c.id, 'tampon-' || c.id, 'x', 'ligne-' || c.id, '1.0.' || c.id % 3, 'arm64',
                    300, 0, 0, '[]', 1, 100 FROM centre_usinage c;
             RESET session_replication_role;",
            last = MONTH[1],
            pieces_in_order = order("s.date_production, n * 40 / s.total_pieces, s.id, n"),
            in_order = order("s.id, n"),
        ));
        database.psql("VACUUM (ANALYZE)");
    }
}

/// One question, and for which lines of the table it is asked.
pub struct Question {
    pub name: String,
    pub sql: String,
}

/// The views that show days of machines.
pub const VIEWS: [&str; 8] = [
    "v_production_jour",
    "v_production_horaire",
    "v_profil",
    "v_matiere",
    "v_session_formule_origine",
    "v_anomalie",
    "v_trs_poste",
    "v_trs_jour",
];

/// Each view for a month, as dashboards filter: the plant, a machine by its name, one by its number.
pub fn of_views() -> Vec<Question> {
    let month = format!("date_production BETWEEN '{}' AND '{}'", MONTH[0], MONTH[1]);
    let filters = [
        ("plant", month.clone()),
        ("machine", format!("{month} AND nom = 'CU07'")),
        ("machine by number", format!("centre_usinage_id = 7 AND {month}")),
    ];
    let mut all = Vec::new();
    for view in VIEWS {
        for (whose, filter) in &filters {
            all.push(Question {
                name: format!("{view}, {whose}"),
                sql: format!("SELECT * FROM {view} WHERE {filter}"),
            });
        }
    }
    for (view, periods) in [
        ("v_trs_semaine", "semaine BETWEEN '2025-W10' AND '2025-W13'"),
        ("v_trs_mois", "mois = '2025-03'"),
    ] {
        let filters = [("plant", ""), ("machine", " AND nom = 'CU07'")];
        for (whose, filter) in filters {
            all.push(Question {
                name: format!("{view}, {whose}"),
                sql: format!("SELECT * FROM {view} WHERE {periods}{filter}"),
            });
        }
    }
    all
}

/// What the REST API asks: lists of sessions, details of one session, statistics.
pub fn of_api() -> Vec<Question> {
    let month = format!("s.date_production BETWEEN '{}' AND '{}'", MONTH[0], MONTH[1]);
    let one = "(SELECT id FROM session_production WHERE centre_usinage_id = 7 AND date_production = '2025-03-20')";
    let question = |name: &str, sql: String| Question { name: name.to_owned(), sql };
    let mut all = vec![
        question(
            "sessions of a machine, newest 100",
            "SELECT * FROM session_production WHERE centre_usinage_id = 7
             ORDER BY date_production DESC LIMIT 100"
                .into(),
        ),
        question(
            "sessions of a month",
            format!("SELECT s.*, c.nom FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
             WHERE {month} ORDER BY s.date_production, c.nom"),
        ),
        question(
            "statistics per machine, a month",
            format!("SELECT c.nom, count(*), sum(s.total_pieces), avg(s.taux_occupation), sum(s.temps_attente)
             FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
             WHERE {month} GROUP BY c.nom ORDER BY c.nom"),
        ),
        question(
            "statistics per machine, all years",
            "SELECT c.nom, count(*), sum(s.total_pieces), avg(s.taux_occupation)
             FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id
             GROUP BY c.nom ORDER BY c.nom"
                .into(),
        ),
        question(
            "pieces between two moments",
            "SELECT * FROM piece_production
             WHERE timestamp_production BETWEEN '2025-03-20 08:00' AND '2025-03-20 09:00'
             ORDER BY timestamp_production"
                .into(),
        ),
        question(
            "pieces, the newest 100",
            "SELECT * FROM piece_production ORDER BY id DESC LIMIT 100".into(),
        ),
    ];
    for (what, table) in [("waits", "periode_attente"), ("stops", "periode_arret")] {
        all.push(question(
            &format!("{what} between two moments"),
            format!(
                "SELECT * FROM {table}
                 WHERE timestamp_debut BETWEEN '2025-03-20 08:00' AND '2025-03-20 11:00'
                 ORDER BY timestamp_debut"
            ),
        ));
        all.push(question(
            &format!("{what} of a month, summed by day"),
            format!(
                "SELECT timestamp_debut::date, count(*), sum(duree_secondes) FROM {table}
                 WHERE timestamp_debut BETWEEN '{}' AND '{}' GROUP BY 1 ORDER BY 1",
                MONTH[0], MONTH[1]
            ),
        ));
    }
    for (table, order) in [
        ("piece_production", "numero_piece"),
        ("periode_attente", "timestamp_debut"),
        ("periode_arret", "timestamp_debut"),
        ("job_profil", "timestamp_debut"),
    ] {
        all.push(question(
            &format!("{table} of a session"),
            format!("SELECT * FROM {table} WHERE session_id = {one} ORDER BY {order}"),
        ));
    }
    all
}
