//! A central that is not central, or one that lies: what it is told, how long it is listened to, how much
//! memory it costs, and what its lies do to the buffer.

use std::time::{Duration, Instant};

use cu_agent::{
    config::{CentralConfig, CentralTls, Secret},
    sync::postgres::{Central, CentralError},
};

use crate::support::{
    central::{claims, day},
    costs::peak_kib_of,
    postgres::{Cluster, Database, Options},
    rogue_postgres::{Lie, Phase, Rogue, Values, announced, log_in, message},
    scene::Scene,
    wait,
};

const PASSWORD: &str = "a password that must not travel";

fn config(rogue: &Rogue, tls: CentralTls, only_scram: bool) -> CentralConfig {
    CentralConfig {
        host: "127.0.0.1".parse().unwrap(),
        port: rogue.port,
        database: "production".into(),
        user: "cu_agent".into(),
        password: Secret::new(PASSWORD),
        tls,
        only_scram,
        ca_file: None,
        connect_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
    }
}

#[test]
fn a_server_that_was_not_verified_gets_the_password_in_no_form_that_can_be_read_or_guessed() {
    let notice = message(b'N', b"SWARNING\0C01000\0Mhello\0\0");
    let mechanisms = log_in(10, b"SCRAM-SHA-256\0\0");
    for (asks, words) in [
        (log_in(3, b""), "in clear text"),
        (log_in(5, b"salt"), "md5"),
        (log_in(7, b""), "other than by password"),
        (log_in(0, b""), "no password"),
        ([notice, log_in(3, b"")].concat(), "in clear text"),
        // The mechanisms, and then no proof.
        ([mechanisms, log_in(0, b"")].concat(), "no password"),
    ] {
        let rogue = Rogue::lying(Phase::LogIn, Lie::Only(asks));
        let error =
            Central::connect(&config(&rogue, CentralTls::Disable, true), "t").err().unwrap();
        assert!(matches!(error, CentralError::WeakLogIn { .. }), "{words}: {error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("central.require_auth"), "{error}");
        assert!(!rogue.heard(PASSWORD.as_bytes()) && !rogue.heard(b"md5"), "{words}");
    }
    // Allowed, it is answered as before.
    for (asks, sent) in [(log_in(3, b""), PASSWORD.as_bytes()), (log_in(5, b"salt"), b"md5")] {
        let rogue = Rogue::lying(Phase::LogIn, Lie::Only(asks));
        Central::connect(&config(&rogue, CentralTls::Disable, false), "t").err().unwrap();
        assert!(rogue.heard(sent));
    }
}

#[test]
fn a_real_server_that_wants_md5_is_refused_by_name_until_the_key_allows_it() {
    let cluster = Cluster::start_new(&Options {
        settings: vec!["password_encryption=md5".into()],
        ..Options::default()
    });
    cluster.allow("md5");
    let mut scene = Scene::on(cluster.database(), 71);
    scene.agent.set_central(&scene.database.config_as("vieux", "secret"));
    scene.database.psql("CREATE ROLE vieux LOGIN SUPERUSER PASSWORD 'secret'");
    scene.day();
    scene.once().exited(3).says("as an md5 hash").says("central.require_auth");
    let note = "somebody between gateway and server could read and change all data";
    scene.agent.command(&["check"]).exited(1).says("as an md5 hash").says(note);
    scene.agent.set("central.require_auth", "any");
    scene.assert_equal_after_once();
    scene.agent.command(&["check"]).succeeded().says("and obtain the password");
}

#[test]
fn who_asked_for_a_verified_server_is_never_told_to_do_without() {
    let mut scene = Scene::new(72);
    scene.day();
    for tls in ["require", "verify-full"] {
        scene.agent.set("central.tls", tls);
        scene.once().exited(3).says("does not offer TLS").does_not_say("\"disable\"");
        scene.agent.command(&["check"]).exited(1).does_not_say("\"disable\"");
    }
}

/// Every phase of the dialogue, every way of never coming to an end.
fn lies() -> Vec<(Phase, Lie)> {
    use Phase::{Answer, LogIn, StartUp, TlsAnswer, TlsHandshake};
    let mut lies = Vec::new();
    for phase in [TlsAnswer, TlsHandshake, LogIn, StartUp, Answer] {
        lies.push((phase, Lie::Silence));
        lies.push((phase, Lie::Endless(vec![0])));
    }
    for phase in [TlsHandshake, LogIn, StartUp, Answer] {
        lies.push((phase, Lie::Drip(b'N')));
    }
    // A handshake record in small pieces, and empty ones.
    lies.push((TlsHandshake, Lie::Endless(vec![22, 3, 3, 0, 1, 2])));
    lies.push((TlsHandshake, Lie::Endless(vec![22, 3, 3, 0, 0])));
    for phase in [LogIn, StartUp, Answer] {
        for tag in *b"RSTDENKAZ" {
            lies.push((phase, Lie::Only(announced(tag, 0x7fff_ffff))));
        }
        let huge = [announced(b'D', 2 << 20), vec![0; 64 << 10]].concat();
        for endless in [
            message(b'N', b"SNOTICE\0C00000\0Mx\0\0"),
            message(b'S', b"TimeZone\0UTC\0"),
            message(b'A', &[0; 6]),
            message(b'D', &[0, 0]),
            message(b'E', &[b'x'; 9000]),
            announced(b'D', 0x7fff_ffff),
            huge,
        ] {
            lies.push((phase, Lie::Endless(endless)));
        }
    }
    lies
}

#[test]
fn a_server_that_never_comes_to_an_end_costs_a_bounded_time_in_every_phase() {
    let all = lies();
    assert!(all.len() > 50);
    // Many at once: most of them wait.
    std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(16)) {
            scope.spawn(move || {
                for (phase, lie) in part {
                    let rogue = Rogue::lying(*phase, lie.clone());
                    let tls = match phase {
                        Phase::TlsAnswer | Phase::TlsHandshake => CentralTls::Require,
                        _ => CentralTls::Disable,
                    };
                    let begun = Instant::now();
                    let connected = Central::connect(&config(&rogue, tls, false), "t");
                    // The first question is part of it, with five seconds of grace.
                    assert!(connected.is_err(), "{phase:?}");
                    let took = begun.elapsed();
                    assert!(took < Duration::from_secs(12), "{phase:?}: {took:?}, {lie:?}");
                }
            });
        }
    });
}

