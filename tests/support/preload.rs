//! Libraries that are preloaded into the agent, so that the system fails it in ways that no server can.

use std::{path::Path, process::Command};

/// The library made of `tests/support/NAME.c`, compiled into `dir`.
pub fn library(dir: &Path, name: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/support/{name}.c"));
    let library = dir.join(format!("{name}.so"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .expect("a C compiler, which the bundled SQLite needs too");
    assert!(compiled.success());
    library.display().to_string()
}
