//! TLS of the control and the data connections: whom to trust, and why a handshake failed in words a
//! technician can act on. One configuration serves all connections of a source, so a data connection
//! resumes the session of the control connection, which vsftpd's `require_ssl_reuse` asks for.
//!
//! What must never happen here: a certificate taken without a check; a signature taken unverified
//! because a fingerprint is pinned.

use std::{io, path::Path, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError,
    PeerIncompatible, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};
use sha2::{Digest, Sha256};
use webpki::RawPublicKeyEntity;

use super::{
    public_key::{public_key, rsa_bits},
    reply::who_answers,
    wire::HandshakeFailure,
};
use crate::tls;

/// Lengths of RSA keys, in bits, whose signatures the TLS library verifies.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// A certificate that every program takes.
const BETTER: &str = "give the server a version 3 certificate with a key of 2048 bits: `openssl req -x509 \
                      -newkey rsa:2048 -nodes -days 7000 -subj /CN=ftp -keyout key.pem -out cert.pem`";

/// The rules by which all connections of one source are secured, or why there are none.
pub(super) fn client_config(
    ca_file: Option<&Path>,
    fingerprint: Option<[u8; 32]>,
) -> Result<Arc<ClientConfig>, String> {
    let config = match fingerprint {
        Some(fingerprint) => {
            let pinned = PinnedCertificate::new(fingerprint, &ring::default_provider());
            tls::with_verifier("fingerprint", pinned)
        }
        None => tls::client_config("ca_file", ca_file).map_err(|error| error.to_string())?,
    };
    Ok(Arc::new(config))
}

