//! What an update is refused for, or waits for: one clear line, an exit code, and nothing changed.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::Value;

use crate::{
    asked::{Gateway, offered, shut_window},
    publisher::{Publisher, architecture, run},
    support::{
        clock::{Wrong, WrongClock, YEAR},
        net::Proxy,
        process, wait,
    },
};

#[test]
fn an_update_that_nothing_stands_in_the_way_of_is_announced_by_check() {
    let (_publisher, gateway) = offered();
    gateway.check().succeeded().says("version 0.3.0 would be installed over 0.2.0");
    assert_eq!(gateway.cached(), Vec::<String>::new(), "check fetches no package");
}

#[test]
fn the_installed_version_is_up_to_date() {
    let (publisher, gateway) = offered();
    publisher.publish("0.2.0", &[]);
    gateway.refuses(0, &["up to date", "0.2.0"]);
}

#[test]
fn a_manifest_that_somebody_else_signed_or_changed_is_not_believed() {
    let (publisher, gateway) = offered();
    publisher.publish_by_a_stranger("0.3.0");
    gateway.refuses(3, &["refused", "signature", "update.public_key"]);
    publisher.publish("0.3.0", &[]);
    let manifest = publisher.file("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"0.3.0\"", "\"0.4.0\"")).unwrap();
    gateway.refuses(3, &["refused", "signature"]);
    fs::write(publisher.file("manifest.json.minisig"), "no signature").unwrap();
    gateway.refuses(3, &["refused", "signature"]);
    assert_eq!(gateway.status()["last"]["result"], "refused");
}

#[test]
fn an_older_version_is_refused() {
    let (publisher, gateway) = offered();
    publisher.pack("0.1.9", 1000);
    publisher.publish("0.1.9", &[]);
    gateway.refuses(3, &["refused", "0.1.9 is older than the installed 0.2.0"]);
}

#[test]
fn a_version_without_a_package_for_this_processor_is_refused() {
    let publisher = Publisher::new();
    publisher.pack("0.2.0", 1000);
    publisher.pack_for("riscv64", "0.3.0", 1000);
    publisher.publish("0.3.0", &[]);
    let gateway = Gateway::of(&publisher);
    gateway.refuses(3, &["refused", "no package for", "riscv64"]);
}

#[test]
fn a_package_that_is_another_than_the_manifest_means_is_refused() {
    let (publisher, gateway) = offered();
    let manifest = publisher.file("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"0.3.0\"", "\"0.3.1\"")).unwrap();
    publisher.sign();
    let output = gateway.agent.command(&["update", "apply"]).exited(3);
    output.says("refused").says("is cu-agent 0.3.0").says("lists cu-agent 0.3.1");
    gateway.is_as_it_was();
}

#[test]
fn a_package_with_another_hash_or_more_bytes_is_refused_and_thrown_away() {
    let (publisher, gateway) = offered();
    let package = publisher.file(&format!("cu-agent_0.3.0_{}.deb", architecture()));
    let whole = fs::read(&package).unwrap();
    let mut changed = whole.clone();
    changed[20_000] ^= 1;
    for (bytes, word) in [(changed, "SHA-256"), ([&whole[..], b"more"].concat(), "is larger than")]
    {
        fs::write(&package, bytes).unwrap();
        gateway.agent.command(&["update", "apply"]).exited(3).says("refused").says(word);
        gateway.is_as_it_was();
        let old = format!("cu-agent_0.2.0_{}.deb", architecture());
        assert_eq!(gateway.cached(), [old], "only the one to go back to is kept");
    }
    assert_eq!(gateway.status()["last"]["result"], "refused");
}

