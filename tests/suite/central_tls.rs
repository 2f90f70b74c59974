//! Encryption on the way to central, against a real server: each refusal has its own message.

use crate::support::{
    central::{Feeder, session},
    certificate::Certificate,
    postgres::{Cluster, Options},
};
use cu_agent::{
    config::{CentralConfig, CentralTls},
    sync::postgres::{Central, CentralError},
};

#[test]
fn each_certificate_gets_its_own_answer() {
    let folder = tempfile::tempdir().unwrap();
    let good = Certificate::issue(folder.path(), "IP:127.0.0.1", false);
    let wrong_name = Certificate::issue(folder.path(), "DNS:other.example", false);
    let expired_folder = tempfile::tempdir().unwrap();
    let expired = Certificate::issue(expired_folder.path(), "IP:127.0.0.1", true);
    let cluster =
        Cluster::start_new(&Options { certificate: Some(good.clone()), ..Options::default() });
    let db = cluster.database();
    let with = |tls: CentralTls, authority: Option<&Certificate>| CentralConfig {
        tls,
        ca_file: authority.map(|c| c.ca_file.clone()),
        ..db.config()
    };
    let connect = |config: &CentralConfig| Central::connect(config, "cu-agent tests").map(|_| ());
    let refused = |config: &CentralConfig| connect(config).unwrap_err();

    // The whole work over TLS with its own CA, and log-in bound to the channel.
    let mut feeder = Feeder::connect(&with(CentralTls::VerifyFull, Some(&good)));
    feeder.central.migrate().unwrap();
    feeder.sync(&[session("DEM12", "2025-05-28", 500)]);
    assert_eq!(
        db.psql("SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'cu-agent tests' AND s.ssl"),
        "1"
    );

    let error = refused(&with(CentralTls::VerifyFull, None));
    assert!(matches!(error, CentralError::CertificateIssuer { .. }), "{error:?}");
    assert!(error.to_string().contains("central.ca_file"), "{error}");
    connect(&with(CentralTls::Require, None)).unwrap();
    connect(&with(CentralTls::Disable, None)).unwrap();

    let own_folder = tempfile::tempdir().unwrap();
    let self_signed = Certificate::self_signed(own_folder.path(), "IP:127.0.0.1");
    cluster.show(&self_signed);
    for authority in [None, Some(&good)] {
        let error = refused(&with(CentralTls::VerifyFull, authority));
        assert!(matches!(error, CentralError::CertificateIssuer { .. }), "{error:?}");
    }
    connect(&with(CentralTls::Require, None)).unwrap();
    // Given as its own authority, as libpq takes it.
    connect(&with(CentralTls::VerifyFull, Some(&self_signed))).unwrap();
    let other_name = Certificate::self_signed(expired_folder.path(), "DNS:other.example");
    cluster.show(&other_name);
    let error = refused(&with(CentralTls::VerifyFull, Some(&other_name)));
    assert!(matches!(error, CentralError::CertificateName { .. }), "{error:?}");

    cluster.show(&wrong_name);
    let error = refused(&with(CentralTls::VerifyFull, Some(&wrong_name)));
    assert!(matches!(error, CentralError::CertificateName { .. }), "{error:?}");
    assert!(
        error.to_string().contains("127.0.0.1") && error.to_string().contains("central.host"),
        "{error}"
    );
    let error = refused(&with(CentralTls::VerifyFull, Some(&good)));
    assert!(matches!(error, CentralError::CertificateIssuer { .. }), "{error:?}");
    connect(&with(CentralTls::Require, None)).unwrap();

    cluster.show(&expired);
    let error = refused(&with(CentralTls::VerifyFull, Some(&expired)));
    assert!(matches!(error, CentralError::CertificateExpired { .. }), "{error:?}");
    assert!(error.to_string().contains("clock"), "{error}");
    connect(&with(CentralTls::Require, None)).unwrap();
}

#[test]
fn a_certificate_that_no_authority_could_vouch_for_is_named_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let good = Certificate::issue(folder.path(), "IP:127.0.0.1", false);
    // OpenSSL itself refuses short keys otherwise.
    let settings = vec!["ssl_ciphers=DEFAULT@SECLEVEL=0".to_owned()];
    let cluster =
        Cluster::start_new(&Options { settings, certificate: Some(good), ..Options::default() });
    let db = cluster.database();
    for (shown, said) in Certificate::unusable(folder.path()) {
        cluster.show(&shown);
        for (tls, ca_file) in
            [(CentralTls::Require, None), (CentralTls::VerifyFull, Some(shown.ca_file.clone()))]
        {
            let config = CentralConfig { tls, ca_file, ..db.config() };
            let done = Central::connect(&config, "t").map(|_| ());
            if tls == CentralTls::Require && done.is_ok() {
                // Nothing of it is asked for but that the server holds its key.
                continue;
            }
            let error = done.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(said), "{said}, {tls:?}: {error:?}");
            assert!(!text.contains("ca_file") && !text.contains("trusted"), "{said}: {text}");
        }
    }
}

#[test]
fn a_server_without_tls_is_never_spoken_to_in_the_clear() {
    let db = crate::support::postgres::Database::fresh();
    for tls in [CentralTls::Require, CentralTls::VerifyFull] {
        let error =
            Central::connect(&CentralConfig { tls, ..db.config() }, "t").map(|_| ()).unwrap_err();
        assert!(matches!(error, CentralError::NoTls { .. }), "{error:?}");
        assert!(error.to_string().contains("central.tls"), "{error}");
    }
}

#[test]
fn a_ca_file_that_cannot_serve_is_named() {
    let db = crate::support::postgres::Database::fresh();
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing here\n").unwrap();
    for path in [empty, folder.path().join("missing.pem")] {
        let config = CentralConfig {
            tls: CentralTls::VerifyFull,
            ca_file: Some(path.clone()),
            ..db.config()
        };
        let error = Central::connect(&config, "t").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}
