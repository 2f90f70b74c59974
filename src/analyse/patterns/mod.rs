//! How a machine's time goes, for a day or a period: rhythm by hour, stops by length and hour, waiting
//! and cycles by profile, what profile changes and the ends of the shift cost. Pure, whole numbers.
//!
//! A profile is a reference and a colour; a piece belongs to the last job at or before it.

mod profiles;

use std::{collections::BTreeMap, fmt};

use crate::{
    analyse::{
        digest::{MICRO_STOP_MS, SHORT_STOP_MS, stops_inside, waits_inside, window},
        intervals::{Span, covered, merged},
        robust,
    },
    model::{Job, Session, ShortText},
};

/// What is machined.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Profile {
    pub reference: ShortText,
    pub colour: ShortText,
}

impl Profile {
    fn of(job: &Job) -> Self {
        Self { reference: job.reference.clone(), colour: job.colour.clone() }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.reference, self.colour)
    }
}

/// Sums over the days; durations are milliseconds inside first to last piece of each day.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patterns {
    pub days: u32,
    pub pieces: u64,
    pub window_ms: i64,
    pub effective_ms: i64,
    /// By hour of the machine's clock.
    pub hours: [Hour; 24],
    /// In the order of [`StopClass::ALL`].
    pub stops: [Stops; 3],
    /// `None`: before the day's first job.
    pub profiles: BTreeMap<Option<Profile>, OfProfile>,
    /// All profiles after the first [`MOST_PROFILES`], which no plant has.
    pub other_profiles: OfProfile,
    pub changes: Changes,
    /// The last day's profiles as they followed one another.
    pub sequence: Vec<Profile>,
    /// From first start to first piece, and from last piece to last stop.
    pub start_loss_ms: i64,
    pub end_loss_ms: i64,
}

/// What happens in one hour of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hour {
    pub pieces: u32,
    /// How much of the windows lies in this hour.
    pub window_ms: i64,
    pub effective_ms: i64,
    /// Outside stops.
    pub wait_ms: i64,
    pub stop_ms: i64,
    /// Stops that begin in it.
    pub stops: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StopClass {
    /// Shorter than a minute.
    Micro,
    /// Shorter than 15 minutes.
    Short,
    Long,
}

impl StopClass {
    pub const ALL: [Self; 3] = [Self::Micro, Self::Short, Self::Long];

