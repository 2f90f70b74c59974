//! LOG files as the spec describes them, for the demonstration, the tests and the benchmarks: three
//! machines, ordinary days, and the same days with the damage that controllers do to them.
//!
//! Pure: the same machine, day and seed give the same bytes for ever. What must never happen here: a
//! day tuned to what the parser likes.

mod dirt;
mod flaw;
mod random;

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Weekday};

pub use self::flaw::Flaw;
use self::{flaw::Shape, random::Random};

/// A machining centre and what its month looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Centre {
    /// Name of its folder on the server.
    pub folder: &'static str,
    pub nom: &'static str,
    pub type_cu: &'static str,
    /// Pieces of 20 working days.
    pub pieces_of_20_days: u64,
    /// Effective production in tenths of a percent of first to last piece.
    pub occupation_per_mille: u64,
    /// Least and most stops a day.
    pub stops: (u64, u64),
    /// Reference and colour of the profiles it is fed with.
    pub profiles: &'static [(&'static str, &'static str)],
}

/// The three machines of the spec, with their May 2025.
pub const CENTRES: [Centre; 3] = [
    Centre {
        folder: "DEM12 (PVC)",
        nom: "DEM12",
        type_cu: "DEM12",
        pieces_of_20_days: 9_591,
        occupation_per_mille: 599,
        stops: (16, 20),
        profiles: &[("6112", "654"), ("6121", "654"), ("76281", "WS"), ("6112C", "LAQ")],
    },
    Centre {
        folder: "DEMALU (ALU)",
        nom: "DEMALU",
        type_cu: "DEMALU",
        pieces_of_20_days: 6_670,
        occupation_per_mille: 627,
        stops: (16, 22),
        profiles: &[("141015", "ALU"), ("141022", "ALU"), ("GY1104", "654")],
    },
    Centre {
        folder: "SU12 (HYBRIDE)",
        nom: "SU12",
        type_cu: "SU12",
        pieces_of_20_days: 16_174,
        occupation_per_mille: 715,
        stops: (20, 26),
        profiles: &[("6112", "654"), ("GY1104", "654"), ("76281", "WS"), ("141015", "ALU")],
    },
];

/// How a day is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dirt {
    /// As a controller writes it when nothing goes wrong.
    None,
    /// NULs, torn lines, latin-1, CR LF, steps of the clock, unknown words, overlaps, lost lines.
    Some,
}

/// The first `count` working days from `from` on.
pub fn working_days(from: NaiveDate, count: usize) -> Vec<NaiveDate> {
    let is_working = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    from.iter_days().filter(is_working).take(count).collect()
}

/// `YYYYMMDD.LOG`.
pub fn file_name(day: NaiveDate) -> String {
    day.format("%Y%m%d.LOG").to_string()
}

/// The LOG of one machine and day.
pub fn log_of_day(centre: &Centre, day: NaiveDate, seed: u64, dirt: Dirt) -> Vec<u8> {
    let mut random = Random::new(seed, centre.nom, i64::from(day.num_days_from_ce()));
    let lines = lines_of_day(centre, day, &Shape::ORDINARY, &mut random);
    match dirt {
        Dirt::None => {
            lines.iter().flat_map(|line| format!("{}\n", line.text()).into_bytes()).collect()
        }
        Dirt::Some => dirt::soiled(lines, &mut random),
    }
}

/// The same day with exactly one thing wrong.
pub fn flawed_log_of_day(centre: &Centre, day: NaiveDate, seed: u64, flaw: Flaw) -> Vec<u8> {
    let mut random = Random::new(seed, centre.nom, i64::from(day.num_days_from_ce()));
    let lines = lines_of_day(centre, day, &Shape::of(flaw), &mut random);
    flaw::written(lines, flaw, &mut random)
}

/// One line, before it is written.
#[derive(Clone, Debug)]
struct Line {
    day: NaiveDate,
    /// Since midnight.
    second: i64,
    /// Name and details.
    event: String,
}

impl Line {
    fn text(&self) -> String {
        let at = self.day.and_time(NaiveTime::MIN) + TimeDelta::seconds(self.second);
        format!("{}|@{}", at.format("%Y%m%d %H:%M:%S"), self.event)
    }
}

