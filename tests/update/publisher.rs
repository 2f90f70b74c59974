//! The publisher of a test: packages in a folder, a manifest that packaging/manifest.sh makes and
//! Debian's minisign signs, and nginx that serves them over HTTPS.
//!
//! What must never happen: an nginx that outlives the test process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{certificate::Certificate, net::free_port, wait};

/// Below this path the same files come at 12 bytes a second.
pub const SLOW: &str = "/slow/";

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

const FILES: [&str; 2] = ["manifest.json", "manifest.json.minisig"];

/// Who is in a set of keys, by name, with how many of them must sign; and who signs the set.
#[derive(Clone, Copy)]
pub struct Keys<'k> {
    pub root: (&'k str, &'k [&'k str]),
    pub manifest: (&'k str, &'k [&'k str]),
    pub sign: &'k [&'k str],
}

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
                     location {SLOW} {{ alias {0}/www/; limit_rate 12; }}\n\
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
        self.public_key_of("own")
    }

    pub fn public_key_of(&self, name: &str) -> String {
        let text = fs::read_to_string(self.key(name).with_extension("pub")).unwrap();
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
        self.publish_signed_by("stranger", version, &[]);
    }

    /// Signs what is offered once more.
    pub fn renew(&self) {
        run(Command::new(format!("{REPOSITORY}/packaging/manifest.sh"))
            .arg("--renew")
            .arg("--key")
            .arg(self.dir.path().join("own.key"))
            .arg(self.folder()));
    }

    /// The manifest and its signature as they are now, for a cache to keep.
    pub fn copy(&self) -> [Vec<u8>; 2] {
        FILES.map(|name| fs::read(self.file(name)).unwrap())
    }

    /// Serves an earlier copy.
    pub fn replay(&self, copy: &[Vec<u8>; 2]) {
        for (name, bytes) in FILES.iter().zip(copy) {
            fs::write(self.file(name), bytes).unwrap();
        }
    }

    /// Changes the manifest, and signs it.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let file = self.file("manifest.json");
        let mut manifest = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        change(&mut manifest);
        fs::write(&file, manifest.to_string()).unwrap();
        self.sign();
    }

    fn publish_signed_by(&self, key: &str, version: &str, options: &[&str]) {
        self.publish_signed_by_all(&[key], version, options);
    }

    /// With these keys' signatures, made where they do not exist.
    pub fn publish_signed_by_all(&self, keys: &[&str], version: &str, options: &[&str]) {
        let mut command = Command::new(format!("{REPOSITORY}/packaging/manifest.sh"));
        for key in keys {
            command.arg("--key").arg(self.key(key));
        }
        run(command.args(options).arg(self.folder()).arg(version));
    }

    /// A set of keys in `folder`.
    pub fn key_set(&self, folder: &Path, version: &str, keys: &Keys<'_>) -> PathBuf {
        let mut command = Command::new(format!("{REPOSITORY}/packaging/keys.sh"));
        for (role, (threshold, names)) in [("root", keys.root), ("manifest", keys.manifest)] {
            command.arg(format!("--{role}-threshold")).arg(threshold);
            for name in names {
                command.arg(format!("--{role}")).arg(self.key(name).with_extension("pub"));
            }
        }
        for name in keys.sign {
            command.arg("--sign").arg(self.key(name));
        }
        run(command.arg(folder).arg(version));
        folder.join(format!("keys-{version}.json"))
    }

    /// A settings document by packaging/settings.sh, with these keys' signatures beside it. Each is later than the
    /// one before.
    pub fn settings(&self, keys: &[&str], text: &str, options: &[&str]) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<u32> = Mutex::new(0);
        let mut made = ONE_AT_A_TIME.lock().unwrap();
        *made += 1;
        let settings = self.dir.path().join("settings.toml");
        let last = self.dir.path().join("settings.json");
        fs::write(&settings, text).unwrap();
        let mut command = Command::new(format!("{REPOSITORY}/packaging/settings.sh"));
        for key in keys {
            command.arg("--key").arg(self.key(key));
        }
        run(command.args(options).arg(&settings).arg(&last));
        let document = self.dir.path().join(format!("settings-{made}.json"));
        fs::copy(&last, &document).unwrap();
        fs::copy(with_minisig(&last), with_minisig(&document)).unwrap();
        document
    }

    /// Changes a settings document, and signs it with the first of the keys.
    pub fn change_settings(&self, document: &Path, keys: &[&str], change: fn(&mut Value)) {
        let mut content = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
        change(&mut content);
        fs::write(document, content.to_string()).unwrap();
        run(Command::new("minisign")
            .args(["-S", "-H", "-s"])
            .arg(self.key(keys[0]))
            .arg("-m")
            .arg(document));
    }

    /// The secret key of this name; the public one is beside it.
    pub fn key(&self, name: &str) -> PathBuf {
        let file = self.dir.path().join(format!("{name}.key"));
        if !file.exists() {
            new_key(self.dir.path(), name);
        }
        file
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

fn with_minisig(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.minisig", file.display()))
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
