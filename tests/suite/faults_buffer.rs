//! The buffer and its disk: damaged, lost, of another version, at its cap, on a full disk. Nothing
//! of it costs a row in central.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use chrono::NaiveDate;

use crate::support::{
    agent::Agent,
    folder::Folder,
    generate::{CENTRES, Dirt, file_name, log_of_day, working_days},
    golden::{self, Expected, machine_of},
    net::Proxy,
    postgres::Database,
    process::Output,
    rows::{assert_same, central_sessions},
    truth, wait,
};

/// Zeroes a stretch of a file.
fn zero(path: &Path, from: u64, bytes: usize) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0; bytes]).unwrap();
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// What central must hold of the files of a folder, one file a day.
fn truth_of(files: &Files) -> Vec<Expected> {
    let mut machines: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for ((folder, _), bytes) in files {
        machines.entry(machine_of(folder)).or_default().push(bytes.clone());
    }
    machines.iter().flat_map(|(nom, files)| truth::of_machine(nom, files)).collect()
}

type Files = BTreeMap<(String, String), Vec<u8>>;

fn files_of(name: &str) -> Files {
    let case = golden::case(name);
    case.files.into_iter().map(|file| ((file.folder, file.name), file.bytes)).collect()
}

fn folder_of(files: &Files) -> Folder {
    let folder = Folder::of_three_machines();
    put(&folder, files);
    folder
}

fn put(folder: &Folder, files: &Files) {
    for ((machine, name), bytes) in files {
        folder.put(&format!("{machine}/{name}"), bytes);
    }
}

type Damage = fn(&Agent);

/// What is done to the buffer while no agent runs.
const DAMAGES: [(&str, Damage); 6] = [
    ("zeroed pages", |agent| zero(&agent.buffer(), 4096 * 2, 4096 * 6)),
    ("truncated", |agent| {
        let file = File::options().write(true).open(agent.buffer()).unwrap();
        file.set_len(length(&agent.buffer()) / 3).unwrap();
    }),
    ("all zero", |agent| {
        let bytes = usize::try_from(length(&agent.buffer())).unwrap();
        zero(&agent.buffer(), 0, bytes);
    }),
    ("not a database", |agent| fs::write(agent.buffer(), "ceci n'est pas une base").unwrap()),
    ("empty", |agent| fs::write(agent.buffer(), "").unwrap()),
    ("deleted", Agent::lose_buffer),
];

#[test]
fn a_damaged_buffer_is_set_aside_and_filled_again_and_central_loses_nothing() {
    for (damage, inflict) in DAMAGES {
        let mut files = files_of("dirty");
        let folder = folder_of(&files);
        let database = Database::fresh();
        let agent = Agent::on_directory(folder.path()).central(&database);
        agent.once().succeeded();
        inflict(&agent);
        let later = b"20250610 05:00:00|@StukUitgevoerd: 1\n".to_vec();
        files.insert(("DEM12 (PVC)".into(), "20250610.LOG".into()), later);
        put(&folder, &files);
        agent.once().succeeded();
        assert_same(damage, &central_sessions(&database), &truth_of(&files));
        agent.command(&["check"]).succeeded();
    }
}

#[test]
fn check_says_that_the_buffer_is_damaged_before_anything_is_done_to_it() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    zero(&agent.buffer(), 4096 * 2, 4096 * 6);
    agent.command(&["check"]).exited(1).says("buffer").says("damaged");
    let again = agent.once().succeeded();
    assert!(again.stderr.contains("it was renamed to"), "{again}");
    agent.command(&["check"]).succeeded();
}