#[test]
fn a_download_that_is_cut_off_goes_on_from_there() {
    let publisher = Publisher::new();
    publisher.pack("0.2.0", 1000);
    publisher.pack("0.3.0", 3_000_000);
    publisher.publish("0.3.0", &[]);
    let mut gateway = Gateway::of(&publisher);
    let proxy = Proxy::to(publisher.port);
    gateway.agent.set("update.manifest_url", publisher.url_on(proxy.port));
    // So that nothing is installed when it is whole.
    gateway.agent.set("update.window", shut_window());
    proxy.limit(400_000);
    let part = thread::scope(|scope| {
        let applied = scope.spawn(|| gateway.agent.command(&["update", "apply"]));
        let cache = gateway.directory().join("cache");
        let part = wait_for_part(&cache, 500_000);
        proxy.refuse(true);
        proxy.cut();
        let output = applied.join().unwrap().exited(1);
        assert!(output.stderr.contains("the next run resumes the download"), "{output}");
        part
    });
    let got = fs::metadata(&part).unwrap().len();
    assert!((500_000..3_000_000).contains(&got), "{got}");
    assert_eq!(gateway.status()["last"]["result"], "failed");
    proxy.refuse(false);
    proxy.limit(0);
    gateway.agent.command(&["update", "apply"]).exited(3).says("not yet").says("window");
    assert!(!part.exists());
    assert_eq!(gateway.cached().len(), 2, "both packages are there and whole");
    wait::until("nginx has written its log", wait::PATIENCE, || {
        publisher.requests().contains(&format!("bytes={got}-"))
    });
    assert!(publisher.requests().lines().any(|line| line.starts_with("206 ")));
}

/// The part of a download, once it has so many bytes.
fn wait_for_part(cache: &Path, bytes: u64) -> PathBuf {
    let mut found = PathBuf::new();
    wait::until("some of the package has come", wait::PATIENCE, || {
        let Ok(entries) = fs::read_dir(cache) else { return false };
        let mut parts = entries.flatten().map(|entry| entry.path()).filter(|path| {
            let is_part = path.extension().is_some_and(|end| end == "part");
            is_part && fs::metadata(path).is_ok_and(|file| file.len() >= bytes)
        });
        parts.next().inspect(|path| found.clone_from(path)).is_some()
    });
    found
}

#[test]
fn a_part_of_another_file_is_thrown_away_and_the_package_fetched_whole() {
    let (_publisher, mut gateway) = offered();
    gateway.agent.set("update.window", shut_window());
    gateway.agent.command(&["update", "apply"]).exited(3);
    let cache = gateway.directory().join("cache");
    let whole = cache.join(format!("cu-agent_0.3.0_{}.deb", architecture()));
    let hash = {
        let output = Command::new("sha256sum").arg(&whole).output().unwrap();
        String::from_utf8(output.stdout).unwrap()[..16].to_owned()
    };
    let bytes = fs::read(&whole).unwrap();
    fs::write(whole.with_extension(format!("{hash}.part")), vec![7; 20_000]).unwrap();
    fs::remove_file(&whole).unwrap();
    gateway.agent.command(&["update", "apply"]).exited(3).says("window");
    assert_eq!(fs::read(&whole).unwrap(), bytes);
}

#[test]
fn outside_the_window_nothing_is_installed() {
    let (_publisher, mut gateway) = offered();
    let window = shut_window();
    gateway.agent.set("update.window", window.as_str());
    gateway.refuses(3, &["not yet", "0.3.0", &window]);
    let version = format!("cu-agent_0.3.0_{}.deb", architecture());
    assert!(gateway.cached().contains(&version), "it is fetched and waits");
    assert_eq!(gateway.status()["last"], Value::Null, "waiting is no result");
}

#[test]
fn while_a_machine_produces_nothing_is_installed() {
    let (_publisher, gateway) = offered();
    let today = "cu/20250603.LOG";
    gateway
        .logs
        .put(&today.replace("cu", "DEM12 (PVC)"), b"20250603 05:00:00|@StukUitgevoerd: 1\n");
    gateway.agent.once().succeeded();
    gateway.refuses(3, &["not yet", "DEM12", "is producing"]);
}

