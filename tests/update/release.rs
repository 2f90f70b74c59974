//! The folder that `packaging/release.sh` makes: apt and the updater of a real Debian are pointed at it. What a
//! publisher has forgotten is refused.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    gateway::Gateway,
    publisher::{Publisher, run},
};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const NEXT: &str = "0.2.0";

/// A copy of this source that is a git repository of its own, and a keyring of gpg.
struct Source {
    folder: TempDir,
    keyring: TempDir,
}

impl Source {
    fn new() -> Self {
        let own =
            Self { folder: tempfile::tempdir().unwrap(), keyring: tempfile::tempdir().unwrap() };
        run(Command::new("bash")
            .args(["-c", "git ls-files -z --cached --others --exclude-standard |
                while IFS= read -r -d '' file; do [ ! -e \"$file\" ] || printf '%s\\0' \"$file\"; done |
                tar --create --null --files-from - | tar --extract --directory \"$0\""])
            .arg(own.folder.path())
            .current_dir(REPOSITORY));
        own.git(&["init", "--quiet"]);
        own.commit();
        own
    }

    fn git(&self, arguments: &[&str]) {
        run(Command::new("git")
            .args(["-c", "user.name=test", "-c", "user.email=test@example.org"])
            .args(arguments)
            .current_dir(self.folder.path()));
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "test"]);
    }

    fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.folder.path().join(file);
        let before = fs::read_to_string(&path).unwrap();
        let after = change(before.clone());
        assert_ne!(before, after, "{file}");
        fs::write(path, after).unwrap();
    }

    /// What a publisher does before a release.
    fn prepare(&self) {
        self.edit("SECURITY.md", |text| text.replace(".example", ".org"));
        let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
        let next = format!("version = \"{NEXT}\"");
        self.edit("Cargo.toml", |text| {
            text.replacen(&version, &next, 1).replace("@cu-agent.example", "@plant.org")
        });
        self.edit("Cargo.lock", |text| {
            let package = "name = \"cu-agent\"\n";
            text.replace(&format!("{package}{version}"), &format!("{package}{next}"))
        });
        self.edit("packaging/changelog", |text| {
            let entry = format!(
                "cu-agent ({NEXT}) unstable; urgency=medium\n\n  * Better.\n\n \
                 -- The plant <it@plant.org>  Mon, 30 Nov 2026 10:00:00 +0000\n\n"
            );
            entry + &text.replace("@cu-agent.example", "@plant.org")
        });
        self.edit("CHANGELOG.md", |text| {
            text.replace("## [Unreleased]", &format!("## [Unreleased]\n\n## [{NEXT}] - 2026-11-30"))
        });
        self.commit();
    }

    /// gpg leaves an agent running: it ends with the process namespace.
    fn in_own_namespace(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(program)
            .env("GNUPGHOME", self.keyring.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn key_of_gpg(&self) {
        run(self.in_own_namespace(Path::new("gpg")).args([
            "--quiet",
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "releases@plant.org",
        ]));
    }

    fn release(&self, arguments: &[&str]) -> (bool, String) {
        let script = self.folder.path().join("packaging/release.sh");
        // The tools that packaging/deb.sh has built already.
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(REPOSITORY).join("target"), PathBuf::from);
        let output = self
            .in_own_namespace(&script)
            .args(arguments)
            .env("CARGO_TARGET_DIR", target)
            .env("DEB_FAST", "1")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// This build as the binary of a target, without its symbols.
fn binaries() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("x86_64")).unwrap();
    let binary = folder.path().join("x86_64/cu-agent");
    run(Command::new("strip").arg("-o").arg(binary).arg(env!("CARGO_BIN_EXE_cu-agent")));
    folder
}

/// Releases this build after what `publisher` has published, into `out`.
fn released(publisher: &Publisher, out: &Path) {
    let source = Source::new();
    source.prepare();
    source.key_of_gpg();
    let binaries = binaries();
    let (key, previous) = (publisher.key("own"), publisher.folder());
    let options = [
        ("--key", key.as_path()),
        ("--gpg-key", Path::new("releases@plant.org")),
        ("--out", out),
        ("--previous", previous.as_path()),
        ("--rollout", Path::new("100")),
        ("--binaries", binaries.path()),
    ];
    let mut arguments: Vec<&str> =
        options.iter().flat_map(|(name, value)| [*name, value.to_str().unwrap()]).collect();
    arguments.push(NEXT);
    let (is_made, said) = source.release(&arguments);
    assert!(is_made, "{said}");
}

