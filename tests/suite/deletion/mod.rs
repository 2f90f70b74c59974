//! Deletion is the only thing the agent cannot undo. The real collecting and the real buffer run
//! beside a plain model of machines, server and central through hundreds of random histories;
//! invariant 5 is checked at every deletion, and at the end nothing is missing and nothing is twice.

mod central;
mod history;
mod lies;
mod plant;
mod served;
mod themes;
mod watched;

use std::{thread, time::Instant};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// `CU_AGENT_HISTORIES` and `CU_AGENT_SEED` for more than the usual, as `make deletions` has them.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn a_newer_log_that_was_another_file_when_it_was_read_lets_nothing_go() {
    use history::Action::{Append, Copy, Deliver, Pause, Poll, Quiet};
    use watched::Hook::{Nothing, OtherFile};
    // A copy of the open LOG, read as the LOG of the other machine, which works after a weekend.
    let read_wrongly =
        [Append(0, 3), Poll(Nothing), Deliver(0), Pause(60), Append(1, 3), Copy(0, 5)];
    let then = [Poll(OtherFile), Deliver(0), Quiet, Poll(Nothing), Quiet, Poll(Nothing)];
    let done = history::run_scripted(&[&read_wrongly[..], &then[..]].concat());
    assert!(done.deleted > 0, "in the end");
}

#[test]
fn invariant_5_holds_over_sftp_with_a_server_that_breaks_the_rules() {
    let histories = number("CU_TEST_DRAWS", 8);
    let seed = number("CU_TEST_SEED", 17);
    let began = Instant::now();
    let mut all = history::Done::default();
    for seed in seed..seed + histories {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let actions = history::actions().new_tree(&mut runner).unwrap().current();
        println!("CU_TEST_SEED={seed} CU_TEST_DRAWS=1");
        all.add(&history::run_over_sftp(seed, &actions));
    }
    println!("{histories} histories, {all:?}, {:?}", began.elapsed());
    assert!(all.deleted > histories as usize, "the histories are about deletions: {all:?}");
}

#[test]
fn invariant_5_holds_at_every_step_of_random_histories() {
    let histories = number("CU_AGENT_HISTORIES", 400);
    let seed = number("CU_AGENT_SEED", 20_250_603);
    let began = Instant::now();
    let threads: Vec<_> = (0..2_u64)
        .map(|half| {
            thread::spawn(move || {
                let mut bytes = [0; 32];
                bytes[..8].copy_from_slice(&seed.to_le_bytes());
                bytes[8] = u8::try_from(half).unwrap();
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
                let cases = u32::try_from(histories / 2).unwrap();
                let config = Config {
                    cases,
                    failure_persistence: None,
                    max_shrink_iters: 300,
                    ..Config::default()
                };
                let mut done = history::Done::default();
                let total = std::cell::RefCell::new(&mut done);
                TestRunner::new_with_rng(config, rng)
                    .run(&(proptest::num::u64::ANY, history::actions()), |(seed, actions)| {
                        total.borrow_mut().add(&history::run(seed, &actions));
                        Ok(())
                    })
                    .unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
                done
            })
        })
        .collect();
    let mut all = history::Done::default();
    for thread in threads {
        match thread.join() {
            Ok(done) => all.add(&done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    println!("seed {seed}, {histories} histories, {all:?}, {:?}", began.elapsed());
    assert!(all.deleted > histories as usize, "the histories are about deletions: {all:?}");
}
