//! The table of keys. Each row says a key's type, name, accepted values and default, how
//! `config.toml.example` shows it, and its explanation. Reading, refusals, the example and the manual page
//! are all made of these rows. `keys/source.rs` has those of `[[source]]`, `keys/thresholds.rs` those of
//! `[anomalies]`.
//!
//! To add a key, add a row here, and a typed field that is read from it, such as
//! `poll: section.value(&ScheduleKeys::POLL)`.

use std::{net::SocketAddr, time::Duration};

use chrono::{TimeDelta, Weekday};
use log::LevelFilter;

use super::{
    CentralTls, SignerKey, WaitStamp,
    explained::{
        Explained,
        Show::{Off, OffAs, On, OnAs, Retired},
        Topic,
    },
    from_central::keep,
    hosts::Hosts,
    key::{
        Accepts::{List, Size, Text, Words},
        Defaulted, Key, defaulted, duration, key, number, port, size,
    },
    units::{
        any_text, at_least_1_mib, at_most_100, days, event_name, host_names, hours, https_address,
        listen_address, not_empty, parse_duration, parse_time_of_day, report_formats,
    },
    window::Window,
};
use crate::model::{Language, ReportFormat};

/// Declares the rows of a section as constants, and what people are told of them.
macro_rules! section {
    (
        $section:ident, $header:literal, $about:literal, $sample:literal;
        $($row:ident: $type:ty = $key:expr, $show:expr, $explanation:literal;)*
    ) => {
        pub(in crate::config) enum $section {}

        impl $section {
            $(pub(in crate::config) const $row: $type = $key;)*

            pub(super) fn topic() -> Topic {
                let keys = [$(Explained::new(&Self::$row, &$show, $explanation)),*];
                let keys = keys.into_iter().flatten().collect();
                Topic { header: $header, about: $about, keys, sample: $sample }
            }
        }
    };
}

// The macro must be above the modules that use it.
mod calendar;
mod source;
mod thresholds;

pub(super) use calendar::{CalendarKeys, ShiftKeys};
pub(super) use source::{FolderKeys, Kind, SourceKeys, keys_of_others};
pub(super) use thresholds::THRESHOLDS;

/// The paragraphs at the head of the example.
pub const HEAD: [&str; 2] = [
    "The configuration of cu-agent. Copy it to /etc/cu-agent/config.toml and keep what you need; \
     `cu-agent check` reports what is wrong. Every key is here; a line that begins with \"# \" and a key \
     shows an option with its default or an example. Relative paths start at this file's directory.",
    "Passwords never belong in this file. They are read from, in this order: an environment variable \
     (FTP_PASS for the first FTP source, POSTGRES_PASSWORD), a systemd credential (ftp-password, \
     central-password), the file named by password_file. Of an SFTP source, the files that it names come \
     first; the credentials sftp-key, sftp-key-passphrase and, if there is no FTP source, ftp-password are for \
     the first SFTP source. The other variables of the previous service override this file too: FTP_HOST, \
     FTP_USER, POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER. An empty one counts as unset. If the \
     first source is no FTP server, those of FTP only fill what is left out here.",
];

/// Every section in the order of the example.
pub fn topics() -> Vec<Topic> {
    let [sftp, directory] = source::others();
    vec![
        AgentKeys::topic(),
        ScheduleKeys::topic(),
        SourceKeys::topic(),
        FolderKeys::topic(),
        sftp,
        directory,
        CentralKeys::topic(),
        AnalysisKeys::topic(),
        EventKeys::topic(),
        thresholds::topic(),
        CalendarKeys::topic(),
        ShiftKeys::topic(),
        StatusKeys::topic(),
        UpdateKeys::topic(),
        SettingsKeys::topic(),
        AlarmKeys::topic(),
        ReportKeys::topic(),
    ]
}

