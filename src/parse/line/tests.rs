//! Lines of every kind, one by one, and the short way against the letter.

use super::*;
use crate::parse::{Text, parse};

/// `seconds of the day kind name|details` of each event.
fn events(log: &[u8]) -> Vec<String> {
    let text = Text::new(log);
    let describe = |event: &Event<'_>| {
        let (name, details) = (event.name(), event.details());
        format!("{} {:?} {name}|{details}", event.seconds.rem_euclid(86_400), event.kind)
    };
    parse(&text, &Words::default()).events.iter().map(describe).collect()
}

fn tally(log: &[u8]) -> Tally {
    let text = Text::new(log);
    parse(&text, &Words::default()).tally
}

fn reject_of(line: &[u8]) -> Option<Reject> {
    let tally = tally(line);
    assert!(tally.rejects.len() <= 1);
    tally.rejects.keys().next().copied()
}

#[test]
fn each_kind_of_event_is_known_by_its_name() {
    let log = b"20250528 00:00:01|@StukUitgevoerd: 1 B159464 H1\n\
        20250528 00:00:02|@MachineWait: 7 sec\n\
        20250528 00:00:03|@JobProfiel: R:6121 L:6584.59 C:654\n\
        20250528 00:00:04|@MachineStop\n\
        20250528 00:00:05|@MachineStart\n\
        20250528 00:00:06|@Melding: iets\n";
    let expected = [
        "1 Piece StukUitgevoerd|1 B159464 H1",
        "2 Wait MachineWait|7 sec",
        "3 Job JobProfiel|R:6121 L:6584.59 C:654",
        "4 Stop MachineStop|",
        "5 Start MachineStart|",
        "6 Other Melding|iets",
    ];
    assert_eq!(events(log), expected);
}

#[test]
fn nul_bytes_are_removed_before_anything_else() {
    let log = b"\0\0\x0020250528 00:00\0:01|\0@Machine\0Stop\0\0\n\0\0";
    assert_eq!(events(log), ["1 Stop MachineStop|"]);
    assert_eq!(tally(log).lines, 1);
}

#[test]
fn blanks_around_line_name_and_details_are_trimmed_and_blank_lines_are_nothing() {
    let log = b" \t20250528 00:00:01 |@ MachineStop \t:  x  \r\n\r\n \t\x0b\x0c\r\n\n";
    assert_eq!(events(log), ["1 Stop MachineStop|x"]);
    let tally = tally(log);
    assert_eq!((tally.lines, tally.blank, tally.rejected()), (4, 3, 0));
}

#[test]
fn lines_that_end_in_cr_alone_are_lines_also_among_others() {
    let of = |end: &str| {
        let lines = (0..120).map(|n| format!("20250528 00:00:01|@StukUitgevoerd: {n}{end}"));
        lines.collect::<String>().into_bytes()
    };
    for end in ["\n", "\r\n", "\r", "\r\r\n", "\n\r"] {
        assert_eq!(events(&of(end)), events(&of("\n")), "{end:?}");
    }
    let mixed = b"20250528 00:00:01|@MachineStop\r20250528 00:00:02|@MachineStart\r\n\
        20250528 00:00:03|@MachineStop\r\rrubbish\r20250528 00:0220250528 00:00:04|@MachineStart\n\
        20250528 00:00:05|@MachineStop";
    let expected = ["1 Stop", "2 Start", "3 Stop", "4 Start", "5 Stop"];
    let found = events(mixed);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert!(found.iter().zip(expected).all(|(event, kind)| event.starts_with(kind)));
    let tally = tally(mixed);
    assert_eq!((tally.lines, tally.blank, tally.events, tally.malformed()), (7, 1, 5, 1));
}

#[test]
fn a_cr_with_no_event_line_behind_it_is_a_blank() {
    let log = b"20250528 00:00:01\r|@StukUitgevoerd:\r1\rB H1\r\n20250528 00:00:02|@MachineWait: 7\rsec\n";
    assert_eq!(events(log), ["1 Piece StukUitgevoerd|1\rB H1", "2 Wait MachineWait|7\rsec"]);
    assert_eq!(tally(log).rejected(), 0);
}