/// The agent is asked from another directory than the updater's own.
#[test]
fn by_a_relative_configuration_a_machine_that_produces_is_seen_too() {
    let (_publisher, gateway) = offered();
    gateway.logs.put("DEM12 (PVC)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1\n");
    gateway.agent.once().succeeded();
    let binary = process::binary(&BTreeMap::new());
    let output = Command::new(&binary[0])
        .args(&binary[1..])
        .current_dir(gateway.agent.dir())
        .env("DPKG_ADMINDIR", gateway.agent.dir().join("dpkg"))
        .args(["--config", "config.toml", "update", "check"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("DEM12") && said.contains("is producing"), "{said}");
}

#[test]
fn machines_that_are_said_to_produce_hold_an_update_off_for_a_bounded_time() {
    let (_publisher, mut gateway) = offered();
    gateway.logs.put("DEM12 (PVC)/20250603.LOG", b"20250603 05:00:00|@StukUitgevoerd: 1\n");
    gateway.agent.once().succeeded();
    gateway.agent.set("update.max_deferral", "2h");
    gateway.refuses(3, &["not yet", "DEM12", "0 h so far, at most 2 h by `update.max_deferral`"]);
    let file = gateway.directory().join("journal.json");
    let with_waited = |seconds: u64| {
        let mut journal: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert!(journal["deferral"]["last"].is_string(), "it is counted: {journal}");
        journal["deferral"]["waited_s"] = seconds.into();
        fs::write(&file, journal.to_string()).unwrap();
    };
    with_waited(3600);
    gateway.refuses(3, &["not yet", "1 h so far"]);
    with_waited(7200);
    gateway.check().succeeded().says("version 0.3.0 would be installed");
}

#[test]
fn what_the_agents_user_puts_into_its_directory_holds_no_update_off() {
    let (_publisher, gateway) = offered();
    gateway.agent.once().succeeded();
    let state = gateway.agent.state_dir();
    let theirs = |path: &Path| std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
    for name in ["cu-agent.lock", "buffer.db"] {
        let path = state.join(name);
        fs::remove_file(&path).unwrap();
        run(Command::new("mkfifo").arg(&path));
        gateway.check().succeeded().says("version 0.3.0 would be installed");
        fs::remove_file(&path).unwrap();
    }
    fs::File::create(state.join("buffer.db")).unwrap().set_len(1 << 42).unwrap();
    gateway.check().succeeded().says("version 0.3.0 would be installed");
    fs::remove_dir_all(&state).unwrap();
    std::os::unix::fs::symlink("/etc", &state).unwrap();
    theirs(&state);
    gateway.check().succeeded().says("version 0.3.0 would be installed");
}

#[test]
fn a_package_to_go_back_to_that_is_not_the_manifests_is_fetched_again_or_nothing_is_begun() {
    let (publisher, mut gateway) = offered();
    let window = shut_window();
    gateway.agent.set("update.window", window.as_str());
    let name = format!("cu-agent_0.2.0_{}.deb", architecture());
    let held = gateway.directory().join("cache").join(&name);
    gateway.agent.command(&["update", "apply"]).exited(3).says("window");
    // It is in the manifest: another file in its place is not gone back to.
    fs::write(&held, "rotten").unwrap();
    gateway.agent.command(&["update", "apply"]).exited(3).says("window");
    assert_eq!(fs::read(&held).unwrap(), fs::read(publisher.file(&name)).unwrap());
    // It is in no manifest any more, and no hash of it was noted.
    fs::remove_file(publisher.file(&name)).unwrap();
    publisher.publish("0.3.0", &[]);
    gateway.refuses(3, &["refused", "0.2.0", "could not be rolled back", "`previous`"]);
}

#[test]
fn a_rollout_and_a_time_to_wait_for_are_kept() {
    let (publisher, gateway) = offered();
    publisher.publish("0.3.0", &["--rollout", "0"]);
    gateway.refuses(3, &["not yet", "0 % of the gateways"]);
    publisher.publish("0.3.0", &["--not-before", "2099-01-01T20:00:00+01:00"]);
    gateway.refuses(3, &["not yet", "2099-01-01"]);
    publisher.publish("0.3.0", &["--not-before", "2026-01-01T20:00:00+01:00"]);
    gateway.check().succeeded();
}

#[test]
fn a_version_below_the_minimum_is_told_the_way() {
    let (publisher, gateway) = offered();
    publisher.publish("0.3.0", &["--minimum", "0.2.1"]);
    gateway.refuses(3, &["refused", "0.2.1", "by hand"]);
}

#[test]
fn an_update_that_could_not_be_undone_is_refused() {
    let publisher = Publisher::new();
    publisher.pack("0.3.0", 1000);
    publisher.publish("0.3.0", &[]);
    let gateway = Gateway::of(&publisher);
    gateway.refuses(3, &["refused", "0.2.0", "could not be rolled back"]);
}

#[test]
fn an_expired_certificate_and_one_of_an_unknown_issuer_get_their_own_words() {
    let publisher = Publisher::with_certificate(true);
    let gateway = Gateway::of(&publisher);
    for command in [&["update", "check"][..], &["update", "apply"]] {
        let output = gateway.agent.command(command).exited(1);
        assert!(output.stderr.contains("certificate has expired"), "{output}");
    }
    gateway.is_as_it_was();
    let (_publisher, mut gateway) = offered();
    gateway.agent.unset("update.ca_file");
    gateway.check().exited(1).says("unknown authority").says("update.ca_file");
    gateway.agent.set("update.manifest_url", "http://localhost/manifest.json");
    gateway.check().exited(2).says("update.manifest_url").says("https://");
}

#[test]
fn a_publisher_whose_certificate_is_its_own_authority_is_believed_if_the_file_holds_it() {
    let publisher = Publisher::self_signed();
    publisher.pack("0.2.0", 1000);
    publisher.pack("0.3.0", 50_000);
    publisher.publish("0.3.0", &[]);
    let mut gateway = Gateway::of(&publisher);
    gateway.check().succeeded().says("version 0.3.0 would be installed");
    gateway.agent.unset("update.ca_file");
    gateway.check().exited(1).says("self-signed").says("update.ca_file");
}

#[test]
fn by_a_clock_that_cannot_be_right_nothing_is_installed() {
    let (_publisher, mut gateway) = offered();
    let clock = WrongClock::given_to(&mut gateway.agent, Wrong::NeverSet);
    gateway.refuses(3, &["refused", "clock"]);
    // Years ahead the server's certificate has expired.
    clock.set(Wrong::By(3 * YEAR));
    gateway.check().exited(1).says("clock is ahead");
    clock.set(Wrong::By(0));
    gateway.check().succeeded();
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, kib: u32) -> Self {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={kib}k,mode=0755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at));
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

