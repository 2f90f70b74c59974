//! LOG files as the spec describes them, for the demonstration, the tests and the benchmarks: three
//! machines, ordinary days, and the same days with the damage that controllers do to them.
//!
//! Pure: the same machine, day and seed give the same bytes for ever. What must never happen here: a
//! day tuned to what the parser likes.
#![allow(dead_code, reason = "each test, benchmark and example uses the part it needs")]

mod dirt;
mod flaw;
pub mod planned;
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
    let middle = lines.len() / 2;
    flaw::written(lines, flaw, middle, &mut random)
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
    write_down(centre, day, (first_second, effective), happenings, random)
}

/// The lines of a day's happenings; `first_second` of the day, and `effective` seconds of production
/// without what is waited and stopped.
fn write_down(
    centre: &Centre,
    day: NaiveDate,
    (first_second, effective): (u64, u64),
    happenings: Vec<(u64, Happening)>,
    random: &mut Random,
) -> Vec<Line> {
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
