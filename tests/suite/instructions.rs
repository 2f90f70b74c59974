//! The counts that `make bench-guard` compares with: the file is one that it can read, and it is read
//! as it is meant.

use std::{fs, path::Path};

#[path = "../../benches/guard/kept.rs"]
mod kept;

use kept::{Change, Count, Kept, TOLERANCE_PERCENT};

fn kept_text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    fs::read_to_string(path).unwrap()
}

fn count(path: &str, instructions: u64) -> Count {
    Count { path: path.into(), instructions, work: 1000, unit: "bytes".into() }
}

#[test]
fn the_kept_counts_can_be_read_and_say_why_they_are_what_they_are() {
    let text = kept_text();
    let kept = Kept::parse(&text).unwrap();
    assert!(kept.counts.len() >= 9, "{text}");
    assert!(kept.counts.iter().all(|count| count.instructions > 0 && count.work > 0), "{text}");
    assert!(kept.toolchain.contains("rustc") && kept.toolchain.contains("valgrind"), "{text}");
    assert_eq!(kept.text(), text, "make bench-guard-update writes it");
}

#[test]
fn counts_without_a_reason_or_with_a_line_that_means_nothing_are_refused() {
    let text = kept_text();
    let without = |word: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with(word));
        lines.map(|line| format!("{line}\n")).collect()
    };
    for text in [
        without("reason:"),
        without("toolchain:"),
        format!("{text}parse-clean 5 bytes\n"),
        format!("{text}another-path five 5 bytes\n"),
        format!("{text}{}\n", text.lines().next_back().unwrap()),
        without("reason:") + "reason: so\n",
    ] {
        assert!(Kept::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn a_path_rises_or_falls_beyond_the_tolerance_only() {
    let kept = Kept {
        toolchain: "rustc, valgrind".into(),
        reason: "an example of counts".into(),
        counts: vec![count("parse", 1000)],
    };
    let within = 1000 * TOLERANCE_PERCENT / 100;
    let table = [
        (count("parse", 1000 + within), Change::Same),
        (count("parse", 1000 - within), Change::Same),
        (count("parse", 1001 + within), Change::Rose),
        (count("parse", 999 - within), Change::Fell),
        (count("another", 1000), Change::Unknown),
        (Count { work: 999, ..count("parse", 1000) }, Change::Unknown),
    ];
    for (now, change) in table {
        assert_eq!(kept.compare(&now).1, change, "{now:?}");
    }
    assert_eq!(kept.compare(&count("parse", 1)).0, Some(&kept.counts[0]));
}
