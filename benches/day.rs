//! How fast generated days are read, on one core: parse alone, and parse and analyse, beside counting
//! the line ends of the same bytes, which is the limit of what reading them once can cost. Once over a
//! month that fits the processor's cache, and once over more than it holds, where memory is the limit. Measured
//! in processor time.
//!
//! `make bench`; `DAY_MB=` of the larger set.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/generate/mod.rs"]
mod generate;

use std::{env, hint::black_box, time::Duration};

use chrono::NaiveDate;
use cu_agent::{
    analyse::{self, Options},
    parse::{Text, Words, parse},
};
use generate::{CENTRES, Dirt, log_of_day, working_days};
use rustix::time::{ClockId, clock_gettime};

/// The month is 2.4 MB.
const ROUNDS_OF_A_MONTH: usize = 200;
const ROUNDS_OF_MANY: usize = 5;
/// Several times what the largest caches of such computers hold.
const MANY_MB: usize = 256;

type Work = fn(&[u8], &Words) -> usize;

const WORKS: [(&str, Work); 3] = [
    ("counting line ends", |log, _| memchr::memchr_iter(b'\n', log).count()),
    ("parse", |log, words| {
        let text = Text::new(log);
        black_box(parse(&text, words)).events.len()
    }),
    ("parse and analyse", |log, words| {
        let text = Text::new(log);
        let parsed = parse(&text, words);
        let sessions = analyse::sessions(&[&parsed.events], &Options::default());
        sessions.values().map(|session| session.figures.events as usize).sum()
    }),
];

fn main() {
    let many_mb = env::var("DAY_MB").map_or(MANY_MB, |mb| mb.parse().expect("DAY_MB is a number"));
    println!(
        "{:<7} {:>7}  {:<19} {:>7} {:>7} {:>12} {:>9} {:>10}",
        "days", "MB", "", "GB/s", "median", "of the limit", "ns a line", "M events/s"
    );
    for (name, dirt) in [("clean", Dirt::None), ("dirty", Dirt::Some)] {
        let month = month(dirt);
        measure(name, &[&month], ROUNDS_OF_A_MONTH);
        let bytes: usize = month.iter().map(Vec::len).sum();
        // Copies in memory of their own.
        let many = vec![month; (many_mb * 1_000_000).div_ceil(bytes)];
        measure(name, &many.iter().map(Vec::as_slice).collect::<Vec<_>>(), ROUNDS_OF_MANY);
    }
}

/// One file a machine and day, as the agent reads them.
fn month(dirt: Dirt) -> Vec<Vec<u8>> {
    let from = NaiveDate::from_ymd_opt(2025, 5, 1).expect("1 May is a date");
    let days = working_days(from, 20);
    CENTRES
        .iter()
        .flat_map(|centre| days.iter().map(move |&day| log_of_day(centre, day, 1, dirt)))
        .collect()
}

/// What this thread used of a processor, so that waiting for one does not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// All three in turn, round by round, so that whatever else the computer does meets all of them. The
/// best round counts; the median shows how much else it did.
fn measure(name: &str, months: &[&[Vec<u8>]], rounds: usize) {
    let words = Words::default();
    let logs = || months.iter().copied().flatten();
    let bytes: usize = logs().map(Vec::len).sum();
    let mut times = [const { Vec::<Duration>::new() }; WORKS.len()];
    let mut found = [0; WORKS.len()];
    for _ in 0..rounds {
        for ((times, found), (_, work)) in times.iter_mut().zip(&mut found).zip(&WORKS) {
            let begun = processor_time();
            *found = logs().map(|log| black_box(work(black_box(log), &words))).sum::<usize>();
            times.push(processor_time() - begun);
        }
    }
    let [lines, events, in_sessions] = found;
    assert_eq!(events, in_sessions, "every event is part of a session");
    assert!(events <= lines && events * 10 > lines * 9, "{events} events in {lines} lines");
    for times in &mut times {
        times.sort_unstable();
    }
    let limit = times[0][0];
    for ((what, _), times) in WORKS.iter().zip(&times) {
        let (best, median) = (times[0].as_secs_f64(), times[times.len() / 2].as_secs_f64());
        println!(
            "{name:<7} {:>7.1}  {what:<19} {:>7.2} {:>7.2} {:>12.3} {:>9.2} {:>10.1}",
            bytes as f64 / 1e6,
            bytes as f64 / best / 1e9,
            bytes as f64 / median / 1e9,
            limit.as_secs_f64() / best,
            best * 1e9 / lines as f64,
            events as f64 / best / 1e6,
        );
    }
}
