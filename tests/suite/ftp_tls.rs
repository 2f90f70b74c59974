//! FTPS against real servers: explicit, implicit, session reuse, and each refusal in its own words.

use cu_agent::{
    config::{FtpConfig, FtpTls},
    source::{Source, SourceError, ftp::FtpSource},
};

use crate::support::{
    agent::Agent,
    ftp::{
        Daemon, Options, ProFtpd, PureFtpd, Script, ScriptedFtp, Vsftpd,
        certificates::{Certificate, authority},
        reading::{chain, names, read},
    },
};

const FOLDER: &str = "DEM12 (PVC)";
const LOG: &str = "20250603.LOG";

fn trusting(daemon: &Daemon) -> FtpConfig {
    FtpConfig { ca_file: Some(authority()), ..daemon.config() }
}

fn works(context: &str, daemon: &Daemon, config: FtpConfig) {
    let big: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    daemon.put(format!("{FOLDER}/{LOG}"), &big);
    daemon.put(format!("{FOLDER}/empty.LOG"), b"");
    let mut source = FtpSource::new(config);
    // More data connections than a server hands out tickets for at first.
    for _ in 0..6 {
        let found = source.list(FOLDER).unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(names(found.entries), [LOG, "empty.LOG"], "{context}");
        assert_eq!(read(&mut source, FOLDER, LOG, 4).unwrap(), big[4..], "{context}");
        assert_eq!(read(&mut source, FOLDER, "empty.LOG", 0).unwrap(), b"", "{context}");
    }
    source.delete(FOLDER, LOG).unwrap();
    source.close();
}

#[test]
fn ftp_explicit_tls_with_an_own_authority_works_with_each_server() {
    let options = Options { tls: FtpTls::Explicit, ..Options::default() };
    let daemon = Vsftpd::start(options.clone());
    works("vsftpd", &daemon, trusting(&daemon));
    assert_eq!(daemon.log_ins(), 1, "one connection serves all calls");
    let daemon = ProFtpd::start(options.clone());
    works("ProFTPD", &daemon, trusting(&daemon));
    let daemon = PureFtpd::start(options);
    works("Pure-FTPd", &daemon, trusting(&daemon));
}

#[test]
fn ftp_implicit_tls_works_with_vsftpd_and_proftpd() {
    let options = Options { tls: FtpTls::Implicit, ..Options::default() };
    let daemon = Vsftpd::start(options.clone());
    works("vsftpd", &daemon, trusting(&daemon));
    let daemon = ProFtpd::start(options);
    works("ProFTPD", &daemon, trusting(&daemon));
}

#[test]
fn ftp_data_connections_resume_the_tls_session_where_the_server_requires_it() {
    for only_tls12 in [false, true] {
        let options = Options {
            tls: FtpTls::Explicit,
            require_ssl_reuse: true,
            only_tls12,
            ..Options::default()
        };
        let daemon = Vsftpd::start(options.clone());
        works(&format!("vsftpd, only TLS 1.2: {only_tls12}"), &daemon, trusting(&daemon));
        let daemon = ProFtpd::start(options);
        works(&format!("ProFTPD, only TLS 1.2: {only_tls12}"), &daemon, trusting(&daemon));
    }
}

#[test]
fn ftp_a_pinned_fingerprint_takes_a_self_signed_controller_and_nothing_else() {
    for only_tls12 in [false, true] {
        let options = Options {
            tls: FtpTls::Explicit,
            certificate: Certificate::SelfSigned,
            only_tls12,
            ..Options::default()
        };
        let daemon = Vsftpd::start(options);
        let fingerprint = Some(Certificate::SelfSigned.fingerprint());
        works("pinned", &daemon, FtpConfig { fingerprint, ..daemon.config() });
        let fingerprint = Some(Certificate::Good.fingerprint());
        let refusal = refusal(FtpConfig { fingerprint, ..daemon.config() });
        assert!(refusal.contains("fingerprint"), "{refusal}");
    }
}

