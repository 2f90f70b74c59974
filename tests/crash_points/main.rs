//! The real binary is ended at each step between two durable actions, started again, and left to
//! finish; then every row of central is compared with the truth. Built with the feature
//! `crash-points`: `cargo test --features crash-points --test crash_points`. Half of the steps are run on a
//! source of FTP, half on one of SFTP; the seed decides which.
#![allow(clippy::unwrap_used, reason = "a panic in a test is the test's way of failing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use cu_agent::failpoints::Step;
use support::{
    agent::{Agent, FOLDERS},
    damage,
    file_server::FileServer,
    plant::Plant,
    postgres::{Cluster, Database},
    process::Output,
    rows::{assert_same, buffer_sessions, central_sessions},
    seed::seed,
    truth,
    webhook::{Manner, Webhook},
};

/// Where processes of one history end, one after the other: at the first time of the step and, where
/// it comes again, at the second and third.
const MOMENTS: [&str; 6] = ["before:1", "after:1", "before:2", "after:2", "before:3", "after:3"];
const SIGABRT: i32 = -6;

/// What is asked of the process that may crash.
type Act = fn(&mut Scene<'_>) -> &'static str;

/// Server, machines, agent and central of one history.
struct Scene<'a> {
    server: &'a FileServer,
    plant: Plant,
    agent: Agent,
    database: Database<'static>,
    /// Takes alarms: a session that central refuses is one.
    webhook: Webhook,
}

impl Scene<'_> {
    /// Changes the buffer behind the agent's back.
    fn buffer(&self, script: &str) {
        rusqlite::Connection::open(self.agent.buffer()).unwrap().execute_batch(script).unwrap();
    }
}

/// Each returns the command to run then.
const HISTORY: [(&str, Act); 19] = [
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
    ("half lines are completed", |scene| {
        // A file that the end of its day still changes is not quiet when the gateway starts anew.
        scene.plant.complete();
        "once"
    }),
    ("the gateway was started anew", |scene| {
        // How long a file was quiet is known within one boot only.
        scene.plant.next_day();
        (0..30).for_each(|_| scene.plant.write());
        scene.buffer("UPDATE log_file SET quiet_boot = 'the boot before'");
        "once"
    }),
    ("complete files may go", |_| "once"),
    ("central lost rows", |scene| {
        scene.database.psql(&damage::delete_rows("2025-01-01"));
        scene.database.psql(&damage::delete_a_session("2025-01-01"));
        "once"
    }),
    ("central refuses a machine", |scene| {
        damage::refuse_sessions(&scene.database);
        (0..30).for_each(|_| scene.plant.write());
        "once"
    }),
    ("and takes it again", |scene| {
        damage::take_sessions_again(&scene.database);
        scene.agent.set("source.0.port", 1);
        "once"
    }),
    ("the server was away", |scene| {
        scene.agent.set("source.0.port", i64::from(scene.server.port()));
        scene.plant.rewrite();
        (0..30).for_each(|_| scene.plant.write());
        "once"
    }),
    ("the buffer is full", |scene| {
        scene.buffer("CREATE TABLE ballast AS SELECT zeroblob(2 << 20)");
        scene.agent.set("agent.max_buffer_size", "1MiB");
        (0..30).for_each(|_| scene.plant.write());
        "once"
    }),
    ("there is room again", |scene| {
        scene.buffer("DROP TABLE ballast");
        scene.agent.unset("agent.max_buffer_size");
        "once"
    }),
    ("computed anew", |_| "replay"),
    ("and sent", |_| "once"),
    ("a version with a newer schema", |scene| {
        scene.agent.set_environment("CU_AGENT_TRIAL_MIGRATION", "ok");
        "once"
    }),
    ("the older one again, which reads the rest again", |scene| {
        (0..30).for_each(|_| scene.plant.write());
        scene.agent.set_environment("CU_AGENT_TRIAL_MIGRATION", "");
        "once"
    }),
    ("the newer schema for good", |scene| {
        scene.agent.set_environment("CU_AGENT_TRIAL_MIGRATION", "ok");
        "once"
    }),
    ("and a day later", |scene| {
        scene.plant.next_day();
        (0..30).for_each(|_| scene.plant.write());
        "once"
    }),
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
fn scene<'a>(server: &'a FileServer, seed: u64) -> Scene<'a> {
    server.empty();
    let database = Database::fresh();
    let mut agent = server.agent().central(&database);
    agent.set("source.0.delete", "after-sync");
    agent.set("schedule.file_quiet", "0s");
    let webhook = Webhook::start(Manner::Well);
    agent.set("alarms.url", webhook.url("/"));
    agent.set("alarms.silent_after", "30d");
    Scene { server, plant: Plant::new(server.root(), seed), agent, database, webhook }
}

