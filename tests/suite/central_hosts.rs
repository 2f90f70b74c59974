//! Several servers in `central.host`: the first that can be written is central, whatever the others do,
//! and a failover is followed without anybody's help.

use std::time::{Duration, Instant};

use crate::support::{
    central::{Feeder, session},
    certificate::Certificate,
    http,
    net::free_port,
    pgbouncer::PgBouncer,
    postgres::{
        Cluster, Database, Options, PASSWORD, as_postgres, client_program, run, server_folder,
    },
    rogue_postgres::{Lie, Phase, Rogue, log_in, message},
    scene::Scene,
    seed::seed,
    wait,
};
use cu_agent::{
    config::{CentralConfig, CentralTls},
    sync::postgres::{Central, CentralError, Retry},
};

/// A hot standby that follows `primary`.
fn standby_of(primary: &Cluster) -> Cluster {
    let folder = server_folder();
    run(as_postgres(&client_program("pg_basebackup"))
        .env("PGPASSWORD", PASSWORD)
        .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &primary.port.to_string()])
        .args(["-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-D"])
        .arg(folder.join("data")));
    Cluster::on_data_in(folder)
}

fn wait_until_followed(database: &Database<'_>) {
    wait::until("the standby follows", wait::PATIENCE, || {
        database.psql(
            "SELECT count(*) FROM pg_stat_replication
             WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()",
        ) == "1"
    });
}

/// A server that answers the log-in with this SQLSTATE.
fn refusing(code: &str) -> Rogue {
    let text = format!("SFATAL\0VFATAL\0C{code}\0Mle serveur ne veut pas\0\0");
    Rogue::lying(Phase::LogIn, Lie::Only(message(b'E', text.as_bytes())))
}

fn connect(config: &CentralConfig, hosts: &[String]) -> Result<Central, CentralError> {
    let host = hosts.join(",").parse().unwrap();
    Central::connect(&CentralConfig { host, ..config.clone() }, "cu-agent tests")
}

/// Why a server is not central.
const REASONS: [&str; 11] = [
    "dead",
    "unknown",
    "silent",
    "57P03",
    "57P01",
    "53300",
    "08006",
    "clear password",
    "standby",
    "pooled standby",
    "read-only",
];

#[test]
fn the_first_server_that_can_be_written_is_central_whatever_the_others_do() {
    let primary = Cluster::start_new(&Options::default());
    let db = primary.database();
    Feeder::new(&db);
    let standby = standby_of(&primary);
    let pooled = PgBouncer::before(&standby, &[]);
    let other = Database::fresh();
    other.psql(&format!(
        "CREATE DATABASE {0}; ALTER DATABASE {0} SET default_transaction_read_only = on",
        db.name
    ));
    let config = CentralConfig {
        port: primary.port,
        connect_timeout: Duration::from_millis(700),
        ..db.config()
    };
    let mut liars = Vec::new();
    let mut useless = |reason: &str| {
        let port = match reason {
            "dead" => free_port(),
            "unknown" => return "no-such-host.invalid".to_owned(),
            "standby" => standby.port,
            "pooled standby" => pooled.port,
            "read-only" => other.cluster.port,
            _ => {
                liars.push(match reason {
                    "silent" => Rogue::lying(Phase::LogIn, Lie::Silence),
                    "clear password" => Rogue::lying(Phase::LogIn, Lie::Only(log_in(3, b""))),
                    code => refusing(code),
                });
                liars[liars.len() - 1].port
            }
        };
        format!("127.0.0.1:{port}")
    };
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    for (round, reason) in REASONS.iter().enumerate() {
        let mut reasons: Vec<&str> =
            (0..rng.usize(1..3)).map(|_| rng.choice(REASONS).unwrap()).collect();
        // Each at least once.
        reasons.push(reason);
        let before: Vec<String> = reasons.iter().map(|reason| useless(reason)).collect();
        let what = format!("seed {seed}, round {round}: {reasons:?}");
        let bound = Duration::from_secs(3) + 2 * config.connect_timeout * before.len() as u32;

        let begun = Instant::now();
        let error = connect(&config, &before).err().expect(&what);
        assert!(begun.elapsed() < bound, "{what}: {:?}", begun.elapsed());
        let text = error.to_string();
        // One server, however often it is named, is told as if it were the only one.
        let are_several = before.iter().any(|host| *host != before[0]);
        assert_eq!(matches!(error, CentralError::NoHost { .. }), are_several, "{what}: {text}");
        assert!(text.chars().count() < 1000, "{what}: {text}");
        for host in &before {
            assert!(text.contains(host), "{what}: {host} in {text}");
        }

        // The primary is somewhere among them, with the port that all others override.
        let mut hosts = before.clone();
        hosts.insert(rng.usize(..=before.len()), "127.0.0.1".into());
        let begun = Instant::now();
        let mut feeder = Feeder::connect(&db.config());
        feeder.central = connect(&config, &hosts).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(begun.elapsed() < bound, "{what}: {:?}", begun.elapsed());
        assert_eq!(feeder.central.host(), format!("127.0.0.1:{}", primary.port), "{what}");
        feeder.sync(&[session("DEM12", &format!("2025-05-{:02}", round + 1), 3)]);
        assert_eq!(db.count("session_production"), round as u64 + 1, "{what}");
    }
    assert!(liars.iter().all(|liar| !liar.heard(PASSWORD.as_bytes())));
}

