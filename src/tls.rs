//! Whom the clients trust: the built-in authorities, or those of a PEM file. One loader for central, FTP,
//! alarms and updates, so that a file that serves one of them serves all.
//!
//! What must never happen here: a certificate accepted whose chain, dates or name were not checked.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, OtherError,
    RootCertStore, SignatureScheme, WantsVerifier,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem, pem::PemObject},
    server::ParsedCertificate,
};

use crate::peers;

/// Why the authorities of a file cannot be used. Says everything in one sentence: there is no cause behind.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use `{key}` {}: {problem}; set it to the authority's certificate in PEM format",
    path.display()
)]
pub struct CaFileError {
    /// The key of the configuration that names the file.
    key: &'static str,
    path: PathBuf,
    problem: CaFileProblem,
}

#[derive(Debug, thiserror::Error)]
enum CaFileProblem {
    #[error("{0}")]
    Unreadable(pem::Error),
    #[error("it contains no certificate")]
    Empty,
    #[error("none of its certificates belongs to an authority")]
    NoAuthority,
}

/// The rules that every TLS client of the program shares; who is trusted is left open.
pub(crate) fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring implements every default protocol version")
}

/// Trusts the authorities of `ca_file`, which `key` of the configuration names, and without one the
/// built-in authorities.
pub(crate) fn client_config(
    key: &'static str,
    ca_file: Option<&Path>,
) -> Result<ClientConfig, CaFileError> {
    let verifier = match ca_file {
        None => Authorities::built_in(),
        Some(path) => Authorities::read(path).map_err(|problem| CaFileError {
            key,
            path: path.to_owned(),
            problem,
        })?,
    };
    Ok(with_verifier(key, verifier))
}

/// Trusts what `verifier` accepts, and notes who proved itself by it; `key` tells clients apart.
pub(crate) fn with_verifier(
    key: &'static str,
    verifier: impl ServerCertVerifier + 'static,
) -> ClientConfig {
    builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Noted { key, verifier }))
        .with_no_client_auth()
}

/// Notes each certificate that the verifier accepts. That the server holds its key is only shown after that:
/// one that does not, shows a certificate that is its owner's all the same.
#[derive(Debug)]
struct Noted<V> {
    key: &'static str,
    verifier: V,
}

impl<V: ServerCertVerifier> ServerCertVerifier for Noted<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        peers::note_certificate(format!("{} ({})", server_name.to_str(), self.key), end_entity);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Checks chain, dates and name against the built-in authorities or those of a file. Of a file, one certificate more is accepted than
/// by a browser: a self-signed one that stands in that file itself and is marked as an authority, which is
/// how `openssl req -x509` makes them and what libpq accepts.
#[derive(Debug)]
struct Authorities {
    chain: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Authorities {
    fn built_in() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let chain = Self::chain_to(roots).expect("the built-in authorities are some");
        Self { chain, trusted: Vec::new() }
    }

    fn chain_to(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
        let provider = Arc::new(ring::default_provider());
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()
    }

    fn read(path: &Path) -> Result<Self, CaFileProblem> {
        let mut roots = RootCertStore::empty();
        let mut trusted = Vec::new();
        let mut is_empty = true;
        for certificate in CertificateDer::pem_file_iter(path).map_err(CaFileProblem::Unreadable)? {
            let certificate = certificate.map_err(CaFileProblem::Unreadable)?;
            is_empty = false;
            // A bundle may hold a certificate that webpki does not know how to read: the others count.
            if roots.add(certificate.clone()).is_ok() {
                trusted.push(certificate);
            }
        }
        if is_empty {
            return Err(CaFileProblem::Empty);
        }
        let chain = Self::chain_to(roots).map_err(|_| CaFileProblem::NoAuthority)?;
        Ok(Self { chain, trusted })
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let checked = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match checked {
            // The dates were checked before this was found; the name was not.
            Err(rustls::Error::InvalidCertificate(error))
                if is_authority_as_server(&error)
                    && self.trusted.iter().any(|t| t.as_ref() == end_entity.as_ref()) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss).map_err(of_key)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss).map_err(of_key)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// The server showed a certificate that is marked as an authority's: self-signed, nearly always.
pub(crate) fn is_authority_as_server(error: &CertificateError) -> bool {
    matches!(of_webpki(error), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The server's certificate is of another version of X.509 than 3.
pub(crate) fn is_of_another_version(error: &CertificateError) -> bool {
    matches!(of_webpki(error), Some(webpki::Error::UnsupportedCertVersion))
}

/// The server's proof that it holds its key cannot be verified. rustls has one name for that and for a chain
/// that another authority of the same name signed.
#[derive(Debug, thiserror::Error)]
#[error(
    "its key is none that can be verified (RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, Ed25519)"
)]
struct UnverifiableKey;

/// For the errors of a handshake's signature, which no authority has to do with.
pub(crate) fn of_key(error: rustls::Error) -> rustls::Error {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => CertificateError::Other(OtherError(Arc::new(UnverifiableKey))).into(),
        other => other,
    }
}

pub(crate) fn is_unverifiable_key(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else { return false };
    other.0.is::<UnverifiableKey>()
}

/// Keys that the TLS library verifies.
const KEY: &str = "its key is none that can be verified: RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, Ed25519 (not RSA of 1024 bits, not P-521)";
/// For a server that found that none of what it is offered goes with its key.
pub(crate) const NOTHING_IN_COMMON: &str = "the server finds no way to prove its key that this program knows: its key must be RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384 or Ed25519 (not RSA of 1024 bits, not P-521), and TLS 1.2 or 1.3 on";

/// Why a certificate is refused that no authority could vouch for.
pub(crate) fn unusable(error: &CertificateError) -> Option<&'static str> {
    match error {
        error if is_unverifiable_key(error) => Some(KEY),
        error if is_of_another_version(error) => {
            Some("it is not of X.509 version 3, which no authority can vouch for")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Some(
            "its authority signed it by an algorithm that is not accepted (SHA-1, say, or with a key on P-521)",
        ),
        CertificateError::BadEncoding => Some("it is none that can be read"),
        CertificateError::UnhandledCriticalExtension => {
            Some("it has a critical extension that is not known")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Some("it is not meant for servers (its extended key usage lacks serverAuth)")
        }
        _ => None,
    }
}

/// What rustls has no name for.
fn of_webpki(error: &CertificateError) -> Option<&webpki::Error> {
    let CertificateError::Other(other) = error else { return None };
    other.0.downcast_ref()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_without_an_authority_is_refused_in_one_sentence_that_names_key_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            let refusal = client_config("update.ca_file", Some(&path)).unwrap_err().to_string();
            let begin = format!("cannot use `update.ca_file` {}: ", path.display());
            let rest = refusal.strip_prefix(&begin).unwrap_or_else(|| panic!("{refusal}"));
            rest.to_owned()
        };
        let mend = "; set it to the authority's certificate in PEM format";
        assert_eq!(refused("empty", "nothing here\n"), format!("it contains no certificate{mend}"));
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let said = refused("odd", odd);
        assert_eq!(said, format!("none of its certificates belongs to an authority{mend}"));
        let missing = folder.path().join("missing");
        let refusal = client_config("ca_file", Some(&missing)).unwrap_err().to_string();
        assert!(refusal.contains("No such file"), "{refusal}");
        assert!(client_config("ca_file", None).is_ok(), "the built-in authorities");
    }
}