#[test]
fn a_write_ahead_log_that_is_lost_or_torn_costs_no_row_in_central() {
    let files = files_of("clean");
    for (damage, inflict) in [
        ("lost", (|wal| fs::remove_file(wal).unwrap()) as fn(&Path)),
        ("torn", |wal| zero(wal, length(wal) / 2, 40)),
        ("cut short", |wal| {
            File::options().write(true).open(wal).unwrap().set_len(length(wal) / 2).unwrap();
        }),
    ] {
        let first: Files = files
            .iter()
            .filter(|((folder, _), _)| folder == "DEM12 (PVC)")
            .map(|(key, bytes)| (key.clone(), bytes.clone()))
            .collect();
        let folder = folder_of(&first);
        let database = Database::fresh();
        let agent =
            Agent::on_directory(folder.path()).central(&database).with("schedule.poll", "1s");
        let running = agent.run();
        wait::until("the first sessions are in central", wait::PATIENCE, || {
            agent.status_number("sessions") > 0 && agent.status_number("pending_sessions") == 0
        });
        running.kill();
        let wal = agent.buffer().with_extension("db-wal");
        assert!(length(&wal) > 0, "the kill left a write-ahead log");
        inflict(&wal);
        put(&folder, &files);
        agent.once().succeeded();
        assert_same(damage, &central_sessions(&database), &truth_of(&files));
    }
}

#[test]
fn a_buffer_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    agent.once().succeeded();
    sqlite(&agent.buffer(), "PRAGMA user_version = 99");
    let before = fs::read(agent.buffer()).unwrap();
    for command in ["once", "status", "sessions"] {
        agent.command(&[command]).exited(1).says("newer cu-agent");
    }
    assert_eq!(fs::read(agent.buffer()).unwrap(), before);
}

fn sqlite(buffer: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(buffer).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Days of all machines, written into the folder.
fn days(folder: &Folder, count: usize) -> Files {
    let mut files = Files::new();
    for centre in &CENTRES {
        for day in working_days(NaiveDate::from_ymd_opt(2025, 3, 3).unwrap(), count) {
            let log = log_of_day(centre, day, 7, Dirt::None);
            files.insert((centre.folder.into(), file_name(day)), log);
        }
    }
    put(folder, &files);
    files
}

#[test]
fn at_its_cap_the_buffer_takes_no_more_and_goes_on_by_itself_when_central_has_all() {
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let proxy = Proxy::to(database.cluster.port);
    proxy.refuse(true);
    let mut agent = Agent::on_directory(folder.path())
        .central(&database)
        .with("schedule.poll", "1s")
        .with("schedule.file_quiet", "0s")
        .with("agent.max_buffer_size", "1MiB");
    agent.set("central.port", i64::from(proxy.port));
    let running = agent.run();
    // As a plant would in weeks: some days at a time.
    let mut files = Files::new();
    for count in [8, 16, 24, 32] {
        files = days(&folder, count);
        wait::until("the days are looked at", wait::PATIENCE, || {
            let seen = agent.status_number("sessions");
            seen >= i64::try_from(count * 3).unwrap()
                || running.log().contains("the buffer is full (agent.max_buffer_size")
        });
    }
    running.wait_for_line("the buffer is full (agent.max_buffer_size");
    assert!(agent.status_number("sessions") < 96, "not all of it was taken");
    proxy.refuse(false);
    running.wait_for_line("reading continues");
    wait::until("all is in central", wait::PATIENCE, || {
        database.count("session_production") == 96 && agent.status_number("pending_sessions") == 0
    });
    running.terminate().0.succeeded();
    assert_same("after the cap", &central_sessions(&database), &truth_of(&files));
}

#[test]
fn a_day_closed_early_whose_raw_bytes_made_room_is_read_whole_when_it_grows() {
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path())
        .central(&database)
        .with("schedule.poll", "1s")
        .with("schedule.file_quiet", "0s")
        .with("agent.max_buffer_size", "1MiB");
    let newest = NaiveDate::from_ymd_opt(2025, 6, 3).unwrap();
    let log = log_of_day(&CENTRES[0], newest, 7, Dirt::None);
    let path = format!("{}/{}", CENTRES[0].folder, file_name(newest));
    let half = log.len() / 2;
    // Read first, and closed at once: the folder shows this year's times, in which that day is over.
    folder.put(&path, &log[..half]);
    let running = agent.run();
    wait::until("the newest day is in central", wait::PATIENCE, || {
        agent.buffer().exists()
            && agent.status_number("sessions") == 1
            && agent.status_number("pending_sessions") == 0
    });
    let mut files = Files::new();
    for count in [8, 16, 24, 32] {
        files = days(&folder, count);
        wait::until("the days are in central", wait::PATIENCE, || {
            database.count("session_production") == count as u64 * 3 + 1
        });
    }
    running.wait_for_line("to make room");
    let buffer = rusqlite::Connection::open(agent.buffer()).unwrap();
    let (state, chunks): (String, u32) = buffer
        .query_row(
            "SELECT state, (SELECT count(*) FROM raw_chunk WHERE file_id = log_file.id)
             FROM log_file WHERE name = ?1",
            [file_name(newest)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((&*state, chunks), ("closed", 0));
    folder.append(&path, &log[half..]);
    files.insert((CENTRES[0].folder.into(), file_name(newest)), log);
    let truth = truth_of(&files);
    wait::until("the rest of the newest day is in central", wait::PATIENCE, || {
        central_sessions(&database) == truth
    });
    running.terminate().0.succeeded();
}

/// A file system that is unmounted when dropped.
pub(super) struct Mounted(std::path::PathBuf);

impl Mounted {
    /// What has just been mounted at `at`.
    pub(super) fn at(at: &Path) -> Self {
        Self(at.to_owned())
    }
}

/// A small file system in memory.
fn small_disk(at: &Path, kib: u32) -> Mounted {
    fs::create_dir_all(at).unwrap();
    let size = format!("size={kib}k");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at));
    Mounted::at(at)
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

pub(super) fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(
        status.success(),
        "{command:?}: {status}; this test mounts a file system and needs root"
    );
}

