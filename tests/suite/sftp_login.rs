//! Logging in over SSH, and what comes before it: which server is trusted, and what is spoken with it.

use std::{fs, time::Duration};

use cu_agent::{
    config::{PrivateKey, Secret, SftpConfig},
    source::{Source, SourceError, ftp::FtpSource, sftp::SftpSource},
};

use crate::support::{
    ftp::{Options, Vsftpd, reading::chain},
    sftp::{Dropbear, KeyPair, OpenSsh, ProFtpdSftp, keys::ssh_keygen},
};

const PASSPHRASE: &str = "Phrase of tests";

fn key_of(pair: &KeyPair, passphrase: Option<&str>) -> Option<PrivateKey> {
    let text = Secret::new(fs::read_to_string(&pair.private).unwrap());
    Some(PrivateKey { text, passphrase: passphrase.map(Secret::new) })
}

fn by_key(server: &OpenSsh, pair: &KeyPair) -> SftpConfig {
    SftpConfig { password: None, key: key_of(pair, None), ..server.config() }
}

fn user_keys() -> [KeyPair; 3] {
    ["ed25519", "ecdsa", "rsa"].map(|kind| KeyPair::of("user", kind))
}

#[track_caller]
fn works(config: SftpConfig, what: &str) {
    if let Err(error) = SftpSource::new(config).folders() {
        panic!("{what}: {}", chain(&error));
    }
}

/// The refusal of a log-in, with all its causes.
#[track_caller]
fn refused(config: SftpConfig) -> SourceError {
    SftpSource::new(config).folders().expect_err("this log-in is not to work")
}

#[test]
fn sftp_a_user_logs_in_by_password_or_by_a_key_of_each_kind() {
    let server = OpenSsh::start(&[]);
    let keys = user_keys();
    server.authorise(&keys.each_ref());
    works(server.config(), "password");
    for key in &keys {
        works(by_key(&server, key), key.algorithm());
        // The key is accepted, and the password is never sent.
        let config = SftpConfig { key: key_of(key, None), ..server.config() };
        works(config, key.algorithm());
    }
    server.wait_for_logged("Accepted password", 1);
    server.wait_for_logged("Accepted publickey", 6);
    assert_eq!(server.logged("Accepted password"), 1);
}

#[test]
fn sftp_a_key_logs_in_at_proftpd_too() {
    let keys = user_keys();
    let server = ProFtpdSftp::start(&keys.each_ref());
    for key in &keys {
        let config = SftpConfig { password: None, key: key_of(key, None), ..server.config() };
        works(config, key.algorithm());
    }
}

#[test]
fn sftp_an_encrypted_key_needs_its_passphrase_and_a_wrong_one_costs_no_connection() {
    let server = OpenSsh::start(&[]);
    for kind in ["ed25519", "rsa"] {
        let key = KeyPair::encrypted("encrypted", kind, PASSPHRASE);
        server.authorise(&[&key]);
        let with = |passphrase| SftpConfig {
            password: None,
            key: key_of(&key, passphrase),
            ..server.config()
        };
        works(with(Some(PASSPHRASE)), kind);
        let before = server.connections();
        for passphrase in [None, Some("wr0ng phrase")] {
            let error = refused(with(passphrase));
            assert!(matches!(error, SourceError::PrivateKey { .. }), "{kind}: {error}");
            let said = format!("{} {error:?}", chain(&error));
            assert!(said.contains("passphrase") && !said.contains("wr0ng"), "{kind}: {said}");
        }
        assert_eq!(server.connections(), before, "{kind}");
    }
}

#[test]
fn sftp_a_key_file_that_holds_no_private_key_is_named_before_any_connection() {
    let server = OpenSsh::start(&[]);
    let before = server.connections();
    let public = KeyPair::of("user", "ed25519").public;
    for text in ["", "not a key\n", &public, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"] {
        let key = Some(PrivateKey { text: Secret::new(text), passphrase: None });
        let error = refused(SftpConfig { password: None, key, ..server.config() });
        assert!(matches!(error, SourceError::PrivateKey { .. }), "{text:?}: {error}");
        assert!(error.to_string().contains("key_file"), "{text:?}: {error}");
    }
    assert_eq!(server.connections(), before);
}

#[test]
fn sftp_a_server_that_wants_key_and_password_gets_both() {
    let key = KeyPair::of("user", "ed25519");
    for methods in ["publickey,password", "password,publickey"] {
        let server = OpenSsh::start(&[&format!("AuthenticationMethods {methods}")]);
        server.authorise(&[&key]);
        works(SftpConfig { key: key_of(&key, None), ..server.config() }, methods);
        for config in [server.config(), by_key(&server, &key)] {
            let error = refused(config);
            assert!(matches!(error, SourceError::Login { .. }), "{methods}: {error}");
        }
    }
}

