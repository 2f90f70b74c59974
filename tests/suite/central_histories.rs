//! Random histories: a session that grows, shrinks and changes while any value and any row in central is
//! changed by hand or by another program, buffers are rebuilt and central is put back to an older state.
//! After each sync central holds exactly the session, value by value, whatever increments it was sent.

use chrono::TimeDelta;

use super::central_parted::PARTED;
use crate::support::{
    central::{Feeder, at, claims, day, local, planned, session},
    hand::{change, every_value},
    postgres::Database,
    seed::seed,
};
use cu_agent::{
    model::{
        Anomaly, AnomalyCode, ContentDigest, Day, DayTimes, Delivery, DetailCounts, FedMachine,
        Job, LocalSession, Numbered, Piece, Severity, ShiftTimes, Stamp, Stop, Wait,
    },
    sync::{
        plan::Step,
        postgres::{Inexact, Order, Outcome, digest_of_whole},
    },
};

/// A session as a buffer holds it: each row with the revision at which it last changed.
struct Held {
    whole: Delivery,
    pieces: Vec<(i64, Piece)>,
    waits: Vec<(i64, Wait)>,
    stops: Vec<(i64, Stop)>,
    jobs: Vec<(i64, Job)>,
    anomalies: Vec<(i64, Anomaly)>,
    /// What central confirmed, as a buffer notes it.
    synced_revision: i64,
    confirmed: Option<ContentDigest>,
}

impl Held {
    fn new() -> Self {
        let whole = Delivery { revision: 0, ..session("DEM12", "2025-05-28", 0) };
        Self {
            whole,
            pieces: Vec::new(),
            waits: Vec::new(),
            stops: Vec::new(),
            jobs: Vec::new(),
            anomalies: Vec::new(),
            synced_revision: 0,
            confirmed: None,
        }
    }

    fn change(&mut self, rng: &mut fastrand::Rng) {
        self.whole.revision += rng.i64(1..3);
        let (revision, d) = (self.whole.revision, day("2025-05-28"));
        let piece = |rng: &mut fastrand::Rng| Piece {
            at: at(d, rng.i64(0..86_400)),
            details: format!("piece {}", rng.u16(..)).into(),
        };
        for _ in 0..rng.usize(0..12) {
            self.pieces.push((revision, piece(rng)));
        }
        for _ in 0..rng.usize(0..4) {
            let start = at(d, rng.i64(0..80_000));
            self.waits.push((revision, Wait { start, end: start.plus_ms(rng.i64(1..900_000)) }));
        }
        if rng.u8(..3) == 0 {
            let start = at(d, rng.i64(0..80_000)).plus_ms(rng.i64(0..1000));
            self.stops.push((revision, Stop { start, end: start.plus_ms(rng.i64(0..900_000)) }));
            self.jobs.push((revision, job(start, rng)));
            self.anomalies.push((revision, anomaly(start, rng)));
        }
        if rng.u8(..4) == 0 && !self.pieces.is_empty() {
            let place = rng.usize(..self.pieces.len());
            self.pieces[place] = (revision, piece(rng));
        }
        if rng.u8(..6) == 0 {
            self.pieces.truncate(rng.usize(..=self.pieces.len()));
            self.waits.truncate(rng.usize(..=self.waits.len()));
            self.stops.truncate(rng.usize(..=self.stops.len()));
            self.jobs.truncate(rng.usize(..=self.jobs.len()));
            self.anomalies.truncate(rng.usize(..=self.anomalies.len()));
        }
        let count = |rows: usize| u32::try_from(rows).unwrap();
        self.whole.counts = DetailCounts {
            pieces: count(self.pieces.len()),
            waits: count(self.waits.len()),
            stops: count(self.stops.len()),
            jobs: count(self.jobs.len()),
            anomalies: count(self.anomalies.len()),
        };
        let figures = &mut self.whole.figures;
        figures.total_pieces = self.whole.counts.pieces;
        figures.first_piece = self.pieces.iter().map(|(_, piece)| piece.at).min();
        figures.last_piece = self.pieces.iter().map(|(_, piece)| piece.at).max();
        figures.window_ms = rng.i64(1..86_400_000);
        figures.wait_ms = rng.i64(0..figures.window_ms);
        figures.effective_ms = figures.window_ms - figures.wait_ms;
        figures.raw_wait_ms = rng.i64(0..900_000_000);
        self.whole.nominal_per_hour = rng.bool().then(|| rng.u32(1..500));
        self.whole.rejects = rng.u32(..20);
        if rng.u8(..3) > 0 {
            self.whole.times = times(d, self.whole.nominal_per_hour, rng);
            self.whole.pieces_outside = rng.bool().then(|| rng.u32(..50));
        }
        // Never fewer than before, so that rebuilt buffers may write.
        self.whole.figures.events += 40;
    }

