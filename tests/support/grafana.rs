//! The dashboards of `grafana/`, and their questions as Grafana would send them: its variables and its macros
//! expanded as it documents them.
//!
//! What must never happen here: a macro or a format that dashboards use and this file does not know, passed on
//! as if it were SQL.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

/// By the name of the file, in order.
pub fn dashboards() -> BTreeMap<String, Value> {
    let files =
        fs::read_dir(folder().join("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&file).unwrap();
            (
                name,
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {file:?}")),
            )
        })
        .collect()
}

pub fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

/// One question of a panel.
pub struct Question {
    /// `dashboard/title of the panel`.
    pub name: String,
    pub sql: String,
}

pub fn questions() -> Vec<Question> {
    let mut all = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in list(&dashboard, "panels") {
            let [target] = list(panel, "targets") else { panic!("{name}: not one question") };
            let name = format!("{name}/{}", text(panel, "title"));
            all.push(Question { name, sql: text(target, "rawSql").to_owned() });
        }
    }
    all
}

/// What somebody has chosen of a variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Chosen {
    One(String),
    Several(Vec<String>),
    /// "All", for which the variable has a value of its own: it goes into the question as it is written.
    All(String),
}

pub struct Choice {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub variables: BTreeMap<&'static str, Chosen>,
}

impl Choice {
    /// The question as the data source gets it: variables first, in the browser; then macros, in the server.
    pub fn expand(&self, sql: &str) -> String {
        let mut expanded = String::new();
        let mut rest = sql;
        while let Some(at) = rest.find("${") {
            let (before, behind) = rest.split_at(at);
            let (name, after) = behind[2..].split_once('}').expect("a variable ends");
            let (name, format) = name.split_once(':').expect("a variable has a format");
            assert_eq!(format, "sqlstring", "{sql}");
            let chosen = self.variables.get(name).unwrap_or_else(|| panic!("no variable {name}"));
            expanded += before;
            expanded += &sql_string(chosen);
            rest = after;
        }
        expanded += rest;
        let moment =
            |at: DateTime<Utc>| format!("'{}'", at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let expanded = expanded.replace("$__timeFrom()", &moment(self.from));
        let expanded = expanded.replace("$__timeTo()", &moment(self.to));
        assert!(
            !sql.contains("[[") && !without(&expanded).contains("$__"),
            "a macro in {expanded}"
        );
        expanded
    }
}

/// Without what people have chosen, which may look like anything.
fn without(sql: &str) -> String {
    sql.split('\'').step_by(2).collect()
}

/// Format `sqlstring`: each value in quotes, a quote in it doubled, commas between.
fn sql_string(chosen: &Chosen) -> String {
    let quoted = |value: &String| format!("'{}'", value.replace('\'', "''"));
    match chosen {
        Chosen::One(value) => quoted(value),
        Chosen::Several(values) => values.iter().map(quoted).collect::<Vec<_>>().join(","),
        Chosen::All(value) => value.clone(),
    }
}
