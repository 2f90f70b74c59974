//! An authority of the tests and what it issued: made once by the openssl program and kept from run
//! to run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::packages;

/// A server's certificate, for 127.0.0.1 and localhost unless it is said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certificate {
    Good,
    Expired,
    NotYetValid,
    OtherName,
    /// Issued by nobody but itself.
    SelfSigned,
    /// The same, of X.509 version 1.
    Version1,
    /// The same, with an RSA key of 1024 bits.
    ShortKey,
    /// Without subjectAltName.
    CommonName,
}

const ALL: [Certificate; 8] = [
    Certificate::Good,
    Certificate::Expired,
    Certificate::NotYetValid,
    Certificate::OtherName,
    Certificate::SelfSigned,
    Certificate::Version1,
    Certificate::ShortKey,
    Certificate::CommonName,
];

/// Where a certificate lies, in PEM.
#[derive(Clone, Debug)]
pub struct Files {
    pub chain: PathBuf,
    pub key: PathBuf,
    /// Both in one file.
    pub key_and_chain: PathBuf,
}

impl Certificate {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::OtherName => "other-name",
            Self::SelfSigned => "self-signed",
            Self::Version1 => "version-1",
            Self::ShortKey => "short-key",
            Self::CommonName => "common-name",
        }
    }

    pub fn files(self) -> Files {
        let folder = folder();
        let at = |end: &str| folder.join(format!("{}{end}", self.name()));
        Files { chain: at(".pem"), key: at(".key"), key_and_chain: at("-both.pem") }
    }

    /// SHA-256 of the certificate itself.
    pub fn fingerprint(self) -> [u8; 32] {
        let chain = self.files().chain;
        let said = openssl(
            &folder(),
            &["x509", "-noout", "-fingerprint", "-sha256", "-in", &shown(&chain)],
        );
        let (_, digits) = said.trim().split_once('=').unwrap();
        let bytes: Vec<u8> =
            digits.split(':').map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        bytes.try_into().unwrap()
    }
}

/// The authority's own certificate.
pub fn authority() -> PathBuf {
    folder().join("ca.pem")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn folder() -> PathBuf {
    let _alone = packages::lock();
    let folder = packages::cache().join("certificates-2");
    if !folder.join("complete").exists() {
        fs::create_dir_all(&folder).unwrap();
        make(&folder);
        fs::write(folder.join("complete"), "").unwrap();
    }
    folder
}

fn make(folder: &Path) {
    let rules = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nrand_serial = yes\nunique_subject = no\n\
                 new_certs_dir = .\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n";
    fs::write(folder.join("ca.cnf"), rules).unwrap();
    fs::write(folder.join("index.txt"), "").unwrap();
    let authority = "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 7000 \
                     -subj /CN=cu-agent-test-authority -addext keyUsage=critical,keyCertSign";
    openssl(folder, &authority.split_whitespace().collect::<Vec<_>>());
    for certificate in ALL {
        let name = certificate.name();
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        let (pem, extensions) = (format!("{name}.pem"), format!("{name}.ext"));
        let names = match certificate {
            Certificate::OtherName => "DNS:other.example",
            _ => "IP:127.0.0.1,DNS:localhost",
        };
        if certificate == Certificate::Version1 {
            // As scripts of the nineties do it: no extensions, and so no version 3.
            let line = "req -new -newkey rsa:2048 -nodes -subj /CN=controller -keyout";
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.extend([&key, "-out", &request]);
            openssl(folder, &words);
            let words = ["x509", "-req", "-days", "7000", "-in", &request, "-signkey", &key];
            openssl(folder, &[&words[..], &["-out", &pem]].concat());
        } else if matches!(certificate, Certificate::SelfSigned | Certificate::ShortKey) {
            let bits = if certificate == Certificate::ShortKey { 1024 } else { 2048 };
            let names = format!("subjectAltName={names}");
            let line = format!(
                "req -x509 -newkey rsa:{bits} -nodes -days 7000 -subj /CN=controller -addext"
            );
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.extend([&names, "-keyout", &key, "-out", &pem]);
            openssl(folder, &words);
        } else {
            let lines = match certificate {
                Certificate::CommonName => "basicConstraints=CA:FALSE\n".to_owned(),
                _ => format!("subjectAltName={names}\n"),
            };
            fs::write(folder.join(&extensions), lines).unwrap();
            let line = "req -new -newkey rsa:2048 -nodes -subj /CN=controller -keyout";
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.extend([&key, "-out", &request]);
            openssl(folder, &words);
            let (from, to) = match certificate {
                Certificate::Expired => ("20200101000000Z", "20210101000000Z"),
                Certificate::NotYetValid => ("20480101000000Z", "20490101000000Z"),
                _ => ("20200101000000Z", "20490101000000Z"),
            };
            let line = "ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -notext -in";
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.extend([&request, "-out", &pem, "-extfile", &extensions]);
            words.extend(["-startdate", from, "-enddate", to]);
            openssl(folder, &words);
        }
        let both = fs::read_to_string(folder.join(&key)).unwrap()
            + &fs::read_to_string(folder.join(&pem)).unwrap();
        fs::write(folder.join(format!("{name}-both.pem")), both).unwrap();
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
