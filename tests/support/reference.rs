//! A second reader of LOG files, straight from the spec and slow: text, regular expressions and
//! lists, nothing shared with the agent but the plain data of the result. Tests compare the two.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use chrono::{NaiveDate, TimeDelta};
use cu_agent::{
    analyse::{Options, WaitStamp},
    model::{Day, Figures, Job, LogDefect, LogDefectCode, Piece, Session, Stamp, Stop, Wait},
};
use regex::Regex;

/// (seconds since 1970, name, details) of each event line, in the order of the file.
pub type Line = (i64, String, String);

const BLANKS: [char; 6] = [' ', '\t', '\n', '\x0b', '\x0c', '\r'];
static SHAPE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(\d{4})(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)$"));
/// A number of a wait at the beginning of what follows: plain digits or groups of three.
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^(?:([0-9]{1,3}(?:['\u{a0}][0-9]{3})+)(?:[^0-9]|$)|([0-9]+))"));
static SEC: LazyLock<Regex> = LazyLock::new(|| regex(r"^[ \t\n\x0b\x0c\r\u{a0}]*[sS][eE][cC]"));
static FRACTION: LazyLock<Regex> = LazyLock::new(|| regex(r"^[.,]([0-9]+)"));
/// Word characters of ISO-8859-1, inside brackets.
const WORD: &str = "0-9A-Za-z_ªµº¹²³¼½¾À-ÖØ-öø-ÿ";
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("(?:^|[^{WORD}])R:([{WORD}]+)")));
static LENGTH: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("(?:^|[^{WORD}])L:([0-9]+)(?:[.,]([0-9]+))?")));
static COLOUR: LazyLock<Regex> = LazyLock::new(|| regex(&format!("(?:^|[^{WORD}])C:([{WORD}]+)")));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file is well formed")
}

const LINE_LIMIT: usize = 64 * 1024;

pub fn lines(bytes: &[u8]) -> Vec<Line> {
    let text: String = bytes.iter().filter(|&&b| b != 0).map(|&b| char::from(b)).collect();
    text.split('\n').flat_map(between_lfs).collect()
}

/// Lines that end in CR alone, if an event line stands behind one; otherwise a CR is a blank.
fn between_lfs(text: &str) -> Vec<Line> {
    let trimmed = text.trim_matches(BLANKS);
    let by_cr: Vec<Option<Line>> = trimmed.split('\r').map(line).collect();
    if by_cr[1..].iter().any(Option::is_some) {
        return by_cr.into_iter().flatten().collect();
    }
    line(text).into_iter().collect()
}

fn line(text: &str) -> Option<Line> {
    let text = text.trim_matches(BLANKS);
    if text.chars().count() > LINE_LIMIT {
        return None;
    }
    let (before, behind) = text.split_once("|@")?;
    let ascii: String = before.chars().filter(|&char| char as u32 <= 127).collect();
    let ascii: Vec<char> = ascii.trim_matches(BLANKS).chars().collect();
    let stamp: String = ascii[ascii.len().checked_sub(17)?..].iter().collect();
    let found = SHAPE.captures(&stamp)?;
    let number = |group: usize| found[group].parse::<u32>().expect("the pattern takes digits only");
    if number(1) == 0 {
        return None;
    }
    let at = NaiveDate::from_ymd_opt(number(1) as i32, number(2), number(3))?.and_hms_opt(
        number(4),
        number(5),
        number(6),
    )?;
    let (name, details) = behind.split_once(':').unwrap_or((behind, ""));
    let (name, details) = (name.trim_matches(BLANKS), details.trim_matches(BLANKS));
    (!name.is_empty()).then(|| (at.and_utc().timestamp(), name.into(), details.into()))
}

/// The sessions of one machine from its files, in any order.
pub fn sessions(files: &[Vec<u8>], options: &Options) -> BTreeMap<Day, Session> {
    let files: Vec<Vec<Line>> = files.iter().map(|bytes| lines(bytes)).collect();
    let day_of = |line: &Line| {
        let at = chrono::DateTime::from_timestamp(line.0, 0)
            .expect("a line has a real date")
            .naive_utc();
        (at - options.day_start).date()
    };
    let days: BTreeSet<Day> = files.iter().flatten().map(day_of).collect();
    days.into_iter()
        .map(|day| {
            let mut steps = BTreeMap::new();
            let mut parts: Vec<Vec<Line>> = Vec::new();
            for file in &files {
                let mut steps_of_file: BTreeMap<i64, u32> = BTreeMap::new();
                for pair in file.windows(2) {
                    if pair[1].0 < pair[0].0 && day_of(&pair[1]) == day {
                        *steps_of_file.entry(pair[1].0).or_default() += 1;
                    }
                }
                for (at, count) in steps_of_file {
                    let most: &mut u32 = steps.entry(at).or_default();
                    *most = count.max(*most);
                }
                parts.push(file.iter().filter(|line| day_of(line) == day).cloned().collect());
            }
            (day, session(&union(parts), &steps, options))
        })
        .collect()
}

