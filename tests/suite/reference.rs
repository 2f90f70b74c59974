//! The agent's parser and analysis against the slow reader of `support::reference`, on days that
//! nobody would write by hand.

use cu_agent::{
    analyse::{self, Options, WaitStamp},
    model::{Day, Session, rate_e2},
    parse::{Text, Words, parse},
};
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use crate::support::{
    generate::{CENTRES, Dirt, log_of_day, working_days},
    reference,
};

pub fn sessions_of(
    files: &[Vec<u8>],
    options: &Options,
) -> std::collections::BTreeMap<Day, Session> {
    let words = Words::default();
    let texts: Vec<Text<'_>> = files.iter().map(|file| Text::new(file)).collect();
    let parsed: Vec<_> = texts.iter().map(|text| parse(text, &words)).collect();
    let events: Vec<_> = parsed.iter().map(|parsed| parsed.events.as_slice()).collect();
    analyse::sessions(&events, options)
}

/// Lines in a narrow time, so that seconds are shared, waits overlap and clocks step.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let before = prop_oneof![
        20 => Just(String::new()),
        1 => Just("20250603 05:0".to_owned()),
        1 => Just("\u{ff}".to_owned()),
        1 => Just(" \t".to_owned()),
        1 => Just("é2025".to_owned()),
    ];
    let time = (0..3_u32, 0..4_u32, prop_oneof![9 => 0..60_u32, 1 => 60..62_u32]);
    let date = prop_oneof![
        20 => Just("20250603"),
        2 => Just("20250604"),
        1 => Just("20250631"),
        1 => Just("00000101"),
        1 => Just("2025060é3"),
    ];
    let marker = prop_oneof![30 => Just("|@"), 1 => Just(" |@ "), 1 => Just("|"), 1 => Just("")];
    let name = prop_oneof![
        6 => Just("StukUitgevoerd"),
        4 => Just("MachineWait"),
        2 => Just("MachineStop"),
        2 => Just("MachineStart"),
        2 => Just("JobProfiel"),
        1 => Just("Melding"),
        1 => Just("MachineStopp"),
        1 => Just(" "),
    ];
    let colon = prop_oneof![9 => Just(": "), 1 => Just(":"), 1 => Just(""), 1 => Just(" :\t ")];
    let details = prop_oneof![
        4 => "[0-9]{1,3} [A-C]",
        4 => "[0-9]{1,3}([.,][0-9]{1,5})? ?sec",
        3 => "-?([0-9]{1,4}[ '\u{a0}])?-?[0-9]{2,4}(['\u{a0}][0-9]{3})?([.,'][0-9]{1,4})?[ \u{a0}\t\r\u{85}]{0,2}([sS][eE][cC])?",
        2 => "[0-9'.,\u{a0} -]{0,12}(sec|SEC)?[0-9'.,\u{a0} -]{0,8}(Sec)?",
        3 => "([RLC]:[0-9A-C]{1,4}([.,][0-9]{1,3})?[ ;\u{a0}\u{85}]?|KLEUR:6 ?|_?L:5){1,5}",
        4 => "([RLC]:[0-9A-Cé]{0,3}([.,][0-9]{1,4})?[ ;]){0,4}",
        1 => "[RLC:0-9 .,sec_|@é\u{a0}\u{85}]{0,20}",
        1 => Just(String::new()),
    ];
    let end = prop_oneof![9 => Just("\n"), 3 => Just("\r\n"), 1 => Just(" \t\n"), 2 => Just("\r"), 1 => Just("")];
    let line = (before, date, time, marker, name, colon, details, end).prop_map(
        |(before, date, (h, m, s), marker, name, colon, details, end)| {
            let (h, m) = (h + 4, m * 10);
            format!("{before}{date} {h:02}:{m:02}:{s:02}{marker}{name}{colon}{details}{end}")
                .chars()
                .map(|char| char as u8)
                .collect::<Vec<u8>>()
        },
    );
    (prop::collection::vec(line, 0..60), prop::collection::vec((any::<usize>(), 0..5_u8), 0..6))
        .prop_map(|(lines, damage)| {
            let mut bytes = lines.concat();
            for (at, kind) in damage {
                let at = at % (bytes.len() + 1);
                match kind {
                    0 => bytes.insert(at, 0),
                    1 => bytes.insert(at, b'\n'),
                    2 => bytes.insert(at, 0x85),
                    3 => bytes.insert(at, b'\r'),
                    _ if at < bytes.len() => {
                        bytes.remove(at);
                    }
                    _ => {}
                }
            }
            bytes
        })
}

fn options() -> impl Strategy<Value = Options> {
    let stamp = prop_oneof![Just(WaitStamp::Start), Just(WaitStamp::End)];
    (0..8_i64, stamp).prop_map(|(hours, stamp)| reference::options(hours, stamp))
}

