//! One random history: what may happen, done to the real thing and to the model.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    time::Duration,
};

use chrono::{DateTime, Days, NaiveDateTime, TimeDelta};
use cu_agent::{
    analyse::{Options, WaitStamp},
    buffer::Buffer,
    collect::{Settings, SourceMemory, SourceReport, Timestamps, Watch, collect, words},
    config::{DeletePolicy, EventNames, SourceConfig, SourceKind},
    model::Machine,
    source::{Source, dir::DirectorySource},
};
use proptest::{collection::vec, prelude::Strategy, prop_oneof};

use super::{
    central::{Delivery, ModelCentral},
    lies::Lies,
    plant::{Habits, Line, MACHINES, Plant, lines_of, machine_of},
    served::Served,
    themes::{Theme, Wall},
    watched::{Hook, PowerCut, Watched, day_of},
};

const FILE_QUIET: Duration = Duration::from_secs(1800);

/// Numbers choose among what there is at that moment.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    Append(usize, usize),
    /// Write, look twice, deliver, look: an ordinary hour.
    Work(usize, usize),
    AppendHalf(usize, usize),
    /// A machine's clock is ahead by so many hours, or right again.
    Clock(usize, i64),
    /// The server's.
    ServerClock(i64),
    RestartMachine(usize),
    Copy(usize, usize),
    /// A machine's last file, with its time kept or not.
    CopyLast(usize, bool),
    /// A machine opens its file and writes nothing yet.
    Open(usize),
    /// A LOG without an event.
    Header(usize),
    /// Lunch, or a weekend.
    Pause(i64),
    SecondFile(usize, usize),
    FutureFile(usize),
    OverMidnight(usize),
    NextDay,
    StepBackAnHour,
    Rewrite(usize, usize, usize),
    RewriteUnnoticeably(usize, usize),
    Rename(usize, usize),
    CopyBack(usize),
    Poll(Hook),
    Quiet,
    Reboot,
    Restart,
    Deliver(usize),
    LoseAnswers(usize),
    CentralLoses(usize),
}

pub fn actions() -> impl Strategy<Value = Vec<Action>> {
    let n = || 0..64_usize;
    let hours = || {
        let ahead = [0, 0, 0, 1, 24, 24, 48, 24 * 9, 24 * 400, -1, -24];
        (0..ahead.len()).prop_map(move |at| ahead[at])
    };
    let hook = prop_oneof![
        6 => proptest::prelude::Just(Hook::Nothing),
        1 => (1..5_usize).prop_map(Hook::GrowBeforeRead),
        1 => (1..5_usize).prop_map(Hook::RewriteBeforeRead),
        1 => proptest::prelude::Just(Hook::GrowBeforeSize),
        1 => (1..5_usize).prop_map(Hook::BreakRead),
        2 => (1..16_usize).prop_map(Hook::PowerCut),
        1 => proptest::prelude::Just(Hook::LoseAnswer),
    ];
    let action = prop_oneof![
        6 => (n(), 1..6_usize).prop_map(|(m, l)| Action::Append(m, l)),
        4 => (n(), 1..4_usize).prop_map(|(m, l)| Action::Work(m, l)),
        2 => (n(), hours()).prop_map(|(m, h)| Action::Clock(m, h)),
        1 => hours().prop_map(Action::ServerClock),
        1 => n().prop_map(Action::RestartMachine),
        1 => (n(), n()).prop_map(|(f, c)| Action::Copy(f, c)),
        2 => prop_oneof![proptest::prelude::Just(1), proptest::prelude::Just(60)]
            .prop_map(Action::Pause),
        2 => (n(), n()).prop_map(|(m, c)| Action::AppendHalf(m, c)),
        1 => (n(), 1..4_usize).prop_map(|(m, l)| Action::SecondFile(m, l)),
        1 => n().prop_map(Action::FutureFile),
        1 => n().prop_map(Action::OverMidnight),
        4 => proptest::prelude::Just(Action::NextDay),
        1 => proptest::prelude::Just(Action::StepBackAnHour),
        2 => (n(), 0..4_usize, 0..4_usize).prop_map(|(f, k, l)| Action::Rewrite(f, k, l)),
        1 => (n(), n()).prop_map(|(f, at)| Action::RewriteUnnoticeably(f, at)),
        1 => (n(), n()).prop_map(|(f, to)| Action::Rename(f, to)),
        1 => n().prop_map(Action::CopyBack),
        14 => hook.prop_map(Action::Poll),
        6 => proptest::prelude::Just(Action::Quiet),
        1 => proptest::prelude::Just(Action::Reboot),
        1 => proptest::prelude::Just(Action::Restart),
        6 => n().prop_map(Action::Deliver),
        1 => n().prop_map(Action::LoseAnswers),
        1 => n().prop_map(Action::CentralLoses),
    ];
    vec(action, 10..60)
}

