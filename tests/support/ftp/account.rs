//! The one system user that the real servers serve files as. vsftpd knows no other accounts than the
//! system's; the user has no shell and owns nothing.

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::packages;

pub const USER: &str = "cu-ftp-test";
pub const PASSWORD: &str = "S3cret of tests";

/// The user's numbers, after it was made if it was not there.
pub fn user_and_group_id() -> (u32, u32) {
    static IDS: OnceLock<(u32, u32)> = OnceLock::new();
    *IDS.get_or_init(|| {
        let _alone = packages::lock();
        if id("-u").is_none() {
            let arguments = "--system --user-group --no-create-home --home-dir / --shell";
            let made = Command::new("useradd")
                .args(arguments.split(' '))
                .args(["/usr/sbin/nologin", USER])
                .status();
            assert!(made.unwrap().success(), "useradd needs root");
        }
        // Encrypted by us: the system's own choice takes a fifth of a second to check at each log-in.
        let mut chpasswd =
            Command::new("chpasswd").arg("-e").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(chpasswd.stdin.take().unwrap(), "{USER}:{}", crypted_password()).unwrap();
        assert!(chpasswd.wait().unwrap().success(), "chpasswd needs root");
        (id("-u").unwrap(), id("-g").unwrap())
    })
}

fn id(which: &str) -> Option<u32> {
    let output = Command::new("id").args([which, USER]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().ok()
}

/// The password as `crypt` keeps it, for servers with account files of their own.
pub fn crypted_password() -> &'static str {
    static CRYPTED: OnceLock<String> = OnceLock::new();
    CRYPTED.get_or_init(|| {
        let output = Command::new("openssl").args(["passwd", "-5", PASSWORD]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}
