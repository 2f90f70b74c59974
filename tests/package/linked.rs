//! What the package says about what is linked into the program: its SBOM and its licences.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::packages::{self, THIS};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const DOCUMENTS: &str = "usr/share/doc/cu-agent";

fn output(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn unpacked(package: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (done, said) =
        output(Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder.path()));
    assert!(done, "{said}");
    folder
}

/// This machine's package, and those of the gateways that are built here.
fn all() -> Vec<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(REPOSITORY).join("target"), Into::into);
    let mut found = vec![packages::of_this_build(THIS)];
    for (of, architecture) in [("aarch64", "arm64"), ("armv6", "armhf")] {
        let binary = target.join("cross").join(of).join("cu-agent");
        if binary.exists() {
            found.push(packages::wrapped(&binary, architecture, THIS));
        }
    }
    found
}

fn validated(bill: &Path) -> (bool, String) {
    let script = Path::new(REPOSITORY).join("tests/support/cyclonedx.py");
    output(Command::new("/usr/bin/python3").arg(script).arg(bill))
}

fn sha256(file: &Path) -> String {
    let (done, said) = output(Command::new("sha256sum").arg(file));
    assert!(done, "{said}");
    said.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_sbom_in_the_package_is_valid_and_names_crates_and_c_libraries() {
    for package in all() {
        let tree = unpacked(&package);
        let file = tree.path().join(DOCUMENTS).join("cu-agent.cdx.json");
        let (is_valid, said) = validated(&file);
        assert!(is_valid, "{said}");
        let mut bill: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();

        let of = &bill["metadata"]["component"];
        assert_eq!(of["version"], THIS);
        assert_eq!(of["hashes"][0]["content"], sha256(&tree.path().join("usr/bin/cu-agent")));
        let components = bill["components"].as_array().unwrap();
        let version = |name: &str| {
            let found = components.iter().find(|component| component["name"] == name);
            found.map(|component| component["version"].as_str().unwrap_or("").to_owned())
        };
        // The program says itself which SQLite it has.
        let sqlite: String = rusqlite_version();
        assert_eq!(version("sqlite"), Some(sqlite));
        for name in ["rusqlite", "rustls", "ring", "russh", "boringssl", "zstd", "musl", "rust-std"]
        {
            assert!(version(name).is_some(), "{name} is not listed");
        }
        // What only tests and builds, and what only macros use.
        for name in ["proptest", "tempfile", "cc", "syn", "serde_derive", "clap_derive"] {
            assert_eq!(version(name), None, "{name}");
        }
        // Each is needed by something that is listed.
        let words = |values: Vec<&Value>| -> BTreeSet<String> {
            values.into_iter().map(|value| value.as_str().unwrap().to_owned()).collect()
        };
        let listed = words(components.iter().map(|component| &component["bom-ref"]).collect());
        let dependencies = bill["dependencies"].as_array().unwrap();
        let lists = dependencies.iter().flat_map(|one| one["dependsOn"].as_array().unwrap());
        let needed = words(lists.collect());
        assert_eq!(listed, needed);

        // The schema does judge.
        bill["components"][0]["type"] = json!("crate");
        let broken = tree.path().join("broken.json");
        fs::write(&broken, bill.to_string()).unwrap();
        let (is_valid, said) = validated(&broken);
        assert!(!is_valid && said.contains("components/0/type"), "{said}");
    }
}

/// As the library that these tests are linked with has it.
fn rusqlite_version() -> String {
    rusqlite::version().to_owned()
}

#[test]
fn the_package_has_a_licences_text_for_everything_that_its_sbom_lists() {
    for package in all() {
        let tree = unpacked(&package);
        let folder = tree.path().join(DOCUMENTS);
        let bill = fs::read(folder.join("cu-agent.cdx.json")).unwrap();
        let bill: Value = serde_json::from_slice(&bill).unwrap();
        let (done, notices) =
            output(Command::new("gzip").arg("-dc").arg(folder.join("third-party-notices.gz")));
        assert!(done, "{notices}");
        // Above each text stand those that are under it.
        let texts: Vec<&str> = notices.split(&format!("\n{}\n", "=".repeat(72))).skip(1).collect();
        for component in bill["components"].as_array().unwrap() {
            let name = component["name"].as_str().unwrap();
            let title = match component["properties"][0]["value"].as_str() {
                Some(carrier) => format!("{name} of {}", carrier.split(' ').next().unwrap()),
                None => format!("{name} {}", component["version"].as_str().unwrap()),
            };
            let has_text = texts.iter().any(|text| {
                let (users, _) = text.split_once(&format!("\n{}\n", "-".repeat(72))).unwrap();
                users.lines().any(|line| line.split(", ").any(|one| one == title))
            });
            assert!(has_text, "{title} has no text");
        }
    }
}

#[test]
fn a_package_that_is_made_elsewhere_at_another_time_has_the_same_bytes() {
    let binary = env!("CARGO_BIN_EXE_cu-agent");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(REPOSITORY).join("target"), Into::into);
    let folder = tempfile::tempdir().unwrap();
    let made = |source: &Path, out: &str, umask: &str, wrapper: &[&str], zone: &str| {
        let out = folder.path().join(out);
        let script = format!("umask {umask}; exec \"$@\"");
        let (done, said) = output(
            Command::new("sh")
                .args(["-c", &script, "sh"])
                .args(wrapper)
                .arg(source.join("packaging/deb.sh"))
                .args([binary, "amd64", THIS])
                .arg(&out)
                .env("CARGO_TARGET_DIR", &target)
                .env("DEB_FAST", "1")
                .env("TZ", zone)
                .env("LC_ALL", "C.UTF-8")
                .current_dir("/"),
        );
        assert!(done, "{said}");
        fs::read(out.join(format!("cu-agent_{THIS}_amd64.deb"))).unwrap()
    };
    let first = made(Path::new(REPOSITORY), "first", "022", &[], "UTC");
    // A copy without git, whose files have other modes and times.
    let copy = folder.path().join("a-copy-of-the-source");
    fs::create_dir(&copy).unwrap();
    let script = "git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -e \"$file\" ] || printf '%s\\0' \"$file\"; done |
        tar --create --null --files-from - | tar --extract --touch --directory \"$0\"
        chmod --recursive go-rwx \"$0\"";
    let (done, said) =
        output(Command::new("bash").args(["-c", script]).arg(&copy).current_dir(REPOSITORY));
    assert!(done, "{said}");
    let later = ["faketime", "-f", "+400d"];
    let second = made(&copy, "second", "077", &later, "Pacific/Kiritimati");
    assert!(first == second, "{} and {} bytes", first.len(), second.len());
}