#[test]
fn ftp_a_controller_whose_certificate_is_its_own_authority_is_trusted_if_the_file_holds_it() {
    let own = |daemon: &Daemon, certificate: Certificate| FtpConfig {
        ca_file: Some(certificate.files().chain),
        ..daemon.config()
    };
    for only_tls12 in [false, true] {
        let options = Options {
            tls: FtpTls::Explicit,
            certificate: Certificate::SelfSigned,
            require_ssl_reuse: true,
            only_tls12,
            ..Options::default()
        };
        let daemon = Vsftpd::start(options);
        works("its own authority", &daemon, own(&daemon, Certificate::SelfSigned));
        let refusal = refusal(own(&daemon, Certificate::Good));
        assert!(refusal.contains("self-signed; set `ca_file` to it"), "{refusal}");
    }
}

#[test]
fn ftp_a_pinned_certificate_of_version_1_is_taken_and_a_short_key_is_named() {
    for only_tls12 in [false, true] {
        let certificate = Certificate::Version1;
        let options =
            Options { tls: FtpTls::Explicit, certificate, only_tls12, ..Options::default() };
        let daemon = Vsftpd::start(options);
        let fingerprint = Some(certificate.fingerprint());
        works("version 1", &daemon, FtpConfig { fingerprint, ..daemon.config() });
        // Nobody vouches for it without the fingerprint.
        let by_authority =
            FtpConfig { ca_file: Some(certificate.files().chain), ..daemon.config() };
        let unpinned = refusal(by_authority);
        assert!(unpinned.contains("version 3") && unpinned.contains("fingerprint"), "{unpinned}");

        let certificate = Certificate::ShortKey;
        let options =
            Options { tls: FtpTls::Explicit, certificate, only_tls12, ..Options::default() };
        let daemon = Vsftpd::start(options);
        let fingerprint = Some(certificate.fingerprint());
        let short = refusal(FtpConfig { fingerprint, ..daemon.config() });
        assert!(short.contains("an RSA key of 1024 bits"), "{short}");
        assert!(short.contains("openssl req -x509 -newkey rsa:2048"), "{short}");
    }
}

/// An agent on `daemon` by explicit TLS, and by nothing but the fingerprint where one is given.
fn agent_on(daemon: &Daemon, pinned: Option<Certificate>) -> Agent {
    let mut agent = Agent::new();
    let key = agent.add_ftp("cu", &daemon.config());
    agent.map_folders(0, &[(FOLDER, "DEM12")]);
    agent.set(&format!("{key}.tls"), "explicit");
    match pinned {
        Some(certificate) => {
            let digits = certificate.fingerprint().map(|byte| format!("{byte:02X}"));
            agent.set(&format!("{key}.fingerprint"), digits.join(":"));
        }
        None => agent.set(&format!("{key}.ca_file"), authority().to_str().unwrap()),
    }
    agent
}

#[test]
fn ftp_a_certificate_or_tls_that_is_not_taken_is_one_sentence_of_check_once_and_run_alike() {
    let secure = |certificate| Options { tls: FtpTls::Explicit, certificate, ..Options::default() };
    let old = Options { only_tls11: true, ..secure(Certificate::Good) };
    let table = [
        (secure(Certificate::ShortKey), Some(Certificate::ShortKey), "an RSA key of 1024 bits"),
        (secure(Certificate::CommonName), None, "a common name only (no subjectAltName)"),
        (old, None, "TLS 1.1 or older only"),
    ];
    for (options, pinned, words) in table {
        let daemon = Vsftpd::start(options);
        let agent = agent_on(&daemon, pinned);
        for command in ["check", "once"] {
            let output = agent.command(&[command]);
            assert_ne!(output.code, 0, "{command}: {output}");
            let all = format!("{}{}", output.stdout, output.stderr);
            // The journal has it too.
            let is_told = |line: &&str| line.contains(words) && !line.contains("[WARN]");
            assert_eq!(
                all.lines().filter(is_told).count(),
                1,
                "{command} says {words:?} once: {output}"
            );
        }
        let running = agent.run();
        running.wait_for_line(words);
        running.wait_for_nth_line("cycle:", 1);
        assert_eq!(running.log().matches(words).count(), 1, "{}", running.log());
        running.terminate().0.succeeded();
    }
}

