//! `cu-agent check` against `cu-agent run`, both as the real binary: what keeps the service from starting, or what
//! it complains of at its start, makes `check` fail and is named by it; and nothing else does.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::PathBuf,
    time::Instant,
};

use rusqlite::Connection;

use crate::support::{
    agent::Agent,
    folder::Folder,
    net::free_port,
    process::{OTHER_BINARY, Running, wrapped},
    seed::seed,
    wait,
};

/// An agent for which everything is as it should be.
struct Scene {
    agent: Agent,
    folder: Folder,
    /// What a fault needs for as long as it lasts.
    _listener: Option<TcpListener>,
}

impl Scene {
    fn sound() -> Self {
        let folder = Folder::of_three_machines();
        for name in ["DEM12 (PVC)", "DEMALU (ALU)", "SU12 (HYBRIDE)"] {
            folder.put(&format!("{name}/20250603.LOG"), b"20250603 05:00:00|@StukUitgevoerd: 1\n");
        }
        let mut agent = Agent::on_directory(folder.path());
        agent.set("status.listen", format!("127.0.0.1:{}", free_port()));
        agent.once().succeeded();
        Self { agent, folder, _listener: None }
    }

    fn state(&self, name: &str) -> PathBuf {
        self.agent.state_dir().join(name)
    }
}

/// What is planted, and what names it.
struct Fault {
    name: &'static str,
    plant: fn(&mut Scene),
    /// In what `check` prints.
    check_says: &'static str,
    /// In what `run` prints or logs.
    run_says: &'static str,
    /// The configuration is refused as a whole: nothing else can be named beside it.
    is_refusal: bool,
}

const fn fault(
    name: &'static str,
    plant: fn(&mut Scene),
    check_says: &'static str,
    run_says: &'static str,
) -> Fault {
    Fault { name, plant, check_says, run_says, is_refusal: false }
}

const fn refusal(name: &'static str, plant: fn(&mut Scene), says: &'static str) -> Fault {
    Fault { name, plant, check_says: says, run_says: says, is_refusal: true }
}