/// A project that links one crate, and what packaging/linked.py says about its licences.
fn judged(licence: &str, text: Option<&str>, building: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file);
    for made in ["packaging/notices", "cross", "src", "bare/src"] {
        fs::create_dir_all(at(made)).unwrap();
    }
    for copied in ["packaging/linked.py", "cross/tools.txt", "LICENSE-APACHE"] {
        fs::copy(Path::new(REPOSITORY).join(copied), at(copied)).unwrap();
    }
    fs::write(
        at("Cargo.toml"),
        "[package]\nname = \"own\"\nversion = \"1.0.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
         [dependencies]\nbare = { path = \"bare\" }\n",
    )
    .unwrap();
    let build = if building.is_empty() {
        String::new()
    } else {
        format!("[build-dependencies]\n{building}\n")
    };
    fs::write(
        at("bare/Cargo.toml"),
        format!("[package]\nname = \"bare\"\nversion = \"2.0.0\"\nedition = \"2024\"\nlicense = \"{licence}\"\n{build}"),
    )
    .unwrap();
    if !building.is_empty() {
        fs::create_dir_all(at("cc/src")).unwrap();
        fs::write(
            at("cc/Cargo.toml"),
            "[package]\nname = \"cc\"\nversion = \"1.0.0\"\nedition = \"2024\"\n",
        )
        .unwrap();
        fs::write(at("cc/src/lib.rs"), "").unwrap();
        fs::write(at("bare/build.rs"), "fn main() {}").unwrap();
    }
    for source in ["src/lib.rs", "bare/src/lib.rs"] {
        fs::write(at(source), "").unwrap();
    }
    if let Some(text) = text {
        fs::write(at("bare/LICENSE"), text).unwrap();
    }
    let cargo = env!("CARGO");
    let (done, said) = output(
        Command::new(cargo).args(["generate-lockfile", "--offline"]).current_dir(folder.path()),
    );
    assert!(done, "{said}");
    output(
        Command::new(at("packaging/linked.py"))
            .args(["notices", "x86_64-unknown-linux-musl", "1.0.0"])
            .env("CARGO", cargo),
    )
}