    fn since(&self, revision: i64) -> Delivery {
        fn changed<T: Clone>(rows: &[(i64, T)], since: i64) -> Vec<Numbered<T>> {
            (1..)
                .zip(rows)
                .filter(|(_, (changed, _))| *changed > since)
                .map(|(number, (_, row))| Numbered { number, row: row.clone() })
                .collect()
        }
        Delivery {
            pieces: changed(&self.pieces, revision),
            waits: changed(&self.waits, revision),
            stops: changed(&self.stops, revision),
            jobs: changed(&self.jobs, revision),
            anomalies: changed(&self.anomalies, revision),
            ..self.whole.clone()
        }
    }

    /// Every row changed with the newest revision, as far as the buffer knows.
    fn touch_all(&mut self) {
        let revision = self.whole.revision;
        self.pieces.iter_mut().for_each(|row| row.0 = revision);
        self.waits.iter_mut().for_each(|row| row.0 = revision);
        self.stops.iter_mut().for_each(|row| row.0 = revision);
        self.jobs.iter_mut().for_each(|row| row.0 = revision);
        self.anomalies.iter_mut().for_each(|row| row.0 = revision);
    }

    fn note_confirmed(&mut self) {
        self.synced_revision = self.whole.revision;
        self.confirmed = Some(digest_of_whole(&self.since(0), &Inexact::default()));
    }
}

/// A day's times, or none.
pub fn times(day: Day, nominal_per_hour: Option<u32>, rng: &mut fastrand::Rng) -> Option<DayTimes> {
    let part = |number: u32, rng: &mut fastrand::Rng| {
        let mut of = || rng.i64(0..20_000_000);
        let (running_ms, stop_ms, wait_ms, start_ms, end_ms) = (of(), of(), of(), of(), of());
        let required_ms = running_ms + stop_ms + wait_ms + start_ms + end_ms;
        ShiftTimes {
            number,
            shift: ["matin", "après-midi", "nuit, dimanche", " \t\n", "œ 💧"][rng.usize(..5)]
                .into(),
            planned_from: at(day, rng.i64(-30_000..40_000)),
            planned_to: at(day, rng.i64(40_000..120_000)),
            is_running: false,
            opening_ms: required_ms + rng.i64(0..2_000_000),
            required_ms,
            running_ms,
            stop_ms,
            wait_ms,
            start_ms,
            end_ms,
            pieces: rng.u32(..400),
            rejects: rng.u32(..40),
        }
    };
    let parts: Vec<_> = (1..=rng.u32(..4)).map(|number| part(number, rng)).collect();
    (!parts.is_empty()).then(|| DayTimes {
        day,
        known_until: at(day, rng.i64(1..86_400)).plus_ms(rng.i64(0..1000)),
        is_over: rng.bool(),
        nominal_per_hour,
        parts,
        pieces_outside: 0,
    })
}

fn job(at: Stamp, rng: &mut fastrand::Rng) -> Job {
    Job {
        at,
        reference: format!("61{}", rng.u8(..)).into(),
        length_e2: rng.i64(0..1_000_000),
        colour: ["N/A", "654", "", "bleu ciel"][rng.usize(..4)].into(),
    }
}

fn anomaly(at: Stamp, rng: &mut fastrand::Rng) -> Anomaly {
    let severity = if rng.bool() { Severity::High } else { Severity::Low };
    Anomaly {
        code: AnomalyCode::ALL[rng.usize(..AnomalyCode::ALL.len())],
        severity,
        from: rng.bool().then_some(at),
        to: rng.bool().then_some(at.plus_ms(500)),
        value_e2: rng.i64(-500..100_000),
        expected_e2: rng.bool().then(|| rng.i64(0..10_000)),
        subject: "SU12".into(),
    }
}

