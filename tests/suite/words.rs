//! One thing has one name (`docs/glossary.md`): names that were replaced, and phrases that a native
//! reader stumbles over, do not come back in the source, the messages or the documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::{Regex, RegexSet};

use super::tree;

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
    (r"\bJudged\b", "DayEvaluation"),
    (r"\bcollect::Moment\b", "collect::Timestamps"),
];

/// A phrase that reads as translated, as a regular expression, and how it reads right.
const PHRASES: &[(&str, &str)] = &[
    (r"holds the mend|\bmend(s|ed)?\b", "fix, repair, or how to fix it"),
    (r"word of the maker", "event from the manufacturer"),
    (r"scripts? from elsewhere", "no third-party scripts"),
    (r"\banew\b|\bafresh\b", "again"),
    (r"\b[Ww]hoever\b", "anybody who, or the one who is meant"),
    (r"\bso (many|often)\b", "the number"),
    (r"\bis held by\b", "is checked by, or belongs to"),
    (r"\btells\b", "says"),
    (r"\bset aside\b", "quarantined"),
    (r"\bto be won\b", "could save"),
    (r"\bprove itself\b|\bput back\b", "verified, rolled back"),
    (r"alive and well|nobody is told|is believable", "healthy; not configured; plausible"),
    (r"[Ff]ield update", "self-update"),
    (r"\b[Gg]rave anomal", "critical anomaly"),
];

const DOCUMENTS: &[&str] = &[
    "docs",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "config.toml.example",
    "packaging/man",
];

fn all_files(below: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<PathBuf> =
        below.iter().flat_map(|path| tree::files(&root.join(path))).collect();
    all.retain(|file| !file.extension().is_some_and(|end| end == "png" || end == "webp"));
    assert!(all.len() > below.len(), "the files are found");
    all
}

/// Where one of `words` is in what `shown` leaves of a line.
fn offences(
    words: &[(&str, &str)],
    files: &[PathBuf],
    shown: impl Fn(&str) -> String,
) -> Vec<String> {
    let all = RegexSet::new(words.iter().map(|(word, _)| word)).unwrap();
    let mut offences = Vec::new();
    for file in files {
        let whole = fs::read_to_string(file).unwrap();
        let text = whole.split("#[cfg(test)]\nmod ").next().unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let shown = shown(line);
            for (word, instead) in all.matches(&shown).iter().map(|found| words[found]) {
                offences.push(format!("  {}:{number}: {word}: {instead}\n", file.display()));
            }
        }
    }
    offences
}

#[test]
fn no_name_that_was_replaced_comes_back() {
    let files = all_files(&[&["src"], DOCUMENTS].concat());
    let offences = offences(RETIRED_NAMES, &files, str::to_owned);
    assert!(offences.is_empty(), "see docs/glossary.md:\n{}", offences.concat());
}

#[test]
fn comments_say_again_and_who_is_meant() {
    let habits = [(r"\banew\b|\bafresh\b", "again"), (r"\b[Ww]hoever\b", "the one who is meant")];
    let offences = offences(&habits, &all_files(&["src"]), str::to_owned);
    assert!(offences.is_empty(), "{}", offences.concat());
}

#[test]
fn no_phrase_that_reads_as_translated_comes_back() {
    // Names of tests and of codes are code; the notes of the laboratory quote what was.
    let code = Regex::new("`[^`]*`").unwrap();
    let documents: Vec<PathBuf> = all_files(DOCUMENTS)
        .into_iter()
        .filter(|file| !file.parent().is_some_and(|folder| folder.ends_with("docs/lab")))
        .collect();
    let mut found = offences(PHRASES, &documents, |line| code.replace_all(line, "").into_owned());

    // Of the program what it says: its strings, without the names of what is filled in.
    let string = Regex::new(r#""([^"]*)""#).unwrap();
    let filled_in = Regex::new(r"\{[^}]*\}").unwrap();
    let said = |line: &str| {
        let line = if line.trim_start().starts_with("//") { "" } else { line };
        let strings = string.captures_iter(line).map(|found| found[1].to_owned());
        filled_in.replace_all(&strings.collect::<Vec<_>>().join("\n"), "").into_owned()
    };
    found.extend(offences(PHRASES, &all_files(&["src"]), said));
    assert!(found.is_empty(), "write it as on the right:\n{}", found.concat());
}
