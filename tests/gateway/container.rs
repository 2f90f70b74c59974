//! The agent as a container on the emulated gateway: the image is built there, from the static binary and nothing
//! else, and systemd starts it from the quadlet, after a reboot too.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    field::{Field, HOST},
    package,
    support::postgres::PASSWORD,
};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What `podman build` is given on the gateway: the program of the package, and the files of `docker/`.
fn context(folder: &Path) -> PathBuf {
    let root = folder.join("package");
    let unpacked =
        Command::new("dpkg-deb").arg("--extract").args([&package::this(), &root]).status();
    assert!(unpacked.unwrap().success());
    let context = folder.join("context");
    let place = context.join("target/cross/aarch64");
    fs::create_dir_all(&place).unwrap();
    fs::create_dir_all(context.join("docker/state")).unwrap();
    fs::copy(root.join("usr/bin/cu-agent"), place.join("cu-agent")).unwrap();
    for file in ["docker/Dockerfile", "docker/Dockerfile.dockerignore", "docker/cu-agent.container"]
    {
        fs::copy(source(file), context.join(file)).unwrap();
    }
    context
}

#[test]
#[ignore = "needs podman on the card: make gateway-container"]
fn the_quadlet_is_started_by_systemd_collects_is_healthy_and_comes_back_after_a_reboot() {
    let folder = tempfile::tempdir().unwrap();
    let context = context(folder.path());
    let mut field = Field::new(9);
    field.board.switch_on(&[&context]);
    field.board.wait_for_shell();
    field.board.plug_in();
    println!("{}", field.board.sh("podman --version").succeeded().stdout.trim());

    // The image holds the program and nothing else.
    let build = "cd /run/stick/context && podman build --quiet --build-arg TARGET=aarch64 \
         --file docker/Dockerfile --ignorefile docker/Dockerfile.dockerignore --tag localhost/cu-agent .";
    field.board.sh(build).succeeded();
    let held = "c=$(podman create localhost/cu-agent) && podman export $c | tar -t | grep -v '/$' | \
         grep -vE '^(dev|etc|proc|run|sys)(/|$)'; podman rm $c >/dev/null";
    assert_eq!(field.board.sh(held).stdout.trim(), "usr/bin/cu-agent");

    // As the file itself tells.
    let config =
        field.config(HOST).replacen("[agent]\n", "[agent]\nstate_dir = \"/var/lib/cu-agent\"\n", 1);
    let (ftp, central) = (field.server.password(), PASSWORD);
    let place = format!(
        "install -d -m 755 /etc/cu-agent /etc/containers/systemd\n\
         cat >/etc/cu-agent/container.toml <<'CONFIG'\n{config}CONFIG\n\
         printf '%s\\n' '{ftp}' | podman secret create cu-agent-ftp-password -\n\
         printf '%s\\n' '{central}' | podman secret create cu-agent-central-password -\n\
         install -m 644 /run/stick/context/docker/cu-agent.container /etc/containers/systemd/\n\
         /usr/libexec/podman/quadlet -dryrun"
    );
    let unit = field.board.sh(&place).succeeded().says("ExecStart=/usr/bin/podman run");
    println!("{}", unit.stdout);
    field.board.sh("systemctl daemon-reload && systemctl start cu-agent").succeeded();
    field.wait_until_active();
    field.day();
    println!("rows that central has, by a container: {}", delivered(&field));
    is_confined(&field);
    is_healthy(&field);

    field.board.reboot();
    field.wait_until_active();
    field.day();
    println!("rows that central has after a reboot: {}", delivered(&field));
    is_healthy(&field);

    // An end that was asked for, and none by force.
    field.board.sh("systemctl stop cu-agent").succeeded();
    assert_eq!(field.board.property("cu-agent", "Result"), "success");
    field.board.shut_down();
}

fn delivered(field: &Field) -> usize {
    field.assert_becomes_equal_by(|| {
        let status = field.board.sh("podman exec cu-agent /usr/bin/cu-agent status --json");
        serde_json::from_str(&status.stdout).unwrap_or(Value::Null)
    })
}

fn is_confined(field: &Field) {
    let limits = field
        .board
        .sh("grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$(podman inspect --format '{{.State.Pid}}' cu-agent)/status")
        .succeeded();
    for (name, value) in [
        ("Uid:", "10001"),
        ("CapEff:", "0000000000000000"),
        ("CapBnd:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
        ("Seccomp:", "2"),
    ] {
        let line = limits.stdout.lines().find(|line| line.starts_with(name));
        assert_eq!(line.and_then(|line| line.split_whitespace().nth(1)), Some(value), "{limits}");
    }
    let settings = field
        .board
        .sh("podman inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}' cu-agent");
    assert_eq!(settings.stdout.trim(), "true 64 268435456");
}

/// By the health check that podman's own timer runs.
fn is_healthy(field: &Field) {
    field.wait("podman has seen it healthy", || {
        field.board.sh("podman inspect --format '{{.State.Health.Status}}' cu-agent").stdout.trim()
            == "healthy"
    });
}
