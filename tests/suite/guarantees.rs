//! `docs/guarantees.md` promises nothing that no test holds.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of all tests of the repository.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                names.insert(rest.split('(').next().unwrap().to_owned());
                is_test = false;
            }
        }
    }
    names
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What stands in backquotes and is a sentence of the kind that names tests.
fn named(text: &str) -> Vec<&str> {
    let is_name = |text: &&str| {
        text.matches('_').count() >= 3
            && text.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let tests = tests();
    let unknown: Vec<&str> =
        named(&text).into_iter().filter(|name| !tests.contains(*name)).collect();
    assert!(unknown.is_empty(), "promised, and held by no test: {unknown:#?}");
    assert!(named(&text).len() > 30, "the tables name their tests");
}

#[test]
fn every_promise_in_the_guarantees_names_its_test() {
    let text = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    let promises = rows.filter(|line| !line.starts_with("| promise"));
    for promise in promises {
        assert!(!named(promise).is_empty(), "no test: {promise}");
    }
}