/// What happens at a moment of effective production, in the order of the day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Happening {
    Piece,
    Job,
    Wait { seconds: u64 },
    Stop { seconds: u64 },
}

/// First to last piece of a day, on average: 12.4 h.
const MEAN_WINDOW_SECONDS: u64 = 44_500;

fn lines_of_day(centre: &Centre, day: NaiveDate, shape: &Shape, random: &mut Random) -> Vec<Line> {
    let first_second = 5 * 3600 + random.between(180, 900);
    // Two draws: most days end in the afternoon, few at noon or late at night.
    let last_second =
        (random.between(12 * 3600, 22 * 3600) + random.between(14 * 3600, 22 * 3600)) / 2;
    let window = last_second - first_second;

    // 1.4 to 2.3 h of waiting, more on long days.
    let longest = 17 * 3600;
    let wait =
        (5_040 + 3_240 * window / longest) * random.between(90, 110) / 100 * shape.wait / 100;
    let idle = window * (1000 - centre.occupation_per_mille) / 1000 * random.between(90, 110) / 100;
    let stop_count = random.between(centre.stops.0, centre.stops.1);
    let stop = idle.saturating_sub(wait * 100 / shape.wait);
    let stop = stop.clamp(stop_count * 270, stop_count * 930) * shape.stop / 100;
    let stop_count = stop_count * shape.stop_count / 100;
    let effective = window.saturating_sub(wait + stop).max(1);

    // Longer days make more pieces, but a busy day is also a fast one.
    let pieces = centre.pieces_of_20_days * (window + MEAN_WINDOW_SECONDS)
        / (20 * 2 * MEAN_WINDOW_SECONDS)
        * random.between(90, 110)
        / 100
        * shape.pieces
        / 100;
    let mut happenings =
        vec![(0, Happening::Job), (0, Happening::Piece), (effective, Happening::Piece)];
    for _ in 0..pieces.saturating_sub(2) {
        let at = random.between(0, effective);
        happenings.push((at, Happening::Piece));
        if random.one_in(8) {
            happenings.push((at.saturating_sub(random.between(5, 40)).max(1), Happening::Job));
        }
    }
    for seconds in shares(wait, wait / 40, random) {
        happenings.push((random.between(0, effective - 1), Happening::Wait { seconds }));
    }
    for seconds in shares(stop, stop_count, random) {
        happenings.push((random.between(0, effective - 1), Happening::Stop { seconds }));
    }
    happenings.sort_by_key(|(at, _)| *at);

    let mut lines = Vec::with_capacity(happenings.len() + 40);
    let mut write = |second: u64, event: String| {
        let second = i64::try_from(second).expect("a second of a day is small");
        lines.push(Line { day, second, event });
    };
    write(first_second - random.between(30, 170), "MachineStart".into());
    let mut idle_so_far = 0;
    let mut number = 0;
    for (at, happening) in happenings {
        let second = first_second + at + idle_so_far;
        match happening {
            Happening::Piece => {
                number += 1;
                write(second, piece(number, random));
            }
            Happening::Job => write(second, job(centre, random)),
            Happening::Wait { seconds } => {
                write(second, format!("MachineWait: {seconds} sec"));
                idle_so_far += seconds;
            }
            Happening::Stop { seconds } => {
                write(second, "MachineStop".into());
                idle_so_far += seconds;
                write(second + seconds, "MachineStart".into());
            }
        }
    }
    let end = first_second + effective + idle_so_far;
    write(end + random.between(20, 300), "MachineStop".into());
    lines
}

fn piece(number: u64, random: &mut Random) -> String {
    let bar = random.between(0, 999_999);
    let side = random.one_of(&["B", "D", "G", "H", "M"]);
    format!("StukUitgevoerd: {number} B{bar:06} {side}{}", random.between(1, 4))
}

fn job(centre: &Centre, random: &mut Random) -> String {
    let (reference, colour) = random.one_of(centre.profiles);
    let length = random.between(490_000, 620_000);
    format!("JobProfiel: R:{reference} L:{}.{:02} C:{colour}", length / 100, length % 100)
}