/// Takes the one certificate with this SHA-256, whatever its version, names, dates and issuer say.
/// The server still has to prove that it holds the key: only the key is looked for in the
/// certificate, so that one of X.509 version 1 will do.
#[derive(Debug)]
struct PinnedCertificate {
    fingerprint: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedCertificate {
    fn new(fingerprint: [u8; 32], provider: &CryptoProvider) -> Self {
        Self { fingerprint, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for PinnedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Sha256::digest(end_entity.as_ref()).as_slice() != self.fingerprint {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        match rsa_bits(key_of(end_entity)?.as_ref()) {
            Some(bits) if !RSA_BITS.contains(&bits) => {
                Err(CertificateError::Other(OtherError(Arc::new(RsaKeyLength { bits }))).into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = key_of(certificate)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let with_scheme = self.algorithms.mapping.iter().find(|(one, _)| *one == signature.scheme);
        let mut algorithms = with_scheme.into_iter().flat_map(|(_, algorithms)| *algorithms);
        // One scheme of TLS 1.2 leaves the curve open: the key says which it is.
        if algorithms.any(|one| key.verify_signature(*one, message, signature.signature()).is_ok())
        {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = key_of(certificate)?;
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn key_of<'a>(certificate: &'a CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'a>, Error> {
    let key = public_key(certificate.as_ref()).ok_or(CertificateError::BadEncoding)?;
    Ok(SubjectPublicKeyInfoDer::from(key))
}

/// A key whose signatures cannot be verified, no matter who holds it.
#[derive(Debug, thiserror::Error)]
#[error("an RSA key of {bits} bits")]
struct RsaKeyLength {
    bits: usize,
}

/// Why a handshake failed; `None` where the cause is not TLS.
pub(super) fn reason(failure: &HandshakeFailure) -> Option<String> {
    let error = failure.error.get_ref()?.downcast_ref::<Error>()?;
    let is_ftp = failure.first.first().is_some_and(u8::is_ascii_digit);
    Some(match error {
        Error::InvalidMessage(_) if is_ftp => {
            "the server does not speak TLS at this point: an FTP \
             server without TLS answers there; set `tls` to \"explicit\" or \"none\""
                .to_owned()
        }
        Error::InvalidMessage(_) if !failure.first.is_empty() => {
            let who = who_answers(&failure.first);
            format!("the server does not speak TLS at this point; check `tls` and `port`: {who}")
        }
        error => engine_reason(error),
    })
}

/// What went wrong between the two TLS engines later on; `None` where the cause is not TLS.
pub(super) fn failure_of(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Error>().map(engine_reason)
}

fn engine_reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(certificate) => certificate_reason(certificate),
        Error::InvalidMessage(_) => {
            "the server does not speak TLS at this point; check `tls` and `port`".to_owned()
        }
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server speaks TLS 1.1 or older only, which is broken; enable TLS 1.2 there".to_owned()
        }
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the server has no TLS parameters in common with this program (it may be too old: TLS 1.2 \
             with ECDHE and AES-GCM or ChaCha20 is needed)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn certificate_reason(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => {
            "the server's certificate has expired (or this gateway's clock is ahead)".to_owned()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the server's certificate expired on {}; this gateway's clock says {}",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYet => {
            "the server's certificate is not valid yet: is this gateway's clock set?".to_owned()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the server's certificate is valid from {}, and this gateway's clock says {}: is it set?",
            date(*not_before),
            date(*time)
        ),
        CertificateError::UnknownIssuer => {
            "the server's certificate was issued by an unknown authority; set `ca_file` to the certificate of that authority, or set `fingerprint`".to_owned()
        }
        CertificateError::NotValidForName => {
            "the server's certificate is for a name other than `host`".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => {
            format!(
                "the server's certificate has a common name only (no subjectAltName), which cannot be \
                 compared with `host` {}; set its `fingerprint`",
                expected.to_str()
            )
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is for another name: `host` is {}, it is for {}",
            expected.to_str(),
            presented.join(", ")
        ),
        CertificateError::ApplicationVerificationFailure => {
            "the server's certificate does not match `fingerprint`".to_owned()
        }
        CertificateError::Other(inner) if let Some(key) = inner.0.downcast_ref::<RsaKeyLength>() => {
            format!(
                "the server's certificate has {key}, and keys below {} or above {} bits are not \
                 accepted, not even with a `fingerprint`; {BETTER}",
                RSA_BITS.start(),
                RSA_BITS.end()
            )
        }
        error if *error == CertificateError::BadSignature || tls::is_unverifiable_key(error) => format!(
            "the server's proof that it holds its certificate's key cannot be verified (an RSA key \
             below {} bits?); {BETTER}",
            RSA_BITS.start()
        ),
        error if tls::is_of_another_version(error) => {
            format!(
                "the server's certificate is not of X.509 version 3, which `ca_file` cannot vouch \
                 for; set its `fingerprint`, or {BETTER}"
            )
        }
        // What most appliances make for themselves.
        error if tls::is_authority_as_server(error) => {
            "the server's certificate is self-signed; set `ca_file` to it, or set its `fingerprint`"
                .to_owned()
        }
        error if let Some(what) = tls::unusable(error) => {
            format!("the server's certificate cannot be used: {what}; set its `fingerprint`, or {BETTER}")
        }
        other => format!("the server's certificate was refused: {other}"),
    }
}

fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    match chrono::DateTime::from_timestamp(seconds, 0) {
        Some(at) => at.format("%Y-%m-%d").to_string(),
        None => "a date out of range".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_certificate_refusal_has_its_own_words() {
        let day = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let said = |error: CertificateError| {
            let error =
                io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(error));
            reason(&HandshakeFailure { error, first: Vec::new() }).unwrap()
        };
        let expired =
            said(CertificateError::ExpiredContext { time: day(1_800_000_000), not_after: day(0) });
        assert!(expired.contains("expired on 1970-01-01"), "{expired}");
        let early =
            said(CertificateError::NotValidYetContext { time: day(0), not_before: day(86_400) });
        assert!(early.contains("clock says 1970-01-01"), "{early}");
        assert!(said(CertificateError::UnknownIssuer).contains("ca_file"));
        assert!(said(CertificateError::NotValidForName).contains("a name other than `host`"));
        assert!(said(CertificateError::ApplicationVerificationFailure).contains("fingerprint"));
    }

    #[test]
    fn an_error_that_is_not_of_tls_has_no_tls_reason() {
        assert_eq!(failure_of(&io::ErrorKind::TimedOut.into()), None);
    }
}
