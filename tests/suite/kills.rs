//! The agent is killed at random moments, again and again, while machines write and central comes
//! and goes; in the end every row is right. Over FTP and over SFTP. A second process on one buffer changes nothing.

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use cu_agent::config::CentralConfig;
use fastrand::Rng;

use crate::support::{
    agent::{Agent, FOLDERS},
    file_server::FileServer,
    folder::Folder,
    net::Proxy,
    plant::Plant,
    postgres::{Cluster, Database, Options as ClusterOptions},
    rows::{assert_same, buffer_sessions, central_sessions},
    seed::seed,
    truth, wait,
};

#[derive(Clone, Copy)]
struct Course {
    kills: usize,
    /// One write in this number is followed by a renamed file, one by a rewritten one, one by midnight.
    one_of: u16,
}

/// The promise is a second; a crowded machine gets more before the test fails.
const START_LIMIT: Duration = Duration::from_secs(5);
const MEDIAN_START_LIMIT: Duration = Duration::from_secs(1);
const END_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn hundreds_of_kills_while_files_grow_and_central_comes_and_goes_cost_no_row() {
    kills_cost_no_row(&FileServer::ftp(), Course { kills: 240, one_of: 600 });
}

#[test]
fn kills_while_files_come_over_sftp_and_are_deleted_cost_no_row() {
    let server = FileServer::sftp();
    let days = kills_cost_no_row(&server, Course { kills: 40, one_of: 150 });
    let left = days_on(&server).len();
    assert!(left < days, "{left} of {days} days are still on the server");
}

#[expect(clippy::print_stdout, reason = "the seed and the figures are a test's report")]
/// How many days were written.
fn kills_cost_no_row(server: &FileServer, Course { kills, one_of }: Course) -> usize {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    server.empty();
    let mut plant = Plant::new(server.root(), seed);
    let mut cluster = Cluster::start_new(&ClusterOptions::default());
    let name = cluster.database().name;
    let proxy = Proxy::to(cluster.port);
    let mut agent = server.agent();
    let config = cluster.database().config();
    agent.set_central(&CentralConfig { database: name.clone(), port: proxy.port, ..config });
    agent.set("source.0.delete", "after-sync");
    agent.set("schedule.file_quiet", "2s");

    let is_over = AtomicBool::new(false);
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let plant = thread::scope(|scope| {
        let is_over = &is_over;
        let machines = scope.spawn(move || {
            let mut rng = Rng::with_seed(seed);
            while !is_over.load(Ordering::Relaxed) {
                plant.write();
                match rng.u16(..one_of) {
                    0 => plant.rename(),
                    1 => plant.rewrite(),
                    2 => plant.next_day(),
                    _ => {}
                }
                wait::any_moment(Duration::from_millis(rng.u64(5..25)));
            }
            plant
        });
        // However this thread ends, the machines go home: the scope waits for them.
        let _over = Over(is_over);
        for kill in 1..=kills {
            match rng.u8(..8) {
                0 => proxy.cut(),
                1 => proxy.refuse(true),
                2 => proxy.black_hole(true),
                3 => proxy.mute(true),
                _ => {
                    proxy.refuse(false);
                    proxy.black_hole(false);
                    proxy.mute(false);
                }
            }
            if kill % 25 == 0 {
                cluster.kill();
            }
            let begun = Instant::now();
            let running = agent.run();
            if kill % 2 == 0 {
                running.wait_for_line("started");
                starts.push(begun.elapsed());
            }
            if kill % 4 == 0 {
                running.wait_for_line("cycle:");
            }
            wait::any_moment(Duration::from_micros(rng.u64(0..500_000)));
            if kill % 10 == 5 {
                let (output, took) = running.terminate();
                assert!(output.code == 0 || output.code == -15, "SIGTERM, SEED={seed}\n{output}");
                ends.push(took);
            } else {
                running.kill();
            }
            if kill % 25 == 0 {
                cluster.start();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        machines.join().unwrap()
    });
    let mut plant = plant;
    proxy.refuse(false);
    proxy.black_hole(false);
    proxy.mute(false);
    // Seen growing, today's files show that the machines are done with the others.
    for _ in 0..3 {
        agent.once();
        (0..60).for_each(|_| plant.write());
    }
    plant.finish();
    wait::until("everything is in central", 2 * wait::PATIENCE, || {
        agent.once().code == 0 && agent.status_number("pending_sessions") == 0
    });
    let truth = plant.truth();
    let database = Database { cluster: &cluster, name };
    assert_same(&format!("central, SEED={seed}"), &central_sessions(&database), &truth);
    assert_same(&format!("the buffer, SEED={seed}"), &buffer_sessions(&agent), &truth);
    let (median, most) = (median(&mut starts), starts.iter().max().unwrap());
    let longest_end = ends.iter().max().unwrap();
    println!(
        "{kills} ends, {} of them by SIGTERM, {} sessions and {} rows compared; start-up median \
         {median:?}, at most {most:?}; SIGTERM obeyed within {longest_end:?}",
        ends.len(),
        truth.len(),
        truth::rows(&truth),
    );
    assert!(median < MEDIAN_START_LIMIT && *most < START_LIMIT, "{median:?}, {most:?}");
    assert!(*longest_end < END_LIMIT, "{longest_end:?}");
    truth.iter().map(|session| &session.date_production).collect::<BTreeSet<_>>().len()
}

/// The days of the files on the server, as their names begin.
fn days_on(server: &FileServer) -> BTreeSet<String> {
    FOLDERS
        .iter()
        .flat_map(|(folder, ..)| fs::read_dir(server.root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().file_name().to_str().unwrap()[..8].to_owned())
        .collect()
}

struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn two_processes_started_at_once_on_one_buffer_never_work_together() {
    let server = FileServer::ftp();
    server.empty();
    let seed = seed();
    let mut plant = Plant::new(server.root(), seed);
    let database = Database::fresh();
    let agent = server.agent().central(&database);
    let mut refused = 0;
    for _ in 0..15 {
        (0..20).for_each(|_| plant.write());
        let both = [agent.start(&["once"]), agent.start(&["once"])];
        let outputs = both.map(|running| running.output(wait::PATIENCE));
        assert!(outputs.iter().any(|output| output.code != 1), "both were refused: {}", outputs[0]);
        for output in outputs.into_iter().filter(|output| output.code == 1) {
            output.says("in use by cu-agent once, process");
            refused += 1;
        }
    }
    assert!(refused > 0, "never at the same time");
    plant.finish();
    agent.once().exited(0);
    assert_same("central", &central_sessions(&database), &plant.truth());
    assert_same("the buffer", &buffer_sessions(&agent), &plant.truth());
}

#[test]
fn a_buffer_rebuilt_in_pieces_delivers_as_soon_as_it_knows_as_much_as_central() {
    const LOG: &str = "DEM12 (PVC)/20250603.LOG";
    let piece = |n: u32| format!("20250603 05:{n:02}:00|@StukUitgevoerd: {n}\n");
    let day = |pieces: u32| (1..=pieces).map(piece).collect::<String>();
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database);
    folder.put(LOG, day(10).as_bytes());
    agent.once().succeeded();
    agent.lose_buffer();
    // The file is there in part only when the new buffer sees it first.
    folder.put(LOG, day(4).as_bytes());
    let running = agent.run();
    running.wait_for_line("central holds more");
    assert_eq!(central_sessions(&database)[0].total_pieces, 10);
    folder.put(LOG, day(11).as_bytes());
    wait::until("the eleventh piece is in central", wait::PATIENCE, || {
        central_sessions(&database)[0].total_pieces == 11
    });
    running.terminate().0.succeeded();
}