/// Every file is in the list, whose signature is right, or has a signature of its own.
fn is_signed(publisher: &Publisher, out: &Path) {
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(out));
    for signed in ["SHA256SUMS", "manifest.json"] {
        run(Command::new("minisign")
            .args(["-V", "-m", signed, "-P", &publisher.public_key()])
            .current_dir(out));
    }
    let sums = fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let mut unlisted: Vec<String> = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !sums.lines().any(|line| line.ends_with(&format!("  {name}"))))
        .collect();
    unlisted.sort();
    let own = ["InRelease", "Release", "Release.gpg", "SHA256SUMS", "SHA256SUMS.minisig"];
    assert_eq!(unlisted, [&own[..], &["manifest.json", "manifest.json.minisig"]].concat());
}

/// The image's folder has what its recipe names.
fn has_an_image(out: &Path) {
    let listed = Command::new("tar")
        .args(["--list", "--file", &format!("cu-agent-{NEXT}-container.tar.gz")])
        .current_dir(out)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for file in ["docker/Dockerfile", "docker/compose.yaml", "target/cross/x86_64/cu-agent"] {
        assert!(listed.lines().any(|line| line == file), "{file} in {listed}");
    }
}

#[test]
fn a_release_is_installed_by_apt_and_by_the_updater() {
    let gateway = Gateway::new();
    let publisher = &gateway.publisher;
    publisher.publish("0.1.0", &[]);
    let manifest = |folder: &Path| -> Value {
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
    };
    let before = manifest(&publisher.folder());
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("published");
    released(publisher, &out);
    is_signed(publisher, &out);
    has_an_image(&out);
    let after = manifest(&out);
    assert!(after["serial"].as_u64() > before["serial"].as_u64(), "{after:#}");
    assert_eq!(after["previous"][0]["version"], "0.1.0");

    // The updater.
    let copy = |to: &Path| run(Command::new("cp").arg("--recursive").arg(out.join(".")).arg(to));
    copy(&publisher.folder());
    gateway.update().succeeded();
    gateway.works_with(NEXT);
    assert_eq!(gateway.result()["result"], "installed");

    // apt, on the same gateway, after the program was removed.
    let machine = &gateway.machine;
    machine.run(&["dpkg", "--remove", "cu-agent"]).succeeded();
    machine.run(&["mkdir", "--parents", "/srv/published"]).succeeded();
    copy(&machine.path("/srv/published"));
    machine.take(&out.join("cu-agent.gpg"), "/etc/apt/keyrings/cu-agent.gpg");
    machine.write("/etc/apt/sources.list", "");
    machine.write(
        "/etc/apt/sources.list.d/cu-agent.list",
        "deb [signed-by=/etc/apt/keyrings/cu-agent.gpg] file:/srv/published ./\n",
    );
    machine.run(&["apt-get", "update"]).succeeded().does_not_say("W:");
    machine.run(&["apt-get", "install", "--yes", "cu-agent"]).succeeded();
    gateway.works_with(NEXT);
}

#[test]
fn a_release_is_refused_with_all_that_is_wrong() {
    let source = Source::new();
    source.key_of_gpg();
    source.edit("README.md", |text| text + "\nNot committed.\n");
    let out = tempfile::tempdir().unwrap();
    let existing = out.path().to_str().unwrap();
    let (is_made, said) =
        source.release(&["--out", existing, "--key", "/nowhere/own.key", "9.9.9"]);
    assert!(!is_made, "{said}");
    for expected in [
        "/nowhere/own.key cannot be read",
        "no --gpg-key NAME (make: GPG_KEY=)",
        " M README.md",
        "VERSION is 9.9.9, Cargo.toml has version = \"0.1.0\"",
        "packaging/changelog is of version '0.1.0', not 9.9.9",
        "CHANGELOG.md has no section '## [9.9.9]'",
        "SECURITY.md, line ",
        "Cargo.toml, line ",
        "packaging/changelog, line ",
        "put your own address where '.example' is",
        "exists already",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);

    // With all of that mended, the one placeholder that is left is enough.
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("own.key");
    run(Command::new("minisign")
        .args(["-G", "-W", "-p"])
        .arg(keys.path().join("own.pub"))
        .arg("-s")
        .arg(&key));
    source.prepare();
    source.edit("SECURITY.md", |text| text.replacen("@publisher.org", "@publisher.example", 1));
    source.commit();
    let arguments = ["--gpg-key", "releases@plant.org", "--key", key.to_str().unwrap(), NEXT];
    let (is_made, said) = source.release(&arguments);
    assert!(!is_made && said.contains("SECURITY.md, line 5 still has a placeholder"), "{said}");
    assert_eq!(said.matches("\n  - ").count(), 1, "{said}");
}
