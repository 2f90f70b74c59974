//! The faults, each with how often it comes.

use std::{fs, time::Duration};

use fastrand::Rng;

use crate::{
    support::{agent::Agent, damage, wait},
    world::History,
};

pub struct Fault {
    pub name: &'static str,
    weight: u32,
    pub strike: fn(&mut History<'_>, &mut Rng),
}

const fn fault(name: &'static str, weight: u32, strike: fn(&mut History<'_>, &mut Rng)) -> Fault {
    Fault { name, weight, strike }
}

const FAULTS: [Fault; 28] = [
    fault("agent killed", 30, |history, _| history.kill_agent()),
    fault("second process on the buffer", 3, |history, _| history.second_process()),
    fault("agent ended by SIGTERM", 6, |history, _| history.terminate_agent()),
    fault("central cut", 8, |history, _| history.proxy.cut()),
    fault("central refuses connections", 4, |history, _| history.proxy.refuse(true)),
    fault("central in a black hole", 4, |history, _| history.proxy.black_hole(true)),
    fault("answers of central lost", 4, |history, _| history.proxy.mute(true)),
    fault("central behind a slow line", 3, |history, rng| {
        history.proxy.limit(20_000);
        history.proxy.delay(Duration::ZERO, Duration::from_millis(rng.u64(0..300)));
    }),
    fault("PostgreSQL killed", 3, |history, rng| {
        history.world.cluster.lock().unwrap().kill();
        wait::any_moment(Duration::from_millis(rng.u64(0..800)));
        history.world.cluster.lock().unwrap().start();
    }),
    fault("PostgreSQL restarted", 3, |history, _| {
        history.world.cluster.lock().unwrap().stop();
        history.world.cluster.lock().unwrap().start();
    }),
    fault("FTP server killed", 4, |history, rng| {
        history.ftp.stop();
        wait::any_moment(Duration::from_millis(rng.u64(0..1_200)));
        history.ftp.restart();
    }),
    fault("SFTP server killed", 4, |history, rng| {
        history.sftp.stop();
        wait::any_moment(Duration::from_millis(rng.u64(0..1_200)));
        history.sftp.restart();
    }),
    fault("file renamed", 4, |history, _| history.plant().rename()),
    fault("file written from zero", 4, |history, _| history.plant().rewrite()),
    // Also of days that the buffer knows no more: central then holds as much, or more and is kept.
    fault("file copied back", 6, |history, _| history.plant().copy_back()),
    fault("midnight", 4, |history, _| history.plant().next_day()),
    fault("rows deleted in central", 3, |history, _| history.damage_central(damage::delete_rows)),
    fault("session deleted in central", 3, |history, _| {
        history.damage_central(damage::delete_a_session);
    }),
    fault("central backed up", 3, |history, _| history.back_up_central()),
    fault("central restored", 3, |history, _| history.restore_central()),
    fault("central refuses sessions", 2, |history, _| history.refuse_sessions()),
    fault("central read-only", 2, |history, rng| {
        history.set_read_only(true);
        wait::any_moment(Duration::from_millis(rng.u64(0..1_500)));
        history.set_read_only(false);
    }),
    fault("buffer lost", 1, |history, _| history.lose_from_buffer(|agent| agent.lose_buffer())),
    fault("write-ahead log lost", 2, |history, _| {
        history.lose_from_buffer(|agent| {
            fs::remove_file(agent.buffer().with_extension("db-wal")).ok();
        });
    }),
    fault("write-ahead log torn", 2, |history, rng| {
        let part = rng.u64(0..1_000);
        history.lose_from_buffer(|agent| {
            let log = fs::File::options().write(true).open(agent.buffer().with_extension("db-wal"));
            if let Ok(log) = log {
                log.set_len(log.metadata().unwrap().len() * part / 1_000).unwrap();
            }
        });
    }),
    fault("buffer at its cap", 2, |history, _| history.lose_from_buffer(spare)),
    fault("pages of the buffer zeroed", 1, |history, rng| {
        let place = rng.f64();
        history.lose_from_buffer(|agent| zero_a_page(&agent.buffer(), place));
    }),
    fault("buffer cut short", 1, |history, rng| {
        let part = rng.u64(0..1_000);
        history.lose_from_buffer(|agent| {
            if let Ok(file) = fs::File::options().write(true).open(agent.buffer()) {
                file.set_len(file.metadata().unwrap().len() * part / 1_000).unwrap();
            }
        });
    }),
];

/// For a while the buffer is fuller than it may be: what central holds is spared.
fn spare(agent: &mut Agent) {
    let buffer = agent.buffer();
    let change = |script: &str| {
        rusqlite::Connection::open(&buffer).and_then(|buffer| buffer.execute_batch(script)).ok();
    };
    change("CREATE TABLE ballast AS SELECT zeroblob(2 << 20)");
    agent.set("agent.max_buffer_size", "1MiB");
    let running = agent.run();
    running.wait_for_line("cycle:");
    running.kill();
    agent.unset("agent.max_buffer_size");
    change("DROP TABLE IF EXISTS ballast");
}

fn zero_a_page(path: &std::path::Path, place: f64) {
    const PAGE: usize = 4096;
    let Ok(mut bytes) = fs::read(path) else { return };
    let pages = bytes.len() / PAGE;
    if pages > 0 {
        let page = ((pages as f64 * place) as usize).min(pages - 1);
        bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        fs::write(path, bytes).unwrap();
    }
}

pub fn any(rng: &mut Rng) -> &'static Fault {
    let sum: u32 = FAULTS.iter().map(|fault| fault.weight).sum();
    let mut at = rng.u32(..sum);
    FAULTS
        .iter()
        .find(|fault| {
            let is_it = at < fault.weight;
            at = at.wrapping_sub(fault.weight);
            is_it
        })
        .expect("a number below the sum of the weights lies in one of them")
}