/// What histories did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Done {
    pub polls: usize,
    pub lines: usize,
    pub deleted: usize,
    pub power_cuts: usize,
    /// Polls in which the server lied.
    pub lies: usize,
}

impl Done {
    pub fn add(&mut self, other: &Self) {
        self.polls += other.polls;
        self.lines += other.lines;
        self.deleted += other.deleted;
        self.power_cuts += other.power_cuts;
        self.lies += other.lies;
    }
}

struct SimulatedWatch {
    boot: u32,
    uptime: Duration,
    /// What the wall clock says, in turn.
    walls: Vec<NaiveDateTime>,
    looks: Cell<usize>,
}

impl Watch for SimulatedWatch {
    fn now(&self) -> Timestamps {
        self.looks.set(self.looks.get() + 1);
        Timestamps {
            boot: format!("boot-{}", self.boot),
            uptime: self.uptime,
            wall: self.walls[self.looks.get() % self.walls.len()],
        }
    }

    fn must_stop(&self) -> bool {
        false
    }

    fn progress(&self, _folder: &str, _done: usize, _of: usize) {}

    fn kept(&self) {}
}

struct History {
    /// `None`: the folders are read from the disk.
    served: Option<Served>,
    plant: Plant,
    central: ModelCentral,
    buffer: Option<Buffer>,
    boot: u32,
    booted_at: Duration,
    /// Lines that must be in central at the end, by machine.
    owed: BTreeSet<(usize, Line)>,
    done: Done,
    lies: Lies,
    /// What the process remembers from poll to poll.
    memory: SourceMemory,
    wall: Wall,
}

/// Of a history that begins with a theme, so many random actions follow: its own take their time.
const AFTER_A_THEME: usize = 12;

pub fn run(seed: u64, actions: &[Action]) -> Done {
    let mut rng = fastrand::Rng::with_seed(seed);
    if rng.u8(..4) == 0 {
        let theme = Theme::drawn(&mut rng);
        let (habits, steps) = theme.steps(&mut rng);
        let rest = &actions[..actions.len().min(AFTER_A_THEME)];
        return run_on(habits, Lies::none(), theme.wall(), &[&steps[..], rest].concat());
    }
    let habits = Habits {
        keeps_open: std::array::from_fn(|_| rng.bool()),
        own_times: std::array::from_fn(|_| rng.u8(..4) == 0),
        ..Habits::default()
    };
    let wall = if rng.bool() { Wall::Right } else { Wall::Any };
    run_on(habits, Lies::drawn(rng), wall, actions)
}

/// A history that is told beforehand: machines that keep their file open, beside a server that tells
/// the truth but for what the actions say.
pub fn run_scripted(actions: &[Action]) -> Done {
    let keeps_open = [true; MACHINES.len()];
    run_on(Habits { keeps_open, ..Habits::default() }, Lies::none(), Wall::Any, actions)
}

/// A history over SFTP, with a server that breaks the rules of the protocol now and then.
pub fn run_over_sftp(seed: u64, actions: &[Action]) -> Done {
    let mut rng = fastrand::Rng::with_seed(seed);
    let keeps_open = std::array::from_fn(|_| rng.bool());
    let habits = Habits { keeps_open, ..Habits::default() };
    let mut history = begin(habits, Lies::none(), Wall::Right);
    history.served = Some(Served::start(history.plant.ftp_root(), rng));
    history.play(actions)
}

fn run_on(habits: Habits, lies: Lies, wall: Wall, actions: &[Action]) -> Done {
    begin(habits, lies, wall).play(actions)
}

fn begin(habits: Habits, lies: Lies, wall: Wall) -> History {
    let plant = Plant::new(habits);
    History {
        served: None,
        central: ModelCentral::default(),
        buffer: Some(
            Buffer::open(&plant.state_dir(), "essai", "2026-11-28 10:00:00".parse().unwrap())
                .unwrap(),
        ),
        boot: 0,
        booted_at: plant.uptime,
        owed: BTreeSet::new(),
        done: Done::default(),
        lies,
        memory: SourceMemory::default(),
        wall,
        plant,
    }
}

impl History {
    fn play(mut self, actions: &[Action]) -> Done {
        for action in actions {
            self.act(*action);
        }
        self.finish();
        self.done
    }