const FAULTS: [Fault; 18] = [
    fault(
        "the state directory is a file",
        |scene| {
            let path = scene.agent.dir().join("file");
            fs::write(&path, "").unwrap();
            scene.agent.set("agent.state_dir", path.to_str().unwrap());
        },
        "FAIL  buffer: cannot create the state directory",
        "cannot create the state directory",
    ),
    fault(
        "the state directory is below a file",
        |scene| {
            let path = scene.agent.dir().join("below");
            fs::write(&path, "").unwrap();
            scene.agent.set("agent.state_dir", path.join("state").to_str().unwrap());
        },
        "FAIL  buffer: cannot create the state directory",
        "cannot create the state directory",
    ),
    fault(
        "the lock is a directory",
        |scene| {
            fs::remove_file(scene.state("cu-agent.lock")).unwrap();
            fs::create_dir(scene.state("cu-agent.lock")).unwrap();
        },
        "cu-agent.lock is a directory",
        "cu-agent.lock is a directory",
    ),
    fault(
        "the buffer is a link",
        |scene| {
            fs::rename(scene.agent.buffer(), scene.agent.dir().join("elsewhere")).unwrap();
            symlink(scene.agent.dir().join("elsewhere"), scene.agent.buffer()).unwrap();
        },
        "buffer.db is a symbolic link",
        "buffer.db is a symbolic link",
    ),
    fault(
        "the buffer is of a newer release",
        |scene| {
            let buffer = Connection::open(scene.agent.buffer()).unwrap();
            buffer.pragma_update(None, "user_version", 99).unwrap();
        },
        "was written by a newer cu-agent",
        "was written by a newer cu-agent",
    ),
    fault(
        "the buffer is damaged",
        |scene| {
            for end in ["-wal", "-shm"] {
                fs::remove_file(scene.state(&format!("buffer.db{end}"))).ok();
            }
            fs::write(scene.agent.buffer(), "bonjour, bonjour, bonjour").unwrap();
        },
        "FAIL  buffer: damaged",
        "it was renamed to",
    ),
    fault(
        "something stands where health is answered",
        |scene| fs::create_dir(scene.state("health.sock")).unwrap(),
        "FAIL  agent: `cu-agent health` would get no answer",
        "so cu-agent health gets no answer",
    ),
    fault(
        "the state directory's path is too long for a socket",
        |scene| {
            let path = scene.agent.dir().join("d".repeat(100));
            scene.agent.set("agent.state_dir", path.join("state").to_str().unwrap());
        },
        "FAIL  agent: `cu-agent health` would get no answer",
        "so cu-agent health gets no answer",
    ),
    fault(
        "another program has the page's port",
        |scene| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            scene.agent.set("status.listen", listener.local_addr().unwrap().to_string());
            scene._listener = Some(listener);
        },
        "FAIL  page: another program listens at",
        "cannot serve the status page",
    ),
    fault(
        "the page's address is another computer's",
        |scene| scene.agent.set("status.listen", "203.0.113.7:8080"),
        "FAIL  page: cannot listen at 203.0.113.7:8080",
        "cannot serve the status page",
    ),
    fault(
        "the source's directory is missing",
        |scene| scene.agent.set("source.0.path", "/nonexistent/stick"),
        "FAIL  source cu: cannot read the directory /nonexistent/stick",
        "cannot read the directory /nonexistent/stick",
    ),
    fault(
        "a folder is missing",
        |scene| fs::remove_dir_all(scene.folder.file("SU12 (HYBRIDE)")).unwrap(),
        "folders missing: \"SU12 (HYBRIDE)\"",
        "folders missing, their machines are not read: \"SU12 (HYBRIDE)\"",
    ),
    fault(
        "the authority for alarms is missing",
        |scene| {
            scene.agent.set("alarms.url", "https://127.0.0.1:1/x");
            scene.agent.set("alarms.ca_file", "/nonexistent/ca.pem");
        },
        "FAIL  alarms: ",
        "alarms are off",
    ),
    fault(
        "central does not listen",
        |scene| {
            let password = scene.agent.secret("central.password", "x");
            scene.agent.set("central.host", "127.0.0.1");
            scene.agent.set("central.port", i64::from(free_port()));
            scene.agent.set("central.database", "x");
            scene.agent.set("central.user", "x");
            scene.agent.set("central.password_file", password.to_str().unwrap());
        },
        "FAIL  central: cannot reach central",
        "cannot reach central",
    ),
    refusal(
        "a token that cannot be read",
        |scene| {
            scene.agent.set("alarms.url", "https://127.0.0.1:1/x");
            scene.agent.set("alarms.token_file", "/nonexistent/token");
        },
        "alarms.token_file",
    ),
    refusal(
        "an address for alarms that is none",
        |scene| scene.agent.set("alarms.url", "ntfy.usine.lan"),
        "alarms.url",
    ),
    refusal(
        "a public key that is none",
        |scene| {
            scene.agent.set("update.manifest_url", "https://x.example/manifest.json");
            scene.agent.set("update.public_key", "RWQ");
        },
        "update.public_key",
    ),
    refusal("a key that is none", |scene| scene.agent.set("agent.stat_dir", "x"), "agent.stat_dir"),
];

