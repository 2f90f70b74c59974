//! Events of security: lines of their own kind in the log, and rows that stay in central.

use std::{fs, time::Duration};

use cu_agent::config::FtpTls;

use crate::support::{
    agent::{Agent, FOLDERS},
    folder::Folder,
    ftp::{
        Options, Vsftpd,
        certificates::{Certificate, authority},
    },
    net::Proxy,
    postgres::Database,
    sftp::{KeyPair, OpenSsh},
    wait,
};

/// With an empty folder for each machine.
fn vsftpd(options: Options) -> Vsftpd {
    let server = Vsftpd::start(options);
    FOLDERS.iter().for_each(|(folder, ..)| server.make_folder(folder));
    server
}

/// Kind, subject and whether the detail holds `word`, in order.
fn events(db: &Database<'_>, word: &str) -> String {
    db.psql(&format!(
        "SELECT string_agg(genre || ' ' || objet || CASE WHEN detail LIKE '%{word}%' THEN ' !' ELSE '' END,
                           '; ' ORDER BY numero) FROM evenement_securite"
    ))
}

#[test]
fn a_refused_log_in_and_a_changed_configuration_are_told_once_without_a_secret() {
    let db = Database::fresh();
    let server = vsftpd(Options::default());
    let mut agent = Agent::on_ftp(&server).central(&db).with("agent.language", "fr");
    let file = agent.config_file().display().to_string();
    agent.once().succeeded().says("security: configuration changed: ").says(": first read");
    agent.once().succeeded().does_not_say("security:");
    assert_eq!(events(&db, "first read"), format!("configuration_changee {file} !"));

    let wrong = agent.secret("wrong.password", "Wr0ng of tests");
    agent.set("source.0.password_file", wrong.to_str().unwrap());
    let output = agent.once().exited(1);
    let expected = "security: configuration changed: ";
    output
        .says(expected)
        .says("source.0.password_file")
        .says("security: login refused: source:cu: ");
    agent.once().exited(1).does_not_say("security:");
    let all = format!(
        "configuration_changee {file}; configuration_changee {file}; connexion_refusee source:cu !"
    );
    assert_eq!(events(&db, "identification refusée"), all);

    // It works again, and is refused again: that is news again.
    let right = fs::read(agent.secret("cu.password", server.config().password.expose())).unwrap();
    fs::write(&wrong, right).unwrap();
    agent.once().succeeded();
    fs::write(&wrong, "Wr0ng of tests\n").unwrap();
    agent.once().exited(1);
    assert_eq!(
        events(&db, "identification refusée"),
        format!("{all}; connexion_refusee source:cu !")
    );
    assert_eq!(db.psql("SELECT count(*) FROM evenement_securite WHERE detail LIKE '%Wr0ng%'"), "0");
}

#[test]
fn a_server_that_shows_another_certificate_or_host_key_is_told_also_where_that_one_is_trusted() {
    let db = Database::fresh();
    let start =
        |certificate| vsftpd(Options { tls: FtpTls::Explicit, certificate, ..Options::default() });
    let (good, own) = (start(Certificate::Good), start(Certificate::SelfSigned));
    let both = [authority(), Certificate::SelfSigned.files().chain]
        .map(|file| fs::read_to_string(file).unwrap())
        .concat();
    let mut agent = Agent::on_ftp(&good).central(&db);
    let trusted = agent.secret("trusted.pem", &both);
    agent.set("source.0.tls", "explicit");
    agent.set("source.0.ca_file", trusted.to_str().unwrap());
    agent.once().succeeded().does_not_say("certificate changed");
    agent.set("source.0.port", i64::from(own.port()));
    agent.once().succeeded().says("security: certificate changed: 127.0.0.1 (ca_file): SHA256:");
    agent.once().succeeded().does_not_say("certificate changed");
    // One that is refused is no change.
    fs::write(&trusted, fs::read(authority()).unwrap()).unwrap();
    agent.once().exited(1).says("security: certificate refused: source:cu: ");
    let kinds = "SELECT string_agg(genre, ' ' ORDER BY numero) FROM evenement_securite WHERE genre LIKE 'certificat%'";
    assert_eq!(db.psql(kinds), "certificat_change certificat_refuse");

    let db = Database::fresh();
    let mut server = OpenSsh::start(&[]);
    server.make_three_machines();
    let mut agent = Agent::on_sftp(&server).central(&db);
    let mut pins: Vec<String> =
        server.host_keys().iter().map(|key| key.fingerprint.clone()).collect();
    let others = KeyPair::of_host("other");
    pins.extend(others.iter().map(|key| key.fingerprint.clone()));
    agent.set("source.0.host_key", pins[..pins.len() - others.len()].to_vec());
    agent.once().succeeded().does_not_say("host key");
    server.restart_with_keys(others, &[]);
    agent.once().exited(1).says("security: host key refused: source:cu: ");
    agent.set("source.0.host_key", pins);
    agent.once().succeeded().says("security: host key changed: ").says("SHA256:");
    let kinds = "SELECT string_agg(genre, ' ' ORDER BY numero) FROM evenement_securite WHERE genre LIKE 'cle%'";
    assert_eq!(db.psql(kinds), "cle_hote_refusee cle_hote_changee");
}

