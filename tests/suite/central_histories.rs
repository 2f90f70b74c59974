//! Random histories: a session that grows, shrinks and changes while rows in central go missing,
//! buffers are rebuilt and central is put back to an older state. After each sync central holds
//! exactly the session, whatever increments it was sent.

use super::central_parted::PARTED;
use crate::support::{
    central::{Feeder, at, claims, day, local, session},
    postgres::Database,
};
use cu_agent::{
    model::{Delivery, FedMachine, Numbered, Piece, Wait},
    sync::{
        plan::{Step, plan},
        postgres::{Order, Outcome},
    },
};

/// A session as a buffer holds it: each row with the revision at which it last changed.
struct Held {
    whole: Delivery,
    pieces: Vec<(i64, Piece)>,
    waits: Vec<(i64, Wait)>,
}

impl Held {
    fn new() -> Self {
        let whole = Delivery { revision: 0, ..session("DEM12", "2025-05-28", 0) };
        Self { whole, pieces: Vec::new(), waits: Vec::new() }
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
        if rng.u8(..4) == 0 && !self.pieces.is_empty() {
            let place = rng.usize(..self.pieces.len());
            self.pieces[place] = (revision, piece(rng));
        }
        if rng.u8(..6) == 0 {
            self.pieces.truncate(rng.usize(..=self.pieces.len()));
            self.waits.truncate(rng.usize(..=self.waits.len()));
        }
        self.whole.counts.pieces = u32::try_from(self.pieces.len()).unwrap();
        self.whole.counts.waits = u32::try_from(self.waits.len()).unwrap();
        self.whole.figures.total_pieces = self.whole.counts.pieces;
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
            ..self.whole.clone()
        }
    }

    /// What central must print.
    fn rows(&self) -> String {
        let pieces =
            (1..).zip(&self.pieces).map(|(n, (_, p))| format!("{n}|{}|{}", p.at, p.details));
        let waits = (1..)
            .zip(&self.waits)
            .map(|(n, (_, w))| format!("{n}|{}|{}", w.start, (w.end.0 - w.start.0) / 1000));
        pieces.chain(waits).collect::<Vec<_>>().join("\n")
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
    }
}

/// One sync as the agent does it; true when there is nothing left to do.
fn sync(feeder: &mut Feeder, held: &Held) -> bool {
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
    match plan(&local(&held.whole), central, &feeder.claims.identity) {
        Step::Confirm => true,
        Step::Deliver { since_revision, .. } => {
            let delivery = held.since(since_revision);
            let order = Order { delivery: &delivery, replaces: central };
            let outcomes = feeder.central.deliver(&mut feeder.claims, &[order]).unwrap();
            assert!(matches!(outcomes[0], Outcome::Written { .. }), "{outcomes:?}");
            outcomes[0] == Outcome::Written { complete: true }
        }
        Step::Refuse(reason) => panic!("{reason}"),
    }
}

const DAMAGE: [&str; 9] = [
    "DELETE FROM piece_production WHERE numero_piece % 3 = 0",
    "DELETE FROM periode_attente WHERE numero = 1",
    "DELETE FROM piece_production; DELETE FROM periode_attente; DELETE FROM session_production",
    "UPDATE periode_attente SET numero = NULL WHERE numero = 2",
    "INSERT INTO piece_production (session_id, numero_piece, timestamp_production)
     SELECT id, 9999, now() FROM session_production",
    // What people and an ORM do to centres and sessions.
    "UPDATE centre_usinage SET nom = nom || '+' WHERE length(nom) < 20",
    "UPDATE session_production SET centre_usinage_id = NULL; DELETE FROM centre_usinage",
    "UPDATE piece_production SET session_id = NULL; UPDATE periode_attente SET session_id = NULL;
     DELETE FROM session_production",
    "DELETE FROM cu_agent_machine",
];

#[test]
fn after_any_history_central_equals_the_session() {
    let db = Database::fresh();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    equal_after_any_history(Feeder::new(&db), &db, seed);
}

#[test]
fn after_any_history_a_parted_central_equals_the_session() {
    let db = Database::fresh();
    let feeder = Feeder::new(&db);
    db.psql(PARTED);
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    equal_after_any_history(feeder, &db, seed);
    assert!(
        db.psql("SELECT DISTINCT tableoid::regclass FROM piece_production").contains("2025_05")
    );
}

fn equal_after_any_history(mut feeder: Feeder, db: &Database<'_>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut held = Held::new();
    held.change(&mut rng);
    for step in 0..60 {
        match rng.u8(..10) {
            0..=5 => held.change(&mut rng),
            6..=7 => {
                // A piece of a parted table cannot be without its session.
                if let Err(error) = db.try_psql(DAMAGE[rng.usize(..DAMAGE.len())]) {
                    assert!(error.contains("no partition"), "{error}");
                }
            }
            // A rebuilt buffer: revisions begin anew.
            8 => {
                feeder.claims = claims("ligne-1", &format!("buffer-{step}"), "instance");
                held.whole.revision = 1;
                held.pieces.iter_mut().for_each(|row| row.0 = 1);
                held.waits.iter_mut().for_each(|row| row.0 = 1);
            }
            // Central is put back to before the last revisions.
            _ => {
                db.psql("UPDATE session_production SET revision = greatest(revision - 2, 0)");
                held.pieces.iter_mut().for_each(|row| row.0 = held.whole.revision);
                held.waits.iter_mut().for_each(|row| row.0 = held.whole.revision);
            }
        }
        let syncs = (1..=3).find(|_| sync(&mut feeder, &held));
        assert!(syncs.is_some(), "seed {seed}, step {step}: does not settle");
        assert_eq!(
            db.psql(
                "SELECT numero_piece, timestamp_production, details FROM piece_production ORDER BY 1;
                 SELECT numero, timestamp_debut, duree_secondes FROM periode_attente ORDER BY 1"
            ),
            held.rows(),
            "seed {seed}, step {step}"
        );
    }
}
