//! Settings that somebody made for the role, the database or the whole server, with other programs in mind:
//! what the agent delivers, heals and checks is the same as without them, directly and through PgBouncer.

use cu_agent::sync::postgres::migration_script;
use fastrand::Rng;

use crate::support::{
    agent::Agent,
    folder::Folder,
    golden::{self, Case},
    pgbouncer::{PgBouncer, Pool},
    postgres::{Cluster, Database, Options, servers_speak_french},
    rows::{assert_same, central_sessions, truth},
    scene::Scene,
    wait,
};

/// A schema of the plant's own, in which everything is looked for and made.
const SCHEMA: &str = "Usine 2";
const ACCESS_METHOD: &str = "autre";

/// Each with values of which one is drawn. Those that the server does not have are left out.
const SETTINGS: &[(&str, &[&str])] = &[
    ("DateStyle", &["SQL, DMY", "German", "Postgres, MDY"]),
    ("IntervalStyle", &["sql_standard", "iso_8601"]),
    ("TimeZone", &["Pacific/Chatham", "America/St_Johns", "UTC"]),
    ("lc_messages", &["fr_FR.UTF-8"]),
    ("default_transaction_isolation", &["serializable", "repeatable read"]),
    ("default_transaction_deferrable", &["on"]),
    ("search_path", &[SCHEMA]),
    ("statement_timeout", &["1s"]),
    ("idle_in_transaction_session_timeout", &["1s", "50ms"]),
    ("idle_session_timeout", &["1s"]),
    ("transaction_timeout", &["1s"]),
    ("lock_timeout", &["1s"]),
    ("bytea_output", &["escape"]),
    ("standard_conforming_strings", &["off"]),
    ("backslash_quote", &["off"]),
    ("escape_string_warning", &["off"]),
    ("array_nulls", &["off"]),
    ("client_encoding", &["LATIN1", "SQL_ASCII"]),
    ("extra_float_digits", &["-15"]),
    ("row_security", &["off"]),
    ("transform_null_equals", &["on"]),
    ("quote_all_identifiers", &["on"]),
    ("session_replication_role", &["replica"]),
    ("check_function_bodies", &["off"]),
    ("exit_on_error", &["on"]),
    ("client_min_messages", &["debug5", "error"]),
    ("synchronous_commit", &["off", "local", "remote_apply"]),
    ("default_table_access_method", &[ACCESS_METHOD]),
    ("default_tablespace", &["disparu"]),
    ("temp_tablespaces", &["disparu"]),
    ("default_toast_compression", &["pglz"]),
    ("password_encryption", &["md5"]),
    ("work_mem", &["64kB"]),
    ("temp_file_limit", &["0"]),
    ("jit", &["on", "off"]),
    ("max_parallel_workers", &["0"]),
    ("max_parallel_workers_per_gather", &["0", "8"]),
    ("parallel_setup_cost", &["0"]),
    ("force_parallel_mode", &["on", "regress"]),
    ("debug_parallel_query", &["on", "regress"]),
    ("plan_cache_mode", &["force_generic_plan", "force_custom_plan"]),
    ("join_collapse_limit", &["1"]),
    ("from_collapse_limit", &["1"]),
    ("geqo_threshold", &["2"]),
    ("constraint_exclusion", &["on"]),
    ("enable_hashjoin", &["off"]),
    ("enable_mergejoin", &["off"]),
    ("enable_nestloop", &["off"]),
    ("enable_indexscan", &["off"]),
    ("enable_bitmapscan", &["off"]),
    ("enable_seqscan", &["off"]),
    ("enable_hashagg", &["off"]),
    ("enable_sort", &["off"]),
    ("enable_material", &["off"]),
    ("enable_memoize", &["off"]),
    ("log_statement", &["all"]),
    ("log_min_duration_statement", &["0"]),
    ("log_parameter_max_length_on_error", &["-1"]),
    ("debug_print_plan", &["on"]),
    ("restrict_nonsystem_relation_kind", &["view, foreign-table"]),
];

/// Where a setting is made.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Place {
    Role,
    RoleInDatabase,
    Database,
    Server,
}

const PLACES: [Place; 4] = [Place::Role, Place::RoleInDatabase, Place::Database, Place::Server];

#[derive(Debug)]
struct Made {
    name: &'static str,
    value: &'static str,
    place: Place,
}