section! {
    AgentKeys, "[agent]", "", "";

    ID: Key<String> = key(
        "id",
        Text(
            r#"a name of 1 to 100 characters that no other gateway has, such as "ligne-1""#,
            at_most_100,
        ),
    ),
    OnAs("ligne-1"),
    "Unique among all gateways; central stores it with every session.";

    STATE_DIR: Defaulted<String> =
        defaulted("state_dir", "/var/lib/cu-agent", Text("a directory", not_empty)),
    On,
    "Directory of the buffer (buffer.db).";

    LOG_LEVEL: Defaulted<LevelFilter> = defaulted(
        "log_level",
        "info",
        Words(&[
            ("error", LevelFilter::Error),
            ("warn", LevelFilter::Warn),
            ("info", LevelFilter::Info),
            ("debug", LevelFilter::Debug),
            ("trace", LevelFilter::Trace),
        ]),
    ),
    On,
    "How much is logged.";

    LANGUAGE: Key<Language> =
        key("language", Words(&[("fr", Language::French), ("en", Language::English)])),
    OffAs("fr"),
    "Language of everything that people read: the page, reports, alarms, anomalies. Without this key it is \
     French, and the page is in the language that the browser asks for.";

    MAX_BUFFER_SIZE: Defaulted<u64> = defaulted(
        "max_buffer_size",
        "2GiB",
        Size(r#"a size of at least "1MiB""#, at_least_1_mib),
    ),
    Off,
    "Maximum size of the buffer. When it is full, raw bytes whose sessions are in central are dropped, \
     oldest first; other bytes are never dropped: reading stops until there is room.";
}

section! {
    ScheduleKeys, "[schedule]", "", "";

    POLL: Defaulted<Duration> = defaulted("poll", "5m", duration("100ms", "24h")),
    On,
    "How often the sources are polled.";

    FILE_QUIET: Defaulted<Duration> = defaulted(
        "file_quiet",
        "30m",
        Text(r#"a duration such as "30s", "5m" or "2h""#, parse_duration),
    ),
    On,
    "A LOG whose day is over is complete when it has not changed for this long.";
}

section! {
    CentralKeys, "[central]",
    "Central PostgreSQL. Without this section the agent only collects and stores locally.", "";

    HOST: Key<Hosts> = key(
        "host",
        Text(
            r#"central PostgreSQL's name or address (or POSTGRES_HOST), or up to 8 of them such as "a, b:5433""#,
            |text| text.parse().ok(),
        ),
    ),
    OnAs("central.usine.lan"),
    "The server, the database in it, and the role to log in as. Several servers, separated by commas, are \
     tried in this order until one is found that can be written: \"a, b\", or \"a:5432, b:5433\".";

    PORT: Defaulted<u16> = defaulted("port", "5432", port()),
    On,
    "Of each server that has none of its own in host.";

    DATABASE: Key<String> =
        key("database", Text("the database's name (or POSTGRES_DB)", not_empty)),
    OnAs("production"),
    "";

    USER: Key<String> = key("user", Text("the role to log in with (or POSTGRES_USER)", not_empty)),
    OnAs("cu_agent"),
    "";

    PASSWORD_FILE: Key<String> =
        key("password_file", Text("a file that holds the password", any_text)),
    OffAs("/etc/cu-agent/central.password"),
    "As above; or POSTGRES_PASSWORD, or the systemd credential central-password.";

    TLS: Defaulted<CentralTls> = defaulted(
        "tls",
        "verify-full",
        Words(&[
            ("disable", CentralTls::Disable),
            ("require", CentralTls::Require),
            ("verify-full", CentralTls::VerifyFull),
        ]),
    ),
    On,
    "Encryption; with \"require\" the server's certificate is not checked.";

    ONLY_SCRAM: Key<bool> = key("require_auth", Words(&[("scram-sha-256", true), ("any", false)])),
    OffAs("scram-sha-256"),
    "Accepted authentication methods. The default is \"scram-sha-256\" with tls = \"disable\" or \"require\", \
     \"any\" with \"verify-full\". With an unverified server, \"any\" sends the password, in clear text or as \
     an md5 hash, to any server at that address that asks for it, and accepts a server that asks for none.";

    CA_FILE: Key<String> = key("ca_file", Text("a PEM file", not_empty)),
    OffAs("/etc/cu-agent/central-ca.pem"),
    "Authorities to trust instead of the built-in ones, PEM.";

    CONNECT_TIMEOUT: Defaulted<Duration> =
        defaulted("connect_timeout", "10s", duration("1s", "10m")),
    Off,
    "Time-outs: to connect, and for one statement.";

    STATEMENT_TIMEOUT: Defaulted<Duration> =
        defaulted("statement_timeout", "60s", duration("1s", "10m")),
    Off,
    "";
}

section! {
    AnalysisKeys, "[analysis]", "", "";

    DAY_START: Defaulted<TimeDelta> = defaulted(
        "day_start",
        "00:00",
        Text(r#"a time of day such as "05:00""#, parse_time_of_day),
    ),
    On,
    "When a production day begins; \"05:00\" for a night shift. After a change: cu-agent replay.";

    WAIT_STAMP: Defaulted<WaitStamp> = defaulted(
        "wait_stamp",
        "start",
        Words(&[("start", WaitStamp::Start), ("end", WaitStamp::End)]),
    ),
    On,
    "Whether the line of a wait marks its start or its end.";
}

/// The maker's word for an event.
const fn event(name: &'static str, default: &'static str) -> Defaulted<String> {
    defaulted(name, default, Text("a word of latin-1 characters without a colon", event_name))
}

section! {
    EventKeys, "[analysis.events]",
    "Event names as the machine's manufacturer writes them. After a change: cu-agent replay.", "";

    PIECE: Defaulted<String> = event("piece", "StukUitgevoerd"), On, "";
    WAIT: Defaulted<String> = event("wait", "MachineWait"), On, "";
    STOP: Defaulted<String> = event("stop", "MachineStop"), On, "";
    START: Defaulted<String> = event("start", "MachineStart"), On, "";
    JOB: Defaulted<String> = event("job", "JobProfiel"), On, "";
}

section! {
    StatusKeys, "[status]", "", "";

    LISTEN: Defaulted<Option<SocketAddr>> = defaulted(
        "listen",
        "127.0.0.1:9780",
        Text(r#"an address and port such as "127.0.0.1:9780", or "" for none"#, listen_address),
    ),
    On,
    "Address of the gateway's page, its metrics and its health, see docs/operating.md. By default it is \
     visible from this computer only; \"0.0.0.0:9780\" makes it visible on the network. \"\" turns it off.";

    LANGUAGE: Key<Option<Language>> = key(
        "language",
        Words(&[("auto", None), ("fr", Some(Language::French)), ("en", Some(Language::English))]),
    ),
    Retired,
    "";

    NAMES: Key<Vec<String>> =
        key("names", Text("names of this computer with blanks between, without a port", host_names)),
    OffAs("ligne-1.usine.lan"),
    "Additional host names, separated by blanks, under which the page may be requested. Addresses and this \
     computer's own name are always accepted; others are refused, so that foreign web pages cannot read \
     this one.";
}

section! {
    UpdateKeys, "# [update]",
    "Self-update: this gateway fetches signed packages by itself, see docs/updating.md. Without this section \
     it does not; a plant with an apt repository does not need it.", "";

    MANIFEST_URL: Key<String> = key(
        "manifest_url",
        Text(
            r#"an address such as "https://updates.example/cu-agent/manifest.json""#,
            https_address,
        ),
    ),
    OffAs("https://updates.example/cu-agent/manifest.json"),
    "The signed list of versions; its signature is beside it, manifest.json.minisig.";

    PUBLIC_KEY: Key<SignerKey> = key(
        "public_key",
        Text("the second line of the publisher's minisign.pub, 56 characters", SignerKey::parse),
    ),
    OffAs("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"),
    "The plant's own key, if it publishes the packages itself: the second line of its minisign.pub. Without \
     it the keys in key_file count.";

    KEY_FILE: Defaulted<String> = defaulted(
        "key_file",
        "/usr/share/cu-agent/update-keys.json",
        Text("a file", not_empty),
    ),
    Off,
    "The publisher's keys, and how many of them must sign; comes with the package.";

    CA_FILE: Key<String> = key("ca_file", Text("a PEM file", not_empty)),
    OffAs("/etc/cu-agent/update-ca.pem"),
    "Authorities to trust instead of the built-in ones, PEM.";

    WINDOW: Defaulted<Window> = defaulted(
        "window",
        "21:30-04:30",
        Text(r#"a time of day such as "21:30-04:30", or "any""#, Window::parse),
    ),
    Off,
    "When a package may be replaced, in local time, and only while no LOG grows; or \"any\".";

    PROVE_TIMEOUT: Defaulted<Duration> = defaulted("prove_timeout", "10m", duration("10s", "6h")),
    Off,
    "How long a new version may take to start, open the buffer and collect; after that it is rolled back.";

    MAX_DEFERRAL: Defaulted<Duration> = defaulted("max_deferral", "14d", duration("1h", "90d")),
    Off,
    "How long running machines may delay an update at most, summed over the updater's runs.";

    STOP_AFTER: Defaulted<u32> = defaulted("stop_after", "2", number(1, 10_000)),
    Off,
    "A version that was rolled back on this number of gateways is refused here; central counts them.";

    STOP_AFTER_PERCENT: Defaulted<u32> = defaulted("stop_after_percent", "20", number(1, 100)),
    Off,
    "The same as a share of the whole fleet: whichever comes first.";

    DIRECTORY: Defaulted<String> = defaulted(
        "directory",
        "/var/lib/cu-agent-update",
        Text("a directory of root's", not_empty),
    ),
    Off,
    "The updater's own directory, writable by root only.";
}

section! {
    SettingsKeys, "# [settings]",
    "Settings that central gives to all gateways, signed: docs/settings.md. Without this section none are taken.", "";

    PUBLIC_KEY: Key<SignerKey> = key(
        "public_key",
        Text("the second line of the plant's minisign.pub, 56 characters", SignerKey::parse),
    ),
    OffAs("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"),
    "Whose signature counts. Without it those of [update] count, and without that section those of the package.";

    KEEP: Key<Vec<String>> = key(
        "keep",
        List(
            r#"a list of keys or sections that may come from central, such as ["schedule.poll", "alarms"]"#,
            keep,
        ),
    ),
    OffAs("schedule.poll"),
    "Keys and sections of this file that stay as they are, whatever central says: one, or a list.";

    TRIAL: Defaulted<Duration> = defaulted("trial", "15m", duration("10s", "6h")),
    Off,
    "How long new settings may take to collect and deliver as before; after that the ones before come back.";
}

section! {
    AlarmKeys, "[alarms]",
    "Where to send alarms: docs/operating.md shows what is sent, and how to use ntfy and Healthchecks. \
     Without an address no alarms are sent.", "";

    URL: Key<String> = key(
        "url",
        Text(r#"an address that begins with https:// or http://, or "" for none"#, any_text),
    ),
    OffAs("https://alarmes.usine.lan/cu-agent"),
    "Receives each alarm as a JSON POST. Anyone who knows the address can post to it, so it is treated as a \
     password and never shown.";

    HEARTBEAT_URL: Key<String> = key(
        "heartbeat_url",
        Text(r#"an address that begins with https:// or http://, or "" for none"#, any_text),
    ),
    OffAs("https://hc-ping.com/00000000-0000-0000-0000-000000000000"),
    "Receives a GET after each successful cycle; its absence shows that the gateway is down.";

    TOKEN_FILE: Key<String> = key(
        "token_file",
        Text("a file that holds one line and that the agent may read", any_text),
    ),
    OffAs("/etc/cu-agent/alarms.token"),
    "One line, sent to both as \"Authorization: Bearer ...\"; 0640 root:cu-agent. Or ALARMS_TOKEN.";

    CA_FILE: Key<String> = key("ca_file", Text("a PEM file", not_empty)),
    OffAs("/etc/cu-agent/alarms-ca.pem"),
    "Authorities to trust instead of the built-in ones, PEM.";

    WORKING_HOURS: Defaulted<(TimeDelta, TimeDelta)> = defaulted(
        "working_hours",
        "06:00-20:00",
        Text(r#"from and to such as "06:00-20:00""#, hours),
    ),
    Off,
    "When machines without a [[calendar]] are expected to work, by the gateway's clock; \"22:00-06:00\" crosses \
     midnight, \"00:00-24:00\" is all day. The others are expected in their own required time.";

    WORKING_DAYS: Defaulted<Vec<Weekday>> = defaulted(
        "working_days",
        "mon tue wed thu fri",
        Text(r#"days with blanks between, such as "mon tue wed thu fri""#, days),
    ),
    Off,
    "mon tue wed thu fri sat sun; a night shift belongs to the day it begins on.";

    SILENT_AFTER: Defaulted<Duration> = defaulted("silent_after", "1h", duration("1s", "30d")),
    Off,
    "Alarm if a machine writes nothing for this long in working hours, or of the required time of its shift.";

    SOURCE_AFTER: Defaulted<Duration> = defaulted("source_after", "30m", duration("1s", "30d")),
    Off,
    "Alarm if a source does not answer for this long.";

    CENTRAL_AFTER: Defaulted<Duration> = defaulted("central_after", "6h", duration("1s", "30d")),
    Off,
    "Alarm if central does not answer for this long.";

    DISK_FREE: Defaulted<u64> = defaulted("disk_free", "256MiB", size()),
    Off,
    "Alarm if the disk of agent.state_dir has less free space than this.";
}

section! {
    ReportKeys, "# [report]",
    "Last week's report, written every Monday by cu-agent-report.timer (`cu-agent weekly-report`) and sent by the \
     service: docs/operating.md. Without this section none is written.", "";

    FOLDER: Key<String> = key("folder", Text("a directory", not_empty)),
    OffAs("/var/lib/cu-agent/reports"),
    "Where the files are kept, such as 2026-W48.xlsx; default: reports in agent.state_dir. Another place needs \
     ReadWritePaths= in both units.";

    KEEP: Defaulted<u32> = defaulted("keep", "60", number(1, 520)),
    Off,
    "How many weeks are kept, the newest.";

    FORMATS: Defaulted<Vec<ReportFormat>> = defaulted(
        "formats",
        "html xlsx",
        List(r#"a list of "html" and "xlsx""#, report_formats),
    ),
    Off,
    "What is written: a page to print, a spreadsheet.";

    LANGUAGE: Key<Language> =
        key("language", Words(&[("fr", Language::French), ("en", Language::English)])),
    OffAs("fr"),
    "Default: that of [agent].";

    URL: Key<String> = key(
        "url",
        Text(r#"an address that begins with https:// or http://, or "" for none"#, any_text),
    ),
    OffAs("https://rapports.usine.lan/cu-agent"),
    "Receives each file by POST, until it took it. Treated as a password and never shown.";

    TOKEN_FILE: Key<String> = key(
        "token_file",
        Text("a file that holds one line and that the agent may read", any_text),
    ),
    OffAs("/etc/cu-agent/report.token"),
    "One line, sent as \"Authorization: Bearer ...\"; 0640 root:cu-agent. Or REPORT_TOKEN.";

    CA_FILE: Key<String> = key("ca_file", Text("a PEM file", not_empty)),
    OffAs("/etc/cu-agent/report-ca.pem"),
    "Authorities to trust instead of the built-in ones, PEM.";
}