#[test]
fn sftp_a_server_that_asks_for_the_password_as_a_question_gets_it() {
    let server = OpenSsh::start(&[
        "UsePAM yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication yes",
        "AuthenticationMethods keyboard-interactive",
    ]);
    works(server.config(), "keyboard-interactive");
    server.wait_for_logged("Accepted keyboard-interactive", 1);
    let error = refused(SftpConfig { password: Some(Secret::new("Wr0ng")), ..server.config() });
    assert!(matches!(error, SourceError::Login { .. }), "{error}");
}

#[test]
fn sftp_a_refused_log_in_says_what_was_tried_and_what_would_be_taken_and_no_secret() {
    let server = OpenSsh::start(&[]);
    let [right, other, _] = user_keys();
    server.authorise(&[&right]);
    let wrong = || Some(Secret::new("Wr0ng secret"));
    let password = server.password();
    let table = [
        (SftpConfig { password: wrong(), ..server.config() }, "tried: password"),
        (by_key(&server, &other), "tried: publickey"),
        (
            SftpConfig { password: wrong(), key: key_of(&other, None), ..server.config() },
            "tried: publickey, password",
        ),
        (SftpConfig { user: "nobody-here".into(), ..server.config() }, "nobody-here"),
    ];
    for (config, expected) in table {
        let mut source = SftpSource::new(config);
        let error = source.folders().unwrap_err();
        assert!(matches!(error, SourceError::Login { .. }), "{expected}: {error}");
        let said = format!("{} {error:?} {source:?}", chain(&error));
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(said.contains("it would take: publickey, password"), "{said}");
        assert!(!said.contains("Wr0ng") && !said.contains(password), "{said}");
    }
    let bannered = Dropbear::start();
    let error = refused(SftpConfig { password: wrong(), ..bannered.config() });
    assert!(matches!(error, SourceError::Login { .. }), "{error}");
}

#[test]
fn sftp_a_host_without_a_pin_is_never_spoken_to() {
    let server = OpenSsh::start(&[]);
    let before = server.connections();
    let error = refused(SftpConfig { host_keys: Vec::new(), ..server.config() });
    assert!(matches!(error, SourceError::HostKeyUnknown { .. }), "{error}");
    assert!(error.to_string().contains("cu-agent check"), "{error}");
    assert_eq!(server.connections(), before);
}

#[test]
fn sftp_the_keys_that_a_server_offers_are_seen_without_naming_a_user() {
    let server = OpenSsh::start(&[]);
    let mut source = SftpSource::new(SftpConfig { host_keys: Vec::new(), ..server.config() });
    let offered = source.offered_host_keys().unwrap();
    let shown: Vec<_> = offered.iter().map(|key| (&*key.algorithm, &*key.fingerprint)).collect();
    let keys = server.host_keys().iter();
    let expected: Vec<_> = keys.map(|key| (key.algorithm(), &*key.fingerprint)).collect();
    assert_eq!(shown, expected);
    server.wait_for_logged("Connection closed by 127.0.0.1", 1);
    assert_eq!(server.named_users(), 0);
}

#[test]
fn sftp_any_one_of_a_server_s_keys_is_pin_enough_and_several_are_alternatives() {
    let server = OpenSsh::start(&[]);
    let stranger = KeyPair::of("stranger", "ed25519").pin();
    for key in server.host_keys() {
        let pinned = |host_keys| SftpConfig { host_keys, ..server.config() };
        works(pinned(vec![key.pin()]), key.algorithm());
        works(pinned(vec![stranger, key.pin()]), key.algorithm());
    }
}

#[test]
fn sftp_a_server_with_other_keys_than_the_pinned_ones_learns_no_user_name() {
    let mut server = OpenSsh::start(&[]);
    let trusted = server.config();
    works(trusted.clone(), "before");
    server.restart_with_keys(KeyPair::of_host("stranger"), &[]);
    let before = server.named_users();
    let error = refused(trusted.clone());
    let SourceError::HostKeyChanged { shown, .. } = &error else { panic!("{error}") };
    let fingerprints: Vec<&str> =
        server.host_keys().iter().map(|key| key.fingerprint.as_str()).collect();
    assert!(fingerprints.iter().any(|key| shown.contains(key)), "{shown}");
    server.wait_for_logged("Starting session", 1);
    assert_eq!(server.named_users(), before);
    server.restart_with_keys(KeyPair::of_host("host"), &[]);
    works(trusted, "the old one is back");
}

