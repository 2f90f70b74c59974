//! Tables that people changed, and sequences that are not what the rows need: each is named with a statement
//! that mends it, run here as it is printed; what can arrive arrives meanwhile, and nothing is lost.

use crate::support::{postgres::Cluster, scene::Scene};

/// What, and what is done to empty tables.
const CHANGES: &[(&str, &str)] = &[
    ("a column made generated", "ALTER TABLE session_production DROP COLUMN temps_attente_brut CASCADE;
        ALTER TABLE session_production ADD COLUMN temps_attente_brut numeric(18,4)
            GENERATED ALWAYS AS (temps_attente) STORED"),
    ("a column that the agent does not know", "ALTER TABLE piece_production ADD COLUMN \"Lot d'essai\" text NOT NULL"),
    ("a column made NOT NULL", "ALTER TABLE session_production ALTER heure_premier_machine_start SET NOT NULL,
        ALTER cadence_nominale SET NOT NULL"),
    ("a dropped column", "ALTER TABLE session_production DROP COLUMN taux_trs CASCADE"),
    ("a renamed column", "ALTER TABLE piece_production RENAME details TO texte"),
    ("a narrower column", "ALTER TABLE piece_production ALTER details TYPE varchar(3)"),
    ("a rule", "CREATE RULE \"Rien\" AS ON INSERT TO periode_attente DO INSTEAD NOTHING"),
    ("a trigger that keeps nothing", "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER \"Rien\" BEFORE INSERT ON session_production FOR EACH ROW EXECUTE FUNCTION nothing()"),
    ("numbers used up in a table of details", "SELECT setval('piece_production_id_seq', 2147483647)"),
    ("numbers used up in a table that others refer to", "SELECT setval('session_production_id_seq', 2147483647)"),
    ("a sequence with an end", "ALTER SEQUENCE periode_attente_id_seq MAXVALUE 2"),
    ("a small sequence", "ALTER SEQUENCE piece_production_id_seq AS smallint;
        SELECT setval('piece_production_id_seq', 32767)"),
    ("an id without a default", "ALTER TABLE piece_production ALTER id DROP IDENTITY"),
    ("a sequence of nobody's, elsewhere", "CREATE SCHEMA \"Num\"; CREATE SEQUENCE \"Num\".\"Suite d'ici\" MAXVALUE 5;
        ALTER TABLE piece_production ALTER id DROP IDENTITY,
            ALTER id SET DEFAULT nextval('\"Num\".\"Suite d''ici\"')"),
];

/// The statements that are printed for an administrator, each once.
pub(super) fn printed(text: &str) -> Vec<String> {
    let mut mends: Vec<String> = text
        .lines()
        .filter(|line| line.contains("central: "))
        .flat_map(|line| line.split("must run: ").skip(1))
        .map(|mend| mend.split(" (or `cu-agent").next().unwrap().trim().to_owned())
        .collect();
    mends.sort();
    mends.dedup();
    mends
}

fn change(index: usize, what: &str, change: &str) {
    let mut scene = Scene::new(80 + index as u64);
    scene.once().succeeded();
    scene.database.psql(change);
    scene.days(2);
    let output = scene.once();
    assert_eq!(output.code, 3, "{what}: {output}");
    scene.assert_nothing_half_written(what);
    let check = scene.agent.command(&["check"]);
    let mends = printed(&check.stdout);
    assert!(!mends.is_empty(), "{what}: {check}");
    let logged = printed(&output.stderr);
    assert!(!logged.is_empty() || output.stderr.contains("must run: "), "{what}: {output}");
    for mend in &mends {
        let done = scene.database.try_psql(mend);
        assert!(done.is_ok(), "{what}: {mend}: {done:?}");
    }
    scene.assert_equal_after_once();
    scene.agent.command(&["check"]).succeeded();
}

#[test]
fn each_change_of_central_s_tables_is_named_with_a_statement_that_mends_it() {
    let numbered: Vec<_> = CHANGES.iter().enumerate().collect();
    std::thread::scope(|scope| {
        for part in numbered.chunks(numbered.len().div_ceil(2)) {
            scope.spawn(move || {
                for (index, (what, sql)) in part {
                    change(*index, what, sql);
                }
            });
        }
    });
}

/// All but one sequence, as a restore leaves them.
const BEHIND: &str = "SELECT setval(pg_get_serial_sequence(t, 'id'), 1, FALSE)
    FROM unnest(ARRAY['piece_production', 'session_production', 'centre_usinage', 'job_profil']) t";

#[test]
fn sequences_that_are_behind_are_mended_by_central_migrate_or_by_the_administrator_s_script() {
    let mut scene = Scene::new(99);
    scene.days(3);
    scene.assert_equal_after_once();
    scene.database.psql(BEHIND);
    scene.days(2);
    let output = scene.once().exited(3).says("is behind the rows");
    let reason = output.stderr;
    assert!(reason.contains("must run: SELECT setval('public."), "{reason}");
    let migrated = scene.agent.command(&["central", "migrate"]).succeeded();
    assert!(
        migrated.stdout.contains("fixed: sequence public.piece_production_id_seq"),
        "{migrated}"
    );
    scene.assert_equal_after_once();

    // A role without rights on a sequence that belongs to another table's owner, and is behind.
    let role = scene.database.role();
    scene.database.psql(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         CREATE SEQUENCE \"Suite\";
         ALTER TABLE piece_production ALTER id DROP IDENTITY,
             ALTER id SET DEFAULT nextval('\"Suite\"')"
    ));
    scene.agent.set_central(&scene.database.config_as(&role, &role));
    scene.day();
    scene.once().exited(3).says(&format!("GRANT USAGE ON SEQUENCE public.\"Suite\" TO \"{role}\""));
    let script = scene.agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
    scene.database.psql(&script);
    scene.assert_equal_after_once();
}

#[test]
fn a_view_in_the_place_of_a_table_is_named_and_a_trigger_s_error_costs_its_own_session_only() {
    let cluster = Cluster::shared();
    let mut scene = Scene::on(cluster.database(), 98);
    scene.once().succeeded();
    scene.database.psql(
        "ALTER TABLE job_profil RENAME TO job_reel;
         CREATE VIEW job_profil AS SELECT DISTINCT * FROM job_reel",
    );
    scene.days(2);
    scene.once().exited(3).says("job_profil is a view");
    scene.agent.command(&["check"]).says("job_profil is a view");
    scene.database.psql("DROP VIEW job_profil; ALTER TABLE job_reel RENAME TO job_profil");
    scene.assert_equal_after_once();
    // Its code is one of a change of the tables; that it comes from a function says that it is none.
    scene.database.psql(
        "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.date_production = '2025-09-05' THEN PERFORM 1 FROM nowhere; END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER odd BEFORE INSERT ON session_production FOR EACH ROW EXECUTE FUNCTION odd()",
    );
    scene.days(3);
    scene.once().exited(3);
    let status = scene.agent.status_json();
    assert_eq!(status["central"]["state"], "up", "{status:#}");
    assert!(status["set_aside_sessions"].as_i64().unwrap() < 4, "{status:#}");
    scene.database.psql("DROP TRIGGER odd ON session_production");
    scene.assert_equal_after_once();
}