#[test]
fn a_log_in_that_one_server_refused_is_not_tried_on_the_next() {
    let db = Database::fresh();
    let role = db.role();
    let wrong = db.config_as(&role, "wrong");
    let dead = format!("127.0.0.1:{}", free_port());
    let next = Rogue::lying(Phase::LogIn, Lie::Silence);
    for before in [None, Some(dead)] {
        let mut hosts: Vec<String> = before.iter().cloned().collect();
        hosts.push(format!("127.0.0.1:{}", db.cluster.port));
        hosts.push(format!("127.0.0.1:{}", next.port));
        let error = connect(&wrong, &hosts).err().unwrap();
        assert_eq!(error.again(), Retry::Slowly, "{error}");
        assert!(
            error.to_string().contains("check central.user and central.password_file"),
            "{error}"
        );
        assert!(before.is_none_or(|dead| error.to_string().contains(&dead)), "{error}");
    }
    assert_eq!(next.connections(), 0);
}

#[test]
fn each_server_s_certificate_is_checked_against_the_name_that_it_was_asked_for_by() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::issue(folder.path(), "DNS:localhost", false);
    let options = Options { certificate: Some(certificate.clone()), ..Options::default() };
    let cluster = Cluster::start_new(&options);
    let config = CentralConfig {
        tls: CentralTls::VerifyFull,
        ca_file: Some(certificate.ca_file),
        ..cluster.database().config()
    };
    let central = connect(&config, &["127.0.0.1".into(), "localhost".into()]).unwrap();
    assert_eq!(central.host(), format!("localhost:{}", cluster.port));
    let passed_over = central.passed_over().unwrap().to_string();
    assert!(passed_over.contains("was not issued for `127.0.0.1`"), "{passed_over}");
}

#[test]
fn a_failover_is_followed_and_every_surface_names_the_server_in_use() {
    let primary = Cluster::start_new(&Options::default());
    let db = primary.database();
    let mut scene = Scene::on(primary.database(), seed());
    scene.agent.set("central.database", db.name.as_str());
    scene.database = Database { cluster: &primary, name: db.name.clone() };
    let standby = standby_of(&primary);
    let (first, second) =
        (format!("127.0.0.1:{}", primary.port), format!("127.0.0.1:{}", standby.port));
    let hosts = if fastrand::bool() { [&first, &second] } else { [&second, &first] };
    let hosts = format!("{}, {}", hosts[0], hosts[1]);
    // The variable of the replaced service takes the same form.
    if fastrand::bool() {
        scene.agent.set_environment("POSTGRES_HOST", &hosts);
    } else {
        scene.agent.set("central.host", hosts.as_str());
    }
    scene.agent.set("central.port", 1);
    scene.agent.set("status.listen", "127.0.0.1:0");
    scene.days(2);
    let told = scene.agent.command(&["check"]).succeeded().stdout;
    assert!(told.contains(&format!("ok    central {first}: can be written")), "{told}");
    assert!(told.contains(&format!("ok    central {second}: a standby, read-only")), "{told}");

    let running = scene.agent.run();
    running.wait_for_line(&format!("central: connected to {first}"));
    scene.wait_until_equal();
    let used = |agent: &crate::support::agent::Agent, server: &str| {
        let page = running.page();
        wait::until("every surface names the server", wait::PATIENCE, || {
            let metrics = http::get(page, "/metrics").body;
            let page = http::get(page, "/?lang=en").body;
            agent.status_json()["central"]["host"] == server
                && metrics.contains(&format!("cu_agent_central_host{{host=\"{server}\"}} 1\n"))
                && metrics.matches("cu_agent_central_host{").count() == 2
                && page.contains(&format!("({server})"))
        });
        let text = agent.command(&["status"]).succeeded().stdout;
        assert!(
            text.lines().any(|l| l.starts_with("central    up") && l.contains(server)),
            "{text}"
        );
    };
    used(&scene.agent, &first);
    wait_until_followed(&db);

    // The primary goes, one way or the other, and the standby takes its place.
    match fastrand::u8(..3) {
        0 => primary.stop(),
        1 => primary.kill(),
        _ => {
            db.psql("ALTER SYSTEM SET default_transaction_read_only = on");
            db.psql("SELECT pg_reload_conf()");
        }
    }
    scene.days(2);
    let line = running.wait_for_line("central: link down");
    if line.contains("no server of central.host can be used") {
        assert!(line.contains(&first) && line.contains(&second), "{line}");
        assert!(line.contains("standby"), "{line}");
    }
    let told = scene.agent.command(&["check"]).exited(1).stdout;
    assert!(told.contains(&format!("FAIL  central {first}: ")), "{told}");
    assert!(told.contains(&format!("FAIL  central {second}: a standby")), "{told}");
    standby.try_psql("postgres", "SELECT pg_promote()").unwrap();
    let mut scene = Scene {
        folder: scene.folder,
        plant: scene.plant,
        database: Database { cluster: &standby, name: db.name.clone() },
        agent: scene.agent,
    };
    scene.wait_until_equal();
    running.wait_for_line(&format!("central: connected to {second}"));
    used(&scene.agent, &second);
    running.terminate().0.succeeded();
}
