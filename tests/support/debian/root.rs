//! The roots that machines are copies of: made by debootstrap once, kept under the target folder by
//! what is in them. Another processor's root is made and used through qemu-user and binfmt_misc.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a gateway's Debian has besides the essential packages.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,udev,iproute2,netbase,procps";
/// Without a boot nothing of that is needed; the package asks for one of the ways to make its user.
const PACKAGES_WITHOUT_BOOT: &str = "netbase,systemd-standalone-sysusers";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Architecture {
    /// This machine's own: it can be booted.
    Amd64,
    /// A gateway's, through an emulator: packages can be installed in it, it is not booted.
    Arm64,
}

impl Architecture {
    /// Debian's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// What is kept from run to run, also where a clone shares the target folder of another.
pub fn cache() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let cache = target.join("debian");
    fs::create_dir_all(&cache).unwrap();
    cache
}

/// The folder of a kept root, after it was made where it was not there.
pub fn kept(architecture: Architecture) -> PathBuf {
    let (packages, is_foreign) = match architecture {
        Architecture::Amd64 => (PACKAGES, false),
        Architecture::Arm64 => (PACKAGES_WITHOUT_BOOT, true),
    };
    let name = format!("bookworm-{}-{}", architecture.name(), packages.replace(',', "-"));
    let root = cache().join(&name);
    let alone = File::create(cache().join("lock")).unwrap();
    alone.lock().unwrap();
    if root.exists() {
        return root;
    }
    let partial = cache().join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).unwrap();
    }
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--arch={}", architecture.name())]);
    debootstrap.arg(format!("--include={packages}"));
    if is_foreign {
        assert!(foreign_programs_run(), "{}", WITHOUT_FOREIGN);
        debootstrap.arg("--foreign");
    }
    succeed(debootstrap.arg("bookworm").arg(&partial));
    if is_foreign {
        succeed(
            Command::new("chroot")
                .arg(&partial)
                .args(["/debootstrap/debootstrap", "--second-stage"]),
        );
    }
    // The packages as they were fetched: half the size of the root, and nothing reads them again.
    for archive in fs::read_dir(partial.join("var/cache/apt/archives")).unwrap() {
        let archive = archive.unwrap().path();
        if archive.extension().is_some_and(|end| end == "deb") {
            fs::remove_file(archive).unwrap();
        }
    }
    fs::rename(partial, &root).unwrap();
    root
}

/// Why an ARM root cannot be used here, and what helps.
pub const WITHOUT_FOREIGN: &str = "this machine does not run arm64 programs: it needs \
    qemu-user-static and binfmt_misc (a module of the kernel)";

/// Whether programs of arm64 run here, after binfmt_misc was told of qemu where it was not.
pub fn foreign_programs_run() -> bool {
    let control = Path::new("/proc/sys/fs/binfmt_misc");
    if control.join("qemu-aarch64").exists() {
        return true;
    }
    if !control.join("register").exists() {
        let mount = Command::new("mount")
            .args(["-t", "binfmt_misc", "binfmt_misc"])
            .arg(control)
            .stderr(Stdio::null())
            .status();
        if !mount.is_ok_and(|status| status.success()) {
            return false;
        }
    }
    // Debian's own line, with the flag that makes it work inside another root.
    fs::read_to_string("/usr/lib/binfmt.d/qemu-aarch64.conf").is_ok_and(|line| {
        fs::write(control.join("register"), line.trim_end()).is_ok()
            || control.join("qemu-aarch64").exists()
    })
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{last}\n{errors}");
}