    fn act(&mut self, action: Action) {
        let plant = &mut self.plant;
        match action {
            Action::Append(machine, lines) => plant.log_lines(machine, lines),
            Action::Work(machine, lines) => {
                plant.uptime += FILE_QUIET + Duration::from_secs(1);
                plant.log_lines(machine, lines);
                self.poll(Hook::Nothing);
                self.deliver(Delivery::Confirmed, 0);
                self.plant.log_lines(machine, lines);
                self.poll(Hook::Nothing);
            }
            Action::AppendHalf(machine, cut) => plant.log_half(machine, cut),
            Action::Clock(machine, hours) => plant.set_clock(machine, TimeDelta::hours(hours)),
            Action::ServerClock(hours) => plant.server_ahead = TimeDelta::hours(hours),
            Action::RestartMachine(machine) => plant.restart(machine),
            Action::Copy(file, number) => {
                if let Some(file) = plant.pick(file) {
                    plant.copy(&file, number);
                }
            }
            Action::CopyLast(machine, keeps_time) => plant.copy_last(machine, keeps_time),
            Action::Open(machine) => plant.open(machine % MACHINES.len()),
            Action::Header(machine) => plant.begin(machine),
            Action::Pause(hours) => {
                // The agent goes on looking, and central takes what there is.
                plant.pass(TimeDelta::hours(hours));
                plant.uptime += Duration::from_secs(hours.unsigned_abs() * 3600);
                self.poll(Hook::Nothing);
                self.deliver(Delivery::Confirmed, 0);
                self.poll(Hook::Nothing);
            }
            Action::SecondFile(machine, lines) => plant.append(&plant.second_file(machine), lines),
            Action::FutureFile(machine) => plant.append(&plant.future_file(machine), 1),
            Action::OverMidnight(machine) => plant.write_over_midnight(machine),
            Action::NextDay => plant.next_day(),
            Action::StepBackAnHour => plant.pass(TimeDelta::hours(-1)),
            Action::Rewrite(file, keep, lines) => {
                if let Some(file) = plant.pick(file) {
                    plant.rewrite(&file, keep, lines);
                }
            }
            Action::RewriteUnnoticeably(file, from) => {
                if let Some(file) = plant.pick(file) {
                    plant.rewrite_unnoticeably(&file, from);
                }
            }
            Action::Rename(file, to) => {
                if let Some(file) = plant.pick(file) {
                    plant.rename(&file, to);
                }
            }
            Action::CopyBack(number) => plant.copy_back(number),
            Action::Poll(hook) => self.poll(hook),
            Action::Quiet => plant.uptime += FILE_QUIET + Duration::from_secs(1),
            Action::Reboot => {
                self.boot += 1;
                self.booted_at = plant.uptime;
                self.reopen();
            }
            Action::Restart => self.reopen(),
            Action::Deliver(mask) => self.deliver(Delivery::Confirmed, mask),
            Action::LoseAnswers(mask) => self.deliver(Delivery::AnswerLost, mask),
            Action::CentralLoses(number) => {
                self.central.lose_one(self.buffer.as_mut().unwrap(), number);
            }
        }
    }

    fn reopen(&mut self) {
        self.memory = SourceMemory::default();
        self.buffer = None;
        self.buffer = Some(
            Buffer::open(&self.plant.state_dir(), "essai", "2026-11-28 10:00:00".parse().unwrap())
                .unwrap(),
        );
    }

    fn deliver(&mut self, how: Delivery, mask: usize) {
        let chosen = |place: usize| mask.is_multiple_of(4) || (mask >> (place % 6)) & 1 == 1;
        self.central.take(self.buffer.as_mut().unwrap(), how, chosen);
    }

