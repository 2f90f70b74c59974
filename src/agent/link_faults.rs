//! Why a link is down, by type: what people of any language are told of an error. What a server or the system
//! said goes with it if the type does not say it all.

use std::io;

use crate::{
    logging,
    model::{FaultKind as Kind, LinkFault},
    source::SourceError,
    sync::postgres::CentralError,
};

pub(super) fn of_source(error: &SourceError) -> LinkFault {
    let chain = logging::chain(error);
    let other = || Some(chain.clone());
    let (kind, place, said) = match error {
        SourceError::Connect { address, source } => {
            let kind = connecting(source);
            let said = (kind == Kind::Unreachable).then(|| source.to_string());
            (kind, address.as_str(), said)
        }
        SourceError::Directory { path, source } => match source.kind() {
            io::ErrorKind::NotFound => (Kind::NoDirectory, path.as_str(), None),
            _ => (Kind::DirectoryUnreadable, path.as_str(), Some(source.to_string())),
        },
        SourceError::Login { address, answer, .. } => {
            (Kind::LoginRefused, address.as_str(), Some(answer.clone()))
        }
        SourceError::OtherService { address, .. } => (Kind::OtherService, address.as_str(), None),
        SourceError::HostKeyUnknown { address } => (Kind::HostKeyUnknown, address.as_str(), None),
        SourceError::HostKeyChanged { address, shown } => {
            (Kind::HostKeyChanged, address.as_str(), Some(shown.clone()))
        }
        SourceError::Algorithms { address, reason } => {
            (Kind::Algorithms, address.as_str(), Some(reason.clone()))
        }
        SourceError::KnownHosts { path, reason } => {
            (Kind::HostKeyUnknown, path.as_str(), Some(reason.clone()))
        }
        SourceError::PrivateKey { reason } => (Kind::PrivateKey, "", Some(reason.clone())),
        SourceError::Tls { address, reason } => (Kind::Tls, address.as_str(), Some(reason.clone())),
        SourceError::Lost { address, source } => match connecting(source) {
            Kind::NoAnswer => (Kind::NoAnswer, address.as_str(), None),
            _ => (Kind::Lost, address.as_str(), None),
        },
        SourceError::TooSlow { .. } => (Kind::TooSlow, "", None),
        SourceError::LoginUnfinished { .. }
        | SourceError::FolderMissing { .. }
        | SourceError::List { .. }
        | SourceError::FileRefused { .. }
        | SourceError::FileUnusable { .. }
        | SourceError::ResumeRefused { .. }
        | SourceError::Transfer { .. }
        | SourceError::BadName { .. }
        | SourceError::Disk { .. } => (Kind::Other, "", other()),
    };
    LinkFault { kind, place: place.to_owned(), said }
}

pub(super) fn of_central(error: &CentralError) -> LinkFault {
    let chain = logging::chain(error);
    let mut said = None;
    let (kind, place) = match error {
        CentralError::FindHost { host, .. } => (Kind::UnknownHost, host.as_str()),
        CentralError::Reach { place, source } => {
            let kind = connecting(source);
            said = (kind == Kind::Unreachable).then(|| source.to_string());
            (kind, place.as_str())
        }
        CentralError::Silent { place, .. } | CentralError::NoAnswer { place, .. } => {
            (Kind::NoAnswer, place.as_str())
        }
        CentralError::Lost { place, .. } => (Kind::Lost, place.as_str()),
        CentralError::Improper { place, .. } => (Kind::OtherService, place.as_str()),
        CentralError::CertificateExpired { place } => (Kind::CertificateExpired, place.as_str()),
        CentralError::CertificateNotYetValid { place } => {
            (Kind::CertificateNotYetValid, place.as_str())
        }
        CentralError::CertificateName { .. }
        | CentralError::CertificateIssuer { .. }
        | CentralError::CertificateUnusable { .. } => {
            said = Some(chain.clone());
            (Kind::CertificateRefused, "")
        }
        CentralError::NoTls { place } => {
            said = Some(chain.clone());
            (Kind::Tls, place.as_str())
        }
        CentralError::Tls { .. } => {
            said = Some(chain.clone());
            (Kind::Tls, "")
        }
        CentralError::LogIn { .. } | CentralError::WeakLogIn { .. } => {
            said = Some(chain.clone());
            (Kind::LoginRefused, "")
        }
        CentralError::Full { .. } => (Kind::NoFreeConnection, ""),
        CentralError::Database { database, .. } => (Kind::NoDatabase, database.as_str()),
        CentralError::Forbidden { .. }
        | CentralError::MayNotMigrate { .. }
        | CentralError::SchemaBehind { .. }
        | CentralError::NoTables { .. }
        | CentralError::Altered { .. }
        | CentralError::ForeignMigration { .. }
        | CentralError::ForeignFunction { .. }
        | CentralError::Migrate { .. } => (Kind::TablesUnfit, ""),
        CentralError::NotWritable { place, .. } => (Kind::ReadOnly, place.as_str()),
        CentralError::ReadOnly { .. } => (Kind::ReadOnly, ""),
        CentralError::Restarting { .. } => (Kind::Restarting, ""),
        CentralError::Exhausted { .. } => (Kind::Exhausted, ""),
        CentralError::Busy { .. } | CentralError::TooSlow { .. } => (Kind::Busy, ""),
        CentralError::CaFile(_)
        | CentralError::OtherCount { .. }
        | CentralError::NoHost { .. }
        | CentralError::Refused { .. }
        | CentralError::Answer { .. }
        | CentralError::ReadAnswer { .. } => {
            said = Some(chain.clone());
            (Kind::Other, "")
        }
    };
    LinkFault { kind, place: place.to_owned(), said }
}

/// Of a connection that could not be made, or broke off.
fn connecting(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Kind::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Kind::NoAnswer,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Kind::NoRoute,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Kind::Lost,
        _ => Kind::Unreachable,
    }
}
