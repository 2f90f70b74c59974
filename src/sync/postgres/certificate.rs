//! Why a handshake with central failed, told apart by what fixes it: a certificate that no authority could
//! vouch for is never blamed on an authority.

use rustls::{AlertDescription, CertificateError};

use super::error::{CentralError, NoTlsOffered, Place, io_error};
use crate::tls::{is_authority_as_server, is_of_another_version, is_unverifiable_key};

impl Place {
    /// `None`: it was not TLS.
    pub(super) fn explain_tls(&self, error: &postgres::Error) -> Option<CentralError> {
        let io = io_error(error)?;
        if io.get_ref().is_some_and(|e| e.is::<NoTlsOffered>()) {
            return Some(CentralError::NoTls { place: self.text() });
        }
        let tls = io.get_ref()?.downcast_ref::<rustls::Error>()?.clone();
        let place = self.text();
        Some(match &tls {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    CentralError::CertificateExpired { place }
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    CentralError::CertificateNotYetValid { place }
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    CentralError::CertificateName { host: self.host.clone(), source: tls }
                }
                error if let Some(what) = unusable(error) => {
                    CentralError::CertificateUnusable { place, what }
                }
                error if is_authority_as_server(error) => CentralError::CertificateIssuer { place },
                // A bad signature: another authority of the same name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    CentralError::CertificateIssuer { place }
                }
                _ => CentralError::Tls { source: tls },
            },
            // The server has found that none of what is offered goes with its key.
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
                CentralError::CertificateUnusable { place, what: NOTHING_IN_COMMON }
            }
            _ => CentralError::Tls { source: tls },
        })
    }
}

/// Keys that the TLS library verifies.
const KEY: &str = "its key is none that can be verified: RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, Ed25519 (not RSA of 1024 bits, not P-521)";
const NOTHING_IN_COMMON: &str = "the server finds no way to prove its key that this program knows: its key must be RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384 or Ed25519 (not RSA of 1024 bits, not P-521), and TLS 1.2 or 1.3 on";

/// Why a certificate is refused that no authority could vouch for.
fn unusable(error: &CertificateError) -> Option<&'static str> {
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
