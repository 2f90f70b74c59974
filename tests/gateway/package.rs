//! The package for the gateway, and the same under another version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The package that the variable `DEB` names; `make gateway` builds it and sets the variable.
pub fn this() -> PathBuf {
    let path = std::env::var("DEB").expect("DEB=, the arm64 package to try; make gateway sets it");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.is_file(), "DEB={} is not there", path.display());
    path
}

/// The package with the same content and `version`, in `folder`.
pub fn renamed(package: &Path, version: &str, folder: &Path) -> PathBuf {
    changed(package, version, folder, |_| {})
}

/// The same with a program that cannot run.
pub fn broken(package: &Path, version: &str, folder: &Path) -> PathBuf {
    changed(package, version, folder, |root| {
        fs::write(root.join("usr/bin/cu-agent"), "broken\n").unwrap();
    })
}

fn changed(package: &Path, version: &str, folder: &Path, change: impl Fn(&Path)) -> PathBuf {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("package");
    let made = folder.join(format!("cu-agent_{version}_arm64.deb"));
    run(Command::new("dpkg-deb").arg("--raw-extract").args([package, &root]));
    let control = root.join("DEBIAN/control");
    let text: String = fs::read_to_string(&control)
        .unwrap()
        .lines()
        .map(|line| match line.strip_prefix("Version: ") {
            Some(_) => format!("Version: {version}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    fs::write(&control, text).unwrap();
    change(&root);
    run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).args([&root, &made]));
    made
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
