//! Calendars against the letter of the contract, and at random against a reference that goes minute by minute.

use super::*;

fn time(text: &str) -> TimeDelta {
    let (hours, minutes) = text.split_once(':').unwrap();
    TimeDelta::minutes(hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap())
}

fn hours(text: &str) -> Hours {
    let (from, to) = text.split_once('-').unwrap();
    Hours::between(time(from), time(to))
}

fn shift(name: &str, days: &[Weekday], at: &str, breaks: &[&str]) -> Shift {
    let at = hours(at);
    let breaks = breaks.iter().map(|text| hours(text).within(at)).collect();
    Shift { name: name.into(), days: days.to_vec(), hours: at, breaks }
}

fn date(text: &str) -> Day {
    text.parse().unwrap()
}

const ALL: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

/// Each part as `number shift from-to: required`.
fn planned(calendar: &Calendar, day: &str, day_start: &str) -> Vec<String> {
    let text = |period: &Period| {
        let of = |at: Stamp| at.to_naive().format("%d %H:%M").to_string();
        format!("{}-{}", of(period.from), of(period.to))
    };
    let parts = calendar.parts(date(day), time(day_start));
    let line = |part: &ShiftPart| {
        let required: Vec<String> = part.required.iter().map(text).collect();
        let ShiftPart { number, shift, opening, .. } = part;
        format!("{number} {shift} {}: {}", text(opening), required.join(", "))
    };
    parts.iter().map(line).collect()
}

#[test]
fn a_night_shift_has_a_part_in_both_days_with_its_break_in_one_of_them() {
    let shifts = vec![shift("nuit", &ALL[..4], "21:00-05:00", &["01:00-01:20"])];
    let calendar = Calendar { shifts, ..Calendar::default() };
    assert_eq!(
        planned(&calendar, "2025-06-02", "00:00"),
        ["1 nuit 02 21:00-03 00:00: 02 21:00-03 00:00"]
    );
    assert_eq!(
        planned(&calendar, "2025-06-03", "00:00"),
        [
            "1 nuit 03 00:00-03 05:00: 03 00:00-03 01:00, 03 01:20-03 05:00",
            "2 nuit 03 21:00-04 00:00: 03 21:00-04 00:00"
        ]
    );
    // The production day begins with the shift: one part.
    assert_eq!(
        planned(&calendar, "2025-06-03", "21:00"),
        ["1 nuit 03 21:00-04 05:00: 03 21:00-04 01:00, 04 01:20-04 05:00"]
    );
    // Friday has none, but Thursday's goes on.
    assert_eq!(planned(&calendar, "2025-06-06", "00:00").len(), 1);
    let part = &calendar.parts(date("2025-06-03"), time("00:00"))[0];
    assert_eq!(part.planned.from.to_string(), "2025-06-02 21:00:00");
    assert_eq!(part.planned.to.to_string(), "2025-06-03 05:00:00");
}

#[test]
fn a_shift_counts_for_the_date_on_which_it_begins_and_an_opening_takes_place_always() {
    let calendar = Calendar {
        holidays: Holidays::France,
        closed: vec![(date("2025-06-02"), date("2025-06-03"))],
        openings: vec![
            Opening { date: date("2025-07-14"), hours: hours("06:00-12:00") },
            Opening { date: date("2025-06-03"), hours: hours("22:00-02:00") },
        ],
        shifts: vec![shift("nuit", &ALL, "22:00-06:00", &[])],
        ..Calendar::default()
    };
    assert_eq!(calendar.free_on(date("2025-06-03")), Some(Free::Closed));
    assert_eq!(calendar.free_on(date("2025-06-04")), None);
    assert_eq!(calendar.free_on(date("2025-07-14")), Some(Free::Holiday(Holiday::NationalDay)));
    // The night of 1 June reaches into the closed 2 June.
    assert_eq!(
        planned(&calendar, "2025-06-02", "00:00"),
        ["1 nuit 02 00:00-02 06:00: 02 00:00-02 06:00"]
    );
    assert_eq!(
        planned(&calendar, "2025-06-03", "00:00"),
        ["1 exceptionnel 03 22:00-04 00:00: 03 22:00-04 00:00"]
    );
    assert_eq!(
        planned(&calendar, "2025-07-14", "00:00"),
        [
            "1 nuit 14 00:00-14 06:00: 14 00:00-14 06:00",
            "2 exceptionnel 14 06:00-14 12:00: 14 06:00-14 12:00"
        ]
    );
}

#[test]
fn shifts_overlap_by_their_weekly_pattern_also_over_the_end_of_the_week() {
    let pattern = |list: &[Shift]| overlapping_shifts(list);
    let morning = shift("matin", &ALL[..5], "05:00-13:00", &[]);
    let afternoon = shift("après-midi", &ALL[..4], "13:00-21:00", &[]);
    assert_eq!(pattern(&[morning.clone(), afternoon.clone()]), []);
    assert_eq!(pattern(&[morning.clone(), shift("b", &ALL[4..], "12:59-13:30", &[])]), [(0, 1)]);
    assert_eq!(pattern(&[morning.clone(), shift("b", &ALL[5..], "12:59-13:30", &[])]), []);
    let sunday_night = shift("nuit", &ALL[6..], "21:00-05:01", &[]);
    assert_eq!(pattern(&[morning, afternoon, sunday_night]), [(0, 2)]);
    // A day's length is no overlap with itself.
    assert_eq!(pattern(&[shift("toujours", &ALL, "05:00-05:00", &[])]), []);
}

