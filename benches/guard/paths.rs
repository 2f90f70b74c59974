//! The hot paths, each as a function that prepares what it needs and then does its work as many
//! rounds as it is told. Everything is generated and nothing rests on the clock, so that one more
//! round costs the same number of instructions each time.

use std::{
    collections::VecDeque,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{NaiveDate, NaiveTime};
use cu_agent::{
    agent::{Agent, Collection, Collector, Progress, Shutdown},
    analyse::{self, Options},
    buffer::SessionFilter,
    config,
    model::{DetailRow, Language},
    parse::{Text, Words, parse},
    status::{WallClock, health::Verdict},
    sync::{
        plan::{Identity, Step, plan},
        postgres::{Claims, Digester, Inexact, Order, ServerEncoding, statement_bytes},
    },
    web::{Hosts, Question, Reading, Site},
};
use tempfile::TempDir;

use super::generate::{CENTRES, Dirt, file_name, log_of_day, working_days};

/// What one round does: how much, and of what.
pub type Work = (u64, &'static str);

pub struct HotPath {
    pub name: &'static str,
    /// The difference between so many rounds and so many is what is counted.
    pub rounds: (u32, u32),
    pub run: fn(u32) -> Work,
}

pub const ALL: [HotPath; 9] = [
    HotPath { name: "parse-clean", rounds: (1, 3), run: |rounds| parsed(Dirt::None, rounds) },
    HotPath { name: "parse-dirty", rounds: (1, 3), run: |rounds| parsed(Dirt::Some, rounds) },
    HotPath { name: "analyse-clean", rounds: (1, 3), run: |rounds| analysed(Dirt::None, rounds) },
    HotPath { name: "analyse-dirty", rounds: (1, 3), run: |rounds| analysed(Dirt::Some, rounds) },
    HotPath { name: "poll-new-day", rounds: (2, 4), run: polls_with_a_day },
    HotPath { name: "poll-nothing-new", rounds: (2, 4), run: polls_with_nothing },
    HotPath { name: "buffer-read-day", rounds: (1, 3), run: reads },
    HotPath { name: "deliver-day", rounds: (1, 3), run: deliveries },
    HotPath { name: "page-of-day", rounds: (1, 3), run: pages },
];

/// More than any path has.
const MOST_ROUNDS: u32 = 4;

fn days(count: usize) -> Vec<NaiveDate> {
    working_days(NaiveDate::from_ymd_opt(2025, 5, 5).expect("5 May is a date"), count)
}

fn logs(dirt: Dirt) -> Vec<Vec<u8>> {
    let logs = |centre| days(4).into_iter().map(move |day| log_of_day(centre, day, 1, dirt));
    CENTRES.iter().flat_map(logs).collect()
}

fn bytes_of(logs: &[Vec<u8>]) -> Work {
    (logs.iter().map(|log| log.len() as u64).sum(), "bytes")
}

fn parsed(dirt: Dirt, rounds: u32) -> Work {
    let (logs, words) = (logs(dirt), Words::default());
    for log in (0..rounds).flat_map(|_| &logs) {
        let text = Text::new(black_box(log));
        assert!(black_box(parse(&text, &words)).events.len() > 100);
    }
    bytes_of(&logs)
}

fn analysed(dirt: Dirt, rounds: u32) -> Work {
    let (logs, words) = (logs(dirt), Words::default());
    for log in (0..rounds).flat_map(|_| &logs) {
        let text = Text::new(black_box(log));
        let parsed = parse(&text, &words);
        let sessions = analyse::sessions(&[&parsed.events], &Options::default());
        assert!(!black_box(sessions).is_empty());
    }
    bytes_of(&logs)
}

/// An agent that collects from a folder, in this process, as the service does: with one connection to
/// the buffer for all polls.
struct Gateway {
    agent: Agent,
    collector: Collector,
    /// Those to come, with what each machine writes: made before the first round, so that no round pays for it.
    to_come: VecDeque<(NaiveDate, Vec<Vec<u8>>)>,
    last_day: Option<NaiveDate>,
    logs: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    /// With `taken` days in its buffer.
    fn with_days(taken: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("guard-").tempdir().unwrap();
        let logs = folder.path().join("logs");
        let mut text = format!(
            "[agent]\nid = \"guard\"\nstate_dir = {:?}\n[[source]]\nname = \"cu\"\n\
             kind = \"directory\"\npath = {logs:?}\n[source.folders]\n",
            folder.path().join("state"),
        );
        for centre in &CENTRES {
            fs::create_dir_all(logs.join(centre.folder)).unwrap();
            text += &format!(
                "{:?} = {{ nom = {:?}, type_cu = {:?} }}\n",
                centre.folder, centre.nom, centre.type_cu
            );
        }
        let loaded = config::parse(Path::new("config.toml"), &text, &|_| None).unwrap();
        let agent =
            Agent::open(loaded.config, cu_agent::buffer::Task::Once, Shutdown::default()).unwrap();
        let config = Arc::new(agent.config.clone());
        let all = Collection::new(&agent, &config);
        let handle = Arc::new(agent.watchdog.register_for("collect", "cu"));
        let quiet: Progress = Arc::new(|_, _, _| {});
        let collector = Collector::new(&all, 0, handle, quiet);
        let to_come = days((taken + MOST_ROUNDS) as usize).into_iter().map(|day| {
            let logs = CENTRES.iter().map(|centre| log_of_day(centre, day, 1, Dirt::None));
            (day, logs.collect())
        });
        let to_come = to_come.collect();
        let mut gateway = Self { agent, collector, to_come, last_day: None, logs, _folder: folder };
        for _ in 0..taken {
            gateway.take_a_day();
        }
        gateway
    }

    fn take_a_day(&mut self) -> Work {
        let (day, logs) = self.to_come.pop_front().expect("no path takes more rounds");
        self.last_day = Some(day);
        for (centre, log) in CENTRES.iter().zip(logs) {
            fs::write(self.logs.join(centre.folder).join(file_name(day)), log).unwrap();
        }
        assert_eq!(self.poll(), 3);
        (CENTRES.len() as u64, "files")
    }

    /// Files read.
    fn poll(&mut self) -> u64 {
        let report = self.collector.cycle(&mut self.agent.buffer).unwrap();
        assert!(report.failed_sources.is_empty());
        report.files_read
    }

    fn last_day(&self) -> NaiveDate {
        self.last_day.expect("a day was taken")
    }
}

fn polls_with_a_day(rounds: u32) -> Work {
    let mut gateway = Gateway::with_days(1);
    (0..rounds).map(|_| gateway.take_a_day()).last().expect("there is a round")
}

fn polls_with_nothing(rounds: u32) -> Work {
    let mut gateway = Gateway::with_days(4);
    for _ in 0..rounds {
        assert_eq!(gateway.poll(), 0);
    }
    (CENTRES.len() as u64, "folders")
}

fn reads(rounds: u32) -> Work {
    let gateway = Gateway::with_days(2);
    let filter = SessionFilter { machine: None, day: Some(gateway.last_day()) };
    let mut rows = 0;
    for _ in 0..rounds {
        rows = 0;
        let count = |stored: cu_agent::buffer::StoredSession| {
            let session = &stored.session;
            rows += session.pieces.len() + session.waits.len() + session.stops.len();
            rows += session.jobs.len();
            Ok::<_, std::convert::Infallible>(())
        };
        gateway.agent.buffer.sessions().each_session(&filter, count).unwrap().unwrap();
        assert!(rows > 1000);
    }
    (rows as u64, "rows")
}

fn deliveries(rounds: u32) -> Work {
    let gateway = Gateway::with_days(1);
    let buffer = &gateway.agent.buffer;
    let identity = Identity { agent_id: "guard".into(), buffer_id: buffer.buffer_id().into() };
    let claims = Claims::new(identity.clone(), "instance".into(), "host".into());
    let mut rows = 0;
    for _ in 0..rounds {
        let pending = buffer.outbox().pending(60, |_, _| true).unwrap();
        assert_eq!(pending.len(), CENTRES.len());
        let mut packed = Vec::new();
        for one in &pending {
            let step = plan(&one.session, None, &identity);
            let Step::Deliver { since_revision, .. } = step else { panic!("{step:?}") };
            let mut digester =
                Digester::new(Language::French, ServerEncoding::Utf8, Inexact::default());
            let add = &mut |row: DetailRow<'_>| digester.add(row);
            let delivery = buffer.outbox().delivery(one.id, since_revision, add).unwrap();
            black_box(digester.finish(&delivery));
            packed.push(delivery);
        }
        rows = packed.iter().map(|one| one.pieces.len() + one.waits.len() + one.stops.len()).sum();
        let orders: Vec<_> =
            packed.iter().map(|delivery| Order { delivery, replaces: None }).collect();
        assert!(black_box(statement_bytes(&claims, &orders)) > 1000);
    }
    (rows as u64, "rows")
}

fn pages(rounds: u32) -> Work {
    let gateway = Gateway::with_days(3);
    let at = NaiveTime::from_hms_opt(14, 30, 0).expect("half past two is a time");
    let wall = gateway.last_day().and_time(at);
    let figures = gateway.agent.figures.clone();
    let site = Site {
        hosts: Hosts::new("guard", &[]),
        config: Arc::new(gateway.agent.config.clone()),
        counts: Box::new(move || Reading {
            counts: figures.snapshot(),
            central_is_up: None,
            uptime: Duration::from_secs(3600),
            utc: wall,
            update_failed: None,
            settings: None,
        }),
        health: Box::new(|| Verdict::Well("it counts".into())),
        now: Box::new(move || WallClock { wall, fault: None }),
    };
    let question = Question {
        method: "GET",
        host: Some("localhost"),
        target: "/",
        accept_language: None,
        accept: None,
    };
    let mut machines = 0;
    for _ in 0..rounds {
        let answer = black_box(site.answer(&question));
        assert_eq!(answer.status, 200, "{}", answer.body);
        machines = CENTRES.iter().filter(|centre| answer.body.contains(centre.nom)).count();
        assert_eq!(machines, CENTRES.len());
    }
    (machines as u64, "machines")
}
