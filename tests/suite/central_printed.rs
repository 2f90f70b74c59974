//! Everything that is printed for an administrator is run here as it is printed, by psql, on servers of
//! other encodings and settings than the one that it was written on.

use crate::support::{
    agent::Agent,
    folder::Folder,
    postgres::{Cluster, Database},
    scene::Scene,
};

const LOG: &str = "DEM12 (PVC)/20250603.LOG";
const PIECE: &[u8] = b"20250603 05:00:00|@StukUitgevoerd: 1 A\n";
/// What a printed script has to quote.
const ROLE: &str = r"it's \ a role";

/// A machine whose names hold characters that few encodings have.
fn agent(folder: &Folder, db: &Database<'_>) -> Agent {
    folder.put(LOG, PIECE);
    let mut agent = Agent::on_directory(folder.path()).central(db);
    agent.set("source.0.folders.DEM12 (PVC).nom", "L'été – 木 №1");
    agent.set("source.0.folders.DEM12 (PVC).old_names", vec!["Découpe – 1".to_owned()]);
    agent
}

fn script(agent: &Agent) -> String {
    agent.command(&["central", "migrate", "--print"]).succeeded().stdout
}

/// Texts of the agent's objects in central.
fn objects(db: &Database<'_>) -> String {
    db.psql(
        "SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relname LIKE 'v\\_%' AND relkind = 'v'
         ORDER BY 1;
         SELECT version, checksum FROM cu_agent_migration ORDER BY 1",
    )
}

#[test]
fn the_printed_migrations_make_on_every_encoding_what_the_agent_makes_there_itself() {
    for encoding in ["KOI8R", "UTF8", "LATIN1", "WIN1250", "SQL_ASCII", "EUC_JP"] {
        let (printed, own) =
            (Cluster::shared().database_in(encoding), Cluster::shared().database_in(encoding));
        let folder = Folder::of_three_machines();
        let by_itself = agent(&folder, &own);
        by_itself.command(&["central", "migrate"]).succeeded();
        let agent = agent(&folder, &printed);
        let done = printed.try_psql(&script(&agent));
        assert!(done.is_ok(), "{encoding}: {done:?}");
        assert_eq!(objects(&printed), objects(&own), "{encoding}");
        agent.once().succeeded();
        // Twice does no harm.
        let done = printed.try_psql(&script(&agent));
        assert!(done.is_ok(), "{encoding}: {done:?}");
        agent.once().succeeded();
        assert_eq!(printed.count("session_production"), 1, "{encoding}");
    }
}

#[test]
fn old_names_are_merged_by_the_printed_script_in_what_the_database_holds_of_them() {
    for (encoding, old) in
        [("KOI8R", "Decoupe - 1"), ("LATIN1", "Découpe - 1"), ("UTF8", "Découpe – 1")]
    {
        for printed in [true, false] {
            let db = Cluster::shared().database_in(encoding);
            let folder = Folder::of_three_machines();
            let agent = agent(&folder, &db);
            agent.once().succeeded();
            db.psql(&format!(
                "\\encoding UTF8\nINSERT INTO centre_usinage (nom, type_cu) VALUES ('{old}', 'x');
                 INSERT INTO session_production (centre_usinage_id, date_production)
                 SELECT id, '2025-06-02' FROM centre_usinage WHERE nom = '{old}'"
            ));
            if printed {
                db.psql(&script(&agent));
            } else {
                agent.command(&["central", "migrate"]).succeeded().says("with 1 session;");
            }
            assert_eq!(
                db.psql(
                    "SELECT count(*), count(DISTINCT centre_usinage_id) FROM session_production"
                ),
                "2|1",
                "{encoding}, printed: {printed}"
            );
        }
    }
}

/// psql of somebody for whom, or in whose database, a backslash is an escape.
fn with_escapes(db: &Database<'_>, script: &str) -> Result<String, String> {
    db.try_psql(&format!(
        "SET escape_string_warning = off;\nSET standard_conforming_strings = off;\n{script}"
    ))
}

#[test]
fn where_a_backslash_escapes_printed_statements_do_what_they_say() {
    let db = Database::fresh();
    db.psql(&format!(
        "ALTER DATABASE {} SET standard_conforming_strings = off;
         DO $$ BEGIN CREATE ROLE \"{ROLE}\" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        db.name
    ));
    let folder = Folder::of_three_machines();
    let mut printing = agent(&folder, &db);
    printing.set("central.user", ROLE);
    let done = with_escapes(&db, &script(&printing));
    assert!(done.is_ok(), "{done:?}");
    let granted = format!(
        "SELECT has_table_privilege('{}', 'piece_production', 'INSERT')",
        ROLE.replace('\'', "''")
    );
    assert_eq!(db.psql(&granted), "t");
    let own = Database::fresh();
    agent(&folder, &own).command(&["central", "migrate"]).succeeded();
    assert_eq!(objects(&db), objects(&own));
    // The role's own setting, and what an administrator runs about a sequence of a difficult name.
    let mut scene = Scene::on(Cluster::shared().database(), 77);
    let role = scene.database.role();
    scene.database.psql(&format!("ALTER ROLE {role} SET standard_conforming_strings = off"));
    scene.days(3);
    scene.once().succeeded();
    scene.database.psql(&format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
         CREATE SEQUENCE \"d'ici \\ là\";
         ALTER TABLE piece_production ALTER id DROP IDENTITY,
             ALTER id SET DEFAULT nextval('\"d''ici \\ là\"');
         GRANT USAGE ON SEQUENCE \"d'ici \\ là\" TO {role}"
    ));
    scene.agent.set_central(&scene.database.config_as(&role, &role));
    scene.days(2);
    scene.once().exited(3);
    let check = scene.agent.command(&["check"]).exited(1);
    let mends = super::central_altered::printed(&check.stdout);
    assert!(mends.iter().any(|mend| mend.contains("setval(E'")), "{check}");
    for mend in &mends {
        let done = with_escapes(&scene.database, mend);
        assert!(done.is_ok(), "{mend}: {done:?}");
    }
    scene.assert_equal_after_once();
}
