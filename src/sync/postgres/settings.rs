//! Settings that somebody made for the role, the database or the whole server with other programs in mind,
//! and that change what the agent's statements do or whether they pass. The log-in asks for them; those that
//! do not suit are set for the agent's own session or, behind a pooler, for each of its transactions.
//!
//! What must never happen here: a setting outlives the agent's transaction in a session that is others' too.
//! And a protection is never lifted: `default_transaction_read_only` stays what it is, and so do `search_path`,
//! `TimeZone` and `DateStyle`, on which triggers of the plant's own rely.

use std::{fmt::Write, time::Duration};

use super::{GRACE, ORPHAN_WAIT};

/// A setting, when it does not suit, and what it is set to then.
struct Wanted {
    name: &'static str,
    is_unfit: Unfit,
}

enum Unfit {
    /// Unless it is one of these; then it becomes the first.
    Unless(&'static [&'static str]),
    /// If it is the first; then it becomes the second.
    If(&'static str, &'static str),
    /// Unless the first, another setting, is the second; then it becomes the third.
    Where(&'static str, &'static str, &'static str),
    /// A time-out, if there is one that is shorter.
    Below(fn(Duration) -> Duration),
}

const WANTED: &[Wanted] = &[
    // Each exchange is one statement, which holds in any isolation; only the refusals of the stricter ones
    // would have to be tried again and again.
    Wanted { name: "default_transaction_isolation", is_unfit: Unfit::Unless(&["read committed"]) },
    // What is confirmed is on central's disk. Whether a standby has it too stays the server's to decide.
    Wanted { name: "synchronous_commit", is_unfit: Unfit::If("off", "local") },
    // Off, rows that a policy hides are an error instead.
    Wanted { name: "row_security", is_unfit: Unfit::Unless(&["on"]) },
    Wanted { name: "exit_on_error", is_unfit: Unfit::Unless(&["off"]) },
    Wanted { name: "standard_conforming_strings", is_unfit: Unfit::Unless(&["on"]) },
    // A day of a machine fits into memory; where files are rationed it must.
    Wanted { name: "work_mem", is_unfit: Unfit::Where("temp_file_limit", "-1", "64MB") },
    // What the server says of itself would be many times its answer.
    Wanted {
        name: "client_min_messages",
        is_unfit: Unfit::Unless(&["notice", "warning", "error"]),
    },
    Wanted { name: "transform_null_equals", is_unfit: Unfit::Unless(&["off"]) },
    // Since PostgreSQL 17.
    Wanted { name: "transaction_timeout", is_unfit: Unfit::Below(statement_bound) },
    Wanted { name: "statement_timeout", is_unfit: Unfit::Below(statement_wait) },
    Wanted { name: "idle_in_transaction_session_timeout", is_unfit: Unfit::Below(statement_wait) },
];

/// How long a statement may last on the server: statements that nobody waits for any more end by themselves.
pub(super) fn statement_bound(statement_timeout: Duration) -> Duration {
    statement_timeout + ORPHAN_WAIT
}

/// How long this side waits for one.
pub(super) fn statement_wait(statement_timeout: Duration) -> Duration {
    statement_timeout + GRACE
}

impl Wanted {
    /// The setting that decides.
    fn asked(&self) -> &'static str {
        match self.is_unfit {
            Unfit::Where(other, ..) => other,
            Unfit::Unless(_) | Unfit::If(..) | Unfit::Below(_) => self.name,
        }
    }

    fn is_unfit(&self, value: &str, statement_timeout: Duration) -> bool {
        match self.is_unfit {
            Unfit::Unless(values) => !values.contains(&value),
            Unfit::If(unfit, _) => value == unfit,
            Unfit::Where(_, fit, _) => value != fit,
            Unfit::Below(bound) => {
                duration(value).is_some_and(|d| !d.is_zero() && d < bound(statement_timeout))
            }
        }
    }
}