#[test]
fn a_file_longer_than_a_line_may_be_is_read_also_with_cr_alone() {
    let log = b"20250528 00:00:01|@MachineStop\r".repeat(10_000);
    assert!(log.len() > LINE_LIMIT_BYTES);
    assert_eq!(tally(&log).events, 10_000);
}

#[test]
fn the_bytes_of_no_break_space_and_next_line_are_text() {
    let log = b"20250528 00:00:01|@StukUitgevoerd: \xA01\x85\n";
    assert_eq!(events(log), ["1 Piece StukUitgevoerd|\u{a0}1\u{85}"]);
}

#[test]
fn text_is_latin_1_with_control_characters_from_0x80_on() {
    let log = b"20250528 00:00:01|@StukUitgevoerd: ch\xE2ssis \x80\x9F\xFF.\n";
    assert_eq!(events(log), ["1 Piece StukUitgevoerd|ch\u{e2}ssis \u{80}\u{9f}\u{ff}."]);
}

#[test]
fn a_torn_line_costs_itself_only() {
    let log = b"20250603 05:0220250603 00:02:30|@MachineStop\n2025";
    assert_eq!(events(log), ["150 Stop MachineStop|"]);
    assert_eq!(reject_of(b"2025"), Some(Reject::NoMarker));
}

#[test]
fn the_timestamp_is_the_last_seventeen_plain_characters_before_the_first_marker() {
    assert_eq!(events(b"\xFF20250603 00:02:00|@MachineStop"), ["120 Stop MachineStop|"]);
    assert_eq!(events(b"2025\xE90603 00:02:00 \xA0|@MachineStop"), ["120 Stop MachineStop|"]);
    assert_eq!(events(b"x|20250603 00:02:00|@MachineStop"), ["120 Stop MachineStop|"]);
    assert_eq!(events(b"20250603 00:02:00|@a|@b: c|@d"), ["120 Other a|@b|c|@d"]);
    assert_eq!(reject_of(b"0250603 00:02:00|@MachineStop"), Some(Reject::NoTimestamp));
    assert_eq!(reject_of(b"20250603 00:02:0x|@MachineStop"), Some(Reject::NoTimestamp));
    assert_eq!(reject_of(b"|@20250603 00:02:00|@MachineStop"), Some(Reject::NoTimestamp));
}

#[test]
fn a_date_that_does_not_exist_is_a_reject_of_its_own() {
    assert_eq!(reject_of(b"20250631 05:02:00|@StukUitgevoerd: x"), Some(Reject::NotReal));
    assert_eq!(reject_of(b"20250603 25:02:00|@StukUitgevoerd: x"), Some(Reject::NotReal));
}

#[test]
fn a_line_without_a_name_is_a_reject() {
    assert_eq!(reject_of(b"20250603 05:02:00|@"), Some(Reject::NoName));
    assert_eq!(reject_of(b"20250603 05:02:00|@ : details"), Some(Reject::NoName));
}

#[test]
fn the_name_ends_at_the_first_colon_and_only_the_exact_word_counts() {
    assert_eq!(events(b"20250603 00:00:01|@MachineStop:a:b"), ["1 Stop MachineStop|a:b"]);
    assert_eq!(events(b"20250603 00:00:01|@MachineStopp"), ["1 Other MachineStopp|"]);
    assert_eq!(events(b"20250603 00:00:01|@machinestop"), ["1 Other machinestop|"]);
    assert_eq!(events(b"20250603 00:00:01|@MachineStop x"), ["1 Other MachineStop x|"]);
}

#[test]
fn malformed_jobs_and_waits_without_duration_are_counted_and_remain_events() {
    for (line, reject) in [
        (&b"20250603 05:02:00|@JobProfiel: L:5000.00 C:654"[..], Reject::MalformedJob),
        (b"20250603 05:02:00|@MachineWait: 30", Reject::WaitWithoutDuration),
    ] {
        assert_eq!(reject_of(line), Some(reject));
        let tally = tally(line);
        assert_eq!((tally.events, tally.malformed(), tally.rejected()), (1, 0, 1));
    }
    assert_eq!(reject_of(b"20250603 05:02:00|@MachineWait: 0 sec"), None);
}

