//! What people and other programs do to central by hand, by an API or by an ORM: centres renamed, deleted and
//! made again, sessions deleted, rows overwritten. Nothing is doubled, nothing is orphaned, what the agent
//! delivered comes back, and whoever wrote is named.

use crate::support::{
    agent::{Agent, FOLDERS},
    folder::Folder,
    golden,
    postgres::Database,
};

/// What an agent of the golden days delivered, and the means to look at it.
pub(super) struct Plant<'c> {
    pub db: Database<'c>,
    pub folder: Folder,
    pub agent: Agent,
}

impl Plant<'_> {
    pub fn delivered() -> Self {
        let db = Database::fresh();
        let folder = Folder::of_three_machines();
        for case in golden::cases().iter().take(2) {
            folder.put_case(case);
        }
        let agent = Agent::on_directory(folder.path()).central(&db);
        agent.once().succeeded();
        assert_eq!(agent.status_number("pending_sessions"), 0);
        Self { db, folder, agent }
    }

    pub fn psql(&self, script: &str) -> String {
        self.db.psql(script)
    }

    /// As another program of that name does it.
    fn as_program(&self, name: &str, script: &str) {
        self.psql(&format!("SET application_name = '{name}'; {script}"));
    }

    /// Everything that the agent delivered but numbers of rows, what centres are called, and times of writing.
    pub fn held(&self) -> String {
        self.psql(
            "SELECT s.machine, s.date_production, s.total_pieces, s.evenements, s.temps_attente,
                    s.taux_occupation, s.fichier_log_source, s.agent_id, c.type_cu,
                    s.heure_premiere_piece
             FROM session_production s LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2;
             SELECT s.machine, s.date_production, d.numero_piece, d.timestamp_production, d.details
             FROM piece_production d LEFT JOIN session_production s ON s.id = d.session_id ORDER BY 1, 2, 3;
             SELECT s.machine, s.date_production, d.numero, d.timestamp_debut, d.timestamp_fin, d.duree_secondes
             FROM periode_attente d LEFT JOIN session_production s ON s.id = d.session_id ORDER BY 1, 2, 3;
             SELECT s.machine, s.date_production, d.numero, d.timestamp_debut, d.timestamp_fin, d.duree_secondes
             FROM periode_arret d LEFT JOIN session_production s ON s.id = d.session_id ORDER BY 1, 2, 3;
             SELECT s.machine, s.date_production, d.numero, d.reference, d.longueur, d.couleur
             FROM job_profil d LEFT JOIN session_production s ON s.id = d.session_id ORDER BY 1, 2, 3",
        )
    }

    /// Numbers of sessions, for what was moved and not sent again.
    pub fn numbers(&self) -> String {
        self.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM session_production")
    }
}

/// What SQLAlchemy sends for `session.delete(centre)`: each child's key to NULL by its own number, then the row.
const DELETE_CENTRE: &str = "DO $$ DECLARE s RECORD; BEGIN
    FOR s IN SELECT id FROM session_production WHERE centre_usinage_id =
            (SELECT id FROM centre_usinage WHERE nom = 'DEM12') ORDER BY id LOOP
        UPDATE session_production SET centre_usinage_id = NULL WHERE session_production.id = s.id;
    END LOOP;
    DELETE FROM centre_usinage WHERE nom = 'DEM12';
END $$";

/// And for `session.delete(session)`, with as many rows changed as it counts on.
const DELETE_SESSION: &str = "DO $$ DECLARE s BIGINT; d RECORD; n INTEGER; BEGIN
    SELECT id INTO s FROM session_production WHERE machine = 'DEM12' ORDER BY date_production LIMIT 1;
    FOR d IN SELECT 'piece_production' AS t, id FROM piece_production WHERE session_id = s
             UNION ALL SELECT 'periode_attente', id FROM periode_attente WHERE session_id = s
             UNION ALL SELECT 'periode_arret', id FROM periode_arret WHERE session_id = s
             UNION ALL SELECT 'job_profil', id FROM job_profil WHERE session_id = s LOOP
        EXECUTE format('UPDATE %I SET session_id = NULL WHERE id = $1', d.t) USING d.id;
        GET DIAGNOSTICS n = ROW_COUNT;
        IF n <> 1 THEN RAISE EXCEPTION 'StaleDataError: expected to update 1 row, % were matched', n; END IF;
    END LOOP;
    DELETE FROM session_production WHERE id = s;
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n <> 1 THEN RAISE EXCEPTION 'StaleDataError: expected to delete 1 row, % were matched', n; END IF;
END $$";