#[test]
fn a_server_without_an_end_costs_bounded_memory_and_collecting_goes_on() {
    for lie in [
        Lie::Endless(message(b'D', &[0, 0])),
        Lie::Endless(message(b'N', b"SNOTICE\0C00000\0Mx\0\0")),
        Lie::Endless([announced(b'D', 0x7fff_ffff), vec![b'x'; 60_000]].concat()),
    ] {
        let rogue = Rogue::lying(Phase::Answer, lie.clone());
        let mut scene = Scene::new(73);
        scene.agent.set("central.port", i64::from(rogue.port));
        scene.agent.set("central.require_auth", "any");
        let running = scene.agent.run();
        wait::until("it was tried twice", wait::PATIENCE, || rogue.connections() >= 2);
        scene.day();
        let expected = scene.sessions();
        wait::until("what the machines wrote is read", wait::PATIENCE, || {
            scene.agent.status_number("sessions") == expected
        });
        let peak_kib = peak_kib_of(running.id()).unwrap();
        assert!(peak_kib < 64 << 10, "{peak_kib} KiB: {lie:?}");
        assert!(!running.log().contains("panicked"), "{}", running.log());
    }
}

#[test]
fn whatever_a_server_says_its_values_neither_stop_the_work_nor_harm_the_buffer() {
    for seed in 0..300 {
        let rogue = Rogue::answering(Values::Drawn(seed));
        let Ok(mut central) = Central::connect(&config(&rogue, CentralTls::Disable, false), "t")
        else {
            continue;
        };
        let mut claims = claims("ligne-1", "b", "i");
        let keys = [("DEM12", day("2025-05-28")), ("SU12", day("2025-05-29"))];
        if central.schema_state().is_err() {
            continue;
        }
        for _ in 0..3 {
            match central.states(&mut claims, &keys) {
                Ok(states) => {
                    assert_eq!(states.sessions.len(), keys.len());
                    for claimed in states.claimed {
                        assert!(claimed.to_string().chars().count() < 1000);
                        assert!(!claimed.to_string().contains('\u{1b}'));
                    }
                }
                Err(_) => break,
            }
        }
    }
    // The whole agent; then it meets the real one, and every row comes to be right.
    let mut scene = Scene::new(74);
    let port = i64::from(scene.database.cluster.port);
    scene.day();
    scene.agent.set("central.require_auth", "any");
    let mut rogues: Vec<_> = (1000..1008).map(Values::Drawn).collect();
    rogues.extend([Values::NoRows, Values::Honest]);
    for values in rogues {
        let rogue = Rogue::answering(values);
        scene.agent.set("central.port", i64::from(rogue.port));
        let output = scene.once().does_not_say("panicked").does_not_say("out of range integral");
        assert!([0, 3].contains(&output.code), "{values:?}: {output}");
        scene.agent.command(&["status"]).does_not_say("\u{1b}").does_not_say("damaged");
    }
    scene.agent.set("central.port", port);
    scene.assert_equal_after_once();
}

