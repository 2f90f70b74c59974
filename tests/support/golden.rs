//! Golden cases: folders laid out like the server, and what central must hold afterwards. Reads
//! `tests/golden` of this repository and nothing else; never changes it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// One case: the files as a server would show them and the sessions they must become.
#[derive(Clone, Debug)]
pub struct Case {
    /// `clean`, `edge/torn-line`, …
    pub name: String,
    /// The case's folder on disk, laid out like a server's root.
    pub root: PathBuf,
    /// In the order of folder and file name.
    pub files: Vec<File>,
    /// One a (folder, production day); empty where nothing may be left behind.
    pub expected: Vec<Expected>,
}

impl Case {
    /// The folders of the case, each once, in order.
    pub fn folders(&self) -> Vec<&str> {
        let mut folders: Vec<&str> = self.files.iter().map(|file| file.folder.as_str()).collect();
        folders.dedup();
        folders
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    pub folder: String,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What central must hold of one session: decimals are text with the column's digits, moments are
/// `YYYY-MM-DD HH:MM:SS.mmm`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The folder on the server.
    pub dossier: String,
    pub date_production: String,
    pub total_pieces: u32,
    pub heure_premiere_piece: Option<String>,
    pub heure_derniere_piece: Option<String>,
    pub heure_premier_machine_start: Option<String>,
    pub heure_dernier_machine_stop: Option<String>,
    pub duree_production_totale: String,
    pub temps_attente: String,
    pub temps_arret_volontaire: String,
    pub temps_production_effectif: String,
    pub taux_occupation: String,
    pub taux_attente: String,
    pub taux_arret_volontaire: String,
    pub temps_attente_brut: String,
    pub temps_arret_brut: String,
    /// (timestamp, details) in the order of `numero_piece`.
    pub pieces: Vec<(String, String)>,
    /// (timestamp_debut, duree_secondes).
    pub attentes: Vec<(String, i64)>,
    /// (timestamp_debut, timestamp_fin).
    pub arrets: Vec<(String, String)>,
    /// (timestamp_debut, reference, longueur, couleur).
    pub jobs: Vec<(String, String, String, String)>,
}

/// The machine (`nom` and `type_cu`) of a golden folder: what stands before its parenthesis.
pub fn machine_of(folder: &str) -> &str {
    folder.split(" (").next().expect("split yields at least one part")
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every case under `tests/golden`, found by its `*.expected.json`.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    find_cases(&root(), "", &mut cases);
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!cases.is_empty(), "no golden case under {}", root().display());
    cases
}

/// One case by its name.
pub fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).expect("a golden case of that name")
}

fn find_cases(dir: &Path, prefix: &str, cases: &mut Vec<Case>) {
    for (name, path) in sorted(dir) {
        if let Some(case) = name.strip_suffix(".expected.json") {
            let expected: Vec<Expected> =
                serde_json::from_slice(&fs::read(&path).expect("an expected file is readable"))
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let root = dir.join(case);
            let files = files_under(&root);
            cases.push(Case { name: format!("{prefix}{case}"), root, files, expected });
        } else if path.is_dir() && !dir.join(format!("{name}.expected.json")).exists() {
            find_cases(&path, &format!("{prefix}{name}/"), cases);
        }
    }
}

fn files_under(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for (folder, path) in sorted(root) {
        for (name, path) in sorted(&path) {
            let bytes = fs::read(&path).expect("a golden file is readable");
            files.push(File { folder: folder.clone(), name, bytes });
        }
    }
    files
}

fn sorted(dir: &Path) -> Vec<(String, PathBuf)> {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.expect("a directory entry is readable").path())
        .map(|path| {
            let name = path.file_name().expect("an entry has a name").to_string_lossy();
            (name.into_owned(), path)
        })
        .collect();
    entries.sort();
    entries
}
