//! The state directory belongs to the agent's user, who may put anything there: root does not follow,
//! and a command means the same wherever it is started.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::{Command, Output},
};

use crate::support::{agent::Agent, folder::Folder, golden, process};

/// A user of whom the system knows nothing.
const USER: u32 = 54_321;

fn may_all_read(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An agent whose folders everybody can get to, with a state directory of [`USER`]'s.
fn of_another_user() -> (Agent, Folder) {
    let folder = Folder::of_case(&golden::case("clean"));
    let agent = Agent::on_directory(folder.path());
    fs::create_dir(agent.state_dir()).unwrap();
    chown(agent.state_dir(), Some(USER), Some(USER)).unwrap();
    fs::set_permissions(agent.state_dir(), fs::Permissions::from_mode(0o750)).unwrap();
    may_all_read(agent.dir());
    may_all_read(folder.path());
    (agent, folder)
}

#[test]
fn root_works_as_the_owner_of_the_state_directory() {
    let (agent, folder) = of_another_user();
    agent.once().succeeded().says("now running as #54321");
    for command in [&["replay"][..], &["check"], &["status"], &["sessions"]] {
        agent.command(command).succeeded();
    }
    let log = folder.file("DEM12 (PVC)/20250526.LOG");
    agent.command(&["import", "--machine", "DEM12", log.to_str().unwrap()]).succeeded();
    let running = agent.run();
    running.wait_for_line("cycle:");
    running.terminate().0.succeeded();
    let mut seen = Vec::new();
    for entry in fs::read_dir(agent.state_dir()).unwrap() {
        let entry = entry.unwrap();
        let found = fs::symlink_metadata(entry.path()).unwrap();
        assert_eq!((found.uid(), found.gid()), (USER, USER), "{:?}", entry.file_name());
        seen.push(entry.file_name().into_string().unwrap());
    }
    assert!(seen.contains(&"buffer.db".to_owned()) && seen.contains(&"cu-agent.lock".to_owned()));
}

#[test]
fn a_link_in_the_state_directory_leads_root_nowhere() {
    let target = tempfile::tempdir().unwrap();
    let victim = target.path().join("victim");
    for name in ["cu-agent.lock", "buffer.db", "buffer.db-wal", "buffer.db-shm"] {
        let (agent, _folder) = of_another_user();
        if name.starts_with("buffer.db-") {
            agent.once().succeeded();
        }
        fs::write(&victim, "untouched").unwrap();
        let link = agent.state_dir().join(name);
        let _ = fs::remove_file(&link);
        symlink(&victim, &link).unwrap();
        let output = agent.once();
        assert_ne!(output.code, 0, "{name}: {output}");
        assert!(
            output.stderr.contains("symbolic link") && output.stderr.contains(name),
            "{output}"
        );
        assert_eq!(fs::read(&victim).unwrap(), b"untouched", "{name}");
    }
    // The directory itself as a link of that user's into one of root's.
    let (agent, _folder) = of_another_user();
    let theirs = agent.dir().join("theirs");
    fs::create_dir(&theirs).unwrap();
    chown(&theirs, Some(USER), Some(USER)).unwrap();
    let link = theirs.join("state");
    symlink(target.path(), &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(USER), Some(USER)).unwrap();
    let agent = agent.with("agent.state_dir", link.to_str().unwrap());
    assert_ne!(agent.once().code, 0);
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 1, "only what was there");
}

#[test]
fn a_pipe_in_the_place_of_lock_buffer_or_socket_holds_up_no_command() {
    for name in ["cu-agent.lock", "buffer.db", "health.sock"] {
        let folder = Folder::of_case(&golden::case("clean"));
        let agent = Agent::on_directory(folder.path());
        agent.once().succeeded();
        let path = agent.state_dir().join(name);
        let _ = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        for command in
            [&["once"][..], &["status"], &["health"], &["sessions"], &["check"], &["replay"]]
        {
            let output = agent.command(command);
            // status tells of the buffer, whoever holds the lock.
            let may_go_on = name == "health.sock" || name == "cu-agent.lock" && command != ["once"];
            assert!(output.code != 0 || may_go_on, "{name} {command:?}: {output}");
        }
    }
}

/// Runs a command in `directory` with the configuration as it is called from there.
fn run_in(directory: &Path, config: &str, arguments: &[&str]) -> Output {
    let binary = process::binary(&BTreeMap::new());
    Command::new(&binary[0])
        .args(&binary[1..])
        .current_dir(directory)
        .args(["--config", config])
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_relative_configuration_is_as_good_as_an_absolute_one() {
    let root = tempfile::tempdir().unwrap();
    let plant = root.path().join("plant");
    fs::create_dir_all(plant.join("logs/DEM12 (PVC)")).unwrap();
    fs::write(
        plant.join("logs/DEM12 (PVC)/20250603.LOG"),
        "20250603 05:00:00|@StukUitgevoerd: 1\n",
    )
    .unwrap();
    fs::write(
        plant.join("cu.toml"),
        "[agent]\nid = \"a\"\nstate_dir = \"state\"\n[[source]]\nname = \"cu\"\n\
         kind = \"directory\"\npath = \"logs\"\n[source.folders]\n\
         \"DEM12 (PVC)\" = { nom = \"DEM12\", type_cu = \"DEM12\" }\n",
    )
    .unwrap();
    let absolute = plant.join("cu.toml");
    let elsewhere = root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for command in [&["once"][..], &["check"], &["status", "--json"], &["sessions"], &["replay"]] {
        let expected = run_in(Path::new("/"), absolute.to_str().unwrap(), command);
        assert!(expected.status.success(), "{command:?}: {expected:?}");
        for (directory, config) in
            [(&plant, "cu.toml"), (&plant, "./cu.toml"), (&elsewhere, "../plant/cu.toml")]
        {
            let output = run_in(directory, config, command);
            assert!(output.status.success(), "{config} {command:?}: {output:?}");
            if command[0] == "status" || command[0] == "sessions" {
                let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
                assert_eq!(text(&output), text(&expected), "{config} {command:?}");
            }
        }
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing is made where it is run");
}