proptest! {
    #[test]
    fn any_wait_and_any_job_is_what_a_second_reader_finds(
        details in prop_oneof![
            "[-0-9'.,\u{a0} ]{0,14}[ \u{a0}\t\u{85}]{0,2}([sS][eE][cC]|SECONDEN)?[-0-9'., ]{0,6}(sec)?",
            "-?[0-9]{1,3}(['\u{a0} ][0-9]{3}){0,3}([.,][0-9]{1,4})?[ \u{a0}]?[sS]ec",
            "([RLCX]:[0-9A-Cé_]{0,4}([.,][0-9]{1,3})?[ ;'é\u{a0}\u{85}]?){1,6}",
        ],
        name in prop_oneof![Just("MachineWait"), Just("JobProfiel")],
    ) {
        let log = format!("20250603 05:00:00|@{name}: {details}\n20250603 09:00:00|@StukUitgevoerd\n");
        let files = [log.chars().map(|char| char as u8).collect()];
        let options = Options::default();
        prop_assert_eq!(sessions_of(&files, &options), reference::sessions(&files, &options));
    }

    #[test]
    fn any_lines_give_the_sessions_that_a_second_reader_finds(log in soup(), options in options()) {
        let files = [log];
        prop_assert_eq!(sessions_of(&files, &options), reference::sessions(&files, &options));
    }

    #[test]
    fn several_files_hold_each_line_as_often_as_the_one_that_holds_it_most_often(
        files in prop::collection::vec(soup(), 1..5),
    ) {
        let options = Options::default();
        let parts: Vec<_> = files.iter().map(|file| reference::lines(file)).collect();
        let expected: usize = reference::counts(&parts).values().sum();
        let sessions = sessions_of(&files, &options);
        let found: u64 = sessions.values().map(|session| session.figures.events).sum();
        prop_assert_eq!(found, expected as u64);
        // Which line of a second stands first decides what a stop meets; all else is a set.
        let theirs = reference::sessions(&files, &options);
        for (day, session) in &sessions {
            let mut ours: Vec<_> = session.pieces.iter().map(|p| (p.at, &p.details)).collect();
            let mut other: Vec<_> = theirs[day].pieces.iter().map(|p| (p.at, &p.details)).collect();
            ours.sort();
            other.sort();
            prop_assert_eq!(ours, other);
            prop_assert_eq!(session.figures.raw_wait_ms, theirs[day].figures.raw_wait_ms);
            prop_assert_eq!(session.jobs.len(), theirs[day].jobs.len());
        }
    }

    #[test]
    fn rates_add_up_to_a_hundred_and_nothing_is_negative(
        files in prop::collection::vec(soup(), 1..4),
        options in options(),
    ) {
        for session in sessions_of(&files, &options).values() {
            let figures = &session.figures;
            let parts = [figures.wait_ms, figures.stop_ms, figures.effective_ms];
            prop_assert!(parts.iter().all(|&part| part >= 0));
            prop_assert_eq!(parts.iter().sum::<i64>(), figures.window_ms);
            for part in parts {
                prop_assert!((0..=10_000).contains(&rate_e2(part, figures.window_ms)));
            }
            prop_assert!(session.waits.iter().all(|wait| wait.start < wait.end));
            prop_assert!(session.stops.iter().all(|stop| stop.start <= stop.end));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic_and_every_line_is_counted(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"|@:\n\r 0123456789RLCsec.,\0".to_vec())],
            0..400,
        ),
        cut in any::<usize>(),
    ) {
        let text = Text::new(&bytes);
        let whole = parse(&text, &Words::default());
        let tally = &whole.tally;
        prop_assert_eq!(tally.lines, tally.blank + tally.events + tally.malformed());
        let ends = text.as_str().as_bytes().split_inclusive(|&byte| byte == b'\n').count();
        prop_assert_eq!(tally.lines, ends as u64);

        // Read in two pieces, cut at a line end, the tallies add up to the same.
        let cut = bytes[..cut % (bytes.len() + 1)].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let (first, second) = bytes.split_at(cut);
        let (first, second) = (Text::new(first), Text::new(second));
        let (first, second) = (parse(&first, &Words::default()), parse(&second, &Words::default()));
        let mut sum = first.tally;
        sum.add(&second.tally);
        prop_assert_eq!(&sum, tally);
        prop_assert_eq!(first.events.len() + second.events.len(), whole.events.len());
    }
}

#[test]
fn generated_months_give_the_sessions_that_a_second_reader_finds() {
    let from = chrono::NaiveDate::from_ymd_opt(2025, 5, 1).unwrap();
    for (index, day) in working_days(from, 4).into_iter().enumerate() {
        for dirt in [Dirt::None, Dirt::Some] {
            let files = [log_of_day(&CENTRES[index % 3], day, 11, dirt)];
            let options = Options::default();
            assert_eq!(sessions_of(&files, &options), reference::sessions(&files, &options));
        }
    }
}
