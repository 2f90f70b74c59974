//! What the package holds, by the tools that judge and read such things.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    gateway::install,
    packages::{self, THIS},
    release,
    support::debian::{Architecture, Machine, Suite},
};

fn output(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn lintian_finds_neither_an_error_nor_a_warning() {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), Into::into);
    let mut judged = vec![packages::of_this_build(THIS)];
    // And those of the gateways that are built here.
    for (of, architecture) in [("aarch64", "arm64"), ("armv6", "armhf")] {
        let binary = target.join("cross").join(of).join("cu-agent");
        if binary.exists() {
            judged.push(packages::wrapped(&binary, architecture, THIS));
        }
    }
    for package in judged {
        let (_, said) = output(
            Command::new("lintian")
                .args(["--allow-root", "--no-cfg", "--show-overrides", "--fail-on", "none"])
                .arg(&package),
        );
        let found: Vec<&str> =
            said.lines().filter(|line| line.starts_with("E:") || line.starts_with("W:")).collect();
        assert!(found.is_empty(), "{}\n{said}", package.display());
        // It did look: the passwords' modes are overridden, and that is said.
        assert!(said.contains("O: cu-agent: non-standard-file-perm"), "{said}");
    }
}

#[test]
fn the_package_holds_every_unit_and_the_configuration_as_conffiles() {
    let package = packages::of_this_build(THIS);
    let (done, listed) = output(Command::new("dpkg-deb").arg("--contents").arg(&package));
    assert!(done, "{listed}");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    for unit in std::fs::read_dir(units).unwrap() {
        let name = unit.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".service") || name.ends_with(".timer") {
            assert!(listed.contains(&format!("./usr/lib/systemd/system/{name}\n")), "{listed}");
        }
    }
    let (done, conffiles) =
        output(Command::new("dpkg-deb").arg("--info").arg(&package).arg("conffiles"));
    assert!(done, "{conffiles}");
    let mut conffiles: Vec<&str> = conffiles.lines().collect();
    conffiles.sort_unstable();
    assert_eq!(
        conffiles,
        [
            "/etc/cu-agent/central.password",
            "/etc/cu-agent/config.toml",
            "/etc/cu-agent/ftp.password"
        ]
    );
}

#[test]
fn the_package_shows_every_dashboard_and_rule_as_an_example() {
    let package = packages::of_this_build(THIS);
    let (done, listed) = output(Command::new("dpkg-deb").arg("--contents").arg(&package));
    assert!(done, "{listed}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("grafana"), root.join("prometheus")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let shown = format!("./usr/share/doc/cu-agent/examples/{name}\n");
            assert!(listed.contains(&shown), "{name} in {listed}");
            files += 1;
        }
    }
    assert!(files >= 12, "{files}");
}

#[test]
fn a_binary_of_another_processor_is_not_wrapped() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/deb.sh");
    let folder = tempfile::tempdir().unwrap();
    let (done, said) = output(
        Command::new(script)
            .arg(env!("CARGO_BIN_EXE_cu-agent"))
            .args(["arm64", "1.0"])
            .arg(folder.path()),
    );
    assert!(!done && said.contains("not for arm64"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_completion_is_a_script_that_bash_takes() {
    let completion = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/completion/cu-agent.bash");
    let (done, said) = output(
        Command::new("bash").args(["-c", "source \"$0\" && complete -p cu-agent"]).arg(completion),
    );
    assert!(done && said.contains(" -F _cu__agent cu-agent"), "{said}");
}

#[test]
#[ignore = "long: make test-package-all"]
fn podman_s_own_generator_makes_a_unit_of_the_quadlet_in_the_package() {
    let machine = Machine::new(Suite::Trixie, Architecture::Amd64);
    release::connect(&machine);
    machine.sh("apt-get --quiet update && apt-get --quiet --yes --no-install-recommends install podman crun").succeeded();
    install(&machine, &packages::of_this_build(THIS)).succeeded();
    machine
        .sh("install -D -m 644 -t /etc/containers/systemd /usr/share/doc/cu-agent/examples/podman/cu-agent.container")
        .succeeded();
    let unit = machine.run(&["/usr/libexec/podman/quadlet", "-dryrun"]).succeeded();
    let start = unit.stdout.lines().find(|line| line.starts_with("ExecStart=")).unwrap_or_default();
    for option in [
        "--read-only",
        "--cap-drop",
        "no-new-privileges",
        "--user",
        "--health-cmd",
        "--secret",
        "--stop-timeout",
    ] {
        assert!(start.contains(option), "{option}\n{unit}");
    }
    let mut settings = unit.stdout.lines().filter(|line| !line.starts_with('#'));
    assert!(
        !settings.any(|line| line.contains("network-online")),
        "it waits for a network\n{unit}"
    );
}
