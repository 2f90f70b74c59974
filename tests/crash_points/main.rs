//! The real binary is ended at each step between two durable actions, started again, and left to
//! finish; then every row of central is compared with the truth. Built with the feature
//! `crash-points`: `cargo test --features crash-points --test crash_points`.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use cu_agent::durable::Step;
use support::{
    agent::{Agent, FOLDERS},
    ftp::{Options, Vsftpd},
    plant::Plant,
    postgres::{Cluster, Database},
    process::Output,
    rows::{assert_same, buffer_sessions, central_sessions},
    truth,
};

/// How often a step may have been passed before the process ends at it.
const PASSES: u32 = 3;
const SIGABRT: i32 = -6;

/// What is asked of the process that may crash.
type Act = fn(&mut Scene<'_>) -> &'static str;

/// Server, machines, agent and central of one history.
struct Scene<'a> {
    server: &'a Vsftpd,
    plant: Plant,
    agent: Agent,
    database: Database<'static>,
}

/// Each returns the command to run then.
const HISTORY: [(&str, Act); 10] = [
    ("the first files", |scene| {
        (0..60).for_each(|_| scene.plant.write());
        "once"
    }),
    ("files that grew", |scene| {
        (0..60).for_each(|_| scene.plant.write());
        scene.plant.rename();
        "once"
    }),
    ("a day that is over", |scene| {
        scene.plant.next_day();
        (0..60).for_each(|_| scene.plant.write());
        "once"
    }),
    ("its files may go", |_| "once"),
    ("central lost rows", |scene| {
        scene.database.psql(
            "DELETE FROM piece_production WHERE numero_piece % 3 = 0;
             DELETE FROM session_production WHERE id = (SELECT min(id) FROM session_production)",
        );
        "once"
    }),
    ("central refuses a machine", |scene| {
        scene.database.psql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON session_production
             FOR EACH ROW EXECUTE FUNCTION refuse()",
        );
        (0..30).for_each(|_| scene.plant.write());
        "once"
    }),
    ("and takes it again", |scene| {
        scene.database.psql("DROP TRIGGER refuse ON session_production");
        scene.agent.set("source.0.port", 1);
        "once"
    }),
    ("the server was away", |scene| {
        scene.agent.set("source.0.port", i64::from(scene.server.port()));
        scene.plant.rewrite();
        (0..30).for_each(|_| scene.plant.write());
        "once"
    }),
    ("computed anew", |_| "replay"),
    ("the buffer is damaged", |scene| {
        // Nothing that left the server is in it alone.
        fs::write(scene.agent.buffer(), b"bonjour, bonjour, bonjour").unwrap();
        for _ in 0..2 {
            scene.plant.next_day();
            (0..30).for_each(|_| scene.plant.write());
        }
        "once"
    }),
];

/// The place of one server's three machines.
fn scene<'a>(server: &'a Vsftpd, seed: u64) -> Scene<'a> {
    fs::remove_dir_all(server.root()).unwrap();
    for (folder, _, _) in FOLDERS {
        server.make_folder(folder);
    }
    let database = Database::fresh();
    let mut agent = Agent::on_ftp(server).central(&database);
    agent.set("source.0.delete", "after-sync");
    agent.set("schedule.file_quiet", "0s");
    Scene { server, plant: Plant::new(server.root(), seed), agent, database }
}

/// Goes through the whole history; each command is ended at `point` where it gets there, and then
/// run again without harm. Returns how often it got there.
fn go_through(server: &Vsftpd, point: &str, seed: u64) -> (u32, usize) {
    let mut scene = scene(server, seed);
    let mut crashes = 0;
    for (what, act) in HISTORY {
        let command = act(&mut scene);
        scene.agent.set_environment("CU_AGENT_CRASH_AT", point);
        let ended = scene.agent.command(&[command]);
        scene.agent.set_environment("CU_AGENT_CRASH_AT", "");
        if ended.code == SIGABRT {
            crashes += 1;
            let again = scene.agent.command(&[command]);
            assert!(is_fine(&again), "{point}, {what}, started again:\n{again}");
        } else {
            assert!(is_fine(&ended), "{point}, {what}:\n{ended}");
        }
    }
    scene.plant.finish();
    for _ in 0..3 {
        scene.agent.once();
    }
    let last = scene.agent.once();
    assert_eq!(last.code, 0, "{point}: everything is done in the end\n{last}");
    let truth = scene.plant.truth();
    assert_same(point, &central_sessions(&scene.database), &truth);
    let today = scene.plant.today().to_string();
    let of_today: Vec<_> =
        truth.iter().filter(|session| session.date_production == today).cloned().collect();
    let held = buffer_sessions(&scene.agent);
    let held: Vec<_> =
        held.into_iter().filter(|session| session.date_production == today).collect();
    assert_same(&format!("{point}, buffer"), &held, &of_today);
    let left: usize = FOLDERS
        .iter()
        .map(|(folder, _, _)| fs::read_dir(server.root().join(folder)).unwrap().count())
        .sum();
    assert_eq!(left, FOLDERS.len(), "{point}: only today's files are left on the server");
    (crashes, truth::rows(&truth))
}

/// Done, or done in part: central may be refusing, the server may be away.
fn is_fine(output: &Output) -> bool {
    [0, 3].contains(&output.code)
}

/// `a_test` of the moments: both of each step.
fn points() -> Vec<(Step, &'static str)> {
    Step::ALL.iter().flat_map(|step| ["before", "after"].map(|moment| (*step, moment))).collect()
}

#[test]
fn ended_at_any_named_point_and_started_again_every_row_is_right() {
    let seed = std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    println!("SEED={seed}");
    let only = std::env::var("POINT").ok();
    let points = points();
    let next = AtomicUsize::new(0);
    let reached = Mutex::new(BTreeMap::<String, u32>::new());
    let rows = AtomicUsize::new(0);
    Cluster::shared();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let server = Vsftpd::start(Options::default());
                while let Some((step, moment)) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let name = format!("{}:{moment}", step.as_str());
                    if only.as_ref().is_some_and(|only| *only != name) {
                        continue;
                    }
                    for pass in 1..=PASSES {
                        let (crashes, compared) =
                            go_through(&server, &format!("{name}:{pass}"), seed);
                        rows.fetch_add(compared, Ordering::SeqCst);
                        *reached.lock().unwrap().entry(name.clone()).or_default() += crashes;
                        if crashes == 0 {
                            break;
                        }
                    }
                }
            });
        }
    });
    let reached = reached.into_inner().unwrap();
    println!("crashes at each point: {reached:#?}");
    println!(
        "{} crashes, {} rows compared, SEED={seed}",
        reached.values().sum::<u32>(),
        rows.into_inner()
    );
    let never: Vec<_> = reached.iter().filter(|(_, crashes)| **crashes == 0).collect();
    assert!(never.is_empty(), "no history reaches {never:?}: extend HISTORY");
}
