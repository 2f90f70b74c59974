//! ProFTPD, unpacked: its package conflicts with vsftpd's.

use std::{
    fs,
    ops::{Deref, DerefMut},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use cu_agent::config::FtpTls;

use super::{
    account,
    daemon::{Daemon, Options},
    packages,
};

const LIBRARIES: [&str; 5] =
    ["libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libhashkit2", "libpcre2-posix3"];

#[derive(Debug)]
pub struct ProFtpd(Daemon);

impl ProFtpd {
    pub fn start(options: Options) -> Self {
        let daemon = Daemon::prepare(&options);
        let modules = (options.tls != FtpTls::None).then(Self::crypto_modules);
        let mut lines = if modules.is_some() { tls_lines(&daemon, &options) } else { Vec::new() };
        lines.extend(options.extra);
        let (command, libraries) = Self::set_up(&daemon, modules, lines);
        Self(daemon.run(command, libraries))
    }

    /// The folder of the modules that encrypt: TLS and SFTP.
    pub fn crypto_modules() -> PathBuf {
        packages::unpacked("proftpd-mod-crypto", &["libsodium23"])
    }

    /// Writes configuration and account for a server that also does what `further` says; the command that
    /// starts it, and where its libraries are. `crypto` is needed by the lines that load its modules.
    pub fn set_up(
        daemon: &Daemon,
        crypto: Option<PathBuf>,
        further: Vec<String>,
    ) -> (Vec<String>, String) {
        let (user, group) = account::user_and_group_id();
        let (name, password) = (account::USER, account::crypted_password());
        let root = daemon.root().display().to_string();
        let accounts = daemon.path("passwd");
        fs::write(&accounts, format!("{name}:{password}:{user}:{group}::{root}:/bin/false\n"))
            .unwrap();
        // ProFTPD refuses account files that others can read.
        fs::set_permissions(&accounts, PermissionsExt::from_mode(0o600)).unwrap();
        let path = |name: &str| daemon.path(name).display().to_string();
        let mut lines: Vec<String> = [
            "ServerName \"cu test\"",
            "ServerType standalone",
            "DefaultAddress 127.0.0.1",
            "SocketBindTight on",
            "UseIPv6 off",
            "UseReverseDNS off",
            "User nobody",
            "Group nogroup",
            "AuthOrder mod_auth_file.c",
            "RequireValidShell off",
            "DelayEngine off",
            "WtmpLog off",
            "TransferLog none",
            "AllowRetrieveRestart on",
            "DefaultRoot ~",
        ]
        .map(str::to_owned)
        .into();
        lines.push(format!("Port {}", daemon.port()));
        lines.push(format!("AuthUserFile {}", accounts.display()));
        lines.push(format!("PidFile {}", path("pid")));
        lines.push(format!("ScoreboardFile {}", path("scoreboard")));
        lines.push(format!("SystemLog {}", path("server.log")));
        let mut libraries = Vec::new();
        if let Some(crypto) = &crypto {
            lines.push(format!("ModulePath {}", crypto.join("usr/lib/proftpd").display()));
            libraries.push(packages::library_path(crypto));
        }
        lines.extend(further);
        let file = daemon.path("proftpd.conf");
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        let folder = packages::unpacked("proftpd-core", &LIBRARIES);
        let program = folder.join("usr/sbin/proftpd").display().to_string();
        let file = file.display().to_string();
        libraries.push(packages::library_path(&folder));
        (vec![program, "-n".into(), "-q".into(), "-c".into(), file], libraries.join(":"))
    }
}

fn tls_lines(daemon: &Daemon, options: &Options) -> Vec<String> {
    let files = options.certificate.files();
    let versions = if options.only_tls12 { "TLSv1.2" } else { "TLSv1.2 TLSv1.3" };
    let mut lines = vec![
        "LoadModule mod_tls.c".to_owned(),
        "TLSEngine on".to_owned(),
        "TLSRequired on".to_owned(),
        format!("TLSLog {}", daemon.path("tls.log").display()),
        format!("TLSRSACertificateFile {}", files.chain.display()),
        format!("TLSRSACertificateKeyFile {}", files.key.display()),
        format!("TLSProtocol {versions}"),
    ];
    let mut words = Vec::new();
    words.extend((!options.require_ssl_reuse).then_some("NoSessionReuseRequired"));
    words.extend((options.tls == FtpTls::Implicit).then_some("UseImplicitSSL"));
    if !words.is_empty() {
        lines.push(format!("TLSOptions {}", words.join(" ")));
    }
    lines
}

impl Deref for ProFtpd {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for ProFtpd {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}
