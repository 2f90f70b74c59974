//! A server that speaks French: what it refuses is told by codes and routines, never by its words, and is
//! treated as in English.

use std::{fs, path::Path, sync::OnceLock};

use crate::support::{
    central::{Feeder, chain, grown, session},
    postgres::{Cluster, Database, Options},
    scene::Scene,
};
use crate::tree;
use cu_agent::{
    config::CentralConfig,
    sync::postgres::{Central, CentralError},
};

/// One server that speaks English and one that speaks French, log-ins included.
fn servers() -> [(&'static str, &'static Cluster); 2] {
    static FRENCH: OnceLock<Cluster> = OnceLock::new();
    let french = FRENCH.get_or_init(|| {
        let settings = vec!["lc_messages=fr_FR.UTF-8".to_owned()];
        Cluster::start_new(&Options { settings, locale: Some("fr_FR"), ..Options::default() })
    });
    [("English", Cluster::shared()), ("French", french)]
}

/// The words of a refusal, causes included.
fn refusal(config: &CentralConfig) -> (CentralError, String) {
    let error = Central::connect(config, "cu-agent tests").map(|_| ()).unwrap_err();
    let text = chain(&error);
    (error, text)
}

/// The statement that a text tells an administrator to run.
#[track_caller]
fn printed<'t>(text: &'t str, begin: &str) -> &'t str {
    let from = text.find(begin).unwrap_or_else(|| panic!("no `{begin}` in: {text}"));
    text[from..].split(')').next().unwrap()
}

#[test]
fn what_a_policy_keeps_out_keeps_no_other_session_out_in_any_language() {
    let arrived = servers().map(|(language, cluster)| {
        let mut scene = Scene::on(cluster.database(), 71);
        let role = scene.database.role();
        scene.once().succeeded();
        scene.database.psql(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
             ALTER TABLE centre_usinage ENABLE ROW LEVEL SECURITY;
             CREATE POLICY others ON centre_usinage USING (true) WITH CHECK (nom <> 'DEMALU');
             ALTER TABLE session_production ENABLE ROW LEVEL SECURITY;
             CREATE POLICY others ON session_production USING (true)
                 WITH CHECK (date_production <> '2025-09-02')"
        ));
        scene.agent.set_central(&scene.database.config_as(&role, &role));
        scene.days(3);
        scene.once().exited(3);
        let status = scene.agent.status_json();
        assert_eq!(status["central"]["state"], "up", "{language}: {status:#}");
        assert_eq!(status["set_aside_sessions"], status["pending_sessions"], "{language}: {status:#}");
        let reason = status["set_aside"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("42501"), "{language}: {reason}");
        scene.assert_nothing_half_written(language);
        let arrived = scene.database.psql(
            "SELECT c.nom, s.date_production FROM session_production s
             JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1, 2",
        );
        scene.database.psql(
            "DROP POLICY others ON centre_usinage; CREATE POLICY all_of_them ON centre_usinage USING (true);
             DROP POLICY others ON session_production;
             CREATE POLICY all_of_them ON session_production USING (true)",
        );
        scene.assert_equal_after_once();
        arrived
    });
    assert!(
        arrived[0].contains("SU12|2025-09-03") && !arrived[0].contains("DEMALU"),
        "{arrived:?}"
    );
    assert_eq!(arrived[0], arrived[1]);
}