/// Waits until the service has ended or says `words`; whether it did either.
fn fails_or_says(mut running: Running, words: &[&str]) -> (bool, String) {
    let deadline = Instant::now() + wait::PATIENCE;
    loop {
        let log = running.log();
        if words.iter().all(|word| log.contains(word)) {
            return (true, log);
        }
        if !running.is_running() {
            let output = running.output(wait::PATIENCE);
            return (output.code != 0, output.to_string());
        }
        if Instant::now() > deadline {
            return (false, log);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn what_is_sound_passes_check_and_run_has_nothing_to_complain_of() {
    let scene = Scene::sound();
    let check = scene.agent.command(&["check"]).succeeded().says("can be listened at");
    assert!(!check.stdout.contains("FAIL"), "{check}");
    let running = scene.agent.run();
    running.wait_for_line("cycle:");
    running.page();
    let check = scene.agent.command(&["check"]).succeeded();
    let check = check.says("ok    agent: running: ").says("is served by the running agent");
    assert!(!check.stdout.contains("FAIL"), "a running agent is no fault\n{check}");
    let (output, _) = running.terminate();
    output.succeeded().does_not_say("[WARN]").does_not_say("[ERROR]");
    let kept: Vec<_> = fs::read_dir(scene.agent.state_dir()).unwrap().collect();
    assert!(kept.len() <= 5, "check leaves nothing: {kept:?}");
}

#[test]
fn whatever_keeps_run_from_working_fails_check_and_is_named_by_it() {
    for Fault { name, plant, check_says, run_says, .. } in &FAULTS {
        let mut scene = Scene::sound();
        plant(&mut scene);
        let check = scene.agent.command(&["check"]);
        assert_ne!(check.code, 0, "{name}: {check}");
        let check = check.says(check_says);
        let (has_failed, said) = fails_or_says(scene.agent.run(), &[run_says]);
        assert!(has_failed && said.contains(run_says), "{name}: {said}\n{check}");
    }
}

#[test]
fn of_two_faults_drawn_at_random_check_names_both() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..8 {
        let (one, other) =
            (&FAULTS[rng.usize(0..FAULTS.len())], &FAULTS[rng.usize(0..FAULTS.len())]);
        let are_of_state = |fault: &Fault| {
            fault.name.contains("state directory")
                || fault.name.contains("buffer")
                || fault.name.contains("lock")
                || fault.name.contains("health")
                || fault.name.contains("page's")
        };
        // Two of one place are one fault, and behind a refusal nothing is looked at.
        if one.is_refusal || other.is_refusal || (are_of_state(one) && are_of_state(other)) {
            continue;
        }
        let mut scene = Scene::sound();
        (one.plant)(&mut scene);
        if one.name != other.name {
            (other.plant)(&mut scene);
        }
        let what = format!("seed {seed}: {} and {}", one.name, other.name);
        let check = scene.agent.command(&["check"]);
        assert_eq!(check.code, 1, "{what}: {check}");
        for fault in [one, other] {
            let is_named = check.stdout.contains(fault.check_says)
                // A folder of a directory that is not there is not looked for.
                || fault.name == "a folder is missing" && check.stdout.contains("/nonexistent/stick");
            assert!(is_named, "{what}: {} is not named\n{check}", fault.name);
        }
        let (has_failed, said) = fails_or_says(scene.agent.run(), &[one.run_says, other.run_says]);
        assert!(has_failed || said.contains(one.run_says), "{what}: {said}");
    }
}

#[test]
fn files_that_the_services_user_cannot_read_and_a_directory_that_it_cannot_write_fail_check() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let user = wrapped("setpriv --reuid=12345 --regid=12345 --clear-groups");
    let mut scene = Scene::sound();
    fs::set_permissions(scene.agent.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(scene.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Not writable by the service's user: root's own directory, asked as that user.
    scene.agent.set_environment(OTHER_BINARY, &user);
    fs::set_permissions(scene.agent.config_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let fresh = scene.agent.dir().join("fresh");
    fs::create_dir(&fresh).unwrap();
    let old = scene.agent.text("agent.state_dir");
    scene.agent.set("agent.state_dir", fresh.to_str().unwrap());
    let check = scene.agent.command(&["check"]).exited(1);
    check.says("FAIL  buffer: cannot write to the state directory");
    let (has_failed, said) = fails_or_says(scene.agent.run(), &["never said"]);
    assert!(has_failed, "{said}");
    // Asked as root, which becomes the owner of the state directory.
    scene.agent.set_environment(OTHER_BINARY, &wrapped("env"));
    scene.agent.set("agent.state_dir", old);
    for entry in fs::read_dir(scene.agent.state_dir()).unwrap() {
        chown(entry.unwrap().path(), Some(12345), Some(12345)).unwrap();
    }
    chown(scene.agent.state_dir(), Some(12345), Some(12345)).unwrap();
    scene.agent.command(&["check"]).succeeded();
    let token = scene.agent.secret("token", "x");
    scene.agent.set("alarms.url", "https://127.0.0.1:1/x");
    scene.agent.set("alarms.token_file", token.to_str().unwrap());
    fs::set_permissions(scene.agent.config_file(), fs::Permissions::from_mode(0o600)).unwrap();
    let check = scene.agent.command(&["check"]).exited(1);
    let config = format!("cannot read {}", scene.agent.config_file().display());
    check.says(&config).says(&format!("cannot read {}", token.display()));
    scene.agent.set_environment(OTHER_BINARY, &user);
    let (has_failed, said) = fails_or_says(scene.agent.run(), &["never said"]);
    assert!(has_failed, "{said}");
}