#[test]
fn a_disk_without_room_is_refused_before_anything_is_fetched() {
    let (_publisher, gateway) = offered();
    let _disk = SmallDisk::mount(&gateway.directory(), 4000);
    let output = gateway.agent.command(&["update", "apply"]).exited(3);
    output.says("refused").says("bytes are free").says("free some space");
    gateway.is_as_it_was();
    assert_eq!(gateway.cached(), Vec::<String>::new());
}

#[test]
fn a_server_that_is_away_or_has_nothing_fails_and_is_asked_again() {
    let (publisher, mut gateway) = offered();
    fs::remove_file(publisher.file("manifest.json")).unwrap();
    gateway.check().exited(1).says("404");
    gateway.agent.set("update.manifest_url", "https://localhost:1/manifest.json");
    gateway.check().exited(1).says("cannot fetch https://localhost:1/manifest.json");
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    let (_publisher, gateway) = offered();
    fs::create_dir_all(gateway.directory()).unwrap();
    fs::set_permissions(gateway.directory(), fs::Permissions::from_mode(0o777)).unwrap();
    let output = gateway.agent.command(&["update", "apply"]).exited(1);
    assert!(output.stderr.contains("is writable by users other"), "{output}");
}

#[test]
fn without_a_section_updates_are_off_and_a_package_is_needed() {
    let (_publisher, mut gateway) = offered();
    fs::write(gateway.agent.dir().join("dpkg/status"), "").unwrap();
    gateway.check().exited(3).says("not installed as a Debian package");
    gateway.agent.unset("update");
    gateway.agent.command(&["update", "apply"]).succeeded().says("self-update is off");
    gateway.check().exited(2).says("[update]");
}