    fn poll(&mut self, hook: Hook) {
        self.plant.uptime += Duration::from_secs(300);
        self.done.polls += 1;
        // What stands there now is read, unless something happens or nobody could notice it.
        let mut standing: BTreeSet<(usize, Line)> = BTreeSet::new();
        if hook == Hook::Nothing {
            standing = self.on_server();
            standing.retain(|(_, line)| !self.plant.unnoticeable.contains(line));
        }
        let (config, settings) = (config(&self.plant.ftp_root()), settings());
        let watch = SimulatedWatch {
            boot: self.boot,
            uptime: self.plant.uptime - self.booted_at + Duration::from_secs(60),
            walls: self.walls(),
            looks: Cell::new(0),
        };
        let buffer = self.buffer.as_mut().unwrap();
        let mut directory = DirectorySource::new(self.plant.ftp_root());
        let mut breaks_rules = false;
        let inner: &mut dyn Source = match &mut self.served {
            Some(served) => {
                breaks_rules = served.begin_poll();
                served
            }
            None => &mut directory,
        };
        self.lies.misled |= breaks_rules;
        let mut source =
            Watched::new(inner, &mut self.plant, &self.central, hook, FILE_QUIET, &mut self.lies);
        source.lied = breaks_rules;
        let memory = &mut self.memory;
        let result = catch_unwind(AssertUnwindSafe(|| {
            collect(buffer, &mut source, &config, &settings, &watch, memory)
        }));
        self.done.deleted += source.deleted;
        self.done.lies += usize::from(source.lied);
        let lied = source.lied || source.lies.misled;
        let handed = std::mem::take(&mut source.handed);
        drop(source);
        match result {
            Ok(report) => {
                let report: SourceReport = report.unwrap();
                // What came before a lie may have been a comparison, and is to be read again.
                if !lied {
                    self.owed.extend(handed);
                }
                if report.error.is_none() && report.files_failed == 0 && !lied {
                    self.owed.extend(standing);
                }
            }
            Err(panic) if panic.is::<PowerCut>() => {
                self.done.power_cuts += 1;
                self.boot += 1;
                self.booted_at = self.plant.uptime;
                self.reopen();
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    fn walls(&self) -> Vec<NaiveDateTime> {
        let ahead = "2099-01-01T00:00:00".parse().unwrap();
        match self.wall {
            Wall::Right => vec![self.plant.now],
            Wall::Ahead => vec![ahead],
            Wall::Any => vec![DateTime::UNIX_EPOCH.naive_utc(), ahead, NaiveDateTime::MIN],
        }
    }

    fn on_server(&self) -> BTreeSet<(usize, Line)> {
        let mut lines = BTreeSet::new();
        for file in self.plant.files() {
            // It never closes, so that a reading that was cut is not made up for.
            if self.lies.misled && file.file_name().unwrap().to_str().unwrap().starts_with("2099") {
                continue;
            }
            let machine = machine_of(&file);
            let here = lines_of(&fs::read(&file).unwrap());
            lines.extend(here.into_iter().map(|line| (machine, line)));
        }
        lines
    }

    /// Quiet days with a link: everything that can go to central and off the server goes.
    fn finish(&mut self) {
        let before: BTreeMap<PathBuf, _> = self
            .plant
            .files()
            .into_iter()
            .map(|file| (file.clone(), fs::read(file).unwrap()))
            .collect();
        self.owed.extend(self.on_server());
        self.lies.stop();
        if let Some(served) = &mut self.served {
            served.stop();
        }
        self.plant.heal();
        // Beyond the days that clocks which were ahead have written of: those of 400 days stay.
        self.plant.pass(TimeDelta::days(12));
        // One to end the files, one to close, one to delete; rewritten ones once more.
        for _ in 0..8 {
            self.plant.next_day();
            self.plant.pass(TimeDelta::hours(12));
            for _ in 0..2 {
                for machine in 0..MACHINES.len() {
                    self.plant.log_lines(machine, 1);
                }
                self.poll(Hook::Nothing);
                self.plant.uptime += FILE_QUIET;
                self.deliver(Delivery::Confirmed, 0);
            }
        }
        for (file, bytes) in before {
            let name = file.file_name().unwrap().to_str().unwrap();
            let last = day_of(name, &bytes);
            let is_over = last.is_none_or(|day| day < self.plant.now.date() - Days::new(8));
            if !lines_of(&bytes).is_empty() && is_over {
                assert!(!file.exists(), "{name} is in central for days and still on the server");
            }
        }
        assert!(self.buffer.as_ref().unwrap().outbox().pending(1, |_, _| true).unwrap().is_empty());
        self.done.lines += self.owed.len();
        // A file that claims to be of the future stays, and so does what nobody could notice in it.
        let mut standing = self.on_server();
        standing.retain(|(_, line)| self.plant.unnoticeable.contains(line));
        for (machine, line) in self.owed.difference(&standing) {
            let count = self.central.count(*machine, *line);
            assert_eq!(count, 1, "line {line} of machine {machine} in central");
        }
    }
}

fn config(root: &std::path::Path) -> SourceConfig {
    let machine = |nom: &str| Machine { nom: nom.into(), type_cu: nom.into() };
    SourceConfig {
        name: "cu".into(),
        kind: SourceKind::Directory(root.to_owned()),
        delete: DeletePolicy::AfterSync,
        delete_newest: DeletePolicy::Never,
        max_file_bytes: 1 << 20,
        folders: MACHINES.iter().map(|(folder, nom)| ((*folder).into(), machine(nom))).collect(),
        nominals: std::collections::BTreeMap::new(),
        costs: std::collections::BTreeMap::new(),
        objectives: std::collections::BTreeMap::new(),
        descriptions: std::collections::BTreeMap::new(),
        old_names: std::collections::BTreeMap::new(),
    }
}

fn settings() -> Settings {
    Settings {
        words: words(&EventNames::default()).unwrap(),
        options: Options { day_start: TimeDelta::zero(), wait_stamp: WaitStamp::Start },
        limits: cu_agent::model::Limits::default(),
        nominals: std::collections::BTreeMap::new(),
        calendars: cu_agent::calendar::Calendars::default(),
        file_quiet: FILE_QUIET,
        has_central: true,
        batch_bytes: 4 << 20,
        max_buffer_bytes: 1 << 30,
    }
}
