//! The corpus of the fuzz targets through the same functions, without a fuzzer.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("parse", targets::parse),
    ("analyse", targets::analyse),
    ("listing", targets::listing),
    ("dialogue", targets::dialogue),
    ("config", targets::config),
];

#[test]
fn the_corpus_of_every_fuzz_target_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let mut names: Vec<String> = fs::read_dir(fuzz.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let mut known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(names("fuzz_targets"), known, "each target is called here");
    assert_eq!(names("corpus"), known, "each target has a corpus");
    for (name, target) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
    }
}
