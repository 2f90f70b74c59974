//! What the package holds, by the tools that judge and read such things.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::packages::{self, THIS};

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
