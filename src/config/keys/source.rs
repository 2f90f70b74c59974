//! The rows of `[[source]]` and of its folders.

use std::time::Duration;

use super::super::{
    DeletePolicy, FtpMode, FtpTls, NameEncoding,
    explained::{
        Explained,
        Show::{InSample, Off, OffAs, On, OnAs},
        Topic,
    },
    key::{
        Accepts::{Decimal, Flag, List, Text, Words},
        Defaulted, Key, defaulted, duration, key, number, port, size,
    },
    units::{
        any_text, at_most_50, at_most_100, cents, event_name, not_empty, old_names,
        parse_fingerprint,
    },
};

/// What a source is, and with it which keys it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::config) enum Kind {
    Ftp,
    Sftp,
    Directory,
}

/// The keys of a source that are not of every kind, each with its kinds.
const KINDS_OF_KEYS: [(&str, &[Kind]); 20] = {
    const FTP: &[Kind] = &[Kind::Ftp];
    const SFTP: &[Kind] = &[Kind::Sftp];
    const SERVERS: &[Kind] = &[Kind::Ftp, Kind::Sftp];
    [
        (SourceKeys::PATH.name, &[Kind::Directory]),
        (SourceKeys::HOST.name, SERVERS),
        (SourceKeys::PORT.name, SERVERS),
        (SourceKeys::USER.name, SERVERS),
        (SourceKeys::PASSWORD_FILE.name, SERVERS),
        (SourceKeys::ENCODING.name, SERVERS),
        (SourceKeys::ROOT.name, SERVERS),
        (SourceKeys::CONNECT_TIMEOUT.name, SERVERS),
        (SourceKeys::READ_TIMEOUT.name, SERVERS),
        (SourceKeys::TLS.name, FTP),
        (SourceKeys::CA_FILE.name, FTP),
        (SourceKeys::FINGERPRINT.name, FTP),
        (SourceKeys::MODE.name, FTP),
        (SourceKeys::KEEP_CONNECTION.name, FTP),
        (SourceKeys::CONNECTIONS.name, FTP),
        (SourceKeys::KEY_FILE.name, SFTP),
        (SourceKeys::KEY_PASSPHRASE_FILE.name, SFTP),
        (SourceKeys::HOST_KEY.name, SFTP),
        (SourceKeys::KNOWN_HOSTS.name, SFTP),
        (SourceKeys::LEGACY_ALGORITHMS.name, SFTP),
    ]
};

/// The keys that a source of this kind does not have, each with what is wrong where it is written.
pub(in crate::config) fn keys_of_others(
    kind: Kind,
) -> impl Iterator<Item = (&'static str, String)> {
    let others = KINDS_OF_KEYS.into_iter().filter(move |(_, kinds)| !kinds.contains(&kind));
    others.map(move |(key, kinds)| {
        let kinds: Vec<_> = kinds.iter().map(|kind| format!("{:?}", kind.word())).collect();
        let is_for = format!("is only for kind = {}", kinds.join(" or "));
        let is_trust = key == SourceKeys::CA_FILE.name || key == SourceKeys::FINGERPRINT.name;
        let problem = if kind == Kind::Sftp && is_trust {
            format!("{is_for}; an SFTP server is known by its host_key")
        } else {
            format!("{is_for}; remove it, or correct kind")
        };
        (key, problem)
    })
}

impl Kind {
    /// As it is written.
    const fn word(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Sftp => "sftp",
            Self::Directory => "directory",
        }
    }
}