#[test]
fn ftp_a_pinned_certificate_of_version_1_is_taken_by_check_once_and_run() {
    let certificate = Certificate::Version1;
    let daemon =
        Vsftpd::start(Options { tls: FtpTls::Explicit, certificate, ..Options::default() });
    daemon.put(format!("{FOLDER}/{LOG}"), b"20250603 05:08:54|@StukUitgevoerd: 1\n");
    let agent = agent_on(&daemon, Some(certificate));
    agent.command(&["check"]).succeeded();
    agent.once().succeeded();
    assert_eq!(agent.sessions_json()[0]["total_pieces"], 1);
    let running = agent.run();
    running.wait_for_line("0 of 1 files read, 0 failed");
    running.terminate().0.succeeded();
}

#[test]
fn ftp_a_pinned_certificate_without_its_key_is_refused() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let script = Script { foreign_key: Some(version), ..Script::default() };
        let server = ScriptedFtp::start(script.file(FOLDER, LOG, b"seven.."));
        let fingerprint = Some(Certificate::Good.fingerprint());
        let config = FtpConfig { tls: FtpTls::Explicit, fingerprint, ..server.config() };
        let refusal = refusal(config);
        assert!(refusal.contains("proof that it holds"), "{version:?}: {refusal}");
        assert_eq!(server.count("PASS"), 0, "{version:?}");
    }
}

fn refusal(config: FtpConfig) -> String {
    match FtpSource::new(config).folders().unwrap_err() {
        SourceError::Tls { reason, .. } => reason,
        other => panic!("expected a refusal of TLS, got {other:?}"),
    }
}

#[test]
fn ftp_each_refused_certificate_is_refused_in_its_own_words() {
    let table = [
        (Certificate::Expired, "expired on 2021-01-01"),
        (Certificate::NotYetValid, "valid from 2048-01-01"),
        (Certificate::OtherName, "other.example"),
        (Certificate::SelfSigned, "fingerprint"),
        (Certificate::CommonName, "a common name only (no subjectAltName)"),
    ];
    for (certificate, expected) in table {
        let options = Options { tls: FtpTls::Explicit, certificate, ..Options::default() };
        let daemon = Vsftpd::start(options);
        let refusal = refusal(trusting(&daemon));
        assert!(refusal.contains(expected), "{certificate:?}: {refusal}");
    }
    let daemon = Vsftpd::start(Options { tls: FtpTls::Explicit, ..Options::default() });
    // Without `ca_file` only the built-in authorities are trusted.
    let refusal = refusal(daemon.config());
    assert!(refusal.contains("ca_file"), "{refusal}");
}

#[test]
fn ftp_implicit_tls_without_pbsz_and_prot_works_and_data_in_the_clear_are_refused() {
    let script = Script { implicit: true, ..Script::default().file(FOLDER, LOG, b"seven..") };
    let script = script.answer("PBSZ", "502 not here").answer("PROT", "502 not here");
    let server = ScriptedFtp::start(script);
    let config = FtpConfig { tls: FtpTls::Implicit, ca_file: Some(authority()), ..server.config() };
    let mut source = FtpSource::new(config);
    assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG]);
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), b"seven..");
    assert_eq!((server.count("PROT"), server.connections()), (1, 1));

    server.script().plain_data = true;
    for error in [source.list(FOLDER).map(drop), read(&mut source, FOLDER, LOG, 0).map(drop)] {
        let error = chain(&error.unwrap_err());
        assert!(error.contains("data connection: the server does not speak TLS"), "{error}");
    }
}

