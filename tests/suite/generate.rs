//! The generator of LOG files that tests, benchmarks and the demonstration rest on.

use chrono::NaiveDate;
use cu_agent::{
    analyse::{self, Options},
    model::Session,
    parse::{Reject, Text, Words, parse},
};

use crate::support::generate::{CENTRES, Centre, Dirt, log_of_day, working_days};

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

        let occupation = 1000 * total(|s| s.figures.effective_ms) / total(|s| s.figures.window_ms);
        let expected = i64::try_from(centre.occupation_per_mille).unwrap();
        assert!((occupation - expected).abs() <= 50, "{}: {occupation} ‰", centre.nom);

        let stops = total(|s| i64::try_from(s.stops.len()).unwrap());
        assert!((16 * 20..=26 * 20).contains(&stops), "{}: {stops} stops", centre.nom);
        let stop_seconds = total(|s| s.figures.raw_stop_ms) / 1000 / stops;
        assert!((270..=930).contains(&stop_seconds), "{}: stops of {stop_seconds} s", centre.nom);
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
    for reject in
        [Reject::MalformedJob, Reject::NoMarker, Reject::NoTimestamp, Reject::WaitWithoutDuration]
    {
        assert!(tally.rejects.contains_key(&reject), "no {reject:?}");
    }
}
