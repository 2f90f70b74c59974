//! The dashboards of `grafana/` against the types that Grafana publishes: no browser, but the tools from npm.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{browser::tools, support::grafana};

fn check(files: &[PathBuf]) -> (bool, String) {
    let scratch = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/dashboards.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(tools().join("node_modules")).arg(scratch.path().join("types"));
    let output = node.args(files).output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    )
}

#[test]
fn each_dashboard_is_what_grafanas_own_types_say_and_a_mistake_in_one_is_found() {
    let folder = grafana::folder().join("dashboards");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (is_right, said) = check(&files);
    assert!(is_right && said.contains("6 dashboards"), "{said}");

    let wrong = tempfile::tempdir().unwrap();
    let mut dashboard: Value = grafana::dashboards().remove("usine").unwrap();
    dashboard["panels"][0]["options"]["colorMode"] = "rainbow".into();
    dashboard["panels"][1]["fieldConfig"]["defaults"]["treshold"] = 1.into();
    dashboard["panels"][3]["options"].as_object_mut().unwrap().remove("legend");
    let file = wrong.path().join("usine.json");
    fs::write(&file, dashboard.to_string()).unwrap();
    let (is_right, said) = check(&[file]);
    assert!(!is_right, "{said}");
    for mistake in ["rainbow", "treshold", "legend"] {
        assert!(said.contains(mistake), "{mistake} in {said}");
    }
}
