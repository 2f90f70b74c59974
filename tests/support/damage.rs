//! What people do to central by hand.

use super::postgres::Database;

/// Every third piece and every stop of the days from `since` on.
pub fn delete_rows(since: &str) -> String {
    let sessions = format!("SELECT id FROM session_production WHERE date_production >= '{since}'");
    format!(
        "DELETE FROM piece_production WHERE numero_piece % 3 = 0 AND session_id IN ({sessions});
         DELETE FROM periode_arret WHERE session_id IN ({sessions})"
    )
}

/// One whole session of the days from `since` on, chosen by chance.
pub fn delete_a_session(since: &str) -> String {
    format!(
        "DO $$
         DECLARE s INTEGER := (SELECT id FROM session_production
             WHERE date_production >= '{since}' ORDER BY random() LIMIT 1);
         BEGIN
             DELETE FROM piece_production WHERE session_id = s;
             DELETE FROM periode_attente WHERE session_id = s;
             DELETE FROM periode_arret WHERE session_id = s;
             DELETE FROM job_profil WHERE session_id = s;
             DELETE FROM session_production WHERE id = s;
         END $$"
    )
}

/// From now on central takes no session.
pub fn refuse_sessions(database: &Database<'_>) {
    database.psql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON session_production
             FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
}

pub fn take_sessions_again(database: &Database<'_>) {
    database.psql("DROP FUNCTION refuse() CASCADE");
}
