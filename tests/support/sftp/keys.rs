//! Key pairs of servers and users. They are made by `ssh-keygen` once a machine and kept: an RSA key takes
//! its time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::Engine;
use cu_agent::config::HostKeyFingerprint;

use crate::support::ftp::packages;

/// A key pair in files.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key, in OpenSSH's format, for its owner's eyes only.
    pub private: PathBuf,
    /// The line for `authorized_keys`, without a comment.
    pub public: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

impl KeyPair {
    /// The key pair called `name`; `kind` is `ed25519`, `ecdsa` or `rsa`.
    pub fn of(name: &str, kind: &str) -> Self {
        Self::encrypted(name, kind, "")
    }

    /// The same, encrypted with a passphrase.
    pub fn encrypted(name: &str, kind: &str, passphrase: &str) -> Self {
        let private = {
            let _alone = packages::lock();
            let folder = packages::cache().join("ssh-keys");
            fs::create_dir_all(&folder).unwrap();
            let private = folder.join(format!("{name}.{kind}"));
            if !public_file(&private).exists() {
                generate(&private, kind, passphrase);
            }
            private
        };
        let line = fs::read_to_string(public_file(&private)).unwrap();
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        let shown = ssh_keygen(&["-l", "-E", "sha256", "-f", private.to_str().unwrap()]);
        let fingerprint = shown.split_whitespace().nth(1).unwrap().to_owned();
        Self { private, public: words.join(" "), fingerprint }
    }

    /// The host keys of a server, one of each kind.
    pub fn of_host(name: &str) -> Vec<Self> {
        ["ed25519", "ecdsa", "rsa"].map(|kind| Self::of(name, kind)).into()
    }

    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`.
    pub fn algorithm(&self) -> &str {
        self.public.split(' ').next().unwrap()
    }

    pub fn pin(&self) -> HostKeyFingerprint {
        let text = self.fingerprint.strip_prefix("SHA256:").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).unwrap();
        HostKeyFingerprint(bytes.try_into().unwrap())
    }
}

fn public_file(private: &Path) -> PathBuf {
    private.with_extension(format!("{}.pub", private.extension().unwrap().display()))
}

fn generate(private: &Path, kind: &str, passphrase: &str) {
    // What another process left half made would be asked about.
    let _ = fs::remove_file(private);
    let bits = if kind == "rsa" { "2048" } else { "256" };
    let file = private.to_str().unwrap();
    ssh_keygen(&["-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "test", "-f", file]);
}

/// Runs `ssh-keygen` to its success and returns what it printed.
pub fn ssh_keygen(arguments: &[&str]) -> String {
    let output = Command::new("ssh-keygen").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ssh-keygen {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
