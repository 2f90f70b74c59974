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
        Accepts::{Decimal, List, Text, Words},
        Defaulted, Key, defaulted, duration, key, number, port, size,
    },
    units::{
        any_text, at_most_50, at_most_100, cents, event_name, not_empty, old_names,
        parse_fingerprint,
    },
};

section! {
    SourceKeys, "[[source]]", "One [[source]] per FTP server or directory.", "";

    NAME: Key<String> = key("name", Text(r#"a name for the log, such as "cu""#, not_empty)),
    OnAs("cu"),
    "Its name in the log and in `status`.";

    IS_FTP: Key<bool> = key("kind", Words(&[("ftp", true), ("directory", false)])),
    OnAs("ftp"),
    "An FTP server, or a directory such as a USB stick or a mounted share.";

    PATH: Key<String> =
        key("path", Text("the directory that holds the machine folders", not_empty)),
    InSample,
    "The directory that contains the machine folders; only of a directory, which has none of the keys from \
     host to read_timeout.";

    HOST: Key<String> =
        key("host", Text("the FTP server's name or address (or FTP_HOST)", not_empty)),
    OnAs("192.168.10.20"),
    "The FTP server, its port (21 by default, 990 with tls = \"implicit\") and the user to log in as.";

    PORT: Key<u16> = key("port", port()),
    OnAs("21"),
    "";

    USER: Key<String> = key("user", Text("the FTP user (or FTP_USER)", not_empty)),
    OnAs("cu"),
    "";

    PASSWORD_FILE: Key<String> =
        key("password_file", Text("a file that holds the password", any_text)),
    OffAs("/etc/cu-agent/ftp.password"),
    "One line; readable only by the agent (0640 root:cu-agent). Without this key, FTP_PASS or the systemd \
     credential ftp-password is needed.";

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
    "Encryption: \"explicit\" is AUTH TLS, \"implicit\" is TLS from the first byte, on port 990.";

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

pub(super) fn second() -> Topic {
    Topic {
        header: "",
        about: "A USB stick or a mounted share, with the same folders inside:",
        keys: Vec::new(),
        sample: r#"# [[source]]
# name = "stick"
# kind = "directory"
# path = "/media/logs"
#   [source.folders]
#   "DEM14 (PVC)" = { nom = "DEM14", type_cu = "DEM14", nominal_per_hour = 90, cost_per_hour = 85.50, reject_event = "StukAfgekeurd", old_names = ["PVC"] }"#,
    }
}