#[test]
fn a_renamed_centre_keeps_its_name_and_goes_on_being_fed() {
    let plant = Plant::delivered();
    let (held, numbers) = (plant.held(), plant.numbers());
    plant.psql("UPDATE centre_usinage SET nom = 'Centre 12' WHERE nom = 'DEM12'");
    plant.agent.once().succeeded().says("machine DEM12 is \"Centre 12\" in central");
    assert_eq!(plant.numbers(), numbers, "nothing was sent again");
    assert_eq!(plant.held(), held);
    // A new day goes there too, even if somebody made a centre of the old name.
    plant.psql("INSERT INTO centre_usinage (nom, type_cu) VALUES ('DEM12', 'autre')");
    let case = &golden::cases()[2];
    plant.folder.put_case(case);
    plant.agent.once().succeeded();
    assert_eq!(
        plant.psql(
            "SELECT c.nom, count(DISTINCT s.date_production) = count(*), count(s.id) > 0
             FROM centre_usinage c LEFT JOIN session_production s ON s.centre_usinage_id = c.id
             WHERE c.nom IN ('DEM12', 'Centre 12') GROUP BY 1 ORDER BY 1"
        ),
        "Centre 12|t|t\nDEM12|f|f"
    );
    plant.agent.command(&["check"]).succeeded().says("machine DEM12 is \"Centre 12\" in central");
    plant.agent.command(&["status"]).succeeded().says("machine DEM12 is \"Centre 12\" in central");
    assert_eq!(plant.agent.status_json()["in_central"]["renamed"][0]["centre"], "Centre 12");
    // Somebody tidies the claims away: the sessions still say which centre it is.
    let numbers = plant.numbers();
    plant.psql("DELETE FROM cu_agent_machine");
    plant.agent.once().succeeded();
    assert_eq!(plant.numbers(), numbers);
    // And back.
    plant.psql(
        "DELETE FROM centre_usinage WHERE nom = 'DEM12';
         UPDATE centre_usinage SET nom = 'DEM12' WHERE nom = 'Centre 12'",
    );
    plant.agent.once().succeeded().does_not_say("in central; it is delivered");
    plant.agent.command(&["status"]).succeeded().does_not_say("Centre 12");
}

#[test]
fn two_centres_whose_names_were_swapped_and_a_new_machine_of_a_taken_name_stay_apart() {
    let plant = Plant::delivered();
    let held = plant.held();
    plant.psql(
        "UPDATE centre_usinage SET nom = 'x' WHERE nom = 'DEM12';
         UPDATE centre_usinage SET nom = 'DEM12' WHERE nom = 'SU12';
         UPDATE centre_usinage SET nom = 'SU12' WHERE nom = 'x'",
    );
    plant.agent.once().succeeded();
    assert_eq!(plant.held(), held);
    // DEMALU's centre is given the name of a machine that comes later.
    plant.psql("UPDATE centre_usinage SET nom = 'NEUF' WHERE nom = 'DEMALU'");
    let folder = Folder::of_three_machines();
    folder.put_case(&golden::cases()[0]);
    let mut other = Agent::on_directory(folder.path()).central(&plant.db);
    let (name, ..) = FOLDERS[0];
    other.map_folders(0, &[(name, "NEUF")]);
    other.set("agent.id", "autre");
    other.once().succeeded();
    other.command(&["check"]).succeeded().says("machine NEUF is \"NEUF (2)\" in central");
    assert_eq!(
        plant.psql(
            "SELECT count(DISTINCT s.machine) FROM session_production s JOIN centre_usinage c
             ON c.id = s.centre_usinage_id GROUP BY c.id HAVING count(DISTINCT s.machine) > 1"
        ),
        "",
        "no centre holds two machines"
    );
}

