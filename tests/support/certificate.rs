//! Certificates for servers of the tests, made by openssl's command line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::postgres::{own, run};

/// A server certificate with its key, and the authority that issued it, all PEM files.
#[derive(Clone)]
pub struct Certificate {
    pub ca_file: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Issued in `folder` by an authority of its own, for `name` (`DNS:…` or `IP:…`); `expired`
    /// yesterday or valid until tomorrow.
    pub fn issue(folder: &Path, name: &str, expired: bool) -> Self {
        let days: &[&str] = if expired {
            &["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
        } else {
            &["-days", "1"]
        };
        Self::valid(folder, name, "2", days)
    }

    /// Issued in `folder`, valid from now until `end` (`20380601000000Z`), by an authority that is valid longer.
    pub fn until(folder: &Path, name: &str, end: &str) -> Self {
        Self::valid(folder, name, "18250", &["-enddate", end])
    }

    fn valid(folder: &Path, name: &str, days_of_authority: &str, validity: &[&str]) -> Self {
        let file =
            |suffix: &str| folder.join(format!("{}-{suffix}", name.replace([':', '.'], "_")));
        let (ca_file, ca_key) = (file("ca.crt"), file("ca.key"));
        let (certificate, key, request) = (file("server.crt"), file("server.key"), file("csr"));
        let openssl = || Command::new("openssl");
        run(openssl()
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", days_of_authority, "-subj", "/CN=Test CA", "-keyout"])
            .arg(&ca_key)
            .arg("-out")
            .arg(&ca_file));
        run(openssl()
            .args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-subj", "/CN=central", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&request));
        let settings = file("ca.cnf");
        fs::write(
            &settings,
            format!(
                "[ca]\ndefault_ca = own\n[own]\ndatabase = {index}\nnew_certs_dir = {folder}\n\
                 serial = {serial}\ndefault_md = sha256\npolicy = any\nx509_extensions = server\n\
                 unique_subject = no\n[any]\ncommonName = supplied\n\
                 [server]\nsubjectAltName = {name}\nbasicConstraints = CA:FALSE\n",
                index = file("index").display(),
                serial = file("serial").display(),
                folder = folder.display(),
            ),
        )
        .unwrap();
        fs::write(file("index"), "").unwrap();
        fs::write(file("serial"), "01\n").unwrap();
        run(openssl()
            .args(["ca", "-batch", "-notext", "-config"])
            .arg(&settings)
            .arg("-cert")
            .arg(&ca_file)
            .arg("-keyfile")
            .arg(&ca_key)
            .arg("-in")
            .arg(&request)
            .arg("-out")
            .arg(&certificate)
            .args(validity));
        Self { ca_file, certificate, key }
    }

    /// As `openssl req -x509` makes it: its own issuer, and marked as an authority.
    pub fn self_signed(folder: &Path, name: &str) -> Self {
        let (certificate, key) = (folder.join("self.crt"), folder.join("self.key"));
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=central", "-addext"])
            .arg(format!("subjectAltName={name}"))
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate));
        Self { ca_file: certificate.clone(), certificate, key }
    }

    /// As [`Self::self_signed`], with a key and options of openssl's own choosing: `key` as for `-newkey`.
    pub fn of_key(folder: &Path, key: &[&str]) -> Self {
        let name = key.concat().replace([':', '/'], "_");
        let (certificate, file) =
            (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey"])
            .args(key)
            .args(["-nodes", "-days", "2", "-subj", "/CN=central"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&file)
            .arg("-out")
            .arg(&certificate));
        Self { ca_file: certificate.clone(), certificate, key: file }
    }

    /// Issued in `folder` for 127.0.0.1 by an authority of its own, as `openssl x509` does it with
    /// `arguments`, and with `extensions` if there are any.
    pub fn signed(folder: &Path, what: &str, arguments: &[&str], extensions: &str) -> Self {
        let file = |suffix: &str| folder.join(format!("{what}-{suffix}"));
        let request = |to: &str| {
            let mut command = Command::new("openssl");
            command.args(["req", "-newkey", "rsa:2048", "-nodes", "-keyout"]);
            command.arg(file(&format!("{to}.key"))).arg("-out").arg(file(&format!("{to}.pem")));
            command
        };
        run(request("ca").args(["-x509", "-days", "2", "-subj", "/CN=Test CA"]));
        run(request("server").args(["-subj", "/CN=127.0.0.1"]));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "2", "-set_serial", "7"]).args(arguments);
        sign.arg("-in").arg(file("server.pem")).arg("-CA").arg(file("ca.pem"));
        sign.arg("-CAkey").arg(file("ca.key")).arg("-out").arg(file("server.crt"));
        if !extensions.is_empty() {
            fs::write(file("extensions"), extensions).unwrap();
            sign.arg("-extfile").arg(file("extensions"));
        }
        run(&mut sign);
        let (certificate, key) = (file("server.crt"), file("server.key"));
        Self { ca_file: file("ca.pem"), certificate, key }
    }

    /// Certificates that no authority can vouch for, each with what is said of it.
    pub fn unusable(folder: &Path) -> Vec<(Self, &'static str)> {
        const NAME: &str = "subjectAltName=IP:127.0.0.1\n";
        let client_only = format!("{NAME}extendedKeyUsage=clientAuth\n");
        vec![
            (Self::signed(folder, "version-1", &[], ""), "it is not of X.509 version 3"),
            (Self::signed(folder, "sha-1", &["-sha1"], NAME), "signed it by an algorithm"),
            (Self::signed(folder, "client", &[], &client_only), "it is not meant for servers"),
            (Self::of_key(folder, &["ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"]), "not P-521"),
            (Self::of_key(folder, &["rsa:1024"]), "not RSA of 1024 bits"),
        ]
    }

    /// Serves it over HTTPS on `port`, whatever it is; ends with the process.
    pub fn serve(&self, port: u16) -> std::process::Child {
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "openssl", "s_server", "-quiet", "-www", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["-cipher", "DEFAULT@SECLEVEL=0", "-cert"])
            .arg(&self.certificate)
            .arg("-key")
            .arg(&self.key)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Puts certificate and key where the server reads them.
    pub fn install(&self, folder: &Path) {
        fs::copy(&self.certificate, folder.join("server.crt")).unwrap();
        fs::copy(&self.key, folder.join("server.key")).unwrap();
        run(Command::new("chmod").arg("600").arg(folder.join("server.key")));
        own(&folder.join("server.crt"));
        own(&folder.join("server.key"));
    }
}
