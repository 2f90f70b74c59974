//! The environment variables of the replaced service: which are taken, and which are named as ignored.
//!
//! What must never happen here: an empty variable taken for a value; a variable of that service that
//! does nothing and is not named; a value shown, which may be a password.

use super::{Config, SourceKind, key::Key, reader::Section};

/// Looks a variable up.
pub(super) type Lookup<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The variable's value, if it has one: an empty one counts as unset, also with the quotation marks that
/// `docker run --env-file` leaves around it.
pub(super) fn value(env: Lookup<'_>, name: &str) -> Option<String> {
    let value = env(name)?;
    let text = value.trim();
    (!is_empty(text)).then(|| text.to_owned())
}

pub(super) fn is_empty(value: &str) -> bool {
    matches!(value.trim(), "" | "\"\"" | "''")
}

/// The environment's value if it has one, else the file's, which is then required.
pub(super) fn overridden(
    section: &mut Section<'_>,
    key: &Key<String>,
    from_env: Option<String>,
) -> Option<String> {
    match from_env {
        // Whatever the file says, even nothing, does not matter then.
        Some(value) => {
            section.ignored(key);
            Some(value)
        }
        None => section.required(key),
    }
}

/// Variables of the replaced service and of its container, each with what takes its place.
pub(super) const IGNORED: [(&str, &str); 20] = [
    ("DELETE_AFTER_SYNC", DELETE),
    ("DELETE_AFTER_PROCESSING", DELETE),
    ("LOGS_DIRECTORY", DIRECTORY),
    ("LOG_DIRECTORY", DIRECTORY),
    ("UPDATE_INTERVAL", POLL),
    ("SYNC_INTERVAL", POLL),
    ("POLL_INTERVAL", POLL),
    ("CHECK_INTERVAL", POLL),
    ("CRON_SCHEDULE", POLL),
    ("FTP_PORT", "set `port` of its [[source]]"),
    ("FTP_PASSWORD", "the password's variable is FTP_PASS"),
    ("FTP_DIRECTORY", "set `root` of its [[source]]"),
    ("POSTGRES_PASS", "the password's variable is POSTGRES_PASSWORD"),
    ("POSTGRES_SCHEMA", "set the role's search_path in central"),
    ("DATABASE_URL", "set [central], or POSTGRES_HOST and the variables beside it"),
    ("MYSQL_HOST", ORDERS),
    ("MYSQL_PORT", ORDERS),
    ("MYSQL_DATABASE", ORDERS),
    ("MYSQL_USER", ORDERS),
    ("MYSQL_PASSWORD", ORDERS),
];

const DELETE: &str = "a LOG leaves its server only with delete = \"after-sync\" in its [[source]]";
const DIRECTORY: &str = "the agent logs to standard error; for a directory of LOG files add a [[source]] of kind \"directory\"";
const POLL: &str = "set schedule.poll";
const ORDERS: &str =
    "the synchronisation of orders is not the agent's work and stays in its own container";

/// A line for each variable that is set and does nothing.
pub fn ignored_variables(config: &Config, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let is_set = |name: &str| env(name).is_some_and(|value| !is_empty(&value));
    let mut ignored = |name: &str, why: &str| {
        if is_set(name) {
            lines.push(format!("environment: {name} is ignored: {why}"));
        }
    };
    let ftp = config.sources.iter().find_map(|source| match &source.kind {
        SourceKind::Ftp(ftp) => Some(ftp),
        SourceKind::Sftp(_) | SourceKind::Directory(_) => None,
    });
    let differs = |name: &str, used: &str| value(env, name).is_some_and(|value| value != used);
    match ftp {
        None => {
            for name in ["FTP_HOST", "FTP_USER", "FTP_PASS"] {
                ignored(name, "no [[source]] is an FTP server; remove it");
            }
        }
        Some(ftp) => {
            let why =
                "the first [[source]] is no FTP server, and the FTP source has its own; remove it";
            if differs("FTP_HOST", &ftp.host) {
                ignored("FTP_HOST", why);
            }
            if differs("FTP_USER", &ftp.user) {
                ignored("FTP_USER", why);
            }
            if is_set("FTP_PASS")
                && env("FTP_PASS").is_some_and(|pass| pass != ftp.password.expose())
            {
                ignored("FTP_PASS", why);
            }
        }
    }
    if config.central.is_none() {
        for name in ["POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"] {
            ignored(name, "there is neither POSTGRES_HOST nor [central]");
        }
    }
    for (name, instead) in IGNORED {
        ignored(name, instead);
    }
    lines
}
