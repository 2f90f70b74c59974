//! Accounts for servers that know no others than the system's: `/etc/passwd` and `/etc/shadow` of a mount
//! namespace that only the server sees. In there `/mnt` is what it serves, below folders that only root
//! can write to: OpenSSH locks a session in nowhere else. The account reaches nothing of the checkout, which
//! may lie in a folder of root's own: a program that the account runs is copied into the namespace.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::ftp::{Daemon, account, packages};

/// Where the served folder is in the namespace.
pub const HOME: &str = "/mnt";

/// Where the programs that the account runs are in the namespace.
pub const PROGRAMS: &str = "/run/programs";

/// Puts `command` into a namespace with the one account of the tests, who can run `programs`; where a `root` is
/// given, it is a command of the system in that folder.
pub fn with_accounts(
    daemon: &Daemon,
    root: Option<&Path>,
    programs: &[&Path],
    command: Vec<String>,
) -> Vec<String> {
    let (user, group) = account::user_and_group_id();
    let (name, password) = (account::USER, account::crypted_password());
    let passwd = daemon.path("accounts");
    let shadow = daemon.path("passwords");
    let accounts = [
        "root:x:0:0:root:/root:/bin/sh".to_owned(),
        "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin".to_owned(),
        // Whom OpenSSH's server becomes before anyone logged in.
        "sshd:x:64736:65534::/run/sshd:/usr/sbin/nologin".to_owned(),
        format!("{name}:x:{user}:{group}::{HOME}:/bin/sh"),
    ];
    fs::write(&passwd, accounts.join("\n") + "\n").unwrap();
    let passwords =
        format!("root:*:19000::::::\nsshd:*:19000::::::\n{name}:{password}:19000::::::\n");
    fs::write(&shadow, passwords).unwrap();
    fs::set_permissions(&shadow, PermissionsExt::from_mode(0o600)).unwrap();
    let within = root.map_or(String::new(), |root| root.display().to_string());
    let mut steps = vec![
        format!("mount --bind '{}' '{within}/etc/passwd'", passwd.display()),
        format!("mount --bind '{}' '{within}/etc/shadow'", shadow.display()),
        format!("mount -t tmpfs none '{within}/run'"),
        format!("mkdir '{within}/run/sshd' '{within}{PROGRAMS}'"),
        format!("mount --bind '{}' '{within}{HOME}'", daemon.root().display()),
    ];
    steps.extend(
        programs.iter().map(|file| format!("cp '{}' '{within}{PROGRAMS}'", file.display())),
    );
    if root.is_some() {
        // Where configuration and keys are, at the paths that they have here.
        for folder in [std::env::temp_dir(), packages::cache()] {
            let folder = folder.display();
            steps.push(format!("mkdir -p '{within}{folder}'"));
            steps.push(format!("mount --bind '{folder}' '{within}{folder}'"));
        }
        steps.push(format!("mount --bind /dev '{within}/dev'"));
        steps.push(format!("mount -t proc proc '{within}/proc'"));
        steps.push(format!("exec chroot '{within}' \"$@\""));
    } else {
        steps.push("exec \"$@\"".to_owned());
    }
    let script = steps.join(" && ");
    let mut all: Vec<String> =
        ["unshare", "--mount", "sh", "-c", &script, "server"].map(str::to_owned).into();
    all.extend(command);
    all
}
