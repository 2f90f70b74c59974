//! The power of the gateway is cut at random moments under load, again and again. Nobody touches it:
//! in the end every row is there.

use std::{
    env,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use fastrand::Rng;

use crate::{
    field::{Field, STATE},
    package,
    support::{net::Proxy, plant::Plant, seed::seed, wait},
};
use std::sync::Mutex;

/// Of a try without `N=`.
const CUTS: u64 = 3;

/// Of the cuts after the boot: the latest moment, from when the service is up.
const LATEST: Duration = Duration::from_secs(20);

/// Of the cuts during the boot: the latest moment, from the switching on.
const BOOT: Duration = Duration::from_secs(30);

fn setting(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn after_every_power_cut_the_gateway_goes_on_by_itself_and_every_row_is_right() {
    let cuts = setting("N").unwrap_or(CUTS);
    let seed = seed();
    println!("{cuts} power cuts");
    let mut rng = Rng::with_seed(seed);
    let mut field = Field::new(seed);
    let this = package::this();
    field.board.switch_on(&[&this]);
    println!("boot to the root shell: {:.0} s", field.board.wait_for_shell().as_secs_f64());
    field.board.plug_in();
    field.install(&this);
    field.wait_until_active();
    println!("installed and at work after {:.0} s", field.board.uptime().as_secs_f64());

    let is_over = AtomicBool::new(false);
    let Field { board, plant, line, .. } = &mut field;
    thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| machines(plant, &is_over, seed));
        scope.spawn(|| central_comes_and_goes(line, &is_over, seed));
        for number in 1..=cuts {
            // One in four strikes while it boots, the fsck and the first start of the service included.
            let moment = if number > 1 && rng.u8(..4) == 0 {
                let moment = BOOT.mul_f64(rng.f64());
                wait::any_moment(moment.saturating_sub(board.uptime()));
                "booting".to_owned()
            } else {
                if number > 1 {
                    board.wait_for_shell();
                    wait::until("the service is up after the cut", crate::field::PATIENCE, || {
                        board.property("cu-agent", "ActiveState") == "active"
                    });
                }
                let up = board.uptime();
                wait::any_moment(LATEST.mul_f64(rng.f64()));
                // Most moments are between two writes: most cuts wait for one that is under way.
                if rng.u8(..4) > 0 {
                    board.wait_for_unsafe_writes(rng.usize(..12), LATEST);
                }
                format!("at work since {:.1} s", (board.uptime() - up).as_secs_f64())
            };
            let after = board.uptime();
            let cut = board.cut_power(&mut rng);
            println!(
                "cut {number} of {cuts}, {:.1} s after switching on, {moment}: \
                 of the writes not flushed {} lost, {} torn, {} kept",
                after.as_secs_f64(),
                cut.lost,
                cut.torn,
                cut.kept
            );
            board.switch_on(&[]);
        }
    });

    field.board.wait_for_shell();
    field.wait_until_active();
    println!("boot to the service at work: {:.0} s", field.board.uptime().as_secs_f64());
    field.central_answers(true);
    let rows = field.assert_becomes_equal();
    let failed = field.board.sh("systemctl --failed --no-legend --plain").succeeded();
    assert_eq!(failed.stdout.trim(), "", "units that failed");
    let files = field.board.sh(&format!("ls {STATE}")).succeeded().stdout;
    assert!(!files.contains("damaged"), "a buffer was set aside:\n{files}");
    field.check_buffer_and_card();
    println!(
        "SEED={seed}: {cuts} power cuts, {rows} rows compared in central and in the buffer, all right"
    );
}

/// Machines write all the time.
fn machines(plant: &Mutex<Plant>, is_over: &AtomicBool, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    while !is_over.load(Ordering::Relaxed) {
        let mut plant = plant.lock().unwrap();
        match rng.u16(..2_000) {
            0..=3 => plant.rename(),
            4..=7 => plant.rewrite(),
            _ => plant.write(),
        }
        drop(plant);
        wait::any_moment(Duration::from_millis(rng.u64(20..120)));
    }
}

/// The line to central is cut, silent, slow or closed, and well most of the time.
fn central_comes_and_goes(line: &Proxy, is_over: &AtomicBool, seed: u64) {
    let mut rng = Rng::with_seed(!seed);
    while !is_over.load(Ordering::Relaxed) {
        match rng.u8(..6) {
            0 => line.refuse(true),
            1 => line.mute(true),
            2 => line.black_hole(true),
            3 => line.delay(Duration::ZERO, Duration::from_millis(rng.u64(0..300))),
            _ => {}
        }
        line.cut();
        wait::any_moment(Duration::from_millis(rng.u64(200..3_000)));
        heal(line);
        wait::any_moment(Duration::from_millis(rng.u64(200..8_000)));
    }
    heal(line);
}

fn heal(line: &Proxy) {
    line.refuse(false);
    line.mute(false);
    line.black_hole(false);
    line.delay(Duration::ZERO, Duration::ZERO);
}

struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