/// How often each line is in the union: as often as the file that holds it most often holds it.
pub fn counts(parts: &[Vec<Line>]) -> BTreeMap<Line, usize> {
    let mut counts = BTreeMap::new();
    for part in parts {
        for line in part {
            let in_part = part.iter().filter(|other| *other == line).count();
            let count = counts.entry(line.clone()).or_default();
            *count = in_part.max(*count);
        }
    }
    counts
}

/// Only as far as the spec orders it: one file's order within a second. Tests with several files
/// use lines whose order within a second shows nowhere.
fn union(mut parts: Vec<Vec<Line>>) -> Vec<Line> {
    let counts = counts(&parts);
    let mut union: Vec<Line> = Vec::new();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    for part in &parts {
        for line in part {
            if union.iter().filter(|held| *held == line).count() < counts[line] {
                union.push(line.clone());
            }
        }
    }
    union.sort_by_key(|line| line.0);
    union
}

fn session(lines: &[Line], steps: &BTreeMap<i64, u32>, options: &Options) -> Session {
    let mut session = Session::default();
    let mut without_duration = Vec::new();
    let mut lost = Vec::new();
    let mut open: Option<Stamp> = None;
    for (seconds, name, details) in lines {
        let at = Stamp(seconds * 1000);
        match name.as_str() {
            "StukUitgevoerd" => {
                lost.extend(open.take());
                session.pieces.push(Piece { at, details: details.as_str().into() });
            }
            "MachineWait" => match duration_ms(details) {
                None => without_duration.push(at),
                Some(0) => {}
                Some(ms) if options.wait_stamp == WaitStamp::Start => {
                    session.waits.push(Wait { start: at, end: Stamp(at.0 + ms) });
                }
                Some(ms) => session.waits.push(Wait { start: Stamp(at.0 - ms), end: at }),
            },
            "MachineStop" => {
                open = open.or(Some(at));
                session.figures.last_stop = Some(at);
            }
            "MachineStart" => {
                session.stops.extend(open.take().map(|start| Stop { start, end: at }));
                session.figures.first_start = session.figures.first_start.or(Some(at));
            }
            "JobProfiel" => session.jobs.extend(job(at, details)),
            _ => {}
        }
    }
    fill_figures(&mut session, lines.len());
    let figures = &session.figures;

    let mut add = |code, ats: Vec<Stamp>| {
        if let Some(&at) = ats.first() {
            let count = ats.len() as u32;
            session.log_defects.push(LogDefect { code, at, count });
        }
    };
    let mut waits: Vec<Wait> = session.waits.clone();
    waits.sort_by_key(|wait| wait.start);
    lost.into_iter().for_each(|at| add(LogDefectCode::StartLineLost, vec![at]));
    let clock = steps.iter().flat_map(|(&at, &n)| vec![Stamp(at * 1000); n as usize]).collect();
    add(LogDefectCode::ClockSteppedBack, clock);
    add(LogDefectCode::WaitWithoutDuration, without_duration);
    if let (Some(first), Some(last)) = (figures.first_piece, figures.last_piece) {
        // In the order of their lines.
        let outside = session.waits.iter();
        let outside = outside.filter(|w| w.end.0.min(last.0) <= w.start.0.max(first.0));
        add(LogDefectCode::WaitOutsideProduction, outside.map(|wait| wait.start).collect());
    }
    let meet = |a: (Stamp, Stamp), b: (Stamp, Stamp)| a.0.max(b.0) < a.1.min(b.1);
    let overlapping = waits.iter().enumerate().filter(|(index, wait)| {
        let span = (wait.start, wait.end);
        waits[..*index].iter().any(|other| meet((other.start, other.end), span))
            || session.stops.iter().any(|stop| meet((stop.start, stop.end), span))
    });
    add(LogDefectCode::Overlap, overlapping.map(|(_, wait)| wait.start).collect());
    if session.pieces.is_empty() {
        add(LogDefectCode::NoPiece, vec![Stamp(lines[0].0 * 1000)]);
    }
    session
}

