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

/// A release of Debian, which Raspberry Pi OS names its own after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Suite {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Architecture {
    /// This machine's own: it can be booted.
    Amd64,
    /// Gateways', through an emulator: packages can be installed in them, they are not booted.
    Arm64,
    Armhf,
}

impl Architecture {
    /// Debian's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Armhf => "armhf",
        }
    }

    /// What runs its programs here, by binfmt_misc's name for it.
    fn emulator(self) -> Option<&'static str> {
        match self {
            Self::Amd64 => None,
            Self::Arm64 => Some("qemu-aarch64"),
            Self::Armhf => Some("qemu-arm"),
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
pub fn kept(suite: Suite, architecture: Architecture) -> PathBuf {
    let is_foreign = architecture.emulator().is_some();
    let packages = if is_foreign { PACKAGES_WITHOUT_BOOT } else { PACKAGES };
    let name = format!("{}-{}-{}", suite.name(), architecture.name(), packages.replace(',', "-"));
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
        assert!(programs_run(architecture), "{}", WITHOUT_FOREIGN);
        debootstrap.arg("--foreign");
    }
    succeed(debootstrap.arg(suite.name()).arg(&partial));
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
pub const WITHOUT_FOREIGN: &str = "this machine does not run ARM programs: it needs \
    qemu-user-static and binfmt_misc (a module of the kernel)";

/// Whether programs of this processor run here, after binfmt_misc was told of qemu if it had to be.
pub fn programs_run(architecture: Architecture) -> bool {
    let Some(emulator) = architecture.emulator() else { return true };
    let control = Path::new("/proc/sys/fs/binfmt_misc");
    if control.join(emulator).exists() {
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
    fs::read_to_string(format!("/usr/lib/binfmt.d/{emulator}.conf")).is_ok_and(|line| {
        fs::write(control.join("register"), line.trim_end()).is_ok()
            || control.join(emulator).exists()
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
