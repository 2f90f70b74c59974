use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use super::{AlarmLimits, CentralTls, ConfigError, Loaded, SourceKind, parse};
use crate::model::{Language, Limits};

mod sftp;

const MINIMAL: &str = r#"
[agent]
id = "ligne-1"

[[source]]
name = "stick"
kind = "directory"
path = "logs"
  [source.folders]
  "DEM12 (PVC)" = { nom = "DEM12", type_cu = "DEM12" }
"#;

fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env: BTreeMap<String, String> =
        env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse(Path::new("/etc/cu-agent/config.toml"), text, &|name| env.get(name).cloned())
}

fn refusal(text: &str) -> String {
    parse_with(text, &[]).expect_err("must be refused").to_string()
}

#[test]
fn a_minimal_file_has_safe_defaults() {
    let config = parse_with(MINIMAL, &[]).unwrap().config;
    assert!(config.central.is_none());
    assert_eq!(config.sources[0].delete, super::DeletePolicy::Never);
    assert_eq!(config.sources[0].max_file_bytes, 8 << 20);
    assert_eq!(config.schedule.poll.as_secs(), 300);
    let SourceKind::Directory(path) = &config.sources[0].kind else { panic!("a directory") };
    assert_eq!(path, Path::new("/etc/cu-agent/logs"));
}

#[test]
fn several_mistakes_are_reported_at_once_each_with_line_key_value_and_what_is_accepted() {
    let text = MINIMAL.replace("[[source]]", "colour = 3\n[schedule]\npoll = \"5\"\n[[source]]");
    let refusal = refusal(&text.replace("kind = \"directory\"", "kind = \"nfs\""));
    assert!(refusal.contains("config.toml:5: agent.colour: unknown key"), "{refusal}");
    assert!(refusal.contains("config.toml:7: schedule.poll: \"5\" is not accepted"), "{refusal}");
    assert!(
        refusal.contains(
            "source[1].kind: \"nfs\" is not accepted; give one of \"ftp\", \"sftp\", \"directory\""
        ),
        "{refusal}"
    );
}

#[test]
fn text_that_is_not_toml_names_the_line() {
    let refusal = refusal("[agent]\nid = ligne\n");
    assert!(refusal.contains("config.toml:2:6: not TOML"), "{refusal}");
}

