//! One thing has one name (`docs/glossary.md`): names that were replaced, and phrases that a native
//! reader stumbles over, do not come back in the source, the messages or the documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// A name that was replaced, as a regular expression, and what stands for it now.
const RETIRED_NAMES: &[(&str, &str)] = &[
    (r"\bagent::Stop\b", "Shutdown, Wakeup"),
    (r"\b[Hh]eart\b", "Watchdog"),
    (r"\b[Pp]ulse\b", "LoopHandle"),
    (r"\bbeat\b", "checkin"),
    (r"\b[Vv]itals\b", "HealthService"),
    (r"\b[Ww]atchman\b", "AlarmMonitor"),
    (r"\b[Cc]ourier\b", "Deliverer"),
    (r"\b[Pp]arcels?\b", "Shipment"),
    (r"\bShowing\b", "PresenceReporter"),
    (r"\bOccasion\b", "Trigger"),
    (r"\bEdge\b", "GatewayRow"),
    (r"\bsuspects\b", "Quarantine"),
    (r"\b[Dd]ebris\b", "RejectedLine"),
    (r"\b[Rr]emnants?\b", "LineDefects"),
    (r"\bIntake\b", "TransferVerifier"),
    (r"\bStretch::Endless\b", "Segment::Overlong"),
    (r"\bOtherFile\b", "ContentMismatch"),
    (r"\bdeparture\b", "retire"),
    (r"\bjudge_stale\b", "reevaluate_stale"),
    (r"\bFinding(Code)?\b", "Anomaly, AnomalyCode, LogDefect"),
    (r"\bBoard\b", "DayView"),
    (r"\bDesk\b", "PageServer"),
    (r"\bWish\b", "ViewQuery"),
    (r"\bopen_to_look\b", "open_read_only"),
    (r"\bput_away\b", "quarantine"),
    (r"\bCollectRoom\b", "CollectWorker"),
    (r"\bEndAll\b", "EndRoundOnDrop"),
    (r"\bLearned\b", "ServerProfile"),
    (r"\bin_step\b", "in_sync"),
    (r"\b[Ll]edger\b", "UpdateStore"),
    (r"\bJournal\b", "UpdateState"),
    (r"\bjournal::", "logging"),
    (r"\bdurable::", "failpoints"),
    (r"\bdraw::", "render"),
    (r"\bGravity\b", "Severity"),
];

/// A phrase of an English that nobody speaks, and how it reads right.
const PHRASES: &[(&str, &str)] = &[
    (r"holds the mend", "says how to fix it"),
    (r"word of the maker", "event from the manufacturer"),
    (r"scripts? from elsewhere", "no third-party scripts"),
];

/// What people read: the program with its messages, and the documents.
const READ: &[&str] = &[
    "src",
    "docs",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "config.toml.example",
    "packaging/man",
];

fn files(path: &Path, all: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), all);
        }
    } else if !path.extension().is_some_and(|end| end == "png" || end == "webp") {
        all.push(path.to_owned());
    }
}

fn offences(words: &[(&str, &str)], read: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    read.iter().for_each(|path| files(&root.join(path), &mut all));
    assert!(all.len() > read.len(), "the files are found");
    let words: Vec<(Regex, &str)> =
        words.iter().map(|(word, instead)| (Regex::new(word).unwrap(), *instead)).collect();
    let mut offences = Vec::new();
    for file in all {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            for (word, instead) in words.iter().filter(|(word, _)| word.is_match(line)) {
                let name = file.strip_prefix(root).unwrap().display();
                offences.push(format!("  {name}:{number}: {word}, which is: {instead}\n"));
            }
        }
    }
    offences
}

#[test]
fn no_name_that_was_replaced_comes_back() {
    let offences = offences(RETIRED_NAMES, READ);
    assert!(offences.is_empty(), "see docs/glossary.md:\n{}", offences.concat());
}

#[test]
fn no_phrase_that_reads_as_translated_comes_back() {
    let offences = offences(PHRASES, READ);
    assert!(offences.is_empty(), "write it as in the second column:\n{}", offences.concat());
}
