//! The corpus of the fuzz targets through the same functions, without a fuzzer.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 12] = [
    ("parse", targets::parse),
    ("analyse", targets::analyse),
    ("listing", targets::listing),
    ("dialogue", targets::dialogue),
    ("config", targets::config),
    ("request", targets::request),
    ("manifest", targets::manifest),
    ("state", targets::state),
    ("buffer", targets::buffer),
    ("collect", targets::collect),
    ("postgres", targets::postgres),
    ("sftp_packets", targets::sftp_packets),
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
    // What a fuzzer would try first, where there is none: the same inputs, changed at random.
    for (name, target) in TARGETS {
        let mut random = fastrand::Rng::with_seed(1);
        for entry in fs::read_dir(fuzz.join("corpus").join(name)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            for _ in 0..MUTATIONS {
                target(&mutated(bytes.clone(), &mut random));
            }
        }
    }
    fs::remove_dir_all(targets::workplace()).unwrap();
}

const MUTATIONS: usize = 20;

fn mutated(mut bytes: Vec<u8>, random: &mut fastrand::Rng) -> Vec<u8> {
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=bytes.len());
        match random.u32(0..4) {
            0 => bytes.insert(at, random.u8(..)),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => bytes.truncate(at),
            _ => {
                let again = bytes[at..bytes.len().min(at + 64)].to_vec();
                bytes.extend(again);
            }
        }
    }
    bytes
}
