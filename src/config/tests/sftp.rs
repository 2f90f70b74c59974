//! `kind = "sftp"`, and what the kinds of sources do not share.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use super::{super::NameEncoding, ConfigError, Loaded, SourceKind, parse_with};
use crate::config::{Config, HostKeyFingerprint, Secret, SftpConfig, load_without_secrets};

/// Bytes 0, 1, 2, … 31.
const FINGERPRINT: &str = "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

const FOLDERS: &str = "[source.folders]\n\"DEM12\" = { nom = \"DEM12\" }\n";

/// An SFTP source with further keys.
fn source(keys: &str) -> String {
    format!(
        "[agent]\nid = \"a\"\n[[source]]\nname = \"cu\"\nkind = \"sftp\"\nhost = \"h\"\nuser = \"u\"\n{keys}\n{FOLDERS}"
    )
}

fn read(keys: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    parse_with(&source(keys), env)
}

fn sftp(config: &Config, at: usize) -> &SftpConfig {
    let SourceKind::Sftp(sftp) = &config.sources[at].kind else { panic!("SFTP") };
    sftp
}

#[track_caller]
fn accepted(keys: &str, env: &[(&str, &str)]) -> SftpConfig {
    let loaded = read(keys, env).unwrap_or_else(|error| panic!("{error}"));
    sftp(&loaded.config, 0).clone()
}

/// The one mistake, without the place of the file.
#[track_caller]
fn mistake(keys: &str, env: &[(&str, &str)]) -> String {
    let refusal = read(keys, env).expect_err("must be refused").to_string();
    let lines: Vec<&str> = refusal.lines().skip(1).collect();
    assert_eq!(lines.len(), 1, "{refusal}");
    lines[0].trim().strip_prefix("/etc/cu-agent/config.toml:").expect("its line").to_owned()
}

/// Files with secrets, which the group may read.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The line of a key that names a file with this text.
    fn line(&self, key: &str, text: &str) -> String {
        let path = self.path(key);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        format!("{key} = {path:?}\n")
    }

    /// The systemd credentials.
    fn credentials(&self, all: &[(&str, &str)]) -> String {
        let directory = self.path("credentials");
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in all {
            fs::write(directory.join(name), text).unwrap();
        }
        directory.to_str().unwrap().to_owned()
    }
}

fn exposed(secret: Option<&Secret>) -> Option<&str> {
    secret.map(Secret::expose)
}

#[test]
fn a_source_with_a_password_has_the_defaults_of_ssh_and_pins_no_key() {
    let files = Files::new();
    let config = accepted(&files.line("password_file", "s3cret\n"), &[]);
    assert_eq!((config.host.as_str(), config.port, config.user.as_str()), ("h", 22, "u"));
    assert_eq!(exposed(config.password.as_ref()), Some("s3cret"));
    assert!(config.key.is_none() && config.root.is_none() && !config.legacy_algorithms);
    assert!(config.host_keys.is_empty() && config.known_hosts.is_none());
    assert_eq!(config.encoding, NameEncoding::Latin1);
    let seconds = |duration: Duration| duration.as_secs();
    assert_eq!((seconds(config.connect_timeout), seconds(config.read_timeout)), (10, 30));
}