/// `total` seconds in `count` uneven shares, none of them 0.
fn shares(total: u64, count: u64, random: &mut Random) -> Vec<u64> {
    let weights: Vec<u64> = (0..count).map(|_| random.between(10, 100)).collect();
    let sum: u64 = weights.iter().sum();
    weights.into_iter().map(|weight| (total * weight / sum.max(1)).max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::{self, Options},
        model::Session,
        parse::{Text, Words, parse},
    };

    /// Not chosen: the figures hold for any.
    const SEED: u64 = 7;

    fn session(centre: &Centre, day: NaiveDate, dirt: Dirt) -> Session {
        let log = log_of_day(centre, day, SEED, dirt);
        let text = Text::new(&log);
        let parsed = parse(&text, &Words::default());
        if dirt == Dirt::None {
            assert_eq!(parsed.tally.lines, parsed.tally.events);
            assert_eq!(parsed.tally.rejected(), 0);
        }
        let mut sessions = analyse::sessions(&[&parsed.events], &Options::default());
        sessions.remove(&day).expect("the day of the file has a session")
    }

    fn may() -> Vec<NaiveDate> {
        working_days(NaiveDate::from_ymd_opt(2025, 5, 1).unwrap(), 20)
    }

    #[test]
    fn a_generated_month_has_the_figures_of_the_spec() {
        for centre in &CENTRES {
            let month: Vec<Session> =
                may().into_iter().map(|day| session(centre, day, Dirt::None)).collect();
            let total = |figure: fn(&Session) -> i64| month.iter().map(figure).sum::<i64>();
            let pieces = total(|s| i64::from(s.figures.total_pieces));
            let expected = i64::try_from(centre.pieces_of_20_days).unwrap();
            assert!((pieces - expected).abs() * 10 <= expected, "{}: {pieces} pieces", centre.nom);

            let occupation =
                1000 * total(|s| s.figures.effective_ms) / total(|s| s.figures.window_ms);
            let expected = i64::try_from(centre.occupation_per_mille).unwrap();
            assert!((occupation - expected).abs() <= 50, "{}: {occupation} ‰", centre.nom);

            let stops = total(|s| i64::try_from(s.stops.len()).unwrap());
            assert!((16 * 20..=26 * 20).contains(&stops), "{}: {stops} stops", centre.nom);
            let stop_seconds = total(|s| s.figures.raw_stop_ms) / 1000 / stops;
            assert!(
                (270..=930).contains(&stop_seconds),
                "{}: stops of {stop_seconds} s",
                centre.nom
            );
            let wait_minutes = total(|s| s.figures.raw_wait_ms) / 60_000 / 20;
            assert!((84..=138).contains(&wait_minutes), "{}: {wait_minutes} min waits", centre.nom);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let day = may()[0];
        let log = |seed, dirt| log_of_day(&CENTRES[0], day, seed, dirt);
        assert_eq!(log(1, Dirt::None), log(1, Dirt::None));
        assert_eq!(log(1, Dirt::Some), log(1, Dirt::Some));
        assert_ne!(log(1, Dirt::None), log(2, Dirt::None));
        assert_ne!(log(1, Dirt::None), log_of_day(&CENTRES[1], day, 1, Dirt::None));
    }

    #[test]
    fn dirty_days_hold_every_kind_of_damage_and_still_their_pieces() {
        let mut all = Vec::new();
        for day in may() {
            let dirty = session(&CENTRES[2], day, Dirt::Some);
            let clean = session(&CENTRES[2], day, Dirt::None);
            let (dirty_pieces, pieces) = (dirty.pieces.len(), clean.pieces.len());
            assert!(dirty_pieces * 10 > pieces * 9, "{dirty_pieces} of {pieces} left on {day}");
            all.extend(log_of_day(&CENTRES[2], day, SEED, Dirt::Some));
        }
        let text = Text::new(&all);
        let tally = parse(&text, &Words::default()).tally;
        assert!(all.contains(&0), "no NULs");
        assert!(tally.blank > 0 && !tally.unknown.counts.is_empty());
        use crate::parse::Reject::{MalformedJob, NoMarker, NoTimestamp, WaitWithoutDuration};
        for reject in [MalformedJob, NoMarker, NoTimestamp, WaitWithoutDuration] {
            assert!(tally.rejects.contains_key(&reject), "no {reject:?}");
        }
    }
}