#[test]
fn ftp_a_server_that_knows_only_old_tls_is_named_as_such() {
    for tls in [FtpTls::Explicit, FtpTls::Implicit] {
        let daemon = Vsftpd::start(Options { tls, only_tls11: true, ..Options::default() });
        let refusal = refusal(trusting(&daemon));
        assert!(refusal.contains("TLS 1.1 or older only"), "{tls:?}: {refusal}");
    }
}

#[test]
fn ftp_a_server_without_tls_or_with_the_other_kind_is_refused_before_the_password_is_sent() {
    let plain = Vsftpd::start(Options::default());
    for tls in [FtpTls::Explicit, FtpTls::Implicit] {
        let refusal = refusal(FtpConfig { tls, ..plain.config() });
        let expected = if tls == FtpTls::Explicit { "answered 5" } else { "does not speak TLS" };
        assert!(refusal.contains(expected), "{tls:?}: {refusal}");
    }
}

#[test]
fn ftp_an_unreadable_ca_file_is_named() {
    let daemon = Vsftpd::start(Options { tls: FtpTls::Explicit, ..Options::default() });
    let missing = FtpConfig { ca_file: Some("/no/such/ca.pem".into()), ..daemon.config() };
    assert!(refusal(missing).contains("/no/such/ca.pem"));
    let key = Some(Certificate::Good.files().key);
    let no_certificate = refusal(FtpConfig { ca_file: key, ..daemon.config() });
    assert!(no_certificate.contains("contains no certificate"), "{no_certificate}");
}

#[test]
fn ftp_an_end_of_tls_without_a_goodbye_is_believed_only_where_the_size_agrees() {
    let big: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let server = ScriptedFtp::start(Script::default().file(FOLDER, LOG, &big));
    let config = FtpConfig { tls: FtpTls::Explicit, ca_file: Some(authority()), ..server.config() };
    let mut source = FtpSource::new(config);
    assert_eq!(names(source.list(FOLDER).unwrap().entries), [LOG]);
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), big);
    assert_eq!(read(&mut source, FOLDER, LOG, 399_990).unwrap(), big[399_990..]);
    assert_eq!(server.connections(), 1);
    // Somebody on the way cut the data, and the server noticed nothing.
    for length in [0, 1, 399_999] {
        server.script().cut = Some((length, "226 all sent".into()));
        let error = read(&mut source, FOLDER, LOG, 0).unwrap_err();
        assert!(matches!(error, SourceError::Transfer { .. }), "{length}: {error}");
    }
    // Without SIZE the listing's is compared; without any size nothing is believed.
    server.script().cut = None;
    server.script().answers.insert("SIZE".into(), "502 not here".into());
    assert_eq!(read(&mut source, FOLDER, LOG, 0).unwrap(), big);
    for verb in ["MLSD", "LIST"] {
        server.script().answers.insert(verb.into(), "502 not here".into());
    }
    assert!(read(&mut source, FOLDER, LOG, 0).is_err());
}

#[test]
fn ftp_a_server_killed_in_mid_transfer_is_never_taken_for_the_end() {
    let big = vec![b'x'; 48 << 20];
    for tls in [FtpTls::None, FtpTls::Explicit] {
        let mut daemon = Vsftpd::start(Options { tls, ..Options::default() });
        daemon.put(format!("{FOLDER}/{LOG}"), &big);
        let mut source = FtpSource::new(trusting(&daemon));
        let mut transfer = source.open(FOLDER, LOG, 0).unwrap();
        let mut chunk = vec![0; 64 * 1024];
        let mut came = transfer.read(&mut chunk).unwrap();
        daemon.stop();
        let error = loop {
            match transfer.read(&mut chunk) {
                Ok(0) => break transfer.finish().unwrap_err(),
                Ok(length) => came += length,
                Err(error) => {
                    drop(transfer);
                    break error;
                }
            }
        };
        assert!(matches!(error, SourceError::Transfer { .. }), "{tls:?}: {error}");
        assert!(came < big.len(), "{tls:?}");
        daemon.restart();
        assert_eq!(source.size(FOLDER, LOG).unwrap(), Some(48 << 20), "{tls:?}");
    }
}
