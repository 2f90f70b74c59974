//! What the real binary says of central's encryption: `once` and `check` name the mend, nothing is
//! lost meanwhile, and the whole work goes over TLS.

use crate::support::{
    certificate::Certificate,
    postgres::{Cluster, Options},
    scene::Scene,
    wait,
};

#[test]
fn each_certificate_gets_its_own_words_and_the_right_one_carries_everything() {
    let folder = tempfile::tempdir().unwrap();
    let good = Certificate::issue(folder.path(), "IP:127.0.0.1", false);
    let wrong_name = Certificate::issue(folder.path(), "DNS:other.example", false);
    let expired_folder = tempfile::tempdir().unwrap();
    let expired = Certificate::issue(expired_folder.path(), "IP:127.0.0.1", true);
    let own_folder = tempfile::tempdir().unwrap();
    let self_signed = Certificate::self_signed(own_folder.path(), "IP:127.0.0.1");
    let cluster =
        Cluster::start_new(&Options { certificate: Some(good.clone()), ..Options::default() });
    let mut scene = Scene::on(cluster.database(), 61);
    scene.agent.set("central.tls", "verify-full");
    let table = [
        (&expired, Some(&expired), "has expired"),
        (&wrong_name, Some(&wrong_name), "was not issued for `127.0.0.1`"),
        (&self_signed, Some(&good), "central.ca_file"),
        (&good, None, "central.ca_file"),
    ];
    for (shown, authority, words) in table {
        cluster.show(shown);
        match authority {
            Some(authority) => {
                scene.agent.set("central.ca_file", authority.ca_file.to_str().unwrap());
            }
            None => scene.agent.unset("central.ca_file"),
        }
        scene.day();
        scene.once().exited(3).says(words);
        scene.agent.command(&["check"]).exited(1).says(words);
        let error = scene.agent.status_json()["central"]["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{error}");
    }
    cluster.show(&good);
    scene.agent.set("central.ca_file", good.ca_file.to_str().unwrap());
    scene.assert_equal_after_once();
    // `require` asks for encryption and not for a name.
    cluster.show(&expired);
    scene.agent.set("central.tls", "require");
    scene.day();
    scene.assert_equal_after_once();
}

#[test]
fn a_server_without_tls_is_told_apart_and_gets_nothing_in_the_clear() {
    let mut scene = Scene::new(62);
    scene.day();
    for tls in ["require", "verify-full"] {
        scene.agent.set("central.tls", tls);
        scene.once().exited(3).says("does not offer TLS");
    }
    assert_eq!(
        scene.database.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        "0"
    );
    scene.agent.set("central.tls", "disable");
    scene.assert_equal_after_once();
}

#[test]
fn a_central_that_shows_another_certificate_meanwhile_gets_nothing_until_it_shows_its_own_again() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let own = Certificate::issue(folders[0].path(), "IP:127.0.0.1", false);
    let strange = Certificate::issue(folders[1].path(), "IP:127.0.0.1", false);
    let cluster =
        Cluster::start_new(&Options { certificate: Some(own.clone()), ..Options::default() });
    let mut scene = Scene::on(cluster.database(), 63);
    scene.agent.set("central.tls", "verify-full");
    scene.agent.set("central.ca_file", own.ca_file.to_str().unwrap());
    scene.agent.set("schedule.poll", "1s");
    scene.day();
    let running = scene.agent.run();
    scene.wait_until_equal();
    let before = scene.database.count("session_production");
    cluster.show(&strange);
    // What is open stays open: a server that was replaced has no old connections.
    scene.database.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    scene.day();
    wait::until("the link is down", wait::PATIENCE, || scene.central_state() == "down");
    let error = scene.agent.status_json()["central"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("central.ca_file"), "{error}");
    assert_eq!(scene.database.count("session_production"), before);
    cluster.show(&own);
    scene.wait_until_equal();
    running.terminate().0.succeeded();
}