#[test]
fn a_crate_without_the_text_of_its_licence_ends_the_build() {
    let mit = fs::read_to_string(Path::new(REPOSITORY).join("LICENSE-MIT")).unwrap();
    let refused = "bare 2.0.0 is under";
    for (licence, text, found) in [
        ("MIT", None, "has the text of none"),
        ("MIT AND Apache-2.0", Some(&mit), "has the text of MIT"),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(&mit), "has the text of MIT"),
    ] {
        let (done, said) = judged(licence, text.map(String::as_str), "");
        assert!(!done && said.contains(refused) && said.contains(found), "{licence}: {said}");
    }
    for licence in ["MIT", "MIT OR Apache-2.0", "MIT/Apache-2.0"] {
        // It comes as far as the C libraries, which that project has not.
        let (_, said) = judged(licence, Some(&mit), "");
        assert!(said.contains("libsqlite3-sys is not linked any more"), "{licence}: {said}");
    }
}

#[test]
fn a_crate_that_compiles_c_and_is_not_listed_ends_the_build() {
    let (done, said) = judged("MIT", None, "cc = { path = \"../cc\" }");
    assert!(!done && said.contains("bare compiles C: say what"), "{said}");
}

#[test]
fn an_advisory_about_a_locked_version_and_a_crate_that_nobody_looked_up_end_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file);
    fs::create_dir(at("packaging")).unwrap();
    let files = ["packaging/linked.py", "packaging/advisories.txt", "deny.toml", "Cargo.lock"];
    for copied in files {
        fs::copy(Path::new(REPOSITORY).join(copied), at(copied)).unwrap();
    }
    let judged = || output(Command::new(at("packaging/linked.py")).arg("advisories"));
    let (done, said) = judged();
    assert!(done && said.contains("as it was on 20"), "{said}");

    let locked = fs::read_to_string(at("Cargo.lock")).unwrap();
    let source = "source = \"registry\"\n";
    for (name, version, found) in [
        ("bytes", "1.11.0", "bytes 1.11.0: RUSTSEC-2026-0007, fixed in 1.11.1"),
        ("bytes", "1.11.1-rc.1", "bytes 1.11.1-rc.1: RUSTSEC-2026-0007"),
        ("nobody-knows-it", "1.0.0", "nobody-knows-it: not in packaging/advisories.txt"),
    ] {
        let added = format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}");
        fs::write(at("Cargo.lock"), format!("{locked}\n{added}")).unwrap();
        let (done, said) = judged();
        assert!(!done && said.contains(found), "{said}");
    }
    fs::write(at("Cargo.lock"), &locked).unwrap();
    let accepting = fs::read_to_string(at("deny.toml")).unwrap();
    fs::write(at("deny.toml"), accepting.replace("RUSTSEC-2023-0071", "none")).unwrap();
    let (done, said) = judged();
    assert!(!done && said.contains("RUSTSEC-2023-0071, fixed in none"), "{said}");
}
