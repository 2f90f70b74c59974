//! How fast generated days are read: parse alone, parse and analyse, and the count of line ends in
//! the same bytes as the limit of what reading them once can cost.
//!
//! `cargo bench --bench day`

use std::hint::black_box;

use chrono::NaiveDate;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use cu_agent::{
    analyse::{self, Options},
    generate::{CENTRES, Dirt, log_of_day, working_days},
    model::Session,
    parse::{Text, Words, parse},
};

/// One file a machine and day, as the agent reads them.
fn month(dirt: Dirt) -> Vec<Vec<u8>> {
    let from = NaiveDate::from_ymd_opt(2025, 5, 1).expect("1 May is a date");
    let days = working_days(from, 20);
    CENTRES
        .iter()
        .flat_map(|centre| days.iter().map(move |&day| log_of_day(centre, day, 1, dirt)))
        .collect()
}

fn events_of(log: &[u8], words: &Words) -> u64 {
    let text = Text::new(log);
    parse(&text, words).events.len() as u64
}

fn sessions_of(log: &[u8], words: &Words) -> Vec<Session> {
    let text = Text::new(log);
    let parsed = parse(&text, words);
    analyse::sessions(&[&parsed.events], &Options::default()).into_values().collect()
}

fn days(criterion: &mut Criterion) {
    let words = Words::default();
    for (name, dirt) in [("clean", Dirt::None), ("dirty", Dirt::Some)] {
        let month = month(dirt);
        let bytes: u64 = month.iter().map(|log| log.len() as u64).sum();
        let events: u64 = month.iter().map(|log| events_of(log, &words)).sum();
        for (unit, throughput) in
            [("bytes", Throughput::Bytes(bytes)), ("events", Throughput::Elements(events))]
        {
            let mut group = criterion.benchmark_group(format!("{name} month, {unit}"));
            group.throughput(throughput);
            group.bench_function(BenchmarkId::from_parameter("line ends"), |bencher| {
                bencher.iter(|| {
                    month.iter().map(|log| memchr::memchr_iter(b'\n', log).count()).sum::<usize>()
                });
            });
            group.bench_function(BenchmarkId::from_parameter("parse"), |bencher| {
                bencher.iter(|| {
                    month.iter().map(|log| events_of(black_box(log), &words)).sum::<u64>()
                });
            });
            group.bench_function(BenchmarkId::from_parameter("parse and analyse"), |bencher| {
                bencher.iter(|| {
                    for log in &month {
                        black_box(sessions_of(black_box(log), &words));
                    }
                });
            });
            group.finish();
        }
    }
}

criterion_group!(benches, days);
criterion_main!(benches);