    pub fn of(ms: i64) -> Self {
        match ms {
            ms if ms < MICRO_STOP_MS => Self::Micro,
            ms if ms < SHORT_STOP_MS => Self::Short,
            _ => Self::Long,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stops {
    pub count: u32,
    pub ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OfProfile {
    /// Job lines: each tells of one bar.
    pub bars: u32,
    /// Of these bars together, in hundredths of a millimetre.
    pub length_e2: i64,
    pub pieces: u32,
    /// How often the machine came to it.
    pub runs: u32,
    /// Time between its own pieces, without waits and stops.
    pub effective_ms: i64,
    /// Waits that begin while it is machined, and their plain sum.
    pub waits: u32,
    pub wait_ms: i64,
    /// Time from piece to piece with neither wait nor stop between.
    pub cycles: u32,
    pub median_cycle_ms: Option<i64>,
}

/// From one profile to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    pub count: u32,
    /// From the last piece of one to the first of the next.
    pub span_ms: i64,
    /// The same less voluntary stops and, for each, the average time from piece to piece of the new
    /// profile: what the changes themselves cost.
    pub cost_ms: i64,
}

/// The patterns of one day.
pub fn patterns(session: &Session) -> Patterns {
    let mut days = Days::default();
    days.add(session);
    days.patterns()
}

/// Profiles of a period that are told apart.
const MOST_PROFILES: usize = 5_000;
/// Cycles of a period that medians are taken of: a year of 5,000 pieces a day.
const MOST_CYCLES: usize = 2_000_000;

/// The days of a machine, added one by one in their order: a year of them takes no more memory than
/// its profiles and a number for each of its cycles, and no period more than [`MOST_PROFILES`] and
/// [`MOST_CYCLES`] of them.
#[derive(Debug, Default)]
pub struct Days {
    patterns: Patterns,
    cycles: Cycles,
}

impl Days {
    pub fn add(&mut self, session: &Session) {
        add_figures(&mut self.patterns, session);
        if let Some(window) = window(session) {
            add_hours(&mut self.patterns, session, window);
            add_stops(&mut self.patterns, session);
        }
        profiles::add(&mut self.patterns, &mut self.cycles, session);
    }

    pub fn patterns(self) -> Patterns {
        let mut patterns = self.patterns;
        for (profile, mut cycles) in self.cycles.of {
            let Some(of_profile) = patterns.profiles.get_mut(&profile) else { continue };
            // Some left out: what is kept says nothing of the whole period.
            if u32::try_from(cycles.len()) == Ok(of_profile.cycles) {
                of_profile.median_cycle_ms = robust::median(&mut cycles);
            }
        }
        patterns
    }
}

/// Lengths of cycles in milliseconds, by profile.
#[derive(Debug, Default)]
struct Cycles {
    of: BTreeMap<Option<Profile>, Vec<u32>>,
    kept: usize,
}

impl Cycles {
    fn add(&mut self, profile: &Option<Profile>, ms: i64) {
        // A cycle lies within a day, whose milliseconds a u32 holds.
        let Ok(ms) = u32::try_from(ms) else { return };
        if self.kept < MOST_CYCLES {
            self.of.entry(profile.clone()).or_default().push(ms);
            self.kept += 1;
        }
    }
}

impl Patterns {
    fn of_profile(&mut self, profile: &Option<Profile>) -> &mut OfProfile {
        let is_full = self.profiles.len() >= MOST_PROFILES;
        if is_full && !self.profiles.contains_key(profile) {
            return &mut self.other_profiles;
        }
        self.profiles.entry(profile.clone()).or_default()
    }
}

fn add_figures(patterns: &mut Patterns, session: &Session) {
    let figures = &session.figures;
    patterns.days += 1;
    patterns.pieces += u64::from(figures.total_pieces);
    patterns.window_ms += figures.window_ms;
    patterns.effective_ms += figures.effective_ms;
    if let Some((start, first)) = figures.first_start.zip(figures.first_piece) {
        patterns.start_loss_ms += (first.0 - start.0).max(0);
    }
    if let Some((last, stop)) = figures.last_piece.zip(figures.last_stop) {
        patterns.end_loss_ms += (stop.0 - last.0).max(0);
    }
}

const HOUR_MS: i64 = 3_600_000;

fn hour_of(ms: i64) -> usize {
    usize::try_from(ms.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or_default()
}

fn add_hours(patterns: &mut Patterns, session: &Session, window: Span) {
    let mut spans = stops_inside(session);
    let stops = merged(&mut spans);
    spans.extend(waits_inside(session));
    let idle = merged(&mut spans);
    let mut start = window.start.div_euclid(HOUR_MS) * HOUR_MS;
    while start < window.end {
        let whole = Span { start, end: start + HOUR_MS };
        start = whole.end;
        let Some(inside) = whole.inside(window) else { continue };
        let hour = &mut patterns.hours[hour_of(whole.start)];
        let (ms, stop_ms) = (inside.end - inside.start, covered(&stops, inside));
        let idle_ms = covered(&idle, inside);
        hour.window_ms += ms;
        hour.stop_ms += stop_ms;
        hour.wait_ms += idle_ms - stop_ms;
        hour.effective_ms += ms - idle_ms;
    }
    for piece in &session.pieces {
        patterns.hours[hour_of(piece.at.0)].pieces += 1;
    }
}

fn add_stops(patterns: &mut Patterns, session: &Session) {
    for stop in stops_inside(session) {
        let ms = stop.end - stop.start;
        let of_class = &mut patterns.stops[StopClass::of(ms) as usize];
        of_class.count += 1;
        of_class.ms += ms;
        patterns.hours[hour_of(stop.start)].stops += 1;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::{
        analyse::{Options, sessions},
        model::{Day, Job, Piece, Stamp},
        parse::{Text, Words, parse},
    };

    /// Lines are `HH:MM:SS name details` of one day; `job X` is a job of that reference.
    pub(crate) fn session_of(lines: &[&str]) -> Session {
        let line = |line: &&str| {
            let (time, event) = line.split_once(' ').unwrap();
            let event = match event.split_once(' ').unwrap_or((event, "")) {
                ("piece", _) => "StukUitgevoerd: 1".to_owned(),
                ("wait", seconds) => format!("MachineWait: {seconds} sec"),
                ("stop", _) => "MachineStop".to_owned(),
                ("start", _) => "MachineStart".to_owned(),
                ("job", reference) => format!("JobProfiel: R:{reference} L:5000 C:WS"),
                (other, _) => panic!("{other}"),
            };
            format!("20250603 {time}|@{event}\n")
        };
        let log: String = lines.iter().map(line).collect();
        let text = Text::new(log.as_bytes());
        let parsed = parse(&text, &Words::default());
        sessions(&[&parsed.events], &Options::default()).pop_first().unwrap().1
    }

    pub(crate) fn day() -> Day {
        NaiveDate::from_ymd_opt(2025, 6, 3).unwrap()
    }

    pub(crate) fn patterns_of(lines: &[&str]) -> Patterns {
        patterns(&session_of(lines))
    }

    pub(crate) fn profile(reference: &str) -> Profile {
        Profile { reference: reference.into(), colour: "WS".into() }
    }

    #[test]
    fn the_hours_of_the_clock_add_up_to_the_day() {
        let lines = [
            "05:50:00 start",
            "05:55:00 piece",
            "05:58:00 stop",
            "06:10:00 start",
            "06:20:00 wait 300",
            "06:59:30 piece",
            "07:00:00 piece",
            "07:05:00 stop",
        ];
        let session = session_of(&lines);
        let found = patterns(&session);
        assert_eq!(
            (found.hours[5].pieces, found.hours[6].pieces, found.hours[7].pieces),
            (1, 1, 1)
        );
        assert_eq!((found.hours[5].stops, found.hours[6].stops), (1, 0));
        assert_eq!((found.hours[5].stop_ms, found.hours[6].stop_ms), (120_000, 600_000));
        assert_eq!(found.hours[6].wait_ms, 300_000);
        let sum = |of: fn(&Hour) -> i64| found.hours.iter().map(of).sum::<i64>();
        assert_eq!(sum(|hour| hour.effective_ms), session.figures.effective_ms);
        assert_eq!(sum(|hour| hour.wait_ms), session.figures.wait_ms);
        assert_eq!(sum(|hour| hour.stop_ms), session.figures.stop_ms);
        assert_eq!((found.start_loss_ms, found.end_loss_ms), (300_000, 300_000));
    }

    #[test]
    fn stops_fall_into_classes_by_their_length() {
        let found = patterns_of(&[
            "05:00:00 piece",
            "05:10:00 stop",
            "05:10:59 start",
            "05:20:00 stop",
            "05:21:00 start",
            "05:30:00 stop",
            "05:45:00 start",
            "06:00:00 piece",
        ]);
        let counts = found.stops.map(|stops| (stops.count, stops.ms / 1000));
        assert_eq!(counts, [(1, 59), (1, 60), (1, 900)]);
    }

    #[test]
    fn a_period_is_the_sum_of_its_days() {
        let mut days = Days::default();
        days.add(&session_of(&["05:00:00 job A", "05:00:01 piece", "05:01:00 piece"]));
        days.add(&session_of(&["06:00:00 job B", "06:00:01 piece", "06:03:00 piece"]));
        let found = days.patterns();
        assert_eq!((found.days, found.pieces), (2, 4));
        assert_eq!(found.changes.count, 0, "a night is no profile change");
        assert_eq!(found.sequence, [profile("B")]);
        let medians = found.profiles.values().map(|of| of.median_cycle_ms);
        assert_eq!(medians.collect::<Vec<_>>(), [Some(59_000), Some(179_000)]);
    }

    #[test]
    fn profiles_beyond_the_most_are_summed_and_cycles_beyond_the_most_give_no_median() {
        let jobs = MOST_PROFILES + 3;
        let pieces = (0..jobs as i64).map(|n| Piece { at: Stamp(n * 1000), details: "".into() });
        let session = Session {
            pieces: pieces.collect(),
            jobs: (0..jobs as i64)
                .map(|n| Job {
                    at: Stamp(n * 1000),
                    reference: n.to_string().into(),
                    length_e2: 0,
                    colour: "WS".into(),
                })
                .collect(),
            ..Session::default()
        };
        let found = patterns(&session);
        assert_eq!((found.profiles.len(), found.other_profiles.pieces), (MOST_PROFILES, 3));

        let mut cycles = Cycles { kept: MOST_CYCLES - 1, ..Cycles::default() };
        cycles.add(&None, 1000);
        cycles.add(&None, 3000);
        let of_profile = OfProfile { cycles: 2, ..OfProfile::default() };
        let patterns = Patterns { profiles: [(None, of_profile)].into(), ..Patterns::default() };
        let found = Days { patterns, cycles }.patterns();
        assert_eq!(found.profiles[&None].median_cycle_ms, None);
    }
}