#[test]
fn an_opening_overlaps_what_takes_place_and_not_what_does_not() {
    let mut calendar = Calendar {
        holidays: Holidays::France,
        closed: vec![(date("2025-06-05"), date("2025-06-05"))],
        shifts: vec![shift("nuit", &ALL[..4], "21:00-05:00", &[])],
        ..Calendar::default()
    };
    let mut overlaps = |openings: &[(&str, &str)]| -> Vec<usize> {
        let opening = |(day, at): &(&str, &str)| Opening { date: date(day), hours: hours(at) };
        calendar.openings = openings.iter().map(opening).collect();
        overlapping_openings(&calendar)
    };
    assert_eq!(overlaps(&[("2025-06-03", "05:00-21:00")]), [0; 0]);
    assert_eq!(overlaps(&[("2025-06-03", "04:59-06:00")]), [0], "the night before");
    assert_eq!(overlaps(&[("2025-06-05", "21:00-23:00")]), [0; 0], "closed");
    assert_eq!(overlaps(&[("2025-06-05", "20:00-22:00"), ("2025-06-05", "21:00-23:00")]), [1]);
    assert_eq!(overlaps(&[("2025-06-01", "20:00-19:00"), ("2025-06-02", "18:59-20:00")]), [1]);
    assert_eq!(overlaps(&[("2025-06-09", "21:00-23:00")]), [0; 0], "Whit Monday");
}

/// A calendar of shifts that do not overlap, drawn at random in whole minutes.
fn at_random(rng: &mut fastrand::Rng) -> Calendar {
    let mut calendar = Calendar { holidays: Holidays::AlsaceMoselle, ..Calendar::default() };
    for _ in 0..rng.usize(0..6) {
        let from = TimeDelta::minutes(rng.i64(0..1440));
        let at = Hours { from, to: from + TimeDelta::minutes(rng.i64(1..=1440)) };
        let days = ALL.into_iter().filter(|_| rng.bool()).collect();
        let mut breaks: Vec<Hours> = Vec::new();
        for _ in 0..rng.usize(0..3) {
            let begin = rng.i64(0..(at.to - at.from).num_minutes());
            let end = rng.i64(begin + 1..=(at.to - at.from).num_minutes());
            let pause = Hours {
                from: from + TimeDelta::minutes(begin),
                to: from + TimeDelta::minutes(end),
            };
            if breaks.iter().all(|other| !other.overlap(pause)) {
                breaks.push(pause);
            }
        }
        calendar.shifts.push(Shift { name: "p".into(), days, hours: at, breaks });
        if !overlapping_shifts(&calendar.shifts).is_empty() {
            calendar.shifts.pop();
        }
    }
    let first = date("2025-04-10");
    for _ in 0..rng.usize(0..3) {
        let closed = first + TimeDelta::days(rng.i64(0..20));
        calendar.closed.push((closed, closed + TimeDelta::days(rng.i64(0..3))));
    }
    for _ in 0..rng.usize(0..4) {
        let from = TimeDelta::minutes(rng.i64(0..1440));
        let to = from + TimeDelta::minutes(rng.i64(1..=1440));
        let date = first + TimeDelta::days(rng.i64(0..20));
        calendar.openings.push(Opening { date, hours: Hours { from, to } });
        if !overlapping_openings(&calendar).is_empty() {
            calendar.openings.pop();
        }
    }
    calendar
}

/// Whether the minute that begins at `at` is opening time and required time, by asking each shift of three days.
fn minute(calendar: &Calendar, at: Stamp) -> (u32, u32) {
    let (mut opening, mut required) = (0, 0);
    let today = at.to_naive().date();
    for date in [today.pred_opt().unwrap(), today] {
        let since = at.0 - Stamp::from_naive(date.and_time(NaiveTime::MIN)).0;
        let is_in = |hours: &Hours| {
            (hours.from.num_milliseconds()..hours.to.num_milliseconds()).contains(&since)
        };
        let is_closed = calendar.closed.iter().any(|(a, b)| *a <= date && date <= *b);
        for shift in &calendar.shifts {
            let takes_place = shift.days.contains(&date.weekday())
                && calendar.holidays.on(date).is_none()
                && !is_closed;
            if takes_place && is_in(&shift.hours) {
                opening += 1;
                required += u32::from(!shift.breaks.iter().any(is_in));
            }
        }
        for extra in calendar.openings.iter().filter(|extra| extra.date == date) {
            opening += u32::from(is_in(&extra.hours));
            required += u32::from(is_in(&extra.hours));
        }
    }
    (opening, required)
}

#[test]
fn of_calendars_drawn_at_random_every_minute_is_planned_once_or_not_at_all() {
    for seed in 0..150 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let calendar = at_random(&mut rng);
        let day_start = TimeDelta::minutes(rng.i64(0..1440));
        let day = date("2025-04-10") + TimeDelta::days(rng.i64(0..22));
        let whole = production_day(day, day_start);
        let parts = calendar.parts(day, day_start);
        let minutes = (0..1440).map(|n| minute(&calendar, whole.from.plus_ms(n * 60_000)));
        let (mut opening, mut required) = (0, 0);
        for (of_opening, of_required) in minutes {
            assert!(of_opening <= 1, "seed {seed}: planned twice");
            opening += i64::from(of_opening);
            required += i64::from(of_required);
        }
        let sum = |of: fn(&ShiftPart) -> i64| parts.iter().map(of).sum::<i64>();
        assert_eq!(sum(|part| part.opening.length_ms()), opening * 60_000, "seed {seed}");
        assert_eq!(sum(ShiftPart::required_ms), required * 60_000, "seed {seed}");
        assert!(parts.iter().map(|part| part.number).eq(1..=parts.len() as u32), "seed {seed}");
    }
}