#[test]
fn on_a_full_disk_reading_stops_and_goes_on_by_itself_when_there_is_room() {
    let folder = Folder::of_three_machines();
    let database = Database::fresh();
    let agent = Agent::on_directory(folder.path()).central(&database).with("schedule.poll", "1s");
    let _disk = small_disk(&agent.state_dir(), 3000);
    let ballast = agent.state_dir().join("something-else");
    let running = agent.run();
    running.wait_for_line("cycle:");
    fs::write(&ballast, vec![1; 2_300_000]).unwrap();
    let files = days(&folder, 12);
    running.wait_for_line("full");
    let said = running.log().matches("full").count();
    fs::remove_file(&ballast).unwrap();
    wait::until("all is in central", wait::PATIENCE, || {
        database.count("session_production") == 36 && agent.status_number("pending_sessions") == 0
    });
    assert!(said < 10, "a lasting failure is not told at every try: {said}");
    let output: Output = running.terminate().0.succeeded();
    assert!(output.stderr.contains("works again"), "{output}");
    assert_same("after the full disk", &central_sessions(&database), &truth_of(&files));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused_with_the_mend() {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    let _disk = small_disk(&agent.state_dir(), 1000);
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(agent.state_dir()));
    agent.once().exited(1).says("state_dir");
    agent.command(&["check"]).exited(1).says("state_dir");
}

#[test]
fn a_state_directory_of_another_owner_is_refused_with_the_mend() {
    let folder = Folder::of_three_machines();
    let agent = Agent::on_directory(folder.path());
    let may_all_read = fs::Permissions::from_mode(0o755);
    fs::create_dir(agent.state_dir()).unwrap();
    fs::set_permissions(agent.state_dir(), fs::Permissions::from_mode(0o700)).unwrap();
    // Where a stranger can run it: a checkout may be readable to its owner alone.
    let program = agent.dir().join("cu-agent");
    fs::copy(env!("CARGO_BIN_EXE_cu-agent"), &program).unwrap();
    agent.command(&["status"]);
    for path in [agent.dir(), &program, &agent.config_file()] {
        fs::set_permissions(path, may_all_read.clone()).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("--config")
        .arg(agent.config_file())
        .arg("once")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("agent.state_dir") && said.contains("owner"), "{said}");
}