/// SQL for what the server has, in the order of [`WANTED`], as `settings`. It travels with each log-in.
pub(super) fn question() -> String {
    let names: Vec<&str> = WANTED.iter().map(Wanted::asked).collect();
    format!(
        "ARRAY(SELECT current_setting(n, TRUE) FROM pg_catalog.unnest(ARRAY['{}']) n) AS settings",
        names.join("', '")
    )
}

/// The names of those that do not suit. A setting that the server does not have suits.
pub(super) fn unfit(values: &[Option<&str>], statement_timeout: Duration) -> Vec<&'static str> {
    let both = WANTED.iter().zip(values);
    let unfit = both.filter_map(|(wanted, value)| Some((wanted, (*value)?)));
    unfit
        .filter(|(wanted, value)| wanted.is_unfit(value, statement_timeout))
        .map(|(wanted, _)| wanted.name)
        .collect()
}

/// As the server shows it, such as `90s` or `5min`; `0` is none.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// What sets those of `names`; nothing where all suit.
fn sets(set: &str, names: &[&str], statement_timeout: Duration) -> String {
    let mut sql = String::new();
    for Wanted { name, is_unfit } in WANTED.iter().filter(|wanted| names.contains(&wanted.name)) {
        let value = match is_unfit {
            Unfit::Unless(values) => values[0].to_owned(),
            Unfit::If(_, value) | Unfit::Where(_, _, value) => (*value).to_owned(),
            Unfit::Below(bound) => format!("{}ms", bound(statement_timeout).as_millis()),
        };
        write!(sql, "{set} {name} = '{value}'; ").expect("a String takes any text");
    }
    sql
}

/// For a session of one's own; `None` if all suit.
pub(super) fn for_session(names: &[&str], statement_timeout: Duration) -> Option<String> {
    Some(sets("SET", names, statement_timeout)).filter(|sql| !sql.is_empty())
}

/// How each transaction begins in a session that is others' too; `None` if all suit.
pub(super) fn for_transaction(names: &[&str], statement_timeout: Duration) -> Option<String> {
    let sql = Some(sets("SET LOCAL", names, statement_timeout)).filter(|sql| !sql.is_empty())?;
    Some(format!("BEGIN ISOLATION LEVEL READ COMMITTED; {sql}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_suit_is_set_for_the_session_or_for_one_transaction() {
        let (names, s) = (["statement_timeout", "synchronous_commit", "x"], Duration::from_secs(1));
        assert_eq!(
            for_session(&names, s).unwrap(),
            "SET synchronous_commit = 'local'; SET statement_timeout = '6000ms'; "
        );
        assert_eq!(
            for_transaction(&names[1..], s).unwrap(),
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = 'local'; "
        );
        assert_eq!((for_session(&[], s), for_transaction(&["x"], s)), (None, None));
    }

    #[test]
    fn what_the_server_shows_is_judged_by_name_and_what_it_does_not_have_suits() {
        let of = |name: &str, value: &str| {
            let value_of = |wanted: &Wanted| (wanted.asked() == name).then_some(value);
            unfit(&WANTED.iter().map(value_of).collect::<Vec<_>>(), Duration::from_secs(10))
        };
        let table: [(&str, &str, &[&str]); 10] = [
            ("synchronous_commit", "off", &["synchronous_commit"]),
            ("synchronous_commit", "remote_apply", &[]),
            ("row_security", "off", &["row_security"]),
            ("client_min_messages", "debug1", &["client_min_messages"]),
            ("client_min_messages", "error", &[]),
            ("statement_timeout", "500ms", &["statement_timeout"]),
            ("statement_timeout", "0", &[]),
            ("statement_timeout", "1min", &[]),
            ("temp_file_limit", "0", &["work_mem"]),
            ("temp_file_limit", "-1", &[]),
        ];
        for (name, value, expected) in table {
            assert_eq!(of(name, value), expected, "{name} = {value}");
        }
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("2 moons"), None);
    }

    #[test]
    fn no_setting_that_protects_or_that_triggers_rely_on_is_among_them() {
        for kept in ["default_transaction_read_only", "search_path", "TimeZone", "DateStyle"] {
            assert!(WANTED.iter().all(|wanted| wanted.name != kept), "{kept}");
        }
    }
}