#[test]
fn a_centre_deleted_by_an_orm_is_made_again_once_and_gets_its_sessions_back() {
    let plant = Plant::delivered();
    let (held, numbers) = (plant.held(), plant.numbers());
    plant.psql(DELETE_CENTRE);
    plant
        .agent
        .once()
        .succeeded()
        .says("sessions had lost their machine's centre")
        .does_not_say("sending again");
    assert_eq!(plant.numbers(), numbers, "moved, not sent again");
    assert_eq!(plant.held(), held);
    assert_eq!(plant.psql("SELECT count(*) FROM centre_usinage WHERE nom = 'DEM12'"), "1");
    assert_eq!(
        plant.psql(
            "SELECT count(*) FROM cu_agent_machine m WHERE NOT EXISTS
             (SELECT FROM centre_usinage c WHERE c.id = m.centre_usinage_id)"
        ),
        "0"
    );
    // An agent that holds nothing of them any more loses no day.
    plant.psql(DELETE_CENTRE);
    plant.agent.lose_buffer();
    for (folder, ..) in FOLDERS {
        for entry in std::fs::read_dir(plant.folder.path().join(folder)).unwrap().flatten() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    plant.agent.once().succeeded();
    assert_eq!(plant.held(), held);
    assert_eq!(plant.numbers(), numbers);
}

#[test]
fn sessions_orphaned_under_an_earlier_release_are_adopted_or_removed_if_their_day_is_there_again() {
    let plant = Plant::delivered();
    let held = plant.held();
    // As it was left: the centre deleted, everything sent again, the old rows without a centre.
    plant.psql(
        "CREATE TEMPORARY TABLE avant AS SELECT id FROM session_production WHERE machine = 'DEM12';
         INSERT INTO session_production (date_production, agent_id, tampon_id, evenements, total_pieces,
             fichier_log_source, revision)
         SELECT date_production, agent_id, tampon_id, evenements, total_pieces, fichier_log_source, revision
         FROM session_production WHERE machine = 'DEM12';
         INSERT INTO piece_production (session_id, numero_piece, timestamp_production)
         SELECT id, 1, now() FROM session_production WHERE centre_usinage_id IS NULL;
         INSERT INTO session_production (date_production, agent_id, evenements, total_pieces, fichier_log_source)
         VALUES ('2001-02-03', 'essai', 5, 0, 'SU12 (HYBRIDE)/20010203.LOG'),
                ('2001-02-04', 'essai', 5, 0, 'unknown'), ('2001-02-05', 'other', 5, 0, 'unknown')",
    );
    plant.agent.once().succeeded().says("1 session of this agent belongs to no centre");
    assert_eq!(
        plant.psql(
            "SELECT s.date_production, c.nom FROM session_production s
             LEFT JOIN centre_usinage c ON c.id = s.centre_usinage_id
             WHERE s.date_production < '2002-01-01' ORDER BY 1"
        ),
        "2001-02-03|SU12\n2001-02-04|\n2001-02-05|"
    );
    plant
        .agent
        .command(&["check"])
        .succeeded()
        .says("1 session that agents delivered is in no centre");
    plant.psql("DELETE FROM session_production WHERE date_production < '2002-01-01'");
    assert_eq!(plant.held(), held, "none is there twice");
}

#[test]
fn a_session_deleted_by_an_orm_leaves_nothing_behind_and_comes_back() {
    let plant = Plant::delivered();
    let held = plant.held();
    plant.psql(DELETE_SESSION);
    for table in ["piece_production", "periode_attente", "periode_arret", "job_profil"] {
        let orphans = plant.psql(&format!("SELECT count(*) FROM {table} WHERE session_id IS NULL"));
        assert_eq!(orphans, "0", "{table}");
    }
    plant.agent.once().succeeded();
    assert_eq!(plant.held(), held);
    // A role of the plant that may not delete a row does the same.
    let role = plant.db.role();
    plant.psql(&format!(
        "GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {role};
         SET ROLE {role};
         UPDATE piece_production SET session_id = NULL WHERE numero_piece = 1"
    ));
    assert_eq!(plant.psql("SELECT count(*) FROM piece_production WHERE session_id IS NULL"), "0");
    plant.agent.once().succeeded();
    assert_eq!(plant.held(), held);
    // Rows of people's own stay.
    plant.psql(
        "INSERT INTO session_production (date_production) VALUES ('2001-01-01');
         INSERT INTO periode_arret (session_id, timestamp_debut, timestamp_fin, duree_secondes)
         SELECT id, now(), now(), 5 FROM session_production WHERE agent_id IS NULL;
         UPDATE periode_arret SET session_id = NULL
         WHERE session_id = (SELECT id FROM session_production WHERE agent_id IS NULL)",
    );
    assert_eq!(plant.psql("SELECT count(*) FROM periode_arret WHERE session_id IS NULL"), "1");
    plant
        .agent
        .command(&["check"])
        .succeeded()
        .says("1 row of pieces, waits, stops or jobs belong to no session");
}

#[test]
fn type_and_description_of_the_configuration_are_written_and_everything_else_of_a_centre_is_people_s()
 {
    let mut plant = Plant::delivered();
    let centre = "SELECT nom, type_cu, description, actif FROM centre_usinage WHERE nom = 'DEM12'";
    plant.psql(
        "UPDATE centre_usinage SET description = 'par nous', actif = FALSE WHERE nom = 'DEM12'",
    );
    plant.agent.once().succeeded();
    assert_eq!(plant.psql(centre), "DEM12|DEM12|par nous|f", "no description is configured");
    plant.agent.set("source.0.folders.DEM12 (PVC).type_cu", "PVC rapide");
    plant.agent.once().succeeded().says("DEM12: type_cu and description");
    assert_eq!(plant.psql(centre), "DEM12|PVC rapide|par nous|f");
    plant.agent.set("source.0.folders.DEM12 (PVC).description", "Ligne 1, hall B");
    plant.agent.once().succeeded();
    assert_eq!(plant.psql(centre), "DEM12|PVC rapide|Ligne 1, hall B|f");
    plant.psql("UPDATE centre_usinage SET type_cu = 'x', description = 'y' WHERE nom = 'DEM12'");
    plant.agent.once().succeeded();
    assert_eq!(plant.psql(centre), "DEM12|PVC rapide|Ligne 1, hall B|f");
    plant.agent.once().succeeded().does_not_say("type_cu and description");
}

#[test]
fn another_writer_is_named_with_what_it_changed_and_what_is_people_s_is_nobody_s_business() {
    let plant = Plant::delivered();
    let notes = "SELECT application, role, nom_table, operation, machine FROM cu_agent_ecriture
                 ORDER BY nom_table, operation";
    assert_eq!(plant.psql(notes), "", "the agent's own writes are not noted");
    plant.as_program(
        "notebook",
        "ALTER TABLE session_production ADD COLUMN commentaire TEXT;
         UPDATE session_production SET commentaire = 'à revoir', date_maj = now();
         UPDATE centre_usinage SET description = 'x', actif = FALSE;
         UPDATE session_production SET total_pieces = total_pieces;
         INSERT INTO session_production (date_production) VALUES ('2001-01-01');
         DELETE FROM session_production WHERE date_production = '2001-01-01';
         INSERT INTO centre_usinage (nom, type_cu) VALUES ('à eux', 'x')",
    );
    assert_eq!(plant.psql(notes), "");
    let held = plant.held();
    plant.as_program(
        "python",
        "UPDATE session_production SET evenements = evenements - 1
         WHERE id = (SELECT min(id) FROM session_production WHERE machine = 'DEM12');
         DELETE FROM piece_production WHERE numero_piece = 2
             AND session_id = (SELECT min(id) FROM session_production WHERE machine = 'DEM12');
         UPDATE piece_production SET details = details || '' WHERE numero_piece < 100",
    );
    assert_eq!(
        plant.psql(notes),
        "python|postgres|piece_production|DELETE|DEM12\npython|postgres|session_production|UPDATE|DEM12"
    );
    let day = plant.psql("SELECT date_production FROM session_production WHERE machine = 'DEM12' ORDER BY id LIMIT 1");
    let said = format!("changed session_production of DEM12 {day}");
    plant
        .agent
        .once()
        .succeeded()
        .says("another writer: application `python` (role postgres, from")
        .says(&said);
    assert_eq!(plant.held(), held);
    plant.agent.once().succeeded().does_not_say("another writer");
    plant.agent.command(&["status"]).succeeded().says(&said);
    plant.agent.command(&["check"]).succeeded().says(&said).says("`python`");
    let writers = plant.agent.status_json()["in_central"]["writers"].clone();
    assert_eq!(writers[0]["application"], "python", "{writers}");
    assert_eq!(writers.as_array().unwrap().len(), 2, "{writers}");
}

#[test]
fn a_service_at_work_tells_of_another_writer_at_its_next_contact_and_puts_right_what_it_did() {
    let plant = Plant::delivered();
    let waits = format!(
        "SELECT count(*) FROM periode_attente WHERE session_id IN ({})",
        plant.numbers().replace(' ', ", ")
    );
    let count = || plant.psql(&waits).parse::<u64>().unwrap();
    let before = count();
    let running = plant.agent.run();
    running.wait_for_line("started");
    plant.as_program("tableur", "DELETE FROM periode_attente");
    // An idle service makes contact every five minutes, one with news at once.
    plant.folder.put_case(&golden::cases()[2]);
    running.wait_for_line("another writer: application `tableur`");
    // The growth may have brought one more.
    crate::support::wait::until("the waits are back", crate::support::wait::PATIENCE, || {
        count() >= before
    });
    running.terminate();
}

#[test]
fn noting_a_writer_never_fails_or_blocks_it_and_never_grows_without_end() {
    let plant = Plant::delivered();
    let one =
        "UPDATE session_production SET total_pieces = total_pieces + 1 WHERE machine = 'DEM12'";
    for _ in 0..5 {
        plant.as_program("x", one);
    }
    let days = plant.psql("SELECT count(*) FROM session_production WHERE machine = 'DEM12'");
    assert_eq!(
        plant.psql("SELECT count(*) FROM cu_agent_ecriture"),
        days,
        "one a minute and session"
    );
    // Serializable, a role without rights, a hostile path, a locked and then a missing table.
    let role = plant.db.role();
    plant.psql(&format!(
        "GRANT SELECT, UPDATE ON session_production TO {role};
         CREATE SCHEMA leurre; GRANT USAGE ON SCHEMA leurre TO PUBLIC;
         CREATE FUNCTION leurre.concat_ws(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS 'SELECT 1/0::text::int'"
    ));
    plant.psql(&format!(
        "SET ROLE {role}; SET search_path = leurre, public;
         BEGIN ISOLATION LEVEL SERIALIZABLE; {one}; COMMIT"
    ));
    assert!(
        plant.psql("SELECT string_agg(DISTINCT role, ' ') FROM cu_agent_ecriture").contains(&role)
    );
    plant.psql(&format!("ALTER TABLE cu_agent_ecriture RENAME TO ailleurs; {one}"));
    plant.psql("ALTER TABLE ailleurs RENAME TO cu_agent_ecriture");
    plant.psql(
        "UPDATE cu_agent_ecriture SET le = now() - interval '31 days'; DELETE FROM periode_arret",
    );
    plant.agent.once().succeeded();
    assert_eq!(
        plant.psql("SELECT count(*) FROM cu_agent_ecriture WHERE le < now() - interval '30 days'"),
        "0"
    );
}