/// What the agent does about people's changes to the machine before it compares.
fn settle(feeder: &mut Feeder, held: &Held) {
    let machine = held.whole.machine.clone();
    let fed = [FedMachine { machine: machine.clone(), description: None, folders: Vec::new() }];
    let standings = feeder.central.settle(&feeder.claims, &fed).unwrap();
    let standing = &standings.machines[0];
    if standing.strays > 0 {
        if standing.centre.is_none() {
            feeder.central.ensure_centres(&feeder.claims, &[machine]).unwrap();
        }
        let done = feeder.central.adopt(&feeder.claims, &["DEM12".to_owned()]).unwrap();
        assert_eq!(done.adopted + done.removed, standing.strays);
        feeder.central.settle(&feeder.claims, &fed).unwrap();
    }
    let here = [("DEM12".to_owned(), held.whole.day)];
    let done = feeder.central.put_back(&feeder.claims, &here, &fed, TimeDelta::zero()).unwrap();
    assert!(done.moved + done.removed <= 1, "{done:?}");
}

/// One round of a sync as the agent does it; true when there is nothing left to do.
fn sync(feeder: &mut Feeder, held: &mut Held) -> bool {
    let key = [("DEM12", held.whole.day)];
    settle(feeder, held);
    let states = feeder.central.states(&mut feeder.claims, &key).unwrap();
    if !states.missing_centres.is_empty() {
        feeder
            .central
            .ensure_centres(&feeder.claims, std::slice::from_ref(&held.whole.machine))
            .unwrap();
    }
    let central = states.sessions[0].as_ref();
    let whole = held.since(0);
    let local = LocalSession {
        synced_revision: held.synced_revision,
        confirmed: held.confirmed,
        ..local(&held.whole)
    };
    match planned(&local, &whole, central, &feeder.claims.identity) {
        Step::Confirm => {
            held.note_confirmed();
            true
        }
        Step::Digest => panic!("the digest was computed"),
        Step::Deliver { since_revision, because } => {
            let delivery = held.since(since_revision);
            let order = Order { delivery: &delivery, replaces: central };
            let outcomes = feeder.central.deliver(&mut feeder.claims, &[order]).unwrap();
            assert!(matches!(outcomes[0], Outcome::Written { .. }), "{outcomes:?}");
            let is_complete = outcomes[0] == Outcome::Written { complete: true };
            if is_complete && !because.is_doubtful() {
                held.note_confirmed();
                return true;
            }
            false
        }
        Step::Refuse(reason) => panic!("{reason}"),
    }
}

#[test]
fn after_any_history_central_equals_the_session() {
    let db = Database::fresh();
    let seed = seed();
    equal_after_any_history(Feeder::new(&db), &db, seed);
}

#[test]
fn after_any_history_a_parted_central_equals_the_session() {
    let db = Database::fresh();
    let feeder = Feeder::new(&db);
    db.psql(PARTED);
    let seed = seed();
    equal_after_any_history(feeder, &db, seed);
    assert!(
        db.psql("SELECT DISTINCT tableoid::regclass FROM piece_production").contains("2025_05")
    );
}

/// What a central holds that nobody but the agent ever wrote to.
fn truth(db: &Database<'_>, feeder: &Feeder, held: &Held) -> String {
    db.psql("TRUNCATE centre_usinage CASCADE; TRUNCATE cu_agent_machine, temps_poste");
    let mut alone = Feeder::connect(&db.config());
    alone.claims = feeder.claims.clone();
    alone.sync(&[held.since(0)]);
    every_value(db)
}

fn equal_after_any_history(mut feeder: Feeder, db: &Database<'_>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let reference = Database::fresh();
    Feeder::new(&reference);
    let mut held = Held::new();
    held.change(&mut rng);
    let mut expected = truth(&reference, &feeder, &held);
    for step in 0..60 {
        let mut history = String::new();
        let before = (held.whole.revision, feeder.claims.identity.clone());
        match rng.u8(..12) {
            0..=3 => held.change(&mut rng),
            4..=7 => history = change(db, &mut rng),
            // Somebody changes what the agent is about to add to.
            8..=9 => {
                history = change(db, &mut rng);
                held.change(&mut rng);
            }
            // A rebuilt buffer: revisions begin anew.
            10 => {
                feeder.claims = claims("ligne-1", &format!("buffer-{step}"), "instance");
                held.whole.revision = 1;
                (held.synced_revision, held.confirmed) = (0, None);
                held.touch_all();
            }
            // Central is put back to before the last revisions.
            _ => {
                db.psql("UPDATE session_production SET revision = greatest(revision - 2, 0)");
                held.touch_all();
            }
        }
        let syncs = (1..=4).find(|_| sync(&mut feeder, &mut held));
        assert!(syncs.is_some(), "seed {seed}, step {step}: does not settle: {history}");
        if before != (held.whole.revision, feeder.claims.identity.clone()) {
            expected = truth(&reference, &feeder, &held);
        }
        assert_eq!(every_value(db), expected, "seed {seed}, step {step}: {history}");
    }
}