#[test]
fn a_column_whose_type_changes_under_an_open_connection_is_written_all_the_same_in_any_language() {
    for (language, cluster) in servers() {
        let db = cluster.database();
        let mut feeder = Feeder::new(&db);
        let mut before = session("DEM12", "2025-05-28", 10);
        feeder.sync(std::slice::from_ref(&before));
        for (revision, change) in (2..).zip([
            "session_production ALTER agent_id TYPE VARCHAR(200)",
            "session_production ALTER revision TYPE INTEGER",
            "session_production ALTER id TYPE BIGINT",
            "piece_production ALTER numero_piece TYPE BIGINT",
            "centre_usinage ALTER nom TYPE TEXT",
            "cu_agent_machine ALTER centre_usinage_id TYPE INTEGER",
        ]) {
            db.psql(&format!(
                "DROP VIEW IF EXISTS v_session_formule_origine, v_production_horaire, v_production_jour,
                     v_profil, v_matiere, v_anomalie, v_trs_poste, v_trs_jour, v_trs_semaine,
                     v_trs_mois CASCADE;
                 ALTER TABLE {change}"
            ));
            let after = session("DEM12", "2025-05-28", 10 + revision);
            let mut sent = grown(after.clone(), &before);
            sent.revision = revision.into();
            before = after;
            before.revision = revision.into();
            let told = feeder.try_sync(&[sent]).map(|_| db.count("piece_production"));
            assert_eq!(told.ok(), Some(u64::from(10 + revision)), "{language}: {change}");
        }
    }
}

#[test]
fn each_obstacle_to_a_log_in_names_its_own_mend_and_the_mend_mends_in_any_language() {
    for (language, cluster) in servers() {
        let db = cluster.database();
        let role = db.role();
        let config = db.config_as(&role, &role);
        let obstacles = [
            (format!("ALTER ROLE {role} NOLOGIN"), "ALTER ROLE"),
            (format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", db.name), "GRANT CONNECT"),
            (format!("ALTER ROLE {role} CONNECTION LIMIT 0"), "ALTER ROLE"),
            (format!("ALTER DATABASE {} CONNECTION LIMIT 0", db.name), "ALTER DATABASE"),
        ];
        for (obstacle, mend) in obstacles {
            db.psql(&obstacle);
            let (error, text) = refusal(&config);
            assert!(!text.contains("password"), "{language}, {obstacle}: {text}");
            db.psql(printed(&error.to_string(), mend));
            Central::connect(&config, "cu-agent tests").expect(&obstacle);
        }
        // Seen from another database: nobody may be in one that is closed.
        let other = Database { cluster, name: "postgres".into() };
        other.psql(&format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", db.name));
        let (error, text) = refusal(&config);
        assert!(!text.contains("password"), "{language}: {text}");
        other.psql(printed(&error.to_string(), "ALTER DATABASE"));
        Central::connect(&config, "cu-agent tests").unwrap();

        let (_, text) = refusal(&CentralConfig { database: "none".into(), ..config.clone() });
        assert!(
            text.contains("central.database") && !text.contains("password"),
            "{language}: {text}"
        );
        db.psql(&format!("ALTER ROLE {role} VALID UNTIL '2020-01-01'"));
        let (_, text) = refusal(&config);
        assert!(text.contains("VALID UNTIL"), "{language}: {text}");
        db.psql(&format!("ALTER ROLE {role} VALID UNTIL 'infinity'"));
        Central::connect(&config, "cu-agent tests").unwrap();
    }
    // A cluster of its own would cost seconds: the French one is this module's alone.
    let (_, french) = servers()[1];
    let db = french.database();
    french.keep_out(&db.name);
    let (error, text) = refusal(&db.config());
    assert!(matches!(error, CentralError::LogIn { .. }) && text.contains("pg_hba.conf"), "{text}");
    assert!(!text.contains("central.password"), "{text}");
}

/// Where nothing may be decided by what a server says; its words are only shown.
#[test]
fn nothing_of_central_is_told_by_the_server_s_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in tree::files(&root) {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        if !name.starts_with("sync/") && !name.starts_with("deliver/") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().map(str::trim) {
            // Shown: a notice in the log, and the reason of a refusal.
            let shown = line.contains("printable(notice.message()")
                || line.starts_with("let mut text = format!(\"{} ({})\", db.message()");
            let decides =
                [".message()", "detail()", "hint()"].iter().any(|words| line.contains(words));
            let compares = ["reason", "text", "message", "error", "said"].iter().any(|name| {
                line.contains(&format!("{name}.contains("))
                    || line.contains(&format!("{name}.starts_with("))
            });
            if decides && !shown || compares {
                found.push(format!("{name}: {line}"));
            }
        }
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "use the SQLSTATE, and the routine or the fields beside it"
    );
}