/// What one history came to.
#[derive(Default)]
struct Report {
    /// By point, how often the process was ended there.
    crashes: BTreeMap<String, u32>,
    rows: usize,
}

/// Goes through the whole history. Each command is ended at the moments of `step` that it gets to,
/// and started again, until it comes to its end.
fn go_through(server: &FileServer, step: Step, seed: u64) -> Report {
    let mut scene = scene(server, seed);
    let mut report = Report::default();
    let step = step.as_str();
    for (what, act) in HISTORY {
        let command = act(&mut scene);
        for moment in MOMENTS.into_iter().chain([""]) {
            let point = format!("{step}:{moment}");
            scene.agent.set_environment("CU_AGENT_CRASH_AT", &point);
            let ended = scene.agent.command(&[command]);
            if ended.code != SIGABRT {
                assert!(is_fine(&ended), "{point}, {what}:\n{ended}");
                break;
            }
            *report.crashes.entry(point).or_default() += 1;
        }
    }
    scene.agent.set_environment("CU_AGENT_CRASH_AT", "");
    // Seen growing, today's files show that the machines are done with the others.
    for _ in 0..3 {
        scene.agent.once();
        (0..60).for_each(|_| scene.plant.write());
    }
    scene.plant.finish();
    for _ in 0..3 {
        scene.agent.once();
    }
    let last = scene.agent.once();
    assert_eq!(last.code, 0, "{step}: everything is done in the end\n{last}");
    let truth = scene.plant.truth();
    assert_same(step, &central_sessions(&scene.database), &truth);
    let today = scene.plant.today().to_string();
    let of_today: Vec<_> =
        truth.iter().filter(|session| session.date_production == today).cloned().collect();
    let held = buffer_sessions(&scene.agent);
    let held: Vec<_> =
        held.into_iter().filter(|session| session.date_production == today).collect();
    assert_same(&format!("{step}, buffer"), &held, &of_today);
    let left: BTreeSet<_> = FOLDERS
        .iter()
        .flat_map(|(folder, _, _)| fs::read_dir(server.root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().file_name())
        .collect();
    // The day begun last was not seen growing: the one before waits for that.
    assert!(left.len() <= 2, "{step}: {left:?} are left on the server\n{last}");
    let told = scene.webhook.told();
    let count = |event: &str| told.iter().filter(|alarm| alarm.starts_with(event)).count();
    assert!(count("raised session-set-aside") >= 1, "{step}: {told:?}");
    assert!(count("cleared session-set-aside") >= 1, "{step}: {told:?}");
    report.rows = truth::rows(&truth);
    report
}

/// Central may be refusing, the server may be away: done, in part, or said why not.
fn is_fine(output: &Output) -> bool {
    [0, 1, 3].contains(&output.code)
}

#[test]
fn ended_at_any_named_point_and_started_again_every_row_is_right() {
    let seed = seed();
    let only = std::env::var("STEP").ok();
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Report::default());
    Cluster::shared();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let servers = [FileServer::ftp(), FileServer::sftp()];
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(step) = Step::ALL.get(number) else { break };
                    if only.as_ref().is_some_and(|only| only != step.as_str()) {
                        continue;
                    }
                    let is_sftp = number.is_multiple_of(2) == seed.is_multiple_of(2);
                    let report = go_through(&servers[usize::from(is_sftp)], *step, seed);
                    let mut total = total.lock().unwrap();
                    total.rows += report.rows;
                    total.crashes.extend(report.crashes);
                }
            });
        }
    });
    let Report { crashes, rows } = total.into_inner().unwrap();
    println!("crashes at each point: {crashes:#?}");
    println!("{} crashes, {rows} rows compared, SEED={seed}", crashes.values().sum::<u32>());
    for step in Step::ALL.map(Step::as_str) {
        for moment in ["before:1", "after:1"] {
            let point = format!("{step}:{moment}");
            let is_reached =
                crashes.contains_key(&point) || only.as_ref().is_some_and(|only| only != step);
            assert!(is_reached, "no history reaches {point}: extend HISTORY");
        }
    }
}
