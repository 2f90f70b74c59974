//! Everything at once: machines that write, and faults of all kinds at random, from a printed seed;
//! in between and at the end every row of central is compared with what the machines wrote.
//!
//! `SECONDS=` and `SEED=` set how long and which history; without them this is a short try. `make
//! torture` runs it for ten minutes, `make soak` for hours. A failure prints the history.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]
#![allow(
    clippy::print_stdout,
    reason = "seed and history are what a failure needs to be seen again"
)]

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod world;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use support::{seed::seed, wait};
use world::World;

const TRY_SECONDS: u64 = 20;
/// Every row is compared at least this often.
const CHECK_EVERY: Duration = Duration::from_secs(40);

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn whatever_happens_every_row_is_right_in_the_end() {
    let seed = seed();
    let length = Duration::from_secs(setting("SECONDS").unwrap_or(TRY_SECONDS));
    println!("torture for {length:?}");
    let mut rng = Rng::with_seed(seed);
    let world = World::new(seed);
    let is_over = AtomicBool::new(false);
    let total = thread::scope(|scope| {
        scope.spawn(|| machines(&world, &is_over, seed));
        let _over = Over(&is_over);
        let mut history = world.history();
        let begun = Instant::now();
        let mut checked = begun;
        while begun.elapsed() < length {
            let fault = faults::any(&mut rng);
            history.note(fault.name);
            (fault.strike)(&mut history, &mut rng);
            wait::any_moment(Duration::from_millis(rng.u64(0..1_500)));
            if rng.bool() {
                history.heal_links();
            }
            history.keep_agent_running();
            if checked.elapsed() > CHECK_EVERY {
                history.check();
                checked = Instant::now();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        history.finish()
    });
    println!("SEED={seed}: {total}");
}

/// Machines write all the time, faster than any real one.
fn machines(world: &World, is_over: &AtomicBool, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    loop {
        let mut plant = world.plant.lock().unwrap();
        // Looked at with the plant in hand: whoever ends it has written the last line.
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        plant.write();
        drop(plant);
        wait::any_moment(Duration::from_millis(rng.u64(10..60)));
    }
}

struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