#[test]
fn sftp_a_connection_that_is_kept_never_hides_that_the_key_changed() {
    let mut server = OpenSsh::start(&[]);
    let mut source = SftpSource::new(server.config());
    source.folders().unwrap();
    server.restart_with_keys(KeyPair::of_host("stranger"), &[]);
    let error = source.folders().unwrap_err();
    assert!(matches!(error, SourceError::HostKeyChanged { .. }), "{error}");
}

/// A `known_hosts` file beside the server's own files.
fn with_known_hosts(server: &OpenSsh, text: &str) -> SftpConfig {
    let path = server.path("known_hosts");
    fs::write(&path, text).unwrap();
    SftpConfig { host_keys: Vec::new(), known_hosts: Some(path), ..server.config() }
}

#[test]
fn sftp_a_known_hosts_file_counts_plain_hashed_and_by_port_and_a_revoked_key_never() {
    let server = OpenSsh::start(&[]);
    let name = format!("[127.0.0.1]:{}", server.port());
    let lines: Vec<String> =
        server.host_keys().iter().map(|key| format!("{name} {}\n", key.public)).collect();
    works(with_known_hosts(&server, &lines.concat()), "all keys");
    works(with_known_hosts(&server, &lines[2]), "RSA only");
    let plain = with_known_hosts(&server, &lines[0]);
    works(plain.clone(), "plain");
    let path = plain.known_hosts.clone().unwrap();
    ssh_keygen(&["-q", "-H", "-f", path.to_str().unwrap()]);
    let hashed = fs::read_to_string(&path).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    works(plain, "hashed");
    // Of one key only, so that no other of the server's keys is the way in.
    let [first, ..] = server.host_keys() else { panic!("it has host keys") };
    let revoked = format!("{}@revoked * {}\n", lines[0], first.public);
    let pinned = SftpConfig { host_keys: vec![first.pin()], ..with_known_hosts(&server, &revoked) };
    let error = refused(pinned);
    assert!(matches!(error, SourceError::HostKeyChanged { .. }), "{error}");
    let elsewhere = format!("other.example {}\n", server.host_keys()[0].public);
    let error = refused(with_known_hosts(&server, &elsewhere));
    assert!(matches!(error, SourceError::HostKeyUnknown { .. }), "{error}");
}

/// What a server is made to offer, what the refusal names, and whether `legacy_algorithms` helps.
#[test]
fn sftp_old_algorithms_are_refused_by_name_and_spoken_where_it_is_configured() {
    let table: [(&[&str], &str); 5] = [
        (&["Ciphers aes128-cbc"], "aes128-cbc"),
        (&["Ciphers aes256-ctr", "MACs hmac-sha1"], "hmac-sha1"),
        (&["HostKeyAlgorithms ssh-rsa"], "ssh-rsa"),
        (&["KexAlgorithms diffie-hellman-group1-sha1"], "diffie-hellman-group1-sha1"),
        (&["KexAlgorithms diffie-hellman-group14-sha1"], "diffie-hellman-group14-sha1"),
    ];
    let mut server = OpenSsh::start(&[]);
    for (options, name) in table {
        server.restart_with(options);
        let error = refused(server.config());
        assert!(matches!(error, SourceError::Algorithms { .. }), "{name}: {error}");
        let said = chain(&error);
        assert!(said.contains(name) && said.contains("legacy_algorithms"), "{name}: {said}");
        works(SftpConfig { legacy_algorithms: true, ..server.config() }, name);
    }
}

#[test]
fn sftp_whatever_else_answers_at_the_port_is_named() {
    let ssh = OpenSsh::start(&[]);
    let ftp = Vsftpd::start(Options::default());
    let short =
        |port| SftpConfig { port, read_timeout: Duration::from_millis(300), ..ssh.config() };
    let error = refused(short(ftp.port()));
    assert!(matches!(error, SourceError::OtherService { .. }), "{error}");
    assert!(error.to_string().contains("an FTP server answers there"), "{error}");
    let config = cu_agent::config::FtpConfig { port: ssh.port(), ..ftp.config() };
    let error = FtpSource::new(config).folders().unwrap_err();
    assert!(matches!(error, SourceError::OtherService { .. }), "{error}");
    assert!(error.to_string().contains("SSH"), "{error}");
    let web = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = refused(short(web));
    assert!(error.to_string().contains("a web server"), "{error}");
    let closing = answering(b"");
    let error = refused(short(closing));
    assert!(matches!(error, SourceError::Connect { .. }), "{error}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let began = std::time::Instant::now();
    let error = refused(short(silent.local_addr().unwrap().port()));
    assert!(matches!(error, SourceError::Connect { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// A port whose every connection gets `text` and is closed.
fn answering(text: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            // One that is gone already needs no answer.
            let _ = std::io::Write::write_all(&mut stream, text);
        }
    });
    port
}
