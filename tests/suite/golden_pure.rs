//! Every golden case through parse and analyse, compared to the last digit.

use std::collections::BTreeMap;

use cu_agent::{
    analyse::{self, Options},
    model::{Day, Session},
    parse::{Text, Words, parse},
};

use crate::support::{
    golden::{self, Expected},
    truth::as_expected,
};

#[test]
fn every_golden_case_is_found_with_its_files() {
    let cases = golden::cases();
    assert!(cases.len() >= 12);
    assert!(cases.iter().all(|case| !case.files.is_empty()));
    assert_eq!(golden::case("clean").folders().len(), 3);
}

#[test]
fn every_golden_case_equals_what_central_must_hold() {
    for case in golden::cases() {
        let mut found = Vec::new();
        for folder in case.folders() {
            let files = case.files.iter().filter(|file| file.folder == folder);
            let sessions = sessions_of(files.map(|file| file.bytes.as_slice()));
            found.extend(sessions.iter().map(|(day, session)| as_expected(folder, *day, session)));
        }
        let key = |session: &Expected| (session.dossier.clone(), session.date_production.clone());
        found.sort_by_key(key);
        let mut expected = case.expected.clone();
        expected.sort_by_key(key);
        assert_eq!(found, expected, "case {}", case.name);
    }
}

#[test]
fn every_golden_case_gives_the_same_sessions_with_cr_alone_at_its_line_ends() {
    for case in golden::cases() {
        for folder in case.folders() {
            let files = || case.files.iter().filter(|file| file.folder == folder);
            let by_cr: Vec<Vec<u8>> = files()
                .map(|file| {
                    let lf = |byte: &u8| if *byte == b'\n' { b'\r' } else { *byte };
                    file.bytes.iter().map(lf).collect()
                })
                .collect();
            let found = sessions_of(by_cr.iter().map(Vec::as_slice));
            let expected = sessions_of(files().map(|file| file.bytes.as_slice()));
            assert_eq!(found, expected, "case {}", case.name);
        }
    }
}

#[test]
fn every_line_of_the_golden_cases_is_blank_an_event_or_a_reject() {
    for case in golden::cases() {
        for file in &case.files {
            let text = Text::new(&file.bytes);
            let tally = parse(&text, &Words::default()).tally;
            assert_eq!(tally.lines, tally.blank + tally.events + tally.malformed());
            let ends = file.bytes.split_inclusive(|&byte| byte == b'\n').count() as u64;
            assert_eq!(tally.lines, ends, "case {}", case.name);
        }
    }
}

fn sessions_of<'a>(files: impl Iterator<Item = &'a [u8]>) -> BTreeMap<Day, Session> {
    let words = Words::default();
    let texts: Vec<Text<'_>> = files.map(Text::new).collect();
    let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
    let events: Vec<_> = parsed.iter().map(|parsed| parsed.events.as_slice()).collect();
    analyse::sessions(&events, &Options::default())
}
