//! The files of `grafana/` themselves: what each dashboard must have, and that questions are expanded as
//! Grafana documents it. `make test-page` checks them against Grafana's own types.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use chrono::DateTime;
use serde_json::Value;

use crate::support::grafana::{Choice, Chosen, dashboards, folder, list, text};

/// As the reference of Grafana's PostgreSQL data source and of its variables shows them.
#[test]
fn macros_and_variables_are_expanded_as_grafana_documents_them() {
    let choice = Choice {
        from: DateTime::from_timestamp(1_492_750_877, 0).unwrap(),
        to: DateTime::from_timestamp(1_492_751_177, 120_000_000).unwrap(),
        variables: BTreeMap::from([
            ("servers", Chosen::Several(vec!["test'1".into(), "test2".into()])),
            ("one", Chosen::One("it's".into())),
            ("all", Chosen::All("SELECT nom FROM x".into())),
        ]),
    };
    for (written, sent) in [
        ("t > $__timeFrom()", "t > '2017-04-21T05:01:17Z'"),
        ("t < $__timeTo()", "t < '2017-04-21T05:06:17.120Z'"),
        ("n IN (${servers:sqlstring})", "n IN ('test''1','test2')"),
        ("n = ${one:sqlstring}", "n = 'it''s'"),
        ("n IN (${all:sqlstring})", "n IN (SELECT nom FROM x)"),
    ] {
        assert_eq!(choice.expand(written), sent);
    }
    for unknown in ["$__timeFilter(x)", "${one}", "${one:csv}", "${two:sqlstring}"] {
        let expanded = std::panic::catch_unwind(|| choice.expand(unknown));
        assert!(expanded.is_err(), "{unknown}: {expanded:?}");
    }
}

fn seconds(interval: &str) -> u64 {
    let (number, unit) = interval.split_at(interval.len() - 1);
    number.parse::<u64>().unwrap()
        * match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => panic!("{interval}"),
        }
}

/// Columns of a panel's question by their names: what stands in quotes behind AS, or bare.
fn columns(sql: &str) -> BTreeSet<String> {
    sql.split("AS \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_dashboard_has_what_grafana_and_people_need_of_it() {
    let mut uids = BTreeSet::new();
    let document = fs::read_to_string(folder().join("../docs/dashboards.md")).unwrap();
    for (name, dashboard) in dashboards() {
        assert!(document.contains(&format!("| *{}* |", text(&dashboard, "title"))), "{name}");
        let uid = text(&dashboard, "uid");
        assert!(
            uid == format!("cu-agent-{name}") && uid.len() <= 40 && uids.insert(uid.to_owned()),
            "{uid}"
        );
        assert!(
            !text(&dashboard, "title").is_empty() && !text(&dashboard, "description").is_empty(),
            "{name}"
        );
        assert!(dashboard.get("id").is_none(), "{name}: ids are each Grafana's own");
        assert_eq!(dashboard["tags"], serde_json::json!(["cu-agent"]), "{name}");
        assert!((60..=3600).contains(&seconds(text(&dashboard, "refresh"))), "{name}");
        for interval in list(&dashboard["timepicker"], "refresh_intervals") {
            assert!(seconds(interval.as_str().unwrap()) >= 60, "{name}: {interval}");
        }
        variables(&name, &dashboard);
        panels(&name, &dashboard);
    }
    assert_eq!(uids.len(), 6, "{uids:?}");
}

fn variables(name: &str, dashboard: &Value) {
    let mut known = BTreeSet::new();
    for variable in list(&dashboard["templating"], "list") {
        let its = text(variable, "name");
        known.insert(its.to_owned());
        if its == "fuseau" {
            assert_eq!(variable["query"], dashboard["timezone"], "{name}: one zone for both");
            assert_eq!(text(variable, "type"), "constant");
            continue;
        }
        assert_eq!(
            (&variable["multi"], &variable["includeAll"]),
            (&true.into(), &true.into()),
            "{name}: {its}"
        );
        // "All" stays short and right where there is nothing, and follows what there is.
        assert_eq!(
            text(variable, "query"),
            format!(
                "{} ORDER BY {}",
                text(variable, "allValue"),
                if its == "machine" { "nom" } else { "agent_id" }
            )
        );
        assert_eq!(variable["datasource"]["uid"], "cu-agent-central");
    }
    let used: BTreeSet<String> = dashboard
        .to_string()
        .split("${")
        .skip(1)
        .map(|rest| rest.split([':', '}']).next().unwrap().to_owned())
        .collect();
    assert_eq!(used, known, "{name}");
}

fn panels(name: &str, dashboard: &Value) {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(dashboard, "panels") {
        let title = text(panel, "title");
        let what = format!("{name}/{title}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{what}: its id is another's");
        assert!(text(panel, "description").len() > 20, "{what}: says what it shows");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(!text(defaults, "noValue").is_empty(), "{what}: says when there is nothing");
        for source in [&panel["datasource"], &panel["targets"][0]["datasource"]] {
            assert_eq!(source["uid"], "cu-agent-central", "{what}");
        }
        let side = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{what}: beyond the right edge");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "{what} lies on another panel");
            }
        }
        let sql = text(&panel["targets"][0], "rawSql");
        let columns = columns(sql);
        for one in list(&panel["fieldConfig"], "overrides") {
            let column = text(&one["matcher"], "options");
            assert!(columns.contains(column), "{what}: no column {column} in {columns:?}");
        }
        if text(panel, "type") == "timeseries" {
            assert!(sql.contains(" AS time") && sql.contains("ORDER BY"), "{what}");
        }
        // A moment without a zone would be shown as if it were UTC.
        for part in sql.split(" AS time").take(sql.matches(" AS time").count()) {
            assert!(
                part.trim_end().ends_with("AT TIME ZONE ${fuseau:sqlstring})"),
                "{what}: {part}"
            );
        }
        for sign in [" :", " ;", " ?", " !", " %", "« ", " »"] {
            for words in [title, text(panel, "description"), text(defaults, "noValue")] {
                assert!(!words.contains(sign), "{what}: a plain blank in {words:?}");
            }
        }
    }
}

#[test]
fn provisioning_leads_to_the_data_source_and_the_dashboards_and_holds_no_password() {
    let read = |name: &str| fs::read_to_string(folder().join("provisioning").join(name)).unwrap();
    let source: Value = serde_saphyr::from_str(&read("datasources/cu-agent.yaml")).unwrap();
    let [source] = list(&source, "datasources") else { panic!("one data source") };
    assert_eq!(text(source, "uid"), "cu-agent-central");
    assert_eq!(text(source, "type"), "grafana-postgresql-datasource");
    let password = text(&source["secureJsonData"], "password");
    assert!(password.starts_with("$__file{/etc/grafana/") && password.ends_with('}'), "{password}");
    for key in ["url", "user"] {
        assert!(text(source, key).starts_with("$CU_CENTRAL_"), "{key}");
    }
    let provider: Value = serde_saphyr::from_str(&read("dashboards/cu-agent.yaml")).unwrap();
    let path = text(&list(&provider, "providers")[0]["options"], "path");
    assert_eq!(path, "/usr/share/doc/cu-agent/examples/grafana/dashboards");
}
