//! The alert rules of `prometheus/`, by Prometheus' own tool: each fires when its failure is there and stays
//! silent when it is not, ordinary histories fire none, and each metric that they name is one that the agent has.

use std::{collections::BTreeSet, fmt::Write, fs, path::PathBuf, process::Command};

use serde_json::Value;

mod cases;

use self::cases::{CASES, Case};
use crate::support::{
    agent::Agent,
    folder::Folder,
    grafana::{list, text},
    http,
    postgres::Database,
    seed::seed,
    wait,
    webhook::{Manner, Webhook},
};

const PUBLIC_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("prometheus")
}

fn rules() -> Vec<Value> {
    let written = fs::read_to_string(folder().join("rules.yml")).unwrap();
    let file: Value = serde_saphyr::from_str(&written).unwrap();
    list(&file, "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect()
}

/// A name that a person could give.
const SOURCE: &str = r#"source="l'été \"1\"""#;

/// One test of promtool: series, and how often `alerts` fired up to the end.
fn test(
    name: &str,
    interval: &str,
    series: &[(String, String)],
    end: &str,
    expected: &[(String, u32)],
) -> String {
    let mut yaml = format!("  - name: {name:?}\n    interval: {interval}\n    input_series:\n");
    for (series, values) in series {
        let series = series.replace("{x", "{job='cu-agent',instance='g'").replace("SOURCE", SOURCE);
        writeln!(yaml, "      - {{ series: {:?}, values: {values:?} }}", series).unwrap();
    }
    yaml += "    promql_expr_test:\n";
    for (expression, value) in expected {
        writeln!(yaml, "      - {{ expr: {expression:?}, eval_time: {end}, exp_samples: [{{ labels: '{{}}', value: {value} }}] }}").unwrap();
    }
    yaml
}

fn firing(selector: &str) -> String {
    format!("count(ALERTS{{alertstate=\"firing\"{selector}}}) or vector(0)")
}

fn ever_fired(selector: &str) -> String {
    format!("count(count_over_time(ALERTS{{alertstate=\"firing\"{selector}}}[30d])) or vector(0)")
}

fn run(name: &str, interval: &str, tests: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.yml");
    let rules = self::folder().join("rules.yml");
    let head = format!(
        "rule_files: [{:?}]\nevaluation_interval: {interval}\ntests:\n",
        rules.display().to_string()
    );
    let yaml = head + &tests.concat();
    fs::write(&file, &yaml).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{name}\n{said}\n{yaml}");
}

fn owned(series: &[(&str, &str)]) -> Vec<(String, String)> {
    series.iter().map(|(series, values)| ((*series).to_owned(), (*values).to_owned())).collect()
}

#[test]
fn each_alert_fires_when_its_failure_is_there_and_is_silent_when_it_is_not() {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for Case { alert, minutes, fires, silent } in &CASES {
        let (tests, interval) =
            if *minutes <= 120 { (&mut short, "1m") } else { (&mut long, "5m") };
        let end = format!("{minutes}m");
        let own = firing(&format!(",alertname=\"{alert}\""));
        // Its own alert, and no other.
        let expected = [(own, 1), (ever_fired(""), 1)];
        tests.push(test(&format!("{alert} fires"), interval, &owned(fires), &end, &expected));
        assert!(!silent.is_empty(), "{alert}");
        for series in *silent {
            let never = [(ever_fired(&format!(",alertname=\"{alert}\"")), 0)];
            let name = format!("{alert} is silent");
            tests.push(test(&name, interval, &owned(series), &end, &never));
        }
    }
    run("minutes", "1m", &short);
    run("hours", "5m", &long);
    let named: BTreeSet<String> =
        rules().iter().map(|rule| text(rule, "alert").to_owned()).collect();
    assert_eq!(named, CASES.iter().map(|case| case.alert.to_owned()).collect());
    let checked = Command::new("promtool")
        .args(["check", "rules"])
        .arg(folder().join("rules.yml"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// The value at each five minutes of `count`, from a function of the number.
fn values(count: usize, mut of: impl FnMut(usize) -> String) -> String {
    (0..count).map(|at| of(at) + " ").collect()
}

/// Ordinary days of a gateway: polls, short outages, restarts, a night without work. Where `has_central` is
/// not true, sessions wait for ever and nobody minds.
fn ordinary(rng: &mut fastrand::Rng, count: usize, has_central: bool) -> Vec<(String, String)> {
    let restarts: BTreeSet<usize> = (0..rng.usize(0..5)).map(|_| rng.usize(0..count)).collect();
    let mut short_outages = |longest: usize| {
        let mut left = 0;
        let mut rng = rng.fork();
        let mut since = 1000;
        values(count, move |_| {
            since += 1;
            if left == 0 && since > 300 && rng.u32(0..100) == 0 {
                (left, since) = (rng.usize(1..longest), 0);
            }
            let is_up = left == 0;
            left = left.saturating_sub(1);
            u8::from(is_up).to_string()
        })
    };
    let (source, central) = (short_outages(5), short_outages(60));
    let mut counter = |step: u64| {
        let (mut value, mut rng) = (0, rng.fork());
        values(count, |at| {
            value = if restarts.contains(&at) { 0 } else { value + rng.u64(0..step) };
            value.to_string()
        })
    };
    let (cycles, events, rejects) = (counter(3), counter(4000), counter(4));
    let fixed = |value: &str| values(count, |_| value.to_owned());
    let mut series = vec![
        ("up{x}", fixed("1")),
        ("cu_agent_healthy{x}", fixed("1")),
        ("cu_agent_clock_plausible{x}", fixed("1")),
        ("cu_agent_source_up{x,SOURCE}", source.clone()),
        ("cu_agent_machine_readable{x,SOURCE,machine='DEM12'}", source),
        ("cu_agent_cycles_total{x}", cycles),
        ("cu_agent_events_total{x,SOURCE}", events),
        ("cu_agent_rejects_total{x,SOURCE}", rejects),
        ("cu_agent_buffer_bytes{x}", values(count, |at| (5_000_000 + 1000 * at).to_string())),
        ("cu_agent_buffer_max_bytes{x}", fixed("2000000000")),
        ("cu_agent_disk_free_bytes{x}", fixed("8000000000")),
        ("cu_agent_disk_read_only{x}", fixed("0")),
        ("cu_agent_buffer_files_refused{x}", fixed("0")),
        ("cu_agent_sessions_set_aside{x}", fixed("0")),
    ];
    if has_central {
        let mut draws = rng.fork();
        series.push(("cu_agent_central_up{x}", central));
        series
            .push(("cu_agent_sessions_pending{x}", values(count, |_| draws.u32(0..4).to_string())));
        series.push((
            "cu_agent_oldest_pending_seconds{x}",
            values(count, |at| (at * 300 % 86_400).to_string()),
        ));
        series.push(("cu_agent_calendar_refused{x}", fixed("0")));
    } else {
        series.push(("cu_agent_sessions_pending{x}", values(count, |at| (at / 100).to_string())));
        series.push((
            "cu_agent_oldest_pending_seconds{x}",
            values(count, |at| (at * 300).to_string()),
        ));
    }
    series.into_iter().map(|(series, values)| (series.to_owned(), values)).collect()
}

#[test]
fn ordinary_days_fire_nothing_with_a_central_and_without_and_a_week_without_power_only_that() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let count = 720;
    let mut tests = Vec::new();
    for has_central in [true, false] {
        let series = ordinary(&mut rng, count, has_central);
        tests.push(test("ordinary days", "5m", &series, "60h", &[(ever_fired(""), 0)]));
    }
    // Off for a week: its series end, and begin at 0 when it is back, with what waited since.
    let mut series = ordinary(&mut rng, count, true);
    for (name, values) in &mut series {
        let kept: Vec<&str> = values.split(' ').take(100).collect();
        let gap = if name == "up{x}" { "0x2015" } else { "_x2015" };
        *values = format!("{} {gap} {}", kept.join(" "), kept.join(" "));
    }
    let down = ",alertname=\"CuAgentGatewayDown\"";
    let others = ",alertname!=\"CuAgentGatewayDown\"";
    tests.push(test(
        "a week without power",
        "5m",
        &series,
        "183h",
        &[(ever_fired(down), 1), (ever_fired(others), 0), (firing(""), 0)],
    ));
    run(&format!("seed {seed}"), "5m", &tests);
}

#[test]
fn each_alert_says_what_it_is_in_both_languages_and_leads_to_its_section() {
    let runbook = fs::read_to_string(folder().join("README.md")).unwrap();
    for rule in rules() {
        let name = text(&rule, "alert");
        assert!(["critical", "warning"].contains(&text(&rule["labels"], "severity")), "{name}");
        assert!(text(&rule, "for").ends_with(['m', 'h']), "{name}: not for one bad moment");
        let notes = &rule["annotations"];
        for key in ["summary", "summary_en", "description", "description_en"] {
            assert!(text(notes, key).len() > 20, "{name}: {key}");
        }
        for key in ["summary", "summary_en"] {
            assert!(text(notes, key).starts_with("{{ $labels.instance }}"), "{name}: says where");
        }
        for sign in [" :", " ;", " ?", " !", "« ", " »"] {
            let french = text(notes, "summary").to_owned() + text(notes, "description");
            assert!(!french.contains(sign), "{name}: a plain blank in {french:?}");
        }
        let (file, anchor) = text(notes, "runbook_url").split_once('#').unwrap();
        assert_eq!(file, "file:///usr/share/doc/cu-agent/examples/prometheus/README.md");
        assert_eq!(anchor, name.to_lowercase());
        assert!(runbook.contains(&format!("\n## {name}\n")), "{name} has no section");
    }
    // A name of a person's choice comes through whole.
    let series = owned(&[("cu_agent_source_up{x,SOURCE}", "0x40")]);
    let mut one = test("quotes", "1m", &series, "40m", &[(firing(""), 1)]);
    one += "    alert_rule_test:\n      - eval_time: 40m\n        alertname: CuAgentSourceDown\n        exp_alerts:\n";
    let rule = rules().into_iter().find(|rule| rule["alert"] == "CuAgentSourceDown").unwrap();
    let filled = |key: &str| {
        let words = text(&rule["annotations"], key);
        words.replace("{{ $labels.instance }}", "g").replace("{{ $labels.source }}", "l'été \"1\"")
    };
    let labels = "          - exp_labels: { severity: critical, job: cu-agent, instance: g, source: \"l'été \\\"1\\\"\" }\n";
    one += labels;
    one += "            exp_annotations:\n";
    for key in ["summary", "summary_en", "description", "description_en", "runbook_url"] {
        writeln!(one, "              {key}: {}", serde_json::to_string(&filled(key)).unwrap())
            .unwrap();
    }
    run("quotes", "1m", &[one]);
}

/// Words that begin as the agent's metrics do.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("cu_agent_")).map(str::to_owned).collect()
}

#[test]
fn each_metric_of_an_alert_is_one_that_a_running_agent_has() {
    let database = Database::fresh();
    let folder = Folder::of_three_machines();
    folder.put("DEM12 (PVC)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1 A\n");
    let webhook = Webhook::start(Manner::Well);
    let mut agent = Agent::on_directory(folder.path()).central(&database);
    agent.once().succeeded();
    let plan = agent.dir().join("plant.toml");
    // Closed, so that no machine is missed at whatever hour and day this runs, once the calendar has come: up
    // to then the hours of [alarms] count.
    fs::write(&plan, "[[calendar]]\nclosed = [\"2025-01-01/2999-12-31\"]\n  [[calendar.shift]]\n  name = \"matin\"\n  days = \"mon-fri\"\n  time = \"05:00-13:00\"\n").unwrap();
    agent.command(&["central", "calendar", "put", plan.to_str().unwrap()]).succeeded();
    agent.set("alarms.url", webhook.url("/alarms"));
    agent.set("update.manifest_url", "https://127.0.0.1:1/manifest");
    agent.set("update.public_key", PUBLIC_KEY);
    let updates = agent.dir().join("updates");
    fs::create_dir(&updates).unwrap();
    fs::write(
        updates.join("result.json"),
        r#"{"at": null, "detail": "x", "from": "1", "result": "rolled-back", "version": "2"}"#,
    )
    .unwrap();
    agent.set("update.directory", updates.to_str().unwrap());
    agent.set("settings.public_key", PUBLIC_KEY);
    agent.set("status.listen", "127.0.0.1:0");
    let running = agent.run();
    let page = running.page();
    let named = metrics_in(
        &rules().iter().map(|rule| text(rule, "expr").to_owned() + " ").collect::<String>(),
    );
    let expected = [
        "cu_agent_update_failed 1",
        "cu_agent_settings_refused 0",
        "cu_agent_clock_plausible 1",
        "cu_agent_alarms{kind=\"machine-silent\"} 0",
        "cu_agent_disk_read_only 0",
    ];
    let mut missing: Vec<String> = Vec::new();
    let mut told = String::new();
    wait::until(&format!("{named:?} are told"), wait::PATIENCE, || {
        told = http::get(page, "/metrics").body;
        let samples: BTreeSet<&str> = told
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split([' ', '{']).next())
            .collect();
        missing = named.iter().filter(|name| !samples.contains(name.as_str())).cloned().collect();
        // The family of what is troubled is declared, whether anything is or not.
        missing.retain(|name| name != "cu_agent_troubles");
        missing.is_empty()
            && told.contains("\n# TYPE cu_agent_troubles gauge\n")
            && expected.iter().all(|line| told.contains(&format!("\n{line}\n")))
    });
    let value = |name: &str| -> f64 {
        let line = told.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    };
    assert!(value("cu_agent_buffer_bytes") < value("cu_agent_buffer_max_bytes"));
    assert!(value("cu_agent_disk_free_bytes") > 0.0);
}