/// Measures by cutting time at every boundary and asking for each slice what covers it.
fn fill_figures(session: &mut Session, events: usize) {
    let figures = Figures {
        events: events as u64,
        total_pieces: session.pieces.len() as u32,
        raw_wait_ms: session.waits.iter().map(|wait| wait.end.0 - wait.start.0).sum(),
        raw_stop_ms: session.stops.iter().map(|stop| stop.end.0 - stop.start.0).sum(),
        first_piece: session.pieces.first().map(|piece| piece.at),
        last_piece: session.pieces.last().map(|piece| piece.at),
        ..session.figures.clone()
    };
    session.figures = figures;
    let figures = &mut session.figures;
    let (Some(first), Some(last)) = (figures.first_piece, figures.last_piece) else { return };
    let mut cuts: BTreeSet<i64> = BTreeSet::from([first.0, last.0]);
    cuts.extend(session.waits.iter().flat_map(|wait| [wait.start.0, wait.end.0]));
    cuts.extend(session.stops.iter().flat_map(|stop| [stop.start.0, stop.end.0]));
    let cuts: Vec<i64> = cuts.into_iter().filter(|at| (first.0..=last.0).contains(at)).collect();
    for slice in cuts.windows(2) {
        let within = |start: Stamp, end: Stamp| start.0 <= slice[0] && slice[1] <= end.0;
        let length = slice[1] - slice[0];
        figures.window_ms += length;
        if session.stops.iter().any(|stop| within(stop.start, stop.end)) {
            figures.stop_ms += length;
        } else if session.waits.iter().any(|wait| within(wait.start, wait.end)) {
            figures.wait_ms += length;
        } else {
            figures.effective_ms += length;
        }
    }
}

/// Every reading of a number of the details, from the left: where it begins, its digits, its decimals
/// and what stands behind. Of one beginning, the longest first.
fn numbers(details: &str) -> Vec<(usize, String, String, &str)> {
    let mut all = Vec::new();
    for (at, _) in details.char_indices() {
        let Some(found) = NUMBER.captures(&details[at..]) else { continue };
        // In the middle of digits only a plain number may begin, and it is no group's first.
        let behind_digit = details[..at].ends_with(|c: char| c.is_ascii_digit());
        let grouped = found.get(1).filter(|_| !behind_digit);
        let plain: String =
            details[at..].chars().take_while(|char| char.is_ascii_digit()).collect();
        for integer in grouped.map(|g| g.as_str().to_owned()).into_iter().chain([plain]) {
            let behind = &details[at + integer.len()..];
            let digits: String = integer.chars().filter(char::is_ascii_digit).collect();
            if let Some(fraction) = FRACTION.captures(behind) {
                let rest = &behind[fraction[0].len()..];
                all.push((at, digits.clone(), fraction[1].to_owned(), rest));
            }
            all.push((at, digits, String::new(), behind));
        }
    }
    all
}

fn duration_ms(details: &str) -> Option<i64> {
    let numbers = numbers(details);
    let before_sec = numbers.iter().find(|(_, _, _, behind)| SEC.is_match(behind));
    let decimal = || numbers.iter().find(|(_, _, fraction, _)| !fraction.is_empty());
    let (at, integer, fraction, _) = before_sec.or_else(decimal)?;
    if details[..*at].ends_with('-') {
        return None;
    }
    let ms = rounded(integer, fraction, 3)?;
    (ms <= 2_147_483_647_000).then_some(ms)
}

fn job(at: Stamp, details: &str) -> Option<Job> {
    let value = |regex: &Regex| {
        let found = regex.captures(details)?;
        let second = found.get(2).map_or(String::new(), |group| group.as_str().into());
        Some((found[1].to_owned(), second))
    };
    let cut = |text: String| text.chars().take(50).collect::<String>();
    let (reference, _) = value(&REFERENCE)?;
    let (integer, fraction) = value(&LENGTH)?;
    let length_e2 = rounded(&integer, &fraction, 2)?;
    let colour = value(&COLOUR).map_or("N/A".into(), |(colour, _)| colour);
    (length_e2 < 10_000_000_000).then(|| Job {
        at,
        reference: cut(reference).into(),
        length_e2,
        colour: cut(colour).into(),
    })
}

/// `integer.fraction` times 10^`places`, half up, by way of one more place.
fn rounded(integer: &str, fraction: &str, places: usize) -> Option<i64> {
    let one_more: String = integer
        .chars()
        .chain(fraction.chars().chain("0".repeat(9).chars()).take(places + 1))
        .collect();
    let value = one_more.trim_start_matches('0');
    if value.len() > 18 {
        return None;
    }
    Some((format!("0{value}").parse::<i64>().expect("at most 18 digits") + 5) / 10)
}

/// Day start and stamp of waits for tests that try more than the default.
pub fn options(day_start_hours: i64, wait_stamp: WaitStamp) -> Options {
    Options { day_start: TimeDelta::hours(day_start_hours), wait_stamp }
}