#[test]
fn events_wait_while_central_is_away_and_a_refused_log_in_of_central_itself_is_one() {
    let db = Database::fresh();
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path()).central(&db);
    agent.once().succeeded();
    let right = fs::read_to_string(agent.text("central.password_file")).unwrap();
    let wrong = agent.secret("central.wrong", "Wr0ng of tests");
    agent.set("central.password_file", wrong.to_str().unwrap());
    agent.once().exited(3).says("security: login refused: central: ");
    let proxy = Proxy::to(db.cluster.port);
    agent.set("central.port", i64::from(proxy.port));
    proxy.refuse(true);
    agent.set("schedule.poll", "7m");
    agent.once().exited(3);
    assert_eq!(db.count("evenement_securite"), 1);
    fs::write(&wrong, right).unwrap();
    proxy.refuse(false);
    agent.once().succeeded();
    let kinds =
        "SELECT string_agg(genre || ' ' || numero, ' ' ORDER BY numero) FROM evenement_securite";
    let found = db.psql(kinds);
    assert!(found.contains("configuration_changee 2 connexion_refusee 3"), "{found}");
    assert!(found.ends_with(&format!(" {}", db.count("evenement_securite"))), "no gap: {found}");
}

#[test]
fn an_agent_adds_events_and_can_neither_read_change_nor_remove_any() {
    let db = Database::fresh();
    let folder = Folder::of_three_machines();
    let role = db.role();
    let mut agent = Agent::on_directory(folder.path()).central(&db);
    let script = agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
    db.psql(&script);
    agent.set_central(&db.config_as(&role, &role));
    let script = agent.command(&["central", "migrate", "--print"]).succeeded().stdout;
    db.psql(&script);
    agent.once().succeeded();
    assert_eq!(db.count("evenement_securite"), 1);
    for forbidden in [
        "SELECT detail FROM evenement_securite",
        "UPDATE evenement_securite SET detail = ''",
        "DELETE FROM evenement_securite",
        "TRUNCATE evenement_securite",
    ] {
        let refused = db.try_psql(&format!("SET ROLE {role}; {forbidden}")).unwrap_err();
        assert!(refused.contains("permission denied"), "{forbidden}: {refused}");
    }
}

#[test]
fn a_central_that_does_not_take_events_gets_its_sessions_and_the_events_wait() {
    let db = Database::fresh();
    let folder = Folder::of_three_machines();
    let mut agent = Agent::on_directory(folder.path()).central(&db);
    agent.once().succeeded();
    db.psql("ALTER TABLE evenement_securite RENAME TO autre");
    agent.set("schedule.poll", "7m");
    let running = agent.run();
    running.wait_for_line("events of security wait");
    wait::until("the gateway shows itself all the same", Duration::from_secs(60), || {
        db.psql(
            "SELECT count(*) FROM agent_edge WHERE dernier_contact > now() - interval '1 minute'",
        ) == "1"
    });
    running.terminate().0.succeeded();
    db.psql("ALTER TABLE autre RENAME TO evenement_securite");
    agent.once().succeeded();
    assert_eq!(
        db.psql("SELECT string_agg(numero::text, ' ' ORDER BY numero) FROM evenement_securite"),
        "1 2"
    );
}
