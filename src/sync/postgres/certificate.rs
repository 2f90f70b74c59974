//! Why a handshake with central failed, told apart by what fixes it: a certificate that no authority could
//! vouch for is never blamed on an authority.

use rustls::{AlertDescription, CertificateError};

use super::error::{CentralError, NoTlsOffered, Place, io_error};
use crate::tls;

impl Place {
    /// `None`: it was not TLS.
    pub(super) fn explain_tls(&self, error: &postgres::Error) -> Option<CentralError> {
        let io = io_error(error)?;
        if io.get_ref().is_some_and(|e| e.is::<NoTlsOffered>()) {
            return Some(CentralError::NoTls { place: self.text() });
        }
        let failure = io.get_ref()?.downcast_ref::<rustls::Error>()?.clone();
        let place = self.text();
        Some(match &failure {
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    CentralError::CertificateExpired { place }
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    CentralError::CertificateNotYetValid { place }
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    CentralError::CertificateName { host: self.host.clone(), source: failure }
                }
                error if let Some(what) = tls::unusable(error) => {
                    CentralError::CertificateUnusable { place, what }
                }
                error if tls::is_authority_as_server(error) => {
                    CentralError::CertificateIssuer { place }
                }
                // A bad signature: another authority of the same name.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    CentralError::CertificateIssuer { place }
                }
                _ => CentralError::Tls { source: failure },
            },
            // The server has found that none of what is offered goes with its key.
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
                CentralError::CertificateUnusable { place, what: tls::NOTHING_IN_COMMON }
            }
            _ => CentralError::Tls { source: failure },
        })
    }
}