/// Half of what the server has, each in one place; of what the planner may not do one thing.
fn draw(rng: &mut Rng, cluster: &Cluster, is_pooled: bool) -> Vec<Made> {
    let known = cluster.try_psql("postgres", "SELECT lower(name) FROM pg_settings").unwrap();
    let is_known = |name: &str| known.lines().any(|line| line == name.to_lowercase());
    let names = SETTINGS.iter().map(|(name, _)| *name);
    let planner: Vec<_> = names.filter(|name| name.starts_with("enable_")).collect();
    let planner = *rng.choice(&planner).unwrap();
    let mut made = Vec::new();
    for &(name, values) in SETTINGS {
        if rng.bool() || !is_known(name) || name == "lc_messages" && !servers_speak_french() {
            continue;
        }
        // Without any way of joining PostgreSQL itself takes minutes.
        if name.starts_with("enable_") && name != planner {
            continue;
        }
        // Through a pooler the very first answer would bring its own plan along.
        if is_pooled && name == "debug_print_plan" {
            continue;
        }
        let value = *rng.choice(values).unwrap();
        let mut place = rng.choice(PLACES).unwrap();
        // Where everybody looks, or the tests would not find what was made; and a table space that is gone
        // is refused elsewhere.
        if ["search_path", "default_tablespace", "temp_tablespaces"].contains(&name) {
            place = Place::Database;
        }
        made.push(Made { name, value, place });
    }
    made
}

fn alter(place: Place, db: &Database<'_>, role: &str, change: &str) -> String {
    match place {
        Place::Role => format!("ALTER ROLE {role} {change};\n"),
        Place::RoleInDatabase => format!("ALTER ROLE {role} IN DATABASE {} {change};\n", db.name),
        Place::Database => format!("ALTER DATABASE {} {change};\n", db.name),
        Place::Server => format!("ALTER SYSTEM {change};\n"),
    }
}

/// Runs `script`, whose changes of the server every later log-in has.
fn settle(db: &Database<'_>, script: &str) {
    let mark = format!("{:.6}", fastrand::f64());
    let end = format!(";\nALTER SYSTEM SET geqo_seed = {mark};\nSELECT pg_reload_conf();");
    db.psql(&format!("{script}{end}"));
    wait::until("the server has read its settings", wait::PATIENCE, || {
        db.psql("SELECT current_setting('geqo_seed')::numeric")
            == db.psql(&format!("SELECT {mark}::float8::numeric"))
    });
}

const PASSWORD: &str = "mot de passe à taire";

/// A role that owns its database, and a schema in it.
fn owner(db: &Database<'_>) -> String {
    let role = db.role();
    db.psql(&format!(
        "ALTER ROLE {role} PASSWORD '{PASSWORD}';
         ALTER DATABASE {} OWNER TO {role};
         ALTER SCHEMA public OWNER TO {role};
         CREATE SCHEMA \"{SCHEMA}\" AUTHORIZATION {role};
         CREATE ACCESS METHOD {ACCESS_METHOD} TYPE TABLE HANDLER heap_tableam_handler;",
        db.name
    ));
    role
}

/// Everything arrives, what was lost comes back, the same again changes nothing, `check` finds nothing.
fn chain(db: &Database<'_>, agent: &Agent, case: &Case) {
    let truth = truth(case);
    agent.once().read_all();
    assert_same("at first", &central_sessions(db), &truth);
    db.psql(
        "DELETE FROM piece_production WHERE numero_piece % 3 = 0; DELETE FROM anomalie;
         DELETE FROM periode_attente WHERE numero = 1",
    );
    agent.once().read_all();
    assert_same("after a loss", &central_sessions(db), &truth);
    let then = db.psql("SELECT max(date_maj), count(*) FROM session_production");
    agent.once().read_all();
    assert_eq!(db.psql("SELECT max(date_maj), count(*) FROM session_production"), then);
    agent.command(&["check"]).succeeded();
}

fn seed() -> u64 {
    let fixed = std::env::var("CU_TEST_SEED").ok();
    fixed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap())
}

/// `CU_TEST_DRAWS` of them; one for everybody.
fn draws() -> u64 {
    std::env::var("CU_TEST_DRAWS").ok().map_or(1, |text| text.parse().unwrap())
}