#[test]
fn a_line_beyond_the_limit_is_counted_and_the_next_one_read() {
    let begin = b"20250603 00:00:01|@StukUitgevoerd: ";
    let longest = [&begin[..], &vec![b'x'; LINE_LIMIT_BYTES - begin.len()]].concat();
    let log = [&longest[..], b"y\n", &longest, b"\r\n20250603 00:00:02|@MachineStop\n"].concat();
    let tally = tally(&log);
    assert_eq!((tally.lines, tally.events), (3, 2));
    assert_eq!(tally.rejects[&Reject::Overlong].count, 1);
    let text = Text::new(&longest);
    let details = parse(&text, &Words::default()).events[0].details().len();
    assert_eq!(details, LINE_LIMIT_BYTES - begin.len());
}

#[test]
fn a_reject_shows_its_first_line_and_how_it_began() {
    let log = b"20250603 00:00:01|@MachineStop\n\nhello \x07\xE9\nmore\n";
    let rejected = tally(log).rejects[&Reject::NoMarker].clone();
    assert_eq!((rejected.count, rejected.first_line), (2, 3));
    assert_eq!(rejected.sample, "hello ·é");
}

#[test]
fn unknown_names_are_counted_by_name_within_a_bound() {
    let line = |name: usize| format!("20250603 00:00:01|@Woord{name}: x\n");
    let log: String = (0..150).chain(0..10).map(line).collect();
    let unknown = tally(log.as_bytes()).unknown;
    assert_eq!(unknown.counts.len(), crate::parse::NAMES_LIMIT);
    assert_eq!(unknown.counts["Woord3"], 2);
    assert_eq!(unknown.uncounted, 50);
}

#[test]
fn a_step_of_the_clock_is_marked_on_the_line_that_steps() {
    let log = b"20250603 00:00:05|@MachineStop\n20250603 00:00:05|@MachineStart\n\
        20250603 00:00:01|@MachineStop\n20250603 00:00:02|@MachineStop\n";
    let text = Text::new(log);
    let events = parse(&text, &Words::default()).events;
    let stepped: Vec<bool> = events.iter().map(|event| event.stepped_back).collect();
    assert_eq!(stepped, [false, false, true, false]);
}

#[test]
fn the_short_way_and_the_letter_give_the_same_events() {
    let words = Words::default();
    let heads = ["20250603 05:02:00|@", "20250603 05:02:61|@", "20250603 05:02:00 |@", "\u{e9}"];
    let names = ["StukUitgevoerd", "MachineWait", "MachineStop", "JobProfiel", "MachineStar", ""];
    let tails = [
        "",
        ":",
        ": ",
        ":x",
        ": \tx",
        " : x",
        ": 7 sec",
        ": R:A L:1",
        "\r",
        ": x \r",
        "x",
        ": 7\rsec",
        ": x\r20250603 05:02:00|@MachineStop",
    ];
    for head in heads {
        for name in names {
            for tail in tails {
                let line = format!("{head}{name}{tail}\n");
                let (short, letter) =
                    (parsed_by(&words, &line, true), parsed_by(&words, &line, false));
                assert_eq!(short, letter, "{head}{name}{tail}");
            }
        }
    }
}

fn parsed_by(words: &Words, line: &str, short_way: bool) -> (usize, String, Vec<Reject>) {
    // Padded, so that the short way is open to short lines too.
    let padded = format!("{line}{}", " ".repeat(64));
    let mut reader = Reader {
        words,
        clock: Clock::default(),
        events: Vec::new(),
        rejected: Vec::new(),
        tally: Tally::default(),
        last_seconds: i64::MIN,
        has_lone_cr: has_lone_cr(line.as_bytes()),
    };
    let next = if short_way { reader.ordinary_line(&padded, 0) } else { None };
    let next = next.unwrap_or_else(|| reader.odd_line(&padded, 0));
    (next, format!("{:?}", reader.events), reader.tally.rejects.into_keys().collect())
}