section! {
    SourceKeys, "[[source]]", "One [[source]] per FTP server, SFTP server or directory.", "";

    NAME: Key<String> = key("name", Text(r#"a name for the log, such as "cu""#, not_empty)),
    OnAs("cu"),
    "Its name in the log and in `status`.";

    KIND: Key<Kind> = key(
        "kind",
        Words(&[
            (Kind::Ftp.word(), Kind::Ftp),
            (Kind::Sftp.word(), Kind::Sftp),
            (Kind::Directory.word(), Kind::Directory),
        ]),
    ),
    OnAs("ftp"),
    "An FTP server, an SFTP server (SSH), or a directory such as a USB stick or a mounted share.";

    PATH: Key<String> =
        key("path", Text("the directory that holds the machine folders", not_empty)),
    InSample,
    "The directory that contains the machine folders; only of a directory, which has none of the keys from \
     host to read_timeout.";

    HOST: Key<String> =
        key("host", Text("the server's name or address (or FTP_HOST for FTP)", not_empty)),
    OnAs("192.168.10.20"),
    "The server, its port (21 by default, 990 with tls = \"implicit\"; 22 for SFTP) and the user to log in as.";

    PORT: Key<u16> = key("port", port()),
    OnAs("21"),
    "";

    USER: Key<String> = key("user", Text("the user to log in as (or FTP_USER for FTP)", not_empty)),
    OnAs("cu"),
    "";

    PASSWORD_FILE: Key<String> =
        key("password_file", Text("a file that holds the password", any_text)),
    OffAs("/etc/cu-agent/ftp.password"),
    "One line; readable only by the agent (0640 root:cu-agent). Without this key, FTP_PASS or the systemd \
     credential ftp-password is needed; an SFTP server may have a private key instead.";

    KEY_FILE: Key<String> = key("key_file", Text("a file that holds the private key", any_text)),
    InSample,
    "The private key to log in with, as ssh-keygen writes it (ed25519, ecdsa or rsa); readable only by the \
     agent; or the systemd credential sftp-key. A server may ask for the password too. Only for SFTP.";

    KEY_PASSPHRASE_FILE: Key<String> =
        key("key_passphrase_file", Text("a file that holds the key's passphrase", any_text)),
    InSample,
    "One line, if the private key is encrypted; or the systemd credential sftp-key-passphrase. Only for SFTP.";

    HOST_KEY: Key<String> = key(
        "host_key",
        Text(r#""SHA256:" and 43 characters, as `cu-agent check` or ssh-keygen -lf prints them"#, any_text),
    ),
    InSample,
    "The fingerprint of the server's host key, or a list of them; `cu-agent check` shows it. No connection is \
     made without host_key or known_hosts. Only for SFTP.";

    KNOWN_HOSTS: Key<String> = key("known_hosts", Text("a file in OpenSSH's format", not_empty)),
    InSample,
    "A known_hosts file as OpenSSH has it; its keys of this host are trusted beside those of host_key. Only for SFTP.";

    LEGACY_ALGORITHMS: Defaulted<bool> = defaulted("legacy_algorithms", "false", Flag(Some)),
    InSample,
    "true also allows algorithms that are no longer safe, such as ssh-rsa with SHA-1 and CBC ciphers, for an \
     old controller; default: false. Only for SFTP.";

    TLS: Defaulted<FtpTls> = defaulted(
        "tls",
        "none",
        Words(&[
            ("none", FtpTls::None),
            ("explicit", FtpTls::Explicit),
            ("implicit", FtpTls::Implicit),
        ]),
    ),
    On,
    "Encryption: \"explicit\" is AUTH TLS, \"implicit\" is TLS from the first byte, on port 990. Only for \
     FTP, as ca_file, fingerprint and mode are.";

    CA_FILE: Key<String> = key("ca_file", Text("a PEM file", not_empty)),
    OffAs("/etc/cu-agent/ftp-ca.pem"),
    "Authorities to trust instead of the built-in ones, PEM.";

    FINGERPRINT: Key<[u8; 32]> = key(
        "fingerprint",
        Text("the certificate's SHA-256 as 64 hexadecimal digits", parse_fingerprint),
    ),
    OffAs(
        "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"
    ),
    "SHA-256 of the server's self-signed certificate; checked instead of the authorities.";

    ENCODING: Defaulted<NameEncoding> = defaulted(
        "encoding",
        "latin-1",
        Words(&[("utf-8", NameEncoding::Utf8), ("latin-1", NameEncoding::Latin1)]),
    ),
    On,
    "How the server writes file names.";

    MODE: Defaulted<FtpMode> = defaulted(
        "mode",
        "passive",
        Words(&[("passive", FtpMode::Passive), ("active", FtpMode::Active)]),
    ),
    Off,
    "With \"active\" the server connects back to the gateway; only if a firewall requires it.";

    KEEP_CONNECTION: Defaulted<bool> = defaulted("keep_connection", "false", Flag(Some)),
    Off,
    "true stays logged in between polls: a quiet poll is then a few round trips, which saves a radio link. Only if \
     the server has places for several clients: one of them is taken all the time. Only for FTP.";

    CONNECTIONS: Defaulted<u32> = defaulted("connections", "1", number(1, 8)),
    Off,
    "Over how many connections files that are new are read at once: more save time on a distant line. Many \
     controllers take one only. Only for FTP.";

    ROOT: Key<String> = key("root", Text("a directory on the server", not_empty)),
    OffAs("/logs"),
    "The directory on the server that contains the machine folders; default: the login directory.";

    CONNECT_TIMEOUT: Defaulted<Duration> =
        defaulted("connect_timeout", "10s", duration("1s", "10m")),
    Off,
    "Time-outs: to connect, and for silence on a connection.";

    READ_TIMEOUT: Defaulted<Duration> = defaulted("read_timeout", "30s", duration("1s", "10m")),
    Off,
    "";

    MAX_FILE_SIZE: Defaulted<u64> = defaulted("max_file_size", "8MiB", size()),
    Off,
    "A larger file is refused and shown by `status`; so is one that would make the files of a machine's day \
     larger than this together. A typical day is 40 KB. A higher limit needs more memory: `check` says how \
     much.";

    DELETE: Defaulted<DeletePolicy> = defaulted(
        "delete",
        "never",
        Words(&[("never", DeletePolicy::Never), ("after-sync", DeletePolicy::AfterSync)]),
    ),
    OnAs("after-sync"),
    "With \"after-sync\" a LOG leaves the server, but only when it is complete, a newer LOG of its machine \
     with events of a later day was read, the server's times of several files or the growth of the newer \
     LOG confirm it, every session computed from it is confirmed in central, and the server's copy still \
     equals what was read. The default is \"never\".";

    DELETE_NEWEST: Defaulted<DeletePolicy> = defaulted(
        "delete_newest",
        "never",
        Words(&[("never", DeletePolicy::Never), ("after-sync", DeletePolicy::AfterSync)]),
    ),
    Off,
    "Whether a machine's newest LOG may be deleted too, once files of two machines show that its day is \
     over. This risks losing lines: a machine that keeps its LOG open during a break continues to write \
     into the deleted file.";
}

section! {
    FolderKeys, "[source.folders]", "Folder on the server = the machine. One folder per machine.",
    r#""DEM12 (PVC)"    = { nom = "DEM12",  type_cu = "DEM12" }
"DEMALU (ALU)"   = { nom = "DEMALU", type_cu = "DEMALU" }
"SU12 (HYBRIDE)" = { nom = "SU12",   type_cu = "SU12" }"#;

    NOM: Key<String> =
        key("nom", Text("the machine's name in central, 1 to 100 characters", at_most_100)),
    InSample,
    "The machine's name in central.";

    TYPE_CU: Key<String> = key("type_cu", Text("1 to 50 characters", at_most_50)),
    InSample,
    "Its type in central; default: nom.";

    DESCRIPTION: Key<String> = key("description", Text("1 to 100 characters", at_most_100)),
    InSample,
    "Its description in central; default: what people wrote there.";

    NOMINAL_PER_HOUR: Key<u32> = key("nominal_per_hour", number(1, 1_000_000)),
    InSample,
    "The pieces per hour that it can make; enables its TRS.";

    COST_PER_HOUR: Key<u32> =
        key("cost_per_hour", Decimal("euros from 0.01 to 1000000, as in 85 or 85.50", cents)),
    InSample,
    "What an hour of required time costs, in euros: the losses of a report are told in money too.";

    OBJECTIVE_PER_DAY: Key<u32> = key("objective_per_day", number(1, 10_000_000)),
    InSample,
    "The pieces that a production day is to give; the board and the page show how far it is.";

    REJECT_EVENT: Key<String> =
        key("reject_event", Text("a word of latin-1 characters without a colon", event_name)),
    InSample,
    "The event that reports a rejected piece, if any.";

    OLD_NAMES: Key<Vec<String>> =
        key("old_names", List("a list of at most 20 names of 1 to 100 characters", old_names)),
    InSample,
    "Names that the machine had in central before, also with a date behind them (PVC stands for PVC_20250501 \
     too): `cu-agent central migrate` merges their rows into the machine's, `check --replace` shows them first.";
}

/// More sources, to show those of other kinds.
pub(super) fn others() -> [Topic; 2] {
    let sftp = Topic {
        header: "",
        about: "An SFTP server. It has none of the keys tls, ca_file, fingerprint, mode, keep_connection and connections:",
        keys: Vec::new(),
        sample: r#"# [[source]]
# name = "cu-sftp"
# kind = "sftp"
# host = "192.168.10.21"
# port = 22
# user = "cu"
# key_file = "/etc/cu-agent/sftp.key"
# key_passphrase_file = "/etc/cu-agent/sftp.passphrase"
# host_key = "SHA256:uNiVztksCsDhcc0u9e8BrqjGyhOfoxn0QG1bXkCRSpM"
# known_hosts = "/etc/cu-agent/known_hosts"
# legacy_algorithms = false
# root = "logs"
# delete = "never"
#   [source.folders]
#   "DEM15" = { nom = "DEM15", type_cu = "DEM15" }"#,
    };
    let directory = Topic {
        header: "",
        about: "A USB stick or a mounted share, with the same folders inside:",
        keys: Vec::new(),
        sample: r#"# [[source]]
# name = "stick"
# kind = "directory"
# path = "/media/logs"
#   [source.folders]
#   "DEM14 (PVC)" = { nom = "DEM14", type_cu = "DEM14", nominal_per_hour = 90, cost_per_hour = 85.50, objective_per_day = 600, reject_event = "StukAfgekeurd", old_names = ["PVC"] }"#,
    };
    [sftp, directory]
}