#[test]
fn whatever_was_set_for_role_database_or_server_every_row_arrives_and_heals() {
    let options = Options {
        locale: servers_speak_french().then_some("fr_FR"),
        settings: vec!["wal_writer_delay=10s".into()],
        ..Options::default()
    };
    let cluster = Cluster::start_new(&options);
    let cases: Vec<Case> =
        golden::cases().into_iter().filter(|case| !case.expected.is_empty()).collect();
    let first = seed();
    for number in 0..draws() {
        let seed = first.wrapping_add(number);
        let mut rng = Rng::with_seed(seed);
        let is_pooled = seed % 2 == 1;
        let made = draw(&mut rng, &cluster, is_pooled);
        let case = rng.choice(&cases).unwrap();
        println!(
            "CU_TEST_SEED={seed} CU_TEST_DRAWS=1, pooled: {is_pooled}, {}: {made:?}",
            case.name
        );
        let db = cluster.database();
        let role = owner(&db);
        let change = |made: &Made| {
            alter(made.place, &db, &role, &format!("SET {} = '{}'", made.name, made.value))
        };
        settle(&db, &made.iter().map(change).collect::<String>());
        if rng.bool() {
            db.psql(&migration_script(&role));
        }
        let bouncer = is_pooled
            .then(|| PgBouncer::with(&cluster, &[(&role, PASSWORD)], Pool::transactions(2, 50)));
        let folder = Folder::of_case(case);
        let mut agent = Agent::on_directory(folder.path());
        agent.set_central(&db.config_as(&role, PASSWORD));
        if let Some(bouncer) = &bouncer {
            agent.set("central.port", i64::from(bouncer.port));
        }
        chain(&db, &agent, case);
        settle(&db, "ALTER SYSTEM RESET ALL");
    }
    assert!(!cluster.log().contains(PASSWORD), "the server's log holds the password");
}

#[test]
fn read_only_by_a_setting_is_named_everywhere_and_never_overridden() {
    let cluster = Cluster::start_new(&Options::default());
    for place in PLACES {
        let mut scene = Scene::on(cluster.database(), 31);
        let role = owner(&scene.database);
        scene.agent.set_central(&scene.database.config_as(&role, PASSWORD));
        scene.day();
        scene.once().succeeded();
        let set = alter(place, &scene.database, &role, "SET default_transaction_read_only = on");
        settle(&scene.database, &set);
        scene.day();
        scene.once().says("read-only");
        assert_eq!(scene.central_state(), "down", "{place:?}");
        let check = scene.agent.command(&["check"]).says("read-only");
        assert_ne!(check.code, 0, "{place:?}: {check}");
        let unset = alter(place, &scene.database, &role, "RESET default_transaction_read_only");
        settle(&scene.database, &unset);
        scene.assert_equal_after_once();
    }
}

#[test]
fn what_was_confirmed_survives_a_crash_though_the_server_need_not_write_at_once() {
    let mut cluster = Cluster::start_new(&Options {
        settings: ["synchronous_commit=off", "wal_writer_delay=10s", "bgwriter_delay=10s"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    });
    let name = cluster.database().name;
    for is_pooled in [false, true] {
        let mut scene = Scene::on(Database { cluster: &cluster, name: name.clone() }, 32);
        let bouncer = is_pooled.then(|| PgBouncer::before(&cluster, &[]));
        if let Some(bouncer) = &bouncer {
            scene.agent.set("central.port", i64::from(bouncer.port));
        }
        scene.agent.set("agent.id", format!("essai-{is_pooled}"));
        scene.database.psql(
            "DROP TABLE IF EXISTS centre_usinage, session_production, piece_production, job_profil,
                 periode_attente, periode_arret, anomalie, cu_agent_machine, agent_edge,
                 cu_agent_migration, cu_agent_fusion CASCADE",
        );
        scene.days(2);
        scene.assert_equal_after_once();
        let (truth, pieces) = (scene.plant.truth(), scene.database.count("piece_production"));
        drop(scene);
        cluster.kill();
        cluster.start();
        let database = Database { cluster: &cluster, name: name.clone() };
        assert_eq!(database.count("piece_production"), pieces, "pooled: {is_pooled}");
        assert_same("after the crash", &central_sessions(&database), &truth);
    }
}

#[test]
fn an_event_trigger_that_refuses_changes_of_tables_holds_up_no_session() {
    let mut scene = Scene::new(33);
    scene.day();
    scene.once().succeeded();
    scene.database.psql(
        "CREATE FUNCTION refuser() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'no DDL outside of the maintenance window'; END $$;
         CREATE EVENT TRIGGER pas_de_ddl ON ddl_command_start EXECUTE FUNCTION refuser();",
    );
    scene.day();
    scene.assert_equal_after_once();
    // A migration that is due is refused by name, and the link is down until it may pass.
    scene.database.psql("DELETE FROM cu_agent_migration WHERE version = 7");
    scene.day();
    scene.once().says("maintenance window");
    assert_eq!(scene.central_state(), "down");
    scene.database.psql("DROP EVENT TRIGGER pas_de_ddl");
    scene.assert_equal_after_once();
}