/// One role makes, in `public`, a better match for every operator and for the functions that the
/// statements use.
const TRAPS: &str = "
GRANT CREATE ON SCHEMA public TO piegeur;
CREATE TABLE prise (quoi TEXT); GRANT ALL ON prise TO PUBLIC;
SET ROLE piegeur;
DO $traps$
DECLARE
    types TEXT[] := ARRAY['varchar', 'text', 'name', 'smallint', 'integer', 'bigint', 'numeric',
        'double precision', 'date', 'timestamp', 'timestamptz', 'interval', 'boolean', 'bytea'];
    arrays TEXT[] := ARRAY['text[]', 'integer[]', 'bigint[]', 'date[]', 'bytea[]', 'timestamp[]', 'varchar[]'];
    a TEXT;
    b TEXT;
    f TEXT;
BEGIN
    CREATE FUNCTION caught(TEXT) RETURNS VOID LANGUAGE plpgsql SECURITY INVOKER AS
        $f$ BEGIN RAISE EXCEPTION 'caught: % as %', $1, current_user; END $f$;
    FOREACH a IN ARRAY types || arrays LOOP
        FOREACH f IN ARRAY ARRAY['count', 'min', 'max', 'sum', 'unnest', 'round', 'trunc', 'length',
                'coalesce_', 'to_char', 'rtrim', 'now', 'concat_ws', 'current_setting', 'to_regclass'] LOOP
            EXECUTE format('CREATE FUNCTION %I(%s) RETURNS SETOF TEXT LANGUAGE plpgsql AS
                $f$ BEGIN PERFORM caught(%L); END $f$', f, a, f || ' ' || a);
        END LOOP;
        FOREACH b IN ARRAY types LOOP
            EXECUTE format('CREATE FUNCTION op(%s, %s) RETURNS BOOLEAN LANGUAGE plpgsql AS
                $f$ BEGIN PERFORM caught(%L); END $f$', a, b, a || ' op ' || b);
            FOREACH f IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '/', '||'] LOOP
                CONTINUE WHEN EXISTS (SELECT FROM pg_operator WHERE oprname = f
                    AND oprnamespace = 'pg_catalog'::regnamespace
                    AND oprleft = a::regtype AND oprright = b::regtype);
                EXECUTE format('CREATE OPERATOR %s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = op)', f, a, b);
            END LOOP;
            FOREACH f IN ARRAY ARRAY['string_to_array', 'to_char', 'concat_ws', 'round', 'rtrim', 'encode',
                    'get_byte', 'current_setting'] LOOP
                EXECUTE format('CREATE FUNCTION %I(%s, %s) RETURNS TEXT LANGUAGE plpgsql AS
                    $f$ BEGIN PERFORM caught(%L); END $f$', f, a, b, f);
            END LOOP;
            CONTINUE WHEN a = 'text' AND b = 'text';
            FOREACH f IN ARRAY ARRAY['replace', 'string_to_array'] LOOP
                EXECUTE format('CREATE FUNCTION %I(%s, %s, text) RETURNS TEXT LANGUAGE plpgsql AS
                    $f$ BEGIN PERFORM caught(%L); END $f$', f, a, b, f);
            END LOOP;
            EXECUTE format('CREATE FUNCTION substr(text, %s, %s) RETURNS TEXT LANGUAGE plpgsql AS
                $f$ BEGIN PERFORM caught(%L); END $f$', a, b, 'substr');
        END LOOP;
    END LOOP;
END
$traps$;";

#[test]
fn what_another_role_made_in_public_is_never_called_with_the_agent_s_rights() {
    let mut scene = Scene::new(75);
    let db = &scene.database;
    let role = db.role();
    db.psql(&cu_agent::sync::postgres::migration_script(&role));
    db.psql("DO $$ BEGIN CREATE ROLE piegeur; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    db.psql(TRAPS);
    // They do catch who does not look.
    for unwary in
        ["'x'::varchar = 'x'::text", "count(nom) FROM centre_usinage", "* FROM unnest(ARRAY['x'])"]
    {
        let error = db.try_psql(&format!(
            "INSERT INTO centre_usinage (nom, type_cu) VALUES ('x', 'x'); SELECT {unwary}"
        ));
        assert!(error.is_err_and(|error| error.contains("caught")), "{unwary}");
        db.psql("TRUNCATE centre_usinage CASCADE");
    }
    scene.agent.set_central(&scene.database.config_as(&role, &role));
    scene.part_of_day();
    scene.once().succeeded();
    // Known sessions are another statement than new ones, and the service has them kept.
    scene.part_of_day();
    scene.once().succeeded();
    let running = scene.agent.run();
    for _ in 0..3 {
        let read = |scene: &Scene<'_>| scene.agent.status_json()["raw_bytes"].clone();
        let before = read(&scene);
        scene.part_of_day();
        wait::until("it is read and delivered", wait::PATIENCE, || {
            read(&scene) != before && scene.agent.status_number("pending_sessions") == 0
        });
    }
    running.terminate().0.does_not_say("caught");
    let revoke = "REVOKE CREATE ON SCHEMA public FROM \"piegeur\"";
    scene.agent.command(&["check"]).says(revoke);
    scene.database.psql(revoke);
    scene.agent.command(&["check"]).does_not_say("REVOKE");
    // The comparison is written as people write it.
    scene.database.psql("DROP OWNED BY piegeur CASCADE");
    scene.assert_equal_after_once();
    assert_eq!(scene.database.count("agent_edge"), 1);
}

#[test]
fn migrations_do_not_run_among_functions_of_others() {
    let db = Database::fresh();
    let other = db.role();
    db.psql(&format!(
        "GRANT CREATE ON SCHEMA public TO {other}; SET ROLE {other};
         CREATE FUNCTION now(TEXT) RETURNS TEXT LANGUAGE sql AS 'SELECT $1'"
    ));
    let mut central = Central::connect(&db.config(), "t").unwrap();
    let error = central.migrate().unwrap_err();
    assert!(matches!(error, CentralError::ForeignFunction { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&other) && error.to_string().contains("now(text)"),
        "{error}"
    );
    let refused = db.try_psql(&cu_agent::sync::postgres::migration_script("postgres")).unwrap_err();
    assert!(refused.contains(&other), "{refused}");
    assert_eq!(db.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    db.psql("DROP FUNCTION now(TEXT)");
    central.migrate().unwrap();
}