#[test]
fn every_key_of_an_sftp_source_is_read() {
    let files = Files::new();
    let keys = files.line("password_file", "s3cret\r\n")
        + &files.line("key_file", "-----BEGIN-----\nabc\n")
        + &files.line("key_passphrase_file", "opensesame\n")
        + &format!(
            "port = 2222\nhost_key = [{FINGERPRINT:?}, \"{FINGERPRINT}=\"]\nknown_hosts = \"known_hosts\"\n\
             legacy_algorithms = true\nroot = \"logs\"\nencoding = \"utf-8\"\nconnect_timeout = \"5s\"\n\
             read_timeout = \"1m\"\n"
        );
    let config = accepted(&keys, &[]);
    assert_eq!((config.port, config.root.as_deref()), (2222, Some("logs")));
    assert_eq!(exposed(config.password.as_ref()), Some("s3cret"));
    let key = config.key.as_ref().expect("a key");
    assert_eq!(key.text.expose(), "-----BEGIN-----\nabc");
    assert_eq!(exposed(key.passphrase.as_ref()), Some("opensesame"));
    let bytes = std::array::from_fn(|at| u8::try_from(at).unwrap());
    assert_eq!(config.host_keys, [HostKeyFingerprint(bytes); 2]);
    assert_eq!(config.host_keys[0].to_string(), FINGERPRINT);
    assert_eq!(config.known_hosts, Some("/etc/cu-agent/known_hosts".into()));
    assert!(config.legacy_algorithms);
    assert_eq!(config.encoding, NameEncoding::Utf8);
    let printed = format!("{config:?}");
    for secret in ["s3cret", "abc", "opensesame"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn the_files_of_an_sftp_sources_secrets_are_named_with_their_credentials() {
    let files = Files::new();
    let keys = files.line("password_file", "p") + &files.line("key_file", "k");
    let named: Vec<_> = read(&keys, &[])
        .unwrap()
        .config
        .secret_files
        .into_iter()
        .map(|file| (file.path, file.credential))
        .collect();
    let expected = [
        (files.path("password_file"), Some("ftp-password")),
        (files.path("key_file"), Some("sftp-key")),
    ];
    assert_eq!(named, expected);
}

#[test]
fn a_source_without_a_password_and_without_a_key_is_refused_once() {
    let files = Files::new();
    let missing = "3: source[1].password_file: is missing; give password_file or key_file, or the systemd credential ftp-password or sftp-key";
    assert_eq!(mistake("", &[]), missing);
    let empty = files.line("password_file", "\n") + &files.line("key_file", "");
    assert_eq!(mistake(&empty, &[]), format!("{missing}; what is named is empty"));
    let directory = files.credentials(&[("ftp-password", ""), ("sftp-key", "\n")]);
    assert_eq!(mistake("", &[("CREDENTIALS_DIRECTORY", &directory)]), missing);
    let alone = mistake(&files.line("key_passphrase_file", "phrase"), &[]);
    assert!(alone.contains("8: source[1].key_passphrase_file: there is no private key"), "{alone}");
    assert!(mistake("key_file = 3", &[]).contains("8: source[1].key_file: 3 is not accepted"));
}

#[test]
fn an_empty_password_beside_a_key_is_no_password() {
    let files = Files::new();
    let keys = files.line("password_file", "\n")
        + &files.line("key_file", "k")
        + &files.line("key_passphrase_file", "\n");
    let config = accepted(&keys, &[]);
    assert!(config.password.is_none());
    assert!(config.key.is_some_and(|key| key.passphrase.is_none()));
}

#[test]
fn credentials_stand_in_for_files_that_are_not_named_or_cannot_be_read() {
    let files = Files::new();
    let all =
        [("ftp-password", "p-cred\n"), ("sftp-key", "k-cred\n"), ("sftp-key-passphrase", "f-cred")];
    let directory = files.credentials(&all);
    let env = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    let of = |keys: &str| {
        let config = accepted(keys, &env);
        let key = config.key.expect("a key");
        let secrets = [config.password.as_ref(), Some(&key.text), key.passphrase.as_ref()];
        secrets.map(|secret| secret.expect("all three").expose().to_owned())
    };
    assert_eq!(of(""), ["p-cred", "k-cred", "f-cred"]);
    assert_eq!(
        of("password_file = \"/none\"\nkey_file = \"/none\"\n"),
        ["p-cred", "k-cred", "f-cred"]
    );
    // A password of an earlier server may still be in its credential.
    let written = files.line("password_file", "p-file") + &files.line("key_file", "k-file");
    assert_eq!(of(&written), ["p-file", "k-file", "f-cred"]);
}

#[test]
fn a_process_that_logs_in_nowhere_needs_no_secret() {
    let files = Files::new();
    let path = files.path("config.toml");
    for keys in ["", "key_file = \"/none\"\nkey_passphrase_file = \"/none\"\n"] {
        fs::write(&path, source(keys)).unwrap();
        let loaded = load_without_secrets(&path, &|_| None).unwrap();
        let config = sftp(&loaded.config, 0);
        assert!(config.password.is_none() && config.key.is_none());
    }
}

#[test]
fn a_credential_is_of_the_first_source_and_the_password_of_an_ftp_source_if_there_is_one() {
    let files = Files::new();
    let directory = files.credentials(&[("ftp-password", "p-cred"), ("sftp-key", "k-cred")]);
    let env = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    let ftp = "[[source]]\nname = \"old\"\nkind = \"ftp\"\nhost = \"h\"\nuser = \"u\"\n[source.folders]\n\"DEM14\" = { nom = \"DEM14\" }\n";
    let config = parse_with(&(source("") + ftp), &env).unwrap().config;
    let SourceKind::Ftp(old) = &config.sources[1].kind else { panic!("FTP") };
    assert_eq!(old.password.expose(), "p-cred");
    assert!(sftp(&config, 0).password.is_none(), "it is another server's");
    assert!(sftp(&config, 0).key.is_some());
    let second = source("").split_once("[[source]]").unwrap().1.replace("DEM12", "SU12");
    let second = second.replace("\"cu\"", "\"cu2\"");
    let refusal = parse_with(&format!("{}[[source]]{second}", source("")), &env).unwrap_err();
    let refusal = refusal.to_string();
    assert!(
        refusal.contains("source[2].password_file: is missing; give password_file or key_file")
    );
    assert!(!refusal.contains("credential"), "{refusal}");
}

#[test]
fn the_variables_of_the_replaced_service_are_not_an_sftp_sources() {
    let files = Files::new();
    let keys = files.line("password_file", "p");
    let env = [("FTP_HOST", "other"), ("FTP_USER", "other"), ("FTP_PASS", "other")];
    let loaded = read(&keys, &env).unwrap();
    let config = sftp(&loaded.config, 0);
    assert_eq!((config.host.as_str(), config.user.as_str()), ("h", "u"));
    assert_eq!(exposed(config.password.as_ref()), Some("p"));
    assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
    assert!(loaded.warnings.iter().all(|line| line.contains("no [[source]] is an FTP server")));
}

#[test]
fn a_host_key_is_a_sha256_fingerprint_and_anything_else_is_refused_with_what_it_is() {
    let files = Files::new();
    let password = files.line("password_file", "p");
    let of = |host_key: &str| mistake(&format!("{password}host_key = {host_key}"), &[]);
    let accepted = "is not accepted; give \"SHA256:\" and 43 characters";
    let md5 = "is an MD5 fingerprint, which can be forged; give the SHA256 one: ssh-keygen -lf";
    let short = FINGERPRINT.replace("Hh8", "Hh");
    let table = [
        (format!("{short:?}"), accepted),
        (format!("\"{FINGERPRINT}A\""), accepted),
        // The last character has bits that no 32 bytes have.
        (format!("{:?}", FINGERPRINT.replace("Hh8", "Hh9")), accepted),
        (format!("\"{FINGERPRINT} root@cu (ED25519)\""), accepted),
        (format!("{:?}", FINGERPRINT.replace("SHA256", "sha256")), accepted),
        ("\"\"".to_owned(), accepted),
        ("true".to_owned(), "true is not accepted; give \"SHA256:\" and 43 characters"),
        ("\"MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48\"".to_owned(), md5),
        ("\"16:27:AC:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48\"".to_owned(), md5),
        (
            "\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 root@cu\"".to_owned(),
            "is a public key; give its fingerprint",
        ),
        (format!("[{FINGERPRINT:?}, \"x\"]"), "\"x\" is not accepted"),
    ];
    for (host_key, says) in table {
        let mistake = of(&host_key);
        assert!(mistake.starts_with("9: source[1].host_key: "), "{mistake}");
        assert!(mistake.contains(says), "{host_key}: {mistake}");
    }
}

#[test]
fn a_key_file_may_be_longer_than_a_password_and_is_named_if_every_user_can_read_it() {
    let files = Files::new();
    let line = files.line("key_file", &"k".repeat(16 << 10));
    assert!(accepted(&line, &[]).key.is_some());
    let path = files.path("key_file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = read(&line, &[]).unwrap().warnings;
    let expected = format!(
        "{}: a private key that every user of this computer can read; run chmod 0640 on it",
        path.display()
    );
    assert_eq!(warnings, [expected]);
    let long = mistake(&files.line("key_file", &"k".repeat((16 << 10) + 1)), &[]);
    assert!(long.contains("longer than the 16384 bytes that a private key may have"), "{long}");
    let long = mistake(&files.line("password_file", &"p".repeat(4097)), &[]);
    assert!(long.contains("longer than the 4096 bytes that a password may have"), "{long}");
    let missing = mistake("key_file = \"/none\"", &[]);
    assert!(missing.starts_with("8: source[1].key_file: \"/none\" (cannot be read: "), "{missing}");
    assert!(
        missing.ends_with("give a file that holds the private key and that the agent may read")
    );
}

#[test]
fn legacy_algorithms_is_true_or_false_without_quotation_marks() {
    let files = Files::new();
    let password = files.line("password_file", "p");
    assert!(!accepted(&format!("{password}legacy_algorithms = false"), &[]).legacy_algorithms);
    for written in ["\"true\"", "1", "\"yes\""] {
        let mistake = mistake(&format!("{password}legacy_algorithms = {written}"), &[]);
        let says = format!("legacy_algorithms: {written} is not accepted; give true or false");
        assert!(mistake.contains(&says), "{mistake}");
    }
}

/// Each key that is not every kind's, with a value and its kinds.
const KEYS: [(&str, &str, &[&str]); 20] = [
    ("path", "\"/logs\"", &["directory"]),
    ("host", "\"h\"", &["ftp", "sftp"]),
    ("user", "\"u\"", &["ftp", "sftp"]),
    ("password_file", "", &["ftp", "sftp"]),
    ("port", "2200", &["ftp", "sftp"]),
    ("root", "\"logs\"", &["ftp", "sftp"]),
    ("encoding", "\"utf-8\"", &["ftp", "sftp"]),
    ("connect_timeout", "\"7s\"", &["ftp", "sftp"]),
    ("read_timeout", "\"8s\"", &["ftp", "sftp"]),
    ("tls", "\"explicit\"", &["ftp"]),
    ("ca_file", "\"ca.pem\"", &["ftp"]),
    (
        "fingerprint",
        "\"ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789\"",
        &["ftp"],
    ),
    ("mode", "\"active\"", &["ftp"]),
    ("keep_connection", "true", &["ftp"]),
    ("connections", "2", &["ftp"]),
    ("key_file", "", &["sftp"]),
    ("key_passphrase_file", "", &["sftp"]),
    ("host_key", "\"SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"", &["sftp"]),
    ("known_hosts", "\"known_hosts\"", &["sftp"]),
    ("legacy_algorithms", "true", &["sftp"]),
];

proptest::proptest! {
    /// Any keys of the three kinds in one source: exactly those of other kinds, and those that are missing,
    /// are mistakes, each named once with its kinds; nothing secret is shown.
    #[test]
    fn any_keys_of_the_three_kinds_are_read_or_refused_by_name(
        kind in proptest::sample::select(&["ftp", "sftp", "directory"][..]),
        written in proptest::collection::vec(proptest::bool::ANY, KEYS.len()),
    ) {
        let files = Files::new();
        let mut text = format!("[agent]\nid = \"a\"\n[[source]]\nname = \"cu\"\nkind = \"{kind}\"\n");
        let mut wrong: BTreeSet<&str> = BTreeSet::new();
        let is_written: BTreeSet<&str> =
            KEYS.iter().zip(&written).filter(|(_, written)| **written).map(|((key, ..), _)| *key).collect();
        for (key, value, kinds) in KEYS.iter().filter(|(key, ..)| is_written.contains(key)) {
            text += &match *value {
                "" => files.line(key, "hush"),
                value => format!("{key} = {value}\n"),
            };
            if !kinds.contains(&kind) {
                wrong.insert(key);
            }
        }
        let is_lacking = |key: &str| !is_written.contains(key);
        match kind {
            "directory" => wrong.extend(["path"].into_iter().filter(|key| is_lacking(key))),
            kind => {
                wrong.extend(["host", "user"].into_iter().filter(|key| is_lacking(key)));
                let has_key = kind == "sftp" && !is_lacking("key_file");
                let has_phrase_alone = kind == "sftp" && !has_key && !is_lacking("key_passphrase_file");
                if has_phrase_alone {
                    wrong.insert("key_passphrase_file");
                } else if is_lacking("password_file") && !has_key {
                    wrong.insert("password_file");
                }
            }
        }
        match parse_with(&(text + FOLDERS), &[]) {
            Ok(loaded) => {
                proptest::prop_assert!(wrong.is_empty(), "{:?}", wrong);
                let printed = format!("{:?}", loaded.config);
                proptest::prop_assert!(!printed.contains("hush"));
                proptest::prop_assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            }
            Err(ConfigError::Mistakes(mistakes)) => {
                let named: Vec<&str> =
                    mistakes.iter().map(|one| one.key.strip_prefix("source[1].").unwrap()).collect();
                let all: BTreeSet<&str> = named.iter().copied().collect();
                proptest::prop_assert_eq!(named.len(), all.len());
                proptest::prop_assert_eq!(&all, &wrong);
                for (mistake, key) in mistakes.iter().zip(named) {
                    let kinds = KEYS.iter().find(|row| row.0 == key).unwrap().2;
                    let is_for = format!("is only for kind = \"{}\"", kinds.join("\" or \""));
                    let is_of_others = !kinds.contains(&kind);
                    proptest::prop_assert_eq!(mistake.problem.starts_with(&is_for), is_of_others);
                    proptest::prop_assert!(!mistake.problem.contains("hush"));
                }
            }
            Err(other) => proptest::prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn a_key_of_another_kind_says_what_an_sftp_source_has_instead() {
    let files = Files::new();
    let password = files.line("password_file", "p");
    let of = |line: &str| mistake(&format!("{password}{line}"), &[]);
    assert_eq!(
        of("fingerprint = \"AB\""),
        "9: source[1].fingerprint: is only for kind = \"ftp\"; an SFTP server is known by its host_key"
    );
    assert_eq!(
        of("tls = \"explicit\""),
        "9: source[1].tls: is only for kind = \"ftp\"; remove it, or correct kind"
    );
    let slip = of("hostkey = \"x\"");
    assert!(slip.contains("unknown key (is host_key meant?)"), "{slip}");
}
