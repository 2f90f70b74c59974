//! The files of the repository, for tests that read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files at `path`, a folder or a file, and below it.
pub fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    fs::read_dir(path).unwrap().flat_map(|entry| files(&entry.unwrap().path())).collect()
}

/// The Rust files of the program.
pub fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = files(&root);
    all.retain(|file| file.extension().is_some_and(|end| end == "rs"));
    assert!(all.len() > 50, "the sources are under {}", root.display());
    all
}

/// Whether a file of `src` holds nothing but tests.
pub fn is_of_tests(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests"))
}