/// The mistakes that a refusal names, each on its line.
fn mistakes(text: &str) -> Vec<String> {
    refusal(text).lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn one_error_of_the_syntax_is_one_mistake_with_its_line_and_column() {
    for (before, after, place) in [
        ("kind = \"directory\"", "kind = \"directory", ":7:"),
        ("kind = \"directory\"", "kind = directory", ":7:8: "),
        ("kind = \"directory\"", "kind \"directory\"", ":7:"),
        ("kind = \"directory\"", "kind = \"directory\"\nkind = \"ftp\"", ":8:1: "),
        ("[[source]]", "[[source]", ":5:"),
        ("[agent]", "[agent", ":2:"),
        ("[agent]", "\u{e9}t\u{e9} = [agent]", ":2:"),
        ("[[source]]", "[agent]\n[[source]]", ":5:"),
        ("kind = \"directory\"", "kind\t=\t'directory", ":7:"),
    ] {
        assert!(MINIMAL.contains(before), "{before}");
        for text in [MINIMAL.to_owned(), MINIMAL.replace('\n', "\r\n")] {
            let found = mistakes(&text.replacen(before, after, 1));
            assert_eq!(found.len(), 1, "{after}: {found:#?}");
            let begin = format!("/etc/cu-agent/config.toml{place}");
            assert!(found[0].starts_with(&begin), "{after}: {found:#?}");
            assert!(found[0].contains("not TOML: "), "{found:#?}");
        }
    }
    let marked = format!("\u{feff}{}", MINIMAL.replace('\n', "\r\n"));
    parse_with(&marked, &[]).expect("the mark of Windows and its line ends are no mistake");
}

#[test]
fn one_slip_of_the_pen_is_one_mistake() {
    for (before, after, says) in [
        ("[agent]", "[agnt]", "agnt: unknown key (is agent meant?)"),
        ("[[source]]", "[[sorce]]", "sorce: unknown key (is source meant?)"),
        ("[[source]]", "[source]", "source: a table is not accepted; give a list of tables"),
        ("id = ", "Id = ", "agent.Id: unknown key (is id meant?)"),
        ("path = ", "pfad = ", "source[1].path: is missing"),
        ("path = ", "paht = ", "source[1].paht: unknown key (is path meant?)"),
        (
            "[source.folders]",
            "[source.folder]",
            "source[1].folder: unknown key (is folders meant?)",
        ),
        (
            "\"DEM12 (PVC)\" = {",
            "\"DEM12\" = \"x\" # {",
            "folders.DEM12: \"x\" is not accepted; give a table",
        ),
        ("nom = ", "nmo = ", "nmo: unknown key (is nom meant?)"),
        ("nom = \"DEM12\"", "nom = 12", "nom: 12 is not accepted"),
        ("kind = \"directory\"", "kind = \"dir\"", "kind: \"dir\" is not accepted"),
    ] {
        assert!(MINIMAL.contains(before), "{before}");
        let calendar = "\n[[calendar]]\nmachines = [\"DEM12\"]\n";
        let found = mistakes(&(MINIMAL.replacen(before, after, 1) + calendar));
        let of_pen: Vec<&String> = found.iter().filter(|one| !one.contains("pfad")).collect();
        assert_eq!(of_pen.len(), 1, "{after}: {found:#?}");
        assert!(of_pen[0].contains(says), "{after}: {found:#?}");
    }
}

#[test]
fn two_folders_of_one_machine_are_refused() {
    let text = format!("{MINIMAL}\"DEM12 bis\" = {{ nom = \"DEM12\" }}\n");
    let refusal = refusal(&text);
    assert!(refusal.contains("nom \"DEM12\" is given to two folders"), "{refusal}");
}

#[test]
fn no_folder_is_refused() {
    let text = MINIMAL.split("  [source.folders]").next().unwrap();
    assert!(refusal(text).contains("source[1].folders: is missing"));
}

#[test]
fn the_variables_of_the_replaced_service_win_over_the_file() {
    let text = r#"
[agent]
id = "a"
[[source]]
name = "cu"
kind = "ftp"
host = "from-file"
user = "from-file"
  [source.folders]
  "X" = { nom = "X" }
[central]
host = "from-file"
port = 1
database = "from-file"
user = "from-file"
tls = "disable"
"#;
    let env = [
        ("FTP_HOST", "ftp-host"),
        ("FTP_USER", "ftp-user"),
        ("FTP_PASS", "ftp-pass"),
        ("POSTGRES_HOST", "pg-host"),
        ("POSTGRES_PORT", "6432"),
        ("POSTGRES_DB", "pg-db"),
        ("POSTGRES_USER", "pg-user"),
        ("POSTGRES_PASSWORD", "pg-pass"),
    ];
    let config = parse_with(text, &env).unwrap().config;
    let SourceKind::Ftp(ftp) = &config.sources[0].kind else { panic!("ftp") };
    assert_eq!(
        (ftp.host.as_str(), ftp.user.as_str(), ftp.password.expose()),
        ("ftp-host", "ftp-user", "ftp-pass")
    );
    let central = config.central.as_ref().unwrap();
    assert_eq!((central.host.to_string().as_str(), central.port), ("pg-host", 6432));
    assert_eq!((central.database.as_str(), central.user.as_str()), ("pg-db", "pg-user"));
    assert_eq!(central.password.expose(), "pg-pass");
    assert_eq!(central.tls, CentralTls::Disable);
    let printed = format!("{config:?}");
    assert!(!printed.contains("pg-pass") && !printed.contains("ftp-pass"), "{printed}");
}

/// Which sources the file has, with what it says of the FTP server among them.
const SHAPES: [&str; 4] = ["ftp", "directory", "directory ftp", "ftp directory"];

fn of_shape(shape: &str, has_central: bool) -> String {
    let mut text = "[agent]\nid = \"a\"\n".to_owned();
    for (at, kind) in shape.split(' ').enumerate() {
        let place = match kind {
            "ftp" => "host = \"file-host\"\nuser = \"file-user\"\n",
            _ => "path = \"/logs\"\n",
        };
        text += &format!(
            "[[source]]\nname = \"{kind}\"\nkind = \"{kind}\"\n{place}[source.folders]\n\"X{at}\" = {{ nom = \"X{at}\" }}\n"
        );
    }
    if has_central {
        text += "[central]\nhost = \"file-central\"\nport = 1\ndatabase = \"file-db\"\nuser = \"file-role\"\n";
    }
    text
}

proptest::proptest! {
    /// Any of the variables, each unset, empty in one of the ways in which containers write it, or with a
    /// value: those of the agent are taken or named, the others are named, none is shown.
    #[test]
    fn any_variables_of_the_replaced_service_are_taken_or_named_as_ignored(
        values in proptest::collection::vec(0..6_usize, 30),
        shape in proptest::sample::select(&SHAPES[..]),
        has_central in proptest::bool::ANY,
    ) {
        let taken = [
            "FTP_HOST", "FTP_USER", "FTP_PASS", "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB",
            "POSTGRES_USER", "POSTGRES_PASSWORD",
        ];
        let others = super::variables::IGNORED.map(|(name, _)| name);
        let stale = |name: &str| match name {
            "POSTGRES_PORT" => "6543".to_owned(),
            name => format!("stale-{}", name.to_lowercase()),
        };
        let names: Vec<&str> = taken.iter().chain(&others).copied().collect();
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in names.iter().zip(values) {
            let value = match value {
                0 => continue,
                1 => String::new(),
                2 => "\"\"".to_owned(),
                3 => " ".to_owned(),
                _ => stale(name),
            };
            env.insert((*name).to_owned(), value);
        }
        // Passwords must come from somewhere.
        for name in ["FTP_PASS", "POSTGRES_PASSWORD"] {
            env.entry(name.to_owned()).or_default();
        }
        let is_set = |name: &str| env.get(name).is_some_and(|value| *value == stale(name));
        let has_one = has_central || is_set("POSTGRES_HOST");
        let pairs: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let loaded = parse_with(&of_shape(shape, has_central), &pairs);
        if has_one && !has_central && !(is_set("POSTGRES_DB") && is_set("POSTGRES_USER")) {
            proptest::prop_assert!(loaded.unwrap_err().to_string().contains("central."));
            return Ok(());
        }
        let loaded = loaded.unwrap();
        let or_file = |name: &str, file: &str| if is_set(name) { stale(name) } else { file.to_owned() };
        let is_ftp_first = shape.starts_with("ftp");
        for source in &loaded.config.sources {
            let SourceKind::Ftp(ftp) = &source.kind else { continue };
            let (host, user) = match is_ftp_first {
                true => (or_file("FTP_HOST", "file-host"), or_file("FTP_USER", "file-user")),
                false => ("file-host".to_owned(), "file-user".to_owned()),
            };
            proptest::prop_assert_eq!((&ftp.host, &ftp.user), (&host, &user));
            proptest::prop_assert_eq!(ftp.password.expose(), or_file("FTP_PASS", ""));
        }
        proptest::prop_assert_eq!(loaded.config.central.is_some(), has_one);
        if let Some(central) = &loaded.config.central {
            proptest::prop_assert_eq!(&central.host.to_string(), &or_file("POSTGRES_HOST", "file-central"));
            proptest::prop_assert_eq!(&central.database, &or_file("POSTGRES_DB", "file-db"));
            proptest::prop_assert_eq!(&central.user, &or_file("POSTGRES_USER", "file-role"));
            let port = match (is_set("POSTGRES_PORT"), has_central) {
                (true, _) => 6543,
                (false, true) => 1,
                (false, false) => 5432,
            };
            proptest::prop_assert_eq!(central.port, port);
            proptest::prop_assert_eq!(central.password.expose(), or_file("POSTGRES_PASSWORD", ""));
        }
        for name in names {
            let named = loaded.warnings.iter().filter(|line| line.contains(&format!(" {name} is ignored"))).count();
            let is_ignored = match name {
                "FTP_HOST" | "FTP_USER" => !is_ftp_first,
                "FTP_PASS" => shape == "directory",
                name if name.starts_with("POSTGRES_") && taken.contains(&name) => !has_one,
                _ => true,
            };
            proptest::prop_assert_eq!(named, usize::from(is_set(name) && is_ignored), "{}", name);
        }
        proptest::prop_assert!(!loaded.warnings.concat().contains("stale-"));
    }
}

#[test]
fn a_password_file_that_is_a_pipe_or_huge_or_no_text_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ftp.password");
    let refusal = || {
        let text = format!(
            "[agent]\nid = \"a\"\n[[source]]\nname = \"cu\"\nkind = \"ftp\"\nhost = \"h\"\n\
             user = \"u\"\npassword_file = {file:?}\n[source.folders]\n\"X\" = {{ nom = \"X\" }}\n"
        );
        parse_with(&text, &[]).unwrap_err().to_string()
    };
    assert!(refusal().contains("cannot be read: No such file"), "{}", refusal());
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(refusal().contains("no ordinary file"), "{}", refusal());
    fs::remove_file(&file).unwrap();
    fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    assert!(refusal().contains("longer than"), "{}", refusal());
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(refusal().contains("no text"), "{}", refusal());
}

