//! The publisher of a test: packages in a folder, a manifest that packaging/manifest.sh makes and
//! Debian's minisign signs, and nginx that serves them over HTTPS.
//!
//! What must never happen: an nginx that outlives the test process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{certificate::Certificate, postgres::free_port, wait};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A folder on an HTTPS server, and a key.
pub struct Publisher {
    dir: TempDir,
    server: Child,
    pub port: u16,
    pub ca_file: PathBuf,
}

impl Publisher {
    pub fn new() -> Self {
        Self::with_certificate(false)
    }

    pub fn with_certificate(is_expired: bool) -> Self {
        // The second name is this machine's for an emulated gateway.
        Self::showing(|path| Certificate::issue(path, "DNS:localhost,IP:10.0.2.2", is_expired))
    }

    /// With a certificate that is its own authority.
    pub fn self_signed() -> Self {
        Self::showing(|path| Certificate::self_signed(path, "DNS:localhost"))
    }

    fn showing(certificate: impl FnOnce(&Path) -> Certificate) -> Self {
        let dir = tempfile::Builder::new().prefix("cu-agent-publisher-").tempdir().unwrap();
        let path = dir.path();
        fs::create_dir(path.join("www")).unwrap();
        let certificate = certificate(path);
        certificate.install(path);
        let ca_file = certificate.ca_file;
        new_key(path, "own");
        let port = free_port();
        fs::write(
            path.join("nginx.conf"),
            format!(
                "daemon off; worker_processes 1; pid {0}/nginx.pid; error_log {0}/error.log;\n\
                 user root;\n\
                 events {{}}\n\
                 http {{\n\
                   access_log {0}/access.log; client_body_temp_path {0}/body;\n\
                   proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;\n\
                   uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;\n\
                   log_format ranges '$status $request_uri $http_range';\n\
                   access_log {0}/ranges.log ranges;\n\
                   server {{ listen 127.0.0.1:{port} ssl; root {0}/www;\n\
                     ssl_certificate {0}/server.crt; ssl_certificate_key {0}/server.key; }}\n\
                 }}\n",
                path.display()
            ),
        )
        .unwrap();
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "nginx", "-e", "stderr", "-c"])
            .arg(path.join("nginx.conf"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(path.join("nginx.err")).unwrap())
            .spawn()
            .expect("tests/install-test-tools.sh installs nginx-light");
        wait::until("nginx answers", wait::PATIENCE, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { dir, server, port, ca_file }
    }

    /// What the server shows.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("www")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn url(&self) -> String {
        self.url_on(self.port)
    }

    /// By way of another port, a proxy's.
    pub fn url_on(&self, port: u16) -> String {
        format!("https://localhost:{port}/manifest.json")
    }

    /// The second line of the public key's file.
    pub fn public_key(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join("own.pub")).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    }

    /// A package that only weighs something.
    pub fn pack(&self, version: &str, bytes: usize) -> PathBuf {
        self.pack_for(&architecture(), version, bytes)
    }

    pub fn pack_for(&self, architecture: &str, version: &str, bytes: usize) -> PathBuf {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("DEBIAN")).unwrap();
        fs::create_dir_all(tree.path().join("usr/share/doc/cu-agent")).unwrap();
        let control = format!(
            "Package: cu-agent\nVersion: {version}\nArchitecture: {architecture}\n\
             Maintainer: a test <test@example.org>\nDescription: a test\n"
        );
        fs::write(tree.path().join("DEBIAN/control"), control).unwrap();
        let mut random = fastrand::Rng::with_seed(bytes as u64);
        let ballast: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
        fs::write(tree.path().join("usr/share/doc/cu-agent/ballast"), ballast).unwrap();
        let name = format!("cu-agent_{version}_{architecture}.deb");
        let to = self.file(&name);
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(tree.path())
            .arg(&to));
        to
    }

    /// Makes and signs the manifest of everything in the folder.
    pub fn publish(&self, version: &str, options: &[&str]) {
        self.publish_signed_by("own", version, options);
    }

    /// With a key that the gateways do not know.
    pub fn publish_by_a_stranger(&self, version: &str) {
        new_key(self.dir.path(), "stranger");
        self.publish_signed_by("stranger", version, &[]);
    }

    fn publish_signed_by(&self, key: &str, version: &str, options: &[&str]) {
        run(Command::new(format!("{REPOSITORY}/packaging/manifest.sh"))
            .arg("--key")
            .arg(self.dir.path().join(format!("{key}.key")))
            .args(options)
            .arg(self.folder())
            .arg(version));
    }

    /// Signs the manifest as it stands.
    pub fn sign(&self) {
        let manifest = self.file("manifest.json");
        run(Command::new("minisign")
            .args(["-S", "-H", "-s"])
            .arg(self.dir.path().join("own.key"))
            .arg("-m")
            .arg(manifest));
    }

    /// Status, path and asked range of each request so far.
    pub fn requests(&self) -> String {
        fs::read_to_string(self.dir.path().join("ranges.log")).unwrap_or_default()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // nginx takes its worker with it when it is asked to go.
        Command::new("kill").arg(self.server.id().to_string()).status().ok();
        self.server.wait().ok();
    }
}

fn new_key(folder: &Path, name: &str) {
    run(Command::new("minisign")
        .args(["-G", "-W", "-f", "-p"])
        .arg(folder.join(format!("{name}.pub")))
        .arg("-s")
        .arg(folder.join(format!("{name}.key"))));
}

/// Of this machine, as Debian calls it.
pub fn architecture() -> String {
    let output = Command::new("dpkg").arg("--print-architecture").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&said));
}
