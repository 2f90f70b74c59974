//! vsftpd: installed, or unpacked where its package conflicts with another.

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::Path,
};

use cu_agent::config::FtpTls;

use super::{
    daemon::{Daemon, Options},
    packages,
};

#[derive(Debug)]
pub struct Vsftpd(Daemon);

impl Vsftpd {
    pub fn start(options: Options) -> Self {
        let daemon = Daemon::prepare(&options);
        let mut lines: Vec<String> = [
            "listen=YES",
            "listen_ipv6=NO",
            "listen_address=127.0.0.1",
            "background=NO",
            "anonymous_enable=NO",
            "local_enable=YES",
            "write_enable=YES",
            "chroot_local_user=YES",
            "allow_writeable_chroot=YES",
            // A service without a file of its own is ruled by /etc/pam.d/other: password only.
            "pam_service_name=cu-agent-test",
            // Both need rights that containers do not give.
            "seccomp_sandbox=NO",
            "isolate_network=NO",
            "xferlog_enable=YES",
            "xferlog_std_format=NO",
            "connect_from_port_20=NO",
        ]
        .map(str::to_owned)
        .into();
        lines.push(format!("listen_port={}", daemon.port()));
        lines.push(format!("local_root={}", daemon.root().display()));
        lines.push(format!("secure_chroot_dir={}", daemon.path("empty").display()));
        lines.push(format!("vsftpd_log_file={}", daemon.path("vsftpd.log").display()));
        if options.tls != FtpTls::None {
            let files = options.certificate.files();
            lines.push("ssl_enable=YES".into());
            lines.push("ssl_tlsv1=YES".into());
            lines.push("ssl_ciphers=HIGH".into());
            lines.push("force_local_logins_ssl=YES".into());
            lines.push("force_local_data_ssl=YES".into());
            lines.push(format!("rsa_cert_file={}", files.chain.display()));
            lines.push(format!("rsa_private_key_file={}", files.key.display()));
            let word = |yes: bool| if yes { "YES" } else { "NO" };
            lines.push(format!("require_ssl_reuse={}", word(options.require_ssl_reuse)));
            lines.push(format!("implicit_ssl={}", word(options.tls == FtpTls::Implicit)));
        }
        lines.extend(options.extra);
        let file = daemon.path("vsftpd.conf");
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        let (program, libraries) = program();
        Self(daemon.run(vec![program, file.display().to_string()], libraries))
    }
}

impl Vsftpd {
    /// Connections so far that got as far as a log-in.
    pub fn log_ins(&self) -> usize {
        let log = fs::read_to_string(self.path("vsftpd.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("OK LOGIN")).count()
    }
}

/// The program and where its libraries are.
fn program() -> (String, String) {
    const INSTALLED: &str = "/usr/sbin/vsftpd";
    if Path::new(INSTALLED).exists() {
        return (INSTALLED.to_owned(), String::new());
    }
    let folder = packages::unpacked("vsftpd", &[]);
    (folder.join("usr/sbin/vsftpd").display().to_string(), packages::library_path(&folder))
}

impl Deref for Vsftpd {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Vsftpd {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}