#[test]
fn a_systemd_credential_is_read_where_present_and_a_readable_secret_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("central-password"), "from-credential\n").unwrap();
    let file = dir.path().join("ftp.password");
    fs::write(&file, "from-file\r\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!(
        r#"
[agent]
id = "a"
[[source]]
name = "cu"
kind = "ftp"
host = "h"
user = "u"
password_file = {:?}
  [source.folders]
  "X" = {{ nom = "X" }}
[central]
host = "h"
database = "d"
user = "u"
"#,
        file
    );
    let loaded =
        parse_with(&text, &[("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())]).unwrap();
    let SourceKind::Ftp(ftp) = &loaded.config.sources[0].kind else { panic!("ftp") };
    assert_eq!(ftp.password.expose(), "from-file");
    assert_eq!(loaded.config.central.unwrap().password.expose(), "from-credential");
    assert!(loaded.warnings[0].contains("chmod 0640"), "{:?}", loaded.warnings);
}

#[test]
fn a_size_is_written_with_its_unit_or_as_bytes() {
    for (written, bytes) in [("\"1MiB\"", 1 << 20), ("4096", 4096)] {
        let text = MINIMAL.replace("kind =", &format!("max_file_size = {written}\nkind ="));
        assert_eq!(parse_with(&text, &[]).unwrap().config.sources[0].max_file_bytes, bytes);
    }
    let text = MINIMAL.replace("kind =", "max_file_size = \"1 Mo\"\nkind =");
    assert!(refusal(&text).contains("max_file_size: \"1 Mo\" is not accepted"));
}

#[test]
fn an_empty_systemd_credential_is_a_password_that_is_not_given() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("central-password"), "\n").unwrap();
    let text = format!("{MINIMAL}\n[central]\nhost = \"c\"\ndatabase = \"d\"\nuser = \"u\"\n");
    let env = [("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())];
    let refusal = parse_with(&text, &env).expect_err("no password").to_string();
    assert!(refusal.contains("central.password_file"), "{refusal}");
    assert!(refusal.contains("central-password"), "{refusal}");
}

#[test]
fn thresholds_of_anomalies_are_defaults_until_they_are_set_and_are_checked() {
    assert_eq!(parse_with(MINIMAL, &[]).unwrap().config.anomalies, Limits::default());
    let text = format!("{MINIMAL}\n[anomalies]\ntorn_lines = 7\n");
    let limits = parse_with(&text, &[]).unwrap().config.anomalies;
    assert_eq!(limits, Limits { torn_lines: 7, ..Limits::default() });
    let text = format!("{MINIMAL}\n[anomalies]\ndeviations = 0\nleast_days = 30\n");
    let message = refusal(&text);
    assert!(message.contains("anomalies.deviations: 0"), "{message}");
    assert!(message.contains("a whole number from 1 to 100"), "{message}");
    assert!(message.contains("least_days 30 is more than comparable_days 20"), "{message}");
}

#[test]
fn the_cost_of_an_hour_is_an_amount_in_euros_with_cents() {
    let with = |cost: &str| {
        MINIMAL
            .replace("type_cu = \"DEM12\"", &format!("type_cu = \"DEM12\", cost_per_hour = {cost}"))
    };
    for (written, cents) in
        [("85", 8_500), ("85.5", 8_550), ("85.50", 8_550), ("0.01", 1), ("1000000", 100_000_000)]
    {
        let config = parse_with(&with(written), &[]).unwrap().config;
        assert_eq!(config.sources[0].costs["DEM12"], cents, "{written}");
    }
    for written in ["0", "-1", "85.555", "1e3", "1000000.01", "\"85\"", "0x55", "inf", "true"] {
        let message = refusal(&with(written));
        assert!(message.contains("cost_per_hour"), "{written}: {message}");
        assert!(message.contains("give euros from 0.01 to 1000000"), "{written}: {message}");
    }
}

#[test]
fn a_nominal_rhythm_belongs_to_its_machine_and_rejects_need_one() {
    let with = |keys: &str| MINIMAL.replace("type_cu = \"DEM12\"", keys);
    let config = parse_with(&with("nominal_per_hour = 90, reject_event = \"Af\""), &[]).unwrap();
    let nominal = &config.config.sources[0].nominals["DEM12"];
    assert_eq!((nominal.per_hour, nominal.reject_event.as_deref()), (90, Some("Af")));
    assert!(parse_with(MINIMAL, &[]).unwrap().config.sources[0].nominals.is_empty());
    let message = refusal(&with("reject_event = \"Af\""));
    assert!(message.contains("nominal_per_hour: is missing"), "{message}");
    let message = refusal(&with("nominal_per_hour = \"90\""));
    assert!(message.contains("a whole number from 1"), "{message}");
}

/// The language of texts, that of the page, and the warnings.
fn languages(agent: &str, status: &str) -> (Language, Option<Language>, Vec<String>) {
    let text = MINIMAL.replace("[agent]", &format!("[agent]\n{agent}"));
    let loaded = parse_with(&format!("{text}\n[status]\n{status}\n"), &[]).unwrap();
    (loaded.config.agent.language, loaded.config.status.language, loaded.warnings)
}

#[test]
fn one_language_applies_to_everything_that_people_read() {
    let english = (Language::English, Some(Language::English), Vec::new());
    assert_eq!(languages("language = \"en\"", ""), english);
    let french = (Language::French, Some(Language::French), Vec::new());
    assert_eq!(languages("language = \"fr\"", ""), french);
    assert_eq!(languages("", ""), (Language::French, None, Vec::new()), "the browser is asked");
}

#[test]
fn the_language_of_the_page_that_earlier_releases_had_still_works_with_a_warning() {
    let warning =
        |what: &str| vec![format!("/etc/cu-agent/config.toml:14: status.language {what}")];
    let now = "is replaced by agent.language and now applies to everything that people read; ";
    let (language, page, warnings) = languages("", "language = \"en\"");
    assert_eq!((language, page), (Language::English, Some(Language::English)));
    assert_eq!(warnings, warning(&format!("{now}set language = \"en\" in [agent] instead")));
    let (language, page, warnings) = languages("", "language = \"fr\"");
    assert_eq!((language, page), (Language::French, Some(Language::French)));
    assert_eq!(warnings, warning(&format!("{now}set language = \"fr\" in [agent] instead")));
    let (language, page, warnings) = languages("", "language = \"auto\"");
    assert_eq!((language, page), (Language::French, None));
    assert_eq!(warnings, warning(&format!("{now}remove it")));
}

#[test]
fn of_two_languages_the_agents_applies_and_the_other_is_ignored_with_a_warning() {
    for status in ["fr", "en", "auto"] {
        let (language, page, warnings) =
            languages("language = \"en\"", &format!("language = {status:?}"));
        assert_eq!((language, page), (Language::English, Some(Language::English)), "{status}");
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.starts_with("/etc/cu-agent/config.toml:14: status.language is ignored"));
        assert!(warning.ends_with("; remove it"), "{warning}");
    }
}

#[test]
fn a_language_that_does_not_exist_is_refused_and_the_retired_key_is_not_offered() {
    let message = refusal(&format!("{MINIMAL}\n[status]\nlanguage = \"nl\"\ncolour = 1\n"));
    assert!(message.contains("status.language: \"nl\" is not accepted"), "{message}");
    assert!(
        message.contains("status.colour: unknown key; accepted here: listen, names"),
        "{message}"
    );
}

#[test]
fn every_key_has_a_default_that_is_accepted_or_must_be_given() {
    let text = format!(
        "{MINIMAL}\n[[source]]\nname = \"cu\"\nkind = \"ftp\"\nhost = \"h\"\nuser = \"u\"\n\
         [source.folders]\n\"X\" = {{ nom = \"X\" }}\n\
         [central]\nhost = \"h\"\ndatabase = \"d\"\nuser = \"u\"\n\
         [update]\nmanifest_url = \"https://h/m.json\"\n\
         public_key = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"\n\
         [alarms]\nurl = \"https://h\"\n"
    );
    let env = [("FTP_PASS", "x"), ("POSTGRES_PASSWORD", "x")];
    let loaded = parse_with(&text, &env).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let config = loaded.config;
    let SourceKind::Ftp(ftp) = &config.sources[1].kind else { panic!("ftp") };
    assert_eq!((ftp.port, ftp.connect_timeout.as_secs(), ftp.read_timeout.as_secs()), (21, 10, 30));
    let central = config.central.unwrap();
    assert_eq!((central.port, central.tls), (5432, CentralTls::VerifyFull));
    assert!(!central.only_scram);
    let update = config.update.unwrap();
    assert_eq!(update.window.to_string(), "21:30-04:30");
    assert_eq!((update.prove_timeout.as_secs(), update.max_deferral.as_secs()), (600, 1_209_600));
    assert_eq!(update.directory, Path::new("/var/lib/cu-agent-update"));
    let limits = config.alarms.unwrap().limits;
    assert_eq!(limits.hours, AlarmLimits::default().hours);
    assert_eq!((limits.silent_after.as_secs(), limits.source_after.as_secs()), (3600, 1800));
    assert_eq!((limits.central_after.as_secs(), limits.disk_free_bytes), (21_600, 256 << 20));
    assert_eq!(config.agent.max_buffer_bytes, 2 << 30);
    assert_eq!(config.agent.state_dir, Path::new("/var/lib/cu-agent"));
    assert_eq!(config.schedule.file_quiet.as_secs(), 1800);
    assert_eq!(config.status.listen, "127.0.0.1:9780".parse().ok());
    assert_eq!(config.analysis.events.piece, "StukUitgevoerd");
}
